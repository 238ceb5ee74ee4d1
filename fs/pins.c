/* SPDX-License-Identifier: MIT */
#include "fs/pins.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/notifier.h"

/* Pins to look at each time that one more is added: more than one, so that a
   queue that has grown shrinks. */
#define LOOK_AT 4

int pins_check(Fs *fs)
{
	bool room;

	inode_table_lock(fs->table);
	room = fs->cache.pinned + DESCRIPTORS_SPARE < fs->cache.budget;
	inode_table_unlock(fs->table);
	return room ? 0 : -ENFILE;
}

static bool queue_push_locked(PinQueue *queue, uint64_t id)
{
	if (queue->count == queue->size) {
		uint32_t size = queue->size ? queue->size * 2 : 64;
		uint64_t *ids = malloc(size * sizeof(*ids));

		if (ids == NULL)
			return false;
		for (uint32_t i = 0; i < queue->count; i++)
			ids[i] = queue->ids[(queue->first + i) % queue->size];
		free(queue->ids);
		queue->ids = ids;
		queue->size = size;
		queue->first = 0;
	}
	queue->ids[(queue->first + queue->count++) % queue->size] = id;
	return true;
}

static uint64_t queue_pop_locked(PinQueue *queue)
{
	uint64_t id = queue->ids[queue->first];

	queue->first = (queue->first + 1) % queue->size;
	queue->count--;
	return id;
}

void pins_add_locked(Fs *fs, Node *node, Descriptor *descriptor)
{
	if (node->pin != NULL && node->pin->kind >= descriptor->kind)
		return;
	if (node->pin != NULL) {
		descriptor_unref_locked(&fs->cache, node->pin);
	} else {
		/* Without memory for the queue it is just held for longer. */
		queue_push_locked(&fs->pins, node_get_id(node));
		fs->cache.pinned++;
	}
	node->pin = descriptor_ref_locked(descriptor);
}

void pins_relieve(Fs *fs)
{
	PinQueue *queue = &fs->pins;

	inode_table_lock(fs->table);
	for (uint32_t i = 0; i < LOOK_AT && queue->count > 0 &&
			     (fs->cache.pinned > fs->cache.budget / 4 ||
			      queue->count > 2 * fs->cache.pinned);
	     i++) {
		uint64_t id = queue_pop_locked(queue);
		Node *node = inode_table_get_locked(fs->table, id);

		if (node == NULL || node->pin == NULL)
			continue;
		for (const Link *link = node->links; link != NULL;
		     link = link->next) {
			const Node *dir =
				inode_table_at_locked(fs->table, link->parent);

			notifier_drop_name(&fs->notifier, node_get_id(dir),
					   link->name);
		}
		queue_push_locked(queue, id);
	}
	inode_table_unlock(fs->table);
}
