# SPDX-License-Identifier: MIT
"""The examples in C, which sincefs-protocol(7) shows, do what they say."""

import os
import select
import signal
import subprocess

import harness
from harness import SLOW, equal, true


def example(t, name):
    return os.path.join(t.build_dir, "examples", "c", name)


def build(path):
    for name in "a.py", "old.py":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def change(m):
    with open(m.at("a.py"), "a") as file:
        file.write("x")
    os.mkdir(m.at("new"))
    os.unlink(m.at("old.py"))


def since(t, *arguments, status=0):
    done = subprocess.run([example(t, "since"), *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=30 * SLOW)
    equal(done.returncode, status, f"exit status of since {arguments}")
    return done.stdout.splitlines()


@harness.test()
def since_prints_what_changed_and_the_next_token(t):
    m = t.mount(build=build)
    words, token = since(t, m.path)
    equal(words, "anything may have changed", "first line")
    change(m)
    *lines, later = since(t, m.at("a.py"), token)
    equal(lines, ["changed a.py", "new new", "gone old.py"], "lines")
    equal(since(t, m.path, later), [later], "lines")


@harness.test()
def since_says_what_is_wrong(t):
    equal(since(t, t.base, status=1),
          [f"since: {t.base}: Inappropriate ioctl for device"], "message")
    equal(since(t, t.base, "no token", status=2),
          ["usage: since PATH [TOKEN]"], "message")


@harness.test()
def raw_prints_changes_as_they_happen_on_many_pages(t):
    m = t.mount(build=build)
    raw = subprocess.Popen([example(t, "raw"), m.path], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def lines(n):
        return [raw.stdout.readline().split() for _ in range(n)]

    # It asks for its first token before it waits: poke until it has one.
    poked = 0
    while not select.select([raw.stdout], [], [], 0.02)[0]:
        poked += 1
        os.mkdir(m.at(f"poke{poked}"))
        true(poked < 1000 * SLOW, "no line")
    while lines(1)[0][1] != f"poke{poked}":
        pass

    change(m)
    seen = {}
    while "old.py" not in seen:
        flags, path = lines(1)[0]
        seen[path] = flags
    equal(seen, {"a.py": "0x001", "new": "0x029", "old.py": "0x011"},
          "flags by path")

    names = [f"{n:03}" + "x" * 200 for n in range(300)]
    raw.send_signal(signal.SIGSTOP)
    for name in names:
        os.mkdir(m.at(name))
    raw.send_signal(signal.SIGCONT)
    equal([path for _, path in lines(len(names))], names, "paths")

    os.kill(m.pid, signal.SIGKILL)
    equal(raw.wait(30 * SLOW), 1, "exit status")
    true("not connected" in raw.stderr.read(), "no message")


if __name__ == "__main__":
    harness.main()
