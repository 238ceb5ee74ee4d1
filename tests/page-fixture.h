/* SPDX-License-Identifier: MIT */
/*
 * One question and its answer, on a set of its own: for the tests of the page.
 */
#ifndef TESTS_PAGE_FIXTURE_H
#define TESTS_PAGE_FIXTURE_H

#include <check.h>

#include "core/page.h"
#include "tests/set-fixture.h"

extern Fixture f;
extern struct sincefs_page question; /* about all since the start */
extern struct sincefs_page answer;
extern size_t size;
extern PagePlace place; /* the root of tree 1 */

/* The longest path that a page has room for. */
#define LONGEST ((size_t)SINCEFS_PAGE_DATA_SIZE - 25)

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* A case whose tests begin with all of this new. */
TCase *add_case(Suite *suite, const char *name);
int run_suite(Suite *suite);

int ask(void);
/* Ask, and get the paths of one page in one string, each with a blank behind
   it; static storage. */
const char *ask_paths(void);
/* Record number @n of the answer; NULL behind the last. */
const struct sincefs_record *record(unsigned n);
const char *path(unsigned n);

void set_names(const char *names, size_t length);
/* New names d0/name-0, d1/name-1 and so on. */
void stamp_many(int n);
/* A path of that length of parts of that length; freed with free(). */
char *long_path(size_t length, size_t part);

#endif /* TESTS_PAGE_FIXTURE_H */
