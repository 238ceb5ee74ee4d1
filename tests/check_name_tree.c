/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/name-tree.h"

static NameTree *names;
static NameNode *root;

static void set_up(void)
{
	names = name_tree_new();
	ck_assert_ptr_nonnull(names);
	root = name_tree_add_root(names, 1);
	ck_assert_ptr_nonnull(root);
}

/* Every test lets go of all its nodes. */
static void tear_down(void)
{
	ck_assert_uint_eq(name_tree_get_count(names), 1);
	name_tree_free(names);
}

static NameNode *ref(NameNode *parent, const char *name)
{
	NameNode *node = name_tree_ref_child(names, parent, name, strlen(name));

	if (node == NULL)
		ck_abort_msg("no memory");
	return node;
}

static NameNode *find(NameNode *parent, const char *name)
{
	return name_tree_find_child(names, parent, name, strlen(name));
}

START_TEST(test_same_name_is_the_same_node)
{
	NameNode *a = ref(root, "a");
	NameNode *again = ref(root, "a");
	NameNode *b = ref(root, "b");

	ck_assert_ptr_eq(a, again);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(find(root, "a"), a);
	ck_assert_ptr_eq(name_node_get_parent(a), root);
	ck_assert_ptr_null(name_node_get_parent(root));
	ck_assert_str_eq(name_node_get_name(a), "a");
	ck_assert_str_eq(name_node_get_name(root), "");
	ck_assert_uint_eq(name_node_get_length(a), 1);
	name_node_unref(names, a);
	name_node_unref(names, again);
	name_node_unref(names, b);
}
END_TEST

START_TEST(test_same_name_below_another_parent_is_another_node)
{
	NameNode *a = ref(root, "a");
	NameNode *aa = ref(a, "a");
	NameNode *other_root = name_tree_add_root(names, 2);
	NameNode *other = ref(other_root, "a");

	ck_assert_ptr_ne(a, aa);
	ck_assert_ptr_ne(a, other);
	ck_assert_uint_eq(name_node_get_tree_id(aa), 1);
	ck_assert_uint_eq(name_node_get_tree_id(other), 2);
	name_node_unref(names, a);
	name_node_unref(names, aa);
	name_node_unref(names, other);
	ck_assert_uint_eq(name_tree_get_count(names), 2);
	name_tree_free(names);
	set_up(); /* one root again, for the end */
}
END_TEST

START_TEST(test_only_the_given_length_counts)
{
	NameNode *a = name_tree_ref_child(names, root, "abc", 1);
	NameNode *abc = name_tree_ref_child(names, root, "abcd", 3);

	ck_assert_str_eq(name_node_get_name(a), "a");
	ck_assert_str_eq(name_node_get_name(abc), "abc");
	ck_assert_ptr_ne(a, abc);
	name_node_unref(names, a);
	name_node_unref(names, abc);
}
END_TEST

START_TEST(test_any_bytes_make_a_name)
{
	char longest[65535];
	static const char odd[] = "\xff\n\x01";
	NameNode *a = ref(root, odd);
	NameNode *b;

	memset(longest, 'x', sizeof longest);
	b = name_tree_ref_child(names, root, longest, sizeof longest);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(name_node_get_length(b), sizeof longest);
	ck_assert_ptr_eq(find(root, odd), a);
	name_node_unref(names, a);
	name_node_unref(names, b);
}
END_TEST

START_TEST(test_finding_makes_nothing)
{
	ck_assert_ptr_null(find(root, "a"));
	ck_assert_uint_eq(name_tree_get_count(names), 1);
}
END_TEST

START_TEST(test_node_lives_until_the_last_reference_goes)
{
	NameNode *a = name_node_ref(ref(root, "a"));

	name_node_unref(names, a);
	ck_assert_ptr_eq(find(root, "a"), a);
	name_node_unref(names, a);
	ck_assert_ptr_null(find(root, "a"));
}
END_TEST

START_TEST(test_parent_lives_as_long_as_a_child)
{
	NameNode *a = ref(root, "a");
	NameNode *b = ref(a, "b");
	NameNode *c = ref(a, "c");

	name_node_unref(names, a);
	ck_assert_ptr_eq(find(root, "a"), a);
	name_node_unref(names, b);
	ck_assert_ptr_eq(find(root, "a"), a);
	name_node_unref(names, c);
	ck_assert_ptr_null(find(root, "a"));
}
END_TEST

START_TEST(test_entry_is_what_was_set)
{
	NameNode *a = ref(root, "a");
	int entry;

	ck_assert_ptr_null(name_node_get_entry(a));
	name_node_set_entry(a, &entry);
	ck_assert_ptr_eq(name_node_get_entry(a), &entry);
	name_node_unref(names, a);
}
END_TEST

START_TEST(test_path_is_relative_to_the_base)
{
	NameNode *a = ref(root, "a");
	NameNode *bc = ref(a, "bc");
	NameNode *d = ref(bc, "d");
	char path[32];

	ck_assert_uint_eq(name_node_get_path(d, root, path, sizeof path), 6);
	ck_assert_str_eq(path, "a/bc/d");
	ck_assert_uint_eq(name_node_get_path(d, NULL, path, sizeof path), 6);
	ck_assert_str_eq(path, "a/bc/d");
	ck_assert_uint_eq(name_node_get_path(d, a, path, sizeof path), 4);
	ck_assert_str_eq(path, "bc/d");
	ck_assert_uint_eq(name_node_get_path(d, bc, path, sizeof path), 1);
	ck_assert_str_eq(path, "d");
	ck_assert_uint_eq(name_node_get_path(d, d, path, sizeof path), 1);
	ck_assert_str_eq(path, ".");
	ck_assert_uint_eq(name_node_get_path(root, root, path, sizeof path), 1);
	ck_assert_str_eq(path, ".");
	ck_assert_uint_eq(name_node_get_path(root, NULL, path, sizeof path), 1);
	ck_assert_str_eq(path, ".");
	name_node_unref(names, a);
	name_node_unref(names, bc);
	name_node_unref(names, d);
}
END_TEST

START_TEST(test_path_needs_room_for_its_end)
{
	NameNode *a = ref(root, "a");
	NameNode *bc = ref(a, "bc");
	char path[8];

	memset(path, 'X', sizeof path);
	ck_assert_uint_eq(name_node_get_path_length(bc, root), 4);
	ck_assert_uint_eq(name_node_get_path(bc, root, path, 0), 0);
	ck_assert_uint_eq(name_node_get_path(bc, root, path, 4), 0);
	ck_assert_uint_eq(name_node_get_path(bc, root, path, 5), 4);
	ck_assert_int_eq(path[5], 'X');
	ck_assert_uint_eq(name_node_get_path(bc, bc, path, 1), 0);
	ck_assert_uint_eq(name_node_get_path(bc, bc, path, 2), 1);
	name_node_unref(names, a);
	name_node_unref(names, bc);
}
END_TEST

START_TEST(test_below_is_any_depth_and_itself)
{
	NameNode *a = ref(root, "a");
	NameNode *b = ref(a, "b");
	NameNode *c = ref(b, "c");
	NameNode *a2 = ref(root, "a2");
	NameNode *other = name_tree_add_root(names, 2);

	ck_assert(name_node_is_below(c, c));
	ck_assert(name_node_is_below(c, b));
	ck_assert(name_node_is_below(c, a));
	ck_assert(name_node_is_below(c, root));
	ck_assert(name_node_is_below(root, root));
	ck_assert(!name_node_is_below(a, c));
	ck_assert(!name_node_is_below(root, a));
	ck_assert(!name_node_is_below(a2, a));
	ck_assert(!name_node_is_below(a, a2));
	ck_assert(!name_node_is_below(c, other));
	ck_assert(!name_node_is_below(other, root));
	name_node_unref(names, a);
	name_node_unref(names, b);
	name_node_unref(names, c);
	name_node_unref(names, a2);
	name_tree_free(names);
	set_up();
}
END_TEST

START_TEST(test_very_deep_path_is_let_go_without_recursion)
{
	enum { DEPTH = 300000 };
	NameNode *node = name_node_ref(root);

	for (int i = 0; i < DEPTH; i++) {
		NameNode *child = ref(node, "d");

		name_node_unref(names, node);
		node = child;
	}
	ck_assert_uint_eq(name_tree_get_count(names), DEPTH + 1);
	ck_assert_uint_eq(name_node_get_path_length(node, root), 2 * DEPTH - 1);
	ck_assert(name_node_is_below(node, root));
	name_node_unref(names, node);
}
END_TEST

START_TEST(test_million_names_come_and_go)
{
	enum { N = 1000000 };
	NameNode **nodes = malloc(N * sizeof *nodes);
	char name[16];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "n%d", i);
		nodes[i] = ref(root, name);
	}
	ck_assert_uint_eq(name_tree_get_count(names), N + 1);
	for (int i = 0; i < N; i += 7) {
		snprintf(name, sizeof name, "n%d", i);
		ck_assert_ptr_eq(find(root, name), nodes[i]);
	}
	for (int i = 0; i < N; i++) {
		name_node_unref(names, nodes[i]);
		if (i % 100000 == 0) {
			snprintf(name, sizeof name, "n%d", i);
			ck_assert_ptr_null(find(root, name));
			snprintf(name, sizeof name, "n%d", N - 1);
			ck_assert_ptr_eq(find(root, name), nodes[N - 1]);
		}
	}
	/* And once more, in the table that has shrunk. */
	for (int i = 0; i < N / 10; i++) {
		snprintf(name, sizeof name, "n%d", i);
		nodes[i] = ref(root, name);
	}
	for (int i = 0; i < N / 10; i++)
		name_node_unref(names, nodes[i]);
	free(nodes);
}
END_TEST

START_TEST(test_count_that_swings_about_each_border_keeps_all_names)
{
	enum { N = 5000 };
	NameNode *nodes[N] = {NULL};
	char name[16];
	int n = 0;

	srandom(3);
	for (int turn = 0; turn < 300; turn++) {
		int target = (int)(random() % N);

		for (; n < target; n++) {
			snprintf(name, sizeof name, "n%d", n);
			nodes[n] = ref(root, name);
		}
		for (; n > target; n--)
			name_node_unref(names, nodes[n - 1]);
		ck_assert_uint_eq(name_tree_get_count(names), (size_t)n + 1);
		for (int i = 0; i < n; i += 13) {
			snprintf(name, sizeof name, "n%d", i);
			ck_assert_ptr_eq(find(root, name), nodes[i]);
		}
		snprintf(name, sizeof name, "n%d", n);
		ck_assert_ptr_null(find(root, name));
	}
	while (n > 0)
		name_node_unref(names, nodes[--n]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("name-tree");
	TCase *identity = tcase_create("identity");
	TCase *life = tcase_create("life");
	TCase *paths = tcase_create("paths");
	TCase *size = tcase_create("size");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(identity, set_up, tear_down);
	tcase_add_test(identity, test_same_name_is_the_same_node);
	tcase_add_test(identity,
		       test_same_name_below_another_parent_is_another_node);
	tcase_add_test(identity, test_only_the_given_length_counts);
	tcase_add_test(identity, test_any_bytes_make_a_name);
	tcase_add_test(identity, test_finding_makes_nothing);
	suite_add_tcase(suite, identity);
	tcase_add_checked_fixture(life, set_up, tear_down);
	tcase_add_test(life, test_node_lives_until_the_last_reference_goes);
	tcase_add_test(life, test_parent_lives_as_long_as_a_child);
	tcase_add_test(life, test_entry_is_what_was_set);
	suite_add_tcase(suite, life);
	tcase_add_checked_fixture(paths, set_up, tear_down);
	tcase_add_test(paths, test_path_is_relative_to_the_base);
	tcase_add_test(paths, test_path_needs_room_for_its_end);
	tcase_add_test(paths, test_below_is_any_depth_and_itself);
	suite_add_tcase(suite, paths);
	tcase_add_checked_fixture(size, set_up, tear_down);
	tcase_add_test(size, test_very_deep_path_is_let_go_without_recursion);
	tcase_add_test(size, test_million_names_come_and_go);
	tcase_add_test(
		size, test_count_that_swings_about_each_border_keeps_all_names);
	tcase_set_timeout(size, 120);
	suite_add_tcase(suite, size);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
