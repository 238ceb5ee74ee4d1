// SPDX-License-Identifier: MIT
/*
 * What is started inside the mount sees the mount: the answer to in place
 * mounting's own trap, that a shell which stood in the directory before stands
 * below it afterwards.
 *
 * Signals while COMMAND runs: the terminal sends its own to the whole process
 * group, so COMMAND has them already and this process only has to live on; one
 * that somebody sent to this process alone is passed on.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/command.h"
#include "mount/cover.h"
#include "mount/mountpoint.h"
#include "mount/probe.h"
#include "mount/report.h"
#include "mount/uncover.h"

#define PROBE_MS 2000

/* As shells say it. */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127
#define STATUS_SIGNAL 128

static const CommandSyntax syntax = {
	.name = "sincefs run",
	.operands = "DIR -- COMMAND [ARGUMENT...]",
	.summary = "Cover the directory DIR, run COMMAND with it as working "
		   "directory, unmount.\nExits as COMMAND does.",
	.min_operands = 1,
	.max_operands = 1,
};

static const int passed_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

/* For the handler; 0: there is no child to pass signals to. */
static volatile sig_atomic_t child_pid;

static void pass_on(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code <= 0 && child_pid > 0)
		kill(child_pid, number);
	errno = saved;
}

static void G_GNUC_NORETURN start_command(const char *root, char **command,
					  const sigset_t *mask)
{
	g_autofree char *shown = NULL;
	int reason;

	sigprocmask(SIG_SETMASK, mask, NULL);
	if (chdir(root) < 0) {
		shown = dup_shown_path(root);
		report("cannot go to %s: %s", shown, reason_text(errno));
		_exit(STATUS_CANNOT_RUN);
	}
	/* Shells and others trust it if it leads to where they are. */
	setenv("PWD", root, 1);
	execvp(command[0], command);
	reason = errno;
	shown = dup_shown_path(command[0]);
	report("cannot run %s: %s", shown, reason_text(reason));
	_exit(reason == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

/* One that was ignored already is ignored by COMMAND as well (nohup). */
static void take_signals(void)
{
	struct sigaction action = {.sa_sigaction = pass_on,
				   .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < G_N_ELEMENTS(passed_signals); i++) {
		struct sigaction now;

		if (sigaction(passed_signals[i], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			sigaction(passed_signals[i], &action, NULL);
	}
}

/* With the signals blocked; @before is the mask for COMMAND. Returns an exit
   status. */
static int run_command(const char *root, char **command, const sigset_t *before)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		start_command(root, command, before);
	if (pid < 0) {
		report("cannot start a process: %s", reason_text(errno));
		return STATUS_CANNOT_RUN;
	}
	child_pid = pid;
	take_signals();
	sigprocmask(SIG_SETMASK, before, NULL);

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return STATUS_CANNOT_RUN;
	}
	child_pid = 0;
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

/* The number of the mount at @root in the kernel's table, -1 for none. */
static int find_mount_id(const char *root)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);
	const MountEntry *entry =
		table ? mount_table_find_path(table, root) : NULL;

	return mount_entry_is_sincefs(entry) ? entry->id : -1;
}

/* Is the mount at @root still the one of the daemon @pid, whose number in the
   table was @id? The kernel may give the number again. */
static bool is_ours(const char *root, int id, pid_t pid)
{
	g_autoptr(Probe) probe = NULL;

	return find_mount_id(root) == id &&
	       (probe_mount(root, PROBE_MS, &probe) < 0 ||
		probe->info.pid == (uint32_t)pid);
}

/* Is it there still, below a mount that somebody has put over it? */
static bool is_covered(const char *root, int id)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);
	const MountEntry *entry = table ? mount_table_find_id(table, id) : NULL;

	return mount_entry_is_sincefs(entry) &&
	       strcmp(entry->point, root) == 0 &&
	       !mount_table_is_visible(table, entry);
}

/* End the mount, whatever COMMAND has left behind in it. If it was ended
   already that is fine, and what was mounted there since is not ours. */
static bool end_mount(const char *root, int id, pid_t pid)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *shown = dup_shown_path(root);
	bool busy;

	if (is_covered(root, id)) {
		report("cannot unmount %s: another mount covers it", shown);
		return false;
	}
	if (!is_ours(root, id, pid))
		return true;
	if (uncover(root, false, &busy, &error))
		return true;
	report("%s", error->message);
	if (!busy)
		return false;
	g_clear_error(&error);
	if (!uncover(root, true, NULL, &error)) {
		report("%s", error->message);
		return false;
	}
	report("detached %s: it ends with its last user", shown);
	return true;
}

static int mount_and_run(CoverOptions *options, const char *dir, char **command)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *root = NULL;
	sigset_t before;
	int status;
	pid_t pid;
	int id;

	/* Until COMMAND can have them. */
	cover_hold_signals(&before);
	if (!cover_start(options, dir, &root, &pid, &error)) {
		report("%s", error->message);
		return STATUS_FAILED;
	}
	id = find_mount_id(root);
	cover_report_bypassers(root, options->source, pid, true);
	status = cover_get_held_signal();
	status = status > 0 ? STATUS_SIGNAL + status
			    : run_command(root, command, &before);
	if (!end_mount(root, id, pid) && status == 0)
		status = STATUS_FAILED;
	return status;
}

int cmd_run(int argc, char **argv)
{
	GOptionEntry entries[COVER_OPTION_ENTRIES];
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) operands = NULL;
	CoverOptions options;
	int own_argc = 0;
	int status;

	/* What comes after the first "--" is COMMAND's, options and all. */
	while (own_argc < argc && strcmp(argv[own_argc], "--") != 0)
		own_argc++;

	cover_options_init(&options);
	cover_options_describe(&options, entries);
	if (!command_parse(&syntax, entries, own_argc, argv, &operands,
			   &status))
		goto out;
	if (own_argc + 1 >= argc)
		status = command_usage(&syntax, "%s: wants %s", syntax.name,
				       syntax.operands);
	else if (!cover_options_check(&options, &error))
		status = command_usage(&syntax, "%s", error->message);
	else
		status = mount_and_run(&options, operands[0],
				       argv + own_argc + 1);
out:
	cover_options_clear(&options);
	return status;
}
