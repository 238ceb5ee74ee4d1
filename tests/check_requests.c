/* SPDX-License-Identifier: MIT */
/*
 * The threads that work on requests, with a kernel that is played: what is slow
 * below is made so by holding a file, see fake_hold().
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake/fake-kernel.h"

static FakeKernel *kernel;

static void set_up(void)
{
	kernel = fake_kernel_new(NULL);
}

static void tear_down(void)
{
	fake_kernel_free(kernel);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Make @n files "f0", "f1" and so on; their nodes. */
static void make_files(unsigned n, uint64_t *nodes)
{
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ck_assert_int_eq(fake_mknod(kernel, FUSE_ROOT_ID, name,
					    S_IFREG | 0644, &nodes[i]),
				 0);
	}
}

static uint64_t make_file(void)
{
	uint64_t node;

	make_files(1, &node);
	return node;
}

static unsigned count_records(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == ' ';
	return n;
}

/* The answer to a question, as text. */
static char *wait_answer(FakeRequest question, uint64_t *order_out)
{
	struct sincefs_token token;
	FakeReply reply;
	char *text;

	fake_wait(kernel, question, &reply);
	*order_out = reply.order;
	text = fake_answer_to_text(&reply, &token);
	g_free(reply.data);
	return text;
}

/* -- One order --------------------------------------------------------------
 */

START_TEST(test_question_waits_for_all_flushes_read_before_it)
{
	enum { FLUSHES = 200, EVERY = 10, HELD = FLUSHES / EVERY };
	uint64_t nodes[FLUSHES], order, answered;
	FakeRequest flushes[FLUSHES], question;
	g_autofree char *text = NULL;
	struct sincefs_token token;
	int holds[HELD];
	char name[16];

	set_up();
	make_files(FLUSHES, nodes);
	token = fake_token(kernel);
	for (unsigned i = 0; i < HELD; i++) {
		snprintf(name, sizeof(name), "f%u", i * EVERY);
		holds[i] = fake_hold(kernel, name, false);
	}
	for (unsigned i = 0; i < FLUSHES; i++)
		flushes[i] = fake_send_write(kernel, nodes[i], 0, "flushed",
					     FUSE_WRITE_CACHE, 0);
	question = fake_send_since(kernel, FUSE_ROOT_ID, &token);

	/* All that can be done is done, and what is read later too. */
	for (unsigned i = 0; i < FLUSHES; i++)
		if (i % EVERY != 0)
			ck_assert_int_eq(fake_wait_error(kernel, flushes[i]),
					 0);
	ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f1", NULL), 0);
	ck_assert(!fake_is_answered(kernel, question));

	for (unsigned i = 1; i < HELD; i++)
		fake_let_go(holds[i]);
	for (unsigned i = 1; i < HELD; i++)
		ck_assert_int_eq(fake_wait_error(kernel, flushes[i * EVERY]),
				 0);
	ck_assert(!fake_is_answered(kernel, question));
	fake_let_go(holds[0]);
	text = wait_answer(question, &answered);
	ck_assert_uint_eq(count_records(text), FLUSHES);
	for (unsigned i = 0; i < FLUSHES; i++) {
		snprintf(name, sizeof(name), "C:f%u ", i);
		ck_assert_msg(strstr(text, name) != NULL, "%s", name);
	}
	/* It was the last answer of all. */
	g_free(wait_answer(fake_send_since(kernel, FUSE_ROOT_ID, &token),
			   &order));
	ck_assert_uint_eq(order, answered + 1);
	tear_down();
}
END_TEST

START_TEST(test_question_does_not_wait_for_flushes_read_after_it)
{
	uint64_t nodes[2], order;
	g_autofree char *text = NULL;
	FakeRequest before, question, after;
	struct sincefs_token token;
	int hold_before, hold_after;

	set_up();
	make_files(2, nodes);
	token = fake_token(kernel);
	hold_before = fake_hold(kernel, "f0", false);
	hold_after = fake_hold(kernel, "f1", false);
	before = fake_send_write(kernel, nodes[0], 0, "x", FUSE_WRITE_CACHE, 0);
	question = fake_send_since(kernel, FUSE_ROOT_ID, &token);
	after = fake_send_write(kernel, nodes[1], 0, "x", FUSE_WRITE_CACHE, 0);
	/* Read after all of them. */
	ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f1", NULL), 0);
	ck_assert(!fake_is_answered(kernel, question));
	fake_let_go(hold_before);
	text = wait_answer(question, &order);
	ck_assert_str_eq(text, "C:f0 ");
	ck_assert(!fake_is_answered(kernel, after));
	fake_let_go(hold_after);
	ck_assert_int_eq(fake_wait_error(kernel, before), 0);
	ck_assert_int_eq(fake_wait_error(kernel, after), 0);
	tear_down();
}
END_TEST

START_TEST(test_question_does_not_wait_for_a_write_whose_caller_waits)
{
	struct sincefs_token token;
	uint64_t node;
	FakeRequest write;
	int hold;

	set_up();
	node = make_file();
	token = fake_token(kernel);
	hold = fake_hold(kernel, "f0", false);
	write = fake_send_write(kernel, node, 0, "x", 0, O_WRONLY);
	g_free(fake_since(kernel, &token));
	fake_token(kernel);
	ck_assert(!fake_is_answered(kernel, write));
	fake_let_go(hold);
	ck_assert_int_eq(fake_wait_error(kernel, write), 0);
	tear_down();
}
END_TEST

START_TEST(test_info_waits_as_well)
{
	FakeRequest flush, info;
	uint64_t node;
	int hold;

	set_up();
	node = make_file();
	hold = fake_hold(kernel, "f0", false);
	flush = fake_send_write(kernel, node, 0, "x", FUSE_WRITE_CACHE, 0);
	info = fake_send_ioctl(kernel, FUSE_ROOT_ID, SINCEFS_IOC_INFO, NULL, 0,
			       sizeof(struct sincefs_info));
	ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f0", NULL), 0);
	ck_assert(!fake_is_answered(kernel, info));
	fake_let_go(hold);
	ck_assert_int_eq(fake_wait_error(kernel, info), 0);
	ck_assert_int_eq(fake_wait_error(kernel, flush), 0);
	tear_down();
}
END_TEST

START_TEST(test_failed_flush_lets_the_question_go_on)
{
	struct sincefs_token token;
	g_autofree char *text = NULL;
	uint64_t node, order;
	FakeRequest flush, question;

	set_up();
	node = make_file();
	/* By something that bypasses the mount. */
	ck_assert_int_eq(unlinkat(fake_kernel_get_dir_fd(kernel), "f0", 0), 0);
	fake_forget(kernel, node, 1);
	token = fake_token(kernel);
	flush = fake_send_write(kernel, node, 0, "x", FUSE_WRITE_CACHE, 0);
	question = fake_send_since(kernel, FUSE_ROOT_ID, &token);
	text = wait_answer(question, &order);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(fake_wait_error(kernel, flush), -ESTALE);
	tear_down();
}
END_TEST

/* -- What is slow holds nobody up --------------------------------------------
 */

/* Each of these opens the file, which is held. */
static FakeRequest send_slow(int kind, uint64_t node)
{
	struct fuse_fsync_in sync = {.fsync_flags = 0};
	struct fuse_fallocate_in allocate = {.length = 10};
	struct iovec sync_part = {&sync, sizeof(sync)};
	struct iovec allocate_part = {&allocate, sizeof(allocate)};

	switch (kind) {
	case 0:
		return fake_send_read(kernel, node, 0, 10);
	case 1:
		return fake_send_write(kernel, node, 0, "x", 0, O_WRONLY);
	case 2:
		return fake_send_write(kernel, node, 0, "x", FUSE_WRITE_CACHE,
				       0);
	case 3:
		return fake_send(kernel, FUSE_FSYNC, node, &sync_part, 1);
	default:
		return fake_send(kernel, FUSE_FALLOCATE, node, &allocate_part,
				 1);
	}
}

START_TEST(test_stuck_request_does_not_hold_others_up)
{
	enum { OTHERS = 50 };
	FakeRequest slow;
	uint64_t node;
	double start;
	int hold;

	set_up();
	node = make_file();
	hold = fake_hold(kernel, "f0", true);
	slow = send_slow(_i, node);
	start = seconds();
	for (int i = 0; i < OTHERS; i++)
		ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f0", NULL),
				 0);
	/* Some ticks, and what a busy machine adds. */
	ck_assert(seconds() - start < 5);
	ck_assert(!fake_is_answered(kernel, slow));
	fake_let_go(hold);
	ck_assert_int_eq(fake_wait_error(kernel, slow), 0);
	tear_down();
}
END_TEST

START_TEST(test_request_that_is_stuck_after_a_quiet_time_is_noticed)
{
	FakeRequest slow;
	uint64_t node;
	int hold;

	set_up();
	node = make_file();
	hold = fake_hold(kernel, "f0", true);
	for (int i = 0; i < 3; i++) {
		const struct timespec pause = {.tv_nsec = 10000000};

		/* Until nobody looks any more. */
		while (!atomic_load(
			&fake_kernel_get_fs(kernel)->requests.watch_asleep))
			nanosleep(&pause, NULL);
		slow = fake_send_read(kernel, node, 0, 10);
		ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f0", NULL),
				 0);
		ck_assert(!fake_is_answered(kernel, slow));
	}
	fake_let_go(hold);
	ck_assert_int_eq(fake_wait_error(kernel, slow), 0);
	tear_down();
}
END_TEST

/* As many as there may be threads, and some more. */
START_TEST(test_requests_go_on_when_all_threads_were_stuck)
{
	enum { N = 72 };
	FakeRequest slow[N], last;
	uint64_t nodes[N];
	int holds[N];
	char name[16];

	set_up();
	make_files(N, nodes);
	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		holds[i] = fake_hold(kernel, name, true);
		slow[i] = fake_send_read(kernel, nodes[i], 0, 10);
	}
	last = fake_send_read(kernel, nodes[0], 0, 10);
	/* Nothing can be answered yet; the newest first, as they come last. */
	for (unsigned i = N; i-- > 0;) {
		fake_let_go(holds[i]);
		ck_assert(i == 0 || !fake_is_answered(kernel, last));
	}
	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(fake_wait_error(kernel, slow[i]), 0);
	ck_assert_int_eq(fake_wait_error(kernel, last), 0);
	tear_down();
}
END_TEST

/* -- The end -----------------------------------------------------------------
 */

START_TEST(test_hanging_up_ends_once_and_answers_what_was_read)
{
	enum { N = 20 };
	FakeRequest slow[N];
	uint64_t nodes[N];

	kernel = fake_kernel_new(&(FakeKernelOptions){.write_delay_us = 30000});
	make_files(N, nodes);
	for (unsigned i = 0; i < N; i++)
		slow[i] = fake_send_write(kernel, nodes[i], 0, "x",
					  i % 2 ? FUSE_WRITE_CACHE : 0, 0);
	fake_kernel_hang_up(kernel);
	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(fake_wait_error(kernel, slow[i]), 0);
	tear_down();
}
END_TEST

START_TEST(test_freeing_ends_what_waits_to_read)
{
	set_up();
	ck_assert(!fake_kernel_has_ended(kernel));
	tear_down();
	/* Also before anything was read, and with questions that wait. */
	set_up();
	for (int i = 0; i < 10; i++)
		fake_send_since(kernel, FUSE_ROOT_ID,
				&(struct sincefs_token){0, 0});
	tear_down();
}
END_TEST

/* In a child, which ends without freeing what is left to it. */
static void free_over_a_stuck_write(void)
{
	DirtySet *set;
	uint64_t node;
	double start;
	int hold;

	set_up();
	set = fake_kernel_get_set(kernel);
	node = make_file();
	fake_token(kernel);
	hold = fake_hold(kernel, "f0", false);
	fake_send_write(kernel, node, 0, "x", 0, O_WRONLY);
	ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "f0", NULL), 0);

	uint64_t before = dirty_set_peek_clock(set);

	start = seconds();
	ck_assert(!fake_kernel_free_fs(kernel));
	ck_assert(seconds() - start < 20);
	/* It comes back, and stamps what must therefore still be there. */
	ck_assert_uint_eq(dirty_set_peek_clock(set), before);
	fake_let_go(hold);
	while (dirty_set_peek_clock(set) == before)
		usleep(1000);
	unlinkat(fake_kernel_get_dir_fd(kernel), "f0", 0);
	rmdir(fake_kernel_get_directory(kernel));
}

START_TEST(test_freeing_gives_up_on_a_request_that_is_stuck)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		g_log_set_always_fatal(G_LOG_FATAL_MASK); /* it warns */
		free_over_a_stuck_write();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* The page that an invalidation waits for is one that is being read. */
static void *read_later(void *data)
{
	uint64_t node = *(uint64_t *)data;

	usleep(200000);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send_read(kernel, node, 0, 10)),
			 0);
	fake_hold_notifications(kernel, false);
	return NULL;
}

START_TEST(test_freeing_answers_what_a_notification_waits_for)
{
	pthread_t thread;
	uint64_t node;

	set_up();
	node = make_file();
	fake_hold_notifications(kernel, true);
	notifier_invalidate(&fake_kernel_get_fs(kernel)->notifier, node, 0, 0);
	fake_wait_held(kernel);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_later, &node), 0);
	ck_assert(fake_kernel_free_fs(kernel));
	pthread_join(thread, NULL);
	fake_wait_notifications(kernel, FUSE_NOTIFY_INVAL_INODE, 1);
	fake_kernel_free(kernel);
}
END_TEST

/* -- Races -------------------------------------------------------------------
 */

/*
 * Threads that write and ask at once, each its own files, with WRITEs that are
 * slow enough for many to be worked on at a time. Who asks after a write was
 * answered, or after a flush was sent, must be told of it.
 */
enum { WRITERS = 4, FILES = 5 };

static _Atomic int missed;

static void check_told(const char *name, struct sincefs_token token)
{
	g_autofree char *text = fake_since(kernel, &token);
	g_autofree char *wanted = g_strdup_printf(":%s ", name);

	if (strstr(text, wanted) == NULL)
		atomic_fetch_add(&missed, 1);
}

static void *writer_main(void *data)
{
	unsigned self = (unsigned)(uintptr_t)data;
	uint64_t nodes[FILES];
	char name[FILES][16];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name[i], sizeof(name[i]), "w%u.%u", self, i);
		ck_assert_int_eq(fake_create(kernel, FUSE_ROOT_ID, name[i],
					     0644, O_WRONLY, &nodes[i]),
				 0);
		ck_assert_int_eq(fake_release(kernel, nodes[i]), 0);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < FILES; i++) {
			struct sincefs_token token = fake_token(kernel);
			FakeRequest flush = 0;

			if ((i + round) % 2 == 0)
				ck_assert_int_eq(fake_write(kernel, nodes[i], 0,
							    "w", 0, O_WRONLY),
						 0);
			else
				flush = fake_send_write(kernel, nodes[i], 0,
							"f", FUSE_WRITE_CACHE,
							0);
			check_told(name[i], token);
			if (flush != 0)
				ck_assert_int_eq(fake_wait_error(kernel, flush),
						 0);
		}
	}
	return NULL;
}

START_TEST(test_nothing_is_missed_while_many_requests_are_worked_on)
{
	pthread_t threads[WRITERS];
	struct sincefs_stats stats;

	kernel = fake_kernel_new(&(FakeKernelOptions){.write_delay_us = 25000});
	for (uintptr_t i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, writer_main,
						(void *)i),
				 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(missed, 0);
	fs_get_stats(fake_kernel_get_fs(kernel), &stats);
	ck_assert_uint_eq(stats.requests[SINCEFS_REQUEST_WRITE],
			  WRITERS * FILES * 3);
	fake_forget_all(kernel);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("requests");
	TCase *order = tcase_create("one order");
	TCase *slow = tcase_create("slow requests");
	TCase *end = tcase_create("the end");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_test(order,
		       test_question_waits_for_all_flushes_read_before_it);
	tcase_add_test(order,
		       test_question_does_not_wait_for_flushes_read_after_it);
	tcase_add_test(
		order,
		test_question_does_not_wait_for_a_write_whose_caller_waits);
	tcase_add_test(order, test_info_waits_as_well);
	tcase_add_test(order, test_failed_flush_lets_the_question_go_on);
	tcase_set_timeout(order, 120);
	suite_add_tcase(suite, order);
	tcase_add_loop_test(slow, test_stuck_request_does_not_hold_others_up, 0,
			    5);
	tcase_add_test(
		slow, test_request_that_is_stuck_after_a_quiet_time_is_noticed);
	tcase_add_test(slow, test_requests_go_on_when_all_threads_were_stuck);
	tcase_set_timeout(slow, 120);
	suite_add_tcase(suite, slow);
	tcase_add_test(end,
		       test_hanging_up_ends_once_and_answers_what_was_read);
	tcase_add_test(end, test_freeing_ends_what_waits_to_read);
	tcase_add_test(end, test_freeing_gives_up_on_a_request_that_is_stuck);
	tcase_add_test(end, test_freeing_answers_what_a_notification_waits_for);
	tcase_set_timeout(end, 120);
	suite_add_tcase(suite, end);
	tcase_add_test(
		races,
		test_nothing_is_missed_while_many_requests_are_worked_on);
	tcase_set_timeout(races, 240);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
