# SPDX-License-Identifier: MIT
"""What a mount says about itself and about what changed in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional, Tuple

from . import _protocol as protocol
from ._protocol import Flags
from ._token import Token


class Info(NamedTuple):
    """The state of a daemon."""

    #: FEATURE_* bits of the protocol.
    features: int
    #: The token of this moment.
    now: Token
    #: Tokens with a clock below this are answered FRESH.
    floor: int
    #: Paths that are remembered, of at most capacity.
    entries: int
    capacity: int
    #: The tree that the connection lies in, and how many there are: their
    #: numbers are 1 to tree_count, and 1 is the mount.
    tree: int
    tree_count: int
    #: The daemon's process, for people.
    pid: int

    @property
    def exact(self) -> bool:
        """Are answers exact for stores through shared mappings as well?"""
        return bool(self.features & protocol.FEATURE_SYNC_EXACT)


class Tree(NamedTuple):
    """One tree that a daemon watches."""

    id: int
    #: Absolute; for the mount as Change.path says.
    root: str
    #: False: it lies outside of the mount and is covered by scans alone.
    mounted: bool
    #: Full scans that were completed; 0: not even its first.
    scans: int
    #: Nanoseconds since the start of the last completed scan.
    scan_age_ns: int
    #: Nanoseconds from scan to scan, as kept and not as wished.
    scan_period_ns: int
    #: Processor time of the last scan, in nanoseconds.
    scan_cost_ns: int
    #: Files that the last scan found.
    files: int
    #: The errno of the last scan; 0 when it went well.
    scan_error: int


class Change(NamedTuple):
    """
    One name that changed.

    Names need not be text: path and relative are made by os.fsdecode(), and
    os.fsencode() gives their bytes back.
    """

    #: Absolute. A name in the mount stands below the mount point by which the
    #: connection was opened, as the asking process sees it. Through a bind
    #: mount of a part of the mount, what lies outside of that part, and
    #: without /proc everything, stands below the root by which the daemon
    #: calls its mount. A name in a scanned tree stands below the daemon's root
    #: of that tree.
    path: str
    #: Relative to the root of its tree, or with below to the directory of the
    #: connection; "." is that root or directory itself.
    relative: str
    #: What happened to it after the token.
    flags: Flags
    #: The process that changed it last; 0: unknown.
    pid: int
    #: That process's user; None: unknown.
    uid: Optional[int]
    #: The moment of its last change: later ones are larger.
    clock: int
    #: The tree it is in: 1 is the mount, others are in Connection.trees().
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
class Answer:
    """
    What changed after a token. Look at fresh first: an answer that is fresh
    has no changes in it, and means that anything may have changed. As a truth
    value: may anything have changed?
    """

    #: Oldest first, each name once. Empty when fresh.
    changes: Tuple[Change, ...]
    #: What is known after this answer: ask with it the next time. After a
    #: fresh answer keep it first and look at the files afterwards. After an
    #: answer to a question for some names alone it is good for those alone.
    token: Token
    #: Anything may have changed.
    fresh: bool
    #: Why it is fresh: "no-token", "restart" (of the daemon), "forgot" (too
    #: long ago), "lost" (events), "future" (a clock of the future), "unknown"
    #: (a reason that this version does not know); None when it is not.
    reason: Optional[str]

    def __bool__(self) -> bool:
        return self.fresh or bool(self.changes)
