/* SPDX-License-Identifier: MIT */
/*
 * Files that an ordinary user's daemon could not open again: their descriptors
 * are held while somebody may use them, and never so many that nothing else can
 * be opened. Run by root it becomes nobody first.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fake/fake-kernel.h"

#define ROOT FUSE_ROOT_ID
#define NOBODY 65534

static FakeKernel *kernel;
static Fs *fs;

static void set_up(void)
{
	if (geteuid() == 0) {
		ck_assert_int_eq(setgroups(0, NULL), 0);
		ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
		ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	}
	kernel = fake_kernel_new(&(FakeKernelOptions){.max_descriptors = 64});
	fs = fake_kernel_get_fs(kernel);
}

static void tear_down(void)
{
	struct sincefs_stats stats;

	fake_forget_all(kernel);
	fs_get_stats(fs, &stats);
	ck_assert_uint_eq(stats.descriptors, 1);
	fake_kernel_free(kernel);
}

static size_t count_open(void)
{
	struct sincefs_stats stats;

	fs_get_stats(fs, &stats);
	return stats.descriptors;
}

static uint64_t make(const char *name, mode_t mode)
{
	uint64_t file;

	ck_assert_int_eq(fake_create(kernel, ROOT, name, mode, O_RDWR, &file),
			 0);
	return file;
}

static int change_mode(uint64_t file, mode_t mode)
{
	return fake_setattr(kernel, file,
			    &(struct fuse_setattr_in){
				    .valid = FATTR_MODE,
				    .mode = mode,
			    });
}

static int write_to(uint64_t file)
{
	return fake_write(kernel, file, 0, "bytes", 0, O_WRONLY);
}

static int read_from(uint64_t file)
{
	char *text;
	int r = fake_read(kernel, file, 0, 100, &text);

	if (r == 0)
		g_free(text);
	return r;
}

/* Use so many others that nothing is cached of what was used before. */
static void push_out(void)
{
	char name[32];

	for (int i = 0; i < 100; i++) {
		uint64_t file;

		snprintf(name, sizeof(name), "other%d", i);
		if (fake_lookup(kernel, ROOT, name, &file) == -ENOENT) {
			file = make(name, 0644);
			fake_release(kernel, file);
		}
		ck_assert_int_eq(read_from(file), 0);
	}
}

/* -- What is held
 * ----------------------------------------------------------------- */

START_TEST(test_file_made_without_rights_is_written_until_it_is_closed)
{
	uint64_t file;

	set_up();
	file = make("f", _i == 0 ? 0444 : 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(read_from(file), 0);
	ck_assert_int_eq(fake_release(kernel, file), 0);
	push_out();
	ck_assert_int_eq(write_to(file), -EACCES);
	tear_down();
}
END_TEST

START_TEST(test_file_whose_rights_are_taken_is_written_on)
{
	uint64_t file;

	set_up();
	file = make("f", 0644);
	fake_release(kernel, file); /* opened again without our knowing */
	ck_assert_int_eq(change_mode(file, 0), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(read_from(file), 0);
	ck_assert_int_eq(fake_setattr(kernel, file,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_SIZE,
				      }),
			 0);
	tear_down();
}
END_TEST

START_TEST(test_file_made_and_locked_by_its_maker_is_let_go_when_it_is_closed)
{
	uint64_t file;

	set_up();
	file = make("f", 0644);
	ck_assert_int_eq(change_mode(file, 0444), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(fake_release(kernel, file), 0);
	push_out();
	ck_assert_int_eq(write_to(file), -EACCES);
	ck_assert_int_eq(read_from(file), 0);
	tear_down();
}
END_TEST

START_TEST(test_held_file_that_is_renamed_is_still_held)
{
	uint64_t file, made;

	set_up();
	file = make("f", 0644);
	fake_release(kernel, file);
	made = make("g", 0444);
	ck_assert_int_eq(change_mode(file, 0), 0);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "f", ROOT, "h", 0), 0);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "g", ROOT, "i", 0), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(write_to(made), 0);
	ck_assert_int_eq(fake_release(kernel, made), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(write_to(made), -EACCES);
	tear_down();
}
END_TEST

START_TEST(test_held_file_that_is_unlinked_is_held_until_it_is_forgotten)
{
	uint64_t file, made;

	set_up();
	file = make("f", 0644);
	fake_release(kernel, file);
	made = make("g", 0444);
	ck_assert_int_eq(change_mode(file, 0), 0);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "f"), 0);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "g"), 0);
	ck_assert_int_eq(fake_release(kernel, made), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(write_to(made), 0);
	tear_down();
}
END_TEST

/* One that may be written but not read: who opened it for writing writes on,
   and who may read it later gets to read it. */
START_TEST(test_file_that_may_only_be_written_is_not_read_by_what_is_held)
{
	uint64_t file;

	set_up();
	file = make("f", 0644);
	fake_release(kernel, file);
	fake_forget_all(kernel);
	ck_assert_int_eq(fchmodat(fake_kernel_get_dir_fd(kernel), "f", 0200, 0),
			 0);
	file = fake_find(kernel, "f");
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(read_from(file), -EACCES);
	ck_assert_int_eq(change_mode(file, 0), 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(change_mode(file, 0400), 0);
	ck_assert_int_eq(read_from(file), 0);
	ck_assert_int_eq(write_to(file), 0);
	tear_down();
}
END_TEST

/* -- How much
 * --------------------------------------------------------------------- */

/* As cp -a and archives make them, and installers, which move them as well. */
START_TEST(test_many_locked_files_can_be_made)
{
	char name[16], moved[16];

	set_up();
	for (int i = 0; i < 1000; i++) {
		uint64_t file;

		snprintf(name, sizeof(name), "f%d", i);
		snprintf(moved, sizeof(moved), "m%d", i);
		file = make(name, 0600);
		ck_assert_int_eq(write_to(file), 0);
		if (_i != 1)
			ck_assert_int_eq(change_mode(file, 0444), 0);
		if (_i == 2)
			ck_assert_int_eq(fake_rename(kernel, ROOT, name, ROOT,
						     moved, 0),
					 0);
		ck_assert_int_eq(fake_release(kernel, file), 0);
		/* chmod -R, after all were closed */
		if (_i == 1)
			ck_assert_int_eq(change_mode(file, 0444), 0);
		if (_i == 3)
			ck_assert_int_eq(fake_rename(kernel, ROOT, name, ROOT,
						     moved, 0),
					 0);
		ck_assert_uint_le(count_open(), 64);
	}
	push_out();
	tear_down();
}
END_TEST

/* The last ones stay. */
START_TEST(test_last_files_that_were_locked_are_held)
{
	uint64_t files[200];
	char name[16];

	set_up();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = make(name, 0644);
		fake_release(kernel, files[i]);
	}
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(change_mode(files[i], 0444), 0);
	push_out();
	for (int i = 190; i < 200; i++)
		ck_assert_int_eq(write_to(files[i]), 0);
	ck_assert_int_eq(write_to(files[0]), -EACCES);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pins");
	TCase *held = tcase_create("what is held");
	TCase *much = tcase_create("how much");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		held,
		test_file_made_without_rights_is_written_until_it_is_closed, 0,
		2);
	tcase_add_test(held, test_file_whose_rights_are_taken_is_written_on);
	tcase_add_test(
		held,
		test_file_made_and_locked_by_its_maker_is_let_go_when_it_is_closed);
	tcase_add_test(held, test_held_file_that_is_renamed_is_still_held);
	tcase_add_test(
		held,
		test_held_file_that_is_unlinked_is_held_until_it_is_forgotten);
	tcase_add_test(
		held,
		test_file_that_may_only_be_written_is_not_read_by_what_is_held);
	suite_add_tcase(suite, held);
	tcase_add_loop_test(much, test_many_locked_files_can_be_made, 0, 4);
	tcase_add_test(much, test_last_files_that_were_locked_are_held);
	suite_add_tcase(suite, much);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
