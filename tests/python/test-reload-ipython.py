# SPDX-License-Identifier: MIT
"""sincefs.ipython in a real IPython on a real mount: %autoreload 0 to 3 and
%aimport. Runs with each IPython that is there: that of the system's python3,
and that of the interpreter the tests are run with, if it is another."""

import contextlib
import glob
import io
import os
import shutil
import subprocess
import sys
import sysconfig

import reload_support as support
import harness
from harness import equal, true


def interpreters():
    """Those that have IPython; the system's first."""
    found = []
    for python in ("/usr/bin/python3", sys.executable):
        python = os.path.realpath(python)
        if python not in found and subprocess.run(
                [python, "-c", "import IPython"],
                stderr=subprocess.DEVNULL, check=False).returncode == 0:
            found.append(python)
    return found


class Session:
    """An IPython shell whose working directory is a mounted project."""

    def __init__(self, t, files, mounted=True, load=True):
        def build(path):
            for name, text in files.items():
                support.write(os.path.join(path, name), text)
        os.environ["IPYTHONDIR"] = t.directory("ipython")
        if mounted:
            self.mount = t.mount(build=build)
            self.root = self.mount.path
        else:
            self.root = t.directory("plain")
            build(self.root)
        os.chdir(self.root)
        sys.path.insert(0, self.root)
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
        config = Config()
        config.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=config)
        self.names = self.shell.user_ns
        if load:
            self.said = self.run("%load_ext sincefs.ipython")

    def run(self, cell):
        """Run a cell, which must succeed; what was printed."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            result = self.shell.run_cell(cell)
        true(result.success, f"cell {cell!r}: {out.getvalue()}")
        return out.getvalue()

    def at(self, *names):
        return os.path.join(self.root, *names)

    def edit(self, name, text):
        support.edit_unseen(self.at(name), text)

    def value(self, expression):
        return self.shell.ev(expression)

    def magics(self):
        """The extension's own object."""
        from sincefs import ipython
        found = {id(call.__self__): call.__self__
                 for _, call in ipython._callbacks(self.shell)}
        equal(len(found), 1, "extensions that listen to cells")
        return next(iter(found.values()))


def library(number):
    """Functions, classes and instances to be updated in place."""
    return f"""LIMIT = {number}

def function():
    return {number}

class Thing:
    def method(self):
        return {number}

    @property
    def attribute(self):
        return {number}
"""


@harness.test()
def mode_2_reloads_what_changed_and_updates_objects_in_place(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib, other\nfrom lib import function, Thing\nt = Thing()")
    s.edit("lib.py", library(2))
    s.run("seen = lib.LIMIT, function(), t.method(), t.attribute, "
          "other.LIMIT")
    equal(s.names["seen"], (2, 2, 2, 2, 1))
    for number in range(3, 9):
        s.edit("lib.py", library(number))
        s.run("seen = lib.LIMIT, function(), t.method()")
        equal(s.names["seen"], (number,) * 3)


@harness.test()
def ipythons_own_misses_that_edit(t):
    """Else the tests here would prove nothing."""
    s = Session(t, {"lib.py": library(1)}, load=False)
    s.run("%load_ext autoreload")
    s.run("%autoreload 2")
    s.run("import lib")
    s.edit("lib.py", library(2))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 1)


@harness.test()
def mode_0_reloads_nothing_and_loses_nothing(t):
    s = Session(t, {"lib.py": library(1)})
    s.run("import lib")
    s.edit("lib.py", library(2))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 1, "LIMIT before any mode was set")
    s.run("%autoreload 2")
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 2, "LIMIT in mode 2")
    s.run("%autoreload 0")
    s.edit("lib.py", library(3))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 2, "LIMIT in mode 0")
    s.run("%autoreload")
    equal(s.value("lib.LIMIT"), 3, "LIMIT after %autoreload alone")
    s.edit("lib.py", library(4))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 3, "LIMIT in mode 0 again")


@harness.test()
def mode_1_reloads_only_what_was_aimported(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)})
    s.run("%autoreload 1")
    s.run("%aimport lib")
    s.run("import other")
    s.edit("lib.py", library(2))
    s.edit("other.py", library(2))
    s.run("seen = lib.LIMIT, other.LIMIT")
    equal(s.names["seen"], (2, 1))
    # The change that this mode left alone is not forgotten.
    s.run("%aimport other")
    s.run("seen = lib.LIMIT, other.LIMIT")
    equal(s.names["seen"], (2, 2))
    true("lib other" in s.run("%aimport"), "%aimport does not list both")


@harness.test()
def modules_excluded_by_aimport_stay(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib, other")
    s.run("%aimport -other")
    s.edit("lib.py", library(2))
    s.edit("other.py", library(2))
    s.run("seen = lib.LIMIT, other.LIMIT")
    equal(s.names["seen"], (2, 1))
    s.run("%aimport other")
    s.run("seen = lib.LIMIT, other.LIMIT")
    equal(s.names["seen"], (2, 2))


@harness.test()
def mode_3_brings_new_objects_into_the_namespace(t):
    s = Session(t, {"lib.py": library(1)})
    s.run("%autoreload 3")
    s.run("import lib")
    s.edit("lib.py", library(2) + "\ndef added():\n    return 'new'\n")
    s.run("pass")
    equal(s.value("added()"), "new")


@harness.test()
def a_failure_is_printed_and_mended_later(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib, other")
    s.edit("lib.py", "def broken(:\n")
    said = s.run("seen = lib.LIMIT")
    true("[autoreload of lib failed" in said and "SyntaxError" in said,
         f"no word of the failure: {said!r}")
    equal(s.names["seen"], 1)
    equal(s.run("pass"), "", "said again without a change")
    s.edit("lib.py", library(3))
    equal(s.run("seen = lib.LIMIT"), "")
    equal(s.names["seen"], 3)


@harness.test()
def a_file_fixed_after_a_failed_import_is_run(t):
    s = Session(t, {"lib.py": "VALUE = 1\nraise ValueError\n"})
    s.run("%autoreload 2")
    s.run("try:\n    import lib\nexcept ValueError as error:\n"
          "    failed = True")
    true(s.names["failed"], "it did not fail")
    s.edit("lib.py", "VALUE = 2\nstr(ValueError);\n")
    s.run("import lib")
    equal(s.value("lib.VALUE"), 2)


@harness.test()
def an_edit_while_the_importing_cell_still_runs(t):
    s = Session(t, {"lib.py": library(1)})
    s.run("%autoreload 2")
    s.names["edit"] = lambda: s.edit("lib.py", library(2))
    s.run("import lib\nfrom lib import function\nedit()\nseen = lib.LIMIT")
    equal(s.names["seen"], 1)
    s.run("seen = lib.LIMIT, function()")
    equal(s.names["seen"], (2, 2))


@harness.test()
def state_is_kept_where_nothing_changed(t):
    """A module that was just made and imported is not run a second time."""
    s = Session(t, {})
    s.run("%autoreload 2")
    s.names["make"] = lambda: support.write(
        s.at("fresh.py"), "import builtins\n"
        "builtins.runs = getattr(builtins, 'runs', 0) + 1\n")
    s.run("make()\nimport fresh")
    s.run("pass")
    s.run("pass")
    equal(s.value("runs"), 1, "times that the module ran")


@harness.test()
def packages_are_swapped_as_a_whole(t):
    s = Session(t, {"pkg/__init__.py": library(1), "pkg/sub.py": library(1),
                    "new/__init__.py": library(2), "new/sub.py": library(2)})
    s.run("%autoreload 2")
    s.run("import pkg.sub\nfrom pkg.sub import function")
    support.exchange(s.at("pkg"), s.at("new"))
    s.run("seen = pkg.LIMIT, pkg.sub.LIMIT, function()")
    equal(s.names["seen"], (2, 2, 2))


@harness.test()
def installed_code_is_reloaded_only_when_asked_for(t):
    inside = ".venv/lib/python3.11/site-packages"
    s = Session(t, {inside + "/inst.py": library(1)})
    sys.path.insert(0, s.at(inside))
    s.run("%autoreload 2")
    s.run("import inst")
    s.edit(inside + "/inst.py", library(2))
    s.run("seen = inst.LIMIT")
    equal(s.names["seen"], 1)
    s.run("%aimport inst")
    s.run("seen = inst.LIMIT")
    equal(s.names["seen"], 2)


@harness.test()
def a_changed_extension_is_named(t):
    folder = sysconfig.get_config_var("DESTSHARED")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    names = [os.path.basename(path)[:-len(suffix)] for path in
             sorted(glob.glob(os.path.join(folder, "*" + suffix)))]
    from IPython.core.interactiveshell import InteractiveShell  # imports
    name = next(name for name in names if name not in sys.modules and
                name.startswith(("audioop", "_crypt", "xx", "_lsprof",
                                 "_testmultiphase", "syslog", "termios")))
    s = Session(t, {})
    for target in (name + suffix, "copy"):
        shutil.copy(os.path.join(folder, name + suffix), s.at(target))
    s.run("%autoreload 2")
    s.run(f"import {name}")
    true(sys.modules[name].__file__.startswith(s.root), "the wrong extension")
    os.rename(s.at("copy"), s.at(name + suffix))
    said = s.run("pass")
    true(name in said and "restart" in said, f"not named: {said!r}")
    equal(s.run("pass"), "", "named twice")
    del InteractiveShell


@harness.test()
def a_cell_before_which_nothing_changed_looks_at_no_file(t):
    s = Session(t, {"lib.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib")
    s.run("pass")
    s.run("pass")
    looked = []
    real = os.stat

    def spy(*arguments, **more):
        looked.append(arguments)
        return real(*arguments, **more)
    magics = s.magics()
    from IPython.extensions import autoreload
    own = autoreload.ModuleReloader()
    own.enabled = own.check_all = True
    # What lies outside of the mount here is the tests' own.
    outside = len(magics.reloader.tracker.outside)
    os.stat = spy
    try:
        magics.pre_run_cell()
        magics.post_execute_hook()
        ours = len(looked)
        own.check()
        theirs = len(looked) - ours
    finally:
        os.stat = real
    equal(ours, outside, "files looked at")
    true(theirs > 100, "IPython's own looks at nothing either")


@harness.test()
def the_mode_of_ipythons_own_extension_is_taken_over(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)}, load=False)
    s.run("%load_ext autoreload")
    s.run("%autoreload 2")
    s.run("%aimport -other")
    s.run("import lib, other\nfrom lib import function")
    s.run("%load_ext sincefs.ipython")
    s.edit("lib.py", library(2))
    s.edit("other.py", library(2))
    s.run("seen = lib.LIMIT, function(), other.LIMIT")
    equal(s.names["seen"], (2, 2, 1))
    # One extension listens: nothing is reloaded twice.
    s.magics()


@harness.test()
def unloaded_it_leaves_nothing(t):
    finders = list(sys.meta_path)
    s = Session(t, {"lib.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib")
    s.run("%unload_ext sincefs.ipython")
    from sincefs import ipython
    equal(ipython._callbacks(s.shell), [])
    equal([finder for finder in sys.meta_path
           if type(finder).__module__.startswith("sincefs")], [])
    true(len(sys.meta_path) >= len(finders), "a finder of others is gone")
    s.edit("lib.py", library(2))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 1)


@harness.test()
def without_a_mount_ipythons_own_check_goes_on(t):
    s = Session(t, {"lib.py": library(1)}, mounted=False)
    true("every file" in s.said, f"it was not said: {s.said!r}")
    true("not on sincefs" in s.run("%sincefs"), "%sincefs does not say it")
    s.run("%autoreload 2")
    s.run("import lib")
    support.write(s.at("lib.py"), library(2))
    os.utime(s.at("lib.py"), (4000000000, 4000000000))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 2)


@harness.test()
def another_mount_can_be_chosen(t):
    s = Session(t, {}, mounted=False)
    m = t.mount(name="elsewhere", build=lambda path: support.write(
        os.path.join(path, "lib.py"), library(1)))
    s.run(f"%sincefs {m.path}")
    true(m.path in s.run("%sincefs"), "%sincefs does not name it")
    sys.path.insert(0, m.path)
    s.run("%autoreload 2")
    s.run("import lib")
    support.edit_unseen(m.at("lib.py"), library(2))
    s.run("seen = lib.LIMIT")
    equal(s.names["seen"], 2)
    true("cannot track" in s.run("%sincefs /proc"), "no word of a failure")


@harness.test()
def the_daemon_may_die(t):
    s = Session(t, {"lib.py": library(1), "other.py": library(1)})
    s.run("%autoreload 2")
    s.run("import lib, other")
    os.chdir("/")
    os.kill(s.mount.pid, 9)
    true(harness.process_is_gone(s.mount.pid), "the daemon lives")
    subprocess.run(["umount", "-l", s.root], check=True)
    s.edit("lib.py", library(2))
    said = s.run("seen = lib.LIMIT, other.LIMIT")
    equal((s.names["seen"], said), ((2, 1), ""))
    s.edit("lib.py", library(3))
    s.run("seen = lib.LIMIT, other.LIMIT")
    equal(s.names["seen"], (3, 1))


if os.environ.get("SINCEFS_TEST_THIS_IPYTHON"):
    harness.main()

found = interpreters()
if not found:
    print("SKIP: no IPython (package python3-ipython)")
    sys.exit(harness.SKIPPED)
worst = 0
for interpreter in found:
    print(f"== {interpreter}", flush=True)
    status = subprocess.run(
        [interpreter, *sys.argv], check=False,
        env={**os.environ, "SINCEFS_TEST_THIS_IPYTHON": "1"}).returncode
    worst = status if worst in (0, harness.SKIPPED) and status else worst
sys.exit(worst)
