// SPDX-License-Identifier: MIT
/*
 * A report is one write(2), so that the lines of several processes do not mix
 * and nothing is left in a buffer when the process forks or is killed.
 */
#include "mount/report.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "mount/output.h"

static void write_line(const char *prefix, const char *format, va_list args)
	G_GNUC_PRINTF(2, 0);

static void write_line(const char *prefix, const char *format, va_list args)
{
	g_autoptr(GString) line = g_string_new(prefix);
	const char *rest;

	g_string_append_vprintf(line, format, args);
	g_string_append_c(line, '\n');

	rest = line->str;
	while (*rest) {
		ssize_t n = write(STDERR_FILENO, rest, strlen(rest));

		if (n < 0 && errno == EINTR)
			continue;
		/* There is nobody to tell that nobody can be told. */
		if (n <= 0)
			return;
		rest += n;
	}
}

void report(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line("sincefs: ", format, args);
	va_end(args);
}

void report_more(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line("", format, args);
	va_end(args);
}

const char *reason_text(int error)
{
	g_autofree char *text = g_strdup(g_strerror(error));

	/* "I/O error" and the like stay as they are. */
	if (g_ascii_isupper(text[0]) && g_ascii_islower(text[1]))
		text[0] = g_ascii_tolower(text[0]);
	return g_intern_string(text);
}

const char *client_reason_text(int error)
{
	switch (-error) {
	case ENOTTY:
		return "not on a sincefs mount";
	case ENOTCONN:
		return "the daemon of this mount is gone";
	case EPROTO:
		return "the daemon speaks another version of the protocol";
	case EPERM:
		return "only the user who mounted it and root may ask";
	case ETIMEDOUT:
		return "the daemon does not answer";
	default:
		return reason_text(-error);
	}
}

char *dup_shown_path(const char *path)
{
	g_autoptr(GString) quoted = NULL;
	bool readable = g_utf8_validate(path, -1, NULL);

	for (const char *p = path; *p && readable; p++)
		readable = !g_ascii_iscntrl(*p);
	if (readable)
		return g_strdup_printf("'%s'", path);

	quoted = g_string_new(NULL);
	output_append_quoted(quoted, path, strlen(path));
	return g_string_free(g_steal_pointer(&quoted), FALSE);
}
