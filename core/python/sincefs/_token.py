# SPDX-License-Identifier: MIT
"""Tokens, and their text."""

from __future__ import annotations

import re
from typing import NamedTuple, Union

from ._protocol import PROTOCOL_VERSION

_U64 = 2 ** 64 - 1
# Only what str() writes, so that a token has one text.
_TEXT = re.compile(r"sincefs:(0|[1-9][0-9]*):(.*)", re.ASCII | re.DOTALL)
_REST = re.compile(r"([0-9a-f]{16}):(0|[1-9][0-9]*)", re.ASCII)


class TokenVersionError(ValueError):
    """The text is a token of another version of the protocol."""


class _Fields(NamedTuple):
    instance: int
    clock: int


class Token(_Fields):
    """
    What a client knows: the daemon's instance and its clock at a moment.

    Immutable, hashable, and good for any number of questions. Its text, which
    str() gives and Token.parse() takes, is
    "sincefs:1:<instance, 16 hex digits>:<clock, decimal>". Two tokens of one
    instance compare as their moments do; clocks mean nothing else.
    """

    __slots__ = ()

    def __new__(cls, instance: int, clock: int) -> Token:
        if not (0 <= instance <= _U64 and 0 <= clock <= _U64):
            raise ValueError(f"no token has instance {instance} and clock "
                             f"{clock}: 64 bits each")
        return super().__new__(cls, instance, clock)

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
        return f"sincefs:{PROTOCOL_VERSION}:{self[0]:016x}:{self[1]}"

    def __repr__(self) -> str:
        return f"Token.parse({str(self)!r})"


#: The token that knows nothing: what is asked with it is answered FRESH.
NOTHING = Token(0, 0)
