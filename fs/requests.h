/* SPDX-License-Identifier: MIT */
/*
 * The threads that read requests from the kernel and work on them.
 *
 * One thread at a time, the leader, reads; so requests have one order. It works
 * on quick requests itself, which costs no hand-over. Before a request that is
 * known to be slow, it makes another thread the leader first. And when one that
 * looked quick takes long (a cold or stalled disk), a watch thread takes the
 * lead from it and gives it to another, so that nobody else waits for more than
 * some ticks.
 *
 * States of the leader, in one atomic word with a count, so that the watch can
 * tell "still the same request":
 *
 *   READING --request read, by the leader--> BUSY
 *   BUSY ----done, by the leader-----------> READING
 *   BUSY ----too long, by the watch--------> TAKEN (no longer the leader)
 */
#ifndef FS_REQUESTS_H
#define FS_REQUESTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Fs Fs;
typedef struct RequestThread RequestThread;

typedef struct {
	pthread_mutex_t lock;
	pthread_cond_t lead_free; /* someone may become the leader */
	pthread_cond_t ended_all; /* a thread has ended */
	pthread_cond_t watch_wake;
	RequestThread *leader;  /* NULL while nobody reads */
	unsigned threads, idle; /* alive; of these waiting to lead */
	bool is_heirless;       /* the lead is free and nobody comes for it */
	bool ended;             /* the session is over */
	bool ended_told;
	bool watch_running, watch_stop;
	_Atomic bool watch_asleep;
	pthread_t watch;
	pthread_t leader_thread; /* valid with leader */
	void (*on_ended)(void *data);
	void *on_ended_data;
} Requests;

void requests_init(Requests *requests);
/* 0 or -errno. */
int requests_start(Fs *fs, void (*ended)(void *data), void *data);
/* End all threads; false when one is still in a system call of the file system
   below after @patience_ms, and the caller must leave everything as it is. */
bool requests_stop(Fs *fs, unsigned patience_ms);
void requests_clear(Requests *requests);

/* Is a thread reading requests, or about to, while the caller works on one? */
bool requests_are_read(Fs *fs);

/* The order in which the request that this thread works on was read: what a
   question must wait for. */
uint64_t requests_current_order(void);

#endif /* FS_REQUESTS_H */
