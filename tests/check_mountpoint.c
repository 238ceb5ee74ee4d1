/* SPDX-License-Identifier: MIT */
/* mount/mountpoint.c: which mount a path lies in, by a table made up here. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "mount/fd.h"
#include "mount/mountpoint.h"

static const char plain[] =
	"20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
	"21 20 0:5 / /proc rw - proc proc rw\n"
	"22 20 254:1 / /home rw master:3 shared:2 - ext4 /dev/home rw\n"
	"23 22 0:40 / /home/u/proj rw,nosuid,nodev - fuse.sincefs "
	"/home/u/proj rw,user_id=0,group_id=0\n";

static int find(const char *text, const char *path)
{
	g_autoptr(MountTable) table = mount_table_parse(text);
	const MountEntry *entry = mount_table_find_path(table, path);

	return entry ? entry->id : -1;
}

START_TEST(test_line_is_taken_apart)
{
	g_autoptr(MountTable) table = mount_table_parse(plain);
	const MountEntry *entry;

	ck_assert_uint_eq(mount_table_get_count(table), 4);
	entry = mount_table_get(table, 3);
	ck_assert_int_eq(entry->id, 23);
	ck_assert_int_eq(entry->parent_id, 22);
	ck_assert_uint_eq(entry->major, 0);
	ck_assert_uint_eq(entry->minor, 40);
	ck_assert_str_eq(entry->point, "/home/u/proj");
	ck_assert_str_eq(entry->type, "fuse.sincefs");
	ck_assert_str_eq(entry->source, "/home/u/proj");
	ck_assert_str_eq(entry->options, "rw,nosuid,nodev");
	ck_assert(mount_entry_is_sincefs(entry));
	ck_assert(!mount_entry_is_sincefs(mount_table_get(table, 0)));
	ck_assert(!mount_entry_is_sincefs(NULL));
}
END_TEST

START_TEST(test_optional_fields_may_be_none_or_many)
{
	ck_assert_int_eq(find("1 0 0:1 / / rw - a b c\n", "/"), 1);
	ck_assert_int_eq(
		find("1 0 0:1 / / rw shared:1 master:2 x:3 - a b c\n", "/"), 1);
}
END_TEST

START_TEST(test_source_may_be_empty)
{
	g_autoptr(MountTable) table =
		mount_table_parse("1 0 0:1 / / rw - tmpfs  rw\n");

	ck_assert_uint_eq(mount_table_get_count(table), 1);
	ck_assert_str_eq(mount_table_get(table, 0)->source, "");
}
END_TEST

START_TEST(test_broken_lines_are_left_out)
{
	g_autoptr(MountTable) table =
		mount_table_parse("\n"
				  "nonsense\n"
				  "1 0 0:1 / / rw\n"
				  "1 0 0:1 / / rw -\n"
				  "1 0 0:1 / / rw - ext4\n"
				  "x 0 0:1 / / rw - ext4 b c\n"
				  "1 0 0-1 / / rw - ext4 b c\n"
				  "7 0 0:1 / / rw - ext4 b c");

	ck_assert_uint_eq(mount_table_get_count(table), 1);
	ck_assert_int_eq(mount_table_get(table, 0)->id, 7);
}
END_TEST

START_TEST(test_escapes_are_undone)
{
	char text[] = "a\\040b\\011c\\012d\\134e\\043\\303\\244";
	char rest[] = "\\04 \\9999 \\400 \\ \\1";

	mountpoint_unescape(text);
	ck_assert_str_eq(text, "a b\tc\nd\\e#\303\244");
	mountpoint_unescape(rest);
	ck_assert_str_eq(rest, "\\04 \\9999 \\400 \\ \\1");
}
END_TEST

START_TEST(test_strange_mount_point_is_found)
{
	ck_assert_int_eq(find("1 0 0:1 / / rw - a b c\n"
			      "2 1 0:2 / /a\\040b\\012,\\134 rw - a b c\n",
			      "/a b\n,\\/d"),
			 2);
}
END_TEST

START_TEST(test_path_lies_in_the_deepest_mount)
{
	ck_assert_int_eq(find(plain, "/"), 20);
	ck_assert_int_eq(find(plain, "/etc"), 20);
	ck_assert_int_eq(find(plain, "/proc/1"), 21);
	ck_assert_int_eq(find(plain, "/home/u"), 22);
	ck_assert_int_eq(find(plain, "/home/u/proj"), 23);
	ck_assert_int_eq(find(plain, "/home/u/proj/a/b"), 23);
	ck_assert_int_eq(find(plain, "/home/u/project"), 22);
	ck_assert_int_eq(find(plain, "/homes"), 20);
}
END_TEST

START_TEST(test_later_mount_covers_the_earlier_at_one_place)
{
	ck_assert_int_eq(find("1 0 0:1 / / rw - a b c\n"
			      "2 1 0:2 / /x rw - a b c\n"
			      "3 2 0:3 / /x rw - a b c\n",
			      "/x/y"),
			 3);
}
END_TEST

START_TEST(test_mount_below_a_covered_directory_is_not_found)
{
	static const char text[] = "1 0 0:1 / / rw - a b c\n"
				   "2 1 0:2 / /x/y rw - a b c\n"
				   "3 1 0:3 / /x rw - a b c\n";
	g_autoptr(MountTable) table = mount_table_parse(text);

	ck_assert_int_eq(find(text, "/x/y/z"), 3);
	ck_assert(!mount_table_is_visible(table, mount_table_get(table, 1)));
	ck_assert(mount_table_is_visible(table, mount_table_get(table, 2)));
}
END_TEST

START_TEST(test_table_without_a_root_is_walked)
{
	static const char text[] = "5 3 0:2 / /x rw - a b c\n"
				   "6 5 0:3 / /x/y rw - a b c\n";

	ck_assert_int_eq(find(text, "/x/y/z"), 6);
	ck_assert_int_eq(find(text, "/etc"), -1);
}
END_TEST

START_TEST(test_circle_in_the_table_ends)
{
	ck_assert_int_eq(find("1 1 0:1 / / rw - a b c\n", "/x"), 1);
	find("1 2 0:1 / / rw - a b c\n2 1 0:1 / / rw - a b c\n", "/x");

	g_autoptr(MountTable) table = mount_table_parse(
		"1 2 0:1 / / rw - a b c\n2 1 0:1 / / rw - a b c\n");

	ck_assert(!mount_table_is_within(table, 1, 3));
}
END_TEST

START_TEST(test_mounts_in_a_mount_are_within_it)
{
	g_autoptr(MountTable) table = mount_table_parse(plain);

	ck_assert(mount_table_is_within(table, 23, 23));
	ck_assert(mount_table_is_within(table, 23, 22));
	ck_assert(mount_table_is_within(table, 23, 20));
	ck_assert(!mount_table_is_within(table, 22, 23));
	ck_assert(!mount_table_is_within(table, 21, 22));
	ck_assert(!mount_table_is_within(table, 99, 20));
}
END_TEST

START_TEST(test_paths_are_compared_by_parts)
{
	ck_assert(path_is_within("/a/b", "/a"));
	ck_assert(path_is_within("/a", "/a"));
	ck_assert(path_is_within("/a", "/"));
	ck_assert(path_is_within("/", "/"));
	ck_assert(!path_is_within("/ab", "/a"));
	ck_assert(!path_is_within("/a", "/a/b"));
	ck_assert(!path_is_within("a", "/"));
	ck_assert_str_eq(path_relative_to("/a/b/c", "/a"), "b/c");
	ck_assert_str_eq(path_relative_to("/a", "/a"), ".");
	ck_assert_str_eq(path_relative_to("/a", "/"), "a");
	ck_assert_str_eq(path_relative_to("/", "/"), ".");
}
END_TEST

START_TEST(test_number_of_the_mount_is_read)
{
	ck_assert_int_eq(mountpoint_parse_id("pos:\t0\nflags:\t02\nmnt_id:\t28"
					     "\nino:\t5\n"),
			 28);
	ck_assert_int_eq(mountpoint_parse_id("pos:\t0\n"), -ENOENT);
	ck_assert_int_eq(mountpoint_parse_id(""), -ENOENT);
}
END_TEST

START_TEST(test_kernel_and_table_agree_about_a_descriptor)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);
	auto_fd fd = open("/proc/self/status", O_PATH | O_CLOEXEC);

	ck_assert_ptr_nonnull(table);
	ck_assert_int_eq(mountpoint_get_id(fd),
			 mount_table_find_path(table, "/proc/self/status")->id);
	ck_assert_int_eq(mountpoint_get_id(-1), -ENOENT);
}
END_TEST

static char *scratch;

static void make_scratch(void)
{
	char *made = g_dir_make_tmp("check-mountpoint-XXXXXX", NULL);

	ck_assert_ptr_nonnull(made);
	scratch = realpath(made, NULL);
	g_free(made);
}

static void remove_scratch(void)
{
	const char *argv[] = {"rm", "-rf", scratch, NULL};

	ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			       NULL, NULL, NULL, NULL, NULL, NULL));
	g_free(scratch);
}

static char *scratch_path(const char *name)
{
	return g_build_filename(scratch, name, NULL);
}

START_TEST(test_path_is_resolved_through_links)
{
	g_autofree char *dir = scratch_path("d");
	g_autofree char *link = scratch_path("l");
	g_autofree char *given = scratch_path("l/../l/.//");
	g_autofree char *resolved = NULL;

	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(symlink("d", link), 0);
	resolved = mountpoint_resolve(given, NULL);
	ck_assert_str_eq(resolved, dir);
}
END_TEST

START_TEST(test_relative_path_is_resolved)
{
	g_autofree char *resolved = NULL;

	ck_assert_int_eq(chdir(scratch), 0);
	resolved = mountpoint_resolve(".", NULL);
	ck_assert_str_eq(resolved, scratch);
}
END_TEST

START_TEST(test_removed_working_directory_leads_nowhere)
{
	g_autofree char *gone = scratch_path("gone");
	g_autofree char *resolved = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(mkdir(gone, 0755), 0);
	ck_assert_int_eq(chdir(gone), 0);
	ck_assert_int_eq(rmdir(gone), 0);
	ck_assert_ptr_null(mountpoint_resolve("tmp", &error));
	ck_assert_str_eq(error->message, "no such file or directory");
	g_clear_error(&error);
	ck_assert_ptr_null(mountpoint_resolve(".", &error));
	/* What does not begin there is not concerned. */
	resolved = mountpoint_resolve(scratch, NULL);
	ck_assert_str_eq(resolved, scratch);
}
END_TEST

START_TEST(test_parts_of_a_path_must_be_directories)
{
	static const char *const names[] = {"f/..", "f/.", "f/x", "f/../d"};
	g_autofree char *file = scratch_path("f");

	ck_assert(g_file_set_contents(file, "", 0, NULL));
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = scratch_path(names[i]);
		g_autoptr(GError) error = NULL;

		ck_assert_ptr_null(mountpoint_resolve(path, &error));
		ck_assert_str_eq(error->message, "not a directory");
	}
}
END_TEST

START_TEST(test_circle_of_links_is_refused)
{
	g_autofree char *link = scratch_path("l");
	g_autofree char *path = scratch_path("l/x");
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(symlink("l", link), 0);
	ck_assert_ptr_null(mountpoint_resolve(path, &error));
	ck_assert_str_eq(error->message, "too many levels of symbolic links");
}
END_TEST

START_TEST(test_link_may_lead_up_and_from_the_root)
{
	static const char *const ends[] = {"./d", "d/", "/./"};
	g_autofree char *dir = scratch_path("d");
	g_autofree char *deep = scratch_path("d/e");
	g_autofree char *link = scratch_path("d/l");

	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(mkdir(deep, 0755), 0);
	ck_assert_int_eq(symlink("../d/./e//..", link), 0);
	for (size_t i = 0; i < 2; i++) {
		g_autofree char *path = scratch_path(i ? "d/l/e/../l" : "d/l/");
		g_autofree char *resolved = mountpoint_resolve(path, NULL);

		ck_assert_str_eq(resolved, dir);
	}
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink(scratch, link), 0);
	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_autofree char *path = g_build_filename(link, ends[i], NULL);
		g_autofree char *resolved = mountpoint_resolve(path, NULL);

		ck_assert_str_eq(resolved, i < 2 ? dir : scratch);
	}
	g_autofree char *root = mountpoint_resolve("/../.", NULL);

	ck_assert_str_eq(root, "/");
}
END_TEST

START_TEST(test_missing_path_is_refused)
{
	g_autofree char *missing = scratch_path("no/such");
	g_autoptr(GError) error = NULL;

	ck_assert_ptr_null(mountpoint_resolve(missing, &error));
	ck_assert_str_eq(error->message, "no such file or directory");
	g_clear_error(&error);
	ck_assert_ptr_null(mountpoint_resolve("", &error));
	ck_assert_str_eq(error->message, "no such file or directory");
}
END_TEST

/* A directory that can not be searched stands for a mount that does not
   answer; root searches them all. */
START_TEST(test_what_can_not_be_asked_is_taken_by_name)
{
	g_autofree char *dir = scratch_path("closed");
	g_autofree char *below = scratch_path("closed/x/./y");
	g_autofree char *wanted = scratch_path("closed/x/y");
	g_autofree char *resolved = NULL;

	ck_assert_int_eq(chmod(scratch, 0755), 0);
	ck_assert_int_eq(mkdir(dir, 0), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	resolved = mountpoint_resolve(below, NULL);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	else
		ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_str_eq(resolved, wanted);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mountpoint");
	TCase *parsing = tcase_create("parsing");
	TCase *finding = tcase_create("finding");
	TCase *resolving = tcase_create("resolving");
	SRunner *runner;
	int failed;

	tcase_add_test(parsing, test_line_is_taken_apart);
	tcase_add_test(parsing, test_optional_fields_may_be_none_or_many);
	tcase_add_test(parsing, test_source_may_be_empty);
	tcase_add_test(parsing, test_broken_lines_are_left_out);
	tcase_add_test(parsing, test_escapes_are_undone);
	tcase_add_test(parsing, test_number_of_the_mount_is_read);
	suite_add_tcase(suite, parsing);

	tcase_add_test(finding, test_strange_mount_point_is_found);
	tcase_add_test(finding, test_path_lies_in_the_deepest_mount);
	tcase_add_test(finding,
		       test_later_mount_covers_the_earlier_at_one_place);
	tcase_add_test(finding,
		       test_mount_below_a_covered_directory_is_not_found);
	tcase_add_test(finding, test_table_without_a_root_is_walked);
	tcase_add_test(finding, test_circle_in_the_table_ends);
	tcase_add_test(finding, test_mounts_in_a_mount_are_within_it);
	tcase_add_test(finding, test_paths_are_compared_by_parts);
	tcase_add_test(finding, test_kernel_and_table_agree_about_a_descriptor);
	suite_add_tcase(suite, finding);

	tcase_add_checked_fixture(resolving, make_scratch, remove_scratch);
	tcase_add_test(resolving, test_path_is_resolved_through_links);
	tcase_add_test(resolving, test_relative_path_is_resolved);
	tcase_add_test(resolving, test_removed_working_directory_leads_nowhere);
	tcase_add_test(resolving, test_parts_of_a_path_must_be_directories);
	tcase_add_test(resolving, test_circle_of_links_is_refused);
	tcase_add_test(resolving, test_link_may_lead_up_and_from_the_root);
	tcase_add_test(resolving, test_missing_path_is_refused);
	tcase_add_test(resolving, test_what_can_not_be_asked_is_taken_by_name);
	suite_add_tcase(suite, resolving);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
