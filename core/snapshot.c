/* SPDX-License-Identifier: MIT */
/*
 * Most directories list what they did the last time, in the same order: then
 * both are gone through side by side and nothing is allocated or moved. Else
 * both are sorted by name and merged.
 */
#include "core/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

SnapshotDir *snapshot_dir_new(SnapshotDir *parent, uint32_t index)
{
	SnapshotDir *dir = calloc(1, sizeof(*dir));

	if (dir == NULL)
		return NULL;
	dir->parent = parent;
	dir->index = index;
	return dir;
}

/* Without recursion, as trees may be deep: down to one that has no directory
   left, free it, and up again. */
void snapshot_dir_free(SnapshotDir *dir)
{
	SnapshotDir *top = dir;

	while (dir != NULL) {
		SnapshotDir *parent = dir->parent, *child = NULL;

		while (dir->count > 0 && child == NULL) {
			SnapshotEntry *last = &dir->entries[--dir->count];

			child = last->dir;
			last->dir = NULL;
		}
		if (child != NULL) {
			child->parent = dir;
			dir = child;
			continue;
		}
		free(dir->entries);
		free(dir->names);
		free(dir);
		dir = dir == top ? NULL : parent;
	}
}

const char *snapshot_dir_get_name(const SnapshotDir *dir, uint32_t index)
{
	return dir->names + dir->entries[index].name;
}

size_t snapshot_dir_get_depth(const SnapshotDir *dir)
{
	size_t depth = 0;

	for (; dir->parent != NULL; dir = dir->parent)
		depth++;
	return depth;
}

void snapshot_dir_get_path(const SnapshotDir *dir, const char **parts,
			   size_t depth)
{
	for (; depth > 0; dir = dir->parent)
		parts[--depth] = snapshot_dir_get_name(dir->parent, dir->index);
}

SnapshotEntry snapshot_entry_of(const DirStat *stat)
{
	bool is_dir = S_ISDIR(stat->mode);

	return (SnapshotEntry){
		.ino = stat->ino,
		.size = is_dir ? (uint64_t)stat->uid << 32 | stat->gid
			       : stat->size,
		.mtime_ns = stat->mtime_ns,
		.ctime_ns = stat->ctime_ns,
		.mode = stat->mode,
		.flags = stat->nlink > 1 && !is_dir ? SNAPSHOT_LINKED : 0,
	};
}

void snapshot_listing_clear(SnapshotListing *listing)
{
	free(listing->entries);
	free(listing->names);
	free(listing->order);
	*listing = (SnapshotListing){.entries = NULL};
}

void snapshot_listing_reset(SnapshotListing *listing)
{
	listing->count = 0;
	listing->names_used = 0;
}

/* At least @need elements of @each bytes at *@memory. */
static bool grow(void **memory, uint32_t *size, uint64_t need, size_t each)
{
	uint64_t larger = *size > 0 ? *size : 64;
	void *moved;

	if (need <= *size)
		return true;
	while (larger < need)
		larger *= 2;
	if (larger > UINT32_MAX / 2)
		return false;
	moved = realloc(*memory, larger * each);
	if (moved == NULL)
		return false;
	*memory = moved;
	*size = (uint32_t)larger;
	return true;
}

bool snapshot_listing_add(SnapshotListing *listing, const char *name,
			  const DirStat *stat)
{
	size_t size = strlen(name) + 1;

	if (!grow((void **)&listing->entries, &listing->size,
		  (uint64_t)listing->count + 1, sizeof(*listing->entries)) ||
	    !grow((void **)&listing->names, &listing->names_size,
		  (uint64_t)listing->names_used + size, 1))
		return false;
	memcpy(listing->names + listing->names_used, name, size);
	listing->entries[listing->count] =
		stat == NULL ? (SnapshotEntry){.flags = SNAPSHOT_UNKNOWN}
			     : snapshot_entry_of(stat);
	listing->entries[listing->count++].name = listing->names_used;
	listing->names_used += (uint32_t)size;
	return true;
}

bool snapshot_entry_is_same(const SnapshotEntry *was, const SnapshotEntry *is)
{
	if (was->ino != is->ino || was->mode != is->mode ||
	    (was->flags & SNAPSHOT_UNSETTLED))
		return false;
	/* What comes and goes in a directory sets both of its times to the same
	   moment; its attributes, ctime alone. Of attributes that changed
	   before something came or went, mode and owner are what tells. */
	if (S_ISDIR(was->mode))
		return was->size == is->size &&
		       (was->ctime_ns == is->ctime_ns ||
			(was->mtime_ns != is->mtime_ns &&
			 is->mtime_ns == is->ctime_ns));
	return was->ctime_ns == is->ctime_ns && was->mtime_ns == is->mtime_ns &&
	       was->size == is->size;
}

/* The two stand for one directory: what is below it goes on being known. */
static bool is_same_dir(const SnapshotEntry *was, const SnapshotEntry *is)
{
	return S_ISDIR(was->mode) && S_ISDIR(is->mode) && was->ino == is->ino;
}

/* One name in both; *@is gets what is known below. */
static void meet(SnapshotDir *dir, const char *name, SnapshotEntry *was,
		 SnapshotEntry *is, SnapshotDiffer differs, void *data)
{
	if (is->flags & SNAPSHOT_UNKNOWN) {
		uint32_t name_at = is->name;

		*is = *was;
		is->name = name_at;
		was->dir = NULL;
		return;
	}
	is->dir = NULL;
	if (is_same_dir(was, is)) {
		is->dir = was->dir;
		was->dir = NULL;
	}
	/* A directory that nothing is known of is as good as new. */
	if (snapshot_entry_is_same(was, is) &&
	    !(S_ISDIR(is->mode) && is->dir == NULL))
		is->flags |= was->flags & SNAPSHOT_LINKS_DIR;
	else
		differs(data, dir, name, was, is);
	snapshot_dir_free(was->dir);
	was->dir = NULL;
}

/* The same names in the same order as before? */
static bool has_same_names(const SnapshotDir *dir,
			   const SnapshotListing *listing)
{
	return dir->count == listing->count &&
	       dir->names_size == listing->names_used &&
	       (dir->names_size == 0 ||
		memcmp(dir->names, listing->names, dir->names_size) == 0);
}

static void compare_in_place(SnapshotDir *dir, SnapshotListing *listing,
			     SnapshotDiffer differs, void *data)
{
	for (uint32_t i = 0; i < dir->count; i++) {
		SnapshotEntry *was = &dir->entries[i];
		SnapshotEntry *is = &listing->entries[i];

		meet(dir, dir->names + was->name, was, is, differs, data);
		*was = *is;
		if (was->dir != NULL)
			was->dir->index = i;
	}
}

/* Indexes of @entries by name, for both sides. */
typedef struct {
	const SnapshotEntry *entries;
	const char *names;
} Side;

static int compare_names(const void *a, const void *b, void *data)
{
	const Side *side = data;
	const SnapshotEntry *first = &side->entries[*(const uint32_t *)a];
	const SnapshotEntry *second = &side->entries[*(const uint32_t *)b];

	return strcmp(side->names + first->name, side->names + second->name);
}

static void sort(uint32_t *order, uint32_t count, const SnapshotEntry *entries,
		 const char *names)
{
	Side side = {entries, names};

	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof(*order), compare_names, &side);
}

/* A directory that changes while it is listed may list a name twice: the last
   word counts. Leaves @order without the others; returns how many remain. */
static uint32_t drop_twins(const SnapshotListing *listing, uint32_t *order)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < listing->count; i++) {
		const SnapshotEntry *entry = &listing->entries[order[i]];

		if (kept > 0 &&
		    strcmp(listing->names + entry->name,
			   listing->names +
				   listing->entries[order[kept - 1]].name) ==
			    0) {
			if (order[i] > order[kept - 1])
				order[kept - 1] = order[i];
			continue;
		}
		order[kept++] = order[i];
	}
	return kept;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return first < second ? -1 : first > second;
}

/* Make the listing the directory's own: an exact copy of what is in @order, in
   the order of the listing. */
static void take_over(SnapshotDir *dir, const SnapshotListing *listing,
		      uint32_t *order, uint32_t count, SnapshotEntry *entries,
		      char *names)
{
	uint32_t used = 0;

	qsort(order, count, sizeof(*order), compare_numbers);
	for (uint32_t i = 0; i < count; i++) {
		const SnapshotEntry *from = &listing->entries[order[i]];
		size_t size = strlen(listing->names + from->name) + 1;

		entries[i] = *from;
		entries[i].name = used;
		memcpy(names + used, listing->names + from->name, size);
		used += (uint32_t)size;
		if (entries[i].dir != NULL)
			entries[i].dir->index = i;
	}
	free(dir->entries);
	free(dir->names);
	dir->entries = entries;
	dir->names = names;
	dir->count = count;
	dir->names_size = used;
}

static void merge(SnapshotDir *dir, SnapshotListing *listing,
		  const uint32_t *was_order, const uint32_t *is_order,
		  uint32_t is_count, SnapshotDiffer differs, void *data)
{
	uint32_t i = 0, j = 0;

	while (i < dir->count || j < is_count) {
		SnapshotEntry *was =
			i < dir->count ? &dir->entries[was_order[i]] : NULL;
		SnapshotEntry *is =
			j < is_count ? &listing->entries[is_order[j]] : NULL;
		int order = was == NULL ? 1 : -1;

		if (was != NULL && is != NULL)
			order = strcmp(dir->names + was->name,
				       listing->names + is->name);
		if (order == 0) {
			meet(dir, dir->names + was->name, was, is, differs,
			     data);
			i++;
			j++;
		} else if (order < 0) {
			differs(data, dir, dir->names + was->name, was, NULL);
			snapshot_dir_free(was->dir);
			was->dir = NULL;
			i++;
		} else {
			differs(data, dir, listing->names + is->name, NULL, is);
			j++;
		}
	}
}

int snapshot_dir_update(SnapshotDir *dir, SnapshotListing *listing,
			SnapshotDiffer differs, void *data)
{
	SnapshotEntry *entries;
	uint32_t *was_order, *is_order;
	uint32_t count;
	char *names;

	if (has_same_names(dir, listing)) {
		compare_in_place(dir, listing, differs, data);
		return 0;
	}
	if (!grow((void **)&listing->order, &listing->order_size,
		  (uint64_t)dir->count + listing->count, sizeof(uint32_t)))
		return -ENOMEM;
	was_order = listing->order;
	is_order = listing->order + dir->count;
	sort(was_order, dir->count, dir->entries, dir->names);
	sort(is_order, listing->count, listing->entries, listing->names);
	count = drop_twins(listing, is_order);
	entries = malloc(count * sizeof(*entries) + 1);
	names = malloc((size_t)listing->names_used + 1);
	if (entries == NULL || names == NULL) {
		free(entries);
		free(names);
		return -ENOMEM;
	}
	merge(dir, listing, was_order, is_order, count, differs, data);
	take_over(dir, listing, is_order, count, entries, names);
	return 0;
}

size_t snapshot_dir_get_bytes(const SnapshotDir *dir)
{
	const SnapshotDir *at = dir;
	size_t bytes = 0;
	uint32_t next = 0;

	for (;;) {
		if (next == 0)
			bytes += sizeof(*at) +
				 at->count * sizeof(*at->entries) +
				 at->names_size;
		while (next < at->count && at->entries[next].dir == NULL)
			next++;
		if (next < at->count) {
			at = at->entries[next].dir;
			next = 0;
		} else if (at == dir) {
			return bytes;
		} else {
			next = at->index + 1;
			at = at->parent;
		}
	}
}
