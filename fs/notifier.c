/* SPDX-License-Identifier: MIT */
#include "fs/notifier.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/control.h"
#include "fs/fs-internal.h"

void notifier_init(Notifier *notifier)
{
	pthread_condattr_t attributes;

	memset(notifier, 0, sizeof(*notifier));
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_cond_init(&notifier->work, NULL);
	pthread_cond_init(&notifier->gone, &attributes);
	pthread_condattr_destroy(&attributes);
}

void notifier_clear(Notifier *notifier)
{
	free(notifier->inodes);
	pthread_cond_destroy(&notifier->gone);
	pthread_cond_destroy(&notifier->work);
	pthread_mutex_destroy(&notifier->lock);
}

/* Wake one whose clock has passed; false when there is none. */
static bool wake_one(Fs *fs)
{
	uint64_t now = dirty_set_peek_clock(fs->set);
	struct fuse_pollhandle *handle = NULL;

	inode_table_lock(fs->table);
	for (Control *control = fs->notifier.waiting; control != NULL;
	     control = control->next) {
		if (control->told < now) {
			handle = control->pollers;
			control->pollers = NULL;
			notifier_unlist_locked(&fs->notifier, control);
			break;
		}
	}
	inode_table_unlock(fs->table);
	if (handle == NULL)
		return false;
	fuse_lowlevel_notify_poll(handle);
	fuse_pollhandle_destroy(handle);
	return true;
}

static void *notifier_main(void *data)
{
	Fs *fs = data;
	Notifier *notifier = &fs->notifier;

	pthread_setname_np(pthread_self(), "notifier");
	pthread_mutex_lock(&notifier->lock);
	while (!notifier->stop) {
		uint64_t *inodes = notifier->inodes;
		uint32_t n = notifier->inode_count;
		bool clock_moved = notifier->clock_moved;

		if (n == 0 && !clock_moved) {
			pthread_cond_wait(&notifier->work, &notifier->lock);
			continue;
		}
		notifier->inodes = NULL;
		notifier->inode_count = notifier->inode_size = 0;
		notifier->clock_moved = false;
		pthread_mutex_unlock(&notifier->lock);
		/* The kernel may have forgotten the inode: nothing to do. */
		for (uint32_t i = 0; i < n; i++)
			fuse_lowlevel_notify_inval_inode(fs->session, inodes[i],
							 0, 0);
		free(inodes);
		while (clock_moved && wake_one(fs))
			;
		pthread_mutex_lock(&notifier->lock);
	}
	notifier->ended = true;
	pthread_cond_signal(&notifier->gone);
	pthread_mutex_unlock(&notifier->lock);
	return NULL;
}

int notifier_start(Notifier *notifier, Fs *fs)
{
	int r = pthread_create(&notifier->thread, NULL, notifier_main, fs);

	notifier->running = r == 0;
	return -r;
}

bool notifier_stop(Notifier *notifier, unsigned patience_ms)
{
	struct timespec until;
	bool ended;

	if (!notifier->running)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += patience_ms / 1000;
	until.tv_nsec += patience_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&notifier->lock);
	notifier->stop = true;
	pthread_cond_signal(&notifier->work);
	while (!notifier->ended &&
	       pthread_cond_timedwait(&notifier->gone, &notifier->lock,
				      &until) == 0)
		;
	ended = notifier->ended;
	pthread_mutex_unlock(&notifier->lock);
	if (ended) {
		pthread_join(notifier->thread, NULL);
		notifier->running = false;
	}
	return ended;
}

void notifier_clock_moved(Notifier *notifier)
{
	/*
	 * Either this sees the poller's count, or the poller, who counts itself
	 * first and looks at the clock then, sees the clock that has moved.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&notifier->waiting_count,
				 memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&notifier->lock);
	notifier->clock_moved = true;
	pthread_cond_signal(&notifier->work);
	pthread_mutex_unlock(&notifier->lock);
}

void notifier_invalidate(Notifier *notifier, uint64_t id)
{
	pthread_mutex_lock(&notifier->lock);
	if (notifier->inode_count == notifier->inode_size) {
		uint32_t size =
			notifier->inode_size ? notifier->inode_size * 2 : 16;
		uint64_t *more =
			realloc(notifier->inodes, size * sizeof(*more));

		if (more != NULL) {
			notifier->inodes = more;
			notifier->inode_size = size;
		}
	}
	if (notifier->inode_count < notifier->inode_size)
		notifier->inodes[notifier->inode_count++] = id;
	pthread_cond_signal(&notifier->work);
	pthread_mutex_unlock(&notifier->lock);
}

void notifier_list_locked(Notifier *notifier, Control *control)
{
	control->previous = NULL;
	control->next = notifier->waiting;
	if (control->next != NULL)
		control->next->previous = control;
	notifier->waiting = control;
	atomic_fetch_add(&notifier->waiting_count, 1);
}

void notifier_unlist_locked(Notifier *notifier, Control *control)
{
	if (control->previous != NULL)
		control->previous->next = control->next;
	else
		notifier->waiting = control->next;
	if (control->next != NULL)
		control->next->previous = control->previous;
	control->previous = control->next = NULL;
	atomic_fetch_sub(&notifier->waiting_count, 1);
}
