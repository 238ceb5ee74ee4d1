/* SPDX-License-Identifier: MIT */
#include "tests/fake/cases.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#define C SINCEFS_CONTENT
#define M SINCEFS_META
#define T SINCEFS_TIMES
#define N SINCEFS_NEW
#define G SINCEFS_GONE
#define D SINCEFS_DIR
#define S SINCEFS_SUBTREE
#define L SINCEFS_LINKED

/* What a change of one kind to one file must not claim beside it. Scans play no
   part here, and all steps are of one process. */
#define X (SINCEFS_SCANNED | SINCEFS_MIXED)
#define NOT_C (C | N | G | D | S | X)
#define ONLY_C (M | T | N | G | D | S | L | X)
#define ONLY_M (NOT_C | T | L)
#define ONLY_T (NOT_C | M | L)
#define ONLY_NEW (G | D | S | L | X)
#define ONLY_GONE (N | D | S | X)

#define FILE_(p)                                                               \
	{                                                                      \
		.path = p, .type = FAKE_FILE, .content = "content of " p       \
	}
#define DIR_(p)                                                                \
	{                                                                      \
		.path = p, .type = FAKE_DIR                                    \
	}

static const FakeEntry nothing[] = {FAKE_END};
static const FakeEntry one_file[] = {FILE_("a"), FAKE_END};
static const FakeEntry two_files[] = {FILE_("a"), FILE_("b"), FAKE_END};
static const FakeEntry tagged_file[] = {
	{.path = "a",
	 .type = FAKE_FILE,
	 .content = "tagged",
	 .xattr = FAKE_XATTR,
	 .value = "before"},
	FAKE_END,
};
static const FakeEntry one_dir[] = {DIR_("d"), FAKE_END};
static const FakeEntry two_dirs[] = {
	DIR_("d"), FILE_("d/a"), DIR_("e"), FILE_("e/b"), FAKE_END,
};
static const FakeEntry full_and_empty_dir[] = {
	DIR_("d"),
	FILE_("d/a"),
	DIR_("e"),
	FAKE_END,
};
static const FakeEntry dir_and_file[] = {
	DIR_("d"),
	FILE_("d/a"),
	FILE_("b"),
	FAKE_END,
};
static const FakeEntry deep_dir[] = {
	DIR_("d"), DIR_("d/e"), DIR_("d/e/f"), FILE_("d/e/f/a"), FAKE_END,
};
static const FakeEntry linked_file[] = {
	FILE_("a"),
	{.path = "b", .type = FAKE_HARDLINK, .content = "a"},
	FAKE_END,
};
static const FakeEntry linked_in_dir[] = {
	DIR_("d"),
	FILE_("d/a"),
	{.path = "b", .type = FAKE_HARDLINK, .content = "d/a"},
	FAKE_END,
};
static const FakeEntry one_symlink[] = {
	FILE_("a"),
	{.path = "s", .type = FAKE_SYMLINK, .content = "a"},
	FAKE_END,
};
static const FakeEntry odd_names[] = {
	FILE_("new\nline"),
	FILE_("not utf-8 \xff\xfe"),
	FILE_(" "),
	FAKE_END,
};

const FakeCase fake_cases[] = {
	/* ---- each operation by itself ---- */
	{.name = "create makes a new name",
	 .setup = nothing,
	 .steps = {{FAKE_OP_CREATE, "a"}},
	 .expect = {{0, 0, "a", C | N, ONLY_NEW}}},
	{.name = "mkdir makes a new directory",
	 .setup = nothing,
	 .steps = {{FAKE_OP_MKDIR, "d"}},
	 .expect = {{0, 0, "d", C | N | D, G | L | X}}},
	{.name = "mkfifo makes a new name",
	 .setup = nothing,
	 .steps = {{FAKE_OP_MKFIFO, "p"}},
	 .expect = {{0, 0, "p", C | N, ONLY_NEW}}},
	{.name = "symlink makes a new name and leaves its target alone",
	 .setup = one_file,
	 .steps = {{FAKE_OP_SYMLINK, "s", "a"}},
	 .expect = {{0, 0, "s", C | N, ONLY_NEW}}},
	{.name = "link makes a new name",
	 .setup = one_file,
	 .steps = {{FAKE_OP_LINK, "a", "b"}},
	 .expect = {{0, 0, "b", C | N, G | D | S | X},
		    {0, 0, "a", 0, C | N | G | D | S | X}}},
	{.name = "unlink says that the name is gone",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UNLINK, "a"}},
	 .expect = {{0, 0, "a", C | G, ONLY_GONE}}},
	{.name = "unlink of a symbolic link leaves its target alone",
	 .setup = one_symlink,
	 .steps = {{FAKE_OP_UNLINK, "s"}},
	 .expect = {{0, 0, "s", C | G, ONLY_GONE}}},
	{.name = "rmdir says that the directory is gone",
	 .setup = one_dir,
	 .steps = {{FAKE_OP_RMDIR, "d"}},
	 .expect = {{0, 0, "d", C | G | D, N | L | X}}},
	{.name = "rename moves a name",
	 .setup = one_file,
	 .steps = {{FAKE_OP_RENAME, "a", "b"}},
	 .expect = {{0, 0, "a", C | G, ONLY_GONE},
		    {0, 0, "b", C | N, ONLY_NEW}}},
	{.name = "rename over a file is not a new name",
	 .setup = two_files,
	 .steps = {{FAKE_OP_RENAME, "a", "b"}},
	 .expect = {{0, 0, "a", C | G, ONLY_GONE},
		    {0, 0, "b", C, N | G | D | S | X}}},
	{.name = "rename of a directory is said for all that is below",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_RENAME, "d", "f"}},
	 .expect = {{0, 0, "d", C | G | D | S, N | L | X},
		    {0, 0, "f", C | N | D | S, G | L | X}}},
	{.name = "rename over an empty directory is not a new name",
	 .setup = full_and_empty_dir,
	 .steps = {{FAKE_OP_RENAME, "d", "e"}},
	 .expect = {{0, 0, "d", C | G | D | S, N | L | X},
		    {0, 0, "e", C | D | S, N | G | L | X}}},
	{.name = "rename into another directory",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_RENAME, "d/a", "e/a"}},
	 .expect = {{0, 0, "d/a", C | G, ONLY_GONE},
		    {0, 0, "e/a", C | N, ONLY_NEW}}},
	{.name = "rename of a symbolic link leaves its target alone",
	 .setup = one_symlink,
	 .steps = {{FAKE_OP_RENAME, "s", "t"}},
	 .expect = {{0, 0, "s", C | G, ONLY_GONE},
		    {0, 0, "t", C | N, ONLY_NEW}}},
	{.name = "rename without replacing moves to a free name",
	 .setup = one_file,
	 .steps = {{FAKE_OP_RENAME_NOREPLACE, "a", "b"}},
	 .expect = {{0, 0, "a", C | G, ONLY_GONE},
		    {0, 0, "b", C | N, ONLY_NEW}}},
	{.name = "exchange changes both files",
	 .setup = two_files,
	 .steps = {{FAKE_OP_EXCHANGE, "a", "b"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {0, 0, "b", C, N | G | D | S | X}}},
	{.name = "exchange of directories is said for all that is below",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_EXCHANGE, "d", "e"}},
	 .expect = {{0, 0, "d", C | D | S, N | G | X},
		    {0, 0, "e", C | D | S, N | G | X}}},
	{.name = "exchange of a file and a directory makes both subtrees",
	 .setup = dir_and_file,
	 .steps = {{FAKE_OP_EXCHANGE, "b", "d"}},
	 .expect = {{0, 0, "b", C | D | S, N | G | X},
		    {0, 0, "d", C | D | S, N | G | X}}},
	{.name = "a whiteout takes the place of the name",
	 .setup = one_file,
	 .steps = {{FAKE_OP_WHITEOUT, "a", "b"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {0, 0, "b", C | N, ONLY_NEW}}},
	{.name = "write changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 0, "a", C, ONLY_C}}},
	{.name = "append changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_APPEND, "a"}},
	 .expect = {{0, 0, "a", C, ONLY_C}}},
	{.name = "truncate changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_TRUNCATE, "a"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | L | X | M}}},
	{.name = "opening with O_TRUNC changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_OPEN_TRUNC, "a"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | L | X | M}}},
	{.name = "fallocate changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_ALLOCATE, "a"}},
	 .expect = {{0, 0, "a", C, ONLY_C}}},
	{.name = "punching a hole changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_PUNCH, "a"}},
	 .expect = {{0, 0, "a", C, ONLY_C}}},
	{.name = "copy_file_range changes the file it writes to",
	 .setup = two_files,
	 .steps = {{FAKE_OP_COPY_RANGE, "a", "b"}},
	 .expect = {{0, 0, "b", C, ONLY_C}}},
	{.name = "a store through a mapping changes the content",
	 .setup = one_file,
	 .steps = {{FAKE_OP_HOLD, "a"}, {FAKE_OP_HELD_MAP}, {FAKE_OP_RELEASE}},
	 .expect = {{0, 1, "a", C, N | G | D | S | L | M}}},
	{.name = "chmod changes attributes alone",
	 .setup = one_file,
	 .steps = {{FAKE_OP_CHMOD, "a"}},
	 .expect = {{0, 0, "a", M, ONLY_M}}},
	{.name = "chmod of a directory is not said for what is below",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_CHMOD, "d"}},
	 .expect = {{0, 0, "d", M | D, C | N | G | S | X}}},
	{.name = "chown changes attributes alone",
	 .setup = one_file,
	 .steps = {{FAKE_OP_CHOWN, "a"}},
	 .expect = {{0, 0, "a", M, ONLY_M}}},
	{.name = "chown of a symbolic link leaves its target alone",
	 .setup = one_symlink,
	 .steps = {{FAKE_OP_CHOWN, "s"}},
	 .expect = {{0, 0, "s", M, ONLY_M}}},
	{.name = "setting times says so",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UTIMENS, "a"}},
	 .expect = {{0, 0, "a", T, ONLY_T}}},
	{.name = "setting times of a symbolic link leaves its target alone",
	 .setup = one_symlink,
	 .steps = {{FAKE_OP_UTIMENS, "s"}},
	 .expect = {{0, 0, "s", T, ONLY_T}}},
	{.name = "setting times of a directory says so",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_UTIMENS, "d"}},
	 .expect = {{0, 0, "d", T | D, C | M | N | G | S | X}}},
	{.name = "setxattr changes attributes alone",
	 .setup = one_file,
	 .steps = {{FAKE_OP_SETXATTR, "a"}},
	 .expect = {{0, 0, "a", M, ONLY_M}}},
	{.name = "setxattr of a directory changes attributes alone",
	 .setup = one_dir,
	 .steps = {{FAKE_OP_SETXATTR, "d"}},
	 .expect = {{0, 0, "d", M | D, C | T | N | G | S | X}}},
	{.name = "removexattr changes attributes alone",
	 .setup = tagged_file,
	 .steps = {{FAKE_OP_REMOVEXATTR, "a"}},
	 .expect = {{0, 0, "a", M, ONLY_M}}},

	/* ---- what changes nothing ---- */
	{.name = "looking changes nothing",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_STAT, "d/a"},
		   {FAKE_OP_READ, "d/a"},
		   {FAKE_OP_LIST, "d"},
		   {FAKE_OP_HOLD, "e/b"},
		   {FAKE_OP_HELD_READ},
		   {FAKE_OP_RELEASE}}},
	{.name = "a step that fails changes nothing",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_CREATE, "d/a", NULL, EEXIST},
		   {FAKE_OP_MKDIR, "e", NULL, EEXIST},
		   {FAKE_OP_UNLINK, "d/none", NULL, ENOENT},
		   {FAKE_OP_RMDIR, "d", NULL, ENOTEMPTY},
		   {FAKE_OP_RENAME_NOREPLACE, "d/a", "e/b", EEXIST},
		   {FAKE_OP_RENAME, "d", "e", ENOTEMPTY}},
	 /* A refusal by the directory below may be said as a change. */
	 .expect = {{0, 3, "d", 0, N | G | X},
		    {0, 6, "e", 0, N | G | X},
		    {0, 6, "d", 0, N | G | X}}},
	{.name = "renaming a file to another name it has changes nothing",
	 .setup = linked_file,
	 .steps = {{FAKE_OP_STAT, "a"},
		   {FAKE_OP_STAT, "b"},
		   {FAKE_OP_RENAME, "a", "b"},
		   {FAKE_OP_STAT, "a"}}},

	/* ---- several kinds on one name, told apart by the token ---- */
	{.name = "each token sees the kinds that came after it",
	 .setup = one_file,
	 .steps = {{FAKE_OP_WRITE, "a"},
		   {FAKE_OP_CHMOD, "a"},
		   {FAKE_OP_UTIMENS, "a"}},
	 .expect = {{0, 0, "a", C | M | T, N | G | D | S | L | X},
		    {1, 1, "a", M | T, NOT_C | L},
		    {2, 2, "a", T, ONLY_T}}},
	{.name = "kinds in the other order",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UTIMENS, "a"},
		   {FAKE_OP_SETXATTR, "a"},
		   {FAKE_OP_APPEND, "a"}},
	 .expect = {{0, 0, "a", C | M | T, N | G | D | S | L | X},
		    {1, 1, "a", C | M, T | N | G | D | S | L | X},
		    {2, 2, "a", C, ONLY_C}}},
	{.name = "the same kind again is in the answer for each token",
	 .setup = one_file,
	 .steps = {{FAKE_OP_WRITE, "a"},
		   {FAKE_OP_WRITE, "a"},
		   {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 2, "a", C, ONLY_C}}},

	/* ---- coming and going ---- */
	{.name = "a new file that is written is new only to old tokens",
	 .setup = nothing,
	 .steps = {{FAKE_OP_CREATE, "a"}, {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 0, "a", C | N, ONLY_NEW}, {1, 1, "a", C, ONLY_C}}},
	{.name = "a new file whose mode is set is not new to later tokens",
	 .setup = nothing,
	 .steps = {{FAKE_OP_CREATE, "a"}, {FAKE_OP_CHMOD, "a"}},
	 .expect = {{0, 0, "a", C | N | M, G | D | S | L | X},
		    {1, 1, "a", M, ONLY_M}}},
	{.name = "created and deleted is gone",
	 .setup = nothing,
	 .steps = {{FAKE_OP_CREATE, "a"}, {FAKE_OP_UNLINK, "a"}},
	 .expect = {{0, 0, "a", C | G, D | S | X},
		    {1, 1, "a", C | G, ONLY_GONE}}},
	{.name = "deleted and made again is not new to who knew it",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UNLINK, "a"}, {FAKE_OP_CREATE, "a"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {1, 1, "a", C | N, ONLY_NEW}}},
	{.name = "created, deleted, created: each token its own story",
	 .setup = nothing,
	 .steps = {{FAKE_OP_CREATE, "a"},
		   {FAKE_OP_UNLINK, "a"},
		   {FAKE_OP_CREATE, "a"}},
	 .expect = {{0, 0, "a", C, G | D | S | X},
		    {1, 1, "a", C, N | G | D | S | X},
		    {2, 2, "a", C | N, ONLY_NEW}}},
	{.name = "deleted, made, deleted is gone to all",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UNLINK, "a"},
		   {FAKE_OP_CREATE, "a"},
		   {FAKE_OP_UNLINK, "a"}},
	 .expect = {{0, 0, "a", C | G, ONLY_GONE},
		    {1, 1, "a", C | G, D | S | X},
		    {2, 2, "a", C | G, ONLY_GONE}}},
	{.name = "a file becomes a directory",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UNLINK, "a"}, {FAKE_OP_MKDIR, "a"}},
	 .expect = {{0, 0, "a", C | D, N | G | X},
		    {1, 1, "a", C | N | D, G | X}}},
	{.name = "a directory becomes a file",
	 .setup = one_dir,
	 .steps = {{FAKE_OP_RMDIR, "d"}, {FAKE_OP_CREATE, "d"}},
	 .expect = {{0, 0, "d", C | D, N | G | X}, {1, 1, "d", C | N, G | X}}},
	{.name = "a file becomes a symbolic link",
	 .setup = one_file,
	 .steps = {{FAKE_OP_UNLINK, "a"}, {FAKE_OP_SYMLINK, "a", "elsewhere"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {1, 1, "a", C | N, ONLY_NEW}}},
	{.name = "an editor saves by a temporary file and rename",
	 .setup = one_file,
	 .steps = {{FAKE_OP_CREATE, "a.tmp"},
		   {FAKE_OP_WRITE, "a.tmp"},
		   {FAKE_OP_CHMOD, "a.tmp"},
		   {FAKE_OP_RENAME, "a.tmp", "a"}},
	 .expect = {{0, 3, "a", C, N | G | D | S | X},
		    {0, 0, "a.tmp", C | G, D | S | X},
		    {1, 3, "a.tmp", C | G, N | D | S | X}}},
	{.name = "an editor saves by moving the old file away",
	 .setup = one_file,
	 .steps = {{FAKE_OP_RENAME, "a", "a~"},
		   {FAKE_OP_CREATE, "a"},
		   {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {1, 1, "a", C | N, ONLY_NEW},
		    {2, 2, "a", C, ONLY_C},
		    {0, 0, "a~", C | N, ONLY_NEW}}},
	{.name = "moved away and back",
	 .setup = one_file,
	 .steps = {{FAKE_OP_RENAME, "a", "b"}, {FAKE_OP_RENAME, "b", "a"}},
	 .expect = {{0, 0, "a", C, N | G | D | S | X},
		    {0, 0, "b", C | G, D | S | X},
		    {1, 1, "a", C | N, ONLY_NEW},
		    {1, 1, "b", C | G, ONLY_GONE}}},
	{.name = "exchanged twice changed nevertheless",
	 .setup = two_files,
	 .steps = {{FAKE_OP_EXCHANGE, "a", "b"}, {FAKE_OP_EXCHANGE, "b", "a"}},
	 .expect = {{0, 1, "a", C, N | G | D | S | X},
		    {0, 1, "b", C, N | G | D | S | X}}},

	/* ---- directories that move ---- */
	{.name = "a write below a renamed directory has the new name",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_RENAME, "d", "f"}, {FAKE_OP_WRITE, "f/a"}},
	 .expect = {{0, 0, "d", C | G | D | S, N | L | X},
		    {0, 0, "f", C | N | D | S, G | L | X},
		    {0, 0, "f/a", C, G | D | S | L | X},
		    {1, 1, "f/a", C, ONLY_C}}},
	{.name = "a held file in a renamed directory has the new name",
	 .setup = deep_dir,
	 .steps = {{FAKE_OP_HOLD, "d/e/f/a"},
		   {FAKE_OP_RENAME, "d/e", "g"},
		   {FAKE_OP_HELD_WRITE}},
	 .expect = {{0, 1, "d/e", C | G | D | S, N | L | X},
		    {0, 1, "g", C | N | D | S, G | L | X},
		    {0, 1, "g/f/a", C, G | D | S | L | X},
		    {2, 2, "g/f/a", C, ONLY_C}}},
	{.name = "a write before the directory moved keeps the old name",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_WRITE, "d/a"}, {FAKE_OP_RENAME, "d", "f"}},
	 .expect = {{0, 0, "d/a", C, N | D | S | L | X},
		    {0, 1, "d", C | G | D | S, N | L | X},
		    {0, 1, "f", C | N | D | S, G | L | X}}},
	{.name = "a directory moved away and back",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_RENAME, "d", "f"},
		   {FAKE_OP_WRITE, "f/a"},
		   {FAKE_OP_RENAME, "f", "d"},
		   {FAKE_OP_WRITE, "d/a"}},
	 .expect = {{0, 0, "d", C | D | S, N | G | L | X},
		    {1, 2, "d", C | N | D | S, G | L | X},
		    {0, 0, "f", C | G | D | S, L | X},
		    {1, 2, "f", C | G | D | S, N | L | X},
		    {0, 1, "f/a", C, D | S | L | X},
		    {0, 0, "d/a", C, N | G | D | S | L | X},
		    {1, 2, "d/a", C, G | D | S | L | X},
		    {3, 3, "d/a", C, ONLY_C}}},
	{.name = "a held file follows its directory through an exchange",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_HOLD, "d/a"},
		   {FAKE_OP_EXCHANGE, "d", "e"},
		   {FAKE_OP_HELD_WRITE},
		   {FAKE_OP_HELD_CHMOD}},
	 .expect = {{0, 1, "d", C | D | S, N | G | X},
		    {0, 1, "e", C | D | S, N | G | X},
		    {0, 1, "e/a", C | M, G | D | S | L | X},
		    {2, 2, "e/a", C | M, N | G | D | S | L | X},
		    {3, 3, "e/a", M, ONLY_M}}},
	{.name = "a new file in a new directory",
	 .setup = nothing,
	 .steps = {{FAKE_OP_MKDIR, "d"},
		   {FAKE_OP_CREATE, "d/a"},
		   {FAKE_OP_WRITE, "d/a"}},
	 .expect = {{0, 0, "d", C | N | D, G | L | X},
		    {0, 1, "d/a", C | N, ONLY_NEW},
		    {2, 2, "d/a", C, ONLY_C}}},
	{.name = "a whole directory is removed",
	 .setup = one_dir,
	 .steps = {{FAKE_OP_CREATE, "d/a"},
		   {FAKE_OP_UNLINK, "d/a"},
		   {FAKE_OP_RMDIR, "d"}},
	 .expect = {{0, 0, "d/a", C | G, D | S | X},
		    {1, 1, "d/a", C | G, ONLY_GONE},
		    {0, 2, "d", C | G | D, N | L | X}}},
	{.name = "a file takes the name below a directory that moved away",
	 .setup = two_dirs,
	 .steps = {{FAKE_OP_RENAME, "d", "f"},
		   {FAKE_OP_MKDIR, "d"},
		   {FAKE_OP_CREATE, "d/a"}},
	 .expect = {{0, 0, "d", C | D | S, N | G | L | X},
		    {1, 1, "d", C | N | D, G | L | X},
		    {0, 0, "f", C | N | D | S, G | L | X},
		    {0, 0, "d/a", C, N | G | D | S | X},
		    {1, 2, "d/a", C | N, ONLY_NEW}}},

	/* ---- several names of one file ---- */
	{.name = "a write is said for all known names of the file",
	 .setup = linked_file,
	 .steps = {{FAKE_OP_STAT, "a"},
		   {FAKE_OP_STAT, "b"},
		   {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 2, "a", C | L, M | T | N | G | D | S | X},
		    {0, 2, "b", C | L, M | T | N | G | D | S | X}}},
	{.name = "chmod is said for all known names of the file",
	 .setup = linked_in_dir,
	 .steps = {{FAKE_OP_STAT, "b"},
		   {FAKE_OP_STAT, "d/a"},
		   {FAKE_OP_CHMOD, "b"}},
	 .expect = {{0, 2, "d/a", M | L, C | T | N | G | D | S | X},
		    {0, 2, "b", M | L, C | T | N | G | D | S | X}}},
	{.name = "a link that was made through the tree is known",
	 .setup = one_file,
	 .steps = {{FAKE_OP_LINK, "a", "b"}, {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 0, "b", C | N | L, G | D | S | X},
		    {0, 1, "a", C | L, N | G | D | S | X},
		    {1, 1, "b", C | L, N | G | D | S | X | M | T}}},
	{.name = "a name that is gone is not said any more",
	 .setup = linked_file,
	 .steps = {{FAKE_OP_STAT, "a"},
		   {FAKE_OP_STAT, "b"},
		   {FAKE_OP_UNLINK, "b"},
		   {FAKE_OP_WRITE, "a"}},
	 .expect = {{0, 2, "b", C | G, ONLY_GONE},
		    {0, 2, "a", C, N | G | D | S | X},
		    {3, 3, "a", C, ONLY_C}}},
	{.name = "a linked name moves with its directory",
	 .setup = linked_in_dir,
	 .steps = {{FAKE_OP_STAT, "b"},
		   {FAKE_OP_STAT, "d/a"},
		   {FAKE_OP_RENAME, "d", "e"},
		   {FAKE_OP_WRITE, "b"}},
	 .expect = {{0, 2, "d", C | G | D | S, N | X},
		    {0, 2, "e", C | N | D | S, G | X},
		    {0, 3, "b", C | L, M | T | N | G | D | S | X},
		    {0, 3, "e/a", C | L, G | D | S | X}}},

	/* ---- files without a name ---- */
	{.name = "a write to an unlinked file has no name to stamp",
	 .setup = one_file,
	 .steps = {{FAKE_OP_HOLD, "a"},
		   {FAKE_OP_UNLINK, "a"},
		   {FAKE_OP_HELD_WRITE},
		   {FAKE_OP_HELD_READ}},
	 .expect = {{0, 1, "a", C | G, ONLY_GONE}}},
	{.name = "a write to a replaced file does not stamp its successor",
	 .setup = two_files,
	 .steps = {{FAKE_OP_HOLD, "b"},
		   {FAKE_OP_RENAME, "a", "b"},
		   {FAKE_OP_HELD_WRITE},
		   {FAKE_OP_HELD_CHMOD}},
	 .expect = {{0, 1, "a", C | G, ONLY_GONE},
		    {0, 1, "b", C, M | N | G | D | S | X}}},
	{.name = "a held file is written under the name it has now",
	 .setup = one_file,
	 .steps = {{FAKE_OP_HOLD, "a"},
		   {FAKE_OP_RENAME, "a", "b"},
		   {FAKE_OP_HELD_WRITE},
		   {FAKE_OP_HELD_MAP}},
	 .expect = {{0, 1, "a", C | G, ONLY_GONE},
		    {0, 1, "b", C | N, G | D | S | L},
		    {2, 3, "b", C, N | G | D | S | L | M}}},
	{.name = "a held file is written under the name it was exchanged to",
	 .setup = two_files,
	 .steps = {{FAKE_OP_HOLD, "a"},
		   {FAKE_OP_EXCHANGE, "a", "b"},
		   {FAKE_OP_HELD_WRITE}},
	 .expect = {{0, 1, "a", C, N | G | D | S | X},
		    {0, 1, "b", C, N | G | D | S | X},
		    {2, 2, "b", C, ONLY_C}}},

	/* ---- odd names ---- */
	{.name = "names are bytes",
	 .setup = odd_names,
	 .steps = {{FAKE_OP_WRITE, "new\nline"},
		   {FAKE_OP_CHMOD, "not utf-8 \xff\xfe"},
		   {FAKE_OP_RENAME, " ", "\x01\x7f"}},
	 .expect = {{0, 0, "new\nline", C, ONLY_C},
		    {0, 1, "not utf-8 \xff\xfe", M, ONLY_M},
		    {0, 2, " ", C | G, ONLY_GONE},
		    {0, 2, "\x01\x7f", C | N, ONLY_NEW}}},
	{.name = NULL},
};

unsigned fake_case_count_steps(const FakeCase *fake_case)
{
	unsigned n = 0;

	while (fake_case->steps[n].op != FAKE_OP_NONE)
		n++;
	return n;
}

static char *flags_to_text(uint16_t flags)
{
	static const struct {
		uint16_t flag;
		const char *name;
	} names[] = {
		{C, "CONTENT"},
		{M, "META"},
		{T, "TIMES"},
		{N, "NEW"},
		{G, "GONE"},
		{D, "DIR"},
		{S, "SUBTREE"},
		{L, "LINKED"},
		{SINCEFS_SCANNED, "SCANNED"},
		{SINCEFS_MIXED, "MIXED"},
	};
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (flags & names[i].flag)
			g_string_append_printf(text, "%s%s",
					       text->len ? "|" : "",
					       names[i].name);
	return g_string_free(text, FALSE);
}

static const FakeRecord *find_record(const FakeRecord *records, size_t count,
				     const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(records[i].path, path))
			return &records[i];
	return NULL;
}

static const FakeExpect *find_expect(const FakeCase *fake_case, unsigned token,
				     const char *path)
{
	for (const FakeExpect *row = fake_case->expect; row->path; row++)
		if (row->from <= token && token <= row->to &&
		    !strcmp(row->path, path))
			return row;
	return NULL;
}

char *fake_case_check(const FakeCase *fake_case, unsigned token,
		      const FakeRecord *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const FakeRecord *record = &records[i];
		const FakeExpect *row =
			find_expect(fake_case, token, record->path);
		g_autofree char *flags = flags_to_text(record->flags);

		if (find_record(records, i, record->path))
			return g_strdup_printf("token %u: '%s' is told twice",
					       token, record->path);
		if (!row)
			return g_strdup_printf(
				"token %u: '%s' (%s) should not be told", token,
				record->path, flags);
		g_autofree char *missing =
			flags_to_text(row->need & ~record->flags);
		g_autofree char *wrong =
			flags_to_text(row->never & record->flags);

		if (*missing || *wrong)
			return g_strdup_printf(
				"token %u: '%s' has %s: lacks %s, wrongly %s",
				token, record->path, flags,
				*missing ? missing : "nothing",
				*wrong ? wrong : "nothing");
	}
	for (const FakeExpect *row = fake_case->expect; row->path; row++)
		if (row->need && row->from <= token && token <= row->to &&
		    !find_record(records, count, row->path))
			return g_strdup_printf("token %u: '%s' is missing",
					       token, row->path);
	return NULL;
}
