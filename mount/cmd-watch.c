// SPDX-License-Identifier: MIT
/*
 * The control file's descriptor is readable when the clock has passed what the
 * last answer told, so the loop is: ask, print, wait. Two more things are
 * waited for: that somebody closed our output, and that the mount goes away
 * while this open descriptor keeps its daemon alive.
 *
 * A signal lets the answer at hand be finished, unless that takes long: a
 * reader may not read, and a daemon not answer. No handler would run while the
 * kernel waits for a daemon; only the end of the process gets out of that. So
 * the signals are for a thread of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "mount/command.h"
#include "mount/fd.h"
#include "mount/mountpoint.h"
#include "mount/report.h"

/* How long a signal waits for an answer to be finished. */
#define GRACE_MS 500

static const CommandSyntax syntax = {
	.name = "sincefs watch",
	.operands = "DIR [TOKEN]",
	.summary = "Print what changes in the mount that DIR lies in, after "
		   "TOKEN or from now on,\nuntil interrupted.",
	.min_operands = 1,
	.max_operands = 2,
};

typedef struct {
	const QueryOptions *options;
	const char *dir;
	struct sincefs *conn;
	struct sincefs_token token;
	int mounts_fd;
	int mount_id;
	int end_fd; /* readable when it is to end */
} Watch;

static void fill_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
}

/* @data: the writing end of end_fd, which it takes. */
static void *wait_for_signal(void *data)
{
	const struct timespec grace = {.tv_nsec = GRACE_MS * 1000000};
	sigset_t signals;
	int number;

	fill_signals(&signals);
	while (sigwait(&signals, &number) != 0)
		;
	close(GPOINTER_TO_INT(data));
	/* Time is over, or somebody is impatient. */
	sigtimedwait(&signals, NULL, &grace);
	_exit(0);
}

/* False with errno when there can be no thread. */
static bool take_signals(Watch *watch)
{
	sigset_t signals;
	pthread_t thread;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	watch->end_fd = fds[0];
	fill_signals(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	errno = pthread_create(&thread, NULL, wait_for_signal,
			       GINT_TO_POINTER(fds[1]));
	if (errno != 0) {
		close(fds[1]);
		return false;
	}
	pthread_detach(thread);
	return true;
}

/* Ask and print: 0, or an exit status after reporting. */
static int print_news(Watch *watch)
{
	struct sincefs_answer *answer = NULL;
	int r = sincefs_since(watch->conn, &watch->token,
			      &watch->options->filter, &answer);

	if (r < 0)
		return command_ask_failed(watch->dir, r);
	sincefs_answer_token(answer, &watch->token);
	if (sincefs_answer_is_fresh(answer) || sincefs_answer_count(answer) > 0)
		r = command_write_answer(watch->conn, watch->options->format,
					 answer, true);
	sincefs_answer_free(answer);
	if (r < 0) {
		report("cannot print what changed: %s", reason_text(-r));
		return STATUS_FAILED;
	}
	return 0;
}

/* Is the mount we ask still one that can be reached by a path? */
static bool is_mounted(const Watch *watch)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);

	return !table || mount_table_find_id(table, watch->mount_id);
}

/* Wait for news: 0, or an exit status after reporting, -1 when interrupted. */
static int wait_for_news(Watch *watch)
{
	struct pollfd pollers[] = {
		{.fd = sincefs_fd(watch->conn), .events = POLLIN},
		{.fd = watch->mounts_fd, .events = POLLPRI},
		{.fd = STDOUT_FILENO, .events = 0},
		{.fd = watch->end_fd, .events = 0},
	};

	while (!(pollers[0].revents & POLLIN)) {
		int n = poll(pollers, G_N_ELEMENTS(pollers), -1);

		if (n < 0 && errno != EINTR)
			return command_ask_failed(watch->dir, -errno);
		if (n < 0)
			continue;
		if (pollers[3].revents)
			return -1;
		if (pollers[2].revents & POLLERR) {
			report("cannot print what changed: %s",
			       reason_text(EPIPE));
			return STATUS_FAILED;
		}
		if (pollers[1].revents && !is_mounted(watch)) {
			g_autofree char *shown = dup_shown_path(watch->dir);

			report("cannot watch %s any longer: it was unmounted",
			       shown);
			return STATUS_FAILED;
		}
		if (pollers[0].revents & (POLLERR | POLLHUP | POLLNVAL)) {
			struct sincefs_info info;
			int r = sincefs_get_info(watch->conn, &info);

			return command_ask_failed(watch->dir, r < 0 ? r : -EIO);
		}
	}
	return 0;
}

static int watch_mount(Watch *watch, bool has_token)
{
	int status = 0;

	if (!take_signals(watch)) {
		report("cannot start a thread: %s", reason_text(errno));
		return STATUS_FAILED;
	}
	if (!has_token) {
		int r = sincefs_now(watch->conn, &watch->token);

		if (r < 0)
			return command_ask_failed(watch->dir, r);
	} else {
		status = print_news(watch);
	}
	while (status == 0) {
		status = wait_for_news(watch);
		if (status == 0)
			status = print_news(watch);
	}
	return status < 0 ? 0 : status;
}

int cmd_watch(int argc, char **argv)
{
	QueryOptions options = {0};
	GOptionEntry entries[QUERY_OPTION_ENTRIES + 1] = {0};
	g_auto(GStrv) operands = NULL;
	auto_fd mounts_fd = -1;
	Watch watch = {.options = &options, .end_fd = -1};
	const char *wrong;
	int status;

	query_options_describe(&options, entries);
	if (!command_parse(&syntax, entries, argc, argv, &operands, &status))
		goto out;
	wrong = query_options_check(&options);
	if (wrong) {
		status = command_usage(&syntax, "%s: %s", syntax.name, wrong);
		goto out;
	}
	if (operands[1] && !command_parse_token(operands[1], &watch.token)) {
		g_autofree char *shown = dup_shown_path(operands[1]);

		status = command_usage(&syntax, "not a token: %s", shown);
		goto out;
	}

	watch.dir = operands[0];
	watch.conn = command_connect(watch.dir);
	if (!watch.conn) {
		status = STATUS_FAILED;
		goto out;
	}
	/* Changes of the mounts are told to those who had it open before. */
	mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	watch.mounts_fd = mounts_fd;
	watch.mount_id = mountpoint_get_id(sincefs_fd(watch.conn));
	status = watch_mount(&watch, operands[1] != NULL);
	sincefs_close(watch.conn);
	fd_clear(&watch.end_fd);
out:
	query_options_clear(&options);
	return status;
}
