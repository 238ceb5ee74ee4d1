/* SPDX-License-Identifier: MIT */
/*
 * Names as counted nodes in one hash table, keyed by parent and last part.
 *
 *  1. A node is in the table iff it is not a root. There is at most one node
 *     for a parent and a name, so pointer equality is equality of names.
 *  2. A node's count is the references held by callers, one for each child, one
 *     for a dirty entry, and for a root one for the tree. At 0 it is freed, and
 *     its parent loses the child's reference; this is a loop, since a tree can
 *     be deeper than a stack.
 *  3. A node never changes its parent or its name: a rename makes other nodes.
 *     So the length of its path is known when it is made.
 *  4. The table grows and shrinks by one bucket at a time (linear hashing): no
 *     call ever moves more than one chain, which keeps the time under the lock
 *     even however many names there are. Buckets live in segments, each as
 *     large as all before it, which are never moved. Without memory for a
 *     segment the chains get longer and nothing else happens.
 *
 * The hash is seeded: names come from whoever writes to the disk.
 */
#include "core/name-tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct NameNode {
	NameNode *parent; /* referenced; NULL for a root */
	NameNode *next;   /* in its bucket; of a root: the next root */
	void *entry;      /* of the dirty set */
	uint32_t hash;
	uint32_t refs; /* (2) */
	uint32_t tree_id;
	uint32_t path_length; /* from the root; PATH_ENDLESS: longer (3) */
	uint16_t length;
	char name[];
};

#define PATH_ENDLESS UINT32_MAX

#define FIRST_BITS 8 /* segment 0 has 256 buckets, segment i 128 << i */
#define SEGMENTS 24

struct NameTree {
	NameNode **segments[SEGMENTS]; /* owned */
	NameNode *roots;               /* owned */
	uint64_t seed;
	size_t count;   /* nodes in the table */
	size_t buckets; /* in use; all segments up to the last one exist */
	size_t root_count;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

static uint32_t hash_name(const NameTree *names, const NameNode *parent,
			  const char *name, size_t length)
{
	uint64_t h = mix(names->seed, (uintptr_t)parent);
	uint64_t word;

	h = mix(h, length);
	for (; length >= sizeof word; length -= sizeof word) {
		memcpy(&word, name, sizeof word);
		h = mix(h, word);
		name += sizeof word;
	}
	word = 0;
	memcpy(&word, name, length);
	h = mix(h, word);
	h = mix(h, names->seed >> 32);
	return (uint32_t)(h >> 32);
}

/* Which bucket a hash falls into, with this many buckets: the splitting round
   that is under way has done the buckets below the last power of two. */
static size_t bucket_of(const NameTree *names, uint32_t hash)
{
	unsigned bits = 63u - (unsigned)__builtin_clzll(names->buckets);
	size_t wide = hash & (((size_t)2 << bits) - 1);

	if (wide < names->buckets)
		return wide;
	return hash & (((size_t)1 << bits) - 1);
}

static unsigned segment_of(size_t bucket)
{
	if (bucket < (size_t)1 << FIRST_BITS)
		return 0;
	return 64u - (unsigned)__builtin_clzll(bucket) - FIRST_BITS;
}

static NameNode **bucket_at(const NameTree *names, size_t bucket)
{
	unsigned segment = segment_of(bucket);
	size_t first =
		segment == 0 ? 0 : (size_t)1 << (segment + FIRST_BITS - 1);

	return &names->segments[segment][bucket - first];
}

/* Add one bucket and move there what belongs there from its twin (4). */
static void grow(NameTree *names)
{
	size_t added = names->buckets;
	unsigned segment = segment_of(added);
	size_t twin;
	NameNode **from;
	NameNode **to;

	if (segment >= SEGMENTS)
		return;
	if (names->segments[segment] == NULL) {
		size_t n = (size_t)1 << (segment + FIRST_BITS - 1);

		names->segments[segment] = calloc(n, sizeof(NameNode *));
		if (names->segments[segment] == NULL)
			return;
	}
	twin = added - ((size_t)1 << (63 - __builtin_clzll(added)));
	from = bucket_at(names, twin);
	to = bucket_at(names, added);
	names->buckets++;
	while (*from != NULL) {
		NameNode *node = *from;

		if (bucket_of(names, node->hash) == added) {
			*from = node->next;
			node->next = *to;
			*to = node;
		} else {
			from = &node->next;
		}
	}
}

/* Give the last bucket's nodes back to its twin. A segment that has become
   empty is kept until the one before it is half empty too, so that a count that
   swings about the border does not allocate each time. */
static void shrink(NameTree *names)
{
	size_t gone = names->buckets - 1;
	size_t twin = gone - ((size_t)1 << (63 - __builtin_clzll(gone)));
	NameNode **from = bucket_at(names, gone);
	NameNode **to = bucket_at(names, twin);
	unsigned segment = segment_of(gone);

	while (*to != NULL)
		to = &(*to)->next;
	*to = *from;
	*from = NULL;
	names->buckets--;

	if (segment + 1 < SEGMENTS && names->segments[segment + 1] != NULL &&
	    gone == (size_t)3 << (segment + FIRST_BITS - 2)) {
		free(names->segments[segment + 1]);
		names->segments[segment + 1] = NULL;
	}
}

NameTree *name_tree_new(void)
{
	NameTree *names = calloc(1, sizeof *names);

	if (names == NULL)
		return NULL;
	names->buckets = (size_t)1 << FIRST_BITS;
	names->segments[0] = calloc(names->buckets, sizeof(NameNode *));
	if (names->segments[0] == NULL) {
		free(names);
		return NULL;
	}
	if (getrandom(&names->seed, sizeof names->seed, GRND_NONBLOCK) !=
	    (ssize_t)sizeof names->seed)
		names->seed = (uint64_t)time(NULL) ^ (uintptr_t)names;
	return names;
}

void name_tree_free(NameTree *names)
{
	if (names == NULL)
		return;
	while (names->roots != NULL) {
		NameNode *root = names->roots;

		names->roots = root->next;
		free(root);
	}
	for (size_t i = 0; i < SEGMENTS; i++)
		free(names->segments[i]);
	free(names);
}

static NameNode *new_node(const char *name, size_t length)
{
	NameNode *node = malloc(sizeof *node + length + 1);

	if (node == NULL)
		return NULL;
	*node = (NameNode){.refs = 1, .length = (uint16_t)length};
	memcpy(node->name, name, length);
	node->name[length] = '\0';
	return node;
}

NameNode *name_tree_add_root(NameTree *names, uint32_t tree_id)
{
	NameNode *root = new_node("", 0);

	if (root == NULL)
		return NULL;
	root->tree_id = tree_id;
	root->next = names->roots;
	names->roots = root;
	names->root_count++;
	return root;
}

static NameNode *find(const NameTree *names, const NameNode *parent,
		      const char *name, size_t length, uint32_t hash)
{
	NameNode *node = *bucket_at(names, bucket_of(names, hash));

	for (; node != NULL; node = node->next)
		if (node->hash == hash && node->parent == parent &&
		    node->length == length &&
		    memcmp(node->name, name, length) == 0)
			break;
	return node;
}

NameNode *name_tree_find_child(NameTree *names, NameNode *parent,
			       const char *name, size_t length)
{
	return find(names, parent, name, length,
		    hash_name(names, parent, name, length));
}

static uint32_t path_length_below(const NameNode *parent, size_t length)
{
	uint64_t sum = (uint64_t)parent->path_length + length;

	if (parent->parent != NULL)
		sum++; /* the slash */
	return sum < PATH_ENDLESS ? (uint32_t)sum : PATH_ENDLESS;
}

NameNode *name_tree_ref_child(NameTree *names, NameNode *parent,
			      const char *name, size_t length)
{
	uint32_t hash = hash_name(names, parent, name, length);
	NameNode *node = find(names, parent, name, length, hash);
	NameNode **bucket;

	if (node != NULL)
		return name_node_ref(node);
	node = new_node(name, length);
	if (node == NULL)
		return NULL;
	node->parent = name_node_ref(parent);
	node->hash = hash;
	node->tree_id = parent->tree_id;
	node->path_length = path_length_below(parent, length);

	if (names->count >= names->buckets / 2)
		grow(names);
	bucket = bucket_at(names, bucket_of(names, hash));
	node->next = *bucket;
	*bucket = node;
	names->count++;
	return node;
}

NameNode *name_node_ref(NameNode *node)
{
	node->refs++;
	return node;
}

void name_node_unref(NameTree *names, NameNode *node)
{
	while (--node->refs == 0) {
		NameNode *parent = node->parent; /* a root never gets here */
		NameNode **link =
			bucket_at(names, bucket_of(names, node->hash));

		while (*link != node)
			link = &(*link)->next;
		*link = node->next;
		free(node);
		names->count--;
		if (names->count < names->buckets / 4 &&
		    names->buckets > (size_t)1 << FIRST_BITS)
			shrink(names);
		node = parent;
	}
}

NameNode *name_node_get_parent(const NameNode *node)
{
	return node->parent;
}

const char *name_node_get_name(const NameNode *node)
{
	return node->name;
}

size_t name_node_get_length(const NameNode *node)
{
	return node->length;
}

uint32_t name_node_get_tree_id(const NameNode *node)
{
	return node->tree_id;
}

bool name_node_is_below(const NameNode *node, const NameNode *ancestor)
{
	if (node->tree_id != ancestor->tree_id)
		return false;
	/* What lies below has the longer path: no need to climb further. */
	while (node != NULL && node != ancestor &&
	       node->path_length >= ancestor->path_length)
		node = node->parent;
	return node == ancestor;
}

size_t name_node_get_path_length(const NameNode *node, const NameNode *base)
{
	if (node == base || node->parent == NULL)
		return 1;
	if (node->path_length == PATH_ENDLESS)
		return SIZE_MAX;
	if (base == NULL || base->parent == NULL)
		return node->path_length;
	return node->path_length - base->path_length - 1;
}

size_t name_node_get_path(const NameNode *node, const NameNode *base,
			  char *buffer, size_t size)
{
	size_t length = name_node_get_path_length(node, base);
	char *end;

	if (length >= size)
		return 0;
	if (node == base || node->parent == NULL) {
		memcpy(buffer, ".", 2);
		return 1;
	}
	end = buffer + length;
	*end = '\0';
	for (;;) {
		end -= node->length;
		memcpy(end, node->name, node->length);
		node = node->parent;
		if (node == base || node->parent == NULL)
			return length;
		*--end = '/';
	}
}

void *name_node_get_entry(const NameNode *node)
{
	return node->entry;
}

void name_node_set_entry(NameNode *node, void *entry)
{
	node->entry = entry;
}

size_t name_tree_get_count(const NameTree *names)
{
	return names->count + names->root_count;
}
