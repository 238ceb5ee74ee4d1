/* SPDX-License-Identifier: MIT */
/*
 * The stories of tests/fake/cases.c, told to a fake tree in memory and the
 * dirty set behind it. mount/check_mount_cases.c tells the same to a mount.
 *
 * Each story is told several times: once with a token taken at every step, so
 * that no two steps are coalesced, and once for each token alone, so that all
 * the others may be.
 */
#include <check.h>
#include <limits.h>
#include <stdlib.h>

#include <glib.h>

#include "core/dirty-set.h"
#include "tests/fake/cases.h"
#include "tests/fake/fake-tree.h"

#define RECORDS_MAX 64
#define PATH_MAX_HERE 1024
#define ALL_TOKENS UINT_MAX

/* What is wrong with the answer for one token, or NULL. */
static char *check_token(const FakeCase *fake_case, DirtySet *set,
			 const NameNode *root, unsigned token, uint64_t clock)
{
	DirtyRecord found[RECORDS_MAX];
	FakeRecord records[RECORDS_MAX];
	char paths[RECORDS_MAX][PATH_MAX_HERE];
	size_t examined = 0;
	uint64_t reached;

	dirty_set_lock(set);
	if (dirty_set_refuse_locked(set, clock)) {
		dirty_set_unlock(set);
		return g_strdup_printf("token %u is refused", token);
	}
	size_t n =
		dirty_set_collect_locked(set, clock, clock, found, RECORDS_MAX,
					 4096, &examined, &reached);

	for (size_t i = 0; i < n; i++) {
		name_node_get_path(found[i].node, root, paths[i],
				   PATH_MAX_HERE);
		records[i].path = paths[i];
		records[i].flags = found[i].flags;
	}
	dirty_set_unlock(set);
	return fake_case_check(fake_case, token, records, n);
}

/* Tell the story, taking token @only or all of them. */
static char *tell(const FakeCase *fake_case, unsigned only)
{
	uint64_t clocks[FAKE_CASE_STEPS + 1];
	DirtySet *set = dirty_set_new(4711, 1000);
	NameNode *root = name_tree_add_root(dirty_set_get_names(set), 1);
	unsigned n = fake_case_count_steps(fake_case);
	char *wrong = NULL;
	FakeClock clock;

	fake_clock_init(&clock);
	FakeTree *tree = fake_tree_new(set, root, &clock);

	if (fake_tree_load(tree, fake_case->setup) < 0)
		wrong = g_strdup("cannot be set up");
	for (unsigned i = 0; !wrong && i <= n; i++) {
		if (only == ALL_TOKENS || only == i) {
			dirty_set_lock(set);
			clocks[i] = dirty_set_tell_locked(set);
			dirty_set_unlock(set);
		}
		if (i == n)
			break;
		const FakeStep *step = &fake_case->steps[i];
		int r = fake_tree_do(tree, step);

		if (r != -step->error)
			wrong = g_strdup_printf(
				"step %u (%s): %d instead of %d", i,
				fake_op_get_name(step->op), r, -step->error);
	}
	for (unsigned i = 0; !wrong && i <= n; i++)
		if (only == ALL_TOKENS || only == i)
			wrong = check_token(fake_case, set, root, i, clocks[i]);

	fake_tree_free(tree);
	dirty_set_free(set);
	return wrong;
}

START_TEST(test_story_is_told_rightly_with_every_token)
{
	g_autofree char *wrong = tell(&fake_cases[_i], ALL_TOKENS);

	ck_assert_msg(!wrong, "%s: %s", fake_cases[_i].name, wrong);
}
END_TEST

START_TEST(test_story_is_told_rightly_with_one_token)
{
	unsigned n = fake_case_count_steps(&fake_cases[_i]);

	for (unsigned token = 0; token <= n; token++) {
		g_autofree char *wrong = tell(&fake_cases[_i], token);

		ck_assert_msg(!wrong, "%s: alone: %s", fake_cases[_i].name,
			      wrong);
	}
}
END_TEST

/* The checker itself must find what is wrong. */
START_TEST(test_wrong_answers_are_found)
{
	static const FakeCase story = {
		.name = "a story",
		.expect = {{0, 1, "a", SINCEFS_CONTENT, SINCEFS_GONE},
			   {1, 1, "b", 0, SINCEFS_NEW}},
	};
	static const struct {
		unsigned token;
		bool is_right;
		FakeRecord records[2];
		size_t count;
	} answers[] = {
		{0, true, {{"a", SINCEFS_CONTENT}}, 1},
		{0, true, {{"a", SINCEFS_CONTENT | SINCEFS_META}}, 1},
		{2, true, {{NULL}}, 0},
		{1, true, {{"a", SINCEFS_CONTENT}, {"b", 0}}, 2},
		{0, false, {{NULL}}, 0},
		{0, false, {{"a", SINCEFS_META}}, 1},
		{0, false, {{"a", SINCEFS_CONTENT | SINCEFS_GONE}}, 1},
		{2, false, {{"a", SINCEFS_CONTENT}}, 1},
		{0, false, {{"a", SINCEFS_CONTENT}, {"b", 0}}, 2},
		{1, false, {{"a", SINCEFS_CONTENT}, {"b", SINCEFS_NEW}}, 2},
		{0, false, {{"a", SINCEFS_CONTENT}, {"a", SINCEFS_CONTENT}}, 2},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		g_autofree char *wrong =
			fake_case_check(&story, answers[i].token,
					answers[i].records, answers[i].count);

		ck_assert_msg(!wrong == answers[i].is_right, "answer %zu: %s",
			      i, wrong ? wrong : "no fault found");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fake-cases");
	TCase *stories = tcase_create("stories");
	TCase *checker = tcase_create("checker");
	int n = 0;

	while (fake_cases[n].name)
		n++;
	tcase_add_loop_test(stories,
			    test_story_is_told_rightly_with_every_token, 0, n);
	tcase_add_loop_test(stories, test_story_is_told_rightly_with_one_token,
			    0, n);
	suite_add_tcase(suite, stories);
	tcase_add_test(checker, test_wrong_answers_are_found);
	suite_add_tcase(suite, checker);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
