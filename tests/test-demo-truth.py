# SPDX-License-Identifier: MIT
"""The truth of the demonstration must be able to say WRONG: answers that lack
something, say too much or say it wrongly are refused, right ones are not."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

TOP = os.environ.get("SINCEFS_SRCDIR",
                     os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(TOP, "examples"))

import demo_truth  # noqa: E402


def record(path, *flags):
    return json.dumps({"path": path, "flags": flags})


END = json.dumps({"token": "x", "fresh": False, "reason": None})


class Truth(unittest.TestCase):
    """A tree: 'edited' gets new bytes, 'kept' stays, 'old' goes, 'made' comes,
    'd/f' moves to 'e/f' with its directory."""

    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        tree = self.tree = os.path.join(self.work.name, "tree")
        self.before = os.path.join(self.work.name, "before")
        self.after = os.path.join(self.work.name, "after")
        os.makedirs(os.path.join(tree, "d"))
        for name in ("edited", "kept", "old", "d/f"):
            self.write(name, name)
        demo_truth.snapshot(tree, self.before)
        self.write("edited", "EDITED")
        self.write("made", "made")
        os.remove(os.path.join(tree, "old"))
        os.rename(os.path.join(tree, "d"), os.path.join(tree, "e"))
        demo_truth.snapshot(tree, self.after)
        self.right = [
            record("edited", "content"),
            record("made", "content", "new"),
            record("old", "content", "gone"),
            record("d", "content", "gone", "dir", "subtree"),
            record("e", "content", "new", "dir", "subtree"),
        ]

    def write(self, name, text):
        with open(os.path.join(self.tree, name), "w",
                  encoding="ascii") as file:
            file.write(text)

    def judge(self, lines):
        with contextlib.redirect_stdout(io.StringIO()) as self.said:
            return demo_truth.compare(self.before, self.after, lines)

    def test_right_answer_passes(self):
        self.assertEqual(self.judge(self.right + [END]), 0)

    def test_name_that_came_and_went_passes(self):
        temporary = record("edited.tmp", "content", "gone")
        self.assertEqual(self.judge(self.right + [temporary, END]), 0)

    def test_each_missing_record_is_seen(self):
        for i, lacking in enumerate(self.right):
            rest = self.right[:i] + self.right[i + 1:]
            self.assertEqual(self.judge(rest + [END]), 1, lacking)

    def test_files_below_need_subtree(self):
        flat = [line.replace(', "subtree"', "") for line in self.right]
        self.assertEqual(self.judge(flat + [END]), 1)
        self.assertIn("'e/f'", self.said.getvalue())

    def test_untouched_name_is_seen(self):
        extra = record("kept", "content")
        self.assertEqual(self.judge(self.right + [extra, END]), 1)
        self.assertIn("'kept'", self.said.getvalue())

    def test_wrong_gone_is_seen(self):
        self.right[0] = record("edited", "content", "gone")
        self.assertEqual(self.judge(self.right + [END]), 1)

    def test_gone_left_out_is_seen(self):
        self.right[2] = record("old", "content")
        self.assertEqual(self.judge(self.right + [END]), 1)

    def test_wrong_new_is_seen(self):
        self.right[0] = record("edited", "content", "new")
        self.assertEqual(self.judge(self.right + [END]), 1)

    def test_fresh_is_not_an_answer(self):
        end = json.dumps({"token": "x", "fresh": True, "reason": "lost"})
        self.assertEqual(self.judge([end]), 1)

    def test_answer_cut_short_is_seen(self):
        with self.assertRaises(SystemExit):
            self.judge(self.right)

    def test_mode_alone_is_a_difference(self):
        os.chmod(os.path.join(self.tree, "kept"), 0o755)
        demo_truth.snapshot(self.tree, self.after)
        self.assertEqual(self.judge(self.right + [END]), 1)
        self.assertIn("'kept'", self.said.getvalue())

    def test_same_tree_is_the_same(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(demo_truth.same(self.after, self.after), 0)
            self.assertEqual(demo_truth.same(self.before, self.after), 1)


if __name__ == "__main__":
    unittest.main()
