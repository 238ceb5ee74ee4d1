/* SPDX-License-Identifier: MIT */
/* mount/log.c: where messages go, and which. A writer can be set once in a
   process, so that each test is one. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "mount/fd.h"
#include "mount/log.h"

/* What @speak() writes to standard error; caller frees. */
static char *hear(void (*speak)(void))
{
	auto_fd usual = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	auto_fd heard = memfd_create("heard", MFD_CLOEXEC);
	char *text = g_malloc0(4096);

	ck_assert_int_ge(dup2(heard, STDERR_FILENO), 0);
	speak();
	ck_assert_int_ge(dup2(usual, STDERR_FILENO), 0);
	ck_assert_int_ge(pread(heard, text, 4095, 0), 0);
	return text;
}

static void speak_at_all_levels(void)
{
	g_debug("debug %d", 1);
	g_info("info %d", 2);
	g_message("message %d", 3);
	g_log(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "warning %d", 4);
}

START_TEST(test_messages_go_to_standard_error)
{
	g_unsetenv("G_MESSAGES_DEBUG");
	/* In tests warnings are fatal; this one is wanted. */
	g_log_set_always_fatal(G_LOG_FATAL_MASK);
	log_init();

	g_autofree char *text = hear(speak_at_all_levels);

	ck_assert_str_eq(text, "sincefs: message 3\n"
			       "sincefs: warning: warning 4\n");
}
END_TEST

START_TEST(test_debug_is_shown_when_asked_for)
{
	g_setenv("G_MESSAGES_DEBUG", G_LOG_DOMAIN, TRUE);
	g_log_set_always_fatal(G_LOG_FATAL_MASK);
	log_init();

	g_autofree char *text = hear(speak_at_all_levels);

	ck_assert_str_eq(text, "sincefs: debug 1\n"
			       "sincefs: info 2\n"
			       "sincefs: message 3\n"
			       "sincefs: warning: warning 4\n");
}
END_TEST

START_TEST(test_nothing_goes_to_standard_error_in_the_background)
{
	g_log_set_always_fatal(G_LOG_FATAL_MASK);
	log_init();
	/* Without having been prepared there is no log to write to. */
	log_use_system();

	g_autofree char *text = hear(speak_at_all_levels);

	ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *writing = tcase_create("writing");
	SRunner *runner;
	int failed;

	tcase_add_test(writing, test_messages_go_to_standard_error);
	tcase_add_test(writing, test_debug_is_shown_when_asked_for);
	tcase_add_test(writing,
		       test_nothing_goes_to_standard_error_in_the_background);
	suite_add_tcase(suite, writing);

	runner = srunner_create(suite);
	/* One process each is what these tests are made of. */
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
