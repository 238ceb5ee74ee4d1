// SPDX-License-Identifier: MIT
#include "mount/command.h"
#include "mount/report.h"
#include "mount/uncover.h"

static const CommandSyntax syntax = {
	.name = "sincefs umount",
	.operands = "DIR",
	.summary = "End the mount that DIR lies in, and return when its daemon "
		   "has ended.\nA mount whose daemon is dead is removed.",
	.min_operands = 1,
	.max_operands = 1,
};

int cmd_umount(int argc, char **argv)
{
	gboolean lazy = FALSE;
	const GOptionEntry entries[] = {
		{"lazy", 0, 0, G_OPTION_ARG_NONE, &lazy,
		 "Detach it although it is in use; the daemon ends with the "
		 "last user",
		 NULL},
		{NULL},
	};
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) operands = NULL;
	int status;

	if (!command_parse(&syntax, entries, argc, argv, &operands, &status))
		return status;
	if (!uncover(operands[0], lazy, NULL, &error)) {
		report("%s", error->message);
		return STATUS_FAILED;
	}
	return 0;
}
