/* SPDX-License-Identifier: MIT */
/*
 * Items in the order of a clock that only grows: append at the newest end, take
 * out anywhere, find the first one after a clock.
 *
 * Not locked by itself. Items are embedded in the caller's structures and stay
 * his; the order owns nothing but its own memory.
 */
#ifndef CORE_RECENCY_H
#define CORE_RECENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct RecencyChunk RecencyChunk;

/* Embedded in what is ordered; only recency.c writes it. */
typedef struct {
	RecencyChunk *chunk; /* NULL: in no order */
	uint16_t slot;
	uint16_t bits; /* never touched: for the owner, who else had a gap */
} RecencyItem;

/* A chunk's place in the directory. */
typedef struct {
	uint64_t first; /* no clock in the chunk is below */
	RecencyChunk *chunk;
} RecencyPlace;

/* Zeroed: empty. Opaque but for its size. */
typedef struct {
	RecencyPlace *chunks; /* owned, like the chunks */
	size_t begin, end, allocated;
	size_t count;
} Recency;

/* A place in the order, good until the order is changed. */
typedef struct {
	size_t chunk;
	size_t slot;
} RecencyCursor;

/* Free the order's memory; its items are forgotten, not touched. */
void recency_clear(Recency *order);

/* @clock is above all in the order. False without memory: nothing happened. */
bool recency_append(Recency *order, RecencyItem *item, uint64_t clock);
/* Never allocates. */
void recency_remove(Recency *order, RecencyItem *item);

size_t recency_get_count(const Recency *order);
/* The clock with which @item was appended. */
uint64_t recency_get_clock(const RecencyItem *item);
/* The oldest item, NULL when there is none. */
RecencyItem *recency_get_oldest(const Recency *order);

/* Before the first item with a clock above @clock. */
RecencyCursor recency_find_after(const Recency *order, uint64_t clock);

/*
 * Step over one slot. False at the end. Else *@clock_out is a clock that no
 * later item is below or at, and *@item_out the item, or NULL: its place is
 * empty.
 */
bool recency_step(const Recency *order, RecencyCursor *cursor,
		  RecencyItem **item_out, uint64_t *clock_out);

/*
 * Items that nobody wants any more, taken over as a whole and in no time that
 * counts; released one by one later. Needs no memory.
 */
typedef struct {
	RecencyChunk *first; /* owned */
} RecencyGrave;

/* All items of @order go to @grave; the order is empty after it. */
void recency_bury(Recency *order, RecencyGrave *grave);
bool recency_is_buried(const RecencyItem *item);
/* Take an item out of the grave: any, or NULL when there is none. */
RecencyItem *recency_exhume(RecencyGrave *grave);
/* Take out this buried one. */
void recency_exhume_item(RecencyItem *item);

/* Bytes of memory held: for tests and status. */
size_t recency_get_bytes(const Recency *order);

#endif /* CORE_RECENCY_H */
