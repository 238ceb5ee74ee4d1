# SPDX-License-Identifier: MIT
"""2,000 random edits of loaded modules on a real mount, in every way that a
file can be changed, with the truth by the hash of the content.

After each round of a few edits the tracker is asked and reloads. Then

- every module whose content differs from what ran must have been told
  (missed: none);
- every module must run what its file says (old code: none);
- a module that was told although its content is what ran is spurious: that is
  allowed, and counted.

SINCEFS_TEST_EDITS=N makes N edits instead.
"""

import hashlib
import importlib
import importlib.util
import os
import random
import shutil
import sys

import reload_support as support
import harness
from harness import equal, true

from sincefs.reload import ModuleTracker

EDITS = int(os.environ.get("SINCEFS_TEST_EDITS", "2000"))


def digest(path):
    """The hash of a file's content; None when there is no file."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


class World:
    """The project: modules at the top, packages, and two of each kind of
    thing behind links. A module's VALUE is unique to its content."""

    def __init__(self, root, below, rng):
        self.root = root
        self.below = below
        self.rng = rng
        self.serial = 100000
        self.contents = {}  # VALUE: hash of the source
        self.names = []
        for index in range(12):
            self.add(f"top{index}", f"top{index}.py")
        for index in range(4):
            self.add(f"pack{index}", f"pack{index}/__init__.py")
            for inner in range(2):
                self.add(f"pack{index}.sub{inner}",
                         f"pack{index}/sub{inner}.py")
        for version in "12":
            self.fill(f"store/v{version}/__init__.py")
            self.fill(f"store/v{version}/inner.py")
            self.fill(f"store/f{version}.py")
        os.symlink("store/v1", self.at("linked"))
        os.symlink("store/f1.py", self.at("single.py"))
        self.names += ["linked", "linked.inner", "single"]

    def at(self, *names):
        return os.path.join(self.root, *names)

    def text(self):
        """New source, always of the same size."""
        self.serial += 1
        text = support.source(self.serial)
        self.contents[self.serial] = hashlib.sha256(
            text.encode()).hexdigest()
        return text

    def fill(self, relative):
        return support.write(self.at(relative), self.text())

    def add(self, name, relative):
        self.fill(relative)
        self.names.append(name)

    def file(self, name):
        """Where the module would be found now."""
        path = "/".join(name.split("."))
        inside = os.path.join(path, "__init__.py")
        return self.at(inside if os.path.exists(os.path.join(
            self.below, inside)) else path + ".py")

    def truth(self, name):
        """The same file in the directory below the mount: what is there
        cannot be a cache's word, and costs the mount no request."""
        return os.path.join(self.below, os.path.relpath(self.file(name),
                                                        self.root))

    # ---- ways to edit: each takes a module's file ----

    def in_place(self, path):
        with open(path, "w") as file:
            file.write(self.text())

    def same_size_and_time(self, path):
        support.edit_unseen(path, self.text())

    def by_rename(self, path):
        support.write(path + ".tmp", self.text())
        os.rename(path + ".tmp", path)

    def older_moved_in(self, path):
        support.write(path + "~", self.text())
        os.utime(path + "~", (1000, 1000))
        os.rename(path + "~", path)

    def copied_with_time(self, path):
        support.write(self.at("backup"), self.text())
        os.utime(self.at("backup"), (2000, 2000))
        shutil.copy2(self.at("backup"), path)

    def through_a_hard_link(self, path):
        other = self.at("another_name")
        if os.path.lexists(other):
            os.unlink(other)
        os.link(path, other)
        support.edit_unseen(other, self.text())

    def removed_and_made_again(self, path):
        kept = support.times(path)
        os.unlink(path)
        support.write(path, self.text())
        os.utime(path, ns=kept)

    def one_byte(self, path):
        """Write to the middle, without truncating."""
        text = self.text().encode()
        kept = support.times(path)
        fd = os.open(path, os.O_WRONLY)
        os.pwrite(fd, text[10:], 10)
        os.close(fd)
        os.utime(path, ns=kept)

    def touched(self, path):
        """No edit: the times alone."""
        os.utime(path)

    def rewritten(self, path):
        """No edit: the same bytes once more."""
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content)

    # ---- ways to change several at once ----

    def exchange_files(self):
        one, other = self.rng.sample(
            [self.at(f"top{index}.py") for index in range(12)], 2)
        support.exchange(one, other)

    def exchange_packages(self):
        one, other = self.rng.sample(
            [self.at(f"pack{index}") for index in range(4)], 2)
        support.exchange(one, other)

    def swap_package(self):
        """A new version of a package takes its place by renames."""
        place = self.at(f"pack{self.rng.randrange(4)}")
        for name in ("__init__.py", "sub0.py", "sub1.py"):
            new = support.write(os.path.join(place + ".new", name),
                                self.text())
            os.utime(new, (3000, 3000))
        os.rename(place, place + ".old")
        os.rename(place + ".new", place)
        shutil.rmtree(place + ".old")

    def retarget_directory(self):
        now = os.readlink(self.at("linked"))
        support.retarget(self.at("linked"), "store/v2" if now == "store/v1"
                         else "store/v1")

    def retarget_file(self):
        # Another edit may have put a file in its place.
        place = self.at("single.py")
        now = os.readlink(place) if os.path.islink(place) else None
        support.retarget(place, "store/f2.py" if now == "store/f1.py"
                         else "store/f1.py")

    def edit_behind_the_links(self):
        self.same_size_and_time(self.rng.choice([
            self.at("store", name) for name in (
                "v1/__init__.py", "v1/inner.py", "v2/__init__.py",
                "v2/inner.py", "f1.py", "f2.py")]))

    def noise(self):
        """What is no module."""
        support.write(self.at("data", f"{self.rng.randrange(50)}.txt"), "x")

    def edit(self):
        """One random edit; what it was."""
        kind = self.rng.random()
        if kind < 0.72:
            way = self.rng.choice((
                self.in_place, self.same_size_and_time, self.by_rename,
                self.older_moved_in, self.copied_with_time,
                self.through_a_hard_link, self.removed_and_made_again,
                self.one_byte, self.touched, self.rewritten))
            way(self.file(self.rng.choice(self.names)))
        else:
            way = self.rng.choice((
                self.exchange_files, self.exchange_packages,
                self.swap_package, self.retarget_directory,
                self.retarget_file, self.edit_behind_the_links, self.noise))
            way()
        return way.__name__


@harness.test(limit=500)
def no_random_edit_is_missed_and_no_old_code_runs(t):
    rng = random.Random(t.seed)
    m = t.mount()
    world = World(m.path, m.below, rng)
    sys.path.insert(0, m.path)
    tracker = ModuleTracker(m.path)
    tracker.watch_imports()
    for name in world.names:
        importlib.import_module(name)
    equal(tracker.check().names, [], "told after the imports")

    edits = told = spurious = rounds = imported = 0
    unseen = 0  # edits that a comparison of mtimes would not have noticed
    ways = {}
    try:
        while edits < EDITS:
            rounds += 1
            before = {name: (world.contents[sys.modules[name].VALUE],
                             os.stat(world.truth(name)).st_mtime)
                      for name in world.names}
            done = []
            for _ in range(rng.choice((1, 1, 1, 2, 5))):
                done.append(world.edit())
            edits += len(done)
            for way in done:
                ways[way] = ways.get(way, 0) + 1
            if rng.random() < 0.05:
                # A cell imports a module anew, which is edited while the cell
                # still runs.
                name = rng.choice([name for name in world.names
                                   if name.startswith("top")])
                del sys.modules[name]
                module = importlib.import_module(name)
                before[name] = world.contents[module.VALUE], before[name][1]
                world.same_size_and_time(world.file(name))
                edits += 1
                imported += 1
                tracker.baseline()
            report = tracker.check()
            names = set(report.names)
            for name in world.names:
                ran, mtime = before[name]
                now = digest(world.truth(name))
                if now != ran:
                    true(name in names, f"{name} was missed after {done}")
                    unseen += os.stat(world.truth(name)).st_mtime <= mtime
                elif name in names:
                    spurious += 1
            told += len(names)
            for outcome in tracker.reload(report):
                if outcome.error is not None:
                    raise outcome.error
            for name in world.names:
                runs = world.contents[sys.modules[name].VALUE]
                equal(runs, digest(world.truth(name)),
                      f"what {name} runs after {done}")
                equal(sys.modules[name].get(), sys.modules[name].VALUE)
    finally:
        print(f"# seed {t.seed}: {edits} edits in {rounds} rounds, {told} "
              f"modules told, {spurious} of them spurious, {unseen} changed "
              f"with no newer mtime, {imported} edited while their importer "
              f"ran")
        tracker.close()
    equal(set(tracker.outside) & set(world.names), set())
    true(unseen > told / 20, "hardly an edit was hidden from stat")
    true(imported > 0, "nothing was edited during its import")
    equal(len(ways), 17, "ways of editing that were drawn")


@harness.test(limit=300)
def edits_by_another_process_meanwhile_end_in_the_last_content(t):
    """A writer edits without pause while checks and reloads go on. A reload
    may meet half a file; in the end every module runs what its file says."""
    m = t.mount()
    world = World(m.path, m.below, random.Random(t.seed))
    sys.path.insert(0, m.path)
    tracker = ModuleTracker(m.path)
    tracker.watch_imports()
    for name in world.names:
        importlib.import_module(name)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for _ in range(300):
                world.edit()
            status = 0
        finally:
            os._exit(status)
    checks = reloads = errors = 0
    ended = 0, 0
    while ended == (0, 0):
        ended = os.waitpid(pid, os.WNOHANG)
        checks += 1
        for outcome in tracker.reload(tracker.check()):
            reloads += 1
            errors += outcome.error is not None
    print(f"# seed {t.seed}: 300 edits, {checks} checks, {reloads} reloads, "
          f"{errors} of half a file")
    equal(ended[1], 0, "status of the writer")
    true(reloads > 20, "hardly anything happened")
    equal(tracker.check().names, [])
    for name in world.names:
        equal(support.source(sys.modules[name].VALUE).encode(),
              open(world.truth(name), "rb").read(), f"what {name} runs")
    tracker.close()


harness.main()
