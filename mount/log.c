// SPDX-License-Identifier: MIT
/*
 * The system's log is spoken to by one datagram a message, "<priority>sincefs
 * [pid]: text", which syslog daemons and the journal both take. syslog(3) would
 * look up the time zone and connect again by path.
 */
#include "mount/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <glib.h>

/* Immutable once there are threads but for use_system, see log.h. */
static int system_fd = -1;
static gint use_system;

static int priority_of(GLogLevelFlags level)
{
	if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
		return LOG_ERR;
	if (level & G_LOG_LEVEL_WARNING)
		return LOG_WARNING;
	if (level & G_LOG_LEVEL_MESSAGE)
		return LOG_NOTICE;
	if (level & G_LOG_LEVEL_INFO)
		return LOG_INFO;
	return LOG_DEBUG;
}

static const char *get_field(const GLogField *fields, gsize n, const char *key)
{
	for (gsize i = 0; i < n; i++) {
		if (strcmp(fields[i].key, key) == 0 && fields[i].length < 0)
			return fields[i].value;
	}
	return NULL;
}

static GLogWriterOutput write_message(GLogLevelFlags level,
				      const GLogField *fields, gsize n,
				      void *data G_GNUC_UNUSED)
{
	const char *text = get_field(fields, n, "MESSAGE");
	const char *domain = get_field(fields, n, "GLIB_DOMAIN");
	g_autofree char *line = NULL;
	ssize_t written;

	if (!text || g_log_writer_default_would_drop(level, domain))
		return G_LOG_WRITER_HANDLED;

	if (g_atomic_int_get(&use_system)) {
		line = g_strdup_printf("<%d>sincefs[%d]: %s",
				       LOG_DAEMON | priority_of(level),
				       (int)getpid(), text);
		written = system_fd < 0 ? -1
					: send(system_fd, line, strlen(line),
					       MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		line = g_strdup_printf(
			"sincefs: %s%s\n",
			level & G_LOG_LEVEL_WARNING ? "warning: " : "", text);
		written = write(STDERR_FILENO, line, strlen(line));
	}
	return written < 0 ? G_LOG_WRITER_UNHANDLED : G_LOG_WRITER_HANDLED;
}

void log_init(void)
{
	g_log_set_writer_func(write_message, NULL, NULL);
}

void log_prepare_system(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
				      .sun_path = "/dev/log"};

	system_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (system_fd < 0)
		return;
	if (connect(system_fd, (struct sockaddr *)&address, sizeof(address))) {
		close(system_fd);
		system_fd = -1;
	}
}

void log_use_system(void)
{
	g_atomic_int_set(&use_system, 1);
}
