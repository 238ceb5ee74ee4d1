/* SPDX-License-Identifier: MIT */
/*
 * race SECONDS MOUNT: promise 1 as a race. Writers change files of their own as
 * fast as they can; a reader asks again and again what changed since its last
 * answer. Every change whose system call had returned before a question began
 * must have been in an answer by then.
 *
 * What is held against what: before its call a writer notes the number of the
 * question that the reader is at (asked), after it that the change is done
 * (done). Before a question the reader notes how much is done; after the
 * answer each of these changes must have been told by a question with the
 * noted number or a later one.
 *
 * Prints how much was changed and asked; exit 1 with a line for each miss.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sincefs/sincefs.h>

#define WRITERS 4
#define FILES 512u /* of each writer */
#define RING 65536u
#define MISSES_MAX 20

typedef struct {
	unsigned number;
	/* By the writer: the question at which change i began, and how many
	   are done. */
	_Atomic uint64_t began[RING];
	_Atomic uint64_t done;
	/* By the reader: how many of them are checked. */
	_Atomic uint64_t checked;
	bool exists[FILES]; /* the writer's own */
} Side;

static Side sides[WRITERS];
static uint64_t told_at[WRITERS][FILES]; /* the reader's: last question */
static _Atomic uint64_t asked = 1;       /* the question under way */
static _Atomic bool stop;
static int mount_fd;

static void die(const char *what, int r)
{
	fprintf(stderr, "race: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

static void name_of(char *name, size_t size, unsigned writer, unsigned file)
{
	snprintf(name, size, "w%u/f%u", writer, file);
}

static int store_by_mapping(const char *name, uint64_t value)
{
	int fd = openat(mount_fd, name, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, 4096) < 0)
		return -1;
	uint64_t *map =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	*map = value;
	int r = msync(map, 4096, MS_SYNC);

	munmap(map, 4096);
	close(fd);
	return r;
}

static int write_some(const char *name, int flags)
{
	int fd = openat(mount_fd, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	ssize_t n = pwrite(fd, name, strlen(name), 0);

	close(fd);
	return n < 0 ? -1 : 0;
}

/* One change of the file, of a kind that depends on @i. */
static int change(Side *side, unsigned file, uint64_t i)
{
	char name[32], other[40];

	name_of(name, sizeof(name), side->number, file);
	if (!side->exists[file]) {
		side->exists[file] = true;
		return write_some(name, O_CREAT | O_EXCL | O_WRONLY);
	}
	switch (i / FILES % 7) {
	case 0:
		return fchmodat(mount_fd, name, 0600 + (i & 077), 0);
	case 1:
		return write_some(name, O_WRONLY | O_APPEND);
	case 2:
		return utimensat(mount_fd, name, NULL, 0);
	case 3:
		return store_by_mapping(name, i);
	case 4:
		/* Into the file from elsewhere: as editors save. */
		snprintf(other, sizeof(other), "%s.tmp", name);
		if (write_some(other, O_CREAT | O_WRONLY) < 0)
			return -1;
		return renameat(mount_fd, other, mount_fd, name);
	case 5:
		return write_some(name, O_WRONLY | O_TRUNC);
	default:
		side->exists[file] = false;
		return unlinkat(mount_fd, name, 0);
	}
}

static void *write_all(void *data)
{
	Side *side = data;

	for (uint64_t i = 0; !atomic_load(&stop); i++) {
		while (i - atomic_load(&side->checked) >= RING)
			if (atomic_load(&stop))
				return NULL;
		atomic_store(&side->began[i % RING], atomic_load(&asked));
		if (change(side, (unsigned)(i % FILES), i) < 0)
			die("a change failed", -errno);
		atomic_store(&side->done, i + 1);
	}
	return NULL;
}

static void note_answer(const struct sincefs_answer *answer, uint64_t question)
{
	for (size_t i = 0; i < sincefs_answer_count(answer); i++) {
		struct sincefs_change record;
		unsigned writer, file;
		char end;

		sincefs_answer_get(answer, i, &record);
		if (sscanf(record.path, "w%u/f%u%c", &writer, &file, &end) ==
			    2 &&
		    writer < WRITERS && file < FILES)
			told_at[writer][file] = question;
	}
}

static unsigned check_side(Side *side, uint64_t upto)
{
	unsigned missed = 0;

	for (uint64_t i = atomic_load(&side->checked); i < upto; i++) {
		uint64_t began = atomic_load(&side->began[i % RING]);
		uint64_t told = told_at[side->number][i % FILES];

		if (told >= began)
			continue;
		missed++;
		printf("# missed: change %llu of writer %u (file %llu, kind "
		       "%llu), begun at question %llu, told last by %llu\n",
		       (unsigned long long)i, side->number,
		       (unsigned long long)(i % FILES),
		       (unsigned long long)(i / FILES % 7),
		       (unsigned long long)began, (unsigned long long)told);
	}
	atomic_store(&side->checked, upto);
	return missed;
}

static bool is_over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec > end->tv_nsec);
}

/* Ask until the time is over; how many changes were missed. */
static unsigned read_all(const char *path, const struct timespec *end)
{
	struct sincefs_filter filter = {.flags = SINCEFS_FILTER_NO_SYNC};
	struct sincefs_token token;
	struct sincefs *conn;
	unsigned missed = 0;
	int r = sincefs_open(path, &conn);

	if (r == 0)
		r = sincefs_now(conn, &token);
	if (r < 0)
		die("cannot connect", r);

	pthread_t threads[WRITERS];

	for (unsigned w = 0; w < WRITERS; w++)
		if (pthread_create(&threads[w], NULL, write_all, &sides[w]))
			die("cannot start a thread", -EAGAIN);
	while (!is_over(end) && missed < MISSES_MAX) {
		struct sincefs_answer *answer;
		uint64_t upto[WRITERS];
		uint64_t question = atomic_load(&asked);

		for (unsigned w = 0; w < WRITERS; w++)
			upto[w] = atomic_load(&sides[w].done);
		r = sincefs_since(conn, &token, &filter, &answer);
		if (r < 0)
			die("cannot ask", r);
		if (sincefs_answer_is_fresh(answer))
			die("an answer is FRESH", -ERANGE);
		note_answer(answer, question);
		atomic_store(&asked, question + 1);
		sincefs_answer_token(answer, &token);
		sincefs_answer_free(answer);
		for (unsigned w = 0; w < WRITERS; w++)
			missed += check_side(&sides[w], upto[w]);
	}
	atomic_store(&stop, true);
	for (unsigned w = 0; w < WRITERS; w++)
		pthread_join(threads[w], NULL);
	sincefs_close(conn);
	return missed;
}

int main(int argc, char **argv)
{
	struct timespec end;
	uint64_t changes = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: race SECONDS MOUNT\n");
		return 2;
	}
	mount_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0)
		die(argv[2], -errno);
	for (unsigned w = 0; w < WRITERS; w++) {
		char name[16];

		snprintf(name, sizeof(name), "w%u", w);
		if (mkdirat(mount_fd, name, 0755) < 0)
			die(name, -errno);
		sides[w].number = w;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += strtol(argv[1], NULL, 10);
	unsigned missed = read_all(argv[2], &end);

	for (unsigned w = 0; w < WRITERS; w++)
		changes += atomic_load(&sides[w].checked);
	printf("# %llu changes, %llu questions, %u missed\n",
	       (unsigned long long)changes,
	       (unsigned long long)atomic_load(&asked) - 1, missed);
	return missed || !changes ? EXIT_FAILURE : EXIT_SUCCESS;
}
