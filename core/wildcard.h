/* SPDX-License-Identifier: MIT */
/*
 * Wildcards in one part of a path: * ? [set] \quoted, as fnmatch(3) without
 * flags in the C locale has them: bytes, whatever the locale is.
 *
 * Unlike fnmatch(3), matching never takes longer than the product of the two
 * lengths, so patterns may come from anybody. Pure; any thread.
 */
#ifndef CORE_WILDCARD_H
#define CORE_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One byte of text, or for a star any number of them, is taken by each. */
typedef struct {
	uint8_t kind;
	uint8_t byte;
	uint64_t set[4]; /* a bit for each byte */
} WildcardToken;

/* '[' without its ']' is, as in fnmatch(3), an ordinary character. Without this
   flag, as in gitignore(5), such a pattern matches nothing. */
#define WILDCARD_OPEN_BRACKET 0x1

/*
 * Translate a pattern of @length bytes into at most @length @tokens, returning
 * how many. A pattern that can not mean anything (a '\' at its end, an unknown
 * [:class:]) is translated into one that matches nothing.
 */
size_t wildcard_compile(const char *pattern, size_t length, unsigned flags,
			WildcardToken *tokens);

/* Does the whole of @text match? */
bool wildcard_match(const WildcardToken *tokens, size_t count, const char *text,
		    size_t length);

/* How long is the bracket expression at @pattern, which is a '['? 0 when it is
   not closed. */
size_t wildcard_bracket_length(const char *pattern, size_t length);

#endif /* CORE_WILDCARD_H */
