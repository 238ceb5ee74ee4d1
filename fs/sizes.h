/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel thinks that a file ends. It sends an append with that place,
 * and there it has to be written: one append may be several requests at a time,
 * and pwritev2(2) with RWF_NOAPPEND asks for any place. Unless the kernel is
 * wrong: something that bypasses the mount, or an operation that failed after
 * it had an effect, has changed the length. Then an append goes to where the
 * file ends below.
 *
 * What the kernel thinks follows from what it was told when it came to know the
 * file and what was done through it since. If that is not the length below, it
 * is wrong, and when it learns better cannot be told: it is not trusted again
 * as long as it knows the file.
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
	uint64_t size;   /* as the kernel thought before */
	uint32_t writes; /* of the node until then */
	bool is_alone;
} SizeChange;

void size_begin(Fs *fs, uint64_t id, SizeChange *change);

/* May an append to the file, open as @fd, be written where the kernel says? */
bool size_is_trusted(Fs *fs, const SizeChange *change, int fd);

/* It is over: the kernel thinks that the file ends at @end or behind. */
void size_end(Fs *fs, const SizeChange *change, uint64_t end);
/* It is over: the kernel thinks that the file ends at @end. */
void size_end_at(Fs *fs, const SizeChange *change, uint64_t end);

/* The kernel gets an error for what may have changed the length. */
void size_doubt(Fs *fs, uint64_t id);

#endif /* FS_SIZES_H */
