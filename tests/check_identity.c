/* SPDX-License-Identifier: MIT */
/* On whose behalf things are made: by root's daemon, by the caller. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fake/fake-kernel.h"

#define ROOT FUSE_ROOT_ID
#define USER 12345
#define GROUP 23456
#define TEAM 34567

static FakeKernel *kernel;
static int below; /* the directory, past the mount */

/* False for who is not root, who has nothing to test. */
static bool set_up(void)
{
	if (geteuid() != 0)
		return false;
	kernel = fake_kernel_new(NULL);
	below = fake_kernel_get_dir_fd(kernel);
	ck_assert_int_eq(fchmod(below, 0777), 0);
	return true;
}

static void tear_down(void)
{
	fake_forget_all(kernel);
	fake_kernel_free(kernel);
}

static struct stat stat_below(const char *path)
{
	struct stat attributes;

	ck_assert_int_eq(fstatat(below, path, &attributes, AT_SYMLINK_NOFOLLOW),
			 0);
	return attributes;
}

#define assert_owned(path, user, group)                                        \
	do {                                                                   \
		struct stat owned_ = stat_below(path);                         \
		ck_assert_uint_eq(owned_.st_uid, user);                        \
		ck_assert_uint_eq(owned_.st_gid, group);                       \
	} while (0)

START_TEST(test_what_is_made_belongs_to_who_asked)
{
	uint64_t file;

	if (!set_up())
		return;
	fake_kernel_set_user(kernel, USER, GROUP);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	ck_assert_int_eq(fake_create(kernel, ROOT, "c", 0644, O_RDWR, &file),
			 0);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, NULL),
			 0);
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "s", "f", NULL), 0);
	assert_owned("d", USER, GROUP);
	assert_owned("c", USER, GROUP);
	assert_owned("f", USER, GROUP);
	assert_owned("s", USER, GROUP);
	/* And the thread is itself again. */
	fake_kernel_set_user(kernel, 0, 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "r", NULL), 0);
	assert_owned("r", 0, 0);
	tear_down();
}
END_TEST

START_TEST(test_thread_is_itself_again_after_a_failure)
{
	if (!set_up())
		return;
	fake_kernel_set_user(kernel, USER, GROUP);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), -EEXIST);
	ck_assert_int_eq(fake_create(kernel, ROOT, "d", 0644, O_RDWR | O_EXCL,
				     NULL),
			 -EEXIST);
	fake_kernel_set_user(kernel, 0, 0);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0600, NULL),
			 0);
	assert_owned("f", 0, 0);
	/* Root may read what nobody else may. */
	ck_assert_int_eq(fchmodat(below, "f", 0, 0), 0);
	ck_assert_int_eq(fake_write(kernel, fake_find(kernel, "f"), 0, "x", 0,
				    O_WRONLY),
			 0);
	tear_down();
}
END_TEST

/* Who may not make anything here is stopped by the system below as well. */
START_TEST(test_rights_below_are_those_of_who_asks)
{
	if (!set_up())
		return;
	ck_assert_int_eq(fchmod(below, 0755), 0);
	fake_kernel_set_user(kernel, USER, GROUP);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), -EACCES);
	ck_assert_int_eq(fake_create(kernel, ROOT, "c", 0644, O_RDWR, NULL),
			 -EACCES);
	fake_kernel_set_user(kernel, 0, 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	tear_down();
}
END_TEST

/* The directory's group is inherited, and set-group-ID stays with a directory
   as it does for a caller who is of that group or not. */
START_TEST(test_group_of_the_directory_is_inherited)
{
	if (!set_up())
		return;
	ck_assert_int_eq(fchown(below, 0, TEAM), 0);
	ck_assert_int_eq(fchmod(below, 02777), 0);
	fake_kernel_set_user(kernel, USER, GROUP);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 02755, NULL),
			 0);
	assert_owned("d", USER, TEAM);
	assert_owned("f", USER, TEAM);
	ck_assert_uint_eq(stat_below("d").st_mode, S_IFDIR | 02755);
	/* He is not of the team: his program must not run as it. */
	ck_assert_uint_eq(stat_below("f").st_mode & S_ISGID, 0);
	tear_down();
}
END_TEST

/* A process of its own, which is of a group more; it waits to be killed. */
static pid_t start_member(void)
{
	const gid_t groups[] = {TEAM};
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(1, groups) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int mkdir_as(pid_t pid, const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0755, .umask = 022};
	struct iovec parts[] = {
		{&in, sizeof(in)},
		{(void *)name, strlen(name) + 1},
	};
	FakeReply reply;

	fake_kernel_set_process(kernel, pid);
	fake_wait(kernel, fake_send(kernel, FUSE_MKDIR, ROOT, parts, 2),
		  &reply);
	if (reply.error == 0) {
		struct fuse_entry_out entry;

		memcpy(&entry, reply.data, sizeof(entry));
		fake_count_lookup(kernel, entry.nodeid);
	}
	g_free(reply.data);
	fake_kernel_set_process(kernel, getpid());
	return reply.error;
}

START_TEST(test_groups_of_who_asks_count)
{
	pid_t member;

	if (!set_up())
		return;
	ck_assert_int_eq(fchown(below, 0, TEAM), 0);
	ck_assert_int_eq(fchmod(below, 0775), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	member = start_member();
	fake_kernel_set_user(kernel, USER, GROUP);
	ck_assert_int_eq(mkdir_as(getpid(), "d"), -EACCES);
	ck_assert_int_eq(mkdir_as(member, "d"), 0);
	assert_owned("d", USER, GROUP);
	/* His groups do not stay with the thread. */
	ck_assert_int_eq(mkdir_as(getpid(), "e"), -EACCES);
	kill(member, SIGKILL);
	ck_assert_int_eq(waitpid(member, NULL, 0), member);
	fake_kernel_set_user(kernel, 0, 0);
	tear_down();
}
END_TEST

START_TEST(test_caller_who_can_not_be_told_is_refused)
{
	if (!set_up())
		return;
	fake_kernel_set_user(kernel, USER, GROUP);
	/* Of another pid name space. */
	ck_assert_int_eq(mkdir_as(0, "d"), -EACCES);
	/* Gone; his groups are not known. */
	ck_assert_int_eq(mkdir_as(INT32_MAX, "d"), -EACCES);
	ck_assert_int_eq(faccessat(below, "d", F_OK, 0), -1);
	/* Root is who he is. */
	fake_kernel_set_user(kernel, 0, 0);
	ck_assert_int_eq(mkdir_as(0, "d"), 0);
	assert_owned("d", 0, 0);
	tear_down();
}
END_TEST

/* Each thread has a umask and an identity of its own. */
enum { THREADS = 4, ROUNDS = 150 };

static void *maker_main(void *data)
{
	const unsigned self = (unsigned)(uintptr_t)data;
	char name[32];

	for (int i = 0; i < ROUNDS; i++) {
		struct fuse_mkdir_in in = {
			.mode = 0777,
			.umask = self % 2 ? 077 : 022,
		};
		struct iovec parts[] = {{&in, sizeof(in)}, {name, 0}};
		FakeReply reply;

		snprintf(name, sizeof(name), "d%u.%d", self, i);
		parts[1].iov_len = strlen(name) + 1;
		fake_wait(kernel,
			  fake_send_as(kernel, USER + self, GROUP + self,
				       FUSE_MKDIR, ROOT, parts, 2),
			  &reply);
		ck_assert_int_eq(reply.error, 0);
		fake_count_lookup(
			kernel, ((struct fuse_entry_out *)reply.data)->nodeid);
		g_free(reply.data);
		assert_owned(name, USER + self, GROUP + self);
		ck_assert_uint_eq(stat_below(name).st_mode & 0777,
				  self % 2 ? 0700 : 0755);
	}
	return NULL;
}

/* So that many threads are at work. */
static void *slow_main(void *data)
{
	uint64_t file = *(uint64_t *)data;

	for (int i = 0; i < 40; i++)
		fake_write(kernel, file, 0, "x", 0, O_WRONLY);
	return NULL;
}

START_TEST(test_threads_do_not_mix_identities)
{
	pthread_t threads[THREADS], slow[2];
	uint64_t file;

	if (!set_up())
		return;
	fake_kernel_get_fs(kernel)->write_delay_us = 22000;
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &file),
			 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&slow[i], NULL, slow_main, &file);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, maker_main, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(slow[i], NULL);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("identity");
	TCase *callers = tcase_create("callers");
	SRunner *runner;
	int failed;

	tcase_add_test(callers, test_what_is_made_belongs_to_who_asked);
	tcase_add_test(callers, test_thread_is_itself_again_after_a_failure);
	tcase_add_test(callers, test_rights_below_are_those_of_who_asks);
	tcase_add_test(callers, test_group_of_the_directory_is_inherited);
	tcase_add_test(callers, test_groups_of_who_asks_count);
	tcase_add_test(callers, test_caller_who_can_not_be_told_is_refused);
	tcase_add_test(callers, test_threads_do_not_mix_identities);
	tcase_set_timeout(callers, 120);
	suite_add_tcase(suite, callers);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
