/* SPDX-License-Identifier: MIT */
/*
 * Changes of the same bytes of one file are made in the order in which they
 * were read from the kernel.
 *
 * The kernel may send a flush of a mapping while a write(2) to the same page is
 * not answered yet: each with the bytes that the page had when it was read. If
 * the older came to the file below last, the newer bytes would be lost there,
 * and the kernel, which takes the page for clean, would go on showing them.
 * Writes to other places go on side by side.
 *
 * The leader enters a request before anybody else can read the next one.
 */
#ifndef FS_TURNS_H
#define FS_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A request that is being worked on; the memory is the caller's. */
typedef struct Turn Turn;
struct Turn {
	uint64_t id;         /* of the node */
	uint64_t begin, end; /* of its bytes; the end is not one of them */
	Turn *older, *newer;
};

typedef struct {
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t left;  /* one is over for which somebody waits */
	Turn *oldest, *newest;
	unsigned waiting;
} Turns;

void turns_init(Turns *turns);
void turns_clear(Turns *turns);

/* In the order of reading. @turn has id, begin and end. True: it has to wait.
 */
bool turns_enter(Turns *turns, Turn *turn);
/* Wait for all that were entered before and touch the same bytes. */
void turns_wait(Turns *turns, const Turn *turn);
void turns_leave(Turns *turns, Turn *turn);

#endif /* FS_TURNS_H */
