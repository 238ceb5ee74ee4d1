/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/streams.h"

static int open_something(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(test_stream_is_found_where_it_stands)
{
	Streams streams;
	int a = open_something(), b = open_something(), c = open_something();

	streams_init(&streams);
	streams_keep(&streams, 1, 100, a);
	streams_keep(&streams, 1, 200, b);
	streams_keep(&streams, 2, 100, c);
	ck_assert_int_eq(streams_steal(&streams, 1, 200), b);
	ck_assert_int_eq(streams_steal(&streams, 2, 100), c);
	ck_assert_int_eq(streams_steal(&streams, 1, 100), a);
	close(a);
	close(b);
	close(c);
	streams_clear(&streams);
}
END_TEST

START_TEST(test_no_stream_for_another_place_or_directory)
{
	Streams streams;
	int fd = open_something();

	streams_init(&streams);
	ck_assert_int_eq(streams_steal(&streams, 1, 0), -1);
	streams_keep(&streams, 1, 100, fd);
	ck_assert_int_eq(streams_steal(&streams, 1, 101), -1);
	ck_assert_int_eq(streams_steal(&streams, 2, 100), -1);
	ck_assert_int_eq(streams_steal(&streams, 0, 0), -1);
	ck_assert(is_open(fd));
	streams_clear(&streams);
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(test_stream_is_stolen_once)
{
	Streams streams;
	int fd = open_something();

	streams_init(&streams);
	streams_keep(&streams, 1, 100, fd);
	ck_assert_int_eq(streams_steal(&streams, 1, 100), fd);
	ck_assert_int_eq(streams_steal(&streams, 1, 100), -1);
	streams_clear(&streams);
	ck_assert(is_open(fd)); /* it is the thief's */
	close(fd);
}
END_TEST

/* Two readers of one directory may stand at the same place. */
START_TEST(test_two_streams_at_one_place_are_two)
{
	Streams streams;
	int a = open_something(), b = open_something();
	int first, second;

	streams_init(&streams);
	streams_keep(&streams, 1, 100, a);
	streams_keep(&streams, 1, 100, b);
	first = streams_steal(&streams, 1, 100);
	second = streams_steal(&streams, 1, 100);
	ck_assert((first == a && second == b) || (first == b && second == a));
	ck_assert_int_eq(streams_steal(&streams, 1, 100), -1);
	close(a);
	close(b);
	streams_clear(&streams);
}
END_TEST

START_TEST(test_oldest_is_closed_when_there_are_too_many)
{
	int fds[STREAMS_MAX + 1];
	Streams streams;
	int kept;

	streams_init(&streams);
	for (int i = 0; i < STREAMS_MAX; i++) {
		fds[i] = open_something();
		streams_keep(&streams, (uint64_t)i + 1, 100, fds[i]);
	}
	/* The first is used again, so that the second is the oldest. */
	kept = streams_steal(&streams, 1, 100);
	ck_assert_int_eq(kept, fds[0]);
	streams_keep(&streams, 1, 200, kept);
	fds[STREAMS_MAX] = open_something();
	streams_keep(&streams, STREAMS_MAX + 1, 100, fds[STREAMS_MAX]);
	for (int i = 0; i <= STREAMS_MAX; i++)
		ck_assert_int_eq(is_open(fds[i]), i != 1);
	ck_assert_int_eq(streams_steal(&streams, 2, 100), -1);
	streams_clear(&streams);
}
END_TEST

START_TEST(test_forgetting_a_directory_closes_its_streams_alone)
{
	Streams streams;
	int a = open_something(), b = open_something(), c = open_something();

	streams_init(&streams);
	streams_keep(&streams, 1, 100, a);
	streams_keep(&streams, 2, 100, b);
	streams_keep(&streams, 1, 200, c);
	streams_forget(&streams, 1);
	ck_assert(!is_open(a) && is_open(b) && !is_open(c));
	ck_assert_int_eq(streams_steal(&streams, 1, 100), -1);
	streams_close_idle(&streams);
	ck_assert(!is_open(b));
	streams_clear(&streams);
}
END_TEST

/*
 * Threads read the same directory in pieces. A stream that two had at once
 * would be seen in its owner's mark.
 */
enum { THREADS = 4, ROUNDS = 20000, PLACES = 3 };

static Streams shared;
static _Atomic int owners[1024];
static _Atomic int found, shared_out;

static void *reader_main(void *data)
{
	unsigned random = (unsigned)(uintptr_t)data;

	for (int i = 0; i < ROUNDS; i++) {
		off_t place = rand_r(&random) % PLACES;
		int fd = streams_steal(&shared, 7, place);

		if (fd < 0)
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		else
			atomic_fetch_add(&found, 1);
		if (atomic_fetch_add(&owners[fd], 1) != 0)
			atomic_fetch_add(&shared_out, 1);
		if (i % 64 == 0)
			streams_forget(&shared, 7);
		atomic_fetch_sub(&owners[fd], 1);
		streams_keep(&shared, 7, place, fd);
	}
	return NULL;
}

START_TEST(test_no_stream_is_given_to_two_readers)
{
	pthread_t threads[THREADS];

	streams_init(&shared);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reader_main,
						(void *)(i + 1)),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(shared_out, 0);
	ck_assert_int_gt(found, 0);
	streams_clear(&shared);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("streams");
	TCase *places = tcase_create("places");
	TCase *life = tcase_create("life");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_test(places, test_stream_is_found_where_it_stands);
	tcase_add_test(places, test_no_stream_for_another_place_or_directory);
	tcase_add_test(places, test_stream_is_stolen_once);
	tcase_add_test(places, test_two_streams_at_one_place_are_two);
	suite_add_tcase(suite, places);
	tcase_add_test(life, test_oldest_is_closed_when_there_are_too_many);
	tcase_add_test(life,
		       test_forgetting_a_directory_closes_its_streams_alone);
	suite_add_tcase(suite, life);
	tcase_add_test(races, test_no_stream_is_given_to_two_readers);
	tcase_set_timeout(races, 120);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
