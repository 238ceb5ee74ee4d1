/* SPDX-License-Identifier: MIT */
/*
 * What is told to the kernel unasked, from a thread that answers no request:
 * told from within a request on the same inode it could deadlock.
 */
#ifndef FS_NOTIFIER_H
#define FS_NOTIFIER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/doubts.h"

typedef struct Fs Fs;
struct Control;

typedef struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	pthread_cond_t gone; /* the thread has ended */
	bool running, stop, ended, clock_moved;
	struct NotifierItem *first, *last; /* to be told; owned */
	Doubts doubts;                     /* inodes whose attributes are */
	/* Controls with somebody to wake; guarded by the table's lock. */
	struct Control *waiting;
	_Atomic uint32_t waiting_count;
} Notifier;

void notifier_init(Notifier *notifier);
/* 0 or -errno. */
int notifier_start(Notifier *notifier, Fs *fs);
/* False when the kernel still holds it after @patience_ms: what it was told may
   wait for a request that nobody answers. Then leave everything as it is. */
bool notifier_stop(Notifier *notifier, unsigned patience_ms);
void notifier_clear(Notifier *notifier);

/* The clock has moved: wake who polls for it. Costs next to nothing when nobody
   does. Any thread, no lock held. */
void notifier_clock_moved(Notifier *notifier);

/* Have the kernel drop what it knows of the attributes of @id, and of @bytes of
   its contents from @begin on (0: all that follow). */
void notifier_invalidate(Notifier *notifier, uint64_t id, off_t begin,
			 off_t bytes);

/*
 * Have the kernel ask for the attributes of @id again, a moment later. For what
 * it is told by an answer, and whoever asked for attributes just before may not
 * have noted his, older, answer yet: write(2) is safe from that in the kernel;
 * flushes, fallocate, extended attributes and what changes a directory are not,
 * and the older would be kept for ever.
 */
void notifier_doubt_attributes(Notifier *notifier, uint64_t id);

/* Have the kernel drop the name @name in directory @parent, and what it knows
   of the file unless that is in use. Any thread, any lock of this room held. */
void notifier_drop_name(Notifier *notifier, uint64_t parent, const char *name);

/* Put @control among those with somebody to wake, or take it out; under the
   inode table's lock. */
void notifier_list_locked(Notifier *notifier, struct Control *control);
void notifier_unlist_locked(Notifier *notifier, struct Control *control);

#endif /* FS_NOTIFIER_H */
