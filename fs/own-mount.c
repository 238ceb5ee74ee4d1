/* SPDX-License-Identifier: MIT */
#include "fs/own-mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

/* A line of proc_pid_mountinfo(5), as far as it matters. */
typedef struct {
	int id, parent;
	unsigned major, minor;
	char *point; /* owned */
} Line;

static bool parse(const char *text, Line *line)
{
	g_auto(GStrv) fields = g_strsplit(text, " ", 6);

	if (g_strv_length(fields) < 6 ||
	    sscanf(fields[0], "%d", &line->id) != 1 ||
	    sscanf(fields[1], "%d", &line->parent) != 1 ||
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

int own_mount_find(const OwnMount *own, char **point_out)
{
	g_auto(GStrv) lines = read_lines();
	g_autofree char *point = NULL;
	bool is_covered = false;

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
		} else if (point && line.parent == own->id &&
			   strcmp(line.point, point) == 0) {
			is_covered = true;
		}
		g_free(line.point);
	}
	if (!point)
		return -ENOENT;
	if (is_covered)
		return -EBUSY;
	*point_out = g_steal_pointer(&point);
	return 0;
}
