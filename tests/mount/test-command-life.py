# SPDX-License-Identifier: MIT
"""A mount's life: ready when the command returns, ended in order by a signal or
by umount, recovered after kill -9, and in nobody's way meanwhile."""

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

import harness
import sincefs_client as client
from harness import equal, true, wait_until

ODD_NAMES = (
    b"a b", b"new\nline", b"comma,ro", b"back\\slash", b"back\\040slash",
    b"tab\there", b"sharp#", b'quote"', b"'", b"equals=%s", b"\xff\xfe",
    "\u00e4\u2026".encode(), b"-o", b"x" * 255,
)


def fill(path):
    os.mkdir(path + "/d")
    with open(path + "/d/file", "w") as file:
        file.write("text\n")


def default_signals():
    """Whoever runs the tests may ignore some."""
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)


def start(t, *arguments, **more):
    """Start the command and do not wait for it."""
    process = subprocess.Popen(
        [harness.COMMAND, *arguments], env=t.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=default_signals, **more)
    with open(t.base + "/daemons", "a") as file:
        file.write(f"{process.pid}\n")
    return process


def start_foreground(t, path, *options, **more):
    process = start(t, "mount", "--foreground", *options, path, **more)
    wait_until(lambda: harness.mounts_below(path) and answers(path), 10,
               "the mount answers")
    return process


def answers(path):
    try:
        client.Connection(path).close()
        return True
    except OSError:
        return False


def end_of(process, status=0):
    out, err = process.communicate(timeout=20 * harness.SLOW)
    equal(process.returncode, status, f"status ({err})")
    return out.decode(errors="replace"), err.decode(errors="replace")


def hold(path):
    """A process that stands in a directory, until its pipe is closed."""
    return subprocess.Popen(["sh", "-c", "echo; read line"], cwd=path,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def standing_in(path):
    process = hold(path)
    process.stdout.readline()
    return process


def let_go(process):
    process.communicate()


# ---- start ----

@harness.test()
def mount_says_nothing_and_answers(t):
    path = t.directory("m")
    equal(t.command("mount", path), "", "what was said")
    true(answers(path), "no answer")
    t.command("umount", path)


@harness.test()
def daemon_keeps_nothing_of_its_starter(t):
    path = t.directory("m")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    done = subprocess.run([harness.COMMAND, "mount", path], pass_fds=[writer],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=path,
                          timeout=20 * harness.SLOW)
    equal(done.returncode, 0, f"status ({done.stderr})")
    os.close(writer)
    equal(os.read(reader, 1), b"", "the end of the pipe")
    with client.Connection(path) as conn:
        pid = conn.info().pid
    proc = f"/proc/{pid}"
    equal(os.readlink(proc + "/cwd"), "/", "working directory")
    for fd in "0", "1", "2":
        equal(os.readlink(f"{proc}/fd/{fd}"), "/dev/null", f"stream {fd}")
    equal(os.getsid(pid), pid, "session")
    true(os.getpgid(pid) == pid, "it is in somebody's process group")
    t.command("umount", path)


@harness.test()
def daemon_takes_all_descriptors_it_may(t):
    m = t.mount(prefix=["sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh"])
    soft, hard = resource.prlimit(m.pid, resource.RLIMIT_NOFILE)
    equal(soft, hard, "the soft limit")


@harness.test()
def daemon_does_not_mask_modes(t):
    m = t.mount(prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"])
    os.umask(0o022)
    os.close(os.open(m.at("f"), os.O_CREAT | os.O_WRONLY, 0o664))
    equal(os.stat(m.under("f")).st_mode & 0o7777, 0o644, "mode")
    os.umask(0)
    os.mkdir(m.at("d"), 0o777)
    equal(os.stat(m.under("d")).st_mode & 0o7777, 0o777, "mode")


@harness.test()
def only_one_of_many_mounts_at_one_place(t):
    path = t.directory("m")
    several = [start(t, "mount", path) for _ in range(8)]
    said = [process.communicate(timeout=30 * harness.SLOW)[1].decode()
            for process in several]
    status = sorted(process.returncode for process in several)
    equal(status, [0] + [1] * 7, f"statuses ({said})")
    equal(harness.mounts_below(path), [path], "the mounts")
    equal(sorted(said), [""] + [f"sincefs: cannot mount over '{path}': "
                                "already covered by sincefs\n"] * 7,
          "what was said")
    t.command("umount", path)


@harness.test()
def one_that_waits_for_its_turn_bypasses_nothing(t):
    path = t.directory("m")
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting = start(t, "mount", path)

    def has_opened():
        proc = f"/proc/{waiting.pid}/fd"
        try:
            return any(os.readlink(f"{proc}/{fd}") == path
                       for fd in os.listdir(proc))
        except FileNotFoundError:  # closed meanwhile
            return False

    wait_until(has_opened, 4, "it waits for the lock")
    os.kill(waiting.pid, signal.SIGSTOP)
    os.close(lock)
    equal(t.command("mount", path), "", "what was said")
    os.kill(waiting.pid, signal.SIGCONT)
    end_of(waiting, 1)
    # A daemon that shows the directory elsewhere does bypass it.
    t.command("umount", path)
    m = t.mount("--source", path, name="elsewhere")
    said = t.command("mount", path)
    true(f"sincefs ({m.pid}): open file '.'" in said, said)


@harness.test(needs_root=True)
def failed_mount_is_one_error_and_leaves_nothing(t):
    path = t.directory("m")
    said = t.command("mount", path, status=1, prefix=[
        "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
    true(f"cannot mount over '{path}'" in said, said)
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test(limit=60)
def odd_names_are_mounted_shown_and_unmounted(t):
    for name in ODD_NAMES:
        path = t.directory(os.fsdecode(name))
        t.command("mount", path, cwd=t.base)
        equal(harness.mounts_below(t.base), [path], "the mounts")
        token = t.command("token", path).strip()
        with open(path + "/" + os.fsdecode(name), "w"):
            pass
        done = subprocess.run([harness.COMMAND, "since", "-0", path, token],
                              stdout=subprocess.PIPE, check=True)
        equal(done.stdout.split(b"\0")[1:], [name, b""], "the answer")
        true("  state     ok" in t.command("status", path), "no status")
        said = t.command("mount", path, status=1)
        true("already covered" in said, said)
        t.command("umount", path)
        equal(harness.mounts_below(t.base), [], "the mounts")


@harness.test()
def link_to_a_directory_covers_what_it_leads_to(t):
    path = t.directory("m")
    os.symlink("m", t.base + "/link")
    t.command("mount", "link", cwd=t.base)
    equal(harness.mounts_below(t.base), [path], "the mounts")
    t.command("umount", "link/", cwd=t.base)
    equal(harness.mounts_below(t.base), [], "the mounts")


@harness.test()
def source_is_shown_elsewhere(t):
    source = t.directory("source")
    fill(source)
    m = t.mount("--source", source, name="elsewhere")
    equal(os.listdir(m.path), ["d"], "the mount")
    equal(os.listdir(m.under()), [], "what it covers")
    with m.connect() as conn:
        token = conn.token()
        with open(m.at("d", "file"), "a") as file:
            file.write("more\n")
        harness.told(conn.since(token), {"d/file": client.CONTENT})
    with open(source + "/d/file") as file:
        equal(file.read(), "text\nmore\n", "the source")


@harness.test()
def tree_may_be_shown_above_itself(t):
    """The source was opened before it was covered."""
    top = t.directory("top")
    os.mkdir(top + "/inside")
    fill(top + "/inside")
    m = t.mount("--source", top + "/inside", path=top)
    equal(os.listdir(m.path), ["d"], "the mount")


@harness.test()
def options_reach_the_mount(t):
    m = t.mount("-o", "ro,noatime", "-o", "noexec")
    harness.refused(errno.EROFS, os.mkdir, m.at("d"))
    with open("/proc/self/mountinfo") as lines:
        line = [line for line in lines if f" {m.path} " in line][0]
    for option in "ro", "noatime", "noexec", "nosuid", "nodev":
        true(option in line.split(" ")[5].split(","), line)
    true(" - fuse.sincefs " in line, line)


@harness.test(limit=120)
def interrupted_mount_is_whole_or_not_there(t):
    path = t.directory("m")
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGKILL:
        for i in range(40):
            process = start(t, "mount", path)
            time.sleep(i / 2000)
            process.send_signal(number)
            process.communicate(timeout=20 * harness.SLOW)
            if number != signal.SIGKILL:
                equal(process.returncode == 0,
                      harness.mounts_below(path) == [path],
                      f"whether it is mounted, status {process.returncode}")
                if process.returncode == 0:
                    t.command("umount", path)
                continue
            # Its daemon answers and goes on, or is about to end by itself.
            wait_until(lambda: answers(path) or
                       harness.mounts_below(path) == [], 10, "either or")
            done = subprocess.run([harness.COMMAND, "umount", path],
                                  env=t.env, cwd="/", capture_output=True)
            true(done.returncode == 0 or b"not on a sincefs mount" in
                 done.stderr, f"umount: {done.stderr}")
            equal(harness.mounts_below(path), [], "the mounts")


@harness.test(limit=60)
def interrupted_run_leaves_nothing(t):
    path = t.directory("m")
    for i in range(40):
        process = start(t, "run", path, "--", "sleep", "30")
        time.sleep(i / 1000)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20 * harness.SLOW)
        true(process.returncode in (-signal.SIGTERM, 1,
                                    128 + signal.SIGTERM),
             f"status {process.returncode}")
        equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def closed_standard_streams_do_no_harm(t):
    path = t.directory("m")
    fill(path)
    program = harness.COMMAND
    t.run("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program, "mount", path)
    with open(path + "/d/file") as file:
        equal(file.read(), "text\n", "the file")
    state = t.base + "/state"
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", program, "since",
                           "--state", state, path], stderr=subprocess.PIPE)
    equal(done.returncode, 1, f"status without an output ({done.stderr})")
    true(not os.path.exists(state), "the token was kept")
    t.run("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program, "umount", path)
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def ignored_signals_of_the_starter_do_no_harm(t):
    path = t.directory("m")
    t.run("python3", "-c", "import os, signal, sys; "
          "signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
          "os.execv(sys.argv[1], sys.argv[1:])", harness.COMMAND, "run", path,
          "--", "true")
    # As of nohup: COMMAND ignores it, and run outlives it.
    process = subprocess.Popen(
        [harness.COMMAND, "run", path, "--", "sh", "-c",
         "echo ready; sleep 0.2; exit 6"], env=t.env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    equal(process.stdout.readline(), b"ready\n", "the first line")
    os.killpg(process.pid, signal.SIGHUP)
    end_of(process, 6)


# ---- the end ----

@harness.test()
def umount_returns_when_the_daemon_has_ended(t):
    for _ in range(20):
        m = t.mount(name=f"m{_}")
        m.umount()
        true(not m.is_mounted(), "still mounted")
        true(harness.process_is_gone(m.pid, 0.001), "the daemon lives")


@harness.test()
def umount_takes_any_path_inside(t):
    m = t.mount(build=fill)
    t.command("umount", m.at("d", "file"))
    true(not m.is_mounted(), "still mounted")
    m = t.mount(path=m.path)
    t.command("umount", "..", cwd=m.at("d"))
    true(not m.is_mounted(), "still mounted")


@harness.test()
def umount_of_a_busy_mount_names_who_uses_it(t):
    m = t.mount(build=fill)
    user = standing_in(m.at("d"))
    with open(m.at("d", "file")):
        said = t.command("umount", m.path, status=1)
    equal(said.count("\n"), 1, f"lines ({said})")
    for wanted in (f"sincefs: cannot unmount '{m.path}': busy (",
                   f"sh pid {user.pid}", f"pid {os.getpid()}",
                   "; end these or use --lazy"):
        true(wanted in said, said)
    true(m.is_mounted() and answers(m.path), "the mount is gone")
    let_go(user)
    m.umount()


@harness.test(needs_root=True)
def umount_names_what_is_mounted_inside(t):
    m = t.mount(build=fill)
    t.run("mount", "-t", "tmpfs", "none", m.at("d"))
    said = t.command("umount", m.path, status=1)
    equal(said, f"sincefs: cannot unmount '{m.path}': busy ('{m.path}/d' is "
          "mounted in it); unmount that or use --lazy\n", "what was said")
    t.run("umount", m.at("d"))
    m.umount()


@harness.test()
def program_in_the_mount_unmounts_it(t):
    """Who builds sincefs in a mount ends the mount with what he built."""
    m = t.mount()
    program = m.at("sincefs")
    shutil.copy(harness.COMMAND, program)
    equal(t.run(program, "umount", m.path), b"", "what was said")
    true(not m.is_mounted(), "still mounted")
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test(needs_root=True)
def mount_in_another_name_space_goes_on(t):
    m = t.mount(build=fill)
    other = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c",
         'echo; read line; cat "$1"', "sh", m.at("d", "file")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    said = t.command("umount", m.path)
    equal(said, f"sincefs: unmounted '{m.path}', but it is still mounted for "
          f"process {other.pid} in another mount name space\n",
          "what was said")
    true(not m.is_mounted(), "still mounted")
    equal(other.communicate(b"\n")[0], b"text\n", "what it reads")
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test()
def lazy_umount_leaves_users_to_finish(t):
    m = t.mount(build=fill)
    user = standing_in(m.at("d"))
    file = open(m.at("d", "file"), "r+")
    m.umount("--lazy")
    true(not m.is_mounted(), "still mounted")
    equal(file.read(), "text\n", "what is read")
    file.write("more")
    file.close()
    with open(m.under("d", "file")) as below:
        equal(below.read(), "text\nmore", "what is below")
    let_go(user)
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test()
def each_signal_ends_an_idle_mount(t):
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        m = t.mount(name=f"of-{number}", build=fill)
        os.stat(m.at("d", "file"))
        os.kill(m.pid, number)
        true(harness.process_is_gone(m.pid), "the daemon lives")
        true(not m.is_mounted(), "still mounted")


@harness.test(needs_root=True)
def a_signal_ends_only_the_own_mount(t):
    """Not what lies at that place by then."""
    # One that was detached, and another at the same place.
    first = t.mount(name="again", build=fill)
    user = standing_in(first.path)
    t.command("umount", "--lazy", first.path)
    second = t.mount(path=first.path)
    os.kill(first.pid, signal.SIGTERM)
    true(harness.process_is_gone(first.pid), "the first daemon lives")
    let_go(user)
    true(answers(second.path), "the second mount is gone")
    with second.connect() as conn:
        equal(conn.info().pid, second.pid, "who answers")
    second.umount()

    # A directory above was renamed, and there is another at the old place.
    os.makedirs(t.base + "/a/project")
    moved = t.mount(path=t.base + "/a/project")
    os.rename(t.base + "/a", t.base + "/b")
    os.makedirs(t.base + "/a/project")
    other = t.mount(path=t.base + "/a/project")
    os.kill(moved.pid, signal.SIGTERM)
    true(harness.process_is_gone(moved.pid), "the daemon lives")
    equal(harness.mounts_below(t.base + "/b"), [], "the mount that moved")
    true(answers(other.path), "the other mount is gone")
    other.umount()


@harness.test(needs_root=True)
def a_signal_leaves_what_lies_at_its_path(t):
    """A directory above was covered, and its path leads elsewhere."""
    os.makedirs(t.base + "/a/b")
    m = t.mount(path=t.base + "/a/b")
    t.run("mount", "-t", "tmpfs", "tmpfs", t.base + "/a")
    os.mkdir(t.base + "/a/b")
    t.run("mount", "-t", "tmpfs", "tmpfs", t.base + "/a/b")
    with open(t.base + "/a/b/data", "w") as file:
        file.write("of somebody else")
    os.kill(m.pid, signal.SIGTERM)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    with open(t.base + "/a/b/data") as file:
        equal(file.read(), "of somebody else", "what lies at the path")
    for path in "/a/b", "/a", "/a/b":
        t.run("umount", t.base + path)


@harness.test(needs_root=True)
def a_signal_leaves_what_covers_the_mount(t):
    m = t.mount(build=fill)
    t.run("mount", "-t", "tmpfs", "tmpfs", m.path)
    with open(m.at("data"), "w") as file:
        file.write("of somebody else")
    os.kill(m.pid, signal.SIGTERM)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    with open(m.at("data")) as file:
        equal(file.read(), "of somebody else", "what was mounted over it")
    t.run("umount", m.path)


@harness.test()
def each_signal_ends_one_in_the_foreground(t):
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        path = t.directory(f"of-{number}")
        process = start_foreground(t, path)
        with client.Connection(path) as conn:
            equal(conn.info().pid, process.pid, "the daemon")
        process.send_signal(number)
        out, err = end_of(process)
        equal(out, "", "standard output")
        true("warning" not in err and "cannot" not in err, err)
        equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def foreground_ends_with_the_mount(t):
    path = t.directory("m")
    process = start_foreground(t, path)
    t.command("umount", path)
    end_of(process)


@harness.test()
def signal_ends_a_mount_under_load(t):
    m = t.mount()
    done = {}
    stop = threading.Event()

    def write(name):
        """Counts the lines that were acknowledged."""
        done[name] = 0
        try:
            with open(m.at(name), "ab", buffering=0) as file:
                while not stop.is_set():
                    file.write(b"line\n")
                    done[name] += 1
        except OSError:
            pass

    writers = [threading.Thread(target=write, args=(f"f{i}",))
               for i in range(4)]
    for writer in writers:
        writer.start()
    wait_until(lambda: len(done) == 4 and all(done.values()), 10, "load")
    os.kill(m.pid, signal.SIGTERM)
    # They hold files, so it is detached, and after the time of grace ended.
    true(harness.process_is_gone(m.pid), "the daemon lives")
    true(not m.is_mounted(), "still mounted")
    stop.set()
    for writer in writers:
        writer.join()
    for name, count in done.items():
        size = os.stat(m.under(name)).st_size
        # The one at work may have arrived without having been answered.
        true(size in (5 * count, 5 * count + 5),
             f"{name} has {size} bytes after {count} lines")


@harness.test()
def second_signal_does_not_wait_for_users(t):
    m = t.mount(build=fill)
    with open(m.at("d", "file"), "r+") as file:
        os.kill(m.pid, signal.SIGTERM)
        wait_until(lambda: not m.is_mounted(), 10, "it is detached")
        true(os.path.exists(f"/proc/{m.pid}/fd/0"), "the daemon did not wait")
        begin = time.monotonic()
        os.kill(m.pid, signal.SIGTERM)
        true(harness.process_is_gone(m.pid), "the daemon lives")
        true(time.monotonic() - begin < 1.5 * harness.SLOW, "it took long")
        harness.refused(errno.ENOTCONN, os.fsync, file.fileno())


# ---- dead and hung daemons ----

def kill_daemon(m):
    os.kill(m.pid, signal.SIGKILL)
    true(harness.process_is_gone(m.pid), "the daemon lives")
    # One that was answered by nobody any more may say it in other words.
    wait_until(lambda: not answers(m.path), 10, "the mount is dead")
    harness.refused(errno.ENOTCONN, os.listdir, m.path)


@harness.test()
def dead_mount_is_told_and_removed(t):
    m = t.mount(build=fill)
    token = t.command("token", m.path).strip()
    kill_daemon(m)
    why = f"'{m.path}': the daemon of this mount is gone"
    for arguments in ("token", m.path), ("since", m.path, token), \
            ("watch", m.path):
        said = t.command(*arguments, status=1)
        equal(said, f"sincefs: cannot ask what changed in {why}\n",
              "what was said")
    said = t.command("status", m.path, status=1)
    equal(said, f"{m.path}\n  state     dead: the daemon of this mount is "
          "gone\n", "status")
    true(said in t.command("status"), "it is missing among all")
    equal(t.command("umount", m.path), "", "what was said")
    true(not m.is_mounted(), "still mounted")
    equal(os.listdir(m.path), ["d"], "the directory")


@harness.test()
def dead_mount_is_removed_by_a_path_inside(t):
    m = t.mount(build=fill)
    kill_daemon(m)
    t.command("umount", m.at("d", "file"))
    true(not m.is_mounted(), "still mounted")


@harness.test()
def dead_mount_in_use_is_removed(t):
    m = t.mount(build=fill)
    user = standing_in(m.at("d"))
    kill_daemon(m)
    t.command("umount", m.path)
    true(not m.is_mounted(), "still mounted")
    let_go(user)


@harness.test()
def mount_over_a_dead_one_recovers(t):
    m = t.mount(build=fill)
    token = t.command("token", m.path).strip()
    kill_daemon(m)
    said = t.command("mount", m.path)
    true(said.startswith(
        f"sincefs: removed a dead sincefs mount from '{m.path}'\n"), said)
    equal(harness.mounts_below(m.path), [m.path], "the mounts")
    equal(t.command("since", m.path, token), "FRESH\n", "the answer")
    with client.Connection(m.path) as conn:
        true(conn.info().now.instance != m.instance, "the same instance")
    t.command("umount", m.path)


@harness.test()
def place_inside_a_dead_mount_is_refused(t):
    m = t.mount(build=fill)
    kill_daemon(m)
    said = t.command("mount", m.at("d"), status=1)
    equal(said, f"sincefs: cannot mount over '{m.path}/d': it lies in the "
          f"dead sincefs mount '{m.path}', which 'sincefs umount' removes\n",
          "what was said")


@harness.test(limit=60)
def kill_9_under_load_loses_nothing_acknowledged(t):
    m = t.mount()
    token = t.command("token", m.path).strip()
    program = """if True:
        import os, sys
        file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
        for i in range(10 ** 9):
            os.write(file, b"%09d\\n" % i)
            os.write(1, b"%09d\\n" % i)
    """
    writer = subprocess.Popen(["python3", "-c", program, m.at("log")],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    told = writer.stdout.read(10 * 500)
    os.kill(m.pid, signal.SIGKILL)
    told += writer.stdout.read()
    writer.wait()
    with open(m.under("log"), "rb") as file:
        true(file.read().startswith(told), "acknowledged lines are missing")
    t.command("umount", m.path)
    m = t.mount(path=m.path)
    equal(t.command("since", m.path, token), "FRESH\n", "the answer")


@harness.test(limit=60)
def hung_daemon_hangs_no_command(t):
    m = t.mount(build=fill)
    os.kill(m.pid, signal.SIGSTOP)
    try:
        said = t.command("status", m.path, status=1)
        equal(said, f"{m.path}\n  state     hung: the daemon does not answer\n",
              "status")
        said = t.command("mount", m.path, status=1)
        true("already covered by sincefs" in said, said)
        t.command("umount", "--lazy", m.path)
        true(not m.is_mounted(), "still mounted")
    finally:
        os.kill(m.pid, signal.SIGCONT)
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test(limit=60)
def hung_daemon_hangs_no_command_by_a_path_inside(t):
    """The kernel has not seen the names, and the shell's directory says more
    than it: nobody but the daemon could tell what they are."""
    m = t.mount(build=fill)
    outside = t.directory("outside")
    os.symlink(m.path, outside + "/link")
    inside = m.at("d")
    os.chdir(inside)
    os.kill(m.pid, signal.SIGSTOP)
    hung = f"{m.path}\n  state     hung: the daemon does not answer\n"
    try:
        for path in ".", "../x/y", outside + "/link/./new":
            said = t.command("status", path, status=1, cwd=inside,
                             env={"PWD": inside})
            equal(said, hung, f"status by {path}")
        said = t.command("mount", m.at("new"), status=1)
        true(f"already covered by the sincefs mount '{m.path}'" in said, said)
        # Where a name leads that may be a link is not guessed.
        said = t.command("umount", "--lazy", m.at("new", ".."), status=1)
        equal(said, f"sincefs: cannot unmount '{m.path}/new/..': connection "
              "timed out\n", "what was said")
        t.command("umount", "--lazy", "new/x", cwd=inside)
        true(not m.is_mounted(), "still mounted")
    finally:
        os.kill(m.pid, signal.SIGCONT)
    os.chdir("/")
    true(harness.process_is_gone(m.pid), "the daemon lives")


@harness.test()
def links_inside_are_followed_out_of_a_mount(t):
    outside = t.directory("outside")
    m = t.mount(build=fill)
    os.symlink(outside, m.at("link"))
    t.command("mount", m.at("link"))
    equal(harness.mounts_below(outside), [outside], "the mounts")
    t.command("umount", "link", cwd=m.path)
    true(m.is_mounted(), "not mounted any more")
    equal(harness.mounts_below(outside), [], "the mounts")


# ---- what bypasses it ----

@harness.test()
def mount_names_who_goes_on_below(t):
    path = t.directory("m")
    fill(path)
    shell = standing_in(path + "/d")
    program = ["python3", "-c", "import sys; file = open(sys.argv[1]); "
               "print(flush=True); input()", path + "/d/file"]
    reader = subprocess.Popen(program, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    reader.stdout.readline()
    said = t.command("mount", path)
    lines = said.splitlines()
    equal(lines[0], "sincefs: 2 processes still use the directory below "
          f"'{path}' and bypass the mount:", "the first line")
    equal(sorted(lines[1:3]), sorted([
        f"  sh ({shell.pid}): working directory 'd'",
        f"  python3 ({reader.pid}): open file 'd/file'"]), "the processes")
    true('cd "$PWD"' in lines[3], said)
    equal(len(lines), 4, "lines")
    # Now they hold nothing that keeps the mount busy.
    t.command("umount", path)
    let_go(shell)
    let_go(reader)
    equal(t.command("mount", path), "", "what was said")
    # Whoever stands in the mount does not bypass it.
    user = standing_in(path + "/d")
    said = t.command("umount", path, status=1)
    true(f"sh pid {user.pid}" in said, said)
    let_go(user)
    t.command("umount", path)


@harness.test()
def those_who_use_the_source_bypass_a_mount_elsewhere(t):
    source = t.directory("source")
    fill(source)
    path = t.directory("elsewhere")
    below = standing_in(path)
    user = standing_in(source + "/d")
    wanted = (
        f"sincefs: 1 process still uses the directory shown at '{path}' and "
        f"bypasses the mount:\n  sh ({user.pid}): working directory 'd'\n"
        f"What they change is not recorded. Let them use '{path}' instead.\n")
    equal(t.command("mount", "--source", "source", path, cwd=t.base), wanted,
          "what was said")
    t.command("umount", path)
    equal(t.command("run", "--source", source, path, "--", "true"), wanted,
          "what run said")
    process = start_foreground(t, path, "--source", source)
    # Or the test waits for it in vain.
    while f"sh ({user.pid})".encode() not in process.stderr.readline():
        pass
    t.command("umount", path)
    end_of(process)
    let_go(below)
    let_go(user)


@harness.test()
def foreground_names_them_too(t):
    path = t.directory("m")
    shell = standing_in(path)
    process = start_foreground(t, path)
    # It says so a moment after the mount answers.
    said = process.stderr.readline()
    while b"type cd" not in said:
        line = process.stderr.readline()
        true(line, f"the end after {said}")
        said += line
    t.command("umount", path)
    end_of(process)
    let_go(shell)
    true(f"  sh ({shell.pid}): working directory '.'" in said.decode(), said)


@harness.test()
def shell_that_stands_below_is_helped(t):
    """Trap 12: it was in the directory before that was covered."""
    m = t.mount(build=fill)
    said = t.command("token", ".", cwd=m.under()).splitlines()
    equal(said[0], f"sincefs: '{m.path}' is asked, but this process stands "
          'below the mount; in a shell type cd "$PWD"', "what was said")
    true(said[1].startswith("sincefs:1:"), f"no token: {said}")
    said = t.command("since", "d", "", cwd=m.under())
    true(said.endswith("FRESH\n"), said)
    # And one that stands in the mount is not lectured.
    equal(t.command("since", "d", "", cwd=m.path), "FRESH\n", "the answer")
    t.command("status", ".", cwd=m.under())
    t.command("umount", "d", cwd=m.under())
    true(not m.is_mounted(), "still mounted")


# ---- run ----

@harness.test()
def run_runs_inside_and_unmounts(t):
    path = t.directory("m")
    fill(path)
    said = t.command("run", path, "--", "sh", "-c",
                     'pwd; echo "$PWD"; cat d/file; echo more >> d/file; '
                     'exec "$1" token .', "sh", harness.COMMAND)
    lines = said.splitlines()
    equal(lines[:3], [path, path, "text"], "what was printed")
    true(lines[3].startswith("sincefs:1:"), said)
    equal(harness.mounts_below(path), [], "the mounts")
    with open(path + "/d/file") as file:
        equal(file.read(), "text\nmore\n", "the file")


@harness.test()
def run_exits_as_its_command(t):
    path = t.directory("m")
    t.command("run", path, "--", "true")
    t.command("run", path, "--", "sh", "-c", "exit 37", status=37)
    t.command("run", path, "--", "sh", "-c", "kill -KILL $$", status=137)
    said = t.command("run", path, "--", "no-such-command", status=127)
    equal(said, "sincefs: cannot run 'no-such-command': no such file or "
          "directory\n", "what was said")
    said = t.command("run", path, "--", "/etc", status=126)
    equal(said, "sincefs: cannot run '/etc': permission denied\n",
          "what was said")
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def run_takes_options_of_mount_and_leaves_those_of_the_command(t):
    path = t.directory("m")
    said = t.command("run", "-o", "ro", "--capacity=7", path, "--", "sh",
                     "-c", 'mkdir d; echo "$@"', "sh", "--capacity=8", "--",
                     "-o")
    true("Read-only file system" in said, said)
    equal(said.splitlines()[-1], "--capacity=8 -- -o", "the arguments")


@harness.test()
def run_without_a_mount_runs_nothing(t):
    said = t.command("run", t.base + "/no", "--", "touch", t.base + "/ran",
                     status=1)
    equal(said, f"sincefs: cannot mount over '{t.base}/no': no such file or "
          "directory\n", "what was said")
    true(not os.path.exists(t.base + "/ran"), "it ran")


@harness.test()
def run_passes_signals_on(t):
    path = t.directory("m")
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, \
            signal.SIGQUIT:
        process = start(
            t, "run", path, "--", "sh", "-c",
            f"trap 'echo got it; exit 5' {int(number)}; echo ready; "
            "while :; do sleep 0.02; done")
        equal(process.stdout.readline(), b"ready\n", "the first line")
        process.send_signal(number)
        out, err = end_of(process, 5)
        equal(out, "got it\n", "what was printed")
        equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def run_survives_what_the_terminal_sends_to_all(t):
    path = t.directory("m")
    process = start(t, "run", path, "--", "sh", "-c",
                    "echo ready; exec sleep 30", start_new_session=True)
    equal(process.stdout.readline(), b"ready\n", "the first line")
    os.killpg(process.pid, signal.SIGINT)
    end_of(process, 128 + signal.SIGINT)
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def run_detaches_from_what_is_left_behind(t):
    path = t.directory("m")
    said = t.command("run", path, "--", "sh", "-c",
                     "sleep 30 > /dev/null 2>&1 & echo $!", status=0)
    left = int(said.splitlines()[0])
    true(f"sleep pid {left}" in said, said)
    true("it ends with its last user" in said, said)
    equal(harness.mounts_below(path), [], "the mounts")
    os.kill(left, signal.SIGKILL)


@harness.test()
def run_takes_it_well_that_its_command_unmounts(t):
    path = t.directory("m")
    end = ["sh", "-c", 'cd / && "$@"', "sh", harness.COMMAND, "umount", path]
    equal(t.command("run", path, "--", *end), "", "what was said")
    end[2] += "; exit 5"
    equal(t.command("run", path, "--", *end, status=5), "", "what was said")
    # What is mounted there since is somebody else's.
    end[2] = 'cd / && "$@" && exec "$1" mount "$3"'
    equal(t.command("run", path, "--", *end), "", "what was said")
    equal(harness.mounts_below(path), [path], "the mounts")
    t.command("umount", path)


@harness.test(needs_root=True)
def run_says_when_another_mount_covers_its_own(t):
    path = t.directory("m")
    said = t.command("run", path, "--", "mount", "-t", "tmpfs", "none", path,
                     status=1)
    equal(said, f"sincefs: cannot unmount '{path}': another mount covers it\n",
          "what was said")
    t.run("umount", path)
    t.command("umount", path)


@harness.test()
def run_does_not_name_its_own_ancestors(t):
    path = t.directory("m")
    os.chdir(path)
    equal(t.command("run", ".", "--", "true", cwd=path), "", "what was said")
    other = standing_in(path)
    said = t.command("run", ".", "--", "true", cwd=path)
    let_go(other)
    true(f"sh ({other.pid}): working directory '.'" in said, said)
    os.chdir("/")


# ---- trap 11 ----

def use(t, home):
    """What a session does in a home directory, and what the daemon could trip
    over: its own files lie in its own mount."""
    for name in ".config/sincefs", ".cache", ".local/state/sincefs", "run":
        os.makedirs(os.path.join(home, name), exist_ok=True)
    for i in range(200):
        with open(os.path.join(home, ".cache", f"f{i}"), "w") as file:
            file.write(str(i))
    t.run("sh", "-c", "cd && cp -r .cache .cache2 && sync -f . && "
          "rm -rf .cache2 && grep -r 199 .cache", env={"HOME": home})


@harness.test(limit=60)
def home_is_mounted_with_all_that_is_in_it(t):
    home = t.directory("home")
    os.makedirs(home + "/.config/sincefs")
    with open(home + "/.config/sincefs/config", "w") as file:
        file.write("[mount]\n")
    env = {"HOME": home, "XDG_RUNTIME_DIR": home + "/run",
           "XDG_CONFIG_HOME": home + "/.config",
           "XDG_STATE_HOME": home + "/.local/state",
           "XDG_CACHE_HOME": home + "/.cache", "G_MESSAGES_DEBUG": "all"}
    os.makedirs(home + "/run")
    state = home + "/.cache/state"
    os.makedirs(home + "/.cache")

    t.command("mount", "--ignore", "/.cache/state*", home, env=env, cwd=home)
    equal(t.command("since", "--state", state, home, env=env, cwd=home),
          "FRESH\n", "the first answer")
    use(t, home)
    said = t.command("since", "--state", state, home, env=env, cwd=home)
    true("A  .cache/f7\n" in said, said)
    t.command("status", home, env=env, cwd=home)
    t.command("umount", home, env=env, cwd="/")

    said = t.command("run", home, "--", "sh", "-c", "echo x > ~/y", env=env,
                     cwd=home)
    true(os.path.exists(home + "/y"), "no file")


@harness.test(limit=60)
def daemon_logs_into_its_own_mount(t):
    home = t.directory("home")
    with open(home + "/log", "wb") as log:
        process = subprocess.Popen(
            [harness.COMMAND, "mount", "--foreground", home], cwd=home,
            env={**t.env, "HOME": home, "G_MESSAGES_DEBUG": "all"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    with open(t.base + "/daemons", "a") as file:
        file.write(f"{process.pid}\n")
    wait_until(lambda: answers(home), 10, "the mount answers")
    use(t, home)
    t.command("umount", home, env={"HOME": home})
    equal(process.wait(20), 0, "status")
    true(os.stat(home + "/log").st_size > 0, "nothing was logged")


harness.main()
