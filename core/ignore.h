/* SPDX-License-Identifier: MIT */
/*
 * Names that are passed through but never stamped: gitignore-like patterns.
 *
 * As in gitignore(5): "name" matches at any depth; a '/' inside or in front
 * anchors the pattern at the root of the tree; a trailing '/' restricts it to
 * directories; "*" and "?" and "[...]" do not match '/', "**" as a whole part
 * matches any number of parts; '\' quotes; a leading '!' takes back; the last
 * pattern that matches decides; all below an ignored directory is ignored.
 *
 * Immutable after new: any thread, no lock. Patterns come from the command
 * line, names from the disk: neither may make matching slow beyond the product
 * of their lengths, for each directory above.
 */
#ifndef CORE_IGNORE_H
#define CORE_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

typedef struct Ignore Ignore;

/*
 * @patterns: NULL-terminated, or NULL for none. Returns NULL with @error (of
 * G_OPTION_ERROR, BAD_VALUE) for a pattern that can not mean anything: empty,
 * "!" or "/" alone.
 */
Ignore *ignore_new(const char *const *patterns, GError **error);
/* NULL is allowed. */
void ignore_free(Ignore *ignore);

/* True when there is no pattern: nothing is ever ignored. NULL is allowed. */
bool ignore_is_empty(const Ignore *ignore);

/*
 * Is the name with these @count path parts, from the root down, ignored?
 * @is_dir tells of the last part; those before it are directories. The root
 * itself (@count 0) never is.
 */
bool ignore_match(const Ignore *ignore, const char *const *parts, size_t count,
		  bool is_dir);

#endif /* CORE_IGNORE_H */
