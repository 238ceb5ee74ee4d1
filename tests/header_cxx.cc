/* SPDX-License-Identifier: MIT */
/*
 * The public headers in C++: the constants have the fixed widths they claim,
 * and every function is referred to by its C name. Compiled, not linked, by
 * test-public-headers.sh, which looks at the names that are left undefined.
 */
#include HEADER
#include HEADER

#include <sincefs/sincefs.h>

static_assert(sizeof(struct sincefs_page) == SINCEFS_PAGE_SIZE, "page");
static_assert(sizeof(SINCEFS_FEATURE_SYNC_EXACT) == 8, "a bit of 64");
static_assert(sizeof(SINCEFS_SIGNATURE) == 4, "a signature has 32 bits");

extern void *const all[];
void *const all[] = {
	(void *)sincefs_version,
	(void *)sincefs_open,
	(void *)sincefs_close,
	(void *)sincefs_fd,
	(void *)sincefs_get_info,
	(void *)sincefs_get_stats,
	(void *)sincefs_get_tree,
	(void *)sincefs_now,
	(void *)sincefs_since,
	(void *)sincefs_changed,
	(void *)sincefs_wait,
	(void *)sincefs_scan,
	(void *)sincefs_answer_is_fresh,
	(void *)sincefs_answer_reason,
	(void *)sincefs_answer_token,
	(void *)sincefs_answer_count,
	(void *)sincefs_answer_get,
	(void *)sincefs_answer_free,
	(void *)sincefs_token_format,
	(void *)sincefs_token_parse,
};
