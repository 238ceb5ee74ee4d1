/* SPDX-License-Identifier: MIT */
/*
 * Patterns are translated once, so that a step of the match is one comparison,
 * however long the text of a set is; and a star that was passed is never tried
 * again once a later one was reached: whatever the first could give to the
 * second, the second can take by itself. Both together bound the time.
 */
#include "core/wildcard.h"

#include <string.h>

enum { LITERAL, ANY, STAR, SET, NEVER };

/* Where we are in a pattern. */
typedef struct {
	const unsigned char *at;
	const unsigned char *end;
} Input;

static void add_range(WildcardToken *token, unsigned first, unsigned last)
{
	for (unsigned c = first; c <= last; c++)
		token->set[c / 64] |= UINT64_C(1) << (c % 64);
}

static bool is_in_set(const WildcardToken *token, unsigned char c)
{
	return token->set[c / 64] >> (c % 64) & 1;
}

/* The C locale's classes, as ranges: from, to, from, to. */
static const struct {
	const char *name;
	const char *ranges;
} classes[] = {
	{"alnum", "09AZaz"},   {"alpha", "AZaz"},
	{"blank", "  \t\t"},   {"cntrl", "\001\037\177\177"},
	{"digit", "09"},       {"graph", "!~"},
	{"lower", "az"},       {"print", " ~"},
	{"punct", "!/:@[`{~"}, {"space", "  \t\r"},
	{"upper", "AZ"},       {"xdigit", "09AFaf"},
};

static bool add_class(WildcardToken *token, const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		const char *range = classes[i].ranges;

		if (strlen(classes[i].name) != length ||
		    memcmp(classes[i].name, name, length) != 0)
			continue;
		for (; *range != '\0'; range += 2)
			add_range(token, (unsigned char)range[0],
				  (unsigned char)range[1]);
		return true;
	}
	return false;
}

/*
 * [:class:], with @in behind the '['. 0: it is not one, and nothing was taken;
 * -1: an unknown one; 1: in the set.
 */
static int parse_class(Input *in, WildcardToken *token)
{
	const unsigned char *name = in->at + 1;
	const unsigned char *p = name;

	if (in->at == in->end || *in->at != ':')
		return 0;
	while (p < in->end && *p >= 'a' && *p <= 'z')
		p++;
	if (in->end - p < 2 || p[0] != ':' || p[1] != ']')
		return 0;
	in->at = p + 2;
	return add_class(token, (const char *)name, (size_t)(p - name)) ? 1
									: -1;
}

/* [.c.] or [=c=], with @in behind the '[': the byte, or -1: it is not one. */
static int parse_symbol(Input *in)
{
	const unsigned char *p = in->at;

	if (in->end - p < 4 || (p[0] != '.' && p[0] != '=') || p[2] != p[0] ||
	    p[3] != ']')
		return -1;
	in->at += 4;
	return p[1];
}

/* One end of a range, or a byte by itself; -1: the pattern ends. */
static int parse_byte(Input *in)
{
	int c;

	if (in->at == in->end)
		return -1;
	c = *in->at++;
	if (c == '[') {
		int symbol = parse_symbol(in);

		return symbol >= 0 ? symbol : c;
	}
	if (c == '\\') {
		if (in->at == in->end)
			return -1;
		c = *in->at++;
	}
	return c;
}

typedef enum { CLOSED, OPEN, INVALID } Bracket;

/* @in stands behind the '[', and behind the ']' if that is found. */
static Bracket parse_bracket(Input *in, WildcardToken *token)
{
	bool is_inverted = false;
	bool is_valid = true;

	*token = (WildcardToken){.kind = SET};
	if (in->at < in->end && (*in->at == '!' || *in->at == '^')) {
		is_inverted = true;
		in->at++;
	}
	for (bool first = true;; first = false) {
		int from;
		int to;

		if (in->at == in->end)
			return OPEN;
		if (*in->at == ']' && !first)
			break;
		if (*in->at == '[') {
			int result;

			in->at++;
			result = parse_class(in, token);
			if (result < 0)
				is_valid = false;
			if (result != 0)
				continue;
			in->at--;
		}
		from = to = parse_byte(in);
		if (from < 0)
			return OPEN;
		if (in->end - in->at >= 2 && in->at[0] == '-' &&
		    in->at[1] != ']') {
			in->at++;
			to = parse_byte(in);
			if (to < 0)
				return OPEN;
		}
		if (from <= to)
			add_range(token, (unsigned)from, (unsigned)to);
	}
	in->at++;
	if (is_inverted)
		for (int i = 0; i < 4; i++)
			token->set[i] = ~token->set[i];
	return is_valid ? CLOSED : INVALID;
}

size_t wildcard_bracket_length(const char *pattern, size_t length)
{
	const unsigned char *start = (const unsigned char *)pattern;
	Input in = {start + 1, start + length};
	WildcardToken token;

	if (parse_bracket(&in, &token) == OPEN)
		return 0;
	return (size_t)(in.at - start);
}

static WildcardToken compile_bracket(Input *in, unsigned flags)
{
	const unsigned char *start = in->at;
	WildcardToken token;

	switch (parse_bracket(in, &token)) {
	case CLOSED:
		return token;
	case OPEN:
		if (!(flags & WILDCARD_OPEN_BRACKET))
			break;
		in->at = start;
		return (WildcardToken){.kind = LITERAL, .byte = '['};
	case INVALID:
		break;
	}
	return (WildcardToken){.kind = NEVER};
}

size_t wildcard_compile(const char *pattern, size_t length, unsigned flags,
			WildcardToken *tokens)
{
	const unsigned char *start = (const unsigned char *)pattern;
	Input in = {start, start + length};
	size_t count = 0;

	while (in.at < in.end) {
		WildcardToken token = {.kind = LITERAL, .byte = *in.at++};

		switch (token.byte) {
		case '?':
			token.kind = ANY;
			break;
		case '*':
			token.kind = STAR;
			break;
		case '[':
			token = compile_bracket(&in, flags);
			break;
		case '\\':
			if (in.at == in.end)
				token.kind = NEVER;
			else
				token.byte = *in.at++;
			break;
		default:
			break;
		}
		tokens[count++] = token;
	}
	return count;
}

static bool takes(const WildcardToken *token, unsigned char c)
{
	switch (token->kind) {
	case LITERAL:
		return token->byte == c;
	case ANY:
		return true;
	case SET:
		return is_in_set(token, c);
	default:
		return false;
	}
}

bool wildcard_match(const WildcardToken *tokens, size_t count, const char *text,
		    size_t length)
{
	size_t token = 0;
	size_t at = 0;
	size_t star = SIZE_MAX; /* the token behind the last star passed */
	size_t star_at = 0;     /* where what it has taken ends */

	while (at < length) {
		if (token < count && tokens[token].kind == STAR) {
			star = ++token;
			star_at = at;
			if (star == count)
				return true;
		} else if (token < count &&
			   takes(&tokens[token], (unsigned char)text[at])) {
			token++;
			at++;
		} else if (star != SIZE_MAX) {
			token = star; /* let it take one more */
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (token < count && tokens[token].kind == STAR)
		token++;
	return token == count;
}
