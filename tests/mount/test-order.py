# SPDX-License-Identifier: MIT
"""The order that promise 1 needs, for each operation: the change is visible,
then stamped, then the caller is answered. strace(1) holds the daemon up between
the steps, longer than it takes to let another thread answer the question."""

import os
import shutil
import subprocess
import threading
import time

import harness
import syscalls
from harness import true

# The daemon lets another thread go on after 10 to 20 ms.
PAUSE_US = 60000


class Tracer:
    """Holds up certain system calls of a process, while in the block."""

    def __init__(self, t, pid, calls, when):
        if not shutil.which("strace"):
            t.skip("strace is missing")
        self.process = subprocess.Popen(
            ["strace", "-f", "-q", "-p", str(pid), "-o", "/dev/null",
             "-e", f"trace={calls}", "-e",
             f"inject={calls}:delay_{when}={PAUSE_US}"],
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


if __name__ == "__main__":
    harness.main()
