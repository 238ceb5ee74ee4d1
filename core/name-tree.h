/* SPDX-License-Identifier: MIT */
/*
 * Names, as a tree of counted nodes: a node is a parent and a last path part.
 *
 * The dirty set is kept over names, not over files: two nodes are the same name
 * iff they are the same pointer. A node lives as long as somebody holds a
 * reference, it has a child, or its dirty entry lives. Nothing here knows
 * inodes, descriptors or FUSE.
 *
 * Not locked by itself: every call, and every read of a node, happens with the
 * lock of the dirty set that owns the tree held (dirty_set_lock()).
 */
#ifndef CORE_NAME_TREE_H
#define CORE_NAME_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NameTree NameTree;
typedef struct NameNode NameNode;

/* NULL when there is no memory. */
NameTree *name_tree_new(void);
/* Every node must have been released but for the roots. NULL is allowed. */
void name_tree_free(NameTree *names);

/* A new root that stands for the tree with number @tree_id (from 1). The tree
   keeps the root until it is freed; borrowed. NULL when there is no memory. */
NameNode *name_tree_add_root(NameTree *names, uint32_t tree_id);

/*
 * The child of @parent called @name (@length bytes, 1 to 65535, no NUL or '/'
 * inside), made if it is not there. Returns a new reference, or NULL when there
 * is no memory.
 */
NameNode *name_tree_ref_child(NameTree *names, NameNode *parent,
			      const char *name, size_t length);
/* The same without making it: NULL when nobody knows that name. Borrowed. */
NameNode *name_tree_find_child(NameTree *names, NameNode *parent,
			       const char *name, size_t length);

NameNode *name_node_ref(NameNode *node);
/* May free the node and then its ancestors that nobody needs. */
void name_node_unref(NameTree *names, NameNode *node);

/* Borrowed; NULL for a root. */
NameNode *name_node_get_parent(const NameNode *node);
/* NUL-terminated; "" for a root. Borrowed. */
const char *name_node_get_name(const NameNode *node);
size_t name_node_get_length(const NameNode *node);
/* The number of the tree that the node lies in. */
uint32_t name_node_get_tree_id(const NameNode *node);
/* True for @node == @ancestor too. */
bool name_node_is_below(const NameNode *node, const NameNode *ancestor);

/*
 * Write the path of @node relative to @base (an ancestor or the node itself;
 * NULL for the root of its tree) into @buffer, NUL-terminated; "." when they
 * are the same. Returns its length without the NUL, or 0 when @size is too
 * small (then nothing useful is in the buffer).
 */
size_t name_node_get_path(const NameNode *node, const NameNode *base,
			  char *buffer, size_t size);
/* How long that path is, in no time; SIZE_MAX when it is beyond all sense. */
size_t name_node_get_path_length(const NameNode *node, const NameNode *base);

/* What the dirty set hangs on a node. Only dirty-set.c calls these. */
void *name_node_get_entry(const NameNode *node);
void name_node_set_entry(NameNode *node, void *entry);

/* Nodes alive, roots included: for tests and status. */
size_t name_tree_get_count(const NameTree *names);

#endif /* CORE_NAME_TREE_H */
