# SPDX-License-Identifier: MIT
"""What people do all day, inside a mount and outside of it: the same trees come
out, and every difference that a step made is in the answer."""

import os
import random
import shutil
import sysconfig
import time

import harness
import storm
from harness import equal, true

FILES = 5200


def words(rng, count):
    return " ".join(rng.choice(["import", "def", "class", "return", "yield",
                                "lambda", "value", "count", "self", "None"])
                    for _ in range(count))


def sizes_of(truth):
    """What can be compared between two trees: not times, which differ."""
    return {path: (entry[0], entry[3], entry[5])
            for path, entry in truth.items()}


class Twins:
    """A tree inside a mount and its twin outside, which every step is done
    to."""

    def __init__(self, t, template, options=()):
        self.t = t
        self.plain = os.path.join(t.base, "plain")
        path = os.path.join(t.base, "m")
        t.run("cp", "-a", template, self.plain)
        t.run("cp", "-a", template, path)
        self.m = t.mount(*options, path=path)
        self.conn = self.m.connect()
        self.judge = storm.Judge()
        self.caches = {}, {}
        self.truth, _ = storm.take_truth(self.m.below, self.caches[0])
        self.token = self.conn.token()

    def step(self, *arguments, env=None, compare=True, skip=()):
        """Run a program in both; compare what it said, if @compare, and what
        came out, but for paths that begin with one of @skip."""
        what = " ".join(arguments)[:60]
        outputs = []
        times = []
        for where in self.plain, self.m.path:
            begin = time.monotonic()
            outputs.append(self.t.run(*arguments, cwd=where, env=env))
            times.append(time.monotonic() - begin)
        if max(times) > 1:
            print(f"# {what}: {times[0]:.1f} s outside, {times[1]:.1f} inside")
        if compare:
            equal(outputs[1], outputs[0], f"output of {what}")
        answer = self.conn.since(self.token)
        truth, inodes = storm.take_truth(self.m.below, self.caches[0])
        self.judge.check(storm.Moment(self.token, self.truth, True), answer,
                         truth, inodes)
        self.token, self.truth = answer.token, truth
        self.compare(what, skip)
        return outputs[1]

    def compare(self, what, skip=()):
        outside, _ = storm.take_truth(self.plain, self.caches[1])
        views = [sizes_of(truth) for truth in (self.truth, outside)]
        differ = [path for path in views[0].keys() | views[1].keys()
                  if views[0].get(path) != views[1].get(path) and
                  not path.startswith(tuple(skip))]
        true(not differ, f"{what}: inside and outside differ: "
             f"{sorted(differ)[:20]}")

    def end(self):
        through, _ = storm.take_truth(self.m.path)
        equal(through, self.truth, "the tree through the mount")
        print(f"# {self.judge.summary()}")
        self.conn.close()
        self.m.umount()


GIT = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
       "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.org",
       "GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_PAGER": "cat",
       "GIT_COMMITTER_DATE": "1700000000 +0000", "LC_ALL": "C",
       "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}


def make_repository(t, path, count=FILES):
    """So many files, and a history with everything that moves files about."""
    rng = random.Random(4711)
    os.mkdir(path)

    def git(*arguments):
        return t.run("git", *arguments, cwd=path, env=GIT)

    def put(name, text):
        name = os.path.join(path, name)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w") as file:
            file.write(text)
    names = [f"pkg{n % 40}/sub{n % 7}/module{n}.py" for n in range(count)]
    for name in names:
        put(name, words(rng, 20))
    os.symlink("pkg0/sub0", os.path.join(path, "link"))
    put("run.sh", "#!/bin/sh\n")
    os.chmod(os.path.join(path, "run.sh"), 0o755)
    put(".gitignore", "*.o\nbuild/\n")
    git("init", "-q", "-b", "main")
    git("config", "gc.auto", "0")
    git("config", "core.fsync", "none")
    git("config", "maintenance.auto", "false")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    git("tag", "first")
    for round_ in range(2):
        for name in rng.sample(names, count // 6):
            put(name, words(rng, 25))
        for name in rng.sample(names, count // 30):
            os.unlink(os.path.join(path, name))
            names.remove(name)
        for n in range(count // 25):
            names.append(f"new{round_}/deep/er/file{n}.py")
            put(names[-1], words(rng, 10))
        os.rename(os.path.join(path, f"pkg{round_}"),
                  os.path.join(path, f"renamed{round_}"))
        names = [name.replace(f"pkg{round_}/", f"renamed{round_}/")
                 for name in names]
        git("add", "-A")
        git("commit", "-q", "-m", f"round {round_}")
    # A file where a directory was, and the other way round.
    shutil.rmtree(os.path.join(path, "pkg9"))
    put("pkg9", "a file now")
    os.unlink(os.path.join(path, "run.sh"))
    put("run.sh/inside", "a directory now")
    os.unlink(os.path.join(path, "link"))
    os.symlink("pkg1", os.path.join(path, "link"))
    git("add", "-A")
    git("commit", "-q", "-m", "types change")


@harness.test(limit=300)
def git_does_in_a_mount_what_it_does_outside(t):
    template = os.path.join(t.base, "template")
    make_repository(t, template)
    twins = Twins(t, template)
    # The index has inode numbers and times of its own.
    skip = (b".git/index", b".git/objects/pack", b".git/objects/info",
            b".git/logs", b".git/FETCH_HEAD", b".git/info/refs")

    def git(*arguments, compare=True):
        return twins.step("git", *arguments, env=GIT, skip=skip,
                          compare=compare)
    git("status", "--porcelain")
    git("checkout", "-q", "first")
    equal(git("status", "--porcelain"), b"", "status after checkout")
    git("checkout", "-q", "main")
    equal(git("status", "--porcelain"), b"", "status after checkout")
    git("checkout", "-q", "-b", "work", "first")
    twins.step("sh", "-c", "for f in pkg1/sub*/*1.py; do echo changed >> $f;"
               " done; rm pkg2/sub2/*2.py; mkdir fresh; echo x > fresh/x;"
               " mkdir build; echo y > build/y; echo z > z.o", skip=skip)
    git("stash", "-q", "--include-untracked")
    equal(git("status", "--porcelain"), b"", "status after stash")
    git("stash", "pop", "-q")
    true(len(git("status", "--porcelain")) > 100, "nothing was popped")
    git("clean", "-qfdx")
    git("checkout", "-q", "-f", "main")
    git("rm", "-rq", "pkg7")
    git("mv", "pkg8", "moved8")
    git("commit", "-q", "-m", "moved")
    git("merge", "-q", "--no-edit", "-s", "ours", "work")
    git("reset", "-q", "--hard", "first")
    git("reset", "-q", "--hard", "ORIG_HEAD")
    git("gc", "-q", "--prune=now", compare=False)
    equal(git("fsck", "--full", "--strict", "--no-progress"), b"", "fsck")
    equal(git("status", "--porcelain"), b"", "status at the end")
    git("log", "--format=%H")
    twins.end()


@harness.test(limit=120)
def the_command_is_gits_fsmonitor(t):
    """git believes what it is told; so what it says must still be true."""
    template = os.path.join(t.base, "template")
    make_repository(t, template, 600)
    path = os.path.join(t.base, "m")
    t.run("cp", "-a", template, path)
    m = t.mount("--ignore", "/.git/", path=path)
    hook = os.path.join(t.base, "hook")
    with open(hook, "w") as file:
        file.write("#!/bin/sh\ncase $2 in sincefs:*) t=$2 ;; *) t=sincefs:1:"
                   "0000000000000000:0 ;; esac\n"
                   f"exec '{harness.COMMAND}' since -0 . $t\n")
    os.chmod(hook, 0o755)

    def git(*arguments):
        return t.run("git", *arguments, cwd=path, env=GIT)
    git("config", "core.fsmonitor", hook)
    git("config", "core.fsmonitorHookVersion", "2")
    git("update-index", "--fsmonitor")
    rng = random.Random(t.seed)
    equal(git("status", "--porcelain"), b"", "status")
    for _ in range(15):
        files = [os.path.join(where, name)
                 for where, _, names in os.walk(path)
                 if "/.git" not in where for name in names]
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice(files)
            if not os.path.lexists(name):
                continue
            kind = rng.randrange(5)
            if kind == 0 and not os.path.islink(name):
                with open(name, "a") as file:
                    file.write("x")
            elif kind == 1:
                os.unlink(name)
            elif kind == 2:
                os.rename(name, name + ".moved")
            elif kind == 3:
                top = os.path.dirname(name)
                if top != path:
                    os.rename(top, top + "-moved")
            else:
                with open(os.path.join(os.path.dirname(name),
                                       f"new{rng.randrange(99)}"), "w"):
                    pass
        told = git("status", "--porcelain")
        without = git("-c", "core.fsmonitor=false", "status", "--porcelain")
        equal(told, without, "status")
        if rng.random() < 0.3:
            git("add", "-A")
            git("commit", "-q", "--allow-empty", "-m", "x")
    m.umount()


@harness.test(limit=180)
def python_compiles_and_imports_in_a_mount(t):
    template = t.directory("template")
    library = sysconfig.get_paths()["stdlib"]
    for package in "email", "json", "asyncio", "unittest", "xml", "http":
        shutil.copytree(os.path.join(library, package),
                        os.path.join(template, package),
                        ignore=shutil.ignore_patterns("__pycache__",
                                                      "test*"))
    twins = Twins(t, template)
    python = os.environ.get("PYTHON3", "python3")
    env = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONHASHSEED": "0"}
    twins.step(python, "-m", "compileall", "-q", "-j", "2", ".", env=env)
    true(any(path.endswith(b".pyc") for path in twins.truth),
         "nothing was compiled")
    # Written by import this time, into a directory that is made for it.
    twins.step("sh", "-c", "rm -rf json/__pycache__", env=env)
    twins.step(python, "-I", "-c",
               "import sys; sys.dont_write_bytecode = False; "
               "sys.path.insert(0, '.'); import json.tool, json.decoder; "
               "print(len(json.__file__) > 0)", env=env,
               skip=(b"json/__pycache__/",))
    true(b"json/__pycache__" in twins.truth, "import has written nothing")
    twins.end()


@harness.test(limit=180)
def packages_are_installed_by_copying_as_outside(t):
    template = t.directory("template")
    t.build(template, "project")
    source = t.directory("source")
    t.build(source, "site-packages")
    library = sysconfig.get_paths()["stdlib"]
    shutil.copytree(os.path.join(library, "email"),
                    os.path.join(source, "email2"))
    twins = Twins(t, template)
    site = "venv/lib/python3/site-packages"
    twins.step("mkdir", "-p", site)
    twins.step("cp", "-a", f"{source}/.", site)
    twins.step("cp", "-al", f"{site}/email2", f"{site}/email3")
    twins.step("sh", "-c", f"tar cf - -C {site} . | (mkdir un && cd un && "
               "tar xpf -)")
    twins.step("rm", "-rf", f"{site}/numbers2")
    twins.step("mv", f"{site}/email2", "elsewhere")
    twins.step("sh", "-c", "find . -name '*.py' -exec sed -i 's/import/"
               "import /' {} +")
    twins.step("chmod", "-R", "go-w", ".")
    twins.step("sh", "-c", "find venv -depth -delete; rmdir shared")
    twins.end()


def make_project(path):
    """A C library of 60 modules, a program, a Makefile with everything."""
    os.makedirs(os.path.join(path, "lib"))
    for n in range(60):
        with open(os.path.join(path, f"lib/m{n}.c"), "w") as file:
            file.write(f'#include "all.h"\n'
                       f'int m{n}(int x)\n{{\n\treturn x * {n} + '
                       f'{"m%d(x)" % (n - 1) if n else "0"} % 1000;\n}}\n')
    with open(os.path.join(path, "lib/all.h"), "w") as file:
        file.writelines(f"int m{n}(int x);\n" for n in range(60))
    with open(os.path.join(path, "main.c"), "w") as file:
        file.write('#include <stdio.h>\n#include "lib/all.h"\n'
                   'int main(void)\n{\n\tprintf("%d\\n", m59(7));\n'
                   '\treturn 0;\n}\n')
    with open(os.path.join(path, "Makefile"), "w") as file:
        file.write("objects := $(patsubst %.c,%.o,$(wildcard lib/*.c))\n"
                   "prog: main.o libm.a\n\t$(CC) -o $@ main.o libm.a\n"
                   "libm.a: $(objects)\n\trm -f $@\n\tar rcD $@ $^\n"
                   "%.o: %.c lib/all.h\n\t$(CC) -O1 -c -o $@ $<\n"
                   "check: prog\n\t./prog > out\n\tcat out\n"
                   "clean:\n\trm -f prog libm.a out main.o $(objects)\n")


@harness.test(limit=180)
def a_C_project_is_built_as_outside(t):
    if not shutil.which("make"):
        t.skip("make is missing")
    template = t.directory("template")
    make_project(template)
    twins = Twins(t, template)
    compiler = os.environ.get("CC", "cc").split()[0]
    env = {"MAKEFLAGS": "", "MAKELEVEL": "", "CC": compiler}
    make = ("make", "-s", "-j2")
    twins.step(*make, env=env)
    true(b"prog" in twins.truth, "nothing was built")
    twins.step(*make, "check", env=env)
    # Nothing is built again without a reason, and what has one is.
    equal(twins.step("make", "-j1", "prog", env=env).strip(),
          b"make: 'prog' is up to date.", "make")
    twins.step("touch", "lib/m5.c")
    output = twins.step("make", "-j1", env=env)
    equal(output.count(b" -c "), 1, "files compiled after a touch")
    twins.step(*make, "clean", env=env)
    twins.end()


if __name__ == "__main__":
    harness.main()
