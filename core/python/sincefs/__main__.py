# SPDX-License-Identifier: MIT
"""python3 -m sincefs: token, since and watch, as the command sincefs has them,
for where the command is not installed. Formats, messages and exit statuses are
the command's: 0 done, 1 failed, 2 usage."""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import stat
import sys
import tempfile
from contextlib import suppress
from typing import Callable, Dict, List, NamedTuple, NoReturn, Optional, Tuple

from . import _output as output
from . import _place as place
from ._answer import Answer
from ._connection import Connection, encode_names
from ._errors import DaemonGone, NotMounted, OtherProtocol
from ._token import NOTHING, Token, TokenVersionError

NAME = "python3 -m sincefs"
FAILED, USAGE = 1, 2


class Exit(Exception):
    """The command ends with this status; what there was to say is said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


# ---- what is said to people ----

def report(text: str) -> None:
    """One line on standard error, as one write."""
    line = os.fsencode(f"sincefs: {text}\n")
    # There is nobody to tell that nobody can be told.
    with suppress(OSError):
        while line:
            line = line[os.write(2, line):]


def fail(text: str) -> NoReturn:
    """Say what failed; the command has failed."""
    report(text)
    raise Exit(FAILED)


def shown(path: str) -> str:
    """A path in a message, on one line whatever it is."""
    raw = os.fsencode(path)
    try:
        raw.decode()
    except UnicodeDecodeError:
        return output.quote(raw).decode()
    if re.search(rb"[\x00-\x1f\x7f]", raw):
        return output.quote(raw).decode()
    return f"'{path}'"


def reason(number: int) -> str:
    """Why, as a part of a sentence. "I/O error" and the like stay as they
    are."""
    text = os.strerror(number)
    if text[:1].isupper() and text[1:2].islower():
        text = text[0].lower() + text[1:]
    return text


def reason_of(error: OSError) -> str:
    """Why a mount could not be asked."""
    if isinstance(error, NotMounted):
        return "not on a sincefs mount"
    if isinstance(error, DaemonGone):
        return "the daemon of this mount is gone"
    if isinstance(error, OtherProtocol):
        return "the daemon speaks another version of the protocol"
    if error.errno == errno.EPERM:
        return "only the user who mounted it and root may ask"
    return reason(error.errno or errno.EIO)


def ask_failed(directory: str, error: OSError) -> NoReturn:
    """Say that a mount could not be asked, and why."""
    fail(f"cannot ask what changed in {shown(directory)}: "
         f"{reason_of(error)}")


# ---- arguments ----

class Option(NamedTuple):
    """An option of a command; argument is None for one that takes none."""

    names: Tuple[str, ...]
    argument: Optional[str]
    does: str


class Syntax(NamedTuple):
    """A command as it is called."""

    name: str
    operands: str
    summary: str
    options: Tuple[Option, ...]
    least: int
    most: int

    def usage(self, text: str) -> NoReturn:
        """Say what is wrong with the arguments."""
        report(text)
        os.write(2, f"Try '{NAME} {self.name} --help'.\n".encode())
        raise Exit(USAGE)

    def help(self) -> str:
        """The text of --help."""
        lines = [f"Usage:\n  {NAME} {self.name} [OPTION...] {self.operands}",
                 "", self.summary, "", "Options:"]
        for names, argument, does in self.options + (HELP,):
            text = ", ".join(names) + (f"={argument}" if argument else "")
            lines.append(f"  {text:<16} {does}")
        return "\n".join(lines) + "\n"

    def parse(self, arguments: List[str]) -> \
            Tuple[Dict[str, List[str]], List[str]]:
        """The values of each option by its first name, and the operands.
        Options may stand anywhere before a "--"."""
        table = {name: option for option in self.options + (HELP,)
                 for name in option.names}
        values: Dict[str, List[str]] = {}
        operands: List[str] = []
        rest = list(arguments)
        while rest:
            word = rest.pop(0)
            if word == "--":
                operands += rest
                break
            if word == "-" or not word.startswith("-"):
                operands.append(word)
                continue
            name, equals, value = word.partition("=")
            if not word.startswith("--"):
                name, equals, value = word[:2], "", ""
                if len(word) > 2:  # options of one letter in one word
                    rest.insert(0, "-" + word[2:])
            option = table.get(name)
            if not option:
                self.usage(f"Unknown option {word}")
            if option.argument and not equals:
                if not rest:
                    self.usage(f"Missing argument for {name}")
                value = rest.pop(0)
            values.setdefault(option.names[0], []).append(value)
        if HELP.names[0] in values:
            write(self.help().encode(), "this help")
            raise Exit(0)
        if not self.least <= len(operands) <= self.most:
            self.usage(f"sincefs {self.name}: wants {self.operands}")
        return values, operands


HELP = Option(("-h", "--help"), None, "Print this text")
FORMAT_OPTIONS = (
    Option(("-0", "--null"), None,
           "Print the new token, then the paths, each ended by NUL"),
    Option(("--json",), None, "Print one JSON object a line"),
    Option(("--names",), "PAT",
           "Only names that match, such as '*.py'; may be repeated"),
)
TOKEN = Syntax(
    "token", "DIR",
    "Print the token of this moment, to ask later what changed since.",
    (), 1, 1)
SINCE = Syntax(
    "since", "DIR [TOKEN]",
    "Print what changed in the mount that DIR lies in after TOKEN was made, "
    "or FRESH\nif anything may have. TOKEN is left out with --state.",
    (Option(("--no-sync",), None,
            "Do not first flush what was stored through mappings"),
     Option(("--state",), "FILE",
            "Take the token from FILE and put the new one there"),
     *FORMAT_OPTIONS), 1, 2)
WATCH = Syntax(
    "watch", "DIR [TOKEN]",
    "Print what changes in the mount that DIR lies in, after TOKEN or from "
    "now on,\nuntil interrupted.", FORMAT_OPTIONS, 1, 2)


def read_format(syntax: Syntax, values: Dict[str, List[str]]) -> \
        Tuple[str, List[str]]:
    """How to print, and the patterns of names."""
    names = values.get("--names", [])
    wrong = None
    if "-0" in values and "--json" in values:
        wrong = "-0 and --json exclude each other"
    elif not all(names):
        wrong = "--names: the pattern is empty"
    else:
        try:
            encode_names(names)
        except ValueError:
            wrong = ("--names: the patterns are too long, all of them may "
                     "have 63 bytes")
    if wrong:
        syntax.usage(f"sincefs {syntax.name}: {wrong}")
    style = (output.NUL if "-0" in values else
             output.JSON if "--json" in values else output.TEXT)
    return style, names


def read_token(syntax: Syntax, text: str) -> Token:
    """A token given by a person or a script: "" knows nothing."""
    try:
        return Token.parse(text) if text else NOTHING
    except ValueError:
        syntax.usage(f"not a token: {shown(text)}")


# ---- asking and printing ----

def connect(directory: str) -> Connection:
    """A connection, or an end with a message."""
    try:
        try:
            return Connection(directory)
        except NotMounted:
            if os.path.isabs(directory):
                raise
            # A shell that stood in the directory before it was covered stands
            # below the mount, where "." is not on it: by its path it is.
            real = os.path.realpath(directory)
            connection = Connection(real)
            report(f"{shown(real)} is asked, but this process stands below "
                   "the mount; in a shell type cd \"$PWD\"")
            return connection
    except OSError as error:
        ask_failed(directory, error)


def write(data: bytes, what: str) -> None:
    """Print all of it. No buffer: what is not written is known at once, and
    nothing is left to be written later."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest):]
    except OSError as error:
        fail(f"cannot print {what}: {reason(error.errno or errno.EIO)}")


class Printer:
    """Prints answers; the roots of scanned trees are asked for once."""

    def __init__(self, connection: Connection, style: str,
                 stream: bool) -> None:
        self._connection = connection
        self._style = style
        self._stream = stream
        self._roots: Dict[int, Optional[bytes]] = {1: None}

    def _root_of(self, tree: int) -> Optional[bytes]:
        if tree not in self._roots:
            try:
                for each in self._connection.trees():
                    self._roots.setdefault(each.id, os.fsencode(each.root))
            except OSError:
                return None  # the answer is there, and is printed
        return self._roots.get(tree)

    def print(self, answer: Answer) -> None:
        """Print an answer, or fail."""
        write(output.format_answer(self._style, answer, self._root_of,
                                   self._stream), "what changed")


# ---- state files ----

def read_state(path: str) -> Token:
    """The token in a file; the one that knows nothing if there is no file, or
    a token of another version in it."""
    tried = f"cannot take a token from {shown(path)}: "
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        fail(tried + reason(error.errno or errno.EIO))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            fail(tried + "not a regular file")
        text = os.read(fd, 50)
    except OSError as error:
        fail(tried + reason(error.errno or errno.EIO))
    finally:
        os.close(fd)
    if text.endswith(b"\n"):
        text = text[:-1]
    elif not text:
        return NOTHING
    try:
        return Token.parse(os.fsdecode(text))
    except TokenVersionError:
        return NOTHING
    except ValueError:
        fail(tried + "it holds something else, and is left alone")


def _keep_attributes(fd: int, path: str) -> None:
    """Give the new file what the old one had."""
    try:
        old = os.stat(path)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(fd, 0o666 & ~mask)
        return
    with suppress(OSError):  # only root may; for others it is right already
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))


def write_state(path: str, token: Token) -> None:
    """Put a token into a file, whole or not at all, also after a crash."""
    target = os.path.realpath(path)
    beside = None
    try:
        fd, beside = tempfile.mkstemp(
            "", os.path.basename(target) + ".", os.path.dirname(target))
        try:
            _keep_attributes(fd, target)
            os.write(fd, f"{token}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(beside, target)
    except OSError as error:
        if beside:
            with suppress(OSError):
                os.unlink(beside)
        fail(f"cannot keep the token in {shown(path)}: "
             f"{reason(error.errno or errno.ENOSPC)}")
    with suppress(OSError):
        directory = os.open(os.path.dirname(target),
                            os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


# ---- the commands ----

def command_token(arguments: List[str]) -> None:
    """sincefs token DIR"""
    _, (directory,) = TOKEN.parse(arguments)
    with connect(directory) as connection:
        try:
            token = connection.token()
        except OSError as error:
            ask_failed(directory, error)
        write(f"{token}\n".encode(), "the token")


def command_since(arguments: List[str]) -> None:
    """sincefs since DIR TOKEN. First the answer is out, then the new token
    takes the place of the old one: whom the answer did not reach gets it
    again."""
    values, operands = SINCE.parse(arguments)
    style, names = read_format(SINCE, values)
    state = values.get("--state", [""])[-1]
    if "--state" not in values and len(operands) < 2:
        SINCE.usage("sincefs since: wants DIR TOKEN, or --state FILE and DIR")
    if "--state" in values and len(operands) > 1:
        SINCE.usage("sincefs since: --state is instead of TOKEN")
    token = read_token(SINCE, operands[1]) if len(operands) > 1 else \
        read_state(state)
    with connect(operands[0]) as connection:
        try:
            answer = connection.since(token, names or None,
                                      sync="--no-sync" not in values)
        except OSError as error:
            ask_failed(operands[0], error)
        Printer(connection, style, False).print(answer)
    if "--state" in values:
        write_state(state, answer.token)


class Watch:
    """
    The loop of sincefs watch: ask, print, wait. Beside news it waits for three
    things: a signal; that somebody closed our output; and that the mount goes
    away while our open descriptor keeps its daemon alive.
    """

    def __init__(self, directory: str, connection: Connection,
                 printer: Printer, names: List[str]) -> None:
        self._directory = directory
        self._connection = connection
        self._printer = printer
        self._names = names or None
        # A handler only ends a wait: what is being printed is printed whole.
        self._interrupted = False
        signals, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, self._interrupt)
        # Changes of the mounts are told to those who had it open before.
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY)
        self._mount_id = place.find_mount_id(connection.fileno())
        self._poller = select.poll()
        self._poller.register(connection.fileno(), select.POLLIN)
        self._poller.register(self._mounts, select.POLLPRI)
        self._poller.register(1, 0)
        self._poller.register(signals, select.POLLIN)

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True

    def run(self, token: Optional[Token]) -> None:
        """Until interrupted."""
        if token is None:
            try:
                token = self._connection.token()
            except OSError as error:
                ask_failed(self._directory, error)
        else:
            token = self._print_news(token)
        while self._wait():
            token = self._print_news(token)

    def _print_news(self, token: Token) -> Token:
        try:
            answer = self._connection.since(token, self._names)
        except OSError as error:
            ask_failed(self._directory, error)
        if answer:
            self._printer.print(answer)
        return answer.token

    def _wait(self) -> bool:
        """True: there is news; False: interrupted."""
        broken = select.POLLERR | select.POLLHUP | select.POLLNVAL
        while True:
            events = dict(self._poller.poll())
            if self._interrupted:
                return False
            if events.get(1, 0) & select.POLLERR:
                fail(f"cannot print what changed: {reason(errno.EPIPE)}")
            if self._mounts in events and self._mount_id is not None and \
                    not place.is_listed(self._mount_id):
                fail(f"cannot watch {shown(self._directory)} any longer: it "
                     "was unmounted")
            news = events.get(self._connection.fileno(), 0)
            if news & broken:
                try:
                    self._connection.info()
                except OSError as error:
                    ask_failed(self._directory, error)
                ask_failed(self._directory, OSError(errno.EIO, ""))
            if news & select.POLLIN:
                return True


def command_watch(arguments: List[str]) -> None:
    """sincefs watch DIR [TOKEN]"""
    values, operands = WATCH.parse(arguments)
    style, names = read_format(WATCH, values)
    token = read_token(WATCH, operands[1]) if len(operands) > 1 else None
    with connect(operands[0]) as connection:
        Watch(operands[0], connection, Printer(connection, style, True),
              names).run(token)


COMMANDS: Dict[str, Tuple[Callable[[List[str]], None], str]] = {
    "token": (command_token, "print the token of this moment"),
    "since": (command_since, "print what changed after a token"),
    "watch": (command_watch, "print what changes, until interrupted"),
}


def usage() -> str:
    """The text of --help without a command."""
    lines = ["Usage:", f"  {NAME} COMMAND [OPTION...] [ARGUMENT...]", "",
             "Tells which files of a tree changed since a moment, without "
             "looking at them.", "", "Commands:"]
    lines += [f"  {name:<8} {does}" for name, (_, does) in COMMANDS.items()]
    lines += ["", f"'{NAME} COMMAND --help' tells about one of them."]
    return "\n".join(lines) + "\n"


def main(arguments: List[str]) -> int:
    """Run a command; its exit status."""
    # A standard stream that is closed would become whatever is opened next, so
    # it is filled with something that can not be written to.
    fd = os.open("/dev/null", os.O_RDONLY)
    while fd <= 2:
        fd = os.open("/dev/null", os.O_RDONLY)
    os.close(fd)
    try:
        if not arguments:
            os.write(2, usage().encode())
            return USAGE
        if arguments[0] in ("-h", "--help"):
            write(usage().encode(), "this help")
            return 0
        if arguments[0] not in COMMANDS:
            report(f"no command is called '{arguments[0]}'")
            os.write(2, f"Try '{NAME} --help'.\n".encode())
            return USAGE
        COMMANDS[arguments[0]][0](arguments[1:])
    except Exit as end:
        return end.status
    except KeyboardInterrupt:
        # As a program that does not mind the signal.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
