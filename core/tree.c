/* SPDX-License-Identifier: MIT */
/*
 * The trees, in an array by number. Adding one takes the set's lock, for the
 * root's node, but never inside the list's: so whoever holds the set's lock may
 * ask for a tree.
 */
#include "core/tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
	char *root; /* owned */
	uint32_t flags;
	NameNode *node; /* borrowed from the set */
	TreeScan scan;
} Tree;

struct TreeList {
	DirtySet *set; /* borrowed */

	pthread_mutex_t adding; /* held by who adds; taken before all others */

	pthread_mutex_t lock; /* guards all that follows */
	Tree *trees;          /* owned; number i is trees[i - 1] */
	uint32_t count;
};

TreeList *tree_list_new(DirtySet *set)
{
	TreeList *trees = calloc(1, sizeof *trees);

	if (trees == NULL)
		return NULL;
	trees->set = set;
	pthread_mutex_init(&trees->adding, NULL);
	pthread_mutex_init(&trees->lock, NULL);
	return trees;
}

void tree_list_free(TreeList *trees)
{
	if (trees == NULL)
		return;
	for (uint32_t i = 0; i < trees->count; i++)
		free(trees->trees[i].root);
	free(trees->trees);
	pthread_mutex_destroy(&trees->lock);
	pthread_mutex_destroy(&trees->adding);
	free(trees);
}

/* Room for one more, whose number is returned; 0 without memory. */
static uint32_t reserve(TreeList *trees)
{
	Tree *larger;
	uint32_t id = 0;

	pthread_mutex_lock(&trees->lock);
	larger = realloc(trees->trees, (trees->count + 1) * sizeof *larger);
	if (larger != NULL) {
		trees->trees = larger;
		id = trees->count + 1;
	}
	pthread_mutex_unlock(&trees->lock);
	return id;
}

static uint32_t add(TreeList *trees, const char *root, uint32_t flags)
{
	Tree tree = {.flags = flags};
	uint32_t id = reserve(trees);

	if (id == 0)
		return 0;
	tree.root = strdup(root);
	if (tree.root == NULL)
		return 0;
	dirty_set_lock(trees->set);
	tree.node = name_tree_add_root(dirty_set_get_names(trees->set), id);
	dirty_set_unlock(trees->set);
	if (tree.node == NULL) {
		free(tree.root);
		return 0;
	}
	pthread_mutex_lock(&trees->lock);
	trees->trees[id - 1] = tree;
	trees->count = id;
	pthread_mutex_unlock(&trees->lock);
	return id;
}

uint32_t tree_list_add(TreeList *trees, const char *root, uint32_t flags)
{
	uint32_t id;

	pthread_mutex_lock(&trees->adding);
	id = add(trees, root, flags);
	pthread_mutex_unlock(&trees->adding);
	return id;
}

uint32_t tree_list_get_count(TreeList *trees)
{
	uint32_t count;

	pthread_mutex_lock(&trees->lock);
	count = trees->count;
	pthread_mutex_unlock(&trees->lock);
	return count;
}

NameNode *tree_list_get_root_node(TreeList *trees, uint32_t id)
{
	NameNode *node = NULL;

	pthread_mutex_lock(&trees->lock);
	if (id >= 1 && id <= trees->count)
		node = trees->trees[id - 1].node;
	pthread_mutex_unlock(&trees->lock);
	return node;
}

void tree_list_set_scan(TreeList *trees, uint32_t id, const TreeScan *scan)
{
	pthread_mutex_lock(&trees->lock);
	if (id >= 1 && id <= trees->count)
		trees->trees[id - 1].scan = *scan;
	pthread_mutex_unlock(&trees->lock);
}

uint64_t tree_list_get_scans(TreeList *trees, uint32_t id)
{
	uint64_t scans = 0;

	pthread_mutex_lock(&trees->lock);
	if (id >= 1 && id <= trees->count)
		scans = trees->trees[id - 1].scan.scans;
	pthread_mutex_unlock(&trees->lock);
	return scans;
}

static void describe_scan(const TreeScan *scan, struct sincefs_tree *tree_out)
{
	struct timespec now;

	if (scan->scans > 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		tree_out->scan_age_ns =
			(uint64_t)now.tv_sec * UINT64_C(1000000000) +
			(uint64_t)now.tv_nsec - scan->started_ns;
	}
	tree_out->flags |= scan->flags;
	tree_out->scans = scan->scans;
	tree_out->scan_period_ns = scan->period_ns;
	tree_out->scan_cost_ns = scan->cost_ns;
	tree_out->files = scan->files;
	tree_out->scan_error = scan->error;
}

int tree_list_describe(TreeList *trees, uint32_t id,
		       struct sincefs_tree *tree_out)
{
	const Tree *tree;
	size_t length;

	pthread_mutex_lock(&trees->lock);
	if (id < 1 || id > trees->count) {
		pthread_mutex_unlock(&trees->lock);
		return -ENOENT;
	}
	tree = &trees->trees[id - 1];
	memset(tree_out, 0, sizeof *tree_out);
	tree_out->id = id;
	tree_out->flags = tree->flags;
	length = strnlen(tree->root, SINCEFS_ROOT_SIZE - 1);
	memcpy(tree_out->root, tree->root, length);
	describe_scan(&tree->scan, tree_out);
	pthread_mutex_unlock(&trees->lock);
	return 0;
}
