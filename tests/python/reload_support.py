# SPDX-License-Identifier: MIT
"""What the tests of reloading share: the package of the source tree, bytecode
switched on, projects of modules, and edits that leave no trace in a stat.

Import it first. PYTHONDONTWRITEBYTECODE hides what these tests are about.
"""

import os
import sys

TOP = os.environ.get("SINCEFS_SRCDIR", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", ".."))
TOP = os.path.abspath(TOP)
PACKAGE = os.path.join(TOP, "core", "python")
sys.path.insert(0, PACKAGE)
sys.path.insert(0, os.path.join(TOP, "tests", "mount"))
sys.path.insert(0, os.path.join(TOP, "tests", "python"))

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def write(path, text):
    """A file with this content, written in place."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


def source(number):
    """A module whose VALUE is a number, always of the same size."""
    return f"VALUE = int('{number:06d}')\n\n\ndef get():\n    return VALUE\n"


def times(path):
    """A file's times, to be put back."""
    it = os.stat(path)
    return it.st_atime_ns, it.st_mtime_ns


def edit_unseen(path, text):
    """Change a file so that neither its size (if the text is as long) nor its
    mtime tells."""
    kept = times(path)
    with open(path, "w") as file:
        file.write(text)
    os.utime(path, ns=kept)


def exchange(one, other):
    """Exchange two names in one step: renameat2(2) with RENAME_EXCHANGE."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one, None, other)


def retarget(link, target):
    """Have a symbolic link lead elsewhere, in one step."""
    os.symlink(target, link + ".new")
    os.rename(link + ".new", link)
