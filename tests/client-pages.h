/* SPDX-License-Identifier: MIT */
/*
 * Pages as a daemon sends them, for the tests of libsincefs. All are about
 * CLIENT_INSTANCE.
 */
#ifndef TESTS_CLIENT_PAGES_H
#define TESTS_CLIENT_PAGES_H

#include <stddef.h>

#include <sincefs/sincefs.h>

#define CLIENT_INSTANCE UINT64_C(0x1122334455667788)

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* The token with this clock. */
struct sincefs_token at(uint64_t clock);

/* An answer without records, whose token has this clock. Data holds garbage, as
   a daemon does not write behind its records. */
struct sincefs_page make_page(uint64_t clock);
struct sincefs_page make_fresh_page(uint64_t clock, uint32_t reason);

/* Append a record with path @path, of which @record tells the length. */
void put_record(struct sincefs_page *page, const struct sincefs_record *record,
		const char *path);
/* The same for a record of tree 1, process 42, user 1000. */
void add_record(struct sincefs_page *page, uint64_t clock, const char *path,
		uint16_t flags);

#endif /* TESTS_CLIENT_PAGES_H */
