/* SPDX-License-Identifier: MIT */
/*
 * libsincefs: many pages are one answer, in which each name stands once. The
 * daemon is a function.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/client/answer-internal.h"
#include "tests/client-pages.h"

/* An answer that no function may have touched. */
#define UNTOUCHED ((struct sincefs_answer *)&untouched)
static char untouched;

/* A daemon that answers with the pages it was given, in this order. */

#define DAEMON_PAGES 8

typedef struct {
	struct sincefs_page pages[DAEMON_PAGES];
	int results[DAEMON_PAGES];
	struct sincefs_page asked[DAEMON_PAGES];
	size_t n_pages, n_asked;
} Daemon;

static int ask_daemon(void *data, struct sincefs_page *page)
{
	Daemon *daemon = data;
	size_t i = daemon->n_asked++;

	ck_assert_uint_lt(i, daemon->n_pages);
	daemon->asked[i] = *page;
	if (daemon->results[i] == 0)
		*page = daemon->pages[i];
	else
		memset(page, 0xff, sizeof(*page));
	return daemon->results[i];
}

static struct sincefs_page *next_page(Daemon *daemon, uint64_t clock,
				      uint32_t flags)
{
	struct sincefs_page *page = &daemon->pages[daemon->n_pages++];

	ck_assert_uint_le(daemon->n_pages, DAEMON_PAGES);
	*page = make_page(clock);
	page->flags = flags;
	/* What a daemon may leave in the fields that only go in. */
	page->tree = 77;
	page->mask = UINT32_MAX;
	memset(page->names, 'x', sizeof(page->names));
	return page;
}

static int collect(Daemon *daemon, const struct sincefs_filter *filter,
		   struct sincefs_answer **answer_out)
{
	struct sincefs_token since = at(10);

	return sincefs_collect(ask_daemon, daemon, &since, filter, answer_out);
}

/* The answer of a daemon that must have been asked for all its pages. */
static struct sincefs_answer *must_collect(Daemon *daemon)
{
	struct sincefs_answer *answer = NULL;

	ck_assert_int_eq(collect(daemon, NULL, &answer), 0);
	ck_assert_ptr_nonnull(answer);
	ck_assert_uint_eq(daemon->n_asked, daemon->n_pages);
	return answer;
}

static struct sincefs_change get(const struct sincefs_answer *answer,
				 size_t index)
{
	struct sincefs_change change;

	ck_assert_int_eq(sincefs_answer_get(answer, index, &change), 0);
	ck_assert_uint_eq(strlen(change.path), change.length);
	return change;
}

static uint64_t clock_of(const struct sincefs_answer *answer)
{
	struct sincefs_token token;

	sincefs_answer_token(answer, &token);
	ck_assert_uint_eq(token.instance, CLIENT_INSTANCE);
	return token.clock;
}

static Daemon *make_daemon(void)
{
	Daemon *daemon = calloc(1, sizeof(*daemon));

	ck_assert_ptr_nonnull(daemon);
	return daemon;
}

START_TEST(test_answer_holds_what_the_page_says)
{
	Daemon *daemon = make_daemon();
	struct sincefs_page *page = next_page(daemon, 20, 0);
	struct sincefs_record record = {
		.clock = 12,
		.tree = 3,
		.pid = 4321,
		.uid = UINT32_MAX,
		.flags = SINCEFS_CONTENT | SINCEFS_SCANNED,
		.length = 8,
	};

	put_record(page, &record, "dir/\xff\n.x");
	add_record(page, 14, ".", SINCEFS_META | SINCEFS_DIR);

	struct sincefs_answer *answer = must_collect(daemon);
	struct sincefs_change change = get(answer, 0);

	ck_assert_int_eq(sincefs_answer_is_fresh(answer), 0);
	ck_assert_uint_eq(sincefs_answer_reason(answer), 0);
	ck_assert_uint_eq(clock_of(answer), 20);
	ck_assert_uint_eq(sincefs_answer_count(answer), 2);
	ck_assert_uint_eq(change.clock, 12);
	ck_assert_uint_eq(change.tree, 3);
	ck_assert_uint_eq(change.pid, 4321);
	ck_assert_uint_eq(change.uid, UINT32_MAX);
	ck_assert_uint_eq(change.flags, SINCEFS_CONTENT | SINCEFS_SCANNED);
	ck_assert_str_eq(change.path, "dir/\xff\n.x");
	ck_assert_str_eq(get(answer, 1).path, ".");

	memset(&change, 0x5a, sizeof(change));
	struct sincefs_change before = change;

	ck_assert_int_eq(sincefs_answer_get(answer, 2, &change), -ERANGE);
	ck_assert_int_eq(sincefs_answer_get(answer, SIZE_MAX, &change),
			 -ERANGE);
	ck_assert_mem_eq(&change, &before, sizeof(change));
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_nothing_changed_is_an_empty_answer)
{
	Daemon *daemon = make_daemon();

	next_page(daemon, 10, 0);

	struct sincefs_answer *answer = must_collect(daemon);
	struct sincefs_change change;

	ck_assert_uint_eq(sincefs_answer_count(answer), 0);
	ck_assert_int_eq(sincefs_answer_is_fresh(answer), 0);
	ck_assert_uint_eq(clock_of(answer), 10);
	ck_assert_int_eq(sincefs_answer_get(answer, 0, &change), -ERANGE);
	sincefs_answer_free(answer);
	sincefs_answer_free(NULL);
	free(daemon);
}
END_TEST

START_TEST(test_pages_are_joined_in_order)
{
	Daemon *daemon = make_daemon();
	struct sincefs_page *page = next_page(daemon, 15, SINCEFS_MORE);

	add_record(page, 12, "a", SINCEFS_CONTENT);
	add_record(page, 14, "b", SINCEFS_CONTENT);
	next_page(daemon, 101, SINCEFS_MORE); /* a filter hid all of it */
	add_record(next_page(daemon, 103, SINCEFS_MORE), 102, "c",
		   SINCEFS_CONTENT);
	add_record(next_page(daemon, 200, 0), 150, "d", SINCEFS_CONTENT);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_uint_eq(sincefs_answer_count(answer), 4);
	for (size_t i = 0; i < 4; i++) {
		const char name[] = {(char)('a' + i), '\0'};

		ck_assert_str_eq(get(answer, i).path, name);
	}
	ck_assert_uint_eq(clock_of(answer), 200);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_every_page_is_asked_with_the_same_filter)
{
	const struct sincefs_filter filter = {
		.flags = SINCEFS_FILTER_BELOW | SINCEFS_FILTER_NO_SYNC,
		.tree = 1,
		.mask = SINCEFS_CONTENT | SINCEFS_TIMES,
		.names = "*.py\0*.toml",
		.names_bytes = 11,
	};
	const uint64_t clocks[] = {10, 15, 21};
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer;

	next_page(daemon, 15, SINCEFS_MORE);
	next_page(daemon, 21, SINCEFS_MORE);
	next_page(daemon, 22, 0);
	ck_assert_int_eq(collect(daemon, &filter, &answer), 0);
	ck_assert_uint_eq(daemon->n_asked, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct sincefs_page *asked = &daemon->asked[i];
		static const char names[SINCEFS_NAMES_SIZE] = "*.py\0*.toml";

		ck_assert_uint_eq(asked->signature, SINCEFS_SIGNATURE);
		ck_assert_uint_eq(asked->flags, SINCEFS_BELOW);
		ck_assert_uint_eq(asked->token.instance, CLIENT_INSTANCE);
		ck_assert_uint_eq(asked->token.clock, clocks[i]);
		ck_assert_uint_eq(asked->tree, 1);
		ck_assert_uint_eq(asked->mask, SINCEFS_CONTENT | SINCEFS_TIMES);
		ck_assert_mem_eq(asked->names, names, sizeof(names));
		ck_assert_uint_eq(asked->count, 0);
		ck_assert_uint_eq(asked->bytes, 0);
		ck_assert_uint_eq(asked->reason, 0);
		ck_assert_uint_eq(asked->zero32, 0);
		ck_assert_uint_eq(asked->zero[0], 0);
		ck_assert_uint_eq(asked->zero[1], 0);
	}
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_question_holds_nothing_from_memory)
{
	static const unsigned char zeros[SINCEFS_PAGE_DATA_SIZE];
	Daemon *daemon = make_daemon();

	next_page(daemon, 10, 0);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_mem_eq(daemon->asked[0].data, zeros, sizeof(zeros));
	ck_assert_mem_eq(daemon->asked[0].names, zeros,
			 sizeof(daemon->asked[0].names));
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

static const struct sincefs_filter bad_filters[] = {
	{.flags = 0x4},
	{.flags = UINT32_MAX},
	{.mask = SINCEFS_GONE},
	{.mask = SINCEFS_CONTENT | 0x10000},
	{.zero32 = 1},
	{.names = "x", .names_bytes = SINCEFS_NAMES_SIZE},
	{.names = "x", .names_bytes = SIZE_MAX},
	{.names = NULL, .names_bytes = 1},
};

START_TEST(test_bad_filter_is_refused_without_asking)
{
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer = UNTOUCHED;

	ck_assert_int_eq(collect(daemon, &bad_filters[_i], &answer), -EINVAL);
	ck_assert_uint_eq(daemon->n_asked, 0);
	ck_assert_ptr_eq(answer, UNTOUCHED);
	free(daemon);
}
END_TEST

START_TEST(test_longest_names_end_with_a_nul)
{
	char names[SINCEFS_NAMES_SIZE];
	const struct sincefs_filter filter = {
		.names = names,
		.names_bytes = sizeof(names) - 1,
	};
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer;

	memset(names, '?', sizeof(names));
	next_page(daemon, 10, 0);
	ck_assert_int_eq(collect(daemon, &filter, &answer), 0);
	names[sizeof(names) - 1] = '\0';
	ck_assert_mem_eq(daemon->asked[0].names, names, sizeof(names));
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_fresh_answer_has_reason_and_token)
{
	Daemon *daemon = make_daemon();

	*next_page(daemon, 0, 0) = make_fresh_page(300, SINCEFS_REASON_FORGOT);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_int_eq(sincefs_answer_is_fresh(answer), 1);
	ck_assert_uint_eq(sincefs_answer_reason(answer), SINCEFS_REASON_FORGOT);
	ck_assert_uint_eq(sincefs_answer_count(answer), 0);
	ck_assert_uint_eq(clock_of(answer), 300);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_fresh_on_a_later_page_makes_all_fresh)
{
	Daemon *daemon = make_daemon();
	struct sincefs_change change;

	add_record(next_page(daemon, 13, SINCEFS_MORE), 12, "a",
		   SINCEFS_CONTENT);
	*next_page(daemon, 0, 0) = make_fresh_page(300, SINCEFS_REASON_LOST);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_int_eq(sincefs_answer_is_fresh(answer), 1);
	ck_assert_uint_eq(sincefs_answer_reason(answer), SINCEFS_REASON_LOST);
	ck_assert_uint_eq(sincefs_answer_count(answer), 0);
	ck_assert_int_eq(sincefs_answer_get(answer, 0, &change), -ERANGE);
	ck_assert_uint_eq(clock_of(answer), 300);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_error_on_any_page_is_the_answer)
{
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer = UNTOUCHED;

	for (int i = 0; i < _i; i++)
		add_record(next_page(daemon, 13 + 2 * (uint64_t)i,
				     SINCEFS_MORE),
			   12 + 2 * (uint64_t)i, "a", SINCEFS_CONTENT);
	next_page(daemon, 100, 0);
	daemon->results[_i] = -ENOTCONN;
	ck_assert_int_eq(collect(daemon, NULL, &answer), -ENOTCONN);
	ck_assert_ptr_eq(answer, UNTOUCHED);
	free(daemon);
}
END_TEST

START_TEST(test_broken_page_is_the_end)
{
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer = UNTOUCHED;

	for (int i = 0; i < _i; i++)
		add_record(next_page(daemon, 13 + 2 * (uint64_t)i,
				     SINCEFS_MORE),
			   12 + 2 * (uint64_t)i, "a", SINCEFS_CONTENT);
	next_page(daemon, 100, 0)->signature = 0;
	next_page(daemon, 102, 0);
	ck_assert_int_eq(collect(daemon, NULL, &answer), -EPROTO);
	ck_assert_ptr_eq(answer, UNTOUCHED);
	ck_assert_uint_eq(daemon->n_asked, (size_t)_i + 1);
	free(daemon);
}
END_TEST

START_TEST(test_more_without_progress_ends)
{
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer = UNTOUCHED;

	next_page(daemon, 13, SINCEFS_MORE);
	next_page(daemon, 13, SINCEFS_MORE);
	ck_assert_int_eq(collect(daemon, NULL, &answer), -EPROTO);
	ck_assert_ptr_eq(answer, UNTOUCHED);
	free(daemon);
}
END_TEST

START_TEST(test_later_page_may_not_change_the_instance)
{
	Daemon *daemon = make_daemon();
	struct sincefs_answer *answer = UNTOUCHED;

	next_page(daemon, 13, SINCEFS_MORE);
	next_page(daemon, 15, 0)->token.instance = 5;
	ck_assert_int_eq(collect(daemon, NULL, &answer), -EPROTO);
	ck_assert_ptr_eq(answer, UNTOUCHED);
	free(daemon);
}
END_TEST

/* Names met more than once. */

static const struct {
	uint16_t first, later, want;
} merges[] = {
	/* Every kind of either. */
	{SINCEFS_CONTENT, SINCEFS_META, SINCEFS_CONTENT | SINCEFS_META},
	{SINCEFS_TIMES | SINCEFS_LINKED, SINCEFS_CONTENT,
	 SINCEFS_TIMES | SINCEFS_LINKED | SINCEFS_CONTENT},
	{SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE | SINCEFS_SCANNED,
	 SINCEFS_CONTENT | SINCEFS_MIXED,
	 SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE | SINCEFS_SCANNED |
		 SINCEFS_MIXED},
	/* NEW as first said. */
	{SINCEFS_CONTENT | SINCEFS_NEW, SINCEFS_CONTENT,
	 SINCEFS_CONTENT | SINCEFS_NEW},
	{SINCEFS_CONTENT, SINCEFS_CONTENT | SINCEFS_NEW, SINCEFS_CONTENT},
	{SINCEFS_CONTENT | SINCEFS_GONE, SINCEFS_CONTENT | SINCEFS_NEW,
	 SINCEFS_CONTENT},
	/* GONE as last said. */
	{SINCEFS_CONTENT | SINCEFS_NEW, SINCEFS_CONTENT | SINCEFS_GONE,
	 SINCEFS_CONTENT | SINCEFS_NEW | SINCEFS_GONE},
	{SINCEFS_CONTENT | SINCEFS_GONE, SINCEFS_CONTENT, SINCEFS_CONTENT},
	{SINCEFS_CONTENT, SINCEFS_CONTENT | SINCEFS_GONE,
	 SINCEFS_CONTENT | SINCEFS_GONE},
};

START_TEST(test_name_on_two_pages_is_one_change)
{
	Daemon *daemon = make_daemon();
	struct sincefs_page *page = next_page(daemon, 15, SINCEFS_MORE);

	add_record(page, 12, "twice", merges[_i].first);
	add_record(page, 14, "once", SINCEFS_CONTENT);
	page = next_page(daemon, 30, 0);
	add_record(page, 20, "other", SINCEFS_CONTENT);
	add_record(page, 22, "twice", merges[_i].later);
	add_record(page, 24, "last", SINCEFS_CONTENT);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_uint_eq(sincefs_answer_count(answer), 4);
	ck_assert_str_eq(get(answer, 0).path, "once");
	ck_assert_str_eq(get(answer, 1).path, "other");
	ck_assert_str_eq(get(answer, 2).path, "twice");
	ck_assert_str_eq(get(answer, 3).path, "last");
	ck_assert_uint_eq(get(answer, 2).clock, 22);
	ck_assert_uint_eq(get(answer, 2).flags, merges[_i].want);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_name_may_come_many_times)
{
	Daemon *daemon = make_daemon();
	struct sincefs_page *page = next_page(daemon, 17, SINCEFS_MORE);

	/* Twice on one page too: writers get in while it is made. */
	add_record(page, 12, "n", SINCEFS_CONTENT | SINCEFS_NEW);
	add_record(page, 14, "n", SINCEFS_META);
	add_record(page, 16, "n", SINCEFS_CONTENT | SINCEFS_GONE);
	add_record(next_page(daemon, 30, 0), 20, "n", SINCEFS_TIMES);

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_uint_eq(sincefs_answer_count(answer), 1);
	ck_assert_uint_eq(get(answer, 0).clock, 20);
	ck_assert_uint_eq(get(answer, 0).flags, SINCEFS_CONTENT | SINCEFS_META |
							SINCEFS_TIMES |
							SINCEFS_NEW);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

START_TEST(test_merged_change_of_two_writers_is_mixed)
{
	Daemon *daemon = make_daemon();
	struct sincefs_page *page = next_page(daemon, 30, 0);
	struct sincefs_record record = {
		.clock = 12,
		.tree = 1,
		.pid = 7,
		.uid = 1,
		.flags = SINCEFS_CONTENT,
		.length = 1,
	};

	put_record(page, &record, "n");
	record.clock = 14;
	record.pid = 8;
	record.uid = 2;
	put_record(page, &record, "n");

	struct sincefs_answer *answer = must_collect(daemon);

	ck_assert_uint_eq(sincefs_answer_count(answer), 1);
	ck_assert_uint_eq(get(answer, 0).pid, 8);
	ck_assert_uint_eq(get(answer, 0).uid, 2);
	ck_assert_uint_eq(get(answer, 0).flags,
			  SINCEFS_CONTENT | SINCEFS_MIXED);
	sincefs_answer_free(answer);
	free(daemon);
}
END_TEST

/* With many names, so that some meet in the table that looks for repeated
   ones. */
START_TEST(test_like_names_are_not_the_same)
{
	Daemon *daemon = make_daemon();

	for (int i = 0; i < 500; i++) {
		char path[16];
		struct sincefs_page *page = next_page(daemon, 30, 0);
		struct sincefs_record record = {
			.clock = 14,
			.tree = 2 + (uint32_t)i,
			.flags = SINCEFS_CONTENT,
		};

		/* The same path in two trees; and it is how another begins. */
		snprintf(path, sizeof(path), "%d.py", i);
		record.length = (uint16_t)strlen(path);
		add_record(page, 12, path, SINCEFS_CONTENT);
		put_record(page, &record, path);
		strcat(path, "c");
		add_record(page, 16, path, SINCEFS_CONTENT);

		struct sincefs_answer *answer = must_collect(daemon);

		ck_assert_uint_eq(sincefs_answer_count(answer), 3);
		ck_assert_uint_eq(get(answer, 0).tree, 1);
		ck_assert_uint_eq(get(answer, 1).tree, record.tree);
		ck_assert_str_eq(get(answer, 2).path, path);
		sincefs_answer_free(answer);
		daemon->n_pages = daemon->n_asked = 0;
	}
	free(daemon);
}
END_TEST

/* A daemon with names of many lengths; every seventh record is about a name
   that it has told already. */
typedef struct {
	size_t n_names, done;
} LongDaemon;

static void long_name(size_t index, char *name, size_t size)
{
	snprintf(name, size, "%zu/%0*d", index, (int)(index % 97), 7);
}

static int ask_long_daemon(void *data, struct sincefs_page *page)
{
	LongDaemon *daemon = data;
	uint64_t clock = page->token.clock;

	ck_assert_uint_eq(clock, 10 + daemon->done);
	*page = make_page(clock);
	for (size_t i = 0; i < 50 && daemon->done < daemon->n_names; i++) {
		size_t n = daemon->done++;
		char name[128];

		long_name(n % 7 == 6 ? n / 2 : n, name, sizeof(name));
		add_record(page, ++clock, name, SINCEFS_CONTENT);
	}
	page->token.clock = clock;
	page->flags = daemon->done < daemon->n_names ? SINCEFS_MORE : 0;
	return 0;
}

START_TEST(test_long_answer_is_whole_and_in_order)
{
	LongDaemon daemon = {.n_names = 20000};
	struct sincefs_token since = at(10);
	struct sincefs_answer *answer;
	unsigned char *seen = calloc(daemon.n_names, 1);
	uint64_t clock = 0;
	size_t n_seen = 0;

	ck_assert_int_eq(sincefs_collect(ask_long_daemon, &daemon, &since, NULL,
					 &answer),
			 0);
	for (size_t i = 0; i < sincefs_answer_count(answer); i++) {
		struct sincefs_change change = get(answer, i);
		size_t n = strtoul(change.path, NULL, 10);
		char name[128];

		ck_assert_uint_gt(change.clock, clock);
		clock = change.clock;
		ck_assert_uint_lt(n, daemon.n_names);
		long_name(n, name, sizeof(name));
		ck_assert_str_eq(change.path, name);
		ck_assert_uint_eq(seen[n], 0);
		seen[n] = 1;
	}
	for (size_t n = 0; n < daemon.n_names; n++) {
		size_t name = n % 7 == 6 ? n / 2 : n;

		ck_assert_uint_eq(seen[name], 1);
		n_seen += seen[n];
	}
	ck_assert_uint_eq(n_seen, sincefs_answer_count(answer));
	ck_assert_uint_eq(clock_of(answer), 10 + daemon.n_names);
	sincefs_answer_free(answer);
	free(seen);
}
END_TEST

/* A daemon that never ends. */
static int ask_endless_daemon(void *data, struct sincefs_page *page)
{
	uint64_t clock = page->token.clock;

	(void)data;
	*page = make_page(clock + 200);
	for (int i = 0; i < 200; i++)
		add_record(page, ++clock, "same", SINCEFS_CONTENT);
	page->flags = SINCEFS_MORE;
	return 0;
}

/* A limited address space is no world for a sanitizer or valgrind. */
static bool can_limit_memory(void)
{
	const char *preload = getenv("LD_PRELOAD");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
	__has_feature(memory_sanitizer)
	return false;
#endif
#endif
	return preload == NULL || strstr(preload, "vgpreload") == NULL;
}

START_TEST(test_endless_answer_ends_with_the_memory)
{
	struct rlimit limit = {64 << 20, 64 << 20};
	struct sincefs_token since = at(10);
	struct sincefs_answer *answer = UNTOUCHED;

	if (!can_limit_memory())
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(sincefs_collect(ask_endless_daemon, NULL, &since, NULL,
					 &answer),
			 -ENOMEM);
	ck_assert_ptr_eq(answer, UNTOUCHED);
}
END_TEST

static void add_loop(TCase *tcase, const TTest *test, size_t n)
{
	tcase_add_loop_test(tcase, test, 0, (int)n);
}

static Suite *client_answer_suite(void)
{
	Suite *suite = suite_create("client answer");
	TCase *answer = tcase_create("an answer is all pages");
	TCase *repeated = tcase_create("a name is one change");

	tcase_add_test(answer, test_answer_holds_what_the_page_says);
	tcase_add_test(answer, test_nothing_changed_is_an_empty_answer);
	tcase_add_test(answer, test_pages_are_joined_in_order);
	tcase_add_test(answer, test_every_page_is_asked_with_the_same_filter);
	tcase_add_test(answer, test_question_holds_nothing_from_memory);
	add_loop(answer, test_bad_filter_is_refused_without_asking,
		 N_ELEMENTS(bad_filters));
	tcase_add_test(answer, test_longest_names_end_with_a_nul);
	tcase_add_test(answer, test_fresh_answer_has_reason_and_token);
	tcase_add_test(answer, test_fresh_on_a_later_page_makes_all_fresh);
	add_loop(answer, test_error_on_any_page_is_the_answer, 4);
	add_loop(answer, test_broken_page_is_the_end, 4);
	tcase_add_test(answer, test_more_without_progress_ends);
	tcase_add_test(answer, test_later_page_may_not_change_the_instance);
	tcase_add_test(answer, test_endless_answer_ends_with_the_memory);
	suite_add_tcase(suite, answer);

	add_loop(repeated, test_name_on_two_pages_is_one_change,
		 N_ELEMENTS(merges));
	tcase_add_test(repeated, test_name_may_come_many_times);
	tcase_add_test(repeated, test_merged_change_of_two_writers_is_mixed);
	tcase_add_test(repeated, test_like_names_are_not_the_same);
	tcase_add_test(repeated, test_long_answer_is_whole_and_in_order);
	suite_add_tcase(suite, repeated);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(client_answer_suite());

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
