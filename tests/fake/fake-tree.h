/* SPDX-License-Identifier: MIT */
/*
 * A tree of files in memory: real code, without a kernel below it. It keeps
 * inodes with all their names, carries out the steps of fake-entry.h with the
 * errors a file system has, and stamps a dirty set as the protocol's table of
 * operations and records demands. So core can be tested with whole stories, and
 * the stories can be told to a real mount too.
 *
 * Used by one thread; the dirty set's lock is taken inside.
 */
#ifndef TESTS_FAKE_FAKE_TREE_H
#define TESTS_FAKE_FAKE_TREE_H

#include <stdbool.h>

#include "core/dirty-set.h"
#include "tests/fake/fake-clock.h"
#include "tests/fake/fake-entry.h"

typedef struct FakeTree FakeTree;

/*
 * An empty tree. What happens in it is stamped in @set, below @root. Both and
 * @clock are borrowed; @set may be NULL: then nothing is stamped.
 */
FakeTree *fake_tree_new(DirtySet *set, NameNode *root, FakeClock *clock);
/* NULL is allowed. */
void fake_tree_free(FakeTree *tree);

/* Put the entries of a table in, as if they had always been there: nothing is
   stamped. Each gets the time of the clock's next tick. 0 or -errno. */
int fake_tree_load(FakeTree *tree, const FakeEntry *entries);

/* Carry out @step and stamp what it changed. 0 or -errno. */
int fake_tree_do(FakeTree *tree, const FakeStep *step);

/*
 * The whole tree as text, a line each, in the order of the bytes of the paths:
 * type, mode, links, size, modification time (if @times), a sum of the
 * content, path, the target of a link, the extended attribute. The caller frees
 * it with g_free(). fake_disk_to_text() writes the same of a real directory.
 */
char *fake_tree_to_text(FakeTree *tree, bool times);

#endif /* TESTS_FAKE_FAKE_TREE_H */
