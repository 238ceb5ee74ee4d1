# SPDX-License-Identifier: MIT
"""What a mount says about itself and about what changed in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from . import _protocol as protocol
from ._protocol import Flags
from ._token import Token
from ._value import Value


@dataclass(frozen=True)
class Info(Value):
    """The state of a daemon."""

    __slots__ = {
        "features": "Bits of what it can do; see exact.",
        "now": "The token of this moment.",
        "floor": "Tokens with a clock below this are answered FRESH.",
        "entries": "Paths that are remembered.",
        "capacity": "Paths that are remembered at most.",
        "tree": "The number of the tree that the connection lies in.",
        "tree_count": "How many trees there are, numbered from 1, which is "
                      "the mount.",
        "pid": "The daemon's process, for people.",
    }

    features: int
    now: Token
    floor: int
    entries: int
    capacity: int
    tree: int
    tree_count: int
    pid: int

    @property
    def exact(self) -> bool:
        """Are answers exact for stores through shared mappings as well?"""
        return bool(self.features & protocol.FEATURE_SYNC_EXACT)


@dataclass(frozen=True)
class Tree(Value):
    """One tree that a daemon watches."""

    __slots__ = {
        "id": "Its number: 1 is the mount.",
        "root": "Its absolute path; of the mount as Change.path says.",
        "mounted": "False: it lies outside of the mount, and is covered by "
                   "scans alone.",
        "scans": "Full scans completed; 0: not even its first.",
        "scan_age_ns": "Nanoseconds since the start of the last completed "
                       "scan.",
        "scan_period_ns": "Nanoseconds from scan to scan, as kept and not as "
                          "wished.",
        "scan_cost_ns": "Processor time of the last scan, in nanoseconds.",
        "files": "Files that the last scan found.",
        "scan_error": "The errno of the last scan; 0 when it went well.",
    }

    id: int
    root: str
    mounted: bool
    scans: int
    scan_age_ns: int
    scan_period_ns: int
    scan_cost_ns: int
    files: int
    scan_error: int


@dataclass(frozen=True)
class Change(Value):
    """
    One name that changed.

    Names need not be text: path and relative are made by os.fsdecode(), and
    os.fsencode() gives their bytes back.

    path is absolute. A name in the mount stands below the mount point by which
    the connection was opened, as the asking process sees it: also in a
    container, in a chroot, and through a bind mount. Where it cannot be seen
    (it lies outside of the part that is bind-mounted, or there is no /proc)
    it stands below the root by which the daemon calls its mount. A name in a
    scanned tree stands below the daemon's root of that tree.
    """

    __slots__ = {
        "path": "Absolute, as above.",
        "relative": "Relative to the root of its tree, or with below to the "
                    "directory of the\nconnection; \".\" is that root or "
                    "directory itself.",
        "flags": "What happened to it after the token: Flags.",
        "pid": "The process that changed it last; 0: unknown.",
        "uid": "That process's user; None: unknown.",
        "clock": "The moment of its last change: later ones are larger.",
        "tree": "The tree it is in: 1 is the mount, others are in "
                "Connection.trees().",
    }

    path: str
    relative: str
    flags: Flags
    pid: int
    uid: Optional[int]
    clock: int
    tree: int

    @property
    def subtree(self) -> bool:
        """All below it may have changed as well."""
        return bool(self.flags & Flags.SUBTREE)

    @property
    def gone(self) -> bool:
        """It did not exist after its last change."""
        return bool(self.flags & Flags.GONE)

    @property
    def new(self) -> bool:
        """It did not exist at the token."""
        return bool(self.flags & Flags.NEW)

    @property
    def directory(self) -> bool:
        """It is, or was, a directory."""
        return bool(self.flags & Flags.DIR)


@dataclass(frozen=True)
class Answer(Value):
    """
    What changed after a token. Look at fresh first: an answer that is fresh
    has no changes in it, and means that anything may have changed. As a truth
    value: may anything have changed?
    """

    __slots__ = {
        "changes": "Changes, oldest first, each name once. Empty when fresh.",
        "token": "What is known after this answer: ask with it the next time. "
                 "After a fresh\nanswer keep it first, and look at the files "
                 "afterwards. After an answer about\nsome names alone it is "
                 "good for those alone.",
        "fresh": "Anything may have changed.",
        "reason": "Why it is fresh: \"no-token\", \"restart\" (of the "
                  "daemon), \"forgot\" (too long\nago), \"lost\" (events), "
                  "\"future\" (a clock of the future), \"unknown\" (to this\n"
                  "version); None when it is not.",
    }

    changes: Tuple[Change, ...]
    token: Token
    fresh: bool
    reason: Optional[str]

    def __bool__(self) -> bool:
        return self.fresh or bool(self.changes)
