/* SPDX-License-Identifier: MIT */
/*
 * libsincefs: ask a sincefs mount what changed.
 *
 * C99 and libc; three files one can vendor (this one, protocol.h and the
 * library's source). Functions return 0 or -errno; a positive number is a fact,
 * said at the function. Out parameters are untouched on error. Nothing is
 * printed and no global state is kept. A connection or an answer may be used by
 * one thread at a time; different ones are independent.
 *
 * Errors that every call on a path or a connection may return:
 *   -ENOTTY    the path is not on a sincefs mount
 *   -ENOTCONN  there is a mount, but its daemon is gone
 *   -EPROTO    the daemon speaks another version of the protocol
 *   -EPERM     the caller is neither the mounting user nor root; where others
 *              may not even see the mount the kernel says -EACCES to them
 */
#ifndef SINCEFS_SINCEFS_H
#define SINCEFS_SINCEFS_H

#include <stddef.h>
#include <stdint.h>

#include <sincefs/protocol.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sincefs;        /* a connection */
struct sincefs_answer; /* what changed: all pages of it */

/* The library's version as "MAJOR.MINOR.MICRO"; static storage. */
const char *sincefs_version(void);

/*
 * Connect to the mount that @path (a directory, or a file in one) lies in. The
 * control file in that directory is opened, so that sincefs_fd() can be polled;
 * the open descriptor keeps the mount in use. Caller closes *@conn_out with
 * sincefs_close(). A @path that can not be reached is its errno.
 */
int sincefs_open(const char *path, struct sincefs **conn_out);

/* NULL is allowed. */
void sincefs_close(struct sincefs *conn);

/*
 * The descriptor to poll(2) for POLLIN: readable iff the clock has passed the
 * last one that a call on this connection has learned, which all do but
 * sincefs_get_tree() and sincefs_scan(). So keep the token of the last answer
 * and ask with it, whatever was called in between. Borrowed.
 */
int sincefs_fd(const struct sincefs *conn);

int sincefs_get_info(struct sincefs *conn, struct sincefs_info *info_out);

/* -ENOENT: no tree has this @id. */
int sincefs_get_tree(struct sincefs *conn, uint32_t id,
		     struct sincefs_tree *tree_out);

/* What the daemon did and holds. -ENOTTY: it does not tell (no
   SINCEFS_FEATURE_STATS). */
int sincefs_get_stats(struct sincefs *conn, struct sincefs_stats *stats_out);

/* The token of this moment. */
int sincefs_now(struct sincefs *conn, struct sincefs_token *token_out);

/* Bits of sincefs_filter.flags. Do not syncfs(2) first. */
#define SINCEFS_FILTER_NO_SYNC UINT32_C(0x1)
/* Only below the directory given to sincefs_open(), paths relative to it. */
#define SINCEFS_FILTER_BELOW UINT32_C(0x2)

/*
 * Which changes are wanted; all zero asks for all. A token from a filtered
 * answer is good for the same filter only.
 */
struct sincefs_filter {
	uint32_t flags;     /* SINCEFS_FILTER_* */
	uint32_t tree;      /* a tree's id, or SINCEFS_TREE_ALL */
	uint32_t mask;      /* of SINCEFS_CONTENT|META|TIMES; 0 = all */
	uint32_t zero32;    /* 0 */
	const char *names;  /* NUL-separated fnmatch(3) patterns on the last
			       path part, as in sincefs_page.names; NULL = all */
	size_t names_bytes; /* of @names, at most SINCEFS_NAMES_SIZE - 1 */
};

/*
 * All changes after @token, oldest first: every page of them, or an error.
 * Before asking, syncfs(2) is called on the mount unless @filter says no, so
 * that stores through shared mappings are seen; its result is ignored, as it
 * also reports old write-back errors. @filter may be NULL. The caller frees
 * *@answer_out with sincefs_answer_free().
 *
 * A path is in the answer once. One that changed again while the answer was
 * made has all flags of its records, NEW as the first said and GONE as the
 * last.
 *
 * -ENOMEM; -EINVAL for a bad filter; -ENOENT for a tree that is not there, and
 * with SINCEFS_FILTER_BELOW if the directory has been removed.
 */
int sincefs_since(struct sincefs *conn, const struct sincefs_token *token,
		  const struct sincefs_filter *filter,
		  struct sincefs_answer **answer_out);

/*
 * 1 if anything may have changed after @token, 0 if nothing has: the cheapest
 * question. Does not see stores through mappings that are not flushed.
 */
int sincefs_changed(struct sincefs *conn, const struct sincefs_token *token);

/*
 * Block until something changed after @token: 1, or 0 when @timeout_ms passed
 * first (-1: no limit). -EINTR after a signal handler ran.
 */
int sincefs_wait(struct sincefs *conn, const struct sincefs_token *token,
		 int timeout_ms);

/*
 * Have tree @tree scanned now, and wait until that is done: 1, or 0 when
 * @timeout_ms passed first (-1: no limit). -ENOENT: no such tree; -ENOTSUP:
 * this daemon does not scan it; -EINTR after a signal handler ran.
 */
int sincefs_scan(struct sincefs *conn, uint32_t tree, int timeout_ms);

/* One change; the strings belong to the answer. */
struct sincefs_change {
	uint64_t clock;
	uint32_t tree;
	uint32_t pid;
	uint32_t uid;
	uint16_t flags;   /* SINCEFS_CONTENT and so on */
	uint16_t length;  /* of @path */
	const char *path; /* relative to its tree; "." is the root */
};

/* 1 when the answer says "anything may have changed": count is then 0. */
int sincefs_answer_is_fresh(const struct sincefs_answer *answer);
/* SINCEFS_REASON_* of a fresh answer, else 0. */
uint32_t sincefs_answer_reason(const struct sincefs_answer *answer);
/* What the client knows after this answer: the next question's token. */
void sincefs_answer_token(const struct sincefs_answer *answer,
			  struct sincefs_token *token_out);
size_t sincefs_answer_count(const struct sincefs_answer *answer);
/* -ERANGE when @index is not below the count. */
int sincefs_answer_get(const struct sincefs_answer *answer, size_t index,
		       struct sincefs_change *change_out);
/* NULL is allowed. */
void sincefs_answer_free(struct sincefs_answer *answer);

/* "sincefs:1:" + 16 hex digits + ":" + 20 digits + NUL fits. */
#define SINCEFS_TOKEN_TEXT_SIZE 48

/* Write @token as text, "sincefs:1:<instance, 16 hex digits>:<clock>", NUL
   terminated. -ERANGE when @size is too small. */
int sincefs_token_format(const struct sincefs_token *token, char *text,
			 size_t size);
/* -EINVAL: not a token; -EPROTO: a token of another protocol version. */
int sincefs_token_parse(const char *text, struct sincefs_token *token_out);

#ifdef __cplusplus
}
#endif

#endif /* SINCEFS_SINCEFS_H */
