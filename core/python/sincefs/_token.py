# SPDX-License-Identifier: MIT
"""Tokens, and their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union

from ._protocol import PROTOCOL_VERSION
from ._value import Value

_U64 = 2 ** 64 - 1
# Only what str() writes, so that a token has one text.
_TEXT = re.compile(r"sincefs:(0|[1-9][0-9]*):(.*)", re.ASCII | re.DOTALL)
_REST = re.compile(r"([0-9a-f]{16}):(0|[1-9][0-9]*)", re.ASCII)


class TokenVersionError(ValueError):
    """The text is a token of another version of the protocol."""


@dataclass(frozen=True)
class Token(Value):
    """
    What a client knows: the daemon's instance, and its clock at a moment.

    Good for any number of questions. Its text, which str() gives and
    Token.parse() takes, is
    "sincefs:1:<instance, 16 hex digits>:<clock, decimal>".
    """

    __slots__ = {
        "instance": "A random number, new with each start of a daemon.",
        "clock": "Larger is later, and nothing else.",
    }

    instance: int
    clock: int

    def __post_init__(self) -> None:
        if not (0 <= self.instance <= _U64 and 0 <= self.clock <= _U64):
            raise ValueError(f"no token has instance {self.instance} and "
                             f"clock {self.clock}: 64 bits each")

    @classmethod
    def parse(cls, text: str) -> Token:
        """
        The token of a text. ValueError for any other text, of which
        TokenVersionError is for a token of another version of the protocol.
        """
        match = _TEXT.fullmatch(text)
        if match and int(match[1]) != PROTOCOL_VERSION:
            raise TokenVersionError(
                f"a token of version {match[1]} of the protocol: {text!r}")
        rest = _REST.fullmatch(match[2]) if match else None
        if not rest or int(rest[2]) > _U64:
            raise ValueError(f"not a token: {text!r}")
        return cls(int(rest[1], 16), int(rest[2]))

    @classmethod
    def of(cls, token: Union[Token, str, None]) -> Token:
        """
        The token that a caller means by a token, by its text, or by None: the
        one that knows nothing. ValueError for a bad text, TypeError for
        anything else.
        """
        if isinstance(token, cls):
            return token
        if token is None:
            return NOTHING
        if isinstance(token, str):
            return cls.parse(token)
        raise TypeError("a token is a Token or a str, not " +
                        type(token).__name__)

    def __str__(self) -> str:
        return f"sincefs:{PROTOCOL_VERSION}:{self.instance:016x}:{self.clock}"

    def __repr__(self) -> str:
        return f"Token.parse({str(self)!r})"


#: The token that knows nothing: what is asked with it is answered FRESH.
NOTHING = Token(0, 0)
