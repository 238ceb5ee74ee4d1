# SPDX-License-Identifier: MIT
"""What the daemon costs: descriptors and memory come back, few descriptors are
enough, mounting reads no directory, and one ioctl answers a question."""

import collections
import errno
import os
import re
import signal
import shutil
import struct
import subprocess
import time

import harness
import syscalls
from harness import SANITIZED, equal, told, true
from sincefs_client import CONTENT, NEW

MANY = int(os.environ.get("SINCEFS_TEST_MANY", "100000"))


def memory_directory(t, name="m"):
    """A directory in memory, where files are made quickly; else any."""
    if not os.access("/dev/shm", os.W_OK):
        return t.directory(name)
    path = os.path.join(t.base, name + "-in-memory")
    os.mkdir(path)
    t.run("mount", "-t", "tmpfs", "tmpfs", path)
    return path


def daemon_rss(m):
    """Resident memory in kB."""
    with open(f"/proc/{m.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def daemon_descriptors(m):
    return len(os.listdir(f"/proc/{m.pid}/fd"))


def state(m):
    return daemon_rss(m), daemon_descriptors(m)


def settle(m, descriptors):
    """FORGETs come in the background: wait until they have."""
    deadline = time.monotonic() + 20
    while daemon_descriptors(m) > descriptors and \
            time.monotonic() < deadline:
        time.sleep(0.05)


# ---- what comes back ----

@harness.test(limit=240, needs_root=True)
def descriptors_and_memory_return_after_many_create_and_unlink(t):
    m = t.mount(path=memory_directory(t))
    churn = t.program("mount/churn")
    # What is allocated once and kept: tables, caches, threads.
    t.run(churn, "5000", m.path)
    syscalls.drop_caches()
    settle(m, 20)
    before = state(m)
    begin = time.monotonic()
    t.run(churn, str(MANY), m.path)
    took = time.monotonic() - begin
    syscalls.drop_caches()
    settle(m, before[1])
    after = state(m)
    print(f"# {MANY} files created and unlinked in {took:.1f} s; RSS "
          f"{before[0]} kB before, {after[0]} kB after; descriptors "
          f"{before[1]}, {after[1]}")
    true(after[1] <= before[1] + 2, f"{after[1]} descriptors")
    # 100 bytes for each would be 10,000 kB.
    if not SANITIZED:
        true(after[0] <= before[0] + 1500, f"RSS of {after[0]} kB")


@harness.test(limit=240, needs_root=True)
def descriptors_and_memory_return_after_forgetting_many_files(t):
    path = memory_directory(t)
    t.build(path, "many", MANY, 100)
    m = t.mount(path=path)

    def walk():
        equal(int(t.run("sh", "-c", f"find '{m.path}' -type f -printf '%s\\n'"
                        f" | wc -l")), MANY, "files")

    def inodes():
        with m.connect() as conn:
            return conn.stats().inodes

    def forget():
        """The kernel gives up what was used lately in a second pass only."""
        def is_forgotten():
            syscalls.drop_caches()
            return inodes() < 100
        harness.wait_until(is_forgotten, 60, "the kernel to forget")
        settle(m, 40)
        # What was freed is returned once nothing goes on any more.
        last = None
        while last != daemon_rss(m):
            last = daemon_rss(m)
            time.sleep(1.5)

    start = state(m)
    def all_are_known():
        """Somebody else on this machine may drop caches at any moment."""
        walk()
        return inodes() > MANY

    harness.wait_until(all_are_known, 60, "the daemon knows all files")
    full = state(m)
    forget()
    after = state(m)
    walk()
    forget()
    again = state(m)
    print(f"# RSS in kB, descriptors: {start} before, {full} with {MANY} "
          f"files known, {after} when forgotten, {again} after the same again")
    true(after[1] <= start[1] + 20, f"{after[1]} descriptors")
    true(again[1] <= after[1] + 2, f"{again[1]} descriptors")
    if not SANITIZED:
        # At most a fifth of what they cost may be kept for the next ones,
        # and a second time may add nothing.
        true(after[0] - start[0] <= (full[0] - start[0]) / 5 + 1000,
             f"RSS of {after[0]} kB")
        true(again[0] <= after[0] + 1500, f"RSS of {again[0]} kB")


@harness.test(limit=120)
def questions_leave_nothing_behind(t):
    m = t.mount(build=lambda path: t.build(path, "project"))
    with m.connect() as conn:
        token = conn.token()
        for n in range(300):
            os.close(os.open(m.at(f"f{n}"), os.O_CREAT))
        for _ in range(500):
            conn.since(token)
        before = state(m)
        for _ in range(4000):
            conn.since(token, sync=False)
        after = state(m)
    print(f"# RSS and descriptors: {before}, after 4000 answers {after}")
    equal(after[1], before[1], "descriptors")
    if not SANITIZED:
        true(after[0] <= before[0] + 500, f"RSS of {after[0]} kB")


# ---- few descriptors ----

@harness.test(limit=240, needs_root=True)
def a_thousand_descriptors_are_enough_for_a_large_tree(t):
    path = memory_directory(t)
    t.build(path, "many", MANY, 100)
    m = t.mount(path=path, prefix=("prlimit", "--nofile=1024:1024"))
    with open(f"/proc/{m.pid}/limits") as limits:
        true(re.search(r"^Max open files +1024 ", limits.read(), re.M),
             "the limit is not there")
    with m.connect() as conn:
        token = conn.token()
        equal(int(t.run("sh", "-c", f"find '{m.path}' -type f | wc -l")),
              MANY, "files")
        through = t.run("sh", "-c", f"cd '{m.path}' && find . -type f -print0"
                        " | sort -z | xargs -0 cat | sha1sum")
        below = t.run("sh", "-c", f"cd '{m.below}/' && find . -type f -print0"
                      " | sort -z | xargs -0 cat | sha1sum")
        equal(through, below, "sum of all contents")
        expected = {}
        for n in range(0, MANY, MANY // 1000):
            name = f"part{n // 100 // 100}/dir{n // 100}/file{n}.py"
            with open(m.at(name), "a") as file:
                file.write("x")
            expected[name] = (CONTENT, NEW)
        told(conn.since(token), expected)
        print(f"# {daemon_descriptors(m)} descriptors")


@harness.test(limit=60)
def more_open_unlinked_files_than_descriptors_are_not_mixed_up(t):
    """Each needs one; when there are no more, something must be refused."""
    m = t.mount(prefix=("prlimit", "--nofile=1024:1024"))
    none_left = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    held = {}
    refusals = {"open": 0, "write": 0, "unlink": 0, "read": 0}

    def attempt(what, call, *arguments):
        try:
            return call(*arguments)
        except OSError as error:
            true(error.errno in none_left, f"errno of {what}: {error}")
            refusals[what] += 1
            return None
    for n in range(2000):
        fd = attempt("open", os.open, m.at(f"f{n}"),
                     os.O_CREAT | os.O_EXCL | os.O_RDWR)
        if fd is None:
            continue
        if attempt("write", os.write, fd, b"file %d" % n):
            held[n] = fd
        attempt("unlink", os.unlink, m.at(f"f{n}"))
    for n, fd in held.items():
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        content = attempt("read", os.pread, fd, 20, 0)
        true(content in (b"file %d" % n, None), f"file {n} has {content}")
    print(f"# {len(held)} of 2000 files held; refused: {refusals}")
    true(len(held) >= 700, "too few descriptors are of use")
    equal(refusals["read"], 0, "files that could not be read any more")
    for fd in held.values():
        os.close(fd)

    # And it recovers.
    def recovers():
        try:
            with open(m.at("later"), "w") as file:
                file.write("x")
            os.unlink(m.at("later"))
        except OSError:
            return False
        return True
    harness.wait_until(recovers, 10, "descriptors to be free again")


# ---- mounting ----

class DirectoryWatch:
    """Counts how often any directory of a tree is opened or read, by
    inotify(7) on the tree itself."""

    OPEN, ACCESS = 0x20, 0x1

    def __init__(self, top):
        libc = syscalls._libc
        self.fd = syscalls._check(libc.inotify_init1(os.O_NONBLOCK))
        for path, _, _ in os.walk(top):
            syscalls._check(libc.inotify_add_watch(
                self.fd, os.fsencode(path), self.OPEN | self.ACCESS |
                0x01000000))
        self.count()

    def count(self):
        """Events since this was asked last: (opened, read), directories
        only."""
        opened = read = 0
        try:
            while True:
                events = os.read(self.fd, 1 << 20)
                while events:
                    _, mask, _, length = struct.unpack_from("=iIII", events)
                    if mask & 0x40000000:  # IN_ISDIR
                        opened += bool(mask & self.OPEN)
                        read += bool(mask & self.ACCESS)
                    events = events[16 + length:]
        except BlockingIOError:
            return opened, read


@harness.test(limit=240, needs_root=True)
def mounting_reads_no_directory_before_it_answers(t):
    path = memory_directory(t)
    t.build(path, "many", MANY, 100)
    times = []
    for _ in range(5):
        begin = time.monotonic()
        t.command("mount", path)
        times.append(time.monotonic() - begin)
        t.command("umount", path)
    print(f"# mounting a tree of {MANY} files took "
          f"{min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms")

    watch = DirectoryWatch(path)
    t.command("mount", path)
    t.command("token", path)
    opened, read = watch.count()
    # The same watch sees a directory that is read through the mount.
    os.listdir(path)
    opened_after, read_after = watch.count()
    os.close(watch.fd)
    t.command("umount", path)
    print(f"# {opened} times a directory was opened, {read} times read")
    equal(read, 0, "directories read before it answered")
    true(opened < 20, f"{opened} directories opened before it answered")
    true(read_after > 0, "the watch sees nothing")


# ---- one ioctl ----

def strace_counts(text):
    """{system call: calls} of strace -c."""
    counts = {}
    for line in text.decode().splitlines():
        parts = line.split()
        if len(parts) >= 5 and parts[3].isdigit():
            counts[parts[-1]] = int(parts[3])
    return counts


@harness.test(limit=120)
def a_question_is_one_ioctl_and_nothing_else(t):
    if not shutil.which("strace"):
        t.skip("strace is missing")
    m = t.mount(build=lambda path: t.build(path, "project"))
    # The leak checker of a sanitized client cannot work under strace.
    env = {"ASAN_OPTIONS": t.env["ASAN_OPTIONS"] + ":detect_leaks=0"}
    for options, expected in (([], ["ioctl"]),
                              (["sync"], ["syncfs", "ioctl"])):
        trace = os.path.join(t.base, "client")
        t.run("strace", "-o", trace, t.program("mount/ask-many"), m.path,
              "1000", *options, env=env)
        with open(trace) as lines:
            calls = [line.split("(")[0] for line in lines]
        begin, end = (n for n, call in enumerate(calls) if call == "getppid")
        # What the client's own memory may take.
        asked = [call for call in calls[begin + 1:end]
                 if call not in ("brk", "mmap", "munmap")]
        true(asked == expected * 1000, f"system calls of 1000 questions: "
             f"{collections.Counter(asked)}")


@harness.test(limit=120, needs_root=True)
def a_question_is_one_request_to_the_daemon(t):
    if not shutil.which("strace"):
        t.skip("strace is missing")
    m = t.mount(build=lambda path: t.build(path, "project"))
    ask = t.program("mount/ask-many")
    t.run(ask, m.path, "10")

    def count_reads(questions):
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-c", "-p", str(m.pid)],
            stderr=subprocess.PIPE)

        def is_attached():
            return all("TracerPid:\t0\n" not in open(
                f"/proc/{m.pid}/task/{task}/status").read()
                for task in os.listdir(f"/proc/{m.pid}/task"))
        harness.wait_until(is_attached, 10, "strace to attach")
        t.run(ask, m.path, str(questions))
        tracer.send_signal(signal.SIGINT)
        counts = strace_counts(tracer.communicate()[1])
        return (counts.get("read", 0) + counts.get("splice", 0),
                counts.get("writev", 0) + counts.get("write", 0))
    few, many = count_reads(1), count_reads(1001)
    requests, replies = many[0] - few[0], many[1] - few[1]
    print(f"# 1000 questions: {requests} requests read, {replies} replies")
    # strace interrupts the reader now and then, in either count.
    true(990 <= requests <= 1010, f"{requests} requests")
    true(990 <= replies <= 1010, f"{replies} replies")


if __name__ == "__main__":
    harness.main()
