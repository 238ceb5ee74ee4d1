// SPDX-License-Identifier: MIT
/*
 * A mount is gone when its daemon is: then all that was written is below, its
 * lock is free and its history is over. The daemon ends by itself when the
 * kernel has let go of the mount, which is when nobody uses it any more, here
 * and in other mount name spaces.
 */
#include "mount/uncover.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/fd.h"
#include "mount/holders.h"
#include "mount/mountpoint.h"
#include "mount/probe.h"
#include "mount/report.h"

#define PROBE_MS 2000
#define END_MS 10000
/* After this time it is looked whether there is a reason. */
#define LONG_MS 500

#define BUSY_TRIES 5
#define BUSY_PAUSE_MS 20

/* Linux 5.3; older headers do not have it. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

typedef struct {
	MountTable *table;       /* owned */
	const MountEntry *entry; /* borrowed from table: the mount */
	char *shown;             /* owned; its place, for messages */
	bool lazy;
	pid_t pid; /* of the daemon, 0: it does not say */
	int pidfd; /* owned; -1: not to be waited for */
} Target;

#define TARGET_INIT                                                            \
	{                                                                      \
		.pidfd = -1                                                    \
	}

static void target_clear(Target *target)
{
	mount_table_free(target->table);
	g_free(target->shown);
	fd_clear(&target->pidfd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)

static bool fail(GError **error, const char *shown, const char *why)
{
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "cannot unmount %s: %s", shown, why);
	return false;
}

/* The mount that @path lies in. */
static bool find_mount(Target *target, const char *path, GError **error)
{
	g_autofree char *shown = dup_shown_path(path);
	g_autoptr(GError) reason = NULL;
	g_autofree char *real = mountpoint_resolve(path, &reason);

	if (real)
		target->table = mount_table_read(&reason);
	if (!target->table)
		return fail(error, shown, reason->message);
	target->entry = mount_table_find_path(target->table, real);
	if (!mount_entry_is_sincefs(target->entry))
		return fail(error, shown, "not on a sincefs mount");
	target->shown = dup_shown_path(target->entry->point);
	return true;
}

/* Who is to be waited for. What is dead is nobody's to keep. */
static void find_daemon(Target *target)
{
	g_autoptr(Probe) probe = NULL;

	if (probe_mount(target->entry->point, PROBE_MS, &probe) == -ENOTCONN)
		target->lazy = true;
	if (!probe)
		return;
	target->pid = (pid_t)probe->info.pid;
	target->pidfd = (int)syscall(SYS_pidfd_open, target->pid, 0);
}

/* Why it is busy, and what to do. Caller frees. */
static char *dup_busy_reason(const Target *target, const GPtrArray *holders)
{
	if (holders->len > 0) {
		g_autofree char *who = holders_dup_summary(holders);

		return g_strdup_printf("busy (%s); end %s or use --lazy", who,
				       holders->len == 1 ? "it" : "these");
	}
	for (size_t i = 0; i < mount_table_get_count(target->table); i++) {
		const MountEntry *entry = mount_table_get(target->table, i);

		if (entry->parent_id == target->entry->id &&
		    entry != target->entry) {
			g_autofree char *shown = dup_shown_path(entry->point);

			return g_strdup_printf("busy (%s is mounted in it); "
					       "unmount that or use --lazy",
					       shown);
		}
	}
	return g_strdup("busy (by whom is not seen); use --lazy");
}

/*
 * Unmount, and give somebody who is just leaving the time to be gone. Who uses
 * it is looked for only when somebody does.
 */
static int unmount_patiently(Target *target, GPtrArray **holders_out,
			     char **said_out)
{
	const char *point = target->entry->point;

	for (int tries = 1;; tries++) {
		int r = mountpoint_unmount(point, target->lazy, said_out);

		if (r != -EBUSY)
			return r;
		g_clear_pointer(holders_out, g_ptr_array_unref);
		*holders_out = holders_find(target->table, target->entry, NULL,
					    HOLDERS_OF_MOUNT, target->pid);
		if ((*holders_out)->len > 0 || tries == BUSY_TRIES)
			return r;
		g_usleep(BUSY_PAUSE_MS * 1000);
	}
}

/* Wait for the daemon's end: true, or false when it takes @limit_ms. */
static bool has_ended(const Target *target, int limit_ms)
{
	gint64 deadline = g_get_monotonic_time() + limit_ms * (gint64)1000;

	for (;;) {
		struct pollfd poller = {.fd = target->pidfd, .events = POLLIN};
		gint64 left_ms = (deadline - g_get_monotonic_time()) / 1000;
		int n = poll(&poller, 1, (int)MAX(left_ms, 0));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		/* It is our child if this is the command that mounted. */
		waitpid(target->pid, NULL, WNOHANG);
		return true;
	}
}

static bool wait_for_end(const Target *target, GError **error)
{
	pid_t elsewhere;

	if (target->lazy || target->pidfd < 0 || has_ended(target, LONG_MS))
		return true;
	elsewhere = holders_find_name_space(target->entry);
	if (elsewhere > 0) {
		report("unmounted %s, but it is still mounted for process %d "
		       "in another mount name space",
		       target->shown, (int)elsewhere);
		return true;
	}
	if (has_ended(target, END_MS - LONG_MS))
		return true;
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "unmounted %s, but its daemon (pid %d) has not ended in "
		    "%d s",
		    target->shown, (int)target->pid, END_MS / 1000);
	return false;
}

bool uncover(const char *path, bool lazy, bool *busy_out, GError **error)
{
	g_auto(Target) target = TARGET_INIT;
	g_autoptr(GPtrArray) holders = NULL;
	g_autofree char *said = NULL;
	int r;

	if (busy_out)
		*busy_out = false;
	if (!find_mount(&target, path, error))
		return false;
	/* Not to be the one who keeps it busy. */
	if (chdir("/") < 0)
		return fail(error, target.shown, reason_text(errno));

	target.lazy = lazy;
	find_daemon(&target);
	r = unmount_patiently(&target, &holders, &said);
	if (r == -EBUSY && holders->len == 0 &&
	    holders_have_self(target.table, target.entry, HOLDERS_OF_MOUNT)) {
		/* This very program lies in it: it ends when we do. */
		target.lazy = true;
		r = unmount_patiently(&target, &holders, &said);
	}
	if (r == -EBUSY) {
		g_autofree char *why = dup_busy_reason(&target, holders);

		if (busy_out)
			*busy_out = true;
		return fail(error, target.shown, why);
	}
	/* EINVAL: it was unmounted meanwhile, which is what was wanted. */
	if (r < 0 && r != -EINVAL)
		return fail(error, target.shown, said ? said : reason_text(-r));
	return wait_for_end(&target, error);
}
