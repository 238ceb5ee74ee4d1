# SPDX-License-Identifier: MIT
"""The control file: there in every directory, listed in none, untouchable, and
what poll(2) says about it."""

import errno
import os
import select
import stat
import threading
import time

import harness
import sincefs_client as client
import syscalls
from harness import SANITIZED, equal, refused, told, true
from sincefs_client import CONTENT


def build(path):
    for name in "d", "d/e", "other":
        os.mkdir(os.path.join(path, name))
    for name in "a", "d/b", "d/e/c":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def append(path):
    with open(path, "a") as file:
        file.write("x")


def readable(conn):
    """Is the connection readable at this moment? Anything but POLLIN is an
    error."""
    events = conn.poll(0)
    true(events in (0, select.POLLIN), f"poll says {events:#x}")
    return events != 0


@harness.test()
def it_can_be_opened_in_every_directory(t):
    m = t.mount(build=build)
    os.mkdir(m.at("new"))
    instance = None
    for path in "", "d", "d/e", "other", "new":
        with m.connect(path) as conn:
            token = conn.token()
            equal(token.instance, instance or token.instance, "instance")
            instance = token.instance
            mode = os.fstat(conn.fileno()).st_mode
            true(stat.S_ISREG(mode), f"its mode is {mode:o}")


@harness.test()
def it_is_not_listed(t):
    m = t.mount(build=build)
    with m.connect(), m.connect("d"):
        equal(sorted(os.listdir(m.path)), ["a", "d", "other"], "names")
        equal(sorted(os.listdir(m.at("d"))), ["b", "e"], "names")
        names = [entry.name for entry in os.scandir(m.path)]
        true(".sincefs" not in names, "listed")
        equal(os.listdir(m.under()), os.listdir(m.under()), "names below")
        true(".sincefs" not in os.listdir(m.under()), "it is below")


@harness.test()
def it_cannot_be_created_removed_or_renamed_over(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        for place in "", "d/":
            name = m.at(place + ".sincefs")
            for call, arguments in (
                    (os.mkdir, (name,)),
                    (os.mkfifo, (name,)),
                    (os.symlink, ("a", name)),
                    (os.link, (m.at("a"), name)),
                    (os.unlink, (name,)),
                    (os.rmdir, (name,)),
                    (os.rename, (m.at("a"), name)),
                    (os.rename, (m.at("other"), name)),
                    (os.rename, (name, m.at("b"))),
                    (os.link, (name, m.at("b"))),
                    (syscalls.exchange, (m.at("a"), name)),
                    (syscalls.exchange, (name, m.at("a"))),
                    (syscalls.renameat2, (m.at("a"), name,
                                          syscalls.RENAME_NOREPLACE)),
                    (os.open, (name, os.O_CREAT | os.O_EXCL | os.O_RDWR))):
                try:
                    call(*arguments)
                except OSError as error:
                    true(error.errno in (errno.EPERM, errno.EACCES,
                                         errno.EEXIST, errno.EBUSY,
                                         errno.EINVAL, errno.EXDEV,
                                         errno.ENOTDIR, errno.EISDIR),
                         f"{call.__name__}{arguments}: {error}")
                else:
                    harness.fail(f"{call.__name__}{arguments} succeeded")
        told(conn.since(token), {})
        equal(sorted(os.listdir(m.under())), ["a", "d", "other"], "below")
        equal(sorted(os.listdir(m.under("d"))), ["b", "e"], "below")
        # And it goes on being there.
        with m.connect("d") as again:
            again.info()


@harness.test()
def it_cannot_be_changed(t):
    m = t.mount(build=build)
    name = m.at(".sincefs")
    with m.connect() as conn:
        token = conn.token()
        before = os.stat(name)
        for call, arguments in ((os.chmod, (name, 0o777)),
                                (os.chown, (name, 1, 1)),
                                (os.utime, (name, (1, 1))),
                                (os.truncate, (name, 10)),
                                (os.setxattr, (name, "user.x", b"y"))):
            try:
                call(*arguments)
            except OSError:
                pass
        try:
            fd = os.open(name, os.O_RDWR)
        except OSError:
            pass
        else:
            try:
                os.write(fd, b"x")
            except OSError:
                pass
            os.close(fd)
        after = os.stat(name)
        equal((after.st_mode, after.st_uid, after.st_size),
              (before.st_mode, before.st_uid, before.st_size), "attributes")
        told(conn.since(token), {})
        equal(os.listxattr(name), [], "attributes of it")


@harness.test()
def a_file_of_that_name_below_is_hidden_and_the_root_refuses(t):
    def build_with_one(path):
        build(path)
        append(os.path.join(path, "d/.sincefs"))
    m = t.mount(build=build_with_one)
    with m.connect("d") as conn:
        conn.info()
    true(".sincefs" not in os.listdir(m.at("d")), "it is listed")
    with m.connect() as conn:
        equal((conn.stats().hidden, conn.stats().hidden_in), (1, b"d"),
              "what is hidden")
    output = t.command("status", m.path)
    true("real .sincefs" in output, f"status does not name it: {output}")
    with open(m.under("d/.sincefs")) as file:
        equal(file.read(), "x", "content below")

    other = t.directory("other")
    append(os.path.join(other, ".sincefs"))
    output = t.command("mount", other, status=1)
    true(".sincefs" in output, f"the message is {output!r}")
    true(not os.path.ismount(other), "it is mounted nevertheless")


@harness.test()
def requests_work_on_files_and_directories_too(t):
    m = t.mount(build=build)
    for path in "", "d", "a", "d/e/c":
        with m.connect(path, control=False) as conn:
            token = conn.token()
            append(m.at("a"))
            told(conn.since(token, sync=False), {"a": CONTENT})
            equal(conn.info().tree, 1, "tree")


@harness.test()
def requests_do_not_work_on_fifos_or_O_PATH(t):
    m = t.mount(build=build)
    os.mkfifo(m.at("p"))
    with client.Connection(m.at("p"), control=False,
                           flags=os.O_RDWR) as conn:
        equal(conn.errno_of(client.IOC_INFO, bytearray(client.INFO.size)),
              errno.ENOTTY, "errno on a fifo")
    for path in "a", "d", ".sincefs":
        with client.Connection(m.at(path), control=False,
                               flags=os.O_PATH) as conn:
            equal(conn.errno_of(client.IOC_INFO,
                                bytearray(client.INFO.size)),
                  errno.EBADF, "errno on O_PATH")


@harness.test()
def python_opens_files_quickly_and_isatty_is_false(t):
    """open() asks ioctl(TCGETS), which must be refused with ENOTTY."""
    m = t.mount(build=build)
    for name in "a", ".sincefs":
        fd = os.open(m.at(name), os.O_RDONLY)
        equal(os.isatty(fd), False, "isatty")
        refused(errno.ENOTTY, syscalls.read_ioctl_long, fd, 0x5401)
        os.close(fd)


# ---- poll ----

@harness.test()
def poll_is_level_triggered_and_exact(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        conn.token()
        true(not readable(conn), "readable without a change")
        append(m.at("a"))
        for _ in range(3):
            true(readable(conn), "not readable after a change")
        token = conn.token()
        true(not readable(conn), "readable after being told the clock")
        append(m.at("d/b"))
        true(readable(conn), "not readable after a change")
        conn.since(token)
        for _ in range(3):
            true(not readable(conn), "readable after the answer")


@harness.test()
def poll_wakes_who_waits(t):
    m = t.mount(build=build)
    with m.connect("d") as conn:
        for _ in range(20):
            conn.token()
            thread = threading.Timer(0.02, append, [m.at("a")])
            thread.start()
            begin = time.monotonic()
            events = conn.poll(10)
            took = time.monotonic() - begin
            thread.join()
            equal(events, select.POLLIN, "events")
            true(took < 5, f"woken after {took} seconds")


@harness.test()
def poll_does_not_wake_without_a_change(t):
    m = t.mount(build=build)
    with m.connect() as conn, m.connect() as other:
        conn.token()
        other.token()
        # Others who ask, and look, change nothing.
        def look():
            for _ in range(20):
                other.token()
                os.listdir(m.at("d"))
                with open(m.at("a")) as file:
                    file.read()
                with m.connect("d") as third:
                    third.info()
        thread = threading.Thread(target=look)
        thread.start()
        equal(conn.poll(0.5), 0, "events")
        thread.join()


@harness.test()
def each_open_has_its_own_level(t):
    m = t.mount(build=build)
    with m.connect() as one, m.connect() as two, m.connect("d") as three:
        everyone = (one, two, three)
        for conn in everyone:
            conn.token()
        append(m.at("a"))
        equal([readable(conn) for conn in everyone], [True] * 3, "levels")
        two.token()
        equal([readable(conn) for conn in everyone], [True, False, True],
              "levels after one was told")
        one.token()
        three.token()
        equal([readable(conn) for conn in everyone], [False] * 3, "levels")


@harness.test()
def an_intermediate_page_tells_its_own_clock(t):
    """After a first page with MORE, there is more to know."""
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        for n in range(1000):
            with open(m.at(f"file with a longer name {n}"), "w"):
                pass
        page = conn.page(token)
        true(page.more, "one page was enough")
        true(readable(conn), "not readable although there is more")
        while page.more:
            page = conn.page(page.token)
        true(not readable(conn), "readable after the last page")


@harness.test()
def many_pollers_are_all_woken(t):
    m = t.mount(build=build)
    connections = [m.connect("d/e") for _ in range(200)]
    poller = select.poll()
    for turn in range(5):
        for conn in connections:
            conn.token()
            poller.register(conn.fileno(), select.POLLIN)
        equal(poller.poll(0), [], "events before the change")
        append(m.at("a"))
        deadline = time.monotonic() + 10
        while len(poller.poll(100)) < len(connections):
            true(time.monotonic() < deadline, "not all were woken")
    for conn in connections:
        conn.close()


@harness.test()
def epoll_waits_for_it_too(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        conn.token()
        with select.epoll() as epoll:
            epoll.register(conn.fileno(), select.EPOLLIN)
            equal(epoll.poll(0), [], "events before the change")
            append(m.at("a"))
            equal(epoll.poll(10), [(conn.fileno(), select.EPOLLIN)],
                  "events")


@harness.test()
def poll_of_other_files_answers_always_ready(t):
    m = t.mount(build=build)
    # One POLL answered wrongly would end POLL for all files of the mount.
    with m.connect() as conn:
        conn.token()
        for path in "a", "d":
            fd = os.open(m.at(path), os.O_RDONLY)
            poller = select.poll()
            poller.register(fd, select.POLLIN | select.POLLOUT)
            true(poller.poll(0)[0][1] & select.POLLIN, f"{path} is not ready")
            os.close(fd)
        true(not readable(conn), "readable without a change")
        append(m.at("a"))
        true(readable(conn), "not readable after a change")


@harness.test()
def opening_it_often_costs_no_memory(t):
    """Each LOOKUP of it is a node of its own, which must go again."""
    m = t.mount(build=build)

    def open_many(count):
        for _ in range(count):
            m.connect("d").close()

    def get_rss():
        with open(f"/proc/{m.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
    open_many(5000)
    before = get_rss()
    open_many(20000)
    after = get_rss()
    print(f"# RSS {before} kB, after 20000 opens {after} kB")
    # A node is at least a hundred bytes: 2,000 kB would have stayed.
    true(SANITIZED or after - before < 1000, f"grew by {after - before} kB")


if __name__ == "__main__":
    harness.main()
