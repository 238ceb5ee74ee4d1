/* SPDX-License-Identifier: MIT */
/* The control file and who waits on it, with a kernel that is played. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mark.h"
#include "tests/fake/fake-kernel.h"

#define OTHER_USER 12345

static FakeKernel *kernel;

static void set_up(void)
{
	kernel = fake_kernel_new(NULL);
}

static void tear_down(void)
{
	fake_kernel_free(kernel);
}

static uint64_t open_control(void)
{
	return fake_find(kernel, SINCEFS_CONTROL_NAME);
}

/* The clock of now, told through @node. */
static void tell(uint64_t node)
{
	ck_assert_int_eq(
		fake_wait_error(kernel,
				fake_send_ioctl(kernel, node, SINCEFS_IOC_INFO,
						NULL, 0,
						sizeof(struct sincefs_info))),
		0);
}

static void change(const char *name)
{
	ck_assert_int_eq(fake_mknod(kernel, FUSE_ROOT_ID, name, S_IFREG | 0644,
				    NULL),
			 0);
}

static bool is_readable(uint64_t node, uint64_t handle)
{
	unsigned revents = fake_poll(kernel, node, handle);

	ck_assert_uint_eq(revents & ~(unsigned)(POLLIN | POLLRDNORM), 0);
	return revents & POLLIN;
}

static unsigned count_wakes(void)
{
	return fake_count_notifications(kernel, FUSE_NOTIFY_POLL);
}

static void wait_wakes(unsigned n)
{
	fake_wait_notifications(kernel, FUSE_NOTIFY_POLL, n);
}

/* Whatever was to be woken, was: the notifier wakes after it invalidates, so by
   the second time it has done what came with the first. */
static void settle(void)
{
	Fs *fs = fake_kernel_get_fs(kernel);
	unsigned n = fake_count_notifications(kernel, FUSE_NOTIFY_INVAL_INODE);

	for (unsigned i = 1; i <= 2; i++) {
		notifier_invalidate(&fs->notifier, FUSE_ROOT_ID, 0, 0);
		fake_wait_notifications(kernel, FUSE_NOTIFY_INVAL_INODE, n + i);
	}
}

/* -- The file ----------------------------------------------------------------
 */

START_TEST(test_each_look_up_is_another_node_that_is_not_kept)
{
	struct iovec part = {(void *)SINCEFS_CONTROL_NAME,
			     sizeof(SINCEFS_CONTROL_NAME)};
	struct fuse_entry_out entries[2];
	FakeReply reply;

	set_up();
	for (int i = 0; i < 2; i++) {
		fake_wait(kernel,
			  fake_send(kernel, FUSE_LOOKUP, FUSE_ROOT_ID, &part,
				    1),
			  &reply);
		ck_assert_int_eq(reply.error, 0);
		memcpy(&entries[i], reply.data, sizeof(entries[i]));
		g_free(reply.data);
		fake_count_lookup(kernel, entries[i].nodeid);
		ck_assert_uint_eq(entries[i].entry_valid, 0);
		ck_assert_uint_eq(entries[i].entry_valid_nsec, 0);
	}
	ck_assert_uint_ne(entries[0].nodeid, entries[1].nodeid);
	fake_forget_all(kernel);
	tear_down();
}
END_TEST

START_TEST(test_it_is_in_every_directory_and_listed_in_none)
{
	uint64_t dir;

	set_up();
	/* A real one below is hidden. */
	ck_assert_int_eq(mknodat(fake_kernel_get_dir_fd(kernel),
				 SINCEFS_CONTROL_NAME, S_IFREG | 0600, 0),
			 0);
	ck_assert_int_eq(fake_mkdir(kernel, FUSE_ROOT_ID, "d", &dir), 0);
	ck_assert_int_eq(fake_lookup(kernel, dir, SINCEFS_CONTROL_NAME, NULL),
			 0);
	for (int plus = 0; plus < 2; plus++) {
		g_autofree char *names = NULL;

		ck_assert_int_eq(fake_list(kernel, FUSE_ROOT_ID, plus, &names),
				 0);
		ck_assert_ptr_null(strstr(names, SINCEFS_CONTROL_NAME));
		ck_assert_ptr_nonnull(strstr(names, "d "));
	}
	fake_forget_all(kernel);
	tear_down();
}
END_TEST

START_TEST(test_it_is_an_empty_file_for_all_to_open)
{
	struct fuse_attr attributes;
	char *text;

	kernel = fake_kernel_new(&(FakeKernelOptions){.owner = OTHER_USER});
	ck_assert_int_eq(fake_getattr(kernel, open_control(), &attributes), 0);
	ck_assert_uint_eq(attributes.mode, S_IFREG | 0444);
	ck_assert_uint_eq(attributes.size, 0);
	ck_assert_uint_eq(attributes.uid, OTHER_USER);
	ck_assert_int_lt(fake_read(kernel, open_control(), 0, 10, &text), 0);
	fake_forget_all(kernel);
	tear_down();
}
END_TEST

START_TEST(test_it_can_not_be_made_changed_moved_or_removed)
{
	static const char name[] = SINCEFS_CONTROL_NAME;
	struct sincefs_token token;
	g_autofree char *text = NULL;
	uint64_t node, file;

	set_up();
	change("f");
	file = fake_find(kernel, "f");
	node = open_control();
	token = fake_token(kernel);
	ck_assert_int_eq(fake_create(kernel, FUSE_ROOT_ID, name, 0644, O_RDWR,
				     NULL),
			 -EEXIST);
	ck_assert_int_eq(fake_mknod(kernel, FUSE_ROOT_ID, name, S_IFREG | 0644,
				    NULL),
			 -EEXIST);
	ck_assert_int_eq(fake_mkdir(kernel, FUSE_ROOT_ID, name, NULL), -EEXIST);
	ck_assert_int_eq(fake_symlink(kernel, FUSE_ROOT_ID, name, "f", NULL),
			 -EEXIST);
	ck_assert_int_eq(fake_link(kernel, file, FUSE_ROOT_ID, name), -EEXIST);
	ck_assert_int_eq(fake_link(kernel, node, FUSE_ROOT_ID, "x"), -EPERM);
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, name), -EPERM);
	ck_assert_int_eq(fake_rmdir(kernel, FUSE_ROOT_ID, name), -EPERM);
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, name, FUSE_ROOT_ID,
				     "x", 0),
			 -EPERM);
	ck_assert_int_eq(fake_rename(kernel, FUSE_ROOT_ID, "f", FUSE_ROOT_ID,
				     name, 0),
			 -EPERM);
	ck_assert_int_eq(fake_setattr(kernel, node,
				      &(struct fuse_setattr_in){
					      .valid = FATTR_MODE,
					      .mode = 0600,
				      }),
			 -EPERM);
	ck_assert_int_eq(fake_write(kernel, node, 0, "x", 0, O_WRONLY), -EPERM);
	text = fake_since(kernel, &token);
	ck_assert_str_eq(text, "");
	fake_forget_all(kernel);
	tear_down();
}
END_TEST

/* -- Polling ------------------------------------------------------------------
 */

START_TEST(test_it_is_readable_when_the_clock_has_passed_what_it_told)
{
	struct sincefs_token token;
	uint64_t node, other;

	set_up();
	node = open_control();
	other = open_control();
	tell(node);
	ck_assert(!is_readable(node, 0));
	change("a");
	ck_assert(is_readable(node, 0));
	ck_assert(is_readable(node, 0)); /* until it is asked */
	/* What others are told is nothing to it. */
	tell(other);
	token = fake_token(kernel);
	ck_assert(is_readable(node, 0));
	ck_assert(!is_readable(other, 0));
	/* An answer tells too. */
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send_since(kernel, node, &token)),
			 0);
	ck_assert(!is_readable(node, 0));
	tear_down();
}
END_TEST

START_TEST(test_change_wakes_who_polls_once)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	ck_assert(!is_readable(node, 77));
	ck_assert_uint_eq(count_wakes(), 0);
	change("a");
	fake_wait_notified(kernel, FUSE_NOTIFY_POLL, 77);
	change("b");
	settle();
	ck_assert_uint_eq(count_wakes(), 1);
	/* And again when asked to. */
	tell(node);
	ck_assert(!is_readable(node, 78));
	change("c");
	fake_wait_notified(kernel, FUSE_NOTIFY_POLL, 78);
	tear_down();
}
END_TEST

START_TEST(test_what_changes_nothing_wakes_nobody)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	ck_assert(!is_readable(node, 77));
	ck_assert_int_eq(fake_unlink(kernel, FUSE_ROOT_ID, "none"), -ENOENT);
	ck_assert_int_eq(fake_lookup(kernel, FUSE_ROOT_ID, "none", NULL),
			 -ENOENT);
	fake_token(kernel);
	settle();
	ck_assert_uint_eq(count_wakes(), 0);
	ck_assert(!is_readable(node, 0));
	tear_down();
}
END_TEST

START_TEST(test_all_who_poll_are_woken)
{
	enum { N = 20 };

	set_up();
	for (uint64_t i = 0; i < N; i++) {
		uint64_t node = open_control();

		tell(node);
		ck_assert(!is_readable(node, 100 + i));
	}
	change("a");
	wait_wakes(N);
	settle();
	ck_assert_uint_eq(count_wakes(), N);
	tear_down();
}
END_TEST

START_TEST(test_only_the_last_poll_of_a_node_is_woken)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	for (uint64_t handle = 1; handle <= 5; handle++)
		ck_assert(!is_readable(node, handle));
	change("a");
	fake_wait_notified(kernel, FUSE_NOTIFY_POLL, 5);
	settle();
	ck_assert_uint_eq(count_wakes(), 1);
	tear_down();
}
END_TEST

/* The kernel may hand a handle over although it is readable already. */
START_TEST(test_poll_that_finds_it_readable_is_woken_at_the_next_change)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	change("a");
	ck_assert(is_readable(node, 77));
	change("b");
	wait_wakes(1);
	tear_down();
}
END_TEST

START_TEST(test_closing_ends_the_poll)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	ck_assert(!is_readable(node, 77));
	fake_forget_all(kernel);
	change("a");
	settle();
	ck_assert_uint_eq(count_wakes(), 0);
	/* And one that is still polled at the end is freed. */
	node = open_control();
	tell(node);
	ck_assert(!is_readable(node, 78));
	tear_down();
}
END_TEST

START_TEST(test_other_files_are_always_ready)
{
	uint64_t node;

	set_up();
	change("a");
	node = fake_find(kernel, "a");
	ck_assert_uint_eq(fake_poll(kernel, node, 0),
			  POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	ck_assert_uint_eq(fake_poll(kernel, node, 77),
			  POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	change("b");
	settle();
	ck_assert_uint_eq(count_wakes(), 0);
	tear_down();
}
END_TEST

START_TEST(test_who_may_not_ask_may_not_poll)
{
	uint64_t node;

	set_up();
	node = open_control();
	tell(node);
	fake_kernel_set_user(kernel, OTHER_USER, OTHER_USER);
	ck_assert_uint_eq(fake_poll(kernel, node, 77), POLLERR);
	fake_kernel_set_user(kernel, getuid(), getgid());
	change("a");
	settle();
	ck_assert_uint_eq(count_wakes(), 0);
	tear_down();
}
END_TEST

/* -- Races -------------------------------------------------------------------
 */

enum { ROUNDS = 1000 };

typedef struct {
	pthread_barrier_t start;
	uint64_t file;
} Race;

static void *changer_main(void *data)
{
	const Writer by = {.pid = 1, .uid = 1};
	Race *race = data;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->start);
		mark_content(fake_kernel_get_fs(kernel), race->file, &by);
	}
	return NULL;
}

/* A change beside a poll: the poll sees it, or is woken. */
START_TEST(test_no_wake_is_lost)
{
	pthread_t changer;
	uint64_t node;
	Race race;

	set_up();
	change("a");
	race.file = fake_find(kernel, "a");
	node = open_control();
	pthread_barrier_init(&race.start, NULL, 2);
	ck_assert_int_eq(pthread_create(&changer, NULL, changer_main, &race),
			 0);
	for (uint64_t handle = 1; handle <= ROUNDS; handle++) {
		tell(node);
		pthread_barrier_wait(&race.start);
		if (!is_readable(node, handle))
			fake_wait_notified(kernel, FUSE_NOTIFY_POLL, handle);
		ck_assert(is_readable(node, 0));
	}
	pthread_join(changer, NULL);
	pthread_barrier_destroy(&race.start);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *file = tcase_create("the file");
	TCase *polling = tcase_create("polling");
	TCase *races = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_add_test(file,
		       test_each_look_up_is_another_node_that_is_not_kept);
	tcase_add_test(file, test_it_is_in_every_directory_and_listed_in_none);
	tcase_add_test(file, test_it_is_an_empty_file_for_all_to_open);
	tcase_add_test(file, test_it_can_not_be_made_changed_moved_or_removed);
	suite_add_tcase(suite, file);
	tcase_add_test(
		polling,
		test_it_is_readable_when_the_clock_has_passed_what_it_told);
	tcase_add_test(polling, test_change_wakes_who_polls_once);
	tcase_add_test(polling, test_what_changes_nothing_wakes_nobody);
	tcase_add_test(polling, test_all_who_poll_are_woken);
	tcase_add_test(polling, test_only_the_last_poll_of_a_node_is_woken);
	tcase_add_test(
		polling,
		test_poll_that_finds_it_readable_is_woken_at_the_next_change);
	tcase_add_test(polling, test_closing_ends_the_poll);
	tcase_add_test(polling, test_other_files_are_always_ready);
	tcase_add_test(polling, test_who_may_not_ask_may_not_poll);
	suite_add_tcase(suite, polling);
	tcase_add_test(races, test_no_wake_is_lost);
	tcase_set_timeout(races, 240);
	suite_add_tcase(suite, races);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
