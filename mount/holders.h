/* SPDX-License-Identifier: MIT */
/*
 * Which processes hold a directory tree: stand in it, run from it, have files
 * of it open or mapped. Found in /proc, as far as the caller may look there.
 *
 * Two questions: who holds the mount (and keeps it busy), and who still holds
 * the directory below it (and changes it without us: promise 10). Both are
 * decided by the number of the mount behind a descriptor, so that no file
 * system is asked anything. Processes in other mount name spaces are not seen.
 *
 * For the main thread of a command.
 */
#ifndef MOUNT_HOLDERS_H
#define MOUNT_HOLDERS_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "mount/mountpoint.h"

/*
 * What a sincefs opens a directory with for its lock alone, and for nothing
 * else: it then does not count as a holder.
 */
#define HOLDERS_LOCK_FLAGS (O_DIRECTORY | O_NONBLOCK)

typedef enum {
	HOLDER_CWD,
	HOLDER_ROOT,
	HOLDER_EXE,
	HOLDER_FILE,
	HOLDER_MAPPING,
} HolderKind;

typedef struct {
	pid_t pid;
	char *name; /* owned; of the program */
	/* What it holds, the first in the order of the kinds. */
	HolderKind kind;
	char *path; /* owned; relative to the directory, "." for itself */
} Holder;

typedef enum {
	/* Through the mount, or through one that is mounted in it. */
	HOLDERS_OF_MOUNT,
	/* Names at or below the place that do not go through it. */
	HOLDERS_BESIDE_MOUNT,
} HoldersWhich;

/*
 * The processes that hold what is at or below @place (NULL: the place of
 * @mount), seen from @mount, which is an entry of @table; without the caller
 * itself and @not_pid (0: none). Returns Holders in the order of their pids;
 * caller frees with g_ptr_array_unref().
 */
GPtrArray *holders_find(const MountTable *table, const MountEntry *mount,
			const char *place, HoldersWhich which, pid_t not_pid);

/* Is the caller itself one: does it run from there, or with libraries of it? */
bool holders_have_self(const MountTable *table, const MountEntry *mount,
		       HoldersWhich which);

/*
 * A process in another mount name space in which @mount is mounted too: it is
 * then still there when it was unmounted here. 0 when none is seen.
 */
pid_t holders_find_name_space(const MountEntry *mount);

/* "working directory sub/", "open file a.txt" and so on. Caller frees. */
char *holder_dup_text(const Holder *holder);

/* "NAME pid 123, NAME pid 124 and 7 more", for one line. Caller frees. */
char *holders_dup_summary(const GPtrArray *holders);

#endif /* MOUNT_HOLDERS_H */
