/* SPDX-License-Identifier: MIT */
/*
 * Scans of a tree in memory, where everything can be set and the tree can be
 * changed at any call. The numbers are those at the top of core/scan.c; what
 * comes by chance is in check_scan_model.c, and real directories are in
 * check_scan_disk.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "tests/fake/tables.h"
#include "tests/scan-fixture.h"
#include <sincefs/protocol.h>

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)
#define STEP_NS INT64_C(10000000)

static World *world;
static FakeSource *fake;

/* A few files that are older than the daemon. */
static const FakeEntry few[] = {
	{.path = "a", .type = FAKE_FILE, .content = "a"},
	{.path = "b", .type = FAKE_FILE, .content = "b"},
	{.path = "d", .type = FAKE_DIR},
	{.path = "d/c", .type = FAKE_FILE, .content = "c"},
	{.path = "d/e", .type = FAKE_DIR},
	{.path = "d/e/f", .type = FAKE_FILE, .content = "f"},
	{.path = "g", .type = FAKE_DIR},
	FAKE_END,
};

static void set_up(void)
{
	world = world_new();
	fake = world->fake;
	fake_source_load(fake, few);
	world_rest(world);
	world->config.baseline_ns = fake->now_ns;
}

static void tear_down(void)
{
	world_free(world);
}

/* As set_up(), and the baseline is taken. */
static void set_up_known(void)
{
	set_up();
	world_rest(world);
	assert_scan(world, "");
	world_rest(world);
}

/* Call @change once, before the @n-th @call about @path. */
typedef struct {
	FakeCall call;    /* FAKE_CALLS: any */
	const char *path; /* NULL: any */
	unsigned n;
	void (*change)(void);
} Trap;

static Trap trap;

static void on_call(FakeSource *source, FakeCall call, const char *path,
		    void *data)
{
	(void)source;
	(void)data;
	if (trap.change == NULL ||
	    (trap.call != FAKE_CALLS && call != trap.call) ||
	    (trap.path != NULL && strcmp(path, trap.path) != 0) || --trap.n > 0)
		return;
	fake->hook = NULL;
	trap.change();
}

static void set_trap(FakeCall call, const char *path, unsigned n,
		     void (*change)(void))
{
	trap = (Trap){call, path, n, change};
	fake->hook = on_call;
}

/* ---- the baseline: (5) ---- */

START_TEST(test_baseline_is_silent_about_what_is_older)
{
	ck_assert(!world->picture.is_known);
	assert_scan(world, "");
	ck_assert(world->is_whole);
	ck_assert(world->picture.is_known);
	ck_assert_uint_eq(world->result.files, 8);
	ck_assert_int_eq(world->result.error, 0);
}
END_TEST

START_TEST(test_baseline_tells_files_that_are_younger)
{
	fake_source_write(fake, "d/c", 7);
	fake_source_chmod(fake, "b", 0600);
	world_rest(world);
	assert_scan(world, "+b +d/c ");
}
END_TEST

START_TEST(test_baseline_begins_at_its_very_time)
{
	fake_source_find(fake, "a")->stat.ctime_ns = world->config.baseline_ns;
	fake_source_find(fake, "b")->stat.ctime_ns =
		world->config.baseline_ns - 1;
	world_rest(world);
	assert_scan(world, "+a ");
}
END_TEST

START_TEST(test_baseline_tells_a_directory_that_got_a_name_with_all_below)
{
	fake_source_make(fake, "g/new", FILE_MODE);
	world_rest(world);
	/* The file as well: a baseline tells what is young. */
	assert_scan(world, "+g/new +g/ ");
}
END_TEST

START_TEST(test_baseline_tells_a_directory_that_lost_a_name)
{
	fake_source_remove(fake, "d/e/f");
	world_rest(world);
	assert_scan(world, "+d/e/ ");
}
END_TEST

START_TEST(test_baseline_tells_the_root_that_lost_a_name)
{
	fake_source_remove(fake, "a");
	world_rest(world);
	assert_scan(world, "?./ ");
}
END_TEST

static void lose_f(void)
{
	fake_source_remove(fake, "d/e/f");
}

START_TEST(test_baseline_tells_what_goes_while_it_is_taken)
{
	/* Its directory was looked at from above, and is old there. */
	set_trap(FAKE_CALL_OPEN, "d/e", 1, lose_f);
	assert_scan(world, "+d/e/ ");
}
END_TEST

START_TEST(test_baseline_tells_what_goes_while_it_is_listed)
{
	set_trap(FAKE_CALL_STAT, "d/e/f", 1, lose_f);
	assert_scan(world, "+d/e/ ");
}
END_TEST

START_TEST(test_name_that_goes_after_its_directory_was_read_is_told_next)
{
	set_trap(FAKE_CALL_OPEN, "g", 1, lose_f);
	assert_scan(world, "");
	assert_scan(world, "-d/e/f ");
}
END_TEST

/* ---- later scans ---- */

START_TEST(test_unchanged_tree_is_silent)
{
	uint64_t opens = fake->calls[FAKE_CALL_OPEN];

	assert_scan(world, "");
	ck_assert_uint_eq(world->result.files, 8);
	ck_assert_uint_eq(fake->calls[FAKE_CALL_OPEN] - opens, 3);
	ck_assert_uint_eq(fake->calls[FAKE_CALL_WAIT], 0);
}
END_TEST

START_TEST(test_empty_tree_has_nothing_to_tell)
{
	World *empty = world_new();

	assert_scan(empty, "");
	ck_assert_uint_eq(empty->result.files, 1);
	fake_source_make(empty->fake, "a", FILE_MODE);
	world_rest(empty);
	assert_scan(empty, "+a ");
	fake_source_remove(empty->fake, "a");
	assert_scan(empty, "-a ");
	assert_scan(empty, "");
	world_free(empty);
}
END_TEST

START_TEST(test_names_that_come_change_and_go)
{
	fake_source_make(fake, "new", FILE_MODE);
	fake_source_write(fake, "a", 99);
	fake_source_remove(fake, "d/c");
	world_rest(world);
	assert_scan(world, "~a +new -d/c ");
	assert_scan(world, "");
}
END_TEST

/* Each that scans compare, alone. */
START_TEST(test_each_attribute_counts)
{
	DirStat *stat = &fake_source_find(fake, "d/c")->stat;

	stat->ino += 1000;
	assert_scan(world, "~d/c ");
	stat->size++;
	assert_scan(world, "~d/c ");
	stat->mtime_ns++;
	assert_scan(world, "~d/c ");
	stat->ctime_ns--;
	assert_scan(world, "~d/c ");
	stat->mode ^= 0100;
	assert_scan(world, "~d/c ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_edit_of_same_size_with_its_time_put_back)
{
	int64_t mtime_ns = fake_source_find(fake, "a")->stat.mtime_ns;

	fake_source_write(fake, "a", 1);
	fake_source_set_mtime(fake, "a", mtime_ns);
	world_rest(world);
	assert_scan(world, "~a ");
}
END_TEST

START_TEST(test_older_file_moved_over_another)
{
	fake_source_rename(fake, "b", "a");
	world_rest(world);
	assert_scan(world, "~a -b ");
}
END_TEST

START_TEST(test_files_that_change_places)
{
	fake->keep_times = true;
	fake_source_exchange(fake, "a", "b");
	assert_scan(world, "~a ~b ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_file_becomes_directory_and_back)
{
	fake_source_remove(fake, "a");
	fake_source_make(fake, "a", DIR_MODE);
	fake_source_make(fake, "a/x", FILE_MODE);
	fake_source_make(fake, "a/y", DIR_MODE);
	world_rest(world);
	assert_scan(world, "+a/ ");
	assert_scan(world, "");
	fake_source_write(fake, "a/x", 5);
	world_rest(world);
	assert_scan(world, "~a/x ");
	fake_source_remove(fake, "a");
	fake_source_make(fake, "a", FILE_MODE);
	world_rest(world);
	assert_scan(world, "~a/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_file_becomes_something_else)
{
	static const mode_t modes[] = {S_IFIFO | 0644, S_IFCHR, S_IFSOCK | 0600,
				       FILE_MODE};

	for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		uint64_t ino = fake_source_find(fake, "a")->stat.ino;

		fake_source_remove(fake, "a");
		fake->keep_times = true;
		fake_source_make(fake, "a", modes[i])->stat.ino = ino;
		fake->keep_times = false;
		assert_scan(world, "~a ");
		world_rest(world);
	}
	assert_scan(world, "");
}
END_TEST

START_TEST(test_content_of_a_directory_is_not_a_change_of_it)
{
	fake_source_make(fake, "g/h", FILE_MODE);
	world_rest(world);
	assert_scan(world, "+g/h ");
}
END_TEST

START_TEST(test_attributes_of_a_directory_are_told_without_what_is_below)
{
	fake_source_chmod(fake, "d", 0700);
	world_rest(world);
	assert_scan(world, "~d ");
	/* What only ctime tells of may be a move and the way back. */
	fake_source_set_attribute(fake, "d");
	world_rest(world);
	assert_scan(world, "~d/ ");
	fake_source_chmod(fake, "", 0700);
	world_rest(world);
	assert_scan(world, "~. ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_attributes_of_a_directory_with_new_content_are_told)
{
	fake_source_make(fake, "g/h", FILE_MODE);
	world_rest(world);
	fake_source_set_attribute(fake, "g");
	world_rest(world);
	assert_scan(world, "~g +g/h ");
	fake_source_chmod(fake, "g", 0700);
	world_rest(world);
	fake_source_remove(fake, "g/h");
	assert_scan(world, "~g -g/h ");
	fake_source_find(fake, "g")->stat.gid = 7;
	world_rest(world);
	fake_source_make(fake, "g/h", FILE_MODE);
	world_rest(world);
	assert_scan(world, "~g +g/h ");
	fake_source_remove(fake, "g/h");
	fake_source_set_mtime(fake, "g", 86400);
	world_rest(world);
	assert_scan(world, "~g -g/h ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_tables_of_real_trees)
{
	World *more = world_new();

	fake_source_load(more->fake, fake_project);
	world_rest(more);
	more->config.baseline_ns = more->fake->now_ns;
	assert_scan(more, "");
	assert_scan(more, "");
	world_rest(more);
	for (const FakeEntry *entry = fake_project; entry->path; entry++) {
		g_autofree char *told = g_strdup_printf("~%s ", entry->path);

		if (entry->type != FAKE_FILE ||
		    fake_source_find(more->fake, entry->path)->stat.nlink > 1)
			continue;
		fake_source_write(more->fake, entry->path, 12345);
		world_rest(more);
		assert_scan(more, told);
	}
	world_free(more);
}
END_TEST

/* ---- directories that come, go and move: (2) ---- */

START_TEST(test_new_directory_is_one_finding)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/x", FILE_MODE);
	fake_source_make(fake, "n/m", DIR_MODE);
	fake_source_make(fake, "n/m/o", DIR_MODE);
	fake_source_make(fake, "n/m/o/y", FILE_MODE);
	world_rest(world);
	assert_scan(world, "+n/ ");
	assert_scan(world, "");
	fake_source_write(fake, "n/m/o/y", 1);
	world_rest(world);
	assert_scan(world, "~n/m/o/y ");
}
END_TEST

static uint64_t stats_when_told;

static void note_stats(World *told, const ScanFinding *finding,
		       const char *path)
{
	(void)finding;
	if (strcmp(path, "n") == 0)
		stats_when_told = told->fake->calls[FAKE_CALL_STAT];
}

START_TEST(test_new_directory_is_told_after_all_in_it_was_looked_at)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/m", DIR_MODE);
	fake_source_make(fake, "n/m/x", FILE_MODE);
	world_rest(world);
	fake_source_find(fake, "n");
	world->each = note_stats;
	assert_scan(world, "+n/ ");
	ck_assert_uint_eq(stats_when_told, fake->calls[FAKE_CALL_STAT]);
}
END_TEST

static void write_x(void)
{
	fake_source_write(fake, "n/x", 77);
	fake->now_ns += 5 * STEP_NS;
}

START_TEST(test_new_directory_that_changes_once_it_is_told_is_told_again)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/x", FILE_MODE);
	fake_source_make(fake, "n/z", DIR_MODE);
	world_rest(world);
	set_trap(FAKE_CALL_OPEN, "n/z", 1, write_x);
	assert_scan(world, "+n/ ");
	assert_scan(world, "~n/x ");
}
END_TEST

START_TEST(test_directory_that_goes_is_told_with_all_below)
{
	fake_source_remove(fake, "d");
	assert_scan(world, "-d/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_directory_that_moves_is_told_at_both_places)
{
	fake->keep_times = true;
	fake_source_rename(fake, "d", "z");
	assert_scan(world, "-d/ +z/ ");
	fake_source_rename(fake, "z/e", "g/e");
	assert_scan(world, "+g/e/ -z/e/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_directory_that_moves_away_and_back_is_told_with_all_below)
{
	fake_source_rename(fake, "d", "z");
	fake_source_rename(fake, "z", "d");
	world_rest(world);
	assert_scan(world, "~d/ ");
}
END_TEST

START_TEST(test_directories_that_change_places)
{
	fake->keep_times = true;
	fake_source_exchange(fake, "d", "g");
	assert_scan(world, "+d/ +g/ ");
	fake_source_exchange(fake, "a", "g");
	assert_scan(world, "~g/ +a/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_directory_replaced_by_another_is_told_with_all_below)
{
	fake->keep_times = true;
	fake_source_remove(fake, "d");
	fake_source_make(fake, "d", DIR_MODE);
	fake_source_make(fake, "d/c", FILE_MODE);
	assert_scan(world, "+d/ ");
}
END_TEST

START_TEST(test_directory_replaced_by_one_of_the_same_number)
{
	uint64_t ino = fake_source_find(fake, "d")->stat.ino;
	FakeNode *node;

	fake_source_remove(fake, "d");
	fake_source_make(fake, "d", DIR_MODE)->stat.ino = ino;
	fake_source_make(fake, "d/new", FILE_MODE);
	node = fake_source_make(fake, "d/e", DIR_MODE);
	node->stat.ino++;
	fake_source_make(fake, "d/e/f", FILE_MODE);
	world_rest(world);
	/* Names are compared, so nothing is missed. */
	assert_scan(world, "-d/c +d/new +d/e/ ");
}
END_TEST

static void replace_e(void)
{
	fake_source_rename(fake, "d/e", "old");
	fake_source_make(fake, "d/e", DIR_MODE);
	fake_source_make(fake, "d/e/f", FILE_MODE);
	fake->now_ns += 5 * STEP_NS;
}

START_TEST(test_directory_replaced_between_look_and_opening)
{
	set_trap(FAKE_CALL_OPEN, "d/e", 1, replace_e);
	world_scan(world);
	ck_assert(is_covered(world->paths, 0, "d/e/f"));
	assert_scan(world, "+d/e/ +old/ ");
	assert_scan(world, "");
}
END_TEST

static void put_link_at_e(void)
{
	fake_source_remove(fake, "d/e");
	fake_source_symlink(fake, "d/e", "g");
	fake->now_ns += 5 * STEP_NS;
}

START_TEST(test_link_put_in_the_place_of_a_directory_is_not_followed)
{
	fake_source_make(fake, "g/inner", DIR_MODE);
	world_rest(world);
	world_scan(world);
	set_trap(FAKE_CALL_OPEN, "d/e", 1, put_link_at_e);
	assert_scan(world, "");
	ck_assert_int_eq(world->result.error, 0);
	assert_scan(world, "~d/e/ ");
	ck_assert_uint_eq(world->result.links, 1);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_links_are_counted_and_not_followed)
{
	uint64_t opens = fake->calls[FAKE_CALL_OPEN];

	fake_source_symlink(fake, "to-d", "d");
	fake_source_symlink(fake, "to-a", "a");
	fake_source_symlink(fake, "d/up", "");
	fake_source_symlink(fake, "nowhere", "x/y/z");
	world_rest(world);
	assert_scan(world, "+nowhere +to-a +to-d +d/up ");
	ck_assert_uint_eq(world->result.links, 2);
	ck_assert_uint_eq(fake->calls[FAKE_CALL_OPEN] - opens, 3);
	assert_scan(world, "");
	ck_assert_uint_eq(world->result.links, 2);
	fake_source_remove(fake, "d/up");
	fake_source_remove(fake, "to-d");
	fake_source_symlink(fake, "to-d", "a");
	world_rest(world);
	assert_scan(world, "~to-d -d/up ");
	ck_assert_uint_eq(world->result.links, 0);
}
END_TEST

START_TEST(test_other_file_system_is_counted_and_not_entered)
{
	fake_source_mount(fake, "d");
	fake_source_make(fake, "d/inside", FILE_MODE);
	world_rest(world);
	assert_scan(world, "+d/ ");
	ck_assert_uint_eq(world->result.mounts, 1);
	ck_assert_int_eq(world->result.error, 0);
	fake_source_write(fake, "d/inside", 9);
	world_rest(world);
	assert_scan(world, "");
	ck_assert_uint_eq(world->result.mounts, 1);
	fake_source_unmount(fake, "d");
	assert_scan(world, "+d/ ");
	ck_assert_uint_eq(world->result.mounts, 0);
	fake_source_write(fake, "d/e/f", 9);
	world_rest(world);
	assert_scan(world, "~d/e/f ");
}
END_TEST

/* ---- roots ---- */

START_TEST(test_root_that_vanishes_and_comes_back)
{
	FakeNode *root = fake_source_take_root(fake);

	assert_scan(world, "-./ ");
	ck_assert_int_eq(world->result.error, -ENOENT);
	assert_scan(world, "");
	fake_source_put_root(fake, root);
	assert_scan(world, "?./ ");
	assert_scan(world, "");
	ck_assert_uint_eq(world->result.files, 8);
}
END_TEST

START_TEST(test_root_that_appears)
{
	FakeNode *root = fake_source_take_root(fake);

	world_scan(world);
	assert_scan(world, "");
	fake_source_put_root(fake, root);
	assert_scan(world, "?./ ");
	fake_source_write(fake, "d/c", 9);
	world_rest(world);
	assert_scan(world, "~d/c ");
}
END_TEST

START_TEST(test_root_that_is_replaced)
{
	fake_source_put_root(fake, fake_source_new_root(fake, DIR_MODE));
	fake_source_make(fake, "x", FILE_MODE);
	world_rest(world);
	assert_scan(world, "?./ ");
	assert_scan(world, "");
	fake->root->stat.dev++; /* the same number elsewhere */
	assert_scan(world, "?./ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_root_that_is_a_file)
{
	fake_source_put_root(fake, fake_source_new_root(fake, FILE_MODE));
	world_rest(world);
	world_scan(world);
	ck_assert(is_covered(world->paths, 0, "d/e/f"));
	assert_scan(world, "");
	ck_assert_uint_eq(world->result.files, 1);
	fake->root->stat.size++;
	assert_scan(world, "~. ");
	fake_source_put_root(fake, fake_source_new_root(fake, FILE_MODE));
	world_rest(world);
	ck_assert_str_ne(world_scan(world), "");
	assert_scan(world, "");
	fake_node_free(fake_source_take_root(fake));
	assert_scan(world, "-. ");
	fake_source_put_root(fake, fake_source_new_root(fake, DIR_MODE));
	assert_scan(world, "?./ ");
}
END_TEST

START_TEST(test_root_that_is_missing_at_the_baseline_may_just_have_gone)
{
	World *none = world_new();

	fake_node_free(fake_source_take_root(none->fake));
	assert_scan(none, "?./ ");
	assert_scan(none, "");
	world_free(none);
}
END_TEST

START_TEST(test_root_that_is_a_file_of_another_clock)
{
	fake_source_put_root(fake, fake_source_new_root(fake, FILE_MODE));
	world_rest(world);
	world_scan(world);
	fake->root->stat.ctime_ns = fake->now_ns + INT64_C(3600000000000);
	assert_scan(world, "~. ");
	assert_scan(world, "~. ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_baseline_of_a_file)
{
	World *file = world_new();

	fake_source_put_root(file->fake,
			     fake_source_new_root(file->fake, FILE_MODE));
	file->config.baseline_ns = file->fake->now_ns + 1;
	world_rest(file);
	assert_scan(file, "");
	file->picture = (ScanPicture){.root = NULL};
	file->config.baseline_ns--;
	assert_scan(file, "+. ");
	assert_scan(file, "");
	world_free(file);
}
END_TEST

/* ---- what cannot be read: (4) ---- */

/* A directory in which nothing is found, by each way to fail. */
static const struct {
	FakeCall call;
	int error;
} ways[] = {
	{FAKE_CALL_OPEN, -EACCES}, {FAKE_CALL_OPEN, -EIO},
	{FAKE_CALL_OPEN, -ENFILE}, {FAKE_CALL_LIST, -EIO},
	{FAKE_CALL_LIST, -ENOMEM}, {FAKE_CALL_LIST, -ESTALE},
};

START_TEST(test_unreadable_directory_keeps_its_picture)
{
	fake_source_fail(fake, ways[_i].call, "d/e", ways[_i].error);
	assert_scan(world, "");
	ck_assert_int_eq(world->result.error, ways[_i].error);
	ck_assert(world->is_whole);
	fake_source_write(fake, "d/e/f", 5);
	fake_source_write(fake, "d/c", 5);
	world_rest(world);
	assert_scan(world, "~d/c ");
	fake_source_fail(fake, ways[_i].call, "d/e", 0);
	assert_scan(world, "~d/e/f ");
	ck_assert_int_eq(world->result.error, 0);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_new_unreadable_directory_is_told_and_once_more_when_readable)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/x", FILE_MODE);
	world_rest(world);
	fake_source_fail(fake, ways[_i].call, "n", ways[_i].error);
	assert_scan(world, "+n/ ");
	assert_scan(world, "");
	fake_source_fail(fake, ways[_i].call, "n", 0);
	assert_scan(world, "+n/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_unreadable_at_the_baseline_may_be_anything_later)
{
	World *other = world_new();
	FakeSource *source = other->fake;

	fake_source_load(source, few);
	world_rest(other);
	other->config.baseline_ns = source->now_ns;
	fake_source_fail(source, ways[_i].call, "d/e", ways[_i].error);
	assert_scan(other, "");
	ck_assert_int_eq(other->result.error, ways[_i].error);
	fake_source_write(source, "d/e/f", 5);
	world_rest(other);
	assert_scan(other, "");
	fake_source_fail(source, ways[_i].call, "d/e", 0);
	assert_scan(other, "+d/e/ ");
	assert_scan(other, "");
	world_free(other);
}
END_TEST

START_TEST(test_unreadable_below_a_new_directory_is_told_when_readable)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/m", DIR_MODE);
	fake_source_make(fake, "n/m/x", FILE_MODE);
	world_rest(world);
	fake_source_fail(fake, ways[_i].call, "n/m", ways[_i].error);
	assert_scan(world, "+n/ ");
	fake_source_write(fake, "n/m/x", 5);
	world_rest(world);
	assert_scan(world, "");
	fake_source_fail(fake, ways[_i].call, "n/m", 0);
	assert_scan(world, "+n/m/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_unreadable_root_keeps_its_picture)
{
	fake_source_fail(fake, FAKE_CALL_OPEN_ROOT, "", -EACCES);
	assert_scan(world, "");
	ck_assert_int_eq(world->result.error, -EACCES);
	fake_source_write(fake, "d/c", 9);
	world_rest(world);
	assert_scan(world, "");
	fake_source_fail(fake, FAKE_CALL_OPEN_ROOT, "", 0);
	assert_scan(world, "~d/c ");
	fake_source_fail(fake, FAKE_CALL_LIST, "", -EIO);
	fake_source_write(fake, "a", 9);
	world_rest(world);
	assert_scan(world, "");
	ck_assert_int_eq(world->result.error, -EIO);
	fake_source_fail(fake, FAKE_CALL_LIST, "", 0);
	assert_scan(world, "~a ");
}
END_TEST

START_TEST(test_root_unreadable_at_the_baseline_may_be_anything_later)
{
	static const FakeCall calls[] = {FAKE_CALL_OPEN_ROOT, FAKE_CALL_LIST};

	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		World *other = world_new();
		FakeSource *source = other->fake;

		fake_source_load(source, few);
		world_rest(other);
		other->config.baseline_ns = source->now_ns;
		fake_source_fail(source, calls[i], "", -EACCES);
		world_scan(other);
		ck_assert_int_eq(other->result.error, -EACCES);
		fake_source_write(source, "d/e/f", 5);
		world_rest(other);
		world_scan(other);
		g_ptr_array_set_size(other->paths, 0);
		fake_source_fail(source, calls[i], "", 0);
		assert_scan(other, "?./ ");
		assert_scan(other, "");
		world_free(other);
	}
}
END_TEST

/* As a mount whose server is dead, or a bad block. */
START_TEST(test_one_name_without_attributes_holds_up_no_other)
{
	fake_source_fail(fake, FAKE_CALL_STAT, "d/e", -ENOTCONN);
	fake_source_fail(fake, FAKE_CALL_STAT, "a", -EIO);
	assert_scan(world, "");
	ck_assert_int_lt(world->result.error, 0);
	fake_source_write(fake, "a", 9);
	fake_source_write(fake, "b", 9);
	fake_source_write(fake, "d/c", 9);
	fake_source_write(fake, "d/e/f", 9);
	fake_source_make(fake, "new", FILE_MODE);
	world_rest(world);
	/* What can be entered is, by the picture. */
	assert_scan(world, "~b +new ~d/c ~d/e/f ");
	fake_source_fail(fake, FAKE_CALL_STAT, "a", 0);
	assert_scan(world, "~a ");
	fake_source_write(fake, "d/e/f", 10);
	world_rest(world);
	fake_source_fail(fake, FAKE_CALL_OPEN, "d/e", -ENOTCONN);
	assert_scan(world, "");
	fake_source_fail(fake, FAKE_CALL_STAT, "d/e", 0);
	fake_source_fail(fake, FAKE_CALL_OPEN, "d/e", 0);
	assert_scan(world, "~d/e/f ");
	ck_assert_int_eq(world->result.error, 0);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_new_name_without_attributes_is_told_and_once_more)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/x", FILE_MODE);
	fake_source_fail(fake, FAKE_CALL_STAT, "n", -EIO);
	world_rest(world);
	assert_scan(world, "?n/ ");
	assert_scan(world, "");
	fake_source_fail(fake, FAKE_CALL_STAT, "n", 0);
	assert_scan(world, "+n/ ");
	fake_source_fail(fake, FAKE_CALL_STAT, "n", -EIO);
	fake_source_remove(fake, "n");
	assert_scan(world, "-n/ ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_name_without_attributes_at_the_baseline)
{
	World *other = world_new();
	FakeSource *source = other->fake;

	fake_source_load(source, few);
	world_rest(other);
	other->config.baseline_ns = source->now_ns;
	fake_source_fail(source, FAKE_CALL_STAT, "d/e", -EIO);
	fake_source_fail(source, FAKE_CALL_STAT, "a", -EIO);
	assert_scan(other, "");
	ck_assert_int_eq(other->result.error, -EIO);
	fake_source_write(source, "d/e/f", 5);
	fake_source_write(source, "a", 5);
	world_rest(other);
	assert_scan(other, "");
	fake_source_fail(source, FAKE_CALL_STAT, "d/e", 0);
	fake_source_fail(source, FAKE_CALL_STAT, "a", 0);
	assert_scan(other, "~a/ +d/e/ ");
	assert_scan(other, "");
	world_free(other);
}
END_TEST

static void lose_e(void)
{
	fake_source_remove(fake, "d/e");
}

START_TEST(test_directory_that_goes_on_the_way_is_no_error)
{
	set_trap(FAKE_CALL_OPEN, "d/e", 1, lose_e);
	assert_scan(world, "");
	ck_assert_int_eq(world->result.error, 0);
	assert_scan(world, "-d/e/ ");
}
END_TEST

/* ---- stopped ---- */

static void stop(void)
{
	atomic_store(&world->stop, true);
}

static void assert_covered(guint from, const char *path)
{
	ck_assert_msg(is_covered(world->paths, from, path), "%s is missed",
		      path);
}

/* What makes directories due, which a baseline should not be here. */
static void change_names(void)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/m", DIR_MODE);
	fake_source_make(fake, "n/m/x", FILE_MODE);
	fake_source_make(fake, "n/o", DIR_MODE);
	fake_source_make(fake, "n/o/y", FILE_MODE);
	fake_source_remove(fake, "b");
}

/* What happens before a scan is stopped, and after; each is told of then or by
   the next scan. False: it came to its end. */
static bool stop_at(unsigned n, bool at_baseline)
{
	bool was_stopped;
	guint then;

	if (!at_baseline) {
		assert_scan(world, "");
		world_rest(world);
		change_names();
	}
	g_ptr_array_set_size(world->paths, 0);
	fake_source_write(fake, "d/c", 8);
	world_rest(world);
	fake_source_write(fake, "a", 8); /* too young to be at rest */
	set_trap(FAKE_CALLS, NULL, n, stop);
	world_scan(world);
	was_stopped = !world->is_whole;
	atomic_store(&world->stop, false);
	fake->hook = NULL;

	world_rest(world);
	then = world->paths->len;
	if (!at_baseline) {
		fake_source_write(fake, "n/m/x", 9);
		fake_source_remove(fake, "n/o/y");
	}
	fake_source_remove(fake, "d/e/f");
	fake_source_write(fake, "d/c", 9);
	fake_source_make(fake, "g/h", DIR_MODE);
	fake_source_chmod(fake, "", 0700);
	world_rest(world);
	world_scan(world);
	ck_assert(world->is_whole);
	if (!at_baseline) {
		assert_covered(0, "n");
		assert_covered(0, "n/m");
		assert_covered(0, "n/o");
		assert_covered(0, "b");
		assert_covered(then, "n/m/x");
		assert_covered(then, "n/o/y");
	}
	assert_covered(0, "a");
	assert_covered(then, "d/e/f");
	assert_covered(then, "d/c");
	assert_covered(then, "g/h");
	assert_covered(then, ".");
	assert_scan(world, "");
	return was_stopped;
}

START_TEST(test_scan_that_is_stopped_anywhere_loses_nothing)
{
	bool was_stopped = true;

	for (unsigned n = 1; was_stopped; n++) {
		set_up();
		was_stopped = stop_at(n, _i == 0);
		tear_down();
		ck_assert(n > 15 || was_stopped);
	}
}
END_TEST

/* ---- deep trees ---- */

static char *deep_path(unsigned depth, const char *last)
{
	GString *path = g_string_new("d");

	for (unsigned i = 1; i < depth; i++)
		g_string_append(path, "/deep");
	g_string_append(path, last);
	return g_string_free(path, FALSE);
}

static void make_deep(unsigned depth)
{
	for (unsigned i = 2; i <= depth; i++) {
		g_autofree char *path = deep_path(i, "");
		g_autofree char *other = deep_path(i - 1, "/z");
		g_autofree char *inner = deep_path(i - 1, "/z/in");

		fake_source_make(fake, path, DIR_MODE);
		/* After which the one above is opened again. */
		fake_source_make(fake, other, DIR_MODE);
		fake_source_make(fake, inner, FILE_MODE);
	}
}

START_TEST(test_deep_tree_is_seen_to_its_ground)
{
	enum { DEPTH = 200 };
	g_autofree char *ground = deep_path(DEPTH, "/file");
	g_autofree char *middle = deep_path(100, "/z/in");
	g_autofree char *told = NULL;

	make_deep(DEPTH);
	fake_source_make(fake, ground, FILE_MODE);
	world_rest(world);
	/* "d/deep" and "d/z" are new, all else lies below. */
	assert_scan(world, "+d/deep/ +d/z/ ");
	ck_assert_int_eq(world->result.error, 0);
	ck_assert_uint_le(fake->most_open, 70);
	assert_scan(world, "");
	ck_assert_uint_eq(world->result.files, 8 + 3 * (DEPTH - 1) + 1);
	fake_source_write(fake, ground, 5);
	fake_source_write(fake, middle, 5);
	world_rest(world);
	told = g_strdup_printf("~%s ~%s ", ground, middle);
	assert_scan(world, told);
	ck_assert_int_eq(world->result.error, 0);
}
END_TEST

static void move_away(void)
{
	fake_source_rename(fake, "d", "moved");
	fake->now_ns += 5 * STEP_NS;
}

START_TEST(test_deep_tree_that_moves_while_it_is_scanned)
{
	enum { DEPTH = 100 };
	g_autofree char *ground = deep_path(DEPTH, "");
	g_autofree char *high = deep_path(10, "/z/in");

	make_deep(DEPTH);
	world_rest(world);
	world_scan(world);
	fake_source_write(fake, high, 5);
	world_rest(world);
	set_trap(FAKE_CALL_LIST, ground, 1, move_away);
	world_scan(world);
	g_ptr_array_set_size(world->paths, 0);
	assert_scan(world, "-d/ +moved/ ");
}
END_TEST

START_TEST(test_new_deep_tree_that_moves_while_it_is_scanned)
{
	enum { DEPTH = 100 };
	g_autofree char *ground = deep_path(DEPTH, "");
	g_autofree char *high = deep_path(10, "/z/in");
	guint then;

	make_deep(DEPTH);
	world_rest(world);
	set_trap(FAKE_CALL_LIST, ground, 1, move_away);
	world_scan(world);
	/* It is as it was before anybody sees it elsewhere. */
	fake_source_rename(fake, "moved", "d");
	then = world->paths->len;
	fake_source_write(fake, high, 5);
	world_rest(world);
	world_scan(world);
	assert_covered(then, high);
	world_rest(world);
	world_scan(world);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_deeper_than_sense_is_an_error)
{
	enum { DEPTH = 4200 };
	FakeNode *dir = fake_source_find(fake, "d");
	char path[] = "x/y";

	/* By hand, from the ground up: paths would be long. */
	fake_source_make(fake, "x", DIR_MODE);
	fake_source_make(fake, path, DIR_MODE);
	for (unsigned i = 0; i < DEPTH; i++) {
		fake_source_make(fake, "w", DIR_MODE);
		fake_source_rename(fake, "x", "w/x");
		fake_source_rename(fake, "w", "x");
	}
	ck_assert_ptr_nonnull(dir);
	world_rest(world);
	assert_scan(world, "+x/ ");
	ck_assert_int_eq(world->result.error, -ENAMETOOLONG);
	assert_scan(world, "");
	fake_source_rename(fake, "x/x/x/x/x/x/x/x/x/x/x", "y");
	for (unsigned i = 0; i < 100; i++) {
		fake_source_rename(fake, "y/x", "w");
		fake_source_remove(fake, "y");
		fake_source_rename(fake, "w", "y");
	}
	world_rest(world);
	world_scan(world);
	ck_assert_int_eq(world->result.error, 0);
}
END_TEST

/* ---- what is not at rest: (3) ---- */

/* File times move in steps, calls take time. */
static void set_up_steps(void)
{
	set_up_known();
	fake->step_ns = STEP_NS;
	fake->tick_ns = STEP_NS / 10;
}

START_TEST(test_young_file_is_waited_for_and_told_once)
{
	fake_source_write(fake, "a", 1);
	fake_source_make(fake, "n", FILE_MODE);
	assert_scan(world, "~a +n ");
	ck_assert_uint_eq(fake->calls[FAKE_CALL_WAIT], 1);
	assert_scan(world, "");
	ck_assert_uint_eq(fake->calls[FAKE_CALL_WAIT], 1);
}
END_TEST

START_TEST(test_file_at_rest_is_not_waited_for)
{
	fake_source_write(fake, "a", 1);
	fake->now_ns += 3 * STEP_NS;
	assert_scan(world, "~a ");
	ck_assert_uint_eq(fake->calls[FAKE_CALL_WAIT], 0);
}
END_TEST

static guint told_before;

static void write_a_again(void)
{
	told_before = world->paths->len;
	fake_source_write(fake, "a", 1);
}

START_TEST(test_second_edit_within_the_step_is_not_missed)
{
	uint64_t calls = 1;

	for (unsigned n = 1; n <= calls; n++) {
		calls = 0;
		set_up_steps();
		/* So many that their listing takes longer than rest does. */
		for (int i = 0; i < _i; i++) {
			g_autofree char *name = g_strdup_printf("n%d", i);

			fake_source_make(fake, name, FILE_MODE);
		}
		world_rest(world);
		world_scan(world);
		world_rest(world);
		memset(fake->calls, 0, sizeof(fake->calls));
		fake->now_ns -= fake->now_ns % STEP_NS;
		fake_source_write(fake, "a", 1);
		set_trap(FAKE_CALLS, NULL, n, write_a_again);
		world_scan(world);
		for (int i = 0; i < FAKE_CALLS; i++)
			calls += fake->calls[i];
		world_rest(world);
		world_scan(world);
		assert_covered(told_before, "a");
		world_rest(world);
		assert_scan(world, "");
		tear_down();
	}
	ck_assert_uint_gt(calls, 10);
}
END_TEST

static void write_whenever_waited_for(FakeSource *source, FakeCall call,
				      const char *path, void *data)
{
	(void)path;
	(void)data;
	source->now_ns += STEP_NS;
	if (call == FAKE_CALL_STAT)
		fake_source_write(source, "a", 1);
}

START_TEST(test_file_that_never_rests_is_told_and_once_more)
{
	fake->hook = write_whenever_waited_for;
	assert_scan(world, "~a ");
	fake->hook = NULL;
	world_rest(world);
	assert_scan(world, "~a ");
	assert_scan(world, "");
}
END_TEST

static void lose_a(void)
{
	fake_source_remove(fake, "a");
}

START_TEST(test_file_that_goes_while_it_is_waited_for)
{
	fake_source_write(fake, "a", 1);
	set_trap(FAKE_CALL_WAIT, NULL, 1, lose_a);
	assert_scan(world, "");
	assert_scan(world, "-a ");
}
END_TEST

static void fail_n(void)
{
	fake_source_fail(fake, FAKE_CALL_STAT, "n", -EIO);
}

START_TEST(test_new_file_without_attributes_when_it_was_waited_for)
{
	fake_source_make(fake, "n", FILE_MODE);
	set_trap(FAKE_CALL_WAIT, NULL, 1, fail_n);
	assert_scan(world, "");
	fake_source_fail(fake, FAKE_CALL_STAT, "n", 0);
	world_rest(world);
	assert_scan(world, "~n ");
	assert_scan(world, "");
}
END_TEST

static void make_a_directory(void)
{
	fake_source_remove(fake, "a");
	fake_source_make(fake, "a", DIR_MODE);
	fake_source_make(fake, "a/x", FILE_MODE);
}

START_TEST(test_file_that_becomes_a_directory_while_it_is_waited_for)
{
	fake_source_write(fake, "a", 1);
	set_trap(FAKE_CALL_WAIT, NULL, 1, make_a_directory);
	world_scan(world);
	world_rest(world);
	assert_scan(world, "+a/ ");
	assert_scan(world, "");
	fake_source_write(fake, "a/x", 1);
	world_rest(world);
	assert_scan(world, "~a/x ");
}
END_TEST

static void put_d_back(void)
{
	fake_source_remove(fake, "d");
	fake_source_rename(fake, "old", "d");
	fake_source_remove(fake, "d/c");
}

START_TEST(test_directory_that_is_back_while_a_file_in_its_place_is_waited_for)
{
	guint then;

	fake_source_rename(fake, "d", "old");
	fake_source_make(fake, "d", FILE_MODE);
	set_trap(FAKE_CALL_WAIT, NULL, 1, put_d_back);
	world_scan(world);
	then = world->paths->len;
	world_rest(world);
	fake_source_write(fake, "d/e/f", 1);
	world_rest(world);
	world_scan(world);
	assert_covered(0, "d/c");
	assert_covered(then, "d/e/f");
	then = world->paths->len;
	fake_source_write(fake, "d/e/f", 2);
	world_rest(world);
	world_scan(world);
	assert_covered(then, "d/e/f");
}
END_TEST

START_TEST(test_directory_moves_while_what_is_in_it_is_waited_for)
{
	fake_source_write(fake, "d/c", 9);
	set_trap(FAKE_CALL_WAIT, NULL, 1, move_away);
	world_scan(world);
	world_rest(world);
	fake_source_rename(fake, "moved", "d");
	world_rest(world);
	world_scan(world);
	assert_covered(0, "d/c");
	world_rest(world);
	world_scan(world);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_young_file_in_a_new_directory_is_not_missed)
{
	fake_source_make(fake, "n", DIR_MODE);
	fake_source_make(fake, "n/x", FILE_MODE);
	world_scan(world);
	assert_covered(0, "n");
	assert_covered(0, "n/x");
	world_rest(world);
	world_scan(world);
	assert_scan(world, "");
}
END_TEST

START_TEST(test_time_of_another_clock_is_not_waited_for)
{
	FakeNode *node = fake_source_find(fake, "a");

	node->stat.ctime_ns = fake->now_ns + INT64_C(3600000000000);
	assert_scan(world, "~a ");
	ck_assert_uint_eq(fake->calls[FAKE_CALL_WAIT], 0);
	/* Nor can it be trusted. */
	assert_scan(world, "~a ");
	assert_scan(world, "");
}
END_TEST

START_TEST(test_more_young_files_than_are_kept)
{
	enum { MANY = 70000 };
	uint64_t told;

	fake->tick_ns = 0;
	fake->step_ns = 1;
	fake->is_reversed = true;
	for (int i = 0; i < MANY; i++) {
		g_autofree char *name = g_strdup_printf("g/%d", i);

		fake_source_make(fake, name, FILE_MODE);
	}
	world_scan(world);
	told = world->paths->len;
	ck_assert_uint_eq(told, MANY);
	world_rest(world);
	world_scan(world);
	/* Once more is only what there was no room for. */
	ck_assert_uint_eq(world->paths->len - told, MANY - 65536);
	assert_scan(world, "");
}
END_TEST

static void write_root(void)
{
	told_before = world->paths->len;
	fake_source_write(fake, "", 1);
}

START_TEST(test_root_that_is_a_young_file_is_told_once)
{
	fake_source_put_root(fake, fake_source_new_root(fake, FILE_MODE));
	world_rest(world);
	world_scan(world);
	world_rest(world);
	fake_source_write(fake, "", 1);
	assert_scan(world, "~. ");
	world_rest(world);
	assert_scan(world, "");
	fake_source_write(fake, "", 1);
	set_trap(FAKE_CALL_WAIT, NULL, 1, write_root);
	world_scan(world);
	world_rest(world);
	world_scan(world);
	assert_covered(told_before, ".");
	world_rest(world);
	assert_scan(world, "");
}
END_TEST

static void write_root_when_waited_for(FakeSource *source, FakeCall call,
				       const char *path, void *data)
{
	(void)path;
	(void)data;
	source->now_ns += STEP_NS;
	if (call == FAKE_CALL_OPEN_ROOT)
		fake_source_write(source, "", 1);
}

START_TEST(test_root_that_is_a_file_and_never_rests)
{
	fake_source_put_root(fake, fake_source_new_root(fake, FILE_MODE));
	world_rest(world);
	world_scan(world);
	fake->hook = write_root_when_waited_for;
	assert_scan(world, "~. ");
	fake->hook = NULL;
	world_rest(world);
	assert_scan(world, "~. ");
	assert_scan(world, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");
	TCase *baseline = tcase_create("baseline");
	TCase *later = tcase_create("later");
	TCase *dirs = tcase_create("directories");
	TCase *roots = tcase_create("roots");
	TCase *stopped = tcase_create("stopped");
	TCase *deep = tcase_create("deep");
	TCase *young = tcase_create("young");
	TCase *second = tcase_create("second edit");
	TCase *unreadable = tcase_create("unreadable");
	const int n_ways = G_N_ELEMENTS(ways);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(baseline, set_up, tear_down);
	tcase_add_test(baseline, test_baseline_is_silent_about_what_is_older);
	tcase_add_test(baseline, test_baseline_tells_files_that_are_younger);
	tcase_add_test(baseline, test_baseline_begins_at_its_very_time);
	tcase_add_test(
		baseline,
		test_baseline_tells_a_directory_that_got_a_name_with_all_below);
	tcase_add_test(baseline,
		       test_baseline_tells_a_directory_that_lost_a_name);
	tcase_add_test(baseline, test_baseline_tells_the_root_that_lost_a_name);
	tcase_add_test(baseline,
		       test_baseline_tells_what_goes_while_it_is_taken);
	tcase_add_test(baseline,
		       test_baseline_tells_what_goes_while_it_is_listed);
	tcase_add_test(
		baseline,
		test_name_that_goes_after_its_directory_was_read_is_told_next);
	suite_add_tcase(suite, baseline);

	tcase_add_checked_fixture(later, set_up_known, tear_down);
	tcase_add_test(later, test_unchanged_tree_is_silent);
	tcase_add_test(later, test_empty_tree_has_nothing_to_tell);
	tcase_add_test(later, test_names_that_come_change_and_go);
	tcase_add_test(later, test_each_attribute_counts);
	tcase_add_test(later, test_edit_of_same_size_with_its_time_put_back);
	tcase_add_test(later, test_older_file_moved_over_another);
	tcase_add_test(later, test_files_that_change_places);
	tcase_add_test(later, test_file_becomes_directory_and_back);
	tcase_add_test(later, test_file_becomes_something_else);
	tcase_add_test(later,
		       test_content_of_a_directory_is_not_a_change_of_it);
	tcase_add_test(
		later,
		test_attributes_of_a_directory_are_told_without_what_is_below);
	tcase_add_test(
		later,
		test_attributes_of_a_directory_with_new_content_are_told);
	tcase_add_test(later, test_tables_of_real_trees);
	suite_add_tcase(suite, later);

	tcase_add_checked_fixture(dirs, set_up_known, tear_down);
	tcase_add_test(dirs, test_new_directory_is_one_finding);
	tcase_add_test(
		dirs, test_new_directory_is_told_after_all_in_it_was_looked_at);
	tcase_add_test(
		dirs,
		test_new_directory_that_changes_once_it_is_told_is_told_again);
	tcase_add_test(dirs, test_directory_that_goes_is_told_with_all_below);
	tcase_add_test(dirs, test_directory_that_moves_is_told_at_both_places);
	tcase_add_test(
		dirs,
		test_directory_that_moves_away_and_back_is_told_with_all_below);
	tcase_add_test(dirs, test_directories_that_change_places);
	tcase_add_test(
		dirs,
		test_directory_replaced_by_another_is_told_with_all_below);
	tcase_add_test(dirs, test_directory_replaced_by_one_of_the_same_number);
	tcase_add_test(dirs, test_directory_replaced_between_look_and_opening);
	tcase_add_test(
		dirs,
		test_link_put_in_the_place_of_a_directory_is_not_followed);
	tcase_add_test(dirs, test_links_are_counted_and_not_followed);
	tcase_add_test(dirs, test_other_file_system_is_counted_and_not_entered);
	suite_add_tcase(suite, dirs);

	tcase_add_checked_fixture(roots, set_up_known, tear_down);
	tcase_add_test(roots, test_root_that_vanishes_and_comes_back);
	tcase_add_test(roots, test_root_that_appears);
	tcase_add_test(roots, test_root_that_is_replaced);
	tcase_add_test(roots, test_root_that_is_a_file);
	tcase_add_test(
		roots,
		test_root_that_is_missing_at_the_baseline_may_just_have_gone);
	tcase_add_test(roots, test_root_that_is_a_file_of_another_clock);
	tcase_add_test(roots, test_baseline_of_a_file);
	suite_add_tcase(suite, roots);

	tcase_add_checked_fixture(unreadable, set_up_known, tear_down);
	tcase_add_loop_test(unreadable,
			    test_unreadable_directory_keeps_its_picture, 0,
			    n_ways);
	tcase_add_loop_test(
		unreadable,
		test_new_unreadable_directory_is_told_and_once_more_when_readable,
		0, n_ways);
	tcase_add_loop_test(
		unreadable,
		test_unreadable_at_the_baseline_may_be_anything_later, 0,
		n_ways);
	tcase_add_loop_test(
		unreadable,
		test_unreadable_below_a_new_directory_is_told_when_readable, 0,
		n_ways);
	tcase_add_test(unreadable, test_unreadable_root_keeps_its_picture);
	tcase_add_test(
		unreadable,
		test_root_unreadable_at_the_baseline_may_be_anything_later);
	tcase_add_test(unreadable,
		       test_one_name_without_attributes_holds_up_no_other);
	tcase_add_test(unreadable,
		       test_new_name_without_attributes_is_told_and_once_more);
	tcase_add_test(unreadable,
		       test_name_without_attributes_at_the_baseline);
	tcase_add_test(unreadable,
		       test_directory_that_goes_on_the_way_is_no_error);
	suite_add_tcase(suite, unreadable);

	/* Each sets up by itself. */
	tcase_add_loop_test(stopped,
			    test_scan_that_is_stopped_anywhere_loses_nothing, 0,
			    2);
	suite_add_tcase(suite, stopped);

	tcase_add_checked_fixture(deep, set_up_known, tear_down);
	tcase_add_test(deep, test_deep_tree_is_seen_to_its_ground);
	tcase_add_test(deep, test_deep_tree_that_moves_while_it_is_scanned);
	tcase_add_test(deep, test_new_deep_tree_that_moves_while_it_is_scanned);
	tcase_add_test(deep, test_deeper_than_sense_is_an_error);
	suite_add_tcase(suite, deep);

	tcase_add_checked_fixture(young, set_up_steps, tear_down);
	tcase_add_test(young, test_young_file_is_waited_for_and_told_once);
	tcase_add_test(young, test_file_at_rest_is_not_waited_for);
	tcase_add_test(young, test_file_that_never_rests_is_told_and_once_more);
	tcase_add_test(young,
		       test_new_file_without_attributes_when_it_was_waited_for);
	tcase_add_test(young, test_file_that_goes_while_it_is_waited_for);
	tcase_add_test(
		young,
		test_file_that_becomes_a_directory_while_it_is_waited_for);
	tcase_add_test(
		young,
		test_directory_that_is_back_while_a_file_in_its_place_is_waited_for);
	tcase_add_test(young,
		       test_directory_moves_while_what_is_in_it_is_waited_for);
	tcase_add_test(young, test_young_file_in_a_new_directory_is_not_missed);
	tcase_add_test(young, test_time_of_another_clock_is_not_waited_for);
	tcase_add_test(young, test_more_young_files_than_are_kept);
	tcase_add_test(young, test_root_that_is_a_young_file_is_told_once);
	tcase_add_test(young, test_root_that_is_a_file_and_never_rests);
	suite_add_tcase(suite, young);
	/* Sets up by itself. */
	tcase_add_loop_test(
		second, test_second_edit_within_the_step_is_not_missed, 0, 40);
	suite_add_tcase(suite, second);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
