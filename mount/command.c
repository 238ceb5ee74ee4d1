// SPDX-License-Identifier: MIT
#include "mount/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mount/mountpoint.h"
#include "mount/report.h"

int command_usage(const CommandSyntax *syntax, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	report("%s", text);
	report_more("Try '%s --help'.", syntax->name);
	return STATUS_USAGE;
}

/* Not by GLib itself, which would convert the text for a locale first. */
static int print_help(GOptionContext *context)
{
	g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);

	fputs(help, stdout);
	return output_flush(stdout) < 0 ? STATUS_FAILED : 0;
}

/*
 * A value that may be left out comes with "=" or not at all: for GLib the next
 * argument would be it. An empty one says that there is none.
 */
static void mark_missing_values(char **arguments, const GOptionEntry *entries)
{
	for (; entries && entries->long_name; entries++) {
		g_autofree char *text = NULL;

		if (!(entries->flags & G_OPTION_FLAG_OPTIONAL_ARG))
			continue;
		text = g_strconcat("--", entries->long_name, NULL);
		for (char **at = arguments; *at && strcmp(*at, "--") != 0;
		     at++) {
			if (strcmp(*at, text) != 0)
				continue;
			g_free(*at);
			*at = g_strconcat(text, "=", NULL);
		}
	}
}

bool command_parse(const CommandSyntax *syntax, const GOptionEntry *entries,
		   int argc, char **argv, char ***operands_out, int *status_out)
{
	g_autoptr(GOptionContext) context = NULL;
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) operands = NULL;
	g_auto(GStrv) arguments = g_new0(char *, argc + 1);
	gboolean help = FALSE;
	int count;
	const GOptionEntry common[] = {
		{"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Print this text",
		 NULL},
		{G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY,
		 &operands, NULL, NULL},
		{NULL},
	};

	for (int i = 0; i < argc; i++)
		arguments[i] = g_strdup(argv[i]);
	mark_missing_values(arguments, entries);
	g_set_prgname(syntax->name);
	context = g_option_context_new(syntax->operands);
	g_option_context_set_summary(context, syntax->summary);
	g_option_context_set_help_enabled(context, FALSE);
	if (entries)
		g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	if (!g_option_context_parse_strv(context, &arguments, &error)) {
		*status_out = command_usage(syntax, "%s", error->message);
		return false;
	}
	if (help) {
		*status_out = print_help(context);
		return false;
	}

	count = operands ? (int)g_strv_length(operands) : 0;
	if (count < syntax->min_operands || count > syntax->max_operands) {
		*status_out = command_usage(
			syntax, "%s: wants %s", syntax->name,
			*syntax->operands ? syntax->operands : "no argument");
		return false;
	}
	*operands_out =
		operands ? g_steal_pointer(&operands) : g_new0(char *, 1);
	return true;
}

int command_ask_failed(const char *path, int error)
{
	g_autofree char *shown = dup_shown_path(path);

	report("cannot ask what changed in %s: %s", shown,
	       client_reason_text(error));
	return STATUS_FAILED;
}

/*
 * A shell that stood in the directory before it was covered stands below the
 * mount, where "." is not on it: by its absolute path it is. Who has such a
 * shell is told, as what he does there is not recorded.
 */
static int connect_from_below(const char *path, struct sincefs **conn_out)
{
	g_autofree char *real = mountpoint_resolve(path, NULL);
	int r = real ? sincefs_open(real, conn_out) : -ENOTTY;

	if (r == 0) {
		g_autofree char *shown = dup_shown_path(real);

		report("%s is asked, but this process stands below the mount; "
		       "in a shell type cd \"$PWD\"",
		       shown);
	}
	return r;
}

struct sincefs *command_connect(const char *path)
{
	struct sincefs *conn = NULL;
	int r = sincefs_open(path, &conn);

	if (r == -ENOTTY && !g_path_is_absolute(path))
		r = connect_from_below(path, &conn);

	if (r < 0) {
		command_ask_failed(path, r);
		return NULL;
	}
	return conn;
}

void query_options_describe(QueryOptions *options, GOptionEntry *entries)
{
	const GOptionEntry described[QUERY_OPTION_ENTRIES] = {
		{"null", '0', 0, G_OPTION_ARG_NONE, &options->nul,
		 "Print the new token, then the paths, each ended by NUL",
		 NULL},
		{"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
		 "Print one JSON object a line", NULL},
		{"names", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->names,
		 "Only names that match, such as '*.py'; may be repeated",
		 "PAT"},
	};

	memcpy(entries, described, sizeof(described));
}

const char *query_options_check(QueryOptions *options)
{
	size_t used = 0;

	if (options->nul && options->json)
		return "-0 and --json exclude each other";
	options->format = options->nul    ? OUTPUT_NUL
			  : options->json ? OUTPUT_JSON
					  : OUTPUT_TEXT;

	for (char **name = options->names; name && *name; name++) {
		size_t length = strlen(*name);

		if (length == 0)
			return "--names: the pattern is empty";
		/* Each with a NUL; the last one's must fit as well. */
		if (used + length + 1 > sizeof(options->pattern_text))
			return "--names: the patterns are too long, all of "
			       "them may have 63 bytes";
		memcpy(options->pattern_text + used, *name, length + 1);
		used += length + 1;
	}
	if (used > 0) {
		options->filter.names = options->pattern_text;
		options->filter.names_bytes = used - 1;
	}
	return NULL;
}

void query_options_clear(QueryOptions *options)
{
	g_strfreev(options->names);
	options->names = NULL;
}

bool command_parse_token(const char *text, struct sincefs_token *token_out)
{
	if (*text == '\0') {
		*token_out = (struct sincefs_token){0};
		return true;
	}
	return sincefs_token_parse(text, token_out) == 0;
}

/* The roots of trees other than the mount, asked for once each. */
typedef struct {
	struct sincefs *conn;
	GHashTable *roots; /* of char * by id, owned */
} Roots;

static const char *get_root(uint32_t id, void *data)
{
	Roots *roots = data;
	struct sincefs_tree tree;
	char *root;

	if (id == 1)
		return NULL;
	root = g_hash_table_lookup(roots->roots, GUINT_TO_POINTER(id));
	if (!root && sincefs_get_tree(roots->conn, id, &tree) == 0) {
		root = g_strndup(tree.root, sizeof(tree.root));
		g_hash_table_insert(roots->roots, GUINT_TO_POINTER(id), root);
	}
	return root;
}

int command_write_answer(struct sincefs *conn, OutputFormat format,
			 const struct sincefs_answer *answer, bool stream)
{
	g_autoptr(GHashTable) table =
		g_hash_table_new_full(NULL, NULL, NULL, g_free);
	Roots roots = {.conn = conn, .roots = table};

	return output_write_answer(stdout, format, answer, stream, get_root,
				   &roots);
}
