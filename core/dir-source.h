/* SPDX-License-Identifier: MIT */
/*
 * Where a scan looks: a tree of directories that can be opened, listed and
 * asked for attributes. A real one goes by descriptors, never follows a link
 * below its root and never enters another file system; tests have one in
 * memory.
 *
 * A source is used by one thread at a time. Its calls block as long as the file
 * system does.
 */
#ifndef CORE_DIR_SOURCE_H
#define CORE_DIR_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is compared of an object. Times are since the epoch. */
typedef struct {
	uint64_t ino;
	uint64_t size; /* bytes */
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint64_t dev;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode; /* with the type */
} DirStat;

/* An open directory: a descriptor, or whatever the source makes of it. */
typedef int DirHandle;
#define DIR_HANDLE_NONE (-1)

typedef struct DirSource DirSource;

/* All return 0 or -errno. */
typedef struct {
	/*
	 * The root as it is now, links followed. *@dir_out is opened if it is a
	 * directory, else DIR_HANDLE_NONE: a root may be a single file. -ENOENT
	 * when there is none.
	 */
	int (*open_root)(DirSource *source, DirHandle *dir_out,
			 DirStat *stat_out);
	/*
	 * The directory @name in @parent. -ENOTDIR or -ELOOP when it is none
	 * any more, -EXDEV when another file system is mounted there.
	 */
	int (*open)(DirSource *source, DirHandle parent, const char *name,
		    DirHandle *dir_out);
	/*
	 * The next entries of @dir, as getdents64(2) fills them in:
	 * *@filled_out bytes of @buffer, 0 at the end. A directory is listed
	 * once after it was opened.
	 */
	int (*list)(DirSource *source, DirHandle dir, void *buffer, size_t size,
		    size_t *filled_out);
	/* The object @name in @dir itself; "" is @dir. */
	int (*stat)(DirSource *source, DirHandle dir, const char *name,
		    DirStat *stat_out);
	/* Does the link @name in @dir lead to a directory? */
	bool (*leads_to_dir)(DirSource *source, DirHandle dir,
			     const char *name);
	void (*close)(DirSource *source, DirHandle dir);
	/* Frees the source. */
	void (*free)(DirSource *source);
} DirSourceOps;

struct DirSource {
	const DirSourceOps *ops;
};

/* What lies at the absolute path @root, looked up anew at each scan. NULL: no
   memory. */
DirSource *dir_source_new_at_path(const char *root);

/* What lies below the directory @fd (taken, O_PATH will do), whatever its name
   is by then. NULL: no memory. */
DirSource *dir_source_new_at_fd(int fd);

/* NULL is allowed. */
void dir_source_free(DirSource *source);

#endif /* CORE_DIR_SOURCE_H */
