# SPDX-License-Identifier: MIT
"""The order that promise 1 needs, for each operation: the change is visible,
then stamped, then the caller is answered. strace(1) holds the daemon up between
the steps, longer than it takes to let another thread answer the question."""

import mmap
import os
import shutil
import subprocess
import threading
import time

import harness
import syscalls
from harness import equal, true

# The daemon lets another thread go on after 10 to 20 ms.
PAUSE_US = 60000


class Tracer:
    """Holds up certain system calls of a process, while in the block."""

    def __init__(self, t, pid, calls, when, which=""):
        if not shutil.which("strace"):
            t.skip("strace is missing")
        self.process = subprocess.Popen(
            ["strace", "-f", "-q", "-p", str(pid), "-o", "/dev/null",
             "-e", f"trace={calls}", "-e",
             f"inject={calls}:delay_{when}={PAUSE_US}{which}"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = pid

    def __enter__(self):
        def is_attached():
            if self.process.poll() is not None:
                harness.fail(f"strace: {self.process.stderr.read()}")
            for task in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{task}/status") as file:
                    if "TracerPid:\t0\n" in file.read():
                        return False
            return True
        harness.wait_until(is_attached, 10, "strace to attach")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


def build(path):
    for name in "file", "other", "old", "victim", "linked", "attr":
        with open(os.path.join(path, name), "w") as file:
            file.write("content of " + name)
    os.setxattr(os.path.join(path, "attr"), "user.old", b"1")
    for name in "dir", "empty":
        os.mkdir(os.path.join(path, name))


def write(path, flags=os.O_WRONLY):
    fd = os.open(path, flags)
    os.write(fd, b"NEW")
    os.close(fd)


def allocate(path):
    fd = os.open(path, os.O_WRONLY)
    syscalls.fallocate(fd, 0, 0, 5000)
    os.close(fd)


def copy(source, target):
    one, two = os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY)
    os.copy_file_range(one, two, 5, 11, 0)
    os.close(one)
    os.close(two)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def operations(m, b):
    """(name, what to do, the path that is told, whether it is visible below).
    @b is the directory below."""
    def at(name):
        return m.at(name)

    def under(name):
        return os.path.join(b, name)

    def there(name):
        return os.path.lexists(under(name))

    return [
        ("write", lambda: write(at("file")), "file",
         lambda: read(under("file")).startswith(b"NEW")),
        ("append", lambda: write(at("other"), os.O_WRONLY | os.O_APPEND),
         "other", lambda: read(under("other")).endswith(b"NEW")),
        ("truncate", lambda: os.truncate(at("other"), 3), "other",
         lambda: len(read(under("other"))) == 3),
        ("O_TRUNC", lambda: os.close(os.open(at("other"),
                                             os.O_WRONLY | os.O_TRUNC)),
         "other", lambda: read(under("other")) == b""),
        ("fallocate", lambda: allocate(at("other")), "other",
         lambda: len(read(under("other"))) == 5000),
        ("copy_file_range", lambda: copy(at("linked"), at("file")), "file",
         lambda: read(under("file")).startswith(b"linke")),
        ("create", lambda: os.close(os.open(
            at("new"), os.O_CREAT | os.O_EXCL | os.O_WRONLY)), "new",
         lambda: there("new")),
        ("mkdir", lambda: os.mkdir(at("newdir")), "newdir",
         lambda: there("newdir")),
        ("mkfifo", lambda: os.mkfifo(at("fifo")), "fifo",
         lambda: there("fifo")),
        ("symlink", lambda: os.symlink("x", at("link")), "link",
         lambda: there("link")),
        ("link", lambda: os.link(at("linked"), at("linked2")), "linked2",
         lambda: there("linked2")),
        ("unlink", lambda: os.unlink(at("old")), "old",
         lambda: not there("old")),
        ("rmdir", lambda: os.rmdir(at("empty")), "empty",
         lambda: not there("empty")),
        ("rename", lambda: os.rename(at("new"), at("victim")), "victim",
         lambda: not there("new")),
        ("rename of a directory", lambda: os.rename(at("dir"), at("moved")),
         "moved", lambda: there("moved")),
        ("exchange", lambda: syscalls.exchange(at("file"), at("other")),
         "other", lambda: read(under("other")).startswith(b"linke")),
        ("chmod", lambda: os.chmod(at("file"), 0o600), "file",
         lambda: os.stat(under("file")).st_mode & 0o777 == 0o600),
        ("chown", lambda: os.chown(at("file"), 7, -1), "file",
         lambda: os.stat(under("file")).st_uid == 7),
        ("utimens", lambda: os.utime(at("file"), (9, 9)), "file",
         lambda: os.stat(under("file")).st_mtime == 9),
        ("setxattr", lambda: os.setxattr(at("attr"), "user.new", b"2"),
         "attr", lambda: "user.new" in os.listxattr(under("attr"))),
        ("removexattr", lambda: os.removexattr(at("attr"), "user.old"),
         "attr", lambda: "user.old" not in os.listxattr(under("attr"))),
    ]


@harness.test(limit=120, needs_root=True)
def each_change_is_stamped_before_its_caller_is_answered(t):
    m = t.mount(build=build)
    with m.connect() as conn, Tracer(t, m.pid, "writev", "exit"):
        for name, call, path, _ in operations(m, m.below):
            token = conn.token()
            call()
            paths = conn.since(token, sync=False).paths()
            true(path.encode() in paths,
                 f"{name}: '{path}' is not told when the call has returned; "
                 f"told are {paths}")


@harness.test(limit=120, needs_root=True)
def each_change_is_visible_before_it_is_stamped(t):
    """Or else somebody is told, looks, sees nothing, and is told no more."""
    m = t.mount(build=build)
    calls = ("pwrite64,pwritev2,ftruncate,truncate,fallocate,"
             "copy_file_range,openat,openat2,mkdirat,mknodat,symlinkat,"
             "linkat,unlinkat,renameat2,renameat,fchmodat,fchmod,fchownat,"
             "fchown,utimensat,fsetxattr,setxattr,fremovexattr,removexattr")
    with m.connect() as conn, Tracer(t, m.pid, calls, "enter"):
        for name, call, path, is_visible in operations(m, m.below):
            token = conn.token()
            thread = threading.Thread(target=call)
            thread.start()
            while path.encode() not in conn.since(token, sync=False).paths():
                true(thread.is_alive() or path.encode() in
                     conn.since(token, sync=False).paths(),
                     f"{name}: '{path}' is not told")
                time.sleep(0.001)
            true(is_visible(), f"{name}: told before it could be seen")
            thread.join()


@harness.test(limit=120, needs_root=True)
def a_flush_does_not_overtake_a_write_to_the_same_bytes(t):
    """Each thread of the daemon is held up at every second write, so that one
    that comes later would be made first."""
    m = t.mount(build=build)
    with open(m.at("file"), "r+b") as file:
        file.truncate(4096)
        mapped = mmap.mmap(file.fileno(), 4096)
        with Tracer(t, m.pid, "pwritev2", "enter", ":when=1+2"):
            for number in range(40):
                mapped[:4]  # the page is there, and clean
                writer = threading.Thread(
                    target=os.pwrite, args=(file.fileno(), b"older", 0))
                writer.start()
                # It is in the page, and on its way.
                harness.wait_until(lambda: mapped[:4] == b"olde", 10,
                                   "the write")
                newer = f"{number:04}".encode()
                mapped[:4] = newer
                mapped.flush()
                writer.join()
                equal(mapped[:4], newer, "the mapping")
                equal(read(m.under("file"))[:4], newer, f"below ({number})")
        mapped.close()


@harness.test(limit=120, needs_root=True)
def a_link_that_goes_is_not_counted_off_twice(t):
    """Who looks while a name goes is told of the links that the kernel counts
    still; else it would count one less than there is, and link(2) fail."""
    m = t.mount(build=build)
    with Tracer(t, m.pid, "unlinkat,renameat2", "exit"):
        for number in range(6):
            os.link(m.at("linked"), m.at("b"))
            away = os.unlink if number % 2 else \
                lambda path: os.rename(m.at("spare"), path)
            with open(m.at("spare"), "w"):
                pass
            thread = threading.Thread(target=away, args=(m.at("b"),))
            thread.start()
            while thread.is_alive():
                os.stat(m.at("linked"))
                time.sleep(0.002)
            thread.join()
            os.link(m.at("linked"), m.at("c"))
            os.unlink(m.at("c"))
            equal(os.stat(m.at("linked")).st_nlink, 1, "links")
            if os.path.exists(m.at("b")):
                os.unlink(m.at("b"))


@harness.test(limit=120, needs_root=True)
def parts_of_one_append_do_not_change_places(t):
    """One that goes past the pages is several requests at a time."""
    m = t.mount(build=lambda path: None,
                env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    block = 4096
    data = mmap.mmap(-1, 4 << 20)
    for at in range(0, len(data), block):
        data[at:at + 8] = b"%8d" % at
    with Tracer(t, m.pid, "openat", "enter", ":when=3+5"):
        for number in range(6):
            fd = os.open(m.at(f"f{number}"), os.O_CREAT | os.O_WRONLY |
                         os.O_APPEND | os.O_DIRECT)
            for _ in range(2):
                equal(os.write(fd, data), len(data), "bytes written")
            os.close(fd)
    for number in range(6):
        below = read(m.under(f"f{number}"))
        equal(len(below), 2 * len(data), "size")
        for at in range(0, len(below), block):
            equal(below[at:at + 8], b"%8d" % (at % len(data)),
                  f"block at {at}")


if __name__ == "__main__":
    harness.main()
