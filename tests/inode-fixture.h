/* SPDX-License-Identifier: MIT */
/*
 * An inode table without a file system below, for its tests: the kernel's part
 * is played by the test, on one thread that holds the table's lock throughout.
 */
#ifndef TESTS_INODE_FIXTURE_H
#define TESTS_INODE_FIXTURE_H

#include <check.h>
#include <stdio.h>

#include "fs/inode-table.h"

static const NodeKey root_key = {.ino = 2, .birth = 1, .dev = 8};
static DescriptorCache cache;
static InodeTable *table;
static Node *root;

static inline void set_up(void)
{
	descriptors_init(&cache, 64, false);
	table = inode_table_new(&root_key, &cache);
	ck_assert_ptr_nonnull(table);
	inode_table_lock(table);
	root = inode_table_at_locked(table, INODE_ROOT_INDEX);
}

static inline void tear_down(void)
{
	inode_table_unlock(table);
	inode_table_free(table);
	descriptors_close(descriptors_take_done_locked(&cache));
	ck_assert_uint_eq(cache.open, 0);
}

static inline NodeKey key(uint64_t ino)
{
	return (NodeKey){.ino = ino, .birth = ino * 7, .dev = 8};
}

/* What a look-up of @name in @dir does. */
static inline Node *look_up(Node *dir, const char *name, uint64_t ino,
			    mode_t type)
{
	NodeKey its_key = key(ino);
	Node *node = inode_table_intern_locked(table, &its_key, type);

	ck_assert_ptr_nonnull(node);
	node->lookups++;
	ck_assert_int_eq(inode_table_add_name_locked(table, node, dir, name),
			 0);
	return node;
}

static inline Node *look_up_dir(Node *dir, const char *name, uint64_t ino)
{
	return look_up(dir, name, ino, S_IFDIR | 0755);
}

static inline Node *look_up_file(Node *dir, const char *name, uint64_t ino)
{
	return look_up(dir, name, ino, S_IFREG | 0644);
}

static inline void forget(Node *node)
{
	inode_table_forget_locked(table, node, 1);
}

static inline void remove_name(Node *node, Node *dir, const char *name)
{
	node_ref_locked(node);
	inode_table_remove_name_locked(table, node, dir, name);
	node_unref_locked(table, node);
}

/* "a/b/c" for a directory, "?" when there is no path. */
static inline const char *path_of(const Node *dir)
{
	static char text[4096];
	size_t depth = inode_table_depth_locked(table, dir), at = 0;
	const char *parts[64];

	if (depth == INODE_NO_PATH)
		return "?";
	ck_assert_uint_le(depth, 64);
	inode_table_path_locked(table, dir, depth, parts);
	text[0] = '\0';
	for (size_t i = 0; i < depth; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
				       i > 0 ? "/" : "", parts[i]);
	return text;
}

#endif /* TESTS_INODE_FIXTURE_H */
