/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sincefs/protocol.h>

#include "mount/scan-roots.h"

static char *base;
static GPtrArray *roots;

static char *at(const char *name)
{
	return g_build_filename(base, name, NULL);
}

static void make_dir(const char *name)
{
	g_autofree char *path = at(name);

	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void set_up(void)
{
	g_autofree char *made = g_dir_make_tmp("sincefs-roots-XXXXXX", NULL);

	ck_assert_ptr_nonnull(made);
	base = realpath(made, NULL);
	roots = scan_roots_new();
	make_dir("mount");
	make_dir("mount/venv");
	make_dir("lib");
	make_dir("lib/site");
}

static void tear_down(void)
{
	g_autofree char *command = g_strdup_printf("rm -rf '%s'", base);

	g_ptr_array_unref(roots);
	ck_assert_int_eq(system(command), 0);
	free(base);
}

static bool add(const char *name)
{
	g_autofree char *path = at(name), *mount = at("mount");

	return scan_roots_add_path(roots, path, mount, NULL);
}

static const char *path_of(guint i)
{
	const ScanRoot *root = g_ptr_array_index(roots, i);

	return root->path + strlen(base) + 1;
}

START_TEST(test_places_in_the_mount_are_refused)
{
	g_autofree char *link = at("link"), *target = at("mount/venv");
	g_autofree char *mount = at("mount");
	g_autoptr(GError) error = NULL;

	ck_assert(!add("mount"));
	ck_assert(!add("mount/venv"));
	ck_assert(!add("mount/not-there"));
	ck_assert(!add("lib/../mount/venv"));
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert(!add("link"));
	ck_assert(!scan_roots_add_path(roots, link, mount, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "link"));
	ck_assert_uint_eq(roots->len, 0);
	/* Only its name begins like it. */
	ck_assert(add("mount2"));
}
END_TEST

START_TEST(test_nested_and_equal_places_are_one)
{
	g_autofree char *link = at("link"), *target = at("lib");

	ck_assert(add("lib/site"));
	ck_assert(add("lib"));
	ck_assert(add("lib/"));
	ck_assert(add("libother"));
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert(add("link"));
	scan_roots_settle(roots);
	ck_assert_uint_eq(roots->len, 2);
	ck_assert_str_eq(path_of(0), "lib");
	ck_assert_str_eq(path_of(1), "libother");
}
END_TEST

START_TEST(test_a_parent_of_the_mount_is_a_place)
{
	g_autofree char *mount = at("mount");

	ck_assert(scan_roots_add_path(roots, base, mount, NULL));
	ck_assert_uint_eq(roots->len, 1);
}
END_TEST

/* An interpreter that says what a test wants. */
static char *make_python(const char *said)
{
	g_autofree char *path = at("python");
	g_autofree char *text =
		g_strdup_printf("#!/bin/sh\nprintf '%s'\n", said);

	ck_assert(g_file_set_contents(path, text, -1, NULL));
	ck_assert_int_eq(chmod(path, 0700), 0);
	return g_steal_pointer(&path);
}

static bool ask(const char *said, GError **error)
{
	g_autofree char *python = make_python(said), *mount = at("mount");

	return scan_roots_add_python(roots, python, mount, error);
}

START_TEST(test_what_an_interpreter_says_is_taken)
{
	g_autofree char *said = g_strdup_printf(
		"i\\000%s/lib\\000e\\000%s/own\\000i\\000%s/mount/venv\\000",
		base, base, base);
	const ScanRoot *root;

	ck_assert(ask(said, NULL));
	ck_assert(add("lib"));
	scan_roots_settle(roots);
	ck_assert_uint_eq(roots->len, 2);
	root = g_ptr_array_index(roots, 0);
	ck_assert_str_eq(path_of(0), "lib");
	ck_assert_uint_eq(root->flags, SINCEFS_TREE_INSTALLED);
	root = g_ptr_array_index(roots, 1);
	ck_assert_str_eq(path_of(1), "own");
	ck_assert_uint_eq(root->flags, SINCEFS_TREE_EDITABLE);
}
END_TEST

START_TEST(test_half_an_answer_is_no_place)
{
	ck_assert(ask("i", NULL));
	ck_assert(ask("i\\000/no-end", NULL));
	ck_assert(ask("", NULL));
	ck_assert_uint_eq(roots->len, 0);
}
END_TEST

START_TEST(test_an_interpreter_that_fails_is_an_error)
{
	g_autofree char *mount = at("mount");
	const char *const bad[] = {"false", "/no/such/interpreter", "/"};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		ck_assert(!scan_roots_add_python(roots, bad[i], mount, &error));
		ck_assert_ptr_nonnull(strstr(error->message, bad[i]));
	}
	ck_assert_uint_eq(roots->len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan-roots");
	TCase *tc = tcase_create("scan-roots");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_places_in_the_mount_are_refused);
	tcase_add_test(tc, test_nested_and_equal_places_are_one);
	tcase_add_test(tc, test_a_parent_of_the_mount_is_a_place);
	tcase_add_test(tc, test_what_an_interpreter_says_is_taken);
	tcase_add_test(tc, test_half_an_answer_is_no_place);
	tcase_add_test(tc, test_an_interpreter_that_fails_is_an_error);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
