/* SPDX-License-Identifier: MIT */
#include "fs/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Groups a caller may have and be served with in one reading; NGROUPS_MAX is
   65536, so the list is read again with room when it is longer. */
#define GROUPS_FIRST 64

/* The umask that this thread has now; larger than any at first. */
static _Thread_local mode_t current_umask = (mode_t)-1;

static _Thread_local bool has_own_umask;
/* For threads without: held while the umask is a caller's. */
static pthread_mutex_t shared_umask = PTHREAD_MUTEX_INITIALIZER;

/* The daemon's own groups, the same in every thread. */
static gid_t *own_groups;
static int own_group_count;
static pthread_once_t own_groups_once = PTHREAD_ONCE_INIT;

static void read_own_groups(void)
{
	int n = getgroups(0, NULL);

	if (n <= 0)
		return;
	own_groups = calloc((size_t)n, sizeof(*own_groups));
	if (own_groups != NULL)
		own_group_count = getgroups(n, own_groups);
	if (own_group_count < 0)
		own_group_count = 0;
}

void identity_thread_init(void)
{
	pthread_once(&own_groups_once, read_own_groups);
	has_own_umask = unshare(CLONE_FS) == 0;
}

static int set_groups(size_t n, const gid_t *groups)
{
	return syscall(SYS_setgroups, n, groups) == 0 ? 0 : -errno;
}

/* The raw call: glibc's setresuid changes every thread, setfsuid does not, but
   tells of no error, so look whether it worked. */
static int set_ids(uid_t uid, gid_t gid)
{
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
	if ((gid_t)syscall(SYS_setfsgid, -1) != gid ||
	    (uid_t)syscall(SYS_setfsuid, -1) != uid)
		return -EPERM;
	return 0;
}

/* The caller's supplementary groups: *@groups_out is to be freed. How many, or
   -errno. */
static int get_groups(fuse_req_t req, gid_t **groups_out)
{
	int room = GROUPS_FIRST;

	for (int tries = 0; tries < 3; tries++) {
		g_autofree gid_t *groups = g_try_new(gid_t, (gsize)room);
		int n;

		if (groups == NULL)
			return -ENOMEM;
		n = fuse_req_getgroups(req, room, groups);
		if (n < 0)
			return -EACCES;
		if (n <= room) {
			*groups_out = g_steal_pointer(&groups);
			return n;
		}
		room = n;
	}
	return -EACCES;
}

static int assume_groups(fuse_req_t req)
{
	g_autofree gid_t *groups = NULL;
	int n = get_groups(req, &groups);

	return n < 0 ? n : set_groups((size_t)n, groups);
}

bool identity_is_in_group(fuse_req_t req, gid_t group)
{
	g_autofree gid_t *groups = NULL;
	int n;

	if (fuse_req_ctx(req)->gid == group)
		return true;
	n = get_groups(req, &groups);
	for (int i = 0; i < n; i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

int identity_assume(Fs *fs, fuse_req_t req, Identity *identity)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);
	int r;

	identity->changed = false;
	identity->locked = !has_own_umask;
	if (identity->locked) {
		pthread_mutex_lock(&shared_umask);
		umask(caller->umask);
	} else if (current_umask != caller->umask) {
		umask(caller->umask);
		current_umask = caller->umask;
	}
	if (!fs->acts_as_caller || caller->uid == 0)
		return 0;
	/* From a pid name space that we do not see: its groups are unknown. */
	r = caller->pid == 0 ? -EACCES : 0;
	if (r == 0) {
		identity->changed = true;
		r = assume_groups(req);
	}
	if (r == 0)
		r = set_ids(caller->uid, caller->gid);
	if (r < 0)
		identity_drop(identity);
	return r;
}

void identity_drop(Identity *identity)
{
	if (identity->locked)
		pthread_mutex_unlock(&shared_umask);
	identity->locked = false;
	if (!identity->changed)
		return;
	identity->changed = false;
	/* A thread that could not become itself again must not go on and serve
	   somebody with another's rights. It can not fail: what set the ids
	   had the privilege, and keeps it. */
	if (set_ids(geteuid(), getegid()) < 0 ||
	    set_groups((size_t)own_group_count, own_groups) < 0)
		g_error("cannot return to the daemon's own identity");
}

/*
 * Requests carry the thread. One that is its process's first has the same
 * number, which a cheap system call tells; for others the process is read from
 * /proc. The thread is waiting for its answer, so it can not go away meanwhile.
 */
static pid_t process_of(pid_t thread)
{
	char path[40], text[1024];
	const char *found;
	ssize_t n;
	int fd;

	if (syscall(SYS_tgkill, thread, thread, 0) == 0 || errno == EPERM)
		return thread;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return thread;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return thread;
	text[n] = '\0';
	found = strstr(text, "\nTgid:");
	return found != NULL ? (pid_t)strtol(found + 6, NULL, 10) : thread;
}

Writer identity_writer(fuse_req_t req)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);

	if (caller->pid == 0)
		return (Writer){.pid = 0,
				.uid = caller->uid == 0 ? UINT32_MAX
							: caller->uid};
	return (Writer){
		.pid = (uint32_t)process_of(caller->pid),
		.uid = caller->uid,
	};
}
