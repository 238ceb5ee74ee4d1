/* SPDX-License-Identifier: MIT */
/*
 * The engine: cached, no OPEN. Every change to the tree comes through this
 * mount, so the kernel may keep what it was told for ever: names, absent names,
 * attributes, contents, directories. Files and directories are opened by the
 * kernel itself; what is left are look-ups of what it has not seen, and every
 * change. Writes are written through, one request each, so a stamp is exact.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fs-internal.h"
#include "fs/locate.h"
#include "fs/ops.h"

/* All that the protocol's 16 bits can say: a flush of many mappings must not
   be held back in the kernel, or the next question overtakes it. */
#define BACKGROUND_MAX 65535

/* Descriptors left to the process for what is not cached: requests at work,
   directories being read, the session itself. */
#define DESCRIPTORS_RESERVED 224
#define DESCRIPTORS_MIN 32
/* With fewer in all there may be none left to open a file with. */
#define DESCRIPTORS_LEAST 32
/* More does not help: the cache is for what is being worked on. */
#define DESCRIPTORS_MAX 8192

/* How long fs_free() waits for a request that is stuck below. */
#define PATIENCE_MS 3000

/*
 * Does the kernel take our max_background as it is? From others than the
 * machine's administrator it cuts it down, and then it may hold back a part of
 * a very large flush.
 */
static bool is_administrator(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct sets[2];
	unsigned long long inside = 1, outside = 1, count = 0;
	FILE *map;

	if (syscall(SYS_capget, &header, sets) != 0 ||
	    !(sets[0].effective & (1u << CAP_SYS_ADMIN)))
		return false;
	/* In a user name space of its own the capability is not that one. */
	map = fopen("/proc/self/uid_map", "re");
	if (map == NULL)
		return false;
	if (fscanf(map, "%llu %llu %llu", &inside, &outside, &count) != 3)
		count = 0;
	fclose(map);
	return inside == 0 && outside == 0 && count == UINT32_MAX;
}

static void op_init(void *data, struct fuse_conn_info *connection)
{
	Fs *fs = data;
	/* Each with its reason:
	   - truncation on open would come with an OPEN, of which there are
	   none;
	   - contents change through us alone, times below say nothing more;
	   - the kernel itself takes set-id bits away, it asks for it;
	   - requests are read into memory, in which one can see what they are.
	 */
	const unsigned never = FUSE_CAP_ATOMIC_O_TRUNC |
			       FUSE_CAP_AUTO_INVAL_DATA |
			       FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ |
			       FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
			       FUSE_CAP_WRITEBACK_CACHE;
	/* ACLs are enforced, and inherited with the caller's umask; links never
	   change; a directory lists with what is needed to go on below it. */
	const unsigned wished = FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK |
				FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_IOCTL_DIR |
				FUSE_CAP_READDIRPLUS |
				FUSE_CAP_READDIRPLUS_AUTO |
				FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
				FUSE_CAP_ASYNC_DIO;

	connection->want &= ~never;
	connection->want |= wished & connection->capable;
	connection->max_background = BACKGROUND_MAX;
	connection->congestion_threshold = BACKGROUND_MAX;
	connection->time_gran = 1;
	atomic_fetch_or(&fs->features, SINCEFS_FEATURE_STATS);
	if (is_administrator())
		atomic_fetch_or(&fs->features, SINCEFS_FEATURE_SYNC_EXACT);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.readlink = op_readlink,
	.statfs = op_statfs,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.create = op_create,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.release = op_release,
	.flush = op_flush,
	.read = op_read,
	.write_buf = op_write_buf,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.ioctl = op_ioctl,
	.poll = op_poll,
};

/* What libfuse last complained of, for the error of fs_new(). */
static GString *fuse_complaints;

static void on_fuse_log(enum fuse_log_level level, const char *format,
			va_list arguments)
{
	g_autofree char *text = g_strdup_vprintf(format, arguments);

	g_strchomp(text);
	if (fuse_complaints != NULL) {
		if (fuse_complaints->len > 0)
			g_string_append(fuse_complaints, "; ");
		g_string_append(fuse_complaints, text);
	} else if (level <= FUSE_LOG_WARNING) {
		g_message("%s", text);
	} else {
		g_debug("%s", text);
	}
}

static bool add_option(struct fuse_args *args, const char *option)
{
	return fuse_opt_add_arg(args, "-o") == 0 &&
	       fuse_opt_add_arg(args, option) == 0;
}

/* A value may hold what separates options. */
static bool add_escaped(struct fuse_args *args, const char *name,
			const char *value)
{
	g_autofree char *option = g_strconcat(name, "=", value, NULL);
	char *options = NULL;
	bool added = fuse_opt_add_opt_escaped(&options, option) == 0 &&
		     add_option(args, options);

	free(options);
	return added;
}

/* Mount, or with @io (see fs_new_on()) begin without. */
static bool begin_session(Fs *fs, const FsConfig *config,
			  const struct fuse_custom_io *io, int fd,
			  GError **error)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	g_autoptr(GString) complaints = g_string_new(NULL);
	bool begun = false;

	fuse_complaints = complaints;
	fuse_set_log_func(on_fuse_log);
	if (fuse_opt_add_arg(&args, "sincefs") == 0 &&
	    add_option(&args, "subtype=sincefs") &&
	    add_option(&args, "default_permissions") &&
	    add_escaped(&args, "fsname", config->source_name) &&
	    (!config->allow_other || add_option(&args, "allow_other")) &&
	    (config->options == NULL || *config->options == '\0' ||
	     add_option(&args, config->options)))
		fs->session = fuse_session_new(&args, &operations,
					       sizeof(operations), fs);
	if (fs->session != NULL) {
		if (io != NULL)
			begun = fuse_session_custom_io(fs->session, io, fd) ==
				0;
		else
			begun = fuse_session_mount(fs->session,
						   fs->mountpoint) == 0;
	}
	fs->mounted = begun && io == NULL;
	if (fs->mounted)
		own_mount_note(&fs->own_mount, fs->mountpoint);
	fuse_opt_free_args(&args);
	fuse_complaints = NULL;
	if (!begun)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    "cannot mount over '%s': %s", fs->mountpoint,
			    complaints->len > 0 ? complaints->str
			    : fs->session != NULL
				    ? "fusermount3 refused"
				    : "libfuse refused the options");
	return begun;
}

static size_t descriptor_budget(const FsConfig *config)
{
	struct rlimit limit;
	size_t budget = config->max_descriptors;

	if (budget == 0) {
		budget = DESCRIPTORS_MAX;
		if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		    limit.rlim_cur != RLIM_INFINITY &&
		    limit.rlim_cur < budget + DESCRIPTORS_RESERVED)
			budget = limit.rlim_cur > DESCRIPTORS_RESERVED
					 ? limit.rlim_cur - DESCRIPTORS_RESERVED
					 : 0;
	}
	return budget < DESCRIPTORS_MIN ? DESCRIPTORS_MIN : budget;
}

static bool check_descriptors(const FsConfig *config, GError **error)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= DESCRIPTORS_LEAST)
		return true;
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_MFILE,
		    "cannot mount over '%s': it takes a limit of %d open files "
		    "(ulimit -n), which is %d",
		    config->mountpoint, DESCRIPTORS_LEAST, (int)limit.rlim_cur);
	return false;
}

/* The tests' hooks, and nobody else's. */
static void read_test_hooks(Fs *fs, bool *keep_no_descriptors_out)
{
	*keep_no_descriptors_out = false;
#ifdef SINCEFS_TEST_HOOKS
	const char *delay = g_getenv("SINCEFS_TEST_WRITE_DELAY_US");
	const char *no_cache = g_getenv("SINCEFS_TEST_NO_DESCRIPTOR_CACHE");

	if (delay != NULL)
		fs->write_delay_us = (unsigned)strtoul(delay, NULL, 10);
	*keep_no_descriptors_out = no_cache != NULL && *no_cache == '1';
#else
	(void)fs;
#endif
}

/* The root's node is there from the start, and its descriptor never goes. */
static bool make_root(Fs *fs, const FsConfig *config, GError **error)
{
	struct statx attributes;
	struct statfs below;
	bool keep_nothing;
	NodeKey key;
	Node *root;
	errint r = stat_at(fs->root_fd, "", &attributes);

	read_test_hooks(fs, &keep_nothing);
	descriptors_init(&fs->cache, descriptor_budget(config), keep_nothing);
	/* A file of overlayfs that is written for the first time becomes a
	   copy, which has another birth time and the same number. */
	if (r == 0 && fstatfs(fs->root_fd, &below) != 0)
		r = -errno;
	if (r == 0) {
		fs->has_unsteady_births = below.f_type == OVERLAYFS_SUPER_MAGIC;
		key = key_of(fs, &attributes);
		fs->table = inode_table_new(&key, &fs->cache);
		if (fs->table == NULL)
			r = -ENOMEM;
	}
	if (r == 0) {
		inode_table_lock(fs->table);
		root = inode_table_at_locked(fs->table, INODE_ROOT_INDEX);
		root->pin = descriptor_new_locked(&fs->cache, fs->root_fd,
						  DESCRIPTOR_PATH);
		if (root->pin == NULL)
			r = -ENOMEM;
		else
			fs->root_fd = -1; /* the table's from now on */
		inode_table_unlock(fs->table);
	}
	if (r < 0)
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-r),
			    "cannot read the directory below '%s': %s",
			    fs->mountpoint, g_strerror(-r));
	return r == 0;
}

static Fs *new_fs(FsConfig *config, const struct fuse_custom_io *io, int fd,
		  GError **error)
{
	Fs *fs = g_new0(Fs, 1);

	fs->root_fd = config->source_fd;
	config->source_fd = -1;
	fs->mountpoint = g_strdup(config->mountpoint);
	fs->owner = config->owner;
	fs->is_root = geteuid() == 0;
	fs->acts_as_caller = fs->is_root;
	fs->set = config->set;
	fs->trees = config->trees;
	fs->root_name = tree_list_get_root_node(fs->trees, 1);
	fs->ignore = config->ignore;
	fs->scanner = config->scanner;
	counters_init(&fs->counters);
	streams_init(&fs->streams);
	barrier_init(&fs->barrier);
	turns_init(&fs->turns);
	notifier_init(&fs->notifier);
	requests_init(&fs->requests);
	fs->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->proc_fd < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "cannot open '/proc/self/fd': %s",
			    g_strerror(errno));
		goto fail;
	}
	if (!check_descriptors(config, error) ||
	    !make_root(fs, config, error) ||
	    !begin_session(fs, config, io, fd, error))
		goto fail;
	return fs;
fail:
	fs_free(fs);
	return NULL;
}

Fs *fs_new(FsConfig *config, GError **error)
{
	return new_fs(config, NULL, -1, error);
}

Fs *fs_new_on(FsConfig *config, const struct fuse_custom_io *io, int fd,
	      GError **error)
{
	return new_fs(config, io, fd, error);
}

bool fs_start(Fs *fs, void (*ended)(void *data), void *data, GError **error)
{
	int r = notifier_start(&fs->notifier, fs);

	if (r == 0)
		r = requests_start(fs, ended, data);
	if (r < 0)
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-r),
			    "cannot start the threads of '%s': %s",
			    fs->mountpoint, g_strerror(-r));
	return r == 0;
}

/* fusermount3(1) may unmount for an ordinary user. */
static int unmount_by_helper(const char *mountpoint, bool lazy)
{
	char *const busy[] = {"fusermount3",      "-u", "-q", "--",
			      (char *)mountpoint, NULL};
	char *const detach[] = {"fusermount3",      "-u", "-q", "-z", "--",
				(char *)mountpoint, NULL};
	int status;
	pid_t pid;
	int r = posix_spawnp(&pid, "fusermount3", NULL, NULL,
			     lazy ? detach : busy, environ);

	if (r != 0)
		return -r;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	/* It tells only whether it worked; in use is the reason to expect. */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

static bool has_ended(Fs *fs)
{
	bool ended;

	pthread_mutex_lock(&fs->requests.lock);
	ended = fs->requests.ended;
	pthread_mutex_unlock(&fs->requests.lock);
	return ended;
}

/* The kernel says so at once; the threads may not have seen it yet. */
static bool is_severed(Fs *fs)
{
	struct pollfd device = {.fd = fuse_session_fd(fs->session)};

	return poll(&device, 1, 0) == 1 && (device.revents & POLLERR);
}

/* Close the device, which ends the connection, and leave in its place something
   that looks the same: a pipe that nobody reads. */
static void sever(Fs *fs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	close(ends[0]);
	dup3(ends[1], fuse_session_fd(fs->session), O_CLOEXEC);
	close(ends[1]);
}

int fs_unmount(Fs *fs, bool lazy)
{
	g_autofree char *point = NULL;
	int r;

	if (!fs->mounted || has_ended(fs) || is_severed(fs))
		return 0;
	/* Where it was mounted may lie another mount by now, which is not ours
	   to unmount. */
	r = own_mount_find(&fs->own_mount, &point);
	if (r == 0)
		r = umount2(point, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) ==
				    0
			    ? 0
			    : -errno;
	if (r == -EPERM && point != NULL && !fs->is_root)
		r = unmount_by_helper(point, lazy);
	/* Not a mount point any more: somebody was faster. */
	if (r == -EINVAL || r == -ENOENT)
		r = 0;
	if (r == 0)
		fs->mounted = false;
	return r;
}

bool fs_free(Fs *fs)
{
	bool ended = true;

	if (fs == NULL)
		return true;
	if (fs->session != NULL) {
		fs_unmount(fs, true);
		/* The notifier first: the kernel may let it go on only when a
		   request is answered. */
		ended = notifier_stop(&fs->notifier, PATIENCE_MS);
		ended = requests_stop(fs, PATIENCE_MS) && ended;
	}
	if (!ended) {
		/* A thread is still below and would come back to freed memory:
		   what is left goes with the process. */
		g_warning("'%s': a request is stuck in the file system below",
			  fs->mountpoint);
		return false;
	}
	/* Frees poll handles, which belong to the session. */
	inode_table_free(fs->table);
	descriptors_close(descriptors_take_done_locked(&fs->cache));
	if (fs->session != NULL) {
		/* Frees what mounting took; but with a connection that lives
		   it would unmount what lies below a detached mount. */
		if (!is_severed(fs))
			sever(fs);
		if (is_severed(fs))
			fuse_session_unmount(fs->session);
		fuse_session_destroy(fs->session);
	}
	free(fs->pins.ids);
	requests_clear(&fs->requests);
	notifier_clear(&fs->notifier);
	turns_clear(&fs->turns);
	barrier_clear(&fs->barrier);
	streams_clear(&fs->streams);
	counters_clear(&fs->counters);
	if (fs->proc_fd >= 0)
		close(fs->proc_fd);
	if (fs->root_fd >= 0)
		close(fs->root_fd);
	g_free(fs->mountpoint);
	g_free(fs);
	return true;
}

void fs_clock_moved(Fs *fs)
{
	notifier_clock_moved(&fs->notifier);
}

void fs_get_stats(Fs *fs, struct sincefs_stats *stats_out)
{
	counters_fill(&fs->counters, stats_out);
	inode_table_lock(fs->table);
	stats_out->inodes = inode_table_count_locked(fs->table);
	stats_out->descriptors = fs->cache.open;
	inode_table_unlock(fs->table);
}
