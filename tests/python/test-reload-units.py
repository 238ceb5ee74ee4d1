# SPDX-License-Identifier: MIT
"""sincefs.reload and sincefs._modules against a mount that says what the test
tells it to: every kind of module, path and answer, without FUSE."""

import importlib
import importlib.machinery
import importlib.util
import os
import shutil
import sys
import tempfile
import time
import types
import unittest
import zipfile

import reload_support as support
from fake_mount import (CONTENT, DIR, GONE, LINKED, META, NEW, SCANNED,
                        SUBTREE, TIMES, FakeMount)

from sincefs import _bytecode as bytecode, _modules as modules
from sincefs.reload import ModuleTracker

_EXTENSION = importlib.machinery.EXTENSION_SUFFIXES[0]


class Case(unittest.TestCase):
    """A project in a directory of its own, first on sys.path, and a fake
    mount of it."""

    def setUp(self):
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="sincefs-test-"))
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.project = os.path.join(self.base, "project")
        os.mkdir(self.project)
        self.before = dict(sys.modules)
        self.path = list(sys.path)
        self.finders = list(sys.meta_path)
        self.addCleanup(self.restore)
        sys.path.insert(0, self.project)
        self.mount = FakeMount(self.project)

    def restore(self):
        for name in set(sys.modules) - set(self.before):
            del sys.modules[name]
        sys.path[:] = self.path
        sys.meta_path[:] = self.finders
        sys.path_importer_cache.clear()

    def at(self, *names):
        return os.path.join(self.project, *names)

    def write(self, name, number):
        return support.write(self.at(name), support.source(number))

    def load(self, *names):
        importlib.invalidate_caches()
        found = [importlib.import_module(name) for name in names]
        return found[0] if len(found) == 1 else found

    def tracker(self, **more):
        return ModuleTracker(self.mount, **more)

    def edit(self, name, number, flags=CONTENT):
        """An edit that no stat shows, told by the mount."""
        support.edit_unseen(self.at(name), support.source(number))
        self.mount.tell(self.at(name), flags)

    def names(self, report):
        return sorted(report.names)


class WhichModules(Case):
    """From a changed path to modules."""

    def test_a_changed_file_affects_its_module_alone(self):
        self.write("a.py", 1), self.write("b.py", 2)
        self.load("a", "b")
        tracker = self.tracker()
        self.edit("a.py", 3)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        self.assertEqual(report.affected[0].paths, (self.at("a.py"),))
        self.assertFalse(tracker.check())

    def test_attributes_and_times_alone_are_no_change(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        self.mount.tell(self.at("a.py"), META)
        self.mount.tell(self.at("a.py"), TIMES)
        self.assertFalse(tracker.check())
        touched = self.tracker(touched=True)
        self.mount.tell(self.at("a.py"), TIMES)
        self.assertEqual(self.names(touched.check()), ["a"])

    def test_a_package_is_its_init_file(self):
        self.write("pkg/__init__.py", 1), self.write("pkg/sub.py", 2)
        pkg, sub = self.load("pkg", "pkg.sub")
        tracker = self.tracker()
        self.edit("pkg/__init__.py", 3)
        report = tracker.check()
        self.assertEqual(self.names(report), ["pkg"])
        self.assertEqual(report.affected[0].kind, "package")
        tracker.reload(report)
        self.assertEqual((pkg.VALUE, sub.VALUE), (3, 2))

    def test_a_renamed_directory_affects_all_below(self):
        self.write("pkg/__init__.py", 1), self.write("pkg/deep/m.py", 2)
        self.write("package.py", 3)
        self.load("pkg", "pkg.deep.m", "package")
        tracker = self.tracker()
        self.mount.tell(self.at("pkg"), CONTENT | DIR | SUBTREE)
        self.assertEqual(self.names(tracker.check()),
                         ["pkg", "pkg.deep", "pkg.deep.m"])

    def test_a_change_of_the_root_with_subtree_affects_everything(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        self.mount.tell(self.project, CONTENT | DIR | SUBTREE)
        self.assertEqual(self.names(tracker.check()), ["a"])

    def test_a_deleted_file_is_gone_and_not_reloaded(self):
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        os.unlink(self.at("a.py"))
        self.mount.tell(self.at("a.py"), CONTENT | GONE)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        self.assertTrue(report.affected[0].gone)
        self.assertEqual(report.affected[0].why, "gone")
        self.assertEqual(tracker.reload(report), [])
        self.assertEqual(a.VALUE, 1)
        # It comes back.
        self.write("a.py", 4)
        self.mount.tell(self.at("a.py"), CONTENT | NEW)
        report = tracker.check()
        self.assertTrue(report.affected[0].reloadable)
        tracker.reload(report)
        self.assertEqual(a.VALUE, 4)

    def test_a_module_that_became_a_package_is_found_there(self):
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        os.unlink(self.at("a.py"))
        self.mount.tell(self.at("a.py"), CONTENT | GONE)
        self.write("a/__init__.py", 2)
        self.mount.tell(self.at("a"), CONTENT | NEW | DIR)
        self.mount.tell(self.at("a/__init__.py"), CONTENT | NEW)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        tracker.reload(report)
        self.assertEqual(a.VALUE, 2)
        # And it is known at its new place.
        self.edit("a/__init__.py", 3)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 3)

    def test_a_package_that_comes_before_a_module_affects_it(self):
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        self.write("a/__init__.py", 2)
        self.mount.tell(self.at("a"), CONTENT | NEW | DIR)
        self.mount.tell(self.at("a/__init__.py"), CONTENT | NEW)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_a_namespace_package_that_gets_an_init_file(self):
        self.write("space/m.py", 1)
        space = self.load("space")
        self.load("space.m")
        tracker = self.tracker()
        self.assertEqual(tracker._index.get("space").kind, "namespace")
        # A new submodule changes nothing that is loaded.
        self.write("space/other.py", 2)
        self.mount.tell(self.at("space/other.py"), CONTENT | NEW)
        self.assertFalse(tracker.check())
        self.write("space/__init__.py", 3)
        self.mount.tell(self.at("space/__init__.py"), CONTENT | NEW)
        report = tracker.check()
        self.assertEqual(self.names(report), ["space"])
        tracker.reload(report)
        self.assertEqual(space.VALUE, 3)

    def test_every_part_of_a_namespace_package_counts(self):
        second = os.path.join(self.project, "second")
        sys.path.insert(1, second)
        self.write("space/m.py", 1), self.write("second/space/n.py", 2)
        m, n = self.load("space.m", "space.n")
        tracker = self.tracker()
        self.edit("second/space/n.py", 3)
        report = tracker.check()
        self.assertEqual(self.names(report), ["space.n"])
        self.mount.tell(self.at("second/space"), CONTENT | DIR | SUBTREE)
        self.assertEqual(self.names(tracker.check()), ["space", "space.n"])

    def test_a_module_under_two_names_is_one(self):
        self.write("a.py", 1)
        a = self.load("a")
        sys.modules["alias"] = a
        tracker = self.tracker()
        self.edit("a.py", 2)
        report = tracker.check()
        self.assertEqual(len(report), 1)
        self.assertEqual(sorted(report.affected[0].names), ["a", "alias"])
        tracker.reload(report)
        self.assertEqual(a.VALUE, 2)
        self.assertIs(sys.modules["a"], a)

    def test_a_rebound_name_is_the_new_object(self):
        self.write("a.py", 1), self.write("b.py", 1)
        old = self.load("a")
        tracker = self.tracker()
        del sys.modules["a"]
        new = self.load("a")
        self.edit("a.py", 2)
        report = tracker.check()
        self.assertEqual(report.modules, [new])
        tracker.reload(report)
        self.assertEqual((old.VALUE, new.VALUE), (1, 2))
        # A name that stands for another file now.
        sys.modules["a"] = self.load("b")
        self.edit("a.py", 3)
        self.assertFalse(tracker.check())
        self.edit("b.py", 3)
        self.assertEqual(self.names(tracker.check()), ["a", "b"])

    def test_a_module_reloaded_from_elsewhere_by_others_is_known_there(self):
        self.write("a.py", 1), self.write("first/a.py", 2)
        a = self.load("a")
        tracker = self.tracker()
        sys.path.insert(0, self.at("first"))
        importlib.reload(a)
        self.assertEqual(a.VALUE, 2)
        self.edit("first/a.py", 3)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 3)
        self.edit("a.py", 4)
        self.assertFalse(tracker.check())

    def test_a_module_loaded_by_hand_is_reloaded_from_its_file(self):
        path = support.write(self.at("plugins", "one.py"), support.source(1))
        spec = importlib.util.spec_from_file_location("plugin_one", path)
        plugin = importlib.util.module_from_spec(spec)
        sys.modules["plugin_one"] = plugin
        spec.loader.exec_module(plugin)
        tracker = self.tracker()
        self.edit("plugins/one.py", 2)
        done = tracker.reload(tracker.check())
        self.assertIsNone(done[0].error)
        self.assertEqual(plugin.VALUE, 2)

    def test_modules_without_a_file_are_left_alone(self):
        sys.modules["of_nothing"] = types.ModuleType("of_nothing")
        sys.modules["blocked"] = None
        strange = types.SimpleNamespace(__file__=3)
        sys.modules["strange"] = strange
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        self.edit("a.py", 2)
        self.assertEqual(self.names(tracker.check()), ["a"])

    def test_a_module_that_misbehaves_is_survived(self):
        class Hostile(types.ModuleType):
            def __getattr__(self, name):
                raise RuntimeError("do not ask")

            def __eq__(self, other):
                raise RuntimeError("do not compare")
            __hash__ = None
        sys.modules["hostile"] = Hostile("hostile")
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        self.edit("a.py", 2)
        self.assertEqual(self.names(tracker.check()), ["a"])

    def test_main_is_told_and_not_reloaded(self):
        path = self.write("script.py", 1)
        main = types.ModuleType("__main__")
        main.__file__ = path
        loaded = {"__main__": main}
        tracker = self.tracker(modules=loaded)
        self.edit("script.py", 2)
        report = tracker.check()
        self.assertEqual(self.names(report), ["__main__"])
        self.assertFalse(report.affected[0].reloadable)

    def test_an_extension_is_told_and_not_reloaded(self):
        path = support.write(self.at("fast" + _EXTENSION), "not really")
        fast = types.ModuleType("fast")
        fast.__file__ = path
        sys.modules["fast"] = fast
        tracker = self.tracker()
        self.mount.tell(path)
        report = tracker.check()
        self.assertEqual(report.affected[0].kind, "extension")
        self.assertFalse(report.affected[0].reloadable)
        self.assertEqual(tracker.reload(report), [])

    def test_an_archive_affects_the_modules_in_it(self):
        path = self.at("lib.zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("zipped.py", support.source(1))
        sys.path.insert(0, path)
        self.load("zipped")
        tracker = self.tracker()
        self.mount.tell(path)
        report = tracker.check()
        self.assertEqual(self.names(report), ["zipped"])
        self.assertFalse(report.affected[0].reloadable)

    def test_a_sourceless_module_is_its_bytecode(self):
        import py_compile
        py_compile.compile(self.write("hidden.py", 1), self.at("sole.pyc"))
        os.unlink(self.at("hidden.py"))
        sole = self.load("sole")
        tracker = self.tracker()
        py_compile.compile(self.write("hidden.py", 2), self.at("sole.pyc"))
        self.mount.tell(self.at("sole.pyc"))
        tracker.reload(tracker.check())
        self.assertEqual(sole.VALUE, 2)

    def test_a_lazy_module_is_not_loaded_by_looking(self):
        self.write("lazy.py", 1), self.write("a.py", 1)
        self.load("a")
        spec = importlib.util.find_spec("lazy")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        lazy = importlib.util.module_from_spec(spec)
        sys.modules["lazy"] = lazy
        spec.loader.exec_module(lazy)
        tracker = self.tracker()
        self.edit("lazy.py", 2), self.edit("a.py", 2)
        self.assertEqual(self.names(tracker.check()), ["a"])
        self.assertNotIn("VALUE", object.__getattribute__(lazy, "__dict__"))
        self.assertEqual(lazy.VALUE, 2)  # loads it
        self.edit("lazy.py", 3)
        tracker.reload(tracker.check())
        self.assertEqual(lazy.VALUE, 3)


class Links(Case):
    """Modules that are reached through links."""

    def test_a_file_behind_a_link_counts_under_its_own_name(self):
        self.write("real/a.py", 1)
        os.symlink("real/a.py", self.at("a.py"))
        a = self.load("a")
        tracker = self.tracker()
        self.edit("real/a.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_a_retargeted_link_to_a_file(self):
        self.write("v1.py", 1), self.write("v2.py", 2)
        os.symlink("v1.py", self.at("a.py"))
        a = self.load("a")
        tracker = self.tracker()
        support.retarget(self.at("a.py"), "v2.py")
        self.mount.tell(self.at("a.py"))
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)
        # The new target counts, the old one no longer.
        self.edit("v1.py", 3)
        self.assertFalse(tracker.check())
        self.edit("v2.py", 4)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 4)

    def test_a_retargeted_link_to_a_directory_among_links(self):
        self.write("store/v1/__init__.py", 1)
        self.write("store/v2/__init__.py", 2)
        os.symlink("store/v1", self.at("current"))
        os.symlink("current", self.at("pkg"))
        pkg = self.load("pkg")
        tracker = self.tracker()
        support.retarget(self.at("current"), "store/v2")
        self.mount.tell(self.at("current"))
        tracker.reload(tracker.check())
        self.assertEqual(pkg.VALUE, 2)

    def test_a_link_retargeted_between_the_check_and_the_reload(self):
        self.write("v1.py", 1), self.write("v2.py", 2)
        os.symlink("v1.py", self.at("a.py"))
        a = self.load("a")
        tracker = self.tracker()
        self.edit("v1.py", 3)
        report = tracker.check()
        support.retarget(self.at("a.py"), "v2.py")
        self.mount.tell(self.at("a.py"))
        tracker.reload(report)
        self.assertEqual(a.VALUE, 2)
        self.assertFalse(tracker.check())  # it runs that already
        self.edit("v2.py", 4)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 4)

    def test_a_file_that_was_moved_behind_its_links_while_in_doubt(self):
        self.write("store/v1/m.py", 1)
        os.symlink("store/v1", self.at("current"))
        sys.path.insert(0, self.at("current"))
        m = self.load("m")
        tracker = self.tracker()
        os.rename(self.at("store/v1"), self.at("store/v9"))
        support.retarget(self.at("current"), "store/v9")
        self.mount.lose()
        self.assertFalse(tracker.check())  # the same file
        self.edit("store/v9/m.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(m.VALUE, 2)

    def test_the_project_itself_reached_through_a_link(self):
        os.symlink(self.project, os.path.join(self.base, "link"))
        sys.path.insert(0, os.path.join(self.base, "link"))
        self.write("a.py", 1)
        a = self.load("a")
        self.assertIn("/link/", a.__file__)
        tracker = self.tracker()
        self.edit("a.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_a_mount_that_is_named_through_a_link(self):
        os.symlink(self.project, os.path.join(self.base, "link"))
        self.mount = FakeMount(os.path.join(self.base, "link"))
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        support.edit_unseen(self.at("a.py"), support.source(2))
        self.mount.tell(os.path.join(self.base, "link", "a.py"))
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_links_in_a_circle_end(self):
        os.symlink("y", self.at("x"))
        os.symlink("x", self.at("y"))
        real, links = modules._Links().resolve(self.at("x"))
        self.assertIn(self.at("x"), links)
        self.assertIn(real, (self.at("x"), self.at("y")))

    def test_another_hard_link_of_a_module_counts(self):
        self.write("a.py", 1), self.write("b.py", 1)
        os.link(self.at("a.py"), self.at("other_name"))
        self.load("a", "b")
        tracker = self.tracker()
        self.mount.tell(self.at("other_name"), CONTENT | LINKED)
        self.assertEqual(self.names(tracker.check()), ["a"])
        os.unlink(self.at("other_name"))
        os.link(self.at("a.py"), self.at("third_name"))
        self.mount.tell(self.at("other_name"), CONTENT | GONE | LINKED)
        self.assertEqual(self.names(tracker.check()), ["a"])


class Imports(Case):
    """Modules that are imported while a tracker is there."""

    def test_a_module_imported_since_is_tracked(self):
        tracker = self.tracker()
        self.write("a.py", 1)
        a = self.load("a")
        self.assertFalse(tracker.check())
        self.edit("a.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_an_edit_between_import_and_the_end_of_the_cell(self):
        for watched in (False, True):
            with self.subTest(watched=watched):
                sys.modules.pop("a", None)
                self.write("a.py", 1)
                tracker = self.tracker()
                if watched:
                    tracker.watch_imports()
                tracker.check()
                a = self.load("a")          # the cell begins
                self.edit("a.py", 2)        # it still runs
                tracker.baseline()          # it has ended
                report = tracker.check()
                self.assertEqual(self.names(report), ["a"])
                tracker.reload(report)
                self.assertEqual(a.VALUE, 2)
                tracker.close()

    def test_an_edit_before_an_import_is_not_told_after_it(self):
        self.write("a.py", 1)
        tracker = self.tracker()
        tracker.watch_imports()
        self.edit("a.py", 2)
        a = self.load("a")
        self.assertEqual(a.VALUE, 2)
        self.assertFalse(tracker.check())
        self.edit("a.py", 3)
        self.assertEqual(self.names(tracker.check()), ["a"])
        tracker.close()
        self.assertEqual(sys.meta_path, self.finders)

    def test_a_file_fixed_after_a_failed_import(self):
        tracker = self.tracker()
        tracker.watch_imports()
        # It fails while it runs: by then its bytecode is written.
        support.write(self.at("a.py"), "VALUE = 1\nraise ValueError\n")
        self.mount.tell(self.at("a.py"), CONTENT | NEW)
        with self.assertRaises(ValueError):
            self.load("a")
        self.assertTrue(os.path.exists(importlib.util.cache_from_source(
            self.at("a.py"))))
        tracker.check()
        size = os.path.getsize(self.at("a.py"))
        support.edit_unseen(self.at("a.py"), "VALUE = 2\nstr(ValueError);\n")
        self.assertEqual(os.path.getsize(self.at("a.py")), size)
        self.mount.tell(self.at("a.py"))
        tracker.check()
        self.assertEqual(self.load("a").VALUE, 2)
        tracker.close()

    def test_a_failed_reload_is_tried_again_when_anything_changed(self):
        self.write("a.py", 1), self.write("b.py", 1)
        a, b = self.load("a", "b")
        tracker = self.tracker()
        support.write(self.at("a.py"), "import missing_helper\nVALUE = 2\n")
        self.mount.tell(self.at("a.py"))
        done = tracker.reload(tracker.check())
        self.assertIsInstance(done[0].error, ModuleNotFoundError)
        self.assertEqual(a.VALUE, 1)
        self.assertFalse(tracker.check())
        self.write("missing_helper.py", 3)
        self.mount.tell(self.at("missing_helper.py"), CONTENT | NEW)
        report = tracker.check()
        self.assertEqual([(each.name, each.why) for each in report],
                         [("a", "retry")])
        done = tracker.reload(report)
        self.assertIsNone(done[0].error)
        self.assertEqual(a.VALUE, 2)
        self.edit("b.py", 2)
        self.assertEqual(self.names(tracker.check()), ["b"])

    def test_an_interrupted_check_tells_all_the_next_time(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        self.edit("a.py", 2)
        from sincefs import reload

        def interrupt(*_):
            raise KeyboardInterrupt
        kept = reload._in_order
        reload._in_order = interrupt
        try:
            with self.assertRaises(KeyboardInterrupt):
                tracker.check()
        finally:
            reload._in_order = kept
        self.assertEqual(self.names(tracker.check()), ["a"])

    def test_an_interrupted_reload_is_taken_up_at_the_next_check(self):
        self.write("a.py", 1), self.write("b.py", 1)
        a, b = self.load("a", "b")
        tracker = self.tracker()
        self.edit("a.py", 2), self.edit("b.py", 2)

        def interrupt(module):
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            tracker.reload(tracker.check(), interrupt)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a", "b"])
        tracker.reload(report)
        self.assertEqual((a.VALUE, b.VALUE), (2, 2))
        self.assertFalse(tracker.check())

    def test_what_others_import_is_reloaded_first(self):
        self.write("low.py", 1)
        support.write(self.at("pkg/__init__.py"), "")
        support.write(self.at("pkg/mid.py"), "from low import VALUE\n")
        support.write(self.at("top.py"),
                      "from pkg.mid import VALUE\nimport circle\n")
        support.write(self.at("circle.py"), "import top\n")
        top = self.load("top")
        tracker = self.tracker()
        for name in ("circle.py", "top.py", "pkg/mid.py", "low.py"):
            self.mount.tell(self.at(name))
        support.edit_unseen(self.at("low.py"), support.source(2))
        tracker.reload(tracker.check())
        self.assertEqual(top.VALUE, 2)

    def test_a_long_chain_of_imports_is_ordered(self):
        names = [f"chain{number:04d}" for number in range(1500)]
        for name, following in zip(names, names[1:] + ["os"]):
            module = types.ModuleType(name)
            module.__file__ = support.write(self.at(name + ".py"),
                                            f"import {following}\n")
            module.__spec__ = importlib.machinery.ModuleSpec(
                name, None, origin=module.__file__)
            sys.modules[name] = module
        tracker = self.tracker()
        self.mount.tell(self.project, CONTENT | DIR | SUBTREE)
        self.assertEqual(tracker.check().names, names[::-1])

    def test_a_reload_through_another_hand_is_not_undone(self):
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        tracker.watch_imports()
        self.edit("a.py", 2)
        bytecode.drop_bytecode([self.at("a.py")])
        importlib.reload(a)
        # Told all the same: whether that reload succeeded is not known.
        self.assertEqual(self.names(tracker.check()), ["a"])
        tracker.close()


class Bytecode(Case):
    """Trap: importlib trusts bytecode of the same size and second."""

    def cached(self, name):
        return importlib.util.cache_from_source(self.at(name))

    def test_the_trap_is_real(self):
        self.write("a.py", 1)
        a = self.load("a")
        support.edit_unseen(self.at("a.py"), support.source(2))
        importlib.reload(a)
        self.assertEqual(a.VALUE, 1)  # else the tests below prove nothing

    def test_stale_bytecode_is_dropped_before_a_reload(self):
        self.write("a.py", 1)
        a = self.load("a")
        tracker = self.tracker()
        self.edit("a.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_stale_bytecode_of_what_is_not_loaded_is_dropped(self):
        self.write("a.py", 1)
        self.load("a")
        del sys.modules["a"]
        tracker = self.tracker()
        self.edit("a.py", 2)
        self.assertFalse(tracker.check())
        self.assertFalse(os.path.exists(self.cached("a.py")))
        self.assertEqual(self.load("a").VALUE, 2)

    def test_bytecode_in_a_tree_of_its_own_is_dropped(self):
        self.addCleanup(setattr, sys, "pycache_prefix", sys.pycache_prefix)
        sys.pycache_prefix = os.path.join(self.base, "cache")
        self.write("pkg/__init__.py", 1), self.write("pkg/sub.py", 1)
        self.load("pkg", "pkg.sub")
        del sys.modules["pkg.sub"]
        tracker = self.tracker()
        for name in ("pkg/__init__.py", "pkg/sub.py"):
            support.edit_unseen(self.at(name), support.source(2))
        self.mount.tell(self.at("pkg"), CONTENT | DIR | SUBTREE)
        tracker.reload(tracker.check())
        self.assertEqual(sys.modules["pkg"].VALUE, 2)
        self.assertEqual(self.load("pkg.sub").VALUE, 2)

    def test_bytecode_where_a_link_lies_is_dropped(self):
        self.write("real/a.py", 1)
        os.symlink("real/a.py", self.at("a.py"))
        a = self.load("a")
        self.assertTrue(os.path.exists(self.cached("a.py")))
        tracker = self.tracker()
        self.edit("real/a.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(a.VALUE, 2)

    def test_bytecode_of_installed_code_stays(self):
        path = "venv/lib/python3/site-packages/inst.py"
        self.write(path, 1)
        sys.path.insert(0, os.path.dirname(self.at(path)))
        self.load("inst")
        tracker = self.tracker()
        self.edit(path, 2)
        tracker.check()
        self.assertTrue(os.path.exists(self.cached(path)))

    def test_what_was_edited_and_then_moved_in_runs_its_source(self):
        self.write("next/__init__.py", 1), self.write("next/sub.py", 1)
        self.load("next", "next.sub")  # writes their bytecode
        tracker = self.tracker()
        self.edit("next/sub.py", 2)
        os.rename(self.at("next"), self.at("pkg"))
        self.mount.tell(self.at("next"), CONTENT | DIR | GONE | SUBTREE)
        self.mount.tell(self.at("pkg"), CONTENT | DIR | NEW | SUBTREE)
        tracker.check()
        self.assertEqual(self.load("pkg.sub").VALUE, 2)

    def test_after_doubt_no_bytecode_is_trusted_that_may_be_old(self):
        self.write("pkg/__init__.py", 1), self.write("pkg/sub.py", 1)
        self.write("old.py", 1)
        self.load("pkg", "pkg.sub", "old")
        del sys.modules["pkg.sub"]
        tracker = self.tracker()
        support.edit_unseen(self.at("pkg/sub.py"), support.source(2))
        # Bytecode that is younger than its source by much is left.
        time.sleep(0.05)
        with open(self.cached("old.py"), "r+b") as file:
            file.write(file.read(1))
        self.mount.lose()
        tracker.check()
        self.assertEqual(self.load("pkg.sub").VALUE, 2)
        self.assertTrue(os.path.exists(self.cached("old.py")))

    def test_a_listing_of_the_same_tick_is_forgotten(self):
        tracker = self.tracker()
        times = support.times(self.project)
        with self.assertRaises(ModuleNotFoundError):
            importlib.import_module("late")
        self.write("late.py", 1)
        os.utime(self.project, ns=times)  # as if made within the same tick
        with self.assertRaises(ModuleNotFoundError):
            importlib.import_module("late")
        self.mount.tell(self.at("late.py"), CONTENT | NEW)
        tracker.check()
        self.assertEqual(importlib.import_module("late").VALUE, 1)


class Below(Case):
    """Changes that a scan of the tree below the mount found."""

    def test_one_is_told_even_if_the_module_was_read_later(self):
        """The caches of the kernel may have held the old bytes until then."""
        self.write("a.py", 1)
        tracker = self.tracker()
        tracker.watch_imports()
        self.mount.tell(self.at("a.py"), CONTENT | SCANNED)
        self.load("a")
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        tracker.reload(report)
        self.assertFalse(tracker.check())
        tracker.close()


class Installed(Case):
    """Installed code is told apart, wherever it lies."""

    def test_what_is_installed(self):
        import email
        import sysconfig
        for path in (os.__file__, email.__file__,
                     "/usr/lib/python3/dist-packages/x.py",
                     "/usr/local/lib/python3.11/dist-packages/x.py",
                     "/home/u/.local/lib/python3.11/site-packages/x.py",
                     "/home/u/proj/.venv/lib/python3.11/site-packages/x.py",
                     os.path.join(sysconfig.get_path("purelib"), "x.py")):
            self.assertTrue(modules.is_installed(path), path)
        for path in ("/usr/src/proj/a.py", "/home/u/proj/a.py",
                     "/home/u/proj/site_packages/a.py", self.at("a.py")):
            self.assertFalse(modules.is_installed(path), path)

    def test_a_venv_in_the_project_is_left_out_unless_asked_for(self):
        path = ".venv/lib/python3.11/site-packages/inst.py"
        self.write(path, 1), self.write("a.py", 1)
        sys.path.insert(0, os.path.dirname(self.at(path)))
        inst, _ = self.load("inst", "a")
        tracker = self.tracker()
        asked = tracker.consumer(installed=True)
        self.edit(path, 2), self.edit("a.py", 2)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        self.assertEqual([each.name for each in report.installed], ["inst"])
        self.assertTrue(report.installed[0].installed)
        report = asked.check()
        self.assertEqual(self.names(report), ["a", "inst"])
        tracker.reload(report)
        self.assertEqual(inst.VALUE, 2)

    def test_a_scanned_tree_outside_the_mount(self):
        outside = os.path.join(self.base, "lib", "site-packages")
        os.makedirs(outside)
        support.write(os.path.join(outside, "inst.py"), support.source(1))
        sys.path.insert(0, outside)
        self.mount = FakeMount(self.project, outside)
        inst = self.load("inst")
        tracker = self.tracker()
        watchers = [tracker.consumer(installed=True) for _ in range(10)]
        support.edit_unseen(os.path.join(outside, "inst.py"),
                            support.source(2))
        self.mount.tell(os.path.join(outside, "inst.py"))
        change = self.mount.since(tracker.token).changes[0]
        self.assertEqual(change.tree, 2)
        self.assertFalse(tracker.check())
        for watcher in watchers:
            self.assertEqual(self.names(watcher.check()), ["inst"])
        for watcher in watchers:
            self.assertFalse(watcher.check())
        self.assertEqual(inst.VALUE, 1)

    def test_an_editable_install_is_user_code(self):
        self.write("src/lib/__init__.py", 1)
        sys.path.insert(0, self.at("src"))
        lib = self.load("lib")
        tracker = self.tracker()
        self.assertFalse(tracker._index.get("lib").installed)
        self.edit("src/lib/__init__.py", 2)
        tracker.reload(tracker.check())
        self.assertEqual(lib.VALUE, 2)


class Consumers(Case):
    """Tokens of their own."""

    def test_one_consumer_does_not_hide_a_change_from_another(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        watcher = tracker.consumer(running=False)
        self.edit("a.py", 2)
        report = tracker.check()
        self.assertEqual(self.names(report), ["a"])
        tracker.reload(report)
        self.assertEqual(self.names(watcher.check()), ["a"])
        self.assertFalse(watcher.check())
        self.assertFalse(tracker.check())

    def test_a_consumer_of_running_code_is_not_told_what_runs_already(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        second = tracker.consumer()
        self.edit("a.py", 2)
        tracker.reload(tracker.check())
        self.assertFalse(second.check())
        self.edit("a.py", 3)
        self.assertEqual(self.names(second.check()), ["a"])

    def test_after_a_restart_each_is_told_once(self):
        self.write("a.py", 1), self.write("b.py", 1)
        a, _ = self.load("a", "b")
        tracker = self.tracker()
        watcher = tracker.consumer(running=False)
        tracker.check(), watcher.check()
        support.edit_unseen(self.at("a.py"), support.source(2))
        self.mount.restart()
        for consumer in (tracker, watcher):
            report = consumer.check()
            self.assertTrue(report.fresh)
            self.assertEqual(self.names(report), ["a"])
            tracker.reload(report)
        self.assertFalse(tracker.check())
        self.assertFalse(watcher.check())
        self.assertEqual(a.VALUE, 2)

    def test_an_answer_that_the_caller_got_moves_no_token(self):
        self.write("a.py", 1)
        self.load("a")
        tracker = self.tracker()
        token = tracker.token
        self.edit("a.py", 2)
        answer = self.mount.since(token)
        self.assertEqual(self.names(tracker.affected(answer)), ["a"])
        self.assertEqual(tracker.token, token)
        self.assertEqual(self.names(tracker.check()), ["a"])


class Doubt(Case):
    """FRESH answers, and no answers."""

    def setUp(self):
        super().setUp()
        for name in ("a", "b", "c"):
            self.write(name + ".py", 1)
        self.loaded = self.load("a", "b", "c")
        self.held = self.tracker()

    def test_only_what_looks_different_is_told(self):
        self.edit("b.py", 2)
        self.mount.lose()
        report = self.held.check()
        self.assertTrue(report.fresh)
        self.assertEqual([(each.name, each.why) for each in report],
                         [("b", "doubt")])
        self.held.reload(report)
        self.assertEqual(self.loaded[1].VALUE, 2)
        self.assertFalse(self.held.check())
        self.mount.lose()
        self.assertFalse(self.held.check())

    def test_a_file_that_another_took_the_place_of_looks_different(self):
        old = self.write("old.py", 7)
        os.utime(old, ns=support.times(self.at("a.py")))
        os.rename(old, self.at("a.py"))
        self.mount.restart()
        self.assertEqual(self.names(self.held.check()), ["a"])

    def test_the_token_is_kept_before_the_files_are_looked_at(self):
        self.mount.lose()
        real = modules.signature_of
        from sincefs import reload

        def slow(paths):
            # While the files are looked at, one changes.
            found = real(paths)
            if self.at("c.py") in paths and self.edits:
                self.edits -= 1
                self.edit("c.py", 3)
            return found
        self.edits = 1
        reload.signature_of = slow
        self.addCleanup(setattr, reload, "signature_of", real)
        self.held.check()
        self.assertEqual(self.edits, 0)
        self.assertEqual(self.names(self.held.check()), ["c"])

    def test_a_module_edited_since_its_import_is_doubted(self):
        self.write("late.py", 1)
        self.load("late")
        self.edit("late.py", 2)
        self.held.baseline(["late"])
        self.mount.lose()
        self.assertEqual(self.names(self.held.check()), ["late"])

    def test_a_module_nobody_looked_at_is_doubted(self):
        self.write("late.py", 1)
        self.load("late")
        self.mount.lose()
        self.assertEqual(self.names(self.held.check()), ["late"])

    def test_a_module_looked_at_in_time_is_not_doubted(self):
        self.write("late.py", 1)
        self.load("late")
        self.held.baseline(["late"])
        self.mount.lose()
        self.assertFalse(self.held.check())

    def test_installed_modules_asked_for_are_compared_by_age(self):
        tracker = self.tracker(installed=True)
        self.mount.lose()
        self.assertFalse(tracker.check())

    def test_a_dead_daemon_leaves_the_files_to_be_looked_at(self):
        self.mount.dead = True
        report = self.held.check()
        self.assertTrue(report.fresh)
        self.assertIsInstance(report.reason, OSError)
        self.assertFalse(report)
        support.edit_unseen(self.at("a.py"), support.source(2))
        report = self.held.check()
        self.assertEqual(self.names(report), ["a"])
        self.held.reload(report)
        self.assertEqual(self.loaded[0].VALUE, 2)
        self.assertFalse(self.held.check())
        support.edit_unseen(self.at("a.py"), support.source(3))
        self.assertEqual(self.names(self.held.check()), ["a"])


class Declared(Case):
    """Files that are no modules."""

    def test_a_declared_file_affects_its_module(self):
        self.write("widget/__init__.py", 1)
        support.write(self.at("widget/static/index.js"), "1")
        widget = self.load("widget")
        tracker = self.tracker()
        tracker.depends(widget, "static/index.js")
        support.edit_unseen(self.at("widget/static/index.js"), "2")
        self.mount.tell(self.at("widget/static/index.js"))
        report = tracker.check()
        self.assertEqual([(each.name, each.why) for each in report],
                         [("widget", "dependency")])
        # A reload does not forget it.
        tracker.reload(report)
        self.mount.tell(self.at("widget/static/index.js"))
        self.assertEqual(self.names(tracker.check()), ["widget"])
        # Doubt looks at it, too.
        support.edit_unseen(self.at("widget/static/index.js"), "3")
        self.mount.lose()
        self.assertEqual(self.names(tracker.check()), ["widget"])

    def test_a_declared_directory_counts_with_all_below(self):
        self.write("widget.py", 1)
        support.write(self.at("static/deep/index.js"), "1")
        self.load("widget")
        tracker = self.tracker()
        tracker.depends("widget", "static")
        self.mount.tell(self.at("static/deep/new.js"), CONTENT | NEW)
        self.assertEqual(self.names(tracker.check()), ["widget"])
        self.mount.tell(self.at("unrelated/new.js"), CONTENT | NEW)
        self.assertFalse(tracker.check())

    def test_a_file_may_be_declared_before_it_exists(self):
        self.write("widget.py", 1)
        widget = self.load("widget")
        tracker = self.tracker()
        tracker.depends(widget, "theme.css")
        support.write(self.at("theme.css"), "1")
        self.mount.tell(self.at("theme.css"), CONTENT | NEW)
        self.assertEqual(self.names(tracker.check()), ["widget"])


class Outside(Case):
    """User modules that lie on no tree of the mount."""

    def test_they_are_looked_at_and_named(self):
        place = os.path.join(self.base, "elsewhere")
        path = support.write(os.path.join(place, "far.py"), support.source(1))
        sys.path.insert(0, place)
        far = self.load("far")
        tracker = self.tracker()
        self.assertIn("far", tracker.outside)
        self.assertFalse(tracker.check())
        support.edit_unseen(path, support.source(2))
        report = tracker.check()
        self.assertEqual(self.names(report), ["far"])
        tracker.reload(report)
        self.assertEqual(far.VALUE, 2)
        self.assertFalse(tracker.check())


class CountingModules(dict):
    """sys.modules, counting who looks."""

    looks = 0


def _counted(name):
    method = getattr(dict, name)

    def call(self, *arguments):
        CountingModules.looks += 1
        return method(self, *arguments)
    return call


for _name in ("__getitem__", "__iter__", "__len__", "__contains__", "get",
              "items", "keys", "values"):
    setattr(CountingModules, _name, _counted(_name))


class CleanPath(Case):
    """What a check does when nothing changed. test-reload-mount.py counts the
    system calls as well."""

    def test_it_asks_once_and_looks_at_nothing(self):
        self.write("a.py", 1)
        self.load("a")
        # Without this test's own modules, which lie on no tree of the mount.
        loaded = CountingModules({"a": sys.modules["a"], "os": os,
                                  "shutil": shutil})
        tracker = self.tracker(modules=loaded)
        self.assertGreater(CountingModules.looks, 0)  # it does count
        tracker.check()
        CountingModules.looks = 0
        self.mount.asked = 0
        touched = []
        for function in ("stat", "lstat", "open", "readlink", "listdir",
                         "scandir", "unlink"):
            real = getattr(os, function)

            def spy(*arguments, _real=real, **more):
                touched.append(arguments)
                return _real(*arguments, **more)
            setattr(os, function, spy)
            self.addCleanup(setattr, os, function, real)
        for exact in (True, False):
            self.assertFalse(tracker.check(exact=exact))
        self.assertEqual(CountingModules.looks, 0)
        self.assertEqual(self.mount.asked, 2)
        self.assertEqual(touched, [])
        # And the counters count, when there is something.
        self.edit("a.py", 2)
        touched.clear()
        self.assertTrue(tracker.check())
        self.assertGreater(CountingModules.looks, 0)
        self.assertGreater(len(touched), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
