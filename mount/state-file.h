/* SPDX-License-Identifier: MIT */
/*
 * A file that holds a token between two questions. It is replaced as a whole or
 * not at all, and what is not such a file is never replaced.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_STATE_FILE_H
#define MOUNT_STATE_FILE_H

#include <stdbool.h>

#include <glib.h>

#include <sincefs/sincefs.h>

/*
 * The token in the file @path: the zero token when the file is absent or empty,
 * or was written for another version of the protocol. False with @error, a
 * whole line, when it holds anything else or can not be read.
 */
bool state_file_read(const char *path, struct sincefs_token *token_out,
		     GError **error);

/* Put @token there. Mode and owner stay, as far as the caller may; a symbolic
   link is followed. False with @error: the file is as it was. */
bool state_file_write(const char *path, const struct sincefs_token *token,
		      GError **error);

#endif /* MOUNT_STATE_FILE_H */
