# SPDX-License-Identifier: MIT
"""sincefs.testing against the C builder of tests/fake/: the same trees, in each
name, byte, mode, link, attribute and time."""

import os
import subprocess
import tempfile
import unittest

import common
from sincefs import testing

BUILDER = os.path.join(common.BUILDDIR, "tests", "fake", "build-fake-tree")


def builder(*arguments):
    return subprocess.run([BUILDER, *arguments], check=True, timeout=60,
                          stdout=subprocess.PIPE).stdout.splitlines()


class FakeTreeTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # Where the trees of the C builder are made too, and attributes work.
        folder = tempfile.TemporaryDirectory(dir=common.BUILDDIR)
        self.addCleanup(folder.cleanup)
        self.base = folder.name

    def test_both_trees_are_those_of_the_c_builder(self):
        tree = testing.fake_tree(self.base)
        for table, path in (("project", tree.project),
                            ("site-packages", tree.site_packages)):
            printed = builder("print", table)
            self.assertGreater(len(printed), 30)
            self.assertEqual(builder("show", path), printed, table)

    def test_umask_does_not_matter(self):
        before = os.umask(0o077)
        try:
            tree = testing.fake_tree(self.base)
        finally:
            os.umask(before)
        self.assertEqual(builder("show", tree.project),
                         builder("print", "project"))

    def test_a_given_directory_stays(self):
        with testing.fake_tree(self.base) as tree:
            self.assertEqual(sorted(os.listdir(self.base)),
                             ["project", "site-packages"])
        tree.remove()
        self.assertTrue(os.path.exists(tree.project + "/run.sh"))
        with self.assertRaises(FileExistsError):
            testing.fake_tree(self.base)
        self.assertTrue(os.path.exists(tree.project + "/run.sh"))

    def test_a_temporary_one_goes(self):
        with testing.fake_tree() as tree:
            self.assertTrue(os.path.isabs(tree.site_packages))
            self.assertTrue(os.path.exists(tree.site_packages + "/acme"))
            top = os.path.dirname(tree.project)
        self.assertFalse(os.path.exists(top))
        tree.remove()

    def test_a_table_of_ones_own(self):
        testing.build([testing.Entry(b"d", testing.DIR, b"", 0o700, None),
                       testing.Entry(b"d/f", testing.FILE, b"x", 0o600, None),
                       testing.Entry(b"l", testing.HARDLINK, b"d/f", 0, None)],
                      self.base)
        self.assertEqual([line.split()[:4] + line.split()[-1:]
                          for line in builder("show", self.base)],
                         [[b"d", b"0700", b"1", b"0", b"d"],
                          [b"f", b"0600", b"2", b"1", b"d/f"],
                          [b"f", b"0600", b"2", b"1", b"l"]])


if __name__ == "__main__":
    unittest.main()
