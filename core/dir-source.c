/* SPDX-License-Identifier: MIT */
/*
 * The real thing. Each step down is one openat2(2) that stays beneath its
 * directory, follows nothing and crosses into no other mount: a link that
 * somebody puts in the place of a directory, or a file system that is mounted
 * there, is an error and not a way out. A kernel that is too old for it gets
 * the same from O_NOFOLLOW and a comparison of the device.
 */
#include "core/dir-source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct {
	DirSource base; /* first */
	char *root;     /* owned; NULL: at root_fd */
	int root_fd;    /* owned; -1: at root */
	bool has_no_openat2;
	bool may_not_hide; /* somebody else's files: no O_NOATIME */
} DiskSource;

static int64_t to_ns(const struct statx_timestamp *time)
{
	return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static int stat_at(int dir_fd, const char *name, int flags, DirStat *stat_out)
{
	/* Nothing that a network file system would have to ask for twice. */
	const unsigned wanted = STATX_TYPE | STATX_MODE | STATX_NLINK |
				STATX_INO | STATX_SIZE | STATX_MTIME |
				STATX_CTIME | STATX_UID | STATX_GID;
	struct statx found;

	if (statx(dir_fd, name, flags | AT_NO_AUTOMOUNT, wanted, &found) != 0)
		return -errno;
	*stat_out = (DirStat){
		.ino = found.stx_ino,
		.size = found.stx_size,
		.mtime_ns = to_ns(&found.stx_mtime),
		.ctime_ns = to_ns(&found.stx_ctime),
		.dev = makedev(found.stx_dev_major, found.stx_dev_minor),
		.nlink = found.stx_nlink,
		.uid = found.stx_uid,
		.gid = found.stx_gid,
		.mode = found.stx_mode,
	};
	return 0;
}

#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)

/* Reading a directory must not leave a trace, where that is ours to say. */
static int quiet_flag(const DiskSource *source)
{
	return source->may_not_hide ? 0 : O_NOATIME;
}

static int open_quietly(DiskSource *source, int dir_fd, const char *name,
			int flags)
{
	int fd = openat(dir_fd, name, flags | quiet_flag(source));

	if (fd < 0 && errno == EPERM && !source->may_not_hide) {
		source->may_not_hide = true;
		fd = openat(dir_fd, name, flags);
	}
	return fd < 0 ? -errno : fd;
}

static int disk_open_root(DirSource *base, DirHandle *dir_out,
			  DirStat *stat_out)
{
	DiskSource *source = (DiskSource *)base;
	int at = source->root == NULL ? source->root_fd : AT_FDCWD;
	const char *name = source->root == NULL ? "." : source->root;
	int fd = open_quietly(source, at, name, OPEN_FLAGS);
	int r;

	if (fd == -ENOTDIR && source->root != NULL) {
		r = stat_at(AT_FDCWD, name, 0, stat_out);
		if (r == 0)
			*dir_out = DIR_HANDLE_NONE;
		return r;
	}
	if (fd < 0)
		return fd;
	r = stat_at(fd, "", AT_EMPTY_PATH, stat_out);
	/* A descriptor outlives the directory's last name. */
	if (r == 0 && stat_out->nlink == 0)
		r = -ENOENT;
	if (r < 0) {
		close(fd);
		return r;
	}
	*dir_out = fd;
	return 0;
}

static int open_beneath(int parent, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, parent, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The same in two steps. */
static int open_checked(DiskSource *source, int parent, const char *name)
{
	DirStat above, found;
	int fd = open_quietly(source, parent, name, OPEN_FLAGS | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return fd;
	r = stat_at(parent, "", AT_EMPTY_PATH, &above);
	if (r == 0)
		r = stat_at(fd, "", AT_EMPTY_PATH, &found);
	if (r == 0 && above.dev != found.dev)
		r = -EXDEV;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int disk_open(DirSource *base, DirHandle parent, const char *name,
		     DirHandle *dir_out)
{
	DiskSource *source = (DiskSource *)base;
	int fd = -ENOSYS;

	if (!source->has_no_openat2) {
		fd = open_beneath(parent, name,
				  OPEN_FLAGS | quiet_flag(source));
		if (fd == -EPERM && !source->may_not_hide) {
			source->may_not_hide = true;
			fd = open_beneath(parent, name, OPEN_FLAGS);
		}
		/* The second is what filters of system calls say. */
		source->has_no_openat2 = fd == -ENOSYS || fd == -EPERM;
	}
	if (source->has_no_openat2)
		fd = open_checked(source, parent, name);
	if (fd < 0)
		return fd;
	*dir_out = fd;
	return 0;
}

static int disk_list(DirSource *base, DirHandle dir, void *buffer, size_t size,
		     size_t *filled_out)
{
	long n = syscall(SYS_getdents64, dir, buffer, size);

	(void)base;
	if (n < 0)
		return -errno;
	*filled_out = (size_t)n;
	return 0;
}

static int disk_stat(DirSource *base, DirHandle dir, const char *name,
		     DirStat *stat_out)
{
	(void)base;
	return stat_at(dir, name,
		       AT_SYMLINK_NOFOLLOW |
			       (*name == '\0' ? AT_EMPTY_PATH : 0),
		       stat_out);
}

static bool disk_leads_to_dir(DirSource *base, DirHandle dir, const char *name)
{
	DirStat found;

	(void)base;
	return stat_at(dir, name, 0, &found) == 0 && S_ISDIR(found.mode);
}

static void disk_close(DirSource *base, DirHandle dir)
{
	(void)base;
	close(dir);
}

static void disk_free(DirSource *base)
{
	DiskSource *source = (DiskSource *)base;

	if (source->root_fd >= 0)
		close(source->root_fd);
	free(source->root);
	free(source);
}

static const DirSourceOps disk_ops = {
	.open_root = disk_open_root,
	.open = disk_open,
	.list = disk_list,
	.stat = disk_stat,
	.leads_to_dir = disk_leads_to_dir,
	.close = disk_close,
	.free = disk_free,
};

static DiskSource *new_disk_source(void)
{
	DiskSource *source = calloc(1, sizeof(*source));

	if (source != NULL) {
		source->base.ops = &disk_ops;
		source->root_fd = -1;
	}
	return source;
}

DirSource *dir_source_new_at_path(const char *root)
{
	DiskSource *source = new_disk_source();

	if (source == NULL)
		return NULL;
	source->root = strdup(root);
	if (source->root == NULL) {
		free(source);
		return NULL;
	}
	return &source->base;
}

DirSource *dir_source_new_at_fd(int fd)
{
	DiskSource *source = new_disk_source();

	if (source == NULL) {
		close(fd);
		return NULL;
	}
	source->root_fd = fd;
	return &source->base;
}

void dir_source_free(DirSource *source)
{
	if (source != NULL)
		source->ops->free(source);
}
