/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <check.h>

#include "core/tree.h"

static DirtySet *set;
static TreeList *trees;

static void set_up(void)
{
	set = dirty_set_new(1, 10);
	trees = tree_list_new(set);
	ck_assert_ptr_nonnull(trees);
}

static void tear_down(void)
{
	tree_list_free(trees);
	dirty_set_free(set);
}

START_TEST(test_numbers_count_from_one)
{
	ck_assert_uint_eq(tree_list_get_count(trees), 0);
	ck_assert_uint_eq(tree_list_add(trees, "/m", SINCEFS_TREE_MOUNTED), 1);
	ck_assert_uint_eq(tree_list_add(trees, "/a", 0), 2);
	ck_assert_uint_eq(tree_list_add(trees, "/a", 0), 3);
	ck_assert_uint_eq(tree_list_get_count(trees), 3);
}
END_TEST

START_TEST(test_each_tree_has_a_root_node_of_its_own)
{
	NameNode *first, *second;

	tree_list_add(trees, "/m", SINCEFS_TREE_MOUNTED);
	tree_list_add(trees, "/a", 0);
	first = tree_list_get_root_node(trees, 1);
	second = tree_list_get_root_node(trees, 2);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(second);
	ck_assert_ptr_ne(first, second);
	dirty_set_lock(set);
	ck_assert_uint_eq(name_node_get_tree_id(first), 1);
	ck_assert_uint_eq(name_node_get_tree_id(second), 2);
	ck_assert_ptr_null(name_node_get_parent(second));
	dirty_set_unlock(set);
	for (int i = 0; i < 100; i++)
		tree_list_add(trees, "/more", 0);
	ck_assert_ptr_eq(tree_list_get_root_node(trees, 1), first);
}
END_TEST

START_TEST(test_unknown_number_is_refused)
{
	struct sincefs_tree tree;

	tree_list_add(trees, "/m", SINCEFS_TREE_MOUNTED);
	ck_assert_ptr_null(tree_list_get_root_node(trees, 0));
	ck_assert_ptr_null(tree_list_get_root_node(trees, 2));
	ck_assert_int_eq(tree_list_describe(trees, 0, &tree), -ENOENT);
	ck_assert_int_eq(tree_list_describe(trees, 2, &tree), -ENOENT);
	ck_assert_int_eq(tree_list_describe(trees, UINT32_MAX, &tree), -ENOENT);
}
END_TEST

START_TEST(test_description_fills_everything)
{
	struct sincefs_tree tree;
	struct sincefs_tree expected = {
		.id = 1,
		.flags = SINCEFS_TREE_MOUNTED,
		.root = "/home/me/project",
	};

	tree_list_add(trees, "/home/me/project", SINCEFS_TREE_MOUNTED);
	memset(&tree, 0xee, sizeof tree);
	ck_assert_int_eq(tree_list_describe(trees, 1, &tree), 0);
	ck_assert_mem_eq(&tree, &expected, sizeof tree);
}
END_TEST

START_TEST(test_root_that_is_too_long_is_cut)
{
	char root[SINCEFS_ROOT_SIZE + 100];
	struct sincefs_tree tree;

	memset(root, 'r', sizeof root);
	root[0] = '/';
	root[sizeof root - 1] = '\0';
	tree_list_add(trees, root, 0);
	ck_assert_int_eq(tree_list_describe(trees, 1, &tree), 0);
	ck_assert_uint_eq(strlen(tree.root), SINCEFS_ROOT_SIZE - 1);
	ck_assert_int_eq(strncmp(tree.root, root, SINCEFS_ROOT_SIZE - 1), 0);
	ck_assert_uint_eq(tree.flags, 0);
}
END_TEST

START_TEST(test_scan_of_a_tree_is_described)
{
	struct sincefs_tree tree;
	struct timespec now;
	TreeScan scan = {
		.scans = 3,
		.period_ns = 5,
		.cost_ns = 6,
		.files = 7,
		.error = -EACCES,
		.flags = SINCEFS_TREE_LINKS,
	};

	tree_list_add(trees, "/a", SINCEFS_TREE_EDITABLE);
	tree_list_add(trees, "/b", 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	scan.started_ns = (uint64_t)now.tv_sec * 1000000000u +
			  (uint64_t)now.tv_nsec - 1000000000u;
	tree_list_set_scan(trees, 1, &scan);
	ck_assert_int_eq(tree_list_describe(trees, 1, &tree), 0);
	ck_assert_uint_eq(tree.scans, 3);
	ck_assert_uint_ge(tree.scan_age_ns, 1000000000u);
	ck_assert_uint_lt(tree.scan_age_ns, 100000000000u);
	ck_assert_uint_eq(tree.scan_period_ns, 5);
	ck_assert_uint_eq(tree.scan_cost_ns, 6);
	ck_assert_uint_eq(tree.files, 7);
	ck_assert_int_eq(tree.scan_error, -EACCES);
	ck_assert_uint_eq(tree.flags,
			  SINCEFS_TREE_EDITABLE | SINCEFS_TREE_LINKS);
	/* What was found out before and is not so any more, goes. */
	scan.flags = 0;
	tree_list_set_scan(trees, 1, &scan);
	tree_list_describe(trees, 1, &tree);
	ck_assert_uint_eq(tree.flags, SINCEFS_TREE_EDITABLE);
	/* Of no other tree, and of none that is not there. */
	tree_list_set_scan(trees, 0, &scan);
	tree_list_set_scan(trees, 3, &scan);
	ck_assert_int_eq(tree_list_describe(trees, 2, &tree), 0);
	ck_assert_uint_eq(tree.scans, 0);
	ck_assert_uint_eq(tree.scan_age_ns, 0);
	ck_assert_uint_eq(tree_list_get_scans(trees, 1), 3);
	ck_assert_uint_eq(tree_list_get_scans(trees, 2), 0);
	ck_assert_uint_eq(tree_list_get_scans(trees, 0), 0);
	ck_assert_uint_eq(tree_list_get_scans(trees, 3), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tree");
	TCase *list = tcase_create("list");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(list, set_up, tear_down);
	tcase_add_test(list, test_numbers_count_from_one);
	tcase_add_test(list, test_each_tree_has_a_root_node_of_its_own);
	tcase_add_test(list, test_unknown_number_is_refused);
	tcase_add_test(list, test_description_fills_everything);
	tcase_add_test(list, test_root_that_is_too_long_is_cut);
	tcase_add_test(list, test_scan_of_a_tree_is_described);
	suite_add_tcase(suite, list);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
