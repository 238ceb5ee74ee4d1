# SPDX-License-Identifier: MIT
"""Mounting one's own home: configuration, log and runtime files lie inside what
is covered. A daemon that opens one of them by its path waits for itself."""

import mmap
import os
import subprocess

import harness
import syscalls
from harness import equal, told, true
from sincefs_client import CONTENT, NEW


def make_home(t):
    home = t.directory("home")
    env = {"HOME": home, "TMPDIR": os.path.join(home, "tmp")}
    for name, place in (("XDG_CONFIG_HOME", ".config"),
                        ("XDG_STATE_HOME", ".local/state"),
                        ("XDG_DATA_HOME", ".local/share"),
                        ("XDG_CACHE_HOME", ".cache"),
                        ("XDG_RUNTIME_DIR", "run"), ("TMPDIR", "tmp")):
        env[name] = os.path.join(home, place)
        os.makedirs(env[name], exist_ok=True)
        os.chmod(env[name], 0o700)
    for name in ".profile", ".config/settings", "tmp/file":
        with open(os.path.join(home, name), "w") as file:
            file.write(name)
    os.makedirs(os.path.join(home, "project/.git"))
    t.env.update(env)
    return home


@harness.test(limit=60)
def a_home_with_everything_inside_can_be_covered(t):
    home = make_home(t)
    m = t.mount(path=home)
    with m.connect() as conn:
        token = conn.token()
        with open(m.at("project/new.py"), "w") as file:
            file.write("x")
        with open(m.at(".profile"), "a") as file:
            file.write("y")
        told(conn.since(token), {"project/new.py": CONTENT | NEW,
                                 ".profile": CONTENT}, others=True)
    # Every command works from inside, with its files inside.
    for arguments in (["token", "."], ["status"], ["status", home],
                      ["since", ".", "sincefs:1:" + "0" * 16 + ":0"]):
        t.command(*arguments, cwd=os.path.join(home, "project"))
    state = os.path.join(home, ".local/state/token")
    equal(t.command("since", "--state", state, home), "FRESH\n", "answer")
    true("new2" not in t.command("since", "--state", state, home), "answer")
    with open(m.at("project/new2.py"), "w"):
        pass
    true("A  project/new2.py\n" in t.command("since", "--state", state,
                                             home), "answer")
    m.umount()


@harness.test(limit=60)
def the_daemon_goes_on_while_its_files_are_busy(t):
    """Writes to all places where it might want to write, all the time."""
    home = make_home(t)
    m = t.mount(path=home)
    places = [".config", ".local/state", ".cache", "run", "tmp"]
    with m.connect() as conn:
        for n in range(200):
            token = conn.token()
            for place in places:
                with open(m.at(place, f"f{n % 7}"), "w") as file:
                    file.write(str(n))
            told(conn.since(token), {f"{place}/f{n % 7}": CONTENT
                                     for place in places}, others=True)
            if n % 50 == 0:
                t.command("status", home)
    m.umount()


@harness.test(limit=60)
def two_mounts_below_one_home(t):
    """A second daemon starts while the first covers its files."""
    home = make_home(t)
    m = t.mount(path=home)
    other = t.mount(name="elsewhere")
    true("elsewhere" in t.command("status"), "the second is not listed")
    other.umount()
    m.umount()


@harness.test(limit=60)
def a_program_that_lies_inside_can_be_the_daemon(t):
    """The command itself, as a developer runs it from his build tree."""
    home = make_home(t)
    program = os.path.join(home, "project/sincefs")
    with open(harness.COMMAND, "rb") as source, open(program, "wb") as file:
        file.write(source.read())
    os.chmod(program, 0o755)
    done = subprocess.run([program, "mount", home], env=t.env, cwd=home,
                          stdin=subprocess.DEVNULL, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    equal(done.returncode, 0, f"status ({done.stdout})")
    try:
        # Through the mount, which its own pages may have to come from.
        token = subprocess.run(
            [program, "token", home], env=t.env, timeout=30,
            stdout=subprocess.PIPE, text=True).stdout.strip()
        with open(os.path.join(home, "project/new"), "w"):
            pass
        done = subprocess.run([program, "since", home, token], env=t.env,
                              timeout=30, stdout=subprocess.PIPE, text=True)
        equal(done.stdout, "A  project/new\n", "answer")
    finally:
        subprocess.run([harness.COMMAND, "umount", home], env=t.env,
                       timeout=30, check=True)


@harness.test(limit=60, needs_root=True)
def memory_pressure_does_not_make_it_wait_for_itself(t):
    """The kernel writes dirty pages of mappings back when it wants memory."""
    home = make_home(t)
    m = t.mount(path=home)
    with open(m.at("big"), "wb") as file:
        file.truncate(64 << 20)
    fd = os.open(m.at("big"), os.O_RDWR)
    with mmap.mmap(fd, 64 << 20) as mapped:
        for turn in range(3):
            for n in range(0, 64 << 20, 4096):
                mapped[n] = turn + 1
            syscalls.drop_caches(3)
            t.command("status", home)
    os.close(fd)
    m.umount()
    with open(os.path.join(home, "big"), "rb") as file:
        true(all(file.read(4096)[0] == 3 for _ in range((64 << 20) // 4096)),
             "stores are lost")


if __name__ == "__main__":
    harness.main()
