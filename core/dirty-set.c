/* SPDX-License-Identifier: MIT */
/*
 * The dirty set: one entry for each name that changed, in the order of the last
 * change of each.
 *
 *  1. The clock starts at FIRST_CLOCK and grows by 2 with each stamp that needs
 *     a new one. It is never reused, so it orders the entries, and no two have
 *     the same. A change that returned before a token was made has a clock not
 *     above that token.
 *  2. "Told" is the largest clock in any reply, and not above the clock. An
 *     entry above told is in nobody's answer yet: whoever asks next finds it
 *     there with all that is added to it, so a stamp of it needs no new clock.
 *     An entry at or below told is moved to the newest end with a new clock,
 *     above every token there is.
 *  3. From 1 and 2: the names changed after a token T are exactly those with a
 *     clock above T. Which changes are reported of them is history.c's.
 *  4. What is not remembered is said: an entry is dropped (the oldest, beyond
 *     capacity) only with the floor raised to its clock, and a token below the
 *     floor is refused. A token at the floor is good: what was dropped is not
 *     above it.
 *  5. Lost events take a clock of their own, and put the floor between the one
 *     before and that one: all earlier tokens are refused and later ones good.
 *     lost_floor remembers that this was the reason.
 *  6. An entry holds a reference to its node, and the node points back. After a
 *     loss the entries are dead but still hang on their nodes, in a grave of
 *     which each stamp clears a few: a million of them are not freed under the
 *     lock at once. Whoever gets an entry from a node asks whether it is dead.
 *  7. For a name's history, "silent" is what may have happened to it without a
 *     stamp of its own: everything before the floor, and any rename of a
 *     directory above it, which is the newest SUBTREE among its ancestors.
 *  8. Without memory for what a stamp needs, events are lost (5).
 *
 * Most entries have changed once or in one way, and are kept packed: see
 * history_pack(). Others own a History.
 */
#include "core/dirty-set.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/question-log.h"
#include "core/recency.h"

#define FIRST_CLOCK 2

/* Dead entries freed with each stamp, and when there is no memory. */
#define CLEAR_SOME 8
#define CLEAR_MANY 4096

/* How often others that wait are looked for; each costs about half a
   microsecond when they sleep. */
#define GIVE_WAY_TRIES 100

typedef struct {
	RecencyItem item;   /* first: an item is an entry */
	NameNode *node;     /* referenced (6) */
	History *history;   /* owned; NULL: packed, */
	HistoryBrief brief; /* in here and in the item's bits */
} Entry;

struct DirtySet {
	uint64_t instance; /* immutable after new */
	size_t capacity;   /* immutable after new */

	/* Written under the lock, read by anybody. */
	_Atomic uint64_t clock;
	/* Threads that wait for the lock; a hint. */
	_Atomic unsigned waiting;

	pthread_mutex_t lock; /* guards all that follows */
	uint64_t told;
	uint64_t floor;
	uint64_t lost_floor; /* 0: nothing was ever lost */
	Recency order;
	RecencyGrave grave; /* (6) */
	QuestionLog questions;
	NameTree *names; /* owned */
};

DirtySet *dirty_set_new(uint64_t instance, size_t capacity)
{
	DirtySet *set = calloc(1, sizeof *set);

	if (set == NULL)
		return NULL;
	set->names = name_tree_new();
	if (set->names == NULL) {
		free(set);
		return NULL;
	}
	pthread_mutex_init(&set->lock, NULL);
	set->instance = instance;
	set->capacity = capacity > 0 ? capacity : 1;
	atomic_init(&set->clock, FIRST_CLOCK);
	set->floor = FIRST_CLOCK;
	return set;
}

/* Free what hangs on a node and is in no order any more. */
static void free_entry(DirtySet *set, Entry *entry)
{
	name_node_set_entry(entry->node, NULL);
	name_node_unref(set->names, entry->node);
	free(entry->history);
	free(entry);
}

static void clear_grave(DirtySet *set, size_t n)
{
	while (n-- > 0) {
		RecencyItem *item = recency_exhume(&set->grave);

		if (item == NULL)
			break;
		free_entry(set, (Entry *)item);
	}
}

void dirty_set_free(DirtySet *set)
{
	if (set == NULL)
		return;
	recency_bury(&set->order, &set->grave);
	clear_grave(set, SIZE_MAX);
	recency_clear(&set->order);
	name_tree_free(set->names);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

void dirty_set_lock(DirtySet *set)
{
	if (pthread_mutex_trylock(&set->lock) == 0)
		return;
	atomic_fetch_add_explicit(&set->waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&set->lock);
	atomic_fetch_sub_explicit(&set->waiting, 1, memory_order_relaxed);
}

void dirty_set_unlock(DirtySet *set)
{
	pthread_mutex_unlock(&set->lock);
}

/* A mutex goes to whoever asks first, and that is the thread that has just
   dropped it, long before one that has to be woken. */
void dirty_set_give_way_locked(DirtySet *set)
{
	unsigned waiting =
		atomic_load_explicit(&set->waiting, memory_order_relaxed);

	if (waiting == 0)
		return;
	pthread_mutex_unlock(&set->lock);
	for (int i = 0; i < GIVE_WAY_TRIES; i++) {
		sched_yield();
		if (atomic_load_explicit(&set->waiting, memory_order_relaxed) <
		    waiting)
			break;
	}
	dirty_set_lock(set);
}

NameTree *dirty_set_get_names(DirtySet *set)
{
	return set->names;
}

static uint64_t get_clock(const DirtySet *set)
{
	return atomic_load_explicit(&set->clock, memory_order_relaxed);
}

static uint64_t tick(DirtySet *set)
{
	uint64_t clock = get_clock(set) + 2;

	atomic_store_explicit(&set->clock, clock, memory_order_release);
	return clock;
}

/* The node's entry, NULL when it has none that lives (6). */
static Entry *get_entry(const NameNode *node)
{
	Entry *entry = name_node_get_entry(node);

	if (entry != NULL && recency_is_buried(&entry->item))
		return NULL;
	return entry;
}

static void load_history(const Entry *entry, uint64_t clock,
			 History *history_out)
{
	if (entry->history != NULL)
		*history_out = *entry->history;
	else
		history_unpack(history_out, clock, &entry->brief,
			       entry->item.bits);
}

/* False without memory. */
static bool store_history(Entry *entry, uint64_t clock, const History *history)
{
	if (history_pack(history, clock, &entry->brief, &entry->item.bits)) {
		free(entry->history);
		entry->history = NULL;
		return true;
	}
	if (entry->history == NULL)
		entry->history = malloc(sizeof *entry->history);
	if (entry->history == NULL)
		return false;
	*entry->history = *history;
	return true;
}

/* (7) */
static uint64_t find_silent(const DirtySet *set, const NameNode *node)
{
	uint64_t silent = set->floor;

	while ((node = name_node_get_parent(node)) != NULL) {
		const Entry *entry = get_entry(node);
		uint64_t subtree;

		if (entry == NULL)
			continue;
		if (entry->history != NULL)
			subtree = entry->history->last[HISTORY_SUBTREE];
		else
			subtree = history_packed_subtree(
				recency_get_clock(&entry->item),
				entry->item.bits);
		if (subtree > silent)
			silent = subtree;
	}
	return silent;
}

/* (4) */
static void drop_oldest(DirtySet *set)
{
	Entry *entry = (Entry *)recency_get_oldest(&set->order);
	uint64_t clock = recency_get_clock(&entry->item);

	if (clock > set->floor)
		set->floor = clock;
	recency_remove(&set->order, &entry->item);
	free_entry(set, entry);
}

/* Give @node its first entry. False without memory. */
static bool add_entry(DirtySet *set, NameNode *node, HistoryChange *change)
{
	Entry *entry = name_node_get_entry(node);
	History history;

	if (entry != NULL) { /* a dead one */
		recency_exhume_item(&entry->item);
		free_entry(set, entry);
	}
	entry = calloc(1, sizeof *entry);
	if (entry == NULL)
		return false;
	change->clock = get_clock(set) + 2;
	if (!recency_append(&set->order, &entry->item, change->clock)) {
		free(entry);
		return false;
	}
	tick(set);
	entry->node = name_node_ref(node);
	name_node_set_entry(node, entry);
	history_begin(&history, change);
	return store_history(entry, change->clock, &history);
}

/* Add to the entry that a name has (2). False without memory. */
static bool add_to_entry(DirtySet *set, Entry *entry, HistoryChange *change)
{
	History history;

	change->previous = recency_get_clock(&entry->item);
	change->clock = change->previous;
	load_history(entry, change->previous, &history);
	if (change->previous <= set->told) {
		change->clock = get_clock(set) + 2;
		recency_remove(&set->order, &entry->item);
		if (!recency_append(&set->order, &entry->item, change->clock)) {
			free_entry(set, entry);
			return false;
		}
		tick(set);
	}
	history_add(&history, change);
	return store_history(entry, change->clock, &history);
}

void dirty_set_stamp_locked(DirtySet *set, NameNode *node, uint16_t flags,
			    const Writer *by)
{
	HistoryChange change = {.flags = flags, .by = *by};
	Entry *entry = get_entry(node);
	bool done;

	clear_grave(set, CLEAR_SOME);
	if (flags & SINCEFS_NEW)
		change.silent = find_silent(set, node);
	if (entry != NULL)
		done = add_to_entry(set, entry, &change);
	else
		done = add_entry(set, node, &change);
	if (!done) { /* (8) */
		dirty_set_lose_locked(set);
		clear_grave(set, CLEAR_MANY);
	}
	while (recency_get_count(&set->order) > set->capacity)
		drop_oldest(set);
}

void dirty_set_lose_locked(DirtySet *set)
{
	set->floor = set->lost_floor = get_clock(set) + 1;
	tick(set);
	recency_bury(&set->order, &set->grave);
}

size_t dirty_set_collect_locked(DirtySet *set, uint64_t since, uint64_t after,
				DirtyRecord *records, size_t n, size_t examine,
				size_t *examined, uint64_t *reached_out)
{
	RecencyCursor cursor = recency_find_after(&set->order, after);
	uint64_t question = question_log_find(&set->questions, since);
	uint64_t clock = after;
	RecencyItem *item;
	size_t found = 0;

	while (found < n && examine > 0) {
		History history;
		Entry *entry;

		if (!recency_step(&set->order, &cursor, &item, &clock))
			break;
		examine--;
		++*examined;
		if (item == NULL)
			continue;
		entry = (Entry *)item;
		load_history(entry, clock, &history);
		records[found++] = (DirtyRecord){
			.clock = clock,
			.node = entry->node,
			.pid = history.by.pid,
			.uid = history.by.uid,
			.flags = history_get_flags(&history, question),
		};
	}
	*reached_out = clock;
	if (!recency_step(&set->order, &cursor, &item, &clock))
		*reached_out = get_clock(set);
	return found;
}

void dirty_set_tell_upto_locked(DirtySet *set, uint64_t clock)
{
	if (clock > set->told)
		set->told = clock;
}

uint64_t dirty_set_tell_page_locked(DirtySet *set, uint64_t since,
				    uint64_t clock)
{
	uint64_t token = clock | 1;

	dirty_set_tell_upto_locked(set, token);
	question_log_note(&set->questions, token,
			  question_log_find(&set->questions, since));
	return token;
}

uint32_t dirty_set_refuse_locked(const DirtySet *set, uint64_t clock)
{
	if (clock > get_clock(set))
		return SINCEFS_REASON_FUTURE;
	if (clock < set->lost_floor)
		return SINCEFS_REASON_LOST;
	if (clock < set->floor)
		return SINCEFS_REASON_FORGOT;
	return 0;
}

uint64_t dirty_set_tell_locked(DirtySet *set)
{
	return set->told = get_clock(set);
}

uint64_t dirty_set_peek_clock(const DirtySet *set)
{
	return atomic_load_explicit(&set->clock, memory_order_acquire);
}

uint64_t dirty_set_get_instance(const DirtySet *set)
{
	return set->instance;
}

size_t dirty_set_get_capacity(const DirtySet *set)
{
	return set->capacity;
}

uint64_t dirty_set_get_floor_locked(const DirtySet *set)
{
	return set->floor;
}

size_t dirty_set_get_count_locked(const DirtySet *set)
{
	return recency_get_count(&set->order);
}
