# SPDX-License-Identifier: MIT
"""Promise 1 as a race: a change that returned before the question began is in
the answer, whatever else goes on."""

import harness


@harness.test(limit=60)
def no_change_that_returned_is_missed_by_a_reader(t):
    m = t.mount()
    t.run(t.program("mount/race"), "8", m.path, quiet=False)


@harness.test(limit=60, needs_hooks=True)
def none_is_missed_when_no_descriptor_is_kept(t):
    m = t.mount(env={"SINCEFS_TEST_NO_DESCRIPTOR_CACHE": "1"})
    t.run(t.program("mount/race"), "4", m.path, quiet=False)


@harness.test(limit=60, needs_hooks=True)
def none_is_missed_when_requests_overtake_each_other(t):
    """WRITEs of 30 ms: the daemon works on other requests meanwhile."""
    m = t.mount(env={"SINCEFS_TEST_WRITE_DELAY_US": "30000"})
    t.run(t.program("mount/race"), "6", m.path, quiet=False)


if __name__ == "__main__":
    harness.main()
