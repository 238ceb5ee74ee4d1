/* SPDX-License-Identifier: MIT */
/*
 * Scans of real directories, held against the truth: every path whose content
 * or attributes are not what they were has to be told of. The stories of
 * tests/fake/cases.c, with a scan at the end and with one after each step; and
 * changes at random.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <check.h>

#include "tests/fake/cases.h"
#include "tests/fake/fake-disk.h"
#include "tests/scan-fixture.h"

static char *top;
static int top_fd;

static void set_up(void)
{
	top = g_dir_make_tmp("scan-disk-XXXXXX", NULL);
	ck_assert_ptr_nonnull(top);
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top_fd, 0);
}

static void tear_down(void)
{
	g_autofree char *command =
		g_strdup_printf("chmod -R u+rwx '%s' && rm -rf '%s'", top, top);

	ck_assert_int_eq(system(command), 0);
	close(top_fd);
	g_free(top);
}

static World *new_world(void)
{
	World *world = world_new_at(dir_source_new_at_path(top));

	world_rest(world);
	world->config.baseline_ns = scan_clock_now(NULL) + 1000000000;
	/* Nothing is told, whatever it is. */
	ck_assert_str_eq(world_scan(world), "");
	return world;
}

/* ---- truth ---- */

static char *read_link(int dir_fd, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	return g_strndup(target, n < 0 ? 0 : (gsize)n);
}

static char *read_content(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOATIME | O_CLOEXEC);
	char content[4096];
	ssize_t n = fd < 0 ? 0 : read(fd, content, sizeof(content));
	g_autofree char *sum = g_compute_checksum_for_data(
		G_CHECKSUM_MD5, (const guchar *)content, n < 0 ? 0 : (gsize)n);
	char value[256];
	ssize_t n_value =
		fd < 0 ? -1 : fgetxattr(fd, FAKE_XATTR, value, sizeof(value));
	char *text = g_strdup_printf("%s %.*s", sum,
				     n_value < 0 ? 0 : (int)n_value, value);

	if (fd >= 0)
		close(fd);
	return text;
}

static void note_truth(GHashTable *truth, int parent_fd, const char *name,
		       const char *path)
{
	int fd = openat(parent_fd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		g_autofree char *content = NULL;
		g_autofree char *below = NULL;
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		below = g_strconcat(path, *path == '\0' ? "" : "/",
				    entry->d_name, NULL);
		if (S_ISLNK(st.st_mode))
			content = read_link(fd, entry->d_name);
		else if (S_ISREG(st.st_mode))
			content = read_content(fd, entry->d_name);
		/* Of a directory neither size nor links are anything. */
		g_hash_table_insert(
			truth, g_strdup(below),
			S_ISDIR(st.st_mode)
				? g_strdup_printf("%o %u %u", st.st_mode,
						  st.st_uid, st.st_gid)
				: g_strdup_printf(
					  "%o %u %u %ju %jd.%ld %jd %s",
					  st.st_mode, st.st_uid, st.st_gid,
					  (uintmax_t)st.st_nlink,
					  (intmax_t)st.st_mtim.tv_sec,
					  st.st_mtim.tv_nsec,
					  (intmax_t)st.st_size,
					  content == NULL ? "" : content));
		if (S_ISDIR(st.st_mode))
			note_truth(truth, fd, entry->d_name, below);
	}
	if (dir != NULL)
		closedir(dir);
}

static GHashTable *get_truth(void)
{
	GHashTable *truth =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	note_truth(truth, top_fd, ".", "");
	return truth;
}

/* How many paths differ; each is told of by a finding from @from on. */
static unsigned assert_told(World *world, guint from, GHashTable *before,
			    const char *story)
{
	g_autoptr(GHashTable) now = get_truth();
	GHashTableIter iter;
	gpointer path, state;
	unsigned n = 0;

	g_hash_table_iter_init(&iter, before);
	while (g_hash_table_iter_next(&iter, &path, &state)) {
		const char *is = g_hash_table_lookup(now, path);

		if (g_strcmp0(is, state) == 0)
			continue;
		n++;
		if (!is_covered(world->paths, from, path))
			ck_abort_msg("%s: '%s' is missed: %s, then %s", story,
				     (char *)path, (char *)state,
				     is == NULL ? "gone" : is);
	}
	g_hash_table_iter_init(&iter, now);
	while (g_hash_table_iter_next(&iter, &path, &state)) {
		if (g_hash_table_contains(before, path))
			continue;
		n++;
		if (!is_covered(world->paths, from, path))
			ck_abort_msg("%s: new '%s' is missed", story,
				     (char *)path);
	}
	return n;
}

/* ---- stories ---- */

static bool can_have_xattr(void)
{
	return fsetxattr(top_fd, FAKE_XATTR, "", 0, 0) == 0;
}

static void tell_story(const FakeCase *story, bool each_step)
{
	unsigned n = fake_case_count_steps(story);
	FakeClock clock;
	GHashTable *before;
	World *world;
	int held_fd = -1;
	guint from;

	fake_clock_init(&clock);
	ck_assert_int_eq(fake_disk_build(top_fd, story->setup, &clock, NULL),
			 0);
	world = new_world();
	before = get_truth();
	from = world->paths->len;
	for (unsigned i = 0; i < n; i++) {
		int r = fake_disk_do(top_fd, &story->steps[i], &held_fd);

		if (r != -story->steps[i].error)
			ck_abort_msg("%s: step %u: %d", story->name, i, r);
		if (!each_step && i + 1 < n)
			continue;
		world_scan(world);
		ck_assert(world->is_whole);
		ck_assert_int_eq(world->result.error, 0);
		assert_told(world, from, before, story->name);
		if (each_step) {
			g_hash_table_unref(before);
			before = get_truth();
			from = world->paths->len;
		}
	}
	if (held_fd >= 0)
		close(held_fd);
	/* And no word without a change. */
	world_rest(world);
	if (*world_scan(world) != '\0')
		ck_abort_msg("%s: told again: %s", story->name,
			     world->found->str);
	g_hash_table_unref(before);
	world_free(world);
}

START_TEST(test_story_is_told)
{
	const FakeCase *story = &fake_cases[_i];

	if (!can_have_xattr() && strstr(story->name, "attribute") != NULL)
		return;
	tell_story(story, false);
}
END_TEST

START_TEST(test_story_is_told_step_by_step)
{
	const FakeCase *story = &fake_cases[_i];

	if (!can_have_xattr() && strstr(story->name, "attribute") != NULL)
		return;
	tell_story(story, true);
}
END_TEST

/* ---- a storm ---- */

enum { BATCHES = 120, PATHS = 5, DEPTH = 3 };

static char *draw_path(GRand *random)
{
	GString *path = g_string_new(NULL);
	gint32 depth = g_rand_int_range(random, 1, DEPTH + 1);

	for (gint32 i = 0; i < depth; i++)
		g_string_append_printf(
			path, "%s%c", i > 0 ? "/" : "",
			(int)('a' + g_rand_int_range(random, 0, PATHS)));
	return g_string_free(path, FALSE);
}

static void write_text(GRand *random, const char *path, int flags)
{
	int fd = openat(top_fd, path, flags | O_WRONLY | O_CLOEXEC, 0644);
	char text[2] = {(char)('A' + g_rand_int_range(random, 0, 26)), 'x'};
	struct stat st;

	if (fd < 0)
		return;
	fstat(fd, &st);
	/* Most edits keep the size, and many put the time back. */
	if (pwrite(fd, text, (size_t)g_rand_int_range(random, 1, 3), 0) > 0 &&
	    g_rand_boolean(random)) {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					    st.st_mtim};

		futimens(fd, times);
	}
	close(fd);
}

static void remove_below(const char *path)
{
	g_autofree char *command = g_strdup_printf("rm -rf '%s/%s'", top, path);

	if (unlinkat(top_fd, path, 0) != 0 &&
	    unlinkat(top_fd, path, AT_REMOVEDIR) != 0 && errno == ENOTEMPTY)
		ck_assert_int_eq(system(command), 0);
}

/* Whatever is not possible is not done. */
static void change_something(GRand *random)
{
	g_autofree char *path = draw_path(random);
	g_autofree char *other = draw_path(random);
	struct timespec old[2] = {{.tv_sec = 5}, {.tv_sec = 5}};

	switch (g_rand_int_range(random, 0, 16)) {
	case 0:
		mkdirat(top_fd, path, 0755);
		break;
	case 1:
		remove_below(path);
		break;
	case 2:
		renameat(top_fd, path, top_fd, other);
		break;
	case 3:
		renameat2(top_fd, path, top_fd, other, RENAME_EXCHANGE);
		break;
	case 4:
		linkat(top_fd, path, top_fd, other, 0);
		break;
	case 5:
		symlinkat(other, top_fd, path);
		break;
	case 6:
		fchmodat(top_fd, path, g_rand_boolean(random) ? 0755 : 0700, 0);
		break;
	case 7:
		utimensat(top_fd, path, old, AT_SYMLINK_NOFOLLOW);
		break;
	case 8:
		if (geteuid() == 0)
			fchownat(top_fd, path, 0,
				 (gid_t)g_rand_int_range(random, 1, 9),
				 AT_SYMLINK_NOFOLLOW);
		break;
	case 9:
		mkfifoat(top_fd, path, 0600);
		break;
	case 10:
	case 11:
		write_text(random, path, O_CREAT | O_NONBLOCK);
		break;
	default:
		write_text(random, path, O_NONBLOCK);
		break;
	}
}

START_TEST(test_storm_between_scans)
{
	const char *given = g_getenv("SINCEFS_TEST_SEED");
	guint32 seed = given != NULL ? (guint32)strtoul(given, NULL, 10)
				     : g_random_int();
	g_autofree char *name = g_strdup_printf("seed %u", seed);
	GRand *random = g_rand_new_with_seed(seed);
	World *world = new_world();
	unsigned changed = 0;

	for (int i = 0; i < BATCHES; i++) {
		g_autoptr(GHashTable) before = get_truth();
		guint from = world->paths->len;
		gint32 n = g_rand_int_range(random, 1, 40);

		while (n-- > 0)
			change_something(random);
		world_scan(world);
		ck_assert_int_eq(world->result.error, 0);
		changed += assert_told(world, from, before, name);
		/* What was told is what is there now: next. */
		g_ptr_array_set_size(world->paths, 0);
	}
	ck_assert_uint_gt(changed, BATCHES);
	world_rest(world);
	ck_assert_str_eq(world_scan(world), "");
	g_rand_free(random);
	world_free(world);
}
END_TEST

static void rewrite(int fd, char with)
{
	ck_assert_int_eq(pwrite(fd, &with, 1, 0), 1);
}

/* One writes as fast as it can, and always one byte; each scan's word comes
   after what it looked at. */
START_TEST(test_storm_in_the_middle_of_scans)
{
	World *world = new_world();
	pid_t child;
	guint from;

	for (int i = 0; i < 20; i++) {
		g_autofree char *name = g_strdup_printf("file%d", i);
		int fd = openat(top_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC,
				0644);

		rewrite(fd, 'a');
		close(fd);
	}
	world_rest(world);
	world_scan(world);
	child = fork();
	if (child == 0) {
		for (int round = 0; round < 300; round++)
			for (int i = 0; i < 20; i++) {
				char name[16];
				int fd;

				snprintf(name, sizeof(name), "file%d", i);
				fd = openat(top_fd, name, O_WRONLY);
				if (pwrite(fd, &name[round % 4], 1, 0) != 1)
					_exit(1);
				close(fd);
			}
		_exit(0);
	}
	for (int status = -1; status != 0;) {
		g_autoptr(GHashTable) before = get_truth();
		pid_t ended = waitpid(child, &status, WNOHANG);

		ck_assert_int_ge(ended, 0);
		from = world->paths->len;
		if (ended == 0)
			status = -1;
		world_scan(world);
		if (ended == 0)
			continue;
		/* What differs from @before was written before this scan. */
		ck_assert_int_eq(status, 0);
		world_scan(world);
		assert_told(world, from, before, "storm");
	}
	world_rest(world);
	world_scan(world);
	world_rest(world);
	ck_assert_str_eq(world_scan(world), "");
	world_free(world);
}
END_TEST

/* ---- places ---- */

START_TEST(test_tree_deeper_than_any_path)
{
	enum { DEEP = 300 };
	int fd = dup(top_fd);
	World *world = new_world();
	g_autofree char *part = g_strnfill(20, 'p');

	/* A path of 6,300 bytes. */
	for (int i = 0; i < DEEP; i++) {
		int below;

		ck_assert_int_eq(mkdirat(fd, part, 0755), 0);
		ck_assert_int_eq(mkdirat(fd, "z", 0755), 0);
		below = openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(below, 0);
		close(fd);
		fd = below;
	}
	world_rest(world);
	world_scan(world);
	ck_assert_int_eq(world->result.error, 0);
	ck_assert_uint_eq(world->result.files, 1 + 2 * DEEP);
	world_rest(world);
	ck_assert_str_eq(world_scan(world), "");
	ck_assert_int_eq(mknodat(fd, "file", S_IFREG | 0600, 0), 0);
	close(fd);
	world_scan(world);
	ck_assert_uint_eq(strlen(world->found->str),
			  DEEP * (strlen(part) + 1) + strlen("+file "));
	ck_assert(g_str_has_suffix(world->found->str, "/file "));
	world_free(world);
}
END_TEST

START_TEST(test_directory_of_many_names)
{
	enum { MANY = 100000 };
	World *world = new_world();
	char name[32];

	ck_assert_int_eq(mkdirat(top_fd, "d", 0755), 0);
	world_rest(world);
	world_scan(world);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d/%d", i * 7919 % MANY);
		ck_assert_int_eq(mknodat(top_fd, name, S_IFREG | 0600, 0), 0);
	}
	world_scan(world);
	ck_assert_uint_eq(world->result.files, MANY + 2);
	world_rest(world);
	world_scan(world);
	g_ptr_array_set_size(world->paths, 0);
	for (int i = 0; i < MANY; i += 1000) {
		snprintf(name, sizeof(name), "d/%d", i);
		ck_assert_int_eq(unlinkat(top_fd, name, 0), 0);
	}
	world_scan(world);
	ck_assert_uint_eq(world->paths->len, MANY / 1000);
	ck_assert_str_eq(world_scan(world), "");
	world_free(world);
}
END_TEST

/* The sum of what /proc knows: nothing may stay open. */
static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

START_TEST(test_scans_leave_nothing_open)
{
	unsigned before = count_open();
	World *world = new_world();
	GRand *random = g_rand_new_with_seed(1);

	for (int i = 0; i < 30; i++) {
		for (int n = 0; n < 20; n++)
			change_something(random);
		world_scan(world);
		ck_assert_uint_eq(count_open(), before);
	}
	g_rand_free(random);
	world_free(world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan of directories");
	TCase *stories = tcase_create("stories");
	TCase *storms = tcase_create("storms");
	TCase *places = tcase_create("places");
	SRunner *runner;
	int n = 0, failed;

	while (fake_cases[n].name != NULL)
		n++;
	tcase_add_checked_fixture(stories, set_up, tear_down);
	tcase_add_loop_test(stories, test_story_is_told, 0, n);
	tcase_add_loop_test(stories, test_story_is_told_step_by_step, 0, n);
	tcase_set_timeout(stories, 60);
	suite_add_tcase(suite, stories);

	tcase_add_checked_fixture(storms, set_up, tear_down);
	tcase_add_test(storms, test_storm_between_scans);
	tcase_add_test(storms, test_storm_in_the_middle_of_scans);
	tcase_set_timeout(storms, 120);
	suite_add_tcase(suite, storms);

	tcase_add_checked_fixture(places, set_up, tear_down);
	tcase_add_test(places, test_tree_deeper_than_any_path);
	tcase_add_test(places, test_directory_of_many_names);
	tcase_add_test(places, test_scans_leave_nothing_open);
	tcase_set_timeout(places, 120);
	suite_add_tcase(suite, places);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
