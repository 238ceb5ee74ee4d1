# SPDX-License-Identifier: MIT
"""Whose mount it is, who may ask, and who may do what: the permissions that
the directory below has are enforced, and things belong to who made them."""

import errno
import os
import shutil
import stat
import subprocess

import harness
import sincefs_client as client
import syscalls
from harness import NOBODY, equal, told, true
from sincefs_client import CONTENT, NEW

OTHER = 54321


def build(path):
    os.chmod(path, 0o777)
    os.mkdir(os.path.join(path, "open"))
    os.chmod(os.path.join(path, "open"), 0o777)
    for name, mode in (("readable", 0o644), ("writable", 0o666),
                       ("secret", 0o600)):
        with open(os.path.join(path, name), "w") as file:
            file.write(name)
        os.chmod(os.path.join(path, name), mode)


def ask(path, control):
    with client.Connection(path, control=control) as conn:
        conn.info()


@harness.test(needs_root=True)
def another_user_may_not_ask(t):
    m = t.mount("--allow-other", build=build)
    for path, control in ((m.path, True), (m.path, False),
                          (m.at("open"), True),
                          (m.at("readable"), False)):
        equal(t.as_user(NOBODY, ask, path, control), errno.EPERM, "errno")
    ask(m.path, True)

    def ask_everything():
        with client.Connection(m.path, control=False) as conn:
            for number, buffer in (
                    (client.IOC_INFO, bytearray(client.INFO.size)),
                    (client.IOC_TREE, client.tree_question(1)),
                    (client.IOC_SINCE, client.since_question()),
                    (client.IOC_SCAN, client.scan_question(1)),
                    (client.IOC_CLOCK, bytearray(client.CLOCK.size)),
                    (client.IOC_STATS, bytearray(client.STATS.size))):
                equal(conn.errno_of(number, buffer), errno.EPERM, "errno")
    equal(t.as_user(NOBODY, ask_everything), 0, "errno")


@harness.test(needs_root=True)
def a_descriptor_does_not_carry_the_right_to_ask(t):
    """It is the one who asks that counts, not the one who opened."""
    m = t.mount("--allow-other", build=build)
    with m.connect() as conn:
        equal(t.as_user(NOBODY, conn.info), errno.EPERM, "errno")


@harness.test(needs_root=True)
def without_allow_other_the_kernel_keeps_others_out(t):
    m = t.mount(build=build)
    equal(t.as_user(NOBODY, os.stat, m.at("readable")), errno.EACCES,
          "errno of stat")
    equal(t.as_user(NOBODY, ask, m.path, True), errno.EACCES, "errno")


@harness.test(needs_root=True)
def changes_by_another_user_are_told_with_his_number(t):
    m = t.mount("--allow-other", build=build)
    with m.connect() as conn:
        token = conn.token()

        def write():
            with open(m.at("writable"), "a") as file:
                file.write("x")
            with open(m.at("open/his"), "w"):
                pass
        equal(t.as_user(NOBODY, write), 0, "errno")
        answer = conn.since(token)
        told(answer, {"writable": CONTENT, "open/his": CONTENT | NEW})
        equal({record.uid for record in answer}, {NOBODY}, "users")


@harness.test(needs_root=True)
def the_permissions_below_are_enforced(t):
    m = t.mount("--allow-other", build=build)
    os.mkdir(m.at("closed"), 0o700)
    with open(m.at("closed/file"), "w"):
        pass
    for call, arguments, expected in (
            (os.open, (m.at("readable"), os.O_RDONLY), 0),
            (os.open, (m.at("readable"), os.O_WRONLY), errno.EACCES),
            (os.open, (m.at("secret"), os.O_RDONLY), errno.EACCES),
            (os.stat, (m.at("closed/file"),), errno.EACCES),
            (os.listdir, (m.at("closed"),), errno.EACCES),
            (os.chmod, (m.at("writable"), 0o600), errno.EPERM),
            (os.chown, (m.at("writable"), NOBODY, -1), errno.EPERM),
            (os.utime, (m.at("readable"), (1, 1)), errno.EPERM),
            (os.utime, (m.at("writable"),), 0),
            (os.truncate, (m.at("readable"), 0), errno.EACCES),
            (os.setxattr, (m.at("readable"), "user.x", b""), errno.EACCES),
            (os.mkdir, (m.at("closed/new"),), errno.EACCES),
            (os.mkdir, (m.at("open/new"),), 0)):
        equal(t.as_user(NOBODY, call, *arguments), expected,
              f"errno of {call.__name__}{arguments[1:]}")


@harness.test(needs_root=True)
def a_sticky_directory_protects_names(t):
    m = t.mount("--allow-other", build=build)
    os.mkdir(m.at("tmp"))
    os.chmod(m.at("tmp"), 0o1777)
    with open(m.at("tmp/roots"), "w"):
        pass
    equal(t.as_user(NOBODY, os.unlink, m.at("tmp/roots")), errno.EPERM,
          "errno")
    equal(t.as_user(NOBODY, os.rename, m.at("tmp/roots"), m.at("tmp/x")),
          errno.EPERM, "errno")


@harness.test(needs_root=True)
def what_is_made_belongs_to_who_made_it(t):
    m = t.mount("--allow-other", build=build)

    def make():
        os.close(os.open(m.at("open/file"), os.O_CREAT | os.O_WRONLY, 0o640))
        os.mkdir(m.at("open/dir"), 0o750)
        os.mkfifo(m.at("open/fifo"), 0o600)
        os.symlink("x", m.at("open/link"))
        os.mknod(m.at("open/node"), stat.S_IFREG | 0o604)
    for uid in NOBODY, OTHER:
        equal(t.as_user(uid, make), 0, "errno")
        for name, mode in (("file", 0o640), ("dir", 0o750), ("fifo", 0o600),
                           ("link", 0o777), ("node", 0o604)):
            for where in m.at("open", name), m.under("open", name):
                st = os.lstat(where)
                equal((st.st_uid, st.st_gid), (uid, uid), f"owner of {name}")
                equal(stat.S_IMODE(st.st_mode), mode, f"mode of {name}")
        t.run("sh", "-c", f"rm -r '{m.at('open')}'/*")


@harness.test(needs_root=True)
def the_group_of_a_setgid_directory_is_inherited(t):
    m = t.mount("--allow-other", build=build)
    os.mkdir(m.at("team"))
    os.chown(m.at("team"), -1, OTHER)
    os.chmod(m.at("team"), 0o2777)

    def make():
        with open(m.at("team/file"), "w"):
            pass
        os.mkdir(m.at("team/dir"))
    equal(t.as_user(NOBODY, make), 0, "errno")
    equal(os.stat(m.under("team/file")).st_gid, OTHER, "group of the file")
    made = os.stat(m.under("team/dir"))
    equal(made.st_gid, OTHER, "group of the directory")
    true(made.st_mode & stat.S_ISGID, "setgid is not inherited")


@harness.test(needs_root=True)
def supplementary_groups_count(t):
    m = t.mount("--allow-other", build=build)
    os.mkdir(m.at("team"))
    os.chown(m.at("team"), 0, OTHER)
    os.chmod(m.at("team"), 0o2770)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([OTHER])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with open(m.at("team/file"), "w"):
                pass
            # Only a member of the group may give a file this bit.
            os.chmod(m.at("team/file"), 0o2755)
            status = 0
        finally:
            os._exit(status)
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "status")
    made = os.stat(m.under("team/file"))
    equal((made.st_uid, made.st_gid), (NOBODY, OTHER), "owner")
    equal(stat.S_IMODE(made.st_mode), 0o2755, "mode")


@harness.test(needs_root=True)
def the_umask_of_the_caller_counts(t):
    m = t.mount(build=build)
    old = os.umask(0o077)
    os.close(os.open(m.at("private"), os.O_CREAT | os.O_WRONLY, 0o666))
    os.mkdir(m.at("private-dir"), 0o777)
    os.umask(0)
    os.close(os.open(m.at("public"), os.O_CREAT | os.O_WRONLY, 0o666))
    os.umask(old)
    for name, mode in (("private", 0o600), ("private-dir", 0o700),
                       ("public", 0o666)):
        equal(stat.S_IMODE(os.stat(m.under(name)).st_mode), mode,
              f"mode of {name}")


def acl(t, path):
    return t.run("getfacl", "-cp", "--numeric", path)


@harness.test(needs_root=True)
def an_ACL_is_enforced(t):
    m = t.mount("--allow-other", build=build)
    try:
        t.run("setfacl", "-m", f"u:{NOBODY}:---", m.at("readable"))
    except FileNotFoundError:
        t.skip("setfacl is missing")
    t.run("setfacl", "-m", f"u:{OTHER}:rw", m.at("secret"))
    # Set below before the kernel has seen the file, too.
    with open(m.under("late"), "w") as file:
        file.write("late")
    t.run("setfacl", "-m", f"u:{NOBODY}:---", m.under("late"))
    for uid, name, flags, expected in (
            (NOBODY, "readable", os.O_RDONLY, errno.EACCES),
            (OTHER, "readable", os.O_RDONLY, 0),
            (OTHER, "secret", os.O_RDWR, 0),
            (NOBODY, "secret", os.O_RDONLY, errno.EACCES),
            (NOBODY, "late", os.O_RDONLY, errno.EACCES),
            (OTHER, "late", os.O_RDONLY, 0)):
        equal(t.as_user(uid, os.open, m.at(name), flags), expected,
              f"errno for {uid} on {name}")
    t.run("setfacl", "-b", m.at("readable"))
    equal(t.as_user(NOBODY, os.open, m.at("readable"), os.O_RDONLY), 0,
          "errno after the ACL was removed")


@harness.test(needs_root=True)
def a_default_ACL_is_inherited_as_outside(t):
    m = t.mount("--allow-other", build=build)
    plain = t.directory("plain")
    for top in plain, m.path:
        os.mkdir(os.path.join(top, "team"))
        try:
            t.run("setfacl", "-d", "-m", f"u:{OTHER}:rwx,g::rwx,o::---",
                  os.path.join(top, "team"))
        except FileNotFoundError:
            t.skip("setfacl is missing")
        for umask in 0o022, 0o077:
            old = os.umask(umask)
            name = os.path.join(top, "team", f"{umask:o}")
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o666))
            os.mkdir(name + "-dir", 0o777)
            os.mkfifo(name + "-fifo", 0o666)
            os.umask(old)
    for name in ("team", "team/22", "team/22-dir", "team/22-fifo", "team/77",
                 "team/77-dir", "team/77-fifo"):
        expected = acl(t, os.path.join(plain, name))
        equal(acl(t, m.at(name)), expected, f"ACL of {name}")
        equal(acl(t, m.under(name)), expected, f"ACL of {name} below")


@harness.test(needs_root=True)
def a_write_by_another_user_takes_setuid_away_as_outside(t):
    m = t.mount("--allow-other", build=build)
    plain = t.directory("plain")

    def change(path, how):
        if how == "write":
            with open(path, "r+b", buffering=0) as file:
                file.write(b"x")
        elif how == "truncate":
            os.truncate(path, 1)
        elif how == "allocate":
            fd = os.open(path, os.O_RDWR)
            syscalls.fallocate(fd, 0, 0, 100)
        elif how == "open":
            os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
        elif how == "copy":
            with open(path, "r+b", buffering=0) as file:
                os.copy_file_range(file.fileno(), file.fileno(), 1, 0, 4)
    for uid in 0, NOBODY:
        for how in "write", "truncate", "allocate", "open", "copy":
            modes = []
            for top in plain, m.path:
                path = os.path.join(top, f"{how}-{uid}")
                with open(path, "w") as file:
                    file.write("some content")
                os.chmod(path, 0o6777)
                equal(t.as_user(uid, change, path, how), 0, "errno")
                modes.append(stat.S_IMODE(os.stat(path).st_mode))
            modes.append(stat.S_IMODE(os.stat(m.under(
                f"{how}-{uid}")).st_mode))
            equal([f"{mode:o}" for mode in modes[1:]],
                  [f"{modes[0]:o}"] * 2, f"modes after {how} by {uid}")


@harness.test(needs_root=True)
def chown_takes_setuid_away_as_outside(t):
    m = t.mount(build=build)
    plain = t.directory("plain")
    modes = []
    for top in plain, m.path:
        path = os.path.join(top, "program")
        with open(path, "w"):
            pass
        os.chmod(path, 0o6755)
        os.chown(path, NOBODY, NOBODY)
        modes.append(stat.S_IMODE(os.stat(path).st_mode))
    equal(oct(modes[1]), oct(modes[0]), "mode")


@harness.test(needs_root=True)
def the_mount_ignores_devices_and_setuid(t):
    """Unless root asks for it."""
    m = t.mount(build=build)
    with open("/proc/self/mountinfo") as lines:
        line = [line for line in lines if f" {m.path} " in line][-1]
    options = line.split()[5].split(",")
    true("nodev" in options and "nosuid" in options, f"options {options}")


@harness.test(needs_root=True)
def a_caller_of_another_pid_name_space_is_not_guessed(t):
    """The daemon sees no process number of it: what it makes must be refused
    or belong to it."""
    path = t.directory("m")
    build(path)
    below = os.open(path, os.O_RDONLY)
    daemon = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--",
         harness.COMMAND, "mount", "--foreground", "--allow-other", path],
        env=t.env, stdin=subprocess.DEVNULL)
    try:
        harness.wait_until(lambda: os.path.ismount(path), 10, "the mount")
        name = os.path.join(path, "open/his")

        def make():
            with open(name, "w"):
                pass
        result = t.as_user(NOBODY, make)
        true(result in (0, errno.EACCES), f"errno is {result}")
        if result == 0:
            equal(os.stat(f"open/his", dir_fd=below).st_uid, NOBODY, "owner")
        # Root is whom the daemon is itself: nothing to guess.
        with open(os.path.join(path, "roots"), "w"):
            pass
        equal(os.stat("roots", dir_fd=below).st_uid, 0, "owner")
    finally:
        subprocess.run(["umount", "-l", path])
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            raise


@harness.test(needs_root=True, limit=60)
def an_ordinary_user_can_mount(t):
    """With fusermount3, and a /dev/fuse that is open to him; where it is not,
    one is put over it in a name space of this test's own."""
    if not shutil.which("fusermount3"):
        t.skip("fusermount3 is missing")
    if not os.stat("/dev/fuse").st_mode & 0o006 == 0o006:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        node = os.path.join(t.base, "fuse")
        os.mknod(node, stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
        os.chmod(node, 0o666)
        t.run("mount", "--make-rprivate", "/")
        t.run("mount", "--bind", node, "/dev/fuse")
    path = t.directory("m")
    os.chown(path, NOBODY, NOBODY)
    run_dir = t.directory("run")
    os.chown(run_dir, NOBODY, NOBODY)

    def as_nobody(*arguments):
        return subprocess.run(
            arguments, user=NOBODY, group=NOBODY, extra_groups=[],
            env={**t.env, "HOME": run_dir, "XDG_RUNTIME_DIR": run_dir},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd="/")
    done = as_nobody(harness.COMMAND, "mount", path)
    equal(done.returncode, 0, f"status ({done.stdout})")
    try:
        token = as_nobody(harness.COMMAND, "token", path).stdout.strip()
        for script in (f"echo x > {path}/file",
                       # git makes its objects so: without w for anybody.
                       f"umask 333; echo y > {path}/object",
                       f"umask 0; mkdir {path}/d && echo z > {path}/d/z && "
                       f"chmod 0 {path}/d/z && chmod 555 {path}/d"):
            done = as_nobody("sh", "-c", script)
            equal(done.returncode, 0, f"status ({done.stdout})")
        done = as_nobody(harness.COMMAND, "since", path, token)
        equal(sorted(done.stdout.splitlines()),
              ["A  d/", "A  d/z", "A  file", "A  object"], "answer")
        # Without allow_other nobody else comes in, root neither.
        done = subprocess.run([harness.COMMAND, "token", path],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=t.env)
        equal(done.returncode, 1, "status for root")
    finally:
        done = as_nobody(harness.COMMAND, "umount", path)
    equal(done.returncode, 0, f"status of umount ({done.stdout})")
    with open(os.path.join(path, "object")) as file:
        equal(file.read(), "y\n", "content")


if __name__ == "__main__":
    harness.main()
