/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake-disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <glib.h>

#include "tests/fake/fake-text.h"

/* A system call's result as 0 or -errno. */
static int check(int r)
{
	return r < 0 ? -errno : 0;
}

static int open_at(int dir_fd, const char *path, int flags, mode_t mode)
{
	int fd = openat(dir_fd, path, flags | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

/* Close after an operation whose result is @r; errors of both are told. */
static int close_after(int fd, int r)
{
	int closed = check(close(fd));

	return r < 0 ? r : closed;
}

/* ---- building ---- */

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

static int build_file(int dir_fd, const FakeEntry *entry)
{
	int fd =
		open_at(dir_fd, entry->path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	int r;

	if (fd < 0)
		return fd;
	r = write_all(fd, entry->content, fake_entry_get_size(entry));
	if (r == 0 && entry->xattr)
		r = check(fsetxattr(fd, entry->xattr, entry->value,
				    strlen(entry->value), 0));
	if (r == 0)
		r = check(fchmod(fd, fake_entry_get_mode(entry)));
	return close_after(fd, r);
}

static int build_dir(int dir_fd, const FakeEntry *entry)
{
	int r = check(mkdirat(dir_fd, entry->path, 0700));

	if (r == 0)
		r = check(fchmodat(dir_fd, entry->path,
				   fake_entry_get_mode(entry), 0));
	return r;
}

static int build_fifo(int dir_fd, const FakeEntry *entry)
{
	int r = check(mkfifoat(dir_fd, entry->path, 0600));

	if (r == 0)
		r = check(fchmodat(dir_fd, entry->path,
				   fake_entry_get_mode(entry), 0));
	return r;
}

static int build_entry(int dir_fd, const FakeEntry *entry)
{
	switch (entry->type) {
	case FAKE_DIR:
		return build_dir(dir_fd, entry);
	case FAKE_SYMLINK:
		return check(symlinkat(entry->content, dir_fd, entry->path));
	case FAKE_HARDLINK:
		return check(
			linkat(dir_fd, entry->content, dir_fd, entry->path, 0));
	case FAKE_FIFO:
		return build_fifo(dir_fd, entry);
	case FAKE_WHITEOUT:
		return check(
			mknodat(dir_fd, entry->path, S_IFCHR, makedev(0, 0)));
	case FAKE_FILE:
		return build_file(dir_fd, entry);
	}
	return -EINVAL;
}

int fake_disk_build(int dir_fd, const FakeEntry *entries, FakeClock *clock,
		    const char **failed_out)
{
	const FakeEntry *entry;
	int r = 0;

	for (entry = entries; entry->path; entry++) {
		r = build_entry(dir_fd, entry);
		if (r < 0)
			goto out;
	}
	/* Times last: what is made in a directory changes the directory's. */
	for (entry = entries; entry->path; entry++) {
		struct timespec now = fake_clock_tick(clock);
		struct timespec times[2] = {now, now};

		if (entry->type == FAKE_HARDLINK)
			continue;
		r = check(utimensat(dir_fd, entry->path, times,
				    AT_SYMLINK_NOFOLLOW));
		if (r < 0)
			goto out;
	}
out:
	if (r < 0 && failed_out)
		*failed_out = entry->path;
	return r;
}

int fake_disk_build_many(int dir_fd, unsigned files, unsigned per_dir)
{
	char path[64];
	int r = 0;

	for (unsigned i = 0; i < files; i++) {
		unsigned dir = i / per_dir;

		if (i % per_dir == 0) {
			if (dir % 100 == 0) {
				snprintf(path, sizeof(path), "part%u",
					 dir / 100);
				r = check(mkdirat(dir_fd, path, 0755));
				if (r < 0)
					return r;
			}
			snprintf(path, sizeof(path), "part%u/dir%u", dir / 100,
				 dir);
			r = check(mkdirat(dir_fd, path, 0755));
			if (r < 0)
				return r;
		}
		snprintf(path, sizeof(path), "part%u/dir%u/file%u.py",
			 dir / 100, dir, i);
		int fd = open_at(dir_fd, path, O_CREAT | O_EXCL | O_WRONLY,
				 0644);

		if (fd < 0)
			return fd;
		r = close_after(fd, write_all(fd, path, strlen(path)));
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- steps ---- */

static int rename_with(int dir_fd, const FakeStep *step, unsigned flags)
{
	return check(renameat2(dir_fd, step->path, dir_fd, step->other, flags));
}

static int put(int fd, FakeOp op)
{
	switch (op) {
	case FAKE_OP_WRITE:
	case FAKE_OP_HELD_WRITE:
		return check((int)pwrite(fd, FAKE_WRITE_TEXT,
					 strlen(FAKE_WRITE_TEXT), 0));
	case FAKE_OP_APPEND:
		return check((int)write(fd, FAKE_APPEND_TEXT,
					strlen(FAKE_APPEND_TEXT)));
	case FAKE_OP_TRUNCATE:
		return check(ftruncate(fd, 1));
	case FAKE_OP_ALLOCATE:
		return check(fallocate(fd, 0, 0, FAKE_ALLOCATE_LENGTH));
	case FAKE_OP_PUNCH:
		return check(fallocate(
			fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	default:
		return 0;
	}
}

static int open_and_put(int dir_fd, const FakeStep *step, int flags)
{
	int fd = open_at(dir_fd, step->path, flags, 0);

	return fd < 0 ? fd : close_after(fd, put(fd, step->op));
}

static int copy_range(int dir_fd, const FakeStep *step)
{
	int from = open_at(dir_fd, step->path, O_RDONLY, 0);
	int to, r;

	if (from < 0)
		return from;
	to = open_at(dir_fd, step->other, O_WRONLY, 0);
	if (to < 0)
		return close_after(from, to);
	r = check((int)copy_file_range(from, NULL, to, NULL, 1 << 20, 0));
	return close_after(from, close_after(to, r));
}

static int read_fd(int fd)
{
	char buffer[4096];

	return check((int)pread(fd, buffer, sizeof(buffer), 0));
}

static int list(int dir_fd, const char *path)
{
	int fd = open_at(dir_fd, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir;
	int r;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return close_after(fd, -errno);
	errno = 0;
	while (readdir(dir))
		errno = 0;
	r = -errno;
	closedir(dir);
	return r;
}

static int store_by_mapping(int fd)
{
	size_t size = strlen(FAKE_WRITE_TEXT);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, FAKE_WRITE_TEXT, size);
	return check(munmap(map, size));
}

/* setxattr(2) and removexattr(2) have no form with a directory: open it. */
static int change_xattr(int dir_fd, const FakeStep *step)
{
	int fd = open_at(dir_fd, step->path, O_RDONLY | O_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return fd;
	if (step->op == FAKE_OP_SETXATTR)
		r = fsetxattr(fd, FAKE_XATTR, FAKE_XATTR_VALUE,
			      strlen(FAKE_XATTR_VALUE), 0);
	else
		r = fremovexattr(fd, FAKE_XATTR);
	return close_after(fd, check(r));
}

static int do_name_step(int dir_fd, const FakeStep *step)
{
	switch (step->op) {
	case FAKE_OP_MKDIR:
		return check(mkdirat(dir_fd, step->path, 0755));
	case FAKE_OP_MKFIFO:
		return check(mkfifoat(dir_fd, step->path, 0644));
	case FAKE_OP_SYMLINK:
		return check(symlinkat(step->other, dir_fd, step->path));
	case FAKE_OP_LINK:
		return check(
			linkat(dir_fd, step->path, dir_fd, step->other, 0));
	case FAKE_OP_UNLINK:
		return check(unlinkat(dir_fd, step->path, 0));
	case FAKE_OP_RMDIR:
		return check(unlinkat(dir_fd, step->path, AT_REMOVEDIR));
	case FAKE_OP_RENAME:
		return rename_with(dir_fd, step, 0);
	case FAKE_OP_RENAME_NOREPLACE:
		return rename_with(dir_fd, step, RENAME_NOREPLACE);
	case FAKE_OP_EXCHANGE:
		return rename_with(dir_fd, step, RENAME_EXCHANGE);
	case FAKE_OP_WHITEOUT:
		return rename_with(dir_fd, step, RENAME_WHITEOUT);
	default:
		return -EINVAL;
	}
}

static int do_file_step(int dir_fd, const FakeStep *step)
{
	/* A time in the past that no clock gives by itself. */
	static const struct timespec times[2] = {{.tv_sec = 86400},
						 {.tv_sec = 86400}};
	struct stat st;
	int fd;

	switch (step->op) {
	case FAKE_OP_CREATE:
		fd = open_at(dir_fd, step->path, O_CREAT | O_EXCL | O_WRONLY,
			     0644);
		return fd < 0 ? fd : close_after(fd, 0);
	case FAKE_OP_OPEN_TRUNC:
		fd = open_at(dir_fd, step->path, O_WRONLY | O_TRUNC, 0);
		return fd < 0 ? fd : close_after(fd, 0);
	case FAKE_OP_APPEND:
		return open_and_put(dir_fd, step, O_WRONLY | O_APPEND);
	case FAKE_OP_WRITE:
	case FAKE_OP_TRUNCATE:
	case FAKE_OP_ALLOCATE:
	case FAKE_OP_PUNCH:
		return open_and_put(dir_fd, step, O_RDWR);
	case FAKE_OP_COPY_RANGE:
		return copy_range(dir_fd, step);
	case FAKE_OP_CHMOD:
		return check(fchmodat(dir_fd, step->path, FAKE_CHMOD_MODE, 0));
	case FAKE_OP_CHOWN:
		return check(fchownat(dir_fd, step->path, (uid_t)-1,
				      geteuid() ? getegid() : FAKE_CHOWN_GID,
				      AT_SYMLINK_NOFOLLOW));
	case FAKE_OP_UTIMENS:
		return check(utimensat(dir_fd, step->path, times,
				       AT_SYMLINK_NOFOLLOW));
	case FAKE_OP_SETXATTR:
	case FAKE_OP_REMOVEXATTR:
		return change_xattr(dir_fd, step);
	case FAKE_OP_READ:
		fd = open_at(dir_fd, step->path, O_RDONLY, 0);
		return fd < 0 ? fd : close_after(fd, read_fd(fd));
	case FAKE_OP_STAT:
		return check(
			fstatat(dir_fd, step->path, &st, AT_SYMLINK_NOFOLLOW));
	case FAKE_OP_LIST:
		return list(dir_fd, step->path);
	default:
		return do_name_step(dir_fd, step);
	}
}

int fake_disk_do(int dir_fd, const FakeStep *step, int *held_fd)
{
	int fd;

	switch (step->op) {
	case FAKE_OP_HOLD:
		fd = open_at(dir_fd, step->path, O_RDWR, 0);
		if (fd < 0)
			return fd;
		if (*held_fd >= 0)
			close(*held_fd);
		*held_fd = fd;
		return 0;
	case FAKE_OP_RELEASE:
		fd = *held_fd;
		*held_fd = -1;
		return check(close(fd));
	case FAKE_OP_HELD_WRITE:
		return put(*held_fd, step->op);
	case FAKE_OP_HELD_READ:
		return read_fd(*held_fd);
	case FAKE_OP_HELD_CHMOD:
		return check(fchmod(*held_fd, FAKE_CHMOD_MODE));
	case FAKE_OP_HELD_MAP:
		return store_by_mapping(*held_fd);
	default:
		return do_file_step(dir_fd, step);
	}
}

/* ---- texts ---- */

static FakeType get_type(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFDIR:
		return FAKE_DIR;
	case S_IFLNK:
		return FAKE_SYMLINK;
	case S_IFIFO:
		return FAKE_FIFO;
	case S_IFCHR:
		return FAKE_WHITEOUT;
	default:
		return FAKE_FILE;
	}
}

static int append_line(int dir_fd, const char *path, const struct stat *st,
		       bool times, GString *text)
{
	g_autofree char *bytes = g_malloc0((size_t)st->st_size + 1);
	char value[256] = "";
	FakeType type = get_type(st);
	ssize_t size = 0, value_size = -1;

	if (type == FAKE_SYMLINK) {
		size = readlinkat(dir_fd, path, bytes, (size_t)st->st_size + 1);
	} else if (type == FAKE_FILE || type == FAKE_DIR) {
		int fd = open_at(dir_fd, path, O_RDONLY, 0);

		if (fd < 0)
			return fd;
		if (type == FAKE_FILE)
			size = pread(fd, bytes, (size_t)st->st_size, 0);
		value_size =
			fgetxattr(fd, FAKE_XATTR, value, sizeof(value) - 1);
		close(fd);
	}
	if (size < 0)
		return -errno;

	fake_text_append(
		text,
		&(FakeLine){
			.path = path,
			.type = type,
			.mode = st->st_mode & 07777,
			.links = st->st_nlink,
			.mtime_ns =
				times ? st->st_mtim.tv_sec *
							INT64_C(1000000000) +
						st->st_mtim.tv_nsec
				      : -1,
			.bytes = bytes,
			.size = (size_t)size,
			.value = value_size < 0 ? NULL : value,
		});
	return 0;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All paths below @path ("" or ending in '/') into @paths. */
static int collect(int dir_fd, const char *path, GPtrArray *paths)
{
	int fd = open_at(dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	int r = 0;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return close_after(fd, -errno);
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(dir);

		if (!entry) {
			r = -errno;
			break;
		}
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		g_ptr_array_add(paths, g_strconcat(path, entry->d_name, NULL));
		if (entry->d_type == DT_DIR) {
			g_autofree char *below =
				g_strconcat(path, entry->d_name, "/", NULL);

			r = collect(dir_fd, below, paths);
			if (r < 0)
				break;
		}
	}
	closedir(dir);
	return r;
}

char *fake_disk_to_text(int dir_fd, bool times)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) text = g_string_new(NULL);
	int r = collect(dir_fd, "", paths);

	g_ptr_array_sort(paths, compare_names);
	for (guint i = 0; r == 0 && i < paths->len; i++) {
		struct stat st;

		r = check(fstatat(dir_fd, paths->pdata[i], &st,
				  AT_SYMLINK_NOFOLLOW));
		if (r == 0)
			r = append_line(dir_fd, paths->pdata[i], &st, times,
					text);
	}
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}
