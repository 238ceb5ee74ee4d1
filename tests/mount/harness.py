# SPDX-License-Identifier: MIT
"""Runs tests on real mounts, each in a process and a temporary directory of
its own, with a time limit, and leaves nothing behind whatever happens.

    import harness
    from harness import equal

    @harness.test()
    def a_write_is_in_the_answer_at_once(t):
        m = t.mount()
        ...

    harness.main()

A test's name is a sentence: the function's, with spaces. It passes by
returning, fails by raising, and is skipped by t.skip(reason).

Environment: SINCEFS is the command (default: mount/sincefs in the build tree),
SINCEFS_TEST_REQUIRE_FUSE=1 makes a missing FUSE a failure instead of a skip,
SINCEFS_TEST_ONLY=WORDS runs the tests whose names contain WORDS,
SINCEFS_TEST_SLOW=N multiplies the time limits (sanitizers, valgrind).
"""

import errno
import faulthandler
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import sincefs_client as client

SKIPPED = 77
SLOW = float(os.environ.get("SINCEFS_TEST_SLOW", "1"))
TOP = os.environ.get("SINCEFS_BUILDDIR", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", ".."))
COMMAND = os.environ.get("SINCEFS", os.path.join(TOP, "mount", "sincefs"))
NOBODY = 65534


def _is_sanitized():
    """Sanitizers keep memory back; its size then means nothing."""
    try:
        with open(COMMAND, "rb") as file:
            content = file.read()
    except OSError:
        return False
    return b"__asan_init" in content or b"__tsan_init" in content


SANITIZED = os.environ.get("SINCEFS_TEST_SANITIZED") == "1" or \
    _is_sanitized()

_tests = []


class Skip(Exception):
    """The machine lacks what a test needs."""


class Failure(Exception):
    """A test's expectation does not hold."""


def test(limit=30, needs_root=False, needs_hooks=False):
    """Register a test that may take @limit seconds."""
    def register(function):
        _tests.append((function, limit, needs_root, needs_hooks))
        return function
    return register


# ---- expectations ----

def fail(text):
    raise Failure(text)


def equal(actual, expected, what="value"):
    if actual != expected:
        fail(f"{what} is {actual!r} instead of {expected!r}")


def true(condition, text):
    if not condition:
        fail(text)


def refused(number, function, *args, **kwargs):
    """function(...) must fail with errno @number."""
    try:
        function(*args, **kwargs)
    except OSError as error:
        if error.errno != number:
            fail(f"failed with {errno.errorcode.get(error.errno)} instead of "
                 f"{errno.errorcode[number]}: {error}")
        return
    fail(f"succeeded instead of {errno.errorcode[number]}")


def told(answer, expected, others=False):
    """
    The answer must be a list in which each path of @expected is, with flags:
    {path: need} or {path: (need, never)}. Other paths only with @others.
    """
    if answer.fresh:
        fail(f"FRESH (reason {answer.reason}) instead of a list")
    flags = answer.flags()
    for path, want in expected.items():
        need, never = want if isinstance(want, tuple) else (want, 0)
        path = os.fsencode(path)
        if path not in flags:
            fail(f"{path!r} is missing among {sorted(flags)!r}")
        have = flags[path]
        if need & ~have or never & have:
            fail(f"{path!r} has {client.flag_names(have)}; needed "
                 f"{client.flag_names(need)}, never "
                 f"{client.flag_names(never)}")
    extra = set(flags) - {os.fsencode(path) for path in expected}
    if extra and not others:
        fail(f"told too: " + ", ".join(
            f"{path!r} ({client.flag_names(flags[path])})"
            for path in sorted(extra)))


def fresh(answer, reason):
    if not answer.fresh:
        fail(f"a list instead of FRESH: {list(answer)!r}")
    equal(answer.reason, reason, "reason")
    equal(len(answer), 0, "number of records of a FRESH answer")


# ---- mounts and processes ----

def _unescape(text):
    return os.fsdecode(re.sub(rb"\\([0-7]{3})",
                              lambda match: bytes([int(match[1], 8)]),
                              os.fsencode(text)))


def mounts_below(path):
    """Mount points at and below a path, the deepest and latest first."""
    found = []
    with open("/proc/self/mountinfo", errors="surrogateescape") as lines:
        for line in lines:
            point = _unescape(line.split(" ")[4])
            if point == path or point.startswith(path + "/"):
                found.append(point)
    return found[::-1]


def _daemons_of(base):
    """Living processes that serve mounts in @base: those noted, and those
    whose arguments name a place in it."""
    try:
        with open(os.path.join(base, "daemons")) as lines:
            noted = {line.strip() for line in lines}
    except OSError:
        noted = set()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read()
        except OSError:
            continue
        if b"sincefs\0" in arguments and \
                (pid in noted or os.fsencode(base) + b"/" in arguments):
            found.append(int(pid))
    return found


def _release(base, kill):
    """End whatever a test may have left mounted in @base."""
    left = mounts_below(base)
    if left and kill:
        for pid in _daemons_of(base):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    for point in left:
        done = subprocess.run(["umount", "-l", point],
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            subprocess.run(["fusermount3", "-uz", point],
                           stderr=subprocess.DEVNULL)
    return left


def process_is_gone(pid, seconds=10):
    """Wait until a process has ended (a zombie has)."""
    deadline = time.monotonic() + seconds * SLOW
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                if file.read().rsplit(b")", 1)[1].split()[0] in b"ZX":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


class Mount:
    """A directory covered in place (or with @source, the source shown at the
    directory). below is a path to what lies under it."""

    def __init__(self, t, path, options=(), env=None, source=None,
                 prefix=(), wrapped=False):
        self.path = path
        self._t = t
        try:
            self._below_fd = os.open(source or path,
                                     os.O_RDONLY | os.O_DIRECTORY)
            self.below = f"/proc/{os.getpid()}/fd/{self._below_fd}"
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.ECONNABORTED):
                raise
            self.below = None  # a dead mount lies over it
        arguments = list(options)
        if source:
            arguments += ["--source", source]
        self.output = t.command("mount", *arguments, path, env=env,
                                prefix=prefix)
        with self.connect() as conn:
            info = conn.info()
        self.pid = info.pid
        self.instance = info.now.instance
        with open(os.path.join(t.base, "daemons"), "a") as file:
            file.write(f"{self.pid}\n")

    def connect(self, path="", control=True):
        return client.Connection(os.path.join(self.path, path),
                                 control=control)

    def at(self, *names):
        """A path inside the mount."""
        return os.path.join(self.path, *names)

    def under(self, *names):
        """The same path below the mount."""
        return os.path.join(self.below, *names)

    def umount(self, *options):
        self._t.command("umount", *options, self.path)

    def is_mounted(self):
        return self.path in mounts_below(self.path)


class Test:
    """What a test is given."""

    def __init__(self, base, seed):
        self.base = base
        self.seed = seed
        self.build_dir = TOP
        self.env = dict(os.environ)
        for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
                     "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env[name] = self.directory("of-" + name.lower(), 0o700)
        # What a sanitizer finds in a daemon must not be lost with its stderr.
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            self.env[name] = ":".join(filter(None, (
                os.environ.get(name), f"log_path={base}/sanitizer")))

    def skip(self, reason):
        raise Skip(reason)

    def directory(self, name, mode=0o755):
        path = os.path.join(self.base, name)
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def program(self, name):
        """The path of a helper program that the build made."""
        return os.path.join(self.build_dir, "tests", name)

    def command(self, *arguments, env=None, status=0, prefix=(), limit=60,
                cwd=None):
        """Run the sincefs command; its standard output and error as text."""
        done = subprocess.run(
            [*prefix, COMMAND, *arguments], env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=limit * SLOW, text=True,
            errors="surrogateescape", cwd=cwd or "/")
        if done.returncode != status:
            fail(f"sincefs {' '.join(arguments)}: status {done.returncode} "
                 f"instead of {status}: {done.stdout}")
        return done.stdout

    def run(self, *arguments, limit=300, env=None, cwd=None, quiet=True,
            **more):
        """Run any program, which must succeed; its output as bytes."""
        done = subprocess.run(
            arguments, env={**self.env, **(env or {})}, cwd=cwd or "/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=limit * SLOW, **more)
        if done.returncode != 0:
            fail(f"{' '.join(map(str, arguments))}: status "
                 f"{done.returncode}: "
                 f"{done.stdout.decode(errors='replace')[-4000:]}")
        if not quiet:
            sys.stdout.write(done.stdout.decode(errors="replace"))
            sys.stdout.flush()
        return done.stdout

    def build(self, path, table, *sizes):
        """Build a fake tree (tests/fake/) below @path."""
        self.run(self.program("fake/build-fake-tree"), table,
                 *map(str, sizes), path)

    def mount(self, *options, name="m", build=None, path=None, **more):
        """
        A new directory, filled by build(path) if given, covered. Further
        arguments as those of Mount.
        """
        if path is None:
            path = self.directory(name)
        if build:
            build(path)
        return Mount(self, path, options, **more)

    def as_user(self, uid, function, *args):
        """
        Call function(*args) in a process of user and group @uid. Returns the
        errno that it raised, or 0; other exceptions fail the test.
        """
        pid = os.fork()
        if pid == 0:
            status = 255
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                function(*args)
                status = 0
            except OSError as error:
                status = error.errno
            except Failure as failure:
                print(f"# {failure}")
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status in (255, -signal.SIGSEGV):
            fail(f"the process of user {uid} failed")
        return status


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        if time.monotonic() > deadline:
            fail(f"waited {seconds} seconds in vain: {what}")
        time.sleep(0.01)


# ---- the runner ----

def _fuse_problem():
    if not os.access(COMMAND, os.X_OK):
        return f"{COMMAND} is not there"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    if os.geteuid() != 0 and not shutil.which("fusermount3"):
        return "fusermount3 is missing"
    return None


def _run_child(function, base, seed):
    """In the test's own process: its exit status."""
    faulthandler.register(signal.SIGUSR1)
    os.umask(0o022)
    t = Test(base, seed)
    try:
        function(t)
        status = 0
    except Skip as reason:
        print(f"# {reason}")
        status = SKIPPED
    except Failure as failure:
        frames = traceback.extract_tb(failure.__traceback__)
        where = [frame for frame in frames
                 if not frame.filename.endswith("harness.py")][-1]
        print(f"# {os.path.basename(where.filename)}:{where.lineno}: "
              f"{where.line}\n# {failure}")
        status = 1
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        status = 1
    sys.stdout.flush()
    return status


def _sanitizer_reports(base):
    """What sanitizers found in daemons and helpers."""
    for name in sorted(os.listdir(base)):
        if not name.startswith("sanitizer."):
            continue
        with open(os.path.join(base, name), errors="replace") as file:
            lines = file.read().splitlines()
        # A remark of the leak checker on a busy thread is no error.
        if not all("was not suspended" in line for line in lines):
            yield "\n".join(["# " + name] + lines)


def _run(function, limit, seed):
    """Run a test; (exit status, what to say about it)."""
    base = os.path.realpath(tempfile.mkdtemp(prefix="sincefs-test-"))
    os.chmod(base, 0o755)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os._exit(_run_child(function, base, seed))
    note = ""
    try:
        poller = select.poll()
        ended = os.pidfd_open(pid)
        poller.register(ended, select.POLLIN)
        if not poller.poll(limit * SLOW * 1000):
            note = f"no end within {limit * SLOW:g} seconds"
            os.kill(pid, signal.SIGUSR1)
            poller.poll(500)
            _release(base, True)
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        _release(base, True)
        raise
    # Whoever the test started and did not wait for.
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    daemons = _daemons_of(base)
    _release(base, False)
    for daemon in daemons:
        if not process_is_gone(daemon, 10):
            os.kill(daemon, signal.SIGKILL)
            if status == 0:
                status = 1
                note = f"daemon {daemon} did not end after the unmount"
    for text in _sanitizer_reports(base):
        print(text)
        status = 1
        note = "a sanitizer found something"
    if mounts_below(base):
        note = f"something is still mounted in {base}"
        status = status or 1
    else:
        # Not shutil.rmtree(), which recurses into what tests nest deeply.
        subprocess.run(["chmod", "-R", "u+rwX", base],
                       stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", base])
    return status, note


def main():
    """Run the registered tests and exit as automake wants it."""
    problem = _fuse_problem()
    if problem:
        required = os.environ.get("SINCEFS_TEST_REQUIRE_FUSE") == "1"
        print(f"{'FAIL' if required else 'SKIP'}: {problem}")
        sys.exit(1 if required else SKIPPED)

    only = os.environ.get("SINCEFS_TEST_ONLY", "")
    seed = int(os.environ.get("SINCEFS_TEST_SEED", "0")) or \
        int.from_bytes(os.urandom(4), "little")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    # End in order when automake's time limit comes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for function, limit, needs_root, needs_hooks in _tests:
        name = function.__name__.replace("_", " ")
        if only not in name:
            continue
        begin = time.monotonic()
        if needs_root and os.geteuid() != 0:
            status, note = SKIPPED, "needs root"
        elif needs_hooks and os.environ.get("SINCEFS_TEST_HOOKS") == "no":
            status, note = SKIPPED, "built with --disable-test-hooks"
        else:
            status, note = _run(function, limit, seed)
        took = time.monotonic() - begin
        if status == 0:
            counts["passed"] += 1
            print(f"ok {name} ({took:.1f} s)")
        elif status == SKIPPED:
            counts["skipped"] += 1
            print(f"ok {name} # skipped {note}")
        else:
            counts["failed"] += 1
            print(f"not ok {name} ({took:.1f} s)" +
                  (f": {note}" if note else ""))
        sys.stdout.flush()
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    if counts["failed"] or not (counts["passed"] or counts["skipped"]):
        sys.exit(1)
    sys.exit(0 if counts["passed"] else SKIPPED)
