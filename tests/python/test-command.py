# SPDX-License-Identifier: MIT
""""python3 -m sincefs" against the command sincefs on real mounts: the same
bytes, messages and exit statuses."""

import os
import select
import signal
import subprocess
import sys
import time

import common

import harness
from harness import equal, true, wait_until
from sincefs import testing

OURS = [sys.executable, "-m", "sincefs"]
OPTIONS = ((), ("-0",), ("--json",), ("--names", "*.py"),
           ("--names=*.py", "-0", "--names", "odd*"), ("--no-sync", "--json"))


def environment(t):
    return {**t.env, "PYTHONPATH": os.path.dirname(common.PACKAGE)}


def ask(t, command, *arguments, **more):
    """(status, output, messages) of a command."""
    done = subprocess.run(
        [*command, *arguments], env=environment(t), stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, timeout=60 * harness.SLOW,
        **{"stdout": subprocess.PIPE, **more})
    return done.returncode, done.stdout, done.stderr


def first_difference(one, two):
    """Where two outputs part, short enough to be read."""
    at = len(os.path.commonprefix([one, two]))
    return at, one[max(0, at - 40):at + 40], two[max(0, at - 40):at + 40]


def compare(t, *arguments, **more):
    """Both say the same; what it is. A hint how to get help names whom it is
    to be asked of, and so it is not compared."""
    status, output, said = ask(t, [harness.COMMAND], *arguments, **more)
    our_status, our_output, our_said = ask(t, OURS, *arguments, **more)
    if "--json" in arguments:
        # json-glib writes one control character as it is, which JSON does not
        # allow.
        output = output.replace(b"\x1f", b"\\u001f")
    equal(our_status, status, f"status of {arguments} ({our_said})")
    true(our_output == output, f"answer to {arguments}: "
         f"{first_difference(our_output or b'', output or b'')}")
    said, our_said = (
        [line for line in text.splitlines() if not line.startswith(b"Try ")]
        for text in (said, our_said))
    equal(our_said, said, f"messages of {arguments}")
    return status, output, said


def token_of(t, m):
    return t.command("token", m.path).strip()


def touch(path):
    with open(path, "a") as file:
        file.write("more")


# ---- answers ----

@harness.test(limit=60)
def answers_are_the_same(t):
    m = t.mount(build=lambda path: testing.build(testing.PROJECT, path))
    token = token_of(t, m)
    for directory in m.path, m.at("weather"), m.at("run.sh"):
        equal(compare(t, "since", directory, token)[:2], (0, b""), "nothing")
    touch(m.at("run.sh"))
    os.mkdir(m.at("new"))
    os.remove(m.at("weather/units.py"))
    os.rename(m.at("docs"), m.at("documents"))
    os.chmod(m.at("tests"), 0o700)
    os.utime(m.at("tests"), (1, 1))
    os.rename(m.at("weather/station.py"), m.at("new.py"))
    for options in OPTIONS:
        status, output, _ = compare(t, "since", *options, m.path, token)
        true(status == 0 and output, "no answer")
        compare(t, "since", *options, m.at("documents"), token)
    instance = token.rsplit(":", 1)[0]
    for other in "", "sincefs:1:0000000000000001:1", instance + ":99999999":
        for options in OPTIONS:
            compare(t, "since", *options, m.path, other)
    equal(compare(t, "token", m.path)[1].decode(),
          t.command("token", m.path), "token")


@harness.test(limit=60)
def odd_names_are_the_same(t):
    m = t.mount()
    token = token_of(t, m)
    names = [bytes([c]) + b"x" for c in range(1, 256) if c != ord("/")]
    names += [b"\xe2\x82", b"\xe2\x82x", b"\xed\xa0\x80", b"\xc0\x80",
              b"\xf4\x90\x80\x80", "\u2028\U0001f600\ufffd".encode(),
              b"-rf", b" ", b"'", b"x" * 255]
    os.mkdir(m.at("d"))
    testing.build(testing.PROJECT, m.at("d"))
    for name in names:
        os.close(os.open(os.fsencode(m.path) + b"/" + name,
                         os.O_CREAT | os.O_WRONLY))
    for options in OPTIONS:
        compare(t, "since", *options, m.path, token)
    lines = compare(t, "since", m.path, token)[1].splitlines()
    true(len(lines) > len(names) + 40, "names are missing")


@harness.test(limit=60)
def answers_of_many_pages_are_the_same(t):
    m = t.mount(build=lambda path: t.build(path, "many", 2500, 50))
    token = token_of(t, m)
    t.run("find", m.path, "-name", "*.py", "-exec", "touch", "{}", "+")
    for options in OPTIONS:
        compare(t, "since", *options, m.path, token)
    os.rename(m.at("part0"), m.at("part1"))
    compare(t, "since", "-0", m.path, token)


# ---- refusals ----

@harness.test(limit=60)
def what_fails_is_said_in_the_same_words(t):
    m = t.mount()
    token = token_of(t, m)
    for arguments in (
            ("token", t.base), ("since", t.base, token), ("watch", t.base),
            ("token", t.base + "/no\nthing"), ("token", "nothing"),
            ("since", m.path), ("since", "--state", "f", m.path, token),
            ("since", m.path, "a token"), ("since", m.path, token + "\n"),
            ("since", m.path, token + "\xe9"), ("nothing",), ("token",),
            ("watch", m.path, token, "more"), ("since", "-0", "--json",
                                               m.path, token),
            ("since", "--names", "", m.path, token),
            ("since", "--names", "x" * 64, m.path, token),
            ("since", "--names", "x" * 31, "--names", "y" * 32, m.path,
             token),
            ("since", "--state", t.base, m.path),
            ("since", "--state", t.base + "/no/file", m.path)):
        status, _, said = compare(t, *arguments)
        true(status in (1, 2) and said, f"{arguments} did not fail")
    for arguments in (("since", "--nothing", m.path, token),
                      ("since", "-x", m.path, token),
                      ("since", m.path, token, "--names")):
        equal(compare(t, *arguments)[0], 2, "status")
    with open("/dev/full", "w") as full:
        for arguments in (("token", m.path), ("since", m.path, ""),
                          ("since", "--state", t.base + "/s", m.path)):
            compare(t, *arguments, stdout=full)
    equal(os.path.exists(t.base + "/s"), False, "a state is there")
    equal(compare(t, "since", "--", m.path, token)[:2], (0, b""), "after --")
    os.kill(m.pid, signal.SIGKILL)
    wait_until(lambda: harness.process_is_gone(m.pid), 10, "the end")
    for arguments in (("token", m.path), ("since", m.path, token),
                      ("watch", m.path)):
        equal(compare(t, *arguments)[0], 1, "status")


@harness.test(needs_root=True)
def other_users_are_told_the_same(t):
    m = t.mount("--allow-other")
    for arguments in ("token", m.path), ("since", "-0", m.path, ""):
        equal(compare(t, *arguments, user=harness.NOBODY, group=harness.NOBODY,
                      extra_groups=[])[0], 1, "status")


@harness.test()
def a_shell_below_the_mount_is_told_the_same(t):
    path = t.directory("m")
    os.chdir(path)
    m = t.mount(path=path)
    token = token_of(t, m)
    touch(m.at("a"))
    status, output, said = compare(t, "since", ".", token)
    equal((status, output, len(said)), (0, b"A  a\n", 1), "answer")
    os.chdir("/")


@harness.test()
def a_closed_output_is_not_written_over(t):
    """What is opened next would else be the output."""
    m = t.mount()
    state = t.base + "/state"
    t.command("since", "--state", state, m.path)
    touch(m.at("a"))
    with open(state) as file:
        before = file.read()
    for command in [harness.COMMAND], OURS:
        status, _, said = ask(t, ["sh", "-c", 'exec "$@" >&-', "sh", *command],
                              "since", "--state", state, m.path)
        equal((status, said), (1, b"sincefs: cannot print what changed: bad "
                               b"file descriptor\n"), f"of {command}")
    with open(state) as file:
        equal(file.read(), before, "the state")


# ---- state files ----

@harness.test()
def state_files_are_taken_over(t):
    """Either carries on from where the other was."""
    m = t.mount()
    state = t.base + "/state"
    both = [harness.COMMAND], OURS
    expected = b"FRESH\n"
    for turn in range(4):
        equal(ask(t, both[turn % 2], "since", "--state", state, m.path),
              (0, expected, b""), f"answer {turn}")
        equal([name for name in os.listdir(t.base) if "state." in name], [],
              "left-overs")
        with open(state) as file:
            equal(file.read(), t.command("token", m.path), "the file")
        touch(m.at(f"f{turn}"))
        expected = b"A  f%d\n" % turn


@harness.test()
def state_files_keep_what_they_are(t):
    m = t.mount()
    real, link = t.base + "/real", t.base + "/link"
    with open(real, "w") as file:
        file.write("sincefs:2:of another version\n")
    os.chmod(real, 0o640)
    os.symlink("real", link)
    equal(ask(t, OURS, "since", "--state", link, m.path), (0, b"FRESH\n", b""),
          "answer")
    before = os.stat(real)
    equal(ask(t, OURS, "since", "--state", link, m.path), (0, b"", b""),
          "answer")
    after = os.stat(real)
    true(os.path.islink(link), "the link was replaced")
    true(before.st_ino != after.st_ino, "the file was written in place")
    equal((after.st_mode, after.st_uid), (before.st_mode, before.st_uid),
          "mode and owner")
    with open(real, "w") as file:
        file.write("my notes\n")
    equal(compare(t, "since", "--state", real, m.path)[0], 1, "status")
    with open(real) as file:
        equal(file.read(), "my notes\n", "the file")
    os.mkfifo(t.base + "/fifo")
    equal(compare(t, "since", "--state", t.base + "/fifo", m.path)[0], 1,
          "status")
    new = t.base + "/new"
    equal(ask(t, OURS, "since", "--state", new, m.path)[0], 0, "status")
    equal(os.stat(new).st_mode & 0o777, 0o644, "mode of a new file")


# ---- watching ----

class Watch:
    """A watch in the background."""

    def __init__(self, t, command, *arguments):
        self.process = subprocess.Popen(
            [*command, "watch", *arguments], env=environment(t),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def read_until(self, end):
        output = b""
        deadline = time.monotonic() + 20 * harness.SLOW
        while end not in output:
            ready = select.select([self.process.stdout], [], [], max(
                0, deadline - time.monotonic()))[0]
            true(ready, f"{output!r} does not have {end!r}")
            data = os.read(self.process.stdout.fileno(), 65536)
            true(data, f"the end after {output!r}")
            output += data
        return output

    def end(self, number=None):
        if number:
            self.process.send_signal(number)
        output, said = self.process.communicate(timeout=20 * harness.SLOW)
        return self.process.returncode, output, said.decode()


@harness.test(limit=60)
def streams_are_the_same(t):
    m = t.mount()
    for options, end in (((), b"two\n"), (("-0",), b"two\0\0"),
                         (("--json",), b"null}\n"),
                         (("--names", "t*"), b"two\n")):
        # Both begin with what is past, so that it is known what they print.
        for name in "one", "two":
            touch(m.at(name))
        said = []
        for command in [harness.COMMAND], OURS:
            watch = Watch(t, command, *options, m.path,
                          f"sincefs:1:{m.instance:016x}:2")
            said.append(watch.read_until(end))
            equal(watch.end(signal.SIGTERM), (0, b"", ""), "end")
        equal(said[1], said[0], f"stream with {options}")


@harness.test(limit=60)
def a_stream_goes_on(t):
    m = t.mount()
    watch = Watch(t, OURS, m.path, "")
    equal(watch.read_until(b"\n"), b"FRESH\n", "first")
    for name in "one", "two":
        os.mkdir(m.at(name))
        equal(watch.read_until(b"\n"), b"A  %s/\n" % name.encode(), "next")
    equal(watch.end(signal.SIGINT), (0, b"", ""), "end")

    # Without a token it begins now, which is when it waits.
    watch = Watch(t, OURS, m.path)
    wait_until(lambda: "mountinfo" in str([
        os.path.realpath(f"/proc/{watch.process.pid}/fd/{fd}") for fd in
        os.listdir(f"/proc/{watch.process.pid}/fd")]), 20, "it waits")
    while not select.select([watch.process.stdout], [], [], 0.05)[0]:
        touch(m.at("three"))
    true(watch.read_until(b"\n").endswith(b"  three\n"), "the change")
    equal(watch.end(signal.SIGHUP)[::2], (0, ""), "end")


@harness.test(limit=60)
def streams_end_in_the_same_words(t):
    for end in "reader", "mount", "daemon":
        said = []
        for number, command in enumerate(([harness.COMMAND], OURS)):
            m = t.mount(name=f"{end}{number}")
            watch = Watch(t, command, m.path, "")
            equal(watch.read_until(b"\n"), b"FRESH\n", "first")
            if end == "reader":
                watch.process.stdout.close()
                watch.process.stdout = None
            elif end == "mount":
                m.umount("--lazy")
            else:
                os.kill(m.pid, signal.SIGKILL)
            status, _, text = watch.end()
            equal(status, 1, "status")
            said.append(text.replace(m.path, "PATH"))
        true(said[0].startswith("sincefs: cannot "), f"{said}")
        equal(said[1], said[0], f"after the end of the {end}")


if __name__ == "__main__":
    harness.main()
