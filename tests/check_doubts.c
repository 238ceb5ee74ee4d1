/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "fs/doubts.h"

#define START UINT64_C(1000000000000)

static Doubts doubts;

static void set_up(void)
{
	doubts = (Doubts){.due_ns = 0};
}

static void tear_down(void)
{
	doubts_clear(&doubts);
}

/* How many are taken at @now_ns; @id is among them how often? */
static uint32_t take(uint64_t now_ns, uint64_t id, uint32_t *times_out)
{
	DoubtBatch batch;
	uint32_t count;

	doubts_take(&doubts, now_ns, &batch);
	*times_out = 0;
	count = batch.count;
	for (uint32_t i = 0; i < count; i++)
		*times_out += batch.ids[i] == id;
	doubt_batch_clear(&batch);
	return count;
}

START_TEST(test_each_waits_for_the_time_at_least_and_twice_at_most)
{
	uint64_t end = START + 10 * DOUBTS_WAIT_NS;
	uint64_t added_at[64] = {0}, id = 1, added = 0, taken = 0;

	for (uint64_t now = START; now < end; now += DOUBTS_WAIT_NS / 10) {
		DoubtBatch batch;

		if (now < START + 6 * DOUBTS_WAIT_NS) {
			added_at[id] = now;
			ck_assert(doubts_add(&doubts, id++, now));
			added++;
		}
		doubts_take(&doubts, now, &batch);
		for (uint32_t i = 0; i < batch.count; i++) {
			uint64_t waited = now - added_at[batch.ids[i]];

			ck_assert_uint_ge(waited, DOUBTS_WAIT_NS);
			ck_assert_uint_le(waited, 2 * DOUBTS_WAIT_NS);
		}
		taken += batch.count;
		doubt_batch_clear(&batch);
	}
	ck_assert_uint_eq(added, 60);
	ck_assert_uint_eq(taken, added);
	ck_assert(doubts_are_empty(&doubts));
}
END_TEST

START_TEST(test_one_that_ripens_is_doubted_anew)
{
	uint32_t times;

	ck_assert(doubts_add(&doubts, 7, START));
	ck_assert_uint_eq(take(START + DOUBTS_WAIT_NS, 7, &times), 0);
	ck_assert(doubts_add(&doubts, 7, START + DOUBTS_WAIT_NS + 1));
	take(START + 2 * DOUBTS_WAIT_NS, 7, &times);
	ck_assert_uint_eq(times, 1);
	take(START + 3 * DOUBTS_WAIT_NS, 7, &times);
	ck_assert_uint_eq(times, 1);
	ck_assert(doubts_are_empty(&doubts));
}
END_TEST

START_TEST(test_the_same_over_and_over_is_one)
{
	uint32_t times;

	for (int i = 0; i < 100000; i++)
		ck_assert(doubts_add(&doubts, 7, START));
	take(START + DOUBTS_WAIT_NS, 7, &times);
	ck_assert_uint_eq(take(START + 2 * DOUBTS_WAIT_NS, 7, &times), 1);
}
END_TEST

START_TEST(test_none_of_many_is_left_out)
{
	uint32_t times;

	for (uint64_t id = 1; id <= DOUBTS_MAX; id++)
		ck_assert(doubts_add(&doubts, id, START));
	/* Too many is said. */
	ck_assert(!doubts_add(&doubts, DOUBTS_MAX + 1, START));
	take(START + DOUBTS_WAIT_NS, 1, &times);
	ck_assert_uint_eq(take(START + 2 * DOUBTS_WAIT_NS, 1, &times),
			  DOUBTS_MAX);
	ck_assert_uint_eq(times, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doubts");
	TCase *tc = tcase_create("doubts");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
		       test_each_waits_for_the_time_at_least_and_twice_at_most);
	tcase_add_test(tc, test_one_that_ripens_is_doubted_anew);
	tcase_add_test(tc, test_the_same_over_and_over_is_one);
	tcase_add_test(tc, test_none_of_many_is_left_out);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
