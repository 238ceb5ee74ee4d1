/* SPDX-License-Identifier: MIT */
/*
 * bench-scan: what a scan of an unchanged tree costs, against the barest loop
 * that could find the same: getdents64(2), statx(2) by name and descriptor,
 * openat(2) and close(2), and nothing kept.
 *
 * Both go through the same tree, in turn, in this process. The ratio of each
 * pair is what counts: its median is held against 1.3, and the picture against
 * 64 bytes a file beside the names. Exit 1 when one is above.
 *
 * SINCEFS_BENCH_DIR is where the trees are made.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/scan.h"

enum { FILES = 50000, PAIRS = 41 };

#define MOST_RATIO 1.3
#define MOST_BYTES 64.0

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- the tree ---- */

static size_t name_bytes; /* of all names, with their ends */

static void count_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	name_bytes += strlen(slash == NULL ? path : slash + 1) + 1;
}

static void make_dir(int top, const char *path)
{
	if (mkdirat(top, path, 0755) != 0)
		die(path);
	count_name(path);
}

/* @per_dir files in each directory, the directories in two levels. */
static void make_tree(int top, int per_dir)
{
	char path[96];

	name_bytes = 0;
	for (int i = 0; i < FILES; i++) {
		int dir = i / per_dir, fd;

		if (i % (per_dir * 100) == 0) {
			snprintf(path, sizeof(path), "part%d", dir / 100);
			make_dir(top, path);
		}
		if (i % per_dir == 0) {
			snprintf(path, sizeof(path), "part%d/package%d",
				 dir / 100, dir);
			make_dir(top, path);
		}
		snprintf(path, sizeof(path), "part%d/package%d/module_%d.py",
			 dir / 100, dir, i);
		fd = openat(top, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			die(path);
		close(fd);
		count_name(path);
	}
}

/* ---- the bare loop ---- */

static uint64_t bare_files;

static void walk_barely(int fd)
{
	_Alignas(struct dirent64) char buffer[32768];
	struct statx found;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *entry = (void *)(buffer + at);
			int below;

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			if (statx(fd, entry->d_name, AT_SYMLINK_NOFOLLOW,
				  STATX_BASIC_STATS, &found) != 0)
				die("statx");
			bare_files++;
			if (!S_ISDIR(found.stx_mode))
				continue;
			below = openat(fd, entry->d_name,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC |
					       O_NOATIME);
			if (below < 0)
				die("openat");
			walk_barely(below);
			close(below);
		}
}

static double time_bare(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double start = now_ns();

	bare_files = 1;
	walk_barely(fd);
	start = now_ns() - start;
	close(fd);
	return start;
}

/* ---- the scan ---- */

static uint64_t findings;

static void on_found(void *data, const ScanFinding *finding)
{
	(void)data;
	(void)finding;
	findings++;
}

static double time_scan(ScanPicture *picture, const ScanConfig *config)
{
	double start = now_ns();
	ScanResult result;

	if (!scan_run(picture, config, &result) || result.error != 0)
		die("scan");
	if (bare_files != 0 && result.files != bare_files) {
		fprintf(stderr, "bench-scan: %ju files, not %ju\n",
			(uintmax_t)result.files, (uintmax_t)bare_files);
		exit(EXIT_FAILURE);
	}
	return now_ns() - start;
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return first < second ? -1 : first > second;
}

/* Sorts. */
static double get_median(double *values)
{
	qsort(values, PAIRS, sizeof(*values), compare);
	return values[PAIRS / 2];
}

static int measure(const char *parent, int per_dir)
{
	static double bare[PAIRS], scans[PAIRS], ratios[PAIRS];
	char path[4096], command[4200];
	DirSource *source;
	ScanPicture picture = {.root = NULL};
	ScanConfig config = {
		.found = on_found,
		.baseline_ns = INT64_MAX,
		.now = scan_clock_now,
		.wait_until = scan_clock_wait_until,
	};
	size_t before, bytes;
	double each, ratio;
	int top;

	snprintf(path, sizeof(path), "%s/bench-scan-XXXXXX", parent);
	if (mkdtemp(path) == NULL)
		die(path);
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_tree(top, per_dir);
	usleep(50000); /* all is at rest */

	source = dir_source_new_at_path(path);
	if (source == NULL)
		die("dir_source_new_at_path");
	config.source = source;
	bare_files = 0;
	before = mallinfo2().uordblks;
	time_scan(&picture, &config);
	bytes = mallinfo2().uordblks - before;
	time_bare(path);
	findings = 0;
	for (int i = 0; i < PAIRS; i++) {
		/* Each is first as often as the other. */
		if (i % 2 == 0)
			bare[i] = time_bare(path);
		scans[i] = time_scan(&picture, &config);
		if (i % 2 != 0)
			bare[i] = time_bare(path);
		ratios[i] = scans[i] / bare[i];
	}
	ratio = get_median(ratios);
	each = (double)(bytes - name_bytes) / (double)bare_files;
	printf("%d files, %d in a directory\n", FILES, per_dir);
	printf("  %-46s %8.1f ms\n", "bare loop, median",
	       get_median(bare) / 1e6);
	printf("  %-46s %8.1f ms\n", "scan, median", get_median(scans) / 1e6);
	printf("  %-46s %8.3f  (at most %.1f)\n", "ratio, median of pairs",
	       ratio, MOST_RATIO);
	printf("  %-46s %8.3f to %.3f\n", "  half of them", ratios[PAIRS / 4],
	       ratios[PAIRS * 3 / 4]);
	printf("  %-46s %8.1f  (at most %.0f)\n",
	       "picture, bytes a file beside the names", each, MOST_BYTES);
	if (findings != 0)
		printf("  %ju findings in a tree that did not change\n",
		       (uintmax_t)findings);

	scan_picture_clear(&picture);
	dir_source_free(source);
	close(top);
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		die(command);
	return ratio > MOST_RATIO || each > MOST_BYTES || findings != 0;
}

int main(void)
{
	const char *parent = getenv("SINCEFS_BENCH_DIR");
	int failed = 0;

	if (parent == NULL)
		parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	failed |= measure(parent, 10);
	failed |= measure(parent, 100);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
