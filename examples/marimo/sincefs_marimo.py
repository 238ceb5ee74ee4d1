# SPDX-License-Identifier: MIT
"""marimo's module autoreload, told by sincefs what changed.

    import sincefs_marimo
    sincefs_marimo.install("~/proj")        # before the kernel starts

or, to have a class and put it in place yourself:

    from marimo._runtime.reload.autoreload import ModuleReloader
    Reloader = sincefs_marimo.adapt(ModuleReloader, "~/proj")

marimo asks one object, its ModuleReloader, through one method:

    check(modules, reload, *, skip_non_user_modules=False) -> set of modules

at the entry of a cell (reload=True: load anew what changed), at its exit
(reload=False, with the modules that the cell imported: take them in), and from
a watcher's thread each second (reload=False: which modules have changed, so
that cells that use them are marked stale or, in autorun, run again).

The adapter is a subclass that answers these calls. Reloading itself, the sets
of stale and failed modules and the lock stay marimo's: what sincefs found is
put into `stale_modules`, and marimo's own check() is called for those modules
alone. So a call after which nothing changed costs one request, whatever the
number of modules. Beyond that:

- Cells and watcher have a token each. What one was told, the other is told as
  well: a cell that reloads a module does not hide the change from the watcher,
  nor the other way round.
- A module that a cell imported and that was edited before the cell ended is
  found at the next cell.
- The watcher is told of installed code too: at once for what lies on the mount
  (a .venv in the project), within a scan's period for what is scanned beside
  it. Cells are not, as in marimo.
- Where the mount says FRESH, or there is no mount, marimo's own check runs as
  well, over everything.

What it cannot mend from here: marimo marks *every* cell that uses a changed
module, also one that ran after the change and before the watcher looked.
"""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType
from typing import Any, Dict, Iterable, List, Optional, Set

from sincefs.reload import Affected, ModuleTracker, Report

__all__ = ["adapt", "install"]

# Where marimo's versions keep a reference to the class.
_PLACES = (
    "marimo._runtime.reload.autoreload",
    "marimo._runtime.reload.manager",
    "marimo._runtime.reload.module_watcher",
    "marimo._runtime.runtime",
)


class _Sincefs:
    """What adapt() mixes into marimo's ModuleReloader, whose names it must not
    take: but for check() and close_sincefs() its own begin with _sincefs_."""

    #: Any path on the mount that holds the project.
    _sincefs_path = "."

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._sincefs_tracker: Optional[ModuleTracker] = None
        # marimo takes the times of all modules that are loaded now.
        super().__init__(*arguments, **more)
        # One check at a time: marimo's lock is taken within, for shorter.
        self._sincefs_asking = threading.Lock()
        try:
            self._sincefs_tracker = ModuleTracker(self._sincefs_path)
        except OSError:
            return  # not on sincefs: marimo goes on as before
        self._sincefs_tracker.watch_imports()
        self._sincefs_cells = self._sincefs_tracker.consumer()
        self._sincefs_watcher = self._sincefs_tracker.consumer(
            installed=True, running=False)

    def check(self, modules: Dict[str, ModuleType], reload: bool, *,
              skip_non_user_modules: bool = False) -> Set[ModuleType]:
        """See the class that this is mixed into."""
        own = super().check  # type: ignore[misc]
        if self._sincefs_tracker is None:
            return own(modules, reload,
                       skip_non_user_modules=skip_non_user_modules)
        with self._sincefs_asking:
            if reload:
                return self._sincefs_enter_cell(modules, own,
                                                skip_non_user_modules)
            if skip_non_user_modules:
                return self._sincefs_leave_cell(modules, own)
            return self._sincefs_watch(modules, own)

    # ---- the three callers ----

    def _sincefs_enter_cell(self, modules: Dict[str, ModuleType], own: Any,
                    skip: bool) -> Set[ModuleType]:
        report = self._sincefs_cells.check()
        found: Set[ModuleType] = set()
        if report.fresh:
            # Only detect: what is to be reloaded is decided below.
            found |= own(modules, False, skip_non_user_modules=skip)
        chosen = self._sincefs_chosen(report, modules)
        found.update(modules[name] for name in chosen)
        # What the watcher found first is to be reloaded as well.
        order = [*chosen, *sorted(
            name for name in self._sincefs_mark_stale(chosen)
            if name not in chosen and name in modules)]
        self._sincefs_reload(order, modules, own)
        return found

    def _sincefs_leave_cell(self, modules: Dict[str, ModuleType],
                    own: Any) -> Set[ModuleType]:
        """Take in what a cell imported. Its changes are asked for with a
        token from before the import, so that none is lost meanwhile."""
        found = own(modules, False, skip_non_user_modules=True)
        assert self._sincefs_tracker is not None
        self._sincefs_tracker.baseline(list(modules))
        return found

    def _sincefs_watch(self, modules: Dict[str, ModuleType],
               own: Any) -> Set[ModuleType]:
        report = self._sincefs_watcher.check()
        found: Set[ModuleType] = set()
        if report.fresh:
            found |= own(modules, False, skip_non_user_modules=False)
        chosen = self._sincefs_chosen(report, modules)
        # A module that a cell has reloaded since is told, so that the cells
        # which used it are marked; it is not to be reloaded once more.
        self._sincefs_mark_stale(name for name, each in chosen.items()
                         if not each.current)
        for name in chosen:
            found.add(modules[name])
            self._sincefs_forget_imports(modules[name])
        return found

    # ---- helpers ----

    @staticmethod
    def _sincefs_chosen(report: Report,
                modules: Dict[str, ModuleType]) -> Dict[str, Affected]:
        return {name: each for each in report if each.reloadable
                for name in each.names if modules.get(name) is each.module}

    def _sincefs_mark_stale(self, names: Iterable[str]) -> Set[str]:
        """Add to marimo's stale modules; all of them."""
        with self.lock:  # type: ignore[attr-defined]
            self.stale_modules.update(names)  # type: ignore[attr-defined]
            return set(self.stale_modules)  # type: ignore[attr-defined]

    def _sincefs_reload(self, order: List[str], modules: Dict[str, ModuleType],
                own: Any) -> None:
        """Have marimo reload these, in this order."""
        failed = self.failed  # type: ignore[attr-defined]
        assert self._sincefs_tracker is not None
        for name in order:
            # marimo clears its set after each reload: mark them one by one.
            self._sincefs_mark_stale([name])
            module = modules[name]
            with self._sincefs_tracker.reloading(module) as outcome:
                before = dict(failed)
                failed.clear()
                own({name: module}, True)
                outcome.failed = bool(failed)
                before.pop(getattr(module, "__file__", None), None)
                for path, when in before.items():
                    failed.setdefault(path, when)
            self._sincefs_forget_imports(module)

    def _sincefs_forget_imports(self, module: ModuleType) -> None:
        """marimo remembers what a module imports until its mtime rises."""
        finder = getattr(self, "_module_dependency_finder", None)
        evict = getattr(finder, "evict_from_cache", None)
        if evict is not None and getattr(module, "__file__", None):
            evict(module)

    def close_sincefs(self) -> None:
        """Let go of the mount; marimo's own check from now on."""
        if self._sincefs_tracker is not None:
            self._sincefs_tracker.close()
            self._sincefs_tracker = None


def adapt(base: type, path: str = ".") -> type:
    """A subclass of marimo's ModuleReloader that asks the mount on which
    @path lies."""
    return type("ModuleReloader", (_Sincefs, base), {
        "__doc__": base.__doc__,
        "__module__": __name__,
        "_sincefs_path": os.path.abspath(os.path.expanduser(path)),
    })


def install(path: str = ".") -> type:
    """Have marimo, in this process, use the adapter from now on: replaces
    ModuleReloader in those of its modules that know it. Returns the class."""
    import importlib
    base = importlib.import_module(_PLACES[0]).ModuleReloader
    adapted = adapt(base, path)
    for place in _PLACES:
        module = sys.modules.get(place)
        if module is None:
            try:
                module = importlib.import_module(place)
            except ImportError:
                continue
        if getattr(module, "ModuleReloader", None) is base:
            setattr(module, "ModuleReloader", adapted)
    return adapted
