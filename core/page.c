/* SPDX-License-Identifier: MIT */
/*
 * From a question to an answer. What holds:
 *
 *  1. A page without MORE carries the clock of the moment at which the end of
 *     the set was seen, under the lock. A page with MORE carries the clock of
 *     the last entry that was looked at, plus 1: all up to it is in this page
 *     or was not asked for, nothing behind it is.
 *  2. What is in the page counts as told before the lock is dropped, and no
 *     more than that: an entry that did not fit is still nobody's.
 *  3. The lock is held for PAGE_BATCH entries at a time if somebody waits for
 *     it. In between the floor may rise above the place that was reached: then
 *     entries behind it are missing, and the answer is FRESH after all.
 *  4. Everything a client sends is checked before anything is answered, and
 *     nothing it sends makes a step of this expensive: its patterns are
 *     translated first, see wildcard.h, and a path is never walked further than
 *     the place asked for.
 *
 * A record that lies outside of the place asked for (BELOW) can still concern
 * it: a directory above that was renamed, and a file one of whose other links
 * may lie inside. Both become a record of the place itself, with SUBTREE: all
 * below may have changed.
 */
#include "core/page.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/wildcard.h"

#define WANTED_KINDS (SINCEFS_CONTENT | SINCEFS_META | SINCEFS_TIMES)
#define NEVER_HIDDEN (SINCEFS_GONE | SINCEFS_SUBTREE | SINCEFS_LINKED)

/* The longest path that a page has room for. */
#define PATH_MAX_LENGTH                                                        \
	(SINCEFS_PAGE_DATA_SIZE - sizeof(struct sincefs_record) - 1)

/* The client's patterns, one behind the other. */
typedef struct {
	WildcardToken tokens[SINCEFS_NAMES_SIZE];
	struct {
		unsigned begin, end;
	} patterns[SINCEFS_NAMES_SIZE / 2];
	unsigned count;
} Names;

typedef struct {
	const struct sincefs_page *question; /* its header alone */
	const Names *names;
	const PagePlace *place; /* NULL without BELOW */
	NameNode *place_root;   /* of the place's tree */

	/* Good for one hold of the lock. */
	NameNode *base;    /* the place, NULL: nobody knows it */
	NameNode *deepest; /* the place or its nearest ancestor known */

	unsigned char *data;
	uint32_t count;
	uint32_t bytes;
} Page;

static void compile_names(const char list[SINCEFS_NAMES_SIZE], Names *names)
{
	const char *end = list + SINCEFS_NAMES_SIZE;
	unsigned used = 0;

	names->count = 0;
	while (list < end && *list != '\0') {
		size_t length = strlen(list);
		unsigned i = names->count++;

		names->patterns[i].begin = used;
		used += (unsigned)wildcard_compile(list, length,
						   WILDCARD_OPEN_BRACKET,
						   names->tokens + used);
		names->patterns[i].end = used;
		list += length + 1;
	}
}

static bool match_names(const Names *names, const char *name, size_t length)
{
	if (names->count == 0)
		return true;
	for (unsigned i = 0; i < names->count; i++) {
		unsigned begin = names->patterns[i].begin;

		if (wildcard_match(names->tokens + begin,
				   names->patterns[i].end - begin, name,
				   length))
			return true;
	}
	return false;
}

/* Find the node of the place, or how far its names are known. */
static void find_place(DirtySet *set, Page *page)
{
	NameTree *names = dirty_set_get_names(set);
	NameNode *node = page->place_root;

	page->base = page->deepest = node;
	for (size_t i = 0; i < page->place->count; i++) {
		const char *part = page->place->parts[i];

		node = name_tree_find_child(names, node, part, strlen(part));
		if (node == NULL) {
			page->base = NULL;
			return;
		}
		page->base = page->deepest = node;
	}
}

/*
 * What the record means to somebody who asks about the place alone: change it
 * into a record of the place itself where that is so. False: nothing.
 */
static bool see_from_place(const Page *page, DirtyRecord *record)
{
	const NameNode *node = record->node;
	bool is_above;

	if (page->base != NULL && name_node_is_below(node, page->base))
		return true;
	is_above = name_node_is_below(page->deepest, node);
	if (!(is_above && (record->flags & SINCEFS_SUBTREE)) &&
	    !(name_node_get_tree_id(node) == page->place->tree &&
	      (record->flags & SINCEFS_LINKED)))
		return false;
	record->node = NULL;
	record->flags &= (uint16_t) ~(SINCEFS_GONE | SINCEFS_NEW);
	record->flags |= SINCEFS_CONTENT | SINCEFS_SUBTREE | SINCEFS_DIR;
	return true;
}

static bool is_wanted(const Page *page, const DirtyRecord *record)
{
	uint32_t mask = page->question->mask;
	const NameNode *node = record->node;

	if (mask != 0 && (record->flags & (mask | NEVER_HIDDEN)) == 0)
		return false;
	if (record->flags & (SINCEFS_SUBTREE | SINCEFS_LINKED))
		return true;
	if (node == page->base || name_node_get_parent(node) == NULL)
		return match_names(page->names, ".", 1);
	return match_names(page->names, name_node_get_name(node),
			   name_node_get_length(node));
}

/* A path that no page has room for is told by what is above it. */
static void shorten(const Page *page, DirtyRecord *record)
{
	if (name_node_get_path_length(record->node, page->base) <=
	    PATH_MAX_LENGTH)
		return;
	do
		record->node = name_node_get_parent(record->node);
	while (name_node_get_path_length(record->node, page->base) >
	       PATH_MAX_LENGTH);
	record->flags &= (uint16_t) ~(SINCEFS_GONE | SINCEFS_NEW);
	record->flags |= SINCEFS_CONTENT | SINCEFS_SUBTREE | SINCEFS_DIR;
}

/* False: the page has no room left. */
static bool write_record(Page *page, const DirtyRecord *from, uint32_t tree)
{
	unsigned char *at = page->data + page->bytes;
	size_t length =
		from->node == NULL
			? 1
			: name_node_get_path_length(from->node, page->base);
	struct sincefs_record record = {
		.clock = from->clock,
		.tree = tree,
		.pid = from->pid,
		.uid = from->uid,
		.flags = from->flags,
		.length = (uint16_t)length,
	};
	size_t size = (sizeof record + length + 1 + 7) & ~(size_t)7;

	if (size > SINCEFS_PAGE_DATA_SIZE - page->bytes)
		return false;
	memset(at + size - 8, 0, 8);
	memcpy(at, &record, sizeof record);
	if (from->node == NULL)
		memcpy(at + sizeof record, ".", 2);
	else
		name_node_get_path(from->node, page->base,
				   (char *)at + sizeof record, length + 1);
	page->bytes += (uint32_t)size;
	page->count++;
	return true;
}

/* False: the page has no room left. */
static bool add_record(Page *page, DirtyRecord record)
{
	uint32_t tree = name_node_get_tree_id(record.node);

	if (page->question->tree != SINCEFS_TREE_ALL &&
	    page->question->tree != tree)
		return true;
	if (page->place != NULL && !see_from_place(page, &record))
		return true;
	if (record.node != NULL) {
		if (!is_wanted(page, &record))
			return true;
		shorten(page, &record);
	}
	return write_record(page, &record, tree);
}

/*
 * Fill the page from the set, in one batch after the other. Enters and leaves
 * with the lock held. 0, with the flags and the clock of the answer; or the
 * reason for which it is FRESH.
 */
static uint32_t fill(DirtySet *set, Page *page, uint32_t *flags_out,
		     uint64_t *clock_out)
{
	uint64_t since = page->question->token.clock;
	uint64_t reached = since;
	size_t examined = 0;

	for (;;) {
		DirtyRecord records[PAGE_BATCH];
		size_t left = PAGE_EXAMINE_MAX - examined;
		uint32_t reason = dirty_set_refuse_locked(set, reached);
		uint64_t next;
		size_t n;
		bool is_full = false;

		if (reason != 0)
			return reason; /* (3) */
		if (page->place != NULL)
			find_place(set, page);
		n = dirty_set_collect_locked(
			set, since, reached, records, PAGE_BATCH,
			left < PAGE_BATCH ? left : PAGE_BATCH, &examined,
			&next);
		for (size_t i = 0; i < n; i++) {
			if (add_record(page, records[i]))
				continue;
			is_full = true;
			next = i > 0 ? records[i - 1].clock : reached;
			break;
		}
		reached = next;
		if (reached == dirty_set_peek_clock(set)) { /* (1) */
			*flags_out = 0;
			*clock_out = dirty_set_tell_locked(set);
			return 0;
		}
		if (is_full || examined >= PAGE_EXAMINE_MAX) {
			*flags_out = SINCEFS_MORE;
			*clock_out =
				dirty_set_tell_page_locked(set, since, reached);
			return 0;
		}
		dirty_set_tell_upto_locked(set, reached); /* (2) */
		dirty_set_give_way_locked(set);           /* (3) */
	}
}

/* 0, or the reason why a list can not answer this token. */
static uint32_t refuse_locked(const DirtySet *set,
			      const struct sincefs_token *token)
{
	if (token->instance == 0 && token->clock == 0)
		return SINCEFS_REASON_NO_TOKEN;
	if (token->instance != dirty_set_get_instance(set))
		return SINCEFS_REASON_RESTART;
	return dirty_set_refuse_locked(set, token->clock);
}

/* (4); 0, -EINVAL or -ENOENT. */
static int check_question(const struct sincefs_page *question, TreeList *trees,
			  const PagePlace *place)
{
	if (question->signature != SINCEFS_SIGNATURE ||
	    (question->flags & ~SINCEFS_BELOW) != 0 ||
	    (question->mask & ~(uint32_t)WANTED_KINDS) != 0 ||
	    question->zero32 != 0 || question->zero[0] != 0 ||
	    question->zero[1] != 0 ||
	    question->names[SINCEFS_NAMES_SIZE - 1] != '\0')
		return -EINVAL;
	if (question->tree > tree_list_get_count(trees))
		return -ENOENT;
	if ((question->flags & SINCEFS_BELOW) &&
	    tree_list_get_root_node(trees, place->tree) == NULL)
		return -ENOENT;
	return 0;
}

int page_answer(DirtySet *set, TreeList *trees, const PagePlace *place,
		const struct sincefs_page *question,
		struct sincefs_page *answer, size_t *size_out)
{
	/* The answer may overwrite the question. */
	union {
		struct sincefs_page page;
		char bytes[SINCEFS_PAGE_HEADER_SIZE];
	} header;
	Names names;
	Page page = {.names = &names, .data = answer->data};
	uint32_t flags = SINCEFS_FRESH;
	uint32_t reason;
	uint64_t clock;
	int r = check_question(question, trees, place);

	if (r < 0)
		return r;
	memcpy(&header, question, SINCEFS_PAGE_HEADER_SIZE);
	page.question = &header.page;
	compile_names(header.page.names, &names);
	if (header.page.flags & SINCEFS_BELOW) {
		page.place = place;
		page.place_root = tree_list_get_root_node(trees, place->tree);
	}

	dirty_set_lock(set);
	reason = refuse_locked(set, &header.page.token);
	if (reason == 0)
		reason = fill(set, &page, &flags, &clock);
	if (reason != 0) {
		clock = dirty_set_tell_locked(set);
		page.count = page.bytes = 0;
	}
	dirty_set_unlock(set);

	header.page.flags = flags;
	header.page.token = (struct sincefs_token){
		dirty_set_get_instance(set),
		clock,
	};
	header.page.count = page.count;
	header.page.bytes = page.bytes;
	header.page.reason = reason;
	memcpy(answer, &header, SINCEFS_PAGE_HEADER_SIZE);
	*size_out = SINCEFS_PAGE_HEADER_SIZE + page.bytes;
	return 0;
}

void page_info(DirtySet *set, TreeList *trees, uint32_t tree, uint64_t features,
	       struct sincefs_info *info_out)
{
	*info_out = (struct sincefs_info){
		.signature = SINCEFS_SIGNATURE,
		.version = SINCEFS_PROTOCOL_VERSION,
		.features = features,
		.now.instance = dirty_set_get_instance(set),
		.capacity = dirty_set_get_capacity(set),
		.tree = tree,
		.tree_count = tree_list_get_count(trees),
		.pid = (uint32_t)getpid(),
	};
	dirty_set_lock(set);
	info_out->now.clock = dirty_set_tell_locked(set);
	info_out->floor = dirty_set_get_floor_locked(set);
	info_out->entries = dirty_set_get_count_locked(set);
	dirty_set_unlock(set);
}

int page_tree(TreeList *trees, const struct sincefs_tree *question,
	      struct sincefs_tree *answer)
{
	if (question->zero32 != 0)
		return -EINVAL;
	return tree_list_describe(trees, question->id, answer);
}
