# SPDX-License-Identifier: MIT
"""What lies outside of the mount and is scanned: found within a period, under
the same token, however it was changed; and the budget is kept."""

import errno
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import harness
import sincefs_client as client
from harness import equal, fail, told, true, wait_until
from sincefs_client import CONTENT, DIR, GONE, META, NEW, SCANNED, SUBTREE


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def build(path):
    os.mkdir(path)
    os.makedirs(path + "/pkg/sub")
    for name in "a.py", "b.py", "pkg/__init__.py", "pkg/sub/m.py":
        write(os.path.join(path, name), name)


class Scanned:
    """A mount, and a directory beside it that is scanned."""

    def __init__(self, t, *options, make=build):
        self.t = t
        self.path = t.base + "/packages"
        if make:
            make(self.path)
        self.mount = t.mount("--scan", self.path, *options)
        self.conn = self.mount.connect()
        wait_until(lambda: self.conn.tree(2).scans > 0, 10, "the first scan")
        self.token = self.conn.token()

    def at(self, name):
        return os.path.join(self.path, name)

    def scan(self):
        self.t.command("scan", self.mount.path, self.path)

    def news(self):
        """{path: flags} of the scanned tree since the last time."""
        self.scan()
        answer = self.conn.since(self.token)
        true(not answer.fresh, "a FRESH answer")
        self.token = answer.token
        for record in answer:
            equal(record.tree, 2, f"tree of {record.path}")
            true(record.flags & SCANNED, f"{record.path} is not SCANNED")
            true(not record.flags & NEW, f"{record.path} is NEW")
        return {os.fsdecode(record.path): record.flags for record in answer}


@harness.test()
def an_edit_is_told_within_a_period(t):
    scanned = Scanned(t, "--scan-period", "0.2")
    write(scanned.at("a.py"), "longer than before")
    with scanned.mount.connect() as other:
        poller = select.poll()
        other.since(scanned.token)
        poller.register(other, select.POLLIN)
        true(poller.poll(5000 * harness.SLOW), "nobody was woken")
    answer = scanned.conn.since(scanned.token)
    told(answer, {"a.py": (CONTENT | SCANNED, GONE | DIR)})
    equal(next(iter(answer)).tree, 2, "tree")


@harness.test()
def each_kind_of_change_is_found(t):
    scanned = Scanned(t, "--scan-period", "1000")
    equal(scanned.news(), {}, "what an unchanged tree tells")

    write(scanned.at("a.py"), "longer than before")
    equal(scanned.news(), {"a.py": CONTENT | SCANNED}, "a write")

    status = os.stat(scanned.at("b.py"))
    write(scanned.at("b.py"), "B.PY")
    os.utime(scanned.at("b.py"), ns=(status.st_atime_ns, status.st_mtime_ns))
    true(scanned.news()["b.py"] & CONTENT, "same size, time put back")

    os.mkdir(scanned.at("new"))
    write(scanned.at("new/m.py"), "m")
    found = scanned.news()
    equal(found["new"], CONTENT | DIR | SUBTREE | SCANNED, "a new directory")

    os.unlink(scanned.at("a.py"))
    equal(scanned.news(), {"a.py": CONTENT | GONE | SCANNED}, "an unlink")

    os.rename(scanned.at("pkg"), scanned.at("gkp"))
    found = scanned.news()
    equal(set(found), {"pkg", "gkp"}, "a renamed directory")
    true(found["pkg"] & GONE and found["gkp"] & SUBTREE, f"flags {found}")

    shutil.copytree(scanned.at("gkp"), scanned.at("other"))
    scanned.news()
    os.rename(scanned.at("gkp"), scanned.at("x"))
    os.rename(scanned.at("other"), scanned.at("gkp"))
    os.rename(scanned.at("x"), scanned.at("other"))
    found = scanned.news()
    true(found["gkp"] & SUBTREE and found["other"] & SUBTREE,
         f"directories that changed places: {found}")

    os.chmod(scanned.at("b.py"), 0o600)
    true(scanned.news()["b.py"] & META, "a chmod")
    os.chmod(scanned.at("other"), 0o700)
    equal(scanned.news(), {"other": META | DIR | SCANNED}, "of a directory")

    os.symlink("gkp", scanned.at("link"))
    scanned.news()
    os.unlink(scanned.at("link"))
    os.symlink("other", scanned.at("link"))
    true(scanned.news()["link"] & CONTENT, "a link that leads elsewhere")
    true(scanned.conn.tree(2).flags & 0x8, "the link is not noted")

    write(scanned.at("old"), "old")
    os.utime(scanned.at("old"), (1, 1))
    scanned.news()
    os.rename(scanned.at("old"), scanned.at("b.py"))
    true(scanned.news()["b.py"] & CONTENT, "an older file moved over")


@harness.test(needs_hooks=True)
def an_edit_before_the_first_scan_is_not_lost(t):
    """Of a client whose token is older than the baseline."""
    path = t.base + "/packages"
    build(path)
    time.sleep(0.1)
    # The daemon is held up between its first answer and its first scan.
    m = t.mount("--scan", path, env={"SINCEFS_TEST_SCAN_DELAY_US": "1500000"})
    with m.connect() as conn:
        token = conn.token()
        equal(conn.tree(2).scans, 0, "scans")
        true("not done yet" in t.command("status", m.path), "status")
        write(path + "/pkg/sub/m.py", "an edit")
        os.unlink(path + "/pkg/__init__.py")
        os.mkdir(path + "/new")
        wait_until(lambda: conn.tree(2).scans > 0, 10, "the first scan")
        answer = conn.since(token)
        told(answer, {"pkg/sub/m.py": CONTENT | SCANNED,
                      "pkg": SUBTREE | SCANNED,
                      "new": SUBTREE | SCANNED, ".": SUBTREE | SCANNED},
             others=False)


@harness.test(limit=60)
def an_edit_within_one_step_of_the_clock_is_not_lost(t):
    """Same size, written twice in a row, with a scan at any moment between."""
    scanned = Scanned(t, "--scan-period", "0.01", "--scan-share", "100")
    path = scanned.at("a.py")
    write(path, "0000")
    wait_until(lambda: scanned.news() == {}, 10, "rest")
    for number in range(1, 100):
        text = f"{number:04}"
        with open(path, "r+") as file:
            file.write("....")
            file.flush()
            time.sleep(number % 10 / 1000)
            token = scanned.conn.token()
            file.seek(0)
            file.write(text)
        scanned.scan()
        answer = scanned.conn.since(token)
        true(b"a.py" in answer.paths(), f"edit {number} is lost")
    scanned.news()


@harness.test()
def ten_consumers_see_it_once_each(t):
    scanned = Scanned(t, "--scan-period", "0.1")
    tokens = [scanned.token] * 10
    counts = [0] * 10
    write(scanned.at("a.py"), "an edit of an installed package")
    deadline = time.monotonic() + 2 * harness.SLOW
    while time.monotonic() < deadline:
        for i in range(10):
            answer = scanned.conn.since(tokens[i])
            tokens[i] = answer.token
            counts[i] += len(answer)
        time.sleep(0.02)
    equal(counts, [1] * 10, "how often each was told")


@harness.test()
def a_root_may_vanish_appear_and_be_another(t):
    scanned = Scanned(t, "--scan-period", "1000")
    os.rename(scanned.path, scanned.path + "-away")
    equal(scanned.news(), {".": CONTENT | GONE | DIR | SUBTREE | SCANNED},
          "a root that went")
    equal(scanned.conn.tree(2).scan_error, -errno.ENOENT, "the error")
    equal(scanned.news(), {}, "while it is gone")
    build(scanned.path)
    equal(scanned.news()["."], CONTENT | DIR | SUBTREE | SCANNED,
          "one that came")
    equal(scanned.conn.tree(2).scan_error, 0, "the error")
    scanned.news()
    os.rename(scanned.path, scanned.path + "-2")
    os.rename(scanned.path + "-away", scanned.path)
    equal(scanned.news(), {".": CONTENT | DIR | SUBTREE | SCANNED},
          "another one")
    write(scanned.at("a.py"), "in the other one")
    true(scanned.news()["a.py"] & CONTENT, "an edit in it")


@harness.test()
def a_root_that_is_not_there_yet_is_waited_for(t):
    scanned = Scanned(t, "--scan-period", "1000", make=None)
    equal(scanned.news(), {}, "while there is nothing")
    build(scanned.path)
    equal(scanned.news()["."], CONTENT | DIR | SUBTREE | SCANNED, "a root")


@harness.test()
def a_single_file_is_a_root(t):
    scanned = Scanned(t, "--scan-period", "1000",
                      make=lambda path: write(path, "text"))
    equal(scanned.conn.tree(2).files, 1, "files")
    time.sleep(0.1)
    scanned.news()
    write(scanned.path, "other text")
    true(scanned.news()["."] & CONTENT, "an edit")
    time.sleep(0.1)
    scanned.news()
    os.unlink(scanned.path)
    equal(scanned.news(), {".": CONTENT | GONE | SCANNED}, "its end")


@harness.test()
def a_root_that_is_a_link_follows_it(t):
    build(t.base + "/release1")
    build(t.base + "/release2")
    os.symlink("release1", t.base + "/packages")
    scanned = Scanned(t, "--scan-period", "1000", make=None)
    os.symlink("release2", t.base + "/x")
    os.rename(t.base + "/x", t.base + "/packages")
    equal(scanned.news(), {".": CONTENT | DIR | SUBTREE | SCANNED},
          "a link that leads elsewhere")


@harness.test()
def links_out_of_the_root_are_not_followed(t):
    outside = t.directory("outside")
    write(outside + "/secret", "1")

    def make(path):
        build(path)
        os.symlink(outside, path + "/out")

    scanned = Scanned(t, "--scan-period", "1000", make=make)
    write(outside + "/secret", "22")
    equal(scanned.news(), {}, "what lies behind a link")


@harness.test(needs_root=True)
def what_cannot_be_read_is_said_and_not_lost(t):
    """For a daemon of root nothing is hidden, so a file system that refuses:
    a directory on which nothing is mounted any more."""
    scanned = Scanned(t, "--scan-period", "1000")
    t.run("mount", "-t", "tmpfs", "tmpfs", scanned.at("pkg"))
    try:
        found = scanned.news()
        equal(set(found), {"pkg"}, "a file system mounted over a directory")
        true(scanned.conn.tree(2).flags & 0x10, "it is not noted")
        write(scanned.at("pkg/inside"), "1")
        equal(scanned.news(), {}, "what is in it")
    finally:
        t.run("umount", scanned.at("pkg"))
    true(scanned.news()["pkg"] & SUBTREE, "what comes to light again")


@harness.test()
def ignored_names_are_not_told(t):
    scanned = Scanned(t, "--scan-period", "1000", "--ignore", "__pycache__/",
                      "--ignore", "*.tmp")
    os.mkdir(scanned.at("pkg/__pycache__"))
    write(scanned.at("pkg/__pycache__/m.pyc"), "1")
    write(scanned.at("x.tmp"), "1")
    write(scanned.at("x.py"), "1")
    equal(set(scanned.news()), {"x.py"}, "what is told")


@harness.test()
def bad_places_and_values_are_refused(t):
    m = t.directory("m")
    os.mkdir(m + "/inside")
    os.symlink("m/inside", t.base + "/link")
    for path in m, m + "/inside", t.base + "/link", m + "/not-there":
        out = t.command("mount", "--scan", path, m, status=1)
        true("where every change is seen without scanning" in out, out)
    for options in (["--scan-period", "0"], ["--scan-period", "nan"],
                    ["--scan-share", "0"], ["--scan-share", "101"],
                    ["--scan-period", "x"]):
        t.command("mount", *options, m, status=2)
    out = t.command("mount", "--scan-python=/no/such/python", m, status=1)
    true("/no/such/python" in out, out)
    out = t.command("mount", "--scan-python=false", m, status=1)
    true("cannot ask 'false'" in out, out)
    equal(harness.mounts_below(m), [], "mounts")


@harness.test()
def the_mount_is_not_scanned(t):
    m = t.mount()
    out = t.command("scan", m.path, status=1)
    true("it is not scanned" in out, out)


@harness.test()
def a_parent_of_the_mount_is_scanned_without_it(t):
    top = t.directory("top")
    os.mkdir(top + "/m")
    write(top + "/m/inside", "1")
    write(top + "/beside", "1")
    m = t.mount("--scan", top, "--scan-period", "1000", path=top + "/m")
    with m.connect() as conn:
        wait_until(lambda: conn.tree(2).scans > 0, 10, "the first scan")
        t.command("scan", m.path)
        token = conn.token()
        write(top + "/beside", "22")
        write(m.at("inside"), "22")
        t.command("scan", m.path)
        records = {(record.tree, record.path) for record in conn.since(token)}
        equal(records, {(1, b"inside"), (2, b"beside")}, "records")


@harness.test()
def scanning_ends_with_the_mount(t):
    scanned = Scanned(t, "--scan-period", "0.01", "--scan-share", "100")
    scanned.conn.close()
    pid = scanned.mount.pid
    scanned.mount.umount()
    true(harness.process_is_gone(pid), "the daemon goes on")


@harness.test()
def a_scan_that_was_asked_for_makes_the_control_file_readable(t):
    scanned = Scanned(t, "--scan-period", "1000")
    poller = select.poll()
    scanned.conn.since(scanned.conn.token())
    poller.register(scanned.conn, select.POLLIN)
    equal(poller.poll(0), [], "readable before")
    scans = scanned.conn.scan(2)
    true(poller.poll(5000 * harness.SLOW), "nobody was woken")
    true(scanned.conn.tree(2).scans >= scans, "the scan is not done")
    scanned.conn.token()
    equal(poller.poll(0), [], "readable after it was asked")


# ---- installed code ----

PYTHON = "/usr/bin/python3"


def status_of(t, m):
    return json.loads(t.command("status", "--json", m.path))["trees"]


@harness.test(limit=60)
def installed_code_is_found_by_asking_python(t):
    m = t.mount(f"--scan-python={PYTHON}")
    trees = status_of(t, m)
    roots = [tree["root"] for tree in trees[1:]]
    asked = t.run(PYTHON, "-c", "import sysconfig, site; print(*{"
                  "sysconfig.get_path('stdlib'), *site.getsitepackages(),"
                  "sysconfig.get_path('purelib')}, sep='\\n')").decode()
    for place in asked.split():
        place = os.path.normpath(place)
        true(any((place + "/").startswith(root + "/") for root in roots),
             f"{place} is not scanned: {roots}")
    equal(len(set(roots)), len(roots), "roots that differ")
    for a in roots:
        for b in roots:
            true(a == b or not a.startswith(b + "/"), f"{a} lies in {b}")
    for tree in trees[1:]:
        true("installed" in tree["flags"], f"flags {tree}")


@harness.test(limit=120)
def a_virtual_environment_and_its_base_are_found(t):
    venv = t.base + "/venv"
    t.run(PYTHON, "-m", "venv", "--without-pip", venv)
    site = next(os.path.join(top, "site-packages")
                for top, names, _ in os.walk(venv) if "site-packages" in names)
    editable = t.directory("editable")
    other = t.directory("other")
    write(site + "/__editable__.thing.pth", f"# comment\nimport os\n"
          f"{editable}\n/no/such/place\n")
    os.mkdir(site + "/thing-1.dist-info")
    write(site + "/thing-1.dist-info/direct_url.json", json.dumps(
        {"url": "file://" + other, "dir_info": {"editable": True}}))
    os.mkdir(site + "/broken-1.dist-info")
    write(site + "/broken-1.dist-info/direct_url.json", "{")
    m = t.mount(f"--scan-python={venv}/bin/python")
    trees = {tree["root"]: tree["flags"] for tree in status_of(t, m)}
    true(any("installed" in flags and site.startswith(root + "/")
             for root, flags in trees.items()), f"{trees}")
    true(any(root.startswith("/usr/lib/python3") for root in trees), "base")
    for place in editable, other:
        true("editable" in trees[place], f"{trees}")
    true("user code, only scanned" in t.command("status", m.path), "status")


@harness.test(limit=120)
def what_lies_in_the_mount_is_not_scanned(t):
    project = t.directory("project")
    t.run(PYTHON, "-m", "venv", "--without-pip", project + "/.venv")
    m = t.mount(f"--scan-python={project}/.venv/bin/python", path=project)
    for tree in status_of(t, m)[1:]:
        true(not tree["root"].startswith(project), f"{tree}")


# ---- the budget ----

def many(t, path):
    os.mkdir(path)
    t.build(path, "many", 20000, 20)


@harness.test(limit=120)
def the_share_is_kept_and_the_period_printed_is_the_one_kept(t):
    share = 5
    scanned = Scanned(t, "--scan-period", "0.05", "--scan-share", str(share),
                      make=lambda path: many(t, path))

    def used():
        """Processor time of the daemon, in seconds."""
        with open(f"/proc/{scanned.mount.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    wait_until(lambda: scanned.conn.tree(2).scans >= 3, 60, "scans")
    before, begin = used(), time.monotonic()
    first = scanned.conn.tree(2)
    told = []

    def are_enough():
        now = scanned.conn.tree(2)
        told.append(now.scan_period_ns / 1e9)
        return now.scans >= first.scans + 4

    wait_until(are_enough, 60, "four more scans")
    last = scanned.conn.tree(2)
    took = time.monotonic() - begin
    taken = (used() - before) / took * 100
    kept = took / (last.scans - first.scans)
    print(f"# {taken:.1f} % of a processor taken of {share} allowed; a scan "
          f"each {kept:.2f} s, told as {min(told):.2f} to {max(told):.2f} s, of "
          f"{last.scan_cost_ns / 1e6:.1f} ms")
    # A scan more or less at the ends, and what the answers cost.
    true(taken <= share * 2, f"{taken:.1f} %")
    true(last.scan_period_ns >= last.scan_cost_ns * 100 / share * 0.99,
         "the period does not keep the share")
    # Each scan costs a little more or less than the one before.
    true(min(told) / 2 <= kept <= max(told) * 2, f"scanned each {kept:.2f} s")


if __name__ == "__main__":
    harness.main()
