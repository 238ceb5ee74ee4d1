# SPDX-License-Identifier: MIT
"""What the protocol promises and refuses: a test for each refusal, filters,
pages, capacity and floor, the reasons for FRESH."""

import errno
import os

import harness
import sincefs_client as client
from harness import equal, fresh, told, true
from sincefs_client import (BELOW, CONTENT, DIR, FORGOT, FUTURE, GONE, LINKED,
                            META, NEW, NO_TOKEN, NOTHING, RESTART, SUBTREE,
                            TIMES, TREE_MOUNTED, Token)


def build(path):
    for name in "d", "d/e", "other":
        os.mkdir(os.path.join(path, name))
    for name in "a.py", "b.txt", "d/c.py", "d/e/f.py", "other/g.py":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def append(path):
    with open(path, "a") as file:
        file.write("x")


# ---- refusals ----

def since_errno(conn, **fields):
    token = fields.pop("token", conn.token())
    return conn.errno_of(client.IOC_SINCE,
                         client.since_question(token, **fields))


@harness.test()
def every_malformed_question_is_refused(t):
    m = t.mount(build=build)
    for control in True, False:
        with m.connect("d", control=control) as conn:
            equal(since_errno(conn), 0, "errno of a good question")
            for fields in (
                    {"signature": 0}, {"signature": client.SIGNATURE + 1},
                    {"flags": 0x1}, {"flags": 0x2}, {"flags": 0x4},
                    {"flags": 0x8000}, {"flags": BELOW | 0x20000},
                    {"flags": 0x80000000},
                    {"mask": 0x8}, {"mask": NEW}, {"mask": GONE},
                    {"mask": CONTENT | 0x8000}, {"mask": 0x10000},
                    {"mask": 0xffffffff},
                    {"zero32": 1}, {"zero": (1, 0)}, {"zero": (0, 1 << 63)},
                    {"names": b"x" * 64},
                    {"names": b"*.py\0" + b"y" * 59}):
                equal(since_errno(conn, **fields), errno.EINVAL,
                      f"errno of {fields}")
            equal(since_errno(conn, tree=2), errno.ENOENT, "errno of tree 2")
            equal(since_errno(conn, tree=0xffffffff), errno.ENOENT,
                  "errno of tree 4294967295")
            # The fields that are only answered may hold anything.
            equal(since_errno(conn, count=7, size=9, reason=3), 0,
                  "errno with old answers in the question")
            equal(since_errno(conn, data=b"\xff" * 8056), 0,
                  "errno with old data in the question")
            equal(since_errno(conn, names=b"x" * 63), 0,
                  "errno of the longest pattern")


@harness.test()
def a_malformed_question_is_refused_whatever_its_token(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for token in NOTHING, Token(1, 1), Token(2**64 - 1, 2**64 - 1):
            equal(since_errno(conn, token=token, zero32=1), errno.EINVAL,
                  "errno")
            equal(since_errno(conn, token=token, tree=9), errno.ENOENT,
                  "errno")


@harness.test()
def malformed_other_requests_are_refused(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for question, expected in (
                (client.tree_question(0), errno.ENOENT),
                (client.tree_question(2), errno.ENOENT),
                (client.tree_question(2**32 - 1), errno.ENOENT),
                (client.tree_question(1, zero32=1), errno.EINVAL),
                (client.tree_question(1), 0)):
            equal(conn.errno_of(client.IOC_TREE, question), expected,
                  "errno of TREE")
        equal(conn.errno_of(client.IOC_SCAN, client.scan_question(
            1, zero32=1)), errno.EINVAL, "errno of SCAN")
        equal(conn.errno_of(client.IOC_SCAN, client.scan_question(77)),
              errno.ENOENT, "errno of SCAN")


@harness.test()
def unknown_requests_are_not_for_this_device(t):
    m = t.mount(build=build)
    with m.connect() as conn, m.connect("a.py", control=False) as file, \
            m.connect("d", control=False) as directory:
        both = client.IOC_READ | client.IOC_WRITE
        numbers = [client.ioc(both, number, 64)
                   for number in (5, 6, 7, 8, 31, 32, 255)]
        # Known numbers with another size, direction or type.
        numbers += [client.ioc(client.IOC_READ, 0, client.INFO.size + 8),
                    client.ioc(both, 0, client.INFO.size),
                    client.ioc(client.IOC_NONE, 0, 0),
                    client.ioc(client.IOC_READ, 2, client.PAGE_SIZE),
                    client.ioc(both, 2, client.PAGE_SIZE - 8),
                    client.ioc(both, 2, client.PAGE_SIZE + 8),
                    client.ioc(both, 1, client.TREE.size, kind=0xD4),
                    0x5413, 0xffffffff]
        for number in numbers:
            for conn_ in conn, file, directory:
                equal(conn_.errno_of(number, bytearray(16384)),
                      errno.ENOTTY, f"errno of {number:#x}")


@harness.test()
def a_question_at_a_bad_address_is_refused(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        for number in client.IOC_INFO, client.IOC_SINCE, client.IOC_TREE:
            equal(conn.errno_of(number, 8), errno.EFAULT, "errno")
        conn.info()


# ---- info and trees ----

@harness.test()
def info_says_who_answers(t):
    m = t.mount("--capacity", "1234", build=build)
    with m.connect("d") as conn:
        info = conn.info()
        equal(info.capacity, 1234, "capacity")
        equal((info.tree, info.tree_count), (1, 1), "trees")
        with open(f"/proc/{info.pid}/cmdline", "rb") as file:
            true(b"sincefs" in file.read(), "pid is not the daemon's")
        append(m.at("a.py"))
        later = conn.info()
        true(later.now.clock > info.now.clock, "the clock stands still")
        equal(later.now.instance, info.now.instance, "instance")
        equal(later.entries, info.entries + 1, "entries")


@harness.test()
def the_mount_is_tree_one(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        tree = conn.tree(1)
        equal(tree.root, os.fsencode(m.path), "root")
        equal(tree.flags, TREE_MOUNTED, "flags")


# ---- the reasons for FRESH ----

@harness.test()
def the_zero_token_is_fresh(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        answer = conn.since(NOTHING)
        fresh(answer, NO_TOKEN)
        append(m.at("a.py"))
        told(conn.since(answer.token), {"a.py": CONTENT})


@harness.test()
def a_token_of_another_instance_is_fresh(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        now = conn.token()
        fresh(conn.since(Token(now.instance ^ 1, now.clock)), RESTART)
        fresh(conn.since(Token(now.instance ^ 1, 2**64 - 1)), RESTART)
    old = now
    m.umount()
    m = t.mount(path=m.path)
    with m.connect() as conn:
        true(conn.token().instance != old.instance, "the same instance")
        answer = conn.since(old)
        fresh(answer, RESTART)
        told(conn.since(answer.token), {})


@harness.test()
def a_token_from_the_future_is_fresh(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        now = conn.token()
        for clock in now.clock + 1, now.clock + 2, 2**64 - 1:
            answer = conn.since(Token(now.instance, clock))
            fresh(answer, FUTURE)
            equal(answer.token, now, "token")


@harness.test()
def a_clock_of_zero_is_never_a_list(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        now = conn.token()
        true(conn.since(Token(now.instance, 0)).fresh, "a list")
        true(conn.since(Token(0, now.clock)).fresh, "a list")


@harness.test()
def beyond_the_capacity_the_oldest_are_forgotten(t):
    m = t.mount("--capacity", "100", build=build)
    with m.connect() as conn:
        first = conn.token()
        tokens = []
        for n in range(250):
            tokens.append(conn.token())
            with open(m.at(f"n{n}"), "w"):
                pass
        info = conn.info()
        true(info.entries <= 100, f"{info.entries} entries")
        fresh(conn.since(first), FORGOT)
        lists = 0
        for n, token in enumerate(tokens):
            answer = conn.since(token)
            if answer.fresh:
                equal(answer.reason, FORGOT, "reason")
                true(token.clock < info.floor, "FRESH above the floor")
                equal(lists, 0, "lists before a FRESH")
            else:
                lists += 1
                told(answer, {f"n{k}": CONTENT | NEW
                              for k in range(n, 250)})
        true(90 <= lists <= 100, f"{lists} of 100 entries are of use")


@harness.test()
def an_answer_for_a_capacity_of_one_is_right(t):
    m = t.mount("--capacity", "1", build=build)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("a.py"))
        told(conn.since(token), {"a.py": CONTENT})
        append(m.at("b.txt"))
        fresh(conn.since(token), FORGOT)


# ---- nothing is consumed ----

@harness.test()
def asking_consumes_nothing(t):
    m = t.mount(build=build)
    with m.connect() as conn, m.connect("d") as other:
        token = conn.token()
        append(m.at("a.py"))
        for _ in range(3):
            told(conn.since(token), {"a.py": CONTENT})
            told(other.since(token), {"a.py": CONTENT})
        later = conn.since(token).token
        append(m.at("b.txt"))
        told(other.since(token), {"a.py": CONTENT, "b.txt": CONTENT})
        told(conn.since(later), {"b.txt": CONTENT})


# ---- filters ----

def change_all(m):
    append(m.at("a.py"))
    os.chmod(m.at("b.txt"), 0o600)
    os.utime(m.at("d/c.py"))
    append(m.at("d/e/f.py"))
    os.unlink(m.at("other/g.py"))
    with open(m.at("d/new.txt"), "w"):
        pass


@harness.test()
def a_filter_by_names_lets_those_names_pass(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        change_all(m)
        told(conn.since(token, names="*.py"), {
            "a.py": CONTENT, "d/c.py": TIMES, "d/e/f.py": CONTENT,
            "other/g.py": GONE})
        told(conn.since(token, names=["*.txt", "f.*"]), {
            "b.txt": META, "d/new.txt": NEW, "d/e/f.py": CONTENT})
        told(conn.since(token, names="[ab].*"), {
            "a.py": CONTENT, "b.txt": META})
        told(conn.since(token, names="none"), {})
        # A pattern is for the last part, not for the path.
        told(conn.since(token, names="d/*"), {})
        told(conn.since(token, names="new.txt"), {"d/new.txt": NEW})


@harness.test()
def renamed_directories_and_links_pass_every_filter(t):
    m = t.mount(build=build)
    os.link(m.at("a.py"), m.at("link.py"))
    with m.connect() as conn:
        token = conn.token()
        os.rename(m.at("d"), m.at("moved"))
        append(m.at("a.py"))
        told(conn.since(token, names="*.nothing"), {
            "d": SUBTREE | GONE, "moved": SUBTREE | NEW,
            "a.py": CONTENT | LINKED, "link.py": CONTENT | LINKED})


@harness.test()
def a_filter_by_kind_hides_other_kinds(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        change_all(m)
        gone = {"other/g.py": GONE}
        told(conn.since(token, mask=CONTENT), {
            "a.py": CONTENT, "d/e/f.py": CONTENT, "d/new.txt": CONTENT,
            **gone})
        told(conn.since(token, mask=META), {"b.txt": META, **gone})
        told(conn.since(token, mask=TIMES), {"d/c.py": TIMES, **gone})
        told(conn.since(token, mask=META | TIMES), {
            "b.txt": META, "d/c.py": TIMES, **gone})
        told(conn.since(token, mask=META, names="*.txt"), {"b.txt": META})


@harness.test()
def a_filter_by_tree(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("a.py"))
        told(conn.since(token, tree=1), {"a.py": CONTENT})
        equal(conn.since(token, tree=1)[0].tree, 1, "tree of the record")


@harness.test()
def below_answers_relative_to_the_directory(t):
    m = t.mount(build=build)
    with m.connect() as root, m.connect("d") as d, \
            m.connect("d/e", control=False) as e, m.connect("other") as other:
        token = root.token()
        change_all(m)
        os.chmod(m.at("d"), 0o700)
        told(d.since(token, below=True), {
            "c.py": TIMES, "e/f.py": CONTENT, "new.txt": NEW,
            ".": META | DIR})
        told(e.since(token, below=True), {"f.py": CONTENT})
        told(other.since(token, below=True), {"g.py": GONE})
        told(root.since(token, below=True, names="c*"), {"d/c.py": TIMES})
        told(d.since(token, below=True, names="*.py"), {
            "c.py": TIMES, "e/f.py": CONTENT})
        # Without below, the directory plays no part.
        equal(d.since(token).paths(), root.since(token).paths(), "paths")


@harness.test()
def below_a_file_is_below_its_directory(t):
    m = t.mount(build=build)
    with m.connect("d/c.py", control=False) as conn:
        token = conn.token()
        append(m.at("d/e/f.py"))
        append(m.at("a.py"))
        told(conn.since(token, below=True), {"e/f.py": CONTENT})


@harness.test()
def below_follows_the_directory_when_it_is_renamed(t):
    m = t.mount(build=build)
    with m.connect("d/e") as conn:
        os.rename(m.at("d"), m.at("moved"))
        token = conn.token()
        append(m.at("moved/e/f.py"))
        append(m.at("a.py"))
        told(conn.since(token, below=True), {"f.py": CONTENT})


@harness.test()
def below_says_that_a_directory_above_was_renamed(t):
    """Everything below moved: the answer may not be a short list."""
    m = t.mount(build=build)
    with m.connect("d/e") as conn:
        token = conn.token()
        os.rename(m.at("d"), m.at("moved"))
        answer = conn.since(token, below=True)
        if not answer.fresh:
            told(answer, {".": SUBTREE}, others=True)


@harness.test()
def below_a_removed_directory_is_refused(t):
    m = t.mount(build=build)
    os.mkdir(m.at("gone"))
    with m.connect("gone", control=False) as conn:
        os.rmdir(m.at("gone"))
        equal(since_errno(conn, flags=BELOW), errno.ENOENT, "errno")
        equal(since_errno(conn), 0, "errno without BELOW")


# ---- pages ----

def read_pages(conn, token, **filters):
    pages = []
    while True:
        page = conn.page(token, **filters)
        pages.append(page)
        token = page.token
        if not page.more:
            return pages


@harness.test(limit=120)
def ten_thousand_changes_come_in_pages_oldest_first(t):
    m = t.mount()
    count = 10000
    with m.connect() as conn:
        token = conn.token()
        for n in range(count):
            os.close(os.open(m.at(f"f{n:05}"), os.O_CREAT | os.O_WRONLY))
        pages = read_pages(conn, token)
        true(len(pages) > 10, f"{len(pages)} pages")
        records = [record for page in pages for record in page.records]
        equal([record.path for record in records],
              [b"f%05d" % n for n in range(count)], "paths in order")
        clocks = [record.clock for record in records]
        equal(clocks, sorted(set(clocks)), "clocks")
        for record in records:
            true(record.flags & (CONTENT | NEW) == CONTENT | NEW,
                 f"flags of {record}")
        for page in pages[:-1]:
            true(page.records, "an empty page")
            true(page.token.clock >= page.records[-1].clock, "token")
        told(conn.since(pages[-1].token), {})


@harness.test(limit=120)
def changes_between_pages_are_not_lost(t):
    m = t.mount()
    count = 2000
    with m.connect() as conn:
        token = conn.token()
        for n in range(count):
            os.close(os.open(m.at(f"f{n:05}"), os.O_CREAT | os.O_WRONLY))
        seen = []
        page = conn.page(token)
        turn = 0
        while True:
            seen += page.records
            if not page.more:
                break
            # One that was told, one that was not yet, one that is new.
            first = os.fsdecode(seen[turn].path)
            append(m.at(first))
            append(m.at(f"f{count - 1 - turn:05}"))
            with open(m.at(f"late{turn}"), "w"):
                pass
            turn += 1
            page = conn.page(page.token)
        true(turn > 3, "too few pages to mean anything")
        paths = {record.path for record in seen}
        for n in range(count):
            true(b"f%05d" % n in paths, f"f{n:05} is missing")
        for n in range(turn):
            true(b"late%d" % n in paths, f"late{n} is missing")
        clocks = {}
        for record in seen:
            clocks.setdefault(record.path, []).append(record.clock)
        for n in range(turn):
            true(len(clocks[b"f%05d" % n]) == 2,
                 f"f{n:05}, changed after it was told, is not told again")
        told(conn.since(page.token), {})


@harness.test(limit=120)
def a_filtered_question_looks_at_a_bounded_number_of_records(t):
    """Pages with MORE may hold no record; at the end nothing is lost."""
    m = t.mount()
    with m.connect() as conn:
        token = conn.token()
        with open(m.at("first.py"), "w"):
            pass
        for n in range(9000):
            os.close(os.open(m.at(f"n{n}"), os.O_CREAT | os.O_WRONLY))
        with open(m.at("last.py"), "w"):
            pass
        pages = read_pages(conn, token, names="*.py")
        true(len(pages) >= 3, f"9002 records were examined in {len(pages)}")
        equal([record.path for page in pages for record in page.records],
              [b"first.py", b"last.py"], "paths")


@harness.test()
def the_longest_paths_fit_or_their_ancestor_is_told(t):
    m = t.mount()
    os.chdir(m.path)
    with m.connect() as conn:
        names = [("%02d" % n + "x" * 198) for n in range(60)]
        token = conn.token()
        depth = 0
        for name in names:
            os.mkdir(name)
            os.chdir(name)
            depth += 1
        answer = conn.since(token, sync=False)
        true(not answer.fresh, "FRESH")
        flags = answer.flags()
        whole = 0
        for n in range(1, depth + 1):
            path = "/".join(names[:n]).encode()
            if path in flags:
                true(flags[path] & CONTENT, "flags")
                whole += 1
                continue
            ancestors = [k for k in range(1, n)
                         if flags.get("/".join(names[:k]).encode(), 0)
                         & SUBTREE]
            true(ancestors, f"depth {n} is not covered")
        # A page's data without the record's head: 8032 bytes of path.
        true(whole >= 8000 // 201, f"only {whole} paths are whole")
        true(whole < depth, "the test is not deep enough")
        token = conn.token()
        with open("deep", "w") as file:
            file.write("x")
        answer = conn.since(token, sync=False)
        equal(len(answer), 1, "records")
        true(answer[0].flags & SUBTREE, "no SUBTREE at the ancestor")
    os.chdir("/")


# ---- the cost of a question ----

@harness.test()
def a_small_answer_leaves_the_rest_of_the_page_alone(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        append(m.at("a.py"))
        buffer = client.since_question(token, data=b"\xaa" * 8056)
        conn.ioctl(client.IOC_SINCE, buffer)
        used = client.PAGE_HEADER.unpack_from(buffer)[7]
        equal(bytes(buffer[128 + used:]), b"\xaa" * (8056 - used),
              "the rest of the data")


@harness.test(limit=120)
def a_name_that_is_ignored_is_not_told(t):
    m = t.mount("--ignore", "*.pyc", "--ignore", "/other/", build=build)
    with m.connect() as conn:
        token = conn.token()
        with open(m.at("d/c.pyc"), "w") as file:
            file.write("x")
        append(m.at("other/g.py"))
        os.rename(m.at("d/c.pyc"), m.at("c2.pyc"))
        append(m.at("a.py"))
        told(conn.since(token), {"a.py": CONTENT})
        # Out of what is ignored, and into it.
        token = conn.token()
        os.rename(m.at("c2.pyc"), m.at("c2.py"))
        os.rename(m.at("d/c.py"), m.at("other/c.py"))
        told(conn.since(token), {"c2.py": CONTENT | NEW,
                                 "d/c.py": CONTENT | GONE})
        # A file that also has a name which is not ignored.
        os.link(m.at("a.py"), m.at("a.pyc"))
        token = conn.token()
        append(m.at("a.pyc"))
        told(conn.since(token), {"a.py": CONTENT | LINKED})


if __name__ == "__main__":
    harness.main()
