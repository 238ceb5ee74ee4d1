/* SPDX-License-Identifier: MIT */
/*
 * Questions about what changed, answered by core/page: here are only who may
 * ask, in which order, and about which directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/page.h"
#include "fs/barrier.h"
#include "fs/control.h"
#include "fs/identity.h"
#include "fs/locate.h"
#include "fs/mark.h"
#include "fs/notifier.h"
#include "fs/ops.h"

/* The mount is the first tree of the daemon. */
#define MOUNTED_TREE 1

/* A question on its way: it may have to wait for flushes read before it. */
typedef struct {
	Waiter waiter; /* first: the waiter is the question */
	fuse_req_t req;
	uint64_t id; /* of the node asked through */
	unsigned cmd;
	struct sincefs_page page; /* question and answer of SINCE */
} Question;

/* The path of the directory that a node lies in, copied. */
typedef struct {
	PagePlace place;
	char **parts; /* owned, NULL-terminated */
} Place;

static void place_clear(Place *place)
{
	g_strfreev(place->parts);
}

static errint place_of(Fs *fs, uint64_t id, Place *place)
{
	const char **parts = NULL;
	size_t depth = INODE_NO_PATH;
	errint r = 0;
	Node *node;

	*place = (Place){.parts = NULL};
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	/* A file lies in its (first) parent. */
	if (node != NULL && node->type != S_IFDIR)
		node = node->links == NULL
			       ? NULL
			       : inode_table_at_locked(fs->table,
						       node->links->parent);
	if (node != NULL)
		depth = inode_table_depth_locked(fs->table, node);
	if (depth != INODE_NO_PATH) {
		parts = calloc(depth + 1, sizeof(*parts));
		place->parts = calloc(depth + 1, sizeof(*place->parts));
		if (parts != NULL && place->parts != NULL) {
			inode_table_path_locked(fs->table, node, depth, parts);
			for (size_t i = 0; r == 0 && i < depth; i++) {
				place->parts[i] = strdup(parts[i]);
				if (place->parts[i] == NULL)
					r = -ENOMEM;
			}
		} else {
			r = -ENOMEM;
		}
		place->place = (PagePlace){
			.tree = MOUNTED_TREE,
			.count = depth,
			.parts = (const char *const *)place->parts,
		};
	}
	inode_table_unlock(fs->table);
	free(parts);
	return r;
}

static void answer_info(Fs *fs, Question *question)
{
	struct sincefs_info info;

	page_info(fs->set, fs->trees, MOUNTED_TREE, atomic_load(&fs->features),
		  &info);
	control_told(fs, question->id, info.now.clock);
	fuse_reply_ioctl(question->req, 0, &info, sizeof(info));
}

static void answer_since(Fs *fs, Question *question)
{
	Place place = {.parts = NULL};
	size_t size;
	errint r = 0;

	if (question->page.flags & SINCEFS_BELOW)
		r = place_of(fs, question->id, &place);
	if (r == 0)
		r = page_answer(fs->set, fs->trees, &place.place,
				&question->page, &question->page, &size);
	place_clear(&place);
	if (r < 0) {
		reply(question->req, r);
		return;
	}
	control_told(fs, question->id, question->page.token.clock);
	fuse_reply_ioctl(question->req, 0, &question->page, size);
}

static void question_run(Waiter *waiter)
{
	Question *question = (Question *)waiter;
	Fs *fs = fs_of(question->req);

	if (question->cmd == SINCEFS_IOC_INFO)
		answer_info(fs, question);
	else
		answer_since(fs, question);
	free(question);
}

static void ask(fuse_req_t req, uint64_t id, unsigned cmd, const void *in)
{
	Fs *fs = fs_of(req);
	Question *question = malloc(sizeof(*question));

	if (question == NULL) {
		reply(req, -ENOMEM);
		return;
	}
	question->waiter.run = question_run;
	question->req = req;
	question->id = id;
	question->cmd = cmd;
	if (cmd == SINCEFS_IOC_SINCE)
		memcpy(&question->page, in, SINCEFS_PAGE_HEADER_SIZE);
	if (!barrier_must_wait(&fs->barrier, requests_current_order(),
			       &question->waiter))
		question_run(&question->waiter);
}

static void answer_tree(fuse_req_t req, const void *in)
{
	struct sincefs_tree tree;
	errint r;

	memcpy(&tree, in, sizeof(tree));
	r = page_tree(fs_of(req)->trees, &tree, &tree);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_ioctl(req, 0, &tree, sizeof(tree));
}

static void answer_scan(fuse_req_t req, uint64_t id, const void *in)
{
	Fs *fs = fs_of(req);
	struct sincefs_scan scan;
	errint r = 0;

	memcpy(&scan, in, sizeof(scan));
	if (scan.zero32 != 0)
		r = -EINVAL;
	else if (tree_list_get_root_node(fs->trees, scan.tree) == NULL)
		r = -ENOENT;
	else if (fs->scanner == NULL)
		r = -EOPNOTSUPP;
	else
		r = scanner_request(fs->scanner, scan.tree, &scan.scans);
	if (r < 0) {
		reply(req, r);
		return;
	}
	control_scan_asked(fs, id, scan.tree, scan.scans);
	fuse_reply_ioctl(req, 0, &scan, sizeof(scan));
}

static void answer_stats(fuse_req_t req)
{
	struct sincefs_stats stats;

	fs_get_stats(fs_of(req), &stats);
	fuse_reply_ioctl(req, 0, &stats, sizeof(stats));
}

/* Only these are opened for it: opening a device may do something. */
static bool has_file_flags(Fs *fs, uint64_t id)
{
	bool has = false;
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL && !(node->flags & NODE_CONTROL))
		has = node->type == S_IFREG || node->type == S_IFDIR;
	inode_table_unlock(fs->table);
	return has;
}

/*
 * A flag may say that a file is not to be written any more: what was stored
 * through a mapping before has to be below by then. Told to the kernel from
 * within a request on the same inode, as in ops-io.c, and right for the same
 * reason: requests.c hands these ioctls over.
 */
static void flush_before_flags(Fs *fs, uint64_t id)
{
	if (requests_are_read(fs))
		fuse_lowlevel_notify_inval_inode(fs->session, id, 0, 0);
}

/* A flag may say that a file is not to be written (any more, elsewhere than at
   its end): only a descriptor that is opened after it knows that. */
static void close_cached(Fs *fs, uint64_t id)
{
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL && node->type == S_IFREG)
		descriptors_uncache_locked(&fs->cache, &node->cached);
	inode_table_unlock(fs->table);
	sweep_descriptors(fs);
}

/* File flags: chattr(1) and lsattr(1). @cmd is known to be one of these. */
static void file_flags(fuse_req_t req, uint64_t id, unsigned cmd,
		       const void *in, size_t in_size, size_t out_size)
{
	Fs *fs = fs_of(req);
	bool sets = cmd == FS_IOC_SETFLAGS || cmd == FS_IOC_FSSETXATTR;
	Writer by = identity_writer(req);
	union {
		int flags;
		long room; /* what the numbers say, though the kernel uses an
			      int */
		struct fsxattr attributes;
	} value = {.room = 0};
	size_t size = cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_SETFLAGS
			      ? sizeof(value.flags)
			      : sizeof(value.attributes);
	Descriptor *object;
	errint r;
	int fd;

	if (!has_file_flags(fs, id)) {
		reply(req, -ENOTTY);
		return;
	}
	if (sets ? in_size < size : out_size < size) {
		reply(req, -EINVAL);
		return;
	}
	if (sets)
		memcpy(&value, in, size);
	r = locate_open(fs, id, DESCRIPTOR_PATH, &object);
	if (r < 0) {
		reply(req, r);
		return;
	}
	if (sets)
		flush_before_flags(fs, id);
	fd = reopen(fs, object->fd, O_RDONLY | O_NONBLOCK);
	locate_release(fs, object);
	if (fd < 0) {
		reply(req, fd);
		return;
	}
	if (ioctl(fd, cmd, &value) != 0)
		r = -errno;
	close(fd);
	if (sets && (r == 0 || mark_may_have_acted(r)))
		mark_meta(fs, id, &by);
	if (sets)
		close_cached(fs, id);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_ioctl(req, 0, sets ? NULL : &value, sets ? 0 : size);
	if (sets)
		notifier_doubt_attributes(&fs->notifier, id);
}

/* Promise 7: an answer names files. */
static bool may_ask(const Fs *fs, fuse_req_t req)
{
	uid_t uid = fuse_req_ctx(req)->uid;

	return uid == 0 || uid == fs->owner;
}

/* The size that a request number says. */
static bool has_size(unsigned cmd, size_t in_size, size_t out_size)
{
	size_t size = _IOC_SIZE(cmd);

	return (!(_IOC_DIR(cmd) & _IOC_WRITE) || in_size >= size) &&
	       (!(_IOC_DIR(cmd) & _IOC_READ) || out_size >= size);
}

void op_ioctl(fuse_req_t req, fuse_ino_t id, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in,
	      size_t in_size, size_t out_size)
{
	Fs *fs = fs_of(req);

	(void)arg;
	(void)fi;
	(void)flags;
	switch (cmd) {
	case SINCEFS_IOC_INFO:
	case SINCEFS_IOC_SINCE:
	case SINCEFS_IOC_TREE:
	case SINCEFS_IOC_SCAN:
	case SINCEFS_IOC_CLOCK:
	case SINCEFS_IOC_STATS:
		break;
	case FS_IOC_GETFLAGS:
	case FS_IOC_SETFLAGS:
	case FS_IOC_FSGETXATTR:
	case FS_IOC_FSSETXATTR:
		file_flags(req, id, cmd, in, in_size, out_size);
		return;
	default:
		/* First among these is the TCGETS that every open() of a
		   script language sends. */
		reply(req, -ENOTTY);
		return;
	}
	if (!may_ask(fs, req)) {
		reply(req, -EPERM);
		return;
	}
	if (!has_size(cmd, in_size, out_size)) {
		reply(req, -EINVAL);
		return;
	}
	switch (cmd) {
	case SINCEFS_IOC_TREE:
		answer_tree(req, in);
		break;
	case SINCEFS_IOC_SCAN:
		answer_scan(req, id, in);
		break;
	case SINCEFS_IOC_CLOCK:
		reply(req, -EOPNOTSUPP); /* this daemon keeps no clock page */
		break;
	case SINCEFS_IOC_STATS:
		answer_stats(req);
		break;
	default:
		ask(req, id, cmd, in);
	}
}

void op_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
	     struct fuse_pollhandle *handle)
{
	Fs *fs = fs_of(req);
	const unsigned readable = POLLIN | POLLRDNORM;
	const unsigned writable = POLLOUT | POLLWRNORM;
	bool is_control = control_is_node(fs, id);

	(void)fi;
	if (is_control && !may_ask(fs, req)) {
		if (handle != NULL)
			fuse_pollhandle_destroy(handle);
		fuse_reply_poll(req, POLLERR);
		return;
	}
	fuse_reply_poll(req, (control_poll(fs, id, handle) ? readable : 0) |
				     (is_control ? 0 : writable));
}
