/* SPDX-License-Identifier: MIT */
/*
 * One full scan of a tree: every directory is listed, every entry asked for its
 * attributes, and what differs from the picture of the last scan is found.
 * Looks at names, types, inode numbers, modes, sizes and both times, so that an
 * edit which keeps the size and puts the time back is found by its ctime.
 *
 * Called by one thread at a time for one tree. Blocks as the file system does.
 */
#ifndef CORE_SCAN_H
#define CORE_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/dir-source.h"
#include "core/snapshot.h"

/* One thing that a scan has found. */
typedef struct {
	SnapshotDir *dir; /* the directory that it lies in; NULL: the root */
	const char *name; /* in it; "" for the root */
	/* How it was at the last scan and how it is now: NULL when it was, or
	   is, not there. Both NULL: it may be anything. */
	const SnapshotEntry *was;
	const SnapshotEntry *is;
} ScanFinding;

typedef void (*ScanFound)(void *data, const ScanFinding *finding);

/* The SINCEFS_* flags that say so, SCANNED among them. Never NEW: that the name
   was absent at some token is what a scan cannot know. */
uint16_t scan_finding_get_flags(const ScanFinding *finding);

/* What is known of one tree from scan to scan. */
typedef struct {
	SnapshotDir *root;   /* owned; NULL when there is no directory */
	SnapshotEntry entry; /* of the root itself, while is_there */
	uint64_t dev;
	bool is_there;
	bool is_known; /* there was a scan that came to an end */
} ScanPicture;

void scan_picture_clear(ScanPicture *picture);

typedef struct {
	DirSource *source;
	ScanFound found;
	void *data;
	/* The first scan is a baseline: it reports only what has a ctime at or
	   after this. */
	int64_t baseline_ns;
	/* The time of the file systems' clock, in nanoseconds since the epoch,
	   and a wait until it shows @until_ns; tests have their own. */
	int64_t (*now)(void *data);
	void (*wait_until)(void *data, int64_t until_ns);
	/* Set by another thread: end as soon as possible. */
	const atomic_bool *stop;
} ScanConfig;

typedef struct {
	uint64_t files;  /* objects looked at, directories included */
	int error;       /* 0, or -errno of the last thing not looked at */
	uint32_t mounts; /* other file systems in it, not entered */
	uint32_t links;  /* to directories, not followed: an upper bound */
} ScanResult;

/* False when it was stopped: then the picture is as good as before, and the
   next scan finds the rest. */
bool scan_run(ScanPicture *picture, const ScanConfig *config,
	      ScanResult *result_out);

/* For ScanConfig: the kernel's. */
int64_t scan_clock_now(void *data);
void scan_clock_wait_until(void *data, int64_t until_ns);

#endif /* CORE_SCAN_H */
