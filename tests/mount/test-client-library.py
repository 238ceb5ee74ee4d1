# SPDX-License-Identifier: MIT
"""libsincefs on real mounts: what it opens, its answers, its waiting, and what
it says when the daemon is gone. client-probe.c is the program that uses it."""

import errno
import mmap
import os
import select
import signal
import subprocess
import threading

import harness
import sincefs_client as client
from harness import NOBODY, SLOW, equal, true
from sincefs_client import (CONTENT, DIR, GONE, META, NEW, NO_TOKEN, RESTART,
                            Record, Token)

NO_SYNC = 0x1
BELOW = 0x2
NOTHING = "sincefs:1:0000000000000000:0"


class Answer(list):
    fresh = False
    reason = 0
    token = ""

    def flags(self):
        paths = [record.path for record in self]
        equal(len(paths), len(set(paths)), "number of different paths")
        return {record.path: record.flags for record in self}


class Probe:
    """A client-probe process: one connection of libsincefs."""

    def __init__(self, t, path, **more):
        self._process = subprocess.Popen(
            [t.program("mount/client-probe"), path], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, cwd="/", **more)
        self.opened = int(self._read()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30 * SLOW)
        self._process.stdout.close()

    @property
    def pid(self):
        return self._process.pid

    def _read(self):
        line = self._process.stdout.readline()
        true(line.endswith(b"\n"), f"the probe ended after {line!r}")
        return line.split()

    def send(self, *words):
        line = " ".join(map(str, words)) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def receive(self):
        """Result, or a list of result and more."""
        words = self._read()
        return int(words[0]) if len(words) == 1 else [int(words[0]),
                                                      *words[1:]]

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def is_silent(self, seconds):
        return not select.select([self._process.stdout], [], [], seconds)[0]

    def now(self):
        return self.ask("now")[1].decode()

    def since(self, token, flags=0, mask=0, names=None):
        result = self.ask("since", token, flags, mask,
                          *([names] if names else []))
        if isinstance(result, int):
            return result
        answer = Answer()
        answer.fresh = result[1] == b"1"
        answer.reason = int(result[2])
        answer.token = result[4].decode()
        for _ in range(int(result[3])):
            *numbers, path = self._read()
            answer.append(Record(*map(int, numbers),
                                 bytes.fromhex(path.decode())))
        return answer


def build(path):
    os.mkdir(os.path.join(path, "d"))
    for name in "a.py", "d/b.py":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def append(path):
    with open(path, "a") as file:
        file.write("x")


def must_tell(answer, expected):
    equal({path: client.flag_names(flags)
           for path, flags in answer.flags().items()},
          {os.fsencode(path): client.flag_names(flags)
           for path, flags in expected.items()}, "answer")


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
                 os.path.join(t.base, "whole")):
        with Probe(t, path) as probe:
            equal(probe.opened, 0, f"result of opening {path}")
            true(not probe.since(probe.now()).fresh, "FRESH")


@harness.test()
def paths_beside_a_mount_are_not_on_it(t):
    m = t.mount(build=build)
    os.symlink(t.base, m.at("out"))
    for path, expected in ((t.base, errno.ENOTTY), (m.at("out"), errno.ENOTTY),
                           (m.below, errno.ENOTTY),
                           (m.at("a.py/"), errno.ENOTDIR),
                           (m.at("missing"), errno.ENOENT)):
        with Probe(t, path) as probe:
            equal(probe.opened, -expected, f"result of opening {path}")


@harness.test()
def opening_and_closing_leaves_nothing(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        equal(probe.ask("reopen", 1000), 0, "result")
        equal(len(os.listdir(f"/proc/{probe.pid}/fd")), 4,
              "number of descriptors")


@harness.test(needs_root=True)
def another_user_is_told_that_he_may_not(t):
    def opened(m):
        with Probe(t, m.path, user=NOBODY, group=NOBODY,
                   extra_groups=[]) as probe:
            return probe.opened

    equal(opened(t.mount("--allow-other", build=build)), -errno.EPERM,
          "result with --allow-other")
    equal(opened(t.mount(build=build, name="closed")), -errno.EACCES,
          "result without")


# ---- answers ----

@harness.test()
def changes_are_told(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        answer = probe.since(NOTHING)
        equal((answer.fresh, answer.reason, len(answer)),
              (True, NO_TOKEN, 0), "first answer")
        token = answer.token
        must_tell(probe.since(token), {})
        append(m.at("a.py"))
        os.mkdir(m.at("new"))
        os.chmod(m.at("d"), 0o700)
        os.unlink(m.at("d/b.py"))
        answer = probe.since(token)
        must_tell(answer, {"a.py": CONTENT, "new": CONTENT | NEW | DIR,
                           "d": META | DIR, "d/b.py": CONTENT | GONE})
        equal({record.pid for record in answer}, {os.getpid()}, "writers")
        equal({record.uid for record in answer}, {os.getuid()}, "users")
        equal({record.tree for record in answer}, {1}, "trees")
        must_tell(probe.since(answer.token), {})
        must_tell(probe.since(token, names="*.py"),
                  {"a.py": CONTENT, "d/b.py": CONTENT | GONE})
        must_tell(probe.since(token, names="d,n*"),
                  {"new": CONTENT | NEW | DIR, "d": META | DIR})
        must_tell(probe.since(token, mask=META),
                  {"d": META | DIR, "d/b.py": CONTENT | GONE})
        other = client.token_text(Token(1, 2))
        answer = probe.since(other)
        equal((answer.fresh, answer.reason), (True, RESTART), "other token")


@harness.test()
def below_is_the_directory_that_was_opened(t):
    m = t.mount(build=build)
    for path in m.at("d"), m.at("d/b.py"):
        with Probe(t, path) as probe:
            token = probe.now()
            append(m.at("a.py"))
            append(m.at("d/b.py"))
            must_tell(probe.since(token, flags=BELOW), {"b.py": CONTENT})
            must_tell(probe.since(token),
                      {"a.py": CONTENT, "d/b.py": CONTENT})


@harness.test()
def a_store_through_a_mapping_is_told(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe, open(m.at("a.py"), "r+b") as file, \
            mmap.mmap(file.fileno(), 0) as mapped:
        for letter in b"xyz":
            token = probe.now()
            mapped[0] = letter
            must_tell(probe.since(token), {"a.py": CONTENT})


@harness.test(limit=60)
def an_answer_of_many_pages_is_whole(t):
    m = t.mount(build=build)
    names = [f"{n:05}" + "x" * (n % 200) for n in range(2000)]
    with Probe(t, m.path) as probe:
        token = probe.now()
        for name in names:
            with open(m.at(name), "w"):
                pass
        answer = probe.since(token)
        must_tell(answer, {name: CONTENT | NEW for name in names})
        equal([record.path for record in answer],
              [name.encode() for name in names], "order")


@harness.test(limit=60)
def nothing_is_missed_while_pages_are_read(t):
    """Writers change the same names again and again, so that names move from
    page to page: an answer has each name once, and each that had changed when
    it was asked for. So has the sum of the answers that follow each other."""
    m = t.mount(build=build)
    names = [f"n{n}" for n in range(2000)]
    for name in names:
        with open(m.at(name), "w"):
            pass
    done = set()  # names of which a change has returned
    end = threading.Event()

    def write(n):
        while not end.is_set():
            name = names[n % len(names)]
            os.truncate(m.at(name), n % 100)
            done.add(name.encode())
            n += 7

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    longest = 0
    following = set()
    with Probe(t, m.path) as probe:
        start = token = probe.now()
        for writer in writers:
            writer.start()
        try:
            # Until there were answers of several pages, too.
            rounds = 0
            while rounds < 100 or longest <= 500:
                rounds += 1
                before = set(done)
                answer = probe.since(start)
                true(not answer.fresh, "FRESH")
                equal(before - answer.flags().keys(), set(), "missed names")
                longest = max(longest, len(answer))
                answer = probe.since(token)
                true(not answer.fresh, "FRESH")
                following |= answer.flags().keys()
                equal(before - following, set(), "missed names")
                token = answer.token
        finally:
            end.set()
            for writer in writers:
                writer.join()


# ---- waiting ----

@harness.test()
def changed_says_whether_to_ask(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        token = probe.now()
        equal(probe.ask("changed", token), 0, "result")
        append(m.at("a.py"))
        equal(probe.ask("changed", token), 1, "result")
        equal(probe.ask("changed", token), 1, "result")
        equal(probe.ask("changed", probe.now()), 0, "result")
        equal(probe.ask("changed", NOTHING), 1, "result")


@harness.test()
def waiting_ends_with_the_time(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        token = probe.now()
        equal(probe.ask("wait", token, 0)[0], 0, "result")
        result, elapsed = probe.ask("wait", token, 300)
        equal(result, 0, "result")
        true(int(elapsed) >= 300, f"ended after {int(elapsed)} ms")


@harness.test()
def waiting_ends_with_a_change(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        for timeout in 20000, -1:
            token = probe.now()
            probe.send("wait", token, timeout)
            true(probe.is_silent(0.2), "did not wait")
            append(m.at("a.py"))
            result, elapsed = probe.receive()
            equal(result, 1, "result")
            true(int(elapsed) < 10000 * SLOW, f"{int(elapsed)} ms")


@harness.test()
def what_has_changed_already_is_not_waited_for(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        token = probe.now()
        append(m.at("a.py"))
        probe.now()  # moves what the descriptor waits for
        equal(probe.ask("wait", token, -1)[0], 1, "result")
        equal(probe.ask("wait", NOTHING, -1)[0], 1, "result")


@harness.test()
def many_wait_for_one_change(t):
    m = t.mount(build=build)
    probes = [Probe(t, m.at("d")) for _ in range(8)]
    for probe in probes:
        probe.send("wait", probe.now(), 20000)
    true(all(probe.is_silent(0.05) for probe in probes), "did not wait")
    append(m.at("a.py"))
    for probe in probes:
        equal(probe.receive()[0], 1, "result")
        probe.__exit__()


@harness.test()
def a_signal_ends_the_waiting(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        probe.send("wait", probe.now(), -1)
        true(probe.is_silent(0.2), "did not wait")
        os.kill(probe.pid, signal.SIGUSR1)
        equal(probe.receive()[0], -errno.EINTR, "result")


@harness.test()
def the_descriptor_is_readable_after_a_change(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        token = probe.now()
        equal(probe.ask("poll", 0), 0, "events")
        append(m.at("a.py"))
        for _ in range(2):
            equal(probe.ask("poll", 0), select.POLLIN, "events")
        must_tell(probe.since(token), {"a.py": CONTENT})
        equal(probe.ask("poll", 0), 0, "events")
        probe.send("poll", 20000)
        true(probe.is_silent(0.2), "did not wait")
        os.chmod(m.at("d"), 0o700)
        equal(probe.receive(), select.POLLIN, "events")


# ---- trees ----

@harness.test()
def the_tree_of_the_mount_is_described(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        result, flags, _, root = probe.ask("tree", 1)
        equal((result, int(flags), root),
              (0, client.TREE_MOUNTED, os.fsencode(m.path)), "tree")
        equal(probe.ask("tree", 2), -errno.ENOENT, "result of tree 2")
        equal(probe.ask("scan", 2, -1), -errno.ENOENT, "result of scan")


# ---- a daemon that is gone ----

@harness.test()
def a_daemon_that_is_gone_is_said(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe, Probe(t, m.path) as waiting, \
            Probe(t, m.path) as polling:
        token = probe.now()
        waiting.send("wait", token, -1)
        polling.now()
        polling.send("poll", 20000)
        true(waiting.is_silent(0.2), "did not wait")
        true(polling.is_silent(0), "did not wait")
        os.kill(m.pid, signal.SIGKILL)
        equal(waiting.receive()[0], -errno.ENOTCONN, "result of wait")
        true(polling.receive() & select.POLLERR, "events")
        for words in (("now",), ("changed", token), ("wait", token, -1),
                      ("since", token, 0, 0), ("since", token, NO_SYNC, 0),
                      ("tree", 1), ("scan", 1, -1)):
            result = probe.ask(*words)
            if isinstance(result, list):
                result = result[0]
            equal(result, -errno.ENOTCONN, f"result of {words[0]}")
        for path in m.path, m.at("a.py"), m.at("d"):
            with Probe(t, path) as late:
                equal(late.opened, -errno.ENOTCONN,
                      f"result of opening {path}")


@harness.test()
def a_new_daemon_says_restart(t):
    m = t.mount(build=build)
    with Probe(t, m.path) as probe:
        token = probe.now()
        equal(probe.opened, 0, "result")
    m.umount()
    m = t.mount(path=m.path)
    with Probe(t, m.path) as probe:
        equal(probe.ask("changed", token), 1, "result")
        equal(probe.ask("wait", token, -1)[0], 1, "result")
        answer = probe.since(token)
        equal((answer.fresh, answer.reason), (True, RESTART), "answer")


if __name__ == "__main__":
    harness.main()
