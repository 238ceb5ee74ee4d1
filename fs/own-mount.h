/* SPDX-License-Identifier: MIT */
/*
 * Which mount is ours, and where it is by now: the path that it was mounted at
 * may lead elsewhere later, as a directory above was renamed, or something else
 * was mounted there after ours was detached. Asks the kernel's list of mounts
 * and no file system.
 */
#ifndef FS_OWN_MOUNT_H
#define FS_OWN_MOUNT_H

#include <stdbool.h>

typedef struct {
	int id; /* 0: not known */
	unsigned major, minor;
} OwnMount;

/* Note the mount that was just made at @point. */
void own_mount_note(OwnMount *own, const char *point);

/*
 * Where it is now: 0 with *@point_out (the caller frees it with g_free()).
 * -ENOENT: nowhere that this process could see. -EBUSY: something else is
 * mounted over it or above it, and no path leads to it. Another -errno: the
 * list could not be read.
 */
int own_mount_find(const OwnMount *own, char **point_out);

#endif /* FS_OWN_MOUNT_H */
