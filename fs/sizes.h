/* SPDX-License-Identifier: MIT */
/*
 * How long a file is, as far as it was made so through the mount. The kernel
 * sends an append with the place where it thinks that the file ends. That is
 * where it has to be written: a file that is written by several requests at a
 * time, and pwritev2(2) with RWF_NOAPPEND, may ask for any place. Unless
 * something that bypasses the mount has changed the length, and the place is
 * wrong: that is so when the length below is not the one kept here.
 *
 * Takes the inode table's lock; any thread, no lock held.
 */
#ifndef FS_SIZES_H
#define FS_SIZES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Fs Fs;

/* One request that may change the length, from before to after. */
typedef struct {
	uint64_t id;     /* of the node */
	uint64_t size;   /* as it was */
	uint32_t writes; /* of the node until then */
	bool is_alone;
} SizeChange;

void size_begin(Fs *fs, uint64_t id, SizeChange *change);

/* Is the file, open as @fd, of another length than it was made here? False when
   that cannot be told, as others are changing it through the mount. */
bool size_is_bypassed(Fs *fs, const SizeChange *change, int fd);

/* It is over, and the file ends at @end or behind. */
void size_end(Fs *fs, const SizeChange *change, uint64_t end);
/* It is over, and the file ends at @end. */
void size_end_at(Fs *fs, const SizeChange *change, uint64_t end);

#endif /* FS_SIZES_H */
