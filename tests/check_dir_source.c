/* SPDX-License-Identifier: MIT */
/*
 * Real directories as a scan sees them: what is behind a name is never left by
 * a link or a mount, and looking leaves no trace.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <glib.h>

#include "core/dir-source.h"

static char *top;
static int top_fd;

static void set_up(void)
{
	top = g_dir_make_tmp("dir-source-XXXXXX", NULL);
	ck_assert_ptr_nonnull(top);
	ck_assert_int_eq(chmod(top, 0755), 0);
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top_fd, 0);
	ck_assert_int_eq(mkdirat(top_fd, "d", 0755), 0);
	ck_assert_int_eq(mkdirat(top_fd, "d/e", 0755), 0);
	ck_assert_int_eq(mkdirat(top_fd, "outside", 0755), 0);
	ck_assert_int_eq(mknodat(top_fd, "d/f", S_IFREG | 0640, 0), 0);
	ck_assert_int_eq(symlinkat("../outside", top_fd, "d/out"), 0);
	ck_assert_int_eq(symlinkat("f", top_fd, "d/to-f"), 0);
	ck_assert_int_eq(symlinkat("nowhere", top_fd, "d/broken"), 0);
	ck_assert_int_eq(mkfifoat(top_fd, "d/fifo", 0600), 0);
}

static void tear_down(void)
{
	g_autofree char *command =
		g_strdup_printf("chmod -R u+rwx '%s' && rm -rf '%s'", top, top);

	ck_assert_int_eq(system(command), 0);
	close(top_fd);
	g_free(top);
}

static DirSource *new_source(const char *path)
{
	g_autofree char *full = g_build_filename(top, path, NULL);
	DirSource *source = dir_source_new_at_path(full);

	ck_assert_ptr_nonnull(source);
	return source;
}

static DirHandle open_root(DirSource *source)
{
	DirHandle dir = DIR_HANDLE_NONE;
	DirStat stat;

	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), 0);
	ck_assert(S_ISDIR(stat.mode));
	ck_assert_int_ge(dir, 0);
	return dir;
}

/* -errno of open_root(). */
static int fail_root(const char *path)
{
	DirSource *source = new_source(path);
	DirHandle dir = -77;
	DirStat stat;
	int r = source->ops->open_root(source, &dir, &stat);

	ck_assert_int_lt(r, 0);
	ck_assert_int_eq(dir, -77);
	dir_source_free(source);
	return r;
}

static int try_open(DirSource *source, DirHandle parent, const char *name)
{
	DirHandle dir = -77;
	int r = source->ops->open(source, parent, name, &dir);

	if (r == 0)
		source->ops->close(source, dir);
	else
		ck_assert_int_eq(dir, -77);
	return r;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names, in the order of the alphabet, each with a blank. */
static char *list_all(DirSource *source, DirHandle dir, size_t size)
{
	g_autofree char *buffer = g_malloc(size);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	size_t filled;

	for (;;) {
		ck_assert_int_eq(source->ops->list(source, dir, buffer, size,
						   &filled),
				 0);
		if (filled == 0)
			break;
		for (size_t at = 0; at < filled;) {
			struct dirent64 *entry = (void *)(buffer + at);

			if (entry->d_name[0] != '.')
				g_ptr_array_add(names, g_strdup(entry->d_name));
			at += entry->d_reclen;
		}
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return g_strjoinv(" ", (char **)names->pdata);
}

START_TEST(test_directory_is_listed_in_pieces)
{
	DirSource *source = new_source("d");
	DirHandle dir = open_root(source);
	g_autofree char *names = list_all(source, dir, 100);

	ck_assert_str_eq(names, "broken e f fifo out to-f");
	source->ops->close(source, dir);
	/* And once more, after it was opened once more. */
	dir = open_root(source);
	g_free(names);
	names = list_all(source, dir, 32768);
	ck_assert_str_eq(names, "broken e f fifo out to-f");
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_attributes_are_those_of_the_name_itself)
{
	DirSource *source = new_source("d");
	DirHandle dir = open_root(source);
	DirStat found;
	struct stat real;

	static const char *const names[] = {"f", "e", "out", "broken", "fifo"};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		ck_assert_int_eq(
			source->ops->stat(source, dir, names[i], &found), 0);
		ck_assert_int_eq(
			fstatat(dir, names[i], &real, AT_SYMLINK_NOFOLLOW), 0);
		ck_assert_uint_eq(found.ino, real.st_ino);
		ck_assert_uint_eq(found.size, (uint64_t)real.st_size);
		ck_assert_uint_eq(found.mode, real.st_mode);
		ck_assert_uint_eq(found.nlink, real.st_nlink);
		ck_assert_uint_eq(found.uid, real.st_uid);
		ck_assert_uint_eq(found.gid, real.st_gid);
		ck_assert_uint_eq(found.dev, real.st_dev);
		ck_assert_int_eq(found.mtime_ns,
				 real.st_mtim.tv_sec * INT64_C(1000000000) +
					 real.st_mtim.tv_nsec);
		ck_assert_int_eq(found.ctime_ns,
				 real.st_ctim.tv_sec * INT64_C(1000000000) +
					 real.st_ctim.tv_nsec);
	}
	/* "" is the directory. */
	ck_assert_int_eq(source->ops->stat(source, dir, "", &found), 0);
	ck_assert_int_eq(fstat(dir, &real), 0);
	ck_assert_uint_eq(found.ino, real.st_ino);
	ck_assert_int_eq(source->ops->stat(source, dir, "none", &found),
			 -ENOENT);
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_only_directories_can_be_opened)
{
	DirSource *source = new_source("d");
	DirHandle dir = open_root(source);
	int r;

	ck_assert_int_eq(try_open(source, dir, "e"), 0);
	ck_assert_int_eq(try_open(source, dir, "f"), -ENOTDIR);
	ck_assert_int_eq(try_open(source, dir, "fifo"), -ENOTDIR);
	ck_assert_int_eq(try_open(source, dir, "none"), -ENOENT);
	/* Links are not followed, wherever they lead to. */
	r = try_open(source, dir, "out");
	ck_assert(r == -ELOOP || r == -ENOTDIR);
	r = try_open(source, dir, "to-f");
	ck_assert(r == -ELOOP || r == -ENOTDIR);
	ck_assert_int_eq(try_open(source, dir, "../outside"), -EXDEV);
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_links_to_directories_are_known)
{
	DirSource *source = new_source("d");
	DirHandle dir = open_root(source);

	ck_assert(source->ops->leads_to_dir(source, dir, "out"));
	ck_assert(!source->ops->leads_to_dir(source, dir, "to-f"));
	ck_assert(!source->ops->leads_to_dir(source, dir, "broken"));
	ck_assert(!source->ops->leads_to_dir(source, dir, "none"));
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_descriptors_are_not_inherited)
{
	DirSource *source = new_source("d");
	DirHandle dir = open_root(source), below;

	ck_assert_int_eq(source->ops->open(source, dir, "e", &below), 0);
	ck_assert(fcntl(dir, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(below, F_GETFD) & FD_CLOEXEC);
	source->ops->close(source, below);
	ck_assert_int_lt(fcntl(below, F_GETFD), 0);
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_root_may_be_a_file)
{
	DirSource *source = new_source("d/f");
	DirHandle dir = -77;
	DirStat stat;

	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), 0);
	ck_assert_int_eq(dir, DIR_HANDLE_NONE);
	ck_assert(S_ISREG(stat.mode));
	dir_source_free(source);
	/* Which nobody opens: a fifo would wait for its writer. */
	source = new_source("d/fifo");
	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), 0);
	ck_assert(S_ISFIFO(stat.mode));
	dir_source_free(source);
}
END_TEST

START_TEST(test_root_is_found_through_links)
{
	DirSource *source = new_source("d/out");
	DirHandle dir = open_root(source);
	struct stat found, real;

	fstat(dir, &found);
	fstatat(top_fd, "outside", &real, 0);
	ck_assert_uint_eq(found.st_ino, real.st_ino);
	source->ops->close(source, dir);
	/* And looked up anew each time. */
	ck_assert_int_eq(unlinkat(top_fd, "d/out", 0), 0);
	ck_assert_int_eq(symlinkat("e", top_fd, "d/out"), 0);
	dir = open_root(source);
	fstat(dir, &found);
	fstatat(top_fd, "d/e", &real, 0);
	ck_assert_uint_eq(found.st_ino, real.st_ino);
	source->ops->close(source, dir);
	dir_source_free(source);
}
END_TEST

START_TEST(test_root_that_is_not_there)
{
	ck_assert_int_eq(fail_root("none"), -ENOENT);
	ck_assert_int_eq(fail_root("none/below"), -ENOENT);
	ck_assert_int_eq(fail_root("d/broken"), -ENOENT);
	ck_assert_int_eq(fail_root("d/f/below"), -ENOTDIR);
}
END_TEST

START_TEST(test_root_by_descriptor_is_found_under_any_name)
{
	DirSource *source = dir_source_new_at_fd(
		openat(top_fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC));
	g_autofree char *names = NULL;
	DirHandle dir;
	DirStat stat;

	ck_assert_int_eq(renameat(top_fd, "d", top_fd, "moved"), 0);
	for (int i = 0; i < 2; i++) {
		dir = open_root(source);
		g_free(names);
		names = list_all(source, dir, 4096);
		ck_assert_str_eq(names, "broken e f fifo out to-f");
		source->ops->close(source, dir);
	}
	dir_source_free(source);

	source = dir_source_new_at_fd(
		openat(top_fd, "outside", O_PATH | O_DIRECTORY | O_CLOEXEC));
	ck_assert_int_eq(unlinkat(top_fd, "outside", AT_REMOVEDIR), 0);
	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), -ENOENT);
	dir_source_free(source);
}
END_TEST

static struct timespec get_atime(const char *path)
{
	struct stat found;

	ck_assert_int_eq(fstatat(top_fd, path, &found, 0), 0);
	return found.st_atim;
}

static void set_old_atime(const char *path)
{
	const struct timespec times[2] = {{.tv_sec = 1000},
					  {.tv_nsec = UTIME_OMIT}};

	ck_assert_int_eq(utimensat(top_fd, path, times, 0), 0);
}

START_TEST(test_reading_leaves_no_trace)
{
	DirSource *source = new_source("d");
	DirHandle dir, below;

	set_old_atime("d");
	set_old_atime("d/e");
	dir = open_root(source);
	g_free(list_all(source, dir, 4096));
	ck_assert_int_eq(source->ops->open(source, dir, "e", &below), 0);
	g_free(list_all(source, below, 4096));
	source->ops->close(source, below);
	source->ops->close(source, dir);
	ck_assert_int_eq(get_atime("d").tv_sec, 1000);
	ck_assert_int_eq(get_atime("d/e").tv_sec, 1000);
	dir_source_free(source);
}
END_TEST

/* ---- what needs root ---- */

/* As a user who owns nothing; false when this can not be had. */
static bool be_somebody_else(void)
{
	return geteuid() == 0 && setegid(65534) == 0 && seteuid(65534) == 0;
}

static void be_root(void)
{
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(setegid(0), 0);
}

START_TEST(test_files_of_somebody_else_can_be_read)
{
	DirSource *source = new_source("d");
	g_autofree char *names = NULL;
	DirHandle dir;

	if (!be_somebody_else()) {
		dir_source_free(source);
		return;
	}
	dir = open_root(source);
	names = list_all(source, dir, 4096);
	ck_assert_str_eq(names, "broken e f fifo out to-f");
	ck_assert_int_eq(try_open(source, dir, "e"), 0);
	ck_assert_int_lt(try_open(source, dir, "out"), 0);
	ck_assert_int_eq(try_open(source, dir, "../outside"), -EXDEV);
	source->ops->close(source, dir);
	be_root();
	dir_source_free(source);
}
END_TEST

START_TEST(test_what_may_not_be_read_says_so)
{
	DirSource *source = new_source("d");
	DirHandle dir;
	DirStat stat;

	ck_assert_int_eq(fchmodat(top_fd, "d/e", 0, 0), 0);
	if (!be_somebody_else()) {
		dir_source_free(source);
		return;
	}
	dir = open_root(source);
	ck_assert_int_eq(try_open(source, dir, "e"), -EACCES);
	source->ops->close(source, dir);
	be_root();
	ck_assert_int_eq(fchmodat(top_fd, "d", 0700, 0), 0);
	ck_assert(be_somebody_else());
	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), -EACCES);
	be_root();
	dir_source_free(source);
	/* Nor the way to it. */
	source = new_source("d/f");
	ck_assert(be_somebody_else());
	ck_assert_int_eq(source->ops->open_root(source, &dir, &stat), -EACCES);
	be_root();
	dir_source_free(source);
}
END_TEST

/* In a child with mounts of its own: what exits with 0 is well, with 77 can not
   be tried here. */
static int try_mounts(void)
{
	g_autofree char *on = g_build_filename(top, "d/e", NULL);
	g_autofree char *outside = g_build_filename(top, "outside", NULL);
	DirSource *source = new_source("d");
	DirHandle dir;
	int r;

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", on, "tmpfs", 0, NULL) != 0)
		return 77;
	dir = open_root(source);
	r = try_open(source, dir, "e");
	if (r != -EXDEV)
		return 1;
	if (umount(on) != 0 || mount(outside, on, NULL, MS_BIND, NULL) != 0)
		return 77;
	/* Of the same file system, and yet another place. */
	if (try_open(source, dir, "e") != -EXDEV)
		return 2;
	if (umount(on) != 0 || try_open(source, dir, "e") != 0)
		return 3;
	source->ops->close(source, dir);
	dir_source_free(source);
	return 0;
}

START_TEST(test_what_is_mounted_inside_is_not_entered)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(try_mounts());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dir-source");
	TCase *disk = tcase_create("disk");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(disk, set_up, tear_down);
	tcase_add_test(disk, test_directory_is_listed_in_pieces);
	tcase_add_test(disk, test_attributes_are_those_of_the_name_itself);
	tcase_add_test(disk, test_only_directories_can_be_opened);
	tcase_add_test(disk, test_links_to_directories_are_known);
	tcase_add_test(disk, test_descriptors_are_not_inherited);
	tcase_add_test(disk, test_root_may_be_a_file);
	tcase_add_test(disk, test_root_is_found_through_links);
	tcase_add_test(disk, test_root_that_is_not_there);
	tcase_add_test(disk, test_root_by_descriptor_is_found_under_any_name);
	tcase_add_test(disk, test_reading_leaves_no_trace);
	tcase_add_test(disk, test_files_of_somebody_else_can_be_read);
	tcase_add_test(disk, test_what_may_not_be_read_says_so);
	tcase_add_test(disk, test_what_is_mounted_inside_is_not_entered);
	suite_add_tcase(suite, disk);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
