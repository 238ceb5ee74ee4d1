/* SPDX-License-Identifier: MIT */
/*
 * Which operation stamps what, on an inode table that is made up: no file
 * system below, and no FUSE.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control.h"
#include "fs/mark.h"

static Fs fs;
static const Writer by = {.pid = 7, .uid = 8};
static uint64_t token; /* of the last set_up() or changes() */

static NodeKey key(uint64_t ino)
{
	return (NodeKey){.ino = ino, .birth = 1, .dev = 8};
}

static void set_up_ignoring(const char *const *patterns)
{
	const NodeKey root = key(1);

	memset(&fs, 0, sizeof(fs));
	descriptors_init(&fs.cache, 64, false);
	fs.set = dirty_set_new(4711, 1000);
	fs.trees = tree_list_new(fs.set);
	tree_list_add(fs.trees, "/made/up", SINCEFS_TREE_MOUNTED);
	fs.root_name = tree_list_get_root_node(fs.trees, 1);
	fs.ignore = ignore_new(patterns, NULL);
	ck_assert_ptr_nonnull(fs.ignore);
	fs.table = inode_table_new(&root, &fs.cache);
	notifier_init(&fs.notifier);
	dirty_set_lock(fs.set);
	token = dirty_set_tell_locked(fs.set);
	dirty_set_unlock(fs.set);
}

static void set_up(void)
{
	set_up_ignoring(NULL);
}

static void tear_down(void)
{
	notifier_clear(&fs.notifier);
	inode_table_free(fs.table);
	ignore_free((Ignore *)fs.ignore);
	tree_list_free(fs.trees);
	dirty_set_free(fs.set);
}

/* A node with @nlink names below of which one is made known here. */
static uint64_t know(uint64_t parent, const char *name, uint64_t ino,
		     mode_t type, unsigned nlink)
{
	const NodeKey its_key = key(ino);
	uint64_t id;
	Node *node;

	inode_table_lock(fs.table);
	node = inode_table_intern_locked(fs.table, &its_key, type);
	node->lookups++;
	node->nlink = nlink;
	ck_assert_int_eq(inode_table_add_name_locked(
				 fs.table, node,
				 inode_table_get_locked(fs.table, parent),
				 name),
			 0);
	id = node_get_id(node);
	inode_table_unlock(fs.table);
	return id;
}

static uint64_t know_dir(uint64_t parent, const char *name, uint64_t ino)
{
	return know(parent, name, ino, S_IFDIR, 2);
}

static uint64_t know_file(uint64_t parent, const char *name, uint64_t ino)
{
	return know(parent, name, ino, S_IFREG, 1);
}

/* As it is found below just before something happens to it. */
static MarkObject object(uint64_t ino, mode_t type)
{
	return (MarkObject){.key = key(ino), .type = type, .nlink = 1};
}

static MarkObject object_of_two_names(uint64_t ino)
{
	return (MarkObject){.key = key(ino), .type = S_IFREG, .nlink = 2};
}

static const MarkObject nothing;

/*
 * What was stamped since the last time: letters and a path for each name,
 * oldest first. (C)ontent, (M)eta, (T)imes, (N)ew, (G)one, (D)ir, (S)ubtree,
 * s(c)anned, (L)inked.
 */
static char *changes(void)
{
	static const char letters[] = "CMTNGDScL";
	static char path[20000];
	GString *text = g_string_new(NULL);
	DirtyRecord records[64];
	size_t examined = 0, n;
	uint64_t reached;

	dirty_set_lock(fs.set);
	n = dirty_set_collect_locked(fs.set, token, token, records, 64, 4096,
				     &examined, &reached);
	for (size_t i = 0; i < n; i++) {
		for (unsigned bit = 0; letters[bit] != '\0'; bit++)
			if (records[i].flags & (1u << bit))
				g_string_append_c(text, letters[bit]);
		name_node_get_path(records[i].node, fs.root_name, path,
				   sizeof(path));
		g_string_append_printf(text, ":%s ", path);
		ck_assert_uint_eq(records[i].pid, by.pid);
		ck_assert_uint_eq(records[i].uid, by.uid);
	}
	token = dirty_set_tell_locked(fs.set);
	dirty_set_unlock(fs.set);
	return g_string_free(text, FALSE);
}

static bool is_lost(void)
{
	uint32_t reason;

	dirty_set_lock(fs.set);
	reason = dirty_set_refuse_locked(fs.set, token);
	dirty_set_unlock(fs.set);
	return reason == SINCEFS_REASON_LOST;
}

#define assert_changes(expected)                                               \
	do {                                                                   \
		g_autofree char *changes_ = changes();                         \
		ck_assert_str_eq(changes_, expected);                          \
	} while (0)

/* The names that a node is known by, in any order. */
static bool has_name(uint64_t id, uint64_t parent, const char *name)
{
	bool has = false;
	Node *node;

	inode_table_lock(fs.table);
	node = inode_table_get_locked(fs.table, id);
	for (const Link *link = node->links; link != NULL; link = link->next)
		has |= link->parent == (uint32_t)parent &&
		       strcmp(link->name, name) == 0;
	inode_table_unlock(fs.table);
	return has;
}

static unsigned nlink_of(uint64_t id)
{
	unsigned nlink;

	inode_table_lock(fs.table);
	nlink = inode_table_get_locked(fs.table, id)->nlink;
	inode_table_unlock(fs.table);
	return nlink;
}

/* -- Objects ------------------------------------------------------------------
 */

START_TEST(test_each_kind_of_change_has_its_flag)
{
	uint64_t dir, file;

	set_up();
	dir = know_dir(1, "d", 2);
	file = know_file(dir, "f", 3);
	mark_content(&fs, file, &by);
	assert_changes("C:d/f ");
	mark_meta(&fs, file, &by);
	assert_changes("M:d/f ");
	mark_times(&fs, file, &by);
	assert_changes("T:d/f ");
	mark_content_bypassed(&fs, file, &by);
	assert_changes("Cc:d/f ");
	mark_meta(&fs, dir, &by);
	mark_times(&fs, dir, &by);
	assert_changes("MTD:d ");
	mark_meta(&fs, 1, &by);
	assert_changes("MD:. ");
	tear_down();
}
END_TEST

START_TEST(test_file_with_several_names_is_stamped_at_all_of_them)
{
	uint64_t dir, file;

	set_up();
	dir = know_dir(1, "d", 2);
	know(1, "a", 3, S_IFREG, 3);
	know(dir, "b", 3, S_IFREG, 3);
	file = know(dir, "c", 3, S_IFREG, 3);
	mark_content(&fs, file, &by);
	assert_changes("CL:d/c CL:d/b CL:a ");
	tear_down();
}
END_TEST

START_TEST(test_file_with_unknown_names_is_stamped_as_linked)
{
	uint64_t file;

	set_up();
	file = know(1, "a", 3, S_IFREG, 2);
	mark_meta(&fs, file, &by);
	assert_changes("ML:a ");
	tear_down();
}
END_TEST

START_TEST(test_object_without_a_name_is_stamped_nowhere)
{
	const MarkObject was_file = object(3, S_IFREG);
	const MarkObject was_dir = object(2, S_IFDIR);
	uint64_t dir, file, below;

	set_up();
	dir = know_dir(1, "d", 2);
	below = know_file(dir, "f", 4);
	file = know_file(1, "a", 3);
	mark_removed(&fs, 1, "a", &was_file, &by);
	mark_removed(&fs, 1, "d", &was_dir, &by);
	assert_changes("CG:a CGD:d ");
	mark_content(&fs, file, &by);
	mark_times(&fs, dir, &by);
	mark_content(&fs, below, &by); /* its directory has no name */
	mark_created(&fs, dir, "g", S_IFREG, &by);
	assert_changes("");
	tear_down();
}
END_TEST

START_TEST(test_unknown_nodes_and_the_control_file_are_stamped_nowhere)
{
	Control *control = calloc(1, sizeof(*control));
	uint64_t id;
	Node *node;

	set_up();
	inode_table_lock(fs.table);
	node = inode_table_add_control_locked(fs.table, control);
	node->lookups = 1;
	inode_table_add_name_locked(fs.table, node,
				    inode_table_at_locked(fs.table, 1),
				    SINCEFS_CONTROL_NAME);
	id = node_get_id(node);
	inode_table_unlock(fs.table);
	mark_content(&fs, id, &by);
	mark_content(&fs, 999, &by);
	mark_created(&fs, 999, "a", S_IFREG, &by);
	mark_removed(&fs, 999, "a", &nothing, &by);
	mark_linked(&fs, 999, 1, "a", &by);
	mark_linked(&fs, id, 999, "a", &by);
	assert_changes("");
	tear_down();
}
END_TEST

/* -- Names that come and go
 * ---------------------------------------------------- */

START_TEST(test_what_comes_into_being_is_new)
{
	set_up();
	mark_created(&fs, 1, "f", S_IFREG, &by);
	assert_changes("CN:f ");
	mark_created(&fs, 1, "d", S_IFDIR, &by);
	assert_changes("CND:d ");
	mark_created(&fs, 1, "s", S_IFLNK, &by);
	assert_changes("CN:s ");
	tear_down();
}
END_TEST

START_TEST(test_in_doubt_a_name_is_not_new)
{
	set_up();
	mark_doubtful(&fs, 1, "f", S_IFREG, &by);
	assert_changes("C:f ");
	mark_doubtful(&fs, 1, "d", S_IFDIR, &by);
	assert_changes("CDS:d ");
	mark_doubtful(&fs, 1, "u", 0, &by);
	assert_changes("C:u ");
	tear_down();
}
END_TEST

START_TEST(test_removed_name_is_gone_and_the_others_stay)
{
	const MarkObject was = object_of_two_names(3);
	uint64_t file;

	set_up();
	know(1, "a", 3, S_IFREG, 2);
	file = know(1, "b", 3, S_IFREG, 2);
	mark_removed(&fs, 1, "a", &was, &by);
	assert_changes("CG:a ");
	ck_assert(!has_name(file, 1, "a"));
	ck_assert(has_name(file, 1, "b"));
	ck_assert_uint_eq(nlink_of(file), 1);
	mark_content(&fs, file, &by);
	assert_changes("C:b ");
	/* One that nobody knew. */
	mark_removed(&fs, 1, "c",
		     &(MarkObject){.key = key(77), .type = S_IFREG}, &by);
	assert_changes("CG:c ");
	tear_down();
}
END_TEST

/* A look-up that came between the system call and the mark has seen one link
   less already. */
START_TEST(test_links_are_not_taken_twice)
{
	const MarkObject was = {
		.key = key(3),
		.type = S_IFREG,
		.nlink = 3,
	};
	uint64_t file;

	set_up();
	know(1, "a", 3, S_IFREG, 3);
	file = know(1, "b", 3, S_IFREG, 2);
	mark_removed(&fs, 1, "a", &was, &by);
	ck_assert_uint_eq(nlink_of(file), 2);
	assert_changes("CG:a ");
	mark_content(&fs, file, &by);
	assert_changes("CL:b "); /* the third is not known */
	tear_down();
}
END_TEST

START_TEST(test_another_name_is_new_and_written_through_too)
{
	uint64_t dir, file;

	set_up();
	dir = know_dir(1, "d", 2);
	file = know_file(1, "a", 3);
	mark_linked(&fs, file, dir, "b", &by);
	assert_changes("CN:d/b ");
	ck_assert_uint_eq(nlink_of(file), 2);
	mark_content(&fs, file, &by);
	assert_changes("CL:d/b CL:a ");
	tear_down();
}
END_TEST

/* -- Renames
 * ------------------------------------------------------------------- */

START_TEST(test_renamed_file_is_gone_here_and_new_there)
{
	const MarkObject moved = object(3, S_IFREG);
	uint64_t dir, file;

	set_up();
	dir = know_dir(1, "d", 2);
	file = know_file(1, "a", 3);
	mark_renamed(&fs, 1, "a", &moved, dir, "b", &nothing, 0, &by);
	assert_changes("CG:a CN:d/b ");
	ck_assert(!has_name(file, 1, "a"));
	ck_assert(has_name(file, dir, "b"));
	mark_content(&fs, file, &by);
	assert_changes("C:d/b ");
	tear_down();
}
END_TEST

START_TEST(test_renamed_directory_takes_its_subtree_with_it)
{
	const MarkObject moved = object(2, S_IFDIR);
	uint64_t dir, file;

	set_up();
	dir = know_dir(1, "d", 2);
	file = know_file(dir, "f", 3);
	mark_renamed(&fs, 1, "d", &moved, 1, "e", &nothing, 0, &by);
	assert_changes("CGDS:d CNDS:e ");
	mark_content(&fs, file, &by);
	assert_changes("C:e/f ");
	tear_down();
}
END_TEST

START_TEST(test_what_is_renamed_over_is_not_new)
{
	const MarkObject moved = object(3, S_IFREG);
	const MarkObject victim = object(4, S_IFREG);
	uint64_t file, other;

	set_up();
	file = know_file(1, "a", 3);
	other = know_file(1, "b", 4);
	mark_renamed(&fs, 1, "a", &moved, 1, "b", &victim, 0, &by);
	assert_changes("CG:a C:b ");
	ck_assert(has_name(file, 1, "b"));
	ck_assert(!has_name(other, 1, "b"));
	ck_assert_uint_eq(nlink_of(other), 0);
	/* Who still has the other open writes to nothing with a name. */
	mark_content(&fs, other, &by);
	assert_changes("");
	mark_content(&fs, file, &by);
	assert_changes("C:b ");
	tear_down();
}
END_TEST

START_TEST(test_victim_with_other_names_keeps_them)
{
	const MarkObject moved = object(3, S_IFREG);
	const MarkObject victim = object_of_two_names(4);
	uint64_t other;

	set_up();
	know_file(1, "a", 3);
	know(1, "b", 4, S_IFREG, 2);
	other = know(1, "c", 4, S_IFREG, 2);
	mark_renamed(&fs, 1, "a", &moved, 1, "b", &victim, 0, &by);
	assert_changes("CG:a C:b ");
	mark_content(&fs, other, &by);
	assert_changes("C:c ");
	tear_down();
}
END_TEST

START_TEST(test_exchanged_names_are_both_there_and_neither_new)
{
	const MarkObject moved = object(3, S_IFREG);
	const MarkObject other = object(2, S_IFDIR);
	uint64_t dir, file, sub, below;

	set_up();
	dir = know_dir(1, "d", 2);
	below = know_file(dir, "f", 4);
	sub = know_dir(1, "s", 5);
	file = know_file(sub, "a", 3);
	mark_renamed(&fs, sub, "a", &moved, 1, "d", &other, RENAME_EXCHANGE,
		     &by);
	assert_changes("CDS:s/a CDS:d ");
	ck_assert(has_name(file, 1, "d"));
	ck_assert(has_name(dir, sub, "a"));
	ck_assert_uint_eq(nlink_of(file), 1);
	mark_content(&fs, below, &by);
	assert_changes("C:s/a/f ");
	tear_down();
}
END_TEST

/* a and a/b change places: nobody then lies below himself. */
START_TEST(test_directory_and_another_elsewhere_below_it_can_be_exchanged)
{
	const MarkObject moved = object(2, S_IFDIR);
	const MarkObject other = object(4, S_IFDIR);
	uint64_t a, b, c;

	set_up();
	a = know_dir(1, "a", 2);
	b = know_dir(1, "b", 3);
	c = know_dir(b, "c", 4);
	mark_renamed(&fs, 1, "a", &moved, b, "c", &other, RENAME_EXCHANGE, &by);
	assert_changes("CDS:a CDS:b/c ");
	ck_assert(has_name(a, b, "c"));
	ck_assert(has_name(c, 1, "a"));
	tear_down();
}
END_TEST

/* Something that bypasses the mount has made the table wrong: b is not below a
   any more. What happens in a can not be told, so it is said to be lost. */
START_TEST(test_rename_that_the_table_can_not_follow_loses_the_history)
{
	const MarkObject moved = object(2, S_IFDIR);
	uint64_t a, b, file;

	set_up();
	a = know_dir(1, "a", 2);
	b = know_dir(a, "b", 3);
	file = know_file(a, "f", 4);
	mark_renamed(&fs, 1, "a", &moved, b, "a", &nothing, 0, &by);
	ck_assert(is_lost());
	/* That goes on until it is looked up. */
	g_free(changes());
	ck_assert(!is_lost());
	mark_content(&fs, file, &by);
	ck_assert(is_lost());
	g_free(changes());
	mark_meta(&fs, a, &by);
	ck_assert(is_lost());
	know_dir(1, "b", 3);
	know_dir(b, "a", 2);
	g_free(changes());
	mark_content(&fs, file, &by);
	mark_meta(&fs, a, &by);
	ck_assert(!is_lost());
	assert_changes("C:b/a/f MD:b/a ");
	tear_down();
}
END_TEST

START_TEST(test_whiteout_stays_where_the_file_was)
{
	const MarkObject moved = object(3, S_IFREG);

	set_up();
	know_file(1, "a", 3);
	mark_renamed(&fs, 1, "a", &moved, 1, "b", &nothing, RENAME_WHITEOUT,
		     &by);
	assert_changes("C:a CN:b ");
	tear_down();
}
END_TEST

START_TEST(test_rename_of_what_nobody_knew_is_stamped_too)
{
	const MarkObject moved = object(3, S_IFREG);
	const MarkObject dir = object(4, S_IFDIR);

	set_up();
	mark_renamed(&fs, 1, "a", &moved, 1, "b", &nothing, 0, &by);
	assert_changes("CG:a CN:b ");
	mark_renamed(&fs, 1, "c", &dir, 1, "d", &nothing, 0, &by);
	assert_changes("CGDS:c CNDS:d ");
	tear_down();
}
END_TEST

START_TEST(test_one_of_several_names_moves_alone)
{
	const MarkObject moved = object_of_two_names(3);
	uint64_t file;

	set_up();
	know(1, "a", 3, S_IFREG, 2);
	file = know(1, "b", 3, S_IFREG, 2);
	mark_renamed(&fs, 1, "a", &moved, 1, "c", &nothing, 0, &by);
	assert_changes("CG:a CN:c ");
	ck_assert(has_name(file, 1, "b") && has_name(file, 1, "c"));
	mark_content(&fs, file, &by);
	assert_changes("CL:c CL:b ");
	tear_down();
}
END_TEST

/* -- Names that are ignored
 * ----------------------------------------------------- */

static const char *const patterns[] = {"*.tmp", "build/", NULL};

START_TEST(test_ignored_names_are_not_stamped)
{
	const MarkObject moved = object(3, S_IFREG);
	uint64_t build, file;

	set_up_ignoring(patterns);
	build = know_dir(1, "build", 2);
	file = know_file(build, "f", 3);
	mark_content(&fs, file, &by);
	mark_meta(&fs, build, &by);
	mark_created(&fs, 1, "x.tmp", S_IFREG, &by);
	mark_created(&fs, build, "y", S_IFREG, &by);
	assert_changes("");
	/* A directory alone is meant; and one side of a rename is enough. */
	mark_created(&fs, 1, "build", S_IFREG, &by);
	mark_renamed(&fs, build, "f", &moved, 1, "f", &nothing, 0, &by);
	assert_changes("CN:build CN:f ");
	tear_down();
}
END_TEST

/* A name that is ignored as a directory alone, and is now a file. */
START_TEST(test_name_that_is_ignored_as_one_kind_is_stamped_when_it_changes)
{
	const MarkObject moved = object(3, S_IFREG);
	const MarkObject dir = object(2, S_IFDIR);

	set_up_ignoring(patterns);
	know_dir(1, "build", 2);
	know_file(1, "f", 3);
	mark_renamed(&fs, 1, "f", &moved, 1, "build", &dir, RENAME_EXCHANGE,
		     &by);
	assert_changes("CDS:f CDS:build ");
	know_dir(1, "a.tmp", 4);
	mark_renamed(&fs, 1, "build", &moved, 1, "a.tmp", &dir, RENAME_EXCHANGE,
		     &by);
	assert_changes("CDS:build ");
	tear_down();
}
END_TEST

START_TEST(test_file_with_one_name_that_counts_is_stamped_there)
{
	uint64_t file;

	set_up_ignoring(patterns);
	know(1, "a.tmp", 3, S_IFREG, 2);
	file = know(1, "a", 3, S_IFREG, 2);
	mark_content(&fs, file, &by);
	assert_changes("CL:a ");
	tear_down();
}
END_TEST

START_TEST(test_file_is_ignored_only_when_all_names_are_known_and_ignored)
{
	uint64_t file, other;

	set_up_ignoring(patterns);
	know(1, "a.tmp", 3, S_IFREG, 2);
	file = know(1, "b.tmp", 3, S_IFREG, 2);
	mark_content(&fs, file, &by);
	assert_changes("");
	/* One may be anywhere. */
	other = know(1, "c.tmp", 4, S_IFREG, 2);
	mark_content(&fs, other, &by);
	assert_changes("CL:c.tmp ");
	tear_down();
}
END_TEST

/* -- Bounds
 * --------------------------------------------------------------------- */

static uint64_t know_chain(unsigned depth)
{
	uint64_t dir = 1;

	for (unsigned i = 0; i < depth; i++)
		dir = know_dir(dir, "d", 100 + i);
	return dir;
}

static size_t count_char(const char *text, char what)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == what;
	return n;
}

START_TEST(test_long_paths_are_whole)
{
	static const unsigned depths[] = {254, 255, 256, 257, 2000};
	g_autofree char *text = NULL;

	set_up();
	mark_created(&fs, know_chain(depths[_i]), "f", S_IFREG, &by);
	text = changes();
	ck_assert_uint_eq(count_char(text, 'd'), depths[_i]);
	ck_assert(g_str_has_suffix(text, "/f "));
	tear_down();
}
END_TEST

START_TEST(test_name_that_lies_too_deep_is_told_by_an_ancestor)
{
	g_autofree char *text = NULL;

	set_up();
	mark_created(&fs, know_chain(9000), "f", S_IFREG, &by);
	text = changes();
	ck_assert(g_str_has_prefix(text, "CDS:d/d/d"));
	ck_assert_uint_lt(count_char(text, 'd'), 9000);
	ck_assert_uint_eq(count_char(text, ' '), 1);
	tear_down();
}
END_TEST

START_TEST(test_only_errors_that_come_before_any_effect_are_without)
{
	static const int certain[] = {ENOENT,  EEXIST,  ENOTEMPTY, EACCES,
				      EPERM,   EROFS,   EXDEV,     EINVAL,
				      ENOTDIR, EISDIR,  EBUSY,     ELOOP,
				      ESTALE,  ETXTBSY, EMLINK,    EMFILE};
	static const int uncertain[] = {EIO,    ENOSPC,       EDQUOT,
					EINTR,  ENOMEM,       ETIMEDOUT,
					EAGAIN, ENXIO + 10000};

	for (size_t i = 0; i < G_N_ELEMENTS(certain); i++)
		ck_assert(!mark_may_have_acted(-certain[i]));
	for (size_t i = 0; i < G_N_ELEMENTS(uncertain); i++)
		ck_assert(mark_may_have_acted(-uncertain[i]));
	ck_assert(mark_may_have_acted(0));
}
END_TEST

/* -- Races
 * ---------------------------------------------------------------------- */

enum { ROUNDS = 3000 };
static _Atomic bool done;

static void *writer_main(void *data)
{
	while (!done)
		mark_content(&fs, *(uint64_t *)data, &by);
	return NULL;
}

/*
 * A writer that knows the file as d/f or e/f, while the directory goes to and
 * fro. Once a client was told that a name is gone, nothing is stamped below it
 * until it is back.
 */
START_TEST(test_no_write_is_stamped_under_a_name_that_is_gone)
{
	const MarkObject moved = object(2, S_IFDIR);
	static const char *const names[] = {"d", "e"};
	uint64_t dir, file;
	pthread_t writer;

	set_up();
	dir = know_dir(1, "d", 2);
	file = know_file(dir, "f", 3);
	ck_assert_int_eq(pthread_create(&writer, NULL, writer_main, &file), 0);
	for (int i = 0; i < ROUNDS; i++) {
		const char *from = names[i % 2];
		g_autofree char *before = NULL, *text = NULL, *old = NULL;

		mark_renamed(&fs, 1, from, &moved, 1, names[1 - i % 2],
			     &nothing, 0, &by);
		before = changes(); /* told */
		old = g_strdup_printf(":%s/f ", from);
		for (int j = 0; j < 3; j++) {
			text = changes();
			ck_assert_msg(strstr(text, old) == NULL, "%s", text);
			g_clear_pointer(&text, g_free);
		}
	}
	done = true;
	pthread_join(writer, NULL);
	tear_down();
}
END_TEST

static TCase *names_cases(void)
{
	TCase *names = tcase_create("names");

	tcase_add_test(names, test_what_comes_into_being_is_new);
	tcase_add_test(names, test_in_doubt_a_name_is_not_new);
	tcase_add_test(names, test_removed_name_is_gone_and_the_others_stay);
	tcase_add_test(names, test_links_are_not_taken_twice);
	tcase_add_test(names, test_another_name_is_new_and_written_through_too);
	return names;
}

static TCase *renames_cases(void)
{
	TCase *renames = tcase_create("renames");

	tcase_add_test(renames, test_renamed_file_is_gone_here_and_new_there);
	tcase_add_test(renames,
		       test_renamed_directory_takes_its_subtree_with_it);
	tcase_add_test(renames, test_what_is_renamed_over_is_not_new);
	tcase_add_test(renames, test_victim_with_other_names_keeps_them);
	tcase_add_test(renames,
		       test_exchanged_names_are_both_there_and_neither_new);
	tcase_add_test(
		renames,
		test_directory_and_another_elsewhere_below_it_can_be_exchanged);
	tcase_add_test(
		renames,
		test_rename_that_the_table_can_not_follow_loses_the_history);
	tcase_add_test(renames, test_whiteout_stays_where_the_file_was);
	tcase_add_test(renames, test_rename_of_what_nobody_knew_is_stamped_too);
	tcase_add_test(renames, test_one_of_several_names_moves_alone);
	return renames;
}

int main(void)
{
	Suite *suite = suite_create("mark");
	TCase *objects = tcase_create("objects");
	TCase *ignored = tcase_create("ignored names");
	TCase *bounds = tcase_create("bounds");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_test(objects, test_each_kind_of_change_has_its_flag);
	tcase_add_test(objects,
		       test_file_with_several_names_is_stamped_at_all_of_them);
	tcase_add_test(objects,
		       test_file_with_unknown_names_is_stamped_as_linked);
	tcase_add_test(objects, test_object_without_a_name_is_stamped_nowhere);
	tcase_add_test(
		objects,
		test_unknown_nodes_and_the_control_file_are_stamped_nowhere);
	suite_add_tcase(suite, objects);
	suite_add_tcase(suite, names_cases());
	suite_add_tcase(suite, renames_cases());
	tcase_add_test(ignored, test_ignored_names_are_not_stamped);
	tcase_add_test(
		ignored,
		test_name_that_is_ignored_as_one_kind_is_stamped_when_it_changes);
	tcase_add_test(ignored,
		       test_file_with_one_name_that_counts_is_stamped_there);
	tcase_add_test(
		ignored,
		test_file_is_ignored_only_when_all_names_are_known_and_ignored);
	suite_add_tcase(suite, ignored);
	tcase_add_loop_test(bounds, test_long_paths_are_whole, 0, 5);
	tcase_add_test(bounds,
		       test_name_that_lies_too_deep_is_told_by_an_ancestor);
	tcase_add_test(
		bounds,
		test_only_errors_that_come_before_any_effect_are_without);
	suite_add_tcase(suite, bounds);
	tcase_add_test(races,
		       test_no_write_is_stamped_under_a_name_that_is_gone);
	tcase_set_timeout(races, 120);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
