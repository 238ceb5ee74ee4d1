/* SPDX-License-Identifier: MIT */
/*
 * Which places outside of the mount are scanned: those that were named, and
 * those where a Python interpreter keeps installed code. None lies inside the
 * mount, which is exact without that, and none inside another.
 *
 * For the main thread of a command, before anything is mounted.
 */
#ifndef MOUNT_SCAN_ROOTS_H
#define MOUNT_SCAN_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct {
	char *path;     /* owned; absolute */
	char *real;     /* owned; where that leads to now */
	uint32_t flags; /* SINCEFS_TREE_* */
} ScanRoot;

/* Of ScanRoots, owned. Free with g_ptr_array_unref(). */
GPtrArray *scan_roots_new(void);

/*
 * Add @path, a directory or a file, there or not. False with @error when it
 * lies in @mount, the absolute path without links of what is covered.
 */
bool scan_roots_add_path(GPtrArray *roots, const char *path, const char *mount,
			 GError **error);

/*
 * Add what @interpreter says: the directories of its standard library and of
 * installed packages, and those that packages were installed from by reference.
 * What lies in @mount is left out. False with @error when it cannot be asked.
 */
bool scan_roots_add_python(GPtrArray *roots, const char *interpreter,
			   const char *mount, GError **error);

/* Leave out what lies in another one. Call when all were added. */
void scan_roots_settle(GPtrArray *roots);

#endif /* MOUNT_SCAN_ROOTS_H */
