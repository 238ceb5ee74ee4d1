/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/mark.h"
#include "fs/ops.h"
#include "fs/streams.h"

/* One getdents64(2) reads this much at most. */
#define ENTRIES_SIZE 32768

/* What getdents64(2) fills in; glibc's struct dirent64 is the same. */
typedef struct dirent64 Entry;

/* One answer being built. */
typedef struct {
	fuse_req_t req;
	uint64_t id;
	const Descriptor *dir;
	bool plus; /* with attributes, each a look-up */
	char *buffer;
	size_t size, used;
} Listing;

static bool is_dot(const char *name)
{
	return name[0] == '.' &&
	       (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/*
 * Add one entry. 0; -ENOSPC when it does not fit. An entry whose attributes
 * cannot be had is listed without: who looks it up gets the error.
 */
static errint add_entry(Listing *listing, const Entry *entry)
{
	Fs *fs = fs_of(listing->req);
	struct fuse_entry_param param = {
		.attr =
			{
				.st_ino = entry->d_ino,
				.st_mode = DTTOIF(entry->d_type),
			},
	};
	char *to = listing->buffer + listing->used;
	size_t room = listing->size - listing->used, need;
	off_t next = entry->d_off;

	if (!listing->plus) {
		need = fuse_add_direntry(listing->req, to, room, entry->d_name,
					 &param.attr, next);
		if (need > room)
			return -ENOSPC;
		listing->used += need;
		return 0;
	}
	/* First whether it fits: a look-up must not be given for nothing. */
	need = fuse_add_direntry_plus(listing->req, NULL, 0, entry->d_name,
				      NULL, 0);
	if (need > room)
		return -ENOSPC;
	if (!is_dot(entry->d_name) &&
	    lookup_entry(fs, listing->id, listing->dir, entry->d_name, &param) <
		    0)
		param.ino = 0;
	listing->used += fuse_add_direntry_plus(listing->req, to, room,
						entry->d_name, &param, next);
	return 0;
}

/* The kernel did not want the answer: take the look-ups in it back. */
static void undo_listing(Fs *fs, const Listing *listing)
{
	size_t at = 0;

	while (at < listing->used) {
		const struct fuse_direntplus *entry =
			(const void *)(listing->buffer + at);

		if (entry->entry_out.nodeid != 0)
			undo_lookup(fs, &(struct fuse_entry_param){
						.ino = entry->entry_out.nodeid,
					});
		at += FUSE_DIRENTPLUS_SIZE(entry);
	}
}

/* A real file has the control file's name: nobody can see it, so it is said
   where people look. */
static void note_hidden(Fs *fs, uint64_t id)
{
	char path[SINCEFS_ROOT_SIZE] = "";
	Node *dir;

	inode_table_lock(fs->table);
	dir = inode_table_get_locked(fs->table, id);
	if (dir != NULL)
		inode_table_describe_locked(fs->table, dir, path, sizeof(path));
	inode_table_unlock(fs->table);
	counters_hidden(&fs->counters, id, path);
}

/*
 * Fill the answer from @fd, which stands at @position. *@stands_out is where it
 * stands afterwards, -1 when the end was met.
 */
static errint fill(Listing *listing, int fd, off_t position, off_t *stands_out)
{
	_Alignas(Entry) char entries[ENTRIES_SIZE];
	/* About as much as will fit: an entry with attributes is larger here
	   than there. */
	size_t ask = listing->plus ? listing->size / 4 : listing->size;

	if (ask > sizeof(entries))
		ask = sizeof(entries);
	if (ask < 1024)
		ask = 1024;
	*stands_out = position;
	for (;;) {
		ssize_t n = syscall(SYS_getdents64, fd, entries, ask);

		if (n < 0)
			return listing->used > 0 ? 0 : -errno;
		if (n == 0) {
			*stands_out = -1;
			return 0;
		}
		for (ssize_t at = 0; at < n;) {
			const Entry *entry = (const Entry *)(entries + at);

			at += entry->d_reclen;
			if (control_is_name(entry->d_name)) {
				note_hidden(fs_of(listing->req), listing->id);
			} else if (add_entry(listing, entry) < 0) {
				/* The next piece begins with this one. */
				if (lseek(fd, *stands_out, SEEK_SET) < 0)
					*stands_out = -1;
				return 0;
			}
			*stands_out = entry->d_off;
		}
	}
}

static errint open_stream(Fs *fs, const Descriptor *dir, uint64_t id,
			  off_t position, int *fd_out)
{
	int fd = position == 0 ? -1 : streams_steal(&fs->streams, id, position);

	if (fd < 0) {
		fd = reopen(fs, dir->fd, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
		if (position != 0 && lseek(fd, position, SEEK_SET) < 0) {
			errint r = -errno;

			close(fd);
			return r;
		}
	}
	*fd_out = fd;
	return 0;
}

static void list(fuse_req_t req, uint64_t id, size_t size, off_t position,
		 bool plus)
{
	Fs *fs = fs_of(req);
	Listing listing = {
		.req = req,
		.id = id,
		.plus = plus,
		.size = size,
	};
	Descriptor *dir = NULL;
	off_t stands = -1;
	int fd = -1;
	errint r;

	r = locate_open(fs, id, DESCRIPTOR_PATH, &dir);
	if (r == 0)
		r = open_stream(fs, dir, id, position, &fd);
	if (r == 0) {
		listing.dir = dir;
		listing.buffer = malloc(size);
		r = listing.buffer == NULL
			    ? -ENOMEM
			    : fill(&listing, fd, position, &stands);
	}
	if (fd >= 0) {
		if (r == 0 && stands >= 0)
			streams_keep(&fs->streams, id, stands, fd);
		else
			close(fd);
	}
	if (dir != NULL)
		locate_release(fs, dir);
	if (r < 0)
		reply(req, r);
	else if (fuse_reply_buf(req, listing.buffer, listing.used) < 0 && plus)
		undo_listing(fs, &listing);
	free(listing.buffer);
}

void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	/* Said once, and the kernel opens all directories by itself. */
	reply(req, -ENOSYS);
}

void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	(void)fi;
	list(req, id, size, offset, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, id, size, offset, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int datasync,
		 struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Descriptor *dir;
	errint r;
	int fd;

	(void)fi;
	r = locate_open(fs, id, DESCRIPTOR_PATH, &dir);
	if (r == 0) {
		fd = reopen(fs, dir->fd, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			r = fd;
		else if ((datasync ? fdatasync(fd) : fsync(fd)) != 0)
			r = -errno;
		if (fd >= 0)
			close(fd);
		locate_release(fs, dir);
	}
	reply(req, r);
}
