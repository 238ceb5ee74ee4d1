/* SPDX-License-Identifier: MIT */
/*
 * random-ioctls SEED COUNT owner|other PATH...
 *
 * COUNT ioctls of random number, size, direction and payload at the open PATHs
 * (directories, files, control files). Each result is held against what the
 * protocol says of it; "other" is a user who may not ask. The argument lies so
 * that the byte after it can not be read: whoever takes more gets EFAULT.
 *
 * Prints the seed, which can be given again, and how often each errno came.
 * Exit 1 with a line for each result that is not right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sincefs/protocol.h>

#define SIZE_MAX_HERE 16384u
#define PATHS_MAX 16
#define WRONG_MAX 20

static uint64_t state;

/* xorshift64*: the same numbers for the same seed everywhere. */
static uint64_t next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(unsigned n)
{
	return (unsigned)(next_random() >> 32) % n;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

static const unsigned long known[] = {
	SINCEFS_IOC_INFO, SINCEFS_IOC_TREE,  SINCEFS_IOC_SINCE,
	SINCEFS_IOC_SCAN, SINCEFS_IOC_CLOCK, SINCEFS_IOC_STATS,
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

static bool is_known(unsigned long request)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (request == known[i])
			return true;
	return false;
}

/* Types whose numbers the kernel's own file layer answers. */
static bool is_kernels(unsigned type)
{
	return type == 0 || type == 'T' || type == 'f' || type == 'X' ||
	       type == 'v' || type == 0x94 || type == 0x12 || type == 0x15;
}

static unsigned long choose_request(void)
{
	static const unsigned sizes[] = {
		0,
		1,
		8,
		16,
		sizeof(struct sincefs_info),
		sizeof(struct sincefs_tree),
		sizeof(struct sincefs_page),
		SINCEFS_ROOT_SIZE,
		SIZE_MAX_HERE - 1,
	};
	unsigned type = SINCEFS_IOC_TYPE;

	if (one_in(2))
		return known[below(KNOWN_COUNT)];
	if (one_in(4))
		do
			type = below(256);
		while (is_kernels(type));
	unsigned number = one_in(2) ? below(8) : below(256);
	unsigned size = one_in(2)
				? sizes[below(sizeof(sizes) / sizeof(sizes[0]))]
				: below(SIZE_MAX_HERE);

	return _IOC(below(4), type, number, size);
}

static void fill_randomly(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)next_random();
}

static uint32_t choose_tree(void)
{
	return one_in(4) ? (uint32_t)next_random() : below(3);
}

static void fill_page(struct sincefs_page *page,
		      const struct sincefs_token *now)
{
	memset(page, 0, sizeof(*page));
	page->signature = SINCEFS_SIGNATURE;
	page->token = *now;
	if (one_in(2))
		page->token.clock = next_random() % (now->clock * 2);
	page->flags = one_in(4) ? SINCEFS_BELOW : 0;
	page->tree = choose_tree();
	page->mask = below(8);
	if (one_in(3))
		fill_randomly((unsigned char *)page->names, below(64));
	if (one_in(3))
		memset(page->names, "*?[\\"[below(4)], 63);
	/* And now something that is not allowed, perhaps. */
	switch (below(12)) {
	case 0:
		page->signature = (uint32_t)next_random();
		break;
	case 1:
		page->flags = (uint32_t)next_random();
		break;
	case 2:
		page->mask = (uint32_t)next_random();
		break;
	case 3:
		page->zero32 = 1u << below(32);
		break;
	case 4:
		page->zero[below(2)] = UINT64_C(1) << below(64);
		break;
	case 5:
		memset(page->names, 'x', sizeof(page->names));
		break;
	case 6:
		fill_randomly(page->data, sizeof(page->data));
		break;
	default:
		break;
	}
}

static void fill(unsigned long request, unsigned char *bytes, size_t size,
		 const struct sincefs_token *now)
{
	if (one_in(4) || !is_known(request)) {
		fill_randomly(bytes, size);
	} else if (request == SINCEFS_IOC_SINCE) {
		fill_page((struct sincefs_page *)(void *)bytes, now);
	} else {
		memset(bytes, 0, size);
		*(uint32_t *)(void *)bytes = choose_tree();
		if (one_in(4) && size)
			bytes[below((unsigned)size)] = 1;
	}
}

static bool is_page_refused(const struct sincefs_page *page)
{
	return page->signature != SINCEFS_SIGNATURE ||
	       (page->flags & ~SINCEFS_BELOW) ||
	       (page->mask &
		~(uint32_t)(SINCEFS_CONTENT | SINCEFS_META | SINCEFS_TIMES)) ||
	       page->zero32 || page->zero[0] || page->zero[1] ||
	       page->names[sizeof(page->names) - 1];
}

/* May the request, made by one who may ask, end with @error? */
static bool is_right(unsigned long request, const unsigned char *bytes,
		     int error)
{
	const struct sincefs_page *page = (const void *)bytes;
	const struct sincefs_tree *tree = (const void *)bytes;
	const struct sincefs_scan *scan = (const void *)bytes;
	bool is_bad = false, is_unknown = false;

	if (request == SINCEFS_IOC_INFO || request == SINCEFS_IOC_STATS)
		return error == 0;
	if (request == SINCEFS_IOC_CLOCK)
		return error == 0 || error == ENOTSUP;
	if (request == SINCEFS_IOC_SINCE) {
		is_bad = is_page_refused(page);
		is_unknown = page->tree > 1;
	} else if (request == SINCEFS_IOC_TREE) {
		is_bad = tree->zero32 != 0;
		is_unknown = tree->id != 1;
	} else if (request == SINCEFS_IOC_SCAN) {
		is_bad = scan->zero32 != 0;
		is_unknown = scan->tree != 1;
		if (!is_bad && !is_unknown)
			return error == 0 || error == ENOTSUP;
	} else {
		return error == ENOTTY;
	}
	if (is_bad && is_unknown)
		return error == EINVAL || error == ENOENT;
	return error == (is_bad ? EINVAL : is_unknown ? ENOENT : 0);
}

int main(int argc, char **argv)
{
	unsigned counts[256] = {0};
	unsigned char *after = NULL;
	struct sincefs_token now = {1, 1};
	int fds[PATHS_MAX];
	unsigned wrong = 0;

	if (argc < 5 || argc - 4 > PATHS_MAX) {
		fprintf(stderr, "usage: random-ioctls SEED COUNT owner|other "
				"PATH...\n");
		return 2;
	}
	uint64_t seed = strtoull(argv[1], NULL, 10);
	unsigned long count = strtoul(argv[2], NULL, 10);
	bool is_other = !strcmp(argv[3], "other");
	unsigned n = (unsigned)argc - 4;

	state = seed * 2 + 1;
	for (unsigned i = 0; i < n; i++) {
		fds[i] = open(argv[i + 4], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fds[i] < 0) {
			perror(argv[i + 4]);
			return EXIT_FAILURE;
		}
	}
	/* One page more than the largest argument, which is not accessible. */
	after = mmap(NULL, SIZE_MAX_HERE * 2, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (after == MAP_FAILED ||
	    mprotect(after + SIZE_MAX_HERE, SIZE_MAX_HERE, PROT_NONE) < 0) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	after += SIZE_MAX_HERE;

	for (unsigned long i = 0; i < count; i++) {
		struct sincefs_info info;

		if (!is_other && i % 1000 == 0) {
			if (ioctl(fds[0], SINCEFS_IOC_INFO, &info) < 0) {
				perror("the daemon does not answer");
				return EXIT_FAILURE;
			}
			now = info.now;
		}
		unsigned long request = choose_request();
		size_t size = _IOC_SIZE(request);
		/* Aligned for the structures; the rest is slack at the end. */
		unsigned char *bytes = after - (size + 7) / 8 * 8;
		static unsigned char asked[SIZE_MAX_HERE];

		fill(request, bytes, size, &now);
		memcpy(asked, bytes, size);
		unsigned which = below(n);
		int error = ioctl(fds[which], request, bytes) < 0 ? errno : 0;
		bool right = is_other ? (error == EPERM || (error == ENOTTY &&
							    !is_known(request)))
				      : is_right(request, asked, error);

		counts[error & 255]++;
		if (right)
			continue;
		printf("# wrong: ioctl %lu, request %#lx at '%s': %s\n", i,
		       request, argv[which + 4], strerror(error));
		if (++wrong >= WRONG_MAX)
			break;
	}
	printf("# seed %llu:", (unsigned long long)seed);
	for (int i = 0; i < 256; i++)
		if (counts[i])
			printf(" %u %s%s", counts[i],
			       i ? strerror(i) : "answered",
			       i == 255 ? "" : ",");
	printf(" %u wrong\n", wrong);
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
