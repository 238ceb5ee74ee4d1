// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "mount/command.h"
#include "mount/report.h"

static const CommandSyntax syntax = {
	.name = "sincefs token",
	.operands = "DIR",
	.summary = "Print the token of this moment, to ask later what changed "
		   "since.",
	.min_operands = 1,
	.max_operands = 1,
};

static int print_token(const struct sincefs_token *token)
{
	char text[SINCEFS_TOKEN_TEXT_SIZE];
	int r = sincefs_token_format(token, text, sizeof(text));

	if (r == 0) {
		puts(text);
		r = output_flush(stdout);
	}
	if (r < 0) {
		report("cannot print the token: %s", reason_text(-r));
		return STATUS_FAILED;
	}
	return 0;
}

int cmd_token(int argc, char **argv)
{
	g_auto(GStrv) operands = NULL;
	struct sincefs_token token;
	struct sincefs *conn;
	int status;
	int r;

	if (!command_parse(&syntax, NULL, argc, argv, &operands, &status))
		return status;
	conn = command_connect(operands[0]);
	if (!conn)
		return STATUS_FAILED;

	r = sincefs_now(conn, &token);
	sincefs_close(conn);
	return r < 0 ? command_ask_failed(operands[0], r) : print_token(&token);
}
