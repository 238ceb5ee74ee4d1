/* SPDX-License-Identifier: MIT */
/*
 * What holds:
 *
 *  1. What differs from the picture is reported after it was looked at, so that
 *     a change that comes later differs from the picture again and is found by
 *     the next scan.
 *  2. A directory that is new, or another one than before, is one finding with
 *     all below it, reported when everything below was looked at (1): what is
 *     found in it is silent.
 *  3. A file system's clock moves in steps of some milliseconds: a file that
 *     changes again within the step in which it was looked at may look the
 *     same. What has a ctime younger than SETTLE_NS is therefore looked at
 *     again when that time has passed, and reported then. What never comes to
 *     rest, or has a time that is still to come, is reported, and once more by
 *     the next scan.
 *  4. What cannot be read keeps its picture and is an error of the scan. What
 *     had none when it could not be read, may be anything when it can. The same
 *     holds for what was not come to, as the scan was stopped or lost its way,
 *     and for a single name whose attributes cannot be had.
 *  5. The first scan is a baseline. It reports what has changed since the
 *     daemon's start, as its ctime says. What went away meanwhile has no ctime,
 *     but its directory has; which is asked for its own after it was listed.
 *
 * What no scan can know of: that a name came and went since the last look at
 * its directory; and that a directory went and came back, when its content
 * changed after that. When it did not, the directory's ctime says so, or that
 * its attributes changed: unless they did, it is reported with all below.
 */
#include "core/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <sincefs/protocol.h>

#define SECOND_NS INT64_C(1000000000)

/* (3): longer than any step of a kernel's clock, which are 1 to 10 ms. */
#define SETTLE_NS INT64_C(20000000)
/* A time so far ahead is of another clock, and not waited for. */
#define FAR_NS (2 * SECOND_NS)
#define SETTLE_ROUNDS 5
#define UNSETTLED_MAX 65536u

/* Directories kept open on the way down; those above are opened again. */
#define OPEN_MAX_DEPTH 64u
/* Deeper than anything that has a use: an error of the scan. */
#define DEPTH_MAX 4096u

#define LIST_SIZE 32768

typedef struct {
	SnapshotDir *dir;
	DirHandle handle; /* DIR_HANDLE_NONE: closed meanwhile */
	uint32_t next;    /* entry to look at */
	/* It, or one above it, will be reported as a whole. */
	bool is_silent;
} Frame;

/* (3) */
typedef struct {
	SnapshotDir *dir;
	char *name;    /* owned */
	uint32_t hint; /* its entry is this one or not far before */
	bool is_new;   /* it was not there at the last scan */
	int64_t ctime_ns;
} Unsettled;

typedef struct {
	ScanPicture *picture;
	const ScanConfig *config;
	ScanResult *result;
	SnapshotListing listing;
	Frame *frames; /* owned; the way down */
	size_t depth, frames_size;
	size_t first_open;    /* of the frames, but for the root's */
	Unsettled *unsettled; /* owned */
	uint32_t unsettled_count, unsettled_size;
	DirHandle listed; /* the directory at work, for the callback */
	bool is_baseline;
} Scan;

int64_t scan_clock_now(void *data)
{
	struct timespec now;

	(void)data;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

void scan_clock_wait_until(void *data, int64_t until_ns)
{
	int64_t left = until_ns - scan_clock_now(data);

	if (left > 0 && left < SECOND_NS)
		nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
}

uint16_t scan_finding_get_flags(const ScanFinding *finding)
{
	const SnapshotEntry *was = finding->was, *is = finding->is;
	uint16_t flags = SINCEFS_SCANNED;
	/* What has no attributes may be one. */
	bool was_dir = was != NULL &&
		       (S_ISDIR(was->mode) || (was->flags & SNAPSHOT_UNKNOWN));
	bool is_dir = is != NULL && S_ISDIR(is->mode);

	if (was == NULL && is == NULL)
		return flags | SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE;
	if (is == NULL) {
		flags |= SINCEFS_CONTENT | SINCEFS_GONE;
	} else if (was == NULL) {
		flags |= SINCEFS_CONTENT;
	} else if (was_dir && is_dir && was->ino == is->ino) {
		flags |= SINCEFS_META | SINCEFS_DIR;
		/* Moved away and back, for all that can be known. */
		if (was->mode == is->mode && was->size == is->size &&
		    was->mtime_ns == is->mtime_ns)
			flags |= SINCEFS_CONTENT | SINCEFS_SUBTREE;
		return flags;
	} else if (was->ino == is->ino &&
		   (was->mode != is->mode ||
		    (was->size == is->size && was->mtime_ns == is->mtime_ns))) {
		/* An edit whose time was put back, or other attributes. */
		flags |= SINCEFS_CONTENT | SINCEFS_META;
	} else {
		flags |= SINCEFS_CONTENT;
	}
	if (was_dir || is_dir)
		flags |= SINCEFS_DIR | SINCEFS_SUBTREE;
	else if ((is != NULL ? is : was)->flags & SNAPSHOT_LINKED)
		flags |= SINCEFS_LINKED;
	return flags;
}

void scan_picture_clear(ScanPicture *picture)
{
	snapshot_dir_free(picture->root);
	*picture = (ScanPicture){.root = NULL};
}

static bool is_stopped(const Scan *scan)
{
	return scan->config->stop != NULL && atomic_load(scan->config->stop);
}

/* Of what went, or moved, while we were on the way to it, the next scan has the
   word; all else is an error. */
static void note_error(Scan *scan, int error)
{
	if (error != -ENOENT && error != -ENOTDIR && error != -ELOOP)
		scan->result->error = error;
}

static void report(const Scan *scan, SnapshotDir *dir, const char *name,
		   const SnapshotEntry *was, const SnapshotEntry *is)
{
	ScanFinding finding = {
		.dir = dir,
		.name = name,
		.was = was,
		.is = is,
	};

	scan->config->found(scan->config->data, &finding);
}

/* (3) */
static bool is_unsettled(const Scan *scan, int64_t ctime_ns)
{
	int64_t now_ns = scan->config->now(scan->config->data);

	return ctime_ns > now_ns - SETTLE_NS && ctime_ns < now_ns + FAR_NS;
}

/* (3): a change whose time has yet to come, by a clock that nobody here knows.
   It is reported once more, and then not until it differs. */
static bool is_of_other_clock(const Scan *scan, const SnapshotEntry *was,
			      const SnapshotEntry *is)
{
	int64_t now_ns = scan->config->now(scan->config->data);
	SnapshotEntry before;

	if (is->ctime_ns < now_ns + FAR_NS)
		return false;
	if (was == NULL)
		return true;
	before = *was;
	before.flags = 0;
	return !snapshot_entry_is_same(&before, is);
}

/* False: no room; then it is reported at once and once more. */
static bool keep_for_later(Scan *scan, SnapshotDir *dir, const char *name,
			   const SnapshotEntry *is, bool is_new)
{
	Unsettled *more;
	char *copy;

	if (scan->unsettled_count == scan->unsettled_size) {
		uint32_t size =
			scan->unsettled_size ? scan->unsettled_size * 2 : 64;

		if (size > UNSETTLED_MAX)
			return false;
		more = realloc(scan->unsettled, size * sizeof(*more));
		if (more == NULL)
			return false;
		scan->unsettled = more;
		scan->unsettled_size = size;
	}
	copy = strdup(name);
	if (copy == NULL)
		return false;
	scan->unsettled[scan->unsettled_count++] = (Unsettled){
		.dir = dir,
		.name = copy,
		.hint = (uint32_t)(is - scan->listing.entries),
		.is_new = is_new,
		.ctime_ns = is->ctime_ns,
	};
	return true;
}

static bool is_wanted(const Scan *scan, const SnapshotDir *dir,
		      const SnapshotEntry *is)
{
	if (dir->is_known)
		return true; /* in a baseline too, which was stopped before */
	/* (5), (2) */
	return scan->is_baseline && is != NULL &&
	       is->ctime_ns >= scan->config->baseline_ns;
}

/* A name differs from the picture. */
static void on_differs(void *data, SnapshotDir *dir, const char *name,
		       SnapshotEntry *was, SnapshotEntry *is)
{
	Scan *scan = data;
	const ScanConfig *config = scan->config;
	bool is_unknown = is != NULL && (is->flags & SNAPSHOT_UNKNOWN);

	if (is != NULL && S_ISLNK(is->mode) &&
	    config->source->ops->leads_to_dir(config->source, scan->listed,
					      name))
		is->flags |= SNAPSHOT_LINKS_DIR;
	if (is != NULL && S_ISDIR(is->mode)) {
		if (is->dir == NULL) {
			is->dir = snapshot_dir_new(dir, 0);
			if (is->dir == NULL)
				note_error(scan, -ENOMEM);
			else
				is->dir->is_due = is_wanted(scan, dir, is);
			return;
		}
	} else if (is != NULL && is_unsettled(scan, is->ctime_ns)) {
		if (keep_for_later(scan, dir, name, is, was == NULL)) {
			if (was == NULL)
				return;
			/* For the next look as if this one had not been. */
			is->size = was->size;
			is->mtime_ns = was->mtime_ns;
			is->ctime_ns = was->ctime_ns;
			is->ino = was->ino;
			is->mode = was->mode;
			return;
		}
		is->flags |= SNAPSHOT_UNSETTLED;
	} else if (is != NULL && is_of_other_clock(scan, was, is)) {
		is->flags |= SNAPSHOT_UNSETTLED;
	}
	if (is_wanted(scan, dir, is))
		report(scan, dir, name, was, is_unknown ? NULL : is);
}

static bool is_dot(const char *name)
{
	return name[0] == '.' &&
	       (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* All that @handle holds, with attributes, into the listing. */
static int list(Scan *scan, DirHandle handle)
{
	_Alignas(struct dirent64) char buffer[LIST_SIZE];
	DirSource *source = scan->config->source;
	size_t filled;
	int r;

	snapshot_listing_reset(&scan->listing);
	while ((r = source->ops->list(source, handle, buffer, sizeof(buffer),
				      &filled)) == 0 &&
	       filled > 0) {
		for (size_t at = 0; at < filled;) {
			const struct dirent64 *entry =
				(const void *)(buffer + at);
			DirStat found;

			at += entry->d_reclen;
			if (is_dot(entry->d_name))
				continue;
			r = source->ops->stat(source, handle, entry->d_name,
					      &found);
			if (r == -ENOENT)
				continue; /* it went meanwhile */
			if (r == -EACCES)
				return r; /* so it will be for all */
			if (r < 0)
				note_error(scan, r);
			if (!snapshot_listing_add(&scan->listing, entry->d_name,
						  r < 0 ? NULL : &found))
				return -ENOMEM;
		}
		if (is_stopped(scan))
			return -EINTR;
	}
	return r;
}

/* Read @dir: 0, or -errno and its picture is as it was. */
static int read_directory(Scan *scan, SnapshotDir *dir, DirHandle handle)
{
	DirSource *source = scan->config->source;
	DirStat after;
	int r = list(scan, handle);

	if (r == 0 && scan->is_baseline && !dir->is_known &&
	    (source->ops->stat(source, handle, "", &after) < 0 ||
	     after.ctime_ns >= scan->config->baseline_ns))
		dir->is_due = true; /* (5) */
	scan->listed = handle;
	if (r == 0)
		r = snapshot_dir_update(dir, &scan->listing, on_differs, scan);
	if (r < 0)
		return r;
	dir->is_known = true;
	scan->result->files += dir->count;
	for (uint32_t i = 0; i < dir->count; i++)
		if (dir->entries[i].flags & SNAPSHOT_LINKS_DIR)
			scan->result->links++;
	return 0;
}

/* A directory as a whole, by its entry in the one above. */
static void report_directory(const Scan *scan, SnapshotDir *dir)
{
	if (dir->parent == NULL)
		report(scan, NULL, "", NULL, NULL);
	else
		report(scan, dir->parent,
		       snapshot_dir_get_name(dir->parent, dir->index), NULL,
		       &dir->parent->entries[dir->index]);
}

/* (2) */
static void report_if_due(const Scan *scan, SnapshotDir *dir)
{
	if (dir->is_due)
		report_directory(scan, dir);
	dir->is_due = dir->is_told = false;
}

/* (4): that it is there is said once, and again when it can be read. */
static void put_off(Scan *scan, SnapshotDir *dir, int error)
{
	if (is_stopped(scan))
		return;
	if (error == -EXDEV)
		scan->result->mounts++;
	else
		note_error(scan, error);
	if (dir->is_known)
		return;
	if (dir->is_due && !dir->is_told)
		report_directory(scan, dir);
	dir->is_due = dir->is_told = true;
}

static bool push(Scan *scan, SnapshotDir *dir, DirHandle handle)
{
	if (scan->depth == scan->frames_size) {
		size_t size = scan->frames_size ? scan->frames_size * 2 : 16;
		Frame *more = realloc(scan->frames, size * sizeof(*more));

		if (more == NULL)
			return false;
		scan->frames = more;
		scan->frames_size = size;
	}
	scan->frames[scan->depth] = (Frame){
		.dir = dir,
		.handle = handle,
		.is_silent = dir->is_due ||
			     (scan->depth > 0 &&
			      scan->frames[scan->depth - 1].is_silent),
	};
	scan->depth++;
	return true;
}

static void close_frame(Scan *scan, Frame *frame)
{
	DirSource *source = scan->config->source;

	if (frame->handle != DIR_HANDLE_NONE)
		source->ops->close(source, frame->handle);
	frame->handle = DIR_HANDLE_NONE;
}

static void pop(Scan *scan)
{
	Frame *frame = &scan->frames[--scan->depth];

	close_frame(scan, frame);
	/* One that was left early stays due. */
	if (!is_stopped(scan))
		report_if_due(scan, frame->dir);
	if (scan->first_open > scan->depth)
		scan->first_open = scan->depth;
}

/* Keep few directories open: the root's and the lowest. */
static void close_upper(Scan *scan)
{
	while (scan->depth - scan->first_open > OPEN_MAX_DEPTH) {
		if (scan->first_open > 0)
			close_frame(scan, &scan->frames[scan->first_open]);
		scan->first_open++;
	}
}

/* Open @dir by its names, from the root's @handle down, and see that each is
   the one that the picture knows. */
static int open_by_names(Scan *scan, DirHandle root, const SnapshotDir *dir,
			 DirHandle *handle_out)
{
	DirSource *source = scan->config->source;
	size_t depth = snapshot_dir_get_depth(dir);
	const SnapshotDir **way;
	DirHandle at = root;
	int r = 0;

	if (depth == 0) {
		*handle_out = root;
		return 0;
	}
	way = calloc(depth, sizeof(*way));
	if (way == NULL)
		return -ENOMEM;
	for (size_t i = depth; i > 0; dir = dir->parent)
		way[--i] = dir;
	for (size_t i = 0; i < depth && r == 0; i++) {
		const SnapshotDir *parent = way[i]->parent;
		DirHandle next = DIR_HANDLE_NONE;
		DirStat found;

		r = source->ops->open(
			source, at,
			snapshot_dir_get_name(parent, way[i]->index), &next);
		if (i > 0)
			source->ops->close(source, at);
		at = next;
		if (r == 0)
			r = source->ops->stat(source, at, "", &found);
		if (r == 0 && found.ino != parent->entries[way[i]->index].ino)
			r = -ESTALE;
		if (r < 0 && at != DIR_HANDLE_NONE)
			source->ops->close(source, at);
	}
	free(way);
	if (r == 0)
		*handle_out = at;
	return r;
}

/* A subdirectory of the top frame, whose directory is open. */
static void enter(Scan *scan, SnapshotDir *child, const char *name)
{
	DirSource *source = scan->config->source;
	const Frame *frame = &scan->frames[scan->depth - 1];
	DirHandle handle;
	int r;

	if (!child->is_known && !frame->is_silent && !scan->is_baseline)
		child->is_due = true; /* (4): nobody came to it until now */
	if (scan->depth >= DEPTH_MAX) {
		put_off(scan, child, -ENAMETOOLONG);
		return;
	}
	r = source->ops->open(source, frame->handle, name, &handle);
	if (r == 0) {
		r = read_directory(scan, child, handle);
		if (r == 0 && !push(scan, child, handle))
			r = -ENOMEM;
		if (r < 0)
			source->ops->close(source, handle);
	}
	if (r < 0)
		put_off(scan, child, r);
	else
		close_upper(scan);
}

/* Down from the root's frame, which was read, and up again. */
static void walk(Scan *scan)
{
	while (scan->depth > 0) {
		Frame *frame = &scan->frames[scan->depth - 1];
		SnapshotDir *dir = frame->dir;
		uint32_t at;

		while (frame->next < dir->count &&
		       dir->entries[frame->next].dir == NULL)
			frame->next++;
		if (is_stopped(scan) || frame->next >= dir->count) {
			if (scan->depth == 1)
				return;
			pop(scan);
			continue;
		}
		if (frame->handle == DIR_HANDLE_NONE) {
			int r = open_by_names(scan, scan->frames[0].handle, dir,
					      &frame->handle);

			if (r < 0) {
				if (r != -ESTALE) /* it is another one */
					note_error(scan, r);
				frame->next = UINT32_MAX;
				continue;
			}
			scan->first_open = scan->depth - 1;
		}
		at = frame->next++;
		enter(scan, dir->entries[at].dir,
		      snapshot_dir_get_name(dir, at));
	}
}

/* Its entry: where it was in the listing, less the names that came twice. */
static SnapshotEntry *find_entry(const Unsettled *unsettled)
{
	SnapshotDir *dir = unsettled->dir;
	uint32_t at = unsettled->hint;

	if (at >= dir->count)
		at = dir->count - 1;
	for (uint32_t i = 0; i < dir->count; i++) {
		if (strcmp(snapshot_dir_get_name(dir, at), unsettled->name) ==
		    0)
			return &dir->entries[at];
		at = at > 0 ? at - 1 : dir->count - 1;
	}
	return NULL;
}

/* Look at one again. False: it has not come to rest yet. */
static bool settle_one(Scan *scan, DirHandle handle, Unsettled *unsettled,
		       SnapshotEntry *entry, bool is_last)
{
	DirSource *source = scan->config->source;
	SnapshotEntry was = *entry;
	DirStat now;

	/* What went meanwhile, the next scan misses; and what is there, it
	   reports. */
	if (source->ops->stat(source, handle, unsettled->name, &now) < 0) {
		entry->flags |= SNAPSHOT_UNSETTLED;
		return true;
	}
	if (is_unsettled(scan, now.ctime_ns) && !is_last) {
		unsettled->ctime_ns = now.ctime_ns;
		return false;
	}
	if (S_ISDIR(now.mode))
		return true; /* the same: it was none */
	*entry = snapshot_entry_of(&now);
	entry->name = was.name;
	entry->flags |= was.flags & SNAPSHOT_LINKS_DIR;
	if (is_unsettled(scan, now.ctime_ns))
		entry->flags |= SNAPSHOT_UNSETTLED;
	report(scan, unsettled->dir, unsettled->name,
	       unsettled->is_new ? NULL : &was, entry);
	return true;
}

/* One round over all that has not come to rest. */
static void settle_round(Scan *scan, DirHandle root, bool is_last)
{
	DirSource *source = scan->config->source;
	const SnapshotDir *opened = NULL;
	DirHandle handle = DIR_HANDLE_NONE;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < scan->unsettled_count; i++) {
		Unsettled *unsettled = &scan->unsettled[i];
		SnapshotEntry *entry;
		bool done = true;

		if (unsettled->dir != opened) {
			if (opened != NULL && handle != root &&
			    handle != DIR_HANDLE_NONE)
				source->ops->close(source, handle);
			opened = unsettled->dir;
			if (open_by_names(scan, root, opened, &handle) < 0)
				handle = DIR_HANDLE_NONE;
		}
		entry = find_entry(unsettled);
		if (entry != NULL && handle != DIR_HANDLE_NONE)
			done = settle_one(scan, handle, unsettled, entry,
					  is_last);
		else if (entry != NULL)
			/* Its directory moved: as if it were not at rest. */
			entry->flags |= SNAPSHOT_UNSETTLED;
		if (done)
			free(unsettled->name);
		else
			scan->unsettled[kept++] = *unsettled;
	}
	if (opened != NULL && handle != root && handle != DIR_HANDLE_NONE)
		source->ops->close(source, handle);
	scan->unsettled_count = kept;
}

/* (3) */
static void settle(Scan *scan, DirHandle root)
{
	const ScanConfig *config = scan->config;

	for (int i = 1; scan->unsettled_count > 0; i++) {
		int64_t latest = 0;

		for (uint32_t j = 0; j < scan->unsettled_count; j++)
			if (scan->unsettled[j].ctime_ns > latest)
				latest = scan->unsettled[j].ctime_ns;
		config->wait_until(config->data, latest + SETTLE_NS);
		settle_round(scan, root,
			     i >= SETTLE_ROUNDS || is_stopped(scan));
	}
}

/* The root that is there now: what it is by itself. True: it has to be reported
   as a whole once it was read. */
static bool compare_root(Scan *scan, const DirStat *now)
{
	ScanPicture *picture = scan->picture;
	SnapshotEntry was = picture->entry, is = snapshot_entry_of(now);
	bool was_there = picture->is_there;
	bool is_other;

	if (!S_ISDIR(is.mode) &&
	    (is_unsettled(scan, is.ctime_ns) ||
	     is_of_other_clock(scan, was_there ? &was : NULL, &is)))
		is.flags |= SNAPSHOT_UNSETTLED;
	is_other =
		was_there && (picture->dev != now->dev || was.ino != is.ino ||
			      (was.mode & S_IFMT) != (is.mode & S_IFMT));
	picture->entry = is;
	picture->dev = now->dev;
	picture->is_there = true;
	if (is_other || !S_ISDIR(is.mode)) {
		snapshot_dir_free(picture->root);
		picture->root = NULL;
	}
	if (scan->is_baseline && !was_there)
		return is.ctime_ns >= scan->config->baseline_ns &&
		       !S_ISDIR(is.mode);
	if (!was_there || is_other)
		return true;
	if (!snapshot_entry_is_same(&was, &is))
		report(scan, NULL, "", &was, &is);
	return false;
}

static void lose_root(Scan *scan)
{
	ScanPicture *picture = scan->picture;
	SnapshotEntry was = picture->entry;

	snapshot_dir_free(picture->root);
	picture->root = NULL;
	if (picture->is_there)
		report(scan, NULL, "", &was, NULL);
	else if (scan->is_baseline)
		/* (5): it may have been there at the start. */
		report(scan, NULL, "", NULL, NULL);
	picture->is_there = false;
}

/* The directory that the root is, open as @handle. */
static void scan_root(Scan *scan, DirHandle handle, bool is_due)
{
	ScanPicture *picture = scan->picture;
	int r = -ENOMEM;

	if (picture->root == NULL)
		picture->root = snapshot_dir_new(NULL, 0);
	if (picture->root != NULL) {
		SnapshotDir *root = picture->root;

		root->is_due |= is_due;
		if (!root->is_known && !scan->is_baseline)
			root->is_due = true; /* (4) */
		r = read_directory(scan, picture->root, handle);
	}
	if (r == 0 && !push(scan, picture->root, handle))
		r = -ENOMEM;
	if (r == 0) {
		walk(scan);
		if (!is_stopped(scan))
			report_if_due(scan, picture->root);
	} else {
		note_error(scan, r);
	}
	/* Also when there was no memory for more than the root. */
	settle(scan, handle);
	scan->config->source->ops->close(scan->config->source, handle);
}

/* (3): a root that is a file is opened until it has come to rest. */
static int open_root(Scan *scan, DirHandle *handle_out, DirStat *now_out)
{
	const ScanConfig *config = scan->config;
	DirSource *source = config->source;
	int r = source->ops->open_root(source, handle_out, now_out);

	for (int i = 1;
	     i < SETTLE_ROUNDS && r == 0 && *handle_out == DIR_HANDLE_NONE &&
	     !is_stopped(scan) && is_unsettled(scan, now_out->ctime_ns);
	     i++) {
		config->wait_until(config->data, now_out->ctime_ns + SETTLE_NS);
		r = source->ops->open_root(source, handle_out, now_out);
	}
	return r;
}

bool scan_run(ScanPicture *picture, const ScanConfig *config,
	      ScanResult *result_out)
{
	Scan scan = {
		.picture = picture,
		.config = config,
		.result = result_out,
		.is_baseline = !picture->is_known,
	};
	DirHandle handle;
	DirStat now;
	int r;

	*result_out = (ScanResult){.error = 0};
	r = open_root(&scan, &handle, &now);
	if (r == 0) {
		SnapshotEntry was = picture->entry;
		bool was_there = picture->is_there;
		bool is_due = compare_root(&scan, &now);

		result_out->files = 1;
		if (handle != DIR_HANDLE_NONE)
			scan_root(&scan, handle, is_due);
		else if (is_due)
			report(&scan, NULL, "", was_there ? &was : NULL,
			       &picture->entry);
	} else {
		result_out->error = r;
		if (r == -ENOENT || r == -ENOTDIR)
			lose_root(&scan);
	}
	free(scan.frames);
	free(scan.unsettled);
	snapshot_listing_clear(&scan.listing);
	if (is_stopped(&scan))
		return false;
	picture->is_known = true;
	return true;
}
