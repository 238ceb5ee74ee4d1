/* SPDX-License-Identifier: MIT */
/*
 * Each operation, asked for as the kernel asks: what it does below, what it is
 * answered with, and that a question right after it is told.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fake/fake-kernel.h"

#define ROOT FUSE_ROOT_ID

static FakeKernel *kernel;
static int below; /* the directory, past the mount */
static struct sincefs_token token;

static void set_up(void)
{
	kernel = fake_kernel_new(NULL);
	below = fake_kernel_get_dir_fd(kernel);
	token = fake_token(kernel);
}

static void tear_down(void)
{
	fake_forget_all(kernel);
	fake_kernel_free(kernel);
}

#define assert_told(expected)                                                  \
	do {                                                                   \
		g_autofree char *told_ = fake_since(kernel, &token);           \
		ck_assert_str_eq(told_, expected);                             \
	} while (0)

static void write_below(const char *path, const char *text)
{
	int fd = openat(below, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *read_below(const char *path)
{
	g_autofree char *whole =
		g_build_filename(fake_kernel_get_directory(kernel), path, NULL);
	char *text = NULL;

	ck_assert(g_file_get_contents(whole, &text, NULL, NULL));
	return text;
}

#define assert_below(path, expected)                                           \
	do {                                                                   \
		g_autofree char *text_ = read_below(path);                     \
		ck_assert_str_eq(text_, expected);                             \
	} while (0)

static struct stat stat_below(const char *path)
{
	struct stat attributes;

	ck_assert_int_eq(fstatat(below, path, &attributes, AT_SYMLINK_NOFOLLOW),
			 0);
	return attributes;
}

static uint64_t new_file(const char *name, const char *text)
{
	write_below(name, text);
	return fake_find(kernel, name);
}

/* -- Names
 * ----------------------------------------------------------------------- */

START_TEST(test_things_are_made_and_told)
{
	uint64_t dir, file;

	set_up();
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", &dir), 0);
	assert_told("CND:d ");
	ck_assert_int_eq(fake_mknod(kernel, dir, "f", S_IFREG | 0640, &file),
			 0);
	assert_told("CN:d/f ");
	ck_assert_uint_eq(stat_below("d/f").st_mode, S_IFREG | 0640);
	ck_assert_int_eq(fake_mknod(kernel, dir, "p", S_IFIFO | 0644, NULL), 0);
	assert_told("CN:d/p ");
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "s", "to", NULL), 0);
	assert_told("CN:s ");
	ck_assert_int_eq(fake_link(kernel, file, ROOT, "l"), 0);
	assert_told("CN:l ");
	ck_assert_int_eq(stat_below("l").st_ino == stat_below("d/f").st_ino, 1);
	ck_assert_int_eq(fake_create(kernel, ROOT, "c", 0666, O_RDWR, &file),
			 0);
	assert_told("CN:c ");
	/* The umask is the caller's. */
	ck_assert_uint_eq(stat_below("c").st_mode, S_IFREG | 0644);
	ck_assert_int_eq(fake_release(kernel, file), 0);
	assert_told("");
	/* One of two names leaves. */
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "l"), 0);
	assert_told("CG:l ");
	tear_down();
}
END_TEST

START_TEST(test_what_is_there_already_is_not_made)
{
	set_up();
	new_file("f", "bytes");
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "f", NULL), -EEXIST);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG, NULL), -EEXIST);
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "f", "x", NULL), -EEXIST);
	ck_assert_int_eq(fake_create(kernel, ROOT, "f", 0644, O_RDWR | O_EXCL,
				     NULL),
			 -EEXIST);
	/* The kernel thought that there is none: it must look again. */
	ck_assert_int_eq(fake_create(kernel, ROOT, "f", 0644, O_RDWR | O_TRUNC,
				     NULL),
			 -ESTALE);
	ck_assert_int_eq(fake_link(kernel, fake_find(kernel, "f"), ROOT, "f"),
			 -EEXIST);
	assert_below("f", "bytes");
	assert_told("");
	tear_down();
}
END_TEST

START_TEST(test_things_are_removed_and_told)
{
	set_up();
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	new_file("d/f", "");
	token = fake_token(kernel);
	ck_assert_int_eq(fake_rmdir(kernel, ROOT, "d"), -ENOTEMPTY);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "d"), -EISDIR);
	ck_assert_int_eq(fake_rmdir(kernel, fake_find(kernel, "d"), "f"),
			 -ENOTDIR);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "none"), -ENOENT);
	assert_told("");
	ck_assert_int_eq(fake_unlink(kernel, fake_find(kernel, "d"), "f"), 0);
	ck_assert_int_eq(fake_rmdir(kernel, ROOT, "d"), 0);
	assert_told("CG:d/f CGD:d ");
	tear_down();
}
END_TEST

START_TEST(test_renames_are_told)
{
	set_up();
	new_file("a", "one");
	new_file("b", "two");
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", NULL), 0);
	token = fake_token(kernel);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "a", ROOT, "b",
				     RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "none", ROOT, "b", 0),
			 -ENOENT);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "d", ROOT, "b", 0),
			 -ENOTDIR);
	assert_told("");
	ck_assert_int_eq(fake_rename(kernel, ROOT, "a", ROOT, "b", 0), 0);
	assert_told("CG:a C:b ");
	ck_assert_int_eq(fake_rename(kernel, ROOT, "b", fake_find(kernel, "d"),
				     "c", RENAME_NOREPLACE),
			 0);
	assert_told("CG:b CN:d/c ");
	ck_assert_int_eq(fake_rename(kernel, ROOT, "d", ROOT, "e", 0), 0);
	assert_told("CGDS:d CNDS:e ");
	new_file("x", "");
	ck_assert_int_eq(
		fake_rename(kernel, ROOT, "x", ROOT, "e", RENAME_EXCHANGE), 0);
	assert_told("CDS:x CDS:e ");
	assert_below("x/c", "one");
	tear_down();
}
END_TEST

/* Two names of one file: nothing happens, and nothing is told. */
START_TEST(test_rename_onto_itself_is_nothing)
{
	uint64_t file;

	set_up();
	file = new_file("a", "one");
	ck_assert_int_eq(fake_link(kernel, file, ROOT, "b"), 0);
	token = fake_token(kernel);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "a", ROOT, "b", 0), 0);
	ck_assert_int_eq(fake_rename(kernel, ROOT, "a", ROOT, "a", 0), 0);
	assert_told("");
	ck_assert_int_eq(fake_write(kernel, file, 0, "x", 0, O_WRONLY), 0);
	assert_told("CL:b CL:a ");
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "a"), 0);
	tear_down();
}
END_TEST

/* -- Bytes
 * ----------------------------------------------------------------------- */

START_TEST(test_writes_are_told_and_read)
{
	g_autofree char *text = NULL;
	uint64_t file;

	set_up();
	file = new_file("f", "");
	ck_assert_int_eq(fake_write(kernel, file, 0, "hello", 0, O_WRONLY), 0);
	assert_told("C:f ");
	ck_assert_int_eq(fake_write(kernel, file, 5, "!", FUSE_WRITE_CACHE, 0),
			 0);
	assert_told("C:f ");
	assert_below("f", "hello!");
	ck_assert_int_eq(fake_read(kernel, file, 1, 100, &text), 0);
	ck_assert_str_eq(text, "ello!");
	assert_told("");
	tear_down();
}
END_TEST

START_TEST(test_read_is_short_at_the_end_alone)
{
	enum { SIZE = 70000 };
	g_autofree char *bytes = g_strnfill(SIZE, 'b');
	uint64_t file;
	char *text;

	set_up();
	file = new_file("f", bytes);
	ck_assert_int_eq(fake_read(kernel, file, 0, SIZE, &text), 0);
	ck_assert_uint_eq(strlen(text), SIZE);
	g_free(text);
	ck_assert_int_eq(fake_read(kernel, file, SIZE - 10, 4096, &text), 0);
	ck_assert_uint_eq(strlen(text), 10);
	g_free(text);
	ck_assert_int_eq(fake_read(kernel, file, SIZE, 4096, &text), 0);
	ck_assert_uint_eq(strlen(text), 0);
	g_free(text);
	tear_down();
}
END_TEST

START_TEST(test_append_lands_at_the_end)
{
	uint64_t file;

	set_up();
	file = new_file("f", "12345");
	ck_assert_int_eq(
		fake_write(kernel, file, 5, "67", 0, O_WRONLY | O_APPEND), 0);
	assert_told("C:f ");
	assert_below("f", "1234567");
	ck_assert_uint_eq(
		fake_count_notifications(kernel, FUSE_NOTIFY_INVAL_INODE), 0);
	/* Something that bypasses the mount made it longer meanwhile. */
	write_below("f", "abcdefghij");
	ck_assert_int_eq(
		fake_write(kernel, file, 7, "89", 0, O_WRONLY | O_APPEND), 0);
	assert_told("Cc:f ");
	assert_below("f", "abcdefghij89");
	fake_wait_notified(kernel, FUSE_NOTIFY_INVAL_INODE, file);
	/* A flush lands where the kernel says, whatever the flags. */
	ck_assert_int_eq(fake_write(kernel, file, 0, "AB", FUSE_WRITE_CACHE,
				    O_WRONLY | O_APPEND),
			 0);
	assert_below("f", "ABcdefghij89");
	tear_down();
}
END_TEST

START_TEST(test_space_is_allocated_and_told)
{
	struct fuse_fallocate_in in = {.offset = 10, .length = 90};
	struct iovec part = {&in, sizeof(in)};
	uint64_t file;

	set_up();
	file = new_file("f", "");
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_FALLOCATE, file,
						   &part, 1)),
			 0);
	assert_told("C:f ");
	ck_assert_int_eq(stat_below("f").st_size, 100);
	in.mode = 0xffff; /* unknown: no effect */
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_FALLOCATE, file,
						   &part, 1)),
			 -EOPNOTSUPP);
	assert_told("");
	tear_down();
}
END_TEST

START_TEST(test_copied_bytes_are_told_where_they_land)
{
	struct fuse_copy_file_range_in in = {.len = 100};
	struct iovec part = {&in, sizeof(in)};
	uint64_t from;

	set_up();
	from = new_file("from", "bytes");
	in.nodeid_out = new_file("to", "");
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_COPY_FILE_RANGE,
						   from, &part, 1)),
			 0);
	assert_told("C:to ");
	assert_below("to", "bytes");
	in.nodeid_out = UINT64_MAX;
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_COPY_FILE_RANGE,
						   from, &part, 1)),
			 -ESTALE);
	assert_told("");
	tear_down();
}
END_TEST

START_TEST(test_holes_are_found_and_files_are_synced)
{
	struct fuse_lseek_in seek = {.whence = SEEK_HOLE};
	struct fuse_fsync_in sync = {.fsync_flags = _i ? 1 : 0};
	struct iovec seek_part = {&seek, sizeof(seek)};
	struct iovec sync_part = {&sync, sizeof(sync)};
	struct fuse_lseek_out out;
	FakeReply reply;
	uint64_t file;

	set_up();
	file = new_file("f", "12345");
	fake_wait(kernel, fake_send(kernel, FUSE_LSEEK, file, &seek_part, 1),
		  &reply);
	ck_assert_int_eq(reply.error, 0);
	memcpy(&out, reply.data, sizeof(out));
	g_free(reply.data);
	ck_assert_uint_eq(out.offset, 5);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_FSYNC, file,
						   &sync_part, 1)),
			 0);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_FSYNCDIR, ROOT,
						   &sync_part, 1)),
			 0);
	assert_told("");
	tear_down();
}
END_TEST

/* -- Attributes
 * -------------------------------------------------------------------- */

START_TEST(test_attributes_are_set_and_told_by_their_kind)
{
	struct fuse_attr attributes;
	uint64_t file;

	set_up();
	file = new_file("f", "12345");
	ck_assert_int_eq(fake_setattr(kernel, file,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_MODE,
					      .mode = S_IFREG | 0600,
				      }),
			 0);
	assert_told("M:f ");
	ck_assert_int_eq(fake_setattr(kernel, file,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_SIZE,
					      .size = 2,
				      }),
			 0);
	assert_told("C:f ");
	ck_assert_int_eq(
		fake_setattr(kernel, file,
			     &(struct fuse_setattr_in){
				     .valid = FATTR_MTIME | FATTR_ATIME_NOW,
				     .mtime = 1000,
				     .mtimensec = 5,
			     }),
		0);
	assert_told("T:f ");
	ck_assert_int_eq(fake_setattr(kernel, file,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_UID | FATTR_GID,
					      .uid = getuid(),
					      .gid = getgid(),
				      }),
			 0);
	assert_told("M:f ");
	ck_assert_int_eq(fake_getattr(kernel, file, &attributes), 0);
	ck_assert_uint_eq(attributes.mode, S_IFREG | 0600);
	ck_assert_uint_eq(attributes.size, 2);
	ck_assert_uint_eq(attributes.mtime, 1000);
	ck_assert_uint_eq(attributes.mtimensec, 5);
	ck_assert_uint_eq(attributes.ino, stat_below("f").st_ino);
	tear_down();
}
END_TEST

START_TEST(test_several_attributes_at_once_are_all_set)
{
	uint64_t file;

	set_up();
	file = new_file("f", "12345");
	ck_assert_int_eq(fake_setattr(kernel, file,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_MODE | FATTR_SIZE |
						       FATTR_MTIME | FATTR_UID,
					      .mode = 04711,
					      .size = 1,
					      .mtime = 77,
					      .uid = getuid(),
				      }),
			 0);
	assert_told("CMT:f ");
	/* The times are those that were asked for, though the size is set; and
	   the owner does not take the mode's bits away. */
	ck_assert_int_eq(stat_below("f").st_mtim.tv_sec, 77);
	ck_assert_int_eq(stat_below("f").st_size, 1);
	ck_assert_uint_eq(stat_below("f").st_mode, S_IFREG | 04711);
	tear_down();
}
END_TEST

START_TEST(test_links_have_times_of_their_own)
{
	uint64_t link;

	set_up();
	new_file("f", "");
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "s", "f", &link), 0);
	token = fake_token(kernel);
	ck_assert_int_eq(fake_setattr(kernel, link,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_MTIME,
					      .mtime = 77,
				      }),
			 0);
	assert_told("T:s ");
	ck_assert_int_eq(stat_below("s").st_mtim.tv_sec, 77);
	ck_assert_int_ne(stat_below("f").st_mtim.tv_sec, 77);
	tear_down();
}
END_TEST

START_TEST(test_link_is_read_whole)
{
	g_autofree char *target = g_strnfill(PATH_MAX - 1, 't');
	FakeReply reply;
	uint64_t link;

	set_up();
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "s", target, &link), 0);
	fake_wait(kernel, fake_send(kernel, FUSE_READLINK, link, NULL, 0),
		  &reply);
	ck_assert_int_eq(reply.error, 0);
	ck_assert_uint_eq(reply.size, strlen(target));
	ck_assert_mem_eq(reply.data, target, reply.size);
	g_free(reply.data);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_READLINK, ROOT,
						   NULL, 0)),
			 -EINVAL);
	tear_down();
}
END_TEST

static FakeRequest send_setxattr(uint64_t node, const char *name,
				 const char *value)
{
	struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value)};
	struct iovec parts[] = {
		{&in, FUSE_COMPAT_SETXATTR_IN_SIZE},
		{(void *)name, strlen(name) + 1},
		{(void *)value, strlen(value)},
	};

	return fake_send(kernel, FUSE_SETXATTR, node, parts, 3);
}

/* The value of @name, or the list when that is NULL. */
static int get_xattr(uint64_t node, const char *name, uint32_t size,
		     FakeReply *reply)
{
	struct fuse_getxattr_in in = {.size = size};
	struct iovec parts[] = {
		{&in, sizeof(in)},
		{(void *)name, name != NULL ? strlen(name) + 1 : 0},
	};

	fake_wait(kernel,
		  fake_send(kernel,
			    name != NULL ? FUSE_GETXATTR : FUSE_LISTXATTR, node,
			    parts, 2),
		  reply);
	return reply->error;
}

START_TEST(test_extended_attributes_are_set_read_and_told)
{
	struct iovec name = {(void *)"user.a", sizeof("user.a")};
	FakeReply reply;
	uint64_t file;

	set_up();
	file = new_file("f", "");
	ck_assert_int_eq(
		fake_wait_error(kernel, send_setxattr(file, "user.a", "value")),
		0);
	assert_told("M:f ");
	ck_assert_int_eq(get_xattr(file, "user.a", 100, &reply), 0);
	ck_assert_uint_eq(reply.size, 5);
	ck_assert_mem_eq(reply.data, "value", 5);
	g_free(reply.data);
	ck_assert_int_eq(get_xattr(file, "user.a", 2, &reply), -ERANGE);
	g_free(reply.data);
	ck_assert_int_eq(get_xattr(file, "user.a", 0, &reply), 0);
	ck_assert_uint_eq(((struct fuse_getxattr_out *)reply.data)->size, 5);
	g_free(reply.data);
	ck_assert_int_eq(get_xattr(file, "user.b", 100, &reply), -ENODATA);
	g_free(reply.data);
	ck_assert_int_eq(get_xattr(file, NULL, 100, &reply), 0);
	ck_assert_uint_eq(reply.size, sizeof("user.a"));
	g_free(reply.data);
	ck_assert_int_eq(get_xattr(file, NULL, 2, &reply), -ERANGE);
	g_free(reply.data);
	assert_told("");
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_REMOVEXATTR,
						   file, &name, 1)),
			 0);
	assert_told("M:f ");
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_REMOVEXATTR,
						   file, &name, 1)),
			 -ENODATA);
	assert_told("");
	tear_down();
}
END_TEST

START_TEST(test_trusted_attributes_are_not_listed_to_users)
{
	FakeReply reply;
	uint64_t file;

	set_up();
	file = new_file("f", "");
	if (getuid() != 0) {
		tear_down();
		return;
	}
	ck_assert_int_eq(
		fake_wait_error(kernel, send_setxattr(file, "user.a", "1")), 0);
	ck_assert_int_eq(fake_wait_error(kernel,
					 send_setxattr(file, "trusted.b", "2")),
			 0);
	ck_assert_int_eq(get_xattr(file, NULL, 100, &reply), 0);
	ck_assert_uint_eq(reply.size, sizeof("user.a") + sizeof("trusted.b"));
	g_free(reply.data);
	fake_kernel_set_user(kernel, 12345, 12345);
	ck_assert_int_eq(get_xattr(file, NULL, 0, &reply), 0);
	ck_assert_uint_eq(((struct fuse_getxattr_out *)reply.data)->size,
			  sizeof("user.a"));
	g_free(reply.data);
	/* It fits where the whole list would not. */
	ck_assert_int_eq(get_xattr(file, NULL, sizeof("user.a"), &reply), 0);
	ck_assert_str_eq(reply.data, "user.a");
	g_free(reply.data);
	fake_kernel_set_user(kernel, getuid(), getgid());
	tear_down();
}
END_TEST

/* -- Directories
 * ------------------------------------------------------------------- */

START_TEST(test_large_directory_is_listed_once_and_whole)
{
	enum { N = 3000 };
	static unsigned seen[N];
	g_autofree char *names = NULL;
	g_auto(GStrv) parts = NULL;
	struct sincefs_stats stats;
	unsigned others = 0;
	char name[32];

	set_up();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		ck_assert_int_eq(mknodat(below, name, S_IFREG | 0644, 0), 0);
	}
	ck_assert_int_eq(fake_list(kernel, ROOT, _i == 1, &names), 0);
	parts = g_strsplit(names, " ", -1);
	for (char **part = parts; *part != NULL; part++) {
		unsigned i;

		if (sscanf(*part, "file-%u", &i) == 1)
			seen[i]++;
		else
			others++;
	}
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(seen[i], 1);
	ck_assert_uint_eq(others, 3); /* . .. and the end */
	fs_get_stats(fake_kernel_get_fs(kernel), &stats);
	ck_assert_uint_eq(stats.inodes, _i == 1 ? N + 1 : 1);
	assert_told("");
	tear_down();
}
END_TEST

/* A file that was there all the time is listed, whatever else happens. */
START_TEST(test_directory_that_changes_while_it_is_read_loses_no_file)
{
	struct fuse_read_in in = {.size = 4096};
	struct iovec part = {&in, sizeof(in)};
	g_autoptr(GHashTable) seen =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	FakeReply reply;
	char name[32];

	set_up();
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%s-%d", i % 2 ? "stays" : "goes",
			 i);
		ck_assert_int_eq(mknodat(below, name, S_IFREG | 0644, 0), 0);
	}
	for (int i = 0;; i++) {
		fake_wait(kernel,
			  fake_send(kernel, FUSE_READDIR, ROOT, &part, 1),
			  &reply);
		ck_assert_int_eq(reply.error, 0);
		if (reply.size == 0)
			break;
		for (size_t at = 0; at < reply.size;) {
			const struct fuse_dirent *entry =
				(const void *)((char *)reply.data + at);

			g_hash_table_add(seen, g_strndup(entry->name,
							 entry->namelen));
			in.offset = entry->off;
			at += FUSE_DIRENT_SIZE(entry);
		}
		g_free(reply.data);
		for (int j = i * 50; j < (i + 1) * 50 && j < 1000; j += 2) {
			snprintf(name, sizeof(name), "goes-%d", j);
			ck_assert_int_eq(fake_unlink(kernel, ROOT, name), 0);
			snprintf(name, sizeof(name), "comes-%d", j);
			ck_assert_int_eq(fake_mknod(kernel, ROOT, name,
						    S_IFREG | 0644, NULL),
					 0);
		}
		/* Now and then it is opened anew, and goes on by seeking. */
		if (i % 3 == 0)
			streams_close_idle(
				&fake_kernel_get_fs(kernel)->streams);
	}
	g_free(reply.data);
	for (int i = 1; i < 1000; i += 2) {
		snprintf(name, sizeof(name), "stays-%d", i);
		ck_assert_msg(g_hash_table_contains(seen, name), "%s", name);
	}
	tear_down();
}
END_TEST

static TCase *bytes_cases(void)
{
	TCase *bytes = tcase_create("bytes");

	tcase_add_test(bytes, test_writes_are_told_and_read);
	tcase_add_test(bytes, test_read_is_short_at_the_end_alone);
	tcase_add_test(bytes, test_append_lands_at_the_end);
	tcase_add_test(bytes, test_space_is_allocated_and_told);
	tcase_add_test(bytes, test_copied_bytes_are_told_where_they_land);
	tcase_add_loop_test(bytes, test_holes_are_found_and_files_are_synced, 0,
			    2);
	return bytes;
}

static TCase *attributes_cases(void)
{
	TCase *attributes = tcase_create("attributes");

	tcase_add_test(attributes,
		       test_attributes_are_set_and_told_by_their_kind);
	tcase_add_test(attributes, test_several_attributes_at_once_are_all_set);
	tcase_add_test(attributes, test_links_have_times_of_their_own);
	tcase_add_test(attributes, test_link_is_read_whole);
	tcase_add_test(attributes,
		       test_extended_attributes_are_set_read_and_told);
	tcase_add_test(attributes,
		       test_trusted_attributes_are_not_listed_to_users);
	return attributes;
}

int main(void)
{
	Suite *suite = suite_create("operations");
	TCase *names = tcase_create("names");
	TCase *directories = tcase_create("directories");
	SRunner *runner;
	int failed;

	tcase_add_test(names, test_things_are_made_and_told);
	tcase_add_test(names, test_what_is_there_already_is_not_made);
	tcase_add_test(names, test_things_are_removed_and_told);
	tcase_add_test(names, test_renames_are_told);
	tcase_add_test(names, test_rename_onto_itself_is_nothing);
	suite_add_tcase(suite, names);
	suite_add_tcase(suite, bytes_cases());
	suite_add_tcase(suite, attributes_cases());
	tcase_add_loop_test(directories,
			    test_large_directory_is_listed_once_and_whole, 0,
			    2);
	tcase_add_test(
		directories,
		test_directory_that_changes_while_it_is_read_loses_no_file);
	suite_add_tcase(suite, directories);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
