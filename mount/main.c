// SPDX-License-Identifier: MIT
/*
 * sincefs: one program, whose first argument says what to do. No locale is set:
 * what it prints is for programs as well, and a daemon loads nothing later.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mount/command.h"
#include "mount/log.h"
#include "mount/report.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
	{"mount", cmd_mount, "cover a directory in place and record changes"},
	{"umount", cmd_umount, "end a mount, also a dead one"},
	{"run", cmd_run, "mount, run a command inside, unmount"},
	{"token", cmd_token, "print the token of this moment"},
	{"since", cmd_since, "print what changed after a token"},
	{"watch", cmd_watch, "print what changes, until interrupted"},
	{"scan", cmd_scan, "scan what is not seen otherwise, now"},
	{"status", cmd_status, "show the mounts and how they are"},
};

static void print_usage(FILE *stream)
{
	fputs("Usage:\n"
	      "  sincefs COMMAND [OPTION...] [ARGUMENT...]\n"
	      "  sincefs --help | --version\n"
	      "\n"
	      "Tells which files of a tree changed since a moment, without "
	      "looking at them.\n"
	      "\n"
	      "Commands:\n",
	      stream);
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name,
			commands[i].does);
	fputs("\n"
	      "'sincefs COMMAND --help' tells about one of them, sincefs(1) "
	      "about all.\n",
	      stream);
}

/*
 * Make up for a careless starter: a standard stream that is closed would become
 * whatever is opened next, so it is filled with something that can not be
 * written to; and processes that end are to be waited for.
 */
static void mend_environment(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	mend_environment();
	log_init();
	if (!name) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_usage(stdout);
		return output_flush(stdout) < 0 ? STATUS_FAILED : 0;
	}
	if (strcmp(name, "--version") == 0) {
		printf("sincefs %s\n", PACKAGE_VERSION);
		return output_flush(stdout) < 0 ? STATUS_FAILED : 0;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	report("no command is called '%s'", name);
	report_more("Try 'sincefs --help'.");
	return STATUS_USAGE;
}
