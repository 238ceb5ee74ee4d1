# SPDX-License-Identifier: MIT
"""What "python3 -m sincefs" prints of an answer, and how it takes its
arguments. tests/python/test-command.py compares it with the command."""

import dataclasses
import json
import os
import subprocess
import sys
import unittest

import common
from sincefs import Answer, Change, Flags, Token
from sincefs import _output as output

TOKEN = Token(0xAB, 7)
TEXT = b"sincefs:1:00000000000000ab:7"


def change(relative, flags, *, tree=1, pid=5, uid=6, clock=7):
    relative = os.fsdecode(relative)
    return Change("/m/" + relative, relative, flags, pid, uid, clock, tree)


def shown(style, *changes, stream=False, fresh=False, reason=None,
          roots={1: None}):
    return output.format_answer(style, Answer(changes, TOKEN, fresh, reason),
                                roots.get, stream)


class TextTest(unittest.TestCase):
    def test_letters(self):
        for flags, letter in ((Flags.CONTENT, "M"), (Flags.META, "m"),
                              (Flags.TIMES | Flags.DIR, "m"),
                              (Flags.CONTENT | Flags.NEW, "A"),
                              (Flags.NEW | Flags.GONE, "D"),
                              (Flags.CONTENT | Flags.GONE, "D"),
                              (Flags.CONTENT | Flags.META, "M")):
            self.assertEqual(output.letter(flags), letter, flags)

    def test_odd_names_are_quoted(self):
        for path, quoted in (
                (b"a b.py", b"a b.py"), (b"'$~", b"'$~"),
                (b"a\nb", b'"a\\nb"'), (b'a"\\', b'"a\\"\\\\"'),
                (b"\a\b\t\v\f\r", b'"\\a\\b\\t\\v\\f\\r"'),
                (b"\x01\x1f\x7f", b'"\\001\\037\\177"'),
                ("grün".encode(), b'"gr\\303\\274n"'), (b"\xff", b'"\\377"')):
            self.assertEqual(output.quote(path), quoted)

    def test_a_line_a_change(self):
        self.assertEqual(
            shown(output.TEXT, change(b"a", Flags.CONTENT),
                  change(b"d", Flags.NEW | Flags.DIR),
                  change(b"\xff\n", Flags.GONE),
                  change(b"s", Flags.META, tree=2),
                  change(b".", Flags.CONTENT | Flags.DIR, tree=2),
                  change(b".", Flags.META | Flags.DIR),
                  roots={2: b"/lib"}),
            b'M  a\nA  d/\nD  "\\377\\n"\nm  /lib/s\nM  /lib/\nm  ./\n')

    def test_fresh_is_one_line(self):
        self.assertEqual(shown(output.TEXT, fresh=True), b"FRESH\n")
        self.assertEqual(shown(output.TEXT), b"")


class NulTest(unittest.TestCase):
    def test_token_and_names(self):
        self.assertEqual(
            shown(output.NUL, change(b"a\n", Flags.CONTENT),
                  change(b"d", Flags.NEW | Flags.DIR),
                  change(b"e", Flags.DIR | Flags.SUBTREE)),
            TEXT + b"\0a\n\0d\0e/\0")
        self.assertEqual(shown(output.NUL, stream=True), TEXT + b"\0\0")

    def test_all_is_a_slash(self):
        self.assertEqual(shown(output.NUL, fresh=True), TEXT + b"\0/\0")
        everything = change(b".", Flags.DIR | Flags.SUBTREE)
        self.assertEqual(shown(output.NUL, change(b"a", Flags.META),
                               everything), TEXT + b"\0/\0")
        other = dataclasses.replace(everything, tree=2)
        self.assertEqual(shown(output.NUL, other, roots={2: b"/lib"}),
                         TEXT + b"\0/lib/\0")


class JsonTest(unittest.TestCase):
    def test_an_object_a_line(self):
        lines = shown(output.JSON, change(b"a", Flags.CONTENT | Flags.NEW),
                      change(b"b", Flags.META, uid=None)).splitlines()
        self.assertEqual(lines[0], b'{"path":"a","tree":1,"flags":["content",'
                         b'"new"],"clock":7,"pid":5,"uid":6}')
        self.assertIsNone(json.loads(lines[1])["uid"])
        self.assertEqual(lines[2], b'{"token":"' + TEXT +
                         b'","fresh":false,"reason":null}')
        self.assertEqual(shown(output.JSON, fresh=True, reason="lost"),
                         b'{"token":"' + TEXT + b'","fresh":true,'
                         b'"reason":"lost"}\n')

    def test_every_byte_makes_valid_json(self):
        for path in [bytes([byte]) + b"x" for byte in range(1, 256)] + \
                [b"\xe2\x82x", b"\xed\xa0\x80", "\u2028\U0001f600".encode()]:
            line = shown(output.JSON, change(path, Flags.META)).split(b"\n")[0]
            members = json.loads(line.decode())
            if "path_base64" in members:
                self.assertEqual(members["path"].count("\ufffd"),
                                 sum(byte > 0x7f for byte in path))
            else:
                self.assertEqual(members["path"].encode(), path)


class ArgumentTest(unittest.TestCase):
    """Without any mount; the directory of the test is on none."""

    def run_command(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "sincefs", *arguments],
            env={**os.environ, "PYTHONPATH": os.path.dirname(common.PACKAGE)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_wrong_usage_is_2(self):
        for arguments in ((), ("nothing",), ("token",), ("token", "a", "b"),
                          ("since", "."), ("since", "--state", "f", ".", "t"),
                          ("since", ".", "text"), ("since", "--names"),
                          ("since", "--names", "", ".", ""),
                          ("since", "--names", "x" * 64, ".", ""),
                          ("since", "-0", "--json", ".", ""),
                          ("since", "-x", ".", ""), ("watch",),
                          ("watch", "--state", "f", "."),
                          ("since", ".", "--", "", "b")):
            with self.subTest(arguments):
                status, out, err = self.run_command(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertTrue(err)

    def test_failure_is_1(self):
        for arguments in (("token", "/proc"), ("since", "/proc", ""),
                          ("watch", "-0", "--names=*.py", "/proc"),
                          ("since", "--no-sync", "--", "/proc", "")):
            with self.subTest(arguments):
                self.assertEqual(
                    self.run_command(*arguments),
                    (1, "", "sincefs: cannot ask what changed in '/proc': "
                     "not on a sincefs mount\n"))
        self.assertEqual(self.run_command("token", "/a\nb"), (
            1, "", 'sincefs: cannot ask what changed in "/a\\nb": no such '
            "file or directory\n"))

    def test_help_is_printed(self):
        for arguments in (("--help",), ("-h",), ("since", "--help"),
                          ("since", "-0h"), ("watch", ".", "-h")):
            status, out, err = self.run_command(*arguments)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(out.startswith("Usage:\n"), out)
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "sincefs", "--help"], stdout=full,
                stderr=subprocess.PIPE, text=True, timeout=60,
                env={**os.environ,
                     "PYTHONPATH": os.path.dirname(common.PACKAGE)})
        self.assertEqual((done.returncode, done.stderr), (
            1, "sincefs: cannot print this help: no space left on device\n"))


if __name__ == "__main__":
    unittest.main()
