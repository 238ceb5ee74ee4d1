/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/control.h"
#include "fs/identity.h"
#include "fs/mark.h"
#include "fs/notifier.h"
#include "fs/ops.h"

/*
 * The calls that take a descriptor refuse an O_PATH one, so they go by its name
 * in /proc. That leads to the object itself, a symbolic link too.
 */

/* The ACL that says who may open the file. */
static bool is_access_acl(const char *name)
{
	return strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0;
}

/*
 * What the kernel does below for whoever sets an ACL himself: when he is not in
 * the file's group, the set-group-ID bit goes. For a daemon of root it would
 * stay, as root may keep it.
 */
static errint drop_set_group_id(fuse_req_t req, const Descriptor *object)
{
	struct statx attributes;
	errint r = stat_at(object->fd, "", &attributes);

	if (r < 0 || !(attributes.stx_mode & S_ISGID) ||
	    identity_is_in_group(req, attributes.stx_gid))
		return r;
	if (chmod(proc_path(object->fd).text,
		  attributes.stx_mode & 07777 & ~(mode_t)S_ISGID) != 0)
		r = -errno;
	return r;
}

static errint set_xattr(fuse_req_t req, uint64_t id, const Descriptor *object,
			const char *name, const char *value, size_t size,
			int flags)
{
	Fs *fs = fs_of(req);
	errint r = 0;

	/* An ACL can lock the owner out like a mode. */
	if (is_access_acl(name) && !fs->is_root)
		r = pin_best(fs, id);
	if (r == 0 &&
	    setxattr(proc_path(object->fd).text, name, value, size, flags) != 0)
		r = -errno;
	if (r == 0 && is_access_acl(name) && fs->acts_as_caller &&
	    fuse_req_ctx(req)->uid != 0)
		r = drop_set_group_id(req, object);
	return r;
}

void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
		 const char *value, size_t size, int flags)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	Descriptor *object;
	errint r;

	if (control_is_node(fs, id)) {
		reply(req, -EPERM);
		return;
	}
	r = locate_open(fs, id, DESCRIPTOR_PATH, &object);
	if (r == 0) {
		r = set_xattr(req, id, object, name, value, size, flags);
		if (r == 0 || mark_may_have_acted(r))
			mark_meta(fs, id, &by);
		locate_release(fs, object);
	}
	reply(req, r);
	notifier_doubt_attributes(&fs->notifier, id);
}

void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	Descriptor *object;
	errint r;

	if (control_is_node(fs, id)) {
		reply(req, -EPERM);
		return;
	}
	r = locate_open(fs, id, DESCRIPTOR_PATH, &object);
	if (r == 0) {
		if (removexattr(proc_path(object->fd).text, name) != 0)
			r = -errno;
		if (r == 0 || mark_may_have_acted(r))
			mark_meta(fs, id, &by);
		locate_release(fs, object);
	}
	reply(req, r);
	notifier_doubt_attributes(&fs->notifier, id);
}

/* Read the value of @name, or the list of names when that is NULL. */
static ssize_t read_xattr(const char *path, const char *name, char *buffer,
			  size_t size)
{
	ssize_t n = name != NULL ? getxattr(path, name, buffer, size)
				 : listxattr(path, buffer, size);

	return n < 0 ? -errno : n;
}

/* An ordinary user's list does not show trusted names. Returns its length. */
static size_t hide_trusted(char *list, size_t size)
{
	size_t kept = 0;

	for (size_t at = 0; at < size;) {
		size_t length = strnlen(list + at, size - at) + 1;

		if (at + length > size)
			length = size - at;
		if (strncmp(list + at, XATTR_TRUSTED_PREFIX,
			    XATTR_TRUSTED_PREFIX_LEN) != 0) {
			memmove(list + kept, list + at, length);
			kept += length;
		}
		at += length;
	}
	return kept;
}

static void reply_xattr(fuse_req_t req, const Descriptor *object,
			const char *name, size_t size)
{
	bool hide = name == NULL && fuse_req_ctx(req)->uid != 0;
	ProcPath path = proc_path(object->fd);
	g_autofree char *buffer = NULL;
	size_t room = size;
	ssize_t n;

	/* What is hidden must not be counted either. */
	if (hide)
		room = XATTR_LIST_MAX;
	if (room > 0) {
		buffer = g_try_malloc(room);
		if (buffer == NULL) {
			reply(req, -ENOMEM);
			return;
		}
	}
	n = read_xattr(path.text, name, buffer, room);
	if (n >= 0 && hide)
		n = (ssize_t)hide_trusted(buffer, (size_t)n);
	if (n >= 0 && size > 0 && (size_t)n > size)
		n = -ERANGE;
	if (n < 0)
		reply(req, (errint)n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buffer, (size_t)n);
}

static void get_or_list(fuse_req_t req, uint64_t id, const char *name,
			size_t size)
{
	Fs *fs = fs_of(req);
	Descriptor *object;
	errint r;

	if (control_is_node(fs, id)) {
		if (name != NULL)
			reply(req, -ENODATA);
		else if (size == 0)
			fuse_reply_xattr(req, 0);
		else
			fuse_reply_buf(req, NULL, 0);
		return;
	}
	r = locate_open(fs, id, DESCRIPTOR_PATH, &object);
	if (r < 0) {
		reply(req, r);
		return;
	}
	reply_xattr(req, object, name, size);
	locate_release(fs, object);
}

void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	get_or_list(req, id, name, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	get_or_list(req, id, NULL, size);
}
