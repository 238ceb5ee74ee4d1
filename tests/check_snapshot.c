/* SPDX-License-Identifier: MIT */
/* The picture of a tree by itself: listings in, differences out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>
#include <glib.h>

#include "core/snapshot.h"

static SnapshotDir *root;
static SnapshotListing listing;
static GString *differences;

static void set_up(void)
{
	root = snapshot_dir_new(NULL, 0);
	ck_assert_ptr_nonnull(root);
	differences = g_string_new(NULL);
}

static void tear_down(void)
{
	snapshot_dir_free(root);
	snapshot_listing_clear(&listing);
	g_string_free(differences, TRUE);
}

/* As a scan does: a directory that is new gets an own picture. */
static void on_differs(void *data, SnapshotDir *dir, const char *name,
		       SnapshotEntry *was, SnapshotEntry *is)
{
	(void)data;
	g_string_append_printf(differences, "%c%s ",
			       was == NULL ? '+' : (is == NULL ? '-' : '~'),
			       name);
	if (is != NULL && S_ISDIR(is->mode) && is->dir == NULL)
		is->dir = snapshot_dir_new(dir, 0);
}

/* A file is "name:number", a directory "name/number"; each with a blank. */
static const char *update(SnapshotDir *dir, const char *names)
{
	g_auto(GStrv) parts = g_strsplit(names, " ", -1);

	g_string_truncate(differences, 0);
	snapshot_listing_reset(&listing);
	for (char **part = parts; *part != NULL; part++) {
		char *mark = strpbrk(*part, ":/");
		DirStat stat = {.nlink = 1};

		if (mark == NULL)
			continue;
		stat.mode = *mark == '/' ? S_IFDIR | 0755 : S_IFREG | 0644;
		stat.ino = strtoull(mark + 1, NULL, 10);
		*mark = '\0';
		ck_assert(snapshot_listing_add(&listing, *part, &stat));
	}
	ck_assert_int_eq(snapshot_dir_update(dir, &listing, on_differs, NULL),
			 0);
	/* Whatever came, the picture is whole. */
	for (uint32_t i = 0; i < dir->count; i++)
		if (dir->entries[i].dir != NULL) {
			ck_assert_uint_eq(dir->entries[i].dir->index, i);
			ck_assert_ptr_eq(dir->entries[i].dir->parent, dir);
		}
	return differences->str;
}

static SnapshotDir *get_dir(SnapshotDir *dir, const char *name)
{
	for (uint32_t i = 0; i < dir->count; i++)
		if (strcmp(snapshot_dir_get_name(dir, i), name) == 0)
			return dir->entries[i].dir;
	ck_abort_msg("no %s", name);
	return NULL;
}

START_TEST(test_differences_are_told_once)
{
	ck_assert_str_eq(update(root, "a:1 b:2 c:3"), "+a +b +c ");
	ck_assert_str_eq(update(root, "a:1 b:2 c:3"), "");
	ck_assert_str_eq(update(root, "a:1 b:9 c:3"), "~b ");
	ck_assert_str_eq(update(root, "a:1 c:3 d:4"), "-b +d ");
	ck_assert_str_eq(update(root, ""), "-a -c -d ");
	ck_assert_str_eq(update(root, ""), "");
	ck_assert_uint_eq(root->count, 0);
}
END_TEST

START_TEST(test_another_order_is_no_difference)
{
	update(root, "a:1 b:2 c:3 d/4");
	ck_assert_str_eq(update(root, "d/4 c:3 a:1 b:2"), "");
	ck_assert_str_eq(update(root, "c:3 a:1 d/4 b:7"), "~b ");
	ck_assert_str_eq(update(root, "c:3 a:1 d/4 b:7"), "");
}
END_TEST

START_TEST(test_names_that_run_into_each_other_differ)
{
	/* The same bytes and the same length, cut elsewhere. */
	update(root, "ab:1 c:2");
	ck_assert_str_eq(update(root, "a:1 bc:2"), "+a -ab +bc -c ");
}
END_TEST

START_TEST(test_name_listed_twice_counts_once_with_its_last_word)
{
	ck_assert_str_eq(update(root, "b:1 a:2 b:3"), "+a +b ");
	ck_assert_uint_eq(root->count, 2);
	ck_assert_str_eq(update(root, "a:2 b:3"), "");
	ck_assert_str_eq(update(root, "a:2 b:3 a:2 b:3 a:5"), "~a ");
	ck_assert_str_eq(update(root, "a:5 b:3"), "");
	ck_assert_str_eq(update(root, "d/1 d/1 d/1"), "-a -b +d ");
	ck_assert_uint_eq(root->count, 1);
	ck_assert_str_eq(update(root, "d/1 d/1"), "");
	ck_assert_ptr_nonnull(get_dir(root, "d"));
}
END_TEST

START_TEST(test_directory_that_stays_keeps_what_is_known_below)
{
	SnapshotDir *dir;

	update(root, "a:1 d/2 e/3");
	dir = get_dir(root, "d");
	update(dir, "x:1");
	ck_assert_str_eq(update(root, "e/3 new:4 d/2"), "-a +new ");
	ck_assert_ptr_eq(get_dir(root, "d"), dir);
	ck_assert_str_eq(update(dir, "x:1"), "");
}
END_TEST

START_TEST(test_directory_that_is_another_forgets_what_was_below)
{
	SnapshotDir *dir;

	update(root, "d/2");
	update(get_dir(root, "d"), "x:1");
	ck_assert_str_eq(update(root, "d/3"), "~d ");
	dir = get_dir(root, "d");
	ck_assert_uint_eq(dir->count, 0);
	ck_assert(!dir->is_known);
	ck_assert_str_eq(update(root, "d:3"), "~d ");
	ck_assert_ptr_null(get_dir(root, "d"));
	ck_assert_str_eq(update(root, "d/3"), "~d ");
}
END_TEST

START_TEST(test_directory_without_a_picture_differs)
{
	update(root, "d/2");
	snapshot_dir_free(root->entries[0].dir);
	root->entries[0].dir = NULL;
	ck_assert_str_eq(update(root, "d/2"), "~d ");
	ck_assert_str_eq(update(root, "d/2"), "");
}
END_TEST

START_TEST(test_path_from_the_root_down)
{
	const char *parts[3];
	SnapshotDir *dir;

	update(root, "x:1 d/2");
	ck_assert_uint_eq(snapshot_dir_get_depth(root), 0);
	dir = get_dir(root, "d");
	update(dir, "e/3 y:4");
	dir = get_dir(dir, "e");
	ck_assert_uint_eq(snapshot_dir_get_depth(dir), 2);
	snapshot_dir_get_path(dir, parts, 2);
	ck_assert_str_eq(parts[0], "d");
	ck_assert_str_eq(parts[1], "e");
	/* Through a move to another place in its directory too. */
	update(root, "a:1 b:1 c:1 d/2");
	snapshot_dir_get_path(dir, parts, 2);
	ck_assert_str_eq(parts[0], "d");
}
END_TEST

/* What is compared of a file, and of a directory. */
START_TEST(test_sameness)
{
	const SnapshotEntry file = {.ino = 1,
				    .size = 2,
				    .mtime_ns = 3,
				    .ctime_ns = 4,
				    .name = 5,
				    .mode = S_IFREG | 0644};
	SnapshotEntry dir = file, is;

	is = file;
	is.name = 77;
	is.flags = SNAPSHOT_LINKED;
	ck_assert(snapshot_entry_is_same(&file, &is));
	is = file, is.ino++;
	ck_assert(!snapshot_entry_is_same(&file, &is));
	is = file, is.size++;
	ck_assert(!snapshot_entry_is_same(&file, &is));
	is = file, is.mtime_ns++;
	ck_assert(!snapshot_entry_is_same(&file, &is));
	is = file, is.ctime_ns--;
	ck_assert(!snapshot_entry_is_same(&file, &is));
	is = file, is.mode ^= 0100;
	ck_assert(!snapshot_entry_is_same(&file, &is));
	is = file, is.flags = SNAPSHOT_UNSETTLED;
	ck_assert(!snapshot_entry_is_same(&is, &file));

	dir.mode = S_IFDIR | 0755;
	is = dir, is.mtime_ns = is.ctime_ns = 9;
	ck_assert(snapshot_entry_is_same(&dir, &is)); /* new content */
	is = dir, is.ctime_ns = 9;
	ck_assert(!snapshot_entry_is_same(&dir, &is));
	is = dir, is.mtime_ns = 8, is.ctime_ns = 9;
	ck_assert(!snapshot_entry_is_same(&dir, &is));
	is = dir, is.mtime_ns = is.ctime_ns = 9, is.size++; /* owner */
	ck_assert(!snapshot_entry_is_same(&dir, &is));
	is = dir, is.mtime_ns = is.ctime_ns = 9, is.mode ^= 0100;
	ck_assert(!snapshot_entry_is_same(&dir, &is));
}
END_TEST

START_TEST(test_entry_of_attributes)
{
	DirStat stat = {.ino = 1,
			.size = 2,
			.mtime_ns = 3,
			.ctime_ns = 4,
			.nlink = 2,
			.uid = 5,
			.gid = 6,
			.mode = S_IFREG | 0644};
	SnapshotEntry entry = snapshot_entry_of(&stat);

	ck_assert_uint_eq(entry.size, 2);
	ck_assert_uint_eq(entry.flags, SNAPSHOT_LINKED);
	stat.nlink = 1;
	ck_assert_uint_eq(snapshot_entry_of(&stat).flags, 0);
	stat.mode = S_IFDIR | 0755;
	stat.nlink = 7;
	entry = snapshot_entry_of(&stat);
	ck_assert_uint_eq(entry.flags, 0);
	stat.size = 99;
	ck_assert_uint_eq(snapshot_entry_of(&stat).size, entry.size);
	stat.gid++;
	ck_assert_uint_ne(snapshot_entry_of(&stat).size, entry.size);
}
END_TEST

START_TEST(test_many_names_in_any_order)
{
	enum { MANY = 100000 };
	g_autofree guint *order = g_new(guint, MANY);
	gint64 start = g_get_monotonic_time();

	for (guint i = 0; i < MANY; i++)
		order[i] = i;
	for (int round = 0; round < 4; round++) {
		snapshot_listing_reset(&listing);
		for (guint i = 0; i < MANY; i++) {
			DirStat stat = {.ino = order[i], .mode = S_IFREG};
			char name[16];

			snprintf(name, sizeof(name), "%u", order[i]);
			ck_assert(snapshot_listing_add(&listing, name, &stat));
		}
		g_string_truncate(differences, 0);
		ck_assert_int_eq(snapshot_dir_update(root, &listing, on_differs,
						     NULL),
				 0);
		ck_assert_int_eq(differences->len > 0, round == 0);
		ck_assert_uint_eq(root->count, MANY);
		for (guint i = 0; i < MANY; i++) {
			guint at = (guint)g_random_int_range(0, MANY);
			guint swapped = order[i];

			order[i] = order[at];
			order[at] = swapped;
		}
	}
	ck_assert_int_lt(g_get_monotonic_time() - start, 20 * 1000000);
}
END_TEST

START_TEST(test_deep_picture_is_freed_and_counted_without_recursion)
{
	enum { DEPTH = 300000 };
	SnapshotDir *dir = root;

	for (int i = 0; i < DEPTH; i++) {
		update(dir, "d/1");
		dir = get_dir(dir, "d");
	}
	ck_assert_uint_eq(snapshot_dir_get_depth(dir), DEPTH);
	ck_assert_uint_eq(
		snapshot_dir_get_bytes(root),
		DEPTH * (sizeof(SnapshotDir) + sizeof(SnapshotEntry) + 2) +
			sizeof(SnapshotDir));
}
END_TEST

START_TEST(test_bytes_count_all)
{
	ck_assert_uint_eq(snapshot_dir_get_bytes(root), sizeof(SnapshotDir));
	update(root, "a:1 d/2 e/3 f:4");
	update(get_dir(root, "d"), "x:1 yy:2");
	ck_assert_uint_eq(snapshot_dir_get_bytes(root),
			  3 * sizeof(SnapshotDir) + 6 * sizeof(SnapshotEntry) +
				  8 + 5);
	ck_assert_uint_eq(sizeof(SnapshotEntry), 48);
}
END_TEST

START_TEST(test_name_without_attributes_keeps_what_is_known)
{
	DirStat stat = {.ino = 2, .mode = S_IFDIR | 0755};
	SnapshotDir *dir;

	update(root, "a:1 d/2");
	dir = get_dir(root, "d");
	g_string_truncate(differences, 0);
	for (int i = 0; i < 2; i++) {
		/* In the same order, and in another. */
		snapshot_listing_reset(&listing);
		snapshot_listing_add(&listing, i == 0 ? "a" : "d", NULL);
		snapshot_listing_add(&listing, i == 0 ? "d" : "a", NULL);
		snapshot_dir_update(root, &listing, on_differs, NULL);
		ck_assert_str_eq(differences->str, "");
		ck_assert_ptr_eq(get_dir(root, "d"), dir);
		ck_assert_uint_eq(dir->index, i == 0 ? 1 : 0);
	}
	snapshot_listing_reset(&listing);
	snapshot_listing_add(&listing, "new", NULL);
	snapshot_listing_add(&listing, "d", &stat);
	snapshot_dir_update(root, &listing, on_differs, NULL);
	ck_assert_str_eq(differences->str, "-a +new ");
	ck_assert_str_eq(update(root, "d/2 new:3"), "~new ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *all = tcase_create("snapshot");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, test_differences_are_told_once);
	tcase_add_test(all, test_another_order_is_no_difference);
	tcase_add_test(all, test_names_that_run_into_each_other_differ);
	tcase_add_test(all,
		       test_name_listed_twice_counts_once_with_its_last_word);
	tcase_add_test(all,
		       test_directory_that_stays_keeps_what_is_known_below);
	tcase_add_test(all,
		       test_directory_that_is_another_forgets_what_was_below);
	tcase_add_test(all, test_directory_without_a_picture_differs);
	tcase_add_test(all, test_path_from_the_root_down);
	tcase_add_test(all, test_sameness);
	tcase_add_test(all, test_entry_of_attributes);
	tcase_add_test(all, test_many_names_in_any_order);
	tcase_add_test(
		all, test_deep_picture_is_freed_and_counted_without_recursion);
	tcase_add_test(all, test_bytes_count_all);
	tcase_add_test(all, test_name_without_attributes_keeps_what_is_known);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
