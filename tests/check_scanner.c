/* SPDX-License-Identifier: MIT */
/*
 * The threads that scan: on real directories, and on a source that a test holds
 * up. What a scan finds is in the other tests; here it is when scans are made,
 * what is told of them, and that what is found arrives in the set.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <glib.h>

#include "core/scanner.h"
#include "tests/set-fixture.h"

#define SECOND_NS UINT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define LONG_MS 20000

static char *top;
static int top_fd;
static Fixture f;
static Ignore *ignore;
static Scanner *scanner;
static ScannerConfig config;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned moves; /* calls of moved(), guarded by the lock */

static void on_moved(void *data)
{
	(void)data;
	pthread_mutex_lock(&lock);
	moves++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void set_up(void)
{
	top = g_dir_make_tmp("scanner-XXXXXX", NULL);
	ck_assert_ptr_nonnull(top);
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f = fixture_new(1000);
	moves = 0;
	config = (ScannerConfig){
		.set = f.set,
		.trees = f.trees,
		.period_ns = HOUR_NS, /* scans are asked for */
		.share = 100,
		.moved = on_moved,
	};
	scanner = NULL;
}

static void tear_down(void)
{
	g_autofree char *command = g_strdup_printf("rm -rf '%s'", top);

	ck_assert(scanner_free(scanner, LONG_MS));
	fixture_free(&f);
	ignore_free(ignore);
	ignore = NULL;
	ck_assert_int_eq(system(command), 0);
	close(top_fd);
	g_free(top);
}

static void make_scanner(void)
{
	scanner = scanner_new(&config);
	ck_assert_ptr_nonnull(scanner);
}

static uint32_t add(const char *name)
{
	g_autofree char *path = g_build_filename(top, name, NULL);

	return scanner_add(scanner, path, SINCEFS_TREE_INSTALLED);
}

/* Wait until the scans of @id have reached @scans. */
static void wait_for_scans(uint32_t id, uint64_t scans)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LONG_MS / 1000;
	pthread_mutex_lock(&lock);
	while (tree_list_get_scans(f.trees, id) < scans)
		if (pthread_cond_timedwait(&changed, &lock, &until) ==
		    ETIMEDOUT)
			ck_abort_msg("scan %d does not come", (int)scans);
	pthread_mutex_unlock(&lock);
}

static uint64_t request(uint32_t id)
{
	uint64_t scans = 0;

	ck_assert_int_eq(scanner_request(scanner, id, &scans), 0);
	return scans;
}

static void scan_now(uint32_t id)
{
	wait_for_scans(id, request(id));
}

static void write_file(const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(top, name, NULL);

	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

/* Of a name in the tree @id, in the answer to @since. */
static uint16_t get_flags(uint32_t id, const char *name, uint64_t since)
{
	NameTree *names = dirty_set_get_names(f.set);
	NameNode *root = tree_list_get_root_node(f.trees, id);
	DirtyRecord records[64];
	uint16_t flags = NOT_THERE;
	size_t examined = 0;
	uint64_t reached;
	size_t n;

	(void)names;
	dirty_set_lock(f.set);
	ck_assert_uint_eq(dirty_set_refuse_locked(f.set, since), 0);
	n = dirty_set_collect_locked(f.set, since, since, records,
				     G_N_ELEMENTS(records), SIZE_MAX, &examined,
				     &reached);
	for (size_t i = 0; i < n; i++) {
		char path[4096];

		if (name_node_get_tree_id(records[i].node) != id)
			continue;
		name_node_get_path(records[i].node, root, path, sizeof(path));
		if (strcmp(path, name) != 0)
			continue;
		ck_assert_uint_eq(records[i].pid, 0);
		ck_assert_uint_eq(records[i].uid, UINT32_MAX);
		flags = records[i].flags;
	}
	dirty_set_unlock(f.set);
	return flags;
}

static struct sincefs_tree describe(uint32_t id)
{
	struct sincefs_tree tree;

	ck_assert_int_eq(tree_list_describe(f.trees, id, &tree), 0);
	return tree;
}

/* ---- what arrives ---- */

START_TEST(test_what_is_found_is_stamped)
{
	uint64_t since;
	uint32_t id;

	ck_assert_int_eq(mkdirat(top_fd, "d", 0755), 0);
	write_file("d/a", "a");
	make_scanner();
	id = add("");
	ck_assert_uint_eq(id, 3); /* behind the fixture's */
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	since = tell(&f);
	scan_now(id);
	ck_assert_uint_eq(dirty_set_peek_clock(f.set), since);

	write_file("d/a", "b");
	write_file("new", "n");
	ck_assert_int_eq(mkdirat(top_fd, "e", 0755), 0);
	scan_now(id);
	ck_assert_uint_eq(get_flags(id, "d/a", since), C | SCANNED);
	ck_assert_uint_eq(get_flags(id, "new", since), C | SCANNED);
	ck_assert_uint_eq(get_flags(id, "e", since), C | DIR | SUB | SCANNED);
	since = tell(&f);
	ck_assert_int_eq(unlinkat(top_fd, "new", 0), 0);
	ck_assert_int_eq(unlinkat(top_fd, "e", AT_REMOVEDIR), 0);
	ck_assert_int_eq(fchmodat(top_fd, "d", 0700, 0), 0);
	scan_now(id);
	ck_assert_uint_eq(get_flags(id, "new", since), C | GONE | SCANNED);
	ck_assert_uint_eq(get_flags(id, "e", since),
			  C | GONE | DIR | SUB | SCANNED);
	ck_assert_uint_eq(get_flags(id, "d", since), META | DIR | SCANNED);
	ck_assert_uint_eq(get_flags(id, "d/a", since), NOT_THERE);
}
END_TEST

START_TEST(test_edit_between_token_and_baseline_is_told)
{
	uint64_t since;
	uint32_t id;

	write_file("a", "a");
	write_file("old", "a");
	g_usleep(100000);
	make_scanner();
	id = add("");
	since = tell(&f);
	write_file("a", "b");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	ck_assert_uint_ne(get_flags(id, "a", since), NOT_THERE);
	ck_assert_uint_eq(get_flags(id, "old", since), NOT_THERE);
}
END_TEST

START_TEST(test_what_is_ignored_is_not_stamped)
{
	uint64_t since;
	uint32_t id;

	static const char *const patterns[] = {"*.pyc", NULL};

	ignore = ignore_new(patterns, NULL);
	ck_assert_ptr_nonnull(ignore);
	config.ignore = ignore;
	make_scanner();
	id = add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	since = tell(&f);
	write_file("a.pyc", "a");
	write_file("a.py", "a");
	scan_now(id);
	ck_assert_uint_eq(get_flags(id, "a.pyc", since), NOT_THERE);
	ck_assert_uint_ne(get_flags(id, "a.py", since), NOT_THERE);
}
END_TEST

START_TEST(test_root_that_is_a_file_and_one_that_is_not_there)
{
	uint32_t file, none;
	uint64_t since;

	write_file("file", "a");
	make_scanner();
	file = add("file");
	none = add("none");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(file, 1);
	wait_for_scans(none, 1);
	ck_assert_int_eq(describe(none).scan_error, -ENOENT);
	ck_assert_int_eq(describe(file).scan_error, 0);
	since = tell(&f);
	write_file("file", "b");
	write_file("none", "b");
	scan_now(file);
	scan_now(none);
	ck_assert_uint_eq(get_flags(file, ".", since), C | SCANNED);
	ck_assert_uint_ne(get_flags(none, ".", since), NOT_THERE);
	ck_assert_int_eq(describe(none).scan_error, 0);
}
END_TEST

START_TEST(test_description_of_a_tree)
{
	struct sincefs_tree tree;
	uint32_t id;

	write_file("a", "a");
	ck_assert_int_eq(symlinkat(".", top_fd, "link"), 0);
	make_scanner();
	id = add("");
	tree = describe(id);
	ck_assert_uint_eq(tree.scans, 0);
	ck_assert_uint_eq(tree.scan_age_ns, 0);
	ck_assert_uint_eq(tree.flags, SINCEFS_TREE_INSTALLED);
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	tree = describe(id);
	ck_assert_uint_eq(tree.scans, 1);
	ck_assert_uint_eq(tree.files, 3);
	ck_assert_uint_gt(tree.scan_cost_ns, 0);
	ck_assert_uint_lt(tree.scan_age_ns, HOUR_NS);
	ck_assert_uint_eq(tree.scan_period_ns, HOUR_NS);
	ck_assert_uint_eq(tree.flags,
			  SINCEFS_TREE_INSTALLED | SINCEFS_TREE_LINKS);
}
END_TEST

/* ---- requests ---- */

START_TEST(test_only_scanned_trees_can_be_asked_for)
{
	uint64_t scans = 77;

	make_scanner();
	add("");
	ck_assert_int_eq(scanner_request(scanner, 1, &scans), -EOPNOTSUPP);
	ck_assert_int_eq(scanner_request(scanner, 4, &scans), -EOPNOTSUPP);
	ck_assert_uint_eq(scans, 77);
}
END_TEST

/* A source that stands in the middle of a scan until it is let go. */
typedef struct {
	DirSource base;
	bool is_held;    /* guarded by the lock, as the next */
	bool is_waiting; /* somebody waits */
	unsigned n_waits;
} HeldSource;

static int held_open_root(DirSource *base, DirHandle *dir_out,
			  DirStat *stat_out)
{
	HeldSource *source = (HeldSource *)base;

	(void)dir_out;
	(void)stat_out;
	pthread_mutex_lock(&lock);
	source->is_waiting = true;
	source->n_waits++;
	pthread_cond_broadcast(&changed);
	while (source->is_held)
		pthread_cond_wait(&changed, &lock);
	source->is_waiting = false;
	pthread_mutex_unlock(&lock);
	return -EACCES;
}

static void held_free(DirSource *base)
{
	(void)base;
}

static const DirSourceOps held_ops = {
	.open_root = held_open_root,
	.free = held_free,
};

static HeldSource held = {.base = {.ops = &held_ops}};

static uint32_t add_held(void)
{
	held.is_held = true;
	held.is_waiting = false;
	held.n_waits = 0;
	return scanner_add_source(scanner, &held.base, "/held", 0);
}

static void wait_until_waiting(unsigned n)
{
	pthread_mutex_lock(&lock);
	while (!held.is_waiting || held.n_waits < n)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void let_go(bool for_good)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = held.n_waits;
	held.is_held = false;
	pthread_cond_broadcast(&changed);
	while (held.is_waiting && held.n_waits == n)
		pthread_cond_wait(&changed, &lock);
	held.is_held = !for_good;
	pthread_mutex_unlock(&lock);
}

START_TEST(test_request_is_for_a_scan_that_begins_after_it)
{
	uint32_t id;

	make_scanner();
	id = add_held();
	/* Before the first has begun, it will do. */
	ck_assert_uint_eq(request(id), 1);
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_until_waiting(1);
	/* While one goes on, the next. */
	ck_assert_uint_eq(request(id), 2);
	ck_assert_uint_eq(request(id), 2);
	let_go(true);
	wait_for_scans(id, 2);
	pthread_mutex_lock(&lock);
	ck_assert_uint_eq(held.n_waits, 2); /* one for both requests */
	pthread_mutex_unlock(&lock);
	ck_assert_uint_eq(tree_list_get_scans(f.trees, id), 2);
	wait_for_scans(id, request(id));
	ck_assert_uint_eq(tree_list_get_scans(f.trees, id), 3);
}
END_TEST

START_TEST(test_stalled_tree_holds_up_no_other)
{
	uint32_t stalled, other;

	make_scanner();
	stalled = add_held();
	other = add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_until_waiting(1);
	for (int i = 0; i < 5; i++)
		scan_now(other);
	ck_assert_uint_eq(tree_list_get_scans(f.trees, stalled), 0);
	ck_assert_uint_eq(describe(stalled).scan_age_ns, 0);
	let_go(true);
	wait_for_scans(stalled, 1);
	ck_assert_int_eq(describe(stalled).scan_error, -EACCES);
}
END_TEST

START_TEST(test_stuck_source_is_left_behind)
{
	uint64_t start = (uint64_t)g_get_monotonic_time();

	make_scanner();
	add_held();
	add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_until_waiting(1);
	ck_assert(!scanner_free(scanner, 100));
	ck_assert_uint_ge((uint64_t)g_get_monotonic_time() - start, 90000);
	/* And can be tried again. */
	let_go(true);
	ck_assert(scanner_free(scanner, LONG_MS));
	scanner = NULL;
}
END_TEST

START_TEST(test_scanner_that_was_not_started_is_freed)
{
	make_scanner();
	add("");
	add("none");
	ck_assert(scanner_free(scanner, 0));
	scanner = NULL;
	ck_assert(scanner_free(NULL, 0));
}
END_TEST

START_TEST(test_end_does_not_wait_for_the_period)
{
	uint64_t start;
	uint32_t id;

	make_scanner();
	id = add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	start = (uint64_t)g_get_monotonic_time();
	ck_assert(scanner_free(scanner, LONG_MS));
	scanner = NULL;
	ck_assert_uint_lt((uint64_t)g_get_monotonic_time() - start, 10000000);
}
END_TEST

/* ---- periods ---- */

START_TEST(test_period_is_kept)
{
	uint64_t start;
	uint32_t id;

	config.period_ns = SECOND_NS / 20;
	make_scanner();
	id = add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 1);
	start = (uint64_t)g_get_monotonic_time();
	wait_for_scans(id, 9);
	/* Eight periods, the first of which may have begun before. */
	ck_assert_uint_ge((uint64_t)g_get_monotonic_time() - start, 7 * 50000);
	ck_assert_uint_ge(describe(id).scan_period_ns, config.period_ns);
}
END_TEST

START_TEST(test_period_stretches_to_keep_the_share)
{
	struct sincefs_tree first, second;
	uint32_t id, other;

	for (int i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(mknodat(top_fd, name, S_IFREG | 0600, 0), 0);
	}
	config.period_ns = 1;
	config.share = 1;
	make_scanner();
	id = add("");
	other = add(".");
	ck_assert_int_eq(scanner_start(scanner), 0);
	wait_for_scans(id, 2);
	wait_for_scans(other, 2);
	wait_for_scans(id, 3);
	first = describe(id);
	second = describe(other);
	/* Both trees' cost is counted. */
	ck_assert_uint_ge(first.scan_period_ns, 99 * first.scan_cost_ns);
	ck_assert_uint_ge(first.scan_period_ns + second.scan_period_ns,
			  99 * (first.scan_cost_ns + second.scan_cost_ns) / 2);
}
END_TEST

START_TEST(test_request_does_not_wait_for_the_period)
{
	uint32_t id;

	make_scanner();
	id = add("");
	ck_assert_int_eq(scanner_start(scanner), 0);
	for (uint64_t i = 1; i <= 20; i++)
		scan_now(id);
	ck_assert_uint_le(tree_list_get_scans(f.trees, id), 22);
}
END_TEST

/* ---- many at once ---- */

static void *ask_often(void *data)
{
	uint32_t id = *(const uint32_t *)data;

	for (int i = 0; i < 30; i++) {
		uint64_t scans;

		ck_assert_int_eq(scanner_request(scanner, id, &scans), 0);
		wait_for_scans(id, scans);
		describe(id);
	}
	return NULL;
}

START_TEST(test_many_threads_ask_while_files_change)
{
	enum { ASKERS = 4 };
	pthread_t threads[ASKERS];
	uint32_t ids[ASKERS];
	uint64_t since = tell(&f);

	config.period_ns = SECOND_NS / 200;
	make_scanner();
	for (int i = 0; i < ASKERS; i++)
		ids[i] = add(i % 2 == 0 ? "" : ".");
	ck_assert_int_eq(scanner_start(scanner), 0);
	for (int i = 0; i < ASKERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often,
						&ids[i]),
				 0);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i % 7);
		write_file(name, "text");
	}
	for (int i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < ASKERS; i++)
		scan_now(ids[i]);
	for (int i = 0; i < ASKERS; i++)
		ck_assert_uint_ne(get_flags(ids[i], "3", since), NOT_THERE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scanner");
	TCase *arrival = tcase_create("arrival");
	TCase *requests = tcase_create("requests");
	TCase *ends = tcase_create("ends");
	TCase *periods = tcase_create("periods");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(arrival, set_up, tear_down);
	tcase_add_test(arrival, test_what_is_found_is_stamped);
	tcase_add_test(arrival, test_edit_between_token_and_baseline_is_told);
	tcase_add_test(arrival, test_what_is_ignored_is_not_stamped);
	tcase_add_test(arrival,
		       test_root_that_is_a_file_and_one_that_is_not_there);
	tcase_add_test(arrival, test_description_of_a_tree);
	tcase_set_timeout(arrival, 60);
	suite_add_tcase(suite, arrival);

	tcase_add_checked_fixture(requests, set_up, tear_down);
	tcase_add_test(requests, test_only_scanned_trees_can_be_asked_for);
	tcase_add_test(requests,
		       test_request_is_for_a_scan_that_begins_after_it);
	tcase_add_test(requests, test_stalled_tree_holds_up_no_other);
	tcase_add_test(requests, test_many_threads_ask_while_files_change);
	tcase_set_timeout(requests, 60);
	suite_add_tcase(suite, requests);

	tcase_add_checked_fixture(ends, set_up, tear_down);
	tcase_add_test(ends, test_stuck_source_is_left_behind);
	tcase_add_test(ends, test_scanner_that_was_not_started_is_freed);
	tcase_add_test(ends, test_end_does_not_wait_for_the_period);
	tcase_set_timeout(ends, 60);
	suite_add_tcase(suite, ends);

	tcase_add_checked_fixture(periods, set_up, tear_down);
	tcase_add_test(periods, test_period_is_kept);
	tcase_add_test(periods, test_period_stretches_to_keep_the_share);
	tcase_add_test(periods, test_request_does_not_wait_for_the_period);
	tcase_set_timeout(periods, 60);
	suite_add_tcase(suite, periods);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
