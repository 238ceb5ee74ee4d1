/* SPDX-License-Identifier: MIT */
/*
 * The one order: a question is answered only when every flush of a mapping that
 * was read from the kernel before it is stamped.
 *
 * syncfs(2) queues the pages of shared mappings as WRITE requests and returns
 * without waiting for their answers; the question that follows is read after
 * them. While one thread answers in the order of reading, that is enough. As
 * soon as requests are worked on side by side, a question may overtake a WRITE,
 * so each such WRITE takes a ticket when it is read, and a question waits for
 * all tickets taken before it. It waits without a thread: the one that gives
 * back the last ticket answers it.
 *
 * Ordinary write(2)s need no ticket: their callers are still waiting for the
 * answer, and the stamp comes before that.
 */
#ifndef FS_BARRIER_H
#define FS_BARRIER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The place for a ticket is the caller's; its contents are the barrier's. */
typedef struct Ticket Ticket;
struct Ticket {
	uint64_t number;
	Ticket *previous, *next;
};

/* Something that waits. The memory is the caller's until @run is called, from
   any thread, once, with no lock held. */
typedef struct Waiter Waiter;
struct Waiter {
	void (*run)(Waiter *waiter);
	uint64_t number;
	Waiter *next;
};

typedef struct {
	pthread_mutex_t lock; /* a leaf */
	uint64_t taken;       /* tickets ever; the last one's number */
	Ticket *oldest, *newest;
	Waiter *waiters;
} Barrier;

void barrier_init(Barrier *barrier);
void barrier_clear(Barrier *barrier);

/* In the order of reading. */
void barrier_take(Barrier *barrier, Ticket *ticket);
void barrier_give_back(Barrier *barrier, Ticket *ticket);

/* The number of the last ticket: what a question read now must wait for. */
uint64_t barrier_get_last(Barrier *barrier);

/*
 * False when every ticket up to @number is back: go on at once. True when
 * @waiter was queued and its run will be called.
 */
bool barrier_must_wait(Barrier *barrier, uint64_t number, Waiter *waiter);

#endif /* FS_BARRIER_H */
