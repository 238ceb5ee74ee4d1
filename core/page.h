/* SPDX-License-Identifier: MIT */
/*
 * From a question to an answer: the dirty set and a token make a page. Knows no
 * FUSE and allocates nothing; the questions come from untrusted clients and
 * every refusal of the protocol is decided here.
 *
 * Any thread, no lock held; takes the set's lock in batches.
 */
#ifndef CORE_PAGE_H
#define CORE_PAGE_H

#include <stddef.h>

#include "core/dirty-set.h"
#include "core/tree.h"
#include <sincefs/protocol.h>

/* What one request examines at most (promise 6), and how many entries of them
   in one hold of the lock. */
#define PAGE_EXAMINE_MAX 4096
#define PAGE_BATCH 128

/*
 * Where the descriptor that was asked through lies: the parts of its
 * directory's path, from the tree's root down. @count 0 is the root.
 */
typedef struct {
	uint32_t tree; /* 0: unknown, the directory has no name any more */
	size_t count;
	const char *const *parts; /* NUL-terminated names */
} PagePlace;

/*
 * Answer SINCEFS_IOC_SINCE. @question is the client's structure, whole, whose
 * data is not looked at; @answer has room for a page. The header and
 * *@size_out - 128 bytes of data are written; the rest is untouched. @question
 * and @answer may be the same object. @place is used for SINCEFS_BELOW only;
 * with an unknown place BELOW is -ENOENT.
 *
 * 0, -EINVAL or -ENOENT as the protocol says.
 */
int page_answer(DirtySet *set, TreeList *trees, const PagePlace *place,
		const struct sincefs_page *question,
		struct sincefs_page *answer, size_t *size_out);

/* Answer SINCEFS_IOC_INFO; the clock counts as told. @tree: where the
   descriptor lies. */
void page_info(DirtySet *set, TreeList *trees, uint32_t tree, uint64_t features,
	       struct sincefs_info *info_out);

/* Answer SINCEFS_IOC_TREE: 0, -EINVAL (a reserved field) or -ENOENT. @question
   and @answer may be the same object. */
int page_tree(TreeList *trees, const struct sincefs_tree *question,
	      struct sincefs_tree *answer);

#endif /* CORE_PAGE_H */
