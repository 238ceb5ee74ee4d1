/* SPDX-License-Identifier: MIT */
/*
 * The parts of libsincefs that need no mount, for its tests: from the pages of
 * a daemon that is not trusted to an answer. sincefs.c includes this file only
 * when it is built for a test (SINCEFS_TESTING); else the functions are its
 * own, and who vendors the library does not need this file.
 *
 * Pure but for @ask; any thread.
 */
#ifndef CORE_CLIENT_ANSWER_INTERNAL_H
#define CORE_CLIENT_ANSWER_INTERNAL_H

#include <sincefs/sincefs.h>

/* Turn the question in @page into an answer in the same place, as
   SINCEFS_IOC_SINCE does: 0 or -errno. */
typedef int sincefs_ask_fn(void *data, struct sincefs_page *page);

/*
 * Is @page a possible answer to the question about @since and @tree? 0, or
 * -EPROTO. Nothing in @page is believed before this; data after its bytes is
 * not looked at.
 */
int sincefs_page_check(const struct sincefs_token *since, uint32_t tree,
		       const struct sincefs_page *page);

/* sincefs_since() without its syncfs(2), with @ask for the daemon. */
int sincefs_collect(sincefs_ask_fn *ask, void *data,
		    const struct sincefs_token *token,
		    const struct sincefs_filter *filter,
		    struct sincefs_answer **answer_out);

/* sincefs_changed() for an INFO that is already there. */
int sincefs_info_changed(const struct sincefs_info *info,
			 const struct sincefs_token *token);

/* 0, or -EPROTO: of another version, or of no sincefs daemon. */
int sincefs_info_check(const struct sincefs_info *info);

/* 0, or -EPROTO: not about tree @id, or no string in it. */
int sincefs_tree_check(uint32_t id, const struct sincefs_tree *tree);

#endif /* CORE_CLIENT_ANSWER_INTERNAL_H */
