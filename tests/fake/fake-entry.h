/* SPDX-License-Identifier: MIT */
/*
 * What a fake tree is made of and what can be done to one: the rows of the
 * tables that tests are written in. fake-tree.h carries them out in memory,
 * fake-disk.h on a real directory; cases.h has the rows with what is expected
 * of them.
 */
#ifndef TESTS_FAKE_FAKE_ENTRY_H
#define TESTS_FAKE_FAKE_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
	FAKE_FILE,
	FAKE_DIR,
	FAKE_SYMLINK,
	FAKE_HARDLINK,
	FAKE_FIFO,
	FAKE_WHITEOUT, /* character device 0:0: what RENAME_WHITEOUT leaves */
} FakeType;

/*
 * One thing in a tree. Parents come before what they contain, and the target of
 * a hard link before the link. A table ends with a path of NULL.
 */
typedef struct {
	const char *path; /* relative to the root of the tree */
	FakeType type;
	mode_t mode; /* permissions; 0: 0644, 0755 for a directory */
	/* A file's bytes, or where a link points to. */
	const char *content;
	size_t size;       /* of the bytes; 0: strlen(content) */
	const char *xattr; /* name of an extended attribute, or NULL */
	const char *value; /* its value */
} FakeEntry;

#define FAKE_END                                                               \
	{                                                                      \
		.path = NULL                                                   \
	}

typedef enum {
	FAKE_OP_NONE, /* ends a list of steps */
	/* names */
	FAKE_OP_CREATE, /* O_CREAT | O_EXCL */
	FAKE_OP_MKDIR,
	FAKE_OP_MKFIFO,
	FAKE_OP_SYMLINK, /* path; other: where it points to */
	FAKE_OP_LINK,    /* path: the file; other: its new name */
	FAKE_OP_UNLINK,
	FAKE_OP_RMDIR,
	FAKE_OP_RENAME, /* path to other */
	FAKE_OP_RENAME_NOREPLACE,
	FAKE_OP_EXCHANGE,
	FAKE_OP_WHITEOUT,
	/* bytes */
	FAKE_OP_WRITE,      /* the first bytes */
	FAKE_OP_APPEND,     /* O_APPEND */
	FAKE_OP_TRUNCATE,   /* to one byte */
	FAKE_OP_OPEN_TRUNC, /* O_TRUNC, and nothing written */
	FAKE_OP_ALLOCATE,   /* fallocate, which makes the file longer */
	FAKE_OP_PUNCH,      /* fallocate, a hole over the first byte */
	FAKE_OP_COPY_RANGE, /* from path into other */
	/* attributes */
	FAKE_OP_CHMOD,
	FAKE_OP_CHOWN,
	FAKE_OP_UTIMENS,
	FAKE_OP_SETXATTR,
	FAKE_OP_REMOVEXATTR,
	/* looking, which changes nothing */
	FAKE_OP_READ,
	FAKE_OP_STAT,
	FAKE_OP_LIST,
	/* one descriptor that stays open between steps */
	FAKE_OP_HOLD, /* open path */
	FAKE_OP_HELD_WRITE,
	FAKE_OP_HELD_READ,
	FAKE_OP_HELD_CHMOD,
	FAKE_OP_HELD_MAP, /* a store through a shared mapping, then munmap */
	FAKE_OP_RELEASE,
} FakeOp;

typedef struct {
	FakeOp op;
	const char *path;
	const char *other;
	int error; /* what the step must fail with (an errno), or 0 */
} FakeStep;

/* What the steps write: constants, so that memory and disk agree. */
#define FAKE_WRITE_TEXT "WRITTEN"
#define FAKE_APPEND_TEXT "APPENDED"
#define FAKE_ALLOCATE_LENGTH 100
#define FAKE_CHMOD_MODE 0600
#define FAKE_CHOWN_GID 12345
#define FAKE_XATTR "user.fake"
#define FAKE_XATTR_VALUE "value"

/* "write", for messages. */
const char *fake_op_get_name(FakeOp op);

/* The mode of an entry, with the defaults filled in. */
mode_t fake_entry_get_mode(const FakeEntry *entry);
/* The bytes of an entry's content. */
size_t fake_entry_get_size(const FakeEntry *entry);

#endif /* TESTS_FAKE_FAKE_ENTRY_H */
