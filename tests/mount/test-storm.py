# SPDX-License-Identifier: MIT
"""Storms of many processes against the truth below the mount; storm.py says how.
SINCEFS_TEST_SEED repeats one; tests/soak/ lets it blow for long."""

import os
import time

import harness
import storm

SECONDS = float(os.environ.get("SINCEFS_TEST_STORM_SECONDS", "12"))
LIMIT = 60 + SECONDS * 4


def blow(t, m, seconds, **more):
    one = storm.Storm(m, t.seed, **more)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        one.turn()
    one.end()


@harness.test(limit=LIMIT, needs_root=True)
def nothing_is_missed_in_a_storm(t):
    blow(t, t.mount(), SECONDS)


@harness.test(limit=LIMIT, needs_root=True, needs_hooks=True)
def nothing_is_missed_in_a_storm_without_cached_descriptors(t):
    m = t.mount(env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    blow(t, m, SECONDS / 3)


@harness.test(limit=LIMIT, needs_root=True, needs_hooks=True)
def nothing_is_missed_in_a_storm_when_requests_overtake_each_other(t):
    """WRITEs take so long that other threads of the daemon go on."""
    m = t.mount(env={"SINCEFS_TEST_WRITE_DELAY_US": "25000"})
    blow(t, m, SECONDS / 2)


@harness.test(limit=LIMIT, needs_root=True)
def nothing_is_missed_in_a_storm_while_the_kernel_forgets(t):
    blow(t, t.mount(), SECONDS / 3, forget=0.5)


@harness.test(limit=LIMIT, needs_root=True)
def nothing_is_missed_in_a_storm_over_links_nobody_has_seen(t):
    """The tree is there before, with several names for each file."""
    def build(path):
        for top in "", "A", "B", "A/B", "C":
            os.makedirs(os.path.join(path, top), exist_ok=True)
            for n in range(5):
                name = os.path.join(path, top, f"f{n}")
                if top in ("A", "C"):
                    os.link(os.path.join(path, f"f{n}"), name)
                else:
                    with open(name, "w") as file:
                        file.write(name)
    m = t.mount(build=build)
    blow(t, m, SECONDS / 3, has_unknown_links=True)


if __name__ == "__main__":
    harness.main()
