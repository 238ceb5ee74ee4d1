/* SPDX-License-Identifier: MIT */
/* mount/state-file.c: replaced as a whole or not at all, and never in place of
   what is no token. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "mount/state-file.h"

static char *scratch;
static char *file;

static void make_scratch(void)
{
	scratch = g_dir_make_tmp("check-state-file-XXXXXX", NULL);
	ck_assert_ptr_nonnull(scratch);
	file = g_build_filename(scratch, "state", NULL);
}

static void remove_scratch(void)
{
	const char *argv[] = {"rm", "-rf", scratch, NULL};

	ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			       NULL, NULL, NULL, NULL, NULL, NULL));
	g_free(file);
	g_free(scratch);
}

static void put(const char *text)
{
	ck_assert(g_file_set_contents(file, text, -1, NULL));
}

static void ck_content(const char *wanted)
{
	g_autofree char *text = NULL;

	ck_assert(g_file_get_contents(file, &text, NULL, NULL));
	ck_assert_str_eq(text, wanted);
}

static unsigned count_files(void)
{
	GDir *dir = g_dir_open(scratch, 0, NULL);
	unsigned n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

static void ck_read(uint64_t instance, uint64_t clock)
{
	struct sincefs_token token = {7, 7};
	g_autoptr(GError) error = NULL;
	bool read = state_file_read(file, &token, &error);

	ck_assert_msg(read, "%s", error ? error->message : "");
	ck_assert_uint_eq(token.instance, instance);
	ck_assert_uint_eq(token.clock, clock);
}

static void ck_refused(const char *path)
{
	struct sincefs_token token;
	g_autoptr(GError) error = NULL;

	ck_assert(!state_file_read(path, &token, &error));
	ck_assert_ptr_nonnull(strstr(error->message, path));
}

START_TEST(test_absent_and_empty_know_nothing)
{
	ck_read(0, 0);
	put("");
	ck_read(0, 0);
}
END_TEST

START_TEST(test_token_is_read_with_and_without_newline)
{
	put("sincefs:1:00000000000000ff:12\n");
	ck_read(255, 12);
	put("sincefs:1:00000000000000ff:12");
	ck_read(255, 12);
}
END_TEST

START_TEST(test_token_of_another_version_knows_nothing)
{
	put("sincefs:2:anything\n");
	ck_read(0, 0);
}
END_TEST

START_TEST(test_anything_else_is_refused)
{
	static const char *const texts[] = {
		"\n",
		"print('my program')\n",
		"sincefs:1:00000000000000ff:12\n\n",
		"sincefs:1:00000000000000ff:12 \n",
		"sincefs:1:00000000000000ff:12\nmore\n",
		" sincefs:1:00000000000000ff:12\n",
		"sincefs:1:00000000000000ff:99999999999999999999999999999999\n",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		put(texts[i]);
		ck_refused(file);
		ck_content(texts[i]);
	}
}
END_TEST

START_TEST(test_what_is_no_file_is_refused)
{
	g_autofree char *fifo = g_build_filename(scratch, "fifo", NULL);

	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_refused(fifo);
	ck_refused(scratch);
	ck_refused("/dev/null");
}
END_TEST

START_TEST(test_written_token_is_read_again)
{
	const struct sincefs_token token = {0xabcdef, 1234567};

	ck_assert(state_file_write(file, &token, NULL));
	ck_read(0xabcdef, 1234567);
	ck_content("sincefs:1:0000000000abcdef:1234567\n");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_new_file_has_the_mode_of_the_umask)
{
	const struct sincefs_token token = {1, 2};
	struct stat st;

	umask(027);
	ck_assert(state_file_write(file, &token, NULL));
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(test_mode_stays)
{
	const struct sincefs_token token = {1, 2};
	struct stat st;

	put("sincefs:1:00000000000000ff:12\n");
	ck_assert_int_eq(chmod(file, 0604), 0);
	ck_assert(state_file_write(file, &token, NULL));
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0604);
	ck_read(1, 2);
}
END_TEST

START_TEST(test_link_is_followed_and_stays)
{
	const struct sincefs_token token = {1, 2};
	g_autofree char *link = g_build_filename(scratch, "link", NULL);
	struct stat st;

	put("");
	ck_assert_int_eq(symlink("state", link), 0);
	ck_assert(state_file_write(link, &token, NULL));
	ck_assert_int_eq(lstat(link, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_read(1, 2);
	ck_assert_uint_eq(count_files(), 2);
}
END_TEST

/* A chain of them, relative to where each is. */
START_TEST(test_link_to_an_absent_file_is_followed)
{
	const struct sincefs_token token = {1, 2};
	g_autofree char *sub = g_build_filename(scratch, "sub", NULL);
	g_autofree char *inner = g_build_filename(sub, "inner", NULL);
	g_autofree char *outer = g_build_filename(scratch, "outer", NULL);

	ck_assert_int_eq(mkdir(sub, 0755), 0);
	ck_assert_int_eq(symlink("../state", inner), 0);
	ck_assert_int_eq(symlink("sub/inner", outer), 0);
	ck_assert(state_file_write(outer, &token, NULL));
	ck_assert(g_file_test(outer, G_FILE_TEST_IS_SYMLINK));
	ck_assert(g_file_test(inner, G_FILE_TEST_IS_SYMLINK));
	ck_read(1, 2);
	ck_assert_uint_eq(count_files(), 3);
}
END_TEST

START_TEST(test_link_to_itself_is_refused)
{
	const struct sincefs_token token = {1, 2};
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(symlink("state", file), 0);
	ck_assert(!state_file_write(file, &token, &error));
	ck_assert(g_file_test(file, G_FILE_TEST_IS_SYMLINK));
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_name_may_be_as_long_as_any)
{
	const struct sincefs_token token = {1, 2};

	for (int length = 240; length <= 255; length++) {
		g_autofree char *name = g_strnfill(length, 'n');

		g_free(file);
		file = g_build_filename(scratch, name, NULL);
		ck_assert(state_file_write(file, &token, NULL));
		ck_read(1, 2);
	}
	ck_assert_uint_eq(count_files(), 16);
}
END_TEST

/* The name can not be taken by a file: the last step fails. */
START_TEST(test_failed_write_leaves_nothing)
{
	const struct sincefs_token token = {1, 2};
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(mkdir(file, 0755), 0);
	ck_assert(!state_file_write(file, &token, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "is a directory"));
	ck_assert_uint_eq(count_files(), 1);

	g_autofree char *nowhere = g_build_filename(scratch, "no/dir", NULL);

	g_clear_error(&error);
	ck_assert(!state_file_write(nowhere, &token, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "no such file"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state-file");
	TCase *reading = tcase_create("reading");
	TCase *writing = tcase_create("writing");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(reading, make_scratch, remove_scratch);
	tcase_add_test(reading, test_absent_and_empty_know_nothing);
	tcase_add_test(reading, test_token_is_read_with_and_without_newline);
	tcase_add_test(reading, test_token_of_another_version_knows_nothing);
	tcase_add_test(reading, test_anything_else_is_refused);
	tcase_add_test(reading, test_what_is_no_file_is_refused);
	suite_add_tcase(suite, reading);

	tcase_add_checked_fixture(writing, make_scratch, remove_scratch);
	tcase_add_test(writing, test_written_token_is_read_again);
	tcase_add_test(writing, test_new_file_has_the_mode_of_the_umask);
	tcase_add_test(writing, test_mode_stays);
	tcase_add_test(writing, test_link_is_followed_and_stays);
	tcase_add_test(writing, test_link_to_an_absent_file_is_followed);
	tcase_add_test(writing, test_link_to_itself_is_refused);
	tcase_add_test(writing, test_name_may_be_as_long_as_any);
	tcase_add_test(writing, test_failed_write_leaves_nothing);
	suite_add_tcase(suite, writing);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
