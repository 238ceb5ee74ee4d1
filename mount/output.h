/* SPDX-License-Identifier: MIT */
/*
 * How changes are written: as text for people, NUL-separated for git and
 * scripts, or one JSON object a line. Appending is pure; one writer at the end
 * puts it on a stream and says whether that worked.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_OUTPUT_H
#define MOUNT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <glib.h>
#include <json-glib/json-glib.h>

#include <sincefs/sincefs.h>

typedef enum {
	/* A letter, two spaces, the path; or "FRESH" alone. */
	OUTPUT_TEXT,
	/* The token, then each path, or "/" for fresh; each ended by NUL. */
	OUTPUT_NUL,
	/* An object a change; the last one has the token. */
	OUTPUT_JSON,
} OutputFormat;

/*
 * 'D' the name is gone, else 'A' it is new, else 'M' its content may differ,
 * else 'm' (only attributes or times).
 */
char output_letter(uint16_t flags);

/* "no-token", "restart", "forgot", "lost", "future"; "unknown" for a number
   that this version does not know; NULL for 0. */
const char *output_reason_name(uint32_t reason);

/*
 * Append @length bytes at @path as git writes a path with its defaults: as it
 * is, or in double quotes with C's escapes if it has a control character, a
 * quote, a backslash or a byte above 0x7f.
 */
void output_append_quoted(GString *text, const char *path, size_t length);

/*
 * Append one change. @root is the root of the change's tree if its paths are to
 * be absolute, or NULL for paths as they are.
 */
void output_append_change(GString *text, OutputFormat format,
			  const struct sincefs_change *change,
			  const char *root);

/*
 * Is this a change that no list of names can tell in the NUL format: all below
 * the mount's root? The answer is then written as a fresh one.
 */
bool output_change_means_all(const struct sincefs_change *change);

/*
 * What stands before and after the changes of one answer: with OUTPUT_NUL the
 * token in front and, for a stream of answers, an empty string at the end; with
 * OUTPUT_JSON the object with the token at the end. A fresh answer has its sign
 * in the head or the tail, and no change between.
 */
void output_append_head(GString *text, OutputFormat format,
			const struct sincefs_token *token, bool fresh);
void output_append_tail(GString *text, OutputFormat format,
			const struct sincefs_token *token, bool fresh,
			uint32_t reason, bool stream);

/* The root directory of the tree @id, borrowed; NULL for the mount itself and
   for a tree that is not known. */
typedef const char *(*OutputRootFunc)(uint32_t id, void *data);

/*
 * Write a whole answer to @stream and flush it: 0 or -errno. @stream_of_answers
 * as for output_append_tail().
 */
int output_write_answer(FILE *stream, OutputFormat format,
			const struct sincefs_answer *answer,
			bool stream_of_answers, OutputRootFunc get_root,
			void *data);

/* Set @member of @object to the path, and "@member_base64" too if the path is
   not UTF-8: then @member is only readable. */
void output_set_json_path(JsonObject *object, const char *member,
			  const char *path, size_t length);

/* Append @object as one line. Takes it. */
void output_append_json_line(GString *text, JsonObject *object);

/* Write @text and flush @stream: 0 or -errno. */
int output_write(FILE *stream, GString *text);

/* Flush @stream: 0, or the -errno of this or an earlier failed write. */
int output_flush(FILE *stream);

#endif /* MOUNT_OUTPUT_H */
