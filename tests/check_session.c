/* SPDX-License-Identifier: MIT */
/*
 * What is agreed with the kernel at the start, what is refused, and that
 * whatever is asked of whatever node is answered, once.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fake/fake-kernel.h"

#define ROOT FUSE_ROOT_ID
#define OTHER_USER 12345

static FakeKernel *kernel;

static void set_up(void)
{
	kernel = fake_kernel_new(NULL);
}

static void tear_down(void)
{
	fake_forget_all(kernel);
	fake_kernel_free(kernel);
}

/* -- The handshake
 * ---------------------------------------------------------------- */

START_TEST(test_kernel_is_asked_for_what_the_engine_needs)
{
	const uint32_t wanted = FUSE_POSIX_ACL | FUSE_DONT_MASK |
				FUSE_CACHE_SYMLINKS | FUSE_DO_READDIRPLUS |
				FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_READ;
	/* Each would lose something: see op_init(). */
	const uint32_t never = FUSE_ATOMIC_O_TRUNC | FUSE_AUTO_INVAL_DATA |
			       FUSE_HANDLE_KILLPRIV | FUSE_WRITEBACK_CACHE |
			       FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
			       FUSE_EXPLICIT_INVAL_DATA;
	const struct fuse_init_out *init;

	set_up();
	init = fake_kernel_get_init(kernel);
	ck_assert_uint_eq(init->flags & wanted, wanted);
	ck_assert_uint_eq(init->flags & never, 0);
	/* All dirty pages of all mappings can be queued at once. */
	ck_assert_uint_eq(init->max_background, 65535);
	ck_assert_uint_eq(init->congestion_threshold, 65535);
	ck_assert_uint_eq(init->time_gran, 1);
	tear_down();
}
END_TEST

START_TEST(test_files_are_opened_by_the_kernel_alone)
{
	struct fuse_open_in open_in = {.flags = O_RDWR};
	struct fuse_flush_in flush_in = {.fh = 0};
	struct iovec open_part = {&open_in, sizeof(open_in)};
	struct iovec flush_part = {&flush_in, sizeof(flush_in)};
	uint64_t file;

	set_up();
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &file),
			 0);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_OPEN, file,
						   &open_part, 1)),
			 -ENOSYS);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_OPENDIR, ROOT,
						   &open_part, 1)),
			 -ENOSYS);
	ck_assert_int_eq(fake_wait_error(kernel,
					 fake_send(kernel, FUSE_FLUSH, file,
						   &flush_part, 1)),
			 -ENOSYS);
	tear_down();
}
END_TEST

/* What the kernel keeps, it keeps for ever; that there is nothing, too. */
START_TEST(test_answers_are_good_until_something_changes_them)
{
	struct iovec name = {(void *)"f", 2};
	struct fuse_getattr_in in = {.getattr_flags = 0};
	struct iovec part = {&in, sizeof(in)};
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	FakeReply reply;

	set_up();
	fake_wait(kernel, fake_send(kernel, FUSE_LOOKUP, ROOT, &name, 1),
		  &reply);
	ck_assert_int_eq(reply.error, 0);
	memcpy(&entry, reply.data, sizeof(entry));
	g_free(reply.data);
	ck_assert_uint_eq(entry.nodeid, 0);
	ck_assert_uint_ge(entry.entry_valid, 1000000);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, NULL),
			 0);
	fake_wait(kernel, fake_send(kernel, FUSE_LOOKUP, ROOT, &name, 1),
		  &reply);
	memcpy(&entry, reply.data, sizeof(entry));
	g_free(reply.data);
	fake_count_lookup(kernel, entry.nodeid);
	ck_assert_uint_ge(entry.entry_valid, 1000000);
	ck_assert_uint_ge(entry.attr_valid, 1000000);
	fake_wait(kernel,
		  fake_send(kernel, FUSE_GETATTR, entry.nodeid, &part, 1),
		  &reply);
	memcpy(&attr, reply.data, sizeof(attr));
	g_free(reply.data);
	ck_assert_uint_ge(attr.attr_valid, 1000000);
	tear_down();
}
END_TEST

/* -- Refusals
 * ----------------------------------------------------------------------- */

static int ask(uint64_t node, uint32_t cmd, const void *in, size_t in_size,
	       size_t out_size)
{
	return fake_wait_error(kernel, fake_send_ioctl(kernel, node, cmd, in,
						       (uint32_t)in_size,
						       (uint32_t)out_size));
}

START_TEST(test_only_the_owner_and_root_may_ask)
{
	struct sincefs_page page = {.signature = SINCEFS_SIGNATURE};
	struct sincefs_tree tree = {.id = 1};
	struct sincefs_scan scan = {.tree = 1};

	kernel = fake_kernel_new(&(FakeKernelOptions){.owner = OTHER_USER});
	for (int i = 0; i < 3; i++) {
		const uid_t users[] = {0, OTHER_USER, OTHER_USER + 1};
		const int refused = i == 2 ? -EPERM : 0;

		fake_kernel_set_user(kernel, users[i], users[i]);
		ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_INFO, NULL, 0,
				     sizeof(struct sincefs_info)),
				 refused);
		ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SINCE, &page,
				     sizeof(page), sizeof(page)),
				 refused);
		ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_TREE, &tree,
				     sizeof(tree), sizeof(tree)),
				 refused);
		ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_STATS, NULL, 0,
				     sizeof(struct sincefs_stats)),
				 refused);
		if (i == 2)
			ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SCAN, &scan,
					     sizeof(scan), sizeof(scan)),
					 -EPERM);
		/* Nobody learns more of what there is not. */
		ck_assert_int_eq(ask(ROOT, _IO(SINCEFS_IOC_TYPE, 31), NULL, 0,
				     0),
				 -ENOTTY);
	}
	fake_kernel_set_user(kernel, getuid(), getgid());
	tear_down();
}
END_TEST

START_TEST(test_ioctls_of_others_are_not_ours)
{
	static const uint32_t numbers[] = {
		0x5401, /* TCGETS: what isatty(3) asks */
		0x5413, /* TIOCGWINSZ */
		_IO(SINCEFS_IOC_TYPE, 0),
		_IO(SINCEFS_IOC_TYPE, 7),
		_IOR(SINCEFS_IOC_TYPE, 0, int),
		_IOW(SINCEFS_IOC_TYPE, 2, struct sincefs_page),
		_IOWR(SINCEFS_IOC_TYPE + 1, 2, struct sincefs_page),
		0,
		UINT32_MAX,
	};
	uint64_t control, file;

	set_up();
	control = fake_find(kernel, SINCEFS_CONTROL_NAME);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &file),
			 0);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		const uint64_t nodes[] = {ROOT, control, file, 0, UINT64_MAX};

		for (size_t j = 0; j < G_N_ELEMENTS(nodes); j++)
			ck_assert_int_eq(ask(nodes[j], numbers[i], NULL, 0, 0),
					 -ENOTTY);
	}
	tear_down();
}
END_TEST

START_TEST(test_requests_that_bring_too_little_room_are_refused)
{
	struct sincefs_page page = {.signature = SINCEFS_SIGNATURE};

	set_up();
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SINCE, &page, sizeof(page) - 1,
			     sizeof(page)),
			 -EINVAL);
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SINCE, &page, sizeof(page),
			     sizeof(page) - 1),
			 -EINVAL);
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SINCE, &page, 0, 0), -EINVAL);
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_INFO, NULL, 0, 8), -EINVAL);
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_TREE, &page,
			     sizeof(struct sincefs_tree) - 8,
			     sizeof(struct sincefs_tree)),
			 -EINVAL);
	tear_down();
}
END_TEST

START_TEST(test_unclean_questions_are_refused)
{
	struct sincefs_page good = {.signature = SINCEFS_SIGNATURE};
	struct sincefs_page page;
	struct sincefs_tree tree;

	set_up();
#define assert_refused(field, value, error)                                    \
	do {                                                                   \
		page = good;                                                   \
		page.field = value;                                            \
		ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_SINCE, &page,           \
				     sizeof(page), sizeof(page)),              \
				 error);                                       \
	} while (0)
	assert_refused(signature, 0, -EINVAL);
	assert_refused(flags, 2, -EINVAL);
	assert_refused(mask, 0x8000, -EINVAL);
	assert_refused(zero32, 1, -EINVAL);
	assert_refused(zero[1], 1, -EINVAL);
	assert_refused(tree, 9, -ENOENT);
	assert_refused(signature, SINCEFS_SIGNATURE, 0);
	tree = (struct sincefs_tree){.id = 2};
	ck_assert_int_eq(ask(ROOT, SINCEFS_IOC_TREE, &tree, sizeof(tree),
			     sizeof(tree)),
			 -ENOENT);
	tear_down();
}
END_TEST

/* Only below a directory, which may have no place any more. */
START_TEST(test_questions_below_a_directory_go_by_where_it_is_now)
{
	struct sincefs_page question = {
		.signature = SINCEFS_SIGNATURE,
		.flags = SINCEFS_BELOW,
	};
	struct sincefs_token token;
	uint64_t dir, file;
	FakeReply reply;

	set_up();
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", &dir), 0);
	question.token = fake_token(kernel);
	ck_assert_int_eq(fake_mknod(kernel, dir, "f", S_IFREG | 0644, &file),
			 0);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "g", S_IFREG | 0644, NULL),
			 0);
	for (int i = 0; i < 2; i++) {
		g_autofree char *text = NULL;

		/* Through the directory, and through the file in it. */
		fake_wait(kernel,
			  fake_send_ioctl(kernel, i ? file : dir,
					  SINCEFS_IOC_SINCE, &question,
					  sizeof(question), sizeof(question)),
			  &reply);
		text = fake_answer_to_text(&reply, &token);
		ck_assert_str_eq(text, "CN:f ");
		g_free(reply.data);
	}
	ck_assert_int_eq(fake_unlink(kernel, dir, "f"), 0);
	ck_assert_int_eq(ask(file, SINCEFS_IOC_SINCE, &question,
			     sizeof(question), sizeof(question)),
			 -ENOENT);
	ck_assert_int_eq(fake_rmdir(kernel, ROOT, "d"), 0);
	ck_assert_int_eq(ask(dir, SINCEFS_IOC_SINCE, &question,
			     sizeof(question), sizeof(question)),
			 -ENOENT);
	/* Without BELOW it does not matter. */
	question.flags = 0;
	ck_assert_int_eq(ask(dir, SINCEFS_IOC_SINCE, &question,
			     sizeof(question), sizeof(question)),
			 0);
	tear_down();
}
END_TEST

START_TEST(test_file_flags_are_passed_through)
{
	struct sincefs_token token;
	g_autofree char *text = NULL;
	int flags = FS_NODUMP_FL;
	FakeReply reply;
	uint64_t file, fifo;

	set_up();
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &file),
			 0);
	ck_assert_int_eq(fake_mknod(kernel, ROOT, "p", S_IFIFO | 0644, &fifo),
			 0);
	token = fake_token(kernel);
	ck_assert_int_eq(ask(fifo, FS_IOC_GETFLAGS, NULL, 0, sizeof(flags)),
			 -ENOTTY);
	ck_assert_int_eq(ask(file, FS_IOC_GETFLAGS, NULL, 0, 1), -EINVAL);
	ck_assert_int_eq(ask(file, FS_IOC_SETFLAGS, &flags, 1, 0), -EINVAL);
	if (ask(file, FS_IOC_GETFLAGS, NULL, 0, sizeof(flags)) == 0) {
		ck_assert_int_eq(ask(file, FS_IOC_SETFLAGS, &flags,
				     sizeof(flags), 0),
				 0);
		text = fake_since(kernel, &token);
		ck_assert_str_eq(text, "M:f ");
		fake_wait(kernel,
			  fake_send_ioctl(kernel, file, FS_IOC_GETFLAGS, NULL,
					  0, sizeof(flags)),
			  &reply);
		ck_assert_uint_eq(reply.size, sizeof(struct fuse_ioctl_out) +
						      sizeof(flags));
		memcpy(&flags,
		       (char *)reply.data + sizeof(struct fuse_ioctl_out),
		       sizeof(flags));
		ck_assert_int_ne(flags & FS_NODUMP_FL, 0);
		g_free(reply.data);
	}
	tear_down();
}
END_TEST

/* -- Whatever is asked
 * ---------------------------------------------------------------- */

/* Requests that libfuse reads the fields of whatever they are: as large as the
   largest, all zero but for what is random. */
static const uint32_t opcodes[] = {
	FUSE_LOOKUP,
	FUSE_GETATTR,
	FUSE_SETATTR,
	FUSE_READLINK,
	FUSE_SYMLINK,
	FUSE_MKNOD,
	FUSE_MKDIR,
	FUSE_UNLINK,
	FUSE_RMDIR,
	FUSE_RENAME,
	FUSE_LINK,
	FUSE_OPEN,
	FUSE_READ,
	FUSE_STATFS,
	FUSE_RELEASE,
	FUSE_FSYNC,
	FUSE_GETXATTR,
	FUSE_LISTXATTR,
	FUSE_REMOVEXATTR,
	FUSE_FLUSH,
	FUSE_OPENDIR,
	FUSE_READDIR,
	FUSE_RELEASEDIR,
	FUSE_FSYNCDIR,
	FUSE_GETLK,
	FUSE_SETLK,
	FUSE_SETLKW,
	FUSE_ACCESS,
	FUSE_CREATE,
	FUSE_BMAP,
	FUSE_IOCTL,
	FUSE_POLL,
	FUSE_FALLOCATE,
	FUSE_READDIRPLUS,
	FUSE_RENAME2,
	FUSE_LSEEK,
	FUSE_COPY_FILE_RANGE,
	FUSE_WRITE,
	FUSE_SETXATTR,
	9999,
};

/* The node's own number where a request has another: it is looked for. */
static void fill(unsigned char *in, size_t size, unsigned *seed, uint64_t node)
{
	memset(in, 0, size);
	for (int i = rand_r(seed) % 4; i > 0; i--)
		in[(unsigned)rand_r(seed) % 32] = (unsigned char)rand_r(seed);
	if (rand_r(seed) % 2)
		memcpy(in, &node, sizeof(node));
	/* Lengths that memory is taken for stay small. */
	for (size_t at = 16; at < 28; at += 4)
		memcpy(in + at, &(uint32_t){(unsigned)rand_r(seed) % 5000}, 4);
	strcpy((char *)in + 100, rand_r(seed) % 2 ? "f" : "d");
}

START_TEST(test_whatever_is_asked_of_whatever_node_is_answered_once)
{
	enum { ROUNDS = 40 };
	unsigned char in[8192];
	struct iovec part = {in, 0};
	unsigned seed = (unsigned)_i + 1;
	uint64_t nodes[10];

	set_up();
	nodes[0] = ROOT;
	nodes[1] = fake_find(kernel, SINCEFS_CONTROL_NAME);
	ck_assert_int_eq(
		fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &nodes[2]), 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "d", &nodes[3]), 0);
	ck_assert_int_eq(fake_symlink(kernel, ROOT, "s", "f", &nodes[4]), 0);
	ck_assert_int_eq(
		fake_mknod(kernel, ROOT, "p", S_IFIFO | 0644, &nodes[5]), 0);
	ck_assert_int_eq(
		fake_mknod(kernel, ROOT, "g", S_IFREG | 0644, &nodes[6]), 0);
	ck_assert_int_eq(fake_unlink(kernel, ROOT, "g"), 0);
	ck_assert_int_eq(fake_mkdir(kernel, ROOT, "e", &nodes[7]), 0);
	ck_assert_int_eq(fake_rmdir(kernel, ROOT, "e"), 0);
	nodes[8] = 0;
	nodes[9] = UINT64_MAX;
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < G_N_ELEMENTS(opcodes); i++) {
			uint64_t node = nodes[(unsigned)rand_r(&seed) % 10];

			fill(in, sizeof(in), &seed, node);
			part.iov_len = 512 + (unsigned)rand_r(&seed) % 4096;
			/* The size says how much is written. */
			if (opcodes[i] == FUSE_WRITE)
				((struct fuse_write_in *)in)->size =
					(uint32_t)(part.iov_len -
						   sizeof(struct
							  fuse_write_in));
			fake_wait_error(kernel, fake_send(kernel, opcodes[i],
							  node, &part, 1));
		}
	}
	/* It still does what it should. */
	ck_assert_int_eq(fake_lookup(kernel, ROOT, "none", NULL), -ENOENT);
	g_free(fake_since(kernel, &(struct sincefs_token){0, 0}));
	fake_kernel_free(kernel);
}
END_TEST

START_TEST(test_random_ioctls_are_answered_with_an_error_or_an_answer)
{
	static const int errors[] = {0,       -ENOTTY, -EINVAL,
				     -ENOENT, -EPERM,  -EOPNOTSUPP};
	struct sincefs_page page;
	unsigned seed = (unsigned)_i + 1;
	uint64_t nodes[3];

	set_up();
	nodes[0] = ROOT;
	nodes[1] = fake_find(kernel, SINCEFS_CONTROL_NAME);
	ck_assert_int_eq(
		fake_mknod(kernel, ROOT, "f", S_IFREG | 0644, &nodes[2]), 0);
	for (int i = 0; i < 5000; i++) {
		static const uint32_t ours[] = {
			SINCEFS_IOC_INFO, SINCEFS_IOC_TREE,  SINCEFS_IOC_SINCE,
			SINCEFS_IOC_SCAN, SINCEFS_IOC_CLOCK, SINCEFS_IOC_STATS,
		};
		uint32_t cmd = ours[(unsigned)rand_r(&seed) % 6];
		uint32_t in_size = _IOC_SIZE(cmd), out_size = in_size;
		bool known = false;
		int r;

		if (rand_r(&seed) % 4 == 0)
			cmd ^= 1u << (unsigned)rand_r(&seed) % 32;
		if (rand_r(&seed) % 8 == 0)
			in_size = (unsigned)rand_r(&seed) % sizeof(page);
		if (rand_r(&seed) % 8 == 0)
			out_size = (unsigned)rand_r(&seed) % 16384;
		memset(&page, 0, sizeof(page));
		if (rand_r(&seed) % 2)
			page.signature = SINCEFS_SIGNATURE;
		for (int n = rand_r(&seed) % 4; n > 0; n--)
			((unsigned char *)&page)[(unsigned)rand_r(&seed) %
						 200] =
				(unsigned char)rand_r(&seed);
		fake_kernel_set_user(kernel,
				     rand_r(&seed) % 4 ? getuid() : OTHER_USER,
				     getgid());
		r = ask(nodes[(unsigned)rand_r(&seed) % 3], cmd, &page, in_size,
			out_size);
		for (size_t j = 0; j < G_N_ELEMENTS(errors); j++)
			known |= r == errors[j];
		ck_assert_msg(known, "%#x: %s", cmd, strerror(-r));
	}
	fake_kernel_set_user(kernel, getuid(), getgid());
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *handshake = tcase_create("the handshake");
	TCase *refusals = tcase_create("refusals");
	TCase *whatever = tcase_create("whatever is asked");
	SRunner *runner;
	int failed;

	tcase_add_test(handshake,
		       test_kernel_is_asked_for_what_the_engine_needs);
	tcase_add_test(handshake, test_files_are_opened_by_the_kernel_alone);
	tcase_add_test(handshake,
		       test_answers_are_good_until_something_changes_them);
	suite_add_tcase(suite, handshake);
	tcase_add_test(refusals, test_only_the_owner_and_root_may_ask);
	tcase_add_test(refusals, test_ioctls_of_others_are_not_ours);
	tcase_add_test(refusals,
		       test_requests_that_bring_too_little_room_are_refused);
	tcase_add_test(refusals, test_unclean_questions_are_refused);
	tcase_add_test(refusals,
		       test_questions_below_a_directory_go_by_where_it_is_now);
	tcase_add_test(refusals, test_file_flags_are_passed_through);
	suite_add_tcase(suite, refusals);
	tcase_add_loop_test(
		whatever,
		test_whatever_is_asked_of_whatever_node_is_answered_once, 0, 6);
	tcase_add_loop_test(
		whatever,
		test_random_ioctls_are_answered_with_an_error_or_an_answer, 0,
		4);
	tcase_set_timeout(whatever, 240);
	suite_add_tcase(suite, whatever);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
