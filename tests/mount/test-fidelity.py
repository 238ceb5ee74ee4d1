# SPDX-License-Identifier: MIT
"""Where a mount could be told from the directory below, and must not be."""

import errno
import mmap
import os
import shutil
import stat
import subprocess

import harness
from harness import equal, refused, true


@harness.test()
def a_store_into_a_hole_is_no_hole_any_more(t):
    """cp(1) asks for holes, and skips them."""
    m = t.mount()
    fd = os.open(m.at("sparse"), os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 1 << 20)
    with mmap.mmap(fd, 1 << 20) as mapping:
        mapping[40960:40968] = b"MAPPED!!"
        t.run("cp", "--sparse=auto", m.at("sparse"), m.at("copy"))
        equal(os.lseek(fd, 0, os.SEEK_DATA), 40960, "where the data begins")
        equal(os.lseek(fd, 40960, os.SEEK_HOLE), 40960 + mmap.PAGESIZE,
              "where it ends")
    with open(m.at("copy"), "rb") as file:
        equal(file.read()[40960:40968], b"MAPPED!!", "the copy")
    true(os.stat(m.at("copy")).st_blocks < 1 << 8, "the copy has no holes")
    os.close(fd)


@harness.test()
def the_control_file_is_an_empty_file(t):
    m = t.mount()
    fd = os.open(m.at(".sincefs"), os.O_RDONLY)
    os.fsync(fd)
    equal(os.read(fd, 10), b"", "content")
    refused(errno.ENXIO, os.lseek, fd, 0, os.SEEK_DATA)
    os.close(fd)


@harness.test()
def a_write_at_a_place_is_no_append(t):
    """pwritev2(RWF_NOAPPEND), Linux 6.9; and what is told of the end of a file
    that has an append before."""
    m = t.mount()
    fd = os.open(m.at("file"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"0123456789")
    try:
        os.pwritev(fd, [b"XX"], 2, 0x20)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            t.skip("no RWF_NOAPPEND here")
        raise
    os.write(fd, b"end")
    for path in m.at("file"), m.under("file"):
        with open(path, "rb") as file:
            equal(file.read(), b"01XX456789end", path)
    os.close(fd)


@harness.test(needs_root=True)
def a_truncate_that_fails_changes_nothing(t):
    m = t.mount("--allow-other")
    path = m.at("program")
    with open(path, "w") as file:
        file.write("text")
    os.chown(path, harness.NOBODY, harness.NOBODY)
    os.chmod(path, 0o4755)
    equal(t.as_user(harness.NOBODY, os.truncate, path, 1 << 62),
          errno.EFBIG, "errno")
    for where in path, m.under("program"):
        equal(oct(os.stat(where).st_mode), oct(0o104755), f"mode of {where}")
    equal(t.as_user(harness.NOBODY, os.truncate, path, 2), 0, "errno")
    for where in path, m.under("program"):
        equal(oct(os.stat(where).st_mode), oct(0o100755), f"mode of {where}")


@harness.test(needs_root=True)
def file_flags_are_followed_at_once(t):
    m = t.mount()
    for name in "append", "still":
        with open(m.at(name), "w") as file:
            file.write("0123456789")
    os.mkdir(m.at("d"))
    writable = os.open(m.at("append"), os.O_RDWR)
    os.pwrite(writable, b"a", 0)
    if subprocess.run(["chattr", "+a", m.at("append")], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        t.skip("no chattr +a here")
    try:
        t.run("chattr", "+i", m.at("still"))
        t.run("chattr", "+d", m.at("d"))
        refused(errno.EPERM, os.pwrite, writable, b"XX", 0)
        fd = os.open(m.at("still"), os.O_WRONLY)
        refused(errno.EPERM, os.pwrite, fd, b"XX", 0)
        os.close(fd)
        for name in "append", "still", "d":
            harness.wait_until(
                lambda: os.stat(m.at(name)).st_ctime_ns ==
                os.stat(m.under(name)).st_ctime_ns, 2, f"ctime of {name}")
    finally:
        for name in "append", "still":
            t.run("chattr", "-ia", m.under(name))
    os.close(writable)


@harness.test(needs_root=True)
def what_was_stored_before_a_flag_is_kept(t):
    m = t.mount()
    for flag in "+a", "+i":
        path = m.at("file" + flag)
        with open(path, "w+b") as file:
            file.truncate(4096)
            mapped = mmap.mmap(file.fileno(), 4096)
        mapped[:6] = b"stored"
        if subprocess.run(["chattr", flag, path], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            t.skip("no chattr here")
        t.run("chattr", "-ia", m.under("file" + flag))
        with open(m.under("file" + flag), "rb") as file:
            equal(file.read(6), b"stored", flag)
        mapped.close()


@harness.test(needs_root=True)
def a_file_that_may_only_grow_grows(t):
    m = t.mount()
    path = m.at("log")
    with open(path, "w") as file:
        file.write("one\n")
    if subprocess.run(["chattr", "+a", path], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        t.skip("no chattr +a here")
    try:
        m.umount()
        t.command("mount", m.path)
        with open(path, "a") as file:
            file.write("two\n")
        fd = os.open(path, os.O_WRONLY)
        refused(errno.EPERM, os.pwrite, fd, b"x", 0)
        os.close(fd)
        with open(path) as file:
            equal(file.read(), "one\ntwo\n", "content")
    finally:
        t.command("umount", m.path)
        subprocess.run(["chattr", "-a", path], check=True)


@harness.test(needs_root=True)
def a_file_of_overlayfs_stays_itself_when_it_is_copied_up(t):
    base = t.directory("overlay")
    if subprocess.run(["mount", "-t", "tmpfs", "none", base],
                      check=False).returncode:
        t.skip("no tmpfs here")
    try:
        for name in "lower", "upper", "work", "merged", "m":
            os.mkdir(os.path.join(base, name))
        os.mkdir(os.path.join(base, "lower/d"))
        for name in "f", "d/g":
            with open(os.path.join(base, "lower", name), "w") as file:
                file.write("lower\n")
        merged, mount = base + "/merged", base + "/m"
        if subprocess.run(
                ["mount", "-t", "overlay", "none", "-o",
                 f"lowerdir={base}/lower,upperdir={base}/upper,"
                 f"workdir={base}/work", merged], check=False).returncode:
            t.skip("no overlayfs here")
        try:
            t.command("mount", "--source", merged, mount)
            try:
                fd = os.open(mount + "/f", os.O_RDWR)
                os.chmod(mount + "/f", 0o640)
                equal(os.pwrite(fd, b"UPPER", 0), 5, "written")
                equal(os.fstat(fd).st_size, 6, "size")
                equal(os.pread(fd, 10, 0), b"UPPER\n", "content")
                os.close(fd)
                here = os.open(mount + "/d", os.O_RDONLY)
                os.chmod(mount + "/d", 0o700)
                equal(os.listdir(here), ["g"], "names")
                os.close(os.open("new", os.O_CREAT | os.O_WRONLY,
                                 dir_fd=here))
                os.close(here)
            finally:
                t.command("umount", "--lazy", mount)
        finally:
            subprocess.run(["umount", "-l", merged], check=True)
    finally:
        subprocess.run(["umount", "-l", base], check=True)


@harness.test(needs_root=True)
def an_acl_takes_the_set_group_id_bit_from_strangers(t):
    if not shutil.which("setfacl"):
        t.skip("setfacl is missing")
    m = t.mount("--allow-other")
    os.chmod(m.path, 0o777)
    for parent in (t.base, os.path.dirname(m.path)):
        os.chmod(parent, os.stat(parent).st_mode | 0o055)
    path = m.at("file")
    with open(path, "w") as file:
        file.write("x")
    os.chown(path, 1000, 2000)
    os.chmod(path, 0o2775)
    subprocess.run(["setpriv", "--reuid=1000", "--regid=1000",
                    "--clear-groups", "setfacl", "-m", "u:1001:rwx", path],
                   check=True)
    equal(os.stat(m.under("file")).st_mode & stat.S_ISGID, 0,
          "set-group-ID below")


if __name__ == "__main__":
    harness.main()
