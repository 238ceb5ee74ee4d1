/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that close themselves (GLib's g_autofd is newer than the GLib we
 * support). Any thread.
 */
#ifndef MOUNT_FD_H
#define MOUNT_FD_H

#include <errno.h>
#include <unistd.h>

/* -1 stands for none. Keeps errno. */
static inline void fd_clear(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* The caller owns what is returned; -1 stays behind. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#define auto_fd __attribute__((cleanup(fd_clear))) int

#endif /* MOUNT_FD_H */
