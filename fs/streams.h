/* SPDX-License-Identifier: MIT */
/*
 * Directories being read. The kernel reads a directory piece by piece with no
 * open between, so each piece names where the last one ended; a few open
 * directories are kept at such places, so that the next piece goes on there.
 * Any other place is reached by seeking in a newly opened directory.
 *
 * Any thread; a lock of its own, a leaf, not held over system calls.
 */
#ifndef FS_STREAMS_H
#define FS_STREAMS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STREAMS_MAX 16

typedef struct {
	uint64_t id;    /* nodeid of the directory; 0: a free place */
	off_t position; /* where the descriptor stands */
	int fd;         /* owned while here */
	uint64_t used;  /* larger: later */
} Stream;

typedef struct {
	pthread_mutex_t lock;
	Stream kept[STREAMS_MAX];
	uint64_t uses;
} Streams;

void streams_init(Streams *streams);
void streams_clear(Streams *streams);

/* A descriptor that stands at @position of the directory @id: the caller's, or
   -1 when there is none. */
int streams_steal(Streams *streams, uint64_t id, off_t position);
/* Takes @fd. */
void streams_keep(Streams *streams, uint64_t id, off_t position, int fd);
/* The kernel has forgotten @id. */
void streams_forget(Streams *streams, uint64_t id);
/* How many were closed. */
int streams_close_idle(Streams *streams);

#endif /* FS_STREAMS_H */
