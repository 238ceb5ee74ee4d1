/* SPDX-License-Identifier: MIT */
/*
 * bench-dirty-set: what the dirty set costs, without any mount.
 *
 * Prints times, which mean something on one machine only, and ratios, which
 * mean something on any. Promise 4 is held against two of them: the last 10
 * changes cost the same with 1,000 and with 1,000,000 names in the set, and the
 * 100th page what the first one costs. Exit 1 when one is above 2.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/page.h"

enum { FEW = 1000, MANY = 1000000, LAST = 10, THREADS = 8 };
enum { ROUNDS = 15, QUESTIONS = 200 };

typedef struct {
	DirtySet *set;
	TreeList *trees;
	NameNode *root;
} Bench;

static const Writer by = {1, 100};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *must(void *pointer)
{
	if (pointer == NULL) {
		fputs("bench-dirty-set: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return pointer;
}

static void stamp(Bench *bench, unsigned i, uint16_t flags)
{
	NameTree *names = dirty_set_get_names(bench->set);
	NameNode *dir;
	NameNode *node;
	char text[32];
	int length;

	dirty_set_lock(bench->set);
	length = snprintf(text, sizeof text, "directory%u", i % 1000);
	dir = must(
		name_tree_ref_child(names, bench->root, text, (size_t)length));
	length = snprintf(text, sizeof text, "module_%u.py", i);
	node = must(name_tree_ref_child(names, dir, text, (size_t)length));
	dirty_set_stamp_locked(bench->set, node, flags, &by);
	name_node_unref(names, node);
	name_node_unref(names, dir);
	dirty_set_unlock(bench->set);
}

static uint64_t tell(Bench *bench)
{
	uint64_t clock;

	dirty_set_lock(bench->set);
	clock = dirty_set_tell_locked(bench->set);
	dirty_set_unlock(bench->set);
	return clock;
}

static Bench open_bench(void)
{
	Bench bench = {.set = must(dirty_set_new(1, 2 * MANY))};

	bench.trees = must(tree_list_new(bench.set));
	tree_list_add(bench.trees, "/", SINCEFS_TREE_MOUNTED);
	bench.root = must(tree_list_get_root_node(bench.trees, 1));
	return bench;
}

static void close_bench(Bench *bench)
{
	tree_list_free(bench->trees);
	dirty_set_free(bench->set);
}

/* One page of the answer to a token; returns how long it took. */
static double ask(Bench *bench, uint64_t since, struct sincefs_page *page)
{
	PagePlace place = {.tree = 1};
	size_t size;
	double start;

	memset(page, 0, SINCEFS_PAGE_HEADER_SIZE);
	page->signature = SINCEFS_SIGNATURE;
	page->token = (struct sincefs_token){1, since};
	start = now_ns();
	if (page_answer(bench->set, bench->trees, &place, page, page, &size) <
		    0 ||
	    page->flags & SINCEFS_FRESH)
		abort();
	return now_ns() - start;
}

/* The least over some rounds of the mean over some questions: what a machine
   that also does other things gives again. */
static double least_time(Bench *bench, uint64_t since, unsigned expected)
{
	struct sincefs_page page;
	double least = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double sum = 0;

		for (int i = 0; i < QUESTIONS; i++) {
			sum += ask(bench, since, &page);
			if (page.count != expected)
				abort();
		}
		if (sum / QUESTIONS < least)
			least = sum / QUESTIONS;
	}
	return least;
}

/* Names that were changed in a random order, each told of now and then: with
   the holes that a set gets in a long life. */
static void fill(Bench *bench, unsigned n)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < n; i++)
		stamp(bench, i, SINCEFS_CONTENT | SINCEFS_NEW);
	for (unsigned i = 0; i < n; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		if (i % 16 == 0)
			tell(bench);
		stamp(bench, (unsigned)((random >> 33) % n), SINCEFS_CONTENT);
	}
}

static double time_of_last(Bench *bench)
{
	uint64_t since = tell(bench);

	for (unsigned i = 0; i < LAST; i++)
		stamp(bench, i * 37, SINCEFS_CONTENT);
	return least_time(bench, since, LAST);
}

static double time_of_page(Bench *bench, int number)
{
	struct sincefs_page page;
	uint64_t since = 2;

	ask(bench, since, &page);
	for (int i = 1; i < number; i++) {
		since = page.token.clock;
		ask(bench, since, &page);
	}
	return least_time(bench, since, page.count) / page.count;
}

typedef struct {
	Bench *bench;
	unsigned first;
	unsigned n;
} Share;

static void *stamp_share(void *data)
{
	Share *share = data;

	for (unsigned i = 0; i < share->n; i++)
		stamp(share->bench, share->first + i, SINCEFS_CONTENT);
	return NULL;
}

static double time_of_round(Bench *bench, int n_threads)
{
	pthread_t threads[THREADS];
	Share shares[THREADS];
	unsigned n = MANY / 4 / (unsigned)n_threads;
	double start;

	tell(bench);
	start = now_ns();
	for (int i = 0; i < n_threads; i++) {
		shares[i] = (Share){bench, (unsigned)i * n, n};
		if (pthread_create(&threads[i], NULL, stamp_share,
				   &shares[i]) != 0)
			abort();
	}
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	return (now_ns() - start) / (n * (double)n_threads);
}

/* Names all over the set, each told of before. */
static double time_of_stamps(Bench *bench, int n_threads)
{
	double least = 1e18;

	for (int round = 0; round < 4; round++) {
		double time = time_of_round(bench, n_threads);

		if (time < least)
			least = time;
	}
	return least;
}

static int print_ratio(const char *what, double ratio)
{
	printf("%-48s %8.2f  (at most 2)\n", what, ratio);
	return ratio > 2;
}

int main(void)
{
	Bench few = open_bench();
	Bench many = open_bench();
	double start = now_ns();
	double of_few, of_many, first, hundredth;
	int failed = 0;

	for (unsigned i = 0; i < MANY; i++)
		stamp(&many, i, SINCEFS_CONTENT | SINCEFS_NEW);
	printf("%-48s %8.0f ns\n", "stamp, a new name, up to 1,000,000",
	       (now_ns() - start) / MANY);
	printf("%-48s %8.0f ns\n", "stamp, a known name, 1 thread",
	       time_of_stamps(&many, 1));
	printf("%-48s %8.0f ns\n", "stamp, a known name, 8 threads",
	       time_of_stamps(&many, THREADS));
	start = now_ns();
	for (unsigned i = 0; i < MANY; i++)
		stamp(&many, 7, SINCEFS_CONTENT);
	printf("%-48s %8.0f ns\n", "stamp, a hot name",
	       (now_ns() - start) / MANY);

	fill(&few, FEW);
	fill(&many, MANY);
	of_few = time_of_last(&few);
	of_many = time_of_last(&many);
	printf("%-48s %8.0f ns\n", "since, last 10 of 1,000", of_few);
	printf("%-48s %8.0f ns\n", "since, last 10 of 1,000,000", of_many);
	failed |= print_ratio("ratio", of_many / of_few);

	first = time_of_page(&many, 1);
	hundredth = time_of_page(&many, 100);
	printf("%-48s %8.0f ns\n", "page 1 of 1,000,000, a record", first);
	printf("%-48s %8.0f ns\n", "page 100 of 1,000,000, a record",
	       hundredth);
	failed |= print_ratio("ratio", hundredth / first);

	start = now_ns();
	dirty_set_lock(many.set);
	dirty_set_lose_locked(many.set);
	dirty_set_unlock(many.set);
	printf("%-48s %8.0f us\n", "lose 1,000,000, longest hold of the lock",
	       (now_ns() - start) / 1000);

	close_bench(&few);
	close_bench(&many);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
