/* SPDX-License-Identifier: MIT */
/*
 * mount/place.c, as far as it needs no mount; tests/mount/test-command-*.py do
 * the rest. And mount/probe.c, which it uses, on what is no mount.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "mount/place.h"
#include "mount/probe.h"

static char *scratch;

static void make_scratch(void)
{
	g_autofree char *made = g_dir_make_tmp("check-place-XXXXXX", NULL);

	ck_assert_ptr_nonnull(made);
	scratch = realpath(made, NULL);
}

static void remove_scratch(void)
{
	const char *argv[] = {"rm", "-rf", scratch, NULL};

	ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			       NULL, NULL, NULL, NULL, NULL, NULL));
	g_free(scratch);
}

/* @dir and @source are relative to the scratch directory. */
static void ck_refused(const char *dir, const char *source, const char *wanted)
{
	g_autofree char *path = g_build_filename(scratch, dir, NULL);
	g_autofree char *from =
		source ? g_build_filename(scratch, source, NULL) : NULL;
	g_auto(Place) place = PLACE_INIT;
	g_autoptr(GError) error = NULL;

	ck_assert(!place_open(&place, path, from, false, &error));
	ck_assert_msg(g_str_has_prefix(error->message, "cannot mount over '"),
		      "%s", error->message);
	ck_assert_msg(strstr(error->message, wanted) != NULL, "%s",
		      error->message);
}

static void make_directory(const char *name)
{
	g_autofree char *path = g_build_filename(scratch, name, NULL);

	ck_assert_int_eq(g_mkdir_with_parents(path, 0755), 0);
}

static void make_file(const char *name)
{
	g_autofree char *path = g_build_filename(scratch, name, NULL);

	ck_assert(g_file_set_contents(path, "", 0, NULL));
}

START_TEST(test_only_directories_can_be_covered)
{
	make_file("file");
	ck_refused("missing", NULL, ": no such file or directory");
	ck_refused("file", NULL, ": not a directory");
	ck_refused("file/x", NULL, ": not a directory");
}
END_TEST

START_TEST(test_source_must_be_a_directory_beside)
{
	make_file("file");
	make_directory("a/b/c");
	ck_refused("a", "missing", "': no such file or directory");
	ck_refused("a", "file", "': not a directory");
	ck_refused("a/b/c", "a", "cannot be shown inside itself");
	ck_refused("a/b/c", "a/b", "cannot be shown inside itself");
}
END_TEST

START_TEST(test_control_files_name_must_be_free)
{
	make_directory("d/.sincefs");
	make_directory("e");
	make_file("e/.sincefs");
	make_directory("free");
	ck_refused("d", NULL, "there is a '.sincefs' in it");
	ck_refused("e", NULL, "there is a '.sincefs' in it");
	ck_refused("free", "e", "there is a '.sincefs' in it");
}
END_TEST

START_TEST(test_fuse_conf_is_understood)
{
	ck_assert(place_conf_allows_other("user_allow_other"));
	ck_assert(place_conf_allows_other("mount_max = 5\n"
					  " user_allow_other \n"));
	ck_assert(place_conf_allows_other("user_allow_other # yes\n"));
	ck_assert(place_conf_allows_other("\tuser_allow_other# yes\r\n"));
	ck_assert(!place_conf_allows_other(""));
	ck_assert(!place_conf_allows_other("#user_allow_other\n"));
	ck_assert(!place_conf_allows_other("# user_allow_other # no\n"));
	ck_assert(!place_conf_allows_other("user_allow_other yes\n"));
	ck_assert(!place_conf_allows_other("user_allow_others\n"));
}
END_TEST

START_TEST(test_probe_of_no_mount_says_so)
{
	g_autofree char *missing = g_build_filename(scratch, "no", NULL);
	Probe *probe = NULL;

	ck_assert_int_eq(probe_mount(scratch, 5000, &probe), -ENOTTY);
	ck_assert_int_eq(probe_mount(missing, 5000, &probe), -ENOENT);
	ck_assert_ptr_null(probe);
	/* Without time there is no answer. */
	ck_assert_int_eq(probe_mount(scratch, 0, &probe), -ETIMEDOUT);
	ck_assert_ptr_null(probe);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("place");
	TCase *places = tcase_create("places");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(places, make_scratch, remove_scratch);
	tcase_add_test(places, test_only_directories_can_be_covered);
	tcase_add_test(places, test_source_must_be_a_directory_beside);
	tcase_add_test(places, test_control_files_name_must_be_free);
	tcase_add_test(places, test_fuse_conf_is_understood);
	tcase_add_test(places, test_probe_of_no_mount_says_so);
	suite_add_tcase(suite, places);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
