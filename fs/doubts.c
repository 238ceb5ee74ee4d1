/* SPDX-License-Identifier: MIT */
#include "fs/doubts.h"

#include <stdlib.h>
#include <string.h>

void doubt_batch_clear(DoubtBatch *batch)
{
	free(batch->ids);
	*batch = (DoubtBatch){.ids = NULL};
}

void doubts_clear(Doubts *doubts)
{
	doubt_batch_clear(&doubts->fresh);
	doubt_batch_clear(&doubts->ripening);
}

bool doubts_are_empty(const Doubts *doubts)
{
	return doubts->fresh.count == 0 && doubts->ripening.count == 0;
}

/* Room for one more. */
static bool grow(DoubtBatch *batch)
{
	uint32_t size = batch->size == 0 ? 64 : batch->size * 2;
	uint64_t *ids;

	if (batch->count < batch->size)
		return true;
	if (size > DOUBTS_MAX)
		return false;
	ids = realloc(batch->ids, size * sizeof(*ids));
	if (ids == NULL)
		return false;
	batch->ids = ids;
	batch->size = size;
	return true;
}

static uint64_t *find_recent(Doubts *doubts, uint64_t id)
{
	uint64_t hash = id * UINT64_C(0x9e3779b97f4a7c15);

	return &doubts->recent[(hash >> 32) % DOUBTS_RECENT];
}

bool doubts_add(Doubts *doubts, uint64_t id, uint64_t now_ns)
{
	uint64_t *recent = find_recent(doubts, id);

	/* The same few inodes over and over: each once in a batch. */
	if (*recent == id)
		return true;
	if (!grow(&doubts->fresh))
		return false;
	if (doubts_are_empty(doubts))
		doubts->due_ns = now_ns + DOUBTS_WAIT_NS;
	*recent = id;
	doubts->fresh.ids[doubts->fresh.count++] = id;
	return true;
}

void doubts_take(Doubts *doubts, uint64_t now_ns, DoubtBatch *batch_out)
{
	*batch_out = (DoubtBatch){.ids = NULL};
	if (doubts_are_empty(doubts) || now_ns < doubts->due_ns)
		return;
	*batch_out = doubts->ripening;
	doubts->ripening = doubts->fresh;
	doubts->fresh = (DoubtBatch){.ids = NULL};
	memset(doubts->recent, 0, sizeof(doubts->recent));
	doubts->due_ns = now_ns + DOUBTS_WAIT_NS;
}
