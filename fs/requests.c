/* SPDX-License-Identifier: MIT */
#include "fs/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "fs/fs-internal.h"
#include "fs/identity.h"

/* Threads at most: as many requests can be stuck below before the last one
   makes all others wait. */
#define THREADS_MAX 512
/* Threads that wait to lead at most; more end. */
#define IDLE_MAX 3
/* How often the watch looks; a request is taken to be slow when it is seen
   unfinished twice in a row. */
#define WATCH_TICK_NS 10000000
/* After so many looks with nothing going on it sleeps until it is woken. */
#define WATCH_QUIET_TICKS 50
/* After the end of so many nodes memory is returned to the system. */
#define TRIM_NODES 4096

enum { READING, BUSY, TAKEN };
#define STATE(count, what) ((count) << 2 | (what))
#define STATE_WHAT(state) ((state)&3)

struct RequestThread {
	Fs *fs;
	_Atomic uint64_t state;
	uint64_t count;
	struct fuse_buf buffer;
};

static _Thread_local uint64_t current_order;

uint64_t requests_current_order(void)
{
	return current_order;
}

/* To break a read(2) off; the handler does nothing. */
#define BREAK_SIGNAL SIGUSR2

static void on_break(int signal)
{
	(void)signal;
}

/* With the lock held: the session is over, everybody must end. */
static void end_locked(Requests *requests)
{
	requests->ended = true;
	requests->watch_stop = true;
	pthread_cond_broadcast(&requests->lead_free);
	pthread_cond_broadcast(&requests->watch_wake);
}

static struct timespec one_tick_from_now(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WATCH_TICK_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return until;
}

static void *thread_main(void *data);

static int spawn(Fs *fs)
{
	RequestThread *thread = calloc(1, sizeof(*thread));
	pthread_attr_t attributes;
	sigset_t all, old;
	pthread_t id;
	int r;

	if (thread == NULL)
		return -ENOMEM;
	thread->fs = fs;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* Signals are for the thread that called in. */
	sigfillset(&all);
	sigdelset(&all, BREAK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&id, &attributes, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	if (r != 0)
		free(thread);
	return -r;
}

/*
 * Let somebody else lead, with the lock held. When there is nobody and no
 * thread can be made, the lead stays free until a thread is done with its
 * request.
 */
static void free_lead_locked(Fs *fs)
{
	Requests *requests = &fs->requests;

	requests->leader = NULL;
	requests->is_heirless = false;
	if (requests->idle > 0) {
		pthread_cond_signal(&requests->lead_free);
		return;
	}
	requests->threads++;
	if (requests->threads > THREADS_MAX || spawn(fs) < 0) {
		requests->threads--;
		requests->is_heirless = true;
	}
}

/*
 * Take the lead from @leader if it is still in the state @seen, with the lock
 * held.
 */
static void take_over_locked(Fs *fs, RequestThread *leader, uint64_t seen)
{
	if (atomic_compare_exchange_strong(&leader->state, &seen,
					   STATE(seen >> 2, TAKEN)))
		free_lead_locked(fs);
}

/* Wait for the lead. False: end instead. */
static bool take_lead(Fs *fs, RequestThread *self)
{
	Requests *requests = &fs->requests;
	bool lead;

	pthread_mutex_lock(&requests->lock);
	while (!requests->ended && requests->leader != NULL &&
	       requests->idle < IDLE_MAX) {
		requests->idle++;
		pthread_cond_wait(&requests->lead_free, &requests->lock);
		requests->idle--;
	}
	lead = !requests->ended && requests->leader == NULL;
	if (lead) {
		requests->leader = self;
		requests->leader_thread = pthread_self();
	}
	pthread_mutex_unlock(&requests->lock);
	return lead;
}

/* Requests that wait for the disk, or for other requests, by their nature. */
static bool is_slow(const struct fuse_in_header *header, size_t size)
{
	const struct fuse_ioctl_in *ioctl = (const void *)(header + 1);

	switch (header->opcode) {
	case FUSE_IOCTL: /* see flush_before_flags() */
		return size >= sizeof(*header) + sizeof(*ioctl) &&
		       (ioctl->cmd == FS_IOC_SETFLAGS ||
			ioctl->cmd == FS_IOC_FSSETXATTR);
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_LSEEK: /* see op_lseek() */
		return true;
	default:
		return false;
	}
}

/* A flush of a shared mapping, which questions read later must wait for. */
static bool is_flush(const struct fuse_in_header *header, size_t size)
{
	const struct fuse_write_in *write = (const void *)(header + 1);

	return header->opcode == FUSE_WRITE &&
	       size >= sizeof(*header) + sizeof(*write) &&
	       (write->write_flags & FUSE_WRITE_CACHE);
}

/* Which bytes of which file a request changes: false when it changes none. */
static bool get_turn(const struct fuse_in_header *header, size_t size,
		     Turn *turn)
{
	const void *body = header + 1;
	const struct fuse_write_in *write = body;
	const struct fuse_setattr_in *setattr = body;
	const struct fuse_fallocate_in *fallocate = body;
	const struct fuse_copy_file_range_in *copy = body;

	size -= sizeof(*header);
	turn->id = header->nodeid;
	turn->end = UINT64_MAX;
	switch (header->opcode) {
	case FUSE_WRITE:
		if (size < sizeof(*write))
			return false;
		turn->begin = write->offset;
		turn->end = write->offset + write->size;
		/* All appends in their order, wherever they land. */
		if ((write->flags & O_APPEND) &&
		    !(write->write_flags & FUSE_WRITE_CACHE)) {
			turn->begin = 0;
			turn->end = UINT64_MAX;
		}
		return true;
	case FUSE_SETATTR:
		/* What is cut off, and what is put there instead. */
		turn->begin = setattr->size;
		return size >= sizeof(*setattr) &&
		       (setattr->valid & FATTR_SIZE);
	case FUSE_FALLOCATE:
		turn->begin = fallocate->offset;
		turn->end = fallocate->offset + fallocate->length;
		return size >= sizeof(*fallocate);
	case FUSE_COPY_FILE_RANGE:
		turn->id = copy->nodeid_out;
		turn->begin = copy->off_out;
		turn->end = copy->off_out + copy->len;
		return size >= sizeof(*copy);
	default:
		return false;
	}
}

static void wake_watch(Requests *requests)
{
	pthread_mutex_lock(&requests->lock);
	atomic_store(&requests->watch_asleep, false);
	pthread_cond_signal(&requests->watch_wake);
	pthread_mutex_unlock(&requests->lock);
}

/*
 * Read one request and work on it. Returns true while this thread is still the
 * leader; then it must read the next.
 */
static bool lead_once(Fs *fs, RequestThread *self)
{
	Requests *requests = &fs->requests;
	const struct fuse_in_header *header;
	Ticket ticket;
	Turn turn;
	uint64_t busy;
	bool flush, has_turn, is_long;
	int r;

	r = fuse_session_receive_buf(fs->session, &self->buffer);
	if (fuse_session_exited(fs->session) || r == 0 ||
	    atomic_load(&fs->exit_early)) {
		pthread_mutex_lock(&requests->lock);
		requests->leader = NULL;
		end_locked(requests);
		pthread_mutex_unlock(&requests->lock);
		return false;
	}
	if (r < 0) {
		/* Out of memory, or the kernel could not give this request;
		   it is still there or was answered by the kernel. */
		if (r != -EINTR && r != -EAGAIN) {
			const struct timespec pause = {.tv_nsec = 1000000};

			g_warning("reading a request failed: %s",
				  g_strerror(-r));
			nanosleep(&pause, NULL);
		}
		return true;
	}

	header = self->buffer.mem;
	counters_request(&fs->counters, header->opcode);
	flush = is_flush(header, (size_t)r);
	if (flush)
		barrier_take(&fs->barrier, &ticket);
	else if (header->opcode == FUSE_IOCTL)
		current_order = barrier_get_last(&fs->barrier);
	is_long = is_slow(header, (size_t)r);
	has_turn = get_turn(header, (size_t)r, &turn);
	if (has_turn && turns_enter(&fs->turns, &turn))
		is_long = true;

	busy = STATE(++self->count, BUSY);
	atomic_store(&self->state, busy);
	if (atomic_load(&requests->watch_asleep))
		wake_watch(requests);
	if (is_long) {
		pthread_mutex_lock(&requests->lock);
		take_over_locked(fs, self, busy);
		pthread_mutex_unlock(&requests->lock);
	}

	if (has_turn)
		turns_wait(&fs->turns, &turn);
	fuse_session_process_buf(fs->session, &self->buffer);

	if (has_turn)
		turns_leave(&fs->turns, &turn);
	if (flush)
		barrier_give_back(&fs->barrier, &ticket);
	return atomic_compare_exchange_strong(&self->state, &busy,
					      STATE(self->count, READING));
}

static void *thread_main(void *data)
{
	RequestThread *self = data;
	Fs *fs = self->fs;
	Requests *requests = &fs->requests;
	void (*on_ended)(void *) = NULL;
	void *on_ended_data = NULL;

	pthread_setname_np(pthread_self(), "requests");
	/* Reclaiming memory for us must not wait for ourselves; refused to
	   ordinary users, who go without. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	identity_thread_init();
	while (take_lead(fs, self)) {
		while (lead_once(fs, self))
			;
	}
	free(self->buffer.mem);
	free(self);
	pthread_mutex_lock(&requests->lock);
	if (requests->ended && !requests->ended_told) {
		requests->ended_told = true;
		on_ended = requests->on_ended;
		on_ended_data = requests->on_ended_data;
	}
	pthread_mutex_unlock(&requests->lock);
	if (on_ended != NULL)
		on_ended(on_ended_data);
	pthread_mutex_lock(&requests->lock);
	requests->threads--;
	pthread_cond_broadcast(&requests->ended_all);
	pthread_mutex_unlock(&requests->lock);
	return NULL;
}

/* What many nodes took is free by now, in pieces that malloc(3) would keep for
   the next ones. */
static void return_memory(Fs *fs)
{
	if (inode_table_take_freed(fs->table) >= TRIM_NODES)
		malloc_trim(0);
}

static void *watch_main(void *data)
{
	Fs *fs = data;
	Requests *requests = &fs->requests;
	RequestThread *last = NULL;
	uint64_t last_state = 0;
	unsigned quiet = 0;

	pthread_setname_np(pthread_self(), "request-watch");
	pthread_mutex_lock(&requests->lock);
	while (!requests->watch_stop) {
		RequestThread *leader = requests->leader;
		uint64_t state = leader ? atomic_load(&leader->state) : 0;
		struct timespec until;

		if (leader != NULL && leader == last && state == last_state) {
			if (STATE_WHAT(state) == BUSY)
				take_over_locked(fs, leader, state);
			else
				quiet++;
		} else {
			quiet = 0;
		}
		last = leader;
		last_state = state;
		if (quiet >= WATCH_QUIET_TICKS) {
			pthread_mutex_unlock(&requests->lock);
			return_memory(fs);
			pthread_mutex_lock(&requests->lock);
			if (requests->watch_stop || requests->leader != leader)
				continue;
			atomic_store(&requests->watch_asleep, true);
			/* Either this sees that the leader, who tells its state
			   first, has begun with a request just now; or the
			   leader sees that it must wake us. */
			while (!requests->watch_stop &&
			       atomic_load(&requests->watch_asleep) &&
			       atomic_load(&leader->state) == state)
				pthread_cond_wait(&requests->watch_wake,
						  &requests->lock);
			atomic_store(&requests->watch_asleep, false);
			quiet = 0;
			continue;
		}
		until = one_tick_from_now();
		pthread_cond_timedwait(&requests->watch_wake, &requests->lock,
				       &until);
	}
	pthread_mutex_unlock(&requests->lock);
	return NULL;
}

void requests_init(Requests *requests)
{
	pthread_condattr_t attributes;

	memset(requests, 0, sizeof(*requests));
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&requests->lock, NULL);
	pthread_cond_init(&requests->lead_free, NULL);
	pthread_cond_init(&requests->ended_all, &attributes);
	pthread_cond_init(&requests->watch_wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

void requests_clear(Requests *requests)
{
	pthread_cond_destroy(&requests->watch_wake);
	pthread_cond_destroy(&requests->ended_all);
	pthread_cond_destroy(&requests->lead_free);
	pthread_mutex_destroy(&requests->lock);
}

int requests_start(Fs *fs, void (*ended)(void *data), void *data)
{
	Requests *requests = &fs->requests;
	struct sigaction action = {.sa_handler = on_break};
	int r;

	sigaction(BREAK_SIGNAL, &action, NULL);
	requests->on_ended = ended;
	requests->on_ended_data = data;
	r = -pthread_create(&requests->watch, NULL, watch_main, fs);
	if (r < 0)
		return r;
	requests->watch_running = true;
	pthread_mutex_lock(&requests->lock);
	requests->threads++;
	r = spawn(fs);
	if (r < 0)
		requests->threads--;
	pthread_mutex_unlock(&requests->lock);
	return r;
}

bool requests_stop(Fs *fs, unsigned patience_ms)
{
	Requests *requests = &fs->requests;
	bool all;

	atomic_store(&fs->exit_early, true);
	fuse_session_exit(fs->session);
	pthread_mutex_lock(&requests->lock);
	end_locked(requests);
	/* The signal may come just before the leader goes to sleep in read(2),
	   so it is sent until it has worked. */
	for (unsigned waited = 0; requests->threads > 0 && waited < patience_ms;
	     waited += 10) {
		struct timespec until;

		if (requests->leader != NULL)
			pthread_kill(requests->leader_thread, BREAK_SIGNAL);
		until = one_tick_from_now();
		pthread_cond_timedwait(&requests->ended_all, &requests->lock,
				       &until);
	}
	all = requests->threads == 0;
	pthread_mutex_unlock(&requests->lock);
	if (requests->watch_running) {
		pthread_join(requests->watch, NULL);
		requests->watch_running = false;
	}
	return all;
}

bool requests_are_read(Fs *fs)
{
	Requests *requests = &fs->requests;
	bool are;

	pthread_mutex_lock(&requests->lock);
	are = requests->leader != NULL || !requests->is_heirless;
	pthread_mutex_unlock(&requests->lock);
	return are;
}
