/* SPDX-License-Identifier: MIT */
/*
 * May this directory be covered? All refusals of a mount are here, each with
 * its reason, and the recovery of a place where a dead mount is left.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_PLACE_H
#define MOUNT_PLACE_H

#include <stdbool.h>

#include <glib.h>

typedef struct {
	char *root;    /* owned; where to mount: absolute, without links */
	char *source;  /* owned; what to show there, likewise */
	int source_fd; /* owned; -1 once it was handed on */
	/* Owned; as long as it is open, no other sincefs decides about the same
	   place. -1: it could not be had, which is no reason not to mount. */
	int lock_fd;
} Place;

/*
 * Decide about mounting over @dir what @source (NULL: itself) holds. False with
 * @error: a whole line. A dead mount at @dir has been removed then or not; that
 * is reported.
 */
bool place_open(Place *place, const char *dir, const char *source,
		bool allow_other, GError **error);
/* Of one that was opened, or all zero with -1 for descriptors. */
void place_clear(Place *place);

#define PLACE_INIT                                                             \
	{                                                                      \
		.source_fd = -1, .lock_fd = -1                                 \
	}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* Does the text of a fuse.conf(5) allow allow_other to users? */
bool place_conf_allows_other(const char *text);

#endif /* MOUNT_PLACE_H */
