/* SPDX-License-Identifier: MIT */
/*
 * What is said to people: one line each, on standard error, in the form
 * "sincefs: tried what, on which path: why". Commands report; what runs in the
 * daemon once it answers logs instead (log.h).
 *
 * For the main thread.
 */
#ifndef MOUNT_REPORT_H
#define MOUNT_REPORT_H

#include <glib.h>

/* Write "sincefs: ", the text and a newline to standard error at once. */
void report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Further lines of the same report: the text and a newline. */
void report_more(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Why, for an errno: "permission denied". Interned, never freed. */
const char *reason_text(int error);

/*
 * Why a call of the client library failed, for its negative errno: as
 * reason_text(), but in the words of this project where it has some. Interned.
 */
const char *client_reason_text(int error);

/*
 * A path for a message: 'a b', or "a\nb" in C quotes where the plain one would
 * not be one line or not be readable. Caller frees.
 */
char *dup_shown_path(const char *path);

#endif /* MOUNT_REPORT_H */
