/* SPDX-License-Identifier: MIT */
/*
 * The dirty set when memory runs out. The program is linked so that its
 * allocations pass through here: the one with a given number fails, or all from
 * it on. Whatever fails, a change is either in the answer, or the answer is
 * refused.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/dirty-set.h"
#include "core/tree.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_counting;
static bool is_for_good; /* all from the one that fails on */
static long until_failure;
static long failures;

static bool must_fail(void)
{
	if (!is_counting)
		return false;
	if (until_failure-- > 0 || (until_failure < -1 && !is_for_good))
		return false;
	failures++;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return must_fail() ? NULL : __real_realloc(old, size);
}

static void fail_after(long n, bool for_good)
{
	until_failure = n;
	is_for_good = for_good;
	failures = 0;
	is_counting = true;
}

enum { NAMES = 700 };

static const Writer by = {1, 100};

/* Stamp like a mount that says "lost" when it can not even have the name. */
static void change(DirtySet *set, NameNode *root, int i, uint16_t flags)
{
	NameTree *names = dirty_set_get_names(set);
	NameNode *node;
	char name[16];

	snprintf(name, sizeof name, "n%d", i);
	dirty_set_lock(set);
	node = name_tree_ref_child(names, root, name, strlen(name));
	if (node == NULL) {
		dirty_set_lose_locked(set);
	} else {
		dirty_set_stamp_locked(set, node, flags, &by);
		name_node_unref(names, node);
	}
	dirty_set_unlock(set);
}

/* Names first, then every second again, in a way that needs a long history. */
static void change_all(DirtySet *set, NameNode *root)
{
	for (int i = 0; i < NAMES; i++)
		change(set, root, i, SINCEFS_CONTENT | SINCEFS_NEW);
	dirty_set_lock(set);
	dirty_set_tell_locked(set);
	dirty_set_unlock(set);
	for (int i = 0; i < NAMES; i += 2)
		change(set, root, i, SINCEFS_META);
}

static void assert_nothing_missed(DirtySet *set, uint64_t since)
{
	static DirtyRecord records[NAMES + 1];
	size_t examined = 0;
	uint64_t reached;
	size_t n;

	dirty_set_lock(set);
	if (dirty_set_refuse_locked(set, since) != 0) {
		dirty_set_unlock(set);
		return;
	}
	n = dirty_set_collect_locked(set, since, since, records, NAMES + 1,
				     SIZE_MAX, &examined, &reached);
	if (n != NAMES)
		ck_abort_msg("%zu names, not %d", n, NAMES);
	for (size_t i = 0; i < n; i++) {
		long name = strtol(name_node_get_name(records[i].node) + 1,
				   NULL, 10);
		uint16_t wanted = SINCEFS_CONTENT | SINCEFS_NEW;

		if (name % 2 == 0)
			wanted |= SINCEFS_META;
		if (records[i].flags != wanted)
			ck_abort_msg("name %ld: %#x", name, records[i].flags);
	}
	dirty_set_unlock(set);
}

static int n_lost; /* plays in which a token had to be refused */

static long play(long fail, bool for_good)
{
	DirtySet *set = dirty_set_new(1, 100000);
	TreeList *trees = tree_list_new(set);
	NameNode *root;
	uint64_t since;
	uint64_t after;

	tree_list_add(trees, "/m", 0);
	root = tree_list_get_root_node(trees, 1);
	dirty_set_lock(set);
	since = dirty_set_tell_locked(set);
	dirty_set_unlock(set);

	fail_after(fail, for_good);
	change_all(set, root);
	is_counting = false;
	assert_nothing_missed(set, since);
	dirty_set_lock(set);
	n_lost += dirty_set_refuse_locked(set, since) == SINCEFS_REASON_LOST;
	dirty_set_unlock(set);

	/* Once there is memory again, all is well from that moment on. */
	dirty_set_lock(set);
	dirty_set_lose_locked(set);
	after = dirty_set_tell_locked(set);
	dirty_set_unlock(set);
	change_all(set, root);
	dirty_set_lock(set);
	ck_assert_uint_eq(dirty_set_refuse_locked(set, after), 0);
	dirty_set_unlock(set);
	assert_nothing_missed(set, after);

	tree_list_free(trees);
	dirty_set_free(set);
	return failures;
}

START_TEST(test_any_one_failed_allocation_misses_nothing)
{
	long fail = 0;

	while (play(fail, false) > 0)
		fail += 2 + fail % 3; /* not each of them, but all kinds */
	ck_assert_int_gt(fail, 2 * NAMES + NAMES / 2);
	/* A larger table of names is the one thing that can be done without. */
	ck_assert_int_gt(n_lost, NAMES / 2);
}
END_TEST

START_TEST(test_no_memory_for_long_misses_nothing)
{
	for (long fail = 0; fail < 2 * NAMES + NAMES / 2; fail += 31)
		ck_assert_int_gt(play(fail, true), 0);
}
END_TEST

START_TEST(test_new_without_memory_is_null_and_frees_what_it_has)
{
	for (long fail = 0; fail < 3; fail++) {
		DirtySet *set;

		fail_after(fail, false);
		set = dirty_set_new(1, 10);
		is_counting = false;
		ck_assert_int_eq(failures, 1);
		ck_assert_ptr_null(set);
	}
}
END_TEST

START_TEST(test_tree_without_memory_is_not_added)
{
	DirtySet *set = dirty_set_new(1, 10);
	TreeList *trees;

	fail_after(0, false);
	ck_assert_ptr_null(tree_list_new(set));
	is_counting = false;
	trees = tree_list_new(set);
	for (long fail = 0; fail < 2; fail++) {
		fail_after(fail, false);
		ck_assert_uint_eq(tree_list_add(trees, "/a", 0), 0);
		is_counting = false;
		ck_assert_uint_eq(tree_list_get_count(trees), 0);
	}
	ck_assert_uint_eq(tree_list_add(trees, "/a", 0), 1);
	tree_list_free(trees);
	dirty_set_free(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dirty-set without memory");
	TCase *memory = tcase_create("memory");
	SRunner *runner;
	int failed;

	tcase_add_test(memory, test_any_one_failed_allocation_misses_nothing);
	tcase_add_test(memory, test_no_memory_for_long_misses_nothing);
	tcase_add_test(memory,
		       test_new_without_memory_is_null_and_frees_what_it_has);
	tcase_add_test(memory, test_tree_without_memory_is_not_added);
	tcase_set_timeout(memory, 300);
	suite_add_tcase(suite, memory);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
