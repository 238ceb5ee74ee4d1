# SPDX-License-Identifier: MIT
"""Every operation, asked about immediately after its system call: without
syncfs first, and then with. Promise 1, and the table of operations and records
of the protocol; test-cases.py tells longer stories."""

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import stat
import subprocess

import harness
import syscalls
from harness import equal, refused, told, true
from sincefs_client import (CONTENT, DIR, GONE, LINKED, META, MIXED, NEW,
                            SUBTREE, TIMES)

ELSE = NEW | GONE | SUBTREE | DIR | LINKED


def build(path):
    def write(name, text):
        with open(os.path.join(path, name), "w") as file:
            file.write(text)
    write("a", "content of a")
    write("b", "content of b")
    os.mkdir(os.path.join(path, "d"))
    write("d/x", "content of x")
    os.mkdir(os.path.join(path, "empty"))
    os.symlink("a", os.path.join(path, "s"))


@contextlib.contextmanager
def answer_is(t, expected, *options, **more):
    """The answer for a token from before the block is @expected after it."""
    m = t.mount(*options, build=build, **more)
    with m.connect() as conn:
        token = conn.token()
        yield m
        told(conn.since(token, sync=False), expected)
        told(conn.since(token, sync=True), expected)


@harness.test()
def create_is_told(t):
    with answer_is(t, {"new": (CONTENT | NEW, ELSE & ~NEW)}) as m:
        os.close(os.open(m.at("new"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))


@harness.test()
def open_with_O_CREAT_of_what_exists_tells_nothing(t):
    with answer_is(t, {}) as m:
        os.close(os.open(m.at("a"), os.O_CREAT | os.O_RDWR))
        refused(errno.EEXIST, os.open, m.at("a"),
                os.O_CREAT | os.O_EXCL | os.O_RDWR)


@harness.test()
def create_by_O_CREAT_alone_is_told_as_new(t):
    with answer_is(t, {"new": (CONTENT | NEW, GONE)}) as m:
        os.close(os.open(m.at("new"), os.O_CREAT | os.O_WRONLY))


@harness.test()
def create_in_a_subdirectory_is_told(t):
    with answer_is(t, {"d/new": (CONTENT | NEW, GONE)}) as m:
        os.close(os.open(m.at("d/new"), os.O_CREAT | os.O_WRONLY))


@harness.test()
def mkdir_is_told(t):
    with answer_is(t, {"n": (CONTENT | NEW | DIR, GONE)}) as m:
        os.mkdir(m.at("n"))


@harness.test()
def mkfifo_is_told(t):
    with answer_is(t, {"p": (CONTENT | NEW, GONE | DIR)}) as m:
        os.mkfifo(m.at("p"))
        true(stat.S_ISFIFO(os.stat(m.at("p")).st_mode), "not a fifo")


@harness.test()
def binding_a_socket_is_told(t):
    with answer_is(t, {"sock": (CONTENT | NEW, GONE | DIR)}) as m:
        with socket.socket(socket.AF_UNIX) as sock:
            # The path of a socket is at most 107 bytes long.
            os.chdir(m.path)
            sock.bind("sock")
        os.chdir("/")


@harness.test(needs_root=True)
def mknod_of_a_device_is_told(t):
    with answer_is(t, {"dev": (CONTENT | NEW, GONE | DIR)}) as m:
        os.mknod(m.at("dev"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        equal(os.stat(m.under("dev")).st_rdev, os.makedev(1, 3), "device")


@harness.test()
def mknod_of_a_regular_file_is_told(t):
    with answer_is(t, {"file": (CONTENT | NEW, GONE | DIR)}) as m:
        os.mknod(m.at("file"), stat.S_IFREG | 0o640)
        equal(os.stat(m.under("file")).st_mode, stat.S_IFREG | 0o640, "mode")


@harness.test()
def symlink_is_told(t):
    with answer_is(t, {"l": (CONTENT | NEW, GONE | DIR)}) as m:
        os.symlink("d/x", m.at("l"))
        equal(os.readlink(m.under("l")), "d/x", "target")


@harness.test()
def link_is_told(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        os.link(m.at("a"), m.at("d/hard"))
        told(conn.since(token, sync=False),
             {"d/hard": (CONTENT | NEW, GONE | DIR)})
        equal(os.stat(m.at("a")).st_nlink, 2, "links of the first name")
        equal(os.stat(m.at("d/hard")).st_ino, os.stat(m.at("a")).st_ino,
              "inode number")


@harness.test()
def unlink_is_told(t):
    with answer_is(t, {"a": (CONTENT | GONE, NEW | DIR)}) as m:
        os.unlink(m.at("a"))
        refused(errno.ENOENT, os.stat, m.at("a"))


@harness.test()
def rmdir_is_told(t):
    with answer_is(t, {"empty": (CONTENT | GONE | DIR, NEW)}) as m:
        os.rmdir(m.at("empty"))


@harness.test()
def refused_removals_tell_nothing(t):
    with answer_is(t, {}) as m:
        refused(errno.ENOENT, os.unlink, m.at("none"))
        refused(errno.EISDIR, os.unlink, m.at("d"))
        refused(errno.ENOTDIR, os.rmdir, m.at("a"))
        refused(errno.ENOTEMPTY, os.rmdir, m.at("d"))


@harness.test()
def rename_is_told_for_both_names(t):
    with answer_is(t, {"a": (CONTENT | GONE, NEW | DIR),
                       "new": (CONTENT | NEW, GONE | DIR)}) as m:
        os.rename(m.at("a"), m.at("new"))


@harness.test()
def rename_over_a_file_is_told(t):
    with answer_is(t, {"a": (CONTENT | GONE, NEW),
                       "b": (CONTENT, NEW | GONE | DIR)}) as m:
        os.rename(m.at("a"), m.at("b"))
        with open(m.at("b")) as file:
            equal(file.read(), "content of a", "content")


@harness.test()
def rename_over_an_empty_directory_is_told(t):
    with answer_is(t, {"d": (CONTENT | GONE | DIR | SUBTREE, NEW),
                       "empty": (CONTENT | DIR | SUBTREE, NEW | GONE)}) as m:
        os.rename(m.at("d"), m.at("empty"))
        equal(os.listdir(m.at("empty")), ["x"], "names")


@harness.test()
def rename_of_a_directory_is_told_and_writes_below_have_its_new_name(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        first = conn.token()
        fd = os.open(m.at("d/x"), os.O_WRONLY)
        os.rename(m.at("d"), m.at("moved"))
        second = conn.token()
        os.write(fd, b"one")
        told(conn.since(second, sync=False), {"moved/x": (CONTENT, ELSE)})
        third = conn.token()
        with open(m.at("moved/x"), "a") as file:
            file.write("two")
        told(conn.since(third, sync=False), {"moved/x": (CONTENT, ELSE)})
        with open(m.at("moved/y"), "w"):
            pass
        told(conn.since(first, sync=False), {
            "d": CONTENT | GONE | DIR | SUBTREE,
            "moved": CONTENT | NEW | DIR | SUBTREE,
            "moved/x": (CONTENT, GONE),
            "moved/y": (CONTENT, GONE)})
        told(conn.since(second, sync=False), {
            "moved/x": CONTENT, "moved/y": CONTENT | NEW})
        os.close(fd)


@harness.test()
def refused_renames_tell_nothing(t):
    with answer_is(t, {}) as m:
        refused(errno.ENOENT, os.rename, m.at("none"), m.at("new"))
        refused(errno.EISDIR, os.rename, m.at("a"), m.at("empty"))
        refused(errno.ENOTDIR, os.rename, m.at("d"), m.at("a"))
        refused(errno.EINVAL, os.rename, m.at("d"), m.at("d/below"))
        refused(errno.EXDEV, os.rename, m.at("a"),
                os.path.join(t.base, "outside"))


@harness.test()
def rename_over_a_full_directory_is_refused(t):
    m = t.mount(build=build)
    os.mkdir(m.at("e"))
    with open(m.at("e/y"), "w"):
        pass
    refused(errno.ENOTEMPTY, os.rename, m.at("d"), m.at("e"))
    equal(sorted(os.listdir(m.at("e"))), ["y"], "names")
    equal(sorted(os.listdir(m.at("d"))), ["x"], "names")


@harness.test()
def rename_with_NOREPLACE_is_told_or_refused(t):
    with answer_is(t, {"a": (CONTENT | GONE, NEW),
                       "new": (CONTENT | NEW, GONE)}) as m:
        refused(errno.EEXIST, syscalls.renameat2, m.at("a"), m.at("b"),
                syscalls.RENAME_NOREPLACE)
        syscalls.renameat2(m.at("a"), m.at("new"), syscalls.RENAME_NOREPLACE)


@harness.test()
def exchange_of_files_is_told(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE),
                       "d/x": (CONTENT, NEW | GONE)}) as m:
        syscalls.exchange(m.at("a"), m.at("d/x"))
        with open(m.at("a")) as file:
            equal(file.read(), "content of x", "content")
        with open(m.at("d/x")) as file:
            equal(file.read(), "content of a", "content")


@harness.test()
def exchange_of_a_file_and_a_directory_is_told(t):
    with answer_is(t, {"a": (CONTENT | DIR | SUBTREE, NEW | GONE),
                       "d": (CONTENT | DIR | SUBTREE, NEW | GONE)}) as m:
        syscalls.exchange(m.at("a"), m.at("d"))
        equal(os.listdir(m.at("a")), ["x"], "names")
        true(os.path.isfile(m.at("d")), "d is not a file")


@harness.test()
def exchange_with_nothing_is_refused(t):
    with answer_is(t, {}) as m:
        refused(errno.ENOENT, syscalls.exchange, m.at("a"), m.at("none"))


@harness.test(needs_root=True)
def rename_with_a_whiteout_is_told(t):
    m = t.mount(build=build)
    try:
        syscalls.renameat2(m.under("b"), m.under("c"),
                           syscalls.RENAME_WHITEOUT)
    except OSError as error:
        t.skip(f"the file system below leaves no whiteouts: {error}")
    with m.connect() as conn:
        token = conn.token()
        syscalls.renameat2(m.at("a"), m.at("new"), syscalls.RENAME_WHITEOUT)
        told(conn.since(token, sync=False),
             {"a": (CONTENT, NEW | GONE), "new": (CONTENT | NEW, GONE)})
        left = os.lstat(m.at("a"))
        true(stat.S_ISCHR(left.st_mode) and left.st_rdev == 0,
             "no whiteout is left")


@harness.test()
def write_is_told_each_time(t):
    m = t.mount(build=build)
    with m.connect() as conn, open(m.at("a"), "r+b", buffering=0) as file:
        for _ in range(100):
            token = conn.token()
            file.write(b"x")
            told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})


@harness.test()
def write_through_a_symbolic_link_is_told_for_the_file(t):
    with answer_is(t, {"a": (CONTENT, ELSE)}) as m:
        with open(m.at("s"), "r+b", buffering=0) as file:
            file.write(b"x")


@harness.test()
def append_is_told(t):
    with answer_is(t, {"a": (CONTENT, ELSE)}) as m:
        with open(m.at("a"), "ab", buffering=0) as file:
            file.write(b" more")
        with open(m.under("a")) as file:
            equal(file.read(), "content of a more", "content")


@harness.test()
def pwrite_beyond_the_end_is_told(t):
    with answer_is(t, {"a": (CONTENT, ELSE)}) as m:
        fd = os.open(m.at("a"), os.O_WRONLY)
        os.pwrite(fd, b"far", 100000)
        equal(os.stat(m.under("a")).st_size, 100003, "size")
        os.close(fd)


@harness.test()
def pwritev_and_splice_are_told(t):
    with answer_is(t, {"a": (CONTENT, ELSE), "b": (CONTENT, ELSE)}) as m:
        fd = os.open(m.at("a"), os.O_WRONLY)
        os.pwritev(fd, [b"one", b"two"], 5)
        os.close(fd)
        fd = os.open(m.at("b"), os.O_WRONLY)
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        libc = syscalls._libc
        syscalls._check(libc.splice(reader, None, fd, None, 14, 0))
        for each in (fd, reader, writer):
            os.close(each)
        with open(m.under("b")) as file:
            equal(file.read(), "through a pipe", "content")


@harness.test()
def write_with_O_DIRECT_and_O_SYNC_is_told(t):
    with answer_is(t, {"a": (CONTENT, ELSE), "b": (CONTENT, ELSE)}) as m:
        fd = os.open(m.at("a"), os.O_WRONLY | os.O_SYNC)
        os.write(fd, b"sync")
        os.close(fd)
        page = mmap.mmap(-1, 4096)
        page.write(b"d" * 4096)
        fd = os.open(m.at("b"), os.O_WRONLY | os.O_DIRECT)
        os.writev(fd, [page])
        os.close(fd)
        with open(m.under("b"), "rb") as file:
            equal(file.read(), b"d" * 4096, "content")


@harness.test()
def truncate_is_told(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE | META)}) as m:
        os.truncate(m.at("a"), 3)
        equal(os.stat(m.under("a")).st_size, 3, "size")


@harness.test()
def ftruncate_to_a_longer_file_is_told(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE | META)}) as m:
        fd = os.open(m.at("a"), os.O_RDWR)
        os.ftruncate(fd, 70000)
        equal(os.pread(fd, 1, 69999), b"\0", "last byte")
        os.close(fd)


@harness.test()
def truncate_to_the_same_size_is_told(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE | META)}) as m:
        os.truncate(m.at("a"), len("content of a"))


@harness.test()
def O_TRUNC_empties_the_file_and_is_told(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE | META)}) as m:
        os.close(os.open(m.at("a"), os.O_WRONLY | os.O_TRUNC))
        equal(os.stat(m.under("a")).st_size, 0, "size below")
        equal(os.stat(m.at("a")).st_size, 0, "size")


@harness.test()
def O_CREAT_with_O_TRUNC_of_what_exists_is_not_new(t):
    with answer_is(t, {"a": (CONTENT, NEW | GONE | META)}) as m:
        os.close(os.open(m.at("a"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
        equal(os.stat(m.under("a")).st_size, 0, "size below")


@harness.test()
def each_mode_of_fallocate_is_told(t):
    m = t.mount(build=lambda path: open(path + "/f", "wb").write(
        b"x" * 65536))
    with m.connect() as conn:
        fd = os.open(m.at("f"), os.O_RDWR)
        for mode, offset, length, size in (
                (0, 65536, 4096, 69632),
                (syscalls.FALLOC_KEEP_SIZE, 69632, 4096, 69632),
                (syscalls.FALLOC_KEEP_SIZE | syscalls.FALLOC_PUNCH_HOLE,
                 0, 4096, 69632),
                (syscalls.FALLOC_ZERO_RANGE, 8192, 4096, 69632)):
            token = conn.token()
            syscalls.fallocate(fd, mode, offset, length)
            told(conn.since(token, sync=False), {"f": (CONTENT, ELSE)})
            equal(os.fstat(fd).st_size, size, f"size after mode {mode}")
        content = os.pread(fd, 12288, 0)
        equal(content, bytes(4096) + b"x" * 4096 + bytes(4096), "content")
        os.close(fd)


@harness.test()
def copy_file_range_is_told_for_what_it_writes_to(t):
    with answer_is(t, {"b": (CONTENT, ELSE)}) as m:
        source = os.open(m.at("a"), os.O_RDONLY)
        target = os.open(m.at("b"), os.O_RDWR)
        equal(os.copy_file_range(source, target, 7, 0, 3), 7, "copied")
        # "content" at offset 3 of "content of b".
        equal(os.pread(target, 20, 0), b"concontent b", "content")
        with open(m.under("b"), "rb") as file:
            equal(file.read(), b"concontent b", "content below")
        os.close(source)
        os.close(target)


@harness.test()
def sendfile_is_told_for_what_it_writes_to(t):
    with answer_is(t, {"b": (CONTENT, ELSE)}) as m:
        source = os.open(m.at("a"), os.O_RDONLY)
        target = os.open(m.at("b"), os.O_WRONLY)
        os.sendfile(target, source, 0, 12)
        os.close(source)
        os.close(target)
        with open(m.under("b")) as file:
            equal(file.read(), "content of a", "content below")


@harness.test()
def chmod_is_told(t):
    with answer_is(t, {"a": (META, CONTENT | TIMES | ELSE),
                       "d": (META | DIR, CONTENT | TIMES | SUBTREE)}) as m:
        os.chmod(m.at("a"), 0o600)
        os.chmod(m.at("d"), 0o700)
        equal(os.stat(m.under("a")).st_mode & 0o7777, 0o600, "mode")


@harness.test()
def fchmod_is_told(t):
    with answer_is(t, {"a": (META, CONTENT | TIMES | ELSE)}) as m:
        fd = os.open(m.at("a"), os.O_RDONLY)
        os.fchmod(fd, 0o604)
        os.close(fd)


@harness.test(needs_root=True)
def chown_is_told(t):
    with answer_is(t, {"a": (META, CONTENT | TIMES | ELSE),
                       "s": (META, CONTENT | TIMES | ELSE)}) as m:
        os.chown(m.at("a"), 1234, -1)
        os.lchown(m.at("s"), -1, 4321)
        equal(os.stat(m.under("a")).st_uid, 1234, "owner")
        equal(os.lstat(m.under("s")).st_gid, 4321, "group")


@harness.test()
def setting_times_is_told(t):
    with answer_is(t, {"a": (TIMES, CONTENT | META | ELSE),
                       "d": (TIMES | DIR, CONTENT | META | SUBTREE),
                       "s": (TIMES, CONTENT | META | ELSE)}) as m:
        os.utime(m.at("a"), ns=(10**9, 2 * 10**9 + 7))
        os.utime(m.at("d"))
        os.utime(m.at("s"), ns=(1, 2), follow_symlinks=False)
        equal(os.stat(m.under("a")).st_mtime_ns, 2 * 10**9 + 7, "mtime")
        equal(os.stat(m.at("a")).st_mtime_ns, 2 * 10**9 + 7, "mtime")
        equal(os.lstat(m.under("s")).st_mtime_ns, 2, "mtime of the link")


@harness.test()
def extended_attributes_are_told(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for path, kind in ("a", META), ("d", META | DIR):
            token = conn.token()
            os.setxattr(m.at(path), "user.colour", b"blue")
            told(conn.since(token, sync=False),
                 {path: (kind, CONTENT | TIMES | SUBTREE)})
            equal(os.getxattr(m.at(path), "user.colour"), b"blue", "value")
            equal(os.listxattr(m.at(path)), ["user.colour"], "attributes")
            token = conn.token()
            os.getxattr(m.at(path), "user.colour")
            refused(errno.EEXIST, os.setxattr, m.at(path), "user.colour",
                    b"", os.XATTR_CREATE)
            refused(errno.ENODATA, os.removexattr, m.at(path), "user.none")
            told(conn.since(token, sync=False), {})
            os.removexattr(m.at(path), "user.colour")
            told(conn.since(token, sync=False),
                 {path: (kind, CONTENT | TIMES | SUBTREE)})
            equal(os.listxattr(m.under(path)), [], "attributes below")


@harness.test()
def an_ACL_is_told(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        try:
            t.run("setfacl", "-m", "u:1234:r", m.under("b"))
        except FileNotFoundError:
            t.skip("setfacl is missing")
        for options, path, kind in ((["-m", "u:1234:rw"], "a", META),
                                    (["-d", "-m", "g:77:rx"], "d",
                                     META | DIR)):
            token = conn.token()
            t.run("setfacl", *options, m.at(path))
            told(conn.since(token, sync=False),
                 {path: (kind, CONTENT | SUBTREE)})
            same = [t.run("getfacl", "-c", "--numeric", where)
                    for where in (m.at(path), m.under(path))]
            equal(same[0], same[1], "ACL")
            true(b"1234" in same[0] or b"77" in same[0], f"ACL is {same[0]}")
            token = conn.token()
            t.run("setfacl", "-b", m.at(path))
            told(conn.since(token, sync=False),
                 {path: (kind, CONTENT | SUBTREE)})


@harness.test()
def file_flags_are_told(t):
    m = t.mount(build=build)
    get, put, nodump = 0x80086601, 0x40086602, 0x40
    fd = os.open(m.under("a"), os.O_RDONLY)
    try:
        syscalls.read_ioctl_long(fd, get)
    except OSError as error:
        t.skip(f"no file flags below: {error}")
    os.close(fd)
    with m.connect() as conn:
        fd = os.open(m.at("a"), os.O_RDONLY)
        try:
            flags = syscalls.read_ioctl_long(fd, get)
        except OSError as error:
            # The manual page may list it as an exception, but then whole.
            equal(error.errno, errno.ENOTTY, "errno")
            refused(errno.ENOTTY, syscalls.write_ioctl_long, fd, put, 0)
            return
        token = conn.token()
        syscalls.write_ioctl_long(fd, put, flags | nodump)
        told(conn.since(token, sync=False), {"a": (META, CONTENT)})
        equal(syscalls.read_ioctl_long(fd, get) & nodump, nodump, "flag")
        os.close(fd)


@harness.test()
def O_TMPFILE_that_is_linked_is_told(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        try:
            fd = os.open(m.at("d"), os.O_TMPFILE | os.O_RDWR, 0o644)
        except OSError as error:
            # Before libfuse 3.16 the request does not reach the daemon.
            equal(error.errno, errno.EOPNOTSUPP, "errno")
            told(conn.since(token), {})
            return
        os.write(fd, b"came from nowhere")
        told(conn.since(token, sync=False), {})
        syscalls.link_descriptor(fd, m.at("d/linked"))
        told(conn.since(token, sync=False),
             {"d/linked": (CONTENT | NEW, GONE)})
        token = conn.token()
        os.write(fd, b" and went on")
        told(conn.since(token, sync=False), {"d/linked": (CONTENT, ELSE)})
        os.close(fd)
        with open(m.under("d/linked")) as file:
            equal(file.read(), "came from nowhere and went on", "content")


@harness.test()
def looking_tells_nothing(t):
    with answer_is(t, {}) as m:
        for path, directories, files in os.walk(m.path):
            for name in files:
                with open(os.path.join(path, name), "rb") as file:
                    file.read()
                    os.fsync(file)
            for name in directories:
                os.stat(os.path.join(path, name))
                os.access(os.path.join(path, name), os.W_OK)
        os.readlink(m.at("s"))
        os.listxattr(m.at("a"))
        os.statvfs(m.path)
        refused(errno.ENOENT, os.stat, m.at("none"))
        fd = os.open(m.path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        fd = os.open(m.at("a"), os.O_RDWR)
        os.fdatasync(fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        os.lseek(fd, 0, os.SEEK_HOLE)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


@harness.test()
def the_root_of_the_tree_has_the_path_dot(t):
    with answer_is(t, {".": (META | DIR, CONTENT | GONE)}) as m:
        os.chmod(m.path, 0o750)


@harness.test()
def a_write_that_fails_part_way_is_told(t):
    with answer_is(t, {"a": (CONTENT, ELSE)}) as m:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, -1))
        fd = os.open(m.at("a"), os.O_WRONLY)
        true(0 < os.write(fd, b"y" * 100) <= 20, "the write was not cut")
        os.close(fd)


@harness.test()
def a_process_that_changes_is_named(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        child = subprocess.Popen(["sh", "-c", f"echo x >> '{m.at('a')}'"])
        child.wait()
        answer = conn.since(token)
        told(answer, {"a": (CONTENT, ELSE)})
        equal(answer[0].pid, child.pid, "pid of the writer")
        equal(answer[0].uid, os.geteuid(), "uid of the writer")


@harness.test()
def two_processes_since_the_last_answer_are_mixed(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        for _ in range(2):
            subprocess.run(["sh", "-c", f"echo x >> '{m.at('a')}'"])
        told(conn.since(token), {"a": CONTENT | MIXED})
        token = conn.token()
        subprocess.run(["sh", "-c", f"echo x >> '{m.at('a')}'"])
        told(conn.since(token), {"a": (CONTENT, MIXED)})


if __name__ == "__main__":
    harness.main()
