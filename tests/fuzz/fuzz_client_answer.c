/* SPDX-License-Identifier: MIT */
/*
 * libsincefs reads pages from a daemon that may send anything. Whatever it
 * accepts must be an answer: paths that can be joined to a directory, each name
 * once, clocks that rise up to the token.
 *
 * The input is the question's token (16 bytes) and tree (4), and then pages,
 * each as the two bytes of its length and so many of its bytes; the rest of a
 * page is zero. When there is no more page the daemon is gone.
 *
 * An entry point for libFuzzer and for replay.c.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/client/answer-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
	const uint8_t *data;
	size_t size;
} Input;

/* Up to @size bytes; what is not there is zero. */
static size_t take(Input *input, void *to, size_t size)
{
	size_t n = size < input->size ? size : input->size;

	memset(to, 0, size);
	memcpy(to, input->data, n);
	input->data += n;
	input->size -= n;
	return n;
}

static int ask_input(void *data, struct sincefs_page *page)
{
	Input *input = data;
	uint16_t length;

	if (take(input, &length, sizeof(length)) == 0)
		return -ENOTCONN;
	memset(page, 0, sizeof(*page));
	take(input, page, length < sizeof(*page) ? length : sizeof(*page));
	return 0;
}

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "an accepted answer is wrong: %s\n", what);
	abort();
}

static void judge_path(const char *path)
{
	if (strcmp(path, ".") == 0)
		return;
	for (const char *part = path;;) {
		size_t n = strcspn(part, "/");

		must(n > 0, "empty part");
		must(strncmp(part, ".", n) != 0, "part .");
		must(n != 2 || strncmp(part, "..", n) != 0, "part ..");
		if (part[n] == '\0')
			return;
		part += n + 1;
	}
}

static int compare(const void *a, const void *b)
{
	const struct sincefs_change *one = a, *two = b;

	if (one->tree != two->tree)
		return one->tree < two->tree ? -1 : 1;
	return strcmp(one->path, two->path);
}

static void judge(const struct sincefs_answer *answer, uint64_t clock,
		  uint32_t tree)
{
	size_t count = sincefs_answer_count(answer);
	struct sincefs_change *changes = calloc(count + 1, sizeof(*changes));
	struct sincefs_token token;

	if (changes == NULL)
		return;
	sincefs_answer_token(answer, &token);
	must(token.instance != 0 && token.clock != 0, "token");
	must(!sincefs_answer_is_fresh(answer) ==
		     (sincefs_answer_reason(answer) == 0),
	     "reason");
	must(count == 0 || !sincefs_answer_is_fresh(answer), "FRESH");
	for (size_t i = 0; i < count; i++) {
		must(sincefs_answer_get(answer, i, &changes[i]) == 0, "get");
		must(changes[i].clock > clock, "clock");
		clock = changes[i].clock;
		must(clock <= token.clock, "token of the answer");
		must(tree == SINCEFS_TREE_ALL || changes[i].tree == tree,
		     "tree");
		must(strlen(changes[i].path) == changes[i].length, "length");
		judge_path(changes[i].path);
	}
	must(sincefs_answer_get(answer, count, &changes[count]) == -ERANGE,
	     "end");
	if (count > 0)
		qsort(changes, count, sizeof(*changes), compare);
	for (size_t i = 1; i < count; i++)
		must(compare(&changes[i - 1], &changes[i]) != 0, "twice");
	free(changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	struct sincefs_filter filter = {.flags = SINCEFS_FILTER_NO_SYNC};
	struct sincefs_token token;
	struct sincefs_answer *answer = NULL;
	int result;

	take(&input, &token, sizeof(token));
	take(&input, &filter.tree, sizeof(filter.tree));
	result = sincefs_collect(ask_input, &input, &token, &filter, &answer);
	must((result == 0) == (answer != NULL), "result");
	must(result == 0 || result == -EPROTO || result == -ENOTCONN,
	     "kind of error");
	if (answer != NULL)
		judge(answer, token.clock, filter.tree);
	sincefs_answer_free(answer);
	return 0;
}
