// SPDX-License-Identifier: MIT
/*
 * The new token goes to a file beside the old one, which it then replaces by
 * rename(2): whoever reads sees one of them, whole, also after a crash.
 */
#include "mount/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount/fd.h"
#include "mount/report.h"

/* As many as the kernel follows. */
#define LINKS_MAX 40

static bool fail(GError **error, const char *tried, const char *path,
		 const char *why)
{
	g_autofree char *shown = dup_shown_path(path);

	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "cannot %s %s: %s", tried, shown, why);
	return false;
}

bool state_file_read(const char *path, struct sincefs_token *token_out,
		     GError **error)
{
	static const char tried[] = "take a token from";
	char text[SINCEFS_TOKEN_TEXT_SIZE + 2];
	struct stat st;
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;
	int r;

	*token_out = (struct sincefs_token){0};
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(error, tried, path, reason_text(errno));
	if (!S_ISREG(st.st_mode))
		return fail(error, tried, path, "not a regular file");

	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return fail(error, tried, path, reason_text(errno));
	text[n] = '\0';
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (n == 0)
		return true;

	r = sincefs_token_parse(text, token_out);
	if (r == -EPROTO) {
		*token_out = (struct sincefs_token){0};
		return true;
	}
	return r == 0 || fail(error, tried, path,
			      "it holds something else, and is left alone");
}

/* Give the new file what the old one had. */
static void keep_attributes(int fd, const char *path)
{
	struct stat st;
	mode_t mask;

	if (stat(path, &st) == 0) {
		/* Only root may, and for others nothing is to be done. */
		if (fchown(fd, st.st_uid, st.st_gid) < 0)
			g_debug("cannot keep the owner of '%s'", path);
		fchmod(fd, st.st_mode & 07777);
		return;
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
}

static void sync_directory_of(const char *path)
{
	g_autofree char *directory = g_path_get_dirname(path);
	auto_fd fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

/*
 * The file that @path leads to, which may be yet to be made. NULL with errno
 * when links go round in a circle. Caller frees.
 */
static char *dup_target(const char *path)
{
	g_autofree char *real = realpath(path, NULL);
	g_autofree char *at = g_strdup(path);

	if (real)
		return g_steal_pointer(&real);
	for (int links = 0; links < LINKS_MAX; links++) {
		g_autofree char *to = g_file_read_link(at, NULL);
		g_autofree char *directory = g_path_get_dirname(at);

		if (!to)
			return g_steal_pointer(&at);
		g_free(at);
		at = g_path_is_absolute(to)
			     ? g_steal_pointer(&to)
			     : g_build_filename(directory, to, NULL);
	}
	errno = ELOOP;
	return NULL;
}

/*
 * A name beside @target for mkostemp(3). It begins as the target's, so that a
 * pattern of --ignore that ends in a star can mean both. Caller frees.
 */
static char *dup_template(const char *target)
{
	static const char suffix[] = ".XXXXXX";
	g_autofree char *directory = g_path_get_dirname(target);
	const char *name = strrchr(target, '/');
	long most = pathconf(directory, _PC_NAME_MAX);
	size_t length;

	name = name ? name + 1 : target;
	if (most < (long)sizeof(suffix))
		most = NAME_MAX;
	length = MIN(strlen(name), (size_t)most - strlen(suffix));
	/* Some file systems take whole characters alone. */
	while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
		length--;
	return g_strdup_printf("%.*s%s", (int)(name - target + (long)length),
			       target, suffix);
}

bool state_file_write(const char *path, const struct sincefs_token *token,
		      GError **error)
{
	static const char tried[] = "keep the token in";
	char text[SINCEFS_TOKEN_TEXT_SIZE + 1] = "";
	g_autofree char *target = dup_target(path);
	g_autofree char *beside = NULL;
	auto_fd fd = -1;
	size_t length;
	int reason;

	if (!target)
		return fail(error, tried, path, reason_text(errno));
	beside = dup_template(target);
	sincefs_token_format(token, text, SINCEFS_TOKEN_TEXT_SIZE);
	length = strlen(text);
	text[length++] = '\n';

	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return fail(error, tried, path, reason_text(errno));
	keep_attributes(fd, target);

	errno = 0;
	if (write(fd, text, length) != (ssize_t)length || fsync(fd) < 0 ||
	    rename(beside, target) < 0) {
		reason = errno ? errno : ENOSPC;
		unlink(beside);
		return fail(error, tried, path, reason_text(reason));
	}
	sync_directory_of(target);
	return true;
}
