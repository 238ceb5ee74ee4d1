# SPDX-License-Identifier: MIT
"""
Ask a sincefs mount what changed.

sincefs covers a source tree, and records each change before the system call
that made it returns. A client holds a token, and asks what changed since:

    import sincefs

    with sincefs.Connection("src") as connection:
        token = connection.token()
        ...
        answer = connection.since(token)
        if answer.fresh:        # anything may have changed
            look_at_everything()
        for change in answer.changes:
            print(change.path, change.gone)
        token = answer.token    # for the next time

Tokens belong to whoever holds them: asking consumes nothing, and any number of
clients may ask. str(token) is a text that can be kept in a file.

"python3 -m sincefs" is the command line; sincefs.testing builds trees for your
tests.
"""

from ._answer import Answer, Change, Info, Tree
from ._connection import Connection
from ._errors import DaemonGone, NotMounted, OtherProtocol
from ._protocol import Flags
from ._token import NOTHING, Token, TokenVersionError

__all__ = [
    "Answer", "Change", "Connection", "DaemonGone", "Flags", "Info",
    "NOTHING", "NotMounted", "OtherProtocol", "Token", "TokenVersionError",
    "Tree",
]
