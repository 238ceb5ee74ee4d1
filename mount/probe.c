// SPDX-License-Identifier: MIT
/*
 * A request to a daemon that does not answer can be left by being killed only,
 * so that a limit in time needs a process that may be killed. It sends what it
 * learned over a pipe: an int (0 or -errno), and after 0 the info, the stats
 * and the trees.
 */
#include "mount/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "mount/fd.h"

static bool write_all(int fd, const void *data, size_t size)
{
	const char *rest = data;

	while (size > 0) {
		ssize_t n = write(fd, rest, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		rest += n;
		size -= (size_t)n;
	}
	return true;
}

/* In the process of its own. */
static void ask(const char *path, int fd)
{
	struct sincefs *conn = NULL;
	struct sincefs_info info = {.signature = 0};
	struct sincefs_stats stats = {.uptime_ns = 0};
	int r = sincefs_open(path, &conn);

	if (r == 0)
		r = sincefs_get_info(conn, &info);
	if (r == 0 && (info.features & SINCEFS_FEATURE_STATS))
		r = sincefs_get_stats(conn, &stats);
	if (!write_all(fd, &r, sizeof(r)) || r < 0 ||
	    !write_all(fd, &info, sizeof(info)) ||
	    !write_all(fd, &stats, sizeof(stats)))
		goto out;
	for (uint32_t id = 1; id <= info.tree_count; id++) {
		struct sincefs_tree tree;

		if (sincefs_get_tree(conn, id, &tree) < 0 ||
		    !write_all(fd, &tree, sizeof(tree)))
			break;
	}
out:
	sincefs_close(conn);
}

/* Read until the end of the pipe or the @deadline (monotonic, in us). */
static bool read_until(int fd, gint64 deadline, GByteArray *data)
{
	for (;;) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		gint64 left_ms = (deadline - g_get_monotonic_time()) / 1000;
		guint8 buffer[4096];
		ssize_t n;

		if (left_ms <= 0)
			return false;
		n = poll(&poller, 1, (int)left_ms);
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		g_byte_array_append(data, buffer, (guint)n);
	}
}

/* Wait for a process that was killed; one that the kernel does not let go of
   is left to init. */
static void reap(pid_t pid)
{
	for (int tries = 0; tries < 100; tries++) {
		pid_t r = waitpid(pid, NULL, WNOHANG);

		if (r == pid || (r < 0 && errno != EINTR))
			return;
		g_usleep(2000);
	}
}

/* Move @size bytes from the front of what is left. */
static bool take(const guint8 **at, size_t *left, void *to, size_t size)
{
	if (*left < size)
		return false;
	memcpy(to, *at, size);
	*at += size;
	*left -= size;
	return true;
}

static Probe *unpack(const GByteArray *data, int *error_out)
{
	const guint8 *at = data->data;
	size_t left = data->len;
	g_autoptr(Probe) probe = g_new0(Probe, 1);
	int error;

	*error_out = -EIO;
	probe->trees = g_array_new(FALSE, FALSE, sizeof(struct sincefs_tree));
	if (!take(&at, &left, &error, sizeof(error)))
		return NULL;
	if (error < 0) {
		*error_out = error;
		return NULL;
	}
	if (!take(&at, &left, &probe->info, sizeof(probe->info)) ||
	    !take(&at, &left, &probe->stats, sizeof(probe->stats)))
		return NULL;
	g_array_append_vals(probe->trees, at,
			    (guint)(left / sizeof(struct sincefs_tree)));
	*error_out = 0;
	return g_steal_pointer(&probe);
}

int probe_mount(const char *path, int timeout_ms, Probe **probe_out)
{
	gint64 deadline = g_get_monotonic_time() + timeout_ms * (gint64)1000;
	g_autoptr(GByteArray) data = g_byte_array_new();
	auto_fd reader = -1;
	Probe *probe;
	int fds[2];
	bool done;
	pid_t pid;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	reader = fds[0];
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(fds[1]);
		return r;
	}
	if (pid == 0) {
		close(reader);
		signal(SIGPIPE, SIG_DFL);
		ask(path, fds[1]);
		_exit(0);
	}
	close(fds[1]);

	done = read_until(reader, deadline, data);
	if (!done)
		kill(pid, SIGKILL);
	reap(pid);
	if (!done)
		return -ETIMEDOUT;

	probe = unpack(data, &r);
	if (probe)
		*probe_out = probe;
	return r;
}

void probe_free(Probe *probe)
{
	if (!probe)
		return;
	g_array_unref(probe->trees);
	g_free(probe);
}
