/* SPDX-License-Identifier: MIT */
/*
 * From a nodeid to something a system call can work on.
 *
 * Reads, mapped flushes and look-ups of attributes are not serialised against
 * renames, so what a name led to is always compared with the node before it is
 * used: new bytes must not land in another file. When the comparison fails the
 * names are looked up again, and after some tries the answer is ESTALE, on
 * which the kernel looks the path up afresh.
 *
 * Any thread; takes the table's lock, and no system call is made under it.
 */
#ifndef FS_LOCATE_H
#define FS_LOCATE_H

#include <sys/stat.h>

#include "fs/descriptors.h"
#include "fs/fs-internal.h"
#include "fs/inode-table.h"

typedef int errint; /* 0 or -errno */

/*
 * A descriptor for the node @id that can do at least @kind. The caller gives it
 * back with locate_release(). Only regular files are opened for more than
 * DESCRIPTOR_PATH. -ESTALE: no such node, or its names lead elsewhere.
 */
errint locate_open(Fs *fs, uint64_t id, DescriptorKind kind,
		   Descriptor **descriptor_out);
/* The same for appending alone. */
errint locate_open_append(Fs *fs, uint64_t id, Descriptor **descriptor_out);
void locate_release(Fs *fs, Descriptor *descriptor);

/* The attributes of node @id, with STATX_BASIC_STATS and the birth time. */
errint locate_stat(Fs *fs, uint64_t id, struct statx *attributes_out);

/* Attributes of @name in @dir_fd, of a link itself; of @dir_fd itself when
   @name is "". */
errint stat_at(int dir_fd, const char *name, struct statx *attributes_out);

/*
 * Open @fd's object, which may be an O_PATH descriptor, anew with @flags. When
 * the process is out of descriptors, cached ones are given up for it. Returns
 * the descriptor or -errno.
 */
int reopen(Fs *fs, int fd, int flags);
/* openat(2) with O_CLOEXEC, likewise. */
int open_at(Fs *fs, int dir_fd, const char *name, int flags, mode_t mode);

/* "/proc/self/fd/N": for calls that want a path and take no descriptor of the
   O_PATH kind. */
typedef struct {
	char text[32];
} ProcPath;
ProcPath proc_path(int fd);

NodeKey key_of(const Fs *fs, const struct statx *attributes);
struct stat stat_of(const struct statx *attributes);

/* Close what was put aside; to be called with no lock held. */
void sweep_descriptors(Fs *fs);

#endif /* FS_LOCATE_H */
