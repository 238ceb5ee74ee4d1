// SPDX-License-Identifier: MIT
/*
 * The order at the end matters (promise 2): first the answer is out, then the
 * new token takes the place of the old one. A reader that was not reached by
 * the answer gets it again.
 */
#include <signal.h>
#include <stdio.h>

#include "mount/command.h"
#include "mount/report.h"
#include "mount/state-file.h"

static const CommandSyntax syntax = {
	.name = "sincefs since",
	.operands = "DIR [TOKEN]",
	.summary = "Print what changed in the mount that DIR lies in after "
		   "TOKEN was made, or FRESH\nif anything may have. TOKEN is "
		   "left out with --state.",
	.min_operands = 1,
	.max_operands = 2,
};

static int answer_since(const QueryOptions *options, const char *dir,
			const struct sincefs_token *token,
			const char *state_path)
{
	struct sincefs *conn = command_connect(dir);
	struct sincefs_answer *answer = NULL;
	struct sincefs_token now;
	g_autoptr(GError) error = NULL;
	int status = STATUS_FAILED;
	int r;

	if (!conn)
		return STATUS_FAILED;
	r = sincefs_since(conn, token, &options->filter, &answer);
	if (r < 0) {
		command_ask_failed(dir, r);
		goto out;
	}
	r = command_write_answer(conn, options->format, answer, false);
	if (r < 0) {
		report("cannot print what changed: %s", reason_text(-r));
		goto out;
	}
	sincefs_answer_token(answer, &now);
	if (state_path && !state_file_write(state_path, &now, &error)) {
		report("%s", error->message);
		goto out;
	}
	status = 0;
out:
	sincefs_answer_free(answer);
	sincefs_close(conn);
	return status;
}

int cmd_since(int argc, char **argv)
{
	QueryOptions options = {0};
	gboolean no_sync = FALSE;
	g_autofree char *state_path = NULL;
	GOptionEntry entries[QUERY_OPTION_ENTRIES + 3] = {
		{"no-sync", 0, 0, G_OPTION_ARG_NONE, &no_sync,
		 "Do not first flush what was stored through mappings", NULL},
		{"state", 0, 0, G_OPTION_ARG_FILENAME, &state_path,
		 "Take the token from FILE and put the new one there", "FILE"},
	};
	g_auto(GStrv) operands = NULL;
	g_autoptr(GError) error = NULL;
	struct sincefs_token token = {0};
	const char *wrong;
	int status;

	query_options_describe(&options, entries + 2);
	if (!command_parse(&syntax, entries, argc, argv, &operands, &status))
		goto out;

	wrong = query_options_check(&options);
	if (!wrong && !state_path && !operands[1])
		wrong = "wants DIR TOKEN, or --state FILE and DIR";
	if (!wrong && state_path && operands[1])
		wrong = "--state is instead of TOKEN";
	if (wrong) {
		status = command_usage(&syntax, "%s: %s", syntax.name, wrong);
		goto out;
	}
	if (operands[1] && !command_parse_token(operands[1], &token)) {
		g_autofree char *shown = dup_shown_path(operands[1]);

		status = command_usage(&syntax, "not a token: %s", shown);
		goto out;
	}
	if (state_path && !state_file_read(state_path, &token, &error)) {
		report("%s", error->message);
		status = STATUS_FAILED;
		goto out;
	}
	if (no_sync)
		options.filter.flags |= SINCEFS_FILTER_NO_SYNC;

	/* A closed pipe is an error like a full disk. */
	signal(SIGPIPE, SIG_IGN);
	status = answer_since(&options, operands[0], &token, state_path);
out:
	query_options_clear(&options);
	return status;
}
