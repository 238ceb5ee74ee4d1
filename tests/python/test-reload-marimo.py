# SPDX-License-Identifier: MIT
"""examples/marimo/sincefs_marimo.py on a real mount, with a stand-in that has
marimo's interface (tests/python/standin_marimo.py)."""

import importlib
import os
import subprocess
import sys
import time
import types

import reload_support as support
import harness
from harness import equal, true

sys.path.insert(0, os.path.join(support.TOP, "examples", "marimo"))
import sincefs_marimo
import standin_marimo as standin


class Notebook:
    """A mounted project, and the stand-in around it."""

    def __init__(self, t, files, mode="lazy", adapted=True):
        def build(path):
            for name, number in files.items():
                support.write(os.path.join(path, name),
                              support.source(number))
        self.mount = t.mount(build=build)
        sys.path.insert(0, self.mount.path)
        base = standin.ModuleReloader
        self.manager = standin.AutoreloadManager(
            mode, sincefs_marimo.adapt(base, self.mount.path)
            if adapted else base)
        self.reloader = self.manager.reloader
        self.seen = []

    def at(self, *names):
        return self.mount.at(*names)

    def edit(self, name, number):
        support.edit_unseen(self.at(name), support.source(number))

    def cell(self, name):
        """A cell that imports a module and notes its VALUE."""
        return standin.Cell(name, run=lambda: self.seen.append(
            importlib.import_module(name).VALUE))

    def run(self, cell):
        self.manager.run(cell)
        return self.seen[-1]


@harness.test()
def a_cell_runs_new_code_that_mtimes_do_not_show(t):
    for adapted in (False, True):
        name = f"lib{adapted:d}"
        t.base = t.directory(f"base{adapted:d}")
        n = Notebook(t, {name + ".py": 1}, adapted=adapted)
        cell = n.cell(name)
        equal(n.run(cell), 1)
        n.edit(name + ".py", 2)
        equal(n.run(cell), 2 if adapted else 1, "what the cell saw")


@harness.test()
def lazy_marks_cells_and_reloads_at_the_next_run(t):
    n = Notebook(t, {"lib.py": 1, "other.py": 1})
    cell, other = n.cell("lib"), n.cell("other")
    n.run(cell), n.run(other)
    equal(n.manager.watch_once(), set())
    n.edit("lib.py", 2)
    equal(n.manager.watch_once(), {"lib"})
    equal((cell.stale, other.stale), (True, False))
    true(n.reloader.cell_uses_stale_modules(cell), "not known as stale")
    true(not n.reloader.cell_uses_stale_modules(other), "stale, too")
    equal(sys.modules["lib"].VALUE, 1, "VALUE before the cell runs")
    equal(n.run(cell), 2)
    true(not n.reloader.cell_uses_stale_modules(cell), "still stale")
    equal(n.manager.watch_once(), set())
    equal(n.reloader.reloads, ["lib"])


@harness.test()
def autorun_runs_stale_cells_again(t):
    n = Notebook(t, {"lib.py": 1, "other.py": 1}, mode="autorun")
    cell, other = n.cell("lib"), n.cell("other")
    n.run(cell), n.run(other)
    n.manager.start(0.02)
    for number in range(2, 6):
        n.edit("lib.py", number)
        harness.wait_until(lambda: n.seen[-1] == number, 10,
                           "the cell to run again")
    n.manager.stop()
    equal(other.runs, 1, "runs of the cell that nothing concerned")


@harness.test()
def watcher_and_cells_do_not_hide_changes_from_each_other(t):
    for first in ("cell", "watcher"):
        n = Notebook(t, {"lib.py": 1, "user.py": 1}) if first == "cell" else n
        cell, user = n.cell("lib"), n.cell("lib")
        n.run(cell), n.run(user)
        n.manager.watch_once()
        n.reloader.reloads.clear()
        number = 2 if first == "cell" else 3
        n.edit("lib.py", number)
        if first == "cell":
            equal(n.run(cell), number)
            equal(n.manager.watch_once(), {"lib"}, "what the watcher found")
            true(user.stale, "the other cell was not marked")
        else:
            equal(n.manager.watch_once(), {"lib"}, "what the watcher found")
            equal(n.run(cell), number)
        equal(n.run(user), number)
        equal(n.reloader.reloads, ["lib"], "reloads")


@harness.test()
def an_edit_while_the_importing_cell_still_runs(t):
    n = Notebook(t, {"lib.py": 1})

    def run():
        import lib
        n.edit("lib.py", 2)
        n.seen.append(lib.VALUE)
    n.manager.run(standin.Cell("lib", run=run))
    equal(n.seen, [1])
    equal(n.manager.watch_once(), {"lib"})
    equal(n.run(n.cell("lib")), 2)


@harness.test()
def a_module_made_and_imported_in_a_cell_is_not_reloaded(t):
    n = Notebook(t, {})

    def run():
        support.write(n.at("made.py"), support.source(7))
        n.seen.append(importlib.import_module("made").VALUE)
    n.manager.run(standin.Cell("made", run=run))
    equal(n.seen, [7])
    equal(n.manager.watch_once(), set())
    n.run(n.cell("made"))
    equal(n.reloader.reloads, [])


@harness.test()
def a_failed_reload_is_kept_as_failed_and_mended(t):
    n = Notebook(t, {"lib.py": 1})
    cell = n.cell("lib")
    n.run(cell)
    support.edit_unseen(n.at("lib.py"), "def (\n")
    equal(n.run(cell), 1)
    true(n.at("lib.py") in n.reloader.failed, "not among the failed")
    n.edit("lib.py", 3)
    equal(n.run(cell), 3)
    equal(n.reloader.failed, {})


@harness.test()
def imports_of_a_changed_module_are_looked_up_anew(t):
    n = Notebook(t, {"lib.py": 1})
    n.run(n.cell("lib"))
    n.edit("lib.py", 2)
    n.manager.watch_once()
    true("lib" in n.reloader._module_dependency_finder.evicted,
         "what it imports is still remembered")


@harness.test()
def the_watcher_is_told_of_installed_code_and_cells_are_not(t):
    inside = ".venv/lib/python3.11/site-packages"
    n = Notebook(t, {inside + "/inst.py": 1})
    sys.path.insert(0, n.at(inside))
    cell = n.cell("inst")
    n.run(cell)
    n.edit(inside + "/inst.py", 2)
    equal(n.run(cell), 1)
    equal(n.manager.watch_once(), {"inst"})
    true(cell.stale, "the cell was not marked")
    equal(n.run(cell), 2)


@harness.test()
def a_fresh_answer_falls_back_to_marimos_own_check(t):
    n = Notebook(t, {"lib.py": 1, "other.py": 1})
    cell, other = n.cell("lib"), n.cell("other")
    n.run(cell), n.run(other)
    os.kill(n.mount.pid, 9)
    true(harness.process_is_gone(n.mount.pid), "the daemon lives")
    subprocess.run(["umount", "-l", n.mount.path], check=True)
    looks = n.reloader.looks
    n.edit("lib.py", 2)
    equal(n.run(cell), 2)
    true(n.reloader.looks > looks + 2, "its own check did not run")
    n.edit("lib.py", 3)
    equal(n.manager.watch_once(), {"lib"})
    equal(n.run(cell), 3)
    equal(n.run(other), 1)


@harness.test()
def not_on_sincefs_it_is_marimos_own(t):
    plain = t.directory("plain")
    support.write(os.path.join(plain, "lib.py"), support.source(1))
    sys.path.insert(0, plain)
    manager = standin.AutoreloadManager(
        "lazy", sincefs_marimo.adapt(standin.ModuleReloader, plain))
    seen = []
    cell = standin.Cell("lib", run=lambda: seen.append(
        importlib.import_module("lib").VALUE))
    manager.run(cell)
    support.write(os.path.join(plain, "lib.py"), support.source(2))
    os.utime(os.path.join(plain, "lib.py"), (4000000000, 4000000000))
    manager.run(cell)
    equal(seen, [1, 2])
    equal(manager.watch_once(), set())


@harness.test()
def nothing_is_looked_at_when_nothing_changed(t):
    n = Notebook(t, {f"lib{index}.py": 1 for index in range(50)})
    for index in range(50):
        n.run(n.cell(f"lib{index}"))
    cell = standin.Cell("lib0")
    n.manager.run(cell)
    n.manager.watch_once()
    looks = n.reloader.looks
    for _ in range(20):
        n.manager.run(cell)
        n.manager.watch_once()
    equal(n.reloader.looks, looks, "files that its own check looked at")


@harness.test()
def cells_and_watcher_in_threads_agree_in_the_end(t):
    n = Notebook(t, {f"lib{index}.py": 1 for index in range(5)})
    cells = [n.cell(f"lib{index}") for index in range(5)]
    for cell in cells:
        n.run(cell)
    n.manager.start(0.001)
    end = time.monotonic() + 2
    number = 1
    while time.monotonic() < end:
        number += 1
        for index in range(5):
            n.edit(f"lib{index}.py", number)
            n.manager.run(cells[(index + number) % 5])
    n.manager.stop()
    for index, cell in enumerate(cells):
        equal(n.run(cell), number, f"what cell {index} saw at last")
    true(number > 5, "hardly a round in two seconds")


@harness.test()
def install_replaces_the_class_wherever_marimo_keeps_it(t):
    base = standin.ModuleReloader
    names = ["marimo", "marimo._runtime", "marimo._runtime.reload",
             *sincefs_marimo._PLACES[:3]]
    for name in names:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    for name in sincefs_marimo._PLACES[:3]:
        sys.modules[name].ModuleReloader = base
    m = t.mount(build=lambda path: support.write(f"{path}/lib.py", "X = 1\n"))
    adapted = sincefs_marimo.install(m.path)
    true(issubclass(adapted, base), "it is no subclass")
    for name in sincefs_marimo._PLACES[:3]:
        true(sys.modules[name].ModuleReloader is adapted, name)
    reloader = adapted()
    equal(reloader.check(sys.modules, True, skip_non_user_modules=True), set())
    reloader.close_sincefs()
    equal(reloader.check(sys.modules, True, skip_non_user_modules=True), set())


harness.main()
