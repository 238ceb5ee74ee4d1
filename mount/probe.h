/* SPDX-License-Identifier: MIT */
/*
 * Ask a mount who it is, without hanging when its daemon hangs: a process of
 * its own asks as any client does, and is killed when the time is over.
 *
 * For a process with one thread, as it forks.
 */
#ifndef MOUNT_PROBE_H
#define MOUNT_PROBE_H

#include <glib.h>

#include <sincefs/sincefs.h>

typedef struct {
	struct sincefs_info info;
	struct sincefs_stats stats; /* zero without the feature */
	GArray *trees; /* of struct sincefs_tree, in the order of their ids */
} Probe;

/*
 * Ask the mount that the directory @path lies in: 0, an error of the client
 * library, or -ETIMEDOUT. *@probe_out is set on success only; freed with
 * probe_free().
 */
int probe_mount(const char *path, int timeout_ms, Probe **probe_out);
void probe_free(Probe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, probe_free)

#endif /* MOUNT_PROBE_H */
