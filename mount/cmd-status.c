// SPDX-License-Identifier: MIT
/*
 * The mounts come from the kernel's table, so that dead ones are seen as well.
 * Each is asked by probe_mount(), which does not hang with a daemon that does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "mount/command.h"
#include "mount/mountpoint.h"
#include "mount/probe.h"
#include "mount/report.h"

#define PROBE_MS 2000

static const CommandSyntax syntax = {
	.name = "sincefs status",
	.operands = "[DIR]",
	.summary = "Show the mounts of sincefs, or the one that DIR lies in, "
		   "and how they are.",
	.min_operands = 0,
	.max_operands = 1,
};

static const struct {
	uint64_t bit;
	const char *name;
} feature_names[] = {
	{SINCEFS_FEATURE_SYNC_EXACT, "sync-exact"},
	{SINCEFS_FEATURE_CLOCK_PAGE, "clock-page"},
	{SINCEFS_FEATURE_STATS, "stats"},
};

static const char *const request_names[] = {
	[SINCEFS_REQUEST_LOOKUP] = "lookup",
	[SINCEFS_REQUEST_ATTRIBUTES] = "attributes",
	[SINCEFS_REQUEST_CHANGE] = "change",
	[SINCEFS_REQUEST_NAME] = "name",
	[SINCEFS_REQUEST_READ] = "read",
	[SINCEFS_REQUEST_WRITE] = "write",
	[SINCEFS_REQUEST_DIRECTORY] = "directory",
	[SINCEFS_REQUEST_SYNC] = "sync",
	[SINCEFS_REQUEST_XATTR] = "xattr",
	[SINCEFS_REQUEST_IOCTL] = "ioctl",
	[SINCEFS_REQUEST_POLL] = "poll",
	[SINCEFS_REQUEST_FORGET] = "forget",
	[SINCEFS_REQUEST_OTHER] = "other",
};

/* One word for what asking the mount gave. */
static const char *state_name(int result)
{
	switch (-result) {
	case 0:
		return "ok";
	case ENOTCONN:
		return "dead";
	case ETIMEDOUT:
		return "hung";
	case EPERM:
	case EACCES:
		return "denied";
	default:
		return "error";
	}
}

/* What the mount did, and how much of it in a second. */
static void append_stats_text(GString *text, const struct sincefs_stats *stats)
{
	double seconds = (double)stats->uptime_ns / 1e9;
	uint64_t requests = 0;

	for (size_t i = 0; i < SINCEFS_REQUEST_KINDS; i++)
		requests += stats->requests[i];
	g_string_append_printf(text,
			       "  mounted   for %.0f s; knows %" PRIu64
			       " files by %" PRIu64 " descriptors\n",
			       seconds, stats->inodes, stats->descriptors);
	g_string_append_printf(
		text, "  recorded  %" PRIu64 " changes, %.1f a second\n",
		stats->stamps, (double)stats->stamps / MAX(seconds, 1.0));
	g_string_append_printf(text, "  requests  %" PRIu64 ", %.1f a second:",
			       requests, (double)requests / MAX(seconds, 1.0));
	for (size_t i = 0; i < G_N_ELEMENTS(request_names); i++) {
		if (stats->requests[i] > 0)
			g_string_append_printf(text, " %s %" PRIu64,
					       request_names[i],
					       stats->requests[i]);
	}
	g_string_append_c(text, '\n');
	if (stats->hidden > 0) {
		g_string_append(text, "  hidden    a real " SINCEFS_CONTROL_NAME
				      " below, in ");
		output_append_quoted(text, stats->hidden_in,
				     strlen(stats->hidden_in));
		g_string_append(text, ": nobody can see it while mounted\n");
	}
}

static const struct {
	uint32_t bit;
	const char *name; /* in JSON */
	const char *text;
} tree_flags[] = {
	{SINCEFS_TREE_MOUNTED, "mounted", "mounted"},
	{SINCEFS_TREE_INSTALLED, "installed", "installed code"},
	{SINCEFS_TREE_EDITABLE, "editable", "user code, only scanned"},
	{SINCEFS_TREE_LINKS, "links", "links to directories not followed"},
	{SINCEFS_TREE_MOUNTS, "mounts", "file systems in it not entered"},
};

/* A part of a whole in percent. */
static double share_of(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static void append_tree_text(GString *text, const struct sincefs_tree *tree)
{
	g_string_append_printf(text, "  tree %-4u ", tree->id);
	output_append_quoted(text, tree->root, strlen(tree->root));
	for (size_t i = 0; i < G_N_ELEMENTS(tree_flags); i++) {
		if (tree->flags & tree_flags[i].bit)
			g_string_append_printf(text, ", %s",
					       tree_flags[i].text);
	}
	g_string_append_c(text, '\n');
	if (tree->flags & SINCEFS_TREE_MOUNTED)
		return;
	if (tree->scans == 0) {
		g_string_append(text, "            the first scan is not "
				      "done yet\n");
		return;
	}
	g_string_append_printf(
		text,
		"            %" PRIu64 " files, scanned %" PRIu64
		" times, the last %.1f s ago\n"
		"            every %.2f s for %.1f ms: %.1f %% of a "
		"processor\n",
		tree->files, tree->scans, (double)tree->scan_age_ns / 1e9,
		(double)tree->scan_period_ns / 1e9,
		(double)tree->scan_cost_ns / 1e6,
		share_of(tree->scan_cost_ns, tree->scan_period_ns));
	if (tree->scan_error == -ENOENT)
		g_string_append(text, "            it is not there\n");
	else if (tree->scan_error != 0)
		g_string_append_printf(text, "            not all of it: %s\n",
				       reason_text(-tree->scan_error));
}

static void append_text(GString *text, const MountEntry *entry,
			const Probe *probe, int result)
{
	g_autoptr(GString) point = g_string_new(NULL);
	const struct sincefs_info *info = probe ? &probe->info : NULL;

	output_append_quoted(point, entry->point, strlen(entry->point));
	g_string_append_printf(text, "%s\n", point->str);
	if (!info) {
		g_string_append_printf(text, "  state     %s: %s\n",
				       state_name(result),
				       client_reason_text(result));
		return;
	}

	g_string_append_printf(text, "  state     %s, daemon is process %u\n",
			       state_name(result), info->pid);
	g_string_append_printf(text,
			       "  clock     %" PRIu64 ", good from %" PRIu64
			       " on\n",
			       info->now.clock, info->floor);
	g_string_append_printf(text,
			       "  remembers %" PRIu64 " of at most %" PRIu64
			       " paths\n",
			       info->entries, info->capacity);
	g_string_append(text, "  features ");
	for (size_t i = 0; i < G_N_ELEMENTS(feature_names); i++) {
		if (info->features & feature_names[i].bit)
			g_string_append_printf(text, " %s",
					       feature_names[i].name);
	}
	g_string_append(text, info->features ? "\n" : " none\n");
	if (info->features & SINCEFS_FEATURE_STATS)
		append_stats_text(text, &probe->stats);
	for (guint i = 0; i < probe->trees->len; i++) {
		const struct sincefs_tree *tree =
			&g_array_index(probe->trees, struct sincefs_tree, i);

		append_tree_text(text, tree);
	}
}

static JsonArray *make_json_tree_flags(const struct sincefs_tree *tree)
{
	JsonArray *flags = json_array_new();

	for (size_t i = 0; i < G_N_ELEMENTS(tree_flags); i++) {
		if (tree->flags & tree_flags[i].bit)
			json_array_add_string_element(flags,
						      tree_flags[i].name);
	}
	return flags;
}

static JsonArray *make_json_trees(const Probe *probe)
{
	JsonArray *trees = json_array_new();

	for (guint i = 0; i < probe->trees->len; i++) {
		const struct sincefs_tree *tree =
			&g_array_index(probe->trees, struct sincefs_tree, i);
		JsonObject *object = json_object_new();

		json_object_set_int_member(object, "id", tree->id);
		output_set_json_path(object, "root", tree->root,
				     strlen(tree->root));
		json_object_set_boolean_member(object, "mounted",
					       (tree->flags &
						SINCEFS_TREE_MOUNTED) != 0);
		json_object_set_array_member(object, "flags",
					     make_json_tree_flags(tree));
		json_object_set_int_member(object, "scans",
					   (gint64)tree->scans);
		json_object_set_int_member(object, "files",
					   (gint64)tree->files);
		json_object_set_int_member(object, "scan_age_ns",
					   (gint64)tree->scan_age_ns);
		json_object_set_int_member(object, "scan_period_ns",
					   (gint64)tree->scan_period_ns);
		json_object_set_int_member(object, "scan_cost_ns",
					   (gint64)tree->scan_cost_ns);
		json_object_set_int_member(object, "scan_error",
					   -tree->scan_error);
		json_array_add_object_element(trees, object);
	}
	return trees;
}

static JsonObject *make_json_stats(const struct sincefs_stats *stats)
{
	JsonObject *object = json_object_new();
	JsonObject *requests = json_object_new();

	json_object_set_int_member(object, "uptime_ns",
				   (gint64)stats->uptime_ns);
	json_object_set_int_member(object, "stamps", (gint64)stats->stamps);
	json_object_set_int_member(object, "inodes", (gint64)stats->inodes);
	json_object_set_int_member(object, "descriptors",
				   (gint64)stats->descriptors);
	for (size_t i = 0; i < G_N_ELEMENTS(request_names); i++)
		json_object_set_int_member(requests, request_names[i],
					   (gint64)stats->requests[i]);
	json_object_set_object_member(object, "requests", requests);
	if (stats->hidden > 0)
		output_set_json_path(object, "hidden_in", stats->hidden_in,
				     strlen(stats->hidden_in));
	return object;
}

static void append_json(GString *text, const MountEntry *entry,
			const Probe *probe, int result)
{
	JsonObject *object = json_object_new();
	JsonArray *features;
	char token[SINCEFS_TOKEN_TEXT_SIZE] = "";

	output_set_json_path(object, "mount", entry->point,
			     strlen(entry->point));
	json_object_set_string_member(object, "state", state_name(result));
	if (!probe) {
		output_append_json_line(text, object);
		return;
	}

	json_object_set_int_member(object, "pid", probe->info.pid);
	sincefs_token_format(&probe->info.now, token, sizeof(token));
	json_object_set_string_member(object, "token", token);
	json_object_set_int_member(object, "clock",
				   (gint64)probe->info.now.clock);
	json_object_set_int_member(object, "floor", (gint64)probe->info.floor);
	json_object_set_int_member(object, "entries",
				   (gint64)probe->info.entries);
	json_object_set_int_member(object, "capacity",
				   (gint64)probe->info.capacity);
	features = json_array_new();
	for (size_t i = 0; i < G_N_ELEMENTS(feature_names); i++) {
		if (probe->info.features & feature_names[i].bit)
			json_array_add_string_element(features,
						      feature_names[i].name);
	}
	json_object_set_array_member(object, "features", features);
	if (probe->info.features & SINCEFS_FEATURE_STATS)
		json_object_set_object_member(object, "stats",
					      make_json_stats(&probe->stats));
	json_object_set_array_member(object, "trees", make_json_trees(probe));
	output_append_json_line(text, object);
}

/* Ask one mount and append what it says: the result of asking. */
static int append_mount(GString *text, bool json, const MountEntry *entry)
{
	g_autoptr(Probe) probe = NULL;
	int r = probe_mount(entry->point, PROBE_MS, &probe);

	if (json)
		append_json(text, entry, probe, r);
	else
		append_text(text, entry, probe, r);
	return r;
}

/* Only the mount that @dir lies in. Returns an exit status. */
static int show_one(GString *text, bool json, const MountTable *table,
		    const char *dir)
{
	g_autofree char *shown = dup_shown_path(dir);
	g_autoptr(GError) error = NULL;
	g_autofree char *real = mountpoint_resolve(dir, &error);
	const MountEntry *entry =
		real ? mount_table_find_path(table, real) : NULL;

	if (!entry || !mount_entry_is_sincefs(entry)) {
		report("cannot show the status of %s: %s", shown,
		       error ? error->message : client_reason_text(-ENOTTY));
		return STATUS_FAILED;
	}
	return append_mount(text, json, entry) < 0 ? STATUS_FAILED : 0;
}

static int show_all(GString *text, bool json, const MountTable *table)
{
	for (size_t i = 0; i < mount_table_get_count(table); i++) {
		const MountEntry *entry = mount_table_get(table, i);

		if (mount_entry_is_sincefs(entry) &&
		    mount_table_is_visible(table, entry))
			append_mount(text, json, entry);
	}
	if (text->len == 0 && !json)
		g_string_append(text, "no sincefs mounts\n");
	return 0;
}

int cmd_status(int argc, char **argv)
{
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		{"json", 0, 0, G_OPTION_ARG_NONE, &json,
		 "Print one JSON object a line, one for each mount", NULL},
		{NULL},
	};
	g_auto(GStrv) operands = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(MountTable) table = NULL;
	int status;
	int r;

	if (!command_parse(&syntax, entries, argc, argv, &operands, &status))
		return status;
	table = mount_table_read(&error);
	if (!table) {
		report("cannot show the mounts: %s", error->message);
		return STATUS_FAILED;
	}
	status = operands[0] ? show_one(text, json, table, operands[0])
			     : show_all(text, json, table);
	r = output_write(stdout, text);
	if (r < 0) {
		report("cannot print the status: %s", reason_text(-r));
		return STATUS_FAILED;
	}
	return status;
}
