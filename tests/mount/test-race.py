# SPDX-License-Identifier: MIT
"""Promise 1 as a race: a change that returned before the question began is in
the answer, whatever else goes on."""

import os

import harness

SECONDS = int(os.environ.get("SINCEFS_TEST_RACE_SECONDS", "6"))
LIMIT = 60 + 2 * SECONDS


@harness.test(limit=LIMIT)
def no_change_that_returned_is_missed_by_a_reader(t):
    m = t.mount()
    t.run(t.program("mount/race"), str(SECONDS), m.path,
          limit=LIMIT, quiet=False)


@harness.test(limit=LIMIT, needs_hooks=True)
def none_is_missed_when_no_descriptor_is_kept(t):
    m = t.mount(env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    t.run(t.program("mount/race"), str(SECONDS // 2), m.path,
          limit=LIMIT, quiet=False)


@harness.test(limit=LIMIT, needs_hooks=True)
def none_is_missed_when_requests_overtake_each_other(t):
    """WRITEs of 30 ms: the daemon works on other requests meanwhile."""
    m = t.mount(env={"SINCEFS_TEST_WRITE_DELAY_US": "30000"})
    t.run(t.program("mount/race"), str(SECONDS // 2), m.path,
          limit=LIMIT, quiet=False)


if __name__ == "__main__":
    harness.main()
