/* SPDX-License-Identifier: MIT */
/*
 * An array of arrays, with holes.
 *
 *  1. Slots are grouped in chunks, chunks stand in a directory. Clocks grow
 * from slot to slot and from chunk to chunk, so finding one is a binary search
 *     in the directory and another in the chunk. This is why it is no list: a
 *     page from the middle costs what the first one costs.
 *  2. An item that is taken out leaves a hole, which keeps its clock. Items
 * know their chunk and slot.
 *  3. The first used slot of a chunk that is not empty is no hole (begin moves
 *     over them), and neither is the last (end moves back). A chunk without
 *     items is freed, unless it is the last.
 *  4. Two neighbours, of which none is the last, hold more than MERGE items
 *     together, or they become one. So at least a quarter of all slots is in
 *     use, but for two chunks: however often names are stamped again, neither
 *     the memory nor the slots looked at by a question exceed four times the
 *     items by more than that.
 *  5. A last chunk that is full but has more holes than items is packed instead
 *     of getting a successor.
 *
 * The longest step is one merge or one pack (some hundred slots), and shifting
 * the directory by one place: 32 kB for a million items, once in hundreds of
 * calls. Nothing grows with the number of items but that.
 */
#include "core/recency.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 512
#define MERGE (SLOTS / 2)

typedef struct {
	uint64_t clock;
	RecencyItem *item; /* NULL: a hole */
} Slot;

struct RecencyChunk {
	RecencyChunk *next_buried;
	bool is_buried;
	uint16_t begin; /* slots below are out of use */
	uint16_t end;   /* as are slots from here on */
	uint16_t count; /* of items */
	Slot slots[SLOTS];
};

void recency_clear(Recency *order)
{
	for (size_t i = order->begin; i < order->end; i++)
		free(order->chunks[i].chunk);
	free(order->chunks);
	*order = (Recency){0};
}

static void place(RecencyChunk *chunk, RecencyItem *item, uint64_t clock)
{
	chunk->slots[chunk->end] = (Slot){clock, item};
	item->chunk = chunk;
	item->slot = chunk->end++;
	chunk->count++;
}

/* Move the items of @from to the end of @to, which may be the same chunk, made
   empty: then they move down. */
static void move_items(RecencyChunk *from, uint16_t begin, uint16_t end,
		       RecencyChunk *to)
{
	for (uint16_t i = begin; i < end; i++) {
		Slot slot = from->slots[i];

		if (slot.item != NULL)
			place(to, slot.item, slot.clock);
	}
}

static void pack(RecencyChunk *chunk)
{
	uint16_t begin = chunk->begin;
	uint16_t end = chunk->end;

	chunk->begin = chunk->end = chunk->count = 0;
	move_items(chunk, begin, end, chunk);
}

/* Make room for one more pointer at the directory's end. */
static bool reserve(Recency *order)
{
	size_t used = order->end - order->begin;
	size_t wanted;
	RecencyPlace *chunks;

	if (order->end < order->allocated)
		return true;
	if (order->begin > order->allocated / 2) {
		memmove(order->chunks, order->chunks + order->begin,
			used * sizeof *order->chunks);
		order->begin = 0;
		order->end = used;
		return true;
	}
	wanted = order->allocated == 0 ? 16 : order->allocated * 2;
	chunks = realloc(order->chunks, wanted * sizeof *chunks);
	if (chunks == NULL)
		return false;
	order->chunks = chunks;
	order->allocated = wanted;
	return true;
}

static bool add_chunk(Recency *order, uint64_t first)
{
	RecencyChunk *chunk;

	if (!reserve(order))
		return false;
	chunk = malloc(sizeof *chunk);
	if (chunk == NULL)
		return false;
	chunk->next_buried = NULL;
	chunk->is_buried = false;
	chunk->begin = chunk->end = chunk->count = 0;
	order->chunks[order->end++] = (RecencyPlace){first, chunk};
	return true;
}

static void drop_chunk(Recency *order, size_t index)
{
	free(order->chunks[index].chunk);
	if (index == order->begin) {
		order->begin++;
		return;
	}
	memmove(order->chunks + index, order->chunks + index + 1,
		(order->end - index - 1) * sizeof *order->chunks);
	order->end--;
}

bool recency_append(Recency *order, RecencyItem *item, uint64_t clock)
{
	RecencyChunk *last = NULL;

	if (order->end > order->begin)
		last = order->chunks[order->end - 1].chunk;
	if (last != NULL && last->end == SLOTS && last->count <= MERGE)
		pack(last); /* (5) */
	if (last == NULL || last->end == SLOTS) {
		if (!add_chunk(order, clock))
			return false;
		last = order->chunks[order->end - 1].chunk;
	}
	place(last, item, clock);
	order->count++;
	return true;
}

/* The chunk that a clock lies in or behind: the last one that begins at or
   before it, or the first of all. There is one. */
static size_t find_chunk(const Recency *order, uint64_t clock)
{
	size_t low = order->begin;
	size_t high = order->end;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (order->chunks[middle].first <= clock)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Merge the chunk with the one behind it if they are sparse (4). */
static bool merge(Recency *order, size_t index)
{
	RecencyChunk *left;
	RecencyChunk *right;

	if (index + 2 >= order->end) /* the last stays by itself */
		return false;
	left = order->chunks[index].chunk;
	right = order->chunks[index + 1].chunk;
	if (left->count + right->count > MERGE)
		return false;
	pack(left);
	move_items(right, right->begin, right->end, left);
	drop_chunk(order, index + 1);
	return true;
}

void recency_remove(Recency *order, RecencyItem *item)
{
	RecencyChunk *chunk = item->chunk;
	Slot *slot = &chunk->slots[item->slot];
	size_t index;

	slot->item = NULL;
	item->chunk = NULL;
	chunk->count--;
	order->count--;
	while (chunk->begin < chunk->end &&
	       chunk->slots[chunk->begin].item == NULL)
		chunk->begin++;
	while (chunk->end > chunk->begin &&
	       chunk->slots[chunk->end - 1].item == NULL)
		chunk->end--;
	if (chunk == order->chunks[order->end - 1].chunk) {
		if (chunk->count == 0)
			chunk->begin = chunk->end = 0;
		return;
	}
	if (chunk->count > MERGE)
		return;
	index = find_chunk(order, slot->clock);
	if (chunk->count == 0)
		drop_chunk(order, index);
	else if (!merge(order, index) && index > order->begin)
		merge(order, index - 1);
}

size_t recency_get_count(const Recency *order)
{
	return order->count;
}

uint64_t recency_get_clock(const RecencyItem *item)
{
	return item->chunk->slots[item->slot].clock;
}

RecencyItem *recency_get_oldest(const Recency *order)
{
	RecencyChunk *chunk;

	if (order->count == 0)
		return NULL;
	chunk = order->chunks[order->begin].chunk;
	return chunk->slots[chunk->begin].item;
}

RecencyCursor recency_find_after(const Recency *order, uint64_t clock)
{
	RecencyCursor cursor = {order->begin, 0};
	const RecencyChunk *chunk;
	size_t high;

	if (order->begin == order->end)
		return cursor;
	cursor.chunk = find_chunk(order, clock);
	chunk = order->chunks[cursor.chunk].chunk;
	cursor.slot = chunk->begin;
	high = chunk->end;
	while (cursor.slot < high) {
		size_t middle = cursor.slot + (high - cursor.slot) / 2;

		if (chunk->slots[middle].clock <= clock)
			cursor.slot = middle + 1;
		else
			high = middle;
	}
	return cursor;
}

bool recency_step(const Recency *order, RecencyCursor *cursor,
		  RecencyItem **item_out, uint64_t *clock_out)
{
	while (cursor->chunk < order->end) {
		const RecencyChunk *chunk = order->chunks[cursor->chunk].chunk;

		if (cursor->slot < chunk->end) {
			const Slot *slot = &chunk->slots[cursor->slot++];

			*item_out = slot->item;
			*clock_out = slot->clock;
			return true;
		}
		cursor->chunk++;
		if (cursor->chunk < order->end)
			cursor->slot =
				order->chunks[cursor->chunk].chunk->begin;
	}
	return false;
}

void recency_bury(Recency *order, RecencyGrave *grave)
{
	for (size_t i = order->begin; i < order->end; i++) {
		RecencyChunk *chunk = order->chunks[i].chunk;

		chunk->is_buried = true;
		chunk->next_buried = grave->first;
		grave->first = chunk;
	}
	order->begin = order->end = order->count = 0;
}

bool recency_is_buried(const RecencyItem *item)
{
	return item->chunk->is_buried;
}

RecencyItem *recency_exhume(RecencyGrave *grave)
{
	while (grave->first != NULL) {
		RecencyChunk *chunk = grave->first;

		while (chunk->begin < chunk->end) {
			RecencyItem *item = chunk->slots[chunk->begin].item;

			if (item != NULL) {
				recency_exhume_item(item);
				return item;
			}
			chunk->begin++;
		}
		grave->first = chunk->next_buried;
		free(chunk);
	}
	return NULL;
}

void recency_exhume_item(RecencyItem *item)
{
	item->chunk->slots[item->slot].item = NULL;
	item->chunk = NULL;
}

size_t recency_get_bytes(const Recency *order)
{
	return (order->end - order->begin) * sizeof(RecencyChunk) +
	       order->allocated * sizeof *order->chunks;
}
