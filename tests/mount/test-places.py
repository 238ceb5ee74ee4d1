# SPDX-License-Identifier: MIT
"""Where a mount can lie and what can lie in it: another source, read-only, other
file systems inside, odd names."""

import errno
import os

import harness
import syscalls
from harness import equal, refused, told, true
from sincefs_client import CONTENT, GONE, NEW


def build(path):
    os.mkdir(os.path.join(path, "d"))
    for name in "a", "d/b":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def append(path):
    with open(path, "a") as file:
        file.write("x")


@harness.test()
def a_source_is_shown_at_another_directory(t):
    source = t.directory("source")
    build(source)
    m = t.mount(build=lambda path: append(os.path.join(path, "covered")),
                source=source)
    equal(sorted(os.listdir(m.path)), ["a", "d"], "names")
    with m.connect() as conn:
        token = conn.token()
        append(m.at("d/b"))
        told(conn.since(token), {"d/b": (CONTENT, NEW)})
        with open(os.path.join(source, "d/b")) as file:
            equal(file.read(), "d/bx", "content of the source")
        equal(conn.tree(1).root, os.fsencode(m.path), "root")
    m.umount()
    equal(os.listdir(m.path), ["covered"], "names")


@harness.test(needs_root=True)
def a_read_only_mount_refuses_every_change(t):
    m = t.mount("-o", "ro", build=build)
    with m.connect() as conn:
        token = conn.token()
        for call, arguments in (
                (os.open, (m.at("a"), os.O_WRONLY)),
                (os.open, (m.at("new"), os.O_CREAT | os.O_WRONLY)),
                (os.mkdir, (m.at("new"),)), (os.unlink, (m.at("a"),)),
                (os.rename, (m.at("a"), m.at("new"))),
                (os.chmod, (m.at("a"), 0o600)),
                (os.truncate, (m.at("a"), 0)),
                (os.setxattr, (m.at("a"), "user.x", b"")),
                (os.link, (m.at("a"), m.at("new"))),
                (os.utime, (m.at("a"),))):
            refused(errno.EROFS, call, *arguments)
        told(conn.since(token), {})
        with open(m.at("d/b")) as file:
            equal(file.read(), "d/b", "content")


@harness.test(needs_root=True)
def another_file_system_inside_is_covered_too(t):
    """Its files may have the numbers of files outside of it."""
    path = t.directory("m")
    build(path)
    for name in "one", "two":
        os.mkdir(os.path.join(path, name))
        t.run("mount", "-t", "tmpfs", "tmpfs", os.path.join(path, name))
        build(os.path.join(path, name))
    numbers = {os.stat(os.path.join(path, name, "a")).st_ino
               for name in ("one", "two")}
    m = t.mount(path=path)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("one/d/b"))
        os.unlink(m.at("two/a"))
        told(conn.since(token), {"one/d/b": (CONTENT, NEW),
                                 "two/a": (CONTENT | GONE, NEW)})
        refused(errno.EXDEV, os.rename, m.at("a"), m.at("one/new"))
        refused(errno.EXDEV, os.link, m.at("a"), m.at("one/new"))
        contents = []
        for name in "a", "one/a":
            with open(m.at(name)) as file:
                contents.append(file.read())
        equal(contents, ["a", "a"], "contents")
        append(m.at("one/a"))
        fd = os.open(m.at("a"), os.O_RDONLY)
        equal(os.read(fd, 10), b"a", "content of another file")
        os.close(fd)
        if len(numbers) == 1:
            print("# the two have files of the same number")
    m.umount()
    for name in "one", "two":
        t.run("umount", os.path.join(path, name))


@harness.test()
def a_mount_point_may_have_any_name(t):
    for n, name in enumerate([" spaces  in it ", "new\nline", "back\\slash",
                              "comma,opt=1", "not utf-8 \udcff", "-rf",
                              "#%&\t", "\u00fc" * 100]):
        m = t.mount(name=name, build=build)
        with m.connect("d") as conn:
            token = conn.token()
            append(m.at("d/b"))
            told(conn.since(token), {"d/b": CONTENT})
            equal(conn.tree(1).root, os.fsencode(m.path), "root")
        text = t.command("token", m.path).strip()
        append(m.at("a"))
        equal(t.command("since", m.path, text), "M  a\n", "answer")
        m.umount()
        true(not m.is_mounted(), f"{name!r} is still mounted")


@harness.test()
def the_command_works_from_any_place_inside(t):
    m = t.mount(build=build)
    text = t.command("token", ".", cwd=m.at("d")).strip()
    append(m.at("a"))
    for where, argument in ((m.at("d"), "."), (m.at("d"), ".."),
                            (m.path, "d/b"), (m.path, "."),
                            ("/", m.at("d"))):
        equal(t.command("since", argument, text, cwd=where), "M  a\n",
              f"answer in {argument}")


@harness.test(needs_root=True)
def a_bind_mount_of_the_inside_is_the_mount_too(t):
    m = t.mount(build=build)
    other = t.directory("other")
    t.run("mount", "--bind", m.at("d"), other)
    with m.connect() as conn:
        token = conn.token()
        append(os.path.join(other, "b"))
        told(conn.since(token), {"d/b": CONTENT})
    t.run("umount", other)
    m.umount()


@harness.test(needs_root=True)
def a_chroot_into_it_works(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        pid = os.fork()
        if pid == 0:
            os.chroot(m.path)
            os.chdir("/")
            append("/d/b")
            os.symlink("/a", "/link")
            append("/link")
            os._exit(0)
        equal(os.waitpid(pid, 0)[1], 0, "status")
        told(conn.since(token), {"d/b": CONTENT, "a": CONTENT,
                                 "link": CONTENT | NEW})


@harness.test(needs_root=True)
def another_mount_name_space_sees_it_and_may_keep_it(t):
    """It is in use there after the unmount here; the daemon goes on for it."""
    m = t.mount(build=build)
    reader, writer = os.pipe()
    ready, set_up = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            t.run("mount", "--make-rprivate", "/")
            os.write(set_up, b"x")
            os.read(reader, 1)
            append(m.at("a"))
            with open(m.at("a")) as file:
                status = 0 if file.read() == "ax" else 1
        finally:
            os._exit(status)
    os.read(ready, 1)
    t.command("umount", m.path)
    true(not m.is_mounted(), "it is still mounted here")
    os.write(writer, b"x")
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0,
          "status in the other name space")
    true(harness.process_is_gone(m.pid), "the daemon lives")
    with open(os.path.join(m.path, "a")) as file:
        equal(file.read(), "ax", "content")


if __name__ == "__main__":
    harness.main()
