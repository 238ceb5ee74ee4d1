/* SPDX-License-Identifier: MIT */
/*
 * Where g_message() and its relatives go: standard error, or for a daemon in
 * the background the system's log. Which levels are shown is GLib's business:
 * debug and info only for the domains in G_MESSAGES_DEBUG.
 *
 * Nothing is opened when a message is written, and no time zone, locale or
 * conversion is loaded: the files of these may lie in the very mount that waits
 * for the thread that logs.
 */
#ifndef MOUNT_LOG_H
#define MOUNT_LOG_H

/* Log to standard error. Once, from main(), before there are threads. */
void log_init(void);

/* Open the system's log while that can not yet hang. Without one, messages will
   have nowhere to go, which is no error. */
void log_prepare_system(void);

/* From now on log there. Before there are threads, or by the main thread. */
void log_use_system(void);

#endif /* MOUNT_LOG_H */
