/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <check.h>

#include "core/recency.h"

/* What the order promises of its size: a quarter of the slots is in use, but
   for two chunks of 512. */
#define SLOT_BYTES 16
#define SLACK ((size_t)2 * (512 * SLOT_BYTES + 64) + 16 * 64)

static void assert_bounded(const Recency *order)
{
	ck_assert_uint_le(recency_get_bytes(order),
			  recency_get_count(order) * SLOT_BYTES * 4 * 11 / 10 +
				  SLACK);
}

/* All items from after @clock on, and nothing else, in order. */
static void assert_rest(const Recency *order, const RecencyItem *items,
			const uint64_t *clocks, size_t n, uint64_t clock)
{
	RecencyCursor cursor = recency_find_after(order, clock);
	RecencyItem *item;
	uint64_t at;
	uint64_t last = clock;
	size_t found = 0;
	size_t expected = 0;

	while (recency_step(order, &cursor, &item, &at)) {
		if (at <= last)
			ck_abort_msg("the order is wrong");
		last = at;
		if (item == NULL)
			continue;
		if (recency_get_clock(item) != at || clocks[item - items] != at)
			ck_abort_msg("an item has a wrong clock");
		found++;
	}
	for (size_t i = 0; i < n; i++)
		expected += clocks[i] > clock;
	ck_assert_uint_eq(found, expected);
}

START_TEST(test_empty_order_has_nothing)
{
	Recency order = {0};
	RecencyCursor cursor = recency_find_after(&order, 0);
	RecencyItem *item;
	uint64_t clock;

	ck_assert(!recency_step(&order, &cursor, &item, &clock));
	ck_assert_ptr_null(recency_get_oldest(&order));
	ck_assert_uint_eq(recency_get_count(&order), 0);
	recency_clear(&order);
}
END_TEST

START_TEST(test_hot_item_does_not_grow_the_order)
{
	Recency order = {0};
	RecencyItem items[100];

	for (uint64_t i = 0; i < 100; i++)
		ck_assert(recency_append(&order, &items[i], i + 1));
	for (uint64_t clock = 101; clock < 200000; clock++) {
		recency_remove(&order, &items[50]);
		ck_assert(recency_append(&order, &items[50], clock));
	}
	assert_bounded(&order);
	ck_assert_ptr_eq(recency_get_oldest(&order), &items[0]);
	recency_clear(&order);
}
END_TEST

/* Two items take turns, so that the last slot is never the one left. */
START_TEST(test_hot_items_in_turn_do_not_grow_the_order)
{
	enum { N = 3000, HOT = 40 };
	Recency order = {0};
	RecencyItem *items = calloc(N, sizeof *items);
	uint64_t clock = 0;

	for (int i = 0; i < N; i++)
		ck_assert(recency_append(&order, &items[i], ++clock));
	for (int i = 0; i < 200000; i++) {
		RecencyItem *item = &items[N / HOT * (i % HOT)];

		recency_remove(&order, item);
		ck_assert(recency_append(&order, item, ++clock));
		if (i % 1000 == 0)
			assert_bounded(&order);
	}
	recency_clear(&order);
	free(items);
}
END_TEST

/* Remove from the front, the back, the middle and at random; ask now and
   then. */
START_TEST(test_order_is_right_whatever_is_taken_out)
{
	enum { N = 5000, STEPS = 120000 };
	Recency order = {0};
	RecencyItem *items = calloc(N, sizeof *items);
	uint64_t *clocks = calloc(N, sizeof *clocks); /* 0: not in it */
	uint64_t clock = 0;
	size_t count = 0;

	srandom((unsigned)_i + 1);
	for (int step = 0; step < STEPS; step++) {
		/* By turns mostly filling, emptying and stamping again. */
		int phase = step / 20000 % 3;
		size_t i = (size_t)random() % N;

		if (_i == 1)
			i = i * i / N; /* some far more often than others */
		if (clocks[i] != 0) {
			recency_remove(&order, &items[i]);
			clocks[i] = 0;
			count--;
			if (phase == 1)
				goto check;
		} else if (phase == 1) {
			continue;
		}
		clocks[i] = clock += 2;
		if (!recency_append(&order, &items[i], clock))
			ck_abort_msg("no memory");
		count++;
check:
		if (step % 1999 != 0)
			continue;
		ck_assert_uint_eq(recency_get_count(&order), count);
		assert_bounded(&order);
		assert_rest(&order, items, clocks, N, 0);
		assert_rest(&order, items, clocks, N, clock);
		assert_rest(&order, items, clocks, N,
			    (uint64_t)random() % (clock + 1));
	}
	while (count-- > 0) {
		RecencyItem *oldest = recency_get_oldest(&order);

		ck_assert_ptr_nonnull(oldest);
		clock = recency_get_clock(oldest);
		recency_remove(&order, oldest);
		if (count > 0)
			ck_assert_uint_gt(
				recency_get_clock(recency_get_oldest(&order)),
				clock);
		assert_bounded(&order);
	}
	ck_assert_ptr_null(recency_get_oldest(&order));
	recency_clear(&order);
	free(items);
	free(clocks);
}
END_TEST

START_TEST(test_slots_looked_at_are_at_most_four_times_the_items)
{
	enum { N = 20000 };
	Recency order = {0};
	RecencyItem *items = calloc(N, sizeof *items);
	RecencyCursor cursor;
	RecencyItem *item;
	uint64_t clock;
	size_t steps = 0;

	for (uint64_t i = 0; i < N; i++)
		ck_assert(recency_append(&order, &items[i], i + 1));
	for (size_t i = 0; i < N; i++)
		if (i % 50 != 0)
			recency_remove(&order, &items[i]);
	cursor = recency_find_after(&order, 0);
	while (recency_step(&order, &cursor, &item, &clock))
		steps++;
	ck_assert_uint_le(steps, N / 50 * 4 + 1024);
	recency_clear(&order);
	free(items);
}
END_TEST

START_TEST(test_buried_items_come_out_once_each)
{
	enum { N = 3000 };
	Recency order = {0};
	RecencyGrave grave = {0};
	RecencyItem *items = calloc(N, sizeof *items);
	RecencyItem *item;
	size_t n = 0;

	for (uint64_t i = 0; i < N; i++)
		ck_assert(recency_append(&order, &items[i], i + 1));
	recency_bury(&order, &grave);
	ck_assert_uint_eq(recency_get_count(&order), 0);
	ck_assert(recency_is_buried(&items[7]));
	recency_exhume_item(&items[7]);

	/* The order goes on, with one of them too, and is buried again. */
	ck_assert(recency_append(&order, &items[7], N + 1));
	ck_assert(!recency_is_buried(&items[7]));
	ck_assert_ptr_eq(recency_get_oldest(&order), &items[7]);
	recency_bury(&order, &grave);
	ck_assert(recency_is_buried(&items[7]));

	while ((item = recency_exhume(&grave)) != NULL) {
		ck_assert_ptr_null(item->chunk);
		n++;
	}
	ck_assert_uint_eq(n, N);
	recency_clear(&order);
	free(items);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recency");
	TCase *order = tcase_create("order");
	TCase *size = tcase_create("size");
	TCase *grave = tcase_create("grave");
	SRunner *runner;
	int failed;

	tcase_add_test(order, test_empty_order_has_nothing);
	tcase_add_loop_test(order, test_order_is_right_whatever_is_taken_out, 0,
			    2);
	tcase_set_timeout(order, 120);
	suite_add_tcase(suite, order);
	tcase_add_test(size, test_hot_item_does_not_grow_the_order);
	tcase_add_test(size, test_hot_items_in_turn_do_not_grow_the_order);
	tcase_add_test(size,
		       test_slots_looked_at_are_at_most_four_times_the_items);
	tcase_set_timeout(size, 120);
	suite_add_tcase(suite, size);
	tcase_add_test(grave, test_buried_items_come_out_once_each);
	suite_add_tcase(suite, grave);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
