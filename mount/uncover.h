/* SPDX-License-Identifier: MIT */
/*
 * Take a mount away and wait until all of it is gone. What the commands umount
 * and run share; cover.h is the reverse.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_UNCOVER_H
#define MOUNT_UNCOVER_H

#include <stdbool.h>

#include <glib.h>

/*
 * End the mount that @path lies in, dead or alive, and wait for the end of its
 * daemon unless it was detached. With @lazy it is detached although it is in
 * use. Afterwards the process stands in "/". False with @error, a whole line;
 * *@busy_out, which may be NULL, is set to true iff the reason is that it is in
 * use.
 */
bool uncover(const char *path, bool lazy, bool *busy_out, GError **error);

#endif /* MOUNT_UNCOVER_H */
