/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that are held since nothing could open their object again, while
 * somebody may have it open: the object has no name any more, or its mode keeps
 * out the daemon of an ordinary user. (The kernel opens files by itself, so who
 * has what open is not known here.)
 *
 * How long one is held:
 * (1) of an object that has lost its last name: until it is forgotten;
 * (2) of a file whose maker took the rights away, by CREATE itself or before he
 *     closed it (NODE_CREATE_PIN): until he closes it;
 * (3) of another file whose rights were taken away (NODE_MODE_PIN): until it is
 *     forgotten, or a bounded number of others came after it. Then it is still
 *     cached as others are.
 *
 * Guarded by the inode table's lock.
 */
#ifndef FS_PINS_H
#define FS_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "fs/inode-table.h"

#define PINS_MAX 256

typedef struct {
	DescriptorCache *cache; /* borrowed */
	InodeTable *table;      /* borrowed */
	/* Ring of nodeids with a pin of kind (3); may name others too. */
	uint64_t ids[PINS_MAX];
	uint32_t first, count, limit;
} Pins;

/* @table and @cache outlive it. */
void pins_init(Pins *pins, InodeTable *table, DescriptorCache *cache);

/* The mode of @node is about to lock us out: hold @best (borrowed), the best
   that may be opened now. */
void pins_hold_for_mode_locked(Pins *pins, Node *node, Descriptor *best);
/* The maker of @node has closed it. */
void pins_closed_locked(Pins *pins, Node *node);

/*
 * A name of @node is about to go, perhaps the last: what it has is held anyhow
 * until pins_settle_locked(), which gets what this returns.
 */
uint16_t pins_keep_locked(Node *node);
/* @has_names: it can be found by another. */
void pins_settle_locked(Pins *pins, Node *node, uint16_t kept, bool has_names);

#endif /* FS_PINS_H */
