# SPDX-License-Identifier: MIT
"""The three formats in which the command prints an answer, byte for byte.

Text is one line a change whatever bytes the name has. In the NUL format names
are as they are on the disk, and a directory ends in "/" only if all below it
may have changed: what git's fsmonitor needs. JSON is one object a line, in
UTF-8; a name that is not UTF-8 is readable in "path" and exact in
"path_base64".
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any, Callable, Dict, Optional

from ._answer import Answer, Change
from ._protocol import Flags

TEXT, NUL, JSON = "text", "nul", "json"

#: The root of a tree, for paths that are printed absolute; None for paths as
#: they are.
RootOf = Callable[[int], Optional[bytes]]

_ESCAPES = {
    0x07: b"\\a", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0B: b"\\v",
    0x0C: b"\\f", 0x0D: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\",
}
_ODD = re.compile(rb'[\x00-\x1f\x7f-\xff"\\]')


def letter(flags: Flags) -> str:
    """D the name is gone, else A it is new, else M its content may differ,
    else m (only attributes or times)."""
    if flags & Flags.GONE:
        return "D"
    if flags & Flags.NEW:
        return "A"
    return "M" if flags & Flags.CONTENT else "m"


def quote(path: bytes) -> bytes:
    """A path as git prints it: as it is, or in double quotes with C's escapes
    if it has a control character, a quote, a backslash or a byte above
    0x7e."""
    if not _ODD.search(path):
        return path
    return b'"' + _ODD.sub(
        lambda match: _ESCAPES.get(match[0][0], b"\\%03o" % match[0][0]),
        path) + b'"'


def readable(path: bytes) -> str:
    """The text of a path, with U+FFFD for each byte that is none."""
    return re.sub("[\udc80-\udcff]", "\ufffd",
                  path.decode("utf-8", "surrogateescape"))


def json_line(members: Dict[str, Any]) -> bytes:
    """An object as one line."""
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f").encode() + b"\n"


def _full_path(change: Change, root: Optional[bytes]) -> bytes:
    relative = os.fsencode(change.relative)
    if root is None:
        return relative
    if relative == b".":
        return root
    return root + (b"" if root.endswith(b"/") else b"/") + relative


def _as_directory(path: bytes) -> bytes:
    return path if path.endswith(b"/") else path + b"/"


def _json_change(change: Change, path: bytes) -> bytes:
    members: Dict[str, Any] = {"path": readable(path)}
    try:
        path.decode()
    except UnicodeDecodeError:
        members["path_base64"] = base64.b64encode(path).decode()
    members.update(
        tree=change.tree,
        flags=[str(flag.name).lower() for flag in Flags
               if change.flags & flag],
        clock=change.clock, pid=change.pid, uid=change.uid)
    return json_line(members)


def format_change(style: str, change: Change, root: Optional[bytes]) -> bytes:
    """One change, with the root of its tree if it is to be absolute."""
    path = _full_path(change, root)
    if style == JSON:
        return _json_change(change, path)
    if style == NUL:
        return (_as_directory(path) if change.subtree else path) + b"\0"
    if change.directory:
        path = _as_directory(path)
    return letter(change.flags).encode() + b"  " + quote(path) + b"\n"


def format_answer(style: str, answer: Answer, root_of: RootOf,
                  stream: bool = False) -> bytes:
    """A whole answer; stream: one of many, which then has a sign at its
    end."""
    token = str(answer.token)
    fresh, changes = answer.fresh, answer.changes
    if style == NUL:
        # All below the root of the mount: no list of names can tell that.
        if any(change.tree == 1 and change.subtree and change.relative == "."
               for change in changes):
            fresh, changes = True, ()
        head = token.encode() + b"\0" + (b"/\0" if fresh else b"")
        tail = b"\0" if stream else b""
    elif style == JSON:
        head = b""
        tail = json_line({"token": token, "fresh": fresh,
                          "reason": answer.reason})
    else:
        head = b"FRESH\n" if fresh else b""
        tail = b""
    return head + b"".join(format_change(style, change, root_of(change.tree))
                           for change in changes) + tail
