# SPDX-License-Identifier: MIT
"""examples/devserver/ on a real mount: the loop that restarts a command, and
the server that restarts behind its socket."""

import os
import re
import signal
import subprocess
import sys
import threading
import types
import urllib.request

import reload_support as support
import harness
from harness import equal, true

FOLDER = os.path.join(support.TOP, "examples", "devserver")
sys.path.insert(0, FOLDER)


class Loop:
    """examples/devserver/reload_loop.py around a script in a mount that adds
    lines to a log outside of it."""

    def __init__(self, t, script, *options, files=None):
        self.log = os.path.join(t.base, "log")

        def build(path):
            support.write(f"{path}/app.py", script)
            for name, text in (files or {}).items():
                support.write(f"{path}/{name}", text)
        self.mount = t.mount(build=build)
        self.errors = open(os.path.join(t.base, "errors"), "w+")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, "reload_loop.py"), *options,
             self.mount.path, "--", sys.executable, self.mount.at("app.py"),
             self.log],
            cwd="/", stderr=self.errors, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": support.PACKAGE})

    def lines(self):
        try:
            with open(self.log) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def wait(self, lines):
        def there():
            true(self.process.poll() is None, "the loop has ended")
            return self.lines()[:len(lines)] == lines
        try:
            harness.wait_until(there, 15, f"lines {lines}")
        except harness.Failure as failure:
            self.errors.seek(0)
            harness.fail(f"{failure}; there are {self.lines()}; "
                         f"{self.errors.read()}")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        equal(self.process.wait(10), 0, "status of the loop")


def group_lives(group):
    """Whether a process of a group runs. A zombie of another parent's does
    not."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, _, its = file.read().rsplit(b")", 1)[1].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its) == group and state not in (b"Z", b"X"):
            return True
    return False


# Adds a line and serves for ever.
FOREVER = """
import sys, time
from lib import VALUE
with open(sys.argv[1], "a") as log:
    log.write(f"{VALUE} ")
while True:
    time.sleep(60)
"""
# Adds a line and ends.
ONCE = FOREVER[:FOREVER.index("while")]


@harness.test(limit=60)
def a_command_is_restarted_for_each_edit_and_runs_the_new_code(t):
    loop = Loop(t, FOREVER, files={"lib.py": support.source(1)})
    loop.wait(["1"])
    for number in range(2, 6):
        support.edit_unseen(loop.mount.at("lib.py"), support.source(number))
        loop.wait([str(n) for n in range(1, number + 1)])
    loop.end()
    equal(loop.lines(), ["1", "2", "3", "4", "5"])


@harness.test(limit=60)
def a_command_that_ended_is_started_at_the_next_change(t):
    loop = Loop(t, ONCE, files={"lib.py": support.source(1)})
    loop.wait(["1"])
    support.edit_unseen(loop.mount.at("lib.py"), support.source(2))
    loop.wait(["1", "2"])
    loop.end(signal.SIGINT)
    equal(loop.lines(), ["1", "2"])


@harness.test(limit=60)
def an_edit_made_while_the_command_starts_is_not_lost(t):
    """The command itself edits, once, before it reads."""
    script = """
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
from lib import VALUE
if VALUE == 1:
    with open(os.path.join(here, "lib.py"), "w") as file:
        file.write("VALUE = int('%06d')\\n" % 2)
with open(sys.argv[1], "a") as log:
    log.write(f"{VALUE} ")
time.sleep(60)
"""
    loop = Loop(t, script, files={"lib.py": support.source(1)})
    harness.wait_until(lambda: loop.lines()[-1:] == ["2"], 15,
                       "the command to run the edit")
    loop.end()


@harness.test(limit=60)
def many_changes_at_once_are_few_restarts(t):
    loop = Loop(t, FOREVER, "--quiet", "0.3",
                files={"lib.py": support.source(1)})
    loop.wait(["1"])
    for number in range(300):
        support.write(loop.mount.at(f"new{number}.py"), "x = 1\n")
    support.edit_unseen(loop.mount.at("lib.py"), support.source(2))
    loop.wait(["1", "2"])
    loop.end()
    equal(loop.lines(), ["1", "2"])


@harness.test(limit=60)
def what_is_no_reason_restarts_nothing(t):
    loop = Loop(t, FOREVER, "--names", "*.py",
                files={"lib.py": support.source(1), "notes.txt": "1"})
    loop.wait(["1"])
    support.write(loop.mount.at("notes.txt"), "2")
    support.write(loop.mount.at("__pycache__", "x.py"), "2")
    support.write(loop.mount.at(".git", "index.py"), "2")
    os.chmod(loop.mount.at("lib.py"), 0o600)
    support.write(loop.mount.at("lib.pyc"), "2")
    # Its restart shows that the others were looked at.
    support.edit_unseen(loop.mount.at("lib.py"), support.source(2))
    loop.wait(["1", "2"])
    loop.end()
    equal(loop.lines(), ["1", "2"])


@harness.test(limit=60)
def a_renamed_directory_restarts(t):
    loop = Loop(t, FOREVER.replace("from lib", "from pkg.lib"),
                files={"pkg/lib.py": support.source(1),
                       "next/lib.py": support.source(2)})
    loop.wait(["1"])
    support.exchange(loop.mount.at("pkg"), loop.mount.at("next"))
    loop.wait(["1", "2"])
    loop.end()


@harness.test(limit=60)
def a_command_that_ignores_sigterm_is_killed_with_its_children(t):
    script = FOREVER.replace("import sys, time", """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(600)
with open(sys.argv[1] + ".pids", "a") as pids:
    pids.write(f"{os.getpid()} {os.getpgrp()} ")
""")
    loop = Loop(t, script, "--grace", "0.2",
                files={"lib.py": support.source(1)})
    loop.wait(["1"])
    support.edit_unseen(loop.mount.at("lib.py"), support.source(2))
    loop.wait(["1", "2"])
    with open(loop.log + ".pids") as file:
        groups = [int(number) for number in file.read().split()[1::2]]
    equal(len(groups), 2, "groups that were started")
    harness.wait_until(lambda: not group_lives(groups[0]), 5,
                       "the first command's group to end")
    true(group_lives(groups[1]), "the second command does not run")
    loop.end()
    harness.wait_until(lambda: not group_lives(groups[1]), 5,
                       "the second command's group to end")


@harness.test()
def not_on_sincefs_it_says_so(t):
    done = subprocess.run(
        [sys.executable, os.path.join(FOLDER, "reload_loop.py"),
         t.directory("plain"), "--", "true"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": support.PACKAGE}, check=False)
    equal(done.returncode, 1)
    true("not on a sincefs mount" in done.stderr, done.stderr)


@harness.test(limit=60)
def a_server_restarts_and_refuses_nobody(t):
    app = """
from lib import VALUE

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % VALUE]
"""
    def build(path):
        support.write(f"{path}/app.py", app)
        support.write(f"{path}/lib.py", support.source(1))
    m = t.mount(build=build)
    server = subprocess.Popen(
        [sys.executable, os.path.join(FOLDER, "serve.py"), "--port", "0",
         "--dir", m.path, "app:application"], cwd=m.path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": support.PACKAGE})
    url = re.search(r"http://\S+", server.stdout.readline())[0]

    def ask():
        with urllib.request.urlopen(url, timeout=20) as reply:
            return int(reply.read())
    equal(ask(), 1)
    seen, failures, ended = [], [], threading.Event()

    def client():
        while not ended.is_set():
            try:
                seen.append(ask())
            except OSError as error:
                failures.append(error)
    clients = [threading.Thread(target=client) for _ in range(2)]
    for thread in clients:
        thread.start()
    for number in range(2, 6):
        support.edit_unseen(m.at("lib.py"), support.source(number))
        harness.wait_until(lambda: seen[-1:] == [number], 15,
                           f"the server to answer {number}")
    ended.set()
    for thread in clients:
        thread.join()
    equal(failures, [], "requests that failed")
    equal(sorted(set(seen) - {1}), [2, 3, 4, 5], "what was answered")
    server.terminate()
    equal(server.wait(10), 0, "status of the server")


@harness.test()
def uvicorns_question_is_answered(t):
    import serve
    m = t.mount(build=lambda path: support.write(f"{path}/a.py", "X = 1\n"))

    class Base:
        """uvicorn's BaseReload, as far as its interface goes."""

        def __init__(self, config, target, sockets):
            self.config, self.target, self.sockets = config, target, sockets

        def should_restart(self):
            raise NotImplementedError

    class Reload(serve.SincefsReload, Base):
        pass
    config = types.SimpleNamespace(reload_dirs=[m.path],
                                   reload_includes=["*.py"])
    reload = Reload(config, target=print, sockets=[])
    equal(reload.target, print)
    equal(reload.should_restart(), None)
    support.edit_unseen(m.at("a.py"), "X = 2\n")
    equal([str(path) for path in reload.should_restart()], [m.at("a.py")])
    equal(reload.should_restart(), None)
    support.write(m.at("data.txt"), "x")
    equal(reload.should_restart(), None)
    reload.close()
    alone = serve.SincefsReload(config)
    equal(alone.should_restart(), None)
    alone.close()


harness.main()
