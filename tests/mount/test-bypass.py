# SPDX-License-Identifier: MIT
"""What changes the directory below behind the mount's back must not make the
mount lie about what it does itself, or hurt a file."""

import errno
import os

import harness
from harness import equal, refused, told, true
from sincefs_client import CONTENT, SCANNED


def absent_for_the_kernel(path):
    refused(errno.ENOENT, os.stat, path)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def build(path):
    write(os.path.join(path, "log"), "one\n")
    os.mkdir(os.path.join(path, "d"))
    write(os.path.join(path, "d", "f"), "inside")


@harness.test()
def a_file_that_appeared_below_is_opened_as_it_is(t):
    m = t.mount(build=build)
    absent_for_the_kernel(m.at("new"))
    write(m.under("new"), "from below")
    fd = os.open(m.at("new"), os.O_RDWR | os.O_CREAT, 0o600)
    equal(os.read(fd, 100), b"from below", "content")
    os.close(fd)


@harness.test()
def a_file_that_appeared_below_is_cut_off_when_asked(t):
    m = t.mount(build=build)
    absent_for_the_kernel(m.at("new"))
    write(m.under("new"), "from below")
    with m.connect() as conn:
        token = conn.token()
        os.close(os.open(m.at("new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        equal(os.path.getsize(m.under("new")), 0, "size below")
        told(conn.since(token, sync=False), {"new": CONTENT})


@harness.test()
def a_file_that_appeared_below_is_in_the_way(t):
    m = t.mount(build=build)
    for name in "x", "y", "z":
        absent_for_the_kernel(m.at(name))
        write(m.under(name), "from below")
    refused(errno.EEXIST, os.open, m.at("x"), os.O_CREAT | os.O_EXCL)
    refused(errno.EEXIST, os.mkdir, m.at("y"))
    refused(errno.EEXIST, os.link, m.at("log"), m.at("z"))
    for name in "x", "y", "z":
        with open(m.under(name)) as file:
            equal(file.read(), "from below", "content of " + name)


@harness.test()
def an_append_lands_behind_what_was_appended_below(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd = os.open(m.at("log"), os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"two\n")
        with open(m.under("log"), "a") as file:
            file.write("below\n")
        token = conn.token()
        os.write(fd, b"three\n")
        told(conn.since(token, sync=False), {"log": CONTENT | SCANNED})
        os.close(fd)
        with open(m.under("log")) as file:
            equal(file.read(), "one\ntwo\nbelow\nthree\n", "the file below")

        def shows_all():
            with open(m.at("log")) as file:
                return file.read() == "one\ntwo\nbelow\nthree\n"
        harness.wait_until(shows_all, 10, "the mount to show it")


@harness.test()
def a_file_replaced_below_is_not_written_to_in_its_stead(t):
    m = t.mount(build=build)
    fd = os.open(m.at("d/f"), os.O_RDWR)
    # Whatever descriptors the daemon has of it shall not help.
    write(m.under("other"), "another")
    os.rename(m.under("other"), m.under("d/f"))
    try:
        os.pwrite(fd, b"INSIDE", 0)
    except OSError as error:
        equal(error.errno, errno.ESTALE, "errno")
    os.close(fd)
    with open(m.under("d/f")) as file:
        equal(file.read(), "another", "the file that took its place")


@harness.test()
def a_directory_moved_below_is_found_by_its_new_name(t):
    m = t.mount(build=build)
    os.stat(m.at("d/f"))
    os.rename(m.under("d"), m.under("e"))
    with open(m.at("e/f")) as file:
        equal(file.read(), "inside", "content")
    with m.connect() as conn:
        token = conn.token()
        write(m.at("e/f"), "changed")
        told(conn.since(token, sync=False), {"e/f": CONTENT})
    true(not os.path.exists(m.under("d")), "d came back")


@harness.test()
def appends_keep_to_the_end_after_one_from_below(t):
    """Not only the first: the kernel goes on thinking that the file ends where
    its own writes would have made it end."""
    m = t.mount(build=build)
    fd = os.open(m.at("log"), os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"a" * 10)
    with open(m.under("log"), "ab") as file:
        file.write(b"b" * 10)
    for text in b"c", b"d", b"e":
        os.write(fd, text * 5)
    with open(m.under("log"), "rb") as file:
        equal(file.read(), b"one\n" + b"a" * 10 + b"b" * 10 +
              b"cccccdddddeeeee", "the file")
    os.close(fd)


@harness.test()
def appends_keep_to_the_end_of_a_file_cut_below(t):
    m = t.mount(build=build)
    fd = os.open(m.at("log"), os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"a" * 10)
    os.truncate(m.under("log"), 2)
    for text in b"c", b"d":
        os.write(fd, text * 5)
    with open(m.under("log"), "rb") as file:
        equal(file.read(), b"oncccccddddd", "the file")
    os.close(fd)


if __name__ == "__main__":
    harness.main()
