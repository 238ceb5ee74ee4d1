/* SPDX-License-Identifier: MIT */
/*
 * libsincefs: the client's side of the protocol.
 *
 * The daemon is not trusted: it may be broken, of another version, or somebody
 * else's program below a directory that happens to hold a file named .sincefs.
 * What it sends is checked before it is used, and what can not be true is
 * -EPROTO, never a guess:
 *
 *  (1) A page's records fill its bytes exactly; each lies inside, and its path
 *      is a NUL-terminated relative path without "..", "." or empty parts, so
 *      that a caller may join it to a directory of its own.
 *  (2) Clocks rise from the question's to the page's token through all records.
 *  (3) A page that says MORE has moved on, so paging ends. While writers are
 *      busy it ends too: a page is read far faster than it is written.
 *  (4) A list is from the instance that was asked about. FRESH on any page
 *      makes the whole answer FRESH: what came before it is no answer.
 *  (5) Nothing that is opened here can block or has side effects: the control
 *      file is a regular file before it is opened, and stays one after.
 *
 * A path that changes while its answer is being paged is met twice. The answer
 * holds it once, where the later one stands, as merge_record() says.
 *
 * To vendor the library take this file and the two public headers, C99 and
 * libc; nothing else is needed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, syncfs(2) */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* stat(2) must not fail for a large number */
#endif

#include <sincefs/sincefs.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef SINCEFS_TESTING
#include "core/client/answer-internal.h"
#define INTERNAL
#else
typedef int sincefs_ask_fn(void *data, struct sincefs_page *page);
#define INTERNAL static
#endif

/* As in configure.ac, which a project that vendors this file does not have. */
#define LIBRARY_VERSION "0.1.0"

/* How long to rest when poll(2) has nothing more to wait for. */
#define NAP_MS 10

struct sincefs {
	int fd; /* owned; of the control file */
};

/* The records of all pages as they came, one after the other, and where each
   that counts begins. */
struct sincefs_answer {
	struct sincefs_token token;
	uint32_t reason;     /* 0: a list, else FRESH */
	unsigned char *data; /* owned */
	size_t data_bytes, data_room;
	size_t *offsets; /* owned */
	size_t count, room;
};

const char *sincefs_version(void)
{
	return LIBRARY_VERSION;
}

/* Requests. */

/* The kernel has several words for a connection without a daemon. */
static int error_of_gone(int error)
{
	if (error == ECONNABORTED || error == ECONNREFUSED)
		return -ENOTCONN;
	return -error;
}

/* A daemon chooses what its ioctl returns; the protocol knows only 0. */
static int request(int fd, unsigned long number, void *data)
{
	int result = ioctl(fd, number, data);

	if (result == -1)
		return error_of_gone(errno);
	return result == 0 ? 0 : -EPROTO;
}

INTERNAL int sincefs_info_check(const struct sincefs_info *info)
{
	if (info->signature != SINCEFS_SIGNATURE)
		return -EPROTO;
	if (info->version != SINCEFS_PROTOCOL_VERSION)
		return -EPROTO;
	if (info->now.instance == 0 || info->now.clock == 0)
		return -EPROTO;
	return 0;
}

INTERNAL int sincefs_tree_check(uint32_t id, const struct sincefs_tree *tree)
{
	if (tree->id != id)
		return -EPROTO;
	if (memchr(tree->root, '\0', sizeof(tree->root)) == NULL)
		return -EPROTO;
	return 0;
}

INTERNAL int sincefs_info_changed(const struct sincefs_info *info,
				  const struct sincefs_token *token)
{
	/* A clock above now is as doubtful as one below. */
	return token->instance != info->now.instance ||
	       token->clock != info->now.clock || token->clock < info->floor;
}

/* Connection. */

/* Open the directory that @path is or, if it is something else, lies in. */
static int open_directory(const char *path)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int fd = open(path, flags);
	struct stat st;

	if (fd >= 0)
		return fd;
	if (errno != ENOTDIR)
		return error_of_gone(errno);
	if (lstat(path, &st) < 0)
		return error_of_gone(errno);

	/* A symbolic link names a file of another directory. */
	char *name = S_ISLNK(st.st_mode) ? realpath(path, NULL) : strdup(path);

	if (name == NULL)
		return error_of_gone(errno);

	char *slash = strrchr(name, '/');

	if (slash == NULL)
		fd = open(".", flags);
	else {
		slash[1] = '\0';
		fd = open(name, flags);
	}

	int result = fd >= 0 ? fd : error_of_gone(errno);

	free(name);
	return result;
}

/* (5): a symbolic link or a fifo of that name is not followed or opened; and
   O_NONBLOCK is for the one that takes its place in between. */
static int open_control(int directory)
{
	struct stat st;

	if (fstatat(directory, SINCEFS_CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) <
	    0)
		return errno == ENOENT ? -ENOTTY : error_of_gone(errno);
	if (!S_ISREG(st.st_mode))
		return -ENOTTY;

	int fd = openat(directory, SINCEFS_CONTROL_NAME,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW |
				O_NOCTTY);

	if (fd < 0) {
		switch (errno) {
		case ENOENT: /* these five: it has been replaced by now, */
		case ELOOP:
		case ENXIO:
		case ENODEV:
		case EAGAIN: /* or somebody holds a lease on it */
			return -ENOTTY;
		default:
			return error_of_gone(errno);
		}
	}
	if (fstat(fd, &st) < 0) {
		int result = error_of_gone(errno);

		close(fd);
		return result;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOTTY;
	}
	return fd;
}

static int get_info(int fd, struct sincefs_info *info)
{
	memset(info, 0, sizeof(*info));

	int result = request(fd, SINCEFS_IOC_INFO, info);

	return result < 0 ? result : sincefs_info_check(info);
}

/* What file systems say to an ioctl they do not know. */
static bool is_unknown_request(int result)
{
	return result == -ENOTTY || result == -ENOSYS || result == -EINVAL ||
	       result == -EOPNOTSUPP;
}

int sincefs_open(const char *path, struct sincefs **conn_out)
{
	int directory = open_directory(path);

	if (directory < 0)
		return directory;

	int fd = open_control(directory);

	close(directory);
	if (fd < 0)
		return fd;

	struct sincefs_info info;
	int result = get_info(fd, &info);

	if (result < 0) {
		close(fd);
		return is_unknown_request(result) ? -ENOTTY : result;
	}

	struct sincefs *conn = malloc(sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return -ENOMEM;
	}
	conn->fd = fd;
	*conn_out = conn;
	return 0;
}

void sincefs_close(struct sincefs *conn)
{
	if (conn == NULL)
		return;
	close(conn->fd);
	free(conn);
}

int sincefs_fd(const struct sincefs *conn)
{
	return conn->fd;
}

int sincefs_get_info(struct sincefs *conn, struct sincefs_info *info_out)
{
	struct sincefs_info info;
	int result = get_info(conn->fd, &info);

	if (result == 0)
		*info_out = info;
	return result;
}

int sincefs_get_tree(struct sincefs *conn, uint32_t id,
		     struct sincefs_tree *tree_out)
{
	struct sincefs_tree tree;

	memset(&tree, 0, sizeof(tree));
	tree.id = id;

	int result = request(conn->fd, SINCEFS_IOC_TREE, &tree);

	if (result == 0)
		result = sincefs_tree_check(id, &tree);
	if (result == 0)
		*tree_out = tree;
	return result;
}

int sincefs_get_stats(struct sincefs *conn, struct sincefs_stats *stats_out)
{
	struct sincefs_stats stats;
	int result = request(conn->fd, SINCEFS_IOC_STATS, &stats);

	if (result < 0)
		return result;
	stats.hidden_in[sizeof(stats.hidden_in) - 1] = '\0';
	*stats_out = stats;
	return 0;
}

int sincefs_now(struct sincefs *conn, struct sincefs_token *token_out)
{
	struct sincefs_info info;
	int result = get_info(conn->fd, &info);

	if (result == 0)
		*token_out = info.now;
	return result;
}

/* Pages. */

/* The record, its path, NUL, and zeros up to a multiple of 8. */
static size_t record_size(uint16_t length)
{
	return (sizeof(struct sincefs_record) + length + 1 + 7) & ~(size_t)7;
}

/* (1) for one part of a path. */
static bool is_part(const unsigned char *part, size_t length)
{
	if (length == 0)
		return false;
	if (part[0] != '.')
		return true;
	return length > 1 && !(length == 2 && part[1] == '.');
}

/* (1) for the @size bytes after a record, of which @length are its path. */
static bool is_path(const unsigned char *path, size_t length, size_t size)
{
	size_t start = 0;

	for (size_t i = length; i < size; i++)
		if (path[i] != '\0')
			return false;
	if (memchr(path, '\0', length) != NULL)
		return false;
	if (length == 1 && path[0] == '.')
		return true; /* the root */
	for (size_t i = 0; i <= length; i++) {
		if (i < length && path[i] != '/')
			continue;
		if (!is_part(path + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

/* Check the records of @page: 0, and the last one's clock (or @clock), or
   -EPROTO. */
static int check_records(const struct sincefs_page *page, uint32_t tree,
			 uint64_t *clock)
{
	size_t offset = 0;

	for (uint32_t i = 0; i < page->count; i++) {
		struct sincefs_record record;
		size_t left = page->bytes - offset;

		if (left < sizeof(record))
			return -EPROTO;
		memcpy(&record, page->data + offset, sizeof(record));

		size_t size = record_size(record.length);

		if (size > left)
			return -EPROTO;
		if (record.clock <= *clock)
			return -EPROTO;
		if (record.tree == 0 ||
		    (tree != SINCEFS_TREE_ALL && record.tree != tree))
			return -EPROTO;
		if (!is_path(page->data + offset + sizeof(record),
			     record.length, size - sizeof(record)))
			return -EPROTO;
		*clock = record.clock;
		offset += size;
	}
	return offset == page->bytes ? 0 : -EPROTO;
}

INTERNAL int sincefs_page_check(const struct sincefs_token *since,
				uint32_t tree, const struct sincefs_page *page)
{
	uint64_t clock = since->clock;

	if (page->signature != SINCEFS_SIGNATURE)
		return -EPROTO;
	if (page->flags & ~(SINCEFS_FRESH | SINCEFS_MORE))
		return -EPROTO;
	if (page->token.instance == 0 || page->token.clock == 0)
		return -EPROTO;
	if (page->bytes > sizeof(page->data))
		return -EPROTO;

	if (page->flags & SINCEFS_FRESH) {
		if (page->flags & SINCEFS_MORE)
			return -EPROTO;
		if (page->count != 0 || page->bytes != 0 || page->reason == 0)
			return -EPROTO;
		return 0;
	}

	if (page->reason != 0 || page->token.instance != since->instance)
		return -EPROTO; /* (4) */
	if (check_records(page, tree, &clock) < 0)
		return -EPROTO;
	if (page->token.clock < clock)
		return -EPROTO; /* (2) */
	if ((page->flags & SINCEFS_MORE) && page->token.clock <= since->clock)
		return -EPROTO; /* (3) */
	return 0;
}

/* Answers. */

/* Make room for @extra more elements: the new memory, or NULL. */
static void *reserve(void *memory, size_t used, size_t extra, size_t *room,
		     size_t element)
{
	if (extra > SIZE_MAX / element / 2 - used)
		return NULL;

	size_t wanted = used + extra;

	if (wanted <= *room && memory != NULL)
		return memory;
	if (wanted < used * 2)
		wanted = used * 2;

	void *grown = realloc(memory, wanted * element);

	if (grown != NULL)
		*room = wanted;
	return grown;
}

/* Keep the records of a page that was checked. */
static int add_records(struct sincefs_answer *answer,
		       const struct sincefs_page *page)
{
	if (page->count == 0)
		return 0;

	unsigned char *data = reserve(answer->data, answer->data_bytes,
				      page->bytes, &answer->data_room, 1);

	if (data == NULL)
		return -ENOMEM;
	answer->data = data;

	size_t *offsets = reserve(answer->offsets, answer->count, page->count,
				  &answer->room, sizeof(*offsets));

	if (offsets == NULL)
		return -ENOMEM;
	answer->offsets = offsets;

	memcpy(data + answer->data_bytes, page->data, page->bytes);
	for (uint32_t i = 0; i < page->count; i++) {
		struct sincefs_record record;

		memcpy(&record, data + answer->data_bytes, sizeof(record));
		offsets[answer->count++] = answer->data_bytes;
		answer->data_bytes += record_size(record.length);
	}
	return 0;
}

static struct sincefs_record read_record(const struct sincefs_answer *answer,
					 size_t index)
{
	struct sincefs_record record;

	memcpy(&record, answer->data + answer->offsets[index], sizeof(record));
	return record;
}

static const char *record_path(const struct sincefs_answer *answer,
			       size_t index)
{
	return (const char *)answer->data + answer->offsets[index] +
	       sizeof(struct sincefs_record);
}

/*
 * The same name was met @earlier and @later in one answer: it changed again
 * while the pages were read. The later record stands for both, with
 *  - every kind of change of either;
 *  - NEW of the earlier one, as it is the one that was asked with a token
 *    nearer to the caller's; the later page only knew the token of a page;
 *  - GONE of the later one, which is about the last change;
 *  - MIXED when the two have different writers, as the record names but one.
 */
static void merge_record(struct sincefs_answer *answer, size_t earlier,
			 size_t later)
{
	const uint16_t both = (uint16_t) ~(SINCEFS_NEW | SINCEFS_GONE);
	struct sincefs_record old = read_record(answer, earlier);
	struct sincefs_record record = read_record(answer, later);

	record.flags = (uint16_t)(((record.flags | old.flags) & both) |
				  (record.flags & SINCEFS_GONE) |
				  (old.flags & SINCEFS_NEW));
	if (record.pid != old.pid)
		record.flags |= SINCEFS_MIXED;
	memcpy(answer->data + answer->offsets[later], &record, sizeof(record));
}

static bool is_same_name(const struct sincefs_answer *answer, size_t a,
			 size_t b)
{
	struct sincefs_record one = read_record(answer, a);
	struct sincefs_record two = read_record(answer, b);

	return one.tree == two.tree && one.length == two.length &&
	       memcmp(record_path(answer, a), record_path(answer, b),
		      one.length) == 0;
}

/*
 * A polynomial over the path in the field of 2^31 - 1 elements. The base comes
 * from the instance, a random number, so that nobody can choose names whose
 * hashes are equal.
 */
static size_t hash_name(const struct sincefs_answer *answer, size_t index)
{
	const uint64_t prime = (UINT64_C(1) << 31) - 1;
	const uint64_t base = answer->token.instance % (prime - 2) + 2;
	struct sincefs_record record = read_record(answer, index);
	const char *path = record_path(answer, index);
	uint64_t hash = record.tree % prime;

	for (size_t i = 0; i < record.length; i++)
		hash = (hash * base + (unsigned char)path[i] + 1) % prime;
	return (size_t)hash;
}

/* Leave one record for each name. A single page may hold a name twice too, as
   the daemon lets writers in while it makes one. */
static int merge_repeated(struct sincefs_answer *answer)
{
	size_t size = 16;

	if (answer->count < 2)
		return 0;
	while (size / 2 < answer->count) {
		if (size > SIZE_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}

	size_t *slots = calloc(size, sizeof(*slots)); /* 0, or index + 1 */

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < answer->count; i++) {
		size_t slot = hash_name(answer, i) & (size - 1);

		while (slots[slot] != 0 &&
		       !is_same_name(answer, slots[slot] - 1, i))
			slot = (slot + 1) & (size - 1);
		if (slots[slot] != 0)
			merge_record(answer, slots[slot] - 1, i);
		slots[slot] = i + 1;
	}

	/* A record counts if its name's slot still points to it; the indices
	   do not move before all slots have been asked. */
	size_t kept = 0;
	bool *counts = calloc(answer->count, sizeof(*counts));

	if (counts == NULL) {
		free(slots);
		return -ENOMEM;
	}
	for (size_t slot = 0; slot < size; slot++)
		if (slots[slot] != 0)
			counts[slots[slot] - 1] = true;
	for (size_t i = 0; i < answer->count; i++)
		if (counts[i])
			answer->offsets[kept++] = answer->offsets[i];
	answer->count = kept;
	free(counts);
	free(slots);
	return 0;
}

static int ask_question(struct sincefs_page *question,
			const struct sincefs_token *token,
			const struct sincefs_filter *filter)
{
	const uint32_t flags = SINCEFS_FILTER_NO_SYNC | SINCEFS_FILTER_BELOW;
	const uint32_t mask = SINCEFS_CONTENT | SINCEFS_META | SINCEFS_TIMES;

	/* All of it is sent, so none of it may be what was in memory. */
	memset(question, 0, sizeof(*question));
	question->signature = SINCEFS_SIGNATURE;
	question->token = *token;
	if (filter == NULL)
		return 0;
	if ((filter->flags & ~flags) || (filter->mask & ~mask))
		return -EINVAL;
	if (filter->zero32 != 0)
		return -EINVAL;
	if (filter->names_bytes > sizeof(question->names) - 1)
		return -EINVAL;
	if (filter->names_bytes > 0) {
		if (filter->names == NULL)
			return -EINVAL;
		memcpy(question->names, filter->names, filter->names_bytes);
	}
	if (filter->flags & SINCEFS_FILTER_BELOW)
		question->flags = SINCEFS_BELOW;
	question->tree = filter->tree;
	question->mask = filter->mask;
	return 0;
}

static void make_fresh(struct sincefs_answer *answer, uint32_t reason)
{
	free(answer->data);
	free(answer->offsets);
	answer->data = NULL;
	answer->offsets = NULL;
	answer->data_bytes = answer->data_room = 0;
	answer->count = answer->room = 0;
	answer->reason = reason;
}

/* Read all pages into @answer, which is empty. @page is the question. */
static int read_pages(sincefs_ask_fn *ask, void *data,
		      struct sincefs_page *page, struct sincefs_answer *answer)
{
	/* What is asked does not change; a daemon may overwrite it. */
	struct sincefs_page question = *page;

	for (;;) {
		int result = ask(data, page);

		if (result < 0)
			return result;
		if (sincefs_page_check(&question.token, question.tree, page) <
		    0)
			return -EPROTO;
		answer->token = page->token;
		if (page->flags & SINCEFS_FRESH) {
			make_fresh(answer, page->reason); /* (4) */
			return 0;
		}
		result = add_records(answer, page);
		if (result < 0)
			return result;
		if (!(page->flags & SINCEFS_MORE))
			return merge_repeated(answer);
		question.token = page->token;
		memcpy(page, &question, SINCEFS_PAGE_HEADER_SIZE);
	}
}

INTERNAL int sincefs_collect(sincefs_ask_fn *ask, void *data,
			     const struct sincefs_token *token,
			     const struct sincefs_filter *filter,
			     struct sincefs_answer **answer_out)
{
	struct sincefs_page page;
	int result = ask_question(&page, token, filter);

	if (result < 0)
		return result;

	struct sincefs_answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL)
		return -ENOMEM;
	result = read_pages(ask, data, &page, answer);
	if (result < 0)
		sincefs_answer_free(answer);
	else
		*answer_out = answer;
	return result;
}

static int ask_mount(void *data, struct sincefs_page *page)
{
	struct sincefs *conn = data;

	return request(conn->fd, SINCEFS_IOC_SINCE, page);
}

int sincefs_since(struct sincefs *conn, const struct sincefs_token *token,
		  const struct sincefs_filter *filter,
		  struct sincefs_answer **answer_out)
{
	if (filter == NULL || !(filter->flags & SINCEFS_FILTER_NO_SYNC))
		(void)syncfs(conn->fd); /* says old write errors: not ours */
	return sincefs_collect(ask_mount, conn, token, filter, answer_out);
}

int sincefs_answer_is_fresh(const struct sincefs_answer *answer)
{
	return answer->reason != 0;
}

uint32_t sincefs_answer_reason(const struct sincefs_answer *answer)
{
	return answer->reason;
}

void sincefs_answer_token(const struct sincefs_answer *answer,
			  struct sincefs_token *token_out)
{
	*token_out = answer->token;
}

size_t sincefs_answer_count(const struct sincefs_answer *answer)
{
	return answer->count;
}

int sincefs_answer_get(const struct sincefs_answer *answer, size_t index,
		       struct sincefs_change *change_out)
{
	if (index >= answer->count)
		return -ERANGE;

	struct sincefs_record record = read_record(answer, index);

	change_out->clock = record.clock;
	change_out->tree = record.tree;
	change_out->pid = record.pid;
	change_out->uid = record.uid;
	change_out->flags = record.flags;
	change_out->length = record.length;
	change_out->path = record_path(answer, index);
	return 0;
}

void sincefs_answer_free(struct sincefs_answer *answer)
{
	if (answer == NULL)
		return;
	free(answer->data);
	free(answer->offsets);
	free(answer);
}

/* Waiting. */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* -1: never. */
static int64_t deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ns() + (int64_t)timeout_ms * 1000000;
}

/* As poll(2) wants it, rounded up: no turn is spent on the last fraction. */
static int left_ms(int64_t deadline)
{
	if (deadline < 0)
		return -1;

	int64_t left = deadline - now_ns();

	return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

static int nap(int64_t deadline)
{
	int left = left_ms(deadline);

	if (left < 0 || left > NAP_MS)
		left = NAP_MS;
	return poll(NULL, 0, left) < 0 ? -errno : 0;
}

/* Until readable: 1, or 0 when the time is over. The kernel reports a daemon
   that is gone, or that answered the poll with an error, as POLLERR. */
static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	int n = poll(&pollfd, 1, left_ms(deadline));

	if (n < 0)
		return -errno;
	if (n > 0 && (pollfd.revents & (POLLERR | POLLHUP | POLLNVAL))) {
		struct sincefs_info info;
		int result = get_info(fd, &info);

		return result < 0 ? result : -EIO;
	}
	return n;
}

int sincefs_changed(struct sincefs *conn, const struct sincefs_token *token)
{
	struct sincefs_info info;
	int result = get_info(conn->fd, &info);

	return result < 0 ? result : sincefs_info_changed(&info, token);
}

int sincefs_wait(struct sincefs *conn, const struct sincefs_token *token,
		 int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);

	for (;;) {
		/* First ask: it answers for what is already past, and from the
		   clock that it returns, which is the token's, the descriptor
		   tells of what comes. */
		int result = sincefs_changed(conn, token);

		if (result != 0)
			return result;
		if (left_ms(deadline) == 0)
			return 0;
		result = wait_readable(conn->fd, deadline);
		if (result < 0)
			return result;
		if (result == 0)
			continue; /* asks once more, then the time is over */

		/* Readable and nothing changed: a scan asked for on this
		   connection has ended, and it stays readable for that. */
		result = sincefs_changed(conn, token);
		if (result == 0)
			result = nap(deadline);
		if (result != 0)
			return result;
	}
}

int sincefs_scan(struct sincefs *conn, uint32_t tree, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	struct sincefs_scan scan = {.tree = tree};
	int result = request(conn->fd, SINCEFS_IOC_SCAN, &scan);

	if (result == -ENOTTY)
		return -ENOTSUP; /* a daemon without this request */
	if (result < 0)
		return result;

	/* The clock is not asked for here: that would move the one from which
	   the caller's own poll(2) waits past changes it has not seen. So the
	   descriptor may be readable all the time. */
	for (;;) {
		struct sincefs_tree now;

		result = sincefs_get_tree(conn, tree, &now);
		if (result < 0)
			return result;
		if (now.scans >= scan.scans)
			return 1;
		if (left_ms(deadline) == 0)
			return 0;
		result = wait_readable(conn->fd, deadline);
		if (result > 0)
			result = nap(deadline);
		if (result < 0)
			return result;
	}
}

/* Tokens as text. */

#define TOKEN_PREFIX "sincefs:"

int sincefs_token_format(const struct sincefs_token *token, char *text,
			 size_t size)
{
	char whole[SINCEFS_TOKEN_TEXT_SIZE];
	int n = snprintf(whole, sizeof(whole),
			 TOKEN_PREFIX "%" PRIu32 ":%016" PRIx64 ":%" PRIu64,
			 SINCEFS_PROTOCOL_VERSION, token->instance,
			 token->clock);

	if (n < 0 || (size_t)n >= sizeof(whole) || (size_t)n >= size)
		return -ERANGE;
	memcpy(text, whole, (size_t)n + 1);
	return 0;
}

/* A decimal number as printf writes it, up to @end: where that stands, or NULL
   for anything else. *@is_big: well written, but no uint64_t. */
static const char *parse_decimal(const char *text, char end, uint64_t *value,
				 bool *is_big)
{
	const char *p = text;
	uint64_t sum = 0;

	*is_big = false;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (sum > (UINT64_MAX - digit) / 10)
			*is_big = true;
		else
			sum = sum * 10 + digit;
	}
	if (p == text || *p != end || (*text == '0' && p - text > 1))
		return NULL;
	*value = sum;
	return p;
}

/* Only what sincefs_token_format() writes: a token has one text. */
int sincefs_token_parse(const char *text, struct sincefs_token *token_out)
{
	struct sincefs_token token = {0, 0};
	uint64_t version;
	bool is_big;

	if (strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) != 0)
		return -EINVAL;

	const char *p = parse_decimal(text + strlen(TOKEN_PREFIX), ':',
				      &version, &is_big);

	if (p == NULL)
		return -EINVAL;
	if (version != SINCEFS_PROTOCOL_VERSION)
		return -EPROTO;

	p++;
	for (int i = 0; i < 16; i++, p++) {
		unsigned digit;

		if (*p >= '0' && *p <= '9')
			digit = (unsigned)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			digit = (unsigned)(*p - 'a') + 10;
		else
			return -EINVAL;
		token.instance = token.instance << 4 | digit;
	}
	if (*p != ':')
		return -EINVAL;
	p = parse_decimal(p + 1, '\0', &token.clock, &is_big);
	if (p == NULL || is_big)
		return -EINVAL;
	*token_out = token;
	return 0;
}
