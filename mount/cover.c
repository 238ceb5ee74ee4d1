// SPDX-License-Identifier: MIT
/*
 * A mount is there when a client has got an answer from the daemon that was
 * started for it: then the kernel, the daemon and the way between them work,
 * and nobody else has mounted at that place meanwhile. Who looks is a process
 * other than the daemon: the starter of one in the background, a child of one
 * in the foreground, made before that has threads.
 *
 * A failed start leaves nothing: the daemon is killed and what it may have
 * mounted is detached.
 */
#include "mount/cover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/dirty-set.h"
#include "core/scanner.h"
#include "mount/daemon.h"
#include "mount/fd.h"
#include "mount/holders.h"
#include "mount/mountpoint.h"
#include "mount/place.h"
#include "mount/probe.h"
#include "mount/report.h"
#include "mount/scan-roots.h"

#define VERIFY_MS 10000
#define PROBE_MS 2000
#define BYPASSERS_SHOWN 20

/* Seconds. */
#define SCAN_PERIOD_MIN 0.01
#define SCAN_PERIOD_MAX 86400.0

void cover_options_init(CoverOptions *options)
{
	memset(options, 0, sizeof(*options));
	options->capacity = DIRTY_SET_DEFAULT_CAPACITY;
	options->scan_period = (double)SCANNER_DEFAULT_PERIOD_NS / 1e9;
	options->scan_share = SCANNER_DEFAULT_SHARE;
}

void cover_options_clear(CoverOptions *options)
{
	g_free(options->source);
	g_strfreev(options->ignore);
	g_strfreev(options->scan);
	g_free(options->scan_python);
	g_strfreev(options->mount_options);
	g_free(options->options);
	ignore_free(options->patterns);
	cover_options_init(options);
}

/* Where on_scan_python() puts it: GLib has no other way to tell. */
static CoverOptions *described;

/* --scan-python and --scan-python=INTERPRETER. */
static gboolean on_scan_python(const char *name G_GNUC_UNUSED,
			       const char *value, gpointer data G_GNUC_UNUSED,
			       GError **error G_GNUC_UNUSED)
{
	g_free(described->scan_python);
	described->scan_python = g_strdup(value && *value ? value : "python3");
	return TRUE;
}

void cover_options_describe(CoverOptions *options, GOptionEntry *entries)
{
	const GOptionEntry all[COVER_OPTION_ENTRIES] = {
		{"source", 0, 0, G_OPTION_ARG_FILENAME, &options->source,
		 "Show the directory SRC at DIR (default: DIR itself)", "SRC"},
		{"ignore", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->ignore,
		 "Do not record names that match, as in gitignore(5); may be "
		 "repeated",
		 "PATTERN"},
		{"capacity", 0, 0, G_OPTION_ARG_INT64, &options->capacity,
		 "Remember at most N changed paths (default: 1048576)", "N"},
		{"allow-other", 0, 0, G_OPTION_ARG_NONE, &options->allow_other,
		 "Let other users see the files", NULL},
		{"scan", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->scan,
		 "Find what changes in PATH, outside of DIR, by scanning it "
		 "over and over; may be repeated",
		 "PATH"},
		{"scan-python", 0, G_OPTION_FLAG_OPTIONAL_ARG,
		 G_OPTION_ARG_CALLBACK, (gpointer)on_scan_python,
		 "Scan where a Python interpreter keeps installed code "
		 "(default: python3)",
		 "INTERPRETER"},
		{"scan-period", 0, 0, G_OPTION_ARG_DOUBLE,
		 &options->scan_period,
		 "Seconds from one scan to the next (default: 1)", "SECONDS"},
		{"scan-share", 0, 0, G_OPTION_ARG_INT, &options->scan_share,
		 "Let scans take at most so much of one processor (default: "
		 "10); the period gets longer for it",
		 "PERCENT"},
		{"options", 'o', 0, G_OPTION_ARG_FILENAME_ARRAY,
		 &options->mount_options,
		 "Options of mount(8), such as ro,noatime", "OPTIONS"},
		{NULL},
	};

	described = options;
	memcpy(entries, all, sizeof(all));
}

/* Append one option of -o to @text, or take it into account. */
static bool take_mount_option(CoverOptions *options, const char *name,
			      GString *text, GError **error)
{
	/* Those that the kernel knows for any file system. The others of FUSE
	   are for the engine to set, or would hide whose mount it is. */
	static const char *const allowed[] = {
		"ro",     "rw",    "dev",     "nodev",      "suid",
		"nosuid", "exec",  "noexec",  "atime",      "noatime",
		"sync",   "async", "dirsync", "nodiratime",
	};

	if (*name == '\0' || strcmp(name, "defaults") == 0)
		return true;
	if (strcmp(name, "allow_other") == 0) {
		options->allow_other = TRUE;
		return true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(allowed); i++) {
		if (strcmp(name, allowed[i]) != 0)
			continue;
		g_string_append_printf(text, "%s%s", text->len ? "," : "",
				       name);
		return true;
	}
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "-o: not an option of this file system: '%s'", name);
	return false;
}

bool cover_options_check(CoverOptions *options, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	if (options->capacity < 1 || options->capacity > G_MAXINT32) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--capacity: not between 1 and %d", G_MAXINT32);
		return false;
	}
	if (!(options->scan_period >= SCAN_PERIOD_MIN &&
	      options->scan_period <= SCAN_PERIOD_MAX)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--scan-period: not between %g and %g seconds",
			    SCAN_PERIOD_MIN, SCAN_PERIOD_MAX);
		return false;
	}
	if (options->scan_share < 1 || options->scan_share > 100) {
		g_set_error_literal(error, G_OPTION_ERROR,
				    G_OPTION_ERROR_BAD_VALUE,
				    "--scan-share: not between 1 and 100 "
				    "percent");
		return false;
	}
	for (char **list = options->mount_options; list && *list; list++) {
		g_auto(GStrv) names = g_strsplit(*list, ",", -1);

		for (char **name = names; *name; name++) {
			if (!take_mount_option(options, *name, text, error))
				return false;
		}
	}
	if (text->len > 0)
		options->options = g_string_free(g_steal_pointer(&text), FALSE);
	options->patterns =
		ignore_new((const char *const *)options->ignore, error);
	return options->patterns != NULL;
}

/* What is to be scanned beside @mount; NULL with @error. */
static GPtrArray *find_scan_roots(const CoverOptions *options,
				  const char *mount, GError **error)
{
	g_autoptr(GPtrArray) roots = scan_roots_new();

	for (char **path = options->scan; path && *path; path++) {
		if (!scan_roots_add_path(roots, *path, mount, error))
			return NULL;
	}
	if (options->scan_python &&
	    !scan_roots_add_python(roots, options->scan_python, mount, error))
		return NULL;
	scan_roots_settle(roots);
	return g_steal_pointer(&roots);
}

static void fill_config(DaemonConfig *config, const CoverOptions *options,
			Place *place, const GPtrArray *scan_roots)
{
	*config = (DaemonConfig){
		.source_fd = steal_fd(&place->source_fd),
		.mountpoint = place->root,
		.source_name = place->source,
		.options = options->options,
		.ignore = options->patterns,
		.capacity = (size_t)options->capacity,
		.scan_roots = scan_roots,
		.scan_period_ns = (uint64_t)(options->scan_period * 1e9),
		.scan_share = (unsigned)options->scan_share,
		.allow_other = options->allow_other,
	};
}

/* Is it this daemon that answers at @root? */
static bool verify(const char *root, const DaemonIdentity *identity,
		   GError **error)
{
	g_autofree char *shown = dup_shown_path(root);
	g_autoptr(Probe) probe = NULL;
	int r = probe_mount(root, VERIFY_MS, &probe);

	if (r < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-r),
			    "cannot mount over %s: no answer from there: %s",
			    shown, client_reason_text(r));
		return false;
	}
	if (probe->info.pid != (uint32_t)identity->pid ||
	    probe->info.now.instance != identity->instance) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    "cannot mount over %s: process %u answers there",
			    shown, probe->info.pid);
		return false;
	}
	return true;
}

/* Is there one of our mounts at @root? */
static bool is_covered(const char *root)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);
	const MountEntry *entry =
		table ? mount_table_find_path(table, root) : NULL;

	return entry && mount_entry_is_sincefs(entry) &&
	       strcmp(entry->point, root) == 0;
}

/* Detach what a daemon that was killed may have left. */
static void remove_rest(const char *root)
{
	g_autoptr(Probe) probe = NULL;

	if (is_covered(root) &&
	    probe_mount(root, PROBE_MS, &probe) == -ENOTCONN)
		mountpoint_unmount(root, true, NULL);
}

static const int held_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

void cover_hold_signals(sigset_t *before_out)
{
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < G_N_ELEMENTS(held_signals); i++)
		sigaddset(&held, held_signals[i]);
	sigprocmask(SIG_BLOCK, &held, before_out);
}

int cover_get_held_signal(void)
{
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return 0;
	for (size_t i = 0; i < G_N_ELEMENTS(held_signals); i++) {
		if (sigismember(&pending, held_signals[i]) == 1)
			return held_signals[i];
	}
	return 0;
}

bool cover_start(CoverOptions *options, const char *dir, char **root_out,
		 pid_t *pid_out, GError **error)
{
	g_auto(Place) place = PLACE_INIT;
	g_autoptr(GPtrArray) scan_roots = NULL;
	DaemonIdentity identity;
	DaemonConfig config;
	bool fine;

	if (!place_open(&place, dir, options->source, options->allow_other,
			error))
		return false;
	scan_roots = find_scan_roots(options, place.root, error);
	if (!scan_roots)
		return false;

	fill_config(&config, options, &place, scan_roots);
	if (!daemon_start(&config, &identity, error)) {
		remove_rest(place.root);
		return false;
	}
	fine = verify(place.root, &identity, error);
	if (fine && cover_get_held_signal() != 0) {
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INTR,
				    "interrupted");
		fine = false;
	}
	if (!fine) {
		kill(identity.pid, SIGKILL);
		waitpid(identity.pid, NULL, 0);
		remove_rest(place.root);
		return false;
	}
	*root_out = g_steal_pointer(&place.root);
	*pid_out = identity.pid;
	return true;
}

/* The child of a daemon in the foreground. Returns an exit status. */
static int check_foreground(const char *root, const char *source, int reader,
			    pid_t daemon_pid)
{
	DaemonIdentity identity = {.pid = daemon_pid};
	g_autoptr(GError) error = NULL;

	if (daemon_read_report(reader, &identity, &error) &&
	    verify(root, &identity, &error)) {
		cover_report_bypassers(root, source, daemon_pid, false);
		return EXIT_SUCCESS;
	}
	/* Somebody has ended it meanwhile. */
	if (identity.instance != 0 && !is_covered(root))
		return EXIT_SUCCESS;
	report("%s", error->message);
	return EXIT_FAILURE;
}

int cover_serve(CoverOptions *options, const char *dir)
{
	g_auto(Place) place = PLACE_INIT;
	g_autoptr(GPtrArray) scan_roots = NULL;
	g_autoptr(GError) error = NULL;
	pid_t own_pid = getpid();
	DaemonConfig config;
	int fds[2];
	pid_t pid;

	if (place_open(&place, dir, options->source, options->allow_other,
		       &error))
		scan_roots = find_scan_roots(options, place.root, &error);
	if (!scan_roots) {
		report("%s", error->message);
		return EXIT_FAILURE;
	}
	if (pipe(fds) < 0) {
		report("cannot make a pipe: %s", reason_text(errno));
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid < 0) {
		report("cannot start a process: %s", reason_text(errno));
		close(fds[0]);
		close(fds[1]);
		return EXIT_FAILURE;
	}
	if (pid == 0) {
		close(fds[1]);
		fd_clear(&place.source_fd);
		_exit(check_foreground(place.root, options->source, fds[0],
				       own_pid));
	}
	close(fds[0]);
	/* The child has it until it has looked. */
	fd_clear(&place.lock_fd);
	fill_config(&config, options, &place, scan_roots);
	return daemon_serve(&config, fds[1], pid);
}

/* The parent of a process, 0 when it has none that can be seen. */
static pid_t parent_of(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
	g_autofree char *text = NULL;
	const char *end;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	/* "pid (name) state parent ...", where the name may contain ")". */
	end = strrchr(text, ')');
	return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static bool is_ancestor(pid_t pid)
{
	for (pid_t at = getpid(); at > 0; at = parent_of(at)) {
		if (at == pid)
			return true;
	}
	return false;
}

void cover_report_bypassers(const char *root, const char *source,
			    pid_t daemon_pid, bool not_ancestors)
{
	g_autofree char *beside =
		source ? mountpoint_resolve(source, NULL) : NULL;
	g_autoptr(MountTable) table = mount_table_read(NULL);
	g_autofree char *shown = dup_shown_path(root);
	g_autoptr(GPtrArray) holders = NULL;
	const MountEntry *entry;

	entry = table ? mount_table_find_path(table, root) : NULL;
	if (!mount_entry_is_sincefs(entry))
		return;
	holders = holders_find(table, entry, beside, HOLDERS_BESIDE_MOUNT,
			       daemon_pid);
	for (guint i = 0; not_ancestors && i < holders->len;) {
		const Holder *holder = g_ptr_array_index(holders, i);

		if (is_ancestor(holder->pid))
			g_ptr_array_remove_index(holders, i);
		else
			i++;
	}
	if (holders->len == 0)
		return;

	report("%u %s still %s the directory %s %s and %s the mount:",
	       holders->len, holders->len == 1 ? "process" : "processes",
	       holders->len == 1 ? "uses" : "use",
	       source ? "shown at" : "below", shown,
	       holders->len == 1 ? "bypasses" : "bypass");
	for (guint i = 0; i < holders->len && i < BYPASSERS_SHOWN; i++) {
		const Holder *holder = g_ptr_array_index(holders, i);
		g_autofree char *text = holder_dup_text(holder);

		report_more("  %s (%d): %s", holder->name, (int)holder->pid,
			    text);
	}
	if (holders->len > BYPASSERS_SHOWN)
		report_more("  and %u more", holders->len - BYPASSERS_SHOWN);
	if (source)
		report_more("What they change is not recorded. Let them use %s "
			    "instead.",
			    shown);
	else
		report_more("What they change is not recorded. In a shell type "
			    "cd \"$PWD\", start other programs again.");
}
