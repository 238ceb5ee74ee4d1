# SPDX-License-Identifier: MIT
"""What stands for marimo in the tests: its interface around reloading, as it
is published, with as little behind it as makes it work.

ModuleReloader compares mtimes and shares one baseline between all callers, as
marimo's does, so that the tests of the adapter can show what that misses.
AutoreloadManager calls it as marimo's does: around cells, and from a watcher's
thread.
"""

import contextlib
import importlib
import os
import sys
import sysconfig
import threading
import types


class Imported:
    """An import statement of a cell."""

    def __init__(self, module, symbol=None):
        self.module = module
        self.imported_symbol = symbol


class Cell:
    """A cell: the names it imports and what it does."""

    def __init__(self, *imports, run=lambda: None):
        self.imports = [Imported(name) for name in imports]
        self.run = run
        self.stale = False
        self.runs = 0


class DependencyFinder:
    """Remembers what a module imports until it is told to forget."""

    def __init__(self):
        self.evicted = []

    def evict_from_cache(self, module):
        self.evicted.append(module.__name__)


class ModuleReloader:
    """The published interface: check(), stale_modules, failed,
    modules_mtimes, lock, cell_uses_stale_modules()."""

    def __init__(self):
        self.failed = {}
        self.old_objects = {}
        self.modules_mtimes = {}
        self.stale_modules = set()
        self.lock = threading.Lock()
        self.looks = 0  # files looked at, for the tests
        self.reloads = []  # names reloaded, for the tests
        self._module_dependency_finder = DependencyFinder()
        self._roots = tuple({sysconfig.get_path(key) for key in
                             ("stdlib", "platstdlib", "purelib", "platlib")})
        self.check(modules=sys.modules, reload=False)

    def _place_and_time(self, module):
        path = getattr(module, "__file__", None)
        if not path or not path.endswith(".py") or \
                module.__name__ in ("__main__", "__mp_main__"):
            return None
        self.looks += 1
        try:
            return path, os.stat(path).st_mtime
        except OSError:
            return None

    def cell_uses_stale_modules(self, cell):
        with self.lock:
            return any(name in self.stale_modules for imported in cell.imports
                       for name in (imported.module, imported.imported_symbol))

    def check(self, modules, reload, *, skip_non_user_modules=False):
        with self.lock:
            found = set()
            for name, module in list(modules.items()):
                if not isinstance(module, types.ModuleType):
                    continue
                if skip_non_user_modules and (getattr(
                        module, "__file__", None) or "").startswith(
                            self._roots):
                    continue
                place = self._place_and_time(module)
                if place is None:
                    continue
                before = self.modules_mtimes.setdefault(name, place[1])
                if place[1] <= before or self.failed.get(place[0]) == place[1]:
                    continue
                self.modules_mtimes[name] = place[1]
                found.add(module)
                self.stale_modules.add(name)
                self._module_dependency_finder.evict_from_cache(module)
            if reload:
                for name in self.stale_modules & modules.keys():
                    self._reload(name, modules[name])
                self.stale_modules.clear()
            return found

    def _reload(self, name, module):
        place = self._place_and_time(module)
        if place is None:
            return
        self.reloads.append(name)
        try:
            importlib.reload(module)
            self.failed.pop(place[0], None)
        except Exception:
            self.failed[place[0]] = place[1]


class AutoreloadManager:
    """Runs cells, and a watcher that marks stale those that use changed
    modules; in mode "autorun" it runs them again."""

    def __init__(self, mode, reloader_class):
        self.mode = mode
        self.cells = []
        self.reloader = reloader_class()
        self.running = threading.RLock()
        self.ended = threading.Event()
        self.watcher = None

    @contextlib.contextmanager
    def cell_scope(self):
        """As around each cell."""
        before = set(sys.modules)
        self.reloader.check(modules=sys.modules, reload=True,
                            skip_non_user_modules=True)
        try:
            yield
        finally:
            new = set(sys.modules) - before
            self.reloader.check(
                modules={name: sys.modules[name] for name in new},
                reload=False, skip_non_user_modules=True)

    def run(self, cell):
        with self.running:
            if cell not in self.cells:
                self.cells.append(cell)
            with self.cell_scope():
                cell.run()
            cell.stale = False
            cell.runs += 1

    def watch_once(self):
        """What the watcher's thread does each second."""
        changed = {module.__name__ for module in
                   self.reloader.check(modules=sys.modules, reload=False)}
        for cell in self.cells:
            if changed & {imported.module for imported in cell.imports}:
                cell.stale = True
        if self.mode == "autorun":
            for cell in self.cells:
                if cell.stale:
                    self.run(cell)
        return changed

    def start(self, period):
        def loop():
            while not self.ended.wait(period):
                self.watch_once()
        self.watcher = threading.Thread(target=loop, daemon=True)
        self.watcher.start()

    def stop(self):
        self.ended.set()
        self.watcher.join()
