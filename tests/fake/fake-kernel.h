/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of a mount, played by a test: requests are written to a
 * file system that is not mounted, in any order and with any timing, and its
 * answers are waited for one by one. Counts look-ups as the kernel does, so
 * that they can be given back.
 *
 * Any number of threads may send and wait; a request's answer is waited for
 * once. What should not happen at all fails the running test.
 */
#ifndef TESTS_FAKE_FAKE_KERNEL_H
#define TESTS_FAKE_FAKE_KERNEL_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/dirty-set.h"
#include "core/tree.h"
#include "fs/fs-internal.h"

typedef struct FakeKernel FakeKernel;

/* All zero is the usual. */
typedef struct {
	size_t max_descriptors;
	bool keep_no_descriptors;
	const Ignore *ignore; /* borrowed */
	uid_t owner; /* who may ask, beside root; 0: who runs the test */
	unsigned write_delay_us;
} FakeKernelOptions;

/* A file system over an empty directory of its own, past INIT. */
FakeKernel *fake_kernel_new(const FakeKernelOptions *options);
/* Free the file system alone, which nobody has unmounted: as fs_free(). */
bool fake_kernel_free_fs(FakeKernel *kernel);
/* As after an unmount. Also removes the directory. */
void fake_kernel_free(FakeKernel *kernel);
/* The session ends, as by an unmount; the file system is left to be freed. */
void fake_kernel_hang_up(FakeKernel *kernel);
bool fake_kernel_has_ended(FakeKernel *kernel);

/* Borrowed. */
Fs *fake_kernel_get_fs(FakeKernel *kernel);
DirtySet *fake_kernel_get_set(FakeKernel *kernel);
/* The directory below, without a '/' at its end, and a descriptor of it. */
const char *fake_kernel_get_directory(FakeKernel *kernel);
int fake_kernel_get_dir_fd(FakeKernel *kernel);
/* What INIT was answered with. */
const struct fuse_init_out *fake_kernel_get_init(FakeKernel *kernel);

/* From now on requests are made by this user; at first who runs the test. */
void fake_kernel_set_user(FakeKernel *kernel, uid_t uid, gid_t gid);

/* And of this process; 0: the kernel can not tell. */
void fake_kernel_set_process(FakeKernel *kernel, pid_t pid);

/* -- Requests, one by one ---------------------------------------------------
 */

/* Sent, and to be waited for. */
typedef uint64_t FakeRequest;

FakeRequest fake_send(FakeKernel *kernel, uint32_t opcode, uint64_t node,
		      const struct iovec *parts, size_t count);

/* By another user than all others. */
FakeRequest fake_send_as(FakeKernel *kernel, uid_t uid, gid_t gid,
			 uint32_t opcode, uint64_t node,
			 const struct iovec *parts, size_t count);

typedef struct {
	int error;      /* 0 or -errno */
	uint64_t order; /* the how manieth answer it was */
	size_t size;
	void *data; /* owned; to be freed with g_free() */
} FakeReply;

void fake_wait(FakeKernel *kernel, FakeRequest request, FakeReply *reply_out);
/* The error alone. */
int fake_wait_error(FakeKernel *kernel, FakeRequest request);
/* Has the answer come? Does not wait. */
bool fake_is_answered(FakeKernel *kernel, FakeRequest request);
/* The answer to the next request that is sent can not be delivered: the caller
   has gone. It is not to be waited for. */
void fake_interrupt_next(FakeKernel *kernel);
/* Wait until the answer to an interrupted request was tried. */
void fake_wait_refused(FakeKernel *kernel);

/* The kernel got one more look-up of @node: for who reads answers himself. */
void fake_count_lookup(FakeKernel *kernel, uint64_t node);

/* How many of these notifications (FUSE_NOTIFY_*) have come. */
unsigned fake_count_notifications(FakeKernel *kernel, int code);
/* Wait until there are @n. */
void fake_wait_notifications(FakeKernel *kernel, int code, unsigned n);
/* Wait until the last of them is about this nodeid or poll handle. */
void fake_wait_notified(FakeKernel *kernel, int code, uint64_t what);

/* Make whoever notifies wait, as the kernel may, until told otherwise. */
void fake_hold_notifications(FakeKernel *kernel, bool hold);
/* Wait until somebody is made to wait. */
void fake_wait_held(FakeKernel *kernel);

/* -- Common requests: 0 or -errno, and what they were answered with ---------
 */

int fake_lookup(FakeKernel *kernel, uint64_t parent, const char *name,
		uint64_t *node_out);
/* The node of a path from the root, each part looked up; must be there. */
uint64_t fake_find(FakeKernel *kernel, const char *path);
void fake_forget(FakeKernel *kernel, uint64_t node, uint64_t count);
/* Give back every look-up but the root's, and wait until that has happened. */
void fake_forget_all(FakeKernel *kernel);

int fake_getattr(FakeKernel *kernel, uint64_t node,
		 struct fuse_attr *attributes_out);
int fake_setattr(FakeKernel *kernel, uint64_t node,
		 const struct fuse_setattr_in *what);

int fake_create(FakeKernel *kernel, uint64_t parent, const char *name,
		mode_t mode, uint32_t flags, uint64_t *node_out);
int fake_release(FakeKernel *kernel, uint64_t node);
int fake_mknod(FakeKernel *kernel, uint64_t parent, const char *name,
	       mode_t mode, uint64_t *node_out);
int fake_mkdir(FakeKernel *kernel, uint64_t parent, const char *name,
	       uint64_t *node_out);
int fake_symlink(FakeKernel *kernel, uint64_t parent, const char *name,
		 const char *target, uint64_t *node_out);
int fake_link(FakeKernel *kernel, uint64_t node, uint64_t parent,
	      const char *name);
int fake_unlink(FakeKernel *kernel, uint64_t parent, const char *name);
int fake_rmdir(FakeKernel *kernel, uint64_t parent, const char *name);
int fake_rename(FakeKernel *kernel, uint64_t parent, const char *name,
		uint64_t new_parent, const char *new_name, uint32_t flags);

/* @how: FUSE_WRITE_CACHE for a flush of a mapping; @flags as of open(2). */
FakeRequest fake_send_write(FakeKernel *kernel, uint64_t node, uint64_t offset,
			    const char *text, uint32_t how, uint32_t flags);
int fake_write(FakeKernel *kernel, uint64_t node, uint64_t offset,
	       const char *text, uint32_t how, uint32_t flags);
FakeRequest fake_send_read(FakeKernel *kernel, uint64_t node, uint64_t offset,
			   uint32_t size);
/* The bytes with a NUL after them, to be freed with g_free(). */
int fake_read(FakeKernel *kernel, uint64_t node, uint64_t offset, uint32_t size,
	      char **text_out);

/* The names in a directory, each followed by a space; freed with g_free(). */
int fake_list(FakeKernel *kernel, uint64_t dir, bool plus, char **names_out);

FakeRequest fake_send_ioctl(FakeKernel *kernel, uint64_t node, uint32_t cmd,
			    const void *in, uint32_t in_size,
			    uint32_t out_size);
FakeRequest fake_send_poll(FakeKernel *kernel, uint64_t node, uint64_t handle);
/* The revents. */
unsigned fake_poll(FakeKernel *kernel, uint64_t node, uint64_t handle);

/* -- Questions --------------------------------------------------------------
 */

FakeRequest fake_send_since(FakeKernel *kernel, uint64_t node,
			    const struct sincefs_token *token);
/* INFO, on the root. */
struct sincefs_token fake_token(FakeKernel *kernel);
/*
 * What changed after *@token, which then is the answer's: for each record
 * letters and a path, as "CN:a CG:d/b ", oldest first; "FRESH" when it is.
 * Letters: (C)ontent, (M)eta, (T)imes, (N)ew, (G)one, (D)ir, (S)ubtree,
 * s(c)anned, (L)inked; who did it is not told.
 * Freed with g_free().
 */
char *fake_since(FakeKernel *kernel, struct sincefs_token *token);
/* The same from an answer that was waited for. */
char *fake_answer_to_text(const FakeReply *reply,
			  struct sincefs_token *token_out);

/* -- The file system below --------------------------------------------------
 */

/* Hold a file so that opening it for writing, or with @all at all, blocks until
   it is let go. */
int fake_hold(FakeKernel *kernel, const char *path, bool all);
void fake_let_go(int hold);

#endif /* TESTS_FAKE_FAKE_KERNEL_H */
