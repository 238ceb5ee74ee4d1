# SPDX-License-Identifier: MIT
"""Promise 8: when the daemon is killed, every acknowledged write is below, and
nothing but the history is lost."""

import errno
import mmap
import os
import signal
import time

import harness
from harness import equal, fresh, refused, told, true
from sincefs_client import CONTENT, RESTART


def build(path):
    with open(os.path.join(path, "a"), "w") as file:
        file.write("content of a")
    os.mkdir(os.path.join(path, "d"))


def write_until_refused(top, number, log_fd):
    """Do one thing after another, and say what was acknowledged; until the
    mount is gone."""
    n = 0
    try:
        while True:
            name = os.path.join(top, f"w{number}-{n}")
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            try:
                os.write(fd, b"%d of %d" % (n, number))
            finally:
                os.close(fd)
            if n % 3 == 1:
                os.rename(name, name + "-moved")
                name += "-moved"
            if n % 3 == 2:
                os.unlink(name)
                name = "-" + name
            os.write(log_fd, f"{n} {os.path.basename(name)}\n".encode()
                     if n % 3 != 2 else f"{n} -\n".encode())
            n += 1
    except OSError as error:
        os._exit(0 if error.errno in (errno.ENOTCONN, errno.ECONNABORTED,
                                      errno.EIO) else error.errno)


@harness.test(limit=120, needs_root=True)
def what_was_acknowledged_is_below_after_kill_9(t):
    path = t.directory("m")
    build(path)
    for turn in range(5):
        m = t.mount(path=path)
        with m.connect() as conn:
            token = conn.token()
        reader, writer = os.pipe()
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                write_until_refused(m.path, turn * 10 + number, writer)
            children.append(pid)
        os.close(writer)
        logs = b""
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline or logs.count(b"\n") < 200:
            logs += os.read(reader, 65536)
        os.kill(m.pid, signal.SIGKILL)
        while True:
            more = os.read(reader, 65536)
            if not more:
                break
            logs += more
        for pid in children:
            equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0,
                  "errno of a writer")
        true(harness.process_is_gone(m.pid), "the daemon lives")

        # It is dead, and says so.
        refused(errno.ENOTCONN, os.listdir, m.path)
        true("daemon" in t.command("token", m.path, status=1),
             "no message about the daemon")
        acknowledged = 0
        for line in logs.decode().splitlines():
            n, name = line.split()
            if name == "-":
                continue
            number = int(name.split("-")[0][1:])
            with open(m.under(name), "rb") as file:
                equal(file.read(), b"%d of %d" % (int(n), number),
                      f"content of {name}")
            acknowledged += 1
        true(acknowledged > 100, f"only {acknowledged} files to look at")
        print(f"# {acknowledged} acknowledged files are below")

        m.umount()
        true(not m.is_mounted(), "it is still mounted")
        m = t.mount(path=path)
        with m.connect() as conn:
            answer = conn.since(token)
            fresh(answer, RESTART)
            with open(m.at("a"), "a") as file:
                file.write("x")
            told(conn.since(answer.token), {"a": CONTENT})
        m.umount()


@harness.test(limit=60)
def a_new_mount_goes_over_a_dead_one(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
    os.kill(m.pid, signal.SIGKILL)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    again = t.mount(path=m.path)
    with again.connect() as conn:
        fresh(conn.since(token), RESTART)
    equal(len(harness.mounts_below(m.path)), 1, "mounts at the place")
    again.umount()
    with open(os.path.join(m.path, "a")) as file:
        equal(file.read(), "content of a", "content")


@harness.test(limit=60)
def a_client_that_waits_is_told_that_the_daemon_died(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        conn.token()
        pid = os.fork()
        if pid == 0:
            time.sleep(0.3)
            os.kill(m.pid, signal.SIGKILL)
            os._exit(0)
        events = conn.poll(20)
        os.waitpid(pid, 0)
        true(events != 0, "poll still waits for a dead daemon")
        refused(errno.ENOTCONN, conn.info)


@harness.test(limit=60)
def open_files_of_a_dead_mount_give_errors_and_not_old_bytes(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDWR)
    os.kill(m.pid, signal.SIGKILL)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    refused(errno.ENOTCONN, os.write, fd, b"x")
    refused(errno.ENOTCONN, os.open, m.at("d/x"), os.O_CREAT | os.O_WRONLY)
    os.close(fd)
    m.umount()


@harness.test(limit=60)
def signals_end_it_in_order(t):
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        m = t.mount(build=build, name=f"m{number}")
        with open(m.at("a"), "a") as file:
            file.write(" more")
        os.kill(m.pid, number)
        true(harness.process_is_gone(m.pid), f"it lives after {number}")
        harness.wait_until(lambda: not m.is_mounted(), 10, "the unmount")
        with open(os.path.join(m.path, "a")) as file:
            equal(file.read(), "content of a more", "content")


@harness.test(limit=60)
def a_signal_while_files_are_open_ends_it_too(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDWR)
    os.write(fd, b"CONTENT")
    os.kill(m.pid, signal.SIGTERM)
    harness.wait_until(lambda: not m.is_mounted(), 10, "the unmount")
    # Either it serves who is inside to the end, or says that it is gone.
    try:
        equal(os.pread(fd, 7, 0), b"CONTENT", "content")
    except OSError as error:
        true(error.errno in (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED),
             f"errno: {error}")
    os.close(fd)
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test(limit=60, needs_root=True)
def dirty_mappings_are_below_after_an_orderly_end(t):
    m = t.mount(build=lambda path: open(path + "/f", "wb").write(
        bytes(1 << 20)))
    fd = os.open(m.at("f"), os.O_RDWR)
    mapped = mmap.mmap(fd, 1 << 20)
    for n in range(0, 1 << 20, 4096):
        mapped[n] = 1
    mapped.close()
    os.close(fd)
    m.umount()
    with open(os.path.join(m.path, "f"), "rb") as file:
        content = file.read()
    equal(sum(content), 256, "bytes that were stored")


@harness.test(limit=60)
def umount_of_a_busy_mount_is_refused_unless_lazy(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDWR)
    output = t.command("umount", m.path, status=1)
    true(m.is_mounted(), f"it is gone: {output}")
    m.umount("--lazy")
    true(not m.is_mounted(), "it is still mounted")
    # Who is inside goes on, and what he writes is below.
    os.write(fd, b"CONTENT")
    os.close(fd)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    with open(os.path.join(m.path, "a")) as file:
        equal(file.read(), "CONTENT of a", "content")


if __name__ == "__main__":
    harness.main()
