/* SPDX-License-Identifier: MIT */
#include "tests/scan-fixture.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <sincefs/protocol.h>

static int64_t now(void *data)
{
	World *world = data;

	return world->fake ? fake_source_now(world->fake)
			   : scan_clock_now(NULL);
}

static void wait_until(void *data, int64_t until_ns)
{
	World *world = data;

	if (world->fake)
		fake_source_wait_until(world->fake, until_ns);
	else
		scan_clock_wait_until(NULL, until_ns);
}

char *finding_dup_path(const ScanFinding *finding)
{
	g_autofree const char **parts = NULL;
	size_t depth;

	if (finding->dir == NULL)
		return g_strdup(".");
	depth = snapshot_dir_get_depth(finding->dir);
	parts = g_new0(const char *, depth + 2);
	snapshot_dir_get_path(finding->dir, parts, depth);
	parts[depth] = finding->name;
	return g_strjoinv("/", (char **)parts);
}

static void on_found(void *data, const ScanFinding *finding)
{
	World *world = data;
	g_autofree char *path = finding_dup_path(finding);
	uint16_t flags = scan_finding_get_flags(finding);
	bool was = finding->was != NULL, is = finding->is != NULL;
	char *text;

	ck_assert(flags & SINCEFS_SCANNED);
	ck_assert(!(flags & SINCEFS_NEW));
	ck_assert(flags & (SINCEFS_CONTENT | SINCEFS_META));
	ck_assert_int_eq((flags & SINCEFS_GONE) != 0, was && !is);
	ck_assert(!(flags & SINCEFS_SUBTREE) || (flags & SINCEFS_DIR));
	text = g_strdup_printf("%c%s%s", "?+-~"[was * 2 + is], path,
			       flags & SINCEFS_SUBTREE ? "/" : "");
	g_string_append_printf(world->found, "%s ", text);
	g_ptr_array_add(world->paths, text);
	if (world->each != NULL)
		world->each(world, finding, path);
}

World *world_new_at(DirSource *source)
{
	World *world = g_new0(World, 1);

	ck_assert_ptr_nonnull(source);
	world->found = g_string_new(NULL);
	world->paths = g_ptr_array_new_with_free_func(g_free);
	world->config = (ScanConfig){
		.source = source,
		.found = on_found,
		.data = world,
		.now = now,
		.wait_until = wait_until,
		.stop = &world->stop,
	};
	return world;
}

World *world_new(void)
{
	FakeSource *fake = fake_source_new();
	World *world = world_new_at(&fake->base);

	world->fake = fake;
	world_rest(world);
	world->config.baseline_ns = fake->now_ns;
	return world;
}

void world_free(World *world)
{
	scan_picture_clear(&world->picture);
	dir_source_free(world->config.source);
	g_string_free(world->found, TRUE);
	g_ptr_array_unref(world->paths);
	g_free(world);
}

const char *world_scan(World *world)
{
	g_string_truncate(world->found, 0);
	world->is_whole =
		scan_run(&world->picture, &world->config, &world->result);
	if (world->fake)
		ck_assert_uint_eq(world->fake->open, 0);
	return world->found->str;
}

void world_rest(World *world)
{
	if (world->fake)
		world->fake->now_ns += INT64_C(1000000000);
	else
		g_usleep(30000);
}

static bool covers(const char *finding, const char *path)
{
	size_t length = strlen(++finding);

	if (strcmp(finding, "./") == 0 || strcmp(finding, path) == 0)
		return true;
	if (length == 0 || finding[length - 1] != '/')
		return false;
	/* "d/" is for "d" and for "d/a". */
	return strncmp(finding, path, length) == 0 ||
	       (strlen(path) == length - 1 &&
		strncmp(finding, path, length - 1) == 0);
}

bool is_covered(GPtrArray *findings, guint from, const char *path)
{
	for (guint i = from; i < findings->len; i++)
		if (covers(findings->pdata[i], path))
			return true;
	return false;
}
