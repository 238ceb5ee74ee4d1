/* SPDX-License-Identifier: MIT */
/*
 * libsincefs: what a page must look like to be believed. Whatever a broken or
 * hostile daemon sends is refused, or else is harmless.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/client/answer-internal.h"
#include "tests/client-pages.h"

/* An answer that no function may have touched. */
#define UNTOUCHED ((struct sincefs_answer *)&untouched)
static char untouched;

/* Token 10, records 12 to 16, token 16. */
static struct sincefs_page make_good_page(void)
{
	struct sincefs_page page = make_page(16);

	add_record(&page, 12, "a.py", SINCEFS_CONTENT);
	add_record(&page, 14, "dir/b.py", SINCEFS_CONTENT | SINCEFS_NEW);
	add_record(&page, 16, ".", SINCEFS_META | SINCEFS_DIR);
	return page;
}

static int check_page(const struct sincefs_page *page)
{
	struct sincefs_token since = at(10);

	return sincefs_page_check(&since, SINCEFS_TREE_ALL, page);
}

START_TEST(test_good_page_is_accepted)
{
	struct sincefs_page page = make_good_page();
	struct sincefs_token since = at(10);

	ck_assert_int_eq(sincefs_page_check(&since, SINCEFS_TREE_ALL, &page),
			 0);
	ck_assert_int_eq(sincefs_page_check(&since, 1, &page), 0);
	page.flags = SINCEFS_MORE;
	ck_assert_int_eq(sincefs_page_check(&since, 1, &page), 0);
}
END_TEST

START_TEST(test_page_without_records_is_accepted)
{
	struct sincefs_page nothing = make_page(10);
	struct sincefs_page hidden = make_page(11);
	struct sincefs_page fresh = make_fresh_page(4, SINCEFS_REASON_FUTURE);

	hidden.flags = SINCEFS_MORE;
	ck_assert_int_eq(check_page(&nothing), 0);
	ck_assert_int_eq(check_page(&hidden), 0);
	ck_assert_int_eq(check_page(&fresh), 0);
}
END_TEST

START_TEST(test_full_page_is_accepted)
{
	struct sincefs_page page = make_page(1000);
	uint64_t clock = 10;

	/* The smallest record is 32 bytes and fills a page but for 24. */
	while (page.bytes + 32 <= sizeof(page.data))
		add_record(&page, ++clock, "x", SINCEFS_CONTENT);
	ck_assert_int_eq(check_page(&page), 0);
	ck_assert_uint_eq(page.count, 251);

	/* One record that fills it exactly. */
	struct sincefs_page one = make_page(1000);
	size_t length = sizeof(one.data) - sizeof(struct sincefs_record) - 1;
	char *longest = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		longest[i] = i % 256 == 255 ? '/' : 'p';
	longest[length] = '\0';
	add_record(&one, 12, longest, SINCEFS_CONTENT);
	ck_assert_uint_eq(one.bytes, sizeof(one.data));
	ck_assert_int_eq(check_page(&one), 0);
	free(longest);
}
END_TEST

static const struct {
	const char *path;
	bool is_good;
} paths[] = {
	{".", true},      {"a", true},        {"a/b/c", true},
	{".a", true},     {"..a", true},      {"...", true},
	{"a./b..", true}, {"a/.b/..c", true}, {" ", true},
	{"a\nb", true},   {"\xff\xfe", true}, {"-rf", true},
	{"", false},      {"/", false},       {"/a", false},
	{"a/", false},    {"a//b", false},    {"..", false},
	{"./a", false},   {"a/.", false},     {"a/./b", false},
	{"../a", false},  {"a/..", false},    {"a/../b", false},
	{"//", false},
};

START_TEST(test_path_stays_below_its_tree)
{
	struct sincefs_page page = make_page(16);

	add_record(&page, 12, paths[_i].path, SINCEFS_CONTENT);
	ck_assert_msg(check_page(&page) == (paths[_i].is_good ? 0 : -EPROTO),
		      "path '%s'", paths[_i].path);
}
END_TEST

/* Every way in which a page can be wrong, one at a time. */

static void break_signature(struct sincefs_page *page)
{
	page->signature ^= 1;
}

static void break_flags(struct sincefs_page *page)
{
	page->flags = 0x4;
}

static void break_flags_echo(struct sincefs_page *page)
{
	page->flags = SINCEFS_BELOW;
}

static void break_no_instance(struct sincefs_page *page)
{
	page->token.instance = 0;
}

static void break_other_instance(struct sincefs_page *page)
{
	page->token.instance++;
}

static void break_no_clock(struct sincefs_page *page)
{
	*page = make_page(0);
}

static void break_fresh_no_clock(struct sincefs_page *page)
{
	*page = make_fresh_page(0, SINCEFS_REASON_LOST);
}

static void break_clock_back(struct sincefs_page *page)
{
	*page = make_page(9);
}

static void break_clock_below_record(struct sincefs_page *page)
{
	page->token.clock = 15;
}

static void break_more_without_progress(struct sincefs_page *page)
{
	*page = make_page(10);
	page->flags = SINCEFS_MORE;
}

static void break_reason(struct sincefs_page *page)
{
	page->reason = SINCEFS_REASON_LOST;
}

static void break_fresh_with_records(struct sincefs_page *page)
{
	page->flags = SINCEFS_FRESH;
	page->reason = SINCEFS_REASON_LOST;
}

static void break_fresh_with_bytes(struct sincefs_page *page)
{
	break_fresh_with_records(page);
	page->count = 0;
}

static void break_fresh_with_count(struct sincefs_page *page)
{
	break_fresh_with_records(page);
	page->bytes = 0;
}

static void break_fresh_and_more(struct sincefs_page *page)
{
	*page = make_fresh_page(16, SINCEFS_REASON_LOST);
	page->flags |= SINCEFS_MORE;
}

static void break_fresh_without_reason(struct sincefs_page *page)
{
	*page = make_fresh_page(16, 0);
}

static void break_bytes_beyond(struct sincefs_page *page)
{
	page->bytes = SINCEFS_PAGE_DATA_SIZE + 8;
}

static void break_bytes_huge(struct sincefs_page *page)
{
	page->bytes = UINT32_MAX - 7;
	page->count = UINT32_MAX;
}

static void break_bytes_more(struct sincefs_page *page)
{
	page->bytes += 8;
}

static void break_bytes_fewer(struct sincefs_page *page)
{
	page->bytes -= 8;
}

static void break_bytes_odd(struct sincefs_page *page)
{
	page->bytes -= 1;
}

static void break_bytes_without_count(struct sincefs_page *page)
{
	page->count = 0;
}

static void break_count_more(struct sincefs_page *page)
{
	page->count++;
}

static void break_count_fewer(struct sincefs_page *page)
{
	page->count--;
}

static void break_count_huge(struct sincefs_page *page)
{
	page->count = UINT32_MAX;
}

static void break_count_without_bytes(struct sincefs_page *page)
{
	page->bytes = 0;
}

/* Change one field of the page's first record. */
static void break_record(struct sincefs_page *page,
			 void (*change)(struct sincefs_record *record))
{
	struct sincefs_record record;

	memcpy(&record, page->data, sizeof(record));
	change(&record);
	memcpy(page->data, &record, sizeof(record));
}

static void set_length_huge(struct sincefs_record *record)
{
	record->length = UINT16_MAX;
}

static void break_length_huge(struct sincefs_page *page)
{
	break_record(page, set_length_huge);
}

static void set_length_longer(struct sincefs_record *record)
{
	record->length++; /* the path is then "a.py" and a NUL */
}

static void break_length_longer(struct sincefs_page *page)
{
	break_record(page, set_length_longer);
}

static void set_length_shorter(struct sincefs_record *record)
{
	record->length--; /* a byte of the path is then padding */
}

static void break_length_shorter(struct sincefs_page *page)
{
	break_record(page, set_length_shorter);
}

static void set_clock_old(struct sincefs_record *record)
{
	record->clock = 10;
}

static void break_record_clock_old(struct sincefs_page *page)
{
	break_record(page, set_clock_old);
}

static void set_clock_of_next(struct sincefs_record *record)
{
	record->clock = 14;
}

static void break_record_clock_twice(struct sincefs_page *page)
{
	break_record(page, set_clock_of_next);
}

static void set_clock_end(struct sincefs_record *record)
{
	record->clock = UINT64_MAX;
}

static void break_record_clock_end(struct sincefs_page *page)
{
	break_record(page, set_clock_end);
}

static void set_tree_none(struct sincefs_record *record)
{
	record->tree = 0;
}

static void break_record_tree(struct sincefs_page *page)
{
	break_record(page, set_tree_none);
}

static void break_nul_in_path(struct sincefs_page *page)
{
	page->data[sizeof(struct sincefs_record) + 1] = '\0';
}

static void break_no_nul(struct sincefs_page *page)
{
	page->data[sizeof(struct sincefs_record) + 4] = 'x';
}

static void break_padding(struct sincefs_page *page)
{
	page->data[sizeof(struct sincefs_record) + 7] = 1;
}

static void break_padding_of_last(struct sincefs_page *page)
{
	page->data[page->bytes - 1] = 1;
}

static void break_last_record_cut(struct sincefs_page *page)
{
	page->bytes -= 24;
}

#define BREAK(how)                                                             \
	{                                                                      \
#how, break_##how                                              \
	}

static const struct {
	const char *name;
	void (*apply)(struct sincefs_page *page);
} breaks[] = {
	BREAK(signature),
	BREAK(flags),
	BREAK(flags_echo),
	BREAK(no_instance),
	BREAK(other_instance),
	BREAK(no_clock),
	BREAK(fresh_no_clock),
	BREAK(clock_back),
	BREAK(clock_below_record),
	BREAK(more_without_progress),
	BREAK(reason),
	BREAK(fresh_with_records),
	BREAK(fresh_with_bytes),
	BREAK(fresh_with_count),
	BREAK(fresh_and_more),
	BREAK(fresh_without_reason),
	BREAK(bytes_beyond),
	BREAK(bytes_huge),
	BREAK(bytes_more),
	BREAK(bytes_fewer),
	BREAK(bytes_odd),
	BREAK(bytes_without_count),
	BREAK(count_more),
	BREAK(count_fewer),
	BREAK(count_huge),
	BREAK(count_without_bytes),
	BREAK(length_huge),
	BREAK(length_longer),
	BREAK(length_shorter),
	BREAK(record_clock_old),
	BREAK(record_clock_twice),
	BREAK(record_clock_end),
	BREAK(record_tree),
	BREAK(nul_in_path),
	BREAK(no_nul),
	BREAK(padding),
	BREAK(padding_of_last),
	BREAK(last_record_cut),
};

START_TEST(test_broken_page_is_refused)
{
	struct sincefs_page page = make_good_page();

	ck_assert_int_eq(check_page(&page), 0);
	breaks[_i].apply(&page);
	ck_assert_msg(check_page(&page) == -EPROTO, "accepted: %s",
		      breaks[_i].name);
}
END_TEST

/* Where the page ends the memory ends: only a sanitizer or valgrind sees a
   step too far, and needs a page of its own for it. */
START_TEST(test_nothing_behind_the_page_is_read)
{
	struct sincefs_page *page = malloc(sizeof(*page));
	struct sincefs_record record = {
		.clock = 12,
		.tree = 1,
		.flags = SINCEFS_CONTENT,
	};
	const size_t room = sizeof(page->data) - sizeof(record);

	ck_assert_ptr_nonnull(page);

	/* The path ends behind it, or its NUL, or only its padding. */
	for (size_t length = room; length <= room + 8; length++) {
		*page = make_page(16);
		memset(page->data, 'p', sizeof(page->data));
		record.length = (uint16_t)length;
		memcpy(page->data, &record, sizeof(record));
		page->count = 1;
		page->bytes = sizeof(page->data);
		ck_assert_int_eq(check_page(page), -EPROTO);
		page->bytes += 8;
		ck_assert_int_eq(check_page(page), -EPROTO);
		page->bytes += 8;
		ck_assert_int_eq(check_page(page), -EPROTO);
	}

	/* A record begins in its last 8 and 16 bytes. */
	for (uint32_t left = 8; left <= 16; left += 8) {
		char path[64] = "";

		*page = make_page(1000);
		for (uint64_t clock = 12; clock < 12 + 250; clock++)
			add_record(page, clock, "x", SINCEFS_CONTENT);
		memset(path, 'p', sizeof(path) - 1);
		path[sizeof(page->data) - page->bytes - sizeof(record) - left -
		     1] = '\0';
		add_record(page, 900, path, SINCEFS_CONTENT);
		ck_assert_int_eq(check_page(page), 0);
		ck_assert_uint_eq(page->bytes, sizeof(page->data) - left);
		page->count++;
		page->bytes += left;
		ck_assert_int_eq(check_page(page), -EPROTO);
	}
	free(page);
}
END_TEST

START_TEST(test_record_of_another_tree_is_refused)
{
	struct sincefs_page page = make_good_page();
	struct sincefs_token since = at(10);

	ck_assert_int_eq(sincefs_page_check(&since, 2, &page), -EPROTO);
}
END_TEST

START_TEST(test_list_for_the_zero_token_is_refused)
{
	struct sincefs_page page = make_good_page();
	struct sincefs_page fresh =
		make_fresh_page(16, SINCEFS_REASON_NO_TOKEN);
	struct sincefs_token since = {0, 0};

	ck_assert_int_eq(sincefs_page_check(&since, 0, &page), -EPROTO);
	page.token.instance = 0;
	ck_assert_int_eq(sincefs_page_check(&since, 0, &page), -EPROTO);
	ck_assert_int_eq(sincefs_page_check(&since, 0, &fresh), 0);
}
END_TEST

/* A daemon that changes bytes of a good page at random: whatever is accepted
   must then be readable and hold (1) and (2). */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static int ask_mad_daemon(void *data, struct sincefs_page *page)
{
	struct sincefs_page *whole = data;
	unsigned char *bytes = (unsigned char *)page;
	uint64_t clock = page->token.clock;

	*page = make_page(clock + 100);
	for (uint32_t i = random_below(20); i > 0; i--)
		add_record(page, ++clock, i % 3 ? "some/name" : "x",
			   SINCEFS_CONTENT);
	page->flags = random_below(2) ? SINCEFS_MORE : 0;
	for (uint32_t i = random_below(3); i > 0; i--) {
		uint32_t end = SINCEFS_PAGE_HEADER_SIZE + page->bytes % 1024;

		bytes[random_below(end)] =
			(unsigned char)(random_below(2) ? random_below(256)
							: random_below(4));
	}
	*whole = *page;
	return 0;
}

START_TEST(test_damaged_pages_never_give_a_damaged_answer)
{
	int accepted = 0, refused = 0;

	random_state = UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < 20000; i++) {
		struct sincefs_page last;
		struct sincefs_token since = at(10);
		struct sincefs_answer *answer = UNTOUCHED;
		int result = sincefs_collect(ask_mad_daemon, &last, &since,
					     NULL, &answer);
		uint64_t clock = since.clock;

		if (result != 0) {
			ck_assert_int_eq(result, -EPROTO);
			ck_assert_ptr_eq(answer, UNTOUCHED);
			refused++;
			continue;
		}
		accepted++;
		if (sincefs_answer_is_fresh(answer))
			ck_assert_uint_eq(sincefs_answer_count(answer), 0);
		for (size_t k = 0; k < sincefs_answer_count(answer); k++) {
			struct sincefs_change change;

			ck_assert_int_eq(sincefs_answer_get(answer, k, &change),
					 0);
			ck_assert_uint_eq(strlen(change.path), change.length);
			ck_assert_uint_gt(change.clock, clock);
			ck_assert_uint_ge(change.length, 1);
			clock = change.clock;
		}
		sincefs_answer_token(answer, &since);
		if (!sincefs_answer_is_fresh(answer))
			ck_assert_uint_ge(since.clock, clock);
		sincefs_answer_free(answer);
	}
	/* Neither of the two was left out. */
	ck_assert_int_gt(accepted, 1000);
	ck_assert_int_gt(refused, 1000);
}
END_TEST

static void add_loop(TCase *tcase, const TTest *test, size_t n)
{
	tcase_add_loop_test(tcase, test, 0, (int)n);
}

static Suite *client_page_suite(void)
{
	Suite *suite = suite_create("client page");
	TCase *page = tcase_create("a page is believed when it is checked");

	tcase_add_test(page, test_good_page_is_accepted);
	tcase_add_test(page, test_page_without_records_is_accepted);
	tcase_add_test(page, test_full_page_is_accepted);
	add_loop(page, test_path_stays_below_its_tree, N_ELEMENTS(paths));
	add_loop(page, test_broken_page_is_refused, N_ELEMENTS(breaks));
	tcase_add_test(page, test_nothing_behind_the_page_is_read);
	tcase_add_test(page, test_record_of_another_tree_is_refused);
	tcase_add_test(page, test_list_for_the_zero_token_is_refused);
	tcase_add_test(page, test_damaged_pages_never_give_a_damaged_answer);
	suite_add_tcase(suite, page);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(client_page_suite());

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
