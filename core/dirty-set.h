/* SPDX-License-Identifier: MIT */
/*
 * The dirty set: which names changed, in the order of their last change.
 *
 * One entry per name, ordered by a clock. A stamp gives the name the next clock
 * and moves it to the newest end, so "what changed after clock C" costs the
 * size of the answer. Nothing is consumed by asking. Past its capacity the set
 * drops its oldest entries and raises its floor: a question from below the
 * floor can not be answered by a list.
 *
 * Clocks are even: each stamp that needs a new one adds 2. An odd clock is the
 * token of an intermediate page (the clock of the last record examined, plus
 * 1). If the question it belongs to is not known any more, flags for it are
 * those for any question: every kind that ever happened, and NEW only for a
 * name that did not exist at any token up to it. See history.c.
 *
 * "Told" is the largest clock that any reply has contained. A name whose last
 * stamp is newer than told has not been seen by anybody: stamping it again adds
 * to its entry and needs no new clock.
 *
 * Threads: everything between dirty_set_lock() and dirty_set_unlock() that ends
 * in _locked; the rest from any thread without it. The lock is a leaf: no other
 * lock is taken and no system call is made under it.
 */
#ifndef CORE_DIRTY_SET_H
#define CORE_DIRTY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/history.h"
#include "core/name-tree.h"
#include <sincefs/protocol.h>

typedef struct DirtySet DirtySet;

/* One remembered change, as seen from the token that was asked about. */
typedef struct {
	uint64_t clock;
	NameNode *node; /* borrowed, while the lock is held */
	uint32_t pid;
	uint32_t uid;
	uint16_t flags; /* SINCEFS_CONTENT and so on */
} DirtyRecord;

#define DIRTY_SET_DEFAULT_CAPACITY ((size_t)1 << 20)

/*
 * @instance: a random number other than 0. @capacity: paths remembered at most,
 * at least 1. NULL when there is no memory.
 */
DirtySet *dirty_set_new(uint64_t instance, size_t capacity);
/* NULL is allowed. */
void dirty_set_free(DirtySet *set);

void dirty_set_lock(DirtySet *set);
void dirty_set_unlock(DirtySet *set);
/* For whoever holds the lock for long: if others wait for it, drop it, give
   them a moment, and take it again. */
void dirty_set_give_way_locked(DirtySet *set);

/* The names of this set; borrowed, guarded by the set's lock. */
NameTree *dirty_set_get_names(DirtySet *set);

/*
 * Stamp the name @node. Call after the change is visible to readers and before
 * the writer is answered.
 *
 * @flags: at least one of SINCEFS_CONTENT, META, TIMES; further
 *   SINCEFS_NEW      the name came into being by this change, and was absent
 *                    just before it: only when that is certain
 *   SINCEFS_GONE     the name is absent after this change
 *   SINCEFS_DIR      it is, or was until now, a directory
 *   SINCEFS_SUBTREE  all names below changed their meaning with it
 *   SINCEFS_SCANNED, SINCEFS_LINKED  as in the protocol
 * Never fails: without memory it does as dirty_set_lose_locked().
 */
void dirty_set_stamp_locked(DirtySet *set, NameNode *node, uint16_t flags,
			    const Writer *by);

/*
 * Say that events were lost: every token handed out until now gets FRESH with
 * reason LOST; later ones are good. What is remembered is dropped.
 */
void dirty_set_lose_locked(DirtySet *set);

/*
 * Up to @n records with a clock above @after, oldest first, with flags as seen
 * from the token @since (<= @after). Looks at no more than @examine slots, of
 * which some may be empty, and adds how many it were to *@examined. Returns how
 * many records were written; *@reached_out is the clock up to which nothing is
 * left out: the set's clock when the end was reached.
 *
 * Tells nothing by itself: what of it goes into a reply has to be told before
 * the lock is dropped, or a change of it that comes next is missed.
 */
size_t dirty_set_collect_locked(DirtySet *set, uint64_t since, uint64_t after,
				DirtyRecord *records, size_t n, size_t examine,
				size_t *examined, uint64_t *reached_out);

/* All records up to @clock are in a reply, or are none of its business. */
void dirty_set_tell_upto_locked(DirtySet *set, uint64_t clock);

/*
 * The same at the end of a page that more will follow, in answer to the token
 * @since: returns the clock of the token that the page carries.
 */
uint64_t dirty_set_tell_page_locked(DirtySet *set, uint64_t since,
				    uint64_t clock);

/*
 * May a token with this clock be answered by a list? 0, or the
 * SINCEFS_REASON_* why not (of FORGOT, LOST, FUTURE).
 */
uint32_t dirty_set_refuse_locked(const DirtySet *set, uint64_t clock);

/* The clock of this moment, which counts as told from now on. */
uint64_t dirty_set_tell_locked(DirtySet *set);

/* The clock, without telling; any thread, no lock, never blocks: for poll. */
uint64_t dirty_set_peek_clock(const DirtySet *set);

uint64_t dirty_set_get_instance(const DirtySet *set);
size_t dirty_set_get_capacity(const DirtySet *set);
uint64_t dirty_set_get_floor_locked(const DirtySet *set);
size_t dirty_set_get_count_locked(const DirtySet *set);

#endif /* CORE_DIRTY_SET_H */
