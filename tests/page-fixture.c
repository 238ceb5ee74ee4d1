/* SPDX-License-Identifier: MIT */
#include "tests/page-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Fixture f;
struct sincefs_page question;
struct sincefs_page answer;
size_t size;
PagePlace place;

static const PagePlace root_place = {.tree = 1};

static void set_up(void)
{
	f = fixture_new(100000);
	memset(&question, 0, sizeof question);
	question.signature = SINCEFS_SIGNATURE;
	question.token.instance = FIXTURE_INSTANCE;
	question.token.clock = tell(&f);
	place = root_place;
}

static void tear_down(void)
{
	fixture_free(&f);
}

int ask(void)
{
	memset(&answer, 0xee, sizeof answer);
	return page_answer(f.set, f.trees, &place, &question, &answer, &size);
}

const struct sincefs_record *record(unsigned n)
{
	const unsigned char *at = answer.data;

	if (n >= answer.count)
		return NULL;
	for (; n > 0; n--) {
		const struct sincefs_record *r = (const void *)at;

		at += (sizeof *r + r->length + 1u + 7) & ~7u;
	}
	return (const void *)at;
}

const char *path(unsigned n)
{
	const struct sincefs_record *r = record(n);

	ck_assert_ptr_nonnull(r);
	return (const char *)(r + 1);
}

const char *ask_paths(void)
{
	static char text[SINCEFS_PAGE_SIZE];
	int end = 0;

	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.flags & SINCEFS_FRESH, 0);
	text[0] = '\0';
	for (unsigned i = 0; i < answer.count; i++)
		end += snprintf(text + end, sizeof text - (size_t)end, "%s ",
				path(i));
	return text;
}

void set_names(const char *names, size_t length)
{
	memset(question.names, 0, sizeof question.names);
	memcpy(question.names, names, length);
}

void stamp_many(int n)
{
	for (int i = 0; i < n; i++) {
		char name[40];

		snprintf(name, sizeof name, "d%d/name-%d", i % 10, i);
		stamp(&f, name, C | NEW);
	}
}

char *long_path(size_t length, size_t part)
{
	char *text = malloc(length + 1);

	memset(text, 'x', length);
	for (size_t i = part; i + 1 < length; i += part + 1)
		text[i] = '/';
	text[length] = '\0';
	return text;
}

TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
