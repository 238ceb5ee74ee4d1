/* SPDX-License-Identifier: MIT */
/*
 * The picture of a scanned tree: for each directory its entries, with what is
 * compared of them. Pure: it is told what is there now and says what differs.
 *
 * 48 bytes an entry and its name; about 100 bytes more for each directory.
 *
 * Used by one thread at a time.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dir-source.h"

typedef struct SnapshotDir SnapshotDir;

enum {
	/* It was still being changed when it was looked at. */
	SNAPSHOT_UNSETTLED = 1 << 0,
	/* A link that leads to a directory. */
	SNAPSHOT_LINKS_DIR = 1 << 1,
	/* A file with several names. */
	SNAPSHOT_LINKED = 1 << 2,
	/* It could not be asked for its attributes, and has none here. */
	SNAPSHOT_UNKNOWN = 1 << 3,
};

typedef struct {
	uint64_t ino;
	uint64_t size; /* of a directory: its owner and group */
	int64_t mtime_ns;
	int64_t ctime_ns;
	SnapshotDir *dir; /* owned: what is in it, once it was read */
	uint32_t name;    /* place among the directory's names */
	uint16_t mode;    /* with the type */
	uint16_t flags;   /* SNAPSHOT_* */
} SnapshotEntry;

/* With nothing below it and no name. */
SnapshotEntry snapshot_entry_of(const DirStat *stat);

struct SnapshotDir {
	SnapshotDir *parent;    /* NULL for the root */
	SnapshotEntry *entries; /* owned, in the order of the listing */
	char *names;            /* owned */
	uint32_t count;
	uint32_t names_size;
	uint32_t index; /* of its entry in the parent */
	bool is_known;  /* it was read, at least once */
	bool is_due;    /* to be reported as a whole, once it was read */
	bool is_told;   /* that was done when it could not be read */
};

/* A directory that nobody has read yet. NULL: no memory. */
SnapshotDir *snapshot_dir_new(SnapshotDir *parent, uint32_t index);
/* With all that is below. NULL is allowed. */
void snapshot_dir_free(SnapshotDir *dir);

const char *snapshot_dir_get_name(const SnapshotDir *dir, uint32_t index);

/* How many names lead from the root to @dir. */
size_t snapshot_dir_get_depth(const SnapshotDir *dir);
/* Fill @parts, of that many, from the root down; borrowed from the picture. */
void snapshot_dir_get_path(const SnapshotDir *dir, const char **parts,
			   size_t depth);

/* What a directory lists now. Zeroed: nothing. Used for one after the other. */
typedef struct {
	SnapshotEntry *entries; /* owned */
	char *names;            /* owned */
	uint32_t *order;        /* owned; scratch */
	uint32_t count, size;
	uint32_t names_used, names_size;
	uint32_t order_size;
} SnapshotListing;

void snapshot_listing_clear(SnapshotListing *listing);
void snapshot_listing_reset(SnapshotListing *listing);
/* @stat: NULL when it can not be had: then what is known of the name stays.
   False: no memory. */
bool snapshot_listing_add(SnapshotListing *listing, const char *name,
			  const DirStat *stat);

/* @was and @is: one of them NULL when the name was, or is, not there. */
typedef void (*SnapshotDiffer)(void *data, SnapshotDir *dir, const char *name,
			       SnapshotEntry *was, SnapshotEntry *is);

/* Do these stand for the same object in the same state? Of directories only
   which one it is and its attributes: what is in it is looked at by itself. */
bool snapshot_entry_is_same(const SnapshotEntry *was, const SnapshotEntry *is);

/*
 * @listing is what @dir holds now: call @differs for each name that differs and
 * take it over. A directory that is the same one keeps what is known below it.
 * -ENOMEM: nothing was done.
 */
int snapshot_dir_update(SnapshotDir *dir, SnapshotListing *listing,
			SnapshotDiffer differs, void *data);

/* How many bytes @dir and all below it take: for tests and status. */
size_t snapshot_dir_get_bytes(const SnapshotDir *dir);

#endif /* CORE_SNAPSHOT_H */
