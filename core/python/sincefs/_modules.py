# SPDX-License-Identifier: MIT
"""Which files the loaded modules stand on.

A :class:`ModuleIndex` is a picture of ``sys.modules``: for every name the
module object, what kind it is, whether it is installed code or the user's,
and every path at which a change could alter it. It asks nobody what changed
and reloads nothing; :mod:`sincefs.reload` does.

A module's code depends on more paths than ``__file__``:

- the literal path and the real one, because a change is told under the
  physical name and people import through links;
- each link on the way: retargeting ``pkg -> v1`` to ``v2`` is a change of the
  link alone;
- each directory on the way: a renamed one is told once, with ``SUBTREE``;
- the ``__init__.py`` that a namespace package does not have yet, and the
  package ``m/`` that would be found before ``m.py``;
- files that were declared by hand (:meth:`ModuleIndex.depend`).

The picture is brought up to date by :meth:`ModuleIndex.refresh`, which costs a
look at ``sys.modules``, and the file system only for what is new in it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import operator
import os
import site
import stat
import sys
import sysconfig
import types
import weakref
from typing import (Any, Callable, Dict, FrozenSet, Iterable, Iterator, List,
                    MutableMapping, Optional, Set, Tuple)

__all__ = ["Module", "ModuleIndex", "Signature", "is_installed",
           "signature_of"]

SOURCE = "source"
PACKAGE = "package"
NAMESPACE = "namespace"
COMPILED = "compiled"  # a .pyc without its source
EXTENSION = "extension"
ARCHIVE = "archive"  # in a zip file
MAIN = "main"
OTHER = "other"

#: Kinds that importlib.reload() makes new code of.
RELOADABLE = frozenset((SOURCE, PACKAGE, NAMESPACE, COMPILED))

# This package itself: whoever reloads may not be pulled away from under it.
_OWN = __name__.partition(".")[0]
_MAINS = ("__main__", "__mp_main__")
_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_INSTALLED_FOLDERS = frozenset(("site-packages", "dist-packages"))
_LAZY: Any = getattr(importlib.util, "_LazyModule", ())


_get_file = operator.itemgetter("__file__")


# ---- installed or not -----------------------------------------------------

def _installed_roots() -> Tuple[str, ...]:
    """Directories in which installed code lies.

    sysconfig's four paths miss Debian's dist-packages and the user site; a
    virtual environment's own and those of its base count both. A bare prefix
    such as /usr does not: people keep projects in /usr/src.
    """
    roots: Set[str] = set()
    for scheme in (None, "posix_prefix", "posix_user"):
        for key in ("stdlib", "platstdlib", "purelib", "platlib"):
            try:
                roots.add(sysconfig.get_path(key, scheme) if scheme
                          else sysconfig.get_path(key))
            except (KeyError, AttributeError):
                continue
    for base in {sys.prefix, sys.base_prefix, sys.exec_prefix,
                 sys.base_exec_prefix}:
        version = "python%d.%d" % sys.version_info[:2]
        for library in ("lib", getattr(sys, "platlibdir", "lib")):
            roots.add(os.path.join(base, library, version))
    roots.add(os.path.dirname(os.__file__))
    try:
        roots.update(site.getsitepackages())
        roots.add(site.getusersitepackages())
    except AttributeError:
        pass  # a site module that a virtual environment replaced
    found: Set[str] = set()
    for root in roots:
        if root and root != "/":
            found.add(root.rstrip("/") + "/")
            found.add(os.path.realpath(root).rstrip("/") + "/")
    return tuple(sorted(found))


_roots: Optional[Tuple[str, ...]] = None


def is_installed(path: str) -> bool:
    """Whether a file is installed code: the standard library, a
    site-packages or dist-packages anywhere (a ``.venv`` in the project, a user
    site). An editable install is not: its files are the user's."""
    global _roots
    if _roots is None:
        _roots = _installed_roots()
    return path.startswith(_roots) or \
        not _INSTALLED_FOLDERS.isdisjoint(path.split("/"))


# ---- how a file looks -----------------------------------------------------

#: None: nobody could tell. An empty tuple in it: there is no such file.
Signature = Optional[Tuple[Tuple[int, ...], ...]]


def signature_of(paths: Iterable[str]) -> Signature:
    """How files look from outside: more than a time, so that another file
    under the same name shows, and an older one too.

    None if a file cannot be asked (its mount is dead): that is no change. The
    device is left out: a mount that is made again has another.
    """
    found: List[Tuple[int, ...]] = []
    for path in paths:
        try:
            it = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            found.append(())
            continue
        except OSError:
            return None
        if stat.S_ISDIR(it.st_mode):
            # What lies in a directory is not the module's code.
            found.append((it.st_ino,))
        else:
            found.append((it.st_ino, it.st_size, it.st_mtime_ns,
                          it.st_ctime_ns))
    return tuple(found)


# ---- one module -----------------------------------------------------------

def _attribute(module: Any, name: str) -> Any:
    """An attribute as it stands: asking a lazy module loads it."""
    try:
        return object.__getattribute__(module, "__dict__").get(name)
    except AttributeError:
        pass
    try:
        return getattr(module, name, None)
    except Exception:  # what sits in sys.modules may be anything
        return None


def _raw_place(module: Any) -> Any:
    """What the module says of its place; when it differs, so does the rest."""
    file = _attribute(module, "__file__")
    if isinstance(file, str):
        return file
    path = _attribute(module, "__path__")
    if path is None:
        return None
    try:
        return tuple(part for part in path if isinstance(part, str))
    except Exception:  # a namespace whose parent is gone
        return ()


class Module:
    """One name in ``sys.modules``, and what is known of it."""

    __slots__ = ("name", "kind", "file", "real", "installed", "paths", "files",
                 "signature", "imported", "imported_ns", "reloaded",
                 "noticed", "reread", "raw", "_object")

    def __init__(self, name: str, module: Any, raw: Any) -> None:
        self.name = name
        self.raw = raw
        self._object: Callable[[], Any]
        try:
            self._object = weakref.ref(module)
        except TypeError:
            self._object = lambda: module
        #: Kind of module: "source", "package", "extension", ...
        self.kind = OTHER
        #: The file that a reload reads; for a namespace its first directory.
        self.file = ""
        #: The same without links.
        self.real = ""
        self.installed = False
        #: Each path whose change may alter the module.
        self.paths: FrozenSet[str] = frozenset()
        #: What to look at when nobody can say what changed.
        self.files: Tuple[str, ...] = ()
        #: How the files looked when the code that runs was read; None: not
        #: known.
        self.signature: Signature = None
        #: The token taken before the module was imported, if somebody did.
        self.imported: Any = None
        #: The time of that, on the clock of files; 0: not known.
        self.imported_ns = 0
        #: The token taken before it was last reloaded.
        self.reloaded: Any = None
        #: When a change was last noticed, on the tracker's own count.
        self.noticed = 0
        #: When it was last reloaded, on that count.
        self.reread = 0

    @property
    def module(self) -> Any:
        """The module object; None once it is gone."""
        return self._object()

    @property
    def reloadable(self) -> bool:
        """Whether importlib can run it anew in this process."""
        return self.kind in RELOADABLE

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name} at {self.file}>"


def _classify(name: str, module: Any, raw: Any) -> Tuple[str, str]:
    """(kind, the file that it is read from)."""
    spec = _attribute(module, "__spec__")
    loader = _attribute(module, "__loader__")
    if not isinstance(raw, str):
        return (NAMESPACE, raw[0]) if raw else (OTHER, "")
    archive = getattr(loader, "archive", None)
    if name in _MAINS:
        kind = MAIN
    elif isinstance(archive, str):
        return ARCHIVE, archive
    elif raw.endswith(_EXTENSIONS):
        kind = EXTENSION
    elif raw.endswith((".pyc", ".pyo")):
        origin = getattr(spec, "origin", None)
        if isinstance(origin, str) and origin.endswith(".py"):
            return SOURCE, origin
        try:
            source = importlib.util.source_from_cache(raw)
        except ValueError:
            return COMPILED, raw
        return SOURCE, source
    elif _attribute(module, "__path__") is not None:
        kind = PACKAGE
    else:
        kind = SOURCE
    return kind, raw


# ---- links ----------------------------------------------------------------

class _Links:
    """Where paths lead, with every link met. Good for one look: it keeps what
    it found about directories."""

    def __init__(self) -> None:
        self._folders: Dict[str, Tuple[str, FrozenSet[str]]] = {}

    def resolve(self, path: str, depth: int = 0) -> Tuple[str, FrozenSet[str]]:
        """The real path, and the links that led there."""
        folder, base = os.path.split(path)
        if not base or folder == path:
            return path or "/", frozenset()
        folder, links = self._folder(folder, depth)
        path = os.path.join(folder, base)
        try:
            target = os.readlink(path)
        except OSError:
            return path, links
        if depth > 40:  # as the kernel: a loop
            return path, links
        real, more = self.resolve(
            os.path.normpath(os.path.join(folder, target)), depth + 1)
        return real, links | more | {path}

    def _folder(self, path: str, depth: int) -> Tuple[str, FrozenSet[str]]:
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = self.resolve(path, depth)
        return known


# ---- all of them ----------------------------------------------------------

class ModuleIndex:
    """The modules of a mapping (``sys.modules``) by the paths they stand on.
    """

    def __init__(self,
                 modules: Optional[MutableMapping[str, Any]] = None) -> None:
        self._modules = modules
        # The mapping as it was at the last refresh. Real references: an id
        # may belong to another object by now.
        self._last: Dict[str, Any] = {}
        # The user's modules, so that a look at them all is quick: names,
        # their dictionaries, and the __file__ in each. What has no plain
        # __file__ is looked at one by one.
        self._plain: Tuple[List[str], List[Dict[str, Any]], List[str]] = \
            ([], [], [])
        self._odd: List[str] = []
        self._sorted = False
        self._known: Dict[str, Module] = {}
        self._by_path: Dict[str, Set[str]] = {}
        self._declared: Dict[str, Tuple[str, ...]] = {}
        self._folders: Dict[str, Set[str]] = {}  # declared directories

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._known.values()))

    def get(self, name: str) -> Optional[Module]:
        """The module of that name, as of the last refresh."""
        return self._known.get(name)

    @property
    def modules(self) -> MutableMapping[str, Any]:
        """The mapping that this is a picture of."""
        return sys.modules if self._modules is None else self._modules

    # ---- keeping up ----

    def refresh(self, names: Optional[Iterable[str]] = None) -> List[Module]:
        """Bring the picture up to date; the modules that are new in it.

        A name that stands for another object now, or an object that says it
        lies elsewhere, is new. With @names only those are looked at.
        """
        modules = self.modules
        last = self._last
        if names is not None:
            wanted = list(dict.fromkeys(names))
        else:
            wanted = self._perhaps_moved()
            now = dict(modules)
            # By identity: what sits in sys.modules may compare as it likes.
            if list(now) != list(last) or any(
                    map(operator.is_not, now.values(), last.values())):
                nobody = object()
                wanted += [name for name, module in now.items()
                           if last.get(name, nobody) is not module]
                for name in last.keys() - now.keys():
                    if name in self._known:
                        self._forget(self._known[name])
                self._last = now
        links = _Links()
        new = []
        for name in wanted:
            if name == _OWN or name.startswith(_OWN + "."):
                continue
            module = modules.get(name)
            known = self._known.get(name)
            if module is None or type(module) is _LAZY:
                # A lazy module has not read its file: it is not loaded, and
                # looked at again the next time.
                if known is not None:
                    self._forget(known)
                self._last.pop(name, None)
                continue
            raw = _raw_place(module)
            if known is not None:
                if known.module is module and known.raw == raw:
                    continue
                self._forget(known)
            if raw is not None:
                learned = self._learn(name, module, raw, links)
                if learned is not None:
                    new.append(learned)
        return new

    def _perhaps_moved(self) -> List[str]:
        """Names of the modules to look at because their __file__ is another
        (somebody reloaded them from elsewhere), or may be."""
        if not self._sorted:
            self._sort()
        names, places, files = self._plain
        try:
            if list(map(_get_file, places)) == files:
                return list(self._odd)
        except KeyError:
            pass
        return names + self._odd

    def _sort(self) -> None:
        names: List[str] = []
        places: List[Dict[str, Any]] = []
        files: List[str] = []
        self._odd = []
        for known in self._known.values():
            place = getattr(known.module, "__dict__", None) \
                if isinstance(known.raw, str) and not known.installed else None
            if type(place) is dict and place.get("__file__") == known.raw:
                names.append(known.name)
                places.append(place)
                files.append(known.raw)
            elif not known.installed or known.kind == NAMESPACE:
                self._odd.append(known.name)
        self._plain = names, places, files
        self._sorted = True

    def _learn(self, name: str, module: Any, raw: Any,
               links: _Links) -> Optional[Module]:
        kind, file = _classify(name, module, raw)
        if not file:
            return None
        known = Module(name, module, raw)
        known.kind = kind
        known.file = os.path.abspath(file)
        self._place(known, links)
        self._known[name] = known
        self._sorted = False
        return known

    def _place(self, known: Module, links: _Links) -> None:
        """Find the paths of a module and enter them."""
        literal = [known.file]
        if known.kind == NAMESPACE:
            literal = [os.path.abspath(part) for part in known.raw]
        # Installed code is told apart by where it was imported from, before
        # a link is followed: `pip install -e` may be one.
        installed = is_installed(known.file)
        paths: Set[str] = set()
        for path in literal:
            if installed:
                folder, base = os.path.split(path)
                real = os.path.join(links._folder(folder, 0)[0], base)
                paths |= {path, real}
            else:
                real, met = links.resolve(path)
                paths |= {path, real} | met
                installed = len(literal) == 1 and is_installed(real)
            if known.kind == NAMESPACE:
                paths |= {os.path.join(path, "__init__.py"),
                          os.path.join(real, "__init__.py")}
            if path is literal[0]:
                known.real = real
        known.installed = installed
        declared = self._declared.get(known.name, ())
        known.files = (*literal, *declared)
        known.paths = frozenset(paths)
        for path in known.paths:
            self._by_path.setdefault(path, set()).add(known.name)

    def place_again(self, known: Module) -> None:
        """Find a module's paths anew: what it stands on has changed."""
        if self._known.get(known.name) is known:
            self._leave(known)
            self._place(known, _Links())

    def place_all_again(self) -> None:
        """The same for all modules of the user."""
        links = _Links()
        for known in self:
            if not known.installed:
                self._leave(known)
                self._place(known, links)

    def _leave(self, known: Module) -> None:
        declared = self._declared.get(known.name, ())
        for path in known.paths:
            names = self._by_path.get(path)
            if names is not None and path not in declared:
                names.discard(known.name)
                if not names:
                    del self._by_path[path]

    def _forget(self, known: Module) -> None:
        self._leave(known)
        del self._known[known.name]
        self._sorted = False

    # ---- files declared by hand ----

    def depend(self, name: str, paths: Iterable[str]) -> List[str]:
        """Have a module depend on more files or directories (absolute)."""
        links = _Links()
        added = []
        for path in paths:
            real, met = links.resolve(path)
            for each in {path, real} | met:
                self._by_path.setdefault(each, set()).add(name)
                if os.path.isdir(each):
                    self._folders.setdefault(each, set()).add(name)
                added.append(each)
        self._declared[name] = tuple(dict.fromkeys(
            (*self._declared.get(name, ()), *added)))
        known = self._known.get(name)
        if known is not None:
            self.place_again(known)
            known.signature = None
        return added

    # ---- from a path to modules ----

    def at(self, path: str) -> Set[str]:
        """Names of the modules that a change of this one path may alter."""
        found = set(self._by_path.get(path, ()))
        if path.endswith("/__init__.py"):
            # A package is found before a module of the same name.
            found |= self._by_path.get(path[:-len("/__init__.py")] + ".py",
                                       set())
        if self._folders:
            folder = os.path.dirname(path)
            while len(folder) > 1:
                found |= self._folders.get(folder, set())
                folder = os.path.dirname(folder)
        return found

    def below(self, directory: str) -> Set[str]:
        """Names of the modules that stand on anything below a directory."""
        prefix = directory.rstrip("/") + "/"
        found: Set[str] = set()
        for path, names in self._by_path.items():
            if path.startswith(prefix):
                found |= names
        return found

    def same_file(self, path: str) -> Set[str]:
        """Names of the modules whose file is @path under another hard link.

        When @path is gone nobody can tell which it was: every file with
        several links.
        """
        try:
            wanted: Optional[os.stat_result] = os.stat(path)
        except OSError:
            wanted = None
        found: Set[str] = set()
        for known in self:
            try:
                it = os.stat(known.file)
            except OSError:
                continue
            if stat.S_ISREG(it.st_mode) and it.st_nlink > 1 and (
                    wanted is None or (it.st_ino, it.st_dev) ==
                    (wanted.st_ino, wanted.st_dev)):
                found.add(known.name)
        return found

    def names_of(self, module: types.ModuleType) -> List[str]:
        """All names under which a module object is loaded."""
        return [known.name for known in self if known.module is module]
