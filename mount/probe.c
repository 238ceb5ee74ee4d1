// SPDX-License-Identifier: MIT
/*
 * The process that asks tells an int (0 or -errno), and after 0 the info, the
 * stats and the trees.
 */
#include "mount/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "mount/limited.h"

/* In the process of its own. */
static void ask(void *path, int fd)
{
	struct sincefs *conn = NULL;
	struct sincefs_info info = {.signature = 0};
	struct sincefs_stats stats = {.uptime_ns = 0};
	int r = sincefs_open(path, &conn);

	if (r == 0)
		r = sincefs_get_info(conn, &info);
	if (r == 0 && (info.features & SINCEFS_FEATURE_STATS))
		r = sincefs_get_stats(conn, &stats);
	if (!limited_tell(fd, &r, sizeof(r)) || r < 0 ||
	    !limited_tell(fd, &info, sizeof(info)) ||
	    !limited_tell(fd, &stats, sizeof(stats)))
		goto out;
	for (uint32_t id = 1; id <= info.tree_count; id++) {
		struct sincefs_tree tree;

		if (sincefs_get_tree(conn, id, &tree) < 0 ||
		    !limited_tell(fd, &tree, sizeof(tree)))
			break;
	}
out:
	sincefs_close(conn);
}

/* Move @size bytes from the front of what is left. */
static bool take(const guint8 **at, size_t *left, void *to, size_t size)
{
	if (*left < size)
		return false;
	memcpy(to, *at, size);
	*at += size;
	*left -= size;
	return true;
}

static Probe *unpack(const GByteArray *data, int *error_out)
{
	const guint8 *at = data->data;
	size_t left = data->len;
	g_autoptr(Probe) probe = g_new0(Probe, 1);
	int error;

	*error_out = -EIO;
	probe->trees = g_array_new(FALSE, FALSE, sizeof(struct sincefs_tree));
	if (!take(&at, &left, &error, sizeof(error)))
		return NULL;
	if (error < 0) {
		*error_out = error;
		return NULL;
	}
	if (!take(&at, &left, &probe->info, sizeof(probe->info)) ||
	    !take(&at, &left, &probe->stats, sizeof(probe->stats)))
		return NULL;
	g_array_append_vals(probe->trees, at,
			    (guint)(left / sizeof(struct sincefs_tree)));
	*error_out = 0;
	return g_steal_pointer(&probe);
}

int probe_mount(const char *path, int timeout_ms, Probe **probe_out)
{
	g_autoptr(GByteArray) data = g_byte_array_new();
	Probe *probe;
	int r = limited_call(ask, (void *)path, timeout_ms, data);

	if (r < 0)
		return r;
	probe = unpack(data, &r);
	if (probe)
		*probe_out = probe;
	return r;
}

void probe_free(Probe *probe)
{
	if (!probe)
		return;
	g_array_unref(probe->trees);
	g_free(probe);
}
