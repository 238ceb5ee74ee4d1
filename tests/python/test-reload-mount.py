# SPDX-License-Identifier: MIT
"""The tracker on real mounts: each way of editing a loaded module is told, and
the reload runs the new code, also where a check by stat sees nothing."""

import importlib
import importlib.util
import mmap
import os
import re
import shutil
import subprocess
import sys

import reload_support as support
import harness
from harness import equal, true

from sincefs import Connection
from sincefs.reload import ModuleTracker


class Project:
    """Modules in a mounted directory that are importable, a tracker, and a
    rival that compares size and mtime as stat-based reloaders do."""

    def __init__(self, t, files, **more):
        def build(path):
            for name, number in files.items():
                support.write(os.path.join(path, name),
                              number if isinstance(number, str)
                              else support.source(number))
        self.mount = t.mount(build=build, **more)
        sys.path.insert(0, self.mount.path)
        self.tracker = ModuleTracker(self.mount.path)
        self.seen = {}

    def at(self, *names):
        return self.mount.at(*names)

    def load(self, *names):
        found = [importlib.import_module(name) for name in names]
        self.tracker.check()
        for name in names:
            self.seen[name] = self.looks(name)
        return found[0] if len(found) == 1 else found

    @staticmethod
    def looks(name):
        it = os.stat(sys.modules[name].__file__)
        return it.st_mtime

    def stat_sees(self, name):
        """Whether a reloader that compares mtimes, as IPython's and marimo's
        do, would reload."""
        return self.looks(name) > self.seen[name]

    def told(self, *names):
        """The next check must tell exactly these; reload them."""
        report = self.tracker.check()
        equal(sorted(report.names), sorted(names), "what was told")
        for done in self.tracker.reload(report):
            if done.error is not None:
                raise done.error
        equal(self.tracker.check().names, [], "told after the reload")


@harness.test()
def an_edit_of_the_same_size_and_mtime(t):
    p = Project(t, {"a.py": 1})
    a = p.load("a")
    support.edit_unseen(p.at("a.py"), support.source(2))
    true(not p.stat_sees("a"), "stat sees it: the test proves nothing")
    p.told("a")
    equal(a.VALUE, 2)


@harness.test()
def bytecode_is_trusted_by_importlib_and_dropped_by_the_tracker(t):
    p = Project(t, {"a.py": 1})
    a = p.load("a")
    cached = importlib.util.cache_from_source(p.at("a.py"))
    true(os.path.exists(cached), "no bytecode was written")
    support.edit_unseen(p.at("a.py"), support.source(2))
    importlib.reload(a)
    equal(a.VALUE, 1, "VALUE after importlib.reload() alone")
    p.told("a")
    equal(a.VALUE, 2)
    # And in a new process, which the tracker's check prepared.
    support.edit_unseen(p.at("a.py"), support.source(3))
    p.tracker.check()
    told = t.run(sys.executable, "-c", "import a; print(a.VALUE)",
                 env={"PYTHONPATH": p.mount.path})
    equal(told.strip(), b"3")


@harness.test()
def an_older_file_moved_in(t):
    p = Project(t, {"a.py": 1, "backup.py": 2})
    os.utime(p.at("backup.py"), (1000, 1000))
    a = p.load("a")
    t.run("mv", p.at("backup.py"), p.at("a.py"))
    true(not p.stat_sees("a"), "stat sees it")
    p.told("a")
    equal(a.VALUE, 2)


@harness.test()
def an_older_file_copied_in_with_its_time(t):
    p = Project(t, {"a.py": 1, "backup": 2})
    os.utime(p.at("backup"), (1000, 1000))
    a = p.load("a")
    t.run("cp", "-p", p.at("backup"), p.at("a.py"))
    true(not p.stat_sees("a"), "stat sees it")
    p.told("a")
    equal(a.VALUE, 2)


@harness.test()
def a_file_synchronised_with_its_time(t):
    """What rsync -t does: a temporary file with the time set, renamed."""
    p = Project(t, {"a.py": 1})
    a = p.load("a")
    kept = support.times(p.at("a.py"))
    support.write(p.at(".a.py.Xy12"), support.source(2))
    os.utime(p.at(".a.py.Xy12"), ns=kept)
    os.rename(p.at(".a.py.Xy12"), p.at("a.py"))
    true(not p.stat_sees("a"), "stat sees it")
    p.told("a")
    equal(a.VALUE, 2)


@harness.test()
def two_modules_exchanged(t):
    p = Project(t, {"a.py": 1, "b.py": 2})
    os.utime(p.at("b.py"), ns=support.times(p.at("a.py")))
    a, b = p.load("a", "b")
    support.exchange(p.at("a.py"), p.at("b.py"))
    true(not p.stat_sees("a") and not p.stat_sees("b"), "stat sees it")
    p.told("a", "b")
    equal((a.VALUE, b.VALUE), (2, 1))


@harness.test()
def a_package_directory_swapped_by_renames(t):
    p = Project(t, {"pkg/__init__.py": 1, "pkg/sub/m.py": 1,
                    "next/__init__.py": 2, "next/sub/m.py": 2})
    for name in ("__init__.py", "sub/m.py"):
        os.utime(p.at("next", name), (1000, 1000))
    pkg, m = p.load("pkg", "pkg.sub.m")
    os.rename(p.at("pkg"), p.at("previous"))
    os.rename(p.at("next"), p.at("pkg"))
    true(not p.stat_sees("pkg") and not p.stat_sees("pkg.sub.m"),
         "stat sees it")
    p.told("pkg", "pkg.sub", "pkg.sub.m")
    equal((pkg.VALUE, m.VALUE), (2, 2))


@harness.test()
def two_packages_exchanged(t):
    p = Project(t, {"one/__init__.py": 1, "one/m.py": 3,
                    "two/__init__.py": 2, "two/m.py": 4})
    for name in ("__init__.py", "m.py"):
        os.utime(p.at("two", name), ns=support.times(p.at("one", name)))
    loaded = p.load("one", "one.m", "two", "two.m")
    support.exchange(p.at("one"), p.at("two"))
    true(not any(map(p.stat_sees, p.seen)), "stat sees it")
    p.told("one", "one.m", "two", "two.m")
    equal([module.VALUE for module in loaded], [2, 4, 1, 3])


@harness.test()
def a_symbolic_link_retargeted(t):
    p = Project(t, {"v1/pkg/__init__.py": 1, "v1/pkg/m.py": 3,
                    "v2/pkg/__init__.py": 2, "v2/pkg/m.py": 4,
                    "w1.py": 5, "w2.py": 6})
    for name in ("v2/pkg/__init__.py", "v2/pkg/m.py", "w2.py"):
        os.utime(p.at(name), (1000, 1000))
    os.symlink("v1", p.at("current"))
    os.symlink("current/pkg", p.at("pkg"))
    os.symlink("w1.py", p.at("w.py"))
    loaded = p.load("pkg", "pkg.m", "w")
    support.retarget(p.at("current"), "v2")
    support.retarget(p.at("w.py"), "w2.py")
    true(not any(map(p.stat_sees, p.seen)), "stat sees it")
    p.told("pkg", "pkg.m", "w")
    equal([module.VALUE for module in loaded], [2, 4, 6])
    # And back, removed and made again instead of renamed over.
    os.unlink(p.at("w.py"))
    os.symlink("w1.py", p.at("w.py"))
    p.told("w")
    equal(loaded[2].VALUE, 5)


@harness.test()
def an_edit_while_the_importing_cell_still_runs(t):
    for watched in (False, True):
        name = f"late{watched:d}"
        p = Project(t, {name + ".py": 1}, name=f"m{watched:d}")
        if watched:
            p.tracker.watch_imports()
        p.tracker.check()                                   # cell entry
        late = importlib.import_module(name)                # in the cell
        support.edit_unseen(p.at(name + ".py"), support.source(2))
        p.tracker.baseline()                                # cell exit
        p.seen[name] = p.looks(name)  # when a stat-based one takes its times
        true(not p.stat_sees(name), "stat sees it")
        p.told(name)
        equal(late.VALUE, 2)
        p.tracker.close()


@harness.test()
def an_edit_through_another_hard_link(t):
    p = Project(t, {"a.py": 1, "b.py": 1})
    os.link(p.at("a.py"), p.at("link"))
    a, b = p.load("a", "b")
    support.edit_unseen(p.at("link"), support.source(2))
    p.told("a")
    equal(a.VALUE, 2)


@harness.test()
def an_edit_through_a_shared_mapping(t):
    p = Project(t, {"a.py": 1})
    a = p.load("a")
    with open(p.at("a.py"), "r+b") as file, \
            mmap.mmap(file.fileno(), 0) as mapping:
        text = support.source(2).encode()
        mapping[:len(text)] = text
        with Connection(p.mount.path) as connection:
            exact = connection.info().exact
        if exact:  # a daemon that cannot promise it says so
            p.told("a")
        else:
            mapping.flush()
            p.told("a")
        equal(a.VALUE, 2)


@harness.test()
def deleted_recreated_and_made_a_package(t):
    p = Project(t, {"a.py": 1})
    a = p.load("a")
    os.unlink(p.at("a.py"))
    report = p.tracker.check()
    equal([(each.name, each.why) for each in report], [("a", "gone")])
    support.write(p.at("a", "__init__.py"), support.source(2))
    p.told("a")
    equal(a.VALUE, 2)
    shutil.rmtree(p.at("a"))
    support.write(p.at("a.py"), support.source(3))
    p.told("a")
    equal(a.VALUE, 3)


@harness.test()
def a_file_fixed_after_a_failed_import_within_the_same_second(t):
    p = Project(t, {"a.py": "VALUE = 1\nraise ValueError\n"})
    try:
        p.load("a")
        harness.fail("it was imported")
    except ValueError:
        pass
    support.edit_unseen(p.at("a.py"), "VALUE = 2\nstr(ValueError);\n")
    try:
        importlib.import_module("a")
        harness.fail("importlib did not trust the bytecode")
    except ValueError:
        pass
    p.tracker.check()
    equal(importlib.import_module("a").VALUE, 2)


@harness.test()
def nothing_is_told_of_what_was_made_before_its_import(t):
    p = Project(t, {})
    p.tracker.watch_imports()
    for number in range(20):
        name = f"made{number}"
        support.write(p.at(name + ".py"), support.source(number))
        module = importlib.import_module(name)
        equal(module.VALUE, number)
        equal(p.tracker.check().names, [], "told after an import")
        support.edit_unseen(p.at(name + ".py"), support.source(number + 100))
        p.told(name)
        equal(module.VALUE, number + 100)
    p.tracker.close()


@harness.test()
def a_venv_in_the_project_is_exact_and_left_alone(t):
    inside = ".venv/lib/python3.11/site-packages"
    p = Project(t, {inside + "/inst/__init__.py": 1, "a.py": 1,
                    ".venv/pyvenv.cfg": "home = /usr/bin\n"})
    sys.path.insert(1, p.at(inside))
    inst, a = p.load("inst", "a")
    asked = p.tracker.consumer(installed=True)
    support.edit_unseen(p.at(inside, "inst/__init__.py"), support.source(2))
    report = p.tracker.check()
    equal(report.names, [])
    equal([each.name for each in report.installed], ["inst"])
    report = asked.check()
    equal(report.names, ["inst"])
    p.tracker.reload(report)
    equal(inst.VALUE, 2)


@harness.test()
def two_consumers_are_both_told_by_a_mount(t):
    p = Project(t, {"a.py": 1})
    p.load("a")
    watchers = [p.tracker.consumer(running=False) for _ in range(10)]
    support.edit_unseen(p.at("a.py"), support.source(2))
    p.told("a")
    for watcher in watchers:
        equal(watcher.check().names, ["a"])
        equal(watcher.check().names, [])


@harness.test()
def a_restarted_daemon_is_found_and_its_answer_doubted(t):
    p = Project(t, {"a.py": 1, "b.py": 1})
    a, b = p.load("a", "b")
    os.kill(p.mount.pid, 9)
    true(harness.process_is_gone(p.mount.pid), "the daemon lives")
    report = p.tracker.check()
    true(report.fresh, "a dead daemon answered")
    equal(report.names, [])
    subprocess.run(["umount", "-l", p.mount.path], check=True)
    # Without the mount, the directory below stands there.
    support.edit_unseen(p.at("a.py"), support.source(2))
    equal(p.tracker.check().names, ["a"])
    again = harness.Mount(t, p.mount.path)
    support.edit_unseen(p.at("b.py"), support.source(3))
    report = p.tracker.check()
    true(report.fresh, "another instance is no doubt")
    equal(report.names, ["b"])
    p.tracker.reload(report)
    equal(b.VALUE, 3)
    equal(p.tracker.check().fresh, False)
    support.edit_unseen(p.at("b.py"), support.source(4))
    p.told("b")
    equal(b.VALUE, 4)
    p.tracker.close()
    again.umount()


@harness.test()
def more_changes_than_the_mount_remembers(t):
    def build(path):
        for number in range(20):
            support.write(f"{path}/mod{number}.py", support.source(1))
    m = t.mount("--capacity", "64", build=build)
    sys.path.insert(0, m.path)
    tracker = ModuleTracker(m.path)
    loaded = [importlib.import_module(f"mod{number}") for number in range(20)]
    tracker.check()
    support.edit_unseen(m.at("mod7.py"), support.source(2))
    with Connection(m.path) as connection:
        for number in range(500):
            connection.token()  # so that each is a record of its own
            support.write(m.at("noise", f"{number}.txt"), "x")
    report = tracker.check()
    true(report.fresh, "nothing was forgotten: the test proves nothing")
    true("mod7" in report.names, "the edit was missed")
    tracker.reload(report)
    equal([module.VALUE for module in loaded],
          [2 if number == 7 else 1 for number in range(20)])


@harness.test(limit=60)
def a_clean_check_is_one_question(t):
    """Counted by strace: between two marks nothing but syncfs and ioctl."""
    m = t.mount(build=lambda path: support.write(f"{path}/a.py", "X = 1\n"))
    script = f"""
import os, sys
sys.path[:0] = [{support.PACKAGE!r}, {m.path!r}]
from sincefs.reload import ModuleTracker
import a
tracker = ModuleTracker({m.path!r})
tracker.check()
for exact in (True, False):
    os.getppid()
    for _ in range(50):
        assert not tracker.check(exact=exact)
    os.getppid()
os.stat({m.at("a.py")!r})
"""
    log = os.path.join(t.base, "strace")
    t.run("strace", "-f", "-o", log, sys.executable, "-c", script,
          env={"PYTHONDONTWRITEBYTECODE": "1", "ASAN_OPTIONS":
               "detect_leaks=0"})
    with open(log) as file:
        calls = [match[1] for match in
                 (re.match(r"\d+ +(\w+)\(", line) for line in file) if match]
    marks = [index for index, call in enumerate(calls) if call == "getppid"]
    equal(len(marks), 4, "marks")
    true({"stat", "newfstatat"} & set(calls[marks[3]:]),
         "strace shows no stat: the test proves nothing")
    for start, end, wanted in ((marks[0], marks[1], {"syncfs": 50,
                                                     "ioctl": 50}),
                               (marks[2], marks[3], {"ioctl": 50})):
        count = {}
        for call in calls[start + 1:end]:
            count[call] = count.get(call, 0) + 1
        # Memory is not what this is about.
        for call in ("brk", "mmap", "munmap"):
            count.pop(call, None)
        equal(count, wanted, "system calls of 50 clean checks")


harness.main()
