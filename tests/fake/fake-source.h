/* SPDX-License-Identifier: MIT */
/*
 * A tree in memory behind the interface that scans look through, with a clock
 * of its own. A test sets what no real file system lets it set (inode numbers,
 * both times, errors at one name and call) and changes the tree in the middle
 * of a scan, at any call.
 *
 * Used by one thread. Paths are
 * relative to the root, whose own is "". What a test asks for and is not there
 * fails the running test.
 */
#ifndef TESTS_FAKE_FAKE_SOURCE_H
#define TESTS_FAKE_FAKE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "core/dir-source.h"
#include "tests/fake/fake-entry.h"

typedef enum {
	FAKE_CALL_OPEN_ROOT,
	FAKE_CALL_OPEN,
	FAKE_CALL_LIST,
	FAKE_CALL_STAT,
	FAKE_CALL_LEADS_TO_DIR,
	FAKE_CALL_WAIT, /* for the clock */
	FAKE_CALLS,
} FakeCall;

/* An inode. Its fields may be read and set at will. */
typedef struct FakeNode FakeNode;
struct FakeNode {
	DirStat stat; /* nlink is kept by the source */
	char *target; /* owned; of a symbolic link */
	/* What has been mounted on it, which is seen instead; owned. */
	FakeNode *mounted;
	/* Where it stands in truth: larger after each change of it, whatever
	   the times say. For directories of their attributes alone. */
	uint64_t version;
	/* The rest is the source's. */
	GPtrArray *children;
	GHashTable *by_name;
	unsigned references;
};

typedef struct FakeSource FakeSource;
typedef void (*FakeHook)(FakeSource *source, FakeCall call, const char *path,
			 void *data);

struct FakeSource {
	DirSource base; /* first: give this to a scan */

	int64_t now_ns;
	int64_t step_ns; /* file times are in whole steps; 1 at first */
	int64_t tick_ns; /* what each call takes */
	/* Called before each call does its work; may change the tree. */
	FakeHook hook;
	void *hook_data;
	unsigned batch; /* entries told by one call to list; 0: all that fit */
	bool is_reversed; /* listings come in the other order */
	bool has_twins;   /* they tell each name twice */
	bool keep_times;  /* changes leave both times alone */
	uint64_t next_ino;

	uint64_t calls[FAKE_CALLS];
	unsigned open, most_open; /* directories */

	/* The rest is the source's. */
	FakeNode *root;
	GArray *handles;
	GArray *failures;
};

/* The root is an empty directory. Freed by dir_source_free(). */
FakeSource *fake_source_new(void);

/* For ScanConfig; @data is the source. */
int64_t fake_source_now(FakeSource *source);
void fake_source_wait_until(FakeSource *source, int64_t until_ns);

/* Make what a table says. */
void fake_source_load(FakeSource *source, const FakeEntry *entries);

/* NULL when there is none. Of what is mounted there, the mounted. */
FakeNode *fake_source_find(FakeSource *source, const char *path);

/* A file, a directory or a fifo, as @mode says. Its directory's times move, as
   in all that follows. */
FakeNode *fake_source_make(FakeSource *source, const char *path, mode_t mode);
FakeNode *fake_source_symlink(FakeSource *source, const char *path,
			      const char *target);
void fake_source_link(FakeSource *source, const char *path, const char *other);
/* With all that is below. */
void fake_source_remove(FakeSource *source, const char *path);
/* What is at @other is replaced. */
void fake_source_rename(FakeSource *source, const char *path,
			const char *other);
void fake_source_exchange(FakeSource *source, const char *path,
			  const char *other);

/* New content, of @size bytes. */
void fake_source_write(FakeSource *source, const char *path, uint64_t size);
void fake_source_chmod(FakeSource *source, const char *path, mode_t mode);
/* An attribute that nothing but ctime tells of. */
void fake_source_set_attribute(FakeSource *source, const char *path);
void fake_source_set_mtime(FakeSource *source, const char *path,
			   int64_t mtime_ns);

/* An empty directory of another file system on a directory; and off again. */
void fake_source_mount(FakeSource *source, const char *path);
void fake_source_unmount(FakeSource *source, const char *path);

/* The root goes (its node is kept), or this one takes its place. */
FakeNode *fake_source_take_root(FakeSource *source);
void fake_source_put_root(FakeSource *source, FakeNode *root);
void fake_node_free(FakeNode *node);
FakeNode *fake_source_new_root(FakeSource *source, mode_t mode);

/* From now on @call about @path fails with @error (-errno), 0: no more. */
void fake_source_fail(FakeSource *source, FakeCall call, const char *path,
		      int error);

#endif /* TESTS_FAKE_FAKE_SOURCE_H */
