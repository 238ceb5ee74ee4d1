# SPDX-License-Identifier: MIT
"""The stories of tests/fake/cases.c, told to a mount: the same that the fake
tree in memory is told."""

import harness


@harness.test(limit=120, needs_root=True)
def every_story_of_the_table_is_told_rightly(t):
    m = t.mount()
    t.run(t.program("mount/check_mount_cases"), m.path, m.below, quiet=False)


@harness.test(limit=120, needs_root=True, needs_hooks=True)
def every_story_is_told_rightly_without_cached_descriptors(t):
    m = t.mount(env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    t.run(t.program("mount/check_mount_cases"), m.path, m.below, quiet=False)


if __name__ == "__main__":
    harness.main()
