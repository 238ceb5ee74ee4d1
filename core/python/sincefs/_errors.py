# SPDX-License-Identifier: MIT
"""What can go wrong with a mount. All are OSErrors with the errno that
libsincefs returns."""

from __future__ import annotations

import errno
import os
from typing import Optional, Type


class NotMounted(OSError):
    """ENOTTY: the path is not on a sincefs mount."""


class DaemonGone(OSError):
    """ENOTCONN: there is a mount, but its daemon is gone."""


class OtherProtocol(OSError):
    """EPROTO: the daemon speaks another version of the protocol, or says what
    cannot be true."""


_KINDS = {
    # What file systems say to an ioctl they do not know.
    errno.ENOTTY: (NotMounted, errno.ENOTTY, "not on a sincefs mount"),
    # The kernel has several words for a connection without a daemon.
    errno.ENOTCONN: (DaemonGone, errno.ENOTCONN,
                     "the daemon of this mount is gone"),
}
_KINDS[errno.ECONNABORTED] = _KINDS[errno.ENOTCONN]
_KINDS[errno.ECONNREFUSED] = _KINDS[errno.ENOTCONN]


def error_of(error: OSError, path: Optional[str] = None) -> OSError:
    """The error that a caller is to see for one of the system's, or for one
    that did not know its path."""
    if isinstance(error, OtherProtocol):
        error.filename = path
        return error
    number = error.errno or errno.EIO
    if number in _KINDS:
        kind: Type[OSError]
        kind, number, text = _KINDS[number]
        return kind(number, text, path)
    return OSError(number, os.strerror(number), path)


def not_mounted(path: Optional[str] = None) -> NotMounted:
    """The error for a path that is not on sincefs."""
    return NotMounted(errno.ENOTTY, "not on a sincefs mount", path)


def other_protocol(what: object, path: Optional[str] = None) -> OtherProtocol:
    """The error for an answer that cannot be understood, and why."""
    return OtherProtocol(errno.EPROTO, str(what), path)
