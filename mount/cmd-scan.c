// SPDX-License-Identifier: MIT
/*
 * All trees are asked first and waited for then, so that they are scanned side
 * by side. On a terminal it is shown which one is waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mount/command.h"
#include "mount/mountpoint.h"
#include "mount/report.h"

static const CommandSyntax syntax = {
	.name = "sincefs scan",
	.operands = "DIR [PATH]",
	.summary = "Scan the trees that the mount which DIR lies in finds "
		   "changes of by scanning,\nor only the one that PATH lies "
		   "in, now, and wait until that is done.",
	.min_operands = 1,
	.max_operands = 2,
};

typedef struct {
	uint32_t id;
	uint64_t scans; /* to wait for */
	char root[SINCEFS_ROOT_SIZE];
} Wanted;

/* Ask for a scan of the tree @id: 0, or -errno. */
static int ask(struct sincefs *conn, uint32_t id, GArray *wanted)
{
	struct sincefs_scan scan = {.tree = id};
	struct sincefs_tree tree;
	Wanted one = {.id = id};
	int r = sincefs_get_tree(conn, id, &tree);

	if (r < 0)
		return r;
	if (ioctl(sincefs_fd(conn), SINCEFS_IOC_SCAN, &scan) < 0)
		return -errno;
	one.scans = scan.scans;
	memcpy(one.root, tree.root, sizeof(one.root));
	g_array_append_val(wanted, one);
	return 0;
}

/* The tree that @path lies in, 0 when there is none. */
static uint32_t find_tree(struct sincefs *conn, uint32_t count,
			  const char *path)
{
	g_autofree char *absolute = g_canonicalize_filename(path, NULL);
	g_autofree char *real = mountpoint_resolve(absolute, NULL);
	uint32_t found = 0;
	size_t longest = 0;

	for (uint32_t id = 1; id <= count; id++) {
		struct sincefs_tree tree;
		size_t length;

		if (sincefs_get_tree(conn, id, &tree) < 0)
			continue;
		length = strlen(tree.root);
		if ((path_is_within(absolute, tree.root) ||
		     (real && path_is_within(real, tree.root))) &&
		    length >= longest) {
			found = id;
			longest = length;
		}
	}
	return found;
}

static int scan_failed(const char *what, int error)
{
	g_autofree char *shown = dup_shown_path(what);

	report("cannot scan %s: %s", shown,
	       error == -EOPNOTSUPP ? "it is not scanned"
				    : client_reason_text(error));
	return STATUS_FAILED;
}

/* Wait for one; an exit status. */
static int wait_for(struct sincefs *conn, const Wanted *wanted, bool show)
{
	g_autofree char *shown = dup_shown_path(wanted->root);
	struct sincefs_tree tree;

	for (;;) {
		struct pollfd poller = {.fd = sincefs_fd(conn),
					.events = POLLIN};
		int r = sincefs_get_tree(conn, wanted->id, &tree);

		if (r < 0)
			return scan_failed(wanted->root, r);
		if (tree.scans >= wanted->scans)
			break;
		if (show) {
			fprintf(stderr,
				"\r\033[Kscanning %s (%" PRIu64
				" files the last time)",
				shown, tree.files);
			fflush(stderr);
		}
		/* Readable for the clock as well, which is not looked at here:
		   so not at once again. */
		if (poll(&poller, 1, 100) > 0)
			g_usleep(5000);
	}
	if (show)
		fputs("\r\033[K", stderr);
	/* That there is nothing is a result as well. */
	if (tree.scan_error != 0 && tree.scan_error != -ENOENT) {
		report("scanned %s, but not all of it: %s", shown,
		       reason_text(-tree.scan_error));
		return STATUS_FAILED;
	}
	return 0;
}

static int scan(struct sincefs *conn, const char *dir, const char *path)
{
	g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(Wanted));
	struct sincefs_info info;
	int status = 0;
	int r = sincefs_get_info(conn, &info);

	if (r < 0)
		return scan_failed(dir, r);
	if (path) {
		uint32_t id = find_tree(conn, info.tree_count, path);

		r = id ? ask(conn, id, wanted) : -EOPNOTSUPP;
		if (r < 0)
			return scan_failed(path, r);
	} else {
		for (uint32_t id = 1; id <= info.tree_count; id++) {
			r = ask(conn, id, wanted);
			if (r < 0 && r != -EOPNOTSUPP)
				return scan_failed(dir, r);
		}
		if (wanted->len == 0)
			return scan_failed(dir, -EOPNOTSUPP);
	}
	for (guint i = 0; i < wanted->len; i++) {
		int one = wait_for(conn, &g_array_index(wanted, Wanted, i),
				   isatty(STDERR_FILENO));

		if (one != 0)
			status = one;
	}
	return status;
}

int cmd_scan(int argc, char **argv)
{
	g_auto(GStrv) operands = NULL;
	struct sincefs *conn;
	int status;

	if (!command_parse(&syntax, NULL, argc, argv, &operands, &status))
		return status;
	conn = command_connect(operands[0]);
	if (!conn)
		return STATUS_FAILED;
	status = scan(conn, operands[0], operands[1]);
	sincefs_close(conn);
	return status;
}
