/* SPDX-License-Identifier: MIT */
/*
 * Who owns a node, and what its number means
 * ------------------------------------------
 * (1) One node for one object: the key is device, inode number and birth time.
 *     A number that the file system below uses again has another birth time,
 *     so an old node never comes to stand for a new file. Where there is no
 *     birth time, nodes that are pinned or open keep their number from being
 *     used again, and others are compared by number alone.
 * (2) A nodeid is the slot's index in its lower half and the slot's generation
 *     in the upper (node-slots.h): a nodeid never comes to mean another node.
 *     The root is slot 1, generation 0: nodeid 1.
 * (3) A node lives while the kernel has look-ups to give back, while it is the
 *     parent of a living node's name, or while a request works on it. A name
 *     keeps its parent alive, so a path can always be climbed.
 * (4) The kernel's FORGET really frees, but for files with several names: their
 *     names are what a write through one of them stamps, and the kernel may
 *     come back with only one of them. A bounded number of these is retained,
 *     the oldest going first.
 * (5) Names are as good as the last request that told them. Something that
 *     bypasses the mount can make them wrong; so whoever opens by name compares
 *     what it got with the key.
 * (6) Names lie in directories, which have at most one name and never lie below
 *     themselves: every climb ends at the root or at a directory that has lost
 *     its name.
 */
#include "fs/inode-table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control.h"
#include "fs/node-slots.h"

#define RETAINED_MAX 16384u

struct InodeTable {
	pthread_mutex_t lock;
	DescriptorCache *cache; /* borrowed; guarded by the lock too */

	NodeSlots slots; /* all nodes alive */
	size_t freed;    /* nodes since inode_table_take_freed() */

	uint32_t *heads; /* of the hash chains, linked by hash_next */
	size_t head_count;
	size_t keyed; /* nodes in the chains */

	_Atomic uint64_t changes; /* written under the lock */

	uint64_t *retained; /* ring of nodeids, may name nodes that are gone */
	uint32_t retained_first, retained_count;
};

static Node *at(InodeTable *table, uint32_t index)
{
	return node_slots_at(&table->slots, index);
}

static size_t hash_key(const NodeKey *key)
{
	uint64_t h = key->ino * UINT64_C(0x9e3779b97f4a7c15);

	h ^= (h >> 29) ^ key->birth ^ ((uint64_t)key->dev << 32);
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)(h ^ (h >> 32));
}

static bool key_equals(const NodeKey *a, const NodeKey *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->birth == b->birth;
}

uint64_t node_get_id(const Node *node)
{
	return (uint64_t)node->generation << 32 | node->index;
}

static void hash_insert(InodeTable *table, Node *node)
{
	size_t i = hash_key(&node->key) & (table->head_count - 1);

	node->hash_next = table->heads[i];
	table->heads[i] = node->index;
}

static void hash_remove(InodeTable *table, Node *node)
{
	size_t i = hash_key(&node->key) & (table->head_count - 1);
	uint32_t *at_index = &table->heads[i];

	while (*at_index != node->index)
		at_index = &at(table, *at_index)->hash_next;
	*at_index = node->hash_next;
	table->keyed--;
}

/* Without memory the chains just get longer. */
static void hash_grow(InodeTable *table)
{
	size_t old_count = table->head_count;
	uint32_t *old = table->heads;
	uint32_t *heads = calloc(old_count * 2, sizeof(*heads));

	if (heads == NULL)
		return;
	table->heads = heads;
	table->head_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		uint32_t index = old[i];

		while (index != 0) {
			Node *node = at(table, index);

			index = node->hash_next;
			hash_insert(table, node);
		}
	}
	free(old);
}

static void drop_pin(InodeTable *table, Node *node)
{
	if (node->pin == NULL)
		return;
	descriptor_unref_locked(table->cache, node->pin);
	node->pin = NULL;
	table->cache->pinned--;
}

/* Takes the node out of the table; its parents lose a reference, but that is
   the caller's to see to: returns the links. */
static Link *free_slot(InodeTable *table, Node *node)
{
	Link *links = node->links;

	if (node->flags & NODE_CONTROL) {
		control_free(node->control);
	} else {
		hash_remove(table, node);
		drop_pin(table, node);
		descriptors_uncache_locked(table->cache, &node->cached);
	}
	node_slots_give_back(&table->slots, node);
	table->freed++;
	return links;
}

InodeTable *inode_table_new(const NodeKey *key, DescriptorCache *cache)
{
	InodeTable *table = calloc(1, sizeof(*table));
	Node *root;

	if (table == NULL)
		return NULL;
	table->cache = cache;
	node_slots_init(&table->slots);
	table->head_count = 1024;
	table->heads = calloc(table->head_count, sizeof(*table->heads));
	table->retained = calloc(RETAINED_MAX, sizeof(*table->retained));
	pthread_mutex_init(&table->lock, NULL);
	if (table->heads == NULL || table->retained == NULL)
		goto fail;
	root = inode_table_intern_locked(table, key, S_IFDIR);
	if (root == NULL)
		goto fail;
	root->refs = 1; /* for as long as the table lives */
	root->lookups = 1;
	return table;
fail:
	inode_table_free(table);
	return NULL;
}

void inode_table_free(InodeTable *table)
{
	if (table == NULL)
		return;
	for (uint32_t i = INODE_ROOT_INDEX;; i++) {
		Node *node = node_slots_next(&table->slots, i);

		if (node == NULL)
			break;
		i = node->index;
		for (Link *link = free_slot(table, node), *next; link != NULL;
		     link = next) {
			next = link->next;
			free(link);
		}
	}
	node_slots_clear(&table->slots);
	free(table->heads);
	free(table->retained);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

void inode_table_lock(InodeTable *table)
{
	pthread_mutex_lock(&table->lock);
}

void inode_table_unlock(InodeTable *table)
{
	pthread_mutex_unlock(&table->lock);
}

Node *inode_table_get_locked(InodeTable *table, uint64_t id)
{
	Node *node = node_slots_find(&table->slots, (uint32_t)id);

	return node != NULL && node->generation == id >> 32 ? node : NULL;
}

Node *inode_table_at_locked(InodeTable *table, uint32_t index)
{
	return at(table, index);
}

Node *inode_table_find_locked(InodeTable *table, const NodeKey *key)
{
	uint32_t index = table->heads[hash_key(key) & (table->head_count - 1)];

	while (index != 0) {
		Node *node = at(table, index);

		if (key_equals(&node->key, key))
			return node;
		index = node->hash_next;
	}
	return NULL;
}

Node *inode_table_intern_locked(InodeTable *table, const NodeKey *key,
				mode_t mode)
{
	Node *node = inode_table_find_locked(table, key);

	/* Without birth times a number may have been used again for another
	   kind of object; that is not the one we knew. */
	if (node != NULL && node->type == (mode & S_IFMT))
		return node;
	node = node_slots_take(&table->slots);
	if (node == NULL)
		return NULL;
	node->key = *key;
	node->type = mode & S_IFMT;
	node->nlink = 1;
	if (table->keyed >= table->head_count)
		hash_grow(table);
	hash_insert(table, node);
	table->keyed++;
	return node;
}

Node *inode_table_add_control_locked(InodeTable *table, Control *control)
{
	Node *node = node_slots_take(&table->slots);

	if (node == NULL)
		return NULL;
	node->type = S_IFREG;
	node->flags = NODE_CONTROL;
	node->control = control;
	return node;
}

void node_ref_locked(Node *node)
{
	node->refs++;
}

static bool is_needed(const Node *node)
{
	return node->lookups > 0 || node->refs > 0 ||
	       (node->flags & NODE_RETAINED);
}

/* Free @node and whichever parents that leaves unneeded; iterative, as trees
   may be deep. */
static void free_unneeded(InodeTable *table, Node *node)
{
	Link *todo = NULL;

	if (is_needed(node))
		return;
	todo = free_slot(table, node);
	while (todo != NULL) {
		Link *link = todo;
		Node *parent = at(table, link->parent);

		todo = link->next;
		free(link);
		parent->refs--;
		if (!is_needed(parent)) {
			/* A directory: one link at most. */
			Link *more = free_slot(table, parent);

			if (more != NULL) {
				more->next = todo;
				todo = more;
			}
		}
	}
}

void node_unref_locked(InodeTable *table, Node *node)
{
	node->refs--;
	free_unneeded(table, node);
}

static void retain(InodeTable *table, Node *node)
{
	uint32_t i;

	if (table->retained_count == RETAINED_MAX) {
		Node *old = inode_table_get_locked(
			table, table->retained[table->retained_first]);

		table->retained_first =
			(table->retained_first + 1) % RETAINED_MAX;
		table->retained_count--;
		if (old != NULL && (old->flags & NODE_RETAINED)) {
			old->flags &= (uint16_t)~NODE_RETAINED;
			free_unneeded(table, old);
		}
	}
	i = (table->retained_first + table->retained_count) % RETAINED_MAX;
	table->retained[i] = node_get_id(node);
	table->retained_count++;
	node->flags |= NODE_RETAINED;
}

void inode_table_forget_locked(InodeTable *table, Node *node, uint64_t count)
{
	node->lookups -= count < node->lookups ? count : node->lookups;
	if (node->lookups > 0)
		return;
	if (!(node->flags & NODE_CONTROL)) {
		/* A pin is for what is open or mapped; now nothing is. */
		drop_pin(table, node);
		if (node->type != S_IFDIR && node->nlink > 1 &&
		    node->links != NULL) {
			if (!(node->flags & NODE_RETAINED))
				retain(table, node);
			return;
		}
	}
	free_unneeded(table, node);
}

/* Would @node be its own ancestor with the parent @dir? */
static bool makes_loop(InodeTable *table, const Node *node, const Node *dir)
{
	while (dir != node) {
		if (dir->index == INODE_ROOT_INDEX || dir->links == NULL)
			return false;
		dir = at(table, dir->links->parent);
	}
	return true;
}

static Link **find_link(Node *node, const Node *parent, const char *name,
			size_t length)
{
	Link **at_link = &node->links;

	for (; *at_link != NULL; at_link = &(*at_link)->next) {
		Link *link = *at_link;

		if (link->parent == parent->index && link->length == length &&
		    memcmp(link->name, name, length) == 0)
			return at_link;
	}
	return NULL;
}

static void drop_link(InodeTable *table, Link **at_link)
{
	Link *link = *at_link;
	Node *parent = at(table, link->parent);

	*at_link = link->next;
	free(link);
	node_unref_locked(table, parent);
}

int inode_table_add_name_locked(InodeTable *table, Node *node, Node *parent,
				const char *name)
{
	size_t length = strlen(name);
	Link *link;

	if (node->index == INODE_ROOT_INDEX)
		return -ELOOP;
	if (parent->type != S_IFDIR)
		return -ENOTDIR;
	if (find_link(node, parent, name, length) != NULL)
		return 0;
	if (node->type == S_IFDIR && makes_loop(table, node, parent))
		return -ELOOP;
	link = malloc(sizeof(*link) + length + 1);
	if (link == NULL)
		return -ENOMEM;
	link->parent = parent->index;
	link->length = (uint16_t)length;
	memcpy(link->name, name, length + 1);
	parent->refs++;
	if (node->type == S_IFDIR && node->links != NULL)
		drop_link(table, &node->links);
	link->next = node->links;
	node->links = link;
	node->flags &= (uint16_t)~NODE_NAME_LOST;
	return 0;
}

void inode_table_remove_name_locked(InodeTable *table, Node *node, Node *parent,
				    const char *name)
{
	Link **at_link = find_link(node, parent, name, strlen(name));

	if (at_link == NULL)
		return;
	drop_link(table, at_link);
	if (node->links == NULL)
		node->flags &= (uint16_t)~NODE_RETAINED;
}

void inode_table_keep_name_locked(InodeTable *table, Node *node,
				  const Node *parent, const char *name)
{
	size_t length = strlen(name);
	Link **at_link = &node->links;

	if (node->type == S_IFDIR)
		return;
	while (*at_link != NULL) {
		Link *link = *at_link;

		if (link->parent == parent->index && link->length == length &&
		    memcmp(link->name, name, length) == 0)
			at_link = &link->next;
		else
			drop_link(table, at_link);
	}
}

uint64_t inode_table_get_changes(const InodeTable *table)
{
	return atomic_load(&table->changes);
}

void inode_table_changed_locked(InodeTable *table)
{
	atomic_fetch_add(&table->changes, 1);
}

unsigned node_count_names_locked(const Node *node)
{
	unsigned n = 0;

	for (const Link *link = node->links; link != NULL; link = link->next)
		n++;
	return n;
}

size_t inode_table_depth_locked(InodeTable *table, const Node *dir)
{
	size_t depth = 0;

	while (dir->index != INODE_ROOT_INDEX) {
		if (dir->links == NULL)
			return INODE_NO_PATH;
		dir = at(table, dir->links->parent);
		depth++;
	}
	return depth;
}

void inode_table_path_locked(InodeTable *table, const Node *dir, size_t depth,
			     const char **parts)
{
	while (depth > 0) {
		parts[--depth] = dir->links->name;
		dir = at(table, dir->links->parent);
	}
}

void inode_table_describe_locked(InodeTable *table, const Node *dir, char *text,
				 size_t size)
{
	/* From the end, as one climbs. */
	size_t at = size - 1;

	text[at] = '\0';
	if (inode_table_depth_locked(table, dir) == INODE_NO_PATH) {
		text[0] = '\0';
		return;
	}
	while (dir->index != INODE_ROOT_INDEX && dir->links->length < at) {
		if (text[at] != '\0')
			text[--at] = '/';
		at -= dir->links->length;
		memcpy(text + at, dir->links->name, dir->links->length);
		dir = inode_table_at_locked(table, dir->links->parent);
	}
	if (text[at] == '\0')
		text[--at] = '.';
	memmove(text, text + at, size - at);
}

size_t inode_table_count_locked(const InodeTable *table)
{
	return table->slots.count;
}

size_t inode_table_take_freed(InodeTable *table)
{
	size_t freed;

	inode_table_lock(table);
	freed = table->freed;
	table->freed = 0;
	inode_table_unlock(table);
	return freed;
}
