/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/descriptors.h"

/* Slots, as the nodes of a table have them. */
enum { SLOTS = 8 };
static Descriptor *slots[SLOTS];
static DescriptorCache cache;

static void set_up(size_t budget, bool keep_nothing)
{
	for (int i = 0; i < SLOTS; i++)
		slots[i] = NULL;
	descriptors_init(&cache, budget, keep_nothing);
}

static void sweep(void)
{
	descriptors_close(descriptors_take_done_locked(&cache));
}

static void tear_down(void)
{
	for (int i = 0; i < SLOTS; i++)
		descriptors_uncache_locked(&cache, &slots[i]);
	sweep();
	ck_assert_uint_eq(cache.open, 0);
	ck_assert_ptr_null(cache.newest);
	ck_assert_ptr_null(cache.oldest);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A descriptor in use by one user. */
static Descriptor *opened(DescriptorKind kind)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	Descriptor *descriptor;

	ck_assert_int_ge(fd, 0);
	descriptor = descriptor_new_locked(&cache, fd, kind);
	ck_assert_ptr_nonnull(descriptor);
	return descriptor;
}

/* The descriptor of slot @i, used once and cached. Returns its number. */
static int fill(int i, DescriptorKind kind)
{
	Descriptor *descriptor = opened(kind);
	int fd = descriptor->fd;

	descriptors_cache_locked(&cache, &slots[i], descriptor);
	descriptor_unref_locked(&cache, descriptor);
	sweep();
	return fd;
}

START_TEST(test_last_user_puts_aside_and_sweeping_closes)
{
	Descriptor *descriptor;
	int fd;

	set_up(4, false);
	descriptor = opened(DESCRIPTOR_READ);
	fd = descriptor->fd;
	ck_assert_uint_eq(cache.open, 1);
	descriptor_ref_locked(descriptor);
	descriptor_unref_locked(&cache, descriptor);
	ck_assert_ptr_null(descriptors_take_done_locked(&cache));
	descriptor_unref_locked(&cache, descriptor);
	ck_assert_uint_eq(cache.open, 0);
	/* Closing may block, so it waits until the lock is free. */
	ck_assert(is_open(fd));
	sweep();
	ck_assert(!is_open(fd));
	ck_assert_ptr_null(descriptors_take_done_locked(&cache));
	descriptor_unref_locked(&cache, NULL);
	tear_down();
}
END_TEST

START_TEST(test_cached_one_stays_open_when_its_user_is_done)
{
	int fd;

	set_up(4, false);
	fd = fill(0, DESCRIPTOR_PATH);
	ck_assert(is_open(fd));
	ck_assert_int_eq(slots[0]->fd, fd);
	ck_assert_uint_eq(slots[0]->refs, 1);
	descriptors_uncache_locked(&cache, &slots[0]);
	ck_assert_ptr_null(slots[0]);
	sweep();
	ck_assert(!is_open(fd));
	descriptors_uncache_locked(&cache, &slots[0]); /* nothing to do */
	tear_down();
}
END_TEST

START_TEST(test_least_recently_used_goes_past_the_budget)
{
	int fds[4];

	set_up(3, false);
	for (int i = 0; i < 4; i++)
		fds[i] = fill(i, DESCRIPTOR_PATH);
	ck_assert_ptr_null(slots[0]);
	ck_assert(!is_open(fds[0]));
	for (int i = 1; i < 4; i++)
		ck_assert(slots[i] != NULL && is_open(fds[i]));
	ck_assert_uint_eq(cache.open, 3);
	tear_down();
}
END_TEST

START_TEST(test_use_saves_from_going)
{
	set_up(3, false);
	for (int i = 0; i < 3; i++)
		fill(i, DESCRIPTOR_PATH);
	descriptors_touch_locked(&cache, slots[0]); /* the oldest */
	descriptors_touch_locked(&cache, slots[0]); /* the newest */
	descriptors_touch_locked(&cache, slots[2]); /* in the middle */
	fill(3, DESCRIPTOR_PATH);
	ck_assert_ptr_null(slots[1]);
	fill(4, DESCRIPTOR_PATH);
	ck_assert_ptr_null(slots[0]);
	fill(5, DESCRIPTOR_PATH);
	ck_assert_ptr_null(slots[2]);
	tear_down();
}
END_TEST

START_TEST(test_better_one_takes_the_place_and_a_lesser_does_not)
{
	int path, writable, readable;

	set_up(3, false);
	path = fill(0, DESCRIPTOR_PATH);
	writable = fill(0, DESCRIPTOR_WRITE);
	ck_assert_int_eq(slots[0]->fd, writable);
	ck_assert(!is_open(path));
	readable = fill(0, DESCRIPTOR_READ);
	ck_assert_int_eq(slots[0]->fd, writable);
	ck_assert(!is_open(readable));
	ck_assert_uint_eq(cache.open, 1);
	tear_down();
}
END_TEST

START_TEST(test_a_lesser_one_counts_as_use_of_what_is_there)
{
	set_up(2, false);
	fill(0, DESCRIPTOR_WRITE);
	fill(1, DESCRIPTOR_PATH);
	fill(0, DESCRIPTOR_PATH);
	fill(2, DESCRIPTOR_PATH);
	ck_assert_ptr_nonnull(slots[0]);
	ck_assert_ptr_null(slots[1]);
	tear_down();
}
END_TEST

START_TEST(test_what_is_in_use_outlives_its_place)
{
	Descriptor *used;

	set_up(1, false);
	used = opened(DESCRIPTOR_PATH);
	descriptors_cache_locked(&cache, &slots[0], used);
	fill(1, DESCRIPTOR_PATH);
	ck_assert_ptr_null(slots[0]);
	sweep();
	ck_assert(is_open(used->fd));
	/* It may have a place again, if its user wants that. */
	descriptors_cache_locked(&cache, &slots[0], used);
	ck_assert_ptr_eq(slots[0], used);
	descriptor_unref_locked(&cache, used);
	tear_down();
}
END_TEST

START_TEST(test_pinned_one_is_never_shed)
{
	Descriptor *pin;

	set_up(2, false);
	pin = opened(DESCRIPTOR_WRITE);
	for (int i = 0; i < SLOTS; i++) {
		fill(i, DESCRIPTOR_PATH);
		ck_assert_uint_le(cache.open, 2);
	}
	descriptors_shed_locked(&cache, 0);
	sweep();
	ck_assert(is_open(pin->fd));
	ck_assert_uint_eq(cache.open, 1);
	descriptor_unref_locked(&cache, pin);
	tear_down();
}
END_TEST

START_TEST(test_shedding_leaves_as_many_as_it_is_told)
{
	set_up(SLOTS, false);
	for (int i = 0; i < SLOTS; i++)
		fill(i, DESCRIPTOR_PATH);
	descriptors_shed_locked(&cache, SLOTS);
	ck_assert_uint_eq(cache.open, SLOTS);
	descriptors_shed_locked(&cache, 3);
	ck_assert_uint_eq(cache.open, 3);
	for (int i = 0; i < SLOTS; i++)
		ck_assert_int_eq(slots[i] != NULL, i >= SLOTS - 3);
	descriptors_shed_locked(&cache, 0);
	ck_assert_uint_eq(cache.open, 0);
	tear_down();
}
END_TEST

START_TEST(test_one_descriptor_has_one_place)
{
	Descriptor *descriptor;

	set_up(4, false);
	descriptor = opened(DESCRIPTOR_READ);
	descriptors_cache_locked(&cache, &slots[0], descriptor);
	descriptors_cache_locked(&cache, &slots[1], descriptor);
	ck_assert_ptr_eq(slots[0], descriptor);
	ck_assert_ptr_null(slots[1]);
	descriptor_unref_locked(&cache, descriptor);
	tear_down();
}
END_TEST

START_TEST(test_cache_that_keeps_nothing_closes_after_use)
{
	int fd;

	set_up(4, true);
	fd = fill(0, DESCRIPTOR_WRITE);
	ck_assert_ptr_null(slots[0]);
	ck_assert(!is_open(fd));
	ck_assert_uint_eq(cache.open, 0);
	tear_down();
}
END_TEST

START_TEST(test_touching_what_has_no_place_does_nothing)
{
	Descriptor *descriptor;

	set_up(4, false);
	fill(0, DESCRIPTOR_PATH);
	descriptor = opened(DESCRIPTOR_PATH);
	descriptors_touch_locked(&cache, descriptor);
	ck_assert_ptr_eq(cache.newest, slots[0]);
	ck_assert_ptr_eq(cache.oldest, slots[0]);
	descriptor_unref_locked(&cache, descriptor);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("descriptors");
	TCase *life = tcase_create("life");
	TCase *budget = tcase_create("budget");
	TCase *places = tcase_create("places");
	SRunner *runner;
	int failed;

	tcase_add_test(life, test_last_user_puts_aside_and_sweeping_closes);
	tcase_add_test(life, test_cached_one_stays_open_when_its_user_is_done);
	tcase_add_test(life, test_what_is_in_use_outlives_its_place);
	tcase_add_test(life, test_cache_that_keeps_nothing_closes_after_use);
	suite_add_tcase(suite, life);
	tcase_add_test(budget, test_least_recently_used_goes_past_the_budget);
	tcase_add_test(budget, test_use_saves_from_going);
	tcase_add_test(budget, test_pinned_one_is_never_shed);
	tcase_add_test(budget, test_shedding_leaves_as_many_as_it_is_told);
	suite_add_tcase(suite, budget);
	tcase_add_test(places,
		       test_better_one_takes_the_place_and_a_lesser_does_not);
	tcase_add_test(places,
		       test_a_lesser_one_counts_as_use_of_what_is_there);
	tcase_add_test(places, test_one_descriptor_has_one_place);
	tcase_add_test(places, test_touching_what_has_no_place_does_nothing);
	suite_add_tcase(suite, places);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
