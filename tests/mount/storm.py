# SPDX-License-Identifier: MIT
"""A storm: many processes do everything that can be done to files, at random,
in one small name space, and every answer is held against the truth.

The truth is computed below the mount, at moments when all workers stand still:
for every path its type, mode, owner, size, content, target, attributes and
time. A token is taken at each such moment, and others at random moments in
between. At each later moment, every path that differs from how it was when the
token was taken must be covered by the answer: named in it, or below a record
with SUBTREE, or (if the tree had links that the daemon can not know) another
name of a file told with LINKED.

Random numbers come from a seed, which is printed and can be given: the order
in which processes run is not repeated by that, but each does the same.
"""

import ctypes
import errno
import hashlib
import mmap
import os
import random
import stat
import sys
import time
import traceback

import sincefs_client as client
import syscalls
from harness import SLOW, fail
from sincefs_client import (CONTENT, DIR, GONE, LINKED, META, NEW, SUBTREE,
                            TIMES)

DIRECTORIES = ["A", "B", "C"]
FILES = ["f0", "f1", "f2", "f3", "f4"]
HELD_MAX = 6
DEPTH = 3


# ---- the workers ----

class Worker:
    """One process of the storm."""

    def __init__(self, top, seed):
        self.top = top
        self.random = random.Random(seed)
        self.held = []
        self.maps = []
        self.count = 0

    def directory(self):
        parts = [self.random.choice(DIRECTORIES)
                 for _ in range(self.random.randrange(DEPTH))]
        return os.path.join(self.top, *parts)

    def existing(self, want_directory):
        """Walk down from the top to something that is there, or was just
        now; None when chance led nowhere."""
        path = self.top
        for _ in range(DEPTH + 2):
            names = sorted(os.listdir(path))
            if not names:
                return None
            path = os.path.join(path, self.random.choice(names))
            is_directory = os.path.isdir(path) and not os.path.islink(path)
            if is_directory == want_directory and (
                    not is_directory or self.random.random() < 0.5):
                return path
            if not is_directory:
                return None
        return None

    def choose(self, want_directory, names):
        if self.random.random() < 0.7:
            try:
                found = self.existing(want_directory)
            except OSError:
                found = None  # it went while we walked
            if found:
                return found
        return os.path.join(self.directory(), self.random.choice(names))

    def any_directory(self):
        return self.choose(True, DIRECTORIES)

    def file(self):
        return self.choose(False, FILES)

    def new(self):
        """A name that is not there, most often."""
        return os.path.join(self.directory(), self.random.choice(
            FILES + DIRECTORIES))

    def any(self):
        return self.random.choice([self.file, self.file,
                                   self.any_directory])()

    def bytes(self):
        self.count += 1
        return b"%d.%d " % (os.getpid(), self.count) * \
            self.random.randrange(1, 30)

    # Each operation is a method op_*; what fails with an errno has failed.

    def op_create(self):
        fd = os.open(self.new(), os.O_CREAT | os.O_EXCL | os.O_RDWR,
                     self.random.choice([0o644, 0o600, 0o666]))
        try:
            if self.random.random() < 0.5:
                os.write(fd, self.bytes())
        finally:
            os.close(fd)

    def op_create_or_open(self):
        os.close(os.open(self.file(), os.O_CREAT | os.O_RDWR))

    def op_mkdir(self):
        os.mkdir(os.path.join(self.directory(),
                              self.random.choice(DIRECTORIES)))

    def op_file_where_a_directory_was(self):
        os.close(os.open(os.path.join(self.directory(), self.random.choice(
            DIRECTORIES)), os.O_CREAT | os.O_EXCL | os.O_RDWR))

    def op_mkfifo(self):
        os.mkfifo(self.new())

    def op_symlink(self):
        os.symlink(self.random.choice(["f0", "A", "../f1", "nowhere"]),
                   self.new())

    def op_link(self):
        os.link(self.file(), self.new(), follow_symlinks=False)

    def op_unlink(self):
        os.unlink(self.any())

    def op_rmdir(self):
        os.rmdir(self.any_directory())

    def op_remove_tree(self):
        if self.random.random() > 0.1:
            return
        top = self.any_directory()
        for path, directories, files in os.walk(top, topdown=False):
            for name in files:
                os.unlink(os.path.join(path, name))
            for name in directories:
                name = os.path.join(path, name)
                if os.path.islink(name):
                    os.unlink(name)
                else:
                    os.rmdir(name)
        os.rmdir(top)

    def op_rename(self):
        os.rename(self.any(), self.random.choice([self.any, self.new])())

    def op_rename_file(self):
        os.rename(self.file(), self.file())

    def op_rename_directory(self):
        os.rename(self.any_directory(), os.path.join(
            self.directory(), self.random.choice(DIRECTORIES)))

    def op_rename_noreplace(self):
        syscalls.renameat2(self.any(), self.new(), syscalls.RENAME_NOREPLACE)

    def op_exchange(self):
        syscalls.exchange(self.any(), self.any())

    def op_write(self):
        fd = os.open(self.file(), os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.pwrite(fd, self.bytes(), self.random.randrange(200))
        finally:
            os.close(fd)

    def op_append(self):
        fd = os.open(self.file(), os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        try:
            os.write(fd, self.bytes())
        finally:
            os.close(fd)

    def op_overwrite(self):
        fd = os.open(self.file(), os.O_CREAT | os.O_TRUNC | os.O_WRONLY |
                     os.O_NONBLOCK)
        try:
            os.write(fd, self.bytes())
        finally:
            os.close(fd)

    def op_save_as_editors_do(self):
        name = self.file()
        temporary = name + ".tmp"
        # What has been moved there may be a fifo.
        fd = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY |
                     os.O_NONBLOCK)
        try:
            os.write(fd, self.bytes())
        finally:
            os.close(fd)
        os.rename(temporary, name)

    def op_truncate(self):
        os.truncate(self.file(), self.random.randrange(300))

    def op_fallocate(self):
        fd = os.open(self.file(), os.O_RDWR | os.O_NONBLOCK)
        try:
            mode = self.random.choice([
                0, syscalls.FALLOC_KEEP_SIZE,
                syscalls.FALLOC_PUNCH_HOLE | syscalls.FALLOC_KEEP_SIZE,
                syscalls.FALLOC_ZERO_RANGE])
            syscalls.fallocate(fd, mode, self.random.randrange(100),
                               self.random.randrange(1, 5000))
        finally:
            os.close(fd)

    def op_copy_range(self):
        source = os.open(self.file(), os.O_RDONLY | os.O_NONBLOCK)
        try:
            target = os.open(self.file(), os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.copy_file_range(source, target, 100, 0,
                                   self.random.randrange(50))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def op_fsync(self):
        """On which the daemon lets others go on meanwhile."""
        fd = os.open(self.file(), os.O_RDWR | os.O_NONBLOCK)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def op_chmod(self):
        os.chmod(self.any(), self.random.choice([0o755, 0o700, 0o644,
                                                 0o600]))

    def op_chown(self):
        if os.geteuid() == 0:
            os.lchown(self.any(), self.random.randrange(3),
                      self.random.randrange(3))

    def op_utime(self):
        now = self.random.randrange(10**18)
        os.utime(self.any(), ns=(now, now), follow_symlinks=False)

    def op_setxattr(self):
        os.setxattr(self.any(), "user.storm", self.bytes()[:40])

    def op_removexattr(self):
        os.removexattr(self.any(), "user.storm")

    def op_read(self):
        fd = os.open(self.file(), os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.read(fd, 1000)
        finally:
            os.close(fd)

    def op_list(self):
        os.listdir(self.directory())

    def op_hold(self):
        fd = os.open(self.file(), os.O_RDWR | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return
        self.held.append(fd)
        if len(self.held) > HELD_MAX:
            os.close(self.held.pop(self.random.randrange(HELD_MAX)))

    def op_write_held(self):
        if self.held:
            os.pwrite(self.random.choice(self.held), self.bytes(),
                      self.random.randrange(100))

    def op_chmod_held(self):
        if self.held:
            os.fchmod(self.random.choice(self.held),
                      self.random.choice([0o640, 0o660]))

    def op_truncate_held(self):
        if self.held:
            os.ftruncate(self.random.choice(self.held),
                         self.random.randrange(200))

    def op_link_held(self):
        if self.held:
            syscalls.link_descriptor(self.random.choice(self.held),
                                     self.new())

    def op_map(self):
        fd = os.open(self.file(), os.O_RDWR | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                os.ftruncate(fd, 4096)
                self.maps.append(mmap.mmap(fd, 4096))
        except ValueError:
            pass  # shorter again already
        finally:
            os.close(fd)
        if len(self.maps) > HELD_MAX:
            self.maps.pop(self.random.randrange(HELD_MAX)).close()

    def op_store(self):
        """Into a mapping; another process may have cut the file, and a touch
        would be SIGBUS: process_vm_writev() returns EFAULT instead."""
        if not self.maps:
            return
        mapped = self.random.choice(self.maps)
        self.poke(mapped, self.random.randrange(4000), self.bytes()[:60])
        if self.random.random() < 0.3:
            mapped.flush()

    def poke(self, mapped, offset, data):
        class Vector(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p),
                        ("length", ctypes.c_size_t)]
        place = ctypes.addressof(ctypes.c_char.from_buffer(mapped)) + offset
        source = ctypes.create_string_buffer(data, len(data))
        local = Vector(ctypes.addressof(source), len(data))
        remote = Vector(place, len(data))
        syscalls._check(syscalls._libc.process_vm_writev(
            os.getpid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))

    def op_unmap(self):
        if self.maps:
            self.maps.pop().close()

    def operations(self):
        return [getattr(self, name) for name in sorted(dir(self))
                if name.startswith("op_")]

    def run(self, board, number):
        """Do what the board says, turn after turn."""
        operations = self.operations()
        weights = {profile: [profile(op.__name__) for op in operations]
                   for profile in PROFILES}
        done = failed = turn = 0
        while True:
            while board.turn == turn and not board.stop:
                time.sleep(0.0002)
            if board.stop:
                break
            turn = board.turn
            chances = weights[PROFILES[board.profile]]
            left = board.budget
            while left and not board.halt:
                if left != UNLIMITED:
                    left -= 1
                operation = self.random.choices(operations, chances)[0]
                done += 1
                try:
                    operation()
                except OSError as error:
                    failed += 1
                    if error.errno in (errno.EIO, errno.ENOTCONN,
                                       errno.ENOSYS, errno.EPROTO,
                                       errno.ECONNABORTED):
                        raise
            board.finish(number, turn)
        for fd in self.held:
            os.close(fd)
        return done, failed


UPHEAVALS = ("op_remove_tree", "op_rename_directory", "op_exchange",
             "op_rename", "op_rmdir", "op_rename_noreplace",
             "op_file_where_a_directory_was")
NEW_NAMES = ("op_create", "op_mkdir", "op_link", "op_symlink", "op_mkfifo",
             "op_save_as_editors_do", "op_overwrite", "op_create_or_open",
             "op_link_held")
REMOVALS = ("op_unlink", "op_rename_file")


def wild(name):
    """Everything, with enough new names that something is left."""
    return 3 if name in ("op_mkdir", "op_create", "op_write") else 1


def calm(name):
    """Names stay, files change: what is told by an upheaval anyway can not be
    missed."""
    if name in UPHEAVALS + NEW_NAMES + REMOVALS:
        return 0
    return 1


def growing(name):
    return 0 if name in UPHEAVALS + REMOVALS else 1


def moving(name):
    """Upheavals, and writes by who holds things open."""
    return 3 if name in UPHEAVALS or "held" in name else 1


PROFILES = (wild, calm, growing, moving)
UNLIMITED = 255


class Board:
    """What conductor and workers tell each other: shared bytes."""

    def __init__(self, workers):
        self._bytes = mmap.mmap(-1, 4096)
        self._workers = workers

    turn = property(lambda self: self._bytes[0])
    stop = property(lambda self: self._bytes[1])
    halt = property(lambda self: self._bytes[2])
    profile = property(lambda self: self._bytes[3])
    budget = property(lambda self: self._bytes[4])

    def begin(self, profile, budget):
        """All workers do @budget operations, or until halted."""
        self._bytes[2] = 0
        self._bytes[3] = profile
        self._bytes[4] = budget
        self._bytes[0] = self._bytes[0] % 255 + 1

    def halt_all(self):
        self._bytes[2] = 1

    def stop_all(self):
        self._bytes[1] = 1

    def finish(self, number, turn):
        self._bytes[64 + number] = turn

    def is_finished(self):
        return all(self._bytes[64 + number] == self.turn
                   for number in range(self._workers))


# ---- the truth ----

def describe(path):
    """What there is to know of a path, None when nothing is there. Times of
    directories are left out: they change with every name in them, which is
    told for the names."""
    try:
        st = os.lstat(path)
    except FileNotFoundError:
        return None
    kind = stat.S_IFMT(st.st_mode)
    content = None
    attributes = ()
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            content = hashlib.sha1(file.read()).digest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        attributes = tuple((name, os.getxattr(path, name))
                           for name in sorted(os.listxattr(path)))
    return (st.st_mode, st.st_uid, st.st_gid,
            st.st_size if kind == stat.S_IFREG else 0,
            st.st_mtime_ns if kind != stat.S_IFDIR else 0,
            content, attributes)


def take_truth(top, cache=None):
    """({path: description}, {path: inode number}) of all below a directory.
    A dictionary as @cache, kept between calls for the same directory below a
    mount, saves reading what has the same change time."""
    truth = {}
    inodes = {}
    for path, directories, files in os.walk(top):
        for name in directories + files:
            name = os.path.join(path, name)
            relative = os.fsencode(os.path.relpath(name, top))
            st = os.lstat(name)
            inodes[relative] = st.st_ino
            if cache is None:
                truth[relative] = describe(name)
                continue
            stamp = (st.st_ino, st.st_ctime_ns, st.st_size, st.st_mtime_ns)
            old = cache.get(relative)
            if not old or old[0] != stamp:
                old = cache[relative] = (stamp, describe(name))
            truth[relative] = old[1]
    return truth, inodes


class Moment:
    """A token, and the truth from which on its answer must be complete."""

    def __init__(self, token, truth, exact):
        self.token = token
        self.truth = truth
        self.exact = exact  # taken at the very moment of the truth


def ancestors(path):
    while b"/" in path:
        path = path.rsplit(b"/", 1)[0]
        yield path


class Judge:
    """Holds answers against the truth and counts."""

    def __init__(self, has_unknown_links=False):
        self.has_unknown_links = has_unknown_links
        self.answers = 0
        self.needed = 0    # paths that differed
        self.told = 0      # records
        self.extra = 0     # of these, paths that were and are the same
        self.passing = 0   # of these, paths that were not and are not there
        self.by_link = 0   # covered through another name alone

    def covered(self, path, flags, inodes, linked):
        if path in flags:
            return True
        if any(flags.get(above, 0) & SUBTREE for above in ancestors(path)):
            return True
        if self.has_unknown_links and inodes.get(path) in linked:
            self.by_link += 1
            return True
        return False

    def check(self, moment, answer, truth, inodes):
        if answer.fresh:
            fail(f"FRESH, reason {answer.reason}")
        self.answers += 1
        flags = answer.flags()
        clocks = {record.path: record.clock for record in answer}
        linked = {inodes[path] for path, bits in flags.items()
                  if bits & LINKED and path in inodes}
        differ = {path for path in moment.truth.keys() | truth.keys()
                  if moment.truth.get(path) != truth.get(path)}
        missed = [path for path in differ
                  if not self.covered(path, flags, inodes, linked)]
        if missed:
            lines = [f"  {path!r}: was {moment.truth.get(path)}, "
                     f"is {truth.get(path)}" for path in sorted(missed)]
            fail(f"{len(missed)} paths missed since {moment.token}:\n" +
                 "\n".join(lines) + f"\ntold: {sorted(answer)}")
        self.needed += len(differ)
        self.told += len(flags)
        same = set(flags) - differ
        self.extra += len(same & truth.keys())
        self.passing += len(same - truth.keys())
        for path, bits in flags.items():
            self.check_flags(path, bits, clocks, flags, moment, truth)

    def check_flags(self, path, bits, clocks, flags, moment, truth):
        """What a record says beyond that something changed."""
        is_there = path in truth or path == b"."
        moved = any(flags.get(above, 0) & SUBTREE for above in
                    ancestors(path))
        if not moved and is_there == bool(bits & GONE):
            fail(f"{path!r} is {'there' if is_there else 'not there'} and "
                 f"told as {client.flag_names(bits)}")
        if moment.exact and bits & NEW and path in moment.truth:
            fail(f"{path!r} was there and is told as new")
        if is_there and path != b"." and not moved:
            is_dir = stat.S_ISDIR(truth[path][0])
            if is_dir and not bits & DIR:
                fail(f"{path!r} is a directory, which its record denies")
        if not moment.exact or moved or bits & CONTENT:
            return
        # Nothing but attributes: content, type and target are the same.
        old, new = moment.truth.get(path), truth.get(path)
        if (old is None) != (new is None):
            fail(f"{path!r} came or went and is told as "
                 f"{client.flag_names(bits)}")
        if old and (old[0] & 0o170000, old[3], old[5]) != \
                (new[0] & 0o170000, new[3], new[5]):
            fail(f"{path!r} has other content and is told as "
                 f"{client.flag_names(bits)}")
        if old and not bits & META and (old[0:3], old[6]) != \
                (new[0:3], new[6]):
            fail(f"{path!r} has other attributes and is told as "
                 f"{client.flag_names(bits)}")
        if old and not bits & TIMES and old[4] != new[4]:
            fail(f"{path!r} has another time and is told as "
                 f"{client.flag_names(bits)}")

    def summary(self):
        told = max(1, self.told)
        return (f"{self.answers} answers, {self.needed} changed paths, "
                f"{self.told} told: {100 * self.extra / told:.0f} % of them "
                f"are as before, {100 * self.passing / told:.0f} % came and "
                f"went; 0 missed" +
                (f", {self.by_link} by another name" if self.by_link else ""))


# ---- the conductor ----

def _worker_process(top, seed, board, number, result_fd):
    status = 1
    try:
        done, failed = Worker(top, seed).run(board, number)
        os.write(result_fd, f"{done} {failed}\n".encode())
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    finally:
        os._exit(status)


def _where_is(pid):
    """What the threads of a process are doing, as far as the kernel says."""
    text = ""
    for task in sorted(os.listdir(f"/proc/{pid}/task")):
        try:
            for name in "comm", "wchan", "syscall", "stack":
                with open(f"/proc/{pid}/task/{task}/{name}") as file:
                    text += f"  {task} {name}: {file.read().strip()}\n"
        except OSError as error:
            text += f"  {task}: {error}\n"
    return text


class Storm:
    """Start workers on a mount; then turn() again and again, then end()."""

    def __init__(self, m, seed, workers=4, has_unknown_links=False,
                 forget=0.0):
        self.m = m
        self.forget = forget  # how often the kernel's caches are dropped
        self.random = random.Random(seed)
        self.judge = Judge(has_unknown_links)
        self.conn = m.connect()
        self.moments = []
        self.turns = 0
        self.board = Board(workers)
        self.workers = []
        reader, writer = os.pipe()
        self.results = reader
        print(f"# storm of {workers} processes, seed {seed}", flush=True)
        for number in range(workers):
            pid = os.fork()
            if pid == 0:
                _worker_process(m.path, seed * 1000 + number, self.board,
                                number, writer)
            self.workers.append(pid)
        os.close(writer)

    def _wait(self, seconds=60):
        deadline = time.monotonic() + seconds * SLOW
        while not self.board.is_finished():
            if time.monotonic() > deadline:
                fail("a worker does not come to rest:\n" + "".join(
                    map(_where_is, [*self.workers, self.m.pid])))
            for pid in self.workers:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    fail("a worker has failed")
            time.sleep(0.0002)

    def turn(self):
        """Let the storm blow for a while, then have it rest and judge."""
        profile = self.random.randrange(len(PROFILES))
        between = []
        if self.random.random() < 0.1:
            self.board.begin(profile, UNLIMITED)
            end = time.monotonic() + self.random.random() / 2
            while time.monotonic() < end:
                time.sleep(self.random.random() / 10)
                between.append(self._ask_in_between())
            self.board.halt_all()
        else:
            self.board.begin(profile, self.random.choice(
                [1, 1, 2, 3, 5, 10, 30]))
            if self.random.random() < 0.3:
                between.append(self._ask_in_between())
        if self.random.random() < self.forget:
            syscalls.drop_caches()
        self._wait()
        # What the mappings hold gets below by this, and is stamped.
        self.conn.syncfs()
        token = self.conn.token()
        truth, inodes = take_truth(self.m.below)
        for moment in self.moments:
            self.judge.check(moment, self.conn.since(moment.token), truth,
                             inodes)
        # Tokens of this turn are good for what comes after it, too.
        self.moments = self.random.sample(self.moments,
                                          min(3, len(self.moments)))
        self.moments += [Moment(each, truth, False) for each in between[:2]]
        self.moments.append(Moment(token, truth, True))
        self.turns += 1
        if self.turns % 5 == 0:
            self._compare_views(truth)

    def _ask_in_between(self):
        """Somebody asks in the middle, which must not matter."""
        if not self.moments or self.random.random() < 0.5:
            return self.conn.token()
        return self.conn.since(self.random.choice(self.moments).token).token

    def _compare_views(self, truth):
        """Through the mount everything looks as it does below. Attributes that
        were asked for while something changed them come right a moment later
        (notifier.h)."""
        deadline = time.monotonic() + 2 * SLOW
        through, _ = take_truth(self.m.path)
        while through != truth and time.monotonic() < deadline:
            time.sleep(0.05)
            through, _ = take_truth(self.m.path)
        if through != truth:
            differ = [path for path in through.keys() | truth.keys()
                      if through.get(path) != truth.get(path)]
            fail("seen differently through the mount: " + "".join(
                f"\n  {path!r}: below {truth.get(path)}, through the mount "
                f"{through.get(path)}" for path in sorted(differ)))

    def end(self):
        self.board.stop_all()
        done = failed = 0
        for pid in self.workers:
            if os.waitpid(pid, 0)[1]:
                fail("a worker has failed")
        for line in os.read(self.results, 65536).splitlines():
            one, two = line.split()
            done += int(one)
            failed += int(two)
        print(f"# {done} operations in {self.turns} turns, {failed} refused; "
              + self.judge.summary(), flush=True)
        self.conn.close()
