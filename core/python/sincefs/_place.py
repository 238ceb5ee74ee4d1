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
from typing import NamedTuple, Optional


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
