/* SPDX-License-Identifier: MIT */
/*
 * A picture that is scanned again and again, and what the scans have found, as
 * text: for the tests of scans.
 *
 * A finding is a letter and a path, followed by "/" if it stands for all below,
 * and a blank: + it was not there, - it is not there any more, ~ it was and is,
 * ? it may be anything. The root is ".".
 */
#ifndef TESTS_SCAN_FIXTURE_H
#define TESTS_SCAN_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <glib.h>

#include "core/scan.h"
#include "tests/fake/fake-source.h"

typedef struct World World;
struct World {
	FakeSource *fake; /* NULL: a real directory; owned by the scans */
	ScanPicture picture;
	ScanConfig config;
	ScanResult result; /* of the last scan */
	bool is_whole;     /* so was the last scan */
	atomic_bool stop;
	GString *found;
	GPtrArray *paths; /* of all findings, as told */
	/* Called with each finding as it comes, or NULL. */
	void (*each)(World *world, const ScanFinding *finding,
		     const char *path);
	void *each_data;
};

/* Over an empty fake tree. */
World *world_new(void);
/* Over a real one; takes @source. */
World *world_new_at(DirSource *source);
/* Ends the scans of it. */
void world_free(World *world);

/* One scan; what it has found, until the next one. */
const char *world_scan(World *world);
/* The same, and it has to be this. */
#define assert_scan(world, expected)                                           \
	ck_assert_str_eq(world_scan(world), expected)

/* Enough time passes for all to be at rest. */
void world_rest(World *world);

/* The path of a finding, "." for the root; freed with g_free(). */
char *finding_dup_path(const ScanFinding *finding);

/* Is @path told of by "+path", "-a/" above it, and so on, in @paths? */
bool is_covered(GPtrArray *findings, guint from, const char *path);

#endif /* TESTS_SCAN_FIXTURE_H */
