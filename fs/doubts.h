/* SPDX-License-Identifier: MIT */
/*
 * Inodes whose attributes the kernel must be made to ask for again, but not at
 * once: each waits for a time of DOUBTS_WAIT_NS to twice that. A batch ripens
 * while the next one is gathered, so none is told early because it was added
 * late.
 *
 * Not locked by itself. Times are CLOCK_MONOTONIC in nanoseconds.
 */
#ifndef FS_DOUBTS_H
#define FS_DOUBTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOUBTS_WAIT_NS UINT64_C(100000000)

/* Inodes in one batch at most: half a million changes a second. */
#define DOUBTS_MAX 65536u

/* Of a power of two: inodes that are known to be in the batch already. */
#define DOUBTS_RECENT 256u

typedef struct {
	uint64_t *ids; /* owned; some may be there twice */
	uint32_t count, size;
} DoubtBatch;

/* Zeroed: empty. */
typedef struct {
	DoubtBatch fresh, ripening;
	uint64_t due_ns; /* when the next batch is, unless both are empty */
	uint64_t recent[DOUBTS_RECENT]; /* in fresh, by a hash */
} Doubts;

void doubts_clear(Doubts *doubts);

/* False: no memory, or too many; it was not added. @id is not 0. */
bool doubts_add(Doubts *doubts, uint64_t id, uint64_t now_ns);

bool doubts_are_empty(const Doubts *doubts);

/*
 * If a batch is due: the inodes that have waited for long enough, which may be
 * none, and the others begin to ripen. @batch_out is the caller's to free with
 * doubt_batch_clear().
 */
void doubts_take(Doubts *doubts, uint64_t now_ns, DoubtBatch *batch_out);
void doubt_batch_clear(DoubtBatch *batch);

#endif /* FS_DOUBTS_H */
