/* SPDX-License-Identifier: MIT */
/* The names of the inode table's nodes, and what is kept for them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/inode-table.h"
#include "tests/inode-fixture.h"

/* As inode-table.c bounds it: how many files are kept for their names. */
#define RETAINED_MAX 16384

/* -- Files with several names --------------------------------------------- */

static Node *look_up_linked(Node *dir, const char *name, uint64_t ino)
{
	Node *file = look_up_file(dir, name, ino);

	file->nlink = 2;
	return file;
}

START_TEST(test_forgotten_file_with_several_names_keeps_them)
{
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	look_up_linked(root, "a", 11);
	file = look_up_linked(dir, "b", 11);
	forget(dir);
	forget(file);
	forget(file);
	ck_assert_uint_eq(inode_table_count_locked(table), 3);
	/* The kernel comes back with one of them. */
	ck_assert_ptr_eq(look_up_linked(root, "a", 11), file);
	ck_assert_uint_eq(node_count_names_locked(file), 2);
	tear_down();
}
END_TEST

START_TEST(test_last_name_of_a_kept_file_frees_it)
{
	Node *file;

	set_up();
	look_up_linked(root, "a", 11);
	file = look_up_linked(root, "b", 11);
	inode_table_forget_locked(table, file, 2);
	remove_name(file, root, "a");
	ck_assert_uint_eq(inode_table_count_locked(table), 2);
	remove_name(file, root, "b");
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_file_with_one_name_or_none_is_not_kept)
{
	Node *file;

	set_up();
	file = look_up_linked(root, "a", 11);
	remove_name(file, root, "a");
	forget(file); /* others there are, but not known */
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	forget(look_up_file(root, "b", 12));
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_kept_files_are_bounded_and_the_oldest_goes_first)
{
	enum { MORE = 100 };
	char name[16];

	set_up();
	for (uint64_t i = 0; i < RETAINED_MAX + MORE; i++) {
		snprintf(name, sizeof(name), "%u", (unsigned)i);
		forget(look_up_linked(root, name, 100 + i));
	}
	ck_assert_uint_eq(inode_table_count_locked(table), RETAINED_MAX + 1);
	for (uint64_t i = 0; i < RETAINED_MAX + MORE; i++) {
		NodeKey its_key = key(100 + i);

		ck_assert_int_eq(inode_table_find_locked(table, &its_key) !=
					 NULL,
				 i >= MORE);
	}
	tear_down();
}
END_TEST

START_TEST(test_file_that_the_kernel_knows_again_is_not_dropped)
{
	NodeKey its_key = key(50);
	char name[16];
	Node *file;

	set_up();
	forget(look_up_linked(root, "a", 50));
	file = look_up_linked(root, "a", 50);
	for (uint64_t i = 0; i < 2 * RETAINED_MAX; i++) {
		snprintf(name, sizeof(name), "%u", (unsigned)i);
		forget(look_up_linked(root, name, 100 + i));
	}
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), file);
	/* Forgotten, it is kept as the newest, and goes as all others. */
	forget(file);
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), file);
	for (uint64_t i = 0; i < RETAINED_MAX; i++) {
		snprintf(name, sizeof(name), "%u", (unsigned)i);
		forget(look_up_linked(root, name, 100000 + i));
	}
	ck_assert_ptr_null(inode_table_find_locked(table, &its_key));
	tear_down();
}
END_TEST

START_TEST(test_one_name_left_drops_those_that_are_wrong)
{
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	look_up_file(root, "a", 11);
	look_up_file(dir, "b", 11);
	look_up_file(dir, "c", 11);
	file = look_up_file(root, "b", 11);
	inode_table_keep_name_locked(table, file, dir, "b");
	ck_assert_uint_eq(node_count_names_locked(file), 1);
	ck_assert_uint_eq(file->links->parent, dir->index);
	ck_assert_str_eq(file->links->name, "b");
	ck_assert_uint_eq(root->refs, 2); /* the table's, and the name "d" */
	tear_down();
}
END_TEST

/* -- Names ---------------------------------------------------------------- */

START_TEST(test_the_same_name_twice_is_one)
{
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	file = look_up_file(dir, "a", 11);
	look_up_file(dir, "a", 11);
	ck_assert_uint_eq(node_count_names_locked(file), 1);
	ck_assert_uint_eq(dir->refs, 1);
	look_up_file(dir, "aa", 11);
	look_up_file(root, "a", 11);
	ck_assert_uint_eq(node_count_names_locked(file), 3);
	tear_down();
}
END_TEST

START_TEST(test_removing_a_name_that_is_not_known_does_nothing)
{
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	file = look_up_file(dir, "a", 11);
	remove_name(file, root, "a");
	remove_name(file, dir, "b");
	remove_name(file, dir, "");
	ck_assert_uint_eq(node_count_names_locked(file), 1);
	ck_assert_uint_eq(dir->refs, 1);
	tear_down();
}
END_TEST

START_TEST(test_directory_has_one_name_the_last)
{
	Node *a, *b, *dir;

	set_up();
	a = look_up_dir(root, "a", 10);
	b = look_up_dir(root, "b", 11);
	dir = look_up_dir(a, "d", 12);
	ck_assert_str_eq(path_of(dir), "a/d");
	look_up_dir(b, "e", 12);
	ck_assert_str_eq(path_of(dir), "b/e");
	ck_assert_uint_eq(node_count_names_locked(dir), 1);
	ck_assert_uint_eq(a->refs, 0);
	ck_assert_uint_eq(b->refs, 1);
	tear_down();
}
END_TEST

START_TEST(test_moved_directory_takes_what_is_below_with_it)
{
	Node *a, *b, *c;

	set_up();
	a = look_up_dir(root, "a", 10);
	b = look_up_dir(a, "b", 11);
	c = look_up_dir(b, "c", 12);
	forget(a);
	forget(b);
	node_ref_locked(b);
	inode_table_remove_name_locked(table, b, a, "b"); /* frees a */
	ck_assert_str_eq(path_of(c), "?");
	ck_assert_uint_eq(inode_table_count_locked(table), 3);
	ck_assert_int_eq(inode_table_add_name_locked(table, b, root, "x"), 0);
	node_unref_locked(table, b);
	ck_assert_str_eq(path_of(c), "x/c");
	tear_down();
}
END_TEST

START_TEST(test_directory_cannot_lie_below_itself)
{
	Node *a, *b, *c;

	set_up();
	a = look_up_dir(root, "a", 10);
	b = look_up_dir(a, "b", 11);
	c = look_up_dir(b, "c", 12);
	ck_assert_int_eq(inode_table_add_name_locked(table, a, c, "a"), -ELOOP);
	ck_assert_int_eq(inode_table_add_name_locked(table, a, a, "a"), -ELOOP);
	ck_assert_int_eq(inode_table_add_name_locked(table, b, c, "a"), -ELOOP);
	ck_assert_str_eq(path_of(c), "a/b/c");
	/* Up and aside is well. */
	ck_assert_int_eq(inode_table_add_name_locked(table, c, a, "c"), 0);
	ck_assert_int_eq(inode_table_add_name_locked(table, b, c, "b"), 0);
	ck_assert_str_eq(path_of(b), "a/c/b");
	tear_down();
}
END_TEST

START_TEST(test_names_lie_in_directories_alone)
{
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	ck_assert_int_eq(inode_table_add_name_locked(table, file, file, "a"),
			 -ENOTDIR);
	ck_assert_int_eq(inode_table_add_name_locked(
				 table, look_up_dir(root, "d", 11), file, "d"),
			 -ENOTDIR);
	ck_assert_uint_eq(node_count_names_locked(file), 1);
	tear_down();
}
END_TEST

START_TEST(test_root_takes_no_name)
{
	Node *dir;

	set_up();
	dir = look_up_dir(root, "d", 10);
	ck_assert_int_eq(inode_table_add_name_locked(table, root, dir, "r"),
			 -ELOOP);
	ck_assert_int_eq(inode_table_add_name_locked(table, root, root, "r"),
			 -ELOOP);
	ck_assert_ptr_null(root->links);
	tear_down();
}
END_TEST

START_TEST(test_parent_and_child_without_a_name_can_change_places)
{
	Node *a, *b, *c;

	set_up();
	a = look_up_dir(root, "a", 10);
	b = look_up_dir(root, "b", 11);
	c = look_up_dir(b, "c", 12);
	/* As a rename with exchange does: a and b/c. */
	inode_table_remove_name_locked(table, a, root, "a");
	inode_table_remove_name_locked(table, c, b, "c");
	ck_assert_int_eq(inode_table_add_name_locked(table, a, b, "c"), 0);
	ck_assert_int_eq(inode_table_add_name_locked(table, c, root, "a"), 0);
	ck_assert_str_eq(path_of(a), "b/c");
	ck_assert_str_eq(path_of(c), "a");
	tear_down();
}
END_TEST

/* -- All of it, at random -------------------------------------------------- */

enum { OBJECTS = 40, STEPS = 30000 };

typedef struct {
	bool is_dir;
	uint64_t lookups; /* that the kernel holds */
} Object;

static Node *find(unsigned i)
{
	NodeKey its_key = key(100 + i);

	return inode_table_find_locked(table, &its_key);
}

/* A directory that is known, the root at worst. */
static Node *some_dir(const Object *objects, unsigned i)
{
	return i < OBJECTS && objects[i].is_dir && find(i) ? find(i) : root;
}

static void random_step(Object *objects, unsigned *seed)
{
	unsigned i = (unsigned)rand_r(seed) % OBJECTS;
	Node *dir = some_dir(objects, (unsigned)rand_r(seed) % (OBJECTS + 4));
	char name[2] = {(char)('a' + rand_r(seed) % 3), '\0'};
	mode_t type = objects[i].is_dir ? S_IFDIR : S_IFREG;
	NodeKey its_key = key(100 + i);
	Node *node = find(i);
	int r;

	switch (rand_r(seed) % 5) {
	case 0:
	case 1:
		node = inode_table_intern_locked(table, &its_key, type);
		node->lookups++;
		node->nlink = 1 + (unsigned)rand_r(seed) % 2;
		r = inode_table_add_name_locked(table, node, dir, name);
		ck_assert(r == 0 || (r == -ELOOP && objects[i].is_dir));
		if (r == 0)
			objects[i].lookups++;
		else
			forget(node);
		break;
	case 2:
		if (objects[i].lookups > 0) {
			uint64_t n =
				1 + (uint64_t)rand_r(seed) % objects[i].lookups;

			objects[i].lookups -= n;
			inode_table_forget_locked(table, node, n);
		}
		break;
	case 3:
		if (node != NULL)
			remove_name(node, dir, name);
		break;
	default:
		if (node != NULL && !objects[i].is_dir) {
			node_ref_locked(node);
			inode_table_keep_name_locked(table, node, dir, name);
			ck_assert_int_eq(inode_table_add_name_locked(
						 table, node, dir, name),
					 0);
			node_unref_locked(table, node);
		}
		break;
	}
}

/* What the kernel knows is there, and every climb ends. */
static void check_objects(const Object *objects)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		Node *node = find(i);

		if (objects[i].lookups > 0) {
			ck_assert_ptr_nonnull(node);
			ck_assert_uint_eq(node->lookups, objects[i].lookups);
		}
		if (node == NULL)
			continue;
		if (objects[i].is_dir) {
			ck_assert_uint_le(node_count_names_locked(node), 1);
			inode_table_depth_locked(table, node);
		}
		for (const Link *link = node->links; link != NULL;
		     link = link->next)
			ck_assert_uint_eq(inode_table_at_locked(table,
								link->parent)
						  ->index,
					  link->parent);
	}
}

START_TEST(test_all_is_freed_after_any_story)
{
	Object objects[OBJECTS] = {{false}};
	unsigned seed = (unsigned)_i + 1;

	set_up();
	for (unsigned i = 0; i < OBJECTS; i++)
		objects[i].is_dir = i % 2;
	for (int step = 0; step < STEPS; step++) {
		random_step(objects, &seed);
		if (step % 64 == 0)
			check_objects(objects);
	}
	check_objects(objects);
	/* Without names nothing is kept for them. */
	for (unsigned i = 0; i < OBJECTS; i++) {
		Node *node = find(i);

		if (node == NULL)
			continue;
		node_ref_locked(node);
		while (node->links != NULL)
			inode_table_remove_name_locked(
				table, node,
				inode_table_at_locked(table,
						      node->links->parent),
				node->links->name);
		node_unref_locked(table, node);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		if (objects[i].lookups > 0)
			inode_table_forget_locked(table, find(i),
						  objects[i].lookups);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	ck_assert_uint_eq(root->refs, 1);
	tear_down();
}
END_TEST

static TCase *names_cases(void)
{
	TCase *names = tcase_create("names");

	tcase_add_test(names, test_the_same_name_twice_is_one);
	tcase_add_test(names,
		       test_removing_a_name_that_is_not_known_does_nothing);
	tcase_add_test(names, test_directory_has_one_name_the_last);
	tcase_add_test(names, test_moved_directory_takes_what_is_below_with_it);
	tcase_add_test(names, test_directory_cannot_lie_below_itself);
	tcase_add_test(names, test_names_lie_in_directories_alone);
	tcase_add_test(names, test_root_takes_no_name);
	tcase_add_test(names,
		       test_parent_and_child_without_a_name_can_change_places);
	return names;
}

static TCase *links_cases(void)
{
	TCase *links = tcase_create("several names");

	tcase_add_test(links,
		       test_forgotten_file_with_several_names_keeps_them);
	tcase_add_test(links, test_last_name_of_a_kept_file_frees_it);
	tcase_add_test(links, test_file_with_one_name_or_none_is_not_kept);
	tcase_add_test(links,
		       test_kept_files_are_bounded_and_the_oldest_goes_first);
	tcase_add_test(links,
		       test_file_that_the_kernel_knows_again_is_not_dropped);
	tcase_add_test(links, test_one_name_left_drops_those_that_are_wrong);
	return links;
}

int main(void)
{
	Suite *suite = suite_create("inode-names");
	TCase *stories = tcase_create("stories");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, names_cases());
	suite_add_tcase(suite, links_cases());
	tcase_add_loop_test(stories, test_all_is_freed_after_any_story, 0, 12);
	suite_add_tcase(suite, stories);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
