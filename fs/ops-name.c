/* SPDX-License-Identifier: MIT */
/*
 * Names are made, moved and removed while the kernel holds the directories that
 * they lie in locked, so two of these never meet on one name through the mount;
 * only what bypasses it can come between.
 *
 * What a name stands for is looked at before it is taken away: an object that
 * the kernel knows is pinned then, as it may be open and nothing else will lead
 * to it afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/identity.h"
#include "fs/mark.h"
#include "fs/notifier.h"
#include "fs/ops.h"
#include "fs/pins.h"

/* What is to be made, and how. */
typedef struct {
	mode_t mode;        /* with the type */
	dev_t device;       /* of a device node */
	const char *target; /* of a symbolic link */
} Making;

static errint make_at(int dir_fd, const char *name, const Making *making)
{
	int r;

	if (S_ISDIR(making->mode))
		r = mkdirat(dir_fd, name, making->mode & 07777);
	else if (S_ISLNK(making->mode))
		r = symlinkat(making->target, dir_fd, name);
	else
		r = mknodat(dir_fd, name, making->mode, making->device);
	return r == 0 ? 0 : -errno;
}

/* After the system call @r that made, or may have made, @name. */
static void mark_made(Fs *fs, uint64_t parent, const char *name, mode_t mode,
		      errint r, const Writer *by)
{
	if (r == 0)
		mark_created(fs, parent, name, mode & S_IFMT, by);
	else if (mark_may_have_acted(r))
		mark_doubtful(fs, parent, name, mode & S_IFMT, by);
}

static void make(fuse_req_t req, uint64_t parent, const char *name,
		 const Making *making)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	struct fuse_entry_param entry;
	Identity identity;
	Descriptor *dir;
	errint r;

	if (control_is_name(name)) {
		reply(req, -EEXIST);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &dir);
	if (r < 0) {
		reply(req, r);
		return;
	}
	r = identity_assume(fs, req, &identity);
	if (r == 0) {
		r = make_at(dir->fd, name, making);
		identity_drop(&identity);
		mark_made(fs, parent, name, making->mode, r, &by);
	}
	if (r == 0)
		r = lookup_entry(fs, parent, dir, name, &entry);
	locate_release(fs, dir);
	if (r < 0)
		reply(req, r);
	else
		reply_entry(req, &entry);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t device)
{
	make(req, parent, name, &(Making){.mode = mode, .device = device});
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, &(Making){.mode = (mode & 07777) | S_IFDIR});
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	make(req, parent, name, &(Making){.mode = S_IFLNK, .target = target});
}

/*
 * Make @name and open it. A file that is there already, though the kernel had
 * been told that it is not, came past the mount: the kernel would take ours for
 * a new file and let the caller in without asking for permission, or cutting it
 * off. ESTALE makes it look the name up again and open it as what it is.
 */
static int create_at(Fs *fs, fuse_req_t req, const Descriptor *dir,
		     const char *name, mode_t mode, int flags)
{
	Identity identity;
	errint r;
	int fd;

	r = identity_assume(fs, req, &identity);
	if (r < 0)
		return r;
	fd = open_at(fs, dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
		     mode & 07777);
	identity_drop(&identity);
	return fd == -EEXIST && !(flags & O_EXCL) ? -ESTALE : fd;
}

/* Let the node of the new file @id have @fd (taken): cached, and pinned when it
   could not be opened again. */
static void adopt_created(Fs *fs, uint64_t id, int fd, mode_t mode)
{
	Descriptor *descriptor, *done;
	Node *node;

	inode_table_lock(fs->table);
	descriptor = descriptor_new_locked(&fs->cache, fd, DESCRIPTOR_WRITE);
	node = inode_table_get_locked(fs->table, id);
	if (descriptor != NULL && node != NULL) {
		descriptors_cache_locked(&fs->cache, &node->cached, descriptor);
		if (locks_owner_out(fs, mode))
			pins_add_locked(fs, node, descriptor);
	}
	if (descriptor != NULL)
		descriptor_unref_locked(&fs->cache, descriptor);
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
	if (descriptor == NULL)
		close(fd);
	if (locks_owner_out(fs, mode))
		pins_relieve(fs);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	struct fuse_entry_param entry;
	Descriptor *dir;
	errint r;
	int fd;

	if (control_is_name(name)) {
		reply(req, -EEXIST);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &dir);
	if (r < 0) {
		reply(req, r);
		return;
	}
	r = locks_owner_out(fs, mode & ~fuse_req_ctx(req)->umask)
		    ? pins_check(fs)
		    : 0;
	fd = r < 0 ? r : create_at(fs, req, dir, name, mode, fi->flags);
	locate_release(fs, dir);
	r = fd < 0 ? fd : 0;
	mark_made(fs, parent, name, S_IFREG, r, &by);
	if (r == 0)
		r = enter(fs, parent, name, fd, "", &entry);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		reply(req, r);
		return;
	}
	adopt_created(fs, entry.ino, fd, entry.attr.st_mode);
	fi->fh = 0;
	fi->keep_cache = 1;
	if (fuse_reply_create(req, &entry, fi) < 0)
		undo_lookup(fs, &entry);
}

void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	struct fuse_entry_param entry;
	Descriptor *dir = NULL, *file = NULL;
	errint r;

	if (control_is_name(name)) {
		reply(req, -EEXIST);
		return;
	}
	if (control_is_node(fs, id)) {
		reply(req, -EPERM);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &dir);
	if (r == 0)
		r = locate_open(fs, id, DESCRIPTOR_PATH, &file);
	if (r == 0) {
		/* By descriptor, not by name: a name may have moved. */
		if (linkat(AT_FDCWD, proc_path(file->fd).text, dir->fd, name,
			   AT_SYMLINK_FOLLOW) != 0)
			r = -errno;
		if (r == 0)
			mark_linked(fs, id, parent, name, &by);
		else if (mark_may_have_acted(r))
			mark_doubtful(fs, parent, name, S_IFREG, &by);
	}
	if (r == 0)
		r = lookup_entry(fs, parent, dir, name, &entry);
	if (file != NULL)
		locate_release(fs, file);
	if (dir != NULL)
		locate_release(fs, dir);
	if (r < 0)
		reply(req, r);
	else
		reply_entry(req, &entry);
}

/* An object about to lose a name: what it is, and a descriptor for it. */
typedef struct {
	MarkObject object;
	int fd; /* O_PATH, owned; -1 when there is no object */
} Victim;

/* -ENOENT leaves an empty victim behind, which is no error to everybody. */
static errint victim_open(Fs *fs, const Descriptor *dir, const char *name,
			  Victim *victim)
{
	struct statx attributes;
	errint r;

	*victim = (Victim){.fd = -1};
	r = open_at(fs, dir->fd, name, O_PATH | O_NOFOLLOW, 0);
	if (r < 0)
		return r;
	victim->fd = r;
	r = stat_at(victim->fd, "", &attributes);
	if (r < 0) {
		close(victim->fd);
		victim->fd = -1;
		return r;
	}
	victim->object.key = key_of(fs, &attributes);
	victim->object.type = attributes.stx_mode & S_IFMT;
	victim->object.nlink = attributes.stx_nlink;
	return 0;
}

/*
 * Before the name goes: keep the object within reach if the kernel knows it.
 * Takes the descriptor. -ENFILE when pins have used up what there is: better no
 * name goes than that nothing can be opened any more.
 */
static errint victim_pin(Fs *fs, Victim *victim)
{
	Descriptor *done;
	Node *node = NULL;
	int fd = victim->fd;
	errint r = 0;

	if (fd < 0)
		return 0;
	victim->fd = -1;
	inode_table_lock(fs->table);
	node = inode_table_find_locked(fs->table, &victim->object.key);
	/* A directory may be on the way to what the kernel knows. */
	if (node != NULL && (node->lookups > 0 || node->refs > 0) &&
	    node->pin == NULL) {
		descriptors_shed_locked(&fs->cache, fs->cache.budget - 1);
		if (fs->cache.open >= fs->cache.budget)
			r = -ENFILE;
		else
			node->pin = descriptor_new_locked(&fs->cache, fd,
							  DESCRIPTOR_PATH);
		if (node->pin != NULL) {
			fs->cache.pinned++;
			fd = -1;
		} else if (r == 0)
			r = -ENOMEM;
	}
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
	if (fd >= 0)
		close(fd);
	return r;
}

/* After it: one that can be reached by another name needs no pin. */
static void victim_settle(Fs *fs, const Victim *victim)
{
	Descriptor *done;
	Node *node;

	if (victim->object.type == 0)
		return;
	inode_table_lock(fs->table);
	node = inode_table_find_locked(fs->table, &victim->object.key);
	if (node != NULL && node->links != NULL && node->nlink > 0 &&
	    node->pin != NULL && node->pin->kind == DESCRIPTOR_PATH &&
	    node->index != INODE_ROOT_INDEX) {
		descriptor_unref_locked(&fs->cache, node->pin);
		node->pin = NULL;
		fs->cache.pinned--;
	}
	done = descriptors_take_done_locked(&fs->cache);
	inode_table_unlock(fs->table);
	descriptors_close(done);
}

/* Until the answer is out the kernel counts the link that goes (see
   hold_links_locked()). Returns the node, 0 when the kernel does not know it.
 */
static uint64_t victim_hold(Fs *fs, const Victim *victim)
{
	uint64_t id = 0;
	Node *node;

	if (victim->object.type == 0 || S_ISDIR(victim->object.type))
		return 0;
	inode_table_lock(fs->table);
	node = inode_table_find_locked(fs->table, &victim->object.key);
	if (node != NULL && node->lookups > 0) {
		node->held_nlink = victim->object.nlink;
		id = node_get_id(node);
	}
	inode_table_unlock(fs->table);
	return id;
}

/* After the answer, if it is not another's by now. */
static void victim_let_go(Fs *fs, uint64_t id, const Victim *victim)
{
	Node *node;

	if (id == 0)
		return;
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL && node->held_nlink == victim->object.nlink)
		node->held_nlink = 0;
	inode_table_unlock(fs->table);
	notifier_doubt_attributes(&fs->notifier, id);
}

static void remove_name(fuse_req_t req, uint64_t parent, const char *name,
			int flags)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	Victim victim = {.fd = -1};
	uint64_t held = 0;
	Descriptor *dir;
	errint r;

	if (control_is_name(name)) {
		reply(req, -EPERM);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &dir);
	if (r < 0) {
		reply(req, r);
		return;
	}
	r = victim_open(fs, dir, name, &victim);
	if (r == 0)
		r = victim_pin(fs, &victim);
	if (r == 0) {
		held = victim_hold(fs, &victim);
		if (unlinkat(dir->fd, name, flags) != 0)
			r = -errno;
		if (r == 0)
			mark_removed(fs, parent, name, &victim.object, &by);
		else if (mark_may_have_acted(r))
			mark_doubtful(fs, parent, name, victim.object.type,
				      &by);
		victim_settle(fs, &victim);
	}
	locate_release(fs, dir);
	reply(req, r);
	victim_let_go(fs, held, &victim);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, AT_REMOVEDIR);
}

static bool is_same_object(const MarkObject *a, const MarkObject *b)
{
	return a->type != 0 && a->type == b->type && a->key.ino == b->key.ino &&
	       a->key.dev == b->key.dev && a->key.birth == b->key.birth;
}

/* The rename itself, between two open directories. *@held_out and *@victim_out:
   for victim_let_go(). */
static errint rename_between(Fs *fs, const Descriptor *from, uint64_t parent,
			     const char *name, const Descriptor *to,
			     uint64_t new_parent, const char *new_name,
			     unsigned flags, const Writer *by,
			     uint64_t *held_out, Victim *victim_out)
{
	Victim moved, victim;
	errint r;

	r = victim_open(fs, from, name, &moved);
	if (r < 0)
		return r;
	r = victim_open(fs, to, new_name, &victim);
	if (r < 0 && r != -ENOENT) {
		close(moved.fd);
		return r;
	}
	/* What is exchanged keeps a name, but reads that come between find it
	   under neither: both are held. */
	r = victim_pin(fs, &moved);
	if (r < 0) {
		if (victim.fd >= 0)
			close(victim.fd);
		return r;
	}
	r = victim_pin(fs, &victim);
	if (r < 0) {
		victim_settle(fs, &moved);
		return r;
	}
	if (!(flags & RENAME_EXCHANGE) &&
	    !is_same_object(&moved.object, &victim.object))
		*held_out = victim_hold(fs, &victim);
	*victim_out = victim;
	r = renameat2(from->fd, name, to->fd, new_name, flags) == 0 ? 0
								    : -errno;
	if (r == 0) {
		/* Two names of one file: rename(2) then does nothing. */
		if (!is_same_object(&moved.object, &victim.object))
			mark_renamed(fs, parent, name, &moved.object,
				     new_parent, new_name, &victim.object,
				     flags, by);
	} else if (mark_may_have_acted(r)) {
		mark_doubtful(fs, parent, name, moved.object.type, by);
		mark_doubtful(fs, new_parent, new_name, moved.object.type, by);
	}
	victim_settle(fs, &moved);
	victim_settle(fs, &victim);
	return r;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	Fs *fs = fs_of(req);
	Writer by = identity_writer(req);
	Descriptor *from = NULL, *to = NULL;
	Victim victim = {.fd = -1};
	uint64_t held = 0;
	errint r;

	if (control_is_name(name) || control_is_name(new_name)) {
		reply(req, -EPERM);
		return;
	}
	r = locate_open(fs, parent, DESCRIPTOR_PATH, &from);
	if (r == 0)
		r = locate_open(fs, new_parent, DESCRIPTOR_PATH, &to);
	if (r == 0)
		r = rename_between(fs, from, parent, name, to, new_parent,
				   new_name, flags, &by, &held, &victim);
	if (from != NULL)
		locate_release(fs, from);
	if (to != NULL)
		locate_release(fs, to);
	reply(req, r);
	victim_let_go(fs, held, &victim);
}
