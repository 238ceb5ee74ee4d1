/* SPDX-License-Identifier: MIT */
/*
 * What the commands have in common: their table, their exit statuses, and how
 * their options are parsed.
 *
 * For the main thread.
 */
#ifndef MOUNT_COMMAND_H
#define MOUNT_COMMAND_H

#include <stdbool.h>

#include <glib.h>

#include <sincefs/sincefs.h>

#include "mount/output.h"

/* Exit statuses beside 0. */
#define STATUS_FAILED 1
#define STATUS_USAGE 2

typedef struct {
	const char *name;     /* "sincefs mount" */
	const char *operands; /* "DIR" */
	const char *summary;  /* what it does; the text of --help */
	int min_operands;
	int max_operands;
} CommandSyntax;

/*
 * Parse the arguments of a command; argv[0] is its name. True with the operands
 * in *@operands_out (caller frees with g_strfreev()). False when the command is
 * to end with *@status_out: after --help, or a usage error, which was reported.
 */
bool command_parse(const CommandSyntax *syntax, const GOptionEntry *entries,
		   int argc, char **argv, char ***operands_out,
		   int *status_out);

/* Report a usage error of a command; returns STATUS_USAGE. */
int command_usage(const CommandSyntax *syntax, const char *format, ...)
	G_GNUC_PRINTF(2, 3);

/* Connect to the mount that @path lies in, or report why that failed: NULL. */
struct sincefs *command_connect(const char *path);

/* Report that asking about @path failed with the negative errno @error; returns
   STATUS_FAILED. */
int command_ask_failed(const char *path, int error);

/* The options that since and watch share. */
typedef struct {
	gboolean nul;
	gboolean json;
	char **names; /* owned; NULL: all */

	/* Made of them by query_options_check(). */
	OutputFormat format;
	struct sincefs_filter filter;
	char pattern_text[SINCEFS_NAMES_SIZE]; /* what filter.names is */
} QueryOptions;

#define QUERY_OPTION_ENTRIES 3
/* Fill @entries, which have room for that many. */
void query_options_describe(QueryOptions *options, GOptionEntry *entries);
/* Do they fit together? NULL, or the reason why not; static. */
const char *query_options_check(QueryOptions *options);
void query_options_clear(QueryOptions *options);

/*
 * A token given by a person or a script: "" is the one that knows nothing.
 * False when @text is no token.
 */
bool command_parse_token(const char *text, struct sincefs_token *token_out);

/* Write an answer from @conn to standard output: 0 or -errno. */
int command_write_answer(struct sincefs *conn, OutputFormat format,
			 const struct sincefs_answer *answer, bool stream);

/* The commands. argv[0] is the command's name; each returns an exit status. */
int cmd_mount(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_since(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif /* MOUNT_COMMAND_H */
