/* SPDX-License-Identifier: MIT */
/* The numbers are those of the opening of core/page.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/page-fixture.h"

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

/* Whatever is asked, the answer is a refusal or a sound page. */
START_TEST(test_random_questions_get_a_refusal_or_a_sound_page)
{
	enum { N = 30000 };
	static const char bytes[] = "a*?[]!-\\.:x\0\0";
	static const char *const where[] = {"d", "d0", "name-0", "x"};
	char *text = long_path(LONGEST + 500, 60);
	int answers = 0;

	stamp(&f, text, C);
	stamp_many(400);
	free(text);
	srandom(11);
	for (int i = 0; i < N; i++) {
		uint32_t at = 0;
		int r;

		question.flags = random() % 3 ? 0 : SINCEFS_BELOW;
		question.mask = random() % 2 ? 0 : (uint32_t)random() % 9;
		question.tree = (uint32_t)random() % 4;
		question.token.instance =
			FIXTURE_INSTANCE + (random() % 20 == 0);
		question.token.clock = (uint64_t)random() % 810;
		memset(question.names, 0, sizeof question.names);
		for (long n = random() % 64; n > 0; n--)
			question.names[random() % 63] =
				bytes[(size_t)random() % (sizeof bytes - 1)];
		question.zero32 = random() % 50 == 0;
		place.tree = (uint32_t)random() % 3;
		place.count = (size_t)random() % 3;
		place.parts = where + random() % 3;
		r = ask();
		if (r == -EINVAL || r == -ENOENT)
			continue;
		answers++;
		if (r != 0 || size != SINCEFS_PAGE_HEADER_SIZE + answer.bytes ||
		    answer.bytes > SINCEFS_PAGE_DATA_SIZE ||
		    (answer.flags & ~(SINCEFS_FRESH | SINCEFS_MORE)) != 0 ||
		    answer.token.instance != FIXTURE_INSTANCE ||
		    answer.token.clock > dirty_set_peek_clock(f.set))
			ck_abort_msg("question %d: a wrong header", i);
		for (uint32_t n = 0; n < answer.count; n++) {
			const struct sincefs_record *one =
				(const void *)(answer.data + at);

			if (one->clock <= question.token.clock ||
			    one->length == 0 ||
			    strlen((const char *)(one + 1)) != one->length)
				ck_abort_msg("question %d: a wrong record", i);
			at += (uint32_t)(sizeof *one + one->length + 1u + 7) &
			      ~7u;
		}
		if (at != answer.bytes)
			ck_abort_msg("question %d: wrong bytes", i);
	}
	ck_assert_int_gt(answers, N / 20);
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

int main(void)
{
	Suite *suite = suite_create("page");
	TCase *tc;

	tc = add_case(suite, "refusals");
	tcase_add_loop_test(
		tc, test_wrong_question_is_refused_and_nothing_is_written, 0,
		COUNT(refusals));
	tcase_add_test(
		tc, test_fields_of_the_answer_may_hold_anything_in_a_question);
	tcase_add_test(tc, test_place_matters_to_below_alone);
	tcase_add_test(tc, test_random_questions_get_a_refusal_or_a_sound_page);

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

	tc = add_case(suite, "info and tree");
	tcase_add_test(tc, test_info_fills_everything_and_tells_the_clock);
	tcase_add_test(tc, test_tree_is_described_or_refused);

	return run_suite(suite);
}
