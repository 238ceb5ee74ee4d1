# SPDX-License-Identifier: MIT
"""System calls that Python's os module does not have, for tests. Each raises
OSError like those that it has."""

import ctypes
import os

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4

FALLOC_KEEP_SIZE = 0x01
FALLOC_PUNCH_HOLE = 0x02
FALLOC_COLLAPSE_RANGE = 0x08
FALLOC_ZERO_RANGE = 0x10
FALLOC_INSERT_RANGE = 0x20

AT_EMPTY_PATH = 0x1000
AT_SYMLINK_FOLLOW = 0x400

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000

MS_SYNC = 4
MS_ASYNC = 1

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100


def _check(result, path=None):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def renameat2(old, new, flags):
    _check(_libc.renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD,
                           os.fsencode(new), ctypes.c_uint(flags)), old)


def exchange(old, new):
    renameat2(old, new, RENAME_EXCHANGE)


def fallocate(fd, mode, offset, length):
    _check(_libc.fallocate64(fd, mode, ctypes.c_int64(offset),
                             ctypes.c_int64(length)))


def syncfs(fd):
    _check(_libc.syncfs(fd))


def linkat(old_dir, old, new_dir, new, flags):
    _check(_libc.linkat(old_dir, os.fsencode(old), new_dir,
                        os.fsencode(new), flags))


def link_descriptor(fd, new):
    """Give an open file another name, as O_TMPFILE's users do."""
    linkat(_AT_FDCWD, f"/proc/self/fd/{fd}", _AT_FDCWD, new,
           AT_SYMLINK_FOLLOW)


def unshare(flags):
    _check(_libc.unshare(flags))


def read_ioctl_long(fd, request):
    """ioctl(fd, request, &long)."""
    value = ctypes.c_long(0)
    _check(_libc.ioctl(fd, ctypes.c_ulong(request), ctypes.byref(value)))
    return value.value


def write_ioctl_long(fd, request, number):
    value = ctypes.c_long(number)
    _check(_libc.ioctl(fd, ctypes.c_ulong(request), ctypes.byref(value)))


def drop_caches(kind=2):
    """Have the kernel forget what it can (2: names and inodes). Root."""
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write(str(kind))
