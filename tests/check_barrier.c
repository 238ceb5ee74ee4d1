/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fs/barrier.h"

/* A waiter that notes that it ran. */
typedef struct {
	Waiter waiter; /* first: the waiter is the question */
	int runs;
} Question;

static void question_run(Waiter *waiter)
{
	((Question *)waiter)->runs++;
}

static Question question(void)
{
	return (Question){.waiter.run = question_run};
}

START_TEST(test_question_without_tickets_need_not_wait)
{
	Question asked = question();
	Barrier barrier;

	barrier_init(&barrier);
	ck_assert_uint_eq(barrier_get_last(&barrier), 0);
	ck_assert(!barrier_must_wait(&barrier, barrier_get_last(&barrier),
				     &asked.waiter));
	ck_assert_int_eq(asked.runs, 0);
	barrier_clear(&barrier);
}
END_TEST

START_TEST(test_question_after_all_tickets_are_back_need_not_wait)
{
	Question asked = question();
	Ticket first, second;
	Barrier barrier;

	barrier_init(&barrier);
	barrier_take(&barrier, &first);
	barrier_take(&barrier, &second);
	barrier_give_back(&barrier, &first);
	barrier_give_back(&barrier, &second);
	ck_assert_uint_eq(barrier_get_last(&barrier), 2);
	ck_assert(!barrier_must_wait(&barrier, 2, &asked.waiter));
	barrier_clear(&barrier);
}
END_TEST

/* All orders in which four tickets can come back. */
START_TEST(test_question_waits_for_all_tickets_before_it_in_any_order)
{
	enum { N = 4, ORDERS = 24 };
	int left[N] = {0, 1, 2, 3}, order[N];
	Question asked = question();
	Ticket tickets[N];
	Barrier barrier;

	for (int i = 0, rest = _i, n = N; n > 0; i++, n--) {
		int pick = rest % n;

		rest /= n;
		order[i] = left[pick];
		left[pick] = left[n - 1];
	}
	barrier_init(&barrier);
	for (int i = 0; i < N; i++)
		barrier_take(&barrier, &tickets[i]);
	ck_assert(barrier_must_wait(&barrier, barrier_get_last(&barrier),
				    &asked.waiter));
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(asked.runs, 0);
		barrier_give_back(&barrier, &tickets[order[i]]);
	}
	ck_assert_int_eq(asked.runs, 1);
	barrier_clear(&barrier);
}
END_TEST

START_TEST(test_question_does_not_wait_for_tickets_after_it)
{
	Question asked = question(), later = question();
	Ticket before, after;
	uint64_t order;
	Barrier barrier;

	barrier_init(&barrier);
	barrier_take(&barrier, &before);
	order = barrier_get_last(&barrier);
	barrier_take(&barrier, &after);
	ck_assert(barrier_must_wait(&barrier, order, &asked.waiter));
	ck_assert(barrier_must_wait(&barrier, barrier_get_last(&barrier),
				    &later.waiter));
	barrier_give_back(&barrier, &before);
	ck_assert_int_eq(asked.runs, 1);
	ck_assert_int_eq(later.runs, 0);
	barrier_give_back(&barrier, &after);
	ck_assert_int_eq(asked.runs, 1);
	ck_assert_int_eq(later.runs, 1);
	barrier_clear(&barrier);
}
END_TEST

START_TEST(test_later_ticket_coming_back_first_frees_nobody)
{
	Question asked = question();
	Ticket before, after;
	Barrier barrier;

	barrier_init(&barrier);
	barrier_take(&barrier, &before);
	ck_assert(barrier_must_wait(&barrier, barrier_get_last(&barrier),
				    &asked.waiter));
	barrier_take(&barrier, &after);
	barrier_give_back(&barrier, &after);
	ck_assert_int_eq(asked.runs, 0);
	barrier_give_back(&barrier, &before);
	ck_assert_int_eq(asked.runs, 1);
	barrier_clear(&barrier);
}
END_TEST

START_TEST(test_one_ticket_frees_all_who_wait_for_it)
{
	enum { N = 100 };
	Question asked[N];
	Ticket ticket;
	Barrier barrier;

	barrier_init(&barrier);
	barrier_take(&barrier, &ticket);
	for (int i = 0; i < N; i++) {
		asked[i] = question();
		ck_assert(barrier_must_wait(&barrier, 1, &asked[i].waiter));
	}
	barrier_give_back(&barrier, &ticket);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(asked[i].runs, 1);
	barrier_clear(&barrier);
}
END_TEST

/* A waiter that uses the barrier when it runs, and frees itself. */
typedef struct {
	Waiter waiter;
	Barrier *barrier;
	int *runs;
} Asker;

static void asker_run(Waiter *waiter)
{
	Asker *asker = (Asker *)waiter;
	Ticket ticket;

	barrier_take(asker->barrier, &ticket);
	barrier_give_back(asker->barrier, &ticket);
	++*asker->runs;
	free(asker);
}

START_TEST(test_waiters_run_without_the_lock_and_own_themselves)
{
	Ticket ticket;
	Barrier barrier;
	int runs = 0;

	barrier_init(&barrier);
	barrier_take(&barrier, &ticket);
	for (int i = 0; i < 3; i++) {
		Asker *asker = malloc(sizeof(*asker));

		*asker = (Asker){
			.waiter.run = asker_run,
			.barrier = &barrier,
			.runs = &runs,
		};
		ck_assert(barrier_must_wait(&barrier, 1, &asker->waiter));
	}
	barrier_give_back(&barrier, &ticket);
	ck_assert_int_eq(runs, 3);
	barrier_clear(&barrier);
}
END_TEST

/*
 * Many threads read in one order, as the leaders do: under a lock, each then
 * works by itself. What is read is a flush, which stamps before it gives its
 * ticket back, or a question, which must find all flushes before it stamped.
 */
enum { THREADS = 6, ROUNDS = 4000 };

typedef struct {
	Barrier barrier;
	pthread_mutex_t reading;
	int flushes; /* read so far */
	int requests;
	_Atomic bool stamped[THREADS * ROUNDS + 1];
	_Atomic int answered, missed;
} Race;

typedef struct {
	Waiter waiter;
	Race *race;
	int flushes; /* read before it */
} RaceQuestion;

static void race_answer(Waiter *waiter)
{
	RaceQuestion *asked = (RaceQuestion *)waiter;
	Race *race = asked->race;

	for (int i = 1; i <= asked->flushes; i++)
		if (!atomic_load_explicit(&race->stamped[i],
					  memory_order_relaxed))
			atomic_fetch_add(&race->missed, 1);
	atomic_fetch_add(&race->answered, 1);
	free(asked);
}

static void *race_thread(void *data)
{
	Race *race = data;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t order = 0;
		int flush = 0, flushes;
		Ticket ticket;

		pthread_mutex_lock(&race->reading);
		if (++race->requests % 8 != 0) {
			flush = ++race->flushes;
			barrier_take(&race->barrier, &ticket);
		} else {
			order = barrier_get_last(&race->barrier);
		}
		flushes = race->flushes;
		pthread_mutex_unlock(&race->reading);
		if (flush != 0) {
			if (flush % 16 == 0)
				sched_yield();
			atomic_store_explicit(&race->stamped[flush], true,
					      memory_order_relaxed);
			barrier_give_back(&race->barrier, &ticket);
		} else {
			RaceQuestion *asked = malloc(sizeof(*asked));

			*asked = (RaceQuestion){
				.waiter.run = race_answer,
				.race = race,
				.flushes = flushes,
			};
			if (!barrier_must_wait(&race->barrier, order,
					       &asked->waiter))
				race_answer(&asked->waiter);
		}
	}
	return NULL;
}

START_TEST(test_no_question_overtakes_a_flush_in_a_race)
{
	static Race race;
	pthread_t threads[THREADS];

	barrier_init(&race.barrier);
	pthread_mutex_init(&race.reading, NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, race_thread,
						&race),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(race.missed, 0);
	ck_assert_int_eq(race.answered, THREADS * ROUNDS / 8);
	ck_assert_ptr_null(race.barrier.oldest);
	ck_assert_ptr_null(race.barrier.newest);
	ck_assert_ptr_null(race.barrier.waiters);
	pthread_mutex_destroy(&race.reading);
	barrier_clear(&race.barrier);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("barrier");
	TCase *order = tcase_create("one order");
	TCase *waiters = tcase_create("waiters");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_test(order, test_question_without_tickets_need_not_wait);
	tcase_add_test(order,
		       test_question_after_all_tickets_are_back_need_not_wait);
	tcase_add_loop_test(
		order,
		test_question_waits_for_all_tickets_before_it_in_any_order, 0,
		24);
	tcase_add_test(order, test_question_does_not_wait_for_tickets_after_it);
	tcase_add_test(order, test_later_ticket_coming_back_first_frees_nobody);
	suite_add_tcase(suite, order);
	tcase_add_test(waiters, test_one_ticket_frees_all_who_wait_for_it);
	tcase_add_test(waiters,
		       test_waiters_run_without_the_lock_and_own_themselves);
	suite_add_tcase(suite, waiters);
	tcase_add_test(races, test_no_question_overtakes_a_flush_in_a_race);
	tcase_set_timeout(races, 120);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
