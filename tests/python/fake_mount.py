# SPDX-License-Identifier: MIT
"""A Connection that answers what a test tells it to, in the form of the
protocol: records with a tree, a clock and flags, tokens with an instance. It
knows nothing of files; a test changes them and says so with tell().

tests/python/test-reload-units.py holds it against a real mount by the same
cases where FUSE is there.
"""

import collections
import os

Token = collections.namedtuple("Token", "instance clock")
Tree = collections.namedtuple("Tree", "id flags root")

CONTENT, META, TIMES, NEW = 0x001, 0x002, 0x004, 0x008
GONE, DIR, SUBTREE, SCANNED, LINKED = 0x010, 0x020, 0x040, 0x080, 0x100


class Change:
    """One record."""

    def __init__(self, root, relative, flags, clock, tree):
        self.relative = relative
        self.path = root if relative == "." else os.path.join(root, relative)
        self.flags = flags
        self.clock = clock
        self.tree = tree
        self.pid = 0
        self.uid = 0
        self.subtree = bool(flags & SUBTREE)
        self.gone = bool(flags & GONE)
        self.new = bool(flags & NEW)


class Answer:
    """What since() returns."""

    def __init__(self, token, changes=(), reason=0):
        self.token = token
        self.changes = list(changes)
        self.fresh = bool(reason)
        self.reason = reason


class FakeMount:
    """A mount at @root and scanned trees beside it."""

    def __init__(self, root, *scanned):
        self.roots = [root, *scanned]
        self.instance = 7
        self.clock = 1
        self.floor = 0
        self.records = {}  # path: (clock, flags, tree)
        self.asked = 0
        self.dead = False

    # ---- what a test says ----

    def tell(self, path, flags=CONTENT):
        """A path changed."""
        tree = max((index for index, root in enumerate(self.roots)
                    if path == root or path.startswith(root + "/")),
                   key=lambda index: len(self.roots[index]))
        if tree > 0:
            flags |= SCANNED
        self.clock += 1
        self.records.pop(path, None)
        self.records[path] = self.clock, flags, tree

    def restart(self):
        """Another daemon: its predecessor's history is gone."""
        self.instance += 1
        self.records.clear()
        self.clock = 1

    def lose(self):
        """The history up to now is gone."""
        self.records.clear()
        self.clock += 1
        self.floor = self.clock

    # ---- the interface of sincefs.Connection ----

    def _alive(self):
        self.asked += 1
        if self.dead:
            raise OSError(107, "Transport endpoint is not connected")

    def token(self):
        self._alive()
        return Token(self.instance, self.clock)

    def changed(self, token):
        self._alive()
        return token != Token(self.instance, self.clock)

    def since(self, token, names=None):
        self._alive()
        now = Token(self.instance, self.clock)
        if token is None:
            return Answer(now, reason=1)
        if token.instance != self.instance:
            return Answer(now, reason=2)
        if token.clock < self.floor:
            return Answer(now, reason=3)
        found = []
        for path, (clock, flags, tree) in self.records.items():
            if clock > token.clock:
                root = self.roots[tree]
                relative = os.path.relpath(path, root)
                found.append(Change(root, relative, flags, clock, tree + 1))
        return Answer(now, found)

    def trees(self):
        self._alive()
        return [Tree(index + 1, 0 if index else 1, root)
                for index, root in enumerate(self.roots)]

    def close(self):
        pass
