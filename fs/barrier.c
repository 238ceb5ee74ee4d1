/* SPDX-License-Identifier: MIT */
#include "fs/barrier.h"

#include <stddef.h>
#include <string.h>

void barrier_init(Barrier *barrier)
{
	memset(barrier, 0, sizeof(*barrier));
	pthread_mutex_init(&barrier->lock, NULL);
}

void barrier_clear(Barrier *barrier)
{
	pthread_mutex_destroy(&barrier->lock);
}

void barrier_take(Barrier *barrier, Ticket *ticket)
{
	pthread_mutex_lock(&barrier->lock);
	ticket->number = ++barrier->taken;
	ticket->next = NULL;
	ticket->previous = barrier->newest;
	if (barrier->newest != NULL)
		barrier->newest->next = ticket;
	else
		barrier->oldest = ticket;
	barrier->newest = ticket;
	pthread_mutex_unlock(&barrier->lock);
}

/* Every ticket up to @number is back. */
static bool is_past_locked(const Barrier *barrier, uint64_t number)
{
	return barrier->oldest == NULL || barrier->oldest->number > number;
}

void barrier_give_back(Barrier *barrier, Ticket *ticket)
{
	Waiter *ready = NULL;

	pthread_mutex_lock(&barrier->lock);
	if (ticket->previous != NULL)
		ticket->previous->next = ticket->next;
	else
		barrier->oldest = ticket->next;
	if (ticket->next != NULL)
		ticket->next->previous = ticket->previous;
	else
		barrier->newest = ticket->previous;
	for (Waiter **at = &barrier->waiters; *at != NULL;) {
		Waiter *waiter = *at;

		if (!is_past_locked(barrier, waiter->number)) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = ready;
		ready = waiter;
	}
	pthread_mutex_unlock(&barrier->lock);
	while (ready != NULL) {
		Waiter *next = ready->next;

		ready->run(ready);
		ready = next;
	}
}

uint64_t barrier_get_last(Barrier *barrier)
{
	uint64_t last;

	pthread_mutex_lock(&barrier->lock);
	last = barrier->taken;
	pthread_mutex_unlock(&barrier->lock);
	return last;
}

bool barrier_must_wait(Barrier *barrier, uint64_t number, Waiter *waiter)
{
	bool wait;

	pthread_mutex_lock(&barrier->lock);
	wait = !is_past_locked(barrier, number);
	if (wait) {
		waiter->number = number;
		waiter->next = barrier->waiters;
		barrier->waiters = waiter;
	}
	pthread_mutex_unlock(&barrier->lock);
	return wait;
}
