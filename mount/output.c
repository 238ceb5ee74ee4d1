// SPDX-License-Identifier: MIT
/*
 * The three formats of an answer. Guarantees:
 *
 * (1) Text is one line a change, whatever bytes the name has, and the original
 *     bytes can be had back from it by undoing C's escapes.
 * (2) In the NUL format names are as they are on the disk. A directory ends in
 *     '/' only if all below it may have changed as well: git then looks at all
 *     of it, and for a mere entry in a directory it must not.
 * (3) A JSON line is valid JSON in UTF-8. A name that is not UTF-8 is readable
 *     in "path" and exact in "path_base64".
 *
 * An answer can be as large as the dirty set: it is put together and written in
 * pieces of PIECE_BYTES.
 */
#include "mount/output.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES (64 * 1024)

static const struct {
	uint16_t flag;
	const char *name;
} flag_names[] = {
	{SINCEFS_CONTENT, "content"}, {SINCEFS_META, "meta"},
	{SINCEFS_TIMES, "times"},     {SINCEFS_NEW, "new"},
	{SINCEFS_GONE, "gone"},       {SINCEFS_DIR, "dir"},
	{SINCEFS_SUBTREE, "subtree"}, {SINCEFS_SCANNED, "scanned"},
	{SINCEFS_LINKED, "linked"},   {SINCEFS_MIXED, "mixed"},
};

char output_letter(uint16_t flags)
{
	if (flags & SINCEFS_GONE)
		return 'D';
	if (flags & SINCEFS_NEW)
		return 'A';
	if (flags & SINCEFS_CONTENT)
		return 'M';
	return 'm';
}

const char *output_reason_name(uint32_t reason)
{
	switch (reason) {
	case 0:
		return NULL;
	case SINCEFS_REASON_NO_TOKEN:
		return "no-token";
	case SINCEFS_REASON_RESTART:
		return "restart";
	case SINCEFS_REASON_FORGOT:
		return "forgot";
	case SINCEFS_REASON_LOST:
		return "lost";
	case SINCEFS_REASON_FUTURE:
		return "future";
	default:
		return "unknown";
	}
}

/* The letter of a two-character escape, or 0 when there is none. */
static char escape_letter(unsigned char byte)
{
	switch (byte) {
	case '\a':
		return 'a';
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\v':
		return 'v';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	case '"':
	case '\\':
		return (char)byte;
	default:
		return 0;
	}
}

static bool needs_escape(unsigned char byte)
{
	return byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\';
}

void output_append_quoted(GString *text, const char *path, size_t length)
{
	bool plain = true;

	for (size_t i = 0; i < length && plain; i++)
		plain = !needs_escape((unsigned char)path[i]);
	if (plain) {
		g_string_append_len(text, path, (gssize)length);
		return;
	}

	g_string_append_c(text, '"');
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)path[i];

		if (!needs_escape(byte))
			g_string_append_c(text, path[i]);
		else if (escape_letter(byte))
			g_string_append_printf(text, "\\%c",
					       escape_letter(byte));
		else
			g_string_append_printf(text, "\\%03o", byte);
	}
	g_string_append_c(text, '"');
}

/* The path as it is to be printed; caller frees with g_string_free(). */
static GString *full_path(const struct sincefs_change *change, const char *root)
{
	bool is_root = change->length == 1 && change->path[0] == '.';
	GString *path = g_string_new(root);

	if (root && !is_root && !g_str_has_suffix(root, "/"))
		g_string_append_c(path, '/');
	if (!root || !is_root)
		g_string_append_len(path, change->path, change->length);
	return path;
}

void output_append_json_line(GString *text, JsonObject *object)
{
	g_autoptr(JsonGenerator) generator = json_generator_new();
	g_autoptr(JsonNode) node = json_node_alloc();
	g_autofree char *json = NULL;

	json_node_init_object(node, object);
	json_object_unref(object);
	json_generator_set_root(generator, node);
	json = json_generator_to_data(generator, NULL);
	/* JSON-GLib 1.6 escapes all control characters but this one. It stands
	   between no two members, so it is in a string wherever it is. */
	for (const char *c = json; *c; c++) {
		if (*c == 0x1f)
			g_string_append(text, "\\u001f");
		else
			g_string_append_c(text, *c);
	}
	g_string_append_c(text, '\n');
}

void output_set_json_path(JsonObject *object, const char *member,
			  const char *path, size_t length)
{
	g_autofree char *readable = g_utf8_make_valid(path, (gssize)length);
	g_autofree char *exact_member = NULL;
	g_autofree char *exact = NULL;

	json_object_set_string_member(object, member, readable);
	if (g_utf8_validate_len(path, length, NULL))
		return;
	exact_member = g_strconcat(member, "_base64", NULL);
	exact = g_base64_encode((const guchar *)path, length);
	json_object_set_string_member(object, exact_member, exact);
}

static void append_json_change(GString *text,
			       const struct sincefs_change *change,
			       const GString *path)
{
	JsonObject *object = json_object_new();
	JsonArray *flags = json_array_new();

	output_set_json_path(object, "path", path->str, path->len);
	json_object_set_int_member(object, "tree", change->tree);
	for (size_t i = 0; i < G_N_ELEMENTS(flag_names); i++) {
		if (change->flags & flag_names[i].flag)
			json_array_add_string_element(flags,
						      flag_names[i].name);
	}
	json_object_set_array_member(object, "flags", flags);
	json_object_set_int_member(object, "clock", (gint64)change->clock);
	json_object_set_int_member(object, "pid", change->pid);
	/* Unknown is no user's number. */
	if (change->uid == UINT32_MAX)
		json_object_set_null_member(object, "uid");
	else
		json_object_set_int_member(object, "uid", change->uid);

	output_append_json_line(text, object);
}

void output_append_change(GString *text, OutputFormat format,
			  const struct sincefs_change *change, const char *root)
{
	g_autoptr(GString) path = full_path(change, root);

	switch (format) {
	case OUTPUT_TEXT:
		if (change->flags & SINCEFS_DIR &&
		    !g_str_has_suffix(path->str, "/"))
			g_string_append_c(path, '/');
		g_string_append_printf(text, "%c  ",
				       output_letter(change->flags));
		output_append_quoted(text, path->str, path->len);
		g_string_append_c(text, '\n');
		break;
	case OUTPUT_NUL:
		/* All below the root: what git calls "/". */
		if (change->flags & SINCEFS_SUBTREE && !root &&
		    strcmp(path->str, ".") == 0)
			g_string_assign(path, "/");
		if (change->flags & SINCEFS_SUBTREE &&
		    !g_str_has_suffix(path->str, "/"))
			g_string_append_c(path, '/');
		g_string_append_len(text, path->str, (gssize)path->len);
		g_string_append_c(text, '\0');
		break;
	case OUTPUT_JSON:
		append_json_change(text, change, path);
		break;
	}
}

bool output_change_means_all(const struct sincefs_change *change)
{
	return change->tree == 1 && change->flags & SINCEFS_SUBTREE &&
	       change->length == 1 && change->path[0] == '.';
}

void output_append_head(GString *text, OutputFormat format,
			const struct sincefs_token *token, bool fresh)
{
	char name[SINCEFS_TOKEN_TEXT_SIZE] = "";

	if (format == OUTPUT_TEXT && fresh)
		g_string_append(text, "FRESH\n");
	if (format != OUTPUT_NUL)
		return;

	sincefs_token_format(token, name, sizeof(name));
	g_string_append(text, name);
	g_string_append_c(text, '\0');
	if (fresh)
		g_string_append_len(text, "/", 2);
}

void output_append_tail(GString *text, OutputFormat format,
			const struct sincefs_token *token, bool fresh,
			uint32_t reason, bool stream)
{
	char name[SINCEFS_TOKEN_TEXT_SIZE] = "";
	const char *reason_name = output_reason_name(reason);
	JsonObject *object;

	if (format == OUTPUT_NUL && stream)
		g_string_append_c(text, '\0');
	if (format != OUTPUT_JSON)
		return;

	object = json_object_new();
	sincefs_token_format(token, name, sizeof(name));
	json_object_set_string_member(object, "token", name);
	json_object_set_boolean_member(object, "fresh", fresh);
	if (reason_name)
		json_object_set_string_member(object, "reason", reason_name);
	else
		json_object_set_null_member(object, "reason");
	output_append_json_line(text, object);
}

static int write_piece(FILE *stream, GString *text)
{
	size_t length = text->len;

	errno = 0;
	if (length > 0 && fwrite(text->str, 1, length, stream) != length)
		return errno ? -errno : -EIO;
	g_string_truncate(text, 0);
	return 0;
}

int output_flush(FILE *stream)
{
	errno = 0;
	if (fflush(stream) || ferror(stream))
		return errno ? -errno : -EIO;
	return 0;
}

int output_write(FILE *stream, GString *text)
{
	int r = write_piece(stream, text);

	return r < 0 ? r : output_flush(stream);
}

/* Does the NUL format have to say "all" for this answer? */
static bool answer_means_all(const struct sincefs_answer *answer)
{
	size_t count = sincefs_answer_count(answer);
	struct sincefs_change change;

	for (size_t i = 0; i < count; i++) {
		if (sincefs_answer_get(answer, i, &change) == 0 &&
		    output_change_means_all(&change))
			return true;
	}
	return false;
}

int output_write_answer(FILE *stream, OutputFormat format,
			const struct sincefs_answer *answer,
			bool stream_of_answers, OutputRootFunc get_root,
			void *data)
{
	g_autoptr(GString) text = g_string_sized_new(PIECE_BYTES + 8192);
	size_t count = sincefs_answer_count(answer);
	bool fresh = sincefs_answer_is_fresh(answer);
	struct sincefs_token token;
	int r;

	sincefs_answer_token(answer, &token);
	if (format == OUTPUT_NUL && answer_means_all(answer)) {
		fresh = true;
		count = 0;
	}

	output_append_head(text, format, &token, fresh);
	for (size_t i = 0; i < count; i++) {
		struct sincefs_change change;

		r = sincefs_answer_get(answer, i, &change);
		if (r < 0)
			return r;
		output_append_change(text, format, &change,
				     get_root(change.tree, data));
		if (text->len >= PIECE_BYTES) {
			r = write_piece(stream, text);
			if (r < 0)
				return r;
		}
	}
	output_append_tail(text, format, &token, fresh,
			   sincefs_answer_reason(answer), stream_of_answers);

	return output_write(stream, text);
}
