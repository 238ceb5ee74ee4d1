/* SPDX-License-Identifier: MIT */
#include "fs/turns.h"

#include <string.h>

void turns_init(Turns *turns)
{
	memset(turns, 0, sizeof(*turns));
	pthread_mutex_init(&turns->lock, NULL);
	pthread_cond_init(&turns->left, NULL);
}

void turns_clear(Turns *turns)
{
	pthread_cond_destroy(&turns->left);
	pthread_mutex_destroy(&turns->lock);
}

static bool must_wait_locked(const Turn *turn)
{
	for (const Turn *other = turn->older; other != NULL;
	     other = other->older) {
		if (other->id == turn->id && other->begin < turn->end &&
		    turn->begin < other->end)
			return true;
	}
	return false;
}

bool turns_enter(Turns *turns, Turn *turn)
{
	bool must_wait;

	pthread_mutex_lock(&turns->lock);
	turn->newer = NULL;
	turn->older = turns->newest;
	if (turns->newest != NULL)
		turns->newest->newer = turn;
	else
		turns->oldest = turn;
	turns->newest = turn;
	must_wait = must_wait_locked(turn);
	pthread_mutex_unlock(&turns->lock);
	return must_wait;
}

void turns_wait(Turns *turns, const Turn *turn)
{
	pthread_mutex_lock(&turns->lock);
	turns->waiting++;
	while (must_wait_locked(turn))
		pthread_cond_wait(&turns->left, &turns->lock);
	turns->waiting--;
	pthread_mutex_unlock(&turns->lock);
}

void turns_leave(Turns *turns, Turn *turn)
{
	pthread_mutex_lock(&turns->lock);
	if (turn->older != NULL)
		turn->older->newer = turn->newer;
	else
		turns->oldest = turn->newer;
	if (turn->newer != NULL)
		turn->newer->older = turn->older;
	else
		turns->newest = turn->older;
	if (turns->waiting > 0)
		pthread_cond_broadcast(&turns->left);
	pthread_mutex_unlock(&turns->lock);
}
