/* SPDX-License-Identifier: MIT */
/*
 * Open descriptors of the tree below, at most one cached for each node.
 *
 * A descriptor a file is more than a process may have, so descriptors are kept
 * by recency within a budget and closed when others need the room. Some are
 * pinned: nothing could open their object again (it has no name any more, or
 * its mode no longer allows it).
 *
 * Guarded by the inode table's lock, but for the descriptor numbers themselves:
 * whoever holds a reference may use the number without it. Nothing is closed
 * under the lock: closing can block. Descriptors that are done with are put
 * aside, and descriptors_sweep() closes them.
 */
#ifndef FS_DESCRIPTORS_H
#define FS_DESCRIPTORS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a descriptor can do; each can do what the ones before it can. */
typedef enum {
	DESCRIPTOR_PATH,  /* O_PATH: name the object, stat, *at calls */
	DESCRIPTOR_READ,  /* O_RDONLY */
	DESCRIPTOR_WRITE, /* O_RDWR, or O_WRONLY where that alone is allowed */
} DescriptorKind;

typedef struct Descriptor Descriptor;
struct Descriptor {
	int fd;              /* immutable */
	DescriptorKind kind; /* immutable */
	bool write_only;     /* of kind WRITE, but not for reading */
	uint32_t refs;       /* users; the cache and a pin have one each */
	Descriptor **slot;   /* where it is cached, or NULL */
	Descriptor *newer, *older;
};

typedef struct {
	size_t budget;     /* open at most, but for what is in use */
	size_t open;       /* open now */
	size_t pinned;     /* nodes with a pin, by whose owner it is kept */
	bool keep_nothing; /* for tests: close as soon as unused */
	Descriptor *newest, *oldest;
	Descriptor *done; /* to be closed, linked by older */
} DescriptorCache;

/* Of the budget, what pins leave to the cache. */
#define DESCRIPTORS_SPARE 32

void descriptors_init(DescriptorCache *cache, size_t budget, bool keep_nothing);

/* Takes @fd (the caller closes it on failure). The caller has one reference.
   NULL: no memory. */
Descriptor *descriptor_new_locked(DescriptorCache *cache, int fd,
				  DescriptorKind kind);
Descriptor *descriptor_ref_locked(Descriptor *descriptor);
/* Is it good for @kind? */
bool descriptor_can(const Descriptor *descriptor, DescriptorKind kind);
/* NULL is allowed. */
void descriptor_unref_locked(DescriptorCache *cache, Descriptor *descriptor);

/*
 * Let *@slot, a node's cached descriptor, be @descriptor (borrowed) and the
 * most recently used one. One in the slot that can do as much already stays.
 * Makes room by dropping the least recently used.
 */
void descriptors_cache_locked(DescriptorCache *cache, Descriptor **slot,
			      Descriptor *descriptor);
/* It was used just now. */
void descriptors_touch_locked(DescriptorCache *cache, Descriptor *descriptor);
/* Empty *@slot; NULL in it is allowed. */
void descriptors_uncache_locked(DescriptorCache *cache, Descriptor **slot);
/* Drop the least recently used until at most @n are open, as far as nothing
   else holds them. */
void descriptors_shed_locked(DescriptorCache *cache, size_t n);

/* The list of what is to be closed, for descriptors_close() after unlocking;
   often NULL. */
Descriptor *descriptors_take_done_locked(DescriptorCache *cache);
void descriptors_close(Descriptor *done);

#endif /* FS_DESCRIPTORS_H */
