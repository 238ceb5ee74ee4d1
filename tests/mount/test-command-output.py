# SPDX-License-Identifier: MIT
"""What token, since, watch and status print, byte by byte, and when a state
file is replaced."""

import base64
import json
import os
import platform
import select
import signal
import subprocess
import time

import harness
from harness import equal, true, wait_until

TOKEN_START = "sincefs:1:"


def fill(path):
    for name in "a", "b", "old":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)
    os.makedirs(path + "/d/e")
    with open(path + "/d/e/x.py", "w") as file:
        file.write("x")


def token_of(m, t):
    return t.command("token", m.path).strip()


def ask(t, *arguments, status=0, stdout=None):
    """The raw output of a command, and what it said on standard error."""
    done = subprocess.run(
        [harness.COMMAND, *arguments], env=t.env, stdin=subprocess.DEVNULL,
        stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=30 * harness.SLOW)
    equal(done.returncode, status, f"status ({done.stderr})")
    return done.stdout, done.stderr.decode(errors="replace")


def touch(path):
    with open(path, "a") as file:
        file.write("more")


# ---- token ----

@harness.test()
def token_is_one_line(t):
    m = t.mount()
    said = t.command("token", m.path)
    true(said.startswith(TOKEN_START) and said.endswith("\n"), said)
    instance, clock = said.strip().split(":")[2:]
    equal(len(instance), 16, "digits of the instance")
    equal(int(instance, 16), m.instance, "instance")
    true(int(clock) > 0, said)


@harness.test()
def token_to_a_full_disk_fails(t):
    m = t.mount()
    with open("/dev/full", "w") as full:
        _, err = ask(t, "token", m.path, status=1, stdout=full)
    equal(err, "sincefs: cannot print the token: no space left on device\n",
          "what was said")


# ---- since, as text ----

@harness.test()
def each_kind_of_change_has_its_letter(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    touch(m.at("a"))
    os.mkdir(m.at("new"))
    os.remove(m.at("old"))
    os.chmod(m.at("b"), 0o600)
    os.utime(m.at("d"), (1, 1))
    equal(ask(t, "since", m.path, token)[0],
          b"M  a\nA  new/\nD  old\nm  b\nm  d/\n", "the answer")
    # Asking has changed nothing.
    equal(ask(t, "since", "--no-sync", m.at("d", "e"), token)[0],
          b"M  a\nA  new/\nD  old\nm  b\nm  d/\n", "the answer")
    equal(ask(t, "since", m.path, token_of(m, t))[0], b"", "no change")


@harness.test()
def renamed_directory_is_gone_and_new(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    os.rename(m.at("d"), m.at("f"))
    equal(sorted(ask(t, "since", m.path, token)[0].splitlines()),
          [b"A  f/", b"D  d/"], "the answer")
    parts = ask(t, "since", "-0", m.path, token)[0].split(b"\0")
    equal(sorted(parts[1:]), [b"", b"d/", b"f/"], "with -0")


@harness.test()
def odd_names_are_quoted_as_git_does(t):
    m = t.mount()
    names = [bytes([c]) + b"x" for c in range(1, 256) if c != ord("/")]
    token = token_of(m, t)
    for name in names:
        os.close(os.open(os.fsencode(m.path) + b"/" + name,
                         os.O_CREAT | os.O_WRONLY))
    t.run("git", "init", "-q", m.path)
    t.run("git", "-C", m.path, "add", ".")
    gits = t.run("git", "-C", m.path, "ls-files").splitlines()
    mine = [line[3:] for line in ask(t, "since", m.path, token)[0].splitlines()
            if not line[3:].startswith(b".git")]
    equal(sorted(mine), sorted(gits), "the quoted names")


@harness.test()
def fresh_is_one_line(t):
    m = t.mount(build=fill)
    equal(ask(t, "since", m.path, "")[0], b"FRESH\n", "without a token")
    equal(ask(t, "since", m.path, TOKEN_START + "0" * 15 + "1:1")[0],
          b"FRESH\n", "another instance")


@harness.test()
def names_filter_the_answer(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    touch(m.at("a"))
    touch(m.at("d", "e", "x.py"))
    touch(m.at("y.pyi"))
    equal(ask(t, "since", "--names", "*.py", m.path, token)[0],
          b"M  d/e/x.py\n", "one pattern")
    equal(ask(t, "since", "--names", "*.py", "--names", "a", m.path,
              token)[0], b"M  a\nM  d/e/x.py\n", "two patterns")
    # The longest that fit.
    equal(ask(t, "since", "--names", "z" * 31, "--names", "y" * 31, m.path,
              token)[0], b"", "63 bytes")


@harness.test()
def ignored_names_are_not_told(t):
    m = t.mount("--ignore", "*.pyc", "--ignore", "/d/e/", build=fill)
    token = token_of(m, t)
    touch(m.at("a.pyc"))
    touch(m.at("d", "e", "x.py"))
    touch(m.at("a"))
    equal(ask(t, "since", m.path, token)[0], b"M  a\n", "the answer")


@harness.test()
def small_capacity_forgets(t):
    m = t.mount("--capacity", "3", build=fill)
    token = token_of(m, t)
    for i in range(3):
        touch(m.at(f"f{i}"))
    equal(len(ask(t, "since", m.path, token)[0].splitlines()), 3, "records")
    for i in range(10):
        touch(m.at(f"g{i}"))
    out = ask(t, "since", "--json", m.path, token)[0]
    equal(json.loads(out)["reason"], "forgot", "reason")


@harness.test()
def answer_of_many_pages_is_whole(t):
    m = t.mount()
    token = token_of(m, t)
    wanted = []
    for i in range(3000):
        name = f"a-rather-long-name-{i:05}"
        os.close(os.open(m.at(name), os.O_CREAT | os.O_WRONLY))
        wanted.append(f"A  {name}")
    out = ask(t, "since", m.path, token)[0].decode()
    equal(out.splitlines(), wanted, "the answer")


# ---- since, for programs ----

@harness.test()
def nul_is_the_token_and_the_paths(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    touch(m.at("a\n\tb"))
    os.mkdir(m.at("new"))
    parts = ask(t, "since", "-0", m.path, token)[0].split(b"\0")
    equal(parts[1:], [b"a\n\tb", b"new", b""], "the paths")
    equal(ask(t, "since", "-0", m.path, parts[0].decode())[0],
          parts[0] + b"\0", "the answer for the new token")
    fresh = ask(t, "since", "-0", m.path, "")[0].split(b"\0")
    true(fresh[0].startswith(TOKEN_START.encode()), "no token")
    equal(fresh[1:], [b"/", b""], "FRESH")


@harness.test()
def json_is_an_object_a_line(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    touch(m.at("a"))
    os.close(os.open(os.fsencode(m.path) + b"/\xff\n",
                     os.O_CREAT | os.O_WRONLY))
    lines = [json.loads(line) for line in
             ask(t, "since", "--json", m.path, token)[0].splitlines()]
    equal(len(lines), 3, "lines")
    first, second, last = lines
    equal({**first, "clock": 0},
          {"path": "a", "tree": 1, "flags": ["content"], "clock": 0,
           "pid": os.getpid(), "uid": os.getuid()}, "the first")
    equal(base64.b64decode(second["path_base64"]), b"\xff\n", "bytes")
    equal(second["path"], "\ufffd\n", "readable")
    equal(second["flags"], ["content", "new"], "flags")
    true(second["clock"] > first["clock"], "the clocks do not rise")
    true(last["token"].startswith(TOKEN_START), "no token")
    equal((last["fresh"], last["reason"]), (False, None), "the last line")
    fresh = json.loads(ask(t, "since", "--json", m.path, "")[0])
    equal((fresh["fresh"], fresh["reason"]), (True, "no-token"), "FRESH")
    future = token.rsplit(":", 1)[0] + ":99999999"
    fresh = json.loads(ask(t, "since", "--json", m.path, future)[0])
    equal((fresh["fresh"], fresh["reason"]), (True, "future"), "FRESH")


# ---- state files ----

@harness.test()
def state_file_carries_on(t):
    m = t.mount(build=fill)
    state = t.base + "/state"
    equal(ask(t, "since", "--state", state, m.path)[0], b"FRESH\n", "first")
    equal(ask(t, "since", "--state", state, m.path)[0], b"", "second")
    touch(m.at("a"))
    equal(ask(t, "since", "--state", state, m.path)[0], b"M  a\n", "third")
    equal(ask(t, "since", "--state", state, m.path)[0], b"", "fourth")
    with open(state) as file:
        equal(file.read(), t.command("token", m.path), "the file")


@harness.test()
def state_file_stays_when_the_output_fails(t):
    m = t.mount(build=fill)
    state = t.base + "/state"
    ask(t, "since", "--state", state, m.path)
    with open(state) as file:
        before = file.read()
    for i in range(2000):
        touch(m.at(f"f{i:04}"))

    with open("/dev/full", "w") as full:
        _, err = ask(t, "since", "--state", state, m.path, status=1,
                     stdout=full)
    equal(err, "sincefs: cannot print what changed: no space left on device\n",
          "what was said")
    reader, writer = os.pipe()
    os.close(reader)
    _, err = ask(t, "since", "--state", state, m.path, status=1,
                 stdout=writer)
    os.close(writer)
    equal(err, "sincefs: cannot print what changed: broken pipe\n",
          "what was said")
    with open(state) as file:
        equal(file.read(), before, "the file")
    out, _ = ask(t, "since", "--state", state, m.path)
    equal(len(out.splitlines()), 2000, "lines")


@harness.test()
def file_without_a_token_is_not_replaced(t):
    m = t.mount(build=fill)
    before = "print('my program')\n"
    with open(t.base + "/program.py", "w") as file:
        file.write(before)
    out, err = ask(t, "since", "--state", t.base + "/program.py", m.path,
                   status=1)
    equal(out, b"", "what was printed")
    equal(err, f"sincefs: cannot take a token from '{t.base}/program.py': it "
          "holds something else, and is left alone\n", "what was said")
    with open(t.base + "/program.py") as file:
        equal(file.read(), before, "the file")


@harness.test()
def state_that_can_not_be_kept_is_an_error(t):
    m = t.mount(build=fill)
    state = t.base + "/no/state"
    out, err = ask(t, "since", "--state", state, m.path, status=1)
    equal(out, b"FRESH\n", "what was printed")
    equal(err, f"sincefs: cannot keep the token in '{state}': no such file or "
          "directory\n", "what was said")


# ---- watch ----

# poll and ppoll of x86_64; elsewhere the numbers of the common table.
POLL_NUMBERS = ("7", "271") if platform.machine() == "x86_64" else ("73",)


class Watch:
    def __init__(self, t, *arguments):
        self.process = subprocess.Popen(
            [harness.COMMAND, "watch", *arguments], env=t.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.out = b""
        # It waits as soon as it sleeps in poll(2).
        wait_until(self.is_waiting, 10, "it waits")

    def is_waiting(self):
        """In poll(2), and not in a request that comes before: the kernel tells
        the number of the system call of who sleeps in one."""
        try:
            with open(f"/proc/{self.process.pid}/syscall") as file:
                number = file.read().split()[0]
        except ProcessLookupError:
            return False
        return number in POLL_NUMBERS

    def read_until(self, end):
        deadline = time.monotonic() + 10 * harness.SLOW
        while not self.out.endswith(end):
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [],
                                  max(left, 0))[0]
            if not ready:
                harness.fail(f"{self.out!r} does not end in {end!r}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                harness.fail(f"the end after {self.out!r}: "
                             f"{self.process.stderr.read()}")
            self.out += data
        said, self.out = self.out, b""
        return said

    def end(self, number=None, status=0):
        if number:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20 * harness.SLOW)
        equal(self.process.returncode, status, f"status ({err})")
        return out, err.decode()


@harness.test()
def watch_prints_what_changes_from_now_on(t):
    m = t.mount(build=fill)
    touch(m.at("b"))
    watch = Watch(t, m.path)
    touch(m.at("a"))
    equal(watch.read_until(b"a\n"), b"M  a\n", "the first answer")
    os.mkdir(m.at("new"))
    equal(watch.read_until(b"new/\n"), b"A  new/\n", "the second answer")
    equal(watch.end(signal.SIGINT), (b"", ""), "the end")


@harness.test()
def watch_begins_at_its_token(t):
    m = t.mount(build=fill)
    token = token_of(m, t)
    touch(m.at("a"))
    watch = Watch(t, m.path, token)
    equal(watch.read_until(b"\n"), b"M  a\n", "the first answer")
    watch.end(signal.SIGTERM)
    watch = Watch(t, m.path, "")
    equal(watch.read_until(b"\n"), b"FRESH\n", "without a token")
    touch(m.at("b"))
    equal(watch.read_until(b"\n"), b"M  b\n", "after FRESH")
    watch.end(signal.SIGHUP)


@harness.test()
def watch_for_programs_ends_its_answers(t):
    m = t.mount(build=fill)
    watch = Watch(t, "-0", m.path)
    touch(m.at("a"))
    parts = watch.read_until(b"\0\0").split(b"\0")
    true(parts[0].startswith(TOKEN_START.encode()), f"no token: {parts}")
    equal(parts[1:], [b"a", b"", b""], "the rest")
    watch.end(signal.SIGINT)

    watch = Watch(t, "--json", m.path)
    touch(m.at("b"))
    said = watch.read_until(b"null}\n").splitlines()
    equal(json.loads(said[0])["path"], "b", "path")
    true(json.loads(said[1])["token"].startswith(TOKEN_START), "no token")
    watch.end(signal.SIGINT)


@harness.test()
def watch_filters_by_name(t):
    m = t.mount(build=fill)
    watch = Watch(t, "--names", "*.py", m.path)
    touch(m.at("a"))
    touch(m.at("d", "e", "x.py"))
    equal(watch.read_until(b"\n"), b"M  d/e/x.py\n", "the answer")
    watch.end(signal.SIGINT)


@harness.test()
def watch_misses_nothing(t):
    """What it prints, put together, is what since says in the end."""
    m = t.mount()
    watch = Watch(t, m.path)
    for i in range(500):
        touch(m.at(f"f{i % 50}"))
    touch(m.at("last"))
    said = set(watch.read_until(b"last\n").splitlines())
    for i in range(50):
        true({b"A  f%d" % i, b"M  f%d" % i} & said, f"f{i} is missing")
    watch.end(signal.SIGINT)


@harness.test()
def watch_is_interrupted_while_nobody_reads(t):
    m = t.mount()
    for number in signal.SIGTERM, signal.SIGINT:
        watch = Watch(t, m.path)
        for i in range(3000):
            touch(m.at(f"{number}-{i}" + "x" * 80))
        wait_until(lambda: not watch.is_waiting(), 10, "it writes")
        # All that is left is for a full pipe.
        watch.process.send_signal(number)
        equal(watch.process.wait(10 * harness.SLOW), 0, "status")


@harness.test()
def watch_is_interrupted_while_the_daemon_hangs(t):
    m = t.mount(build=fill)
    watch = Watch(t, m.path)
    # It wakes up to news, and asks a daemon that answers no more.
    watch.process.send_signal(signal.SIGSTOP)
    touch(m.at("a"))
    os.kill(m.pid, signal.SIGSTOP)
    try:
        watch.process.send_signal(signal.SIGCONT)
        watch.process.send_signal(signal.SIGTERM)
        equal(watch.process.wait(10 * harness.SLOW), 0, "status")
    finally:
        os.kill(m.pid, signal.SIGCONT)


@harness.test()
def watch_ends_when_its_reader_does(t):
    m = t.mount(build=fill)
    watch = Watch(t, m.path)
    # Without any change that it would want to print.
    watch.process.stdout.close()
    watch.process.stdout = None
    equal(watch.end(status=1)[1],
          "sincefs: cannot print what changed: broken pipe\n",
          "what was said")


@harness.test()
def watch_ends_when_the_mount_does(t):
    m = t.mount(build=fill)
    watch = Watch(t, m.path)
    said = t.command("umount", m.path, status=1)
    true(f"sincefs pid {watch.process.pid}" in said, said)
    t.command("umount", "--lazy", m.path)
    equal(watch.end(status=1)[1], f"sincefs: cannot watch '{m.path}' any "
          "longer: it was unmounted\n", "what was said")
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test()
def watch_ends_when_the_daemon_is_killed(t):
    m = t.mount(build=fill)
    watch = Watch(t, m.path)
    os.kill(m.pid, signal.SIGKILL)
    equal(watch.end(status=1)[1], "sincefs: cannot ask what changed in "
          f"'{m.path}': the daemon of this mount is gone\n", "what was said")
    t.command("umount", m.path)


# ---- status ----

@harness.test()
def status_shows_a_mount(t):
    m = t.mount("--capacity", "1000", build=fill)
    token = token_of(m, t)
    touch(m.at("a"))
    said = t.command("status", m.at("d"))
    for wanted in (f"{m.path}\n", f"daemon is process {m.pid}\n",
                   "remembers 1 of at most 1000 paths\n",
                   f"tree 1    {m.path}, mounted\n"):
        true(wanted in said, said)
    for wanted in ("changes, ", "a second: lookup "):
        true(wanted in said, said)
    true(f"{m.path}\n  state     ok, daemon is process {m.pid}\n"
         in t.command("status"), "it is missing among all")

    shown = json.loads(t.command("status", "--json", m.path))
    equal(shown["mount"], m.path, "mount")
    equal(shown["state"], "ok", "state")
    equal(shown["pid"], m.pid, "pid")
    equal(shown["entries"], 1, "entries")
    equal(shown["capacity"], 1000, "capacity")
    equal(shown["token"].rsplit(":", 1)[0], token.rsplit(":", 1)[0], "token")
    equal(shown["token"].rsplit(":", 1)[1], str(shown["clock"]), "clock")
    equal(shown["trees"], [{"id": 1, "root": m.path, "mounted": True,
                            "flags": ["mounted"], "scans": 0, "files": 0,
                            "scan_age_ns": 0, "scan_period_ns": 0,
                            "scan_cost_ns": 0, "scan_error": 0}], "trees")
    true(shown["stats"]["requests"]["lookup"] > 0, "no look-up was counted")
    equal(shown["stats"]["stamps"], 1, "stamps")
    true("hidden_in" not in shown["stats"], "nothing is hidden")
    stats = shown["stats"]
    equal(stats["stamps"], 1, "changes")
    true(stats["uptime_ns"] > 0 and stats["inodes"] > 1, f"{stats}")
    true(stats["requests"]["ioctl"] > 0, f"{stats}")
    true("hidden_in" not in stats, f"{stats}")
    all_shown = [json.loads(line)["mount"] for line in
                 t.command("status", "--json").splitlines()]
    true(m.path in all_shown, "it is missing among all")


@harness.test()
def status_names_what_the_control_file_hides(t):
    def build(path):
        fill(path)
        os.mkdir(os.path.join(path, "with one"))
        touch(os.path.join(path, "with one", ".sincefs"))

    m = t.mount(build=build)
    equal(os.listdir(m.at("with one")), [], "names that are shown")
    true(".sincefs below, in with one" in t.command("status", m.path),
         "status does not name it")
    shown = json.loads(t.command("status", "--json", m.path))
    equal(shown["stats"]["hidden_in"], "with one", "hidden_in")


@harness.test()
def status_without_a_mount_says_so(t):
    hidden = ["unshare", "-m", "sh", "-c",
              "for i in $(awk '$0 ~ / - fuse.sincefs / {print $5}' "
              "/proc/self/mountinfo); do umount -l \"$i\"; done; "
              'exec "$@"', "sh"]
    if os.geteuid() != 0:
        hidden = []
    equal(t.command("status", prefix=hidden), "no sincefs mounts\n", "status")
    equal(t.command("status", "--json", prefix=hidden), "", "status")


@harness.test()
def status_to_a_full_disk_fails(t):
    with open("/dev/full", "w") as full:
        _, err = ask(t, "status", status=1, stdout=full)
    equal(err, "sincefs: cannot print the status: no space left on device\n",
          "what was said")


harness.main()
