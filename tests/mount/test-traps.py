# SPDX-License-Identifier: MIT
"""What a cached pass-through without OPEN requests gets wrong when nobody
looks: each of these was met once."""

import errno
import fcntl
import mmap
import os
import resource
import signal
import subprocess
import threading
import time

import harness
import syscalls
from harness import equal, refused, told, true
from sincefs_client import CONTENT, GONE, NEW, SCANNED

FICLONE = 0x40049409


def build(path):
    for name in "a", "b":
        with open(os.path.join(path, name), "w") as file:
            file.write("content of " + name)
    os.mkdir(os.path.join(path, "d"))


# ---- without OPEN ----

@harness.test()
def O_TRUNC_is_not_lost(t):
    """With atomic O_TRUNC the size would come in an OPEN that never comes."""
    m = t.mount(build=build)
    for opening in (lambda: open(m.at("a"), "w"),
                    lambda: open(m.at("a"), "w+")):
        with open(m.at("a"), "w") as file:
            file.write("something long")
        with opening() as file:
            equal(os.stat(m.under("a")).st_size, 0, "size below")
            file.write("new")
        with open(m.under("a")) as file:
            equal(file.read(), "new", "content below")


@harness.test(limit=60)
def a_file_that_is_created_and_held_costs_no_descriptor_of_its_own(t):
    """CREATE comes with a handle, and the daemon may have 1024 descriptors."""
    m = t.mount(prefix=("prlimit", "--nofile=1024:1024"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(4000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [os.open(m.at(f"f{n}"), os.O_CREAT | os.O_EXCL | os.O_RDWR,
                    0o444 if n % 2 else 0o644) for n in range(count)]
    for n, fd in enumerate(held):
        os.write(fd, b"file %d" % n)
    for n, fd in enumerate(held):
        equal(os.pread(fd, 20, 0), b"file %d" % n, "content")
    open_now = len(os.listdir(f"/proc/{m.pid}/fd"))
    print(f"# {count} files held, {open_now} descriptors of the daemon")
    for fd in held:
        os.close(fd)
    for n in range(count):
        with open(m.under(f"f{n}"), "rb") as file:
            equal(file.read(), b"file %d" % n, "content below")


@harness.test()
def a_file_created_without_permissions_can_be_written(t):
    """As git makes its objects: 0444, and then the first write."""
    m = t.mount()
    fd = os.open(m.at("object"), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o444)
    os.write(fd, b"one")
    os.fchmod(fd, 0)
    os.write(fd, b"two")
    equal(os.pread(fd, 10, 0), b"onetwo", "content")
    os.close(fd)


@harness.test()
def a_file_whose_mode_is_taken_away_can_be_written_by_who_has_it(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDWR)
    os.fchmod(fd, 0)
    os.pwrite(fd, b"CONTENT", 0)
    equal(os.pread(fd, 100, 0), b"CONTENT of a", "content")
    os.close(fd)


# ---- what bypasses the mount ----

@harness.test(limit=20)
def an_append_lands_at_the_end_even_if_somebody_bypassed_us(t):
    """The kernel's idea of the size is old; a write there would overwrite."""
    m = t.mount(build=build)
    with m.connect() as conn:
        fd = os.open(m.at("a"), os.O_RDWR | os.O_APPEND)
        equal(os.fstat(fd).st_size, 12, "size")
        with open(m.under("a"), "a") as file:
            file.write(" bypassed")
        token = conn.token()
        os.write(fd, b" appended")
        told(conn.since(token, sync=False),
             {"a": (CONTENT | SCANNED, NEW | GONE)})
        with open(m.under("a")) as file:
            equal(file.read(), "content of a bypassed appended", "content")
        # The stale cache is dropped by a notification, soon.
        harness.wait_until(
            lambda: os.pread(fd, 100, 0) == b"content of a bypassed appended",
            10, "the cache to be dropped")
        equal(os.fstat(fd).st_size, 30, "size")
        os.close(fd)


@harness.test()
def two_who_append_lose_nothing(t):
    m = t.mount(build=build)
    fds = [os.open(m.at("a"), os.O_WRONLY | os.O_APPEND) for _ in range(2)]

    def append(fd, letter):
        for _ in range(500):
            os.write(fd, letter * 7)
    threads = [threading.Thread(target=append, args=(fd, letter))
               for fd, letter in zip(fds, (b"x", b"y"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open(m.under("a"), "rb") as file:
        content = file.read()
    equal(len(content), 12 + 7000, "size")
    equal((content.count(b"x" * 7), content.count(b"y" * 7)), (500, 500),
          "pieces")


@harness.test(limit=20)
def what_vanished_below_is_refused_and_not_mistaken(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDWR)
    os.unlink(m.under("a"))
    with open(m.under("a"), "w") as file:
        file.write("a successor")
    try:
        os.pwrite(fd, b"XXX", 0)
    except OSError as error:
        true(error.errno in (errno.ESTALE, errno.ENOENT, errno.EIO),
             f"errno of the write: {error}")
    with open(m.under("a")) as file:
        equal(file.read(), "a successor", "content of the successor")
    os.close(fd)


# ---- what the kernel keeps to itself, or refuses ----

@harness.test()
def locks_are_the_kernels(t):
    m = t.mount(build=build)
    one = os.open(m.at("a"), os.O_RDWR)
    fcntl.flock(one, fcntl.LOCK_EX)

    def locked(call):
        pid = os.fork()
        if pid == 0:
            fd = os.open(m.at("a"), os.O_RDWR)
            try:
                call(fd)
            except BlockingIOError:
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1

    def flock(fd):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def lockf(fd):
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    true(locked(flock), "flock does not keep others out")
    fcntl.flock(one, fcntl.LOCK_UN)
    true(not locked(flock), "flock keeps others out after LOCK_UN")
    fcntl.lockf(one, fcntl.LOCK_EX)
    true(locked(lockf), "lockf does not keep others out")
    os.close(one)
    true(not locked(lockf), "lockf keeps others out after close")


@harness.test()
def what_is_not_passed_is_refused_and_nothing_happens(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd = os.open(m.at("a"), os.O_RDWR)
        other = os.open(m.at("b"), os.O_RDWR)
        token = conn.token()
        for mode in syscalls.FALLOC_COLLAPSE_RANGE, \
                syscalls.FALLOC_INSERT_RANGE:
            refused(errno.EOPNOTSUPP, syscalls.fallocate, fd, mode, 0, 4096)
        try:
            fcntl.ioctl(fd, FICLONE, other)
        except OSError as error:
            true(error.errno in (errno.EOPNOTSUPP, errno.ENOTTY,
                                 errno.EINVAL, errno.EXDEV),
                 f"FICLONE: {error}")
        else:
            harness.fail("FICLONE succeeded without us")
        told(conn.since(token), {})
        equal(os.pread(fd, 20, 0), b"content of a", "content")
        os.close(fd)
        os.close(other)


@harness.test()
def inotify_in_the_mount_sees_what_is_done_through_it(t):
    m = t.mount(build=build)
    libc = syscalls._libc
    watcher = syscalls._check(libc.inotify_init1(os.O_NONBLOCK))
    syscalls._check(libc.inotify_add_watch(watcher, os.fsencode(m.path),
                                           0xfff))
    with open(m.at("new"), "w") as file:
        file.write("x")
    true(b"new" in os.read(watcher, 4096), "no event")
    os.close(watcher)


@harness.test()
def statvfs_is_that_of_the_directory_below(t):
    m = t.mount(build=build)
    above, below = os.statvfs(m.path), os.statvfs(m.below)
    equal((above.f_blocks, above.f_frsize, above.f_files, above.f_namemax),
          (below.f_blocks, below.f_frsize, below.f_files, below.f_namemax),
          "sizes")


@harness.test()
def stat_is_that_of_the_file_below(t):
    m = t.mount(build=lambda path: t.build(path, "project"))
    for path, directories, files in os.walk(m.path):
        for name in directories + files:
            name = os.path.relpath(os.path.join(path, name), m.path)
            above, below = os.lstat(m.at(name)), os.lstat(m.under(name))
            for field in ("st_mode", "st_uid", "st_gid", "st_size",
                          "st_nlink", "st_mtime_ns", "st_ino", "st_blocks",
                          "st_rdev"):
                equal(getattr(above, field), getattr(below, field),
                      f"{field} of {name!r}")


@harness.test()
def a_program_can_be_run_and_is_busy_meanwhile(t):
    m = t.mount()
    with open("/bin/sleep", "rb") as source, open(m.at("prog"), "wb") as file:
        file.write(source.read())
    os.chmod(m.at("prog"), 0o755)
    child = subprocess.Popen([m.at("prog"), "30"])
    try:
        refused(errno.ETXTBSY, os.open, m.at("prog"), os.O_WRONLY)
    finally:
        child.kill()
        child.wait()
    os.close(os.open(m.at("prog"), os.O_WRONLY))


@harness.test()
def a_fifo_connects_two_processes(t):
    m = t.mount()
    os.mkfifo(m.at("pipe"))
    pid = os.fork()
    if pid == 0:
        with open(m.at("pipe"), "wb") as pipe:
            pipe.write(b"through the fifo")
        os._exit(0)
    with open(m.at("pipe"), "rb") as pipe:
        equal(pipe.read(), b"through the fifo", "content")
    os.waitpid(pid, 0)


# ---- requests that could wait for themselves ----

@harness.test(limit=30)
def reading_into_a_mapping_of_the_same_file(t):
    m = t.mount(build=lambda path: open(path + "/f", "wb").write(
        os.urandom(1 << 16)))
    fd = os.open(m.at("f"), os.O_RDWR)
    with mmap.mmap(fd, 1 << 16) as mapped:
        view = memoryview(mapped)
        os.preadv(fd, [view[:4096]], 8192)
        equal(bytes(view[:4096]), os.pread(fd, 4096, 8192), "content")
        os.pwrite(fd, view[8192:12288], 100)
        view.release()
    os.close(fd)


@harness.test(limit=60)
def a_slow_request_does_not_hold_up_the_others(t):
    """fsync waits for the disk; a question must not wait with it."""
    m = t.mount(build=build)
    stop = threading.Event()

    def sync_all_the_time():
        while not stop.is_set():
            fd = os.open(m.at("a"), os.O_WRONLY | os.O_APPEND)
            os.write(fd, b"x" * 100000)
            os.fsync(fd)
            os.ftruncate(fd, 0)
            os.close(fd)
    thread = threading.Thread(target=sync_all_the_time)
    thread.start()
    worst = 0
    with m.connect() as conn:
        for _ in range(300):
            begin = time.monotonic()
            conn.token()
            worst = max(worst, time.monotonic() - begin)
    stop.set()
    thread.join()
    print(f"# the slowest question beside fsync took {worst * 1000:.1f} ms")


@harness.test(limit=60, needs_root=True)
def a_reader_of_a_hundred_processes_at_once(t):
    m = t.mount(build=lambda path: t.build(path, "many", 2000, 50))
    script = f"find '{m.path}' -type f | xargs cat | wc -c"
    children = [subprocess.Popen(["sh", "-c", script],
                                 stdout=subprocess.PIPE)
                for _ in range(60)]
    sizes = {child.communicate()[0] for child in children}
    equal(len(sizes), 1, "different sums of sizes")


@harness.test(limit=30)
def interrupted_callers_leave_everything_in_order(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        for _ in range(100):
            pid = os.fork()
            if pid == 0:
                n = 0
                while True:
                    with open(m.at(f"k{n}"), "w") as file:
                        file.write("x")
                    os.rename(m.at(f"k{n}"), m.at(f"l{n}"))
                    os.unlink(m.at(f"l{n}"))
                    n = (n + 1) % 7
            time.sleep(0.005)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            for name in os.listdir(m.path):
                if name not in ("a", "b", "d") and len(name) == 2:
                    os.rename(m.at(name), m.at(name + "-left"))
        answer = conn.since(token)
        left = set(os.listdir(os.fsencode(m.below))) - {b"a", b"b", b"d"}
        true(left <= answer.paths(), "what is left is not told")
        equal(set(os.listdir(os.fsencode(m.path))) - {b"a", b"b", b"d"},
              left, "names")
        flags = answer.flags()
        for name, bits in flags.items():
            equal(bool(bits & GONE), name not in left, f"GONE of {name!r}")


@harness.test(limit=60)
def a_loop_of_directories_cannot_be_made(t):
    """Not by renames that race with each other, either."""
    m = t.mount()
    for name in "a", "b", "a/x", "b/y":
        os.mkdir(m.at(name))
    stop = time.monotonic() + 3

    def swap(one, two, back_one, back_two):
        while time.monotonic() < stop:
            for source, target in ((one, two), (back_one, back_two)):
                try:
                    os.rename(m.at(source), m.at(target))
                except OSError:
                    pass
    threads = [threading.Thread(target=swap, args=arguments) for arguments in
               (("a", "b/y/a", "b/y/a", "a"), ("b", "a/x/b", "a/x/b", "b"),
                ("a/x", "b/x", "b/x", "a/x"), ("b/y", "a/y", "a/y", "b/y"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [os.path.relpath(os.path.join(path, name), m.path)
            for path, names, _ in os.walk(m.path) for name in names]
    below = [os.path.relpath(os.path.join(path, name), m.below)
             for path, names, _ in os.walk(m.below) for name in names]
    equal(sorted(seen), sorted(below), "directories")
    equal(len(seen), 4, "directories")


@harness.test()
def fresh_content_is_read_after_every_kind_of_change(t):
    """Caches without an end must be dropped by what changes behind them."""
    m = t.mount(build=build)
    reader = os.open(m.at("a"), os.O_RDONLY)

    def check(expected):
        equal(os.pread(reader, 100, 0), expected, "content")
        equal(os.fstat(reader).st_size, len(expected), "size")
        with open(m.at("a"), "rb") as file:
            equal(file.read(), expected, "content")
    check(b"content of a")
    fd = os.open(m.at("a"), os.O_RDWR)
    os.pwrite(fd, b"CONTENT", 0)
    check(b"CONTENT of a")
    os.ftruncate(fd, 4)
    check(b"CONT")
    os.ftruncate(fd, 8)
    check(b"CONT\0\0\0\0")
    with open(m.at("b"), "rb") as source:
        os.copy_file_range(source.fileno(), fd, 12, 0, 2)
    check(b"COcontent of b")
    syscalls.fallocate(fd, syscalls.FALLOC_PUNCH_HOLE |
                       syscalls.FALLOC_KEEP_SIZE, 2, 3)
    check(b"CO\0\0\0tent of b")
    syscalls.fallocate(fd, syscalls.FALLOC_ZERO_RANGE, 5, 20)
    check(b"CO" + bytes(23))
    with mmap.mmap(fd, 25) as mapped:
        mapped[0:2] = b"xx"
    check(b"xx" + bytes(23))
    os.close(fd)
    os.close(reader)


if __name__ == "__main__":
    harness.main()
