# SPDX-License-Identifier: MIT
"""Stores through shared mappings: they count from their flush (msync, munmap,
close, or the kernel's own), and a question after syncfs sees them all."""

import mmap
import os
import time

import harness
from harness import equal, told, true
from sincefs_client import (CONTENT, DIR, FEATURE_SYNC_EXACT, GONE, META, NEW,
                            SUBTREE)

ELSE = NEW | GONE | SUBTREE | DIR | META


def build(path):
    for name in "a", "b":
        with open(os.path.join(path, name), "wb") as file:
            file.write(name.encode() * 8192)


def map_shared(path):
    fd = os.open(path, os.O_RDWR)
    return fd, mmap.mmap(fd, 8192)


@harness.test()
def the_daemon_says_that_syncfs_is_exact(t):
    m = t.mount()
    with m.connect() as conn:
        true(conn.info().features & FEATURE_SYNC_EXACT,
             "SINCEFS_FEATURE_SYNC_EXACT is clear")


@harness.test()
def a_store_is_told_after_msync(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        token = conn.token()
        mapped[0:3] = b"one"
        mapped.flush()
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})
        # And again: the page was made clean, and is dirtied anew.
        token = conn.token()
        mapped[0:3] = b"two"
        mapped.flush()
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})
        with open(m.under("a"), "rb") as file:
            equal(file.read(3), b"two", "content below")
        os.close(fd)


@harness.test()
def a_store_is_told_after_munmap(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        token = conn.token()
        mapped[5000] = 1
        mapped.close()
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})
        os.close(fd)


@harness.test()
def a_store_is_told_after_close(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        token = conn.token()
        mapped[5000] = 1
        os.close(fd)
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})
        token = conn.token()
        mapped[5000] = 2
        mapped.close()
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})


@harness.test()
def a_store_is_told_after_fsync(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        token = conn.token()
        mapped[0] = 1
        os.fsync(fd)
        told(conn.since(token, sync=False), {"a": (CONTENT, ELSE)})
        os.close(fd)


@harness.test()
def a_store_held_open_is_told_by_a_question_after_syncfs(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        for turn in range(50):
            token = conn.token()
            mapped[turn] = 100 + turn
            told(conn.since(token, sync=True), {"a": (CONTENT, ELSE)})
            with open(m.under("a"), "rb") as file:
                equal(file.read()[turn], 100 + turn, "byte below")
        os.close(fd)


@harness.test()
def the_library_and_the_command_see_held_stores_by_themselves(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        token = t.command("token", m.path).strip()
        mapped[0] = 1
        equal(t.command("since", m.path, token), "M  a\n", "answer")
        os.close(fd)


@harness.test()
def a_store_by_the_end_of_a_process_is_told(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        pid = os.fork()
        if pid == 0:
            _, mapped = map_shared(m.at("b"))
            mapped[0] = 1
            os._exit(0)
        os.waitpid(pid, 0)
        told(conn.since(token, sync=False), {"b": (CONTENT, ELSE)})


@harness.test()
def a_store_into_a_renamed_file_has_the_new_name(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        mapped[0] = 1
        os.mkdir(m.at("d"))
        os.rename(m.at("a"), m.at("d/new"))
        os.rename(m.at("d"), m.at("e"))
        token = conn.token()
        mapped[1] = 2
        told(conn.since(token), {"e/new": (CONTENT, ELSE)})
        os.close(fd)


@harness.test()
def a_store_into_an_unlinked_file_has_no_name_and_reads_back(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd, mapped = map_shared(m.at("a"))
        os.unlink(m.at("a"))
        with open(m.at("a"), "wb") as file:
            file.write(b"another file of this name")
        token = conn.token()
        mapped[0:3] = b"old"
        mapped.flush()
        told(conn.since(token), {})
        equal(os.pread(fd, 4, 0), b"olda", "content of the unlinked file")
        with open(m.at("a"), "rb") as file:
            equal(file.read(), b"another file of this name", "content")
        os.close(fd)


@harness.test()
def a_write_is_seen_in_a_mapping_and_a_store_by_read(t):
    m = t.mount(build=build)
    fd, mapped = map_shared(m.at("a"))
    os.pwrite(fd, b"written", 4090)
    equal(mapped[4090:4097], b"written", "mapping")
    mapped[0:6] = b"stored"
    equal(os.pread(fd, 6, 0), b"stored", "read")
    os.close(fd)


@harness.test()
def a_private_mapping_tells_nothing(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        fd = os.open(m.at("a"), os.O_RDWR)
        token = conn.token()
        with mmap.mmap(fd, 8192, flags=mmap.MAP_PRIVATE) as mapped:
            mapped[0] = 1
        os.close(fd)
        told(conn.since(token), {})
        with open(m.under("a"), "rb") as file:
            equal(file.read(1), b"a", "content below")


def store_in_all(m, conn, files):
    """Store into held mappings of all files; one question after syncfs."""
    maps = []
    for n in range(files):
        fd = os.open(m.at(f"f{n}"), os.O_RDWR)
        maps.append(mmap.mmap(fd, 4096))
        os.close(fd)
    token = conn.token()
    for n, mapped in enumerate(maps):
        mapped[n] = 1
    begin = time.monotonic()
    answer = conn.since(token, sync=True)
    took = time.monotonic() - begin
    told(answer, {f"f{n}": (CONTENT, ELSE) for n in range(files)})
    for n in range(files):
        with open(m.under(f"f{n}"), "rb") as file:
            equal(file.read()[n], 1, f"byte of f{n} below")
    for mapped in maps:
        mapped.close()
    return took


@harness.test(limit=60, needs_hooks=True)
def two_hundred_slow_flushes_are_all_told_by_one_question(t):
    """Each WRITE takes 2 ms in the daemon; syncfs only queues them."""
    def build_files(path):
        for n in range(200):
            with open(os.path.join(path, f"f{n}"), "wb") as file:
                file.write(bytes(4096))
    m = t.mount(build=build_files, env={"SINCEFS_TEST_WRITE_DELAY_US": "2000"})
    with m.connect() as conn:
        # The delay must be there, or this proves nothing.
        with open(m.at("f0"), "r+b", buffering=0) as file:
            begin = time.monotonic()
            for _ in range(20):
                file.write(b"x")
            true(time.monotonic() - begin >= 0.04, "no WRITE was delayed")
        for _ in range(3):
            took = store_in_all(m, conn, 200)
            print(f"# 200 mapped files told after {took * 1000:.0f} ms")


@harness.test(limit=60, needs_hooks=True)
def flushes_that_others_overtake_are_all_told_by_one_question(t):
    """A WRITE that takes 50 ms has the daemon go on with what comes after it,
    so that a question could be answered first."""
    def build_files(path):
        for n in range(40):
            with open(os.path.join(path, f"f{n}"), "wb") as file:
                file.write(bytes(4096))
    m = t.mount(build=build_files,
                env={"SINCEFS_TEST_WRITE_DELAY_US": "50000"})
    with m.connect() as conn:
        for _ in range(5):
            took = store_in_all(m, conn, 40)
            print(f"# 40 mapped files told after {took * 1000:.0f} ms")


@harness.test(limit=60)
def two_thousand_flushes_are_all_told_by_one_question(t):
    def build_files(path):
        for n in range(2000):
            with open(os.path.join(path, f"f{n}"), "wb") as file:
                file.write(bytes(4096))
    m = t.mount(build=build_files)
    with m.connect() as conn:
        took = store_in_all(m, conn, 2000)
        print(f"# 2000 mapped files told after {took * 1000:.0f} ms")


if __name__ == "__main__":
    harness.main()
