/* SPDX-License-Identifier: MIT */
/*
 * Scans when memory runs out. The program is linked so that its allocations
 * pass through here: while a scan goes on, the one with a given number fails,
 * or all from it on. What changed before the scan is told by it or by a later
 * one, what changes after it by a later one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "tests/scan-fixture.h"

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

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)

static World *world;
static FakeSource *fake;

static void assert_covered(guint from, const char *path, long fail)
{
	if (!is_covered(world->paths, from, path))
		ck_abort_msg("%s is missed, without allocation %ld", path,
			     fail);
}

/* ---- only the scan is short of memory, not what it calls ---- */

static const DirSourceOps *ops;
static ScanFound found;

#define QUIETLY(call)                                                          \
	bool was_counting = is_counting;                                       \
	is_counting = false;                                                   \
	call;                                                                  \
	is_counting = was_counting

static int quiet_open_root(DirSource *source, DirHandle *dir_out,
			   DirStat *stat_out)
{
	QUIETLY(int r = ops->open_root(source, dir_out, stat_out));
	return r;
}

static int quiet_open(DirSource *source, DirHandle parent, const char *name,
		      DirHandle *dir_out)
{
	QUIETLY(int r = ops->open(source, parent, name, dir_out));
	return r;
}

static int quiet_list(DirSource *source, DirHandle dir, void *buffer,
		      size_t size, size_t *filled_out)
{
	QUIETLY(int r = ops->list(source, dir, buffer, size, filled_out));
	return r;
}

static int quiet_stat(DirSource *source, DirHandle dir, const char *name,
		      DirStat *stat_out)
{
	QUIETLY(int r = ops->stat(source, dir, name, stat_out));
	return r;
}

static bool quiet_leads_to_dir(DirSource *source, DirHandle dir,
			       const char *name)
{
	QUIETLY(bool leads = ops->leads_to_dir(source, dir, name));
	return leads;
}

static void quiet_close(DirSource *source, DirHandle dir)
{
	QUIETLY(ops->close(source, dir));
}

static void quiet_free(DirSource *source)
{
	QUIETLY(ops->free(source));
}

static const DirSourceOps quiet_ops = {
	.open_root = quiet_open_root,
	.open = quiet_open,
	.list = quiet_list,
	.stat = quiet_stat,
	.leads_to_dir = quiet_leads_to_dir,
	.close = quiet_close,
	.free = quiet_free,
};

static void quiet_found(void *data, const ScanFinding *finding)
{
	QUIETLY(found(data, finding));
}

static void make_world(void)
{
	world = world_new();
	fake = world->fake;
	ops = fake->base.ops;
	fake->base.ops = &quiet_ops;
	found = world->config.found;
	world->config.found = quiet_found;
}

static void scan_without(long fail)
{
	until_failure = fail;
	failures = 0;
	is_counting = true;
	scan_run(&world->picture, &world->config, &world->result);
	is_counting = false;
}

static void make_tree(void)
{
	/* As deep as makes a scan open directories again. */
	g_autoptr(GString) path = g_string_new("d");

	fake_source_make(fake, "d", DIR_MODE);
	for (int i = 0; i < 70; i++) {
		g_autofree char *file = g_strconcat(path->str, "/x", NULL);
		g_autofree char *side = g_strconcat(path->str, "/y", NULL);
		g_autofree char *below = g_strconcat(side, "/z", NULL);

		g_string_append(path, "/d");
		fake_source_make(fake, path->str, DIR_MODE);
		if (i > 12)
			continue;
		fake_source_make(fake, file, FILE_MODE);
		fake_source_make(fake, side, DIR_MODE);
		fake_source_make(fake, below, FILE_MODE);
	}
}

static long play(long fail, bool at_baseline)
{
	guint then;
	long failed;

	make_world();
	make_tree();
	world_rest(world);
	world->config.baseline_ns = fake->now_ns;
	if (!at_baseline) {
		world_scan(world);
		world_rest(world);
		fake_source_make(fake, "d/new", DIR_MODE);
		fake_source_make(fake, "d/new/n", DIR_MODE);
		fake_source_make(fake, "d/new/n/x", FILE_MODE);
		fake_source_remove(fake, "d/d/x");
	}
	world_rest(world);
	fake_source_write(fake, "d/x", 2);
	fake_source_make(fake, "young", FILE_MODE);
	scan_without(fail);
	failed = failures;

	then = world->paths->len;
	world_rest(world);
	fake_source_write(fake, "d/d/y/z", 3);
	fake_source_write(fake, "d/x", 3);
	fake_source_write(fake, "d/d/d/d/d/d/d/d/x", 3);
	fake_source_remove(fake, "d/d/d/d/d/d/d/d/d/x");
	if (!at_baseline)
		fake_source_write(fake, "d/new/n/x", 3);
	world_rest(world);
	world_scan(world);
	ck_assert_int_eq(world->result.error, 0);
	assert_covered(0, "young", fail);
	assert_covered(then, "d/x", fail);
	assert_covered(then, "d/d/y/z", fail);
	assert_covered(then, "d/d/d/d/d/d/d/d/x", fail);
	assert_covered(then, "d/d/d/d/d/d/d/d/d/x", fail);
	if (!at_baseline) {
		assert_covered(0, "d/new", fail);
		assert_covered(then, "d/new/n/x", fail);
		assert_covered(0, "d/d/x", fail);
	}
	world_rest(world);
	world_scan(world);
	ck_assert_str_eq(world_scan(world), "");
	world_free(world);
	return failed;
}

START_TEST(test_any_one_failed_allocation_misses_nothing)
{
	long fail = 0;

	is_for_good = false;
	while (play(fail, _i == 0) > 0)
		fail += 1 + fail / 25; /* not each, but all kinds */
	ck_assert_int_gt(fail, 25);
}
END_TEST

START_TEST(test_no_memory_for_long_misses_nothing)
{
	long fail = 0;

	is_for_good = true;
	while (play(fail, _i == 0) > 0)
		fail += 2 + fail / 10;
	ck_assert_int_gt(fail, 25);
}
END_TEST

START_TEST(test_source_without_memory_is_null)
{
	for (int i = 0; i < 2; i++) {
		DirSource *source;

		until_failure = 0;
		is_counting = true;
		source = i == 0 ? dir_source_new_at_path("/")
				: dir_source_new_at_fd(-1);
		is_counting = false;
		ck_assert_ptr_null(source);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan without memory");
	TCase *memory = tcase_create("memory");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		memory, test_any_one_failed_allocation_misses_nothing, 0, 2);
	tcase_add_loop_test(memory, test_no_memory_for_long_misses_nothing, 0,
			    2);
	tcase_add_test(memory, test_source_without_memory_is_null);
	tcase_set_timeout(memory, 300);
	suite_add_tcase(suite, memory);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
