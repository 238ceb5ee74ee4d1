/* SPDX-License-Identifier: MIT */
/*
 * Writers and readers at once, for promises 1 to 3; under the thread sanitizer
 * this is also the test of the locking.
 *
 * A name has two numbers, its content and its meta data. Writers count one of
 * them up, stamp the name with that kind and then note that their call has
 * returned. A reader keeps a picture of all numbers and looks again at those in
 * its answers only, of the kinds they say, or at all after FRESH. Whatever had
 * returned before a question began must be in the picture after its answer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/page.h"
#include "tests/set-fixture.h"

enum { NAMES = 3000, WRITERS = 3, READERS = 3, TURNS = 400, CHANGES = 50 };

/* Of a name: number 2 * name is its content, the next one its meta data. */
enum { NUMBERS = 2 * NAMES };

typedef struct {
	Fixture f;
	bool loses;
	_Atomic unsigned value[NUMBERS];
	_Atomic unsigned returned[NUMBERS]; /* when the call was over */
	_Atomic int n_writing;
	_Atomic unsigned n_fresh, n_answers, n_pages, n_records;
	_Atomic(const char *) failure;
} Race;

typedef struct {
	Race *race;
	unsigned seed;
} Runner;

static void raise_to(_Atomic unsigned *to, unsigned value)
{
	unsigned old = atomic_load(to);

	while (old < value && !atomic_compare_exchange_weak(to, &old, value))
		;
}

static void change(Race *race, unsigned name, unsigned seed, uint32_t pid)
{
	static const uint16_t flags[] = {
		C, META, C | NEW, META, C | GONE, META, C | SUB | DIR, META,
	};
	Writer by = {pid, 100};
	DirtySet *set = race->f.set;
	NameTree *names = dirty_set_get_names(set);
	unsigned number = 2 * name + seed % 2;
	unsigned value = atomic_fetch_add(&race->value[number], 1) + 1;
	NameNode *dir;
	NameNode *node;
	char text[80];
	int length;

	dirty_set_lock(set);
	length = snprintf(text, sizeof text, "directory-number-%u", name % 7);
	dir = name_tree_ref_child(
		names, name_node_ref(tree_list_get_root_node(race->f.trees, 1)),
		text, (size_t)length);
	name_node_unref(names, name_node_get_parent(dir));
	length =
		snprintf(text, sizeof text, "a-file-with-a-long-name-%u", name);
	node = name_tree_ref_child(names, dir, text, (size_t)length);
	dirty_set_stamp_locked(set, node, flags[seed % 8], &by);
	name_node_unref(names, dir);
	name_node_unref(names, node);
	dirty_set_unlock(set);

	raise_to(&race->returned[number], value);
}

static void change_some(Race *race, unsigned *seed, uint32_t pid)
{
	for (int i = 0; i < CHANGES; i++) {
		unsigned random = (unsigned)rand_r(seed);
		/* Some names far more often than others. */
		unsigned name = random % (random / NAMES % 4 == 0 ? NAMES : 40);

		change(race, name, (unsigned)rand_r(seed), pid);
		if (race->loses && random / 7 % 5000 == 0)
			lose(&race->f);
	}
}

static void *write_names(void *data)
{
	Runner *runner = data;
	Race *race = runner->race;
	unsigned seed = runner->seed;

	for (int i = 0; i < TURNS; i++) {
		unsigned answers = atomic_load(&race->n_answers);

		change_some(race, &seed, runner->seed);
		/* Readers have to get their turn, too. */
		while (atomic_load(&race->n_answers) == answers &&
		       atomic_load(&race->failure) == NULL)
			sched_yield();
	}
	atomic_fetch_sub(&race->n_writing, 1);
	return NULL;
}

/* Put into @picture what is in the page. */
static void look_again(Race *race, const struct sincefs_page *page,
		       unsigned *picture)
{
	const unsigned char *at = page->data;

	for (uint32_t i = 0; i < page->count; i++) {
		const struct sincefs_record *record = (const void *)at;
		const char *path = (const char *)(record + 1);
		const char *digits = strrchr(path, '-') + 1;
		unsigned name = (unsigned)strtoul(digits, NULL, 10);

		if (record->flags & C)
			picture[2 * name] = atomic_load(&race->value[2 * name]);
		if (record->flags & META)
			picture[2 * name + 1] =
				atomic_load(&race->value[2 * name + 1]);
		at += (sizeof *record + record->length + 1u + 7) & ~7u;
	}
	atomic_fetch_add(&race->n_records, page->count);
}

/* All pages of one answer. */
static void ask(Race *race, struct sincefs_page *page, unsigned *picture)
{
	PagePlace place = {.tree = 1};
	size_t size;

	do {
		page->flags = 0;
		if (page_answer(race->f.set, race->f.trees, &place, page, page,
				&size) != 0) {
			atomic_store(&race->failure, "refused");
			return;
		}
		atomic_fetch_add(&race->n_pages, 1);
		look_again(race, page, picture);
	} while (page->flags & SINCEFS_MORE);
	if (page->flags & SINCEFS_FRESH) {
		for (int i = 0; i < NUMBERS; i++)
			picture[i] = atomic_load(&race->value[i]);
		atomic_fetch_add(&race->n_fresh, 1);
	}
	atomic_fetch_add(&race->n_answers, 1);
}

static void *read_answers(void *data)
{
	Runner *runner = data;
	Race *race = runner->race;
	struct sincefs_page *page = calloc(1, sizeof *page);
	unsigned *picture = calloc(NUMBERS, sizeof *picture);
	unsigned *returned = calloc(NUMBERS, sizeof *returned);
	struct sincefs_token old = {0, 0};
	unsigned turn = 0;
	uint64_t clock = 0;
	bool is_last = false;

	page->signature = SINCEFS_SIGNATURE;
	while (!is_last && atomic_load(&race->failure) == NULL) {
		is_last = atomic_load(&race->n_writing) == 0;
		for (int i = 0; i < NUMBERS; i++)
			returned[i] = atomic_load(&race->returned[i]);
		if (dirty_set_peek_clock(race->f.set) < clock)
			atomic_store(&race->failure, "the clock went back");
		/* Every second reader asks from an old token each time: long
		   answers, which the floor overtakes in between. */
		if (runner->seed % 2 == 0 && ++turn % 100 != 0)
			page->token = old;
		else
			old = page->token;
		ask(race, page, picture);
		if (page->token.clock < clock)
			atomic_store(&race->failure, "the token went back");
		clock = page->token.clock;
		for (int i = 0; i < NUMBERS; i++)
			if (picture[i] < returned[i])
				atomic_store(&race->failure,
					     "a change was missed");
	}
	free(page);
	free(picture);
	free(returned);
	return NULL;
}

static const struct {
	size_t capacity;
	bool loses;
} variants[] = {
	{100000, false},
	{700, false}, /* names are dropped while answers are paged */
	{100000, true},
};

START_TEST(test_nothing_that_returned_before_a_question_is_missed)
{
	Race *race = calloc(1, sizeof *race);
	pthread_t threads[WRITERS + READERS];
	Runner runners[WRITERS + READERS];

	race->f = fixture_new(variants[_i].capacity);
	race->loses = variants[_i].loses;
	atomic_store(&race->n_writing, WRITERS);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		runners[i] = (Runner){race, i + 1};
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						i < WRITERS ? write_names
							    : read_answers,
						&runners[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	printf("variant %d: %u answers (%u fresh) of %u pages, %u records\n",
	       _i, race->n_answers, race->n_fresh, race->n_pages,
	       race->n_records);
	ck_assert_msg(race->failure == NULL, "%s", race->failure);
	ck_assert_uint_ge(race->n_answers, TURNS);
	ck_assert_uint_gt(race->n_records, NAMES);
	/* At first a reader has no token; else there is no reason for it. */
	if (_i == 0)
		ck_assert_uint_le(race->n_fresh, READERS * 100);
	fixture_free(&race->f);
	free(race);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dirty-set with threads");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		races, test_nothing_that_returned_before_a_question_is_missed,
		0, sizeof variants / sizeof *variants);
	tcase_set_timeout(races, 300);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
