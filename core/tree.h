/* SPDX-License-Identifier: MIT */
/*
 * The trees that one daemon answers for: number 1 is the mount, the others are
 * only scanned. A list that grows and never shrinks, so a number stands for the
 * same tree as long as the daemon lives.
 *
 * Threads: a tree's number, root and flags are immutable after it was added;
 * the list and the scan results are guarded by a lock of their own.
 */
#ifndef CORE_TREE_H
#define CORE_TREE_H

#include "core/dirty-set.h"
#include <sincefs/protocol.h>

typedef struct TreeList TreeList;

/* NULL when there is no memory. @set is borrowed and outlives the list. */
TreeList *tree_list_new(DirtySet *set);
/* NULL is allowed. */
void tree_list_free(TreeList *trees);

/*
 * Add a tree whose root directory is @root (absolute) with @flags of
 * SINCEFS_TREE_*. Returns its number (from 1), or 0 when there is no memory.
 */
uint32_t tree_list_add(TreeList *trees, const char *root, uint32_t flags);

uint32_t tree_list_get_count(TreeList *trees);

/* The name node of the tree's root; borrowed, lives as long as the set. NULL
   when there is no such tree. */
NameNode *tree_list_get_root_node(TreeList *trees, uint32_t id);

/* What the scans of a tree have come to. Times are CLOCK_MONOTONIC. */
typedef struct {
	uint64_t scans; /* completed; 0: the baseline is still being taken */
	uint64_t started_ns;
	uint64_t period_ns;
	uint64_t cost_ns;
	uint64_t files;
	int32_t error; /* 0 or -errno */
	/* SINCEFS_TREE_* that scanning has found out. */
	uint32_t flags;
} TreeScan;

void tree_list_set_scan(TreeList *trees, uint32_t id, const TreeScan *scan);

/* How many scans of the tree are completed; 0 when there is no such tree. */
uint64_t tree_list_get_scans(TreeList *trees, uint32_t id);

/*
 * Fill @tree_out, all of it, for the tree with number @id. 0, or -ENOENT. A
 * root longer than SINCEFS_ROOT_SIZE - 1 is cut.
 */
int tree_list_describe(TreeList *trees, uint32_t id,
		       struct sincefs_tree *tree_out);

#endif /* CORE_TREE_H */
