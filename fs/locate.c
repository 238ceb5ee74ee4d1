/* SPDX-License-Identifier: MIT */
#include "fs/locate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* How often names are looked up again before it is said that they lead
   elsewhere: renames of the way there must keep winning all these races. */
#define TRIES 16

/* What one climb may collect: far above any path that tools can make. */
#define CLIMB_MAX 65536u

NodeKey key_of(const Fs *fs, const struct statx *attributes)
{
	NodeKey key = {
		.ino = attributes->stx_ino,
		.dev = attributes->stx_dev_major << 20 |
		       attributes->stx_dev_minor,
	};

	if (!fs->has_unsteady_births && (attributes->stx_mask & STATX_BTIME))
		key.birth = (uint64_t)attributes->stx_btime.tv_sec *
				    UINT64_C(1000000000) +
			    attributes->stx_btime.tv_nsec;
	return key;
}

struct stat stat_of(const struct statx *attributes)
{
	return (struct stat){
		.st_dev = makedev(attributes->stx_dev_major,
				  attributes->stx_dev_minor),
		.st_ino = attributes->stx_ino,
		.st_mode = attributes->stx_mode,
		.st_nlink = attributes->stx_nlink,
		.st_uid = attributes->stx_uid,
		.st_gid = attributes->stx_gid,
		.st_rdev = makedev(attributes->stx_rdev_major,
				   attributes->stx_rdev_minor),
		.st_size = (off_t)attributes->stx_size,
		.st_blksize = (blksize_t)attributes->stx_blksize,
		.st_blocks = (blkcnt_t)attributes->stx_blocks,
		.st_atim = {attributes->stx_atime.tv_sec,
			    attributes->stx_atime.tv_nsec},
		.st_mtim = {attributes->stx_mtime.tv_sec,
			    attributes->stx_mtime.tv_nsec},
		.st_ctim = {attributes->stx_ctime.tv_sec,
			    attributes->stx_ctime.tv_nsec},
	};
}

errint stat_at(int dir_fd, const char *name, struct statx *attributes_out)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	if (*name == '\0')
		flags |= AT_EMPTY_PATH;
	if (statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_BTIME,
		  attributes_out) != 0)
		return -errno;
	return 0;
}

ProcPath proc_path(int fd)
{
	ProcPath path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

void sweep_descriptors(Fs *fs)
{
	Descriptor *done;

	inode_table_lock(fs->table);
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
}

/* False when there is nothing left to give up. */
static bool make_room(Fs *fs)
{
	bool closed = streams_close_idle(&fs->streams) > 0;
	Descriptor *done;

	inode_table_lock(fs->table);
	descriptors_shed_locked(&fs->cache, fs->cache.open / 2);
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	closed |= done != NULL;
	descriptors_close(done);
	return closed;
}

int open_at(Fs *fs, int dir_fd, const char *name, int flags, mode_t mode)
{
	for (;;) {
		int fd = openat(dir_fd, name, flags | O_CLOEXEC, mode);

		if (fd >= 0)
			return fd;
		if (errno == EINTR)
			continue;
		if ((errno != EMFILE && errno != ENFILE) || !make_room(fs))
			return -errno;
	}
}

int reopen(Fs *fs, int fd, int flags)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", fd);
	return open_at(fs, fs->proc_fd, name, flags & ~O_NOFOLLOW, 0);
}

void locate_release(Fs *fs, Descriptor *descriptor)
{
	Descriptor *done;

	inode_table_lock(fs->table);
	descriptor_unref_locked(&fs->cache, descriptor);
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
}

/* What the node has that can do @kind; a new reference, or NULL. */
static Descriptor *have_locked(Fs *fs, Node *node, DescriptorKind kind)
{
	if (node->cached != NULL && descriptor_can(node->cached, kind)) {
		descriptors_touch_locked(&fs->cache, node->cached);
		return descriptor_ref_locked(node->cached);
	}
	if (node->pin != NULL && descriptor_can(node->pin, kind))
		return descriptor_ref_locked(node->pin);
	return NULL;
}

/* Wrap @fd, which is taken, and let the node cache it if @keep. */
static errint adopt(Fs *fs, uint64_t id, int fd, DescriptorKind kind, bool keep,
		    Descriptor **descriptor_out)
{
	Descriptor *descriptor, *done;
	Node *node;

	inode_table_lock(fs->table);
	descriptor = descriptor_new_locked(&fs->cache, fd, kind);
	node = inode_table_get_locked(fs->table, id);
	if (descriptor != NULL && node != NULL && keep)
		descriptors_cache_locked(&fs->cache, &node->cached, descriptor);
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
	if (descriptor == NULL) {
		close(fd);
		return -ENOMEM;
	}
	*descriptor_out = descriptor;
	return 0;
}

/* The @n-th name of @node, from 0, modulo how many there are. */
static const Link *nth_link(const Node *node, unsigned n)
{
	const Link *link = node->links;

	for (n %= node_count_names_locked(node); n > 0; n--)
		link = link->next;
	return link;
}

/*
 * One step down: open the object that is called @name in @dir and see that it
 * is node @id. Takes nothing; the descriptor is O_PATH.
 */
static errint step(Fs *fs, const Descriptor *dir, const char *name,
		   const NodeKey *key, mode_t type, int *fd_out)
{
	struct statx attributes;
	NodeKey found;
	errint r;
	int fd = open_at(fs, dir->fd, name, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	r = stat_at(fd, "", &attributes);
	if (r == 0) {
		found = key_of(fs, &attributes);
		if (found.ino != key->ino || found.dev != key->dev ||
		    found.birth != key->birth ||
		    (attributes.stx_mode & S_IFMT) != type)
			r = -ESTALE;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*fd_out = fd;
	return 0;
}

/*
 * Climb from the node to the nearest directory above that is open, and come
 * down again opening what is missing. @attempt chooses among several names.
 * -EAGAIN: a name had changed meanwhile.
 */
static errint walk(Fs *fs, uint64_t id, unsigned attempt,
		   Descriptor **descriptor_out)
{
	g_autofree uint64_t *way = NULL; /* nodeids, the lowest first */
	size_t n = 0, size = 16;
	Descriptor *dir = NULL;
	Node *node;
	errint r = 0;

	way = g_try_new(uint64_t, size);
	if (way == NULL)
		return -ENOMEM;
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	while (node != NULL) {
		/* The lowest is asked for by name: what it has was no use. */
		if (n > 0 || node->type == S_IFDIR)
			dir = have_locked(fs, node, DESCRIPTOR_PATH);
		if (dir != NULL)
			break;
		if (node->links == NULL || n == CLIMB_MAX)
			break;
		if (n == size) {
			uint64_t *more = g_try_renew(uint64_t, way, size *= 2);

			if (more == NULL)
				break;
			way = more;
		}
		way[n++] = node_get_id(node);
		node = inode_table_at_locked(fs->table,
					     (n == 1 ? nth_link(node, attempt)
						     : node->links)
						     ->parent);
	}
	inode_table_unlock(fs->table);
	if (dir == NULL)
		return -ESTALE;

	while (n > 0) {
		char name[PATH_MAX]; /* what a system call takes */
		NodeKey key = {0};
		mode_t type = 0;
		Descriptor *next;
		uint64_t step_id = way[--n];
		bool known = false;
		int fd;

		inode_table_lock(fs->table);
		node = inode_table_get_locked(fs->table, step_id);
		if (node != NULL && node->links != NULL) {
			const Link *link =
				n == 0 ? nth_link(node, attempt) : node->links;

			known = true;
			g_strlcpy(name, link->name, sizeof(name));
			key = node->key;
			type = node->type;
		}
		inode_table_unlock(fs->table);
		r = known ? step(fs, dir, name, &key, type, &fd) : -ESTALE;
		if (r == 0)
			r = adopt(fs, step_id, fd, DESCRIPTOR_PATH,
				  type == S_IFDIR, &next);
		locate_release(fs, dir);
		if (r < 0)
			return r;
		dir = next;
	}
	*descriptor_out = dir;
	return 0;
}

/* May another try, by another name or after a rename, do better? */
static bool is_worth_another(errint r)
{
	return r == -ESTALE || r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* An O_PATH descriptor, or a better one. */
static errint open_path(Fs *fs, uint64_t id, Descriptor **descriptor_out)
{
	errint r = -ESTALE;

	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		Descriptor *have = NULL;
		Node *node;

		inode_table_lock(fs->table);
		node = inode_table_get_locked(fs->table, id);
		if (node != NULL && !(node->flags & NODE_CONTROL))
			have = have_locked(fs, node, DESCRIPTOR_PATH);
		inode_table_unlock(fs->table);
		if (node == NULL)
			return -ESTALE;
		if (have != NULL) {
			*descriptor_out = have;
			return 0;
		}
		r = walk(fs, id, attempt, descriptor_out);
		if (!is_worth_another(r))
			return r;
	}
	return -ESTALE;
}

errint locate_open(Fs *fs, uint64_t id, DescriptorKind kind,
		   Descriptor **descriptor_out)
{
	Descriptor *path = NULL;
	Node *node;
	bool regular = false, keep;
	errint r;
	int fd;

	if (kind > DESCRIPTOR_PATH) {
		Descriptor *have = NULL;

		inode_table_lock(fs->table);
		node = inode_table_get_locked(fs->table, id);
		if (node != NULL && !(node->flags & NODE_CONTROL)) {
			regular = node->type == S_IFREG;
			have = have_locked(fs, node, kind);
		}
		inode_table_unlock(fs->table);
		if (have != NULL) {
			*descriptor_out = have;
			return 0;
		}
		if (node == NULL)
			return -ESTALE;
		if (!regular)
			return -EINVAL;
	}
	r = open_path(fs, id, &path);
	if (r < 0)
		return r;
	if (descriptor_can(path, kind)) {
		*descriptor_out = path;
		return 0;
	}
	fd = reopen(fs, path->fd, kind == DESCRIPTOR_WRITE ? O_RDWR : O_RDONLY);
	/* A file that may be written but not read: this writer gets it, but
	   readers must not find it cached. */
	keep = fd != -EACCES || kind != DESCRIPTOR_WRITE;
	if (!keep)
		fd = reopen(fs, path->fd, O_WRONLY);
	locate_release(fs, path);
	if (fd < 0)
		return fd;
	r = adopt(fs, id, fd, kind, keep, descriptor_out);
	if (r == 0 && !keep)
		(*descriptor_out)->write_only = true;
	return r;
}

errint locate_open_append(Fs *fs, uint64_t id, Descriptor **descriptor_out)
{
	Descriptor *path;
	errint r = open_path(fs, id, &path);
	int fd;

	if (r < 0)
		return r;
	fd = reopen(fs, path->fd, O_WRONLY | O_APPEND);
	locate_release(fs, path);
	if (fd < 0)
		return fd;
	return adopt(fs, id, fd, DESCRIPTOR_WRITE, false, descriptor_out);
}

errint locate_stat(Fs *fs, uint64_t id, struct statx *attributes_out)
{
	Descriptor *descriptor;
	errint r;

	r = locate_open(fs, id, DESCRIPTOR_PATH, &descriptor);
	if (r < 0)
		return r;
	r = stat_at(descriptor->fd, "", attributes_out);
	locate_release(fs, descriptor);
	return r;
}
