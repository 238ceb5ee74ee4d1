/* SPDX-License-Identifier: MIT */
/*
 * The ioctl protocol between a sincefs daemon and its clients, version 1.
 *
 * C99 (and C++), libc only. All structures have fixed widths, no hidden
 * padding, a size that is a multiple of 8, and native byte order. Fields named
 * zero* are sent as 0 and anything else is refused with EINVAL. The size of a
 * structure is part of its request number: a structure never grows, a new one
 * gets a new number. Numbers 0 to 7 belong to this version; those of 8 to 31
 * are announced by feature bits.
 *
 * The requests work on any open regular file or directory of the mount and on
 * the control file SINCEFS_CONTROL_NAME, which can be opened in every
 * directory but is never listed. They are answered to the mounting user and to
 * root; others get EPERM. sincefs-protocol(7) is the long form of this file.
 */
#ifndef SINCEFS_PROTOCOL_H
#define SINCEFS_PROTOCOL_H

#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SINCEFS_CONTROL_NAME ".sincefs"
#define SINCEFS_SIGNATURE UINT32_C(0x73696e63) /* "sinc" */
#define SINCEFS_PROTOCOL_VERSION UINT32_C(1)

/* Bits of sincefs_info.features. */
/* syncfs + SINCE is exact for shared mappings too. */
#define SINCEFS_FEATURE_SYNC_EXACT UINT64_C(0x1)
/* SINCEFS_IOC_CLOCK works. */
#define SINCEFS_FEATURE_CLOCK_PAGE UINT64_C(0x2)
#define SINCEFS_FEATURE_STATS UINT64_C(0x4) /* SINCEFS_IOC_STATS works */

/*
 * What a client knows. All zero: knows nothing. An instance is a random number
 * other than 0, new with each start of a daemon; clocks start from 1. A clock
 * is good for "later than" and for nothing else: clocks have gaps.
 */
struct sincefs_token {
	uint64_t instance;
	uint64_t clock;
};

/* Answer of SINCEFS_IOC_INFO. */
struct sincefs_info {
	uint32_t signature;
	uint32_t version;
	uint64_t features; /* SINCEFS_FEATURE_* */
	struct sincefs_token now;
	uint64_t floor;      /* tokens with a clock below this are FRESH */
	uint64_t entries;    /* paths remembered */
	uint64_t capacity;   /* of at most */
	uint32_t tree;       /* the tree this descriptor lies in */
	uint32_t tree_count; /* ids are 1..tree_count; 1 is the mount */
	uint32_t pid;        /* of the daemon, for people */
	uint32_t zero32;
	uint64_t zero[6];
};

#define SINCEFS_TREE_ALL UINT32_C(0)
/* Bits of sincefs_tree.flags. When clear: covered by scanning alone. */
#define SINCEFS_TREE_MOUNTED UINT32_C(0x1)
/* Installed code of a Python interpreter. */
#define SINCEFS_TREE_INSTALLED UINT32_C(0x2)
/* Code that somebody works on, installed by reference to where it lies. */
#define SINCEFS_TREE_EDITABLE UINT32_C(0x4)
/* It has links to directories, which are not followed. */
#define SINCEFS_TREE_LINKS UINT32_C(0x8)
/* Other file systems are mounted in it, which are not entered. */
#define SINCEFS_TREE_MOUNTS UINT32_C(0x10)
#define SINCEFS_ROOT_SIZE 4096

/* Question and answer of SINCEFS_IOC_TREE. */
struct sincefs_tree {
	uint32_t id;             /* in: which; ENOENT when there is none */
	uint32_t flags;          /* out: SINCEFS_TREE_* */
	uint64_t scans;          /* full scans completed; 0: no baseline yet */
	uint64_t scan_age_ns;    /* since the start of the last completed one */
	uint64_t scan_period_ns; /* as kept, not as wished */
	uint64_t scan_cost_ns;   /* processor time of the last */
	uint64_t files;
	int32_t scan_error; /* 0 or -errno of the last */
	uint32_t zero32;
	char root[SINCEFS_ROOT_SIZE]; /* absolute, NUL-terminated */
};

/*
 * Bits of sincefs_record.flags: what happened to the name after the token that
 * was asked about. In doubt CONTENT is set and NEW is clear.
 */
/* Bytes may differ, or the name stands for another object, or for none. */
#define SINCEFS_CONTENT UINT16_C(0x001)
/* Mode, owner, xattr, ACL. */
#define SINCEFS_META UINT16_C(0x002)
/* Times set by hand (touch). */
#define SINCEFS_TIMES UINT16_C(0x004)
/* The name did not exist at the token. */
#define SINCEFS_NEW UINT16_C(0x008)
/* Does not exist after its last change. */
#define SINCEFS_GONE UINT16_C(0x010)
/* Is, or was, a directory. */
#define SINCEFS_DIR UINT16_C(0x020)
/* All below it may have changed too (a renamed directory). */
#define SINCEFS_SUBTREE UINT16_C(0x040)
/* Found by a scan: happened up to a period earlier. */
#define SINCEFS_SCANNED UINT16_C(0x080)
/* The file has other hard links, perhaps unknown, which changed as well. */
#define SINCEFS_LINKED UINT16_C(0x100)
/* More than one process since the last clock handed out. */
#define SINCEFS_MIXED UINT16_C(0x200)

/*
 * One changed path. The path follows: relative to its tree, @length bytes, a
 * NUL, and zeros up to a multiple of 8. The root of a tree is ".".
 */
struct sincefs_record {
	uint64_t clock; /* unique to the record */
	uint32_t tree;
	uint32_t pid;    /* process that changed it last; 0 unknown */
	uint32_t uid;    /* its user; UINT32_MAX unknown */
	uint16_t flags;  /* SINCEFS_CONTENT and so on */
	uint16_t length; /* of the path, without the NUL */
};

/* Bits of sincefs_page.flags. Out: anything may have changed. */
#define SINCEFS_FRESH UINT32_C(0x1)
/* Out: ask again with the page's token; a page with MORE may hold no record. */
#define SINCEFS_MORE UINT32_C(0x2)
/* In: only below this descriptor's directory, with paths relative to it. */
#define SINCEFS_BELOW UINT32_C(0x10000)

/* sincefs_page.reason: why the answer is FRESH; 0 when it is not. */
#define SINCEFS_REASON_NO_TOKEN 1 /* the zero token */
#define SINCEFS_REASON_RESTART 2  /* another instance */
#define SINCEFS_REASON_FORGOT 3   /* below the floor */
#define SINCEFS_REASON_LOST 4     /* events were lost after the token */
#define SINCEFS_REASON_FUTURE 5   /* above now */

#define SINCEFS_PAGE_SIZE 8184
#define SINCEFS_PAGE_HEADER_SIZE 128
#define SINCEFS_PAGE_DATA_SIZE (SINCEFS_PAGE_SIZE - SINCEFS_PAGE_HEADER_SIZE)
#define SINCEFS_NAMES_SIZE 64

/* Question and answer of SINCEFS_IOC_SINCE: 128 bytes, then data. */
struct sincefs_page {
	uint32_t signature;         /* in and out */
	uint32_t flags;             /* in: 0 or BELOW; out: FRESH, MORE */
	struct sincefs_token token; /* in: since; out: known after this */
	uint32_t tree;              /* in: one tree, or SINCEFS_TREE_ALL */
	uint32_t mask; /* in: wanted kinds of CONTENT|META|TIMES; 0 = all. Never
			  hides GONE, SUBTREE, LINKED */
	uint32_t count;  /* out: records */
	uint32_t bytes;  /* out: bytes used of data; the rest is not written */
	uint32_t reason; /* out: SINCEFS_REASON_* */
	uint32_t zero32;
	uint64_t zero[2];
	/* in: NUL-separated fnmatch(3) patterns on the last path part; empty =
	   all. SUBTREE and LINKED records pass every pattern */
	char names[SINCEFS_NAMES_SIZE];
	unsigned char data[SINCEFS_PAGE_DATA_SIZE];
};

/* Question and answer of SINCEFS_IOC_SCAN: one tree; the scan asked for is done
   once the tree's scans reaches the value returned here. */
struct sincefs_scan {
	uint32_t tree;
	uint32_t zero32;
	uint64_t scans;
};

/* Answer of SINCEFS_IOC_CLOCK; ENOTSUP when there is no clock page. */
struct sincefs_clock_page_name {
	char path[SINCEFS_ROOT_SIZE];
};

/* Kinds of requests that the kernel sends to a daemon. */
enum {
	SINCEFS_REQUEST_LOOKUP,     /* what a name stands for */
	SINCEFS_REQUEST_ATTRIBUTES, /* stat, readlink, statfs */
	SINCEFS_REQUEST_CHANGE,     /* chmod, chown, utimens, truncate */
	SINCEFS_REQUEST_NAME,       /* create, link, rename, unlink, ... */
	SINCEFS_REQUEST_READ,
	SINCEFS_REQUEST_WRITE,     /* and fallocate, copy_file_range */
	SINCEFS_REQUEST_DIRECTORY, /* a piece of a directory */
	SINCEFS_REQUEST_SYNC,      /* fsync */
	SINCEFS_REQUEST_XATTR,
	SINCEFS_REQUEST_IOCTL,
	SINCEFS_REQUEST_POLL,
	SINCEFS_REQUEST_FORGET, /* the kernel needs a file no longer */
	SINCEFS_REQUEST_OTHER,
	SINCEFS_REQUEST_KINDS = 16 /* room for that many */
};

/* Answer of SINCEFS_IOC_STATS, for people: what a daemon did since it mounted,
   and what it holds. Each number is exact by itself, not with the others. */
struct sincefs_stats {
	uint64_t requests[SINCEFS_REQUEST_KINDS]; /* of each kind, ever */
	uint64_t uptime_ns;
	uint64_t stamps;      /* changes recorded */
	uint64_t inodes;      /* files and directories the kernel knows */
	uint64_t descriptors; /* of the tree below, open */
	/* Real files called SINCEFS_CONTROL_NAME that were met below; the
	   control file hides them. */
	uint64_t hidden;
	uint64_t zero[11];
	/* Relative to the mount, the directory of the last of these; "". */
	char hidden_in[SINCEFS_ROOT_SIZE];
};

#define SINCEFS_IOC_TYPE 0xD5
#define SINCEFS_IOC_INFO _IOR(SINCEFS_IOC_TYPE, 0, struct sincefs_info)
#define SINCEFS_IOC_TREE _IOWR(SINCEFS_IOC_TYPE, 1, struct sincefs_tree)
#define SINCEFS_IOC_SINCE _IOWR(SINCEFS_IOC_TYPE, 2, struct sincefs_page)
#define SINCEFS_IOC_SCAN _IOWR(SINCEFS_IOC_TYPE, 3, struct sincefs_scan)
#define SINCEFS_IOC_CLOCK                                                      \
	_IOR(SINCEFS_IOC_TYPE, 4, struct sincefs_clock_page_name)

#define SINCEFS_IOC_STATS _IOR(SINCEFS_IOC_TYPE, 8, struct sincefs_stats)

#ifdef __cplusplus
}
#endif

#endif /* SINCEFS_PROTOCOL_H */
