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

START_TEST(test_file_made_without_rights_is_written_until_it_is_forgotten)
{
	uint64_t file;

	set_up();
	file = make("f", _i == 0 ? 0444 : 0);
	push_out();
	ck_assert_int_eq(write_to(file), 0);
	ck_assert_int_eq(read_from(file), 0);
	fake_forget(kernel, file, 1);
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "f", &file), 0);
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

/* The budget of these tests is 64: of so many files the kernel is asked to drop
   the names, and what it then forgets is let go. */
START_TEST(test_many_locked_files_are_asked_back_from_the_kernel)
{
	uint64_t files[40];
	char name[16];

	set_up();
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = make(name, _i == 0 ? 0444 : 0644);
		ck_assert_int_eq(change_mode(files[i], 0444), 0);
	}
	ck_assert_uint_eq(
		fake_count_notifications(kernel, FUSE_NOTIFY_INVAL_ENTRY), 0);
	for (int i = 10; i < 30; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = make(name, _i == 0 ? 0444 : 0644);
		ck_assert_int_eq(change_mode(files[i], 0444), 0);
	}
	fake_wait_notifications(kernel, FUSE_NOTIFY_INVAL_ENTRY, 1);
	/* All may be open: nothing is given up by ourselves. */
	push_out();
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(write_to(files[i]), 0);
	for (int i = 0; i < 30; i++)
		fake_forget(kernel, files[i], 1);
	tear_down();
}
END_TEST

START_TEST(test_more_locked_files_than_can_be_held_are_refused)
{
	char name[16];
	uint64_t file;
	int made = 0, r;

	set_up();
	for (;;) {
		snprintf(name, sizeof(name), "f%d", made);
		r = fake_create(kernel, ROOT, name, 0444, O_RDWR, &file);
		if (r != 0)
			break;
		ck_assert_int_eq(write_to(file), 0);
		ck_assert_int_lt(++made, 64);
	}
	ck_assert_int_eq(r, -ENFILE);
	ck_assert_int_gt(made, 20);
	/* All else goes on. */
	push_out();
	ck_assert_uint_le(count_open(), 64);
	fake_forget_all(kernel);
	file = make("again", 0444);
	ck_assert_int_eq(write_to(file), 0);
	tear_down();
}
END_TEST

/* As git does it: made without rights, moved, and no longer needed. */
START_TEST(test_thousands_of_locked_files_come_and_go)
{
	char name[16], moved[16];

	set_up();
	for (int i = 0; i < 3000; i++) {
		uint64_t file;

		snprintf(name, sizeof(name), "f%d", i);
		snprintf(moved, sizeof(moved), "m%d", i);
		file = make(name, 0444);
		ck_assert_int_eq(write_to(file), 0);
		ck_assert_int_eq(
			fake_rename(kernel, ROOT, name, ROOT, moved, 0), 0);
		fake_forget(kernel, file, 1);
		ck_assert_uint_le(count_open(), 64);
	}
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
		test_file_made_without_rights_is_written_until_it_is_forgotten,
		0, 2);
	tcase_add_test(held, test_file_whose_rights_are_taken_is_written_on);
	tcase_add_test(held, test_held_file_that_is_renamed_is_still_held);
	tcase_add_test(
		held,
		test_held_file_that_is_unlinked_is_held_until_it_is_forgotten);
	tcase_add_test(
		held,
		test_file_that_may_only_be_written_is_not_read_by_what_is_held);
	suite_add_tcase(suite, held);
	tcase_add_loop_test(
		much, test_many_locked_files_are_asked_back_from_the_kernel, 0,
		2);
	tcase_add_test(much,
		       test_more_locked_files_than_can_be_held_are_refused);
	tcase_add_test(much, test_thousands_of_locked_files_come_and_go);
	suite_add_tcase(suite, much);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
