/* SPDX-License-Identifier: MIT */
/*
 * The history of one name, kept in clocks, and what it says about any token.
 *
 * A question comes with a token T and asks what happened after it. T can be any
 * clock that was ever told, so a flag that is simply set once would be wrong
 * for the tokens behind it. Instead:
 *
 *  1. For each kind of change the clock of its last occurrence is kept: the
 *     kind is in the answer iff that clock is above T. DIR is such a kind
 *     ("was a directory at some change after T"), and also holds if it was one
 *     at the last change.
 *  2. is_gone says whether the name is absent after its last change, and since
 *     is the clock from which on it has been so, there or gone. A name that was
 *     there before its first change is there since 0.
 *  3. Before since it was absent, but for the tokens in [there_from, there_to):
 *     at those it was there, or may have been. One interval has to do: it grows
 *     to cover the next time, and so says "may have been" of the gap between.
 *  4. Of tokens below known_from nothing is known: the name was first stamped
 *     as a new one, and may have been there earlier, with an entry that the set
 *     has dropped meanwhile, or by (5).
 *  5. A name can come and go without a change of its own: when a directory
 *     above it is renamed, which stamps that directory with SUBTREE. silent is
 *     the last clock at which that may have happened, as the set knows it when
 *     a change arrives. Each change says by NEW (absent just before) or its
 *     absence (there just before) where that has led; if it contradicts (2),
 *     the name may have been there at every token in between.
 *  6. other is the last clock at which a process wrote that is not the last
 *     writer: MIXED iff it is above T. An unknown process is never the same as
 *     another.
 *  7. NEW, "the name did not exist at T", is therefore claimed iff
 *         T >= known_from, T outside [there_from, there_to),
 *         and is_gone or T < since.
 *     An odd T stands for an unknown earlier token: every kind that ever
 *     happened is claimed, and NEW only if it is right for every token from the
 *     first clock of all up to T.
 *  8. Changes that nobody was told of in between may carry the same clock, and
 *     then even their order against the changes of other names is lost. That
 *     does no harm: all comparisons are against tokens, and no token lies among
 *     them. Intervals between equal clocks are empty, so a name that comes,
 *     goes and comes within one clock is judged by how it was before.
 *
 * In doubt NEW is clear and every other flag is set.
 */
#include "core/history.h"

/* The first clock of all: the lowest token there can be. */
#define FIRST_CLOCK 2

/* Packed bits. Those of the kinds, GONE and MIXED are the protocol's: the kind
   happened at the one clock, and at no other; MIXED: other is that clock. */
#define PACKED_IS_DIR UINT16_C(0x400)
#define PACKED_WAS_THERE UINT16_C(0x800) /* in [0, since) */

static const uint16_t kind_flags[HISTORY_KINDS] = {
	[HISTORY_CONTENT] = SINCEFS_CONTENT,
	[HISTORY_META] = SINCEFS_META,
	[HISTORY_TIMES] = SINCEFS_TIMES,
	[HISTORY_DIR] = SINCEFS_DIR,
	[HISTORY_SUBTREE] = SINCEFS_SUBTREE,
	[HISTORY_SCANNED] = SINCEFS_SCANNED,
	[HISTORY_LINKED] = SINCEFS_LINKED,
};

static void note_kinds(History *history, const HistoryChange *change)
{
	for (int i = 0; i < HISTORY_KINDS; i++)
		if (change->flags & kind_flags[i])
			history->last[i] = change->clock;
	history->is_dir = (change->flags & SINCEFS_DIR) != 0;
	history->by = change->by;
}

/* The name was, or may have been, there at the tokens from @from on and below
   @to (3). */
static void cover(History *history, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	if (history->there_from >= history->there_to) {
		history->there_from = from;
		history->there_to = to;
		return;
	}
	if (from < history->there_from)
		history->there_from = from;
	if (to > history->there_to)
		history->there_to = to;
}

void history_begin(History *history, const HistoryChange *change)
{
	bool is_new = (change->flags & SINCEFS_NEW) != 0;

	*history = (History){.is_gone = (change->flags & SINCEFS_GONE) != 0};
	note_kinds(history, change);
	if (is_new)
		history->known_from = change->silent; /* (4) */
	else if (history->is_gone)
		cover(history, 0, change->clock);
	if (is_new || history->is_gone)
		history->since = change->clock;
}

/* Absent just before this change. */
static void note_coming(History *history, const HistoryChange *change)
{
	uint64_t until = change->silent;

	/* Recorded as gone, it may have come and gone unseen. Recorded as
	   there, it was so at its previous change and went unseen after that;
	   if no rename explains it, at any time (5). */
	if (!history->is_gone && change->silent <= change->previous)
		until = change->clock;
	cover(history, history->since, until);
	history->since = change->clock;
	history->is_gone = (change->flags & SINCEFS_GONE) != 0;
}

/* There just before this change, absent after it. */
static void note_going(History *history, const HistoryChange *change)
{
	/* If it is recorded as gone, it came back unseen at some time since. */
	cover(history, history->since, change->clock);
	history->since = change->clock;
	history->is_gone = true;
}

void history_add(History *history, const HistoryChange *change)
{
	if (change->by.pid == 0 || change->by.pid != history->by.pid)
		history->other = change->previous;
	note_kinds(history, change);
	if (change->flags & SINCEFS_NEW)
		note_coming(history, change);
	else if (change->flags & SINCEFS_GONE)
		note_going(history, change);
	else
		/* If it is recorded as gone, it may be back ever since. */
		history->is_gone = false;
}

static bool was_absent_at(const History *history, uint64_t token)
{
	if (token < history->known_from)
		return false;
	if (token >= history->there_from && token < history->there_to)
		return false;
	return history->is_gone || token < history->since;
}

/* At all tokens there ever were, up to and with this one? */
static bool was_absent_until(const History *history, uint64_t token)
{
	if (history->known_from > FIRST_CLOCK)
		return false;
	if (history->there_from < history->there_to &&
	    history->there_from <= token)
		return false;
	return history->is_gone || token < history->since;
}

uint16_t history_get_flags(const History *history, uint64_t since)
{
	bool is_odd = since & 1;
	uint64_t after = is_odd ? 0 : since;
	uint16_t flags = 0;

	for (int i = 0; i < HISTORY_KINDS; i++)
		if (history->last[i] > after)
			flags |= kind_flags[i];
	if (history->is_dir)
		flags |= SINCEFS_DIR;
	if (history->is_gone)
		flags |= SINCEFS_GONE;
	if (history->other > after)
		flags |= SINCEFS_MIXED;
	if (is_odd ? was_absent_until(history, since)
		   : was_absent_at(history, since))
		flags |= SINCEFS_NEW;
	return flags;
}

bool history_pack(const History *history, uint64_t clock,
		  HistoryBrief *brief_out, uint16_t *bits_out)
{
	uint16_t bits = 0;

	for (int i = 0; i < HISTORY_KINDS; i++) {
		if (history->last[i] == clock)
			bits |= kind_flags[i];
		else if (history->last[i] != 0)
			return false;
	}
	if (history->other == clock)
		bits |= SINCEFS_MIXED;
	else if (history->other != 0)
		return false;
	if (history->there_from < history->there_to) {
		if (history->there_from != 0 ||
		    history->there_to != history->since)
			return false;
		bits |= PACKED_WAS_THERE;
	}
	if (history->is_gone)
		bits |= SINCEFS_GONE;
	if (history->is_dir)
		bits |= PACKED_IS_DIR;
	*bits_out = bits;
	*brief_out = (HistoryBrief){
		.known_from = history->known_from,
		.since = history->since,
		.by = history->by,
	};
	return true;
}

void history_unpack(History *history, uint64_t clock, const HistoryBrief *brief,
		    uint16_t bits)
{
	*history = (History){
		.other = bits & SINCEFS_MIXED ? clock : 0,
		.known_from = brief->known_from,
		.there_to = bits & PACKED_WAS_THERE ? brief->since : 0,
		.since = brief->since,
		.by = brief->by,
		.is_gone = (bits & SINCEFS_GONE) != 0,
		.is_dir = (bits & PACKED_IS_DIR) != 0,
	};
	for (int i = 0; i < HISTORY_KINDS; i++)
		if (bits & kind_flags[i])
			history->last[i] = clock;
}

uint64_t history_packed_subtree(uint64_t clock, uint16_t bits)
{
	return bits & SINCEFS_SUBTREE ? clock : 0;
}
