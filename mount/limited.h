/* SPDX-License-Identifier: MIT */
/*
 * Call what may hang for ever, for a limited time: a file system whose daemon
 * does not answer is left by being killed only, so that the call is made in a
 * process that may be killed.
 *
 * For a process with one thread, as it forks.
 */
#ifndef MOUNT_LIMITED_H
#define MOUNT_LIMITED_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/*
 * Run call(@data, fd) in a process of its own and append what it writes to @fd
 * to @told: 0 when it has ended, whatever way, -ETIMEDOUT when it was killed
 * after @timeout_ms, or another -errno. What it changes in memory is lost.
 */
int limited_call(void (*call)(void *data, int fd), void *data, int timeout_ms,
		 GByteArray *told);

/* For @call: false when not all could be written. */
bool limited_tell(int fd, const void *data, size_t size);

#endif /* MOUNT_LIMITED_H */
