# SPDX-License-Identifier: MIT
"""100,000 random ioctls at directories, files and control files, from who may
ask and from who may not: right errnos, and the daemon lives."""

import os

import harness
from harness import NOBODY, equal, told
from sincefs_client import CONTENT, NEW


COUNT = os.environ.get("SINCEFS_TEST_IOCTLS", "100000")


def build(path):
    os.mkdir(os.path.join(path, "d"))
    for name in "a", "d/b":
        with open(os.path.join(path, name), "w") as file:
            file.write(name)


def paths_of(m):
    return [m.path, m.at("d"), m.at("a"), m.at("d/b"), m.at(".sincefs"),
            m.at("d/.sincefs")]


def daemon_lives(m, conn, token):
    with open(m.at("after"), "w"):
        pass
    told(conn.since(token), {"after": CONTENT | NEW})
    equal(conn.info().pid, m.pid, "pid")


@harness.test(limit=120 + int(COUNT) // 5000)
def random_ioctls_of_the_owner_get_the_right_errnos(t):
    m = t.mount(build=build)
    with m.connect() as conn:
        token = conn.token()
        for n in range(500):
            os.mkdir(m.at(f"n{n}"))
        for n in range(500):
            os.rmdir(m.at(f"n{n}"))
        t.run(t.program("mount/random-ioctls"), str(t.seed), COUNT,
              "owner", *paths_of(m), quiet=False)
        answer = conn.since(token)
        equal(answer.fresh, False, "fresh")
        equal(len(answer), 500, "records")
        daemon_lives(m, conn, answer.token)


@harness.test(limit=120 + int(COUNT) // 5000, needs_root=True)
def random_ioctls_of_another_user_are_refused(t):
    m = t.mount("--allow-other", build=build)
    with m.connect() as conn:
        token = conn.token()
        t.run(t.program("mount/random-ioctls"), str(t.seed), COUNT,
              "other", *paths_of(m), quiet=False, user=NOBODY, group=NOBODY,
              extra_groups=[])
        daemon_lives(m, conn, token)


if __name__ == "__main__":
    harness.main()
