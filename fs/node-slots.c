/* SPDX-License-Identifier: MIT */
/*
 * (1) A free slot has index 0 and, in hash_next, the position of the next free
 *     one; its generation is the one that its next node will have.
 * (2) When a chunk gives its memory back, it remembers the largest generation
 *     of its slots and goes on from there: no nodeid is given twice.
 * (3) A slot whose generations are used up counts as used for ever, and so its
 *     chunk keeps its memory, which is where that is known.
 * (4) New nodes go to the lowest chunk with a free slot, so that the upper ones
 *     become empty when there are fewer nodes than there were.
 */
#include "fs/node-slots.h"

#include <stdlib.h>
#include <string.h>

#define NO_CHUNK UINT32_MAX
#define NO_SLOT NODE_CHUNK_SIZE
/* Indexes have 32 bits. */
#define CHUNKS_MAX (UINT32_MAX >> NODE_CHUNK_BITS)

void node_slots_init(NodeSlots *slots)
{
	memset(slots, 0, sizeof(*slots));
	slots->spare = NO_CHUNK;
}

void node_slots_clear(NodeSlots *slots)
{
	for (uint32_t i = 0; i < slots->chunk_count; i++)
		free(slots->chunks[i].nodes);
	free(slots->chunks);
	node_slots_init(slots);
}

static bool add_chunk(NodeSlots *slots)
{
	size_t n = (size_t)slots->chunk_count + 1;
	NodeChunk *chunks;

	if (n > CHUNKS_MAX)
		return false;
	chunks = realloc(slots->chunks, n * sizeof(*chunks));
	if (chunks == NULL)
		return false;
	slots->chunks = chunks;
	chunks[n - 1] = (NodeChunk){.free = NO_SLOT};
	slots->chunk_count++;
	return true;
}

static bool has_space(const NodeChunk *chunk)
{
	return chunk->nodes == NULL || chunk->free != NO_SLOT ||
	       chunk->fresh < NODE_CHUNK_SIZE;
}

/* The lowest chunk with a free slot; NULL: no memory. */
static NodeChunk *find_space(NodeSlots *slots)
{
	NodeChunk *chunk;

	while (slots->spacious < slots->chunk_count &&
	       !has_space(&slots->chunks[slots->spacious]))
		slots->spacious++;
	if (slots->spacious == slots->chunk_count && !add_chunk(slots))
		return NULL;
	chunk = &slots->chunks[slots->spacious];
	if (chunk->nodes == NULL) {
		chunk->nodes = malloc(NODE_CHUNK_SIZE * sizeof(Node));
		if (chunk->nodes == NULL)
			return NULL;
		chunk->used = 0;
		chunk->fresh = 0;
		chunk->free = NO_SLOT;
		/* Index 0 means "none" everywhere. */
		if (slots->spacious == 0) {
			chunk->nodes[0] = (Node){.index = 0};
			chunk->used = chunk->fresh = 1;
		}
	}
	return chunk;
}

Node *node_slots_take(NodeSlots *slots)
{
	NodeChunk *chunk = find_space(slots);
	uint32_t generation, position;

	if (chunk == NULL)
		return NULL;
	if (slots->spare == slots->spacious)
		slots->spare = NO_CHUNK;
	if (chunk->free != NO_SLOT) {
		position = chunk->free;
		chunk->free = chunk->nodes[position].hash_next;
		generation = chunk->nodes[position].generation;
	} else {
		position = chunk->fresh++;
		generation = chunk->generation;
	}
	chunk->used++;
	slots->count++;
	chunk->nodes[position] = (Node){
		.index = slots->spacious << NODE_CHUNK_BITS | position,
		.generation = generation,
	};
	return &chunk->nodes[position];
}

static void free_chunk(NodeChunk *chunk)
{
	/* (2) */
	for (uint32_t i = 0; i < chunk->fresh; i++)
		if (chunk->nodes[i].generation > chunk->generation)
			chunk->generation = chunk->nodes[i].generation;
	free(chunk->nodes);
	chunk->nodes = NULL;
}

void node_slots_give_back(NodeSlots *slots, Node *node)
{
	uint32_t number = node->index >> NODE_CHUNK_BITS;
	uint32_t position = node->index & (NODE_CHUNK_SIZE - 1);
	NodeChunk *chunk = &slots->chunks[number];

	node->index = 0;
	slots->count--;
	if (node->generation == NODE_GENERATION_MAX)
		return; /* (3) */
	node->generation++;
	node->hash_next = chunk->free;
	chunk->free = position;
	if (number < slots->spacious)
		slots->spacious = number;
	if (--chunk->used > 0)
		return;
	/* Of two chunks without nodes the lower one stays. */
	if (slots->spare == NO_CHUNK) {
		slots->spare = number;
	} else if (slots->spare < number) {
		free_chunk(chunk);
	} else {
		free_chunk(&slots->chunks[slots->spare]);
		slots->spare = number;
	}
}

Node *node_slots_find(const NodeSlots *slots, uint32_t index)
{
	uint32_t number = index >> NODE_CHUNK_BITS;
	const NodeChunk *chunk;
	Node *node;

	if (index == 0 || number >= slots->chunk_count)
		return NULL;
	chunk = &slots->chunks[number];
	if (chunk->nodes == NULL ||
	    (index & (NODE_CHUNK_SIZE - 1)) >= chunk->fresh)
		return NULL;
	node = node_slots_at(slots, index);
	return node->index == index ? node : NULL;
}

Node *node_slots_next(const NodeSlots *slots, uint32_t index)
{
	uint64_t end = (uint64_t)slots->chunk_count << NODE_CHUNK_BITS;

	for (uint64_t i = index; i < end; i++) {
		Node *node = node_slots_find(slots, (uint32_t)i);

		if (node != NULL)
			return node;
	}
	return NULL;
}
