/* SPDX-License-Identifier: MIT */
/*
 * The numbers are those of the essay in core/dirty-set.c. What a name's flags
 * say is checked in check_history.c, and both together against a model in
 * check_dirty_set_model.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#include "tests/set-fixture.h"

static Fixture f;

static void set_up(void)
{
	f = fixture_new(1000);
}

static void tear_down(void)
{
	fixture_free(&f);
}

static void assert_paths(uint64_t since, const char *expected)
{
	char *paths = paths_since(&f, since);

	ck_assert_str_eq(paths, expected);
	free(paths);
}

static size_t count(void)
{
	size_t n;

	dirty_set_lock(f.set);
	n = dirty_set_get_count_locked(f.set);
	dirty_set_unlock(f.set);
	return n;
}

static uint64_t get_floor(void)
{
	uint64_t clock;

	dirty_set_lock(f.set);
	clock = dirty_set_get_floor_locked(f.set);
	dirty_set_unlock(f.set);
	return clock;
}

START_TEST(test_token_right_after_the_start_is_good)
{
	uint64_t token = tell(&f);

	ck_assert_uint_eq(dirty_set_get_instance(f.set), FIXTURE_INSTANCE);
	ck_assert_uint_eq(dirty_set_get_capacity(f.set), 1000);
	ck_assert_uint_ge(token, 1);
	ck_assert_uint_eq(refusal(&f, token), 0);
	ck_assert_uint_eq(get_floor(), token);
	assert_paths(token, "");
	stamp(&f, "a", C);
	ck_assert_uint_eq(refusal(&f, token), 0);
	assert_paths(token, "a ");
}
END_TEST

/* (1) */
START_TEST(test_each_first_stamp_has_a_clock_of_its_own_and_it_is_even)
{
	uint64_t clock = dirty_set_peek_clock(f.set);

	for (int i = 0; i < 5; i++) {
		char name[] = {(char)('a' + i), '\0'};

		stamp(&f, name, C);
		ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
		clock += 2;
		ck_assert_uint_eq(clock % 2, 0);
	}
}
END_TEST

START_TEST(test_answer_is_what_changed_after_the_token_oldest_first)
{
	uint64_t before = tell(&f);
	uint64_t between;

	stamp(&f, "b", C);
	stamp(&f, "a", C);
	between = tell(&f);
	stamp(&f, "c/d", META);
	stamp(&f, "2:x", C);
	assert_paths(before, "b a c/d x ");
	assert_paths(between, "c/d x ");
	assert_paths(tell(&f), "");
}
END_TEST

START_TEST(test_second_stamp_moves_the_name_to_the_newest_end)
{
	uint64_t before = tell(&f);
	uint64_t between;

	stamp(&f, "a", C);
	stamp(&f, "b", C);
	between = tell(&f);
	stamp(&f, "a", META);
	assert_paths(before, "b a ");
	assert_paths(between, "a ");
	ck_assert_uint_eq(count(), 2);
	ck_assert_uint_eq(flags_since(&f, "a", before), C | META);
	ck_assert_uint_eq(flags_since(&f, "a", between), META);
	ck_assert_uint_eq(flags_since(&f, "b", between), NOT_THERE);
}
END_TEST

START_TEST(test_asking_consumes_nothing)
{
	uint64_t before = tell(&f);

	stamp(&f, "a", C);
	assert_paths(before, "a ");
	assert_paths(before, "a ");
	tell(&f);
	assert_paths(before, "a ");
}
END_TEST

START_TEST(test_record_names_its_last_writer)
{
	uint64_t before = tell(&f);
	uint64_t between;
	DirtyRecord record;

	stamp_by(&f, "a", C, 7);
	between = tell(&f);
	stamp_by(&f, "a", C, 8);
	ck_assert_uint_eq(record_since(&f, "a", before, &record), C | MIXED);
	ck_assert_uint_eq(record.pid, 8);
	ck_assert_uint_eq(record.uid, 8 + 99);
	ck_assert_uint_eq(record.clock, dirty_set_peek_clock(f.set));
	ck_assert_uint_eq(record_since(&f, "a", between, &record), C);
	ck_assert_uint_eq(record.pid, 8);
}
END_TEST

/* (2) */
START_TEST(test_stamp_that_nobody_was_told_of_takes_the_next_ones_in)
{
	uint64_t before = tell(&f);
	uint64_t clock;

	stamp(&f, "a", C);
	stamp(&f, "b", C);
	clock = dirty_set_peek_clock(f.set);
	for (int i = 0; i < 1000; i++)
		stamp(&f, "a", i % 2 ? META : C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock);
	assert_paths(before, "a b ");
	ck_assert_uint_eq(flags_since(&f, "a", before), C | META);
}
END_TEST

START_TEST(test_stamp_after_it_was_told_has_a_new_clock)
{
	uint64_t clock;

	stamp(&f, "a", C);
	clock = tell(&f);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
	assert_paths(clock, "a ");
}
END_TEST

START_TEST(test_looking_at_the_clock_is_not_telling)
{
	uint64_t clock;

	stamp(&f, "a", C);
	clock = dirty_set_peek_clock(f.set);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock);
}
END_TEST

START_TEST(test_collecting_is_not_telling_and_telling_part_is_not_more)
{
	DirtyRecord records[8];
	uint64_t before = tell(&f);
	uint64_t reached;
	uint64_t clock;
	size_t examined = 0;

	stamp(&f, "a", C);
	stamp(&f, "b", C);
	dirty_set_lock(f.set);
	ck_assert_uint_eq(dirty_set_collect_locked(f.set, before, before,
						   records, 8, SIZE_MAX,
						   &examined, &reached),
			  2);
	clock = dirty_set_peek_clock(f.set);
	ck_assert_uint_eq(reached, clock);
	ck_assert_uint_eq(examined, 2);
	/* Only a fits. */
	dirty_set_tell_upto_locked(f.set, records[0].clock);
	dirty_set_unlock(f.set);
	stamp(&f, "b", META);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock);
	stamp(&f, "a", META);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
}
END_TEST

START_TEST(test_told_never_goes_back)
{
	uint64_t clock;

	stamp(&f, "a", C);
	clock = tell(&f);
	dirty_set_lock(f.set);
	dirty_set_tell_upto_locked(f.set, 2);
	dirty_set_unlock(f.set);
	stamp(&f, "a", C);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), clock + 2);
}
END_TEST

START_TEST(test_collecting_stops_at_records_and_at_slots)
{
	DirtyRecord records[8];
	uint64_t before = tell(&f);
	uint64_t reached;
	uint64_t clocks[6];
	size_t examined = 0;

	for (int i = 0; i < 6; i++) {
		char name[] = {(char)('a' + i), '\0'};

		stamp(&f, name, C);
		clocks[i] = dirty_set_peek_clock(f.set);
	}
	dirty_set_lock(f.set);
	ck_assert_uint_eq(dirty_set_collect_locked(f.set, before, before,
						   records, 4, SIZE_MAX,
						   &examined, &reached),
			  4);
	ck_assert_uint_eq(reached, clocks[3]);
	ck_assert_uint_eq(dirty_set_collect_locked(f.set, before, reached,
						   records, 8, 1, &examined,
						   &reached),
			  1);
	ck_assert_uint_eq(reached, clocks[4]);
	ck_assert_uint_eq(dirty_set_collect_locked(f.set, before, reached,
						   records, 8, 0, &examined,
						   &reached),
			  0);
	ck_assert_uint_eq(reached, clocks[4]);
	/* The end is seen as such, although the limit is reached with it. */
	ck_assert_uint_eq(dirty_set_collect_locked(f.set, before, reached,
						   records, 1, 1, &examined,
						   &reached),
			  1);
	ck_assert_uint_eq(reached, dirty_set_peek_clock(f.set));
	ck_assert_uint_eq(examined, 6);
	dirty_set_unlock(f.set);
}
END_TEST

/* (4) */
START_TEST(test_oldest_is_dropped_beyond_capacity_and_the_floor_rises)
{
	Fixture small = fixture_new(3);
	uint64_t tokens[6];
	char *paths;

	for (int i = 0; i < 6; i++) {
		char name[] = {(char)('a' + i), '\0'};

		tokens[i] = tell(&small);
		stamp(&small, name, C);
	}
	dirty_set_lock(small.set);
	ck_assert_uint_eq(dirty_set_get_count_locked(small.set), 3);
	ck_assert_uint_eq(dirty_set_get_floor_locked(small.set), tokens[3]);
	dirty_set_unlock(small.set);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(refusal(&small, tokens[i]),
				  SINCEFS_REASON_FORGOT);
	for (int i = 3; i < 6; i++)
		ck_assert_uint_eq(refusal(&small, tokens[i]), 0);
	/* Right at the floor nothing is missing. */
	paths = paths_since(&small, tokens[3]);
	ck_assert_str_eq(paths, "d e f ");
	free(paths);
	/* What was dropped is nobody's any more. */
	ck_assert_uint_eq(name_tree_get_count(dirty_set_get_names(small.set)),
			  2 + 3);
	fixture_free(&small);
}
END_TEST

START_TEST(test_set_of_one_name_remembers_the_last)
{
	Fixture small = fixture_new(1);
	uint64_t before = tell(&small);
	uint64_t between;

	stamp(&small, "a", C);
	between = tell(&small);
	ck_assert_uint_eq(refusal(&small, before), 0);
	stamp(&small, "b", C);
	ck_assert_uint_eq(refusal(&small, before), SINCEFS_REASON_FORGOT);
	ck_assert_uint_eq(flags_since(&small, "b", between), C);
	fixture_free(&small);
}
END_TEST

START_TEST(test_stamping_known_names_drops_nothing)
{
	Fixture small = fixture_new(2);
	uint64_t before = tell(&small);

	for (int i = 0; i < 10; i++) {
		stamp(&small, i % 2 ? "a" : "b", C);
		tell(&small);
	}
	ck_assert_uint_eq(refusal(&small, before), 0);
	fixture_free(&small);
}
END_TEST

/* A name whose entry was dropped may have existed before the floor. */
START_TEST(test_new_is_not_claimed_for_tokens_before_the_floor)
{
	Fixture small = fixture_new(2);
	uint64_t page_token;
	uint64_t existing;

	stamp(&small, "x", C | NEW);
	existing = tell(&small);
	stamp(&small, "x", C | GONE);
	stamp(&small, "a", C);
	/* An answer to that token has come so far. */
	dirty_set_lock(small.set);
	page_token =
		dirty_set_tell_page_locked(small.set, existing, existing + 4);
	dirty_set_unlock(small.set);
	stamp(&small, "b", C); /* drops x */
	ck_assert_uint_eq(refusal(&small, page_token), 0);
	stamp(&small, "x", C | NEW); /* drops a */
	ck_assert_uint_eq(flags_since(&small, "x", page_token), C);
	ck_assert_uint_eq(flags_since(&small, "x",
				      dirty_set_peek_clock(small.set) - 2),
			  C | NEW);
	fixture_free(&small);
}
END_TEST

/* (5) */
START_TEST(test_lost_events_refuse_earlier_tokens_and_no_later_ones)
{
	uint64_t before = tell(&f);
	uint64_t between;
	uint64_t after;

	stamp(&f, "a", C);
	between = tell(&f);
	lose(&f);
	after = tell(&f);
	ck_assert_uint_gt(after, between);
	ck_assert_uint_eq(refusal(&f, before), SINCEFS_REASON_LOST);
	ck_assert_uint_eq(refusal(&f, between), SINCEFS_REASON_LOST);
	ck_assert_uint_eq(refusal(&f, between | 1), 0);
	ck_assert_uint_eq(refusal(&f, after), 0);
	ck_assert_uint_eq(count(), 0);
	assert_paths(after, "");
	stamp(&f, "a", C);
	assert_paths(after, "a ");
	ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(test_reason_is_the_worst_that_is_true)
{
	Fixture small = fixture_new(1);
	uint64_t lost = tell(&small);
	uint64_t forgotten;

	lose(&small);
	forgotten = tell(&small);
	stamp(&small, "a", C);
	stamp(&small, "b", C);
	ck_assert_uint_eq(refusal(&small, lost), SINCEFS_REASON_LOST);
	ck_assert_uint_eq(refusal(&small, forgotten), SINCEFS_REASON_FORGOT);
	ck_assert_uint_eq(refusal(&small, tell(&small) + 1),
			  SINCEFS_REASON_FUTURE);
	ck_assert_uint_eq(refusal(&small, UINT64_MAX), SINCEFS_REASON_FUTURE);
	ck_assert_uint_eq(refusal(&small, 0), SINCEFS_REASON_LOST);
	fixture_free(&small);
}
END_TEST

/* (6) */
START_TEST(test_names_of_a_lost_history_go_little_by_little)
{
	NameTree *names = dirty_set_get_names(f.set);
	uint64_t token;
	char name[16];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "n%d", i);
		stamp(&f, name, C | NEW | (i % 2 ? SUB | DIR : 0));
	}
	lose(&f);
	token = tell(&f);
	/* A lost name is like any other: here one that still hangs there, of
	   which only the new stamp counts. */
	stamp(&f, "n499", META);
	ck_assert_uint_eq(flags_since(&f, "n499", token), META);
	ck_assert_uint_eq(count(), 1);
	/* And so is one below a directory whose rename is lost. */
	stamp(&f, "n499/x", C | NEW);
	ck_assert_uint_eq(flags_since(&f, "n499/x", token), C | NEW);
	for (int i = 0; i < 200; i++)
		stamp(&f, "n499/x", C);
	ck_assert_uint_eq(name_tree_get_count(names), 2 + 2);
	ck_assert_uint_eq(count(), 2);
}
END_TEST

START_TEST(test_losing_again_and_again_frees_everything)
{
	for (int turn = 0; turn < 5; turn++) {
		for (int i = 0; i < 50; i++) {
			char name[32];

			snprintf(name, sizeof name, "d%d/n%d", i % 3, i);
			stamp(&f, name, C);
		}
		lose(&f);
		lose(&f);
	}
}
END_TEST

/* (7) */
START_TEST(test_rename_above_is_known_to_a_new_name_below)
{
	uint64_t before = tell(&f);
	uint64_t after;

	stamp(&f, "d", C | GONE | DIR | SUB);
	stamp(&f, "e", C | NEW | DIR | SUB);
	stamp(&f, "d", C | NEW | DIR);
	after = tell(&f);
	stamp(&f, "d/x/y", C | NEW);
	stamp(&f, "z", C | NEW);
	/* d/x/y may have existed in what e is now. */
	ck_assert_uint_eq(flags_since(&f, "d/x/y", before), C);
	ck_assert_uint_eq(flags_since(&f, "d/x/y", after), C | NEW);
	ck_assert_uint_eq(flags_since(&f, "z", before), C | NEW);
	ck_assert_uint_eq(flags_since(&f, "e", before), C | NEW | DIR | SUB);
	ck_assert_uint_eq(flags_since(&f, "d", before), C | DIR | SUB);
}
END_TEST

START_TEST(test_rename_above_is_known_however_it_is_kept)
{
	uint64_t between;

	/* d's history is a long one: SUBTREE at one clock, META at another. */
	stamp(&f, "d", C | GONE | DIR | SUB);
	stamp(&f, "d", C | NEW | DIR);
	between = tell(&f);
	stamp(&f, "d", META | DIR);
	stamp(&f, "d/x", C | NEW);
	ck_assert_uint_eq(flags_since(&f, "d/x", 2), C);
	ck_assert_uint_eq(flags_since(&f, "d/x", between), C | NEW);
}
END_TEST

START_TEST(test_removed_directory_above_is_no_rename)
{
	uint64_t before = tell(&f);

	stamp(&f, "d", C | GONE | DIR);
	stamp(&f, "d", C | NEW | DIR);
	stamp(&f, "d/x", C | NEW);
	ck_assert_uint_eq(flags_since(&f, "d/x", before), C | NEW);
}
END_TEST

/* What an intermediate page's token says of a name that was made, removed and
   made: nothing if the question is not known. */
START_TEST(test_page_token_is_answered_for_its_own_question)
{
	uint64_t before = tell(&f);
	uint64_t between;
	uint64_t page_token;

	stamp(&f, "x", C | GONE);
	between = tell(&f);
	stamp(&f, "a", C);
	dirty_set_lock(f.set);
	page_token = dirty_set_tell_page_locked(f.set, between,
						dirty_set_peek_clock(f.set));
	dirty_set_unlock(f.set);
	stamp(&f, "x", C | NEW);
	ck_assert_uint_eq(page_token % 2, 1);
	ck_assert_uint_eq(flags_since(&f, "x", before), C);
	ck_assert_uint_eq(flags_since(&f, "x", between), C | NEW);
	ck_assert_uint_eq(flags_since(&f, "x", page_token), C | NEW);
	/* And its next page. */
	stamp(&f, "y", C);
	dirty_set_lock(f.set);
	page_token =
		dirty_set_tell_page_locked(f.set, page_token, page_token + 2);
	dirty_set_unlock(f.set);
	stamp(&f, "x", META);
	ck_assert_uint_eq(flags_since(&f, "x", page_token), C | NEW | META);
	/* One that was never given out. */
	ck_assert_uint_eq(flags_since(&f, "x", between + 1), C | META);
}
END_TEST

START_TEST(test_a_million_names_are_remembered)
{
	enum { N = 1000000 };
	Fixture large = fixture_new(N);
	uint64_t last = 0;
	char *paths;
	char name[32];

	for (int i = 0; i < N; i++) {
		if (i == N - 3)
			last = tell(&large);
		snprintf(name, sizeof name, "d%d/n%d", i % 100, i);
		stamp(&large, name, C | NEW);
	}
	ck_assert_uint_eq(refusal(&large, 2), 0);
	paths = paths_since(&large, last);
	ck_assert_str_eq(paths, "d97/n999997 d98/n999998 d99/n999999 ");
	free(paths);
	fixture_free(&large);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dirty-set");
	TCase *order = tcase_create("order");
	TCase *told = tcase_create("told");
	TCase *bounds = tcase_create("capacity");
	TCase *loss = tcase_create("loss");
	TCase *above = tcase_create("renames above");
	TCase *size = tcase_create("size");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(order, set_up, tear_down);
	tcase_add_test(order, test_token_right_after_the_start_is_good);
	tcase_add_test(
		order,
		test_each_first_stamp_has_a_clock_of_its_own_and_it_is_even);
	tcase_add_test(
		order,
		test_answer_is_what_changed_after_the_token_oldest_first);
	tcase_add_test(order,
		       test_second_stamp_moves_the_name_to_the_newest_end);
	tcase_add_test(order, test_asking_consumes_nothing);
	tcase_add_test(order, test_record_names_its_last_writer);
	suite_add_tcase(suite, order);
	tcase_add_checked_fixture(told, set_up, tear_down);
	tcase_add_test(
		told,
		test_stamp_that_nobody_was_told_of_takes_the_next_ones_in);
	tcase_add_test(told, test_stamp_after_it_was_told_has_a_new_clock);
	tcase_add_test(told, test_looking_at_the_clock_is_not_telling);
	tcase_add_test(
		told,
		test_collecting_is_not_telling_and_telling_part_is_not_more);
	tcase_add_test(told, test_told_never_goes_back);
	tcase_add_test(told, test_collecting_stops_at_records_and_at_slots);
	tcase_add_test(told, test_page_token_is_answered_for_its_own_question);
	suite_add_tcase(suite, told);
	tcase_add_checked_fixture(bounds, set_up, tear_down);
	tcase_add_test(
		bounds,
		test_oldest_is_dropped_beyond_capacity_and_the_floor_rises);
	tcase_add_test(bounds, test_set_of_one_name_remembers_the_last);
	tcase_add_test(bounds, test_stamping_known_names_drops_nothing);
	tcase_add_test(bounds,
		       test_new_is_not_claimed_for_tokens_before_the_floor);
	suite_add_tcase(suite, bounds);
	tcase_add_checked_fixture(loss, set_up, tear_down);
	tcase_add_test(
		loss, test_lost_events_refuse_earlier_tokens_and_no_later_ones);
	tcase_add_test(loss, test_reason_is_the_worst_that_is_true);
	tcase_add_test(loss, test_names_of_a_lost_history_go_little_by_little);
	tcase_add_test(loss, test_losing_again_and_again_frees_everything);
	suite_add_tcase(suite, loss);
	tcase_add_checked_fixture(above, set_up, tear_down);
	tcase_add_test(above, test_rename_above_is_known_to_a_new_name_below);
	tcase_add_test(above, test_rename_above_is_known_however_it_is_kept);
	tcase_add_test(above, test_removed_directory_above_is_no_rename);
	suite_add_tcase(suite, above);
	tcase_add_test(size, test_a_million_names_are_remembered);
	tcase_set_timeout(size, 120);
	suite_add_tcase(suite, size);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
