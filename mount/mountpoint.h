/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says is mounted where (/proc/self/mountinfo), which mount a
 * path lies in, and how a mount is ended. Nothing here waits for a dead or hung
 * daemon to answer, or not for long.
 *
 * For the main thread of a command, before the process has others.
 */
#ifndef MOUNT_MOUNTPOINT_H
#define MOUNT_MOUNTPOINT_H

#include <stdbool.h>

#include <glib.h>

/* The type of our mounts in mountinfo. */
#define MOUNT_TYPE "fuse.sincefs"

typedef struct {
	int id;
	int parent_id;
	unsigned int major;
	unsigned int minor;
	char *point;   /* owned; absolute, as seen from our root */
	char *type;    /* owned */
	char *source;  /* owned */
	char *options; /* owned; of this mount: "rw,nosuid" */
} MountEntry;

/* Entries in the kernel's order: a later one at the same place covers. */
typedef struct MountTable MountTable;

/* From a text in the form of proc_pid_mountinfo(5); lines that are not in that
   form are left out. Never NULL. */
MountTable *mount_table_parse(const char *text);
/* Of this process, now. NULL with @error. */
MountTable *mount_table_read(GError **error);
void mount_table_free(MountTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MountTable, mount_table_free)

size_t mount_table_get_count(const MountTable *table);
/* Borrowed. */
const MountEntry *mount_table_get(const MountTable *table, size_t index);

/* The entry with this number, or NULL. Borrowed. */
const MountEntry *mount_table_find_id(const MountTable *table, int id);

/*
 * The mount that @path (absolute, without links, "." and "..") lies in or is
 * the root of, covered mounts left aside; NULL when the table has none.
 * Borrowed.
 */
const MountEntry *mount_table_find_path(const MountTable *table,
					const char *path);

/* Is @entry reached at its own mount point: not covered by a later mount? */
bool mount_table_is_visible(const MountTable *table, const MountEntry *entry);

/* Is the mount @id the mount @ancestor_id, or mounted somewhere in it? */
bool mount_table_is_within(const MountTable *table, int id, int ancestor_id);

bool mount_entry_is_sincefs(const MountEntry *entry);

/* Undo the octal escapes of mountinfo in place: "a\040b" becomes "a b". */
void mountpoint_unescape(char *text);

/* Is @path equal to @directory or below it, by the names alone? Both absolute,
   without "." and "..". */
bool path_is_within(const char *path, const char *directory);
/* @path relative to @directory, "." for itself; borrowed from @path. @path is
   within @directory. */
const char *path_relative_to(const char *path, const char *directory);

/*
 * The absolute path of @path without links, which may lie in a mount that does
 * not answer: the parts that can not be looked at, or not within 2 seconds, are
 * then taken by their names. NULL with @error (which does not repeat the path)
 * when it does not exist. Caller frees.
 */
char *mountpoint_resolve(const char *path, GError **error);

/* The number of the mount that the open descriptor @fd belongs to, or -errno;
   O_PATH will do. Asks no file system. */
int mountpoint_get_id(int fd);
/* The same from the text of a file in /proc/PID/fdinfo: -ENOENT when it does
   not say. */
int mountpoint_parse_id(const char *fdinfo);

/*
 * Unmount @path, an absolute path without links: by umount2(2) where allowed,
 * else by fusermount3. @lazy detaches although it is in use. 0, -EBUSY, or
 * another -errno, then with @message_out set to what fusermount3 said if it
 * was that; caller frees. @message_out may be NULL.
 */
int mountpoint_unmount(const char *path, bool lazy, char **message_out);

#endif /* MOUNT_MOUNTPOINT_H */
