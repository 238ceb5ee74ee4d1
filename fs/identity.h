/* SPDX-License-Identifier: MIT */
/*
 * On whose behalf a request is done. A thread's umask, and for a daemon of root
 * its file system uid, gid and groups, are made those of the caller while
 * something is created, so that it belongs to the caller and default ACLs are
 * inherited as below. All of it is the thread's own: raw system calls, since
 * the C library's would change every thread.
 */
#ifndef FS_IDENTITY_H
#define FS_IDENTITY_H

#include <stdbool.h>

#include "core/dirty-set.h"
#include "fs/fs-internal.h"

/* What must be put back; the caller's storage. */
typedef struct {
	bool changed; /* acts as the caller */
	bool locked;  /* has the umask that all threads share */
} Identity;

/* Once in each thread that answers requests: gives it a umask of its own. Where
   that is refused (some containers), one thread at a time makes things. */
void identity_thread_init(void);

/* Become the caller of @req. 0, or -EACCES when who that is can not be told
   exactly (another pid name space). */
int identity_assume(Fs *fs, fuse_req_t req, Identity *identity);
void identity_drop(Identity *identity);

/* Is @group the caller's, as its own or a supplementary one? False where that
   can not be told. */
bool identity_is_in_group(fuse_req_t req, gid_t group);

/* Who made the request: the process where it can be told cheaply, else the
   thread; pid 0 and an unknown user for the kernel's own flushes. */
Writer identity_writer(fuse_req_t req);

#endif /* FS_IDENTITY_H */
