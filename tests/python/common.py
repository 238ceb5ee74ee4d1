# SPDX-License-Identifier: MIT
"""What the tests of the Python client share: where it is, and pages as a daemon
sends them."""

import os
import sys

SRCDIR = os.environ.get("SINCEFS_SRCDIR") or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILDDIR = os.environ.get("SINCEFS_BUILDDIR") or SRCDIR
PACKAGE = os.path.join(SRCDIR, "core", "python", "sincefs")
sys.path[:0] = [os.path.dirname(PACKAGE),
                os.path.join(SRCDIR, "tests", "mount")]

from sincefs import _protocol as protocol  # noqa: E402

INSTANCE = 0x1122334455667788


def record(clock, path, flags=1, *, tree=1, pid=42, uid=1000, length=None,
           padding=None):
    """The bytes of a record; length and padding are right unless given."""
    if length is None:
        length = len(path)
    if padding is None:
        padding = bytes(8 - (protocol.RECORD.size + len(path)) % 8)
    return protocol.RECORD.pack(clock, tree, pid, uid, flags,
                                length) + path + padding


def page(now, /, *records, **fields):
    """A page whose token has this clock; any field can be made wrong."""
    data = b"".join(records)
    values = {"signature": protocol.SIGNATURE, "flags": 0,
              "instance": INSTANCE, "clock": now, "tree": 0, "mask": 0,
              "count": len(records), "bytes": len(data), "reason": 0,
              "zero32": 0, "zero0": 0, "zero1": 0, "names": b"", **fields}
    # What lies behind the data was never written.
    return bytearray(protocol.PAGE_HEADER.pack(*values.values()) +
                     data.ljust(protocol.PAGE_DATA_SIZE, b"\xee"))


def fresh(now, why, /, **fields):
    """A fresh page."""
    return page(now, **{"flags": protocol.FRESH, "reason": why, **fields})
