/* SPDX-License-Identifier: MIT */
/*
 * Stories and what a client must be told about them: a tree as it is at first,
 * steps, and for tokens taken before, between and after the steps the records
 * that the answer at the end consists of. Every row of the protocol's table of
 * operations is here, alone and together with what changes its meaning.
 *
 * The same table is told to a fake tree in memory and to a real mount, so that
 * the fake is held against the real thing.
 */
#ifndef TESTS_FAKE_CASES_H
#define TESTS_FAKE_CASES_H

#include <stdint.h>

#include <sincefs/protocol.h>

#include "tests/fake/fake-entry.h"

#define FAKE_CASE_STEPS 6
#define FAKE_CASE_EXPECTS 12

/*
 * A record of the final answer. Token number n is taken before step n (from 0);
 * the last one after the last step. A path that no row names for a token must
 * not be in the answer for that token.
 */
typedef struct {
	uint8_t from, to; /* the tokens that this row is for, both included */
	const char *path; /* NULL ends the rows */
	uint16_t need;    /* flags that must be set; 0: the record may be left
			     out */
	uint16_t never;   /* flags that must not be set */
} FakeExpect;

typedef struct {
	const char *name; /* a sentence; NULL ends the table */
	const FakeEntry *setup;
	FakeStep steps[FAKE_CASE_STEPS + 1];
	FakeExpect expect[FAKE_CASE_EXPECTS + 1];
} FakeCase;

extern const FakeCase fake_cases[];

unsigned fake_case_count_steps(const FakeCase *fake_case);

/* One record of an answer, for fake_case_check(). */
typedef struct {
	const char *path; /* borrowed */
	uint16_t flags;
} FakeRecord;

/*
 * Is this the whole answer for token number @token? NULL when it is, else what
 * is wrong as text, to be freed with g_free().
 */
char *fake_case_check(const FakeCase *fake_case, unsigned token,
		      const FakeRecord *records, size_t count);

#endif /* TESTS_FAKE_CASES_H */
