# SPDX-License-Identifier: MIT
"""``%autoreload`` that asks the mount instead of looking at every file.

    %load_ext sincefs.ipython
    %autoreload 2

Everything is as in IPython's own extension, whose magics and whose way to
update functions and classes in place these are: modes 0 to 3 (and their names,
where that IPython has them), ``%aimport foo``, ``%aimport -foo``, failures
printed and tried again. What differs:

- which modules changed comes from sincefs. A cell before which nothing changed
  costs one request, whatever the number of modules, and every edit counts: one
  that keeps size and time, an older file moved in, a package directory
  swapped, an edit while the importing cell still runs;
- installed code (the standard library, site-packages, a ``.venv`` in the
  project) is reloaded only when asked for by ``%aimport``;
- a C extension that changed is named: it takes a new process to load it.

``%sincefs`` says which mount is asked; ``%sincefs PATH`` chooses another.
Where there is none, IPython's own check goes on.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Dict, List, Optional

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.extensions import autoreload

from ._modules import EXTENSION, is_installed
from .reload import Affected, ModuleTracker

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def _find_tracker() -> Optional[ModuleTracker]:
    """A tracker for the first place, of the working directory and of those
    that modules are imported from, that lies on sincefs."""
    tried = set()
    for path in [os.getcwd(), *sys.path]:
        path = os.path.abspath(path)
        if path in tried or is_installed(path + "/") or \
                not os.path.isdir(path):
            continue
        tried.add(path)
        try:
            return ModuleTracker(path, touched=True)
        except (OSError, ValueError):
            continue
    return None


class _Reloader(autoreload.ModuleReloader):  # type: ignore[misc]
    """IPython's reloader, told by a tracker which modules changed."""

    def __init__(self, shell: Any, tracker: Optional[ModuleTracker]) -> None:
        self.tracker: Optional[ModuleTracker] = None
        super().__init__(shell)  # takes the times of all files, as a fallback
        # Changed modules that the present mode leaves alone.
        self._waiting: Dict[str, Affected] = {}
        self.use(tracker)

    def use(self, tracker: Optional[ModuleTracker]) -> None:
        """Ask this tracker from now on."""
        if self.tracker is not None:
            self.tracker.close()
        self.tracker = tracker
        if tracker is not None:
            tracker.watch_imports()

    def check(self, check_all: bool = False, do_reload: bool = True,
              *rest: Any, **more: Any) -> None:
        """Reload what changed, as the mode wants it."""
        if self.tracker is None:
            super().check(check_all, do_reload, *rest, **more)
            return
        if not self.enabled and not check_all:
            return
        report = self.tracker.check()
        for each in (*report.affected, *report.installed):
            for name in each.names:
                self._waiting[name] = each
        if not self._waiting or not do_reload:
            return
        everything = check_all or self.check_all
        chosen: Dict[int, Affected] = {}
        for name, each in list(self._waiting.items()):
            if name in self.skip_modules:
                continue
            if name in self.modules or everything and not each.installed:
                del self._waiting[name]
                if sys.modules.get(name) is each.module:
                    chosen[id(each.module)] = each
        self._reload(list(chosen.values()))

    def _reload(self, chosen: List[Affected]) -> None:
        for each in chosen:
            if each.kind == EXTENSION:
                print(f"[sincefs: {each.name} is a C extension and has "
                      f"changed: restart to load it]", file=sys.stderr)
        assert self.tracker is not None
        for done in self.tracker.reload(chosen, self._load_again):
            if done.error is not None:
                print("[autoreload of {} failed: {}]".format(
                    done.name, "".join(traceback.format_exception(
                        type(done.error), done.error,
                        done.error.__traceback__, 10))), file=sys.stderr)

    def _load_again(self, module: Any) -> Any:
        say = getattr(self, "_report", None)
        if say is not None:
            say(f"Reloading '{module.__name__}'.")
        # superreload empties the module first. A package's attributes that are
        # its submodules come from their imports, which nobody repeats.
        parts = {key: value for key, value in list(vars(module).items())
                 if value is not None and
                 sys.modules.get(f"{module.__name__}.{key}") is value}
        loaded = autoreload.superreload(
            module, autoreload.reload, self.old_objects,
            *([self.shell] if self.autoload_obj else []))
        for key, value in parts.items():
            vars(loaded).setdefault(key, value)
        return loaded


class _AutoreloadMagics(autoreload.AutoreloadMagics):  # type: ignore[misc]
    """%autoreload and %aimport. Not decorated with @magics_class: that would
    register this class's own magics, of which there are none."""

    def __init__(self, shell: Any, tracker: Optional[ModuleTracker]) -> None:
        super().__init__(shell)
        self._reloader = _Reloader(shell, tracker)
        self._reloader.check_all = False
        self._reloader.autoload_obj = False

    @property
    def reloader(self) -> _Reloader:
        """The reloader, for this module."""
        return self._reloader

    def pre_run_cell(self, *_: Any) -> None:
        """Before each cell."""
        if self._reloader.enabled:
            try:
                self._reloader.check()
            except Exception:  # a cell must run, whatever happens here
                print("[sincefs: checking modules failed: "
                      f"{traceback.format_exc(10)}]", file=sys.stderr)

    def post_execute_hook(self, *_: Any) -> None:
        """After each cell: take in what it imported."""
        if self._reloader.tracker is None:
            super().post_execute_hook()
            return
        try:
            self._reloader.tracker.baseline()
        except OSError:
            pass  # the next check says more


@magics_class
class _SincefsMagics(Magics):  # type: ignore[misc]
    """%sincefs"""

    def __init__(self, shell: Any, reloader: _Reloader) -> None:
        super().__init__(shell)
        self._sincefs_reloader = reloader

    @line_magic
    def sincefs(self, line: str = "") -> None:
        """%sincefs => Say which mount %autoreload asks.

        %sincefs PATH
        Ask the mount on which PATH lies. Do so before importing from it.
        """
        reloader = self._sincefs_reloader
        path = line.strip().strip("\"'")
        if path:
            try:
                reloader.use(ModuleTracker(path, touched=True))
            except (OSError, ValueError) as error:
                print(f"cannot track '{path}': {error}", file=sys.stderr)
                return
        tracker = reloader.tracker
        if tracker is None:
            print("not on sincefs: IPython looks at every file")
            return
        print(f"asking the mount of {tracker.where}, "
              f"token {tracker.token}")
        if tracker.outside:
            print("not on it, looked at by stat: " +
                  ", ".join(sorted(tracker.outside)))


def _callbacks(shell: Any) -> Any:
    return [(event, call) for event in ("pre_run_cell", "post_execute")
            for call in list(shell.events.callbacks[event])
            if isinstance(getattr(call, "__self__", None),
                          autoreload.AutoreloadMagics)]


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext sincefs.ipython``. If IPython's own extension is
    there, its mode and its lists are taken over and it is silenced."""
    tracker = _find_tracker()
    magics = _AutoreloadMagics(shell, tracker)
    for event, call in _callbacks(shell):
        old = call.__self__._reloader
        for name in ("enabled", "check_all", "autoload_obj", "modules",
                     "skip_modules", "old_objects"):
            setattr(magics.reloader, name, getattr(old, name))
        shell.events.unregister(event, call)
    shell.register_magics(magics)
    shell.register_magics(_SincefsMagics(shell, magics.reloader))
    shell.events.register("pre_run_cell", magics.pre_run_cell)
    shell.events.register("post_execute", magics.post_execute_hook)
    if tracker is None:
        print("[sincefs: neither the working directory nor a directory that "
              "modules are imported from is on sincefs: %autoreload looks at "
              "every file]", file=sys.stderr)


def unload_ipython_extension(shell: Any) -> None:
    """Called by ``%unload_ext sincefs.ipython``: IPython's own check again,
    if ``%load_ext autoreload`` is typed after it."""
    for event, call in _callbacks(shell):
        if isinstance(call.__self__, _AutoreloadMagics):
            call.__self__.reloader.use(None)
            shell.events.unregister(event, call)
