// SPDX-License-Identifier: MIT
/*
 * The new token goes to a file beside the old one, which it then replaces by
 * rename(2): whoever reads sees one of them, whole, also after a crash.
 */
#include "mount/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mount/fd.h"
#include "mount/report.h"

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

bool state_file_write(const char *path, const struct sincefs_token *token,
		      GError **error)
{
	static const char tried[] = "keep the token in";
	char text[SINCEFS_TOKEN_TEXT_SIZE + 1] = "";
	/* Of a file that is yet to be made there is no real path. */
	g_autofree char *real = realpath(path, NULL);
	const char *target = real ? real : path;
	g_autofree char *beside = g_strconcat(target, ".XXXXXX", NULL);
	auto_fd fd = -1;
	size_t length;
	int reason;

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
