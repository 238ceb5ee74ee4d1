# SPDX-License-Identifier: MIT
"""
Trees for your tests: a project that somebody works on, and the packages that
are installed beside it.

    from sincefs.testing import fake_tree

    with fake_tree() as tree:
        scan(tree.project, tree.site_packages)

Small enough to read, with everything in them that has ever been a trap: name
space packages, compiled files, links of both kinds and to nowhere, a fifo,
modes, names that are not text. They are those that sincefs itself is tested
with, in each byte, mode and time.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from types import TracebackType
from typing import Dict, Iterable, NamedTuple, Optional, Tuple, Type, Union

__all__ = ["Entry", "FakeTree", "PROJECT", "SITE_PACKAGES", "build",
           "fake_tree"]

FILE, DIR, SYMLINK, HARDLINK, FIFO = (
    "file", "dir", "symlink", "hardlink", "fifo")

#: The name of the extended attribute that an entry may have.
XATTR = "user.fake"

# Times go up from entry to entry by a second and a bit, from a moment in 2001,
# so that none is equal to another, whatever its unit is rounded to.
_START_NS = 1_000_000_000 * 10 ** 9
_STEP_NS = 10 ** 9 + 1001


class Entry(NamedTuple):
    """
    One thing in a tree. Parents stand before what they contain, and the target
    of a hard link before the link.
    """

    #: Relative to the root of the tree.
    path: bytes
    #: FILE, DIR, SYMLINK, HARDLINK or FIFO.
    kind: str
    #: A file's bytes; where a link points to (a hard link: relative to the
    #: root of the tree).
    content: bytes
    #: Permissions.
    mode: int
    #: The value of XATTR, or None.
    value: Optional[bytes]


def _file(path: bytes, content: bytes = b"", mode: int = 0o644,
          value: Optional[bytes] = None) -> Entry:
    return Entry(path, FILE, content, mode, value)


def _dir(path: bytes, mode: int = 0o755) -> Entry:
    return Entry(path, DIR, b"", mode, None)


def _symlink(path: bytes, target: bytes) -> Entry:
    return Entry(path, SYMLINK, target, 0o777, None)


def _hardlink(path: bytes, target: bytes) -> Entry:
    return Entry(path, HARDLINK, target, 0o644, None)


# 255 bytes, the longest that a name can be; and as many of text in UTF-8.
_LONG_NAME = (b"l" * 10 + b"o" * 10) * 10 + b"n" * 50 + b"gname"
_LONG_TEXT_NAME = ("ü" * 100 + "é" * 10 + "ä" * 10 + "ö" * 7 + "x").encode()

# The first bytes of a compiled Python file; zeros among them on purpose.
_PYC = (b"\xa7\x0d\x0d\x0a\0\0\0\0\x01\x02\x03\x65\x2a\0\0\0\xe3\0\0\0")

#: A project that somebody works on.
PROJECT: Tuple[Entry, ...] = (
    _file(b"README.md", b"# Weather\n\nReads stations, draws maps.\n"),
    _file(b"pyproject.toml",
          b'[project]\nname = "weather"\nversion = "1.2.0"\n'),
    _file(b".gitignore", b"__pycache__/\n*.pyc\nbuild/\n.venv/\n"),
    _file(b"run.sh", b'#!/bin/sh\nexec python3 -m weather "$@"\n', 0o755),
    _file(b"empty"),
    # A package, with its compiled files.
    _dir(b"weather"),
    _file(b"weather/__init__.py", b"from .station import Station\n"),
    _file(b"weather/__main__.py",
          b"from weather import Station\nprint(Station('Kiel').mean())\n"),
    _file(b"weather/station.py",
          b"class Station:\n"
          b"    def __init__(self, name):\n"
          b"        self.name = name\n\n"
          b"    def mean(self):\n"
          b"        return 9.1\n"),
    _file(b"weather/units.py",
          b"def fahrenheit(c):\n    return c * 9 / 5 + 32\n"),
    _dir(b"weather/__pycache__"),
    _file(b"weather/__pycache__/__init__.cpython-311.pyc", _PYC + b"i"),
    _file(b"weather/__pycache__/station.cpython-311.pyc", _PYC + b"s"),
    _dir(b"weather/data"),
    _file(b"weather/data/stations.csv", b"id,name\n1,Kiel\n2,Ulm\n"),
    _file(b"weather/data/map.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    # A name space package: no __init__.py at the first level.
    _dir(b"plugins"),
    _dir(b"plugins/wind"),
    _file(b"plugins/wind/__init__.py", b"KNOTS = 1.852\n"),
    # Tests, a notebook, documents.
    _dir(b"tests"),
    _file(b"tests/conftest.py", b"import pytest\n"),
    _file(b"tests/test_units.py",
          b"from weather.units import fahrenheit\n\n"
          b"def test_boiling():\n"
          b"    assert fahrenheit(100) == 212\n"),
    _dir(b"notebooks"),
    _file(b"notebooks/first look.ipynb", b'{"cells": []}\n'),
    _dir(b"docs"),
    _dir(b"docs/_build"),
    _file(b"docs/index.rst", b"Weather\n=======\n"),
    # Links: to a file, to a directory, to nothing, out of the tree, to itself.
    _symlink(b"current.csv", b"weather/data/stations.csv"),
    _symlink(b"src", b"weather"),
    _symlink(b"dangling", b"not/here"),
    _symlink(b"outside", b"/usr/share/zoneinfo"),
    _symlink(b"tests/self", b"self"),
    # One file with two names in two directories.
    _hardlink(b"docs/stations.csv", b"weather/data/stations.csv"),
    # Names that programs stumble over.
    _dir(b"odd names"),
    _file(b"odd names/ leading and trailing ", b"spaces\n"),
    _file(b"odd names/new\nline", b"newline\n"),
    _file(b"odd names/tab\there", b"tab\n"),
    _file(b"odd names/not utf-8 \xff\xfe\x80", b"latin-1\n"),
    _file("odd names/grüße".encode(), b"UTF-8\n"),
    _file(b"odd names/-rf", b"looks like an option\n"),
    _file(b"odd names/back\\slash \"quote\" 'tick' $HOME `ls` *?[a]",
          b"for shells\n"),
    _file(b"odd names/...", b"three dots\n"),
    _file(b"odd names/\x01\x1b[31m\x7f", b"control characters\n"),
    _file(b"odd names/" + _LONG_NAME, b"255 bytes\n"),
    _file(b"odd names/" + _LONG_TEXT_NAME, b"255 bytes of text\n"),
    # Modes, an attribute, a fifo.
    _file(b"secret.key", b"0123456789abcdef\n", 0o400),
    _dir(b"shared", 0o1777),
    _file(b"tagged.txt", b"tagged\n", value=b"blue"),
    Entry(b"pipe", FIFO, b"", 0o644, None),
)

#: The packages that are installed beside it.
SITE_PACKAGES: Tuple[Entry, ...] = (
    # A plain package with data, and what pip writes beside it.
    _dir(b"numbers2"),
    _file(b"numbers2/__init__.py",
          b"__version__ = '2.0.1'\nfrom .core import add\n"),
    _file(b"numbers2/core.py", b"def add(a, b):\n    return a + b\n"),
    _file(b"numbers2/py.typed"),
    _dir(b"numbers2/__pycache__"),
    _file(b"numbers2/__pycache__/__init__.cpython-311.pyc", _PYC + b"i"),
    _file(b"numbers2/__pycache__/core.cpython-311.pyc", _PYC + b"c"),
    _file(b"numbers2/_fast.cpython-311-x86_64-linux-gnu.so",
          b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
    _dir(b"numbers2-2.0.1.dist-info"),
    _file(b"numbers2-2.0.1.dist-info/METADATA",
          b"Metadata-Version: 2.1\nName: numbers2\n"),
    _file(b"numbers2-2.0.1.dist-info/RECORD", b"numbers2/__init__.py,,\n"),
    _file(b"numbers2-2.0.1.dist-info/INSTALLER", b"pip\n"),
    _file(b"numbers2-2.0.1.dist-info/top_level.txt", b"numbers2\n"),
    # A single module, and a link to it.
    _file(b"oneword.py", b"WORD = 'one'\n"),
    _symlink(b"aword.py", b"oneword.py"),
    _dir(b"__pycache__"),
    _file(b"__pycache__/oneword.cpython-311.pyc", _PYC + b"o"),
    # Two distributions in one name space, no __init__.py above.
    _dir(b"acme"),
    _dir(b"acme/http"),
    _file(b"acme/http/__init__.py", b"PORT = 80\n"),
    _dir(b"acme/json"),
    _file(b"acme/json/__init__.py", b"INDENT = 2\n"),
    # Editable installs and path files.
    _file(b"__editable__.weather-1.2.0.pth", b"/home/somebody/weather\n"),
    _file(b"distutils-precedence.pth", b"import os\n"),
    # Deep packages, templates as data.
    _dir(b"deep"),
    _file(b"deep/__init__.py"),
    _dir(b"deep/er"),
    _file(b"deep/er/__init__.py"),
    _dir(b"deep/er/still"),
    _file(b"deep/er/still/__init__.py", b"BOTTOM = True\n"),
    _dir(b"deep/er/still/templates"),
    _file(b"deep/er/still/templates/page.html", b"<p>{{ text }}</p>\n"),
    # Files that are one on disk, as uv and conda make them.
    _dir(b"linked"),
    _file(b"linked/__init__.py", b"SAME = 1\n"),
    _hardlink(b"linked/copy.py", b"linked/__init__.py"),
)


def _make_file(path: bytes, entry: Entry) -> None:
    with open(path, "xb") as file:
        file.write(entry.content)
        if entry.value is not None:
            try:
                os.setxattr(file.fileno(), XATTR, entry.value)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
        os.fchmod(file.fileno(), entry.mode)


def build(entries: Iterable[Entry],
          directory: Union[str, "os.PathLike[str]"]) -> None:
    """
    Build a table, one of these or one of your own, in a directory, which is
    there. Raises OSError, FileExistsError for what is there already; what has
    been built by then is left. Where the file system has no extended
    attributes, entries have none.
    """
    top = os.fsencode(directory)
    times: Dict[bytes, int] = {}
    now = _START_NS
    for entry in entries:
        path = os.path.join(top, entry.path)
        now += _STEP_NS
        if entry.kind == DIR:
            os.mkdir(path)
            os.chmod(path, entry.mode)
        elif entry.kind == SYMLINK:
            os.symlink(entry.content, path)
        elif entry.kind == HARDLINK:
            os.link(os.path.join(top, entry.content), path,
                    follow_symlinks=False)
            continue  # it has the times of its target
        elif entry.kind == FIFO:
            os.mkfifo(path)
            os.chmod(path, entry.mode)
        else:
            _make_file(path, entry)
        times[path] = now
    # Last: what is made in a directory changes the directory's.
    for path, when in times.items():
        os.utime(path, ns=(when, when), follow_symlinks=False)


class FakeTree:
    """
    A project and its installed packages on disk. A context manager, which
    removes what was made in a temporary directory.
    """

    #: The directory of PROJECT, absolute.
    project: str
    #: The directory of SITE_PACKAGES, absolute.
    site_packages: str

    def __init__(self, directory: Union[str, "os.PathLike[str]", None]) \
            -> None:
        self._temporary: Optional[str] = None
        if directory is None:
            directory = self._temporary = tempfile.mkdtemp(prefix="sincefs-")
        top = os.path.realpath(directory)
        self.project = os.path.join(top, "project")
        self.site_packages = os.path.join(top, "site-packages")
        try:
            for path, entries in ((self.project, PROJECT),
                                  (self.site_packages, SITE_PACKAGES)):
                os.mkdir(path)
                build(entries, path)
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> FakeTree:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<sincefs.testing.FakeTree {os.path.dirname(self.project)!r}>"

    def remove(self) -> None:
        """Remove it if it is in a temporary directory of its own; end first
        what you mounted over it. More than once is allowed."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary)
            self._temporary = None


def fake_tree(directory: Union[str, "os.PathLike[str]", None] = None) \
        -> FakeTree:
    """
    Build a fake project and its installed packages.

    Without a directory, in a temporary one, which leaving the with block (or
    remove()) removes. With a directory, which is there: in project/ and
    site-packages/ in it, and left to you.

    Raises OSError, FileExistsError if one of the two is there already.
    """
    return FakeTree(directory)
