# SPDX-License-Identifier: MIT
"""What Python's import system remembers of files, and how to make it forget.

Two memories are older than the file that they stand for, and both are trusted:

1. A ``.pyc`` is taken for good when its source has the same size and the same
   mtime *in whole seconds*. An edit that keeps the size within that second,
   or a file that is moved in with its time kept, runs the old code.
2. A finder lists a directory once and again when the directory's mtime has
   moved. A file made within the same tick of the kernel's clock is not found.

Whoever knows that a file has changed therefore drops both before the next
import. Nothing here asks what changed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Iterable, Iterator, List, Set

__all__ = ["drop_bytecode", "drop_doubtful", "forget_listings",
           "sources_below"]


# Times of files move by the kernel's ticks, 10 ms at most.
_TICKS_NS = 20_000_000


def _cached_names(source: str) -> Iterator[str]:
    """Where this interpreter may look for the bytecode of @source."""
    # Each level: another process of this version may run with -O.
    for optimization in ("", "1", "2"):
        try:
            yield importlib.util.cache_from_source(
                source, optimization=optimization)
        except (NotImplementedError, ValueError):
            return  # no cache tag, or not a name that has a cache


def drop_bytecode(sources: Iterable[str]) -> List[str]:
    """Remove the bytecode of these source files; what was removed.

    Bytecode of other versions of Python stays: it is theirs to judge. A cache
    that cannot be removed (another user's) is left.
    """
    dropped = []
    for source in sources:
        for name in _cached_names(source):
            try:
                os.unlink(name)
            except OSError:
                continue
            dropped.append(name)
    return dropped


def forget_listings(directories: Iterable[str], below: bool = False) -> None:
    """Have the finders of these directories list them anew.

    With @below those of every directory in them too (a renamed directory).
    """
    wanted: Set[str] = set(directories)
    if not wanted:
        return
    cache = sys.path_importer_cache
    names = set(wanted)
    if below:
        prefixes = tuple(name.rstrip("/") + "/" for name in wanted)
        names |= {name for name in list(cache) if name.startswith(prefixes)}
    for name in names:
        finder = cache.get(name)
        forget = getattr(finder, "invalidate_caches", None)
        if forget is not None:
            forget()


def sources_below(directory: str) -> Iterator[str]:
    """Every ``.py`` below a directory that could be imported from there:
    directories that no module can be named after are left out (``.git``,
    ``.venv``, ``__pycache__`` too)."""
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders
                      if name.isidentifier() and name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def drop_doubtful(directory: str) -> List[str]:
    """Remove bytecode below a directory of which nobody knows whether its
    source was changed later: its own file is not the younger of the two."""
    doubtful = []
    for source in sources_below(directory):
        for name in _cached_names(source):
            try:
                if os.stat(name).st_ctime_ns <= \
                        os.stat(source).st_ctime_ns + _TICKS_NS:
                    doubtful.append(source)
                    break
            except OSError:
                continue
    return drop_bytecode(doubtful)
