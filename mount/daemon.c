// SPDX-License-Identifier: MIT
/*
 * A daemon can hang on itself: whatever it opens by path once it is mounted may
 * lie in its own mount, whose requests nobody but itself answers. Therefore
 * (trap 11):
 *
 * (1) It stands in "/", and descriptors that it did not ask for are closed.
 * (2) All that it needs is opened, looked up and loaded before fs_new(): the
 *     log, /dev/null, the text of error messages.
 * (3) It writes nothing but its log, to a descriptor that never blocks.
 *
 * What it tells its starter goes over a pipe: a Report, then the text of the
 * error if it failed. If it dies before, the pipe just ends.
 *
 * The end: a signal asks the kernel to unmount, and when the mount is in use to
 * detach it. The session then ends by itself, at once or when the last user is
 * gone; GRACE_MS later, or at a second signal, the threads are stopped anyway.
 */
#include "mount/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <glib-unix.h>

#include "core/dirty-set.h"
#include "core/scanner.h"
#include "core/tree.h"
#include "fs/fs.h"
#include "mount/fd.h"
#include "mount/log.h"
#include "mount/report.h"
#include "mount/scan-roots.h"

#define GRACE_MS 2000
#define START_MS 30000
/* How long a scan may take to end. */
#define SCANNER_PATIENCE_MS 1000

/* Linux 5.6; older headers do not have it. */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

typedef struct {
	uint64_t instance; /* 0: failed, the reason follows */
} Report;

typedef struct {
	const DaemonConfig *config;
	char *shown; /* owned; the place, for messages */
	GMainLoop *loop;
	DirtySet *set;
	TreeList *trees;
	Scanner *scanner;
	Fs *fs;
	bool ending;
	int status;
} Daemon;

/* The session has ended. From a thread of the file system. */
static gboolean quit(void *data)
{
	Daemon *daemon = data;

	g_main_loop_quit(daemon->loop);
	return G_SOURCE_REMOVE;
}

static void on_ended(void *data)
{
	/* As a source it runs in the loop, even if that is yet to begin. */
	g_idle_add(quit, data);
}

static void end(Daemon *daemon)
{
	int r;

	if (daemon->ending) {
		g_main_loop_quit(daemon->loop);
		return;
	}
	daemon->ending = true;
	g_timeout_add(GRACE_MS, quit, daemon);

	r = fs_unmount(daemon->fs, false);
	if (r == -EBUSY) {
		g_message("%s is in use: detached", daemon->shown);
		r = fs_unmount(daemon->fs, true);
	}
	if (r < 0)
		g_warning("cannot unmount %s: %s", daemon->shown,
			  reason_text(-r));
}

static gboolean on_signal(void *data)
{
	end(data);
	return G_SOURCE_CONTINUE;
}

static void on_checked(GPid pid G_GNUC_UNUSED, int status, void *data)
{
	Daemon *daemon = data;

	if (status == 0)
		return;
	daemon->status = EXIT_FAILURE;
	end(daemon);
}

static uint64_t make_instance(void)
{
	uint64_t instance = 0;

	while (instance == 0) {
		if (getrandom(&instance, sizeof(instance), 0) < 0)
			instance = 0;
	}
	return instance;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* (1), (2) */
static void prepare_process(void)
{
	if (chdir("/") < 0)
		g_debug("cannot go to '/': %s", reason_text(errno));
	/* The kernel has applied the caller's mask to the modes it sends. */
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	/* Memory for answering must not wait for pages that we would have to
	   write back. Not allowed to all. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	/* What converts the texts of errors is loaded by the first. */
	reason_text(EIO);
}

/*
 * Mount. For users fusermount3 does it, and says on standard error why it
 * could not: that is put into @error, so that there is one message.
 */
static bool mount_listening(Daemon *daemon, FsConfig *fs_config, GError **error)
{
	auto_fd heard = -1, usual = -1;
	g_autoptr(GError) reason = NULL;
	char text[512] = "";
	ssize_t n;

	if (geteuid() != 0)
		heard = memfd_create("sincefs", MFD_CLOEXEC);
	if (heard >= 0)
		usual = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (usual >= 0)
		dup2(heard, STDERR_FILENO);
	daemon->fs = fs_new(fs_config, &reason);
	if (usual >= 0)
		dup2(usual, STDERR_FILENO);
	if (daemon->fs)
		return true;

	n = heard >= 0 ? pread(heard, text, sizeof(text) - 1, 0) : 0;
	text[MAX(n, 0)] = '\0';
	g_strdelimit(g_strchomp(text), "\n", ' ');
	if (*text) {
		g_autofree char *shown = dup_shown_path(fs_config->mountpoint);

		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    "cannot mount over %s: %s", shown, text);
	} else {
		g_propagate_error(error, g_steal_pointer(&reason));
	}
	return false;
}

/* From a thread of the scanner: it ends before the file system does. */
static void on_clock_moved(void *data)
{
	const Daemon *daemon = data;

	fs_clock_moved(daemon->fs);
}

/* What the daemon answers from; the mount is the first tree. */
static bool make_parts(Daemon *daemon, const DaemonConfig *config,
		       uint64_t instance)
{
	const GPtrArray *roots = config->scan_roots;
	ScannerConfig scanner_config = {
		.ignore = config->ignore,
		.period_ns = config->scan_period_ns,
		.share = config->scan_share,
		.moved = on_clock_moved,
		.data = daemon,
	};

	daemon->set = dirty_set_new(instance, config->capacity);
	if (!daemon->set)
		return false;
	daemon->trees = tree_list_new(daemon->set);
	if (!daemon->trees || tree_list_add(daemon->trees, config->mountpoint,
					    SINCEFS_TREE_MOUNTED) != 1)
		return false;
	scanner_config.set = daemon->set;
	scanner_config.trees = daemon->trees;
	daemon->scanner = scanner_new(&scanner_config);
	if (!daemon->scanner)
		return false;
	for (guint i = 0; roots && i < roots->len; i++) {
		const ScanRoot *root = g_ptr_array_index(roots, i);

		if (scanner_add(daemon->scanner, root->path, root->flags) == 0)
			return false;
	}
	return true;
}

/* In the reverse order; what a thread is stuck in stays until the process
   ends. */
static void free_parts(Daemon *daemon)
{
	if (!scanner_free(daemon->scanner, SCANNER_PATIENCE_MS)) {
		g_warning("a scan is stuck in a file system");
		return;
	}
	if (!fs_free(daemon->fs))
		return;
	tree_list_free(daemon->trees);
	dirty_set_free(daemon->set);
}

static bool start_serving(Daemon *daemon, DaemonConfig *config, GError **error)
{
	FsConfig fs_config = {
		.source_fd = steal_fd(&config->source_fd),
		.mountpoint = config->mountpoint,
		.source_name = config->source_name,
		.allow_other = config->allow_other,
		.options = config->options,
		.set = daemon->set,
		.trees = daemon->trees,
		.scanner = daemon->scanner,
		.ignore = config->ignore,
		.owner = getuid(),
	};
	sigset_t ours, before;
	bool started;

	if (!mount_listening(daemon, &fs_config, error))
		return false;

	/* The signals are for this thread alone. */
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	started = fs_start(daemon->fs, on_ended, daemon, error);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

/* False when the starter is gone. */
static bool tell(int fd, uint64_t instance, const char *text)
{
	Report said = {.instance = instance};

	return write(fd, &said, sizeof(said)) == sizeof(said) &&
	       (!text || write(fd, text, strlen(text)) >= 0);
}

/* The tests' hook, and nobody else's: a client comes before the first scan. */
static void delay_for_test(void)
{
#ifdef SINCEFS_TEST_HOOKS
	const char *delay = g_getenv("SINCEFS_TEST_SCAN_DELAY_US");

	if (delay)
		g_usleep(strtoul(delay, NULL, 10));
#endif
}

/* @null_fd: becomes the standard streams once it answers, -1 to keep them. */
static int serve(DaemonConfig *config, int report_fd, int null_fd,
		 pid_t checker)
{
	Daemon daemon = {.config = config, .status = EXIT_SUCCESS};
	uint64_t instance = make_instance();
	g_autoptr(GError) error = NULL;
	auto_fd report = report_fd;
	int r;

	prepare_process();
	daemon.shown = dup_shown_path(config->mountpoint);
	daemon.loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, on_signal, &daemon);
	g_unix_signal_add(SIGINT, on_signal, &daemon);
	g_unix_signal_add(SIGHUP, on_signal, &daemon);
	if (checker > 0)
		g_child_watch_add(checker, on_checked, &daemon);

	if (!make_parts(&daemon, config, instance)) {
		g_set_error(&error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
			    "cannot remember %zu paths: %s", config->capacity,
			    reason_text(ENOMEM));
	} else {
		start_serving(&daemon, config, &error);
	}

	if (!error && null_fd >= 0) {
		dup2(null_fd, STDIN_FILENO);
		dup2(null_fd, STDOUT_FILENO);
		dup2(null_fd, STDERR_FILENO);
		log_use_system();
	}
	if (error) {
		tell(report, 0, error->message);
		daemon.status = EXIT_FAILURE;
	} else if (!tell(report, instance, NULL)) {
		/* The starter was killed: nobody knows of this mount. */
		daemon.status = EXIT_FAILURE;
	} else {
		fd_clear(&report);
		g_message("mounted over %s", daemon.shown);
		/* Only now: the mount answers before anything is walked. */
		delay_for_test();
		r = scanner_start(daemon.scanner);
		if (r < 0)
			g_warning("cannot scan what lies outside %s: %s",
				  daemon.shown, reason_text(-r));
		g_main_loop_run(daemon.loop);
		g_message("ended the mount over %s", daemon.shown);
	}

	free_parts(&daemon);
	g_main_loop_unref(daemon.loop);
	g_free(daemon.shown);
	fd_clear(&config->source_fd);
	return daemon.status;
}

int daemon_serve(DaemonConfig *config, int report_fd, pid_t checker)
{
	return serve(config, report_fd, -1, checker);
}

/* Close all descriptors but the standard streams and @keep: somebody may wait
   for the end of a pipe that we would otherwise hold for ever. */
static void close_others(const int *keep, size_t keep_count)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		bool kept = fd <= STDERR_FILENO || fd == dirfd(dir);

		for (size_t i = 0; i < keep_count && !kept; i++)
			kept = fd == keep[i];
		if (!kept)
			close(fd);
	}
	closedir(dir);
}

/* In the new process. */
static void run_in_background(DaemonConfig *config, int report_fd)
{
	int keep[] = {report_fd, config->source_fd};
	int null_fd;
	sigset_t none;

	setsid();
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_others(keep, G_N_ELEMENTS(keep));
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	log_prepare_system();
	exit(serve(config, report_fd, null_fd, 0));
}

bool daemon_start(DaemonConfig *config, DaemonIdentity *identity_out,
		  GError **error)
{
	auto_fd reader = -1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "cannot make a pipe: %s", reason_text(errno));
		fd_clear(&config->source_fd);
		return false;
	}
	reader = fds[0];
	pid = fork();
	if (pid == 0) {
		fd_clear(&reader);
		run_in_background(config, fds[1]);
	}
	close(fds[1]);
	/* Else this process would be one that holds the directory below. */
	fd_clear(&config->source_fd);
	if (pid < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "cannot start a process: %s", reason_text(errno));
		return false;
	}

	if (!daemon_read_report(reader, identity_out, error)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return false;
	}
	identity_out->pid = pid;
	return true;
}

bool daemon_read_report(int fd, DaemonIdentity *identity_out, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + START_MS * (gint64)1000;
	g_autoptr(GByteArray) data = g_byte_array_new();
	Report said;

	for (;;) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		gint64 left_ms = (deadline - g_get_monotonic_time()) / 1000;
		guint8 buffer[1024];
		ssize_t n;

		n = left_ms > 0 ? poll(&poller, 1, (int)left_ms) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
				    "the daemon did not come up within %d s",
				    START_MS / 1000);
			return false;
		}
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		g_byte_array_append(data, buffer, (guint)n);
	}

	if (data->len < sizeof(said)) {
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
				    "the daemon ended before it answered");
		return false;
	}
	memcpy(&said, data->data, sizeof(said));
	if (said.instance == 0) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%.*s",
			    (int)(data->len - sizeof(said)),
			    (const char *)data->data + sizeof(said));
		return false;
	}
	identity_out->instance = said.instance;
	return true;
}
