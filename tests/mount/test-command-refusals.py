# SPDX-License-Identifier: MIT
"""What the command refuses: places that can not be covered (one clear line,
exit 1, nothing mounted), and what it does not understand (exit 2)."""

import os
import subprocess

import harness
from harness import equal, true


def refuses(t, wanted, *arguments, status=1, **more):
    """The command says one line, exactly @wanted, and mounts nothing."""
    before = harness.mounts_below("/")
    said = t.command(*arguments, status=status, **more)
    equal(said, f"sincefs: {wanted}\n", "what was said")
    equal(harness.mounts_below("/"), before, "the mounts")


def refuses_to_mount(t, wanted, directory, *options, **more):
    refuses(t, f"cannot mount over '{directory}': {wanted}", "mount", *options,
            directory, **more)
    # In the foreground the same, without a daemon that goes on.
    refuses(t, f"cannot mount over '{directory}': {wanted}", "mount",
            "--foreground", *options, directory, **more)


def usage(t, wanted, *arguments):
    said = t.command(*arguments, status=2)
    lines = said.splitlines()
    equal(lines[0], f"sincefs: {wanted}", "what was said")
    true(lines[-1].startswith("Try '") and lines[-1].endswith("--help'."),
         f"no advice: {said}")


@harness.test()
def missing_directory_is_refused(t):
    refuses_to_mount(t, "no such file or directory", t.base + "/no/such")
    refuses(t, "cannot mount over '': no such file or directory", "mount", "")


@harness.test()
def file_is_refused(t):
    path = t.base + "/file"
    with open(path, "w"):
        pass
    refuses_to_mount(t, "not a directory", path)
    os.symlink("file", t.base + "/link")
    refuses_to_mount(t, "not a directory", t.base + "/link")


@harness.test()
def link_that_leads_nowhere_is_refused(t):
    os.symlink("nowhere", t.base + "/link")
    refuses_to_mount(t, "no such file or directory", t.base + "/link")
    os.symlink("round", t.base + "/round")
    refuses_to_mount(t, "too many levels of symbolic links",
                     t.base + "/round")


@harness.test()
def root_of_the_system_is_refused(t):
    refuses_to_mount(t, "it is the root of the system", "/")


@harness.test()
def file_system_of_the_kernel_is_refused(t):
    why = "a file system of the kernel holds no files to track"
    refuses_to_mount(t, why, "/proc")
    refuses_to_mount(t, why, "/proc/self/fd")
    refuses_to_mount(t, why, "/sys")


@harness.test()
def covered_directory_is_refused(t):
    m = t.mount(build=lambda path: os.mkdir(path + "/d"))
    before = harness.mounts_below(t.base)
    said = t.command("mount", m.path, status=1)
    equal(said, f"sincefs: cannot mount over '{m.path}': already covered by "
          "sincefs\n", "what was said")
    said = t.command("mount", m.path + "/d", status=1)
    equal(said, f"sincefs: cannot mount over '{m.path}/d': already covered "
          f"by the sincefs mount '{m.path}'\n", "what was said")
    equal(harness.mounts_below(t.base), before, "the mounts")


@harness.test()
def directory_inside_its_source_is_refused(t):
    source = t.directory("source")
    os.makedirs(source + "/a/b")
    why = (f"it lies inside its source '{source}': a tree cannot be shown "
           "inside itself")
    refuses_to_mount(t, why, source + "/a/b", "--source", source)
    refuses_to_mount(t, why, source + "/a", "--source", source + "/a/..")


@harness.test(needs_root=True)
def directory_inside_a_bind_mount_of_its_source_is_refused(t):
    source = t.directory("source")
    os.mkdir(source + "/a")
    other = t.directory("other")
    t.run("mount", "--bind", source, other)
    said = t.command("mount", "--source", source, other + "/a", status=1)
    true("cannot be shown inside itself" in said, said)


@harness.test()
def source_that_is_no_directory_is_refused(t):
    directory = t.directory("d")
    refuses_to_mount(t, f"its source '{t.base}/no': no such file or directory",
                     directory, "--source", t.base + "/no")
    with open(t.base + "/file", "w"):
        pass
    refuses_to_mount(t, f"its source '{t.base}/file': not a directory",
                     directory, "--source", t.base + "/file")


@harness.test()
def covered_source_is_refused(t):
    m = t.mount()
    other = t.directory("other")
    said = t.command("mount", "--source", m.path, other, status=1)
    equal(said, f"sincefs: cannot mount over '{other}': its source "
          f"'{m.path}' is itself covered by sincefs\n", "what was said")


@harness.test()
def directory_with_the_control_files_name_is_refused(t):
    why = "there is a '.sincefs' in it, which the control file would hide"
    for make in (os.mkdir, lambda path: os.symlink("nowhere", path)):
        path = t.directory(f"d{len(os.listdir(t.base))}")
        make(path + "/.sincefs")
        refuses_to_mount(t, why, path)
        refuses_to_mount(t, why, t.directory(f"d{len(os.listdir(t.base))}"),
                         "--source", path)


@harness.test(needs_root=True)
def machine_without_fuse_is_refused(t):
    path = t.directory("d")
    hide = ["unshare", "-m", "sh", "-c",
            'mount -t tmpfs none /dev && exec "$@"', "sh"]
    said = t.command("mount", path, status=1, prefix=hide)
    equal(said, f"sincefs: cannot mount over '{path}': no FUSE in this "
          "system: /dev/fuse: no such file or directory\n", "what was said")


@harness.test()
def limit_that_is_too_low_is_refused(t):
    path = t.directory("d")
    for few in 12, 31:
        refuses_to_mount(
            t, "it takes a limit of 32 open files (ulimit -n), which is "
            f"{few}", path,
            prefix=["sh", "-c", f'ulimit -n {few}; exec "$@"', "sh"])
    m = t.mount(path=path,
                prefix=["sh", "-c", 'ulimit -n 32; exec "$@"', "sh"])
    for i in range(100):
        os.mkdir(m.at(f"d{i}"))
        with open(m.at(f"d{i}", "f"), "w") as file:
            file.write("text")


@harness.test()
def strange_name_is_said_in_one_line(t):
    said = t.command("mount", t.base + "/a\nb\x1b[31m", status=1)
    equal(said, f'sincefs: cannot mount over "{t.base}/a\\nb\\033[31m": no '
          "such file or directory\n", "what was said")


@harness.test()
def asking_elsewhere_is_refused(t):
    directory = t.directory("d")
    why = f"cannot ask what changed in '{directory}': not on a sincefs mount"
    refuses(t, why, "token", directory)
    refuses(t, why, "since", directory, "")
    refuses(t, why, "watch", directory)
    refuses(t, f"cannot unmount '{directory}': not on a sincefs mount",
            "umount", directory)
    refuses(t, f"cannot show the status of '{directory}': not on a sincefs "
            "mount", "status", directory)
    missing = t.base + "/no"
    why = "no such file or directory"
    refuses(t, f"cannot ask what changed in '{missing}': {why}", "token",
            missing)
    refuses(t, f"cannot unmount '{missing}': {why}", "umount", missing)
    refuses(t, f"cannot show the status of '{missing}': {why}", "status",
            missing)


@harness.test()
def what_is_not_understood_is_a_usage_error(t):
    path = t.directory("d")
    usage(t, "no command is called 'moutn'", "moutn", path)
    usage(t, "no command is called '--versoin'", "--versoin")
    usage(t, "Unknown option --nonesuch", "mount", "--nonesuch", path)
    usage(t, "sincefs mount: wants DIR", "mount")
    usage(t, "sincefs mount: wants DIR", "mount", path, path)
    usage(t, "sincefs umount: wants DIR", "umount")
    usage(t, "sincefs token: wants DIR", "token")
    usage(t, "sincefs status: wants [DIR]", "status", path, path)
    usage(t, "sincefs run: wants DIR -- COMMAND [ARGUMENT...]", "run", path)
    usage(t, "sincefs run: wants DIR -- COMMAND [ARGUMENT...]", "run", path,
          "--")
    usage(t, "sincefs run: wants DIR -- COMMAND [ARGUMENT...]", "run", "--",
          "true")
    equal(os.listdir(path), [], "the directory")


@harness.test()
def values_without_meaning_are_usage_errors(t):
    path = t.directory("d")
    wrong = "--capacity: not between 1 and 2147483647"
    for capacity in ("0", "-1", "2147483648"):
        usage(t, wrong, "mount", f"--capacity={capacity}", path)
    said = t.command("mount", "--capacity=many", path, status=2)
    true("many" in said, said)
    usage(t, "-o: not an option of this file system: 'subtype=x'", "mount",
          "-o", "ro,subtype=x", path)
    for pattern in ("", "!", "/"):
        t.command("mount", "--ignore", pattern, path, status=2)
    equal(harness.mounts_below(path), [], "the mounts")


@harness.test()
def questions_without_meaning_are_usage_errors(t):
    path = t.directory("d")
    usage(t, "sincefs since: wants DIR TOKEN, or --state FILE and DIR",
          "since", path)
    usage(t, "sincefs since: --state is instead of TOKEN", "since", "--state",
          t.base + "/s", path, "")
    for command in ("since", "watch"):
        usage(t, f"sincefs {command}: -0 and --json exclude each other",
              command, "-0", "--json", path, "")
        usage(t, "not a token: 'yesterday'", command, path, "yesterday")
        usage(t, f"sincefs {command}: --names: the pattern is empty", command,
              "--names", "", path, "")
        usage(t, f"sincefs {command}: --names: the patterns are too long, "
              "all of them may have 63 bytes", command, "--names", "a" * 40,
              "--names", "b" * 40, path, "")


@harness.test()
def help_is_printed(t):
    for command in ("mount", "umount", "run", "token", "since", "watch",
                    "status"):
        said = t.command(command, "--help")
        true(f"sincefs {command} " in said and "--help" in said, said)
    said = t.command("--help")
    true("sincefs COMMAND" in said, said)
    equal(t.command("--version").split()[0], "sincefs", "the first word")
    equal(t.command(status=2), said, "help without a command")
    done = subprocess.run([harness.COMMAND, "--help"],
                          stdout=open("/dev/full", "w"))
    equal(done.returncode, 1, "status with a full disk")


harness.main()
