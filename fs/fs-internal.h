/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the file system object. The threads, the
 * operations and what they stand on all hang here; the fields without a lock
 * are immutable after fs_new().
 */
#ifndef FS_FS_INTERNAL_H
#define FS_FS_INTERNAL_H

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include "fs/barrier.h"
#include "fs/counters.h"
#include "fs/descriptors.h"
#include "fs/fs.h"
#include "fs/inode-table.h"
#include "fs/notifier.h"
#include "fs/own-mount.h"
#include "fs/requests.h"
#include "fs/streams.h"
#include "fs/turns.h"

/* What the kernel may keep without asking: every change comes through us. */
#define FOR_EVER 1e9

/* Nodes whose pins may be given up when there are many, the oldest first; some
   may be gone by now. A ring. */
typedef struct {
	uint64_t *ids; /* owned */
	uint32_t first, count, size;
} PinQueue;

struct Fs {
	struct fuse_session *session; /* owned */
	char *mountpoint;             /* owned */
	bool mounted;                 /* by us; the calling thread's */
	OwnMount own_mount;           /* likewise */
	int root_fd;                  /* of the tree below, O_PATH; owned */
	int proc_fd;                  /* /proc/self/fd, O_PATH; owned */
	uid_t owner;
	bool acts_as_caller; /* a daemon of root: creates as who asks */
	bool is_root;
	bool has_unsteady_births; /* birth times below may change */
	unsigned write_delay_us;  /* for tests: before each WRITE is stamped */

	DirtySet *set;        /* borrowed */
	TreeList *trees;      /* borrowed */
	NameNode *root_name;  /* of the mount's tree; borrowed from it */
	const Ignore *ignore; /* borrowed, or NULL */
	Scanner *scanner;     /* borrowed, or NULL */

	InodeTable *table;     /* owned; its lock guards the next two too */
	DescriptorCache cache; /* budget and contents */
	PinQueue pins;         /* likewise */
	Streams streams;       /* a lock of its own */
	Barrier barrier;       /* likewise */
	Turns turns;           /* likewise */
	Notifier notifier;     /* likewise */
	Requests requests;     /* likewise */
	Counters counters;     /* likewise */

	_Atomic uint64_t features; /* SINCEFS_FEATURE_*, known after INIT */
	_Atomic bool exit_early;   /* fs_free() was called */
};

/* The one file system that a request belongs to. */
static inline Fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/*
 * As fs_new(), but nothing is mounted: requests are read from @fd and answered
 * through @io, where somebody else plays the kernel. Takes @fd when it
 * succeeds.
 */
Fs *fs_new_on(FsConfig *config, const struct fuse_custom_io *io, int fd,
	      GError **error);

#endif /* FS_FS_INTERNAL_H */
