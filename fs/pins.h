/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that must be held because nothing could open their file again,
 * though it has a name: its mode locks its owner out, who is the daemon too
 * (an object of git is created with mode 0444; or chmod while it is open).
 *
 * Whether such a file is still open the kernel does not tell: where files are
 * opened without requests, they are closed without. It only forgets, and an
 * unused file of a cached name may stay known for days. So when there are many
 * of these pins, the kernel is asked, the oldest first, to drop the names: what
 * is not open is forgotten then, and its descriptor goes. What is open stays.
 *
 * Guarded by the inode table's lock.
 */
#ifndef FS_PINS_H
#define FS_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs-internal.h"

/* Room for one more? -ENFILE when there is not: better that no more files lock
   their owner out than that nothing can be opened any more. */
int pins_check(Fs *fs);

/*
 * Hold @descriptor (borrowed) for @node until it is forgotten, unless it has a
 * better one. Under the table's lock; call pins_relieve() after unlocking.
 */
void pins_add_locked(Fs *fs, Node *node, Descriptor *descriptor);

/* If there are many, have the kernel forget what is not open. */
void pins_relieve(Fs *fs);

#endif /* FS_PINS_H */
