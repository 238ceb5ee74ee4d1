/* SPDX-License-Identifier: MIT */
/* mount/limited.c: what a process of its own tells, and that it is left in
   time. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "mount/limited.h"

static void tell_much(void *data, int fd)
{
	g_autofree char *text = g_strnfill(1000000, *(char *)data);

	limited_tell(fd, text, 1000000);
}

static void tell_and_die(void *data, int fd)
{
	limited_tell(fd, data, 1);
	raise(SIGKILL);
}

static void tell_and_hang(void *data, int fd)
{
	limited_tell(fd, data, 1);
	for (;;)
		pause();
}

static char letter[] = "x";

START_TEST(test_all_that_is_told_arrives)
{
	g_autoptr(GByteArray) told = g_byte_array_new();

	ck_assert_int_eq(limited_call(tell_much, letter, 60000, told), 0);
	ck_assert_uint_eq(told->len, 1000000);
	ck_assert_int_eq(told->data[999999], 'x');
}
END_TEST

START_TEST(test_death_is_an_end)
{
	g_autoptr(GByteArray) told = g_byte_array_new();

	ck_assert_int_eq(limited_call(tell_and_die, letter, 60000, told), 0);
	ck_assert_uint_eq(told->len, 1);
}
END_TEST

START_TEST(test_hung_call_is_left_and_leaves_nothing)
{
	g_autoptr(GByteArray) told = g_byte_array_new();

	ck_assert_int_eq(limited_call(tell_and_hang, letter, 200, told),
			 -ETIMEDOUT);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limited");
	TCase *calls = tcase_create("calls");
	SRunner *runner;
	int failed;

	tcase_add_test(calls, test_all_that_is_told_arrives);
	tcase_add_test(calls, test_death_is_an_end);
	tcase_add_test(calls, test_hung_call_is_left_and_leaves_nothing);
	suite_add_tcase(suite, calls);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
