/* SPDX-License-Identifier: MIT */
#include "tests/set-fixture.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#define BATCH 16

Fixture fixture_new(size_t capacity)
{
	Fixture f = {.set = dirty_set_new(FIXTURE_INSTANCE, capacity)};

	ck_assert_ptr_nonnull(f.set);
	f.trees = tree_list_new(f.set);
	ck_assert_ptr_nonnull(f.trees);
	ck_assert_uint_eq(
		tree_list_add(f.trees, "/mount", SINCEFS_TREE_MOUNTED), 1);
	ck_assert_uint_eq(tree_list_add(f.trees, "/scanned", 0), 2);
	return f;
}

void fixture_free(Fixture *f)
{
	tree_list_free(f->trees);
	dirty_set_free(f->set);
}

NameNode *fixture_ref(Fixture *f, const char *path)
{
	NameTree *names = dirty_set_get_names(f->set);
	uint32_t tree = strncmp(path, "2:", 2) == 0 ? 2 : 1;
	NameNode *node = tree_list_get_root_node(f->trees, tree);

	if (tree == 2)
		path += 2;
	dirty_set_lock(f->set);
	name_node_ref(node);
	while (*path != '\0' && strcmp(path, ".") != 0) {
		size_t length = strcspn(path, "/");
		NameNode *child =
			name_tree_ref_child(names, node, path, length);

		if (child == NULL)
			ck_abort_msg("no memory");
		name_node_unref(names, node);
		node = child;
		path += length + (path[length] == '/');
	}
	dirty_set_unlock(f->set);
	return node;
}

void fixture_unref(Fixture *f, NameNode *node)
{
	dirty_set_lock(f->set);
	name_node_unref(dirty_set_get_names(f->set), node);
	dirty_set_unlock(f->set);
}

void stamp_by(Fixture *f, const char *path, uint16_t flags, uint32_t pid)
{
	Writer by = {pid, pid + 99};
	NameNode *node = fixture_ref(f, path);

	dirty_set_lock(f->set);
	dirty_set_stamp_locked(f->set, node, flags, &by);
	dirty_set_unlock(f->set);
	fixture_unref(f, node);
}

void stamp(Fixture *f, const char *path, uint16_t flags)
{
	stamp_by(f, path, flags, 1);
}

void lose(Fixture *f)
{
	dirty_set_lock(f->set);
	dirty_set_lose_locked(f->set);
	dirty_set_unlock(f->set);
}

uint64_t tell(Fixture *f)
{
	uint64_t clock;

	dirty_set_lock(f->set);
	clock = dirty_set_tell_locked(f->set);
	dirty_set_unlock(f->set);
	return clock;
}

uint32_t refusal(Fixture *f, uint64_t clock)
{
	uint32_t reason;

	dirty_set_lock(f->set);
	reason = dirty_set_refuse_locked(f->set, clock);
	dirty_set_unlock(f->set);
	return reason;
}

/* Call @each with all records after @since until it says that it is enough. */
static void walk(Fixture *f, uint64_t since,
		 bool (*each)(const DirtyRecord *record, void *data),
		 void *data)
{
	DirtyRecord records[BATCH];
	uint64_t reached = since;
	uint64_t last = since;
	size_t examined = 0;

	dirty_set_lock(f->set);
	do {
		size_t n = dirty_set_collect_locked(f->set, since, reached,
						    records, BATCH, SIZE_MAX,
						    &examined, &reached);
		for (size_t i = 0; i < n; i++) {
			if (records[i].clock <= last)
				ck_abort_msg("the order is wrong");
			last = records[i].clock;
			if (each(&records[i], data))
				break;
		}
	} while (reached != dirty_set_peek_clock(f->set));
	dirty_set_unlock(f->set);
}

typedef struct {
	NameNode *node;
	DirtyRecord found;
} Wanted;

static bool note_if_wanted(const DirtyRecord *record, void *data)
{
	Wanted *wanted = data;

	if (record->node != wanted->node)
		return false;
	ck_assert_uint_eq(wanted->found.clock, 0); /* once in an answer */
	wanted->found = *record;
	return false;
}

uint16_t record_since(Fixture *f, const char *path, uint64_t since,
		      DirtyRecord *record_out)
{
	Wanted wanted = {.node = fixture_ref(f, path)};

	walk(f, since, note_if_wanted, &wanted);
	fixture_unref(f, wanted.node);
	if (wanted.found.clock == 0)
		return NOT_THERE;
	if (record_out != NULL) {
		*record_out = wanted.found;
		record_out->node = NULL;
	}
	return wanted.found.flags;
}

uint16_t flags_since(Fixture *f, const char *path, uint64_t since)
{
	return record_since(f, path, since, NULL);
}

typedef struct {
	char *text;
	size_t length;
} Text;

static bool add_path(const DirtyRecord *record, void *data)
{
	Text *text = data;
	char path[512];
	size_t length =
		name_node_get_path(record->node, NULL, path, sizeof path);

	ck_assert_uint_gt(length, 0);
	text->text = realloc(text->text, text->length + length + 2);
	memcpy(text->text + text->length, path, length);
	text->length += length;
	memcpy(text->text + text->length++, " ", 2);
	return false;
}

char *paths_since(Fixture *f, uint64_t since)
{
	Text text = {.text = calloc(1, 1)};

	walk(f, since, add_path, &text);
	return text.text;
}
