/* SPDX-License-Identifier: MIT */
/*
 * The process that holds a mount: builds the dirty set, mounts, tells that it
 * is ready, answers until the mount ends, and ends it in order on SIGTERM,
 * SIGINT or SIGHUP. Where it may be mounted is not its business (cover.h).
 *
 * Called by the main thread, before the process has others.
 */
#ifndef MOUNT_DAEMON_H
#define MOUNT_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "core/ignore.h"

typedef struct {
	/* The directory whose tree is shown; taken. */
	int source_fd;
	const char *mountpoint; /* absolute, without links */
	const char *source_name;
	const char *options; /* or NULL */
	const Ignore *ignore;
	size_t capacity;
	bool allow_other;
	const GPtrArray *scan_roots; /* of ScanRoots, or NULL */
	uint64_t scan_period_ns;
	unsigned scan_share; /* percent of one processor */
} DaemonConfig;

/* Who answers: compared with what a client of the mount is told. */
typedef struct {
	pid_t pid;
	uint64_t instance;
} DaemonIdentity;

/*
 * Start a daemon in the background and wait until it answers requests, or did
 * not get there: then false with @error, and nothing is left of it.
 */
bool daemon_start(DaemonConfig *config, DaemonIdentity *identity_out,
		  GError **error);

/*
 * Be the daemon, in this process, until the mount has ended. @report_fd (taken)
 * is told when it answers; daemon_read_report() is the other end. The process
 * @checker has a look at the mount then; it is waited for, and if it does not
 * exit with 0 the mount is ended. Returns an exit status.
 */
int daemon_serve(DaemonConfig *config, int report_fd, pid_t checker);

/* Wait for what a daemon tells: false with @error when it failed, or when it
   ended without a word or did not come to an end in time. */
bool daemon_read_report(int fd, DaemonIdentity *identity_out, GError **error);

#endif /* MOUNT_DAEMON_H */
