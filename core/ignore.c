/* SPDX-License-Identifier: MIT */
/*
 * gitignore-like patterns, taken apart when they are given.
 *
 *  1. A pattern with a '/' inside or in front is anchored: a list of parts that
 *     are matched with the parts of a name one by one, from the root down. A
 *     part "**" takes any number of them, at the end at least one; before a
 *     quoted '/' as well, as in git.
 *  2. A pattern without is matched with the last part alone.
 *  3. A name is judged from the root down: the last pattern that matches
 * decides for each directory above it, and one that is ignored settles it for
 * all below.
 *  4. The cost: a "**" that was passed is never tried again once a later one
 *     was reached, as with the stars of wildcard.c. So each part of a pattern
 *     meets each part of a name at most once, for each directory above.
 */
#include "core/ignore.h"

#include <string.h>

#include "core/wildcard.h"

typedef struct {
	WildcardToken *tokens; /* owned */
	size_t count;
	bool is_any_depth; /* "**" */
} Part;

typedef struct {
	GArray *parts; /* of Part; owned */
	bool is_taken_back;
	bool is_for_directories;
	bool is_anchored;
	bool has_any_depth;
} Pattern;

struct Ignore {
	size_t count;
	Pattern patterns[];
};

static void clear_part(void *data)
{
	Part *part = data;

	g_free(part->tokens);
}

static void add_any_depth(Pattern *pattern)
{
	Part part = {.is_any_depth = true};

	g_array_append_val(pattern->parts, part);
	pattern->has_any_depth = true;
}

static void add_part(Pattern *pattern, const char *text, size_t length)
{
	Part part = {0};

	part.tokens = g_new(WildcardToken, length + 1);
	part.count = wildcard_compile(text, length, 0, part.tokens);
	g_array_append_val(pattern->parts, part);
}

/* How many bytes up to the next '/' that separates, or the end. One inside a
   set does not; a quoted one does, with *@quote_out set to 1, else 0. */
static size_t part_length(const char *text, size_t length, size_t *quote_out)
{
	size_t i = 0;

	*quote_out = 0;
	while (i < length && text[i] != '/') {
		size_t skip = 1;

		if (text[i] == '\\' && i + 1 < length) {
			if (text[i + 1] == '/') {
				*quote_out = 1;
				break;
			}
			skip = 2;
		} else if (text[i] == '[') {
			skip = wildcard_bracket_length(text + i, length - i);
			if (skip == 0) /* never closed: all that follows */
				skip = length - i;
		}
		i += skip;
	}
	return i;
}

static void parse(Pattern *pattern, const char *text)
{
	size_t length = strlen(text);

	pattern->parts = g_array_new(false, false, sizeof(Part));
	g_array_set_clear_func(pattern->parts, clear_part);
	if (*text == '!') {
		pattern->is_taken_back = true;
		text++;
		length--;
	}
	if (text[length - 1] == '/') {
		pattern->is_for_directories = true;
		length--;
	}
	pattern->is_anchored = memchr(text, '/', length) != NULL;
	if (!pattern->is_anchored) {
		add_part(pattern, text, length);
		return;
	}
	if (*text == '/') {
		text++;
		length--;
	}
	for (;;) {
		size_t quote;
		size_t n = part_length(text, length, &quote);
		bool is_last = n == length;

		if (n >= 2 && strspn(text, "*") >= n) {
			add_any_depth(pattern);
			if (is_last || quote > 0)
				add_part(pattern, "*", 1);
		} else {
			add_part(pattern, text, n);
		}
		if (is_last)
			break;
		n += quote + 1;
		text += n;
		length -= n;
	}
}

Ignore *ignore_new(const char *const *patterns, GError **error)
{
	size_t count = 0;
	Ignore *ignore;

	for (; patterns != NULL && patterns[count] != NULL; count++) {
		const char *text = patterns[count];

		if (*text == '!')
			text++;
		if (text[strspn(text, "/")] == '\0') {
			g_set_error(error, G_OPTION_ERROR,
				    G_OPTION_ERROR_BAD_VALUE,
				    "cannot ignore '%s': it names nothing",
				    patterns[count]);
			return NULL;
		}
	}
	ignore = g_malloc0(sizeof *ignore + count * sizeof(Pattern));
	ignore->count = count;
	for (size_t i = 0; i < count; i++)
		parse(&ignore->patterns[i], patterns[i]);
	return ignore;
}

void ignore_free(Ignore *ignore)
{
	if (ignore == NULL)
		return;
	for (size_t i = 0; i < ignore->count; i++)
		g_array_unref(ignore->patterns[i].parts);
	g_free(ignore);
}

bool ignore_is_empty(const Ignore *ignore)
{
	return ignore == NULL || ignore->count == 0;
}

static bool match_part(const Part *part, const char *name)
{
	return wildcard_match(part->tokens, part->count, name, strlen(name));
}

/* (1), (4) */
static bool match_parts(const Pattern *pattern, const char *const *names,
			size_t count)
{
	const Part *parts = (const Part *)(void *)pattern->parts->data;
	size_t n = pattern->parts->len;
	size_t part = 0;
	size_t at = 0;
	size_t deep = SIZE_MAX; /* the part behind the last "**" passed */
	size_t deep_at = 0;     /* where what it has taken ends */

	if (!pattern->has_any_depth && n != count)
		return false;
	while (at < count) {
		if (part < n && parts[part].is_any_depth) {
			deep = ++part;
			deep_at = at;
		} else if (part < n && match_part(&parts[part], names[at])) {
			part++;
			at++;
		} else if (deep != SIZE_MAX) {
			part = deep; /* let it take one more */
			at = ++deep_at;
		} else {
			return false;
		}
	}
	while (part < n && parts[part].is_any_depth)
		part++;
	return part == n;
}

static bool match(const Pattern *pattern, const char *const *names,
		  size_t count, bool is_dir)
{
	if (pattern->is_for_directories && !is_dir)
		return false;
	if (pattern->is_anchored)
		return match_parts(pattern, names, count);
	return match_part(&g_array_index(pattern->parts, Part, 0),
			  names[count - 1]);
}

bool ignore_match(const Ignore *ignore, const char *const *parts, size_t count,
		  bool is_dir)
{
	if (ignore_is_empty(ignore))
		return false;
	for (size_t depth = 1; depth <= count; depth++) { /* (3) */
		size_t i = ignore->count;

		while (i > 0 && !match(&ignore->patterns[i - 1], parts, depth,
				       depth < count || is_dir))
			i--;
		if (i > 0 && !ignore->patterns[i - 1].is_taken_back)
			return true;
	}
	return false;
}
