// SPDX-License-Identifier: MIT
/*
 * For thousands of processes the readlink(2) of each link is most of the cost.
 * Only a link that leads to a path at or below the directory is looked at
 * closer, so that processes on other, perhaps hung, file systems cost nothing
 * and hang nothing.
 *
 * A link's path is that of its own mount: one to the directory that is covered
 * reads the same as one to the mount that covers it. The mount's number tells
 * them apart. It is in /proc/PID/fdinfo for descriptors; for the other links an
 * O_PATH descriptor is made, which asks no file system, and its own number is
 * read. Mappings have the number of the device alone.
 */
#include "mount/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mount/fd.h"
#include "mount/report.h"

typedef struct {
	const MountTable *table;
	const MountEntry *mount;
	const char *place;
	HoldersWhich which;
	char name_space[64]; /* of mounts: ours */
} Search;

static void holder_free(void *data)
{
	Holder *holder = data;

	g_free(holder->name);
	g_free(holder->path);
	g_free(holder);
}

/* Read the link @name in @dirfd. False when that is not allowed, when the
   process has ended, or when it is longer than any path of a mount. */
static bool read_link(int dirfd, const char *name, char *buffer, size_t size)
{
	ssize_t n = readlinkat(dirfd, name, buffer, size - 1);

	if (n < 0 || (size_t)n >= size - 1)
		return false;
	buffer[n] = '\0';
	return true;
}

static bool is_wanted(const Search *search, int mount_id)
{
	bool through;

	if (mount_id < 0)
		return false;
	through = mount_table_is_within(search->table, mount_id,
					search->mount->id);
	return through == (search->which == HOLDERS_OF_MOUNT);
}

/* cwd, root, exe */
static bool holds_by_link(const Search *search, int proc, const char *name,
			  char **path_out)
{
	char path[PATH_MAX];
	auto_fd fd = -1;

	if (!read_link(proc, name, path, sizeof(path)) ||
	    !path_is_within(path, search->place))
		return false;
	fd = openat(proc, name, O_PATH | O_CLOEXEC);
	if (fd < 0 || !is_wanted(search, mountpoint_get_id(fd)))
		return false;
	*path_out = g_strdup(path);
	return true;
}

static bool read_fdinfo(int proc, const char *number, char *text, size_t size)
{
	g_autofree char *name = g_strconcat("fdinfo/", number, NULL);
	auto_fd fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

/*
 * Is the descriptor that @fdinfo is about no more than the lock of another
 * sincefs, which is about to mount at the same place too, and will be refused?
 */
static bool is_lock(const Search *search, int proc, const char *path,
		    const char *fdinfo)
{
	static const char key[] = "flags:";
	const char *flags = strstr(fdinfo, key);
	char program[PATH_MAX], ours[PATH_MAX];

	return strcmp(path, search->place) == 0 && flags &&
	       (strtol(flags + strlen(key), NULL, 8) & HOLDERS_LOCK_FLAGS) ==
		       HOLDERS_LOCK_FLAGS &&
	       read_link(proc, "exe", program, sizeof(program)) &&
	       read_link(AT_FDCWD, "/proc/self/exe", ours, sizeof(ours)) &&
	       strcmp(program, ours) == 0;
}

static bool holds_by_descriptor(const Search *search, int proc, char **path_out)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		char path[PATH_MAX];
		char text[1024];

		if (!read_link(fd, entry->d_name, path, sizeof(path)) ||
		    !path_is_within(path, search->place) ||
		    !read_fdinfo(proc, entry->d_name, text, sizeof(text)))
			continue;
		if (is_wanted(search, mountpoint_parse_id(text)) &&
		    !is_lock(search, proc, path, text)) {
			*path_out = g_strdup(path);
			found = true;
		}
	}
	closedir(dir);
	return found;
}

/* What of "start-end perms offset major:minor inode path" is wanted; the path
   points into @line. False for a mapping of no file. */
static bool parse_mapping(char *line, unsigned *major_out, unsigned *minor_out,
			  char **path_out)
{
	char *path = strchr(line, '/');
	char *at = line;

	for (int i = 0; i < 3 && at; i++)
		at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
	if (!path || !at || at > path)
		return false;
	*major_out = (unsigned)strtoul(at, &at, 16);
	if (*at != ':')
		return false;
	*minor_out = (unsigned)strtoul(at + 1, NULL, 16);
	path[strcspn(path, "\n")] = '\0';
	mountpoint_unescape(path);
	*path_out = path;
	return true;
}

static bool holds_by_mapping(const Search *search, int proc, char **path_out)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
	g_autofree char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *maps;

	if (fd < 0)
		return false;
	maps = fdopen(fd, "r");
	if (!maps) {
		close(fd);
		return false;
	}
	while (!found && getline(&line, &size, maps) > 0) {
		unsigned major_number, minor_number;
		bool through;
		char *path;

		if (!parse_mapping(line, &major_number, &minor_number, &path) ||
		    !path_is_within(path, search->place))
			continue;
		through = major_number == search->mount->major &&
			  minor_number == search->mount->minor;
		if (through == (search->which == HOLDERS_OF_MOUNT)) {
			*path_out = g_strdup(path);
			found = true;
		}
	}
	fclose(maps);
	return found;
}

static char *dup_program_name(int proc)
{
	char name[64];
	auto_fd fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

	if (n <= 0)
		return g_strdup("?");
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	/* A process chooses its own name; a terminal is not to obey it. */
	for (char *c = name; *c; c++) {
		if (!g_ascii_isprint(*c))
			*c = '?';
	}
	return g_strdup(name);
}

static Holder *look_at(const Search *search, int proc, pid_t pid)
{
	g_autofree char *path = NULL;
	char name_space[64];
	HolderKind kind;
	Holder *holder;

	/* Not allowed to look, or another view of what a path means. */
	if (!read_link(proc, "ns/mnt", name_space, sizeof(name_space)) ||
	    strcmp(name_space, search->name_space) != 0)
		return NULL;

	if (holds_by_link(search, proc, "cwd", &path))
		kind = HOLDER_CWD;
	else if (holds_by_link(search, proc, "root", &path))
		kind = HOLDER_ROOT;
	else if (holds_by_link(search, proc, "exe", &path))
		kind = HOLDER_EXE;
	else if (holds_by_descriptor(search, proc, &path))
		kind = HOLDER_FILE;
	else if (holds_by_mapping(search, proc, &path))
		kind = HOLDER_MAPPING;
	else
		return NULL;

	holder = g_new0(Holder, 1);
	holder->pid = pid;
	holder->name = dup_program_name(proc);
	holder->kind = kind;
	holder->path = g_strdup(path_relative_to(path, search->place));
	return holder;
}

static int compare_pids(const void *a, const void *b)
{
	const Holder *const *left = a;
	const Holder *const *right = b;

	return ((*left)->pid > (*right)->pid) - ((*left)->pid < (*right)->pid);
}

/* Calls visit(proc, pid, data) for each process but ourselves until it returns
   false; @proc is its directory in /proc. */
static void visit_processes(bool (*visit)(int proc, pid_t pid, void *data),
			    void *data)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool go_on = true;

	if (!dir)
		return;
	while (go_on && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		auto_fd proc = -1;

		if (pid <= 0 || pid == getpid())
			continue;
		proc = openat(dirfd(dir), entry->d_name,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc >= 0)
			go_on = visit(proc, pid, data);
	}
	closedir(dir);
}

static bool search_init(Search *search, const MountTable *table,
			const MountEntry *mount, const char *place,
			HoldersWhich which)
{
	search->table = table;
	search->mount = mount;
	search->place = place ? place : mount->point;
	search->which = which;
	return read_link(AT_FDCWD, "/proc/self/ns/mnt", search->name_space,
			 sizeof(search->name_space));
}

typedef struct {
	Search search;
	pid_t not_pid;
	GPtrArray *holders;
} HoldersFind;

static bool visit_holder(int proc, pid_t pid, void *data)
{
	HoldersFind *find = data;
	Holder *holder =
		pid == find->not_pid ? NULL : look_at(&find->search, proc, pid);

	if (holder)
		g_ptr_array_add(find->holders, holder);
	return true;
}

GPtrArray *holders_find(const MountTable *table, const MountEntry *mount,
			const char *place, HoldersWhich which, pid_t not_pid)
{
	HoldersFind find = {
		.not_pid = not_pid,
		.holders = g_ptr_array_new_with_free_func(holder_free),
	};

	if (search_init(&find.search, table, mount, place, which))
		visit_processes(visit_holder, &find);
	g_ptr_array_sort(find.holders, compare_pids);
	return find.holders;
}

bool holders_have_self(const MountTable *table, const MountEntry *mount,
		       HoldersWhich which)
{
	auto_fd proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	Search search;
	Holder *holder;

	if (proc < 0 || !search_init(&search, table, mount, NULL, which))
		return false;
	holder = look_at(&search, proc, getpid());
	if (!holder)
		return false;
	holder_free(holder);
	return true;
}

typedef struct {
	const MountEntry *mount;
	char name_space[64]; /* of mounts: ours */
	pid_t found;
} NameSpaceFind;

/* The mount has another number there, but the same device. */
static bool visit_name_space(int proc, pid_t pid, void *data)
{
	NameSpaceFind *find = data;
	char name_space[64];
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	g_autoptr(MountTable) table = NULL;

	if (!read_link(proc, "ns/mnt", name_space, sizeof(name_space)) ||
	    strcmp(name_space, find->name_space) == 0)
		return true;
	path = g_strdup_printf("/proc/%d/mountinfo", (int)pid);
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return true;
	table = mount_table_parse(text);
	for (size_t i = 0; i < mount_table_get_count(table); i++) {
		const MountEntry *entry = mount_table_get(table, i);

		if (entry->major == find->mount->major &&
		    entry->minor == find->mount->minor)
			find->found = pid;
	}
	return find->found == 0;
}

pid_t holders_find_name_space(const MountEntry *mount)
{
	NameSpaceFind find = {.mount = mount};

	if (read_link(AT_FDCWD, "/proc/self/ns/mnt", find.name_space,
		      sizeof(find.name_space)))
		visit_processes(visit_name_space, &find);
	return find.found;
}

char *holder_dup_text(const Holder *holder)
{
	static const char *const names[] = {
		[HOLDER_CWD] = "working directory",
		[HOLDER_ROOT] = "root directory",
		[HOLDER_EXE] = "program",
		[HOLDER_FILE] = "open file",
		[HOLDER_MAPPING] = "mapped file",
	};
	g_autofree char *path = dup_shown_path(holder->path);

	return g_strdup_printf("%s %s", names[holder->kind], path);
}

char *holders_dup_summary(const GPtrArray *holders)
{
	const guint shown_max = 5;
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < holders->len && i < shown_max; i++) {
		const Holder *holder = g_ptr_array_index(holders, i);

		g_string_append_printf(text, "%s%s pid %d", i ? ", " : "",
				       holder->name, (int)holder->pid);
	}
	if (holders->len > shown_max)
		g_string_append_printf(text, " and %u more",
				       holders->len - shown_max);
	return g_string_free(text, FALSE);
}
