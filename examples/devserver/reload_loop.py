#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a command, and run it again whenever the tree it comes from changes.

    python3 reload_loop.py [--names '*.py' ...] DIR -- COMMAND [ARGUMENT...]

DIR lies on a sincefs mount. The command runs in a process group of its own;
when something changed it gets SIGTERM, after --grace seconds SIGKILL, and is
started anew. A command that ends by itself is started anew at the next change.

What a loop that polls or uses inotify cannot do: between the moment at which
the command is started and the first question nothing is lost, because the
question is asked with the token from before the start. Stale bytecode is
dropped before the start, so that a Python program runs what its files say,
also after an edit within the same second.

RestartLoop is the same for use from Python.
"""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import os
import signal
import sys
from typing import Any, Callable, List, Optional, Sequence, Tuple

import sincefs
from sincefs import Flags
from sincefs.reload import drop_bytecode

# Flags that say how something changed, not what.
_REMARKS = Flags.DIR | Flags.NEW | Flags.SCANNED | Flags.MIXED

# Written by the programs that are run, not by those who edit them.
_IGNORED_FOLDERS = ("__pycache__", ".git", ".mypy_cache", ".pytest_cache",
                    ".ruff_cache", "node_modules")
_IGNORED_NAMES = ("*.pyc", "*~", ".*.sw?", "*.tmp", "4913")


class RestartLoop:
    """Keeps a command running and restarts it after changes."""

    def __init__(self, directory: str, command: Sequence[str], *,
                 names: Sequence[str] = (), grace: float = 5.0,
                 quiet: float = 0.05,
                 say: Callable[[str], None] = lambda text: None,
                 pass_fds: Sequence[int] = ()) -> None:
        """
        @names: patterns for the last part of a path; none: all names.
        @grace: seconds between SIGTERM and SIGKILL.
        @quiet: seconds without a further change to wait for, so that a
        checkout of a branch is one restart.
        @pass_fds: descriptors that the command inherits.
        """
        #: What is watched.
        self.directory = os.path.realpath(directory)
        self._command = list(command)
        self._names = list(names)
        self._grace = grace
        self._quiet = quiet
        self._say = say
        self._fds = tuple(pass_fds)
        self._child: Optional[asyncio.subprocess.Process] = None
        #: How often the command was started.
        self.starts = 0

    # ---- what counts ----

    def relevant(self, change: Any) -> bool:
        """Whether a change is a reason to restart."""
        flags = change.flags
        if not flags & ~(Flags.META | _REMARKS):
            return False  # a mode, an owner, an attribute
        path = change.path
        if flags & Flags.LINKED:
            return True  # another name of it may lie anywhere
        if path != self.directory and \
                not path.startswith(self.directory + "/"):
            # A directory above that was renamed moves this one.
            return bool(change.subtree) and \
                self.directory.startswith(path.rstrip("/") + "/")
        parts = os.path.relpath(path, self.directory).split("/")
        if any(part in _IGNORED_FOLDERS for part in parts) or \
                any(fnmatch.fnmatch(parts[-1], name)
                    for name in _IGNORED_NAMES):
            return False
        if change.subtree or not self._names:
            return True
        return any(fnmatch.fnmatch(parts[-1], name) for name in self._names)

    def _ask(self, connection: Any, token: Any) -> Tuple[Any, List[str], bool]:
        """(the next token, the relevant paths, whether to restart)."""
        answer = connection.since(token)
        if answer.fresh:
            return answer.token, [], True
        paths = [change.path for change in answer.changes
                 if self.relevant(change)]
        return answer.token, paths, bool(paths)

    # ---- the child ----

    async def _start(self) -> None:
        self.starts += 1
        self._child = await asyncio.create_subprocess_exec(
            *self._command, start_new_session=True, pass_fds=self._fds)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return  # its number may be another's by now
        self._signal(child, signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), self._grace)
        except asyncio.TimeoutError:
            self._say(f"no end within {self._grace:g} seconds: SIGKILL")
        # Whoever it started and left behind, too.
        self._signal(child, signal.SIGKILL)
        await child.wait()

    @staticmethod
    def _signal(child: asyncio.subprocess.Process, number: int) -> None:
        try:
            os.killpg(child.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    # ---- the loop ----

    async def run(self) -> None:
        """Run until cancelled; the command has ended then."""
        with sincefs.Connection(self.directory) as connection:
            # Before the command reads its first file.
            token = connection.token()
            try:
                while True:
                    await self._start()
                    token = await self._until_changed(connection, token)
                    await self._end()
            finally:
                await self._end()

    async def _until_changed(self, connection: Any, token: Any) -> Any:
        while True:
            token, paths, restart = self._ask(connection, token)
            if restart:
                break
            await _readable(connection)
        # Let it come to rest.
        while True:
            try:
                await asyncio.wait_for(_readable(connection), self._quiet)
            except asyncio.TimeoutError:
                break
            token, more, _ = self._ask(connection, token)
            paths += more
        drop_bytecode(path for path in paths if path.endswith(".py"))
        shown = ", ".join(sorted({os.path.relpath(path, self.directory)
                                  for path in paths})[:5])
        self._say(f"changed: {shown or 'perhaps anything'}; starting again")
        return token


async def _readable(connection: Any) -> None:
    """Until the mount's clock has passed the last token of the connection."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)
    loop.add_reader(connection.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())


async def _main(loop: RestartLoop) -> None:
    task = asyncio.ensure_future(loop.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass


def say(text: str) -> None:
    """A word to the terminal."""
    print(f"reload_loop: {text}", file=sys.stderr, flush=True)


def run(loop: RestartLoop) -> int:
    """Run a loop until SIGINT or SIGTERM; an exit status."""
    try:
        asyncio.run(_main(loop))
    except OSError as error:
        say(str(error))
        return 1
    return 0


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Run COMMAND, and again whenever DIR changes.",
        usage="%(prog)s [OPTION...] DIR -- COMMAND [ARGUMENT...]")
    parser.add_argument("--names", action="append", default=[],
                        metavar="PATTERN",
                        help="only files whose names match (repeatable)")
    parser.add_argument("--grace", type=float, default=5.0, metavar="SECONDS",
                        help="between SIGTERM and SIGKILL (5)")
    parser.add_argument("--quiet", type=float, default=0.05,
                        metavar="SECONDS",
                        help="without a change before starting anew (0.05)")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args(arguments)
    return run(RestartLoop(
        options.directory, options.command, names=options.names,
        grace=options.grace, quiet=options.quiet, say=say))


if __name__ == "__main__":
    sys.exit(main())
