// SPDX-License-Identifier: MIT
#include "mount/command.h"
#include "mount/cover.h"
#include "mount/report.h"

static const CommandSyntax syntax = {
	.name = "sincefs mount",
	.operands = "DIR",
	.summary = "Cover the directory DIR in place: what changes in it from "
		   "now on is recorded.\nReturns when the mount answers; its "
		   "daemon stays in the background.",
	.min_operands = 1,
	.max_operands = 1,
};

static int mount_in_background(CoverOptions *options, const char *dir)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *root = NULL;
	sigset_t before;
	pid_t pid;

	/* Until the end: one that comes too late does not count as a failure.
	 */
	cover_hold_signals(&before);
	if (!cover_start(options, dir, &root, &pid, &error)) {
		report("%s", error->message);
		return STATUS_FAILED;
	}
	cover_report_bypassers(root, options->source, pid, false);
	return 0;
}

int cmd_mount(int argc, char **argv)
{
	gboolean foreground = FALSE;
	GOptionEntry entries[COVER_OPTION_ENTRIES + 1] = {
		{"foreground", 0, 0, G_OPTION_ARG_NONE, &foreground,
		 "Do not return before the mount has ended", NULL},
	};
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) operands = NULL;
	CoverOptions options;
	int status;

	cover_options_init(&options);
	cover_options_describe(&options, entries + 1);
	if (!command_parse(&syntax, entries, argc, argv, &operands, &status))
		goto out;
	if (!cover_options_check(&options, &error))
		status = command_usage(&syntax, "%s", error->message);
	else if (foreground)
		status = cover_serve(&options, operands[0]);
	else
		status = mount_in_background(&options, operands[0]);
out:
	cover_options_clear(&options);
	return status;
}
