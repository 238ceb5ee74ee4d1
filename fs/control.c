/* SPDX-License-Identifier: MIT */
#include "fs/control.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

bool control_is_name(const char *name)
{
	return strcmp(name, SINCEFS_CONTROL_NAME) == 0;
}

static Control *get_locked(Fs *fs, uint64_t id)
{
	Node *node = inode_table_get_locked(fs->table, id);

	return node != NULL && (node->flags & NODE_CONTROL) ? node->control
							    : NULL;
}

int control_open(Fs *fs, uint64_t parent_id, uint64_t *id_out)
{
	Control *control = calloc(1, sizeof(*control));
	Node *parent, *node = NULL;
	int r = -ENOMEM;

	if (control == NULL)
		return -ENOMEM;
	control->notifier = &fs->notifier;
	inode_table_lock(fs->table);
	parent = inode_table_get_locked(fs->table, parent_id);
	if (parent == NULL)
		r = -ESTALE;
	else
		node = inode_table_add_control_locked(fs->table, control);
	if (node != NULL) {
		node->lookups = 1;
		*id_out = node_get_id(node);
		r = inode_table_add_name_locked(fs->table, node, parent,
						SINCEFS_CONTROL_NAME);
		if (r < 0)
			inode_table_forget_locked(fs->table, node, 1);
	}
	inode_table_unlock(fs->table);
	if (node == NULL)
		free(control);
	return r;
}

void control_stat(Fs *fs, uint64_t id, struct stat *attributes_out)
{
	*attributes_out = (struct stat){
		.st_ino = id,
		.st_mode = S_IFREG | 0444,
		.st_nlink = 1,
		.st_uid = fs->owner,
		.st_blksize = 4096,
	};
}

bool control_is_node(Fs *fs, uint64_t id)
{
	bool is;

	inode_table_lock(fs->table);
	is = get_locked(fs, id) != NULL;
	inode_table_unlock(fs->table);
	return is;
}

static bool is_scan_done_locked(Fs *fs, const Control *control)
{
	return control->scan_tree != 0 &&
	       tree_list_get_scans(fs->trees, control->scan_tree) >=
		       control->scans;
}

bool control_is_readable_locked(Fs *fs, const Control *control)
{
	return control->told < dirty_set_peek_clock(fs->set) ||
	       is_scan_done_locked(fs, control);
}

void control_told(Fs *fs, uint64_t id, uint64_t clock)
{
	Control *control;

	inode_table_lock(fs->table);
	control = get_locked(fs, id);
	if (control != NULL) {
		control->told = clock;
		if (is_scan_done_locked(fs, control))
			control->scan_tree = 0;
	}
	inode_table_unlock(fs->table);
}

void control_scan_asked(Fs *fs, uint64_t id, uint32_t tree, uint64_t scans)
{
	Control *control;

	inode_table_lock(fs->table);
	control = get_locked(fs, id);
	if (control != NULL) {
		control->scan_tree = tree;
		control->scans = scans;
	}
	inode_table_unlock(fs->table);
}

bool control_poll(Fs *fs, uint64_t id, struct fuse_pollhandle *handle)
{
	struct fuse_pollhandle *old = NULL;
	bool readable = true;
	Control *control;

	inode_table_lock(fs->table);
	control = get_locked(fs, id);
	if (control == NULL) {
		old = handle;
	} else {
		if (handle != NULL) {
			old = control->pollers;
			control->pollers = handle;
			if (old == NULL)
				notifier_list_locked(&fs->notifier, control);
			atomic_thread_fence(memory_order_seq_cst);
		}
		readable = control_is_readable_locked(fs, control);
	}
	inode_table_unlock(fs->table);
	if (old != NULL)
		fuse_pollhandle_destroy(old);
	return readable;
}

void control_free(Control *control)
{
	if (control->pollers != NULL) {
		notifier_unlist_locked(control->notifier, control);
		fuse_pollhandle_destroy(control->pollers);
	}
	free(control);
}
