/* SPDX-License-Identifier: MIT */
/*
 * What happened to one name: everything that a question from any token may want
 * to know about it, in a fixed number of clocks. Pure arithmetic without order,
 * lock or allocation; dirty-set.c keeps one for each name that changed.
 *
 * The essay and the rules are in history.c.
 */
#ifndef CORE_HISTORY_H
#define CORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <sincefs/protocol.h>

/* Who changes: the process (0: unknown) and its user (UINT32_MAX: unknown). */
typedef struct {
	uint32_t pid;
	uint32_t uid;
} Writer;

/* Kinds that are told by the last clock at which each happened. */
enum {
	HISTORY_CONTENT,
	HISTORY_META,
	HISTORY_TIMES,
	HISTORY_DIR,
	HISTORY_SUBTREE,
	HISTORY_SCANNED,
	HISTORY_LINKED,
	HISTORY_KINDS
};

/* A value: copied freely. */
typedef struct {
	uint64_t last[HISTORY_KINDS]; /* 0: never */
	uint64_t other;               /* (6) */
	uint64_t known_from;          /* (4) */
	uint64_t there_from;          /* (3) */
	uint64_t there_to;
	uint64_t since; /* (2) */
	Writer by;
	bool is_gone;
	bool is_dir;
} History;

/* One change of the name. */
typedef struct {
	uint64_t clock;
	uint64_t previous; /* clock of the change before; 0 for the first */
	uint64_t silent;   /* (5) */
	uint16_t flags;    /* as for dirty_set_stamp_locked() */
	Writer by;
} HistoryChange;

/* Start a history with its first change. */
void history_begin(History *history, const HistoryChange *change);
/* Add a change, with the clock of the last one or a later one. */
void history_add(History *history, const HistoryChange *change);

/*
 * SINCEFS_CONTENT and so on, as seen from the token with the clock @since. An
 * odd one is a token whose original question is not known (7).
 */
uint16_t history_get_flags(const History *history, uint64_t since);

/* Most histories are told by this, the clock of the last change and some bits,
   which are kept apart so that an entry has no gap. */
typedef struct {
	uint64_t known_from;
	uint64_t since;
	Writer by;
} HistoryBrief;

/*
 * If it is true of this one, with @clock as the one of its last change, fill
 * both. history_unpack() makes the same history of them again.
 */
bool history_pack(const History *history, uint64_t clock,
		  HistoryBrief *brief_out, uint16_t *bits_out);
void history_unpack(History *history, uint64_t clock, const HistoryBrief *brief,
		    uint16_t bits);
/* The last clock of SUBTREE in a packed history, 0 if never. */
uint64_t history_packed_subtree(uint64_t clock, uint16_t bits);

#endif /* CORE_HISTORY_H */
