# SPDX-License-Identifier: MIT
"""No byte of one file in another: readers and writers on open descriptors and
mappings, against names that are replaced and exchanged under them."""

import os

import harness

SECONDS = int(os.environ.get("SINCEFS_TEST_RACE_SECONDS", "6"))
LIMIT = 60 + 2 * SECONDS


@harness.test(limit=LIMIT, needs_root=True)
def no_byte_gets_into_another_file(t):
    m = t.mount()
    t.run(t.program("mount/identity"), str(SECONDS), m.path, m.below,
          limit=LIMIT, quiet=False)


@harness.test(limit=LIMIT, needs_root=True, needs_hooks=True)
def no_byte_gets_into_another_file_when_no_descriptor_is_kept(t):
    m = t.mount(env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    t.run(t.program("mount/identity"), str(SECONDS), m.path, m.below,
          limit=LIMIT, quiet=False)


if __name__ == "__main__":
    harness.main()
