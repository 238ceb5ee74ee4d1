/* SPDX-License-Identifier: MIT */
/*
 * The same tables and steps as fake-tree.h, on a real directory by system
 * calls: a plain one, or one below a mount.
 *
 * Used by one thread. Paths are relative to a directory's descriptor.
 */
#ifndef TESTS_FAKE_FAKE_DISK_H
#define TESTS_FAKE_FAKE_DISK_H

#include <stdbool.h>

#include "tests/fake/fake-clock.h"
#include "tests/fake/fake-entry.h"

/*
 * Build the entries of a table below @dir_fd, with the times that the clock
 * gives. 0 or -errno; *@failed_out, if not NULL, is then the path that failed.
 */
int fake_disk_build(int dir_fd, const FakeEntry *entries, FakeClock *clock,
		    const char **failed_out);

/*
 * Carry out @step with one system call that changes (and what is needed to get
 * there: open, close). @held_fd is the descriptor that steps keep, -1 when
 * there is none; the caller closes it at the end. 0 or -errno.
 */
int fake_disk_do(int dir_fd, const FakeStep *step, int *held_fd);

/* As fake_tree_to_text(). NULL with errno set when something can not be
   read. */
char *fake_disk_to_text(int dir_fd, bool times);

/*
 * Build a tree of @files small files, @per_dir in each directory, the
 * directories in two levels. 0 or -errno.
 */
int fake_disk_build_many(int dir_fd, unsigned files, unsigned per_dir);

#endif /* TESTS_FAKE_FAKE_DISK_H */
