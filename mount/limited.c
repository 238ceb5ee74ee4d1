// SPDX-License-Identifier: MIT
#include "mount/limited.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "mount/fd.h"

bool limited_tell(int fd, const void *data, size_t size)
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

int limited_call(void (*call)(void *data, int fd), void *data, int timeout_ms,
		 GByteArray *told)
{
	gint64 deadline = g_get_monotonic_time() + timeout_ms * (gint64)1000;
	auto_fd reader = -1;
	int fds[2];
	bool done;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	reader = fds[0];
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(fds[1]);
		return r;
	}
	if (pid == 0) {
		close(reader);
		signal(SIGPIPE, SIG_DFL);
		call(data, fds[1]);
		_exit(0);
	}
	close(fds[1]);

	done = read_until(reader, deadline, told);
	if (!done)
		kill(pid, SIGKILL);
	reap(pid);
	return done ? 0 : -ETIMEDOUT;
}
