/* SPDX-License-Identifier: MIT */
/*
 * The control file, ".sincefs".
 *
 * Files are opened without a request, so a descriptor has no open of its own to
 * hang state on; but every look-up of the control file makes a new node with an
 * entry that is not kept, so that node *is* the open. What it remembers is the
 * last clock that was told through it, and the last scan that was asked for:
 * poll(2) says readable iff the clock has passed that, or the scan is done and
 * nobody has asked anything through it since.
 */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs-internal.h"

/* Guarded by the inode table's lock. */
struct Control {
	uint64_t told;                   /* the last clock told through it */
	uint32_t scan_tree;              /* a scan asked for on it, or 0 */
	uint64_t scans;                  /* what that waits for */
	struct fuse_pollhandle *pollers; /* whom to wake, or NULL; owned */
	struct Control *previous, *next; /* in the notifier's list while so */
	Notifier *notifier;              /* whose list that is */
};

/* True for the name that stands for the control file in every directory. */
bool control_is_name(const char *name);

/*
 * Make the node for one look-up of the control file in directory @parent, with
 * one look-up count. 0 and the nodeid, or -errno.
 */
int control_open(Fs *fs, uint64_t parent, uint64_t *id_out);

/* Its attributes: an empty file that everybody may open. */
void control_stat(Fs *fs, uint64_t id, struct stat *attributes_out);

/* Was this node's look-up one of the control file? */
bool control_is_node(Fs *fs, uint64_t id);

/* Remember that @clock was told through the node @id, if it is one; and that it
   is not waited for a scan any more, if that is done. */
void control_told(Fs *fs, uint64_t id, uint64_t clock);

/* Remember that a scan of @tree was asked for through the node @id, if it is
   one: it is done when the tree's scans have reached @scans. */
void control_scan_asked(Fs *fs, uint64_t id, uint32_t tree, uint64_t scans);

/* Is there something to read? Under the inode table's lock. */
bool control_is_readable_locked(Fs *fs, const Control *control);

/*
 * Is it readable? @handle (taken, may be NULL) is woken when it becomes so.
 * Other files always are.
 */
bool control_poll(Fs *fs, uint64_t id, struct fuse_pollhandle *handle);

/* Called by the inode table, under its lock. */
void control_free(Control *control);

#endif /* FS_CONTROL_H */
