# SPDX-License-Identifier: MIT
"""Which loaded modules run code that is older than their files?

    from sincefs.reload import ModuleTracker

    tracker = ModuleTracker("~/proj")
    ...
    report = tracker.check()
    for affected in report:
        print(affected.name, affected.why)
    tracker.reload(report)

A check asks the mount "what changed since my token?". When nothing did, that
is all it does: it looks neither at ``sys.modules`` nor at any file. Otherwise
the changed paths are looked up among the paths that the loaded modules stand
on (``sincefs._modules``).

What holds:

1. *No change is missed.* A module is in ``sys.modules`` before its source is
   read, and ``sys.modules`` is looked at after the answer came. A name that is
   not there yet will therefore read what the answer told of; one that is there
   is found. An edit after the answer is in the next one.
2. *Old code is not run again.* The bytecode of a changed source is dropped
   before anybody can import it (``sincefs._bytecode``), loaded or not: a
   failed import leaves bytecode too.
3. *Each consumer has its own token.* What one was told, another is told as
   well (:meth:`ModuleTracker.consumer`).
4. *Doubt is told.* When the mount says FRESH the token is kept first and all
   files are looked at after; a file that nobody can vouch for counts as
   changed. With a dead mount every check looks at all files.
5. *Told twice is possible, and rare.* A module that was changed and imported
   between two checks is told although it runs the new code, unless imports
   are watched (:meth:`ModuleTracker.watch_imports`): then the moment of each
   import is known.

A tracker may be used from several threads; a lock keeps its checks apart.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import os
import sys
import threading
import time
from typing import (Any, Callable, Dict, Iterable, Iterator, List,
                    MutableMapping, Optional, Sequence, Set, Tuple,
                    Union)

from ._bytecode import (drop_bytecode, drop_doubtful, forget_listings,
                        sources_below)
from ._modules import (MAIN, NAMESPACE, Module, ModuleIndex, Signature,
                      is_installed, signature_of)

__all__ = ["Affected", "Consumer", "ModuleTracker", "Reloaded", "Reloading",
           "Report", "drop_bytecode"]

# Bits of a change's flags; sincefs/protocol.h explains them.
_CONTENT = 0x001
_TIMES = 0x004
_GONE = 0x010
_SUBTREE = 0x040
_SCANNED = 0x080
_LINKED = 0x100

CHANGED = "changed"
GONE = "gone"
DEPENDENCY = "dependency"
DOUBT = "doubt"
RETRY = "retry"


class _Found:
    """What was found out about one name."""

    __slots__ = ("why", "paths", "current")

    def __init__(self, why: str, current: bool = False) -> None:
        self.why = why
        self.paths: List[str] = []
        self.current = current


_AllFound = Dict[str, _Found]


class Affected:
    """A loaded module whose files may have changed."""

    # With texts, which help() shows.
    __slots__ = {
        "module": "The module object.",
        "names": "Every name in sys.modules that stands for it.",
        "paths": "The changed paths; empty when nobody could say which.",
        "why": 'One of "changed", "gone", "dependency", "doubt", "retry".',
        "kind": 'One of "source", "package", "namespace", "compiled" (a .pyc '
                'alone), "extension", "archive", "main", "other".',
        "installed": "Is it installed code (standard library, "
                     "site-packages)?",
        "gone": "Is its file no longer there, and nothing in its place?",
        "reloadable": "Can this process load it anew? Not a C extension, not "
                      "__main__, not what is gone.",
        "current": "Was it reloaded through the tracker after it changed, so "
                   "that it runs the new code already? Told only to a "
                   "consumer that does not ask for running code.",
    }

    def __init__(self, known: Module, module: Any, found: _Found) -> None:
        self.module = module
        self.names: Tuple[str, ...] = (known.name,)
        self.paths: Tuple[str, ...] = tuple(found.paths)
        self.why = found.why
        self.kind = known.kind
        self.installed = known.installed
        self.gone = False
        self.reloadable = known.reloadable
        self.current = found.current

    @property
    def name(self) -> str:
        """Its name, or the first of several."""
        return self.names[0]

    def __repr__(self) -> str:
        return f"<Affected {self.name} ({self.kind}): {self.why}>"


class Report:
    """What a check found: iterates over the affected modules of the user.
    False when there are none."""

    __slots__ = {
        "affected": "User modules, in an order in which they can be reloaded.",
        "installed": "Installed modules that changed. For a consumer that "
                     "asked for them they are in affected instead.",
        "fresh": "Could nobody say what changed, so that all files were "
                 "looked at?",
        "reason": "Why: that of the answer, or the OSError of a daemon that "
                  "is gone.",
    }

    def __init__(self, affected: Sequence[Affected] = (),
                 installed: Sequence[Affected] = (), fresh: bool = False,
                 reason: Any = None) -> None:
        self.affected: Tuple[Affected, ...] = tuple(affected)
        self.installed: Tuple[Affected, ...] = tuple(installed)
        self.fresh = fresh
        self.reason = reason

    def __bool__(self) -> bool:
        return bool(self.affected)

    def __len__(self) -> int:
        return len(self.affected)

    def __iter__(self) -> Iterator[Affected]:
        return iter(self.affected)

    @property
    def modules(self) -> List[Any]:
        """The affected module objects."""
        return [affected.module for affected in self.affected]

    @property
    def names(self) -> List[str]:
        """All names of the affected modules."""
        return [name for affected in self.affected for name in affected.names]


class Reloaded:
    """What came of a reload."""

    __slots__ = {
        "name": "The module's name.",
        "module": "The module object, which a reload may have replaced.",
        "error": "The exception that ended it; None when it succeeded.",
    }

    def __init__(self, name: str, module: Any,
                 error: Optional[BaseException]) -> None:
        self.name = name
        self.module = module
        self.error = error

    def __repr__(self) -> str:
        return f"<Reloaded {self.name}: {self.error or 'ok'}>"


class Reloading:
    """What became of a reload by other hands."""

    #: Set it when the reload did not succeed.
    failed = False


_NOTHING = Report()


class Consumer:
    """Somebody who wants to be told of every change once."""

    def __init__(self, tracker: "ModuleTracker", token: Any,
                 installed: bool = False, running: bool = True) -> None:
        self._tracker = tracker
        self._installed = installed
        self._running = running
        self._noticed = tracker._noticed
        #: What this consumer knows. Told by the last check.
        self.token = token

    def check(self, exact: bool = True) -> Report:
        """What is affected by the changes since the last check.

        Not @exact: first ask the cheapest "did anything change?", which does
        not see stores through a shared mapping that nobody has flushed yet.
        """
        return self._tracker._check(self, exact)


class _ImportClock:
    """Notes, as the first of the finders, the token of the moment in which
    each import begins. It finds nothing itself."""

    def __init__(self, tracker: "ModuleTracker") -> None:
        self._tracker = tracker
        self.started: Dict[str, Tuple[Any, int]] = {}

    def find_spec(self, fullname: str, path: Any = None,
                  target: Any = None) -> None:
        """Called by the import system before it looks for a module."""
        # A reload passes the module. Whether it succeeds is not known here,
        # so that it says nothing of the code that runs afterwards.
        if target is None:
            # No lock of the tracker here: whoever holds it may be importing.
            self.started[fullname] = self._tracker._token(), time.time_ns()
        return None


class ModuleTracker:
    """Which loaded modules are affected by what changed on a mount."""

    def __init__(self, where: Any, *, installed: bool = False,
                 touched: bool = False,
                 modules: Optional[MutableMapping[str, Any]] = None) -> None:
        """
        @where: a path on a mount, or a :class:`sincefs.Connection`.
        @installed: reload installed code too (site-packages, a ``.venv``).
        @touched: take a file whose times alone were set by hand for changed.
        @modules: the mapping to track instead of ``sys.modules``.

        What was edited before the tracker was made is not known to it: make
        it before importing what is to be tracked.
        """
        self._path: Optional[str] = None
        if isinstance(where, (str, bytes, os.PathLike)):
            self._path = os.path.abspath(
                os.path.expanduser(os.fsdecode(where)))
            self.connection: Any = self._connect()
        else:
            self.connection = where
        self._lock = threading.RLock()
        self._installed = installed
        self._wanted = _CONTENT | _GONE | _SUBTREE | _LINKED
        if touched:
            self._wanted |= _TIMES
        self._index = ModuleIndex(modules)
        self._noticed = 0
        self._failed: Set[str] = set()
        self._interrupted = False
        self._imports: Optional[_ImportClock] = None
        self._outside: Dict[str, Module] = {}
        self._blind = False
        self._real_roots: Dict[str, str] = {}
        self._roots = self._find_roots()
        # The token first, then the files: a change in between is told.
        token = self.connection.token()
        # Taken before sys.modules was last looked at as a whole: a module
        # that is new to the index was read after it.
        self._complete_since = token
        new = self._index.refresh()
        self._sort_outside(new)
        self._vouch([known for known in new
                     if known.name not in self._outside], token)
        for known in self._outside.values():
            known.signature = signature_of(known.files)
        self._own = Consumer(self, token, installed)

    def _connect(self) -> Any:
        from . import Connection
        return Connection(self._path)

    @property
    def where(self) -> str:
        """The place whose mount is asked."""
        return self._path or str(getattr(self.connection, "path", "?"))

    # ---- consumers ----

    def consumer(self, *, installed: Optional[bool] = None,
                 running: bool = True) -> Consumer:
        """A further consumer, which knows what this moment knows.

        @installed: as for the tracker, whose choice is the default.
        @running: leave out changes that came before the module was last
        reloaded through this tracker, whose new code it runs already. A
        watcher that tells of files rather than of running code says False.
        """
        with self._lock:
            return Consumer(
                self, self.connection.token(),
                self._installed if installed is None else installed, running)

    @property
    def token(self) -> Any:
        """The token of the tracker's own consumer."""
        return self._own.token

    def check(self, exact: bool = True) -> Report:
        """:meth:`Consumer.check` of the tracker's own consumer."""
        return self._check(self._own, exact)

    # ---- telling the tracker more ----

    def depends(self, module: Union[str, Any], *paths: str) -> List[str]:
        """Have a module depend on further files or directories.

        Relative paths lie beside the module's file. A change of one of them,
        or of anything below a directory, then affects the module. Returns
        the paths watched.
        """
        name = module if isinstance(module, str) else module.__name__
        with self._lock:
            loaded = self._index.modules.get(name)
            folder = os.path.dirname(getattr(loaded, "__file__", None) or "")
            new = self._index.refresh([name])
            self._note_imports(new)
            added = self._index.depend(name, [
                os.path.normpath(os.path.join(folder or os.getcwd(), path))
                for path in paths])
            known = self._index.get(name)
            if known is not None:
                self._sort_outside([known])
                self._vouch([known], self._complete_since)
            return added

    def watch_imports(self) -> None:
        """Note when each import begins, at the price of one request. With
        that, a module made or edited shortly before it is imported is not
        told as changed at the next check."""
        with self._lock:
            if self._imports is None:
                self._imports = _ImportClock(self)
                sys.meta_path.insert(0, self._imports)  # type: ignore

    def baseline(self, names: Optional[Iterable[str]] = None) -> None:
        """Take in what was imported lately, while it is fresh.

        Nothing is missed without it. It is of use after a cell or a request:
        if the mount should say FRESH later, modules that were looked at
        before are compared instead of doubted. With @names only those; else,
        where imports are watched, those that were imported since, without a
        look at ``sys.modules``.
        """
        with self._lock:
            if names is None and self._imports is not None:
                names = list(self._imports.started)
            if names is not None:
                names = list(names)
                if not names:
                    return
            self._take_in(names, self._token() if names is None else None)

    def _take_in(self, names: Optional[Iterable[str]],
                 token: Any) -> List[Module]:
        """Look at ``sys.modules``; what is new there. @token: taken before."""
        new = self._index.refresh(names)
        self._note_imports(new)
        self._sort_outside(new)
        self._vouch(new, self._complete_since)
        if token is not None:
            self._complete_since = token
        return new

    def close(self) -> None:
        """Stop watching imports, and close a connection that was opened for
        this tracker."""
        with self._lock:
            if self._imports is not None:
                try:
                    sys.meta_path.remove(self._imports)  # type: ignore
                except ValueError:
                    pass
                self._imports = None
            if self._path is not None:
                close = getattr(self.connection, "close", None)
                if close is not None:
                    close()

    def __enter__(self) -> "ModuleTracker":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def outside(self) -> List[str]:
        """Names of user modules on no tree of the mount. These alone are
        looked at with stat(2), at every check."""
        return list(self._outside)

    # ---- the check ----

    def _check(self, consumer: Consumer, exact: bool) -> Report:
        with self._lock:
            before = consumer.token, consumer._noticed
            try:
                return self._ask(consumer, exact)
            except BaseException:
                # Whatever it was (Ctrl-C, too), nothing was told.
                consumer.token, consumer._noticed = before
                raise

    def _ask(self, consumer: Consumer, exact: bool) -> Report:
        easy = not self._outside and not self._interrupted
        try:
            if not exact and easy and not self._blind and \
                    not self.connection.changed(consumer.token):
                return _NOTHING
            answer = self.connection.since(consumer.token)
        except OSError as error:
            return self._check_blind(consumer, error)
        if answer.fresh or answer.changes:
            return self._look(consumer, answer)
        consumer.token = answer.token
        if easy:
            return _NOTHING
        found: _AllFound = {}
        self._look_outside(consumer, found)
        if consumer._running and self._interrupted:
            self._interrupted = False
            self._retry(found)
        consumer._noticed = self._noticed
        return self._report(consumer, found, answer)

    def affected(self, answer: Any) -> Report:
        """The modules that are affected by an answer of the mount that the
        caller asked for himself. No token moves."""
        with self._lock:
            consumer = Consumer(self, None, self._installed)
            return self._look(consumer, answer)

    def _look(self, consumer: Consumer, answer: Any) -> Report:
        """The token is kept first, the files are looked at after."""
        consumer.token = answer.token
        self._take_in(None, None if self._blind else answer.token)
        found: _AllFound = {}
        if answer.fresh:
            self._look_at_all(consumer, found)
        else:
            self._match(consumer, answer, found)
        self._look_outside(consumer, found)
        consumer._noticed = self._noticed
        report = self._report(consumer, found, answer)
        changed = [known for known in map(self._index.get, found)
                   if known is not None]
        if answer.fresh and not self._blind:
            # The same file may have come to stand elsewhere.
            self._index.place_all_again()
        for known in () if answer.fresh else changed:
            # A file that was written to stands where it stood.
            paths = found[known.name].paths
            if not paths or any(path != known.real for path in paths) or \
                    os.path.islink(known.real):
                self._index.place_again(known)
        self._sort_outside(changed)
        if not answer.fresh:
            self._vouch([known for known in changed
                         if known.name not in self._outside], answer.token)
        return report

    def _match(self, consumer: Consumer, answer: Any,
               found: _AllFound) -> None:
        index = self._index
        stale: Set[str] = set()
        listings: Set[str] = set()
        moved: Set[str] = set()
        for change in answer.changes:
            flags = int(change.flags)
            if not flags & self._wanted:
                continue
            path = self._real(change)
            listings.add(os.path.dirname(path))
            if flags & _SUBTREE:
                moved.add(path)
            if path.endswith(".py") and (consumer._installed or
                                         not is_installed(path)):
                stale.add(path)
            for name in self._names_of(path, flags):
                known = index.get(name)
                if known is None or self._runs_it(
                        known, change, answer, consumer._running):
                    continue
                why = CHANGED
                if path in known.files and path != known.file and \
                        known.kind != NAMESPACE:
                    why = DEPENDENCY
                current = not consumer._running and self._runs_it(
                    known, change, answer, True)
                what = found.setdefault(name, _Found(why, current))
                what.paths.append(path)
                what.current = what.current and current
        for known in map(index.get, found):
            if known is not None and (not known.installed or
                                      consumer._installed):
                stale.add(known.file)
        below = tuple(path + "/" for path in moved)
        if sys.pycache_prefix is not None or \
                any(path.startswith(below) for path in stale):
            # Sources were changed and then moved: their bytecode is where
            # they are now. Or all bytecode lies by the path of its source in
            # a tree of its own, and does not move along.
            for path in moved:
                if consumer._installed or not is_installed(path):
                    stale.update(sources_below(path))
        drop_bytecode(path for path in stale if path.endswith(".py"))
        forget_listings(listings)
        forget_listings(moved, below=True)
        if consumer._running and (stale or moved):
            self._retry(found)
        for name in found:
            self._notice(index.get(name))

    def _names_of(self, path: str, flags: int) -> Set[str]:
        """The modules that a change may alter."""
        names = self._index.at(path)
        if flags & _SUBTREE:
            names |= self._index.below(path)
        if flags & _LINKED:
            names |= self._index.same_file(path)
        return names

    def _retry(self, found: _AllFound) -> None:
        """What failed may have failed for the want of another file."""
        for name in list(self._failed):
            if self._index.get(name) is None:
                self._failed.discard(name)
            else:
                found.setdefault(name, _Found(RETRY))

    @staticmethod
    def _runs_it(known: Module, change: Any, answer: Any,
                 running: bool) -> bool:
        """Whether the module was read after this change came."""
        clock = getattr(change, "clock", None)
        if clock is None:
            return False
        if change.flags & _SCANNED and change.tree == 1:
            # Found below the mount: until the kernel's caches are dropped,
            # which comes after the stamp, the mount shows old bytes.
            return False
        return any(token is not None and clock <= token.clock and
                   token.instance == answer.token.instance for token in
                   (known.imported, known.reloaded if running else None))

    def _look_at_all(self, consumer: Consumer,
                     found: _AllFound) -> None:
        """FRESH: compare every file with how it looked."""
        stale: List[str] = []
        for known in self._index:
            if known.installed and not consumer._installed:
                continue
            if self._differs(known):
                self._notice(known)
                stale.append(known.file)
            if known.noticed > consumer._noticed:
                found[known.name] = _Found(DOUBT,
                                           known.reread > known.noticed)
        if consumer._running and (found or not self._blind):
            self._retry(found)
        drop_bytecode(path for path in stale if path.endswith(".py"))
        if not self._blind:
            # What is not loaded may have changed as well.
            for folder in self._user_folders():
                drop_doubtful(folder)
        importlib.invalidate_caches()

    def _user_folders(self) -> List[str]:
        """Directories of the mount that modules are imported from."""
        below = tuple(root + "/" for root in self._roots or ())
        found = {os.path.realpath(path) + "/" for path in sys.path}
        found = {path for path in found if path.startswith(below) and
                 not is_installed(path)}
        return [path.rstrip("/") for path in found if not any(
            path != other and path.startswith(other) for other in found)]

    def _look_outside(self, consumer: Consumer,
                      found: _AllFound) -> None:
        stale = []
        for name, known in list(self._outside.items()):
            if self._index.get(name) is not known:
                del self._outside[name]
                continue
            if self._differs(known):
                self._notice(known)
                stale.append(known.file)
            if known.noticed > consumer._noticed:
                found.setdefault(name, _Found(
                    CHANGED, known.reread > known.noticed))
        drop_bytecode(path for path in stale if path.endswith(".py"))

    def _differs(self, known: Module) -> bool:
        """Whether a module's files do not look as when it was read; True in
        doubt. What they look like now is kept: it is going to be told."""
        now = signature_of(known.files)
        if now is None:
            return False  # nobody can read it, so nobody can load it
        if known.signature is None and known.installed:
            # Nobody looks at installed code before somebody asks for it. It
            # has changed if its inode did since this process began.
            known.signature = now
            return any(it[-1] > _process_start_ns()
                       for it in now if len(it) > 1)
        differs = now != known.signature
        known.signature = now
        return differs

    def _notice(self, known: Optional[Module]) -> None:
        if known is not None:
            self._noticed += 1
            known.noticed = self._noticed

    def _check_blind(self, consumer: Consumer, error: OSError) -> Report:
        """The daemon is gone. Look for a new one, and at all files."""
        self._blind = True
        if self._path is not None:
            try:
                fresh = self._connect()
            except OSError:
                pass
            else:
                close = getattr(self.connection, "close", None)
                if close is not None:
                    close()
                self.connection = fresh
                self._blind = False
                self._real_roots.clear()
                try:
                    self._roots = self._find_roots()
                    # Its token is of another instance: FRESH, as it should.
                    return self._look(consumer,
                                      fresh.since(consumer.token))
                except OSError as again:
                    error = again
        return self._look(consumer, _NoAnswer(consumer.token, error))

    def _report(self, consumer: Consumer,
                found: _AllFound,
                answer: Any) -> Report:
        user: Dict[int, Affected] = {}
        installed: Dict[int, Affected] = {}
        for name, what in found.items():
            known = self._index.get(name)
            module = known.module if known is not None else None
            if known is None or module is None:
                continue
            into = installed if known.installed and \
                not consumer._installed else user
            affected = into.get(id(module))
            if affected is not None:
                affected.names += (name,)
                continue
            affected = into[id(module)] = Affected(known, module, what)
            if self._is_gone(known):
                affected.why = GONE
                affected.gone = True
                affected.reloadable = False
        return Report(_in_order(list(user.values())), list(installed.values()),
                      bool(answer.fresh), answer.reason)

    def _is_gone(self, known: Module) -> bool:
        if os.path.exists(known.file):
            return False
        if not known.reloadable:
            return True
        # m.py may have become m/__init__.py.
        parent, _, _ = known.name.rpartition(".")
        path = None
        if parent:
            path = getattr(self._index.modules.get(parent), "__path__", None)
            if path is None:
                return True
        forget_listings([os.path.dirname(known.file)])
        try:
            return importlib.machinery.PathFinder.find_spec(
                known.name, path) is None
        except (ImportError, OSError, ValueError):
            return True

    # ---- reloading ----

    def reload(self, affected: Union[Report, Iterable[Affected]],
               reload: Optional[Callable[[Any], Any]] = None
               ) -> List[Reloaded]:
        """Load the affected modules anew, those first that others import.

        @reload: what to call for each instead of ``importlib.reload``, with
        the module. What is not reloadable is left out. An exception of a
        module is in the result; the module is told again, as "retry", at the
        next check that finds any source changed.
        """
        done: List[Reloaded] = []
        wanted = [each for each in affected if each.reloadable]
        with self._lock:
            try:
                for each in wanted:
                    done.append(self._reload_one(each, reload or load_again))
            except BaseException:
                # Ctrl-C: what was not reached is told again, at once.
                self._interrupted = True
                for each in wanted[len(done):]:
                    self._failed.update(each.names)
                raise
        return done

    def _reload_one(self, affected: Affected,
                    reload: Callable[[Any], Any]) -> Reloaded:
        module, error = affected.module, None
        with self.reloading(module, affected.names) as outcome:
            try:
                module = reload(module) or module
            except (Exception, SystemExit) as exception:
                error = exception
            outcome.failed = error is not None
        return Reloaded(affected.name, module, error)

    @contextlib.contextmanager
    def reloading(self, module: Any, names: Optional[Iterable[str]] = None
                  ) -> Iterator["Reloading"]:
        """Around a reload by other hands, so that the tracker knows of it:

            with tracker.reloading(module) as outcome:
                outcome.failed = not my_reload(module)

        An exception is a failure, too, and is passed on. @names: all under
        which the module is loaded, if known.
        """
        with self._lock:
            names = tuple(names) if names is not None else \
                tuple(self._index.names_of(module))
            # All of this before the source is read: what comes after is told.
            known = self._index.get(names[0]) if names else None
            looks: Signature = None
            if known is not None:
                if known.file.endswith(".py"):
                    drop_bytecode([known.file])
                looks = signature_of(known.files)
            before = self._token()
            outcome = Reloading()
            try:
                yield outcome
            except BaseException:
                outcome.failed = True
                raise
            finally:
                self._reloaded(names, before, looks, outcome.failed)

    def _reloaded(self, names: Iterable[str], before: Any, looks: Signature,
                  failed: bool) -> None:
        # The reload may have put another object there, or moved it.
        new = self._index.refresh(names)
        for name in names:
            now = self._index.get(name)
            if failed:
                self._failed.add(name)
                continue
            self._failed.discard(name)
            if now is None:
                continue
            now.reloaded = before
            self._noticed += 1
            now.reread = self._noticed
            if now not in new:
                now.signature = looks
                # A link that was retargeted after @before is told, one that
                # was before is not: find where the file stands after it.
                self._index.place_again(now)
        self._sort_outside(new)
        self._vouch(new, before)

    def _token(self) -> Any:
        try:
            return self.connection.token()
        except (OSError, ValueError):
            return None  # the daemon is gone, or another thread closed it

    # ---- what is known of files ----

    def _note_imports(self, new: Iterable[Module]) -> None:
        if self._imports is None:
            return
        started = self._imports.started
        for known in new:
            known.imported, known.imported_ns = started.pop(
                known.name, (None, 0))
        # What is left was seen already, or has no file. What is not in
        # sys.modules failed, or is only about to be there.
        modules = self._index.modules
        for name in [name for name in list(started) if name in modules]:
            started.pop(name, None)

    def _vouch(self, modules: List[Module], since: Any) -> None:
        """Keep how the files of these modules look now, if that is how they
        looked when they were read: nothing has touched them since the token
        @since, or since the import that was seen to begin.

        Installed code is not looked at: it is compared only on request.
        """
        wanted = [known for known in modules
                  if not known.installed or self._installed]
        if not wanted:
            return
        for known in wanted:
            known.signature = signature_of(known.files)
        try:
            answer = self.connection.since(since) if since is not None and \
                not self._blind else None
        except OSError:
            answer = None
        if answer is None or answer.fresh:
            doubtful = {known.name for known in wanted}
        else:
            doubtful = set()
            for change in answer.changes:
                flags = int(change.flags)
                if flags & self._wanted:
                    for name in self._names_of(self._real(change), flags):
                        known = self._index.get(name)
                        if known is not None and not self._runs_it(
                                known, change, answer, True):
                            doubtful.add(name)
        for known in wanted:
            if known.signature is not None and (
                    known.name in doubtful or known.name in self._outside):
                # Files that were last touched well before the import began.
                if not all(it[-1] < known.imported_ns - _TICKS_NS
                           for it in known.signature if len(it) > 1):
                    known.signature = None

    # ---- which trees there are ----

    def _find_roots(self) -> Optional[Tuple[str, ...]]:
        """Directories whose changes the mount tells; None when it does not
        say."""
        trees = getattr(self.connection, "trees", None)
        if trees is None:
            return None
        found: Set[str] = set()
        for tree in trees():
            root = os.fsdecode(tree.root).rstrip("/")
            found |= {root, os.path.realpath(root).rstrip("/")}
        return tuple(found)

    def _sort_outside(self, modules: Iterable[Module]) -> None:
        """Find the user modules that nobody but stat(2) can speak for."""
        if self._roots is None:
            return
        exact = set(self._roots)
        below = tuple(root + "/" for root in self._roots)
        for known in modules:
            self._outside.pop(known.name, None)
            if known.installed and not self._installed:
                continue
            if known.kind in (NAMESPACE, MAIN) or not known.files:
                continue
            if not any(path in exact or path.startswith(below)
                       for path in known.paths):
                self._outside[known.name] = known

    def _real(self, change: Any) -> str:
        """A change's path as the kernel would spell it. What lies below the
        root of a tree has no links in it; the root itself may."""
        path, relative = os.fsdecode(change.path), os.fsdecode(change.relative)
        if not path.endswith("/" + relative):
            return os.path.realpath(path)  # the root itself
        root = path[:-len(relative) - 1]
        real = self._real_roots.get(root)
        if real is None:
            real = self._real_roots[root] = os.path.realpath(root).rstrip("/")
        return real + "/" + relative


class _NoAnswer:
    """What stands for an answer when there is nobody to ask."""

    fresh = True
    changes: Tuple[Any, ...] = ()

    def __init__(self, token: Any, error: OSError) -> None:
        self.token = token
        self.reason = error


# A file's times move by the kernel's ticks, 10 ms at most, and may be a tick
# behind the clock that a program reads.
_TICKS_NS = 50_000_000

_started_ns = 0


def _process_start_ns() -> int:
    """When this process began, on the clock of files, a little early."""
    global _started_ns
    if not _started_ns:
        try:
            # The inode of a process is as old as the process, or younger:
            # its command line's start time is what counts.
            with open("/proc/self/stat", "rb") as file:
                ticks = int(file.read().rsplit(b")", 1)[1].split()[19])
            with open("/proc/stat", "rb") as file:
                boot = next(int(line.split()[1]) for line in file
                            if line.startswith(b"btime"))
            _started_ns = int((boot + ticks / os.sysconf("SC_CLK_TCK") - 2)
                              * 1e9)
        except (OSError, ValueError, StopIteration):
            _started_ns = 1  # everything is in doubt
    return _started_ns


# ---- loading anew -----------------------------------------------------------

def load_again(module: Any) -> Any:
    """importlib.reload(), also for a module that no finder finds because it
    was loaded from its file by hand."""
    spec = getattr(module, "__spec__", None)
    try:
        return importlib.reload(module)
    except ModuleNotFoundError as error:
        loader = getattr(spec, "loader", None)
        if error.name != getattr(spec, "name", None) or \
                not hasattr(loader, "exec_module") or \
                "spec not found" not in str(error):
            raise
    loader.exec_module(module)
    return sys.modules.get(module.__name__, module)


def _imports_of(affected: Affected) -> Set[str]:
    """Names that a module's new source may import, absolute."""
    module = affected.module
    spec = getattr(module, "__spec__", None)
    path = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, TypeError, RecursionError):
        return set()
    package = affected.name
    if getattr(module, "__path__", None) is None:
        package = package.rpartition(".")[0]
    found: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[:len(parts) - node.level + 1]
                base = ".".join(parts + ([base] if base else []))
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def _in_order(modules: List[Affected]) -> List[Affected]:
    """Those first that others import: `from b import LIMIT` in a module that
    is reloaded before b would keep the old value."""
    if len(modules) < 2:
        return modules
    by_name = {name: each for each in modules for name in each.names}
    done: List[Affected] = []
    state: Dict[int, int] = {}

    def visit(each: Affected) -> None:
        # An explicit stack: a chain of imports may be longer than Python's.
        stack: List[Tuple[Affected, Iterator[Affected]]] = []

        def enter(one: Affected) -> None:
            if id(one) not in state:
                state[id(one)] = 1
                wanted = sorted(_imports_of(one) & by_name.keys())
                stack.append((one, iter([by_name[name] for name in wanted])))

        enter(each)
        while stack:
            one, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                done.append(one)
            else:
                enter(following)

    for each in modules:
        visit(each)
    return done
