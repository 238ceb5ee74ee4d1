/* SPDX-License-Identifier: MIT */
/*
 * identity SECONDS MOUNT BELOW: no byte of one file in another.
 *
 * Every eight bytes of a file carry its identity. Movers put new files over
 * old names, exchange names and exchange the directories they lie in; readers
 * hold files open and read them again and again past the page cache; writers
 * write through descriptors and through mappings that they hold across all
 * that. Whatever is read through a descriptor must carry the identity that was
 * read first, and at the end each file below the mount must be of one piece.
 *
 * Prints how much was done; exit 1 with a line for each mix-up.
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

#define DIRS 3u
#define NAMES 6u /* in each directory */
#define PAGE 4096u
#define FILE_SIZE (4 * PAGE)
#define WORDS (PAGE / sizeof(uint64_t))
#define WRONG_MAX 20u

/* A word: the identity, and below it a count that writers change. */
#define COUNT_BITS 24

static _Atomic bool stop;
static _Atomic unsigned wrong;
static _Atomic uint64_t last_identity;
static _Atomic unsigned long reads, writes, stores, moves;
static int mount_fd;

typedef struct {
	pthread_t thread;
	uint64_t random;
	unsigned number;
} Worker;

static unsigned choose(Worker *worker, unsigned n)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return (unsigned)(worker->random >> 33) % n;
}

static void choose_name(Worker *worker, char *name, size_t size)
{
	snprintf(name, size, "d%u/f%u", choose(worker, DIRS),
		 choose(worker, NAMES));
}

static void report(const char *who, const char *name, uint64_t expected,
		   uint64_t found, off_t offset)
{
	if (atomic_fetch_add(&wrong, 1) >= WRONG_MAX)
		atomic_store(&stop, true);
	printf("# %s, opened as '%s': identity %llu has %llu at %lld\n", who,
	       name, (unsigned long long)expected, (unsigned long long)found,
	       (long long)offset);
}

/* Are all words of the page of one identity? */
static bool check_page(const char *who, const char *name, uint64_t identity,
		       const uint64_t *words, off_t offset)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i] >> COUNT_BITS == identity)
			continue;
		report(who, name, identity, words[i] >> COUNT_BITS,
		       offset + (off_t)(i * sizeof(uint64_t)));
		return false;
	}
	return true;
}

static void fill_page(uint64_t *words, uint64_t identity, uint64_t count)
{
	count &= (UINT64_C(1) << COUNT_BITS) - 1;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = identity << COUNT_BITS | count;
}

static int make_file(int dir_fd, const char *name)
{
	uint64_t identity = atomic_fetch_add(&last_identity, 1) + 1;
	uint64_t words[WORDS];
	int fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			0644);

	if (fd < 0)
		return -1;
	fill_page(words, identity, 0);
	for (unsigned i = 0; i < FILE_SIZE / PAGE; i++)
		if (pwrite(fd, words, PAGE, i * PAGE) != PAGE)
			return -1;
	return close(fd);
}

/* The identity of an open file, from its first word; 0 when it has none. */
static uint64_t get_identity(int fd)
{
	uint64_t word = 0;

	if (pread(fd, &word, sizeof(word), 0) != sizeof(word))
		return 0;
	return word >> COUNT_BITS;
}

static int open_some(Worker *worker, int flags, char *name, size_t size,
		     uint64_t *identity_out)
{
	choose_name(worker, name, size);
	int fd = openat(mount_fd, name, flags | O_CLOEXEC);

	if (fd < 0)
		return -1; /* between two names: it is there again at once */
	*identity_out = get_identity(fd);
	if (!*identity_out) {
		report("first read", name, 0, 0, 0);
		close(fd);
		return -1;
	}
	return fd;
}

static void *read_files(void *data)
{
	Worker *worker = data;
	uint64_t words[WORDS], identity;
	char name[32];

	while (!atomic_load(&stop)) {
		int fd = open_some(worker, O_RDONLY, name, sizeof(name),
				   &identity);

		if (fd < 0)
			continue;
		for (unsigned i = 0; i < 20; i++) {
			off_t offset = (off_t)choose(worker, 4) * PAGE;

			/* So that the next read is a request. */
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			if (pread(fd, words, PAGE, offset) != PAGE)
				report("short read", name, identity, 0, offset);
			else if (!check_page("read", name, identity, words,
					     offset))
				break;
			atomic_fetch_add(&reads, 1);
		}
		close(fd);
	}
	return NULL;
}

static void *write_files(void *data)
{
	Worker *worker = data;
	uint64_t words[WORDS], identity;
	char name[32];

	for (uint64_t count = 0; !atomic_load(&stop); count++) {
		int fd = open_some(worker, O_RDWR, name, sizeof(name),
				   &identity);

		if (fd < 0)
			continue;
		for (unsigned i = 0; i < 10; i++) {
			fill_page(words, identity, count);
			if (pwrite(fd, words, PAGE,
				   (off_t)choose(worker, 4) * PAGE) != PAGE)
				report("short write", name, identity, 0, 0);
			atomic_fetch_add(&writes, 1);
		}
		close(fd);
	}
	return NULL;
}

static void *store_in_files(void *data)
{
	Worker *worker = data;
	uint64_t identity;
	char name[32];

	for (uint64_t count = 0; !atomic_load(&stop); count++) {
		int fd = open_some(worker, O_RDWR, name, sizeof(name),
				   &identity);

		if (fd < 0)
			continue;
		uint64_t *map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_SHARED, fd, 0);

		close(fd);
		if (map == MAP_FAILED) {
			report("mmap", name, identity, 0, 0);
			continue;
		}
		for (unsigned i = 0; i < 10; i++) {
			unsigned page = choose(worker, 4);

			check_page("mapping", name, identity,
				   map + page * WORDS, (off_t)page * PAGE);
			fill_page(map + page * WORDS, identity, count);
			if (choose(worker, 2) && msync(map, FILE_SIZE, MS_SYNC))
				report("msync", name, identity, 0, 0);
			atomic_fetch_add(&stores, 1);
		}
		munmap(map, FILE_SIZE);
	}
	return NULL;
}

static void *move_files(void *data)
{
	Worker *worker = data;
	char one[32], two[32], temporary[32];

	snprintf(temporary, sizeof(temporary), "new%u", worker->number);
	while (!atomic_load(&stop)) {
		int r;

		choose_name(worker, one, sizeof(one));
		choose_name(worker, two, sizeof(two));
		switch (choose(worker, 4)) {
		case 0:
			snprintf(one, sizeof(one), "d%u", choose(worker, DIRS));
			snprintf(two, sizeof(two), "d%u", choose(worker, DIRS));
			__attribute__((fallthrough));
		case 1:
			r = renameat2(mount_fd, one, mount_fd, two,
				      RENAME_EXCHANGE);
			break;
		default:
			r = make_file(mount_fd, temporary);
			if (r == 0)
				r = renameat(mount_fd, temporary, mount_fd,
					     one);
			break;
		}
		if (r < 0) {
			printf("# a move failed: %s\n", strerror(errno));
			atomic_fetch_add(&wrong, 1);
			return NULL;
		}
		atomic_fetch_add(&moves, 1);
	}
	return NULL;
}

static void check_below(int below_fd)
{
	uint64_t seen[DIRS * NAMES];
	uint64_t words[WORDS];
	unsigned n = 0;
	char name[32];

	for (unsigned d = 0; d < DIRS; d++)
		for (unsigned f = 0; f < NAMES; f++) {
			snprintf(name, sizeof(name), "d%u/f%u", d, f);
			int fd = openat(below_fd, name, O_RDONLY | O_CLOEXEC);
			uint64_t identity = fd < 0 ? 0 : get_identity(fd);

			for (unsigned i = 0; i < FILE_SIZE / PAGE; i++) {
				if (pread(fd, words, PAGE, i * PAGE) != PAGE)
					memset(words, 0, sizeof(words));
				check_page("below", name, identity, words,
					   i * PAGE);
			}
			for (unsigned k = 0; k < n; k++)
				if (seen[k] == identity)
					report("twice", name, identity,
					       identity, 0);
			seen[n++] = identity;
			close(fd);
		}
}

int main(int argc, char **argv)
{
	static void *(*const kinds[])(void *) = {
		move_files,  move_files,     read_files,     read_files,
		write_files, store_in_files, store_in_files,
	};
	enum { WORKERS = sizeof(kinds) / sizeof(kinds[0]) };
	Worker workers[WORKERS];
	char name[32];

	if (argc != 4) {
		fprintf(stderr, "usage: identity SECONDS MOUNT BELOW\n");
		return 2;
	}
	mount_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int below_fd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (mount_fd < 0 || below_fd < 0) {
		perror("identity: cannot open");
		return EXIT_FAILURE;
	}
	for (unsigned d = 0; d < DIRS; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		mkdirat(mount_fd, name, 0755);
		for (unsigned f = 0; f < NAMES; f++) {
			snprintf(name, sizeof(name), "d%u/f%u", d, f);
			if (make_file(mount_fd, name) < 0) {
				perror(name);
				return EXIT_FAILURE;
			}
		}
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, kinds[i],
				   &workers[i])) {
			fprintf(stderr, "identity: cannot start a thread\n");
			return EXIT_FAILURE;
		}
	}
	struct timespec time = {.tv_sec = strtol(argv[1], NULL, 10)};

	nanosleep(&time, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	check_below(below_fd);
	printf("# %lu moves, %lu reads, %lu writes, %lu stores, %u wrong\n",
	       atomic_load(&moves), atomic_load(&reads), atomic_load(&writes),
	       atomic_load(&stores), atomic_load(&wrong));
	bool idle = !moves || !reads || !writes || !stores;

	return atomic_load(&wrong) || idle ? EXIT_FAILURE : EXIT_SUCCESS;
}
