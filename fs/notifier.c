/* SPDX-License-Identifier: MIT */
#include "fs/notifier.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/control.h"
#include "fs/fs-internal.h"

/* One thing to tell. */
typedef struct NotifierItem Item;
struct NotifierItem {
	Item *next;
	uint64_t id;   /* of the inode, or of the directory */
	off_t begin;   /* with an inode: of its bytes; -1: attributes alone */
	off_t bytes;   /* 0: all from there on */
	size_t length; /* of the name; 0: it is about the inode */
	char name[];
};

static void free_items(Item *item)
{
	while (item != NULL) {
		Item *next = item->next;

		free(item);
		item = next;
	}
}

void notifier_init(Notifier *notifier)
{
	pthread_condattr_t attributes;

	memset(notifier, 0, sizeof(*notifier));
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_cond_init(&notifier->work, &attributes);
	pthread_cond_init(&notifier->gone, &attributes);
	pthread_condattr_destroy(&attributes);
}

void notifier_clear(Notifier *notifier)
{
	free_items(notifier->first);
	doubts_clear(&notifier->doubts);
	pthread_cond_destroy(&notifier->gone);
	pthread_cond_destroy(&notifier->work);
	pthread_mutex_destroy(&notifier->lock);
}

/* Wake one that has become readable; false when there is none. */
static bool wake_one(Fs *fs)
{
	struct fuse_pollhandle *handle = NULL;

	inode_table_lock(fs->table);
	for (Control *control = fs->notifier.waiting; control != NULL;
	     control = control->next) {
		if (control_is_readable_locked(fs, control)) {
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

/* What the kernel has forgotten meanwhile is no error. */
static void tell(Fs *fs, const Item *item)
{
	if (item->length == 0)
		fuse_lowlevel_notify_inval_inode(fs->session, item->id,
						 item->begin, item->bytes);
	else
		fuse_lowlevel_notify_inval_entry(fs->session, item->id,
						 item->name, item->length);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	       (uint64_t)now.tv_nsec;
}

static void wait_locked(Notifier *notifier)
{
	uint64_t due_ns = notifier->doubts.due_ns;
	struct timespec due = {
		.tv_sec = (time_t)(due_ns / 1000000000),
		.tv_nsec = (long)(due_ns % 1000000000),
	};

	if (doubts_are_empty(&notifier->doubts))
		pthread_cond_wait(&notifier->work, &notifier->lock);
	else
		pthread_cond_timedwait(&notifier->work, &notifier->lock, &due);
}

static void *notifier_main(void *data)
{
	Fs *fs = data;
	Notifier *notifier = &fs->notifier;

	pthread_setname_np(pthread_self(), "notifier");
	pthread_mutex_lock(&notifier->lock);
	while (!notifier->stop) {
		Item *items = notifier->first;
		bool clock_moved = notifier->clock_moved;
		DoubtBatch doubted;

		doubts_take(&notifier->doubts, now_ns(), &doubted);
		if (items == NULL && !clock_moved && doubted.count == 0) {
			wait_locked(notifier);
			continue;
		}
		notifier->first = notifier->last = NULL;
		notifier->clock_moved = false;
		pthread_mutex_unlock(&notifier->lock);
		for (const Item *item = items; item != NULL; item = item->next)
			tell(fs, item);
		free_items(items);
		for (uint32_t i = 0; i < doubted.count; i++)
			fuse_lowlevel_notify_inval_inode(fs->session,
							 doubted.ids[i], -1, 0);
		doubt_batch_clear(&doubted);
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

static void add_item(Notifier *notifier, uint64_t id, off_t begin, off_t bytes,
		     const char *name)
{
	size_t length = strlen(name);
	Item *item = malloc(sizeof(*item) + length + 1);

	if (item == NULL)
		return;
	item->next = NULL;
	item->id = id;
	item->begin = begin;
	item->bytes = bytes;
	item->length = length;
	memcpy(item->name, name, length + 1);
	pthread_mutex_lock(&notifier->lock);
	if (notifier->last != NULL)
		notifier->last->next = item;
	else
		notifier->first = item;
	notifier->last = item;
	pthread_cond_signal(&notifier->work);
	pthread_mutex_unlock(&notifier->lock);
}

void notifier_invalidate(Notifier *notifier, uint64_t id, off_t begin,
			 off_t bytes)
{
	add_item(notifier, id, begin, bytes, "");
}

void notifier_doubt_attributes(Notifier *notifier, uint64_t id)
{
	bool was_empty, is_noted;

	pthread_mutex_lock(&notifier->lock);
	was_empty = doubts_are_empty(&notifier->doubts);
	is_noted = doubts_add(&notifier->doubts, id, now_ns());
	if (was_empty && is_noted)
		pthread_cond_signal(&notifier->work);
	pthread_mutex_unlock(&notifier->lock);
	/* Too many at a time: at once is better than never. */
	if (!is_noted)
		add_item(notifier, id, -1, 0, "");
}

void notifier_drop_name(Notifier *notifier, uint64_t parent, const char *name)
{
	add_item(notifier, parent, 0, 0, name);
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
