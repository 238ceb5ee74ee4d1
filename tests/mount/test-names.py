# SPDX-License-Identifier: MIT
"""Names that are bytes, long or deep; large directories and large files."""

import errno
import os

import harness
import sincefs_client as client
import syscalls
from harness import equal, refused, told, true
from sincefs_client import CONTENT, DIR, GONE, NEW, SUBTREE

ODD = [b"new\nline", b"not utf-8 \xff\xfe\x80", b" ", b" lead", b"trail ",
       b"-rf", b"back\\slash", b"quo\"te", b"'", b"*", b"[a]", b"...", b"~",
       b"\x01\x1b[31m\x7f", b"\xc3\xbc", b"tab\t", b".sincefs2", b".sincef",
       b"%s%n", b"L" * 255, b"\xc3\xbc" * 127 + b"x", b"#", b"$HOME", b"\r"]


@harness.test()
def names_are_any_bytes(t):
    m = t.mount()
    top = os.fsencode(m.path)
    with m.connect() as conn:
        token = conn.token()
        for name in ODD:
            os.mkdir(os.path.join(top, name))
            with open(os.path.join(top, name, name), "wb") as file:
                file.write(name)
        expected = {}
        for name in ODD:
            expected[name] = CONTENT | NEW | DIR
            expected[os.path.join(name, name)] = CONTENT | NEW
        told(conn.since(token), expected)
        equal(sorted(os.listdir(top)), sorted(ODD), "names")
        for name in ODD:
            with open(os.path.join(os.fsencode(m.below), name, name),
                      "rb") as file:
                equal(file.read(), name, "content below")
        token = conn.token()
        for n, name in enumerate(ODD):
            os.rename(os.path.join(top, name, name),
                      os.path.join(top, b"%d" % n))
        told(conn.since(token), {
            **{os.path.join(name, name): CONTENT | GONE for name in ODD},
            **{b"%d" % n: CONTENT | NEW for n in range(len(ODD))}})


@harness.test()
def names_that_are_too_long_are_refused(t):
    m = t.mount()
    refused(errno.ENAMETOOLONG, os.mkdir, m.at("x" * 256))
    refused(errno.ENAMETOOLONG, os.stat, m.at("x" * 1000))
    os.mkdir(m.at("x" * 255))
    refused(errno.ENAMETOOLONG, os.rename, m.at("x" * 255), m.at("y" * 256))
    refused(errno.ENAMETOOLONG, os.symlink, "z" * 4096, m.at("l"))
    os.symlink("z" * 4095, m.at("l"))
    equal(os.readlink(m.at("l")), "z" * 4095, "target")


@harness.test()
def the_fake_project_is_the_same_through_the_mount(t):
    """Every kind of thing: the builder makes it below, and through the mount,
    and both are shown alike."""
    builder = t.program("fake/build-fake-tree")
    for table in "project", "site-packages":
        plain = t.directory(f"plain-{table}")
        t.build(plain, table)
        expected = t.run(builder, "show", plain)
        equal(t.run(builder, "print", table), expected, "the table")

        m = t.mount(name=f"below-{table}",
                    build=lambda path: t.build(path, table))
        equal(t.run(builder, "show", m.path), expected, "built below")
        m.umount()

        m = t.mount(name=f"through-{table}")
        with m.connect() as conn:
            token = conn.token()
            t.build(m.path, table)
            answer = conn.since(token)
        equal(t.run(builder, "show", m.path), expected, "built through")
        equal(t.run(builder, "show", m.below), expected, "seen below")
        built = set()
        for path, directories, files in os.walk(os.fsencode(m.below)):
            for name in directories + files:
                built.add(os.path.relpath(os.path.join(path, name),
                                          os.fsencode(m.below)))
        equal(answer.paths(), built, "told")
        m.umount()


@harness.test()
def deep_directories_work_and_are_told(t):
    m = t.mount()
    with m.connect() as conn:
        token = conn.token()
        os.chdir(m.path)
        for _ in range(1000):
            os.mkdir("d")
            os.chdir("d")
        with open("bottom", "w") as file:
            file.write("reached")
        answer = conn.since(token)
        told(answer, {"/".join(["d"] * 1000 + ["bottom"]): CONTENT | NEW},
             others=True)
        equal(len(answer), 1001, "records")
        token = conn.token()
        os.chdir("/")
        os.rename(m.at("d"), m.at("e"))
        told(conn.since(token), {"d": SUBTREE | GONE, "e": SUBTREE | NEW})
        # And below the kernel's limit for a path, from a cold start.
        with open(m.at("e", *["d"] * 999, "bottom")) as file:
            equal(file.read(), "reached", "content")


@harness.test(limit=60)
def a_directory_of_many_names_is_listed_whole(t):
    def build(path):
        for n in range(20000):
            os.close(os.open(os.path.join(path, f"name-{n}"), os.O_CREAT))
    m = t.mount(build=build)
    expected = sorted(f"name-{n}" for n in range(20000))
    equal(sorted(os.listdir(m.path)), expected, "names")
    equal(sorted(entry.name for entry in os.scandir(m.path)
                 if entry.is_file()), expected, "names of files")
    for n in range(0, 20000, 2):
        os.unlink(m.at(f"name-{n}"))
    expected = sorted(f"name-{n}" for n in range(1, 20000, 2))
    equal(sorted(os.listdir(m.path)), expected, "names that are left")


@harness.test(limit=60)
def a_directory_that_changes_while_it_is_listed(t):
    """What was there before and after is listed once."""
    m = t.mount()
    for n in range(3000):
        os.close(os.open(m.at(f"stays-{n}"), os.O_CREAT))
    for turn in range(5):
        seen = []
        with os.scandir(m.path) as entries:
            for k, entry in enumerate(entries):
                seen.append(entry.name)
                if k % 100 == 0:
                    with open(m.at(f"comes-{turn}-{k}"), "w"):
                        pass
                    with open(m.at(f"goes-{turn}-{k}"), "w"):
                        pass
                    os.unlink(m.at(f"goes-{turn}-{k}"))
        equal(len(seen), len(set(seen)), "names, each once")
        true({f"stays-{n}" for n in range(3000)} <= set(seen),
             "a name that was there all the time is missing")


@harness.test()
def listing_again_shows_what_changed(t):
    m = t.mount()
    for n in range(50):
        with open(m.at(f"f{n}"), "w"):
            pass
        equal(len(os.listdir(m.path)), n + 1, "names")
    os.rename(m.at("f0"), m.at("g0"))
    true("g0" in os.listdir(m.path) and "f0" not in os.listdir(m.path),
         "the listing is old")
    for n in range(1, 50):
        os.unlink(m.at(f"f{n}"))
        equal(len(os.listdir(m.path)), 50 - n, "names")


@harness.test()
def a_directory_can_be_read_by_seeking_and_by_two(t):
    m = t.mount()
    for n in range(500):
        os.mkdir(m.at(f"d{n}"))
    one = os.open(m.path, os.O_RDONLY)
    two = os.open(m.path, os.O_RDONLY)
    equal(len(os.listdir(one)), 500, "names")
    equal(len(os.listdir(two)), 500, "names")
    # listdir() of a descriptor begins anew.
    equal(len(os.listdir(one)), 500, "names")
    os.close(one)
    os.close(two)


@harness.test(limit=60)
def a_sparse_file_of_four_gigabytes(t):
    m = t.mount()
    size = 4 * 1024**3 + 4096
    with m.connect() as conn:
        fd = os.open(m.at("sparse"), os.O_CREAT | os.O_RDWR)
        try:
            os.ftruncate(fd, size)
        except OSError as error:
            t.skip(f"the file system below has no such files: {error}")
        token = conn.token()
        os.pwrite(fd, b"end", size - 3)
        told(conn.since(token, sync=False), {"sparse": (CONTENT, NEW)})
        os.pwrite(fd, b"middle", 2**32 - 3)
        equal(os.stat(m.at("sparse")).st_size, size, "size")
        equal(os.stat(m.under("sparse")).st_size, size, "size below")
        true(os.stat(m.at("sparse")).st_blocks < 1000, "it is not sparse")
        equal(os.pread(fd, 10, 2**32 - 5), b"\0\0middle\0\0", "content")
        equal(os.pread(fd, 10, size - 5), b"\0\0end", "content")
        below = os.open(m.under("sparse"), os.O_RDONLY)
        for offset, whence in ((0, os.SEEK_DATA), (0, os.SEEK_HOLE),
                               (2**32, os.SEEK_HOLE),
                               (2**31, os.SEEK_DATA)):
            equal(os.lseek(fd, offset, whence),
                  os.lseek(below, offset, whence), f"seek from {offset}")
        token = conn.token()
        syscalls.fallocate(fd, syscalls.FALLOC_PUNCH_HOLE |
                           syscalls.FALLOC_KEEP_SIZE, 2**32 - 4096, 4100)
        told(conn.since(token, sync=False), {"sparse": CONTENT})
        equal(os.pread(fd, 6, 2**32 - 3), bytes(6), "content of the hole")
        os.copy_file_range(fd, fd, 3, size - 3, 2**32 + 10)
        equal(os.pread(fd, 3, 2**32 + 10), b"end", "copied content")
        os.close(fd)
        os.close(below)


@harness.test(limit=60)
def a_large_file_is_the_same_through_the_mount(t):
    m = t.mount()
    block = os.urandom(1 << 20)
    with open(m.at("large"), "wb") as file:
        for n in range(64):
            file.write(n.to_bytes(4, "big") + block[4:])
    with open(m.under("large"), "rb") as below, \
            open(m.at("large"), "rb") as through:
        for n in range(64):
            expected = n.to_bytes(4, "big") + block[4:]
            true(below.read(1 << 20) == expected, f"block {n} differs below")
            true(through.read(1 << 20) == expected, f"block {n} differs")


@harness.test()
def paths_in_the_library_and_the_command_are_bytes_too(t):
    m = t.mount()
    token = t.command("token", m.path).strip()
    for name in b"new\nline", b"not utf-8 \xff":
        os.close(os.open(os.path.join(os.fsencode(m.path), name),
                         os.O_CREAT))
    output = os.fsencode(t.command("since", "-0", m.path, token))
    equal(output.split(b"\0")[1:], [b"new\nline", b"not utf-8 \xff", b""],
          "answer")
    true(client.parse_token(output.split(b"\0")[0]).clock > 0, "token")


if __name__ == "__main__":
    harness.main()
