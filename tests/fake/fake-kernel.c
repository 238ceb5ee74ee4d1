/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake-kernel.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Nothing takes as long, not even under valgrind. */
#define PATIENCE_S 60
/* Answers are no larger: what is read and listed is small. */
#define MESSAGE_MAX (1 << 17)
#define NOTIFICATIONS 8

struct FakeKernel {
	char *directory;
	int dir_fd;
	DirtySet *set;
	TreeList *trees;
	Fs *fs;
	struct fuse_init_out init;
	int fd; /* the kernel's end of the device */
	pthread_t reader;
	_Atomic uint32_t uid, gid, pid;
	_Atomic bool ended;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t answered;
	uint64_t sent, answers;
	GHashTable *replies;          /* by request, FakeReply owned */
	GHashTable *lookups;          /* by nodeid, how many */
	uint64_t interrupted_request; /* 0: none */
	bool interrupt_next, hold_notifications;
	unsigned held; /* how many wait to notify */
	unsigned notifications[NOTIFICATIONS];
	uint64_t notified[NOTIFICATIONS];
};

/* -- The device -------------------------------------------------------------
 */

/* libfuse hands on the Fs alone, and one test has one kernel. */
static FakeKernel *the_kernel;

static ssize_t device_read(int fd, void *buffer, size_t size, void *data)
{
	ssize_t n = recv(fd, buffer, size, 0);

	(void)data;
	if (n != 0)
		return n;
	errno = ENODEV; /* unmounted */
	return -1;
}

static bool is_interrupted(FakeKernel *kernel, const struct iovec *parts)
{
	const struct fuse_out_header *header = parts[0].iov_base;
	bool is;

	pthread_mutex_lock(&kernel->lock);
	is = header->unique != 0 &&
	     header->unique == kernel->interrupted_request;
	if (is) {
		kernel->interrupted_request = 0;
		pthread_cond_broadcast(&kernel->answered);
	}
	pthread_mutex_unlock(&kernel->lock);
	return is;
}

static void wait_to_notify(FakeKernel *kernel, const struct iovec *parts)
{
	const struct fuse_out_header *header = parts[0].iov_base;

	if (header->unique != 0)
		return;
	pthread_mutex_lock(&kernel->lock);
	kernel->held++;
	pthread_cond_broadcast(&kernel->answered);
	while (kernel->hold_notifications)
		pthread_cond_wait(&kernel->answered, &kernel->lock);
	kernel->held--;
	pthread_mutex_unlock(&kernel->lock);
}

static ssize_t device_writev(int fd, struct iovec *parts, int count, void *data)
{
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = (size_t)count,
	};

	(void)data;
	if (is_interrupted(the_kernel, parts)) {
		errno = ENOENT;
		return -1;
	}
	wait_to_notify(the_kernel, parts);
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct fuse_custom_io device = {
	.read = device_read,
	.writev = device_writev,
};

static void notified(FakeKernel *kernel, int code, const void *data)
{
	ck_assert_int_lt(code, NOTIFICATIONS);
	pthread_mutex_lock(&kernel->lock);
	kernel->notifications[code]++;
	/* All begin with what they are about. */
	memcpy(&kernel->notified[code], data, sizeof(uint64_t));
	pthread_cond_broadcast(&kernel->answered);
	pthread_mutex_unlock(&kernel->lock);
}

static void *reader_main(void *data)
{
	FakeKernel *kernel = data;
	char *message = g_malloc(MESSAGE_MAX);
	ssize_t n;

	while ((n = recv(kernel->fd, message, MESSAGE_MAX, 0)) > 0) {
		struct fuse_out_header header;
		FakeReply *reply;

		memcpy(&header, message, sizeof(header));
		ck_assert_uint_eq(header.len, n);
		if (header.unique == 0) {
			notified(kernel, header.error,
				 message + sizeof(header));
			continue;
		}
		reply = g_new0(FakeReply, 1);
		reply->error = header.error;
		reply->size = (size_t)n - sizeof(header);
		reply->data = g_memdup2(message + sizeof(header), reply->size);
		pthread_mutex_lock(&kernel->lock);
		reply->order = ++kernel->answers;
		/* Each is answered once. */
		ck_assert(!g_hash_table_contains(kernel->replies,
						 &header.unique));
		g_hash_table_insert(kernel->replies,
				    g_memdup2(&header.unique, 8), reply);
		pthread_cond_broadcast(&kernel->answered);
		pthread_mutex_unlock(&kernel->lock);
	}
	g_free(message);
	return NULL;
}

/* With the lock held: one more wait; fails when it takes too long. */
static void wait_locked(FakeKernel *kernel, const struct timespec *until)
{
	ck_assert_int_eq(pthread_cond_timedwait(&kernel->answered,
						&kernel->lock, until),
			 0);
}

static struct timespec patience(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	return until;
}

FakeRequest fake_send(FakeKernel *kernel, uint32_t opcode, uint64_t node,
		      const struct iovec *parts, size_t count)
{
	return fake_send_as(kernel, kernel->uid, kernel->gid, opcode, node,
			    parts, count);
}

FakeRequest fake_send_as(FakeKernel *kernel, uid_t uid, gid_t gid,
			 uint32_t opcode, uint64_t node,
			 const struct iovec *parts, size_t count)
{
	struct fuse_in_header header = {
		.len = sizeof(header),
		.opcode = opcode,
		.nodeid = node,
		.uid = uid,
		.gid = gid,
		.pid = kernel->pid,
	};
	struct iovec all[8] = {{&header, sizeof(header)}};
	struct msghdr message = {.msg_iov = all, .msg_iovlen = count + 1};

	ck_assert_uint_lt(count, G_N_ELEMENTS(all));
	for (size_t i = 0; i < count; i++) {
		all[i + 1] = parts[i];
		header.len += (uint32_t)parts[i].iov_len;
	}
	pthread_mutex_lock(&kernel->lock);
	header.unique = ++kernel->sent * 2;
	if (kernel->interrupt_next) {
		kernel->interrupt_next = false;
		kernel->interrupted_request = header.unique;
	}
	pthread_mutex_unlock(&kernel->lock);
	ck_assert_int_eq(sendmsg(kernel->fd, &message, MSG_NOSIGNAL),
			 header.len);
	return header.unique;
}

void fake_wait(FakeKernel *kernel, FakeRequest request, FakeReply *reply_out)
{
	const struct timespec until = patience();
	FakeReply *reply;

	pthread_mutex_lock(&kernel->lock);
	while ((reply = g_hash_table_lookup(kernel->replies, &request)) == NULL)
		wait_locked(kernel, &until);
	*reply_out = *reply;
	/* The entry stays, without its data, to catch a second answer. */
	reply->data = NULL;
	pthread_mutex_unlock(&kernel->lock);
}

int fake_wait_error(FakeKernel *kernel, FakeRequest request)
{
	FakeReply reply;

	fake_wait(kernel, request, &reply);
	g_free(reply.data);
	return reply.error;
}

bool fake_is_answered(FakeKernel *kernel, FakeRequest request)
{
	bool is;

	pthread_mutex_lock(&kernel->lock);
	is = g_hash_table_contains(kernel->replies, &request);
	pthread_mutex_unlock(&kernel->lock);
	return is;
}

void fake_interrupt_next(FakeKernel *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->interrupt_next = true;
	pthread_mutex_unlock(&kernel->lock);
}

void fake_wait_refused(FakeKernel *kernel)
{
	const struct timespec until = patience();

	pthread_mutex_lock(&kernel->lock);
	while (kernel->interrupted_request != 0)
		wait_locked(kernel, &until);
	pthread_mutex_unlock(&kernel->lock);
}

unsigned fake_count_notifications(FakeKernel *kernel, int code)
{
	unsigned n;

	pthread_mutex_lock(&kernel->lock);
	n = kernel->notifications[code];
	pthread_mutex_unlock(&kernel->lock);
	return n;
}

void fake_wait_notifications(FakeKernel *kernel, int code, unsigned n)
{
	const struct timespec until = patience();

	pthread_mutex_lock(&kernel->lock);
	while (kernel->notifications[code] < n)
		wait_locked(kernel, &until);
	pthread_mutex_unlock(&kernel->lock);
}

void fake_wait_notified(FakeKernel *kernel, int code, uint64_t what)
{
	const struct timespec until = patience();

	pthread_mutex_lock(&kernel->lock);
	while (kernel->notified[code] != what)
		wait_locked(kernel, &until);
	pthread_mutex_unlock(&kernel->lock);
}

void fake_hold_notifications(FakeKernel *kernel, bool hold)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->hold_notifications = hold;
	pthread_cond_broadcast(&kernel->answered);
	pthread_mutex_unlock(&kernel->lock);
}

void fake_wait_held(FakeKernel *kernel)
{
	const struct timespec until = patience();

	pthread_mutex_lock(&kernel->lock);
	while (kernel->held == 0)
		wait_locked(kernel, &until);
	pthread_mutex_unlock(&kernel->lock);
}

/* -- Life -------------------------------------------------------------------
 */

static void note_end(void *data)
{
	FakeKernel *kernel = data;

	ck_assert(!kernel->ended);
	kernel->ended = true;
}

static void shake_hands(FakeKernel *kernel)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 1 << 17,
		/* Whatever it can; but the long form of SETXATTR. */
		.flags = ~(uint32_t)FUSE_SETXATTR_EXT,
		.flags2 = UINT32_MAX,
	};
	struct iovec part = {&in, sizeof(in)};
	FakeReply reply;

	fake_wait(kernel, fake_send(kernel, FUSE_INIT, 0, &part, 1), &reply);
	ck_assert_int_eq(reply.error, 0);
	ck_assert_uint_eq(reply.size, sizeof(kernel->init));
	memcpy(&kernel->init, reply.data, reply.size);
	g_free(reply.data);
}

/* As large as may be: a test may have many requests under way. */
static void widen(int fd)
{
	int size = 8 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) !=
	    0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

FakeKernel *fake_kernel_new(const FakeKernelOptions *options)
{
	static const FakeKernelOptions usual;
	FakeKernel *kernel = g_new0(FakeKernel, 1);
	pthread_condattr_t attributes;
	FsConfig config = {
		.source_name = "fake",
	};
	GError *error = NULL;
	int ends[2];

	if (options == NULL)
		options = &usual;
	ck_assert_ptr_null(the_kernel);
	the_kernel = kernel;
	signal(SIGIO, SIG_IGN); /* of who holds a file, see fake_hold() */
	kernel->directory = g_dir_make_tmp("fake-kernel-XXXXXX", NULL);
	ck_assert_ptr_nonnull(kernel->directory);
	kernel->dir_fd =
		open(kernel->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kernel->set = dirty_set_new(4711, 100000);
	kernel->trees = tree_list_new(kernel->set);
	tree_list_add(kernel->trees, kernel->directory, SINCEFS_TREE_MOUNTED);
	kernel->replies = g_hash_table_new_full(g_int64_hash, g_int64_equal,
						g_free, NULL);
	kernel->lookups = g_hash_table_new_full(g_int64_hash, g_int64_equal,
						g_free, g_free);
	pthread_mutex_init(&kernel->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&kernel->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	kernel->uid = getuid();
	kernel->gid = getgid();
	kernel->pid = (uint32_t)getpid();

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	widen(ends[0]);
	widen(ends[1]);
	kernel->fd = ends[0];
	config.source_fd = fcntl(kernel->dir_fd, F_DUPFD_CLOEXEC, 0);
	config.mountpoint = kernel->directory;
	config.set = kernel->set;
	config.trees = kernel->trees;
	config.ignore = options->ignore;
	config.owner = options->owner != 0 ? options->owner : getuid();
	config.max_descriptors = options->max_descriptors;
	kernel->fs = fs_new_on(&config, &device, ends[1], &error);
	ck_assert_msg(kernel->fs != NULL, "%s", error ? error->message : "");
	kernel->fs->write_delay_us = options->write_delay_us;
	kernel->fs->cache.keep_nothing = options->keep_no_descriptors;
	ck_assert_int_eq(
		pthread_create(&kernel->reader, NULL, reader_main, kernel), 0);
	ck_assert(fs_start(kernel->fs, note_end, kernel, NULL));
	shake_hands(kernel);
	return kernel;
}

void fake_kernel_hang_up(FakeKernel *kernel)
{
	shutdown(kernel->fd, SHUT_WR);
}

bool fake_kernel_has_ended(FakeKernel *kernel)
{
	return kernel->ended;
}

static void remove_directory(const char *directory)
{
	g_autofree char *quoted = g_shell_quote(directory);
	g_autofree char *command = g_strconcat("rm -rf ", quoted, NULL);

	ck_assert_int_eq(system(command), 0);
}

bool fake_kernel_free_fs(FakeKernel *kernel)
{
	bool freed = fs_free(kernel->fs);

	if (freed)
		kernel->fs = NULL;
	return freed;
}

void fake_kernel_free(FakeKernel *kernel)
{
	GHashTableIter iter;
	FakeReply *reply;

	fake_kernel_hang_up(kernel);
	ck_assert(fake_kernel_free_fs(kernel));
	ck_assert(kernel->ended);
	shutdown(kernel->fd, SHUT_RDWR);
	pthread_join(kernel->reader, NULL);
	close(kernel->fd);
	tree_list_free(kernel->trees);
	dirty_set_free(kernel->set);
	g_hash_table_iter_init(&iter, kernel->replies);
	while (g_hash_table_iter_next(&iter, NULL, (void **)&reply)) {
		g_free(reply->data);
		g_free(reply);
	}
	g_hash_table_unref(kernel->replies);
	g_hash_table_unref(kernel->lookups);
	pthread_cond_destroy(&kernel->answered);
	pthread_mutex_destroy(&kernel->lock);
	close(kernel->dir_fd);
	remove_directory(kernel->directory);
	g_free(kernel->directory);
	g_free(kernel);
	the_kernel = NULL;
}

Fs *fake_kernel_get_fs(FakeKernel *kernel)
{
	return kernel->fs;
}

DirtySet *fake_kernel_get_set(FakeKernel *kernel)
{
	return kernel->set;
}

const char *fake_kernel_get_directory(FakeKernel *kernel)
{
	return kernel->directory;
}

int fake_kernel_get_dir_fd(FakeKernel *kernel)
{
	return kernel->dir_fd;
}

const struct fuse_init_out *fake_kernel_get_init(FakeKernel *kernel)
{
	return &kernel->init;
}

void fake_kernel_set_user(FakeKernel *kernel, uid_t uid, gid_t gid)
{
	kernel->uid = uid;
	kernel->gid = gid;
}

void fake_kernel_set_process(FakeKernel *kernel, pid_t pid)
{
	kernel->pid = (uint32_t)pid;
}

int fake_hold(FakeKernel *kernel, const char *path, bool all)
{
	int fd = openat(kernel->dir_fd, path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	/* A lease: who opens the file waits until it is given up. */
	ck_assert_int_eq(fcntl(fd, F_SETLEASE, all ? F_WRLCK : F_RDLCK), 0);
	return fd;
}

void fake_let_go(int hold)
{
	ck_assert_int_eq(fcntl(hold, F_SETLEASE, F_UNLCK), 0);
	close(hold);
}

/* -- Look-ups ----------------------------------------------------------------
 */

void fake_count_lookup(FakeKernel *kernel, uint64_t node)
{
	uint64_t *count;

	pthread_mutex_lock(&kernel->lock);
	count = g_hash_table_lookup(kernel->lookups, &node);
	if (count == NULL) {
		count = g_new0(uint64_t, 1);
		g_hash_table_insert(kernel->lookups, g_memdup2(&node, 8),
				    count);
	}
	++*count;
	pthread_mutex_unlock(&kernel->lock);
}

void fake_forget(FakeKernel *kernel, uint64_t node, uint64_t count)
{
	struct fuse_forget_in in = {.nlookup = count};
	struct iovec part = {&in, sizeof(in)};
	uint64_t *known;

	pthread_mutex_lock(&kernel->lock);
	known = g_hash_table_lookup(kernel->lookups, &node);
	ck_assert(known != NULL && *known >= count);
	*known -= count;
	if (*known == 0)
		g_hash_table_remove(kernel->lookups, &node);
	pthread_mutex_unlock(&kernel->lock);
	fake_send(kernel, FUSE_FORGET, node, &part, 1);
}

void fake_forget_all(FakeKernel *kernel)
{
	enum { AT_ONCE = 1000 };
	struct fuse_forget_one forgets[AT_ONCE];
	struct fuse_batch_forget_in in;
	struct iovec parts[2] = {{&in, sizeof(in)}, {forgets, 0}};
	uint64_t *node, *count;
	GHashTableIter iter;
	struct sincefs_stats stats;

	in = (struct fuse_batch_forget_in){.count = 0};
	g_hash_table_iter_init(&iter, kernel->lookups);
	while (g_hash_table_iter_next(&iter, (void **)&node, (void **)&count)) {
		forgets[in.count++] = (struct fuse_forget_one){
			.nodeid = *node,
			.nlookup = *count,
		};
		g_hash_table_iter_remove(&iter);
		if (in.count < AT_ONCE)
			continue;
		parts[1].iov_len = in.count * sizeof(forgets[0]);
		fake_send(kernel, FUSE_BATCH_FORGET, 0, parts, 2);
		in.count = 0;
	}
	parts[1].iov_len = in.count * sizeof(forgets[0]);
	if (in.count > 0)
		fake_send(kernel, FUSE_BATCH_FORGET, 0, parts, 2);
	/* It has no answer; but what is read after it is. */
	for (int i = 0; i < 1000; i++) {
		const struct timespec pause = {.tv_nsec = 10000000};

		fs_get_stats(kernel->fs, &stats);
		if (stats.inodes == 1)
			return;
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("%u nodes are left", (unsigned)stats.inodes);
}
