// SPDX-License-Identifier: MIT
/*
 * The kernel's table of mounts, read and understood here rather than by
 * libmount: what is needed is a page of code, and a dependency less.
 *
 * Which mount a path lies in follows the kernel's own walk: from the mount at
 * the root, a path enters the first mount point it meets, and there the mount
 * that was put on that one, until none is met. So a mount below a directory
 * that was covered later is not found, as no path leads to it.
 */
#include "mount/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount/fd.h"
#include "mount/limited.h"
#include "mount/report.h"

/* As many as the kernel follows. */
#define LINKS_MAX 40
/* How long looking at a path may take. */
#define LOOK_MS 2000

struct MountTable {
	GPtrArray *entries; /* of MountEntry, owned */
};

static void mount_entry_free(void *data)
{
	MountEntry *entry = data;

	g_free(entry->point);
	g_free(entry->type);
	g_free(entry->source);
	g_free(entry->options);
	g_free(entry);
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void mountpoint_unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' &&
		    is_octal(from[2]) && is_octal(from[3])) {
			*to = (char)((from[1] - '0') << 6 |
				     (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static char *dup_unescaped(const char *text)
{
	char *copy = g_strdup(text);

	mountpoint_unescape(copy);
	return copy;
}

static bool parse_number(const char *text, guint64 max, guint64 *number_out)
{
	return g_ascii_string_to_unsigned(text, 10, 0, max, number_out, NULL);
}

/* "36 35 98:0 /root /point options [tag...] - type source options" */
static MountEntry *parse_line(const char *line)
{
	g_auto(GStrv) fields = g_strsplit(line, " ", -1);
	g_auto(GStrv) device = NULL;
	unsigned int count = g_strv_length(fields);
	unsigned int dash = 6;
	guint64 id, parent_id, major_number, minor_number;
	MountEntry *entry;

	while (dash < count && strcmp(fields[dash], "-") != 0)
		dash++;
	/* The source may be an empty string, so that it is there. */
	if (dash + 2 >= count)
		return NULL;
	device = g_strsplit(fields[2], ":", 2);
	if (g_strv_length(device) != 2 ||
	    !parse_number(fields[0], G_MAXINT, &id) ||
	    !parse_number(fields[1], G_MAXINT, &parent_id) ||
	    !parse_number(device[0], G_MAXUINT, &major_number) ||
	    !parse_number(device[1], G_MAXUINT, &minor_number))
		return NULL;

	entry = g_new0(MountEntry, 1);
	entry->id = (int)id;
	entry->parent_id = (int)parent_id;
	entry->major = (unsigned)major_number;
	entry->minor = (unsigned)minor_number;
	entry->point = dup_unescaped(fields[4]);
	entry->options = dup_unescaped(fields[5]);
	entry->type = dup_unescaped(fields[dash + 1]);
	entry->source = dup_unescaped(fields[dash + 2]);
	return entry;
}

MountTable *mount_table_parse(const char *text)
{
	MountTable *table = g_new0(MountTable, 1);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	table->entries = g_ptr_array_new_with_free_func(mount_entry_free);
	for (char **line = lines; *line; line++) {
		MountEntry *entry = parse_line(*line);

		if (entry)
			g_ptr_array_add(table->entries, entry);
	}
	return table;
}

MountTable *mount_table_read(GError **error)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, error))
		return NULL;
	return mount_table_parse(text);
}

void mount_table_free(MountTable *table)
{
	if (!table)
		return;
	g_ptr_array_unref(table->entries);
	g_free(table);
}

size_t mount_table_get_count(const MountTable *table)
{
	return table->entries->len;
}

const MountEntry *mount_table_get(const MountTable *table, size_t index)
{
	return g_ptr_array_index(table->entries, index);
}

const MountEntry *mount_table_find_id(const MountTable *table, int id)
{
	for (size_t i = 0; i < table->entries->len; i++) {
		const MountEntry *entry = mount_table_get(table, i);

		if (entry->id == id)
			return entry;
	}
	return NULL;
}

/*
 * Is @entry mounted directly on @parent? NULL stands for what is outside of the
 * table: the mount at the root has a parent there, and in a chroot the mounts
 * that can be reached may all have one.
 */
static bool is_child(const MountTable *table, const MountEntry *entry,
		     const MountEntry *parent)
{
	if (parent)
		return entry->parent_id == parent->id && entry != parent;
	return entry->parent_id == entry->id ||
	       !mount_table_find_id(table, entry->parent_id);
}

const MountEntry *mount_table_find_path(const MountTable *table,
					const char *path)
{
	const MountEntry *at = NULL;

	/* Each turn goes one mount deeper; the count stops a table that is a
	   circle, which the kernel does not make but a test may. */
	for (size_t turn = 0; turn <= table->entries->len; turn++) {
		const MountEntry *next = NULL;

		for (size_t i = 0; i < table->entries->len; i++) {
			const MountEntry *entry = mount_table_get(table, i);

			if (!is_child(table, entry, at) ||
			    !path_is_within(path, entry->point))
				continue;
			if (!next ||
			    strlen(entry->point) <= strlen(next->point))
				next = entry;
		}
		if (!next)
			break;
		at = next;
	}
	return at;
}

bool mount_table_is_visible(const MountTable *table, const MountEntry *entry)
{
	return mount_table_find_path(table, entry->point) == entry;
}

bool mount_table_is_within(const MountTable *table, int id, int ancestor_id)
{
	for (size_t turn = 0; turn <= table->entries->len; turn++) {
		const MountEntry *entry;

		if (id == ancestor_id)
			return true;
		entry = mount_table_find_id(table, id);
		if (!entry)
			return false;
		id = entry->parent_id;
	}
	return false;
}

bool mount_entry_is_sincefs(const MountEntry *entry)
{
	return entry && strcmp(entry->type, MOUNT_TYPE) == 0;
}

bool path_is_within(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return path[0] == '/';
	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

const char *path_relative_to(const char *path, const char *directory)
{
	path += strlen(directory);
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

/* Errors that say that the name is not there, and not that somebody who should
   have answered did not. */
static bool is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP ||
	       error == ENAMETOOLONG || error == ENOMEM;
}

/*
 * May looking at @path wait for a daemon? The root of a mount is the kernel's
 * own, dead or not; what is in it is not, and neither are mounts that are
 * reached through it.
 */
static bool may_hang(const MountTable *table, const char *path)
{
	const MountEntry *entry = mount_table_find_path(table, path);

	for (size_t turn = 0; entry && turn <= table->entries->len; turn++) {
		if (g_str_has_prefix(entry->type, "fuse") &&
		    strcmp(entry->point, path) != 0)
			return true;
		entry = mount_table_find_id(table, entry->parent_id);
	}
	return false;
}

typedef struct {
	const MountTable *table; /* borrowed; NULL: look at all */
	GString *done;  /* owned; absolute, without links; "" is the root */
	size_t certain; /* so much of it; the rest was not looked at */
	int reason;     /* the errno for that rest */
	bool left_out;  /* something may hang, and was not looked at */
	unsigned int links;
} Walk;

/* Is it something that has no "." and ".."? */
static bool is_known_file(Walk *walk)
{
	size_t length = walk->done->len;
	char buffer[1];
	bool is_file;

	if (walk->certain < length)
		return false;
	g_string_append(walk->done, "/.");
	is_file = !(walk->table && may_hang(walk->table, walk->done->str)) &&
		  readlink(walk->done->str, buffer, sizeof(buffer)) < 0 &&
		  errno == ENOTDIR;
	g_string_truncate(walk->done, length);
	return is_file;
}

static int go_up(Walk *walk)
{
	const char *slash;

	/* It might be a link that leads elsewhere. */
	if (walk->certain < walk->done->len)
		return -walk->reason;
	slash = strrchr(walk->done->str, '/');
	if (slash)
		g_string_truncate(walk->done, (gsize)(slash - walk->done->str));
	walk->certain = walk->done->len;
	return 0;
}

/*
 * Go on to the name that was added to @walk->done after its first @before
 * bytes: 0, -errno, or 1 with *@link_out (caller frees) if it is a link, and is
 * taken back.
 */
static int look_at(Walk *walk, size_t before, char **link_out)
{
	char to[PATH_MAX];
	ssize_t n;

	if (walk->table && may_hang(walk->table, walk->done->str)) {
		walk->left_out = true;
		walk->reason = ETIMEDOUT;
		return 0;
	}
	n = readlink(walk->done->str, to, sizeof(to));
	if (n == (ssize_t)sizeof(to))
		return -ENAMETOOLONG;
	if (n >= 0) {
		if (++walk->links > LINKS_MAX)
			return -ELOOP;
		g_string_truncate(walk->done, *to == '/' ? 0 : before);
		walk->certain = MIN(walk->certain, walk->done->len);
		*link_out = g_strndup(to, (gsize)n);
		return 1;
	}
	if (errno == EINVAL) {
		if (walk->certain == before)
			walk->certain = walk->done->len;
		return 0;
	}
	/* What can not be looked at is taken by its name. */
	walk->reason = errno;
	return is_missing(errno) ? -errno : 0;
}

/* From @walk->done on by @path. */
static int go(Walk *walk, const char *path)
{
	g_autofree char *rest = g_strdup(path);
	const char *at = rest;

	for (;;) {
		g_autofree char *link = NULL;
		size_t before = walk->done->len;
		size_t length;
		int r;

		at += strspn(at, "/");
		length = strcspn(at, "/");
		if (length == 0)
			return 0;
		if (strncmp(at, "..", length) == 0) { /* or "." */
			r = is_known_file(walk) ? -ENOTDIR : 0;
			if (r == 0 && length == 2)
				r = go_up(walk);
			if (r < 0)
				return r;
			at += length;
			continue;
		}
		g_string_append_c(walk->done, '/');
		g_string_append_len(walk->done, at, (gssize)length);
		at += length;
		r = look_at(walk, before, &link);
		if (r < 0)
			return r;
		if (r > 0) {
			char *longer = g_build_filename(link, at, NULL);

			g_free(rest);
			at = rest = longer;
		}
	}
}

/* Walk by @path from @start, which is absolute and without links. With @table
   nothing is looked at that may hang: *@left_out_out says whether there was
   such. */
static int walk_from(const char *start, const char *path,
		     const MountTable *table, char **real_out,
		     bool *left_out_out)
{
	g_autoptr(GString) done = g_string_new(
		*path == '/' || strcmp(start, "/") == 0 ? "" : start);
	Walk walk = {.table = table, .done = done, .certain = done->len};
	int r = go(&walk, path);

	*left_out_out = walk.left_out;
	if (r == 0)
		*real_out = g_strdup(done->len > 0 ? done->str : "/");
	return r;
}

typedef struct {
	const char *start;
	const char *path;
} Route;

/* In a process of its own. */
static void tell_where_it_leads(void *data, int fd)
{
	const Route *route = data;
	g_autofree char *real = NULL;
	bool left_out;
	int r = walk_from(route->start, route->path, NULL, &real, &left_out);

	if (limited_tell(fd, &r, sizeof(r)) && real)
		limited_tell(fd, real, strlen(real));
}

/* What a process of its own finds: false when it found no end in time. */
static bool ask_where_it_leads(const char *start, const char *path, int *r,
			       char **real_out)
{
	Route route = {.start = start, .path = path};
	g_autoptr(GByteArray) told = g_byte_array_new();

	if (limited_call(tell_where_it_leads, &route, LOOK_MS, told) < 0 ||
	    told->len < sizeof(*r))
		return false;
	memcpy(r, told->data, sizeof(*r));
	if (*r == 0)
		*real_out = g_strndup((const char *)told->data + sizeof(*r),
				      told->len - sizeof(*r));
	return true;
}

/*
 * Where the caller stands: neither $PWD nor getcwd(3) will do, which may look
 * at directories, and the first of which knows places that are no more.
 */
static int get_cwd(char *buffer, size_t size)
{
	if (syscall(SYS_getcwd, buffer, size) < 0)
		return errno == ERANGE ? -ENAMETOOLONG : -errno;
	/* "(unreachable)/...": in a mount that was detached. */
	return *buffer == '/' ? 0 : -ENOENT;
}

char *mountpoint_resolve(const char *path, GError **error)
{
	g_autoptr(MountTable) table = mount_table_read(NULL);
	g_autofree char *by_name = NULL;
	g_autofree char *real = NULL;
	char start[PATH_MAX] = "/";
	bool left_out = false;
	int r = *path ? 0 : -ENOENT;

	if (r == 0 && *path != '/')
		r = get_cwd(start, sizeof(start));
	if (r == 0)
		r = walk_from(start, path, table, &by_name, &left_out);
	/* For most paths nobody needs to be asked. */
	if (!left_out || !ask_where_it_leads(start, path, &r, &real))
		real = g_steal_pointer(&by_name);
	if (r < 0) {
		g_set_error_literal(error, G_FILE_ERROR,
				    g_file_error_from_errno(-r),
				    reason_text(-r));
		return NULL;
	}
	return g_steal_pointer(&real);
}

int mountpoint_parse_id(const char *fdinfo)
{
	static const char key[] = "mnt_id:";
	const char *line = fdinfo;

	while (line && !g_str_has_prefix(line, key)) {
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return line ? (int)strtol(line + strlen(key), NULL, 10) : -ENOENT;
}

int mountpoint_get_id(int fd)
{
	char path[64];
	char text[1024];
	auto_fd info = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -errno;
	n = read(info, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return mountpoint_parse_id(text);
}

/* Have fusermount3, which is allowed to, unmount for us. */
static int unmount_by_helper(const char *path, bool lazy, char **message_out)
{
	const char *argv[] = {"fusermount3",      "-u",
			      lazy ? "-z" : "--", lazy ? "--" : path,
			      lazy ? path : NULL, NULL};
	g_auto(GStrv) environment = g_get_environ();
	g_autoptr(GError) error = NULL;
	g_autofree char *said = NULL;
	int status;

	/* What it says is read below. */
	environment = g_environ_setenv(environment, "LC_ALL", "C", TRUE);
	if (!g_spawn_sync("/", (char **)argv, environment,
			  G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
			  NULL, NULL, NULL, &said, &status, &error)) {
		if (message_out)
			*message_out = g_strdup(error->message);
		return -ENOENT;
	}
	if (status == 0)
		return 0;
	if (strstr(said, "Device or resource busy"))
		return -EBUSY;
	if (message_out)
		*message_out = g_strdup(g_strstrip(said));
	return -EPERM;
}

int mountpoint_unmount(const char *path, bool lazy, char **message_out)
{
	int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);

	if (umount2(path, flags) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return unmount_by_helper(path, lazy, message_out);
}
