/* SPDX-License-Identifier: MIT */
/*
 * The mount: the one door to this room. Names no FUSE type.
 *
 * Life: fs_new() mounts, fs_start() begins to answer, fs_unmount() ends it,
 * fs_free() waits for the threads and releases everything. The calls are made
 * by one thread that answers no request itself.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "core/dirty-set.h"
#include "core/ignore.h"
#include "core/scanner.h"
#include "core/tree.h"

typedef struct Fs Fs;

typedef struct {
	/* The directory whose tree is shown, opened (O_PATH will do) before
	   anything covers it. Taken by fs_new(), on failure too. */
	int source_fd;
	/* Where it is shown: absolute, existing, a directory. */
	const char *mountpoint;
	/* What stands in /proc/self/mountinfo as the source of the mount. */
	const char *source_name;
	bool allow_other;
	/* Further mount options as for mount(8) -o ("ro,noatime"), or NULL. */
	const char *options;
	/* The dirty set and its trees, of which number 1 is this mount;
	   borrowed, outlive the file system. */
	DirtySet *set;
	TreeList *trees;
	/* Names that are not stamped, or NULL; borrowed likewise. */
	const Ignore *ignore;
	/* Who scans when a client asks for it, or NULL; borrowed likewise. */
	Scanner *scanner;
	/* Beside root, who may ask (promise 7). */
	uid_t owner;
	/* Descriptors it may use at most; 0: what RLIMIT_NOFILE leaves. */
	size_t max_descriptors;
} FsConfig;

/* Mount. NULL with @error ("cannot mount over '/src': ...") when that fails. */
Fs *fs_new(FsConfig *config, GError **error);

/*
 * Start the threads that answer requests. @ended is called once, from one of
 * them, when the kernel has ended the session: unmounted by whomever, or
 * aborted; it must not call back into this file system.
 */
bool fs_start(Fs *fs, void (*ended)(void *data), void *data, GError **error);

/*
 * Ask the kernel to end the mount. @lazy: detach it although it is in use;
 * requests go on being answered until the last user is gone. 0, or -EBUSY, or
 * another -errno. The mount may already be gone: that is success.
 */
int fs_unmount(Fs *fs, bool lazy);

/*
 * Stop answering, whatever is in flight gets an error, free everything.
 * Unmounts lazily if that has not happened. NULL is allowed. False when a
 * request is stuck in the file system below: then nothing was freed, and what
 * @fs borrowed must stay until the process ends.
 */
bool fs_free(Fs *fs);

/* The clock has moved, or a scan is done, by somebody else's doing: wake those
   who wait for it. Any thread. */
void fs_clock_moved(Fs *fs);

/* What the mount did and holds: the answer of SINCEFS_IOC_STATS. Any thread. */
void fs_get_stats(Fs *fs, struct sincefs_stats *stats_out);

#endif /* FS_FS_H */
