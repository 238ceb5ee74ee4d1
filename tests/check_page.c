/* SPDX-License-Identifier: MIT */
/* The numbers are those of the opening of core/page.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "core/page.h"
#include "tests/set-fixture.h"

static Fixture f;
static struct sincefs_page question;
static struct sincefs_page answer;
static size_t size;
static const PagePlace root_place = {.tree = 1};
static PagePlace place;

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

static int ask(void)
{
	memset(&answer, 0xee, sizeof answer);
	return page_answer(f.set, f.trees, &place, &question, &answer, &size);
}

/* Record number @n of the answer; NULL behind the last. */
static const struct sincefs_record *record(unsigned n)
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

static const char *path(unsigned n)
{
	const struct sincefs_record *r = record(n);

	ck_assert_ptr_nonnull(r);
	return (const char *)(r + 1);
}

/* Ask, and get the paths of one page in one string. */
static const char *ask_paths(void)
{
	static char text[SINCEFS_PAGE_SIZE];

	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.flags & SINCEFS_FRESH, 0);
	text[0] = '\0';
	for (unsigned i = 0; i < answer.count; i++) {
		strcat(text, path(i));
		strcat(text, " ");
	}
	return text;
}

static void set_names(const char *names, size_t length)
{
	memset(question.names, 0, sizeof question.names);
	memcpy(question.names, names, length);
}

/* (4) */
static void wrong_signature(void)
{
	question.signature++;
}
static void flag_fresh(void)
{
	question.flags = SINCEFS_FRESH;
}
static void flag_more(void)
{
	question.flags = SINCEFS_MORE;
}
static void unknown_flag(void)
{
	question.flags = 0x80000000;
}
static void mask_new(void)
{
	question.mask = SINCEFS_CONTENT | SINCEFS_NEW;
}
static void mask_unknown(void)
{
	question.mask = 0x10000;
}
static void zero32(void)
{
	question.zero32 = 1;
}
static void zero_first(void)
{
	question.zero[0] = 1;
}
static void zero_last(void)
{
	question.zero[1] = UINT64_C(1) << 63;
}
static void names_without_end(void)
{
	memset(question.names, 'a', sizeof question.names);
}
static void names_with_a_byte_at_the_end(void)
{
	question.names[SINCEFS_NAMES_SIZE - 1] = 'a';
}
static void unknown_tree(void)
{
	question.tree = 3;
}
static void largest_tree(void)
{
	question.tree = UINT32_MAX;
}
static void below_no_place(void)
{
	question.flags = SINCEFS_BELOW;
	place.tree = 0;
}
static void below_unknown_tree(void)
{
	question.flags = SINCEFS_BELOW;
	place.tree = 3;
}

static const struct {
	void (*spoil)(void);
	int error;
} refusals[] = {
	{wrong_signature, -EINVAL},
	{flag_fresh, -EINVAL},
	{flag_more, -EINVAL},
	{unknown_flag, -EINVAL},
	{mask_new, -EINVAL},
	{mask_unknown, -EINVAL},
	{zero32, -EINVAL},
	{zero_first, -EINVAL},
	{zero_last, -EINVAL},
	{names_without_end, -EINVAL},
	{names_with_a_byte_at_the_end, -EINVAL},
	{unknown_tree, -ENOENT},
	{largest_tree, -ENOENT},
	{below_no_place, -ENOENT},
	{below_unknown_tree, -ENOENT},
};

START_TEST(test_wrong_question_is_refused_and_nothing_is_written)
{
	struct sincefs_page untouched;

	stamp(&f, "a", C);
	ck_assert_int_eq(ask(), 0);
	refusals[_i].spoil();
	memset(&untouched, 0xee, sizeof untouched);
	size = 7;
	ck_assert_int_eq(ask(), refusals[_i].error);
	ck_assert_mem_eq(&answer, &untouched, sizeof answer);
	ck_assert_uint_eq(size, 7);
}
END_TEST

START_TEST(test_fields_of_the_answer_may_hold_anything_in_a_question)
{
	question.count = question.bytes = question.reason = 0xffffffff;
	stamp(&f, "a", C);
	ck_assert_str_eq(ask_paths(), "a ");
	ck_assert_uint_eq(answer.reason, 0);
}
END_TEST

START_TEST(test_place_matters_to_below_alone)
{
	place.tree = 0;
	stamp(&f, "a", C);
	ck_assert_str_eq(ask_paths(), "a ");
}
END_TEST

/* Promise 3: doubt is said. */
static void assert_fresh(uint32_t reason)
{
	uint64_t now = dirty_set_peek_clock(f.set);

	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.signature, SINCEFS_SIGNATURE);
	ck_assert_uint_eq(answer.flags, SINCEFS_FRESH);
	ck_assert_uint_eq(answer.reason, reason);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert_uint_eq(answer.bytes, 0);
	ck_assert_uint_eq(size, SINCEFS_PAGE_HEADER_SIZE);
	ck_assert_uint_eq(answer.token.instance, FIXTURE_INSTANCE);
	ck_assert_uint_eq(answer.token.clock, now);
	/* And its token is good. */
	stamp(&f, "later", C);
	question.token = answer.token;
	ck_assert_str_eq(ask_paths(), "later ");
}

START_TEST(test_no_token_is_fresh)
{
	question.token = (struct sincefs_token){0, 0};
	stamp(&f, "a", C);
	assert_fresh(SINCEFS_REASON_NO_TOKEN);
}
END_TEST

START_TEST(test_other_instance_is_fresh)
{
	question.token.instance ^= 1;
	stamp(&f, "a", C);
	assert_fresh(SINCEFS_REASON_RESTART);
}
END_TEST

START_TEST(test_no_instance_but_a_clock_is_another_instance)
{
	question.token.instance = 0;
	assert_fresh(SINCEFS_REASON_RESTART);
}
END_TEST

START_TEST(test_token_below_the_floor_is_fresh)
{
	question.token.clock = 1;
	assert_fresh(SINCEFS_REASON_FORGOT);
}
END_TEST

START_TEST(test_token_before_a_loss_is_fresh)
{
	stamp(&f, "a", C);
	lose(&f);
	assert_fresh(SINCEFS_REASON_LOST);
}
END_TEST

START_TEST(test_token_above_now_is_fresh)
{
	stamp(&f, "a", C);
	question.token.clock = dirty_set_peek_clock(f.set) + 1;
	assert_fresh(SINCEFS_REASON_FUTURE);
}
END_TEST

START_TEST(test_fresh_answer_tells_the_clock)
{
	uint64_t clock;

	question.token = (struct sincefs_token){0, 0};
	stamp(&f, "a", C);
	clock = dirty_set_peek_clock(f.set);
	ck_assert_int_eq(ask(), 0);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
}
END_TEST

START_TEST(test_nothing_changed_is_an_empty_answer)
{
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.flags, 0);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert_uint_eq(answer.token.clock, question.token.clock);
	ck_assert_uint_eq(size, SINCEFS_PAGE_HEADER_SIZE);
}
END_TEST

START_TEST(test_record_is_laid_out_as_the_protocol_says)
{
	static const char *const paths[] = {".", "a", "1234567", "12345678",
					    "d/e/f\n\xff"};
	uint32_t bytes = 0;

	for (unsigned i = 0; i < 5; i++)
		stamp_by(&f, paths[i], i % 2 ? C | NEW : META, 40 + i);
	stamp(&f, "2:x", C | GONE);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 6);
	for (unsigned i = 0; i < 5; i++) {
		const struct sincefs_record *r = record(i);
		size_t end = sizeof *r + r->length;

		ck_assert_uint_eq(r->clock, question.token.clock + 2 + 2 * i);
		ck_assert_uint_eq(r->tree, 1);
		ck_assert_uint_eq(r->pid, 40 + i);
		ck_assert_uint_eq(r->uid, 40 + i + 99);
		ck_assert_uint_eq(r->flags, i % 2 ? C | NEW : META);
		ck_assert_uint_eq(r->length, strlen(paths[i]));
		ck_assert_str_eq(path(i), paths[i]);
		for (bytes += (uint32_t)end;; bytes++, end++) {
			ck_assert_uint_eq(answer.data[bytes], 0);
			if (end % 8 == 7)
				break;
		}
		bytes++;
		ck_assert_uint_eq(bytes % 8, 0);
	}
	ck_assert_uint_eq(record(5)->tree, 2);
	ck_assert_uint_eq(record(5)->flags, C | GONE);
	ck_assert_str_eq(path(5), "x");
	ck_assert_uint_eq(answer.bytes, bytes + 32);
	ck_assert_uint_eq(size, SINCEFS_PAGE_HEADER_SIZE + bytes + 32);
}
END_TEST

START_TEST(test_header_repeats_the_question_and_the_rest_is_not_written)
{
	set_names("a*\0b", 4);
	question.mask = SINCEFS_CONTENT;
	question.tree = 1;
	stamp(&f, "ab", C);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.signature, SINCEFS_SIGNATURE);
	ck_assert_uint_eq(answer.mask, SINCEFS_CONTENT);
	ck_assert_uint_eq(answer.tree, 1);
	ck_assert_uint_eq(answer.zero32, 0);
	ck_assert_uint_eq(answer.zero[0] | answer.zero[1], 0);
	ck_assert_mem_eq(answer.names, question.names, SINCEFS_NAMES_SIZE);
	for (size_t i = answer.bytes; i < SINCEFS_PAGE_DATA_SIZE; i++)
		if (answer.data[i] != 0xee)
			ck_abort_msg("byte %zu was written", i);
}
END_TEST

START_TEST(test_answer_may_overwrite_the_question)
{
	stamp(&f, "abc", C);
	stamp(&f, "x", C);
	set_names("a*", 2);
	answer = question;
	ck_assert_int_eq(page_answer(f.set, f.trees, &place, &answer, &answer,
				     &size),
			 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), "abc");
}
END_TEST

START_TEST(test_flags_are_seen_from_the_token)
{
	stamp(&f, "a", C | NEW);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(record(0)->flags, C | NEW);
	question.token = answer.token;
	stamp(&f, "a", META);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(record(0)->flags, META);
}
END_TEST

/* (1), (2) */
static void stamp_many(int n)
{
	for (int i = 0; i < n; i++) {
		char name[40];

		snprintf(name, sizeof name, "d%d/name-%d", i % 10, i);
		stamp(&f, name, C | NEW);
	}
}

START_TEST(test_pages_together_are_the_whole_answer)
{
	enum { N = 20000 };
	unsigned count = 0;
	unsigned pages = 0;
	uint64_t clock = question.token.clock;
	uint64_t now;

	stamp_many(N);
	now = dirty_set_peek_clock(f.set);
	do {
		ck_assert_int_eq(ask(), 0);
		pages++;
		for (unsigned i = 0; i < answer.count; i++, count++) {
			char name[40];

			if (record(i)->clock <= clock ||
			    record(i)->flags != (C | NEW))
				ck_abort_msg("record %u is wrong", count);
			clock = record(i)->clock;
			snprintf(name, sizeof name, "d%u/name-%u", count % 10,
				 count);
			if (strcmp(path(i), name) != 0)
				ck_abort_msg("%s, not %s", path(i), name);
		}
		if (answer.flags & SINCEFS_MORE) {
			ck_assert_uint_eq(answer.token.clock, clock + 1);
			/* No page stops before it is full. */
			ck_assert_uint_gt(answer.bytes,
					  SINCEFS_PAGE_DATA_SIZE - 48);
		}
		question.token = answer.token;
	} while (answer.flags & SINCEFS_MORE);
	ck_assert_uint_eq(count, N);
	ck_assert_uint_ge(pages, N / 250);
	ck_assert_uint_eq(answer.flags, 0);
	ck_assert_uint_eq(answer.token.clock, now);
}
END_TEST

START_TEST(test_page_that_ends_with_the_set_is_the_last)
{
	/* As many records as fit exactly: 32 bytes each, then one of the rest.
	 */
	int n = (int)(SINCEFS_PAGE_DATA_SIZE / 32);
	int rest = (int)(SINCEFS_PAGE_DATA_SIZE - (size_t)n * 32);

	ck_assert_int_lt(rest, 32);
	for (int i = 0; i < n; i++) {
		char name[40];

		snprintf(name, sizeof name, "n%d", i);
		stamp(&f, name, C);
	}
	ck_assert_int_eq(ask(), 0);
	ck_assert_int_eq((int)answer.count, n);
	ck_assert_uint_eq(answer.flags, 0);
	stamp(&f, "more", C);
	ck_assert_int_eq(ask(), 0);
	ck_assert_int_eq((int)answer.count, n);
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	question.token = answer.token;
	ck_assert_str_eq(ask_paths(), "more ");
}
END_TEST

START_TEST(test_what_did_not_fit_is_not_told_and_what_did_is)
{
	uint64_t clock;
	char last[40];
	char next[40];

	stamp_many(1000);
	clock = dirty_set_peek_clock(f.set);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	snprintf(last, sizeof last, "d%u/name-%u", (answer.count - 1) % 10,
		 answer.count - 1);
	snprintf(next, sizeof next, "d%u/name-%u", answer.count % 10,
		 answer.count);
	stamp(&f, next, C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock);
	stamp(&f, last, META);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
}
END_TEST

START_TEST(test_change_between_two_pages_is_not_missed)
{
	unsigned found = 0;

	stamp_many(1000);
	ck_assert_int_eq(ask(), 0);
	stamp(&f, "d0/name-0", META); /* it was in this page */
	while (answer.flags & SINCEFS_MORE) {
		question.token = answer.token;
		ck_assert_int_eq(ask(), 0);
		for (unsigned i = 0; i < answer.count; i++)
			if (strcmp(path(i), "d0/name-0") == 0 &&
			    record(i)->flags & META)
				found++;
	}
	ck_assert_uint_eq(found, 1);
}
END_TEST

/* Promise 6. */
START_TEST(test_one_request_examines_no_more_than_its_share)
{
	enum { N = 10000 };
	unsigned pages = 1;
	uint64_t first = question.token.clock;

	stamp_many(N);
	stamp(&f, "wanted", C);
	set_names("wanted", 6);
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	ck_assert_uint_eq(answer.token.clock, first + 2 * PAGE_EXAMINE_MAX + 1);
	while (answer.flags & SINCEFS_MORE) {
		question.token = answer.token;
		ck_assert_int_eq(ask(), 0);
		pages++;
	}
	ck_assert_uint_eq(pages, N / PAGE_EXAMINE_MAX + 1);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), "wanted");
}
END_TEST

/* Filters. */
static const struct {
	uint32_t mask;
	uint16_t flags;
	bool is_told;
} masks[] = {
	{0, C, true},
	{0, TIMES, true},
	{C, C, true},
	{C, META, false},
	{C, TIMES, false},
	{META, C, false},
	{META, META | C, true},
	{TIMES, TIMES, true},
	{C | META, TIMES, false},
	{C | META | TIMES, TIMES, true},
	/* Never hidden. */
	{META, C | GONE, true},
	{META, C | SUB | DIR, true},
	{META, C | LINKED, true},
	/* Not a reason to show it. */
	{META, C | NEW, false},
	{META, C | DIR, false},
	{META, C | SCANNED, false},
};

START_TEST(test_mask_shows_what_was_wanted_and_what_it_must_not_hide)
{
	stamp(&f, "a", masks[_i].flags);
	question.mask = masks[_i].mask;
	ck_assert_str_eq(ask_paths(), masks[_i].is_told ? "a " : "");
	/* The token passes it all the same. */
	ck_assert_uint_eq(answer.token.clock, dirty_set_peek_clock(f.set));
}
END_TEST

#define NAMES(text) text, sizeof text - 1
static const struct {
	const char *names;
	size_t length;
	const char *paths;
} names[] = {
	{NAMES(""), "a.py d/b.py c.txt d . moved linked x.py "},
	{NAMES("*.py"), "a.py d/b.py moved linked x.py "},
	{NAMES("*.txt\0b*"), "d/b.py c.txt moved linked "},
	{NAMES("d/b.py"), "moved linked "}, /* one part, not the path */
	{NAMES("?"), "d . moved linked "},
	{NAMES("."), ". moved linked "},
	{NAMES("none\0\0*"), "moved linked "}, /* ends at the empty one */
	{NAMES("a\\.p[x-z]"), "a.py moved linked "},
	/* Up to the last byte there is. */
	{NAMES("a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0"
	       "a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0d"),
	 "d moved linked "},
	{NAMES("12345678901234567890123456789012345678901234567890123456789012"
	       "3"),
	 "moved linked "},
};

START_TEST(test_names_are_patterns_on_the_last_part)
{
	stamp(&f, "a.py", C);
	stamp(&f, "d/b.py", C | GONE);
	stamp(&f, "c.txt", C);
	stamp(&f, "d", C | DIR);
	stamp(&f, ".", META | DIR);
	stamp(&f, "moved", C | DIR | SUB);
	stamp(&f, "linked", C | LINKED);
	stamp(&f, "2:x.py", C);
	set_names(names[_i].names, names[_i].length);
	ck_assert_str_eq(ask_paths(), names[_i].paths);
}
END_TEST

START_TEST(test_one_tree_can_be_asked_about)
{
	stamp(&f, "a", C);
	stamp(&f, "2:b", C);
	stamp(&f, "2:.", META);
	question.tree = 1;
	ck_assert_str_eq(ask_paths(), "a ");
	question.tree = 2;
	ck_assert_str_eq(ask_paths(), "b . ");
	question.tree = SINCEFS_TREE_ALL;
	ck_assert_str_eq(ask_paths(), "a b . ");
}
END_TEST

START_TEST(test_many_stars_do_not_hold_the_lock)
{
	char name[250];

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (int i = 0; i < 4000; i++) {
		memcpy(name, "aaaa", 4);
		name[i % 4] = (char)('a' + i % 26);
		name[4 + i % 200] = (char)('a' + i / 200);
		stamp(&f, name, C);
	}
	set_names(NAMES("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*0"));
	ck_assert_str_eq(ask_paths(), ""); /* or never */
}
END_TEST

/* Paths that are too long. */
static char *long_path(size_t length, size_t part)
{
	char *text = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		text[i] = (i + 1) % (part + 1) == 0 ? '/' : 'x';
	if (text[length - 1] == '/')
		text[length - 1] = 'x';
	text[length] = '\0';
	return text;
}

#define LONGEST ((size_t)SINCEFS_PAGE_DATA_SIZE - 25)

START_TEST(test_longest_path_fills_a_page_by_itself)
{
	char *text = long_path(LONGEST, 200);

	stamp(&f, "before", C);
	stamp(&f, text, C | NEW);
	stamp(&f, "after", C);
	ck_assert_str_eq(ask_paths(), "before ");
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	question.token = answer.token;
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text);
	ck_assert_uint_eq(record(0)->flags, C | NEW);
	ck_assert_uint_eq(answer.bytes, SINCEFS_PAGE_DATA_SIZE);
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	question.token = answer.token;
	ck_assert_str_eq(ask_paths(), "after ");
	free(text);
}
END_TEST

START_TEST(test_path_that_is_too_long_is_told_by_what_is_above)
{
	size_t length = LONGEST + 1 + (size_t)_i * 1000;
	char *text = long_path(length, 100);
	char *end = text + LONGEST + 1;

	stamp(&f, text, META | GONE);
	/* The nearest directory above that fits. */
	do
		*end-- = '\0';
	while (*end != '/');
	*end = '\0';
	if (strlen(text) > LONGEST)
		*strrchr(text, '/') = '\0';
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text);
	ck_assert_uint_eq(record(0)->flags, META | C | DIR | SUB);
	ck_assert_uint_eq(record(0)->clock, dirty_set_peek_clock(f.set));
	/* Its filters are those of the name that changed. */
	set_names("y*", 2);
	question.mask = TIMES;
	stamp(&f, "y", META);
	ck_assert_uint_eq(strlen(ask_paths()), 0);
	free(text);
}
END_TEST

START_TEST(test_one_component_too_long_for_any_page_is_told_as_the_root)
{
	char *text = long_path(20000, 30000);

	stamp(&f, text, C | NEW);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB);
	free(text);
}
END_TEST

/* BELOW */
static const char *const parts[] = {"a", "b", "c", NULL};

static void ask_below(size_t depth)
{
	question.flags = SINCEFS_BELOW;
	place.count = depth;
	place.parts = parts;
}

START_TEST(test_below_tells_what_is_below_relative_to_it)
{
	stamp(&f, "x", C);
	stamp(&f, "a", META | DIR);
	stamp(&f, "a/b/c", C | DIR | GONE);
	stamp(&f, "a/b/d/e", C | NEW);
	stamp(&f, "a/bb", C);
	stamp(&f, "2:a/b/f", C);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "c d/e ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | GONE);
	ck_assert_uint_eq(record(1)->flags, C | NEW);
	ask_below(1);
	ck_assert_str_eq(ask_paths(), ". b/c b/d/e bb ");
	ask_below(0);
	ck_assert_str_eq(ask_paths(), "x a a/b/c a/b/d/e a/bb ");
	place.tree = 2;
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "f ");
	question.tree = 1;
	ck_assert_str_eq(ask_paths(), "");
}
END_TEST

START_TEST(test_place_itself_is_a_dot_with_its_own_flags)
{
	stamp(&f, "a/b", C | GONE | DIR);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | GONE | DIR);
	set_names("b", 1);
	ck_assert_str_eq(ask_paths(), "");
	set_names(".", 1);
	ck_assert_str_eq(ask_paths(), ". ");
}
END_TEST

START_TEST(test_rename_above_the_place_is_a_change_of_all_of_it)
{
	stamp(&f, "a", C | GONE | DIR | SUB);
	ask_below(3); /* of which only the first part is known */
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB);
	ck_assert_uint_eq(record(0)->tree, 1);
	stamp(&f, "a/b/c/d", C);
	ck_assert_str_eq(ask_paths(), ". d ");
	/* No filter hides it. */
	set_names("none", 4);
	question.mask = META;
	ck_assert_str_eq(ask_paths(), ". ");
}
END_TEST

START_TEST(test_renames_elsewhere_and_changes_above_are_none_of_its_business)
{
	stamp(&f, "a", META | DIR);
	stamp(&f, "a/x", C | DIR | SUB);
	stamp(&f, "y", C | DIR | SUB);
	stamp(&f, "2:a", C | DIR | SUB);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "");
	ck_assert_uint_eq(answer.token.clock, dirty_set_peek_clock(f.set));
}
END_TEST

START_TEST(test_file_with_other_links_may_have_one_below)
{
	stamp(&f, "x", C | LINKED | GONE);
	stamp(&f, "2:x", C | LINKED);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB | LINKED);
}
END_TEST

START_TEST(test_place_that_nobody_changed_is_known_by_nobody)
{
	stamp(&f, "x", C);
	ask_below(3);
	ck_assert_str_eq(ask_paths(), "");
	dirty_set_lock(f.set);
	ck_assert_uint_eq(name_tree_get_count(dirty_set_get_names(f.set)), 3);
	dirty_set_unlock(f.set);
}
END_TEST

START_TEST(test_path_too_long_for_a_page_may_fit_from_the_place)
{
	char *text = long_path(LONGEST + 10, 100);
	char first[101];
	const char *const below[] = {first};

	memcpy(first, text, 100);
	first[100] = '\0';
	stamp(&f, text, C | NEW);
	question.flags = SINCEFS_BELOW;
	place.count = 1;
	place.parts = below;
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text + 101);
	ck_assert_uint_eq(record(0)->flags, C | NEW);
	free(text);
}
END_TEST

/* INFO and TREE */
START_TEST(test_info_fills_everything_and_tells_the_clock)
{
	struct sincefs_info info;
	struct sincefs_info expected = {
		.signature = SINCEFS_SIGNATURE,
		.version = SINCEFS_PROTOCOL_VERSION,
		.features = SINCEFS_FEATURE_SYNC_EXACT,
		.now = {FIXTURE_INSTANCE, 4},
		.floor = 2,
		.entries = 1,
		.capacity = 100000,
		.tree = 2,
		.tree_count = 2,
		.pid = (uint32_t)getpid(),
	};

	stamp(&f, "a", C);
	memset(&info, 0xee, sizeof info);
	page_info(f.set, f.trees, 2, SINCEFS_FEATURE_SYNC_EXACT, &info);
	ck_assert_mem_eq(&info, &expected, sizeof info);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), 6);
}
END_TEST

START_TEST(test_tree_is_described_or_refused)
{
	struct sincefs_tree tree = {.id = 2, .scans = 77, .flags = 0xff};

	ck_assert_int_eq(page_tree(f.trees, &tree, &tree), 0);
	ck_assert_uint_eq(tree.id, 2);
	ck_assert_uint_eq(tree.flags, 0);
	ck_assert_uint_eq(tree.scans, 0);
	ck_assert_str_eq(tree.root, "/scanned");
	tree.zero32 = 1;
	ck_assert_int_eq(page_tree(f.trees, &tree, &tree), -EINVAL);
	tree.zero32 = 0;
	tree.id = 0;
	ck_assert_int_eq(page_tree(f.trees, &tree, &tree), -ENOENT);
	tree.id = 3;
	ck_assert_int_eq(page_tree(f.trees, &tree, &tree), -ENOENT);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("page");
	TCase *tc;
	SRunner *runner;
	int failed;

	tc = add_case(suite, "refusals");
	tcase_add_loop_test(
		tc, test_wrong_question_is_refused_and_nothing_is_written, 0,
		COUNT(refusals));
	tcase_add_test(
		tc, test_fields_of_the_answer_may_hold_anything_in_a_question);
	tcase_add_test(tc, test_place_matters_to_below_alone);

	tc = add_case(suite, "doubt is said");
	tcase_add_test(tc, test_no_token_is_fresh);
	tcase_add_test(tc, test_other_instance_is_fresh);
	tcase_add_test(tc, test_no_instance_but_a_clock_is_another_instance);
	tcase_add_test(tc, test_token_below_the_floor_is_fresh);
	tcase_add_test(tc, test_token_before_a_loss_is_fresh);
	tcase_add_test(tc, test_token_above_now_is_fresh);
	tcase_add_test(tc, test_fresh_answer_tells_the_clock);

	tc = add_case(suite, "answers");
	tcase_add_test(tc, test_nothing_changed_is_an_empty_answer);
	tcase_add_test(tc, test_record_is_laid_out_as_the_protocol_says);
	tcase_add_test(
		tc,
		test_header_repeats_the_question_and_the_rest_is_not_written);
	tcase_add_test(tc, test_answer_may_overwrite_the_question);
	tcase_add_test(tc, test_flags_are_seen_from_the_token);

	tc = add_case(suite, "paging");
	tcase_add_test(tc, test_pages_together_are_the_whole_answer);
	tcase_add_test(tc, test_page_that_ends_with_the_set_is_the_last);
	tcase_add_test(tc, test_what_did_not_fit_is_not_told_and_what_did_is);
	tcase_add_test(tc, test_change_between_two_pages_is_not_missed);
	tcase_add_test(tc, test_one_request_examines_no_more_than_its_share);

	tc = add_case(suite, "filters");
	tcase_add_loop_test(
		tc, test_mask_shows_what_was_wanted_and_what_it_must_not_hide,
		0, COUNT(masks));
	tcase_add_loop_test(tc, test_names_are_patterns_on_the_last_part, 0,
			    COUNT(names));
	tcase_add_test(tc, test_one_tree_can_be_asked_about);
	tcase_add_test(tc, test_many_stars_do_not_hold_the_lock);

	tc = add_case(suite, "long paths");
	tcase_add_test(tc, test_longest_path_fills_a_page_by_itself);
	tcase_add_loop_test(
		tc, test_path_that_is_too_long_is_told_by_what_is_above, 0, 3);
	tcase_add_test(
		tc,
		test_one_component_too_long_for_any_page_is_told_as_the_root);

	tc = add_case(suite, "below a directory");
	tcase_add_test(tc, test_below_tells_what_is_below_relative_to_it);
	tcase_add_test(tc, test_place_itself_is_a_dot_with_its_own_flags);
	tcase_add_test(tc,
		       test_rename_above_the_place_is_a_change_of_all_of_it);
	tcase_add_test(
		tc,
		test_renames_elsewhere_and_changes_above_are_none_of_its_business);
	tcase_add_test(tc, test_file_with_other_links_may_have_one_below);
	tcase_add_test(tc, test_place_that_nobody_changed_is_known_by_nobody);
	tcase_add_test(tc,
		       test_path_too_long_for_a_page_may_fit_from_the_place);

	tc = add_case(suite, "info and tree");
	tcase_add_test(tc, test_info_fills_everything_and_tells_the_clock);
	tcase_add_test(tc, test_tree_is_described_or_refused);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
