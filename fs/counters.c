/* SPDX-License-Identifier: MIT */
#include "fs/counters.h"

#include <linux/fuse.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	       (uint64_t)now.tv_nsec;
}

void counters_init(Counters *counters)
{
	memset(counters, 0, sizeof(*counters));
	counters->started_ns = now_ns();
	pthread_mutex_init(&counters->lock, NULL);
}

void counters_clear(Counters *counters)
{
	pthread_mutex_destroy(&counters->lock);
}

static unsigned kind_of(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
		return SINCEFS_REQUEST_LOOKUP;
	case FUSE_GETATTR:
	case FUSE_READLINK:
	case FUSE_STATFS:
	case FUSE_ACCESS:
		return SINCEFS_REQUEST_ATTRIBUTES;
	case FUSE_SETATTR:
		return SINCEFS_REQUEST_CHANGE;
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
		return SINCEFS_REQUEST_NAME;
	case FUSE_READ:
	case FUSE_LSEEK:
		return SINCEFS_REQUEST_READ;
	case FUSE_WRITE:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return SINCEFS_REQUEST_WRITE;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return SINCEFS_REQUEST_DIRECTORY;
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SYNCFS:
		return SINCEFS_REQUEST_SYNC;
	case FUSE_SETXATTR:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_REMOVEXATTR:
		return SINCEFS_REQUEST_XATTR;
	case FUSE_IOCTL:
		return SINCEFS_REQUEST_IOCTL;
	case FUSE_POLL:
		return SINCEFS_REQUEST_POLL;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return SINCEFS_REQUEST_FORGET;
	default:
		return SINCEFS_REQUEST_OTHER;
	}
}

void counters_request(Counters *counters, uint32_t opcode)
{
	atomic_fetch_add_explicit(&counters->requests[kind_of(opcode)], 1,
				  memory_order_relaxed);
}

void counters_stamp(Counters *counters)
{
	atomic_fetch_add_explicit(&counters->stamps, 1, memory_order_relaxed);
}

void counters_hidden(Counters *counters, uint64_t id, const char *path)
{
	pthread_mutex_lock(&counters->lock);
	if (counters->hidden_id != id) {
		counters->hidden++;
		counters->hidden_id = id;
	}
	strncpy(counters->hidden_in, path, sizeof(counters->hidden_in) - 1);
	pthread_mutex_unlock(&counters->lock);
}

void counters_fill(Counters *counters, struct sincefs_stats *stats_out)
{
	memset(stats_out, 0, sizeof(*stats_out));
	for (int i = 0; i < SINCEFS_REQUEST_KINDS; i++)
		stats_out->requests[i] = atomic_load_explicit(
			&counters->requests[i], memory_order_relaxed);
	stats_out->stamps =
		atomic_load_explicit(&counters->stamps, memory_order_relaxed);
	stats_out->uptime_ns = now_ns() - counters->started_ns;
	pthread_mutex_lock(&counters->lock);
	stats_out->hidden = counters->hidden;
	memcpy(stats_out->hidden_in, counters->hidden_in,
	       sizeof(stats_out->hidden_in));
	pthread_mutex_unlock(&counters->lock);
}
