/* SPDX-License-Identifier: MIT */
#include "fs/sizes.h"

#include <sys/stat.h>

#include "fs/fs-internal.h"

void size_begin(Fs *fs, uint64_t id, SizeChange *change)
{
	Node *node;

	*change = (SizeChange){.id = id};
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL) {
		change->size = node->size;
		change->writes = node->writes;
		change->is_alone = node->writing++ == 0;
	}
	inode_table_unlock(fs->table);
}

bool size_is_trusted(Fs *fs, const SizeChange *change, int fd)
{
	bool differs = false, is_trusted = false;
	struct stat attributes;
	Node *node;

	if (change->is_alone)
		differs = fstat(fd, &attributes) != 0 ||
			  (uint64_t)attributes.st_size != change->size;
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, change->id);
	if (node != NULL) {
		/* Others that change it through the mount may be the reason. */
		if (differs && node->writing == 1 &&
		    node->writes == change->writes)
			node->flags |= NODE_SIZE_DOUBTED;
		is_trusted = !(node->flags & NODE_SIZE_DOUBTED);
	}
	inode_table_unlock(fs->table);
	return is_trusted;
}

void size_doubt(Fs *fs, uint64_t id)
{
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL)
		node->flags |= NODE_SIZE_DOUBTED;
	inode_table_unlock(fs->table);
}

static void end(Fs *fs, const SizeChange *change, uint64_t end, bool is_exact)
{
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, change->id);
	if (node != NULL && node->writing > 0) {
		node->writing--;
		node->writes++;
		if (is_exact || end > node->size)
			node->size = end;
	}
	inode_table_unlock(fs->table);
}

void size_end(Fs *fs, const SizeChange *change, uint64_t end_at_least)
{
	end(fs, change, end_at_least, false);
}

void size_end_at(Fs *fs, const SizeChange *change, uint64_t end_exactly)
{
	end(fs, change, end_exactly, true);
}
