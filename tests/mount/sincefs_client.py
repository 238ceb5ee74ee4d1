# SPDX-License-Identifier: MIT
"""The protocol from Python, for tests: direct, strict, without libsincefs.

A Connection speaks each request as it stands in protocol.h and raises OSError
with the daemon's errno. What the daemon answers is checked against the
protocol's promises; ProtocolError says which one is broken. Refusals are
tested with Connection.ioctl() and the *_question() functions, whose fields
can be set to anything.

    conn = Connection(mountpoint)
    token = conn.token()
    ...
    answer = conn.since(token)
    assert not answer.fresh
    assert answer.paths() == {b"a.py"}
    token = answer.token
"""

import collections
import ctypes
import errno
import fcntl
import os
import select
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "core", "python"))

# Formats and numbers are those of the installed client. How an answer is taken
# apart and judged is not: two readings of the protocol find each other's errors.
from sincefs._protocol import (  # noqa: E402,F401
    BELOW, CLOCK, CONTROL_NAME, FEATURE_CLOCK_PAGE, FEATURE_STATS,
    FEATURE_SYNC_EXACT, FORGOT, FRESH, FUTURE, INFO, IOC_CLOCK, IOC_INFO,
    IOC_NONE, IOC_READ, IOC_SCAN, IOC_SINCE, IOC_STATS, IOC_TREE, IOC_TYPE,
    IOC_WRITE, LOST, MORE, NO_TOKEN, PAGE_DATA_SIZE, PAGE_HEADER, PAGE_SIZE,
    PROTOCOL_VERSION, RECORD, REQUEST_ATTRIBUTES, REQUEST_CHANGE,
    REQUEST_DIRECTORY, REQUEST_FORGET, REQUEST_IOCTL, REQUEST_KINDS,
    REQUEST_LOOKUP, REQUEST_NAME, REQUEST_OTHER, REQUEST_POLL, REQUEST_READ,
    REQUEST_SYNC, REQUEST_WRITE, REQUEST_XATTR, RESTART, SCAN, SIGNATURE,
    STATS, TOKEN, TREE, TREE_ALL, TREE_MOUNTED, Flags, ioc)

# Plain numbers here, as a test may send and meet any bit.
(CONTENT, META, TIMES, NEW, GONE, DIR, SUBTREE, SCANNED, LINKED, MIXED) = (
    int(flag) for flag in (
        Flags.CONTENT, Flags.META, Flags.TIMES, Flags.NEW, Flags.GONE,
        Flags.DIR, Flags.SUBTREE, Flags.SCANNED, Flags.LINKED, Flags.MIXED))
FLAG_NAMES = tuple((int(flag), flag.name) for flag in Flags)

Token = collections.namedtuple("Token", "instance clock")
NOTHING = Token(0, 0)

Info = collections.namedtuple(
    "Info", "signature version features now floor entries capacity "
            "tree tree_count pid")

Tree = collections.namedtuple(
    "Tree", "id flags scans scan_age_ns scan_period_ns scan_cost_ns files "
            "scan_error root")

Stats = collections.namedtuple(
    "Stats", "requests uptime_ns stamps inodes descriptors hidden hidden_in")


class ProtocolError(Exception):
    """The daemon answered what the protocol rules out."""


def flag_names(flags):
    """The names of the bits of a record, joined with '|'."""
    known = [name for bit, name in FLAG_NAMES if flags & bit]
    rest = flags & ~sum(bit for bit, _ in FLAG_NAMES)
    if rest:
        known.append(hex(rest))
    return "|".join(known) or "0"


class Record(collections.namedtuple("Record",
                                    "clock tree pid uid flags path")):
    """One change; path is bytes, relative to its tree (or, with below, to the
    directory that was asked about)."""

    __slots__ = ()

    def __repr__(self):
        return (f"<{self.clock} {flag_names(self.flags)} {self.path!r} "
                f"tree {self.tree} pid {self.pid} uid {self.uid}>")


class Page:
    """One answer of SINCEFS_IOC_SINCE, taken apart and checked."""

    def __init__(self, buffer, since, tree=TREE_ALL):
        fields = PAGE_HEADER.unpack_from(buffer)
        (self.signature, self.flags, instance, clock, self.tree, self.mask,
         self.count, self.bytes, self.reason, self.zero32,
         *self.zero, self.names) = fields
        self.token = Token(instance, clock)
        self.fresh = bool(self.flags & FRESH)
        self.more = bool(self.flags & MORE)
        self.data = bytes(buffer[PAGE_HEADER.size:])
        self.records = []
        self._check_header(since)
        self._read_records(since, tree)

    def _check_header(self, since):
        expect(self.signature == SIGNATURE, "signature")
        expect(self.flags & ~(FRESH | MORE) == 0, "unknown flag out")
        expect(self.token.instance != 0, "instance 0")
        expect(self.token.clock != 0, "clock 0")
        expect(self.zero32 == 0 and not any(self.zero), "reserved field out")
        expect(self.bytes <= PAGE_DATA_SIZE, "bytes beyond the page")
        if self.fresh:
            expect(not self.more, "FRESH and MORE")
            expect(self.count == 0 and self.bytes == 0, "FRESH with records")
            expect(NO_TOKEN <= self.reason <= FUTURE, "reason of FRESH")
        else:
            expect(self.reason == 0, "a reason without FRESH")
            expect(self.token.instance == since.instance,
                   "a list for a token of another instance")
            expect(self.token.clock >= since.clock, "clock went back")
            expect(not self.more or self.token.clock > since.clock,
                   "MORE without progress")

    def _read_records(self, since, tree):
        offset = 0
        clock = since.clock
        for _ in range(self.count):
            expect(offset + RECORD.size <= self.bytes, "record outside")
            *fields, length = RECORD.unpack_from(self.data, offset)
            start = offset + RECORD.size
            end = offset + (RECORD.size + length + 1 + 7 & ~7)
            expect(end <= self.bytes, "path outside")
            path = self.data[start:start + length]
            expect(not any(self.data[start + length:end]),
                   "path not followed by zeros")
            record = Record(*fields, path)
            check_path(path)
            expect(record.clock > clock, "clocks do not rise")
            expect(record.clock <= self.token.clock,
                   "a record above the page's token")
            expect(record.tree != 0, "record of tree 0")
            expect(tree in (TREE_ALL, record.tree), "record of another tree")
            expect(record.flags & (CONTENT | META | TIMES),
                   "record without a kind of change")
            clock = record.clock
            offset = end
            self.records.append(record)
        expect(offset == self.bytes, "bytes that no record fills")


class Answer(list):
    """The records of all pages, oldest first, as they came: a name that
    changed while they were read is there twice."""

    def __init__(self):
        super().__init__()
        self.token = NOTHING
        self.fresh = False
        self.reason = 0
        self.pages = 0

    def paths(self):
        """The set of all paths (bytes)."""
        return {record.path for record in self}

    def flags(self):
        """{path: flags}. Of a name that is there twice: all kinds of change,
        NEW as first said and GONE as last said."""
        result = {}
        for record in self:
            old = result.get(record.path)
            flags = record.flags
            if old is not None:
                flags = ((old | flags) & ~(NEW | GONE) |
                         old & NEW | flags & GONE)
            result[record.path] = flags
        return result


def expect(condition, what):
    if not condition:
        raise ProtocolError(what)


def check_path(path):
    if path == b".":
        return
    expect(b"\0" not in path, "NUL in a path")
    for part in path.split(b"/"):
        expect(part not in (b"", b".", b".."), f"path {path!r}")


def encode_names(names):
    """A pattern, or a list of them, as sincefs_page.names takes it."""
    if names is None:
        return b""
    if isinstance(names, (str, bytes)):
        names = [names]
    return b"\0".join(os.fsencode(name) for name in names)


def since_question(token=NOTHING, *, signature=SIGNATURE, flags=0,
                   tree=TREE_ALL, mask=0, count=0, size=0, reason=0, zero32=0,
                   zero=(0, 0), names=b"", data=b""):
    """A bytearray for IOC_SINCE with any field at any value; names are the
    raw bytes, of which 64 fit."""
    buffer = bytearray(PAGE_SIZE)
    PAGE_HEADER.pack_into(buffer, 0, signature, flags, *token, tree, mask,
                          count, size, reason, zero32, *zero, names)
    buffer[PAGE_HEADER.size:PAGE_HEADER.size + len(data)] = data
    return buffer


def tree_question(tree_id, *, flags=0, scans=0, age=0, period=0, cost=0,
                  files=0, error=0, zero32=0, root=b""):
    """A bytearray for IOC_TREE with any field at any value."""
    return bytearray(TREE.pack(tree_id, flags, scans, age, period, cost,
                               files, error, zero32, root))


def scan_question(tree_id, *, zero32=0, scans=0):
    """A bytearray for IOC_SCAN with any field at any value."""
    return bytearray(SCAN.pack(tree_id, zero32, scans))


def token_text(token):
    """A token as the command line writes it."""
    return f"sincefs:1:{token[0]:016x}:{token[1]}"


def parse_token(text):
    """A token as the command line writes it (str or bytes)."""
    if isinstance(text, bytes):
        text = text.decode("ascii")
    prefix, version, instance, clock = text.strip().split(":")
    if prefix != "sincefs" or version != "1" or len(instance) != 16:
        raise ValueError(f"not a token: {text!r}")
    return Token(int(instance, 16), int(clock))


_libc = ctypes.CDLL(None, use_errno=True)


def syncfs(fd):
    """syncfs(2), which the os module does not have."""
    if _libc.syncfs(fd) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Connection:
    """An open descriptor on a mount: of the control file in the directory
    path (default), or with control=False of path itself, which may be any
    regular file or directory. A context manager; it closes the descriptor."""

    def __init__(self, path, control=True, flags=os.O_RDONLY):
        if control:
            path = os.path.join(os.fsencode(path), CONTROL_NAME.encode())
        self._fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self):
        return self._fd

    def ioctl(self, number, buffer=0):
        """Any request. buffer: a bytearray, which holds the answer after
        it, or an integer. Returns what ioctl(2) returned; raises OSError."""
        return fcntl.ioctl(self._fd, number, buffer)

    def errno_of(self, number, buffer=0):
        """The errno that a request is refused with; 0 if it is not."""
        try:
            self.ioctl(number, buffer)
        except OSError as error:
            return error.errno
        return 0

    def syncfs(self):
        syncfs(self._fd)

    def info(self):
        buffer = bytearray(INFO.size)
        expect(self.ioctl(IOC_INFO, buffer) == 0, "result of INFO")
        (signature, version, features, instance, clock, floor, entries,
         capacity, tree, tree_count, pid, zero32,
         *zero) = INFO.unpack(buffer)
        expect(signature == SIGNATURE, "signature")
        expect(version == PROTOCOL_VERSION, "version")
        expect(instance != 0 and clock != 0, "token of INFO")
        expect(zero32 == 0 and not any(zero), "reserved field of INFO")
        expect(entries <= capacity, "entries beyond capacity")
        return Info(signature, version, features, Token(instance, clock),
                    floor, entries, capacity, tree, tree_count, pid)

    def token(self):
        """The token of this moment."""
        return self.info().now

    def tree(self, tree_id):
        buffer = tree_question(tree_id)
        expect(self.ioctl(IOC_TREE, buffer) == 0, "result of TREE")
        (number, flags, scans, age, period, cost, files, error, zero32,
         root) = TREE.unpack(buffer)
        expect(number == tree_id, "id of TREE")
        expect(zero32 == 0, "reserved field of TREE")
        expect(b"\0" in root, "root without NUL")
        return Tree(number, flags, scans, age, period, cost, files, error,
                    root[:root.index(b"\0")])

    def page(self, token=NOTHING, *, names=None, below=False, tree=TREE_ALL,
             mask=0):
        """One page, as one ioctl."""
        token = Token(*token)
        buffer = since_question(token, flags=BELOW if below else 0,
                                tree=tree, mask=mask,
                                names=encode_names(names))
        expect(self.ioctl(IOC_SINCE, buffer) == 0, "result of SINCE")
        return Page(buffer, token, tree)

    def since(self, token=NOTHING, *, names=None, below=False, tree=TREE_ALL,
              mask=0, sync=True):
        """All pages: an Answer. sync: call syncfs(2) first, as libsincefs
        does by default."""
        if sync:
            try:
                self.syncfs()
            except OSError:
                pass  # it also reports old write errors
        answer = Answer()
        while True:
            page = self.page(token, names=names, below=below, tree=tree,
                             mask=mask)
            answer.pages += 1
            answer.token = token = page.token
            if page.fresh:
                answer.clear()
                answer.fresh = True
                answer.reason = page.reason
                return answer
            answer.extend(page.records)
            if not page.more:
                return answer

    def scan(self, tree_id):
        """Ask for a scan; returns the value of scans at which it is done."""
        buffer = scan_question(tree_id)
        expect(self.ioctl(IOC_SCAN, buffer) == 0, "result of SCAN")
        return SCAN.unpack(buffer)[2]

    def clock_page_path(self):
        """The path of the clock page (bytes), or None when there is none."""
        buffer = bytearray(CLOCK.size)
        try:
            self.ioctl(IOC_CLOCK, buffer)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return None
            raise
        expect(b"\0" in buffer, "path without NUL")
        return bytes(buffer[:buffer.index(b"\0")])

    def stats(self):
        """What the daemon did; requests is a tuple by REQUEST_*."""
        buffer = bytearray(STATS.size)
        expect(self.ioctl(IOC_STATS, buffer) == 0, "result of STATS")
        values = STATS.unpack(buffer)
        requests, rest = values[:REQUEST_KINDS], values[REQUEST_KINDS:]
        *numbers, folder = rest[:5] + rest[-1:]
        expect(not any(rest[5:-1]), "reserved field of STATS")
        expect(b"\0" in folder, "hidden_in without NUL")
        return Stats(requests, *numbers, folder[:folder.index(b"\0")])

    def poll(self, timeout=0.0):
        """poll(2) for at most so many seconds: the events that came, 0 when
        none did. POLLIN: the clock has passed the last one that info(),
        token(), page() or since() returned on this connection."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        events = poller.poll(timeout * 1000)
        return events[0][1] if events else 0

    def wait(self, token, timeout=10.0):
        """Wait until the clock has passed token: True, or False after so
        many seconds."""
        deadline = time.monotonic() + timeout
        while True:
            if self.token() != Token(*token):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.poll(left)
