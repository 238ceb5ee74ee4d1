/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "fs/turns.h"

static Turns turns;

static void set_up(void)
{
	turns_init(&turns);
}

static void tear_down(void)
{
	ck_assert_ptr_null(turns.oldest);
	ck_assert_ptr_null(turns.newest);
	turns_clear(&turns);
}

static Turn turn_of(uint64_t id, uint64_t begin, uint64_t end)
{
	return (Turn){.id = id, .begin = begin, .end = end};
}

/* A thread that waits for its turn and says that it came. */
typedef struct {
	Turn turn;
	pthread_t thread;
	_Atomic bool came;
} Waiting;

static void *wait_main(void *data)
{
	Waiting *waiting = data;

	turns_wait(&turns, &waiting->turn);
	waiting->came = true;
	turns_leave(&turns, &waiting->turn);
	return NULL;
}

static void begin(Waiting *waiting, Turn turn)
{
	waiting->turn = turn;
	waiting->came = false;
	turns_enter(&turns, &waiting->turn);
	ck_assert_int_eq(
		pthread_create(&waiting->thread, NULL, wait_main, waiting), 0);
}

static bool is_waited(void)
{
	bool is;

	pthread_mutex_lock(&turns.lock);
	is = turns.waiting > 0;
	pthread_mutex_unlock(&turns.lock);
	return is;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

START_TEST(test_nothing_before_is_no_wait)
{
	Turn turn = turn_of(1, 0, 100);

	turns_enter(&turns, &turn);
	turns_wait(&turns, &turn);
	turns_leave(&turns, &turn);
}
END_TEST

START_TEST(test_other_files_and_other_bytes_are_no_wait)
{
	Turn first = turn_of(1, 100, 200);
	Turn others[] = {turn_of(2, 100, 200), turn_of(1, 0, 100),
			 turn_of(1, 200, 300)};

	turns_enter(&turns, &first);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		turns_enter(&turns, &others[i]);
		/* Would never end. */
		turns_wait(&turns, &others[i]);
		turns_leave(&turns, &others[i]);
	}
	turns_leave(&turns, &first);
}
END_TEST

START_TEST(test_one_that_came_before_does_not_wait_for_a_later_one)
{
	Turn first = turn_of(1, 0, 10), second = turn_of(1, 0, 10);

	turns_enter(&turns, &first);
	turns_enter(&turns, &second);
	turns_wait(&turns, &first);
	turns_leave(&turns, &first);
	turns_wait(&turns, &second);
	turns_leave(&turns, &second);
}
END_TEST

static const Turn touching[] = {
	{.id = 1, .begin = 100, .end = 200},
	{.id = 1, .begin = 0, .end = 101},
	{.id = 1, .begin = 199, .end = 300},
	{.id = 1, .begin = 120, .end = 130},
	{.id = 1, .begin = 0, .end = UINT64_MAX},
};

START_TEST(test_who_touches_the_same_bytes_waits)
{
	Turn first = turn_of(1, 100, 200);
	Waiting second;

	turns_enter(&turns, &first);
	begin(&second, touching[_i]);
	while (!is_waited())
		nap();
	nap();
	ck_assert(!second.came);
	turns_leave(&turns, &first);
	pthread_join(second.thread, NULL);
	ck_assert(second.came);
}
END_TEST

/* Many at a time: each finds the counter as its place in the order says. */
#define MANY 64

typedef struct {
	Turn turn;
	unsigned number;
} Ordered;

static unsigned counter; /* guarded by the turns themselves */

static void *ordered_main(void *data)
{
	Ordered *ordered = data;

	turns_wait(&turns, &ordered->turn);
	ck_assert_uint_eq(counter, ordered->number);
	counter++;
	turns_leave(&turns, &ordered->turn);
	return NULL;
}

START_TEST(test_order_is_that_of_entering)
{
	pthread_t threads[MANY];
	Ordered all[MANY];

	counter = 0;
	for (unsigned i = 0; i < MANY; i++) {
		all[i] = (Ordered){turn_of(1, i % 7, 100 + i), i};
		turns_enter(&turns, &all[i].turn);
	}
	/* The last first. */
	for (unsigned i = MANY; i-- > 0;)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ordered_main,
						&all[i]),
				 0);
	for (unsigned i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counter, MANY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("turns");
	TCase *tc = tcase_create("turns");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_nothing_before_is_no_wait);
	tcase_add_test(tc, test_other_files_and_other_bytes_are_no_wait);
	tcase_add_test(tc,
		       test_one_that_came_before_does_not_wait_for_a_later_one);
	tcase_add_loop_test(tc, test_who_touches_the_same_bytes_waits, 0,
			    sizeof(touching) / sizeof(*touching));
	tcase_add_test(tc, test_order_is_that_of_entering);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
