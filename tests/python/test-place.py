# SPDX-License-Identifier: MIT
"""Where a mount is, as the kernel tells it. tests/python/test-connection.py
asks real ones."""

import unittest

import common  # noqa: F401
from sincefs import _place as place
from sincefs._place import Place

MOUNTINFO = rb"""22 1 8:1 / / rw,relatime - ext4 /dev/root rw
36 22 0:40 / /home/me/my\040proj rw,nosuid shared:5 - fuse.sincefs sincefs rw
37 22 0:40 /src/a\011b /mnt/part rw - fuse.sincefs sincefs rw
38 22 0:40 /src//deleted /mnt/old rw - fuse.sincefs sincefs rw
39 22 0:41 / / rw - fuse.sincefs sincefs rw
360 22 0:3 / /proc rw - proc proc rw
40 22 0:4 net:[4026531840] /run/netns/x rw - nsfs nsfs rw
torn 1
"""


class PlaceTest(unittest.TestCase):
    def test_the_mount_is_found_by_its_number(self):
        for number, expected in (
                (36, Place(b".", b"/home/me/my proj")),
                (37, Place(b"src/a\tb", b"/mnt/part")), (38, None),
                (39, Place(b".", b"/")), (360, Place(b".", b"/proc")),
                (40, None), (3, None), (99, None)):
            with self.subTest(number):
                self.assertEqual(place.parse_place(MOUNTINFO, number),
                                 expected)

    def test_the_number_is_read(self):
        self.assertEqual(place.parse_mount_id(
            b"pos:\t0\nflags:\t0100000\nmnt_id:\t36\nino:\t5\n"), 36)
        self.assertIsNone(place.parse_mount_id(b"pos:\t0\n"))

    def test_names_are_joined(self):
        for directory, relative, path in ((b"/a", b"b/c", b"/a/b/c"),
                                          (b"/a", b".", b"/a"),
                                          (b"/", b"b", b"/b"),
                                          (b"/", b".", b"/")):
            self.assertEqual(place.join(directory, relative), path)

    def test_a_part_is_seen_where_it_is(self):
        whole, part = Place(b".", b"/m"), Place(b"d/e", b"/mnt/e")
        for at, relative, path in (
                (whole, b"a", b"/m/a"), (whole, b".", b"/m"),
                (part, b"d/e", b"/mnt/e"), (part, b"d/e/f/g", b"/mnt/e/f/g"),
                (part, b"d", None), (part, b".", None), (part, b"d/ef", None),
                (part, b"a", None)):
            with self.subTest((at, relative)):
                self.assertEqual(place.see(at, relative), path)


if __name__ == "__main__":
    unittest.main()
