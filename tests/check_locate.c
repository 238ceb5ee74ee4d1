/* SPDX-License-Identifier: MIT */
/*
 * From nodes to descriptors, in a real directory: with names that change, by
 * the mount and past it, and with few descriptors or none kept.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/locate.h"
#include "tests/fake/fake-kernel.h"

static FakeKernel *kernel;
static Fs *fs;
static int below; /* the directory, past the mount */

static void set_up(size_t max_descriptors, bool keep_nothing)
{
	kernel = fake_kernel_new(&(FakeKernelOptions){
		.max_descriptors = max_descriptors,
		.keep_no_descriptors = keep_nothing,
	});
	fs = fake_kernel_get_fs(kernel);
	below = fake_kernel_get_dir_fd(kernel);
}

/* What was opened is closed when it is forgotten, but for the root. */
static void tear_down(void)
{
	struct sincefs_stats stats;

	fake_forget_all(kernel);
	fs_get_stats(fs, &stats);
	ck_assert_uint_eq(stats.descriptors, 1);
	fake_kernel_free(kernel);
}

static size_t count_open(void)
{
	struct sincefs_stats stats;

	fs_get_stats(fs, &stats);
	return stats.descriptors;
}

static void write_below(const char *path, const char *text)
{
	int fd = openat(below, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* The file's bytes by its node; "ESTALE" and so on when it can not be had. */
static char *read_node(uint64_t node)
{
	Descriptor *file;
	char text[64];
	errint r = locate_open(fs, node, DESCRIPTOR_READ, &file);
	ssize_t n;

	if (r < 0)
		return g_strdup(r == -ESTALE   ? "ESTALE"
				: r == -EINVAL ? "EINVAL"
					       : g_strerror(-r));
	n = pread(file->fd, text, sizeof(text), 0);
	locate_release(fs, file);
	ck_assert_int_ge(n, 0);
	return g_strndup(text, (size_t)n);
}

#define assert_reads(node, text)                                               \
	do {                                                                   \
		g_autofree char *read_text_ = read_node(node);                 \
		ck_assert_str_eq(read_text_, text);                            \
	} while (0)

static uint64_t inode_of(uint64_t node)
{
	struct statx attributes;

	ck_assert_int_eq(locate_stat(fs, node, &attributes), 0);
	return attributes.stx_ino;
}

/* -- What is opened -----------------------------------------------------------
 */

START_TEST(test_descriptor_can_do_what_was_asked)
{
	uint64_t file;
	Descriptor *descriptor;

	set_up(0, _i == 1);
	write_below("a", "bytes");
	file = fake_find(kernel, "a");
	ck_assert_int_eq(locate_open(fs, file, DESCRIPTOR_PATH, &descriptor),
			 0);
	ck_assert_int_eq(fcntl(descriptor->fd, F_GETFL) & O_PATH, O_PATH);
	ck_assert(fcntl(descriptor->fd, F_GETFD) & FD_CLOEXEC);
	locate_release(fs, descriptor);
	ck_assert_int_eq(locate_open(fs, file, DESCRIPTOR_READ, &descriptor),
			 0);
	ck_assert(fcntl(descriptor->fd, F_GETFD) & FD_CLOEXEC);
	locate_release(fs, descriptor);
	assert_reads(file, "bytes");
	ck_assert_int_eq(locate_open(fs, file, DESCRIPTOR_WRITE, &descriptor),
			 0);
	ck_assert_int_eq(pwrite(descriptor->fd, "B", 1, 0), 1);
	locate_release(fs, descriptor);
	assert_reads(file, "Bytes");
	tear_down();
}
END_TEST

START_TEST(test_only_regular_files_are_opened_for_their_bytes)
{
	static const char *const names[] = {"d", "s", "p"};
	Descriptor *descriptor;

	set_up(0, false);
	ck_assert_int_eq(mkdirat(below, "d", 0755), 0);
	ck_assert_int_eq(symlinkat("d", below, "s"), 0);
	ck_assert_int_eq(mkfifoat(below, "p", 0644), 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		uint64_t node = fake_find(kernel, names[i]);

		ck_assert_int_eq(
			locate_open(fs, node, DESCRIPTOR_PATH, &descriptor), 0);
		locate_release(fs, descriptor);
		assert_reads(node, "EINVAL");
		ck_assert_int_eq(locate_open(fs, node, DESCRIPTOR_WRITE,
					     &descriptor),
				 -EINVAL);
	}
	tear_down();
}
END_TEST

START_TEST(test_node_that_is_not_known_is_stale)
{
	Descriptor *descriptor;
	uint64_t node;

	set_up(0, false);
	write_below("a", "bytes");
	node = fake_find(kernel, "a");
	fake_forget_all(kernel);
	for (int kind = DESCRIPTOR_PATH; kind <= DESCRIPTOR_WRITE; kind++) {
		ck_assert_int_eq(locate_open(fs, node, kind, &descriptor),
				 -ESTALE);
		ck_assert_int_eq(locate_open(fs, 0, kind, &descriptor),
				 -ESTALE);
		ck_assert_int_eq(locate_open(fs, UINT64_MAX, kind, &descriptor),
				 -ESTALE);
	}
	tear_down();
}
END_TEST

START_TEST(test_control_file_leads_to_nothing_below)
{
	Descriptor *descriptor;
	uint64_t node;

	set_up(0, false);
	write_below(SINCEFS_CONTROL_NAME, "a real one");
	node = fake_find(kernel, SINCEFS_CONTROL_NAME);
	for (int kind = DESCRIPTOR_PATH; kind <= DESCRIPTOR_WRITE; kind++)
		ck_assert_int_lt(locate_open(fs, node, kind, &descriptor), 0);
	tear_down();
}
END_TEST

/* -- Names that change past the mount -----------------------------------------
 */

START_TEST(test_replaced_file_is_stale_and_never_the_other)
{
	Descriptor *descriptor;
	uint64_t file;

	set_up(0, true);
	write_below("a", "one");
	file = fake_find(kernel, "a");
	write_below("b", "two");
	ck_assert_int_eq(renameat(below, "b", below, "a"), 0);
	assert_reads(file, "ESTALE");
	ck_assert_int_eq(locate_open(fs, file, DESCRIPTOR_WRITE, &descriptor),
			 -ESTALE);
	/* Looked up again it is another. */
	ck_assert_uint_ne(fake_find(kernel, "a"), file);
	assert_reads(fake_find(kernel, "a"), "two");
	assert_reads(file, "ESTALE");
	tear_down();
}
END_TEST

START_TEST(test_replaced_directory_is_not_climbed_through)
{
	uint64_t file;

	set_up(0, true);
	ck_assert_int_eq(mkdirat(below, "d", 0755), 0);
	ck_assert_int_eq(mkdirat(below, "e", 0755), 0);
	write_below("d/a", "one");
	write_below("e/a", "two");
	file = fake_find(kernel, "d/a");
	ck_assert_int_eq(renameat2(below, "d", below, "e", RENAME_EXCHANGE), 0);
	assert_reads(file, "ESTALE");
	/* Not even when it is the same file. */
	ck_assert_int_eq(unlinkat(below, "d/a", 0), 0);
	ck_assert_int_eq(linkat(below, "e/a", below, "d/a", 0), 0);
	assert_reads(file, "ESTALE");
	ck_assert_int_eq(renameat2(below, "d", below, "e", RENAME_EXCHANGE), 0);
	assert_reads(file, "one");
	tear_down();
}
END_TEST

START_TEST(test_directory_replaced_by_a_link_is_not_followed)
{
	uint64_t file;

	set_up(0, true);
	ck_assert_int_eq(mkdirat(below, "d", 0755), 0);
	write_below("d/a", "one");
	file = fake_find(kernel, "d/a");
	ck_assert_int_eq(renameat(below, "d", below, "e"), 0);
	ck_assert_int_eq(symlinkat("e", below, "d"), 0);
	assert_reads(file, "ESTALE");
	tear_down();
}
END_TEST

START_TEST(test_file_that_comes_back_is_found_again)
{
	uint64_t file;

	set_up(0, true);
	write_below("a", "one");
	file = fake_find(kernel, "a");
	ck_assert_int_eq(renameat(below, "a", below, "b"), 0);
	assert_reads(file, "ESTALE");
	ck_assert_int_eq(renameat(below, "b", below, "a"), 0);
	assert_reads(file, "one");
	tear_down();
}
END_TEST

START_TEST(test_any_known_name_will_do)
{
	struct fuse_attr attributes;
	char name[16];
	uint64_t file;

	set_up(0, true);
	write_below("a0", "one");
	for (int i = 1; i < 8; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		ck_assert_int_eq(linkat(below, "a0", below, name, 0), 0);
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		file = fake_find(kernel, name);
	}
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "a%d", (i * 3 + _i) % 8);
		ck_assert_int_eq(unlinkat(below, name, 0), 0);
		assert_reads(file, "one");
	}
	/* With one name, nothing is kept for the others. */
	ck_assert_int_eq(fake_getattr(kernel, file, &attributes), 0);
	ck_assert_uint_eq(attributes.nlink, 1);
	tear_down();
}
END_TEST

START_TEST(test_open_file_stays_what_it_is)
{
	uint64_t file;

	set_up(0, false);
	write_below("a", "one");
	file = fake_find(kernel, "a");
	assert_reads(file, "one");
	write_below("b", "two");
	ck_assert_int_eq(renameat(below, "b", below, "a"), 0);
	assert_reads(file, "one");
	tear_down();
}
END_TEST

/* A name that is longer than a buffer for it must not become another name. */
START_TEST(test_long_name_is_not_cut)
{
	char name[301], cut[NAME_MAX + 1];
	uint64_t file;
	Node *node;

	set_up(0, true);
	memset(name, 'a', 300);
	name[300] = '\0';
	memset(cut, 'a', NAME_MAX);
	cut[NAME_MAX] = '\0';
	write_below(cut, "one");
	file = fake_find(kernel, cut);
	assert_reads(file, "one");
	/* As a file system below with longer names would have it. */
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, file);
	inode_table_remove_name_locked(
		fs->table, node, inode_table_at_locked(fs->table, 1), cut);
	ck_assert_int_eq(inode_table_add_name_locked(
				 fs->table, node,
				 inode_table_at_locked(fs->table, 1), name),
			 0);
	inode_table_unlock(fs->table);
	assert_reads(file, g_strerror(ENAMETOOLONG));
	tear_down();
}
END_TEST

/* -- Names that the mount takes away
 * ------------------------------------------- */

START_TEST(test_unlinked_file_can_be_had_until_it_is_forgotten)
{
	Descriptor *descriptor;
	uint64_t file;

	set_up(0, _i == 1);
	write_below("a", "one");
	file = fake_find(kernel, "a");
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, "a"), 0);
	write_below("a", "another");
	assert_reads(file, "one");
	ck_assert_int_eq(locate_open(fs, file, DESCRIPTOR_WRITE, &descriptor),
			 0);
	ck_assert_int_eq(pwrite(descriptor->fd, "O", 1, 0), 1);
	locate_release(fs, descriptor);
	assert_reads(file, "One");
	fake_forget_all(kernel);
	assert_reads(file, "ESTALE");
	ck_assert_uint_eq(count_open(), 1);
	tear_down();
}
END_TEST

START_TEST(test_replaced_file_can_be_had_until_it_is_forgotten)
{
	uint64_t a, b;

	set_up(0, _i == 1);
	write_below("a", "one");
	write_below("b", "two");
	a = fake_find(kernel, "a");
	b = fake_find(kernel, "b");
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "b", FUSE_ROOT_ID,
				     "a", 0),
			 0);
	assert_reads(a, "one");
	assert_reads(b, "two");
	fake_forget(kernel, a, 1);
	assert_reads(b, "two");
	tear_down();
}
END_TEST

START_TEST(test_removed_directory_can_be_had_until_it_is_forgotten)
{
	g_autofree char *names = NULL;
	struct fuse_attr attributes;
	uint64_t dir, sub;

	set_up(0, _i == 1);
	ck_assert_int_eq(fake_mkdir(kernel, FUSE_ROOT_ID, "d", &dir), 0);
	ck_assert_int_eq(fake_mkdir(kernel, dir, "e", &sub), 0);
	ck_assert_int_eq(fake_rmdir(kernel, dir, "e"), 0);
	ck_assert_int_eq(fake_rmdir(kernel, FUSE_ROOT_ID, "d"), 0);
	ck_assert_int_eq(fake_getattr(kernel, dir, &attributes), 0);
	ck_assert_uint_eq(attributes.nlink, 0);
	ck_assert_int_eq(fake_getattr(kernel, sub, &attributes), 0);
	ck_assert_int_eq(fake_list(kernel, dir, true, &names), -ENOENT);
	ck_assert_int_eq(fake_mkdir(kernel, dir, "f", NULL), -ENOENT);
	ck_assert_int_eq(fake_lookup(kernel, dir, "f", NULL), -ENOENT);
	fake_forget_all(kernel);
	ck_assert_int_eq(fake_getattr(kernel, dir, &attributes), -ESTALE);
	tear_down();
}
END_TEST

START_TEST(test_one_of_several_names_taken_leaves_nothing_open)
{
	uint64_t file;

	set_up(0, true);
	write_below("a", "one");
	ck_assert_int_eq(linkat(below, "a", below, "b", 0), 0);
	fake_find(kernel, "a");
	file = fake_find(kernel, "b");
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, "a"), 0);
	ck_assert_uint_eq(count_open(), 1); /* the root */
	assert_reads(file, "one");
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, "b"), 0);
	ck_assert_uint_eq(count_open(), 2);
	assert_reads(file, "one");
	tear_down();
}
END_TEST

START_TEST(test_rename_leaves_nothing_open)
{
	uint64_t dir, file;

	set_up(0, true);
	ck_assert_int_eq(fake_mkdir(kernel, FUSE_ROOT_ID, "d", &dir), 0);
	ck_assert_int_eq(fake_mknod(kernel, dir, "a", S_IFREG | 0644, &file),
			 0);
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "d", FUSE_ROOT_ID,
				     "e", 0),
			 0);
	ck_assert_int_eq(fake_rename(kernel, dir, "a", FUSE_ROOT_ID, "b", 0),
			 0);
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "b", FUSE_ROOT_ID,
				     "e", RENAME_EXCHANGE),
			 0);
	ck_assert_uint_eq(count_open(), 1);
	assert_reads(file, "");
	ck_assert_int_eq(fake_lookup(kernel, dir, "a", NULL), -ENOENT);
	tear_down();
}
END_TEST

/* -- Few descriptors
 * ----------------------------------------------------------- */

enum { BUDGET = 32, DEPTH = 3000, DEPTH_UNKEPT = 300 };

/* A chain of directories with a file in each. */
static void make_chain(int depth, uint64_t *dirs, uint64_t *files)
{
	uint64_t dir = FUSE_ROOT_ID;

	for (int i = 0; i < depth; i++) {
		ck_assert_int_eq(fake_mkdir(kernel, dir, "d", &dir), 0);
		ck_assert_int_eq(fake_mknod(kernel, dir, "f", S_IFREG | 0644,
					    &files[i]),
				 0);
		dirs[i] = dir;
		ck_assert_uint_le(count_open(), BUDGET);
	}
}

START_TEST(test_deep_chain_is_walked_with_few_descriptors)
{
	static uint64_t dirs[DEPTH], files[DEPTH], inodes[DEPTH];

	set_up(BUDGET, false);
	make_chain(DEPTH, dirs, files);
	for (int i = 0; i < DEPTH; i++)
		inodes[i] = inode_of(dirs[i]);
	/* Down, up, and to and fro, where little is kept of the way. */
	for (int i = DEPTH - 1; i >= 0; i -= 100) {
		ck_assert_uint_eq(inode_of(dirs[i]), inodes[i]);
		ck_assert_uint_le(count_open(), BUDGET);
	}
	for (int i = 0; i < 30; i++) {
		assert_reads(files[i * 1999 % DEPTH], "");
		ck_assert_uint_le(count_open(), BUDGET);
	}
	tear_down();
}
END_TEST

START_TEST(test_deep_chain_is_walked_with_nothing_kept)
{
	static uint64_t dirs[DEPTH_UNKEPT], files[DEPTH_UNKEPT];

	set_up(0, true);
	make_chain(DEPTH_UNKEPT, dirs, files);
	ck_assert_uint_eq(count_open(), 1);
	for (int i = 0; i < 20; i++)
		assert_reads(files[i * 199 % DEPTH_UNKEPT], "");
	ck_assert_uint_eq(count_open(), 1);
	tear_down();
}
END_TEST

START_TEST(test_many_files_are_used_with_few_descriptors)
{
	enum { N = 2000 };
	static uint64_t files[N];
	char name[16];

	set_up(BUDGET, false);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(fake_create(kernel, FUSE_ROOT_ID, name, 0644,
					     O_RDWR, &files[i]),
				 0);
		ck_assert_int_eq(
			fake_write(kernel, files[i], 0, name, 0, O_RDWR), 0);
		ck_assert_int_eq(fake_release(kernel, files[i]), 0);
		ck_assert_uint_le(count_open(), BUDGET);
	}
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_reads(files[i], name);
		ck_assert_uint_le(count_open(), BUDGET);
	}
	tear_down();
}
END_TEST

/* As long as the process may have no more descriptors, cached ones are given
   up, and after them directories that are being read. */
START_TEST(test_room_is_made_when_the_process_has_no_descriptors_left)
{
	const struct rlimit few = {.rlim_cur = 128, .rlim_max = 128};
	uint64_t files[100];
	int others[128];
	char name[16];
	int n = 0;

	set_up(8192, _i == 1);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(fake_mknod(kernel, FUSE_ROOT_ID, name,
					    S_IFREG | 0644, &files[i]),
				 0);
	}
	/* Two directories half read. */
	for (int i = 0; i < 2; i++) {
		struct fuse_read_in in = {.size = 512};
		struct iovec part = {&in, sizeof(in)};

		ck_assert_int_eq(fake_wait_error(kernel,
						 fake_send(kernel, FUSE_READDIR,
							   FUSE_ROOT_ID, &part,
							   1)),
				 0);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((others[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	ck_assert_int_eq(errno, EMFILE);
	/* One is free when nothing is cached; for the way and the file. */
	if (_i == 1)
		close(others[--n]);
	for (int i = 0; i < 100; i++)
		assert_reads(files[i], "");
	while (n > 0)
		close(others[--n]);
	tear_down();
}
END_TEST

/* -- Races
 * --------------------------------------------------------------------- */

/* The mount changes names while readers, which it does not hold up, go by
   them. No reader may fail, and none may get another file's bytes. */
enum { READERS = 3, ROUNDS = 1500 };

static _Atomic bool done;
static _Atomic int wrong, reads;
static uint64_t watched[2];
static const char *watched_text[2];

static void *reader_main(void *data)
{
	(void)data;
	while (!done) {
		for (int i = 0; i < 2; i++) {
			g_autofree char *text = read_node(watched[i]);

			if (strcmp(text, watched_text[i]) != 0) {
				printf("'%s' instead of '%s'\n", text,
				       watched_text[i]);
				atomic_fetch_add(&wrong, 1);
			}
			atomic_fetch_add(&reads, 1);
		}
	}
	return NULL;
}

static void read_while(void (*change)(int round))
{
	pthread_t readers[READERS];

	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_main,
						NULL),
				 0);
	for (int i = 0; i < ROUNDS; i++)
		change(i);
	done = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ck_assert_int_eq(wrong, 0);
	ck_assert_int_gt(reads, 0);
}

static void watch(int i, const char *path, const char *text)
{
	write_below(path, text);
	watched[i] = fake_find(kernel, path);
	watched_text[i] = text;
}

static void exchange(int round)
{
	(void)round;
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "a", FUSE_ROOT_ID,
				     "b", RENAME_EXCHANGE),
			 0);
}

START_TEST(test_readers_see_their_file_while_names_change_places)
{
	set_up(0, _i == 1);
	watch(0, "a", "one");
	watch(1, "b", "two");
	read_while(exchange);
	tear_down();
}
END_TEST

START_TEST(test_readers_see_their_file_while_directories_change_places)
{
	set_up(0, _i == 1);
	ck_assert_int_eq(mkdirat(below, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(below, "b", 0755), 0);
	watch(0, "a/f", "one");
	watch(1, "b/f", "two");
	read_while(exchange);
	tear_down();
}
END_TEST

/* a/b/f, where now a, now b has another name, and b is now in a, now not. */
static void wander(int round)
{
	static uint64_t a, b;

	if (round == 0) {
		a = fake_find(kernel, "a");
		b = fake_find(kernel, "a/b");
	}
	switch (round % 6) {
	case 0:
		fake_rename(kernel, FUSE_ROOT_ID, "a", FUSE_ROOT_ID, "x", 0);
		break;
	case 1:
		fake_rename(kernel, a, "b", a, "y", 0);
		break;
	case 2:
		fake_rename(kernel, a, "y", FUSE_ROOT_ID, "b", 0);
		break;
	case 3:
		fake_rename(kernel, FUSE_ROOT_ID, "x", b, "a", 0);
		break;
	case 4:
		fake_rename(kernel, b, "a", FUSE_ROOT_ID, "a", 0);
		break;
	default:
		fake_rename(kernel, FUSE_ROOT_ID, "b", a, "b", 0);
		break;
	}
}

START_TEST(test_readers_see_their_file_while_the_way_to_it_changes)
{
	set_up(0, _i == 1);
	ck_assert_int_eq(mkdirat(below, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(below, "a/b", 0755), 0);
	watch(0, "a/b/f", "one");
	watch(1, "a/g", "two");
	read_while(wander);
	tear_down();
}
END_TEST

static void replace(int round)
{
	write_below("new", "another");
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "new", FUSE_ROOT_ID,
				     round % 2 ? "a" : "b", 0),
			 0);
}

START_TEST(test_readers_see_their_file_while_it_is_replaced)
{
	set_up(0, _i == 1);
	watch(0, "a", "one");
	watch(1, "b", "two");
	read_while(replace);
	tear_down();
}
END_TEST

static void link_and_unlink(int round)
{
	static const char *const names[] = {"a", "c"};

	ck_assert_int_eq(fake_link(kernel, watched[0], FUSE_ROOT_ID,
				   names[1 - round % 2]),
			 0);
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, names[round % 2]),
			 0);
}

START_TEST(test_readers_see_their_file_while_its_names_come_and_go)
{
	set_up(0, _i == 1);
	watch(0, "a", "one");
	watch(1, "b", "two");
	read_while(link_and_unlink);
	tear_down();
}
END_TEST

static TCase *races_cases(void)
{
	TCase *races = tcase_create("races");

	tcase_add_loop_test(
		races, test_readers_see_their_file_while_names_change_places, 0,
		2);
	tcase_add_loop_test(
		races,
		test_readers_see_their_file_while_directories_change_places, 0,
		2);
	tcase_add_loop_test(
		races, test_readers_see_their_file_while_the_way_to_it_changes,
		0, 2);
	tcase_add_loop_test(
		races, test_readers_see_their_file_while_it_is_replaced, 0, 2);
	tcase_add_loop_test(
		races, test_readers_see_their_file_while_its_names_come_and_go,
		0, 2);
	tcase_set_timeout(races, 240);
	return races;
}

static TCase *past_cases(void)
{
	TCase *past = tcase_create("names that change past the mount");

	tcase_add_test(past, test_replaced_file_is_stale_and_never_the_other);
	tcase_add_test(past, test_replaced_directory_is_not_climbed_through);
	tcase_add_test(past, test_directory_replaced_by_a_link_is_not_followed);
	tcase_add_test(past, test_file_that_comes_back_is_found_again);
	tcase_add_loop_test(past, test_any_known_name_will_do, 0, 8);
	tcase_add_test(past, test_open_file_stays_what_it_is);
	tcase_add_test(past, test_long_name_is_not_cut);
	return past;
}

static TCase *taken_cases(void)
{
	TCase *taken = tcase_create("names that the mount takes away");

	tcase_add_loop_test(taken,
			    test_unlinked_file_can_be_had_until_it_is_forgotten,
			    0, 2);
	tcase_add_loop_test(taken,
			    test_replaced_file_can_be_had_until_it_is_forgotten,
			    0, 2);
	tcase_add_loop_test(
		taken, test_removed_directory_can_be_had_until_it_is_forgotten,
		0, 2);
	tcase_add_test(taken,
		       test_one_of_several_names_taken_leaves_nothing_open);
	tcase_add_test(taken, test_rename_leaves_nothing_open);
	return taken;
}

int main(void)
{
	Suite *suite = suite_create("locate");
	TCase *opened = tcase_create("what is opened");
	TCase *few = tcase_create("few descriptors");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(opened, test_descriptor_can_do_what_was_asked, 0,
			    2);
	tcase_add_test(opened,
		       test_only_regular_files_are_opened_for_their_bytes);
	tcase_add_test(opened, test_node_that_is_not_known_is_stale);
	tcase_add_test(opened, test_control_file_leads_to_nothing_below);
	suite_add_tcase(suite, opened);
	suite_add_tcase(suite, past_cases());
	suite_add_tcase(suite, taken_cases());
	tcase_add_test(few, test_deep_chain_is_walked_with_few_descriptors);
	tcase_add_test(few, test_deep_chain_is_walked_with_nothing_kept);
	tcase_add_test(few, test_many_files_are_used_with_few_descriptors);
	tcase_add_loop_test(
		few, test_room_is_made_when_the_process_has_no_descriptors_left,
		0, 2);
	tcase_set_timeout(few, 240);
	suite_add_tcase(suite, few);
	suite_add_tcase(suite, races_cases());

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
