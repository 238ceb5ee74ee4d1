/* SPDX-License-Identifier: MIT */
/*
 * The fake tree against a real directory: the same tables and the same steps
 * give the same files, the same errors and the same times.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "tests/fake/cases.h"
#include "tests/fake/fake-disk.h"
#include "tests/fake/fake-tree.h"
#include "tests/fake/tables.h"

static char *directory;
static int directory_fd = -1;

static void set_up(void)
{
	directory = g_dir_make_tmp("sincefs-fake-XXXXXX", NULL);
	ck_assert_ptr_nonnull(directory);
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(directory_fd, 0);
}

static void tear_down(void)
{
	g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);

	close(directory_fd);
	ck_assert_int_eq(system(command), 0);
	g_free(directory);
}

static void check_table(const FakeEntry *table)
{
	FakeClock memory_clock, disk_clock;
	const char *failed = "nothing";

	fake_clock_init(&memory_clock);
	fake_clock_init(&disk_clock);
	FakeTree *tree = fake_tree_new(NULL, NULL, &memory_clock);

	ck_assert_int_eq(fake_tree_load(tree, table), 0);
	int r = fake_disk_build(directory_fd, table, &disk_clock, &failed);

	ck_assert_msg(r == 0, "cannot build '%s': %s", failed, strerror(-r));
	g_autofree char *memory = fake_tree_to_text(tree, true);
	g_autofree char *disk = fake_disk_to_text(directory_fd, true);

	ck_assert_ptr_nonnull(disk);
	ck_assert_str_eq(memory, disk);
	fake_tree_free(tree);
}

START_TEST(test_project_in_memory_equals_the_one_on_disk)
{
	check_table(fake_project);
}
END_TEST

START_TEST(test_site_packages_in_memory_equal_those_on_disk)
{
	check_table(fake_site_packages);
}
END_TEST

/* An overlay, for one, does not leave whiteouts: then memory knows more. */
static bool has_whiteout(const FakeCase *fake_case)
{
	for (const FakeStep *step = fake_case->steps; step->op; step++)
		if (step->op == FAKE_OP_WHITEOUT)
			return true;
	return false;
}

START_TEST(test_steps_do_the_same_in_memory_and_on_disk)
{
	const FakeCase *fake_case = &fake_cases[_i];
	int held_fd = -1;
	FakeClock clock;

	fake_clock_init(&clock);
	FakeTree *tree = fake_tree_new(NULL, NULL, &clock);

	ck_assert_int_eq(fake_tree_load(tree, fake_case->setup), 0);
	ck_assert_int_eq(fake_disk_build(directory_fd, fake_case->setup, &clock,
					 NULL),
			 0);
	for (const FakeStep *step = fake_case->steps; step->op; step++) {
		int in_memory = fake_tree_do(tree, step);
		int on_disk = fake_disk_do(directory_fd, step, &held_fd);

		if (on_disk == -EINVAL && has_whiteout(fake_case)) {
			fake_tree_free(tree);
			return;
		}
		ck_assert_msg(in_memory == on_disk && in_memory == -step->error,
			      "%s: %s: %d in memory, %d on disk, %d expected",
			      fake_case->name, fake_op_get_name(step->op),
			      in_memory, on_disk, -step->error);
	}
	if (held_fd >= 0)
		close(held_fd);
	g_autofree char *memory = fake_tree_to_text(tree, false);
	g_autofree char *disk = fake_disk_to_text(directory_fd, false);

	ck_assert_ptr_nonnull(disk);
	ck_assert_msg(!strcmp(memory, disk), "%s:\nin memory\n%son disk\n%s",
		      fake_case->name, memory, disk);
	fake_tree_free(tree);
}
END_TEST

START_TEST(test_clock_stands_still_until_it_ticks)
{
	FakeClock clock;

	fake_clock_init(&clock);
	struct timespec first = fake_clock_get(&clock);
	struct timespec second = fake_clock_get(&clock);
	struct timespec third = fake_clock_tick(&clock);

	ck_assert(first.tv_sec == second.tv_sec);
	ck_assert(first.tv_nsec == second.tv_nsec);
	ck_assert(third.tv_sec == first.tv_sec + 1);
	ck_assert(third.tv_nsec > first.tv_nsec);
}
END_TEST

START_TEST(test_many_files_are_as_many_as_asked_for)
{
	ck_assert_int_eq(fake_disk_build_many(directory_fd, 1050, 10), 0);
	g_autofree char *text = fake_disk_to_text(directory_fd, false);
	unsigned files = 0, dirs = 0;

	ck_assert_ptr_nonnull(text);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		files += *line == 'f';
		dirs += *line == 'd';
	}
	ck_assert_uint_eq(files, 1050);
	ck_assert_uint_eq(dirs, 105 + 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fake-tree");
	TCase *tcase = tcase_create("memory and disk");
	int n = 0;

	umask(022);
	while (fake_cases[n].name)
		n++;
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_project_in_memory_equals_the_one_on_disk);
	tcase_add_test(tcase, test_site_packages_in_memory_equal_those_on_disk);
	tcase_add_loop_test(tcase, test_steps_do_the_same_in_memory_and_on_disk,
			    0, n);
	tcase_add_test(tcase, test_clock_stands_still_until_it_ticks);
	tcase_add_test(tcase, test_many_files_are_as_many_as_asked_for);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
