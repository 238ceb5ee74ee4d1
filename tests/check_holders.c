/* SPDX-License-Identifier: MIT */
/*
 * mount/holders.c, with real processes that hold a real directory. No mount is
 * needed: the table is made up so that the directory is the place of a mount,
 * which is the one it really lies in (the processes hold it through the mount)
 * or none that there is (they hold what is below).
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "mount/fd.h"
#include "mount/holders.h"

#define NO_MOUNT 2000000000

static char *scratch;
static pid_t child;

static void make_scratch(void)
{
	g_autofree char *made = g_dir_make_tmp("check holders-XXXXXX", NULL);
	g_autofree char *sub = NULL;

	ck_assert_ptr_nonnull(made);
	scratch = realpath(made, NULL);
	sub = g_build_filename(scratch, "sub", NULL);
	ck_assert_int_eq(mkdir(sub, 0755), 0);
}

static void remove_scratch(void)
{
	const char *argv[] = {"rm", "-rf", scratch, NULL};

	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
			       NULL, NULL, NULL, NULL, NULL, NULL));
	g_free(scratch);
}

/* Holds something, says so, and lives until it is killed. */
static void start_child(void (*hold)(void))
{
	int fds[2];
	char byte;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		hold();
		if (write(fds[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
}

/* What @which finds of the child at @place (NULL: where the mount is): caller
   frees, NULL for nothing. */
static char *find_child_at(const char *place, bool is_real_mount,
			   HoldersWhich which, pid_t not_pid)
{
	auto_fd fd = open(scratch, O_PATH | O_CLOEXEC);
	g_autoptr(MountTable) real = mount_table_read(NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(MountTable) table = NULL;
	g_autoptr(GPtrArray) holders = NULL;
	const MountEntry *in;
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	in = mount_table_find_id(real, mountpoint_get_id(fd));
	ck_assert_ptr_nonnull(in);
	g_string_printf(text, "%d 1 %u:%u / %s rw - fuse.sincefs x rw\n",
			is_real_mount ? in->id : NO_MOUNT,
			is_real_mount ? major(st.st_dev) : 0,
			is_real_mount ? minor(st.st_dev) : 99999, "SCRATCH");
	/* The one blank in its name. */
	g_string_replace(text, "SCRATCH", scratch, 1);
	g_string_replace(text, "check holders", "check\\040holders", 1);
	table = mount_table_parse(text->str);
	ck_assert_uint_eq(mount_table_get_count(table), 1);

	holders = holders_find(table, mount_table_get(table, 0), place, which,
			       not_pid);
	for (guint i = 0; i < holders->len; i++) {
		const Holder *holder = g_ptr_array_index(holders, i);

		if (holder->pid == child)
			return holder_dup_text(holder);
		ck_assert_int_ne(holder->pid, getpid());
	}
	return NULL;
}

static char *find_child(bool is_real_mount, HoldersWhich which, pid_t not_pid)
{
	return find_child_at(NULL, is_real_mount, which, not_pid);
}

static void ck_found(const char *wanted)
{
	g_autofree char *through = find_child(true, HOLDERS_OF_MOUNT, 0);
	g_autofree char *beside = find_child(false, HOLDERS_BESIDE_MOUNT, 0);
	g_autofree char *other = find_child(false, HOLDERS_OF_MOUNT, 0);
	g_autofree char *another = find_child(true, HOLDERS_BESIDE_MOUNT, 0);
	g_autofree char *left_out = find_child(true, HOLDERS_OF_MOUNT, child);

	ck_assert_pstr_eq(through, wanted);
	ck_assert_pstr_eq(beside, wanted);
	ck_assert_pstr_eq(other, NULL);
	ck_assert_pstr_eq(another, NULL);
	ck_assert_pstr_eq(left_out, NULL);
}

static void hold_nothing(void)
{
}

static void hold_cwd(void)
{
	g_autofree char *path = g_build_filename(scratch, "sub", NULL);

	if (chdir(path) < 0)
		_exit(1);
}

static void hold_top(void)
{
	if (chdir(scratch) < 0)
		_exit(1);
}

static int make_file(void)
{
	g_autofree char *path = g_build_filename(scratch, "a\nfile", NULL);
	int fd = open(path, O_RDWR | O_CREAT, 0644);

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		_exit(1);
	return fd;
}

static void hold_file(void)
{
	make_file();
}

static void hold_mapping(void)
{
	int fd = make_file();

	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		_exit(1);
	close(fd);
}

START_TEST(test_process_elsewhere_is_not_found)
{
	start_child(hold_nothing);
	ck_found(NULL);
}
END_TEST

START_TEST(test_working_directory_is_found)
{
	start_child(hold_cwd);
	ck_found("working directory 'sub'");
}
END_TEST

START_TEST(test_another_place_can_be_looked_at)
{
	g_autofree char *sub = g_build_filename(scratch, "sub", NULL);
	g_autofree char *other = g_build_filename(scratch, "other", NULL);
	g_autofree char *inside = NULL;
	g_autofree char *elsewhere = NULL;

	start_child(hold_cwd);
	inside = find_child_at(sub, false, HOLDERS_BESIDE_MOUNT, 0);
	elsewhere = find_child_at(other, false, HOLDERS_BESIDE_MOUNT, 0);
	ck_assert_pstr_eq(inside, "working directory '.'");
	ck_assert_pstr_eq(elsewhere, NULL);
}
END_TEST

START_TEST(test_directory_itself_is_found)
{
	start_child(hold_top);
	ck_found("working directory '.'");
}
END_TEST

START_TEST(test_open_file_is_found)
{
	start_child(hold_file);
	ck_found("open file \"a\\nfile\"");
}
END_TEST

START_TEST(test_mapped_file_is_found)
{
	start_child(hold_mapping);
	ck_found("mapped file \"a\\nfile\"");
}
END_TEST

START_TEST(test_summary_is_one_short_line)
{
	g_autoptr(GPtrArray) holders = g_ptr_array_new();
	g_autofree char *none = holders_dup_summary(holders);
	Holder holder = {.pid = 12, .name = (char *)"sh"};

	ck_assert_str_eq(none, "");
	for (int i = 0; i < 7; i++)
		g_ptr_array_add(holders, &holder);

	g_autofree char *many = holders_dup_summary(holders);

	ck_assert_str_eq(many, "sh pid 12, sh pid 12, sh pid 12, sh pid 12, "
			       "sh pid 12 and 2 more");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("holders");
	TCase *finding = tcase_create("finding");
	TCase *telling = tcase_create("telling");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(finding, make_scratch, remove_scratch);
	tcase_add_test(finding, test_process_elsewhere_is_not_found);
	tcase_add_test(finding, test_working_directory_is_found);
	tcase_add_test(finding, test_another_place_can_be_looked_at);
	tcase_add_test(finding, test_directory_itself_is_found);
	tcase_add_test(finding, test_open_file_is_found);
	tcase_add_test(finding, test_mapped_file_is_found);
	suite_add_tcase(suite, finding);
	tcase_add_test(telling, test_summary_is_one_short_line);
	suite_add_tcase(suite, telling);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
