/* SPDX-License-Identifier: MIT */
/*
 * The watcher: scans trees over and over, each in a thread of its own, and
 * stamps in the dirty set what it finds.
 *
 * A scan costs what the tree costs, so it has low priority and a budget: the
 * trees together take at most a share of one processor, and the period
 * stretches to keep it.
 *
 * The calls are made by one thread, but for those that say otherwise.
 */
#ifndef CORE_SCANNER_H
#define CORE_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dir-source.h"
#include "core/dirty-set.h"
#include "core/ignore.h"
#include "core/tree.h"

typedef struct Scanner Scanner;

#define SCANNER_DEFAULT_PERIOD_NS UINT64_C(1000000000)
#define SCANNER_DEFAULT_SHARE 10 /* percent of one processor */

typedef struct {
	/* Borrowed, as is all that follows; outlive the scanner. */
	DirtySet *set;
	TreeList *trees;
	const Ignore *ignore; /* names that are not stamped, or NULL */
	uint64_t period_ns;   /* from the start of one scan to the next */
	unsigned share;       /* percent of one processor, 1 to 100 */
	/* Called after the clock has moved, and after each scan; any thread. */
	void (*moved)(void *data);
	void *data;
} ScannerConfig;

/* NULL: no memory. The first scans report what changed from now on. */
Scanner *scanner_new(const ScannerConfig *config);

/*
 * Scan what lies at the absolute path @root, a directory or a file that may be
 * there or not; @flags of SINCEFS_TREE_*. Before scanner_start(). The tree's
 * number, 0 without memory.
 */
uint32_t scanner_add(Scanner *scanner, const char *root, uint32_t flags);

/* The same of what @source (taken) shows; @root is its name. */
uint32_t scanner_add_source(Scanner *scanner, DirSource *source,
			    const char *root, uint32_t flags);

/* 0 or -errno. */
int scanner_start(Scanner *scanner);

/*
 * Scan the tree @id now. Returns in *@scans_out what its scans will have
 * reached when a scan that began after this call is done. 0; -EOPNOTSUPP when
 * it is not scanned. Any thread.
 */
int scanner_request(Scanner *scanner, uint32_t id, uint64_t *scans_out);

/*
 * End the threads and free everything. False when one is stuck in a file system
 * after @patience_ms: then nothing was freed, and what was borrowed must stay
 * until the process ends. NULL is allowed.
 */
bool scanner_free(Scanner *scanner, unsigned patience_ms);

#endif /* CORE_SCANNER_H */
