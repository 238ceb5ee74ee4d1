/* SPDX-License-Identifier: MIT */
/*
 * Where nodes lie: in numbered slots that never move while they are in use. The
 * number of a slot is the lower half of a nodeid, its generation the upper; no
 * pair of the two is ever given twice. Slots lie in chunks, and a chunk in
 * which no node is left gives its memory back.
 *
 * Guarded by the lock of the inode table that owns it.
 */
#ifndef FS_NODE_SLOTS_H
#define FS_NODE_SLOTS_H

#include "fs/inode-table.h"

#define NODE_CHUNK_BITS 10
#define NODE_CHUNK_SIZE (1u << NODE_CHUNK_BITS)
#define NODE_GENERATION_MAX UINT32_MAX

typedef struct {
	Node *nodes;    /* owned; NULL: nothing lives here */
	uint32_t used;  /* slots that are not free */
	uint32_t fresh; /* slots from here on were never used since @nodes is
			   there */
	uint32_t free;  /* first of the free ones before that, as a position in
			   the chunk; NODE_CHUNK_SIZE: none */
	uint32_t generation; /* of fresh slots */
} NodeChunk;

/* Its fields are its own. */
typedef struct {
	NodeChunk *chunks; /* owned */
	uint32_t chunk_count;
	uint32_t spacious; /* no chunk before this one has a free slot */
	uint32_t spare;    /* an empty chunk that still has memory, so that one
			      node that comes and goes does not allocate; or
			      UINT32_MAX */
	size_t count;      /* nodes in use */
} NodeSlots;

void node_slots_init(NodeSlots *slots);
/* What the nodes own is the caller's to free before. */
void node_slots_clear(NodeSlots *slots);

/* A node all zero but for its index (never 0) and generation. NULL when there
   is no memory. */
Node *node_slots_take(NodeSlots *slots);
/* Free the slot of @node, which may be gone after this. */
void node_slots_give_back(NodeSlots *slots, Node *node);

/* The node with this index, which is in use. */
static inline Node *node_slots_at(const NodeSlots *slots, uint32_t index)
{
	return &slots->chunks[index >> NODE_CHUNK_BITS]
			.nodes[index & (NODE_CHUNK_SIZE - 1)];
}

/* The node with this index, or NULL when it is not in use. */
Node *node_slots_find(const NodeSlots *slots, uint32_t index);

/* To visit all: the node in use with the lowest index from @index on; NULL
   after the last. */
Node *node_slots_next(const NodeSlots *slots, uint32_t index);

#endif /* FS_NODE_SLOTS_H */
