# SPDX-License-Identifier: MIT
"""Asking a mount: the connection, its questions, waiting and scanning."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import select
import stat
import time
import warnings
from contextlib import contextmanager
from fcntl import ioctl
from types import TracebackType
from typing import (AsyncIterator, Callable, Dict, Iterable, Iterator, List,
                    Optional, Type, TypeVar, Union)

from . import _place as place
from . import _protocol as protocol
from ._answer import Answer, Change, Info, Tree
from ._errors import NotMounted, error_of, not_mounted, other_protocol
from ._protocol import Flags
from ._token import Token

AnyPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
AnyToken = Union[Token, str, None]
Names = Union[str, bytes, Iterable[Union[str, bytes]], None]
PathOf = Callable[[int, bytes], bytes]
Result = TypeVar("Result")

_UNKNOWN_UID = 0xFFFFFFFF
# How long to rest when poll(2) has nothing more to wait for.
_NAP_S = 0.01
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL

_REASONS = {
    protocol.NO_TOKEN: "no-token", protocol.RESTART: "restart",
    protocol.FORGOT: "forgot", protocol.LOST: "lost",
    protocol.FUTURE: "future",
}

# Not in the os module. ctypes lets other threads run meanwhile.
_syncfs = ctypes.CDLL(None).syncfs
_syncfs.argtypes = [ctypes.c_int]
_syncfs.restype = ctypes.c_int

# Of each combination that was met: enum takes its time to make one.
_flags: Dict[int, Flags] = {}


def _open_directory(path: bytes) -> int:
    """The directory that path is or, if it is something else, lies in."""
    flags = os.O_PATH | os.O_DIRECTORY
    try:
        return os.open(path, flags)
    except NotADirectoryError:
        # A symbolic link names a file of another directory.
        if stat.S_ISLNK(os.lstat(path).st_mode):
            path = os.path.realpath(path)
        return os.open(path[:path.rfind(b"/") + 1] or b".", flags)


def _open_control(directory: int) -> int:
    """
    Open the control file of a directory. Nothing that is opened here can block
    or has side effects: a symbolic link or a fifo of that name is not followed
    or opened, and O_NONBLOCK is for the one that takes its place in between.
    """
    try:
        found = os.stat(protocol.CONTROL_NAME, dir_fd=directory,
                        follow_symlinks=False)
    except FileNotFoundError:
        raise not_mounted() from None
    if not stat.S_ISREG(found.st_mode):
        raise not_mounted()
    try:
        fd = os.open(protocol.CONTROL_NAME, os.O_RDONLY | os.O_NONBLOCK |
                     os.O_NOFOLLOW | os.O_NOCTTY, dir_fd=directory)
    except OSError as error:
        # It has been replaced by now, or somebody holds a lease on it.
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO,
                           errno.ENODEV, errno.EAGAIN):
            raise not_mounted() from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise not_mounted()
    return fd


def _request(fd: int, number: int, buffer: bytearray) -> bytearray:
    """One request; the buffer then holds its answer."""
    try:
        result = ioctl(fd, number, buffer)
    except OSError as error:
        raise error_of(error) from None
    if result != 0:
        raise other_protocol("a result that no request has")
    return buffer


def _ask(fd: int, number: int, question: bytearray,
         read: Callable[[bytearray], Result]) -> Result:
    """One request, and its answer as read() understands it."""
    try:
        return read(_request(fd, number, question))
    except protocol.ProtocolViolation as what:
        raise other_protocol(what) from None


def _get_info(fd: int) -> protocol.RawInfo:
    return _ask(fd, protocol.IOC_INFO, bytearray(protocol.INFO.size),
                protocol.read_info)


def _get_tree(fd: int, tree: int) -> protocol.RawTree:
    return _ask(fd, protocol.IOC_TREE, protocol.write_tree(tree),
                lambda answer: protocol.read_tree(tree, answer))


def is_newer(info: protocol.RawInfo, token: Token) -> bool:
    """May anything have changed between a token and an INFO?"""
    # A clock above now is as doubtful as one below.
    return info.now != (token.instance, token.clock) or \
        token.clock < info.floor


def _get_changes(fd: int, token: Token, below: bool, tree: int, kinds: int,
                 names: bytes) -> protocol.RawAnswer:
    try:
        return protocol.collect(
            lambda page: _request(fd, protocol.IOC_SINCE, page),
            (token.instance, token.clock), below=below, tree=tree,
            kinds=kinds, names=names)
    except protocol.ProtocolViolation as what:
        raise other_protocol(what) from None


def _wait_readable(fd: int, deadline: Optional[float]) -> bool:
    """Until readable: True, or False when the time is over. The kernel reports
    a daemon that is gone, or that answered the poll with an error, as
    POLLERR."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    events = poller.poll(_left_ms(deadline))
    if events and events[0][1] & _BROKEN:
        _get_info(fd)  # says why
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return bool(events)


def _deadline_after(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _left_ms(deadline: Optional[float]) -> Optional[float]:
    """As poll(2) wants it; select.poll() rounds it up."""
    return None if deadline is None else \
        max(0.0, deadline - time.monotonic()) * 1000


def _is_over(deadline: Optional[float]) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _nap(deadline: Optional[float]) -> None:
    left = _NAP_S if deadline is None else \
        min(_NAP_S, max(0.0, deadline - time.monotonic()))
    time.sleep(left)


def encode_names(names: Names) -> bytes:
    """Patterns as a question takes them; ValueError if it cannot."""
    if names is None:
        return b""
    if isinstance(names, (str, bytes)):
        names = [names]
    patterns = [os.fsencode(name) for name in names]
    if any(not pattern or b"\0" in pattern for pattern in patterns):
        raise ValueError("a pattern for names is empty or has a NUL in it")
    text = b"\0".join(patterns)
    if len(text) > protocol.NAMES_SIZE - 1:
        raise ValueError("the patterns for names are too long: all of them "
                         f"may have {protocol.NAMES_SIZE - 1} bytes")
    return text


class Connection:
    """
    A connection to the sincefs mount that path (a directory, or a file in one)
    lies in.

        with sincefs.Connection(".") as connection:
            token = connection.token()
            ...
            answer = connection.since(token)
            if answer.fresh:
                look_at_everything()
            for change in answer.changes:
                print(change.path)
            token = answer.token

    A context manager; close() does the same. An open connection keeps the
    mount in use.

    Wherever a token is taken, its text is taken as well, and None for the
    token that knows nothing. A bad text is a ValueError.

    Threads: any number may use one connection at the same time. Close it when
    none does. After a fork, parent and child open connections of their own.

    Errors, from the constructor and every method that asks:

    NotMounted       the path is not on a sincefs mount
    DaemonGone       there is a mount, but its daemon is gone
    OtherProtocol    the daemon speaks another version of the protocol
    PermissionError  only the user who mounted it and root may ask
    OSError          others of the system; FileNotFoundError for the path
    """

    def __init__(self, path: AnyPath) -> None:
        self._directory = self._fd = -1
        self._name = os.fsdecode(path)
        try:
            self._directory = _open_directory(os.fsencode(path))
            self._fd = _open_control(self._directory)
            try:
                _get_info(self._fd)
            except OSError as error:
                # What file systems say to an ioctl they do not know.
                if error.errno in (errno.ENOTTY, errno.ENOSYS, errno.EINVAL,
                                   errno.EOPNOTSUPP):
                    raise not_mounted() from None
                raise
        except OSError as error:
            self.close()
            raise error_of(error, self._name) from None
        fd = self._fd
        self._names = place.Names(self._directory, fd,
                                  lambda tree: _get_tree(fd, tree).root)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            warnings.warn(f"{self!r} was not closed", ResourceWarning,
                          source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<sincefs.Connection {self._name!r}" + \
            (">" if self._fd >= 0 else ", closed>")

    def close(self) -> None:
        """Let go of the mount. More than once is allowed."""
        directory, self._directory = self._directory, -1
        fd, self._fd = self._fd, -1
        for each in directory, fd:
            if each >= 0:
                os.close(each)

    def fileno(self) -> int:
        """
        The descriptor for poll(2), select and event loops: readable when the
        clock has passed the last one that token(), since(), changed() or
        info() have learned on this connection, in any thread. So keep the
        token of the last answer, and ask with it when this is readable.
        ValueError after close().
        """
        if self._fd < 0:
            raise ValueError("the connection is closed")
        return self._fd

    # ---- questions ----

    def token(self) -> Token:
        """The token of this moment."""
        return Token(*_get_info(self.fileno()).now)

    def changed(self, token: AnyToken) -> bool:
        """
        May anything have changed after token? The cheapest question. It does
        not see stores through shared mappings that are not flushed yet.
        """
        # One INFO. A clock page, when there is one, is looked at here first.
        return is_newer(_get_info(self.fileno()), Token.of(token))

    def since(self, token: AnyToken, names: Names = None, *,
              sync: bool = True, below: bool = False,
              tree: int = protocol.TREE_ALL,
              kinds: Flags = Flags(0)) -> Answer:
        """
        All that changed after token: whatever was done by a system call that
        had returned before this was called, each name once, oldest first.

        names: only these; an fnmatch(3) pattern for the last part of the path,
        such as "*.py", or some of them. Together they may have 63 bytes.
        Changes with SUBTREE or LINKED pass all patterns.

        sync: call syncfs(2) on the mount first, so that stores through shared
        mappings are seen too. Its errors are of old writes, and ignored.

        below: only what lies below the directory of the connection.

        tree: only this one, a number of trees().

        kinds: only these of Flags.CONTENT, META and TIMES. Never hides GONE,
        SUBTREE and LINKED.

        A token of an answer with names, below, tree or kinds is good for the
        same question only.

        ValueError for patterns that are empty or too long, or for kinds that
        are none; FileNotFoundError for a tree that is not there, and with
        below if the directory has been removed.
        """
        fd = self.fileno()
        if sync:
            _syncfs(fd)
        return self._since(fd, Token.of(token), encode_names(names), below,
                           tree, kinds)

    def _since(self, fd: int, token: Token, names: bytes, below: bool = False,
               tree: int = protocol.TREE_ALL, kinds: int = 0) -> Answer:
        if kinds & ~protocol.KINDS:
            raise ValueError("kinds are CONTENT, META and TIMES")
        raw = _get_changes(fd, token, below, tree, int(kinds), names)
        token = Token(*raw.token)
        if raw.reason:
            return Answer((), token, True,
                          _REASONS.get(raw.reason, "unknown"))
        if not raw.records:
            return Answer((), token, False, None)
        path_of = self._names.in_directory() if below else \
            self._names.in_tree()
        return Answer(tuple(self._changes(raw.records, path_of)), token,
                      False, None)

    def info(self) -> Info:
        """The state of the daemon."""
        raw = _get_info(self.fileno())
        return Info(raw.features, Token(*raw.now), *raw[2:])

    def trees(self) -> List[Tree]:
        """The trees that the daemon watches; the mount is the first."""
        fd = self.fileno()
        count = _get_info(fd).tree_count
        path_of = self._names.in_tree()
        return [Tree(raw.id, os.fsdecode(path_of(raw.id, b".")),
                     bool(raw.flags & protocol.TREE_MOUNTED), raw.scans,
                     raw.scan_age_ns, raw.scan_period_ns, raw.scan_cost_ns,
                     raw.files, -raw.scan_error)
                for raw in (_get_tree(fd, tree)
                            for tree in range(1, count + 1))]

    def _changes(self, records: Iterable[protocol.RawRecord],
                 path_of: PathOf) -> Iterator[Change]:
        for clock, tree, pid, uid, number, relative in records:
            flags = _flags.get(number)
            if flags is None:
                flags = _flags[number] = Flags(number)
            yield Change(os.fsdecode(path_of(tree, relative)),
                         os.fsdecode(relative), flags, pid,
                         None if uid == _UNKNOWN_UID else uid, clock, tree)

    # ---- waiting ----

    @contextmanager
    def _own_control(self) -> Iterator[int]:
        """
        One more open control file. What it waits for is its own: a question
        that another thread asks on this connection's does not put it off.
        """
        shared = self.fileno()
        own = -1
        try:
            own = _open_control(self._directory)
        except NotMounted:
            pass  # the directory was removed, but the mount is there
        except OSError as error:
            raise error_of(error, self._name) from None
        try:
            yield own if own >= 0 else shared
        finally:
            if own >= 0:
                os.close(own)

    def wait(self, token: AnyToken, timeout: Optional[float] = None) -> bool:
        """
        Block until something changed after token: True, or False when timeout
        seconds passed first (None: no limit). As changed(), does not see
        stores through mappings before they are flushed.
        """
        token = Token.of(token)
        deadline = _deadline_after(timeout)
        with self._own_control() as fd:
            while True:
                # First ask: it answers for what is already past, and from the
                # clock that it returns, which is the token's, the descriptor
                # tells of what comes.
                if is_newer(_get_info(fd), token):
                    return True
                if _is_over(deadline):
                    return False
                _wait_readable(fd, deadline)

    def watch(self, token: AnyToken = None,
              names: Names = None) -> AsyncIterator[Change]:
        """
        The changes after token, or from now on, as they come, for asyncio:

            async for change in connection.watch():
                print(change.path)

        names as for since(). Where anything may have changed (the answer is
        FRESH) each tree's root comes as a change with SUBTREE. A name may come
        more than once. Stores through mappings come when they are flushed.

        It waits without a thread, and does not call syncfs(2), which may take
        its time. Keep the connection open meanwhile. It ends with an exception
        when the daemon is gone, and otherwise when it is cancelled or closed.
        """
        start = self.token() if token is None else Token.of(token)
        return self._watch(start, encode_names(names))

    async def _watch(self, token: Token,
                     names: bytes) -> AsyncIterator[Change]:
        with self._own_control() as fd:
            while True:
                answer = self._since(fd, token, names)
                token = answer.token
                if answer.fresh:
                    for change in self._everything(fd, token):
                        yield change
                for change in answer.changes:
                    yield change
                await _until_readable(fd)

    def _everything(self, fd: int, token: Token) -> List[Change]:
        """The roots of all trees, as changed with all that is below."""
        flags = Flags.CONTENT | Flags.DIR | Flags.SUBTREE
        return list(self._changes(
            (protocol.RawRecord(token.clock, tree, 0, _UNKNOWN_UID, flags,
                                b".")
             for tree in range(1, _get_info(fd).tree_count + 1)),
            self._names.in_tree()))

    # ---- scanning ----

    def scan(self, path: Optional[AnyPath] = None,
             timeout: Optional[float] = None) -> bool:
        """
        Have the tree that path lies in scanned now, and wait until that is
        done: True, or False when timeout seconds passed first (None: no
        limit). What was changed there before the call and is not known yet is
        in the next answer. Without a path: all trees that are scanned; that of
        the mount finds what bypassed it.

        FileNotFoundError when path lies in no tree; OSError with EOPNOTSUPP
        when the daemon does not scan it.
        """
        deadline = _deadline_after(timeout)
        with self._own_control() as fd:
            wanted = self._start_scans(fd, path)
            clock = _get_info(fd).now.clock
            while True:
                wanted = {tree: scans for tree, scans in wanted.items()
                          if _get_tree(fd, tree).scans < scans}
                if not wanted:
                    return True
                if _is_over(deadline):
                    return False
                if not _wait_readable(fd, deadline):
                    continue
                # It was a change, or a scan whose end is not counted yet.
                now = _get_info(fd).now.clock
                if now == clock:
                    _nap(deadline)
                clock = now

    def _start_scans(self, fd: int,
                     path: Optional[AnyPath]) -> Dict[int, int]:
        """{tree: the value of its scans at which the scan is done}"""
        if path is not None:
            tree = self._tree_of(fd, os.fsencode(path))
            return {tree: self._start_scan(fd, tree)}
        wanted = {}
        refusal: Optional[OSError] = None
        for tree in range(1, _get_info(fd).tree_count + 1):
            try:
                wanted[tree] = self._start_scan(fd, tree)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                refusal = error
        if refusal and not wanted:
            raise refusal
        return wanted

    def _start_scan(self, fd: int, tree: int) -> int:
        try:
            return _ask(fd, protocol.IOC_SCAN, protocol.write_scan(tree),
                        protocol.read_scan)
        except OSError as error:
            # ENOTTY: a daemon that does not know the request.
            if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
                raise OSError(errno.EOPNOTSUPP, "this daemon does not scan "
                              f"tree {tree}", self._name) from None
            raise

    def _tree_of(self, fd: int, path: bytes) -> int:
        """The number of the tree that a path lies in."""
        real = os.path.realpath(path)
        if os.stat(real).st_dev == os.fstat(fd).st_dev:
            return place.MOUNT
        best = found = 0
        for tree in range(place.MOUNT + 1, _get_info(fd).tree_count + 1):
            root = _get_tree(fd, tree).root
            if (real + b"/").startswith(place.join(root, b"")) and \
                    len(root) > best:
                best, found = len(root), tree
        if not found:
            raise FileNotFoundError(errno.ENOENT, "it lies in no tree that is "
                                    "watched", os.fsdecode(path))
        return found


async def _until_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await readable
    finally:
        loop.remove_reader(fd)
    _wait_readable(fd, time.monotonic())  # raises if it is an error
