/* SPDX-License-Identifier: MIT */
/*
 * Put a mount over a directory: the checks, the daemon, and the proof that it
 * answers. What the commands mount and run share; uncover.h is the reverse.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_COVER_H
#define MOUNT_COVER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "core/ignore.h"

/* What was asked for; filled by the options of a command. */
typedef struct {
	char *source;  /* owned; NULL: the directory itself */
	char **ignore; /* owned; NULL: none */
	gint64 capacity;
	gboolean allow_other;
	char **scan;          /* owned; NULL: none */
	double scan_period;   /* seconds */
	int scan_share;       /* percent of one processor */
	char *scan_python;    /* owned; an interpreter, NULL: none */
	char **mount_options; /* owned; of -o, each perhaps a list; NULL */

	/* Made of them by cover_options_check(). */
	Ignore *patterns; /* owned */
	char *options;    /* owned; for fs_new(), NULL: none */
} CoverOptions;

void cover_options_init(CoverOptions *options);
void cover_options_clear(CoverOptions *options);

/* The entries for GOption, and a last one that is empty; @entries has room for
   COVER_OPTION_ENTRIES. */
#define COVER_OPTION_ENTRIES 10
void cover_options_describe(CoverOptions *options, GOptionEntry *entries);

/* Do the values mean something? False with @error of G_OPTION_ERROR. */
bool cover_options_check(CoverOptions *options, GError **error);

/*
 * Hold back the signals that interrupt a command, so that it does all or
 * nothing; *@before_out is the mask to go back to.
 */
void cover_hold_signals(sigset_t *before_out);
/* One that has come since, or 0. */
int cover_get_held_signal(void);

/*
 * Mount over @dir with a daemon in the background, and return when a client has
 * got an answer from it. *@root_out (caller frees) is where it is mounted,
 * *@pid_out the daemon. False with @error, a whole line: nothing is mounted.
 * It fails if a signal that is held back has come.
 */
bool cover_start(CoverOptions *options, const char *dir, char **root_out,
		 pid_t *pid_out, GError **error);

/* The same with this process as the daemon, until the mount ends. Returns an
   exit status; has reported what failed. */
int cover_serve(CoverOptions *options, const char *dir);

/* Report the processes that go on using the directory below the mount at @root,
   or with --source (else NULL) that one (promise 10); with @not_ancestors
   without those that this one descends from. Says nothing when there are none.
 */
void cover_report_bypassers(const char *root, const char *source,
			    pid_t daemon_pid, bool not_ancestors);

#endif /* MOUNT_COVER_H */
