# SPDX-License-Identifier: MIT
"""Where a mount lies in the name space of whoever asks.

The daemon knows its root as it was called when it was mounted. Who asks may see
it elsewhere: in a container, in a chroot, through a bind mount of all or of a
part of it. The kernel tells each process where its mounts are, in
/proc/self/mountinfo, and by which of them a file was opened, in
/proc/self/fdinfo.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, NamedTuple, Optional, Tuple

MOUNT = 1  # the tree that is the mount itself


class Place(NamedTuple):
    """A mount as a process sees it: what lies at part in the file system is
    at point."""

    part: bytes  # "." for all of it
    point: bytes


def _unescape(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})",
                  lambda match: bytes([int(match[1], 8)]), text)


def parse_mount_id(fdinfo: bytes) -> Optional[int]:
    """The number of the mount from a file of /proc/self/fdinfo."""
    match = re.search(rb"^mnt_id:\s*([0-9]+)$", fdinfo, re.MULTILINE)
    return int(match[1]) if match else None


def parse_place(mountinfo: bytes, mount_id: int) -> Optional[Place]:
    """Where mountinfo says that a mount is; None when it does not say."""
    for line in mountinfo.split(b"\n"):
        fields = line.split(b" ")
        if len(fields) < 6 or fields[0] != b"%d" % mount_id:
            continue
        part = _unescape(fields[3])
        # The kernel's sign for a directory that was removed since.
        if not part.startswith(b"/") or part.endswith(b"//deleted"):
            return None
        return Place(part.strip(b"/") or b".", _unescape(fields[4]))
    return None


def is_listed(mount_id: int) -> bool:
    """Is there such a mount, and can it be reached by a path?"""
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split(b" ", 1)[0] == b"%d" % mount_id
                   for line in file)


def find_mount_id(fd: int) -> Optional[int]:
    """The number of the mount that a descriptor was opened by; None without
    /proc."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            return parse_mount_id(file.read())
    except OSError:
        return None


def find_place(fd: int) -> Optional[Place]:
    """Where the mount that a descriptor was opened by is; None when that
    cannot be known."""
    mount_id = find_mount_id(fd)
    if mount_id is None:
        return None
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            return parse_place(file.read(), mount_id)
    except OSError:
        return None


def join(directory: bytes, relative: bytes) -> bytes:
    """A path below a directory; "." is the directory itself."""
    if relative == b".":
        return directory
    return directory + relative if directory.endswith(b"/") else \
        directory + b"/" + relative


def see(place: Place, relative: bytes) -> Optional[bytes]:
    """The path at which a process sees what is at relative in the mounted
    tree; None for what lies outside of its part."""
    if place.part == b".":
        return join(place.point, relative)
    if relative == place.part:
        return place.point
    if relative.startswith(place.part + b"/"):
        return join(place.point, relative[len(place.part) + 1:])
    return None


def directory_of(fd: int) -> bytes:
    """The path of an open directory as the kernel tells it now."""
    return os.fsencode(os.readlink(f"/proc/self/fd/{fd}"))


class Names:
    """
    From names in trees to absolute paths, for one connection: the descriptors
    of its directory and of its control file stay open as long as this is used.
    Any thread.
    """

    def __init__(self, directory: int, control: int,
                 get_root: Callable[[int], bytes]) -> None:
        self._directory = directory
        self._control = control
        self._get_root = get_root  # of a tree, as the daemon calls it
        self._roots: Dict[int, bytes] = {}
        # By where the directory was then: a mount point moves when a directory
        # above it is renamed.
        self._found: Tuple[Optional[bytes], Optional[Place]] = None, None

    def _root(self, tree: int) -> bytes:
        root = self._roots.get(tree)
        if root is None:
            root = self._roots[tree] = self._get_root(tree)
        return root

    def _place(self) -> Optional[Place]:
        try:
            directory = directory_of(self._directory)
        except OSError:
            return None  # no /proc
        known, place = self._found
        if known != directory:
            place = find_place(self._control)
            self._found = directory, place
        return place

    def in_tree(self) -> Callable[[int, bytes], bytes]:
        """A function from a tree's number and a name in it to the absolute
        path, good for one answer."""
        place = self._place()

        def path(tree: int, relative: bytes) -> bytes:
            if tree == MOUNT and place:
                seen = see(place, relative)
                if seen is not None:
                    return seen
            return join(self._root(tree), relative)

        return path

    def in_directory(self) -> Callable[[int, bytes], bytes]:
        """The same for names below the connection's directory."""
        directory = directory_of(self._directory)
        return lambda tree, relative: join(directory, relative)
