# SPDX-License-Identifier: MIT
"""Tokens and their text."""

import pickle
import unittest

import common  # noqa: F401
from sincefs import NOTHING, Token, TokenVersionError

TEXT = "sincefs:1:00ab00000000cdef:1234"


class TokenTest(unittest.TestCase):
    def test_text_is_read_and_written(self):
        token = Token.parse(TEXT)
        self.assertEqual(token, Token(0x00AB00000000CDEF, 1234))
        self.assertEqual(str(token), TEXT)
        self.assertEqual(f"{token}", TEXT)
        self.assertEqual(str(NOTHING), "sincefs:1:" + "0" * 16 + ":0")
        largest = Token(2 ** 64 - 1, 2 ** 64 - 1)
        self.assertEqual(Token.parse(str(largest)), largest)

    def test_repr_makes_it_again(self):
        token = Token.parse(TEXT)
        self.assertEqual(eval(repr(token)), token)

    def test_a_token_has_one_text(self):
        for text in ("", " ", "sincefs", "sincefs:1", TEXT + " ", " " + TEXT,
                     TEXT + "\n", TEXT.upper(), TEXT.replace("1234", ""),
                     TEXT.replace("1234", "01234"),
                     TEXT.replace("1234", "+1"), TEXT.replace("1234", "-1"),
                     TEXT.replace("1234", "1_0"),
                     TEXT.replace("1234", "\u0661"),
                     TEXT.replace("1234", str(2 ** 64)),
                     TEXT.replace("1234", "9" * 5000),
                     TEXT.replace("00ab", "ab"),
                     TEXT.replace("00ab", "0x00ab"),
                     TEXT.replace("00ab", "00aB"),
                     TEXT.replace("00ab", "00ag"),
                     TEXT.replace(":1:", ":01:"), TEXT.replace(":1:", "::"),
                     TEXT + ":", TEXT.replace("sincefs", "c"), TEXT + "\0"):
            with self.subTest(text[:60]), self.assertRaises(ValueError) as c:
                Token.parse(text)
            self.assertNotIsInstance(c.exception, TokenVersionError, text)

    def test_another_version_is_told_apart(self):
        for text in "sincefs:2:xyz", "sincefs:10:", "sincefs:0:1:1":
            with self.subTest(text), self.assertRaises(TokenVersionError):
                Token.parse(text)

    def test_what_stands_for_a_token(self):
        token = Token.parse(TEXT)
        self.assertIs(Token.of(token), token)
        self.assertEqual(Token.of(TEXT), token)
        self.assertEqual(Token.of(None), NOTHING)
        for wrong in 5, b"sincefs", (1, 2), [], object():
            with self.subTest(wrong), self.assertRaises(TypeError):
                Token.of(wrong)
        with self.assertRaises(ValueError):
            Token.of("")

    def test_numbers_have_64_bits(self):
        for instance, clock in ((-1, 0), (0, -1), (2 ** 64, 0), (0, 2 ** 64)):
            with self.subTest((instance, clock)), \
                    self.assertRaises(ValueError):
                Token(instance, clock)

    def test_it_can_be_kept(self):
        token = Token.parse(TEXT)
        self.assertEqual(pickle.loads(pickle.dumps(token)), token)
        self.assertIsInstance(pickle.loads(pickle.dumps(token)), Token)
        self.assertEqual({token: 1}[Token.parse(TEXT)], 1)
        with self.assertRaises(AttributeError):
            token.clock = 5


if __name__ == "__main__":
    unittest.main()
