/* SPDX-License-Identifier: MIT */
/*
 * A dirty set with two trees, stamped and asked by path: for the tests of core.
 * Paths are relative to tree 1, or to tree 2 if they begin with "2:"; "." is
 * the root. Every call takes the lock by itself.
 */
#ifndef TESTS_SET_FIXTURE_H
#define TESTS_SET_FIXTURE_H

#include "core/dirty-set.h"
#include "core/tree.h"

#define FIXTURE_INSTANCE UINT64_C(0x1122334455667788)

#define C SINCEFS_CONTENT
#define META SINCEFS_META
#define TIMES SINCEFS_TIMES
#define NEW SINCEFS_NEW
#define GONE SINCEFS_GONE
#define DIR SINCEFS_DIR
#define SUB SINCEFS_SUBTREE
#define SCANNED SINCEFS_SCANNED
#define LINKED SINCEFS_LINKED
#define MIXED SINCEFS_MIXED

/* What flags_since() returns for a name that is not in the answer. */
#define NOT_THERE 0xffff

typedef struct {
	DirtySet *set;
	TreeList *trees;
} Fixture;

Fixture fixture_new(size_t capacity);
void fixture_free(Fixture *f);

/* A new reference. */
NameNode *fixture_ref(Fixture *f, const char *path);
void fixture_unref(Fixture *f, NameNode *node);

/* Stamp by process 1 of user 100. */
void stamp(Fixture *f, const char *path, uint16_t flags);
void stamp_by(Fixture *f, const char *path, uint16_t flags, uint32_t pid);
void lose(Fixture *f);

/* The token of this moment. */
uint64_t tell(Fixture *f);
uint32_t refusal(Fixture *f, uint64_t clock);

/* The flags of one name in the answer to @since; other fields in @record_out
   unless that is NULL (its node is gone). */
uint16_t record_since(Fixture *f, const char *path, uint64_t since,
		      DirtyRecord *record_out);
uint16_t flags_since(Fixture *f, const char *path, uint64_t since);

/* The paths of the answer to @since, oldest first, each followed by a blank.
   The caller frees it with free(). */
char *paths_since(Fixture *f, uint64_t since);

#endif /* TESTS_SET_FIXTURE_H */
