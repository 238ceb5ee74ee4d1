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

bool size_is_bypassed(Fs *fs, const SizeChange *change, int fd)
{
	struct stat attributes;
	bool is_alone;
	Node *node;

	if (!change->is_alone || fstat(fd, &attributes) != 0)
		return false;
	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, change->id);
	is_alone = node != NULL && node->writing == 1 &&
		   node->writes == change->writes;
	inode_table_unlock(fs->table);
	return is_alone && (uint64_t)attributes.st_size != change->size;
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
