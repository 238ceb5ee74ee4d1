/* SPDX-License-Identifier: MIT */
/*
 * Look-ups: what the kernel gets it must give back, and names that change
 * elsewhere meanwhile are not lost.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/ops.h"
#include "tests/fake/fake-kernel.h"

#define ROOT FUSE_ROOT_ID

static FakeKernel *kernel;
static Fs *fs;
static int below; /* the directory, past the mount */

static void set_up(void)
{
	kernel = fake_kernel_new(NULL);
	fs = fake_kernel_get_fs(kernel);
	below = fake_kernel_get_dir_fd(kernel);
}

static void tear_down(void)
{
	fake_forget_all(kernel);
	fake_kernel_free(kernel);
}

static size_t count_nodes(void)
{
	struct sincefs_stats stats;

	fs_get_stats(fs, &stats);
	return stats.inodes;
}

static void make_below(const char *path)
{
	ck_assert_int_eq(mknodat(below, path, S_IFREG | 0644, 0), 0);
}

static uint64_t lookups_of(uint64_t id)
{
	uint64_t lookups = 0;
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL)
		lookups = node->lookups;
	inode_table_unlock(fs->table);
	return lookups;
}

/* -- What is given is given back
 * ------------------------------------------------- */

START_TEST(test_each_answer_with_an_entry_is_one_look_up)
{
	g_autofree char *names = NULL;
	uint64_t file, dir;

	set_up();
	ck_assert_int_eq(fake_create(kernel, ROOT, "f", 0644, O_RDWR, &file),
			 0);
	ck_assert_uint_eq(lookups_of(file), 1);
	fake_find(kernel, "f");
	fake_find(kernel, "f");
	ck_assert_uint_eq(lookups_of(file), 3);
	ck_assert_int_eq(fake_link(kernel, file, ROOT, "g"), 0);
	ck_assert_uint_eq(lookups_of(file), 4);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", &dir), 0);
	ck_assert_uint_eq(lookups_of(dir), 1);
	/* Both names of the file, and the directory. */
	ck_assert_int_eq(fake_list(kernel, ROOT, true, &names), 0);
	ck_assert_uint_eq(lookups_of(file), 6);
	ck_assert_uint_eq(lookups_of(dir), 2);
	ck_assert_uint_eq(lookups_of(ROOT), 1);
	ck_assert_int_eq(fake_release(kernel, file), 0);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "g"), 0);
	tear_down();
}
END_TEST

/* An answer that nobody waits for any more: the kernel counts nothing. */
static void interrupted(uint32_t opcode, const void *in, size_t size,
			const char *name)
{
	struct iovec parts[] = {
		{(void *)in, size},
		{(void *)name, strlen(name) + 1},
	};

	fake_interrupt_next(kernel);
	fake_send(kernel, opcode, ROOT, parts, 2);
	fake_wait_refused(kernel);
	/* It has been dealt with when the next one is. */
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "none", NULL), -ENOENT);
}

START_TEST(test_look_up_that_could_not_be_answered_is_taken_back)
{
	struct fuse_create_in create = {.flags = O_RDWR, .mode = 0644};
	struct fuse_mkdir_in mkdir = {.mode = 0755};
	struct fuse_mknod_in mknod = {.mode = S_IFREG | 0644};
	struct sincefs_token token;
	g_autofree char *text = NULL;

	set_up();
	make_below("f");
	token = fake_token(kernel);
	interrupted(FUSE_LOOKUP, NULL, 0, "f");
	ck_assert_uint_eq(count_nodes(), 1);
	interrupted(FUSE_LOOKUP, NULL, 0, "none");
	interrupted(FUSE_LOOKUP, NULL, 0, SINCEFS_CONTROL_NAME);
	ck_assert_uint_eq(count_nodes(), 1);
	interrupted(FUSE_CREATE, &create, sizeof(create), "c");
	interrupted(FUSE_MKDIR, &mkdir, sizeof(mkdir), "d");
	interrupted(FUSE_MKNOD, &mknod, sizeof(mknod), "n");
	ck_assert_uint_eq(count_nodes(), 1);
	/* It has happened all the same. */
	text = fake_since(kernel, &token);
	ck_assert_str_eq(text, "CN:c CND:d CN:n ");
	tear_down();
}
END_TEST

START_TEST(test_listing_that_could_not_be_answered_is_taken_back)
{
	struct fuse_read_in in = {.size = 8192};
	struct iovec part = {&in, sizeof(in)};
	char name[16];

	set_up();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_below(name);
	}
	fake_interrupt_next(kernel);
	fake_send(kernel, FUSE_READDIRPLUS, ROOT, &part, 1);
	fake_wait_refused(kernel);
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "none", NULL), -ENOENT);
	ck_assert_uint_eq(count_nodes(), 1);
	tear_down();
}
END_TEST

START_TEST(test_forgetting_frees_whatever_the_order)
{
	uint64_t dirs[10], files[10], dir = ROOT;

	set_up();
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(fake_mkdir(kernel, dir, "d", &dir), 0);
		dirs[i] = dir;
		ck_assert_int_eq(fake_mknod(kernel, dir, "f", S_IFREG | 0644,
					    &files[i]),
				 0);
	}
	ck_assert_uint_eq(count_nodes(), 21);
	for (int i = 0; i < 10; i++)
		fake_forget(kernel, dirs[i], 1);
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "none", NULL), -ENOENT);
	ck_assert_uint_eq(count_nodes(), 21);
	/* The way is still known. */
	ck_assert_int_eq(fake_write(kernel, files[9], 0, "x", 0, O_WRONLY), 0);
	for (int i = 9; i >= 0; i--)
		fake_forget(kernel, files[i], 1);
	tear_down();
}
END_TEST

START_TEST(test_forgetting_what_is_not_known_does_nothing)
{
	struct fuse_forget_in in = {.nlookup = 5};
	struct iovec part = {&in, sizeof(in)};
	uint64_t file;

	set_up();
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &file),
			 0);
	fake_send(kernel, FUSE_FORGET, 0, &part, 1);
	fake_send(kernel, FUSE_FORGET, UINT64_MAX, &part, 1);
	fake_send(kernel, FUSE_FORGET, ROOT, &part, 1);
	fake_send(kernel, FUSE_FORGET, file + (UINT64_C(1) << 32), &part, 1);
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "none", NULL), -ENOENT);
	ck_assert_uint_eq(count_nodes(), 2);
	ck_assert_uint_eq(lookups_of(ROOT), 1);
	tear_down();
}
END_TEST

/* A directory that is its own ancestor, as a bind mount below may show it, is
   listed, though it can not be looked up. */
START_TEST(test_entry_that_can_not_be_entered_is_listed_without_a_node)
{
	struct fuse_entry_param entry;
	Descriptor *root;

	set_up();
	ck_assert_int_eq(locate_open(fs, ROOT, DESCRIPTOR_PATH, &root), 0);
	memset(&entry, 0x55, sizeof(entry));
	ck_assert_int_eq(lookup_entry(fs, ROOT, root, ".", &entry), -ELOOP);
	/* Nothing was said, and nothing is to be given back. */
	ck_assert_uint_eq(entry.ino, 0x5555555555555555);
	ck_assert_uint_eq(entry.attr.st_ino, 0x5555555555555555);
	ck_assert_uint_eq(lookups_of(ROOT), 1);
	locate_release(fs, root);
	tear_down();
}
END_TEST

/* -- Names that change elsewhere meanwhile
 * --------------------------------------- */

enum { ROUNDS = 4000 };

static _Atomic bool done;

/* Looks "a" up in the root, beside the mount's own threads. */
static void *looker_main(void *data)
{
	struct fuse_entry_param entry;
	Descriptor *root;

	(void)data;
	ck_assert_int_eq(locate_open(fs, ROOT, DESCRIPTOR_PATH, &root), 0);
	while (!done) {
		ck_assert_int_eq(lookup_entry(fs, ROOT, root, "a", &entry), 0);
		undo_lookup(fs, &entry);
	}
	locate_release(fs, root);
	return NULL;
}

static void *statter_main(void *data)
{
	struct fuse_attr attributes;

	while (!done)
		ck_assert_int_eq(fake_getattr(kernel, *(uint64_t *)data,
					      &attributes),
				 0);
	return NULL;
}

static void check_names(uint64_t id, unsigned expected, int round)
{
	unsigned names, nlink;
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	names = node_count_names_locked(node);
	nlink = node->nlink;
	inode_table_unlock(fs->table);
	ck_assert_msg(names == expected && nlink == expected,
		      "round %d: %u names, nlink %u, instead of %u", round,
		      names, nlink, expected);
}

START_TEST(test_name_that_is_linked_beside_a_look_up_is_not_lost)
{
	pthread_t lookers[3];
	uint64_t file, dir;

	set_up();
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "a", S_IFREG | 0644, &file),
			 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", &dir), 0);
	pthread_create(&lookers[0], NULL, looker_main, NULL);
	pthread_create(&lookers[1], NULL, looker_main, NULL);
	pthread_create(&lookers[2], NULL, statter_main, &file);
	for (int i = 0; i < ROUNDS; i++) {
		ck_assert_int_eq(fake_link(kernel, file, dir, "b"), 0);
		check_names(file, 2, i);
		ck_assert_int_eq(fake_unlink(kernel, dir, "b"), 0);
		check_names(file, 1, i);
	}
	done = true;
	for (int i = 0; i < 3; i++)
		pthread_join(lookers[i], NULL);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lookup");
	TCase *given = tcase_create("what is given is given back");
	TCase *names = tcase_create("names that change elsewhere");
	SRunner *runner;
	int failed;

	tcase_add_test(given, test_each_answer_with_an_entry_is_one_look_up);
	tcase_add_test(given,
		       test_look_up_that_could_not_be_answered_is_taken_back);
	tcase_add_test(given,
		       test_listing_that_could_not_be_answered_is_taken_back);
	tcase_add_test(given, test_forgetting_frees_whatever_the_order);
	tcase_add_test(given, test_forgetting_what_is_not_known_does_nothing);
	tcase_add_test(
		given,
		test_entry_that_can_not_be_entered_is_listed_without_a_node);
	suite_add_tcase(suite, given);
	tcase_add_test(names,
		       test_name_that_is_linked_beside_a_look_up_is_not_lost);
	tcase_set_timeout(names, 240);
	suite_add_tcase(suite, names);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
