/* SPDX-License-Identifier: MIT */
/*
 * The objects that the kernel knows, and by which names.
 *
 * A node stands for one object of the file system below: one (device, inode
 * number, birth time). Hard links are one node with several names. See
 * inode-table.c for the ownership model.
 *
 * One lock guards the table, all its nodes and the descriptor cache; functions
 * ending in _locked want it held. It is taken before the dirty set's lock and
 * before nothing else; no system call is made under it. A node pointer is good
 * while the lock is held, or while the caller holds a reference or the kernel a
 * look-up count.
 */
#ifndef FS_INODE_TABLE_H
#define FS_INODE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/descriptors.h"

typedef struct InodeTable InodeTable;
typedef struct Control Control; /* control.h */

/* What makes an object of the file system below this object. */
typedef struct {
	uint64_t ino;
	uint64_t birth; /* nanoseconds; 0 where the file system has none */
	uint32_t dev;
} NodeKey;

/* One name of a node: a parent, which is kept alive, and a last path part. */
typedef struct Link Link;
struct Link {
	Link *next;
	uint32_t parent; /* index of the directory's node */
	uint16_t length;
	char name[];
};

enum {
	NODE_CONTROL = 1 << 0,      /* the control file, as opened once */
	NODE_RETAINED = 1 << 1,     /* forgotten, kept for its several names */
	NODE_NAME_LOST = 1 << 2,    /* has a name that could not be kept */
	NODE_SIZE_DOUBTED = 1 << 3, /* sizes.h: the kernel may be wrong */
};

typedef struct {
	NodeKey key;      /* immutable after new */
	uint32_t index;   /* immutable after new; 0 in a free slot */
	uint64_t lookups; /* what the kernel will FORGET */
	uint32_t generation;
	uint32_t hash_next;  /* index */
	uint32_t refs;       /* names that have it as parent, and users */
	uint32_t nlink;      /* as last seen */
	uint32_t held_nlink; /* what the kernel is told meanwhile, or 0 */
	uint64_t size;       /* sizes.h: as the kernel thinks */
	uint32_t writing;    /* requests at it that may change that */
	uint32_t writes;     /* and those that are over */
	uint16_t type;       /* S_IFMT part of the mode; immutable */
	uint16_t flags;      /* NODE_* */
	uint16_t missed;     /* what names not known then were not told */
	Link *links;         /* owned; a directory has at most one */
	Descriptor *cached;  /* in the cache's recency list, or NULL */
	union {
		Descriptor *pin;  /* held until it is forgotten, or NULL */
		Control *control; /* owned, with NODE_CONTROL */
	};
} Node;

#define INODE_ROOT_INDEX 1u

/* A table whose root node, with nodeid 1, has @key. NULL: no memory. */
InodeTable *inode_table_new(const NodeKey *key, DescriptorCache *cache);
void inode_table_free(InodeTable *table);

void inode_table_lock(InodeTable *table);
void inode_table_unlock(InodeTable *table);

/* Borrowed; NULL when no node has this nodeid (any more). */
Node *inode_table_get_locked(InodeTable *table, uint64_t id);
/* The node with this index, which the caller knows to be alive. */
Node *inode_table_at_locked(InodeTable *table, uint32_t index);
/* NULL when the object is not known. */
Node *inode_table_find_locked(InodeTable *table, const NodeKey *key);
/*
 * The node of an object, made if it is not known; has no look-up count yet, so
 * the caller adds one, or a reference, before it unlocks. NULL: no memory.
 */
Node *inode_table_intern_locked(InodeTable *table, const NodeKey *key,
				mode_t mode);
/* A new node that stands for no object below. NULL: no memory. */
Node *inode_table_add_control_locked(InodeTable *table, Control *control);

/* The number that the kernel knows it by; never used for another node. */
uint64_t node_get_id(const Node *node);

void node_ref_locked(Node *node);
/* May free the node, and then parents that nobody needs. */
void node_unref_locked(InodeTable *table, Node *node);
/* The kernel gives back @count look-ups. */
void inode_table_forget_locked(InodeTable *table, Node *node, uint64_t count);

/*
 * Let @node be known as @name in @parent. A name that it has already is left; a
 * directory's old name is replaced. -ENOMEM; -ENOTDIR when @parent is none;
 * -ELOOP when a directory would lie below itself.
 */
int inode_table_add_name_locked(InodeTable *table, Node *node, Node *parent,
				const char *name);
/* The caller holds a reference to @node, and unrefs it after. */
void inode_table_remove_name_locked(InodeTable *table, Node *node, Node *parent,
				    const char *name);
/* @name in @parent is the only name there is: drop the others, which something
   that bypasses the mount has made wrong. */
void inode_table_keep_name_locked(InodeTable *table, Node *node,
				  const Node *parent, const char *name);
unsigned node_count_names_locked(const Node *node);

/*
 * How often an operation has changed which names there are, or how many. What
 * was read below before such a change must not be entered after it: read this
 * first, and under the lock see that it is still the same. The first needs no
 * lock.
 */
uint64_t inode_table_get_changes(const InodeTable *table);
void inode_table_changed_locked(InodeTable *table);

#define INODE_NO_PATH SIZE_MAX
/* How many path parts lead from the root to the directory @dir (the root: 0);
   INODE_NO_PATH when it, or one above it, has lost its name. */
size_t inode_table_depth_locked(InodeTable *table, const Node *dir);
/* Fill @parts[0..@depth) with the path of @dir from the root down; @depth as
   inode_table_depth_locked() said. Borrowed under the lock. */
void inode_table_path_locked(InodeTable *table, const Node *dir, size_t depth,
			     const char **parts);

/* The same as text, for people: "." for the root, cut in front when it does not
   fit, "" without a path. */
void inode_table_describe_locked(InodeTable *table, const Node *dir, char *text,
				 size_t size);

size_t inode_table_count_locked(const InodeTable *table);

/* How many nodes were freed since this was asked last; takes the lock. */
size_t inode_table_take_freed(InodeTable *table);

#endif /* FS_INODE_TABLE_H */
