/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/identity.h"
#include "fs/mark.h"
#include "fs/notifier.h"
#include "fs/ops.h"
#include "fs/sizes.h"

/* What one copy_file_range(2) does at most. */
#define COPY_MAX ((size_t)1 << 30)

/* Answers up to this size are read on the stack. */
#define SMALL_READ 16384

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	/* Said once, and the kernel opens all files by itself. */
	reply(req, -ENOSYS);
}

void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	/* Said once: close(2) then writes mappings back without telling. */
	reply(req, -ENOSYS);
}

/* Comes for files of CREATE, until the first OPEN was refused; never after. */
void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	reply(req, 0);
}

void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
	     struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	char small[SMALL_READ];
	char *buffer = small;
	Descriptor *file;
	size_t done = 0;
	errint r;

	(void)fi;
	r = locate_open(fs, id, DESCRIPTOR_READ, &file);
	if (r < 0) {
		reply(req, r);
		return;
	}
	if (size > sizeof(small))
		buffer = malloc(size);
	if (buffer == NULL)
		r = -ENOMEM;
	/* The kernel takes a short answer for the end of the file, so only the
	   end may make it short. */
	while (r == 0 && done < size) {
		ssize_t n = pread(file->fd, buffer + done, size - done,
				  offset + (off_t)done);

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			r = -errno;
	}
	locate_release(fs, file);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_buf(req, buffer, done);
	if (buffer != small)
		free(buffer);
}

/* How a write(2) that came with these open(2) flags is to be done. */
static int write_flags(int flags)
{
	int how = 0;

	if (flags & O_APPEND)
		how |= RWF_APPEND;
	if ((flags & O_SYNC) == O_SYNC)
		how |= RWF_SYNC;
	else if (flags & O_DSYNC)
		how |= RWF_DSYNC;
	return how;
}

/* Write all of it; *@done_out bytes were, also when an error came after. */
static errint write_all(int fd, const char *data, size_t size, off_t offset,
			int how, size_t *done_out)
{
	*done_out = 0;
	while (*done_out < size) {
		struct iovec part = {
			.iov_base = (char *)data + *done_out,
			.iov_len = size - *done_out,
		};
		ssize_t n =
			pwritev2(fd, &part, 1, offset + (off_t)*done_out, how);

		if (n > 0)
			*done_out += (size_t)n;
		else if (n == 0)
			return -EIO;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/*
 * Did an append land where the kernel thinks? The kernel holds the file for the
 * whole write, so only what bypasses the mount can have made it longer.
 */
static bool landed_elsewhere(int fd, off_t end)
{
	struct stat attributes;

	return fstat(fd, &attributes) != 0 || attributes.st_size != end;
}

static void delay_for_test(const Fs *fs)
{
	if (fs->write_delay_us > 0) {
		const struct timespec pause = {
			.tv_sec = fs->write_delay_us / 1000000,
			.tv_nsec = fs->write_delay_us % 1000000 * 1000L,
		};

		nanosleep(&pause, NULL);
	}
}

void op_write_buf(fuse_req_t req, fuse_ino_t id, struct fuse_bufvec *in,
		  off_t offset, struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	/* A flush of a mapping carries no flags, and its place is certain. */
	int how = fi->writepage ? 0 : write_flags(fi->flags);
	const struct fuse_buf *data = &in->buf[in->idx];
	size_t size = fuse_buf_size(in), done = 0;
	bool is_direct = !fi->writepage && (fi->flags & O_DIRECT);
	Writer by = identity_writer(req);
	bool is_elsewhere;
	SizeChange change;
	Descriptor *file;
	errint r;

	r = locate_open(fs, id, DESCRIPTOR_WRITE, &file);
	/* A file that may only be appended to (chattr +a) says so. */
	if (r == -EPERM && (how & RWF_APPEND))
		r = locate_open_append(fs, id, &file);
	if (r < 0) {
		reply(req, control_is_node(fs, id) ? -EPERM : r);
		return;
	}
	/* A flush does not make the file longer. */
	if (!fi->writepage)
		size_begin(fs, id, &change);
	if ((how & RWF_APPEND) && size_is_trusted(fs, &change, file->fd))
		how &= ~RWF_APPEND;
	r = write_all(file->fd, (const char *)data->mem + in->off, size, offset,
		      how, &done);
	delay_for_test(fs);
	is_elsewhere = done > 0 && (how & RWF_APPEND) &&
		       landed_elsewhere(file->fd, offset + (off_t)done);
	if (is_elsewhere)
		mark_content_bypassed(fs, id, &by);
	else if (done > 0 || mark_may_have_acted(r))
		mark_content(fs, id, &by);
	/* As the kernel will think, wherever it landed. */
	if (!fi->writepage)
		size_end(fs, &change, (uint64_t)offset + done);
	locate_release(fs, file);
	if (done > 0)
		fuse_reply_write(req, done);
	else if (r < 0)
		reply(req, r);
	else
		fuse_reply_write(req, 0);
	/* After the answer, as that makes the kernel note where it thinks that
	   the write has ended. */
	if (is_elsewhere)
		notifier_invalidate(&fs->notifier, id, 0, 0);
	/* Of a write that goes past its pages the kernel drops them when it
	   begins, which for one that nobody waits for (io_submit(2)) is before
	   it is done: somebody may have read the old bytes meanwhile. */
	if (is_direct && done > 0)
		notifier_invalidate(&fs->notifier, id, offset, (off_t)done);
	if (is_direct || fi->writepage)
		notifier_doubt_attributes(&fs->notifier, id);
}

void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync,
	      struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Descriptor *file;
	errint r;

	(void)fi;
	r = locate_open(fs, id, DESCRIPTOR_READ, &file);
	/* One that may only be written can be synced all the same. */
	if (r == -EACCES)
		r = locate_open(fs, id, DESCRIPTOR_WRITE, &file);
	if (r == 0) {
		if ((datasync ? fdatasync(file->fd) : fsync(file->fd)) != 0)
			r = -errno;
		locate_release(fs, file);
	} else if (control_is_node(fs, id)) {
		r = 0;
	}
	reply(req, r);
	/* What was allocated for it may only be known now. */
	notifier_doubt_attributes(&fs->notifier, id);
}

void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	SizeChange change;
	Descriptor *file;
	errint r;

	(void)fi;
	r = locate_open(fs, id, DESCRIPTOR_WRITE, &file);
	if (r == 0) {
		size_begin(fs, id, &change);
		while (fallocate(file->fd, mode, offset, length) != 0) {
			r = -errno;
			if (r != -EINTR)
				break;
			r = 0;
		}
		if (r == 0 || mark_may_have_acted(r))
			mark_content(fs, id, &by);
		size_end(fs, &change,
			 r == 0 && !(mode & FALLOC_FL_KEEP_SIZE)
				 ? (uint64_t)(offset + length)
				 : 0);
		locate_release(fs, file);
	}
	reply(req, r);
	notifier_doubt_attributes(&fs->notifier, id);
}

/*
 * Holes are the file's below, but stores through a mapping that is still there
 * are not below yet: where the file has holes, have them written first. That is
 * told to the kernel from within a request on the same inode, which is right
 * here alone: the kernel waits for WRITE requests, which another thread reads
 * (requests.c hands LSEEK over), and holds nothing that these need. -EAGAIN:
 * there is no such thread.
 */
static errint flush_into_holes(Fs *fs, uint64_t id, int fd)
{
	struct stat attributes;

	if (fstat(fd, &attributes) != 0)
		return 0;
	if (attributes.st_blocks >= (attributes.st_size + 511) / 512)
		return 0;
	if (!requests_are_read(fs))
		return -EAGAIN;
	/* An error is the writer's: he gets it when he syncs. */
	fuse_lowlevel_notify_inval_inode(fs->session, id, 0, 0);
	return 0;
}

/* All of it may be data: always a right answer. */
static errint seek_without_holes(int fd, off_t offset, int whence,
				 off_t *place_out)
{
	struct stat attributes;

	if (fstat(fd, &attributes) != 0)
		return -errno;
	if (offset < 0 || offset >= attributes.st_size)
		return -ENXIO;
	*place_out = whence == SEEK_DATA ? offset : attributes.st_size;
	return 0;
}

void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
	      struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Descriptor *file;
	off_t place = 0;
	errint r;

	(void)fi;
	r = locate_open(fs, id, DESCRIPTOR_READ, &file);
	if (r == 0) {
		r = flush_into_holes(fs, id, file->fd);
		if (r == -EAGAIN)
			r = seek_without_holes(file->fd, offset, whence,
					       &place);
		else if ((place = lseek(file->fd, offset, whence)) < 0)
			r = -errno;
		else
			r = 0;
		locate_release(fs, file);
	} else if (control_is_node(fs, id)) {
		r = -ENXIO;
	}
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_lseek(req, place);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t in_id, off_t in_offset,
			struct fuse_file_info *in_fi, fuse_ino_t out_id,
			off_t out_offset, struct fuse_file_info *out_fi,
			size_t length, int flags)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	Descriptor *in = NULL, *out = NULL;
	SizeChange change;
	ssize_t n = 0;
	errint r;

	(void)in_fi;
	(void)out_fi;
	/* The answer's count has 32 bits; a shorter copy is allowed. */
	if (length > COPY_MAX)
		length = COPY_MAX;
	r = locate_open(fs, in_id, DESCRIPTOR_READ, &in);
	if (r == 0)
		r = locate_open(fs, out_id, DESCRIPTOR_WRITE, &out);
	if (r == 0) {
		size_begin(fs, out_id, &change);
		n = copy_file_range(in->fd, &in_offset, out->fd, &out_offset,
				    length, (unsigned)flags);
		if (n < 0)
			r = -errno;
		if (n > 0 || mark_may_have_acted(r))
			mark_content(fs, out_id, &by);
		/* The place has moved by what was copied. */
		size_end(fs, &change, n > 0 ? (uint64_t)out_offset : 0);
	}
	if (in != NULL)
		locate_release(fs, in);
	if (out != NULL)
		locate_release(fs, out);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_write(req, (size_t)n);
}
