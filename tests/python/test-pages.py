# SPDX-License-Identifier: MIT
"""What the Python client believes of a daemon: a page is understood, or refused
whole; pages make one answer."""

import errno
import os
import random
import struct
import unittest

import common
from common import INSTANCE, fresh, page, protocol, record
from sincefs import DaemonGone, Flags, NotMounted, OtherProtocol, Token
from sincefs._connection import is_newer
from sincefs._errors import error_of, other_protocol

SINCE = INSTANCE, 10
CONTENT, META, NEW, GONE, DIR, MIXED = (
    int(flag) for flag in (Flags.CONTENT, Flags.META, Flags.NEW, Flags.GONE,
                           Flags.DIR, Flags.MIXED))
CORPUS = os.path.join(common.SRCDIR, "tests", "fuzz", "corpus",
                      "client-answer")


def good_page(**fields):
    return page(16, record(12, b"a.py"), record(14, b"dir/b.py", CONTENT | NEW),
                record(16, b".", META | DIR), **fields)


def collect(*pages, token=SINCE, tree=0):
    """The answer that these pages make, and the questions for them."""
    left = list(pages)
    questions = []

    def ask(buffer):
        questions.append(bytes(buffer))
        buffer[:] = left.pop(0)

    answer = protocol.collect(ask, token, tree=tree)
    if left:
        raise AssertionError("not all pages were asked for")
    return answer, questions


class PageTest(unittest.TestCase):
    def accepted(self, buffer, since=SINCE, tree=0):
        return protocol.read_page(since, tree, buffer)

    def refused(self, buffer, since=SINCE, tree=0):
        with self.assertRaises(protocol.ProtocolViolation):
            protocol.read_page(since, tree, buffer)

    def test_good_page_is_accepted(self):
        found = self.accepted(good_page())
        self.assertEqual(found.token, (INSTANCE, 16))
        self.assertFalse(found.more)
        self.assertEqual(found.records, [
            (12, 1, 42, 1000, CONTENT, b"a.py"),
            (14, 1, 42, 1000, CONTENT | NEW, b"dir/b.py"),
            (16, 1, 42, 1000, META | DIR, b".")])
        self.assertTrue(self.accepted(good_page(flags=protocol.MORE)).more)
        self.accepted(good_page(), tree=1)

    def test_page_without_records_is_accepted(self):
        self.assertEqual(self.accepted(page(10)).records, [])
        self.accepted(page(11, flags=protocol.MORE))
        self.assertEqual(self.accepted(fresh(4, protocol.FUTURE)).reason, 5)
        self.accepted(fresh(4, 99))
        self.accepted(fresh(4, protocol.RESTART, instance=1))

    def test_full_page_is_accepted(self):
        records = [record(11 + n, b"x") for n in range(251)]
        self.assertEqual(len(self.accepted(page(1000, *records)).records), 251)
        length = protocol.PAGE_DATA_SIZE - protocol.RECORD.size - 1
        path = bytes(0x2F if n % 256 == 255 else 0x70 for n in range(length))
        full = page(1000, record(11, path))
        self.assertEqual(self.accepted(full).records[0].path, path)

    def test_wrong_header_is_refused(self):
        for fields in ({"signature": 1}, {"flags": 4}, {"flags": 0x10000},
                       {"instance": 0}, {"instance": 5}, {"clock": 0},
                       {"clock": 15}, {"reason": 1}, {"bytes": 0},
                       {"bytes": protocol.PAGE_DATA_SIZE + 8},
                       {"bytes": 2 ** 32 - 1}, {"count": 2}, {"count": 4},
                       {"count": 2 ** 32 - 1},
                       {"flags": protocol.FRESH, "reason": 1}):
            with self.subTest(fields):
                self.refused(good_page(**fields))

    def test_wrong_fresh_page_is_refused(self):
        for fields in ({"reason": 0}, {"count": 1}, {"bytes": 8},
                       {"instance": 0}, {"clock": 0},
                       {"flags": protocol.FRESH | protocol.MORE}):
            with self.subTest(fields):
                self.refused(fresh(16, 1, **fields))

    def test_page_that_does_not_move_on_is_refused(self):
        self.refused(page(10, flags=protocol.MORE))
        self.refused(page(9))

    def test_record_outside_of_its_page_is_refused(self):
        short = record(12, b"a.py")
        for size in range(0, len(short), 8):
            with self.subTest(size):
                self.refused(page(16, short, bytes=size))
        self.refused(page(16, record(12, b"a.py", length=5000)))
        self.refused(page(16, record(12, b"a.py", length=65535)))
        self.refused(page(16, record(12, b"a.py"), bytes=40))
        self.refused(page(16, record(12, b"a.py") + bytes(8)))

    def test_path_without_an_end_is_refused(self):
        self.refused(page(16, record(12, b"abc", padding=b"d" * 5)))
        self.refused(page(16, record(12, b"abc", padding=b"\0\0\0\0\1")))
        self.refused(page(16, record(12, b"abc", length=2)))

    def test_path_that_leaves_its_tree_is_refused(self):
        for path in (b"", b"/", b"/a", b"a/", b"a//b", b"..", b"../a", b"a/..",
                     b"a/../b", b"./a", b"a/.", b"a/./b", b"a\0b", b"\0"):
            with self.subTest(path):
                self.assertFalse(protocol.is_path(path))
                self.refused(page(16, record(12, path)))
        for path in (b".", b"...", b"..a", b".a", b"a.", b"a..", b"a/.b",
                     b"a/...", b"a b/\n", b"\xff"):
            with self.subTest(path):
                self.assertTrue(protocol.is_path(path))
                self.accepted(page(16, record(12, path)))

    def test_clocks_that_do_not_rise_are_refused(self):
        for one, two in ((10, 12), (9, 12), (12, 12), (13, 12), (12, 17)):
            with self.subTest((one, two)):
                self.refused(page(16, record(one, b"a"), record(two, b"b")))

    def test_another_tree_is_refused(self):
        self.refused(page(16, record(12, b"a", tree=0)))
        self.refused(page(16, record(12, b"a", tree=2)), tree=1)
        self.accepted(page(16, record(12, b"a", tree=2)), tree=2)
        self.accepted(page(16, record(12, b"a", tree=2)))

    def test_any_bytes_are_refused_or_harmless(self):
        """Good pages with a few bytes changed, and pages of noise behind a
        good head."""
        seed = int(os.environ.get("SINCEFS_TEST_SEED", "0")) or \
            int.from_bytes(os.urandom(4), "little")
        chance = random.Random(seed)
        accepted = 0
        for turn in range(3000):
            buffer = good_page()
            for _ in range(chance.randrange(1, 4)):
                buffer[chance.randrange(220)] = chance.choice(
                    (0, 1, 8, 46, 47, 255, chance.randrange(256)))
            try:
                found = protocol.read_page(SINCE, 0, buffer)
            except protocol.ProtocolViolation:
                continue
            accepted += 1
            with self.subTest(seed=seed, turn=turn):
                self.judge(found)
        self.assertGreater(accepted, 100)
        self.assertLess(accepted, 2900)

    def judge(self, found):
        clock = SINCE[1]
        for each in found.records:
            self.assertGreater(each.clock, clock)
            clock = each.clock
            self.assertTrue(protocol.is_path(each.path))
        self.assertTrue(found.reason or found.token.clock >= clock)


class AnswerTest(unittest.TestCase):
    def test_pages_make_one_answer(self):
        answer, questions = collect(
            page(12, record(11, b"a"), flags=protocol.MORE),
            page(14, flags=protocol.MORE),
            page(20, record(15, b"b"), record(16, b"c")))
        self.assertEqual([each.path for each in answer.records],
                         [b"a", b"b", b"c"])
        self.assertEqual(answer.token, (INSTANCE, 20))
        self.assertEqual([protocol.PAGE_HEADER.unpack_from(question)[3]
                          for question in questions], [10, 12, 14])

    def test_fresh_on_any_page_is_the_whole_answer(self):
        answer, _ = collect(page(12, record(11, b"a"), flags=protocol.MORE),
                            fresh(30, protocol.LOST))
        self.assertEqual(answer, ((INSTANCE, 30), protocol.LOST, []))

    def test_a_bad_page_refuses_the_answer(self):
        with self.assertRaises(protocol.ProtocolViolation):
            collect(page(12, record(11, b"a"), flags=protocol.MORE),
                    page(14, record(12, b"b")))

    def test_a_name_is_there_once(self):
        answer, _ = collect(
            page(14, record(11, b"a", CONTENT | NEW), record(12, b"b"),
                 record(13, b"c", CONTENT | NEW | GONE), flags=protocol.MORE),
            page(20, record(15, b"a", META | GONE), record(16, b"c", META),
                 record(17, b"b", CONTENT | NEW)))
        self.assertEqual(
            [(each.clock, each.path, each.flags) for each in answer.records],
            [(15, b"a", CONTENT | META | NEW | GONE),
             (16, b"c", CONTENT | META | NEW), (17, b"b", CONTENT)])

    def test_two_writers_of_one_name_are_mixed(self):
        answer, _ = collect(
            page(14, record(11, b"a", pid=1), record(12, b"b"),
                 record(13, b"a", pid=2), record(14, b"b")))
        self.assertEqual([(each.path, each.flags, each.pid)
                          for each in answer.records],
                         [(b"a", CONTENT | MIXED, 2), (b"b", CONTENT, 42)])

    def test_names_of_two_trees_are_two(self):
        answer, _ = collect(page(14, record(11, b"a", tree=1),
                                 record(12, b"a", tree=2)))
        self.assertEqual([each.tree for each in answer.records], [1, 2])

    def test_questions_are_what_the_header_says(self):
        question = protocol.write_since((7, 8), below=True, tree=3, kinds=5,
                                        names=b"*.py\0x")
        self.assertEqual(len(question), 8184)
        self.assertEqual(
            struct.unpack_from("=IIQQIIIIIIQQ64s", question),
            (0x73696E63, 0x10000, 7, 8, 3, 5, 0, 0, 0, 0, 0, 0,
             b"*.py\0x".ljust(64, b"\0")))
        self.assertFalse(any(question[128:]))

    def test_corpus_of_the_c_library_is_survived(self):
        """Each file is a token, a tree, and pages with their lengths; the name
        says what is in it."""
        refused = {"bytes-beyond", "clock-above-token", "clock-falls",
                   "length-beyond", "no-progress", "path-absolute",
                   "path-upwards", "path-with-nul"}
        names = sorted(os.listdir(CORPUS))
        self.assertLessEqual(refused, set(names))
        for name in names:
            with self.subTest(name), \
                    open(os.path.join(CORPUS, name), "rb") as file:
                instance, clock, tree = struct.unpack("=QQI", file.read(20))

                def ask(buffer):
                    length = file.read(2)
                    if not length:
                        raise EOFError
                    data = file.read(min(*struct.unpack("=H", length),
                                         len(buffer)))
                    buffer[:] = data.ljust(len(buffer), b"\0")

                try:
                    protocol.collect(ask, (instance, clock), tree=tree)
                    outcome = "accepted"
                except protocol.ProtocolViolation:
                    outcome = "refused"
                except EOFError:
                    outcome = "no more pages"
                if name in refused:
                    self.assertEqual(outcome, "refused")
                elif name.startswith(("fresh", "full", "one", "twice",
                                      "three", "empty")):
                    self.assertEqual(outcome, "accepted")


class InfoTest(unittest.TestCase):
    def info(self, **fields):
        values = {"signature": protocol.SIGNATURE, "version": 1,
                  "features": 1, "instance": INSTANCE, "clock": 20,
                  "floor": 3, "entries": 4, "capacity": 5, "tree": 1,
                  "tree_count": 2, "pid": 9, "zero32": 0, "z0": 0, "z1": 0,
                  "z2": 0, "z3": 0, "z4": 0, "z5": 0, **fields}
        return protocol.INFO.pack(*values.values())

    def test_info_is_read(self):
        self.assertEqual(protocol.read_info(self.info()),
                         (1, (INSTANCE, 20), 3, 4, 5, 1, 2, 9))

    def test_another_daemon_is_refused(self):
        for fields in ({"signature": 0}, {"version": 2}, {"version": 0},
                       {"instance": 0}, {"clock": 0}):
            with self.subTest(fields), \
                    self.assertRaises(protocol.ProtocolViolation):
                protocol.read_info(self.info(**fields))

    def test_what_is_newer_than_a_token(self):
        def newer(token, **fields):
            return is_newer(protocol.read_info(self.info(**fields)), token)

        self.assertFalse(newer(Token(INSTANCE, 20)))
        self.assertFalse(newer(Token(INSTANCE, 20), floor=20))
        self.assertTrue(newer(Token(INSTANCE, 19)))
        self.assertTrue(newer(Token(INSTANCE, 21)))
        self.assertTrue(newer(Token(INSTANCE + 1, 20)))
        # Events were lost: now itself is in doubt.
        self.assertTrue(newer(Token(INSTANCE, 20), floor=21))

    def test_tree_is_read(self):
        raw = protocol.TREE.pack(2, 0, 3, 4, 5, 6, 7, -13, 0, b"/a/b\0c")
        self.assertEqual(protocol.read_tree(2, raw),
                         (2, 0, 3, 4, 5, 6, 7, -13, b"/a/b"))
        with self.assertRaises(protocol.ProtocolViolation):
            protocol.read_tree(1, raw)
        with self.assertRaises(protocol.ProtocolViolation):
            protocol.read_tree(2, protocol.TREE.pack(
                2, 0, 3, 4, 5, 6, 7, 0, 0, b"/" * protocol.ROOT_SIZE))


class ErrorTest(unittest.TestCase):
    def test_another_protocol_keeps_its_reason(self):
        error = error_of(other_protocol("it speaks version 2"), "/m")
        self.assertIsInstance(error, OtherProtocol)
        self.assertEqual((error.errno, error.strerror, error.filename),
                         (errno.EPROTO, "it speaks version 2", "/m"))

    def test_errors_of_the_system_are_its_own(self):
        for number, kind in ((errno.EPERM, PermissionError),
                             (errno.ENOENT, FileNotFoundError),
                             (errno.ENOTTY, NotMounted),
                             (errno.ENOTCONN, DaemonGone),
                             (errno.ECONNABORTED, DaemonGone),
                             (errno.ECONNREFUSED, DaemonGone)):
            self.assertIs(type(error_of(OSError(number, ""))), kind)


if __name__ == "__main__":
    unittest.main()
