/* SPDX-License-Identifier: MIT */
/*
 * libsincefs without a mount: tokens as text, what else a daemon tells, and
 * paths that lie on no sincefs mount. The pages and answers have tests of their
 * own, check_client_page.c and check_client_answer.c.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/client/answer-internal.h"
#include "tests/client-pages.h"

/* A connection that no function may have touched. */
#define UNTOUCHED ((struct sincefs *)&untouched)
static char untouched;

/* INFO and TREE. */

static struct sincefs_info make_info(void)
{
	return (struct sincefs_info){
		.signature = SINCEFS_SIGNATURE,
		.version = SINCEFS_PROTOCOL_VERSION,
		.now = at(20),
		.floor = 4,
		.tree = 1,
		.tree_count = 1,
	};
}

START_TEST(test_info_of_another_version_is_refused)
{
	struct sincefs_info info = make_info();

	ck_assert_int_eq(sincefs_info_check(&info), 0);
	info.version = 2;
	ck_assert_int_eq(sincefs_info_check(&info), -EPROTO);
	info = make_info();
	info.signature = 0;
	ck_assert_int_eq(sincefs_info_check(&info), -EPROTO);
	info = make_info();
	info.now.instance = 0;
	ck_assert_int_eq(sincefs_info_check(&info), -EPROTO);
	info = make_info();
	info.now.clock = 0;
	ck_assert_int_eq(sincefs_info_check(&info), -EPROTO);
}
END_TEST

START_TEST(test_only_the_token_of_now_is_unchanged)
{
	struct sincefs_info info = make_info();
	struct sincefs_token token = at(20);

	ck_assert_int_eq(sincefs_info_changed(&info, &token), 0);
	token = at(18);
	ck_assert_int_eq(sincefs_info_changed(&info, &token), 1);
	token = at(22);
	ck_assert_int_eq(sincefs_info_changed(&info, &token), 1);
	token = at(20);
	token.instance++;
	ck_assert_int_eq(sincefs_info_changed(&info, &token), 1);
	token = (struct sincefs_token){0, 0};
	ck_assert_int_eq(sincefs_info_changed(&info, &token), 1);
	/* Events were lost: the floor is above now. */
	token = at(20);
	info.floor = 21;
	ck_assert_int_eq(sincefs_info_changed(&info, &token), 1);
}
END_TEST

START_TEST(test_tree_that_was_not_asked_for_is_refused)
{
	struct sincefs_tree tree = {.id = 2, .root = "/usr/lib"};

	ck_assert_int_eq(sincefs_tree_check(2, &tree), 0);
	ck_assert_int_eq(sincefs_tree_check(1, &tree), -EPROTO);
	memset(tree.root, 'x', sizeof(tree.root));
	ck_assert_int_eq(sincefs_tree_check(2, &tree), -EPROTO);
}
END_TEST

/* Tokens as text. */

static const struct {
	struct sincefs_token token;
	const char *text;
} texts[] = {
	{{0, 0}, "sincefs:1:0000000000000000:0"},
	{{1, 2}, "sincefs:1:0000000000000001:2"},
	{{CLIENT_INSTANCE, 20}, "sincefs:1:1122334455667788:20"},
	{{UINT64_C(0xfedcba9876543210), 1}, "sincefs:1:fedcba9876543210:1"},
	{{UINT64_MAX, UINT64_MAX},
	 "sincefs:1:ffffffffffffffff:18446744073709551615"},
};

START_TEST(test_token_has_one_text)
{
	char text[SINCEFS_TOKEN_TEXT_SIZE];
	struct sincefs_token token = {7, 7};

	ck_assert_int_eq(
		sincefs_token_format(&texts[_i].token, text, sizeof(text)), 0);
	ck_assert_str_eq(text, texts[_i].text);
	ck_assert_int_eq(sincefs_token_parse(text, &token), 0);
	ck_assert_uint_eq(token.instance, texts[_i].token.instance);
	ck_assert_uint_eq(token.clock, texts[_i].token.clock);
}
END_TEST

START_TEST(test_token_text_needs_its_room)
{
	const char *whole = texts[_i].text;
	char text[SINCEFS_TOKEN_TEXT_SIZE];
	char before[sizeof(text)];

	memset(text, '#', sizeof(text));
	memcpy(before, text, sizeof(text));
	for (size_t size = 0; size <= strlen(whole); size++)
		ck_assert_int_eq(sincefs_token_format(&texts[_i].token, text,
						      size),
				 -ERANGE);
	ck_assert_mem_eq(text, before, sizeof(text));
	ck_assert_int_eq(sincefs_token_format(&texts[_i].token, text,
					      strlen(whole) + 1),
			 0);
	ck_assert_str_eq(text, whole);
}
END_TEST

static const struct {
	const char *text;
	int want;
} bad_texts[] = {
	{"", -EINVAL},
	{"sincefs", -EINVAL},
	{"sincefs:", -EINVAL},
	{"sincefs:1", -EINVAL},
	{"sincefs:1:", -EINVAL},
	{"sincefs:1:1122334455667788", -EINVAL},
	{"sincefs:1:1122334455667788:", -EINVAL},
	{"sincefs:1:112233445566778:20", -EINVAL},
	{"sincefs:1:11223344556677889:20", -EINVAL},
	{"sincefs:1:112233445566778g:20", -EINVAL},
	{"sincefs:1:112233445566778A:20", -EINVAL},
	{"sincefs:1:0x22334455667788:20", -EINVAL},
	{"sincefs:1: 122334455667788:20", -EINVAL},
	{"sincefs:1:1122334455667788:0x20", -EINVAL},
	{"sincefs:1:1122334455667788:-2", -EINVAL},
	{"sincefs:1:1122334455667788:+2", -EINVAL},
	{"sincefs:1:1122334455667788: 2", -EINVAL},
	{"sincefs:1:1122334455667788:2 ", -EINVAL},
	{"sincefs:1:1122334455667788:2\n", -EINVAL},
	{"sincefs:1:1122334455667788:02", -EINVAL},
	{"sincefs:1:1122334455667788:00", -EINVAL},
	{"sincefs:1:1122334455667788:2:3", -EINVAL},
	{"sincefs:1:1122334455667788:18446744073709551616", -EINVAL},
	{"sincefs:1:1122334455667788:99999999999999999999999999", -EINVAL},
	{"sincefs:1:1122334455667788:2e3", -EINVAL},
	{" sincefs:1:1122334455667788:2", -EINVAL},
	{"Sincefs:1:1122334455667788:2", -EINVAL},
	{"sincefs:01:1122334455667788:2", -EINVAL},
	{"sincefs:-1:1122334455667788:2", -EINVAL},
	{"sincefs::1122334455667788:2", -EINVAL},
	{"sincefs:x:1122334455667788:2", -EINVAL},
	{"c:1554:99:4:1", -EINVAL},
	{"sincefs:0:1122334455667788:2", -EPROTO},
	{"sincefs:2:1122334455667788:2", -EPROTO},
	{"sincefs:2:what comes then", -EPROTO},
	{"sincefs:10:", -EPROTO},
	{"sincefs:18446744073709551617:1122334455667788:2", -EPROTO},
};

START_TEST(test_malformed_token_is_refused)
{
	struct sincefs_token token = {3, 4};

	ck_assert_msg(sincefs_token_parse(bad_texts[_i].text, &token) ==
			      bad_texts[_i].want,
		      "'%s'", bad_texts[_i].text);
	ck_assert_uint_eq(token.instance, 3);
	ck_assert_uint_eq(token.clock, 4);
}
END_TEST

START_TEST(test_version_is_the_package_version)
{
	ck_assert_str_eq(sincefs_version(), PACKAGE_VERSION);
}
END_TEST

/* Paths that are not on a sincefs mount. */

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/check-client-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	ck_assert_int_eq(rmdir(folder), 0);
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void must_not_open(const char *path, int want)
{
	struct sincefs *conn = UNTOUCHED;
	size_t descriptors = count_descriptors();
	int result = sincefs_open(path, &conn);

	ck_assert_msg(result == want, "'%s': %s, not %s", path,
		      strerror(-result), strerror(-want));
	ck_assert_ptr_eq(conn, UNTOUCHED);
	ck_assert_uint_eq(count_descriptors(), descriptors);
}

static void make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(test_missing_path_is_its_errno)
{
	make_file("file", "");
	ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
	ck_assert_int_eq(symlink("loop", "loop"), 0);
	must_not_open("missing", -ENOENT);
	must_not_open("missing/deep", -ENOENT);
	must_not_open("", -ENOENT);
	must_not_open("dangling", -ENOENT);
	must_not_open("loop", -ELOOP);
	must_not_open("file/", -ENOTDIR);
	must_not_open("file/below", -ENOTDIR);
	must_not_open("/proc/self/mem/x", -ENOTDIR);
}
END_TEST

START_TEST(test_plain_directory_is_not_on_sincefs)
{
	make_file("file", "");
	ck_assert_int_eq(symlink("file", "link"), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	must_not_open(".", -ENOTTY);
	must_not_open("file", -ENOTTY);
	must_not_open("./file", -ENOTTY);
	must_not_open("link", -ENOTTY);
	must_not_open("fifo", -ENOTTY);
	must_not_open(folder, -ENOTTY);
	must_not_open("/", -ENOTTY);
	must_not_open("/dev/null", -ENOTTY);
	must_not_open("/proc/self/status", -ENOTTY);
}
END_TEST

START_TEST(test_other_file_of_that_name_is_not_sincefs)
{
	make_file(".sincefs", "notes\n");
	must_not_open(".", -ENOTTY);
	make_file("file", "");
	must_not_open("file", -ENOTTY);
}
END_TEST

START_TEST(test_directory_of_that_name_is_not_sincefs)
{
	ck_assert_int_eq(mkdir(".sincefs", 0700), 0);
	must_not_open(".", -ENOTTY);
}
END_TEST

/* To open a fifo wakes who waits to write into it. */
START_TEST(test_fifo_of_that_name_is_not_opened)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct inotify_event event;

	ck_assert_int_ge(watch, 0);
	ck_assert_int_eq(mkfifo(".sincefs", 0600), 0);
	ck_assert_int_ge(inotify_add_watch(watch, ".sincefs", IN_OPEN), 0);
	must_not_open(".", -ENOTTY);
	ck_assert_int_eq(read(watch, &event, sizeof(event)), -1);
	ck_assert_int_eq(errno, EAGAIN);

	int fd = open(".sincefs", O_RDWR | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(read(watch, &event, sizeof(event)), 0);
	close(fd);
	close(watch);
}
END_TEST

START_TEST(test_socket_of_that_name_is_not_sincefs)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = ".sincefs",
	};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	must_not_open(".", -ENOTTY);
	close(fd);
}
END_TEST

static const char *const link_targets[] = {
	"fifo", "file", ".", "missing", ".sincefs", "/dev/zero", "/dev/tty",
};

START_TEST(test_link_of_that_name_is_not_followed)
{
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	make_file("file", "");
	ck_assert_int_eq(symlink(link_targets[_i], ".sincefs"), 0);
	must_not_open(".", -ENOTTY);
}
END_TEST

START_TEST(test_closing_nothing_is_allowed)
{
	sincefs_close(NULL);
}
END_TEST

static void add_loop(TCase *tcase, const TTest *test, size_t n)
{
	tcase_add_loop_test(tcase, test, 0, (int)n);
}

static Suite *client_suite(void)
{
	Suite *suite = suite_create("client");
	TCase *info = tcase_create("info and tree");
	TCase *token = tcase_create("tokens as text");
	TCase *path = tcase_create("paths elsewhere");

	tcase_add_test(info, test_info_of_another_version_is_refused);
	tcase_add_test(info, test_only_the_token_of_now_is_unchanged);
	tcase_add_test(info, test_tree_that_was_not_asked_for_is_refused);
	suite_add_tcase(suite, info);

	add_loop(token, test_token_has_one_text, N_ELEMENTS(texts));
	add_loop(token, test_token_text_needs_its_room, N_ELEMENTS(texts));
	add_loop(token, test_malformed_token_is_refused, N_ELEMENTS(bad_texts));
	tcase_add_test(token, test_version_is_the_package_version);
	suite_add_tcase(suite, token);

	tcase_add_checked_fixture(path, make_folder, remove_folder);
	tcase_add_test(path, test_missing_path_is_its_errno);
	tcase_add_test(path, test_plain_directory_is_not_on_sincefs);
	tcase_add_test(path, test_other_file_of_that_name_is_not_sincefs);
	tcase_add_test(path, test_directory_of_that_name_is_not_sincefs);
	tcase_add_test(path, test_fifo_of_that_name_is_not_opened);
	tcase_add_test(path, test_socket_of_that_name_is_not_sincefs);
	add_loop(path, test_link_of_that_name_is_not_followed,
		 N_ELEMENTS(link_targets));
	tcase_add_test(path, test_closing_nothing_is_allowed);
	suite_add_tcase(suite, path);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(client_suite());

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
