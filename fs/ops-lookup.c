/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/identity.h"
#include "fs/mark.h"
#include "fs/ops.h"
#include "fs/pins.h"
#include "fs/sizes.h"
#include "fs/streams.h"

/* Names change elsewhere while an object is looked at; so often in a row only
   when something is wrong. */
#define TRIES 100

/*
 * Between the moment in which a name goes below and the answer to who removes
 * it, the kernel counts one link more than there is, and takes off that one
 * when it has the answer. Told now that it is gone already, it would take off
 * another: with none left it refuses to make links to a file that has some.
 */
static void hold_links_locked(const Node *node, struct statx *attributes)
{
	if (node->held_nlink > attributes->stx_nlink)
		attributes->stx_nlink = node->held_nlink;
}

/*
 * Make the object with these attributes known as @name in @parent. -EAGAIN when
 * names have changed since @changes, before which they were read.
 */
static errint enter_once(Fs *fs, uint64_t parent, const char *name,
			 struct statx *attributes, uint64_t changes,
			 uint64_t *id_out)
{
	NodeKey key = key_of(fs, attributes);
	Node *dir, *node;
	errint r;

	if (inode_table_get_changes(fs->table) != changes)
		return -EAGAIN;
	dir = inode_table_get_locked(fs->table, parent);
	if (dir == NULL)
		return -ESTALE;
	node = inode_table_intern_locked(fs->table, &key, attributes->stx_mode);
	if (node == NULL)
		return -ENOMEM;
	if (node->lookups == 0 && node->writing == 0) {
		/* The kernel comes to know it by this. */
		node->size = attributes->stx_size;
		node->flags &= (uint16_t)~NODE_SIZE_DOUBTED;
	}
	node->lookups++;
	node->nlink = attributes->stx_nlink;
	if (node->nlink == 1)
		inode_table_keep_name_locked(fs->table, node, dir, name);
	hold_links_locked(node, attributes);
	r = inode_table_add_name_locked(fs->table, node, dir, name);
	if (r < 0)
		inode_table_forget_locked(fs->table, node, 1);
	else
		*id_out = node_get_id(node);
	return r;
}

errint enter(Fs *fs, uint64_t parent, const char *name, int fd, const char *at,
	     struct fuse_entry_param *entry_out)
{
	struct statx attributes;
	errint r = -EAGAIN;
	uint64_t id = 0;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		uint64_t changes = inode_table_get_changes(fs->table);

		r = stat_at(fd, at, &attributes);
		if (r < 0)
			return r;
		inode_table_lock(fs->table);
		r = enter_once(fs, parent, name, &attributes, changes, &id);
		inode_table_unlock(fs->table);
	}
	if (r == 0)
		*entry_out = (struct fuse_entry_param){
			.ino = id,
			.attr = stat_of(&attributes),
			.attr_timeout = FOR_EVER,
			.entry_timeout = FOR_EVER,
		};
	return r == -EAGAIN ? -ESTALE : r;
}

errint lookup_entry(Fs *fs, uint64_t parent, const Descriptor *dir,
		    const char *name, struct fuse_entry_param *entry_out)
{
	return enter(fs, parent, name, dir->fd, name, entry_out);
}

void undo_lookup(Fs *fs, const struct fuse_entry_param *entry)
{
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, entry->ino);
	if (node != NULL)
		inode_table_forget_locked(fs->table, node, 1);
	inode_table_unlock(fs->table);
	sweep_descriptors(fs);
}

void reply_entry(fuse_req_t req, const struct fuse_entry_param *entry)
{
	Fs *fs = fs_of(req);

	if (fuse_reply_entry(req, entry) < 0 && entry->ino != 0)
		undo_lookup(fs, entry);
}

static void lookup_control(fuse_req_t req, uint64_t parent)
{
	Fs *fs = fs_of(req);
	struct fuse_entry_param entry = {.attr_timeout = FOR_EVER};
	errint r = control_open(fs, parent, &entry.ino);

	if (r < 0) {
		reply(req, r);
		return;
	}
	control_stat(fs, entry.ino, &entry.attr);
	reply_entry(req, &entry);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	Fs *fs = fs_of(req);
	struct fuse_entry_param entry;
	Descriptor *dir;
	errint r;

	if (control_is_name(name)) {
		lookup_control(req, parent);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &dir);
	if (r == 0) {
		r = lookup_entry(fs, parent, dir, name, &entry);
		locate_release(fs, dir);
	}
	if (r == -ENOENT) {
		/* Absent, and the kernel may remember that too. */
		entry = (struct fuse_entry_param){
			.entry_timeout = FOR_EVER,
		};
		r = 0;
	}
	if (r < 0)
		reply(req, r);
	else
		reply_entry(req, &entry);
}

static void forget(Fs *fs, uint64_t id, uint64_t count)
{
	bool was_dir = false;
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL && id != FUSE_ROOT_ID) {
		was_dir = node->type == S_IFDIR && node->lookups <= count;
		inode_table_forget_locked(fs->table, node, count);
	}
	inode_table_unlock(fs->table);
	if (was_dir)
		streams_forget(&fs->streams, id);
}

void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t count)
{
	Fs *fs = fs_of(req);

	forget(fs, id, count);
	sweep_descriptors(fs);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	Fs *fs = fs_of(req);

	for (size_t i = 0; i < count; i++)
		forget(fs, forgets[i].ino, forgets[i].nlookup);
	sweep_descriptors(fs);
	fuse_reply_none(req);
}

static errint get_attributes(Fs *fs, uint64_t id, struct stat *attributes_out)
{
	uint64_t changes = inode_table_get_changes(fs->table);
	struct statx attributes;
	Node *node;
	errint r;

	if (control_is_node(fs, id)) {
		control_stat(fs, id, attributes_out);
		return 0;
	}
	r = locate_stat(fs, id, &attributes);
	if (r < 0)
		return r;
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	/* Else what changed the names has said how many there are. */
	if (node != NULL && inode_table_get_changes(fs->table) == changes)
		node->nlink = attributes.stx_nlink;
	if (node != NULL)
		hold_links_locked(node, &attributes);
	inode_table_unlock(fs->table);
	*attributes_out = stat_of(&attributes);
	return 0;
}

void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct stat attributes;
	errint r = get_attributes(fs_of(req), id, &attributes);

	(void)fi;
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_attr(req, &attributes, FOR_EVER);
}

errint pin_best(Fs *fs, uint64_t id)
{
	Descriptor *best;
	Node *node;
	errint r = pins_check(fs);

	if (r < 0)
		return r;
	if (locate_open(fs, id, DESCRIPTOR_WRITE, &best) < 0 &&
	    locate_open(fs, id, DESCRIPTOR_READ, &best) < 0)
		return 0; /* not even now: nobody has it open through us */
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL)
		pins_add_locked(fs, node, best);
	inode_table_unlock(fs->table);
	locate_release(fs, best);
	pins_relieve(fs);
	return 0;
}

bool locks_owner_out(const Fs *fs, mode_t mode)
{
	return !fs->is_root &&
	       (mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR);
}

static errint set_size(Fs *fs, uint64_t id, off_t size)
{
	Descriptor *descriptor;
	SizeChange change;
	errint r = locate_open(fs, id, DESCRIPTOR_WRITE, &descriptor);

	if (r < 0)
		return r;
	size_begin(fs, id, &change);
	if (ftruncate(descriptor->fd, size) != 0)
		r = -errno;
	if (r == 0)
		size_end_at(fs, &change, (uint64_t)size);
	else
		size_end(fs, &change, 0);
	locate_release(fs, descriptor);
	return r;
}

static struct timespec time_to_set(int to_set, int now, int set,
				   const struct timespec *time)
{
	if (to_set & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (to_set & set)
		return *time;
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

/* One change of several that a request may ask for. */
typedef errint (*Setter)(Fs *fs, uint64_t id, const Descriptor *descriptor,
			 const struct stat *attributes, int to_set);

static errint set_owner(Fs *fs, uint64_t id, const Descriptor *descriptor,
			const struct stat *attributes, int to_set)
{
	(void)fs;
	(void)id;
	if (fchownat(
		    descriptor->fd, "",
		    to_set & FUSE_SET_ATTR_UID ? attributes->st_uid : (uid_t)-1,
		    to_set & FUSE_SET_ATTR_GID ? attributes->st_gid : (gid_t)-1,
		    AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	return 0;
}

static errint set_mode(Fs *fs, uint64_t id, const Descriptor *descriptor,
		       const struct stat *attributes, int to_set)
{
	errint r = 0;

	(void)to_set;
	if (locks_owner_out(fs, attributes->st_mode))
		r = pin_best(fs, id);
	if (r < 0)
		return r;
	if (chmod(proc_path(descriptor->fd).text,
		  attributes->st_mode & 07777) != 0)
		return -errno;
	return 0;
}

static errint set_length(Fs *fs, uint64_t id, const Descriptor *descriptor,
			 const struct stat *attributes, int to_set)
{
	(void)descriptor;
	(void)to_set;
	return set_size(fs, id, attributes->st_size);
}

static errint set_times(Fs *fs, uint64_t id, const Descriptor *descriptor,
			const struct stat *attributes, int to_set)
{
	const struct timespec times[2] = {
		time_to_set(to_set, FUSE_SET_ATTR_ATIME_NOW,
			    FUSE_SET_ATTR_ATIME, &attributes->st_atim),
		time_to_set(to_set, FUSE_SET_ATTR_MTIME_NOW,
			    FUSE_SET_ATTR_MTIME, &attributes->st_mtim),
	};

	(void)fs;
	(void)id;
	if (utimensat(descriptor->fd, "", times, AT_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}

#define OWNER_BITS (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define TIME_BITS                                                              \
	(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME | \
	 FUSE_SET_ATTR_MTIME_NOW)

static errint set_all(Fs *fs, uint64_t id, const struct stat *attributes,
		      int to_set, const Writer *by)
{
	/* The size first, which can fail with nothing done. Then the owner: a
	   change of owner takes set-id bits away, and the mode that comes with
	   it is the one that shall remain. Times last, as a change of size sets
	   them. */
	static const struct {
		int bits;
		Setter set;
		void (*mark)(Fs *fs, uint64_t id, const Writer *by);
	} steps[] = {
		{FUSE_SET_ATTR_SIZE, set_length, mark_content},
		{OWNER_BITS, set_owner, mark_meta},
		{FUSE_SET_ATTR_MODE, set_mode, mark_meta},
		{TIME_BITS, set_times, mark_times},
	};
	Descriptor *descriptor;
	errint r = locate_open(fs, id, DESCRIPTOR_PATH, &descriptor);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(steps); i++) {
		if (!(to_set & steps[i].bits))
			continue;
		r = steps[i].set(fs, id, descriptor, attributes, to_set);
		if (r == 0 || mark_may_have_acted(r))
			steps[i].mark(fs, id, by);
	}
	locate_release(fs, descriptor);
	return r;
}

void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attributes,
		int to_set, struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	struct stat now;
	errint r;

	(void)fi;
	if (control_is_node(fs, id)) {
		reply(req, -EPERM);
		return;
	}
	r = set_all(fs, id, attributes, to_set, &by);
	if (r == 0)
		r = get_attributes(fs, id, &now);
	if (r < 0) {
		/* A part of it may have been done. */
		if (to_set & FUSE_SET_ATTR_SIZE)
			size_doubt(fs, id);
		reply(req, r);
		notifier_doubt_attributes(&fs->notifier, id);
	} else {
		fuse_reply_attr(req, &now, FOR_EVER);
	}
}

void op_access(fuse_req_t req, fuse_ino_t id, int mask)
{
	Fs *fs = fs_of(req);
	Descriptor *descriptor;
	errint r;

	if (control_is_node(fs, id)) {
		reply(req, mask & (W_OK | X_OK) ? -EACCES : 0);
		return;
	}
	r = locate_open(fs, id, DESCRIPTOR_PATH, &descriptor);
	if (r == 0) {
		if (access(proc_path(descriptor->fd).text, mask) != 0)
			r = -errno;
		locate_release(fs, descriptor);
	}
	reply(req, r);
}

void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	Fs *fs = fs_of(req);
	char target[PATH_MAX + 1];
	Descriptor *descriptor;
	ssize_t n = -1;
	errint r;

	r = locate_open(fs, id, DESCRIPTOR_PATH, &descriptor);
	if (r == 0) {
		n = readlinkat(descriptor->fd, "", target, sizeof(target));
		if (n < 0)
			r = errno == ENOENT ? -EINVAL : -errno;
		else if ((size_t)n == sizeof(target))
			r = -ENAMETOOLONG;
		locate_release(fs, descriptor);
	}
	if (r < 0) {
		reply(req, r);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	Fs *fs = fs_of(req);
	struct statvfs values;
	Descriptor *descriptor;
	errint r;

	if (id == 0 || control_is_node(fs, id))
		id = FUSE_ROOT_ID;
	r = locate_open(fs, id, DESCRIPTOR_PATH, &descriptor);
	if (r == 0) {
		if (fstatvfs(descriptor->fd, &values) != 0)
			r = -errno;
		locate_release(fs, descriptor);
	}
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_statfs(req, &values);
}
