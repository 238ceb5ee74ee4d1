# SPDX-License-Identifier: MIT
"""The Python client on real mounts: what it opens, its answers and the paths in
them, its waiting, and what it says when the daemon is gone."""

import asyncio
import contextlib
import errno
import gc
import mmap
import os
import select
import signal
import sys
import threading
import time
import warnings

import common  # noqa: F401

import harness
import sincefs
from harness import NOBODY, SLOW, equal, true, wait_until
from sincefs import Connection, Flags, Token

CONTENT, META, NEW, GONE, DIR, SUBTREE = (
    Flags.CONTENT, Flags.META, Flags.NEW, Flags.GONE, Flags.DIR,
    Flags.SUBTREE)


def build(path):
    os.mkdir(os.path.join(path, "d"))
    for name in "a.py", "d/b.py":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def append(path):
    with open(path, "a") as file:
        file.write("x")


def raised(kind, function, *arguments, **named):
    """The exception of function(...), which must be of this very kind."""
    try:
        function(*arguments, **named)
    except Exception as error:
        equal(type(error), kind, f"kind of {error!r}")
        return error
    harness.fail(f"no {kind.__name__}")


def must_tell(answer, expected):
    true(not answer.fresh and answer.reason is None, f"{answer}")
    equal({change.relative: change.flags for change in answer.changes},
          expected, "answer")


def paths(answer):
    return [change.path for change in answer.changes]


def in_python(t, code, *arguments, prefix=(), **more):
    """What a program in another process prints; sincefs is imported."""
    return t.run(*prefix, sys.executable, "-c",
                 "import os, sys\n"
                 f"sys.path.insert(0, {sys.path[0]!r})\n"
                 "import sincefs\n" + code, *arguments, **more).decode(
                     errors="surrogateescape").splitlines()


# ---- opening ----

@harness.test()
def every_path_of_a_mount_can_be_opened(t):
    m = t.mount(build=build)
    os.symlink("../a.py", m.at("d/inner"))
    os.symlink(m.at("d/b.py"), os.path.join(t.base, "outer"))
    os.symlink(m.path, os.path.join(t.base, "whole"))
    os.mkfifo(m.at("fifo"))
    for path in (m.path, m.path + "/", m.at("a.py"), m.at("d"),
                 m.at("d/b.py"), m.at("d/inner"), m.at("fifo"),
                 os.path.join(t.base, "outer"),
                 os.path.join(t.base, "whole"), os.fsencode(m.path)):
        with Connection(path) as connection:
            equal(connection.token().instance, m.instance, f"at {path}")
    os.chdir(m.at("d"))
    for path in ".", "b.py", "inner", "../a.py":
        with Connection(path) as connection:
            equal(connection.token().instance, m.instance, f"at {path}")
    os.chdir("/")


@harness.test()
def what_cannot_be_opened_is_said(t):
    m = t.mount(build=build)
    os.symlink(t.base, m.at("out"))
    for path in t.base, m.at("out"), m.below, "/proc":
        error = raised(sincefs.NotMounted, Connection, path)
        equal((error.errno, error.filename), (errno.ENOTTY, path), "error")
        true(isinstance(error, OSError), "no OSError")
    error = raised(FileNotFoundError, Connection, m.at("missing"))
    equal(error.filename, m.at("missing"), "path")
    raised(NotADirectoryError, Connection, m.at("a.py/"))
    raised(TypeError, Connection, 5)


@harness.test()
def a_file_of_that_name_elsewhere_is_not_asked(t):
    """Nor does opening it block or do anything."""
    for name, make in (("file", lambda path: append(path)),
                       ("fifo", os.mkfifo), ("directory", os.mkdir),
                       ("link", lambda path: os.symlink("/dev/zero", path))):
        folder = t.directory(name)
        make(os.path.join(folder, ".sincefs"))
        raised(sincefs.NotMounted, Connection, folder)


@harness.test()
def who_waits_at_a_fifo_of_that_name_still_waits(t):
    folder = t.directory("folder")
    fifo = os.path.join(folder, ".sincefs")
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: open(fifo, "wb").close())
    writer.start()
    writer.join(0.1)
    raised(sincefs.NotMounted, Connection, folder)
    writer.join(0.1)
    equal(writer.is_alive(), True, "it waits")
    with open(fifo, "rb"):
        writer.join()


@harness.test()
def opening_and_closing_leaves_nothing(t):
    m = t.mount(build=build)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with Connection(m.path) as connection:
            connection.wait(None, 1)
            connection.close()
        raised(sincefs.NotMounted, Connection, t.base)
    equal(len(os.listdir("/proc/self/fd")), before, "descriptors")
    for call in (connection.token, connection.info, connection.trees,
                 connection.fileno, connection.scan):
        raised(ValueError, call)
    for call in connection.since, connection.changed, connection.wait:
        raised(ValueError, call, None)
    m.umount()


@harness.test()
def a_connection_that_is_forgotten_is_closed(t):
    m = t.mount(build=build)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        connection = Connection(m.path)
        connection.since(connection.token())
        del connection
        gc.collect()
    equal([each.category for each in said], [ResourceWarning], "warnings")
    m.umount()


@harness.test(needs_root=True)
def another_user_is_told_that_he_may_not(t):
    equal(t.as_user(NOBODY, Connection,
                    t.mount("--allow-other", build=build).path), errno.EPERM,
          "with --allow-other")
    equal(t.as_user(NOBODY, Connection,
                    t.mount(build=build, name="closed").path), errno.EACCES,
          "without")


# ---- answers ----

@harness.test()
def changes_are_told(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        answer = connection.since(None)
        equal((answer.fresh, answer.reason, answer.changes),
              (True, "no-token", ()), "the first answer")
        true(answer, "fresh is nothing")
        token = answer.token
        answer = connection.since(token)
        must_tell(answer, {})
        true(not answer, "nothing is something")
        append(m.at("a.py"))
        os.mkdir(m.at("new"))
        os.chmod(m.at("d"), 0o700)
        os.unlink(m.at("d/b.py"))
        answer = connection.since(token)
        expected = {"a.py": CONTENT, "new": CONTENT | NEW | DIR,
                    "d": META | DIR, "d/b.py": CONTENT | GONE}
        must_tell(answer, expected)
        true(answer, "something is nothing")
        equal(paths(answer), [m.at(name) for name in expected], "paths")
        for change in answer.changes:
            equal((change.pid, change.uid, change.tree),
                  (os.getpid(), os.getuid(), 1), f"writer of {change}")
            equal((change.new, change.gone, change.subtree, change.directory),
                  (change.relative == "new", change.relative == "d/b.py",
                   False, change.relative in ("new", "d")), "properties")
        clocks = [change.clock for change in answer.changes]
        equal(clocks, sorted(clocks), "clocks")
        must_tell(connection.since(answer.token), {})
        # Asking has changed nothing, and a text is as good.
        must_tell(connection.since(str(token)), expected)
        must_tell(connection.since(token, "*.py"),
                  {"a.py": CONTENT, "d/b.py": CONTENT | GONE})
        must_tell(connection.since(token, ["d", b"n*"]),
                  {"new": CONTENT | NEW | DIR, "d": META | DIR})
        must_tell(connection.since(token, kinds=META),
                  {"d": META | DIR, "d/b.py": CONTENT | GONE})
        must_tell(connection.since(token, tree=1), expected)
        os.rename(m.at("new"), m.at("e"))
        for change in connection.since(answer.token).changes:
            true(change.subtree, f"no SUBTREE: {change}")


@harness.test()
def doubt_is_said(t):
    m = t.mount("--capacity", "3", build=build)
    with Connection(m.path) as connection:
        token = connection.token()
        for i in range(10):
            append(m.at(f"f{i}"))
        now = connection.token()
        for asked, reason in (
                (token, "forgot"), (None, "no-token"),
                (sincefs.NOTHING, "no-token"),
                (Token(m.instance ^ 1, now.clock), "restart"),
                (Token(m.instance, now.clock + 1), "future")):
            answer = connection.since(asked)
            equal((answer.fresh, answer.reason, answer.changes, answer.token),
                  (True, reason, (), now), f"for {asked}")
            true(connection.changed(asked), f"{asked} is as now")
            true(connection.wait(asked, 0), f"{asked} is waited for")


@harness.test()
def wrong_questions_are_refused(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        token = connection.token()
        for call in connection.since, connection.changed, connection.wait, \
                connection.watch:
            raised(ValueError, call, "text")
            raised(ValueError, call, "")
            raised(TypeError, call, 5)
        raised(sincefs.TokenVersionError, connection.since, "sincefs:2:x")
        for names in "", [""], ["a", ""], "a\0b", "x" * 64, ["x" * 31] * 2 + [
                "y"]:
            raised(ValueError, connection.since, token, names)
            raised(ValueError, connection.watch, token, names)
        must_tell(connection.since(token, ["x" * 31, "y" * 31]), {})
        must_tell(connection.since(token, []), {})
        raised(ValueError, connection.since, token, kinds=GONE)
        raised(FileNotFoundError, connection.since, token, tree=2)


@harness.test()
def below_is_the_directory_that_was_opened(t):
    m = t.mount(build=build)
    for path in m.at("d"), m.at("d/b.py"):
        with Connection(path) as connection:
            token = connection.token()
            append(m.at("a.py"))
            append(m.at("d/b.py"))
            answer = connection.since(token, below=True)
            must_tell(answer, {"b.py": CONTENT})
            equal(paths(answer), [m.at("d/b.py")], "paths")
            must_tell(connection.since(token),
                      {"a.py": CONTENT, "d/b.py": CONTENT})
            os.rename(m.at("d"), m.at("e"))
            append(m.at("e/b.py"))
            answer = connection.since(connection.since(token).token,
                                      below=True)
            must_tell(answer, {})
            append(m.at("e/b.py"))
            answer = connection.since(token, below=True)
            true(m.at("e/b.py") in paths(answer), f"{answer}")
            os.rename(m.at("e"), m.at("d"))


@harness.test()
def a_store_through_a_mapping_is_told(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection, \
            open(m.at("a.py"), "r+b") as file, \
            mmap.mmap(file.fileno(), 0) as mapped:
        true(os.geteuid() != 0 or connection.info().exact, "not exact")
        for letter in b"xyz":
            token = connection.token()
            mapped[0] = letter
            must_tell(connection.since(token), {"a.py": CONTENT})


@harness.test()
def names_need_not_be_text(t):
    m = t.mount()
    with Connection(m.path) as connection:
        token = connection.token()
        names = [b"\xff\xfe", "grün".encode(), b"a\n\\\"", b"..."]
        for name in names:
            append(os.fsencode(m.path) + b"/" + name)
        answer = connection.since(token)
        equal([os.fsencode(change.path) for change in answer.changes],
              [os.fsencode(m.path) + b"/" + name for name in names], "paths")
        for change in answer.changes:
            true(os.path.exists(change.path), f"{change} is not there")


@harness.test(limit=60)
def an_answer_of_many_pages_is_whole(t):
    m = t.mount(build=build)
    names = [f"{n:05}" + "x" * (n % 200) for n in range(2000)]
    with Connection(m.path) as connection:
        token = connection.token()
        for name in names:
            append(m.at(name))
        answer = connection.since(token)
        equal([change.relative for change in answer.changes], names, "order")
        equal({change.flags for change in answer.changes}, {CONTENT | NEW},
              "flags")


@harness.test(limit=60)
def nothing_is_missed_by_threads_that_share_a_connection(t):
    """Two threads ask, one waits, and writers go on; each change that had
    returned is in the next answer of every thread."""
    m = t.mount(build=build)
    done = []
    end = threading.Event()
    problems = []

    def write():
        n = 0
        while not end.is_set():
            append(m.at(f"n{n % 300}"))
            done.append(f"n{n % 300}")
            n += 1

    def ask(connection, waits):
        try:
            token = connection.token()
            # One change may have been made before and is yet to be noted.
            start = len(done) + 1
            seen = set()
            for _ in range(150):
                if waits:
                    true(connection.wait(token, 20 * SLOW), "slept through")
                before = set(done[start:])
                answer = connection.since(token)
                true(not answer.fresh, "FRESH")
                seen |= {change.relative for change in answer.changes}
                equal(before - seen, set(), "missed names")
                token = answer.token
        except BaseException as error:
            problems.append(error)

    with Connection(m.path) as connection:
        writer = threading.Thread(target=write)
        writer.start()
        askers = [threading.Thread(target=ask, args=(connection, waits))
                  for waits in (False, False, True)]
        for thread in askers:
            thread.start()
        for thread in askers:
            thread.join()
        end.set()
        writer.join()
    equal(problems, [], "problems")


# ---- where names are ----

@harness.test(needs_root=True)
def a_bind_mount_shows_its_own_paths(t):
    m = t.mount(build=build)
    whole, part = t.directory("whole"), t.directory("part of it")
    t.run("mount", "--bind", m.path, whole)
    t.run("mount", "--bind", m.at("d"), part)
    try:
        for path, expected in (
                (m.path, [m.at("a.py"), m.at("d/b.py")]),
                (whole, [whole + "/a.py", whole + "/d/b.py"]),
                # What lies outside of the part is where the daemon has it.
                (part, [m.at("a.py"), part + "/b.py"])):
            with Connection(path) as connection:
                token = connection.token()
                append(m.at("a.py"))
                append(m.at("d/b.py"))
                equal(paths(connection.since(token)), expected, "paths")
                equal(connection.trees()[0].root,
                      whole if path == whole else m.path, "root")
    finally:
        t.run("umount", whole)
        t.run("umount", part)


@harness.test(needs_root=True)
def another_name_space_has_its_own_paths(t):
    """As a container has it: the mount at another place, the daemon's place
    hidden, and / another directory."""
    m = t.mount(build=build)
    jail = t.directory("jail")
    for name in "proc", "src":
        os.mkdir(os.path.join(jail, name))
    script = f"""set -e
        mount --make-rprivate /
        mount --bind {m.path} {jail}/src
        mount --bind /proc {jail}/proc
        "$@" """
    code = """
os.chroot(sys.argv[1])
os.chdir("/")
with sincefs.Connection("/src/d") as connection:
    token = connection.token()
    open("/src/d/b.py", "a").write("x")
    print(*(change.path for change in connection.since(token).changes))
"""
    equal(in_python(t, code, jail, prefix=("unshare", "-m", "sh", "-c",
                                           script, "sh")),
          ["/src/d/b.py"], "paths")


@harness.test()
def a_mount_point_may_move(t):
    parent = t.directory("parent")
    m = t.mount(path=t.directory("parent/m"), build=build)
    with Connection(m.path) as connection:
        token = connection.token()
        append(m.at("a.py"))
        equal(paths(connection.since(token)), [m.at("a.py")], "paths")
        os.rename(parent, parent + "2")
        try:
            equal(paths(connection.since(token)), [parent + "2/m/a.py"],
                  "paths after a rename")
        finally:
            os.rename(parent + "2", parent)


@harness.test()
def without_proc_paths_are_the_daemons(t):
    if os.geteuid() != 0:
        t.skip("needs root")
    m = t.mount(build=build)
    code = """
with sincefs.Connection(sys.argv[1]) as connection:
    token = connection.token()
    open(sys.argv[1] + "/a.py", "a").write("x")
    print(*(change.path for change in connection.since(token).changes))
"""
    equal(in_python(t, code, m.path, prefix=(
        "unshare", "-m", "sh", "-c",
        'mount -t tmpfs none /proc && exec "$@"', "sh")),
          [m.at("a.py")], "paths")


@harness.test()
def a_removed_directory_still_asks(t):
    m = t.mount(build=build)
    os.mkdir(m.at("gone"))
    with Connection(m.at("gone")) as connection:
        token = connection.token()
        os.rmdir(m.at("gone"))
        must_tell(connection.since(token), {"gone": CONTENT | GONE | DIR})
        token = connection.token()
        equal(connection.wait(token, 0), False, "nothing to wait for")
        timer = threading.Timer(0.1, append, (m.at("a.py"),))
        timer.start()
        equal(connection.wait(token, 20 * SLOW), True, "waited in vain")
        timer.join()
        equal(paths(connection.since(token)), [m.at("a.py")], "paths")
        raised(FileNotFoundError, connection.since, token, below=True)


# ---- the daemon and its trees ----

@harness.test()
def the_daemon_is_described(t):
    m = t.mount("--capacity", "1000", build=build)
    with Connection(m.path) as connection:
        append(m.at("a.py"))
        info = connection.info()
        equal((info.pid, info.capacity, info.entries, info.tree,
               info.tree_count), (m.pid, 1000, 1, 1, 1), "info")
        equal(info.now, connection.token(), "now")
        true(0 < info.floor <= info.now.clock, f"{info}")
        tree, = connection.trees()
        equal((tree.id, tree.root, tree.mounted, tree.scan_error),
              (1, m.path, True, 0), "tree")


@harness.test()
def a_scan_is_waited_for(t):
    outside = t.directory("outside")
    os.mkdir(outside + "/d")
    scans = "--scan=" in t.command("mount", "--help")
    m = t.mount(*(("--scan", outside, "--scan-period", "600")
                  if scans else ()), build=build)
    with Connection(m.path) as connection:
        error = raised(FileNotFoundError, connection.scan, "/usr")
        equal(error.filename, "/usr", "path")
        raised(FileNotFoundError, connection.scan, m.at("missing"))
        if not scans:
            for path in None, m.path, m.at("d"):
                equal(raised(OSError, connection.scan, path).errno,
                      errno.EOPNOTSUPP, "errno")
            return
        _, tree = connection.trees()
        equal((tree.root, tree.mounted), (outside, False), "tree")
        wait_until(lambda: connection.trees()[1].scans, 20, "a baseline")
        for path in outside, outside + "/d", None:
            token = connection.token()
            append(outside + "/d/x.py")
            equal(connection.changed(token), False, "known before a scan")
            equal(connection.scan(path, 20 * SLOW), True, "result")
            found = connection.since(token).changes
            true(outside + "/d/x.py" in [each.path for each in found],
                 f"{found}")
            # Its end does not keep this connection's descriptor readable.
            equal(select.select([connection], [], [], 0)[0], [], "readable")


# ---- waiting ----

@harness.test()
def changed_says_whether_to_ask(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        token = connection.token()
        equal(connection.changed(token), False, "result")
        append(m.at("a.py"))
        equal(connection.changed(token), True, "result")
        equal(connection.changed(str(token)), True, "result")
        equal(connection.changed(connection.token()), False, "result")
        equal(connection.changed(None), True, "result")


@harness.test()
def waiting_ends_with_the_time(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        token = connection.token()
        begin = time.monotonic()
        equal(connection.wait(token, 0), False, "result")
        equal(connection.wait(token, 0.3), False, "result")
        true(time.monotonic() - begin >= 0.3, "ended before the time")


@harness.test()
def waiting_ends_with_a_change(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        for timeout in 20 * SLOW, None:
            token = connection.token()
            # Other questions must not put it off: they move what this
            # connection's own descriptor waits for.
            stirrer = threading.Timer(0.1, connection.token)
            writer = threading.Timer(0.2, lambda: (append(m.at("a.py")),
                                                   connection.token()))
            stirrer.start()
            writer.start()
            begin = time.monotonic()
            equal(connection.wait(token, timeout), True, "result")
            true(time.monotonic() - begin >= 0.2, "ended before a change")
            equal(connection.wait(token, 0), True, "of what is past")
            stirrer.join()
            writer.join()


@harness.test()
def waiting_lets_signal_handlers_run(t):
    m = t.mount(build=build)

    class Interrupted(Exception):
        pass

    def handler(*_):
        raise Interrupted

    signal.signal(signal.SIGUSR1, lambda *_: append(m.at("a.py")))
    with Connection(m.path) as connection:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        equal(connection.wait(connection.token(), 20 * SLOW), True, "result")
        timer.join()
        signal.signal(signal.SIGUSR1, handler)
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        before = len(os.listdir("/proc/self/fd"))
        timer.start()
        raised(Interrupted, connection.wait, connection.token(), 20 * SLOW)
        timer.join()
        equal(len(os.listdir("/proc/self/fd")), before, "descriptors")


@harness.test()
def the_descriptor_is_readable_after_a_change(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        def ready():
            return bool(select.select([connection], [], [], 0)[0])

        token = connection.token()
        equal(ready(), False, "readable")
        append(m.at("a.py"))
        equal((ready(), ready()), (True, True), "readable")
        connection.wait(token, 5)
        connection.trees()
        must_tell(connection.since(token), {"a.py": CONTENT})
        equal(ready(), False, "readable after the answer")
        timer = threading.Timer(0.1, append, (m.at("a.py"),))
        timer.start()
        true(select.select([connection], [], [], 20 * SLOW)[0],
             "waited in vain")
        timer.join()


# ---- watching ----

async def take(changes, count):
    found = []
    async for change in changes:
        found.append(change)
        if len(found) == count:
            return found


def run(main):
    return asyncio.run(asyncio.wait_for(main, 20 * SLOW))


@harness.test()
def changes_come_as_they_happen(t):
    m = t.mount(build=build)

    async def main(connection):
        changes = connection.watch()
        append(m.at("a.py"))  # from the call on, not from the first step
        equal([each.path for each in await take(changes, 1)], [m.at("a.py")],
              "the first")
        task = asyncio.ensure_future(take(changes, 1))
        await asyncio.sleep(0.05)
        os.chmod(m.at("d"), 0o700)
        equal([each.path for each in await task], [m.at("d")], "the second")
        # What comes next has the same descriptor.
        await changes.aclose()
        changes = connection.watch(names="*.py")
        task = asyncio.ensure_future(take(changes, 2))
        await asyncio.sleep(0.05)
        append(m.at("other"))
        append(m.at("a.py"))
        connection.token()  # does not put the watching off
        await asyncio.sleep(0.05)
        equal(task.done(), False, "ended")
        os.unlink(m.at("d/b.py"))
        found = await task
        equal([(each.relative, each.flags) for each in found],
              [("a.py", CONTENT), ("d/b.py", CONTENT | GONE)], "changes")
        await changes.aclose()

    before = len(os.listdir("/proc/self/fd"))
    with Connection(m.path) as connection:
        run(main(connection))
    equal(len(os.listdir("/proc/self/fd")), before, "descriptors")


@harness.test()
def watching_costs_nothing_while_nothing_happens(t):
    m = t.mount(build=build)

    async def main(connection):
        task = asyncio.ensure_future(take(connection.watch(), 1))
        await asyncio.sleep(0.05)
        before = time.process_time()
        await asyncio.sleep(0.5)
        true(time.process_time() - before < 0.1, "it is busy")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    before = len(os.listdir("/proc/self/fd"))
    with Connection(m.path) as connection:
        run(main(connection))
    equal(len(os.listdir("/proc/self/fd")), before, "descriptors")


@harness.test()
def watching_says_that_anything_may_have_changed(t):
    m = t.mount(build=build)

    async def main(connection):
        changes = connection.watch(Token(1, 1))
        root, = await take(changes, 1)
        equal((root.path, root.relative, root.flags, root.pid, root.uid),
              (m.path, ".", CONTENT | DIR | SUBTREE, 0, None), "the root")
        append(m.at("a.py"))
        equal([each.path for each in await take(changes, 1)], [m.at("a.py")],
              "what comes after")
        await changes.aclose()

    with Connection(m.path) as connection:
        run(main(connection))


@harness.test()
def many_watch_one_connection(t):
    m = t.mount(build=build)

    async def main(connection):
        tasks = [asyncio.ensure_future(take(connection.watch(), 1))
                 for _ in range(10)]
        await asyncio.sleep(0.1)
        append(m.at("a.py"))
        for found in await asyncio.gather(*tasks):
            equal([each.path for each in found], [m.at("a.py")], "changes")

    with Connection(m.path) as connection:
        run(main(connection))


# ---- a daemon that is gone ----

@harness.test()
def a_daemon_that_is_gone_is_said(t):
    m = t.mount(build=build)
    problems = []

    def wait(connection, token):
        try:
            connection.wait(token, 20 * SLOW)
        except OSError as error:
            problems.append(error)

    async def main(connection):
        changes = connection.watch()
        task = asyncio.ensure_future(take(changes, 1))
        await asyncio.sleep(0.1)
        os.kill(m.pid, signal.SIGKILL)
        try:
            await task
        except sincefs.DaemonGone as error:
            problems.append(error)

    with Connection(m.path) as connection:
        token = connection.token()
        thread = threading.Thread(target=wait, args=(connection, token))
        thread.start()
        run(main(connection))
        thread.join()
        equal([type(each) for each in problems], [sincefs.DaemonGone] * 2,
              "what waited")
        for call in connection.token, connection.info, connection.trees, \
                connection.scan:
            equal(raised(sincefs.DaemonGone, call).errno, errno.ENOTCONN,
                  "errno")
        for call in connection.since, connection.changed, connection.wait:
            raised(sincefs.DaemonGone, call, token)
        for path in m.path, m.at("a.py"), m.at("d"):
            error = raised(sincefs.DaemonGone, Connection, path)
            equal(error.filename, path, "path")


@harness.test()
def a_new_daemon_says_restart(t):
    m = t.mount(build=build)
    with Connection(m.path) as connection:
        token = connection.token()
    m.umount()
    m = t.mount(path=m.path)
    with Connection(m.path) as connection:
        equal(connection.changed(token), True, "result")
        equal(connection.wait(token, 5), True, "result")
        answer = connection.since(token)
        equal((answer.fresh, answer.reason), (True, "restart"), "answer")


if __name__ == "__main__":
    harness.main()
