/* SPDX-License-Identifier: MIT */
/*
 * Mounting and unmounting by fs/fs.h, over a directory that is itself a mount
 * point: what lies there must be there afterwards. In a mount name space of its
 * own, so that a failure leaves nothing behind.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fs.h"

#define SKIPPED 77

static char directory[] = "/tmp/check-fs-XXXXXX";

/* A tmpfs with one file, and what a mount over it needs. */
static DirtySet *set;
static TreeList *trees;

static void write_file(const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(directory, name, NULL);

	ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static bool is_there(const char *name)
{
	g_autofree char *path = g_build_filename(directory, name, NULL);

	return access(path, F_OK) == 0;
}

static void set_up(void)
{
	ck_assert_int_eq(mount("none", directory, "tmpfs", 0, NULL), 0);
	write_file("below", "here");
	set = dirty_set_new(4711, 100);
	trees = tree_list_new(set);
	tree_list_add(trees, directory, SINCEFS_TREE_MOUNTED);
}

static void tear_down(void)
{
	tree_list_free(trees);
	dirty_set_free(set);
	ck_assert(is_there("below"));
	ck_assert_int_eq(umount2(directory, 0), 0);
	ck_assert(!is_there("below"));
}

static Fs *new_fs(const char *options, GError **error)
{
	FsConfig config = {
		.source_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.mountpoint = directory,
		.source_name = directory,
		.options = options,
		.set = set,
		.trees = trees,
	};

	ck_assert_int_ge(config.source_fd, 0);
	return fs_new(&config, error);
}

static void note(void *data)
{
	*(_Atomic bool *)data = true;
}

static Fs *start(_Atomic bool *ended)
{
	GError *error = NULL;
	Fs *fs = new_fs(NULL, &error);

	ck_assert_msg(fs != NULL, "%s", error != NULL ? error->message : "");
	*ended = false;
	ck_assert(fs_start(fs, note, (void *)ended, NULL));
	return fs;
}

START_TEST(test_unmounting_ends_the_session_once)
{
	_Atomic bool ended;
	struct sincefs_stats stats;
	Fs *fs;

	set_up();
	fs = start(&ended);
	ck_assert(is_there("below"));
	fs_get_stats(fs, &stats);
	ck_assert_uint_gt(stats.requests[SINCEFS_REQUEST_LOOKUP], 0);
	ck_assert(!ended);
	ck_assert_int_eq(fs_unmount(fs, false), 0);
	ck_assert(fs_free(fs));
	ck_assert(ended);
	tear_down();
}
END_TEST

START_TEST(test_failed_mount_leaves_what_is_mounted_there)
{
	g_autoptr(GError) error = NULL;

	set_up();
	/* libfuse passes it on, and the kernel refuses. */
	ck_assert_ptr_null(new_fs("blksize=4096", &error));
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, directory));
	tear_down();
}
END_TEST

START_TEST(test_unmounting_twice_leaves_what_lies_below)
{
	_Atomic bool ended;
	Fs *fs;

	set_up();
	fs = start(&ended);
	ck_assert_int_eq(fs_unmount(fs, _i == 1), 0);
	ck_assert_int_eq(fs_unmount(fs, _i == 1), 0);
	ck_assert(is_there("below"));
	ck_assert(fs_free(fs));
	tear_down();
}
END_TEST

START_TEST(test_mount_that_somebody_else_unmounted_is_not_unmounted_again)
{
	_Atomic bool ended;
	Fs *fs;

	set_up();
	fs = start(&ended);
	ck_assert_int_eq(umount2(directory, 0), 0);
	/* The threads may not have seen it yet. */
	ck_assert_int_eq(fs_unmount(fs, false), 0);
	ck_assert(fs_free(fs));
	tear_down();
}
END_TEST

START_TEST(test_mount_in_use_is_busy)
{
	g_autofree char *path = g_build_filename(directory, "below", NULL);
	_Atomic bool ended;
	Fs *fs;
	int fd;

	set_up();
	fs = start(&ended);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_unmount(fs, false), -EBUSY);
	ck_assert(!ended);
	close(fd);
	ck_assert_int_eq(fs_unmount(fs, false), 0);
	ck_assert(fs_free(fs));
	tear_down();
}
END_TEST

static void free_a_detached_mount_in_use(void)
{
	g_autofree char *path = g_build_filename(directory, "below", NULL);
	_Atomic bool ended;
	char text[8];
	Fs *fs;
	int fd;

	fs = start(&ended);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_unmount(fs, true), 0);
	/* It is still served, and what lay below can be seen. */
	ck_assert_int_eq(read(fd, text, sizeof(text)), 4);
	ck_assert(is_there("below"));
	ck_assert(!ended);
	ck_assert(fs_free(fs));
	ck_assert(ended);
	close(fd);
}

START_TEST(test_freeing_a_detached_mount_in_use_leaves_what_lies_below)
{
	int status;
	pid_t child;

	set_up();
	/* libfuse then keeps the name of the mount point: no leak of ours. */
	child = fork();
	if (child == 0) {
		free_a_detached_mount_in_use();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	tear_down();
}
END_TEST

/* False when there is no FUSE, or no right to mount. */
static bool can_mount(void)
{
	if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0 ||
	    unshare(CLONE_NEWNS) != 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(void)
{
	Suite *suite = suite_create("fs");
	TCase *ends = tcase_create("the end of a mount");
	SRunner *runner;
	int failed;

	if (!can_mount()) {
		printf("mounting takes root and /dev/fuse\n");
		return g_getenv("SINCEFS_TEST_REQUIRE_FUSE") ? EXIT_FAILURE
							     : SKIPPED;
	}
	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	tcase_add_test(ends, test_unmounting_ends_the_session_once);
	tcase_add_test(ends, test_failed_mount_leaves_what_is_mounted_there);
	tcase_add_loop_test(ends, test_unmounting_twice_leaves_what_lies_below,
			    0, 2);
	tcase_add_test(
		ends,
		test_mount_that_somebody_else_unmounted_is_not_unmounted_again);
	tcase_add_test(ends, test_mount_in_use_is_busy);
	tcase_add_test(
		ends,
		test_freeing_a_detached_mount_in_use_leaves_what_lies_below);
	tcase_set_timeout(ends, 60);
	suite_add_tcase(suite, ends);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	rmdir(directory);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
