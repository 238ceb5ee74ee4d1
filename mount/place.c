// SPDX-License-Identifier: MIT
/*
 * The checks go from what asks nobody (the table of mounts) to what looks at
 * the directory, so that a mount that does not answer is recognised before it
 * is walked into. They make for clear reasons; what decides in the end is the
 * kernel, and something may change between a check and the mount. Two of us can
 * not meet there: see take_lock().
 */
#include "mount/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "mount/fd.h"
#include "mount/holders.h"
#include "mount/mountpoint.h"
#include "mount/probe.h"
#include "mount/report.h"

#define PROBE_MS 2000
#define LOCK_MS 5000

void place_clear(Place *place)
{
	g_clear_pointer(&place->root, g_free);
	g_clear_pointer(&place->source, g_free);
	fd_clear(&place->source_fd);
	fd_clear(&place->lock_fd);
}

/* "cannot mount over 'dir': why" */
static bool refuse(GError **error, const char *dir, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

static bool refuse(GError **error, const char *dir, const char *format, ...)
{
	g_autofree char *shown = dup_shown_path(dir);
	g_autofree char *why = NULL;
	va_list args;

	va_start(args, format);
	why = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "cannot mount over %s: %s", shown, why);
	return false;
}

/*
 * Wait for another sincefs that is about to mount at the same place, so that it
 * is seen. The lock lies in the directory below, which does not matter to those
 * who lock it through the mount. Somebody else may hold it for his own reasons:
 * after a time it is left.
 */
static int take_lock(const char *root)
{
	auto_fd fd = open(root, O_RDONLY | HOLDERS_LOCK_FLAGS | O_CLOEXEC);
	gint64 deadline = g_get_monotonic_time() + LOCK_MS * (gint64)1000;

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || g_get_monotonic_time() > deadline)
			return -1;
		g_usleep(10000);
	}
	return steal_fd(&fd);
}

typedef enum {
	COVERED_NOT,
	COVERED_DEAD, /* by a mount whose daemon is gone, at the very place */
	COVERED_REFUSED, /* with an error */
} Covered;

/* By the table of mounts: is a sincefs at @root or above it? */
static Covered look_for_cover(const char *root, const char *dir, GError **error)
{
	g_autoptr(MountTable) table = mount_table_read(error);
	const MountEntry *entry;
	g_autoptr(Probe) probe = NULL;
	g_autofree char *shown = NULL;
	int r;

	if (!table)
		return COVERED_REFUSED;
	entry = mount_table_find_path(table, root);
	if (!mount_entry_is_sincefs(entry))
		return COVERED_NOT;

	shown = dup_shown_path(entry->point);
	r = probe_mount(entry->point, PROBE_MS, &probe);
	if (r == -ENOTCONN && strcmp(entry->point, root) == 0)
		return COVERED_DEAD;
	if (r == -ENOTCONN)
		refuse(error, dir,
		       "it lies in the dead sincefs mount %s, which 'sincefs "
		       "umount' removes",
		       shown);
	else if (strcmp(entry->point, root) == 0)
		refuse(error, dir, "already covered by sincefs");
	else
		refuse(error, dir, "already covered by the sincefs mount %s",
		       shown);
	return COVERED_REFUSED;
}

/* Remove dead mounts at @root until there is none. */
static bool remove_dead(const char *root, const char *dir, GError **error)
{
	for (;;) {
		g_autofree char *said = NULL;
		g_autofree char *shown = NULL;
		int r;

		switch (look_for_cover(root, dir, error)) {
		case COVERED_NOT:
			return true;
		case COVERED_REFUSED:
			return false;
		case COVERED_DEAD:
			break;
		}
		r = mountpoint_unmount(root, true, &said);
		if (r < 0)
			return refuse(error, dir,
				      "a dead sincefs mount is there and "
				      "cannot be removed: %s",
				      said ? said : reason_text(-r));
		shown = dup_shown_path(root);
		report("removed a dead sincefs mount from %s", shown);
	}
}

static bool is_kernel_file_system(const char *path)
{
	static const long types[] = {
		PROC_SUPER_MAGIC,    SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,
		TRACEFS_MAGIC,       SECURITYFS_MAGIC,   BPF_FS_MAGIC,
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if ((long)fs.f_type == types[i])
			return true;
	}
	return false;
}

/* May the caller mount here, as far as the directory is concerned? */
static bool check_directory(const char *root, const char *dir, GError **error)
{
	struct stat st;

	if (stat(root, &st) < 0)
		return refuse(error, dir, "%s", reason_text(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse(error, dir, "not a directory");
	if (strcmp(root, "/") == 0)
		return refuse(error, dir, "it is the root of the system");
	if (is_kernel_file_system(root))
		return refuse(error, dir,
			      "a file system of the kernel holds no files to "
			      "track");
	/* A user needs W as fusermount3 asks for it, and in a sticky directory
	   the directory must be his own. */
	if (faccessat(AT_FDCWD, root,
		      geteuid() == 0 ? R_OK : R_OK | W_OK | X_OK,
		      AT_EACCESS) < 0)
		return refuse(error, dir, "%s", reason_text(errno));
	if (geteuid() != 0 && st.st_mode & S_ISVTX && st.st_uid != geteuid())
		return refuse(error, dir,
			      "permission denied: others may write to it and "
			      "it is not yours");
	return true;
}

/*
 * Is the directory with @source's identity above @root? Compared by identity
 * and not by name alone, since what is mounted here may appear in a bind mount
 * of the source as well.
 */
static bool is_above(const struct stat *source, const char *root)
{
	g_autofree char *path = g_strdup(root);

	while (strcmp(path, "/") != 0) {
		char *parent = g_path_get_dirname(path);
		struct stat st;

		g_free(path);
		path = parent;
		if (stat(path, &st) == 0 && st.st_dev == source->st_dev &&
		    st.st_ino == source->st_ino)
			return true;
	}
	return false;
}

/* Can what @place->source names be shown at @place->root? */
static bool check_source(Place *place, const char *dir, GError **error)
{
	g_autofree char *shown = dup_shown_path(place->source);
	g_autoptr(MountTable) table = mount_table_read(error);
	struct stat st;

	if (!table)
		return false;
	if (mount_entry_is_sincefs(mount_table_find_path(table, place->source)))
		return refuse(error, dir,
			      "its source %s is itself covered by sincefs",
			      shown);
	place->source_fd =
		open(place->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->source_fd < 0 || fstat(place->source_fd, &st) < 0)
		return refuse(error, dir, "its source %s: %s", shown,
			      reason_text(errno));
	if (is_above(&st, place->root))
		return refuse(error, dir,
			      "it lies inside its source %s: a tree cannot be "
			      "shown inside itself",
			      shown);
	return true;
}

static bool open_source(Place *place, const char *dir, const char *source,
			GError **error)
{
	g_autoptr(GError) reason = NULL;
	struct stat control;

	if (source) {
		place->source = mountpoint_resolve(source, &reason);
		if (!place->source) {
			g_autofree char *shown = dup_shown_path(source);

			return refuse(error, dir, "its source %s: %s", shown,
				      reason->message);
		}
		if (!check_source(place, dir, error))
			return false;
	} else {
		place->source = g_strdup(place->root);
		place->source_fd =
			open(place->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (place->source_fd < 0)
			return refuse(error, dir, "%s", reason_text(errno));
	}

	if (fstatat(place->source_fd, SINCEFS_CONTROL_NAME, &control,
		    AT_SYMLINK_NOFOLLOW) == 0)
		return refuse(error, dir,
			      "there is a '%s' in it, which the control file "
			      "would hide",
			      SINCEFS_CONTROL_NAME);
	return true;
}

/*
 * As fusermount3 reads it, which decides. It does not take a last line without
 * a newline, and then says so itself.
 */
bool place_conf_allows_other(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line; line++) {
		(*line)[strcspn(*line, "#")] = '\0';
		if (strcmp(g_strstrip(*line), "user_allow_other") == 0)
			return true;
	}
	return false;
}

static bool check_system(const char *dir, bool allow_other, GError **error)
{
	auto_fd fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fuse < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return refuse(error, dir,
			      "no FUSE in this system: /dev/fuse: %s",
			      reason_text(errno));
	if (fuse < 0)
		return refuse(error, dir, "/dev/fuse: %s", reason_text(errno));
	if (geteuid() == 0)
		return true;

	g_autofree char *helper = g_find_program_in_path("fusermount3");

	if (!helper)
		return refuse(error, dir,
			      "users need the program fusermount3 for that, "
			      "and it is not there");
	if (allow_other) {
		g_autofree char *text = NULL;

		if (!g_file_get_contents("/etc/fuse.conf", &text, NULL, NULL) ||
		    !place_conf_allows_other(text))
			return refuse(error, dir,
				      "allow_other needs a line "
				      "'user_allow_other' in /etc/fuse.conf");
	}
	return true;
}

bool place_open(Place *place, const char *dir, const char *source,
		bool allow_other, GError **error)
{
	g_autoptr(GError) reason = NULL;

	place->root = mountpoint_resolve(dir, &reason);
	if (!place->root)
		return refuse(error, dir, "%s", reason->message);

	/* Once without the lock, which could not be had through a dead mount,
	   and once with it. */
	if (!remove_dead(place->root, dir, error) ||
	    !check_directory(place->root, dir, error))
		return false;
	place->lock_fd = take_lock(place->root);
	return remove_dead(place->root, dir, error) &&
	       open_source(place, dir, source, error) &&
	       check_system(dir, allow_other, error);
}
