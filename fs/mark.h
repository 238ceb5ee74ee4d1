/* SPDX-License-Identifier: MIT */
/*
 * Which operation stamps what: decided here and nowhere else.
 *
 * Each function is called after its system call, and before the caller is
 * answered (promise 1). The functions that change names also bring the inode
 * table up to date, and do both in one section under the table's lock: a write
 * that resolved d/a before d became e can then not be stamped as d/a after a
 * client was told that d is gone.
 *
 * Any thread, no lock held; takes the table's lock, under it the dirty set's.
 */
#ifndef FS_MARK_H
#define FS_MARK_H

#include "core/dirty-set.h"
#include "fs/fs-internal.h"

/*
 * The effect of a system call that said @error (0 or -errno): none for certain,
 * or it may have happened as a whole or in part. An operation that failed after
 * it may have had an effect is stamped as if it had succeeded.
 */
bool mark_may_have_acted(int error);

/* The file's bytes changed: write, truncate, fallocate, copy. */
void mark_content(Fs *fs, uint64_t id, const Writer *by);
/* A write that landed elsewhere than the kernel thinks, since something that
   bypasses the mount changed the file. */
void mark_content_bypassed(Fs *fs, uint64_t id, const Writer *by);
/* Mode, owner, extended attributes, ACL, file flags. */
void mark_meta(Fs *fs, uint64_t id, const Writer *by);
/* Times set by hand. */
void mark_times(Fs *fs, uint64_t id, const Writer *by);

/* @name in @parent came into being; it is known that it was absent before. */
void mark_created(Fs *fs, uint64_t parent, const char *name, mode_t type,
		  const Writer *by);
/* Something may have happened to @name in @parent, it can not be told what. */
void mark_doubtful(Fs *fs, uint64_t parent, const char *name, mode_t type,
		   const Writer *by);

/* One object, as it was found under a name just before a system call. */
typedef struct {
	NodeKey key;
	mode_t type;    /* S_IFMT part; 0: there was none */
	uint32_t nlink; /* the kernel lets nothing else change it meanwhile */
} MarkObject;

/* @name in @parent, which was @object, was removed. */
void mark_removed(Fs *fs, uint64_t parent, const char *name,
		  const MarkObject *object, const Writer *by);

/*
 * rename(2): @moved from @name in @parent to @new_name in @new_parent, where
 * @victim was. With RENAME_EXCHANGE @victim went the other way, with
 * RENAME_WHITEOUT something was left behind.
 */
void mark_renamed(Fs *fs, uint64_t parent, const char *name,
		  const MarkObject *moved, uint64_t new_parent,
		  const char *new_name, const MarkObject *victim,
		  unsigned flags, const Writer *by);

/* The file @id got another name; the name was absent before. */
void mark_linked(Fs *fs, uint64_t id, uint64_t parent, const char *name,
		 const Writer *by);

#endif /* FS_MARK_H */
