/* SPDX-License-Identifier: MIT */
/*
 * Chance against scans: a tree in memory is changed at random between the calls
 * of a scan and between scans, with a clock in steps, errors, scans that are
 * stopped and listings that change their order. Tokens are taken at any moment.
 *
 * In the end, when all is at rest and one scan came to its end without an
 * error, every path that is not as it was at a token must be told of by a
 * finding after that token; but for a name that came and went, or what is below
 * a directory that went and came back, between two looks: which no scan can
 * know of. And a scan that follows finds nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "tests/scan-fixture.h"

enum { TOKENS = 12, NAMES = 4, DEPTH = 3, RUNS = 150 };

#define STEP_NS INT64_C(10000000)

typedef struct {
	guint then; /* findings told by then */
	GHashTable *truth;
	GHashTable *numbers;  /* inode numbers */
	GHashTable *pictured; /* inode numbers of what the scans knew by then */
} Token;

typedef struct {
	World *world;
	GRand *random;
	Token tokens[TOKENS];
	guint n_tokens;
	guint odds; /* of a change, at each call, in 1000 */
	bool is_quiet;
} Model;

static guint draw(Model *model, guint n)
{
	return (guint)g_rand_int_range(model->random, 0, (gint32)n);
}

/* ---- truth ---- */

static void note_truth(GHashTable *truth, const char *path, FakeNode *node)
{
	char *state = g_strdup_printf(
		"%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %o",
		/* A directory is what is in it, and its mode. */
		S_ISDIR(node->stat.mode) ? 0 : node->stat.ino,
		S_ISDIR(node->stat.mode) ? 0 : node->version, node->stat.mode);

	g_hash_table_replace(truth, g_strdup(*path == '\0' ? "." : path),
			     state);
	for (guint i = 0; i < node->children->len; i++) {
		struct {
			char *name;
			FakeNode *node;
		} *child = node->children->pdata[i];
		g_autofree char *below = g_strconcat(
			path, *path == '\0' ? "" : "/", child->name, NULL);

		note_truth(truth, below, child->node);
	}
}

static GHashTable *get_truth(Model *model)
{
	GHashTable *truth =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	if (model->world->fake->root != NULL)
		note_truth(truth, "", model->world->fake->root);
	return truth;
}

/* Numbers as pointers: 0 of what is not there. */
static gpointer get_number(FakeNode *node)
{
	return node == NULL ? NULL : GSIZE_TO_POINTER(node->stat.ino);
}

static void note_numbers(GHashTable *numbers, const char *path, FakeNode *node)
{
	g_hash_table_replace(numbers, g_strdup(path), get_number(node));
	for (guint i = 0; i < node->children->len; i++) {
		struct {
			char *name;
			FakeNode *node;
		} *child = node->children->pdata[i];
		g_autofree char *below = g_strconcat(
			path, *path == '\0' ? "" : "/", child->name, NULL);

		note_numbers(numbers, below, child->node);
	}
}

static void note_picture(GHashTable *numbers, const SnapshotDir *dir,
			 const char *path)
{
	for (uint32_t i = 0; dir != NULL && i < dir->count; i++) {
		char *below = g_strconcat(path, *path == '\0' ? "" : "/",
					  snapshot_dir_get_name(dir, i), NULL);

		note_picture(numbers, dir->entries[i].dir, below);
		g_hash_table_replace(numbers, below,
				     GSIZE_TO_POINTER(dir->entries[i].ino));
	}
}

static void take_token(Model *model)
{
	Token *token;

	if (model->n_tokens == TOKENS)
		return;
	token = &model->tokens[model->n_tokens++];
	*token = (Token){
		.then = model->world->paths->len,
		.truth = get_truth(model),
		.numbers = g_hash_table_new_full(g_str_hash, g_str_equal,
						 g_free, NULL),
		.pictured = g_hash_table_new_full(g_str_hash, g_str_equal,
						  g_free, NULL),
	};
	note_picture(token->pictured, model->world->picture.root, "");
	note_numbers(token->numbers, "", model->world->fake->root);
}

/* Was a directory above @path in another place, or another one here, at the
   token, and is now back where the scans had seen it last? */
static bool has_come_back(Model *model, const Token *token, const char *path)
{
	const char *slash = path;

	while ((slash = strchr(slash, '/')) != NULL) {
		g_autofree char *above =
			g_strndup(path, (gsize)(slash++ - path));
		gpointer now =
			get_number(fake_source_find(model->world->fake, above));

		if (now != NULL &&
		    now == g_hash_table_lookup(token->pictured, above) &&
		    now != g_hash_table_lookup(token->numbers, above))
			return true;
	}
	return false;
}

static void assert_told(Model *model, const Token *token, const char *path,
			guint32 seed)
{
	if (!is_covered(model->world->paths, token->then, path) &&
	    !has_come_back(model, token, path))
		ck_abort_msg("seed %u: %s is missed", seed, path);
}

static void assert_nothing_missed(Model *model, const Token *token,
				  guint32 seed)
{
	g_autoptr(GHashTable) now = get_truth(model);
	GHashTableIter iter;
	gpointer path, state;

	g_hash_table_iter_init(&iter, token->truth);
	while (g_hash_table_iter_next(&iter, &path, &state))
		if (g_strcmp0(g_hash_table_lookup(now, path), state) != 0 &&
		    (g_hash_table_contains(now, path) ||
		     g_hash_table_contains(token->pictured, path)))
			assert_told(model, token, path, seed);
	g_hash_table_iter_init(&iter, now);
	while (g_hash_table_iter_next(&iter, &path, &state))
		if (!g_hash_table_contains(token->truth, path))
			assert_told(model, token, path, seed);
}

/* ---- changes ---- */

static char *draw_path(Model *model)
{
	GString *path = g_string_new(NULL);
	guint depth = 1 + draw(model, DEPTH);

	for (guint i = 0; i < depth; i++)
		g_string_append_printf(path, "%s%c", i > 0 ? "/" : "",
				       (int)('a' + draw(model, NAMES)));
	return g_string_free(path, FALSE);
}

static bool has_parent(FakeSource *fake, const char *path)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *above =
		g_strndup(path, slash == NULL ? 0 : (gsize)(slash - path));
	FakeNode *node = fake_source_find(fake, above);

	return node != NULL && S_ISDIR(node->stat.mode);
}

static void move(Model *model, const char *path, bool exchange)
{
	FakeSource *fake = model->world->fake;
	g_autofree char *other = draw_path(model);
	g_autofree char *below = g_strconcat(path, "/", NULL);
	g_autofree char *other_below = g_strconcat(other, "/", NULL);

	if (!has_parent(fake, other) || g_str_has_prefix(other_below, below) ||
	    g_str_has_prefix(below, other_below))
		return;
	if (!exchange)
		fake_source_rename(fake, path, other);
	else if (fake_source_find(fake, other) != NULL)
		fake_source_exchange(fake, path, other);
}

static void change_something(Model *model)
{
	FakeSource *fake = model->world->fake;
	g_autofree char *path = draw_path(model);
	FakeNode *node = fake_source_find(fake, path);

	if (node == NULL) {
		if (has_parent(fake, path))
			fake_source_make(fake, path,
					 draw(model, 2) ? S_IFREG | 0644
							: S_IFDIR | 0755);
		return;
	}
	switch (draw(model, 8)) {
	case 0:
		fake_source_remove(fake, path);
		break;
	case 1:
		move(model, path, false);
		break;
	case 2:
		move(model, path, true);
		break;
	case 3:
		fake_source_chmod(fake, path, draw(model, 2) ? 0600 : 0644);
		break;
	default:
		/* Of the same size most of the time. */
		if (!S_ISDIR(node->stat.mode))
			fake_source_write(fake, path, draw(model, 8) == 0);
		break;
	}
}

static void fail_something(Model *model)
{
	static const FakeCall calls[] = {FAKE_CALL_OPEN, FAKE_CALL_LIST,
					 FAKE_CALL_STAT};
	static const int errors[] = {-EACCES, -EIO, -ENOMEM, -ENOENT};
	g_autofree char *path = draw_path(model);

	/* A name that is not there, and is, loses its entry for a scan: so do
	   directories that are being changed. */
	fake_source_fail(model->world->fake, calls[draw(model, 3)], path,
			 errors[draw(model, 4)]);
}

static void on_call(FakeSource *source, FakeCall call, const char *path,
		    void *data)
{
	Model *model = data;

	(void)source;
	(void)call;
	(void)path;
	if (model->is_quiet || draw(model, 1000) >= model->odds)
		return;
	switch (draw(model, 24)) {
	case 0:
		take_token(model);
		break;
	case 1:
		fail_something(model);
		break;
	case 2:
		g_array_set_size(source->failures, 0);
		break;
	case 3:
		if (draw(model, 4) == 0)
			atomic_store(&model->world->stop, true);
		break;
	default:
		change_something(model);
		break;
	}
}

/* ---- one life ---- */

static void settle(Model *model, guint32 seed)
{
	World *world = model->world;

	model->is_quiet = true;
	g_array_set_size(world->fake->failures, 0);
	for (int i = 0; i < 2; i++) {
		world_rest(world);
		world_scan(world);
		ck_assert(world->is_whole);
		ck_assert_int_eq(world->result.error, 0);
		for (guint t = 0; t < model->n_tokens; t++)
			assert_nothing_missed(model, &model->tokens[t], seed);
		/* What was never at rest is told once more; then silence. */
	}
	if (*world_scan(world) != '\0')
		ck_abort_msg("seed %u: told again: %s", seed,
			     world->found->str);
	model->is_quiet = false;
}

static void forget_tokens(Model *model)
{
	while (model->n_tokens > 0) {
		g_hash_table_unref(model->tokens[--model->n_tokens].truth);
		g_hash_table_unref(model->tokens[model->n_tokens].numbers);
		g_hash_table_unref(model->tokens[model->n_tokens].pictured);
	}
}

static void live(guint32 seed)
{
	Model model = {.world = world_new(),
		       .random = g_rand_new_with_seed(seed)};
	World *world = model.world;
	FakeSource *fake = world->fake;

	fake->step_ns = STEP_NS;
	for (int i = 0; i < 60; i++)
		change_something(&model);
	world_rest(world);
	world->config.baseline_ns = fake->now_ns - 2 * STEP_NS;
	take_token(&model);
	fake->hook = on_call;
	fake->hook_data = &model;
	fake->tick_ns = 1000 * (1 + draw(&model, 3000));
	model.odds = draw(&model, 150);
	fake->batch = draw(&model, 4);
	for (int life = 0; life < 3; life++) {
		for (int i = 0; i < 4; i++) {
			fake->is_reversed = draw(&model, 4) == 0;
			fake->has_twins = draw(&model, 8) == 0;
			world_scan(world);
			atomic_store(&world->stop, false);
			if (draw(&model, 2))
				change_something(&model);
			if (draw(&model, 2))
				fake->now_ns += STEP_NS * draw(&model, 100);
			if (draw(&model, 4) == 0)
				take_token(&model);
		}
		settle(&model, seed);
		forget_tokens(&model);
	}
	g_rand_free(model.random);
	world_free(world);
}

START_TEST(test_nothing_is_missed_whatever_happens)
{
	const char *given = g_getenv("SINCEFS_TEST_SEED");

	if (given != NULL) {
		live((guint32)strtoul(given, NULL, 10));
		return;
	}
	for (guint32 i = 0; i < RUNS; i++)
		live((guint32)_i * RUNS + i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan by chance");
	TCase *model = tcase_create("model");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(model, test_nothing_is_missed_whatever_happens, 0,
			    10);
	tcase_set_timeout(model, 300);
	suite_add_tcase(suite, model);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
