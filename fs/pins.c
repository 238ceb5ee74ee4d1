/* SPDX-License-Identifier: MIT */
#include "fs/pins.h"

#include <string.h>

#define KINDS ((uint16_t)(NODE_CREATE_PIN | NODE_MODE_PIN))

void pins_init(Pins *pins, InodeTable *table, DescriptorCache *cache)
{
	memset(pins, 0, sizeof(*pins));
	pins->table = table;
	pins->cache = cache;
	/* Most of the budget is for what is being worked on. */
	pins->limit = cache->budget / 4 < PINS_MAX
			      ? (uint32_t)(cache->budget / 4)
			      : PINS_MAX;
	if (pins->limit == 0)
		pins->limit = 1;
}

static void let_go(Pins *pins, Node *node)
{
	Descriptor *pin = node->pin;

	node->flags &= (uint16_t)~KINDS;
	node->pin = NULL;
	if (pin == NULL)
		return;
	if (!pin->write_only)
		descriptors_cache_locked(pins->cache, &node->cached, pin);
	descriptor_unref_locked(pins->cache, pin);
}

/* (3) */
static void hold_bounded(Pins *pins, Node *node)
{
	uint32_t place;

	if (pins->count == pins->limit) {
		Node *old = inode_table_get_locked(pins->table,
						   pins->ids[pins->first]);

		if (old != NULL && (old->flags & NODE_MODE_PIN))
			let_go(pins, old);
		pins->first = (pins->first + 1) % pins->limit;
		pins->count--;
	}
	place = (pins->first + pins->count) % pins->limit;
	pins->ids[place] = node_get_id(node);
	pins->count++;
	node->flags |= NODE_MODE_PIN;
}

void pins_hold_for_mode_locked(Pins *pins, Node *node, Descriptor *best)
{
	bool lasts = node->pin != NULL && !(node->flags & KINDS); /* (1) */

	if (node->pin == NULL || node->pin->kind < best->kind) {
		descriptor_ref_locked(best);
		descriptor_unref_locked(pins->cache, node->pin);
		node->pin = best;
	}
	if (lasts || (node->flags & KINDS))
		return;
	if (node->creates > 0)
		node->flags |= NODE_CREATE_PIN;
	else
		hold_bounded(pins, node);
}

void pins_closed_locked(Pins *pins, Node *node)
{
	if (node->flags & NODE_CREATE_PIN)
		let_go(pins, node);
}

uint16_t pins_keep_locked(Node *node)
{
	uint16_t kept = node->flags & KINDS;

	node->flags &= (uint16_t)~KINDS;
	return kept;
}

void pins_settle_locked(Pins *pins, Node *node, uint16_t kept, bool has_names)
{
	if (!has_names || node->pin == NULL)
		return;
	if (kept & NODE_MODE_PIN) {
		hold_bounded(pins, node);
	} else if (kept & NODE_CREATE_PIN) {
		node->flags |= NODE_CREATE_PIN;
		if (node->creates == 0)
			let_go(pins, node);
	} else if (node->pin->kind == DESCRIPTOR_PATH) {
		descriptor_unref_locked(pins->cache, node->pin);
		node->pin = NULL;
	}
}
