# SPDX-License-Identifier: MIT
"""The ioctl protocol of <sincefs/protocol.h>, version 1: formats, numbers, and
what a daemon's answer may be.

Pure: nothing here makes a system call. The daemon is not trusted, so what it
sends is checked before it is used; ProtocolViolation says what cannot be true.
"""

from __future__ import annotations

import enum
import platform
import struct
from typing import Callable, Dict, List, NamedTuple, Tuple, Union

CONTROL_NAME = ".sincefs"
SIGNATURE = 0x73696E63
PROTOCOL_VERSION = 1

FEATURE_SYNC_EXACT = 0x1
FEATURE_CLOCK_PAGE = 0x2
FEATURE_STATS = 0x4

TREE_ALL = 0
TREE_MOUNTED = 0x1
ROOT_SIZE = 4096


class Flags(enum.IntFlag):
    """
    What happened to a name after the token that was asked about. In doubt
    CONTENT is set and NEW is clear.

    CONTENT  the bytes may differ, or the name stands for another object or for
             none
    META     mode, owner, extended attributes, ACL
    TIMES    times set by hand (touch)
    NEW      the name did not exist at the token
    GONE     the name does not exist after its last change
    DIR      it is, or was, a directory
    SUBTREE  all below it may have changed too (a renamed directory)
    SCANNED  found by a scan: it happened up to a period earlier
    LINKED   the file has other hard links, perhaps unknown, that changed too
    MIXED    more than one process changed it
    """

    CONTENT = 0x001
    META = 0x002
    TIMES = 0x004
    NEW = 0x008
    GONE = 0x010
    DIR = 0x020
    SUBTREE = 0x040
    SCANNED = 0x080
    LINKED = 0x100
    MIXED = 0x200


#: The kinds of change that can be asked for alone.
KINDS = Flags.CONTENT | Flags.META | Flags.TIMES

# Flags of a page.
FRESH = 0x1
MORE = 0x2
BELOW = 0x10000

# Why a page is FRESH.
NO_TOKEN = 1
RESTART = 2
FORGOT = 3
LOST = 4
FUTURE = 5

# "=": fixed widths, native byte order and no padding, as the structures have
# none. tests/test-protocol-structs.py compares all of this with the header.
TOKEN = struct.Struct("=QQ")
INFO = struct.Struct("=IIQQQQQQIIII6Q")
TREE = struct.Struct(f"=IIQQQQQiI{ROOT_SIZE}s")
RECORD = struct.Struct("=QIIIHH")
PAGE_HEADER = struct.Struct("=IIQQIIIIII2Q64s")
SCAN = struct.Struct("=IIQ")
CLOCK = struct.Struct(f"={ROOT_SIZE}s")
STATS = struct.Struct(f"=16Q5Q11Q{ROOT_SIZE}s")
PAGE_SIZE = 8184
PAGE_DATA_SIZE = PAGE_SIZE - PAGE_HEADER.size
NAMES_SIZE = 64

IOC_TYPE = 0xD5
IOC_NONE, IOC_READ, IOC_WRITE = 0, 1, 2  # of ioc(); the kernel's differ


def ioc(direction: int, number: int, size: int, kind: int = IOC_TYPE) -> int:
    """An ioctl number, as the kernel's _IOC() makes it on this machine."""
    if platform.machine().startswith(("mips", "ppc", "sparc", "alpha")):
        bits = (1 if direction == IOC_NONE else
                (2 if direction & IOC_READ else 0) |
                (4 if direction & IOC_WRITE else 0))
        return bits << 29 | size << 16 | kind << 8 | number
    bits = ((2 if direction & IOC_READ else 0) |
            (1 if direction & IOC_WRITE else 0))
    return bits << 30 | size << 16 | kind << 8 | number


IOC_INFO = ioc(IOC_READ, 0, INFO.size)
IOC_TREE = ioc(IOC_READ | IOC_WRITE, 1, TREE.size)
IOC_SINCE = ioc(IOC_READ | IOC_WRITE, 2, PAGE_SIZE)
IOC_SCAN = ioc(IOC_READ | IOC_WRITE, 3, SCAN.size)
IOC_CLOCK = ioc(IOC_READ, 4, CLOCK.size)
IOC_STATS = ioc(IOC_READ, 8, STATS.size)

# Kinds of requests: indices of sincefs_stats.requests.
(REQUEST_LOOKUP, REQUEST_ATTRIBUTES, REQUEST_CHANGE, REQUEST_NAME,
 REQUEST_READ, REQUEST_WRITE, REQUEST_DIRECTORY, REQUEST_SYNC, REQUEST_XATTR,
 REQUEST_IOCTL, REQUEST_POLL, REQUEST_FORGET, REQUEST_OTHER) = range(13)
REQUEST_KINDS = 16

Buffer = Union[bytes, bytearray]


class ProtocolViolation(Exception):
    """The daemon answered what the protocol rules out."""


class RawToken(NamedTuple):
    """struct sincefs_token."""

    instance: int
    clock: int


class RawInfo(NamedTuple):
    """struct sincefs_info, without what is always the same."""

    features: int
    now: RawToken
    floor: int
    entries: int
    capacity: int
    tree: int
    tree_count: int
    pid: int


class RawTree(NamedTuple):
    """struct sincefs_tree; root as bytes."""

    id: int
    flags: int
    scans: int
    scan_age_ns: int
    scan_period_ns: int
    scan_cost_ns: int
    files: int
    scan_error: int
    root: bytes


class RawRecord(NamedTuple):
    """struct sincefs_record and its path."""

    clock: int
    tree: int
    pid: int
    uid: int
    flags: int
    path: bytes


class Page(NamedTuple):
    """An answer of SINCEFS_IOC_SINCE that was found possible."""

    token: RawToken
    reason: int  # 0: a list, else FRESH
    more: bool
    records: List[RawRecord]


class RawAnswer(NamedTuple):
    """All pages of an answer."""

    token: RawToken
    reason: int  # 0: a list, else FRESH
    records: List[RawRecord]


def expect(condition: object, what: str) -> None:
    """Raise ProtocolViolation(what) unless the condition holds."""
    if not condition:
        raise ProtocolViolation(what)


def read_info(buffer: Buffer) -> RawInfo:
    """The answer of SINCEFS_IOC_INFO."""
    (signature, version, features, instance, clock, floor, entries, capacity,
     tree, tree_count, pid, *_) = INFO.unpack(buffer)
    expect(signature == SIGNATURE, "no sincefs daemon answers")
    expect(version == PROTOCOL_VERSION,
           f"the daemon speaks version {version} of the protocol")
    expect(instance != 0 and clock != 0, "a token of nothing")
    return RawInfo(features, RawToken(instance, clock), floor, entries,
                   capacity, tree, tree_count, pid)


def read_tree(tree_id: int, buffer: Buffer) -> RawTree:
    """The answer of SINCEFS_IOC_TREE about tree tree_id."""
    (found, flags, scans, age, period, cost, files, error, _,
     root) = TREE.unpack(buffer)
    expect(found == tree_id, "another tree than was asked about")
    expect(b"\0" in root, "a root without an end")
    return RawTree(found, flags, scans, age, period, cost, files, error,
                   root[:root.index(b"\0")])


def write_tree(tree_id: int) -> bytearray:
    """The question of SINCEFS_IOC_TREE."""
    return bytearray(TREE.pack(tree_id, 0, 0, 0, 0, 0, 0, 0, 0, b""))


def write_scan(tree_id: int) -> bytearray:
    """The question of SINCEFS_IOC_SCAN."""
    return bytearray(SCAN.pack(tree_id, 0, 0))


def read_scan(buffer: Buffer) -> int:
    """The answer of SINCEFS_IOC_SCAN: the number of scans to wait for."""
    scans: int = SCAN.unpack(buffer)[2]
    return scans


def write_since(token: Tuple[int, int], *, below: bool = False,
                tree: int = TREE_ALL, kinds: int = 0,
                names: bytes = b"") -> bytearray:
    """The question of SINCEFS_IOC_SINCE."""
    page = bytearray(PAGE_SIZE)
    PAGE_HEADER.pack_into(page, 0, SIGNATURE, BELOW if below else 0, token[0],
                          token[1], tree, kinds, 0, 0, 0, 0, 0, 0, names)
    return page


def is_path(path: bytes) -> bool:
    """Is it a relative path without "..", "." or empty parts, or the root?"""
    if path == b".":
        return True
    if b"\0" in path:
        return False
    # Almost no path has one of these, so that few are taken apart.
    if path and b"//" not in path and b"." not in path and \
            path[0] != 0x2F and path[-1] != 0x2F:
        return True
    return not any(part in (b"", b".", b"..") for part in path.split(b"/"))


def read_page(since: Tuple[int, int], tree: int, page: Buffer) -> Page:
    """
    The answer to the question about the token since and a tree (or TREE_ALL).
    Nothing behind the bytes that it says it has is looked at.
    """
    (signature, flags, instance, clock, _, _, count, size, reason,
     *_) = PAGE_HEADER.unpack_from(page)
    expect(signature == SIGNATURE, "a page of somebody else")
    expect(flags & ~(FRESH | MORE) == 0, "an unknown flag of a page")
    expect(instance != 0 and clock != 0, "a token of nothing")
    expect(size <= PAGE_DATA_SIZE, "more bytes than a page has")
    more = bool(flags & MORE)
    if flags & FRESH:
        expect(not more and count == 0 and size == 0,
               "a fresh answer with records")
        expect(reason != 0, "a fresh answer without a reason")
        return Page(RawToken(instance, clock), reason, False, [])
    expect(reason == 0, "a list with a reason")
    expect(instance == since[0], "a list from another instance")
    records = _read_records(since[1], tree, count, size, page)
    last = records[-1].clock if records else since[1]
    expect(clock >= last, "a token before its page's records")
    expect(not more or clock > since[1], "a page that does not move on")
    return Page(RawToken(instance, clock), 0, more, records)


def _read_records(clock: int, tree: int, count: int, size: int,
                  page: Buffer) -> List[RawRecord]:
    records = []
    offset = PAGE_HEADER.size
    end = offset + size
    for _ in range(count):
        start = offset + RECORD.size
        expect(start <= end, "a record outside of its page")
        now, its_tree, pid, uid, flags, length = RECORD.unpack_from(page,
                                                                    offset)
        # The path, NUL, and zeros up to a multiple of 8.
        offset += RECORD.size + length + 8 & ~7
        expect(offset <= end, "a path outside of its page")
        path = bytes(page[start:start + length])
        expect(not any(page[start + length:offset]), "a path without an end")
        expect(now > clock, "clocks that do not rise")
        expect(its_tree != 0 and tree in (TREE_ALL, its_tree),
               "a record of a tree that was not asked about")
        expect(is_path(path), "a path that leaves its tree")
        clock = now
        records.append(RawRecord(now, its_tree, pid, uid, flags, path))
    expect(offset == end, "bytes that belong to no record")
    return records


def merge_records(records: List[RawRecord]) -> List[RawRecord]:
    """
    One record for each name, where its last one stands. A name that changed
    while its answer was read is met twice; the later record stands for both,
    with every kind of change of either; NEW of the earlier, which was asked
    for with a token nearer to the caller's; GONE of the later, which is about
    the last change; and MIXED when the two have different writers.
    """
    both = ~(Flags.NEW.value | Flags.GONE.value)
    # Of the last by name, in the order of these.
    found: Dict[Tuple[int, bytes], RawRecord] = {}
    for record in records:
        name = record.tree, record.path
        old = found.pop(name, None)
        if old is not None:
            flags = ((record.flags | old.flags) & both |
                     record.flags & Flags.GONE.value |
                     old.flags & Flags.NEW.value)
            if record.pid != old.pid:
                flags |= Flags.MIXED.value
            record = record._replace(flags=flags)
        found[name] = record
    return list(found.values())


def collect(ask: Callable[[bytearray], object], token: Tuple[int, int], *,
            below: bool = False, tree: int = TREE_ALL, kinds: int = 0,
            names: bytes = b"") -> RawAnswer:
    """
    All pages of an answer; ask() turns a question into its answer in the same
    place. FRESH on any page makes the whole answer fresh: what came before it
    is no answer. A page that says MORE has moved on, so this ends.
    """
    records: List[RawRecord] = []
    while True:
        buffer = write_since(token, below=below, tree=tree, kinds=kinds,
                             names=names)
        ask(buffer)
        page = read_page(token, tree, buffer)
        if page.reason:
            return RawAnswer(page.token, page.reason, [])
        records += page.records
        if not page.more:
            return RawAnswer(page.token, 0, merge_records(records))
        token = page.token
