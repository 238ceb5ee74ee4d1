/* SPDX-License-Identifier: MIT */
/*
 * The operations, named after the field of fuse_lowlevel_ops that they fill,
 * and by subject in ops-*.c. Each answers exactly once on every path.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/fs-internal.h"
#include "fs/locate.h"

/* ops-lookup.c: which objects there are, and their attributes */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t count);
void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attributes,
		int to_set, struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t id, int mask);
void op_readlink(fuse_req_t req, fuse_ino_t id);
void op_statfs(fuse_req_t req, fuse_ino_t id);

/* ops-dir.c: reading directories */
void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int datasync,
		 struct fuse_file_info *fi);

/* ops-name.c: making, moving and removing names */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t device);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent,
	     const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned flags);

/* ops-io.c: the bytes of files */
void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
	     struct fuse_file_info *fi);
void op_write_buf(fuse_req_t req, fuse_ino_t id, struct fuse_bufvec *in,
		  off_t offset, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in_id, off_t in_offset,
			struct fuse_file_info *in_fi, fuse_ino_t out_id,
			off_t out_offset, struct fuse_file_info *out_fi,
			size_t length, int flags);

/* ops-xattr.c: extended attributes, ACLs among them */
void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
		 const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);

/* ops-query.c: questions about what changed, and other ioctls */
void op_ioctl(fuse_req_t req, fuse_ino_t id, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in,
	      size_t in_size, size_t out_size);
void op_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
	     struct fuse_pollhandle *handle);

/* Answer with an error; @r is 0 or -errno. */
static inline void reply(fuse_req_t req, errint r)
{
	fuse_reply_err(req, -r);
}

/*
 * The object called @name in directory @parent, whose descriptor is @dir: made
 * known to the table with one look-up more, and described in *@entry_out. The
 * caller answers with it, or gives the look-up back with undo_lookup().
 */
errint lookup_entry(Fs *fs, uint64_t parent, const Descriptor *dir,
		    const char *name, struct fuse_entry_param *entry_out);
/* The same of an object that is found by @fd and @at, as stat_at() takes them,
   and that is called @name. */
errint enter(Fs *fs, uint64_t parent, const char *name, int fd, const char *at,
	     struct fuse_entry_param *entry_out);
void undo_lookup(Fs *fs, const struct fuse_entry_param *entry);
/* Answer with @entry, and take the look-up back if the kernel does not want it
   any more. */
void reply_entry(fuse_req_t req, const struct fuse_entry_param *entry);

/* Does this mode keep the owner, who is the daemon too, from opening the file
   as it was opened? */
bool locks_owner_out(const Fs *fs, mode_t mode);
/* The mode of @id is about to lose what opening it takes: hold the best
   descriptor that may still be had. -ENFILE: see pins_check(). */
errint pin_best(Fs *fs, uint64_t id);

#endif /* FS_OPS_H */
