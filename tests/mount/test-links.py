# SPDX-License-Identifier: MIT
"""Files with several names, and files with none any more."""

import errno
import os

import harness
import sincefs_client as client
import syscalls
from harness import equal, refused, told
from sincefs_client import CONTENT, GONE, LINKED, META, NEW, SUBTREE, TIMES


def build(path):
    os.mkdir(os.path.join(path, "d"))
    with open(os.path.join(path, "a"), "w") as file:
        file.write("content of a")
    os.link(os.path.join(path, "a"), os.path.join(path, "b"))
    os.link(os.path.join(path, "a"), os.path.join(path, "d/c"))
    with open(os.path.join(path, "single"), "w") as file:
        file.write("content of single")


def append(path, text="x"):
    with open(path, "a") as file:
        file.write(text)


@harness.test()
def a_write_is_told_for_all_known_names(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for name in "a", "b", "d/c":
            equal(os.stat(m.at(name)).st_nlink, 3, "links")
        token = conn.token()
        append(m.at("b"))
        told(conn.since(token, sync=False),
             {name: (CONTENT | LINKED, NEW | GONE | META)
              for name in ("a", "b", "d/c")})
        token = conn.token()
        os.chmod(m.at("d/c"), 0o600)
        told(conn.since(token, sync=False),
             {name: (META | LINKED, CONTENT | NEW | GONE)
              for name in ("a", "b", "d/c")})


@harness.test()
def a_write_says_that_there_may_be_unknown_names(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("b"))
        told(conn.since(token, sync=False), {"b": CONTENT | LINKED})


@harness.test()
def all_names_are_one_file(t):
    m = t.mount(build=build)
    fd = os.open(m.at("a"), os.O_RDONLY)
    append(m.at("d/c"), " more")
    equal(os.pread(fd, 100, 0), b"content of a more", "content")
    equal(len({os.stat(m.at(name)).st_ino for name in ("a", "b", "d/c")}), 1,
          "inode numbers")
    os.close(fd)


@harness.test()
def a_name_that_was_unlinked_is_not_told_any_more(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for name in "a", "b", "d/c":
            os.stat(m.at(name))
        os.unlink(m.at("a"))
        token = conn.token()
        append(m.at("b"))
        told(conn.since(token, sync=False),
             {"b": CONTENT | LINKED, "d/c": CONTENT | LINKED})
        os.unlink(m.at("d/c"))
        token = conn.token()
        append(m.at("b"))
        told(conn.since(token, sync=False), {"b": (CONTENT, NEW | GONE)})
        equal(os.stat(m.at("b")).st_nlink, 1, "links")


@harness.test()
def names_follow_their_directory(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for name in "a", "b", "d/c":
            os.stat(m.at(name))
        os.rename(m.at("d"), m.at("e"))
        token = conn.token()
        append(m.at("a"))
        told(conn.since(token, sync=False),
             {name: CONTENT | LINKED for name in ("a", "b", "e/c")})


@harness.test()
def a_rename_onto_another_name_of_the_same_file_does_nothing(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        os.rename(m.at("a"), m.at("b"))
        told(conn.since(token), {})
        equal(os.stat(m.at("a")).st_nlink, 3, "links")


@harness.test()
def a_name_learned_late_shares_what_happened_before(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("a"))
        os.utime(m.at("d/c"), (1, 1))
        told(conn.since(token), {"a": CONTENT | TIMES | LINKED,
                                 "d/c": CONTENT | TIMES | LINKED})


@harness.test()
def many_names_of_one_file_are_all_told(t):
    def build_many(path):
        append(os.path.join(path, "n0"), "content")
        for n in range(1, 500):
            os.link(os.path.join(path, "n0"), os.path.join(path, f"n{n}"))
    m = t.mount(build=build_many)
    with m.connect() as conn:
        for n in range(500):
            os.stat(m.at(f"n{n}"))
        token = conn.token()
        append(m.at("n250"))
        told(conn.since(token),
             {f"n{n}": CONTENT | LINKED for n in range(500)})
        for n in range(0, 500, 2):
            os.unlink(m.at(f"n{n}"))
        token = conn.token()
        append(m.at("n251"))
        told(conn.since(token),
             {f"n{n}": CONTENT | LINKED for n in range(1, 500, 2)})


@harness.test(needs_root=True)
def names_are_kept_when_the_kernel_forgets_the_file(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for name in "a", "b", "d/c":
            os.stat(m.at(name))
        token = conn.token()
        syscalls.drop_caches()
        append(m.at("b"))
        told(conn.since(token),
             {name: CONTENT | LINKED for name in ("a", "b", "d/c")})


@harness.test()
def a_link_made_through_the_mount_is_known(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        os.link(m.at("single"), m.at("d/other"))
        append(m.at("single"))
        told(conn.since(token, sync=False),
             {"single": (CONTENT | LINKED, NEW),
              "d/other": CONTENT | LINKED | NEW})


@harness.test()
def an_unlinked_file_is_still_a_file(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd = os.open(m.at("single"), os.O_RDWR)
        os.unlink(m.at("single"))
        token = conn.token()
        equal(os.pread(fd, 100, 0), b"content of single", "content")
        os.pwrite(fd, b"CONTENT", 0)
        os.ftruncate(fd, 12)
        equal(os.pread(fd, 100, 0), b"CONTENT of s", "content")
        equal(os.fstat(fd).st_nlink, 0, "links")
        equal(os.fstat(fd).st_size, 12, "size")
        os.fchmod(fd, 0o640)
        equal(os.fstat(fd).st_mode & 0o7777, 0o640, "mode")
        os.utime(fd, ns=(5, 7))
        equal(os.fstat(fd).st_mtime_ns, 7, "mtime")
        os.setxattr(fd, "user.x", b"y")
        equal(os.getxattr(fd, "user.x"), b"y", "attribute")
        syscalls.fallocate(fd, 0, 0, 5000)
        equal(os.fstat(fd).st_size, 5000, "size")
        os.fsync(fd)
        told(conn.since(token), {})
        os.close(fd)


@harness.test()
def an_unlinked_file_is_not_its_successor(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        old = os.open(m.at("single"), os.O_RDWR)
        os.unlink(m.at("single"))
        with open(m.at("single"), "w") as file:
            file.write("a new file")
        token = conn.token()
        os.pwrite(old, b"OLD", 0)
        told(conn.since(token), {})
        equal(os.pread(old, 100, 0), b"OLDtent of single", "old content")
        with open(m.at("single")) as file:
            equal(file.read(), "a new file", "new content")
        os.close(old)


@harness.test()
def a_replaced_file_is_not_its_successor(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        with open(m.at("new"), "w") as file:
            file.write("the successor")
        old = os.open(m.at("single"), os.O_RDWR)
        os.rename(m.at("new"), m.at("single"))
        token = conn.token()
        os.pwrite(old, b"OLD", 0)
        os.fchmod(old, 0o600)
        told(conn.since(token), {})
        equal(os.pread(old, 100, 0), b"OLDtent of single", "old content")
        with open(m.at("single")) as file:
            equal(file.read(), "the successor", "new content")
        equal(os.stat(m.at("single")).st_mode & 0o777, 0o644, "mode")
        os.close(old)


@harness.test()
def a_file_unlinked_under_one_name_is_told_under_the_others(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        os.stat(m.at("b"))
        os.stat(m.at("d/c"))
        fd = os.open(m.at("a"), os.O_RDWR)
        os.unlink(m.at("a"))
        token = conn.token()
        os.pwrite(fd, b"x", 0)
        told(conn.since(token, sync=False),
             {"b": CONTENT | LINKED, "d/c": CONTENT | LINKED})
        os.close(fd)


@harness.test()
def a_file_whose_last_known_name_went_may_be_anything(t):
    """It has another one, which nobody has looked up: all below the root may
    have changed, as that name does."""
    m = t.mount(build=build)
    with m.connect() as conn:
        for take_away in (lambda: os.unlink(m.at("a")),
                          lambda: os.rename(m.at("single"), m.at("b"))):
            name = "a" if os.path.exists(m.at("a")) else "b"
            fd = os.open(m.at(name), os.O_RDWR)
            take_away()
            token = conn.token()
            os.pwrite(fd, b"NEW" + name.encode(), 0)
            answer = conn.since(token, sync=False)
            told(answer, {".": CONTENT | LINKED | SUBTREE})
            with open(m.under("d/c"), "rb") as file:
                equal(file.read()[:4], b"NEW" + name.encode(), "the other")
            equal(t.command("since", "-0", m.path,
                            client.token_text(token)).split("\0")[1:], ["/", ""],
                  "what git is told")
            os.close(fd)


@harness.test(needs_root=True)
def names_of_a_fifo_are_kept_when_the_kernel_forgets_it(t):
    def build_fifo(path):
        os.mkfifo(path + "/one")
        os.link(path + "/one", path + "/two")
    m = t.mount(build=build_fifo)
    with m.connect() as conn:
        os.stat(m.at("one"))
        os.stat(m.at("two"))
        token = conn.token()
        syscalls.drop_caches()
        os.chown(m.at("two"), 5, 5)
        told(conn.since(token), {"one": META | LINKED, "two": META | LINKED})


@harness.test()
def a_removed_directory_that_is_open_is_still_one(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        os.mkdir(m.at("gone"))
        fd = os.open(m.at("gone"), os.O_RDONLY | os.O_DIRECTORY)
        os.rmdir(m.at("gone"))
        os.mkdir(m.at("gone"))
        with open(m.at("gone/file"), "w"):
            pass
        token = conn.token()
        equal(os.listdir(fd), [], "names in the removed directory")
        refused(errno.ENOENT, os.open, "new", os.O_CREAT | os.O_WRONLY,
                dir_fd=fd)
        refused(errno.ENOENT, os.mkdir, "new", dir_fd=fd)
        os.fchmod(fd, 0o700)
        equal(os.fstat(fd).st_mode & 0o777, 0o700, "mode")
        equal(os.stat(m.at("gone")).st_mode & 0o777, 0o755, "mode")
        told(conn.since(token), {})
        os.close(fd)


@harness.test()
def many_unlinked_files_stay_apart(t):
    """More than the daemon may keep descriptors for, all open, all unlinked,
    all recreated under the same name."""
    m = t.mount()
    held = []
    for n in range(3000):
        fd = os.open(m.at("same"), os.O_CREAT | os.O_EXCL | os.O_RDWR)
        os.write(fd, b"file %d" % n)
        os.unlink(m.at("same"))
        held.append(fd)
    for n, fd in enumerate(held):
        equal(os.pread(fd, 20, 0), b"file %d" % n, "content")
        os.pwrite(fd, b"FILE", 0)
    for n, fd in enumerate(held):
        equal(os.pread(fd, 20, 0), b"FILE %d" % n, "content")
        os.close(fd)
    equal(os.listdir(m.path), [], "names")


if __name__ == "__main__":
    harness.main()
