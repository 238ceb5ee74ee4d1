# SPDX-License-Identifier: MIT
"""Promise 9: what works on the directory below works on the mount, with the
same errors. One random sequence of system calls is made on both; every result,
every error and the trees at the end must be the same."""

import errno
import hashlib
import os
import random
import stat

import harness
import storm
import syscalls
from harness import fail

STEPS = int(os.environ.get("SINCEFS_TEST_PARITY_STEPS", "15000"))
NAMES = ["a", "b", "c", "d", "e"]
MODES = [0o644, 0o600, 0o755, 0o777, 0o444, 0o2755, 0o4755, 0]
# The manual page lists what is refused by the mount alone.
FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_APPEND,
         os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_DIRECTORY,
         os.O_RDONLY | os.O_NOFOLLOW, os.O_CREAT | os.O_RDWR,
         os.O_CREAT | os.O_EXCL | os.O_RDWR,
         os.O_CREAT | os.O_WRONLY | os.O_TRUNC,
         os.O_CREAT | os.O_APPEND | os.O_RDWR, os.O_PATH]


class Side:
    """One of the two places, with the descriptors that are open in it."""

    def __init__(self, top):
        self.top = top
        self.held = [-1] * 5

    def path(self, name):
        return os.path.join(self.top, name)

    def result(self, call, arguments):
        """What a call returned, in a form that can be compared."""
        try:
            return getattr(self, call)(*arguments)
        except OSError as error:
            return errno.errorcode.get(error.errno, error.errno)
        except ValueError:
            return "EBADF"  # Python's own, of descriptor -1

    def describe(self, st):
        # Times and sizes of directories are the file systems' own.
        return (oct(st.st_mode), st.st_uid, st.st_gid,
                st.st_size if not stat.S_ISDIR(st.st_mode) else 0,
                st.st_nlink if not stat.S_ISDIR(st.st_mode) else 0,
                st.st_rdev)

    def stat(self, name):
        return self.describe(os.stat(self.path(name)))

    def lstat(self, name):
        return self.describe(os.lstat(self.path(name)))

    def access(self, name, mode):
        return os.access(self.path(name), mode)

    def listdir(self, name):
        return sorted(os.listdir(self.path(name)))

    def readlink(self, name):
        return os.readlink(self.path(name))

    def mkdir(self, name, mode):
        os.mkdir(self.path(name), mode)

    def rmdir(self, name):
        os.rmdir(self.path(name))

    def unlink(self, name):
        os.unlink(self.path(name))

    def mkfifo(self, name, mode):
        os.mkfifo(self.path(name), mode)

    def mknod(self, name, mode):
        os.mknod(self.path(name), stat.S_IFREG | mode)

    def symlink(self, target, name):
        os.symlink(target, self.path(name))

    def link(self, old, new, follow):
        os.link(self.path(old), self.path(new), follow_symlinks=follow)

    def rename(self, old, new, flags):
        syscalls.renameat2(self.path(old), self.path(new), flags)

    def truncate(self, name, size):
        os.truncate(self.path(name), size)

    def chmod(self, name, mode):
        os.chmod(self.path(name), mode)

    def chown(self, name, uid, gid):
        os.chown(self.path(name), uid, gid)

    def lchown(self, name, uid, gid):
        os.lchown(self.path(name), uid, gid)

    def utime(self, name, ns, follow):
        os.utime(self.path(name), ns=(ns, ns), follow_symlinks=follow)
        return os.stat(self.path(name),
                       follow_symlinks=follow).st_mtime_ns == ns

    def setxattr(self, name, attribute, value, flags):
        os.setxattr(self.path(name), attribute, value, flags)

    def getxattr(self, name, attribute):
        return os.getxattr(self.path(name), attribute)

    def listxattr(self, name):
        return sorted(os.listxattr(self.path(name)))

    def removexattr(self, name, attribute):
        os.removexattr(self.path(name), attribute)

    def read_all(self, name):
        fd = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK)
        try:
            return hashlib.sha1(os.read(fd, 1 << 20)).hexdigest()
        finally:
            os.close(fd)

    def open(self, slot, name, flags, mode):
        fd = os.open(self.path(name), flags | os.O_NONBLOCK, mode)
        if self.held[slot] >= 0:
            os.close(self.held[slot])
        self.held[slot] = fd

    def close(self, slot):
        fd, self.held[slot] = self.held[slot], -1
        os.close(fd)

    def read(self, slot, size):
        return os.read(self.held[slot], size)

    def pread(self, slot, size, offset):
        return os.pread(self.held[slot], size, offset)

    def write(self, slot, data):
        return os.write(self.held[slot], data)

    def pwrite(self, slot, data, offset):
        return os.pwrite(self.held[slot], data, offset)

    def lseek(self, slot, offset, whence):
        if stat.S_ISDIR(os.fstat(self.held[slot]).st_mode):
            return None  # places in a directory are the file system's own
        return os.lseek(self.held[slot], offset, whence)

    def ftruncate(self, slot, size):
        os.ftruncate(self.held[slot], size)

    def fstat(self, slot):
        return self.describe(os.fstat(self.held[slot]))

    def fchmod(self, slot, mode):
        os.fchmod(self.held[slot], mode)

    def fsync(self, slot):
        os.fsync(self.held[slot])

    def fallocate(self, slot, mode, offset, length):
        syscalls.fallocate(self.held[slot], mode, offset, length)

    def copy_file_range(self, source, target, count, at_source, at_target):
        return os.copy_file_range(self.held[source], self.held[target], count,
                                  at_source, at_target)

    def listdir_held(self, slot):
        os.fstat(self.held[slot])  # for listdir(), -1 is the directory "."
        return sorted(os.listdir(self.held[slot]))

    def mkdir_at_held(self, slot, name):
        os.mkdir(name, dir_fd=self.held[slot])

    def link_held(self, slot, name):
        syscalls.link_descriptor(self.held[slot], self.path(name))


class Choice:
    """Chooses calls with arguments."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def name(self):
        depth = self.random.choice([1, 1, 1, 2, 2, 3])
        name = "/".join(self.random.choice(NAMES) for _ in range(depth))
        if self.random.random() < 0.02:
            name += self.random.choice(["/", "/.", "/..", "/" + "x" * 256])
        return name

    def size(self):
        return self.random.choice([0, 1, 10, 4095, 4096, 5000, 20000,
                                   self.random.randrange(70000)])

    def mode(self):
        return self.random.choice(MODES)

    def data(self):
        return bytes([self.random.randrange(256)]) * self.random.choice(
            [1, 7, 100, 4096, 10000])

    def call(self):
        r = self.random
        name, slot = self.name, lambda: r.randrange(5)
        owner = lambda: r.choice([-1, 0, 1, 12345])
        attribute = lambda: r.choice(["user.a", "user.b", "user.c"])
        calls = [
            ("stat", name), ("lstat", name), ("listdir", name),
            ("access", name, lambda: r.randrange(8)), ("readlink", name),
            ("mkdir", name, self.mode), ("mkdir", name, lambda: 0o755),
            ("rmdir", name), ("unlink", name), ("mkfifo", name, self.mode),
            ("mknod", name, self.mode),
            # None leads out of what is compared.
            ("symlink", lambda: r.choice(NAMES + ["../a", "a/b"]), name),
            ("link", name, name, lambda: r.random() < 0.5),
            ("rename", name, name, lambda: r.choice([0, 0, 0, 1, 2])),
            ("rename", name, name, lambda: 0),
            ("truncate", name, self.size), ("chmod", name, self.mode),
            ("chown", name, owner, owner), ("lchown", name, owner, owner),
            ("utime", name, lambda: r.randrange(2**60),
             lambda: r.random() < 0.5),
            ("setxattr", name, attribute, self.data, lambda: r.randrange(3)),
            ("getxattr", name, attribute), ("listxattr", name),
            ("removexattr", name, attribute), ("read_all", name),
            ("open", slot, name, lambda: r.choice(FLAGS), self.mode),
            ("open", slot, name, lambda: r.choice(FLAGS), lambda: 0o644),
            ("close", slot), ("read", slot, self.size),
            ("pread", slot, self.size, self.size),
            ("write", slot, self.data), ("pwrite", slot, self.data,
                                         self.size),
            # SEEK_HOLE depends on what is written back already.
            ("lseek", slot, self.size, lambda: r.randrange(3)),
            ("ftruncate", slot, self.size), ("fstat", slot),
            ("fchmod", slot, self.mode), ("fsync", slot),
            ("fallocate", slot, lambda: r.choice([0, 1, 3, 0x10]),
             self.size, self.size),
            ("copy_file_range", slot, slot, self.size, self.size, self.size),
            ("listdir_held", slot), ("mkdir_at_held", slot, lambda: r.choice(
                NAMES)), ("link_held", slot, name), ("link_held", slot, name),
        ]
        call, *choosers = r.choice(calls)
        # Without files and open descriptors most calls only fail.
        if r.random() < 0.25:
            call, *choosers = r.choice([
                ("open", slot, name, lambda: os.O_CREAT | os.O_RDWR,
                 lambda: 0o644),
                ("open", slot, name, lambda: os.O_RDWR, lambda: 0o644),
                ("mkdir", name, lambda: 0o777)])
        return call, [choose() for choose in choosers]


def hide(value, side):
    """Leave out what must differ: the place itself."""
    return value.replace(side.top, "TOP") if isinstance(value, str) else value


def compare_random_calls(t, m, plain, steps, uid=0):
    choice = Choice(t.seed + uid)
    sides = Side(m.at("in")), Side(os.path.join(plain, "in"))
    counts = {}
    history = []
    for step in range(steps):
        call, arguments = choice.call()
        results = [hide(side.result(call, arguments), side)
                   for side in sides]
        succeeded, all_ = counts.get(call, (0, 0))
        counts[call] = (succeeded + (not isinstance(results[1], str) or
                                     not results[1].startswith("E")),
                        all_ + 1)
        shown = [f"{a[:1]!r} * {len(a)}" if isinstance(a, bytes) else repr(a)
                 for a in arguments]
        history.append(f"{call}({', '.join(shown)}) = {str(results[1])[:60]}")
        if results[0] != results[1]:
            fail(f"seed {t.seed}, step {step}: {history[-1]} outside, "
                 f"{str(results[0])[:200]} in the mount; before it:\n  " +
                 "\n  ".join(history[-30:-1]))
    for side in sides:
        for fd in side.held:
            if fd >= 0:
                os.close(fd)
    done = sum(succeeded for succeeded, _ in counts.values())
    print(f"# {steps} calls, of which {done} succeeded, seed {t.seed}")
    never = [call for call, (succeeded, _) in counts.items()
             if not succeeded]
    if never:
        print(f"# never succeeded: {', '.join(sorted(never))}")


def forget_times(truth):
    return {path: entry[:4] + entry[5:] for path, entry in truth.items()}


@harness.test(limit=180, needs_root=True)
def random_calls_of_root_do_the_same_inside_and_outside(t):
    m = t.mount()
    plain = t.directory("plain")
    for top in m.path, plain:
        os.mkdir(os.path.join(top, "in"))
    compare_random_calls(t, m, plain, STEPS)
    trees = [forget_times(storm.take_truth(top)[0])
             for top in (m.path, m.below + "/", plain)]
    if trees[0] != trees[2] or trees[1] != trees[2]:
        fail("the trees differ in the end")


@harness.test(limit=180, needs_root=True)
def random_calls_of_another_user_do_the_same(t):
    """Permissions, ownership, setuid bits."""
    m = t.mount("--allow-other")
    plain = t.directory("plain")
    for top in m.at("in"), os.path.join(plain, "in"):
        os.mkdir(top)
        os.chmod(top, 0o777)
        for n, name in enumerate(NAMES[:4]):
            # Some of his, some not.
            path = os.path.join(top, name)
            os.mkdir(path)
            os.chmod(path, 0o777 if n % 2 else 0o755)
            with open(os.path.join(path, "a"), "w") as file:
                file.write("roots")
            os.chmod(os.path.join(path, "a"), [0o644, 0o666, 0o600,
                                               0o6777][n])
    status = t.as_user(harness.NOBODY, compare_random_calls, t, m, plain,
                       STEPS, 1)
    harness.equal(status, 0, "errno")


if __name__ == "__main__":
    harness.main()
