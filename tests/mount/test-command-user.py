# SPDX-License-Identifier: MIT
"""The command for a user who is not root: by fusermount3, with his own rights
and no more, and nothing told to others.

As root the tests run in a mount name space of their own, in which anybody may
open /dev/fuse, with user 65534 as the user. Otherwise the user is whoever runs
them."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import harness
import sincefs_client as client
from harness import equal, true, wait_until

INSIDE = "SINCEFS_TEST_INSIDE"


def go_inside():
    """Run this script again in a mount name space with an open /dev/fuse."""
    os.environ[INSIDE] = "1"
    script = """
        dir=$(mktemp -d) && trap 'rmdir "$dir"' EXIT &&
        mount -t tmpfs -o mode=755,dev none "$dir" &&
        cp -a /dev/fuse "$dir/fuse" && chmod 0666 "$dir/fuse" &&
        mount --bind "$dir/fuse" /dev/fuse && umount -l "$dir" || exit 77
        "$@"
    """
    os.execvp("unshare", ["unshare", "-m", "sh", "-c", script, "sh",
                          sys.executable, os.path.abspath(__file__)])


if os.geteuid() == 0 and INSIDE not in os.environ:
    if not os.path.exists("/dev/fuse"):
        harness.main()
    go_inside()

USER = harness.NOBODY if os.geteuid() == 0 else os.geteuid()
PREFIX = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
if os.geteuid() != 0:
    PREFIX = []


class User:
    """Runs the command as the user, from a place that he can reach."""

    def __init__(self, t):
        if not shutil.which("fusermount3"):
            t.skip("fusermount3 is missing")
        if not os.stat(shutil.which("fusermount3")).st_mode & 0o4000:
            t.skip("fusermount3 is not set-user-ID root")
        self.t = t
        self.program = t.base + "/sincefs"
        shutil.copy(harness.COMMAND, self.program)
        os.chmod(self.program, 0o755)
        self.env = {**t.env, "HOME": "/", "PATH": os.environ["PATH"]}

    def directory(self, name):
        path = self.t.directory(name)
        os.chown(path, USER, USER)
        return path

    def command(self, *arguments, status=0, prefix=None):
        done = subprocess.run(
            [*(PREFIX if prefix is None else prefix), self.program,
             *arguments], env=self.env, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60 * harness.SLOW)
        equal(done.returncode, status,
              f"status of {arguments} ({done.stdout})")
        return done.stdout

    def daemon_of(self, path):
        """The process that has the mount: only the user himself may ask."""
        import json
        shown = json.loads(self.command("status", "--json", path))
        with open(self.t.base + "/daemons", "a") as file:
            file.write(f"{shown['pid']}\n")
        return shown["pid"]

    def shell(self, script, *arguments):
        return self.t.run(*PREFIX, "sh", "-c", script, "sh", *arguments)


@harness.test()
def user_covers_asks_and_ends(t):
    user = User(t)
    path = user.directory("m")
    equal(user.command("mount", path), "", "what was said")
    pid = user.daemon_of(path)
    equal(os.stat(f"/proc/{pid}").st_uid, USER, "user of the daemon")
    token = user.command("token", path).strip()
    user.shell('mkdir "$1/d" && echo x > "$1/d/f" && chmod 444 "$1/d/f"',
               path)
    equal(user.command("since", path, token), "A  d/\nA  d/f\n", "the answer")
    user.command("umount", path)
    equal(harness.mounts_below(path), [], "the mounts")
    true(harness.process_is_gone(pid, 0.001), "the daemon lives")
    equal(os.listdir(path), ["d"], "what is below")


@harness.test()
def user_runs_a_command_inside(t):
    user = User(t)
    path = user.directory("m")
    equal(user.command("run", path, "--", "sh", "-c", "pwd; exit 3",
                       status=3), f"{path}\n", "what was said")
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def modes_that_lock_the_user_out_keep_no_open_file_from_him(t):
    """What is open stays usable when its mode no longer allows opening it; with
    the daemon's descriptors kept and not kept."""
    user = User(t)
    for keep_none in "0", "1":
        path = user.directory("m" + keep_none)
        user.env["SINCEFS_TEST_NO_DESCRIPTOR_CACHE"] = keep_none
        user.command("mount", path)
        pid = user.daemon_of(path)
        user.shell("""
            set -e
            cd "$1"
            echo a > write-only; chmod 0200 write-only; echo b >> write-only
            echo a > locked; exec 7>>locked; chmod 0000 locked; echo b >&7
            exec 7>&-
            umask 0777; exec 8>made-so; echo a >&8; echo b >&8; exec 8>&-
            umask 022; mkdir d; echo a > d/f; exec 9<d/f
            chmod 0444 d/f; rm d/f; cat <&9 > read; exec 9<&-
            chmod 0600 write-only locked made-so""", path)
        for name in "write-only", "locked", "made-so":
            equal(user.shell('cat "$1"', os.path.join(path, name)), b"a\nb\n",
                  "content of " + name)
        equal(user.shell('cat "$1/read"', path), b"a\n", "what was read")
        user.command("umount", path)
        true(harness.process_is_gone(pid), "the daemon lives")


@harness.test()
def odd_names_are_mounted_and_unmounted(t):
    user = User(t)
    for name in "a b", "comma,ro,x", "new\nline", "back\\slash", "-z":
        path = user.directory(name)
        user.command("mount", path)
        equal(harness.mounts_below(t.base), [path], "the mounts")
        user.command("umount", path)
        equal(harness.mounts_below(t.base), [], "the mounts")


@harness.test()
def signals_end_a_users_mount(t):
    user = User(t)
    for number in signal.SIGTERM, signal.SIGHUP:
        path = user.directory(f"of-{number}")
        user.command("mount", path)
        pid = user.daemon_of(path)
        os.kill(pid, number)
        true(harness.process_is_gone(pid), "the daemon lives")
        equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def busy_and_dead_mounts_of_a_user(t):
    user = User(t)
    path = user.directory("m")
    user.command("mount", path)
    pid = user.daemon_of(path)
    holder = subprocess.Popen([*PREFIX, "sh", "-c",
                               'cd "$1" && echo && read line', "sh", path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    said = user.command("umount", path, status=1)
    equal(said, f"sincefs: cannot unmount '{path}': busy (sh pid "
          f"{holder.pid}); end it or use --lazy\n", "what was said")
    os.kill(pid, signal.SIGKILL)
    true(harness.process_is_gone(pid), "the daemon lives")
    wait_until(lambda: "dead" in subprocess.run(
        [*PREFIX, user.program, "status", path], stdout=subprocess.PIPE,
        text=True).stdout, 10, "the mount is dead")
    said = user.command("mount", path)
    true(said.startswith("sincefs: removed a dead sincefs mount"), said)
    user.command("umount", path)
    holder.communicate()
    equal(harness.mounts_below(path), [], "the mounts")


def refuses(user, wanted, path, *options):
    said = user.command("mount", *options, path, status=1)
    equal(said, f"sincefs: cannot mount over '{path}': {wanted}\n",
          "what was said")
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test(needs_root=True)
def places_without_permission_are_refused(t):
    user = User(t)
    refuses(user, "permission denied", t.directory("closed", 0o700))
    refuses(user, "permission denied", t.directory("readable", 0o755))
    refuses(user, "permission denied", t.directory("blind", 0o733))
    refuses(user, "permission denied: others may write to it and it is not "
            "yours", t.directory("sticky", 0o1777))
    inside = t.directory("outer", 0o700) + "/inner"
    os.mkdir(inside)
    refuses(user, "permission denied", inside)
    source = t.directory("source", 0o700)
    refuses(user, f"its source '{source}': permission denied",
            user.directory("m"), "--source", source)


@harness.test()
def machine_without_fusermount3_is_refused(t):
    user = User(t)
    path = user.directory("m")
    user.env["PATH"] = t.directory("empty")
    said = user.command("mount", path, status=1, prefix=PREFIX and [
        shutil.which("setpriv"), *PREFIX[1:]])
    equal(said, f"sincefs: cannot mount over '{path}': users need the program "
          "fusermount3 for that, and it is not there\n", "what was said")


@harness.test(needs_root=True)
def closed_fuse_device_is_refused(t):
    user = User(t)
    path = user.directory("m")
    os.chmod("/dev/fuse", 0o600)
    try:
        refuses(user, "/dev/fuse: permission denied", path)
    finally:
        os.chmod("/dev/fuse", 0o666)


@harness.test(needs_root=True)
def allow_other_needs_the_systems_leave(t):
    user = User(t)
    path = user.directory("m")
    with open(t.base + "/fuse.conf", "w") as file:
        file.write("# user_allow_other\n")
    t.run("mount", "--bind", t.base + "/fuse.conf", "/etc/fuse.conf")
    try:
        refuses(user, "allow_other needs a line 'user_allow_other' in "
                "/etc/fuse.conf", path, "--allow-other")
        refuses(user, "allow_other needs a line 'user_allow_other' in "
                "/etc/fuse.conf", path, "-o", "allow_other")
        # What fusermount3 says is the reason in our one line.
        with open(t.base + "/fuse.conf", "w") as file:
            file.write("mount_max = 0\n")
        said = user.command("mount", path, status=1)
        true(said.startswith(f"sincefs: cannot mount over '{path}': "
                             "fusermount3: too many") and
             said.count("\n") == 1, said)
        with open(t.base + "/fuse.conf", "w") as file:
            file.write("mount_max = 100\n  user_allow_other\n")
        user.command("mount", "--allow-other", path)
        user.shell('echo text > "$1/f"', path)
        with open(path + "/f") as file:
            equal(file.read(), "text\n", "what root reads")
        user.command("umount", path)
    finally:
        t.run("umount", "/etc/fuse.conf")


@harness.test(needs_root=True)
def others_do_not_see_a_users_mount(t):
    user = User(t)
    path = user.directory("m")
    user.command("mount", path)
    user.daemon_of(path)
    # Even root, who has no leave, is told so at once and may still end it.
    said = t.command("status", path, status=1)
    true("  state     denied: " in said, said)
    said = t.command("token", path, status=1)
    equal(said, f"sincefs: cannot ask what changed in '{path}': permission "
          "denied\n", "what was said")
    other = [*PREFIX[:1], "--reuid=65533", "--regid=65533", "--clear-groups"]
    said = user.command("umount", path, status=1, prefix=other)
    true(f"cannot unmount '{path}': " in said and said.count("\n") == 1, said)
    said = user.command("mount", path, status=1, prefix=other)
    equal(said, f"sincefs: cannot mount over '{path}': already covered by "
          "sincefs\n", "what was said")
    t.command("umount", path)
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test(needs_root=True)
def answers_are_for_the_owner_and_root(t):
    path = t.directory("m")
    os.chmod(path, 0o755)
    m = t.mount("--allow-other", path=path)
    user = User(t)
    equal(t.as_user(USER, os.listdir, m.path), 0, "errno of listing")
    said = user.command("token", m.path, status=1)
    equal(said, f"sincefs: cannot ask what changed in '{m.path}': only the "
          "user who mounted it and root may ask\n", "what was said")
    said = user.command("status", m.path, status=1)
    true("  state     denied: only the user who mounted it" in said, said)
    equal(t.as_user(USER, client.Connection(m.path).token), errno.EPERM,
          "errno of an inherited descriptor")


harness.main()
