/* SPDX-License-Identifier: MIT */
#include "fs/own-mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

/* A line of proc_pid_mountinfo(5), as far as it matters. */
typedef struct {
	int id;
	unsigned major, minor;
	char *point; /* owned */
} Line;

static bool parse(const char *text, Line *line)
{
	g_auto(GStrv) fields = g_strsplit(text, " ", 6);

	if (g_strv_length(fields) < 6 ||
	    sscanf(fields[0], "%d", &line->id) != 1 ||
	    sscanf(fields[2], "%u:%u", &line->major, &line->minor) != 2)
		return false;
	/* Blanks and backslashes come in octal. */
	line->point = g_strcompress(fields[4]);
	return true;
}

/* All lines, NULL-terminated; NULL when they cannot be read. */
static char **read_lines(void)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
		return NULL;
	return g_strsplit(text, "\n", -1);
}

void own_mount_note(OwnMount *own, const char *point)
{
	g_auto(GStrv) lines = read_lines();

	*own = (OwnMount){.id = 0};
	for (char **at = lines; at && *at; at++) {
		Line line;

		if (!parse(*at, &line))
			continue;
		/* The last one at a place is the one on top. */
		if (strcmp(line.point, point) == 0)
			*own = (OwnMount){line.id, line.major, line.minor};
		g_free(line.point);
	}
}

/* The number of the mount that @point leads to, 0 when that cannot be told. The
   mount itself is not asked anything. */
static int get_id_at(const char *point)
{
	g_autofree char *info = NULL, *text = NULL;
	int fd = open(point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	const char *at = NULL;
	int id = 0;

	if (fd < 0)
		return 0;
	info = g_strdup_printf("/proc/self/fdinfo/%d", fd);
	if (g_file_get_contents(info, &text, NULL, NULL))
		at = strstr(text, "mnt_id:");
	if (at == NULL || sscanf(at, "mnt_id: %d", &id) != 1)
		id = 0;
	close(fd);
	return id;
}

int own_mount_find(const OwnMount *own, char **point_out)
{
	g_auto(GStrv) lines = read_lines();
	g_autofree char *point = NULL;

	if (!lines)
		return -EIO;
	for (char **at = lines; *at; at++) {
		Line line;

		if (!parse(*at, &line))
			continue;
		if (line.id == own->id && line.major == own->major &&
		    line.minor == own->minor) {
			g_free(point);
			point = g_strdup(line.point);
		}
		g_free(line.point);
	}
	if (!point)
		return -ENOENT;
	if (get_id_at(point) != own->id)
		return -EBUSY;
	*point_out = g_steal_pointer(&point);
	return 0;
}
