/* SPDX-License-Identifier: MIT */
/*
 * Each tree has a thread, so that one whose file system does not answer holds
 * up nobody else. The budget is kept over all: the processor time that the last
 * scans of all trees took together, spread over the period, is at most the
 * share. All trees have the same period for it.
 *
 * A tree's next scan begins one period after the last began, at once when it is
 * asked for, and never while one goes on.
 */
#include "core/scanner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/dir-source.h"
#include "core/scan.h"

#define SECOND_NS UINT64_C(1000000000)

/* A file system's clock may be behind by as much: see scan.c. */
#define CLOCK_STEP_NS INT64_C(20000000)

/* Lower than what somebody waits for, and not so low that a busy machine never
   comes to it. */
#define NICE 10
/* ioprio_set(2): this thread, the lowest of the ordinary class. */
#define IOPRIO_WHO_THREAD 1
#define IOPRIO_LOWEST (2 << 13 | 7)

typedef struct {
	Scanner *scanner;
	uint32_t id;
	uint32_t flags;
	NameNode *name;    /* of the root; borrowed from the set */
	DirSource *source; /* owned */
	ScanPicture picture;
	bool has_stamped; /* since the last word to the listener */

	/* Guarded by the scanner's lock. */
	pthread_t thread;
	bool is_running, has_ended, is_scanning;
	uint64_t scans;
	uint64_t wanted; /* scans that have been asked for */
	uint64_t cost_ns;
} ScannedTree;

struct Scanner {
	ScannerConfig config;
	int64_t start_ns;      /* CLOCK_REALTIME */
	ScannedTree **scanned; /* owned; fixed once it was started */
	size_t count;
	atomic_bool stop;

	pthread_mutex_t lock; /* guards what the trees say it does */
	pthread_cond_t work;
	pthread_cond_t ended;
};

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / SECOND_NS),
		.tv_nsec = (long)(ns % SECOND_NS),
	};
}

Scanner *scanner_new(const ScannerConfig *config)
{
	Scanner *scanner = calloc(1, sizeof(*scanner));
	pthread_condattr_t attributes;

	if (scanner == NULL)
		return NULL;
	scanner->config = *config;
	scanner->start_ns = scan_clock_now(NULL) - CLOCK_STEP_NS;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&scanner->lock, NULL);
	pthread_cond_init(&scanner->work, &attributes);
	pthread_cond_init(&scanner->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	return scanner;
}

uint32_t scanner_add_source(Scanner *scanner, DirSource *source,
			    const char *root, uint32_t flags)
{
	ScannedTree **more =
		realloc(scanner->scanned, (scanner->count + 1) * sizeof(*more));
	ScannedTree *tree = calloc(1, sizeof(*tree));

	if (more != NULL)
		scanner->scanned = more;
	if (more != NULL && tree != NULL && source != NULL)
		tree->id = tree_list_add(scanner->config.trees, root, flags);
	if (tree == NULL || tree->id == 0) {
		dir_source_free(source);
		free(tree);
		return 0;
	}
	tree->scanner = scanner;
	tree->source = source;
	tree->name = tree_list_get_root_node(scanner->config.trees, tree->id);
	scanner->scanned[scanner->count++] = tree;
	return tree->id;
}

uint32_t scanner_add(Scanner *scanner, const char *root, uint32_t flags)
{
	return scanner_add_source(scanner, dir_source_new_at_path(root), root,
				  flags);
}

/* ---- what is found ---- */

/* The name of a finding, made in the set; NULL without memory. A reference. */
static NameNode *ref_name(ScannedTree *tree, const char *const *parts,
			  size_t count)
{
	NameTree *names = dirty_set_get_names(tree->scanner->config.set);
	NameNode *node = name_node_ref(tree->name);

	for (size_t i = 0; i < count && node != NULL; i++) {
		NameNode *child = name_tree_ref_child(names, node, parts[i],
						      strlen(parts[i]));

		name_node_unref(names, node);
		node = child;
	}
	return node;
}

/* Who did it is not known. */
static const Writer nobody = {.pid = 0, .uid = UINT32_MAX};

static void stamp(ScannedTree *tree, const char *const *parts, size_t count,
		  uint16_t flags)
{
	DirtySet *set = tree->scanner->config.set;
	NameNode *node;

	dirty_set_lock(set);
	node = ref_name(tree, parts, count);
	if (node != NULL) {
		dirty_set_stamp_locked(set, node, flags, &nobody);
		name_node_unref(dirty_set_get_names(set), node);
	} else {
		dirty_set_lose_locked(set);
	}
	dirty_set_unlock(set);
	tree->has_stamped = true;
}

static void on_found(void *data, const ScanFinding *finding)
{
	ScannedTree *tree = data;
	const Ignore *ignore = tree->scanner->config.ignore;
	uint16_t flags = scan_finding_get_flags(finding);
	size_t depth = 0, count = 0;
	const char **parts;

	if (finding->dir == NULL) {
		stamp(tree, NULL, 0, flags);
		return;
	}
	depth = snapshot_dir_get_depth(finding->dir);
	parts = calloc(depth + 1, sizeof(*parts));
	if (parts == NULL) {
		/* The root stands for all below it. */
		stamp(tree, NULL, 0,
		      flags | SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE);
		return;
	}
	snapshot_dir_get_path(finding->dir, parts, depth);
	parts[depth] = finding->name;
	count = depth + 1;
	if (ignore_is_empty(ignore) ||
	    !ignore_match(ignore, parts, count, flags & SINCEFS_DIR))
		stamp(tree, parts, count, flags);
	free(parts);
}

/* ---- the threads ---- */

/* The period that keeps the share, with the lock held. */
static uint64_t get_period_locked(const Scanner *scanner)
{
	uint64_t cost_ns = 0, least_ns;

	for (size_t i = 0; i < scanner->count; i++)
		cost_ns += scanner->scanned[i]->cost_ns;
	least_ns = cost_ns / scanner->config.share * 100;
	return least_ns > scanner->config.period_ns ? least_ns
						    : scanner->config.period_ns;
}

/* Wait for the time of the next scan, which follows one that began at
   @begun_ns. False: end. */
static bool wait_for_turn(ScannedTree *tree, uint64_t begun_ns)
{
	Scanner *scanner = tree->scanner;
	bool go;

	pthread_mutex_lock(&scanner->lock);
	while (!atomic_load(&scanner->stop) && tree->scans >= tree->wanted) {
		uint64_t due_ns = begun_ns + get_period_locked(scanner);
		struct timespec due = to_timespec(due_ns);

		if (read_clock(CLOCK_MONOTONIC) >= due_ns)
			break;
		pthread_cond_timedwait(&scanner->work, &scanner->lock, &due);
	}
	go = !atomic_load(&scanner->stop);
	tree->is_scanning = go;
	pthread_mutex_unlock(&scanner->lock);
	return go;
}

/* One scan, which the list and the listener are told of. False: stopped. */
static bool scan_once(ScannedTree *tree, uint64_t begun_ns,
		      uint64_t last_begun_ns)
{
	Scanner *scanner = tree->scanner;
	ScanConfig config = {
		.source = tree->source,
		.found = on_found,
		.data = tree,
		.baseline_ns = scanner->start_ns,
		.now = scan_clock_now,
		.wait_until = scan_clock_wait_until,
		.stop = &scanner->stop,
	};
	uint64_t cost_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
	TreeScan told = {.started_ns = begun_ns};
	ScanResult result;
	bool whole = scan_run(&tree->picture, &config, &result);

	cost_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - cost_ns;
	pthread_mutex_lock(&scanner->lock);
	tree->is_scanning = false;
	if (whole)
		tree->scans++;
	tree->cost_ns = cost_ns;
	told.scans = tree->scans;
	told.period_ns = get_period_locked(scanner);
	/* As it was kept, when the machine was too busy for that. */
	if (last_begun_ns != 0 && begun_ns - last_begun_ns > told.period_ns)
		told.period_ns = begun_ns - last_begun_ns;
	pthread_mutex_unlock(&scanner->lock);

	told.cost_ns = cost_ns;
	told.files = result.files;
	told.error = result.error;
	told.flags = (result.links > 0 ? SINCEFS_TREE_LINKS : 0) |
		     (result.mounts > 0 ? SINCEFS_TREE_MOUNTS : 0);
	if (whole)
		tree_list_set_scan(scanner->config.trees, tree->id, &told);
	/* Who waits for the clock or for this scan. */
	scanner->config.moved(scanner->config.data);
	return whole;
}

static void be_modest(void)
{
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_LOWEST);
}

static void *scanner_main(void *data)
{
	ScannedTree *tree = data;
	Scanner *scanner = tree->scanner;
	uint64_t begun_ns = 0, last_begun_ns = 0;

	pthread_setname_np(pthread_self(), "scanner");
	be_modest();
	do {
		last_begun_ns = begun_ns;
		begun_ns = read_clock(CLOCK_MONOTONIC);
	} while (scan_once(tree, begun_ns, last_begun_ns) &&
		 wait_for_turn(tree, begun_ns));

	pthread_mutex_lock(&scanner->lock);
	tree->has_ended = true;
	pthread_cond_signal(&scanner->ended);
	pthread_mutex_unlock(&scanner->lock);
	return NULL;
}

int scanner_start(Scanner *scanner)
{
	sigset_t all, old;
	int r = 0;

	/* Signals are for the thread that called in. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&scanner->lock);
	for (size_t i = 0; i < scanner->count && r == 0; i++) {
		ScannedTree *tree = scanner->scanned[i];

		tree->is_scanning = true;
		r = -pthread_create(&tree->thread, NULL, scanner_main, tree);
		tree->is_running = r == 0;
	}
	pthread_mutex_unlock(&scanner->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int scanner_request(Scanner *scanner, uint32_t id, uint64_t *scans_out)
{
	int r = -EOPNOTSUPP;

	pthread_mutex_lock(&scanner->lock);
	for (size_t i = 0; i < scanner->count; i++) {
		ScannedTree *tree = scanner->scanned[i];
		uint64_t wanted = tree->scans + (tree->is_scanning ? 2 : 1);

		if (tree->id != id)
			continue;
		if (wanted > tree->wanted)
			tree->wanted = wanted;
		*scans_out = wanted;
		r = 0;
		pthread_cond_broadcast(&scanner->work);
	}
	pthread_mutex_unlock(&scanner->lock);
	return r;
}

/* Have all threads ended within the time? */
static bool wait_for_end(Scanner *scanner, unsigned patience_ms)
{
	struct timespec until = to_timespec(read_clock(CLOCK_MONOTONIC) +
					    patience_ms * UINT64_C(1000000));
	bool all = true;

	pthread_mutex_lock(&scanner->lock);
	atomic_store(&scanner->stop, true);
	pthread_cond_broadcast(&scanner->work);
	for (size_t i = 0; i < scanner->count && all; i++) {
		ScannedTree *tree = scanner->scanned[i];

		while (tree->is_running && !tree->has_ended && all)
			all = pthread_cond_timedwait(&scanner->ended,
						     &scanner->lock,
						     &until) == 0 ||
			      tree->has_ended;
	}
	pthread_mutex_unlock(&scanner->lock);
	return all;
}

bool scanner_free(Scanner *scanner, unsigned patience_ms)
{
	if (scanner == NULL)
		return true;
	if (!wait_for_end(scanner, patience_ms))
		return false;
	for (size_t i = 0; i < scanner->count; i++) {
		ScannedTree *tree = scanner->scanned[i];

		if (tree->is_running)
			pthread_join(tree->thread, NULL);
		scan_picture_clear(&tree->picture);
		dir_source_free(tree->source);
		free(tree);
	}
	free(scanner->scanned);
	pthread_cond_destroy(&scanner->work);
	pthread_cond_destroy(&scanner->ended);
	pthread_mutex_destroy(&scanner->lock);
	free(scanner);
	return true;
}
