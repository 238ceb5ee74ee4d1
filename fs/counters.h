/* SPDX-License-Identifier: MIT */
/*
 * What the mount did, counted for people: the numbers of SINCEFS_IOC_STATS.
 *
 * Any thread; the counters are atomics, each exact by itself. What was hidden
 * has a lock of its own, a leaf.
 */
#ifndef FS_COUNTERS_H
#define FS_COUNTERS_H

#include <pthread.h>
#include <stdint.h>

#include <sincefs/protocol.h>

typedef struct {
	_Atomic uint64_t requests[SINCEFS_REQUEST_KINDS];
	_Atomic uint64_t stamps;
	uint64_t started_ns;  /* CLOCK_BOOTTIME; immutable after init */
	pthread_mutex_t lock; /* guards what follows */
	uint64_t hidden;
	uint64_t hidden_id; /* of the last directory, to count it once */
	char hidden_in[SINCEFS_ROOT_SIZE];
} Counters;

void counters_init(Counters *counters);
void counters_clear(Counters *counters);

/* A request with this FUSE opcode was read. */
void counters_request(Counters *counters, uint32_t opcode);
void counters_stamp(Counters *counters);
/* A real file called like the control file lies in the directory with nodeid
   @id and this @path. */
void counters_hidden(Counters *counters, uint64_t id, const char *path);

/* All of *@stats_out but for the inodes and descriptors, which are 0. */
void counters_fill(Counters *counters, struct sincefs_stats *stats_out);

#endif /* FS_COUNTERS_H */
