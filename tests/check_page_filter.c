/* SPDX-License-Identifier: MIT */
/* What a page leaves out and what it must not; and paths that are too long. */
#include <stdlib.h>
#include <string.h>

#include "tests/page-fixture.h"

static const struct {
	uint32_t mask;
	uint16_t flags;
	bool is_told;
} masks[] = {
	{0, C, true},
	{0, TIMES, true},
	{C, C, true},
	{C, META, false},
	{C, TIMES, false},
	{META, C, false},
	{META, META | C, true},
	{TIMES, TIMES, true},
	{C | META, TIMES, false},
	{C | META | TIMES, TIMES, true},
	/* Never hidden. */
	{META, C | GONE, true},
	{META, C | SUB | DIR, true},
	{META, C | LINKED, true},
	/* Not a reason to show it. */
	{META, C | NEW, false},
	{META, C | DIR, false},
	{META, C | SCANNED, false},
};

START_TEST(test_mask_shows_what_was_wanted_and_what_it_must_not_hide)
{
	stamp(&f, "a", masks[_i].flags);
	question.mask = masks[_i].mask;
	ck_assert_str_eq(ask_paths(), masks[_i].is_told ? "a " : "");
	/* The token passes it all the same. */
	ck_assert_uint_eq(answer.token.clock, dirty_set_peek_clock(f.set));
}
END_TEST

#define NAMES(text) text, sizeof text - 1
static const struct {
	const char *names;
	size_t length;
	const char *paths;
} names[] = {
	{NAMES(""), "a.py d/b.py c.txt d . moved linked x.py "},
	{NAMES("*.py"), "a.py d/b.py moved linked x.py "},
	{NAMES("*.txt\0b*"), "d/b.py c.txt moved linked "},
	{NAMES("d/b.py"), "moved linked "}, /* one part, not the path */
	{NAMES("?"), "d . moved linked "},
	{NAMES("."), ". moved linked "},
	{NAMES("none\0\0*"), "moved linked "}, /* ends at the empty one */
	{NAMES("a\\.p[x-z]"), "a.py moved linked "},
	/* Up to the last byte there is. */
	{NAMES("a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0"
	       "a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0d"),
	 "d moved linked "},
	{NAMES("12345678901234567890123456789012345678901234567890123456789012"
	       "3"),
	 "moved linked "},
};

START_TEST(test_names_are_patterns_on_the_last_part)
{
	stamp(&f, "a.py", C);
	stamp(&f, "d/b.py", C | GONE);
	stamp(&f, "c.txt", C);
	stamp(&f, "d", C | DIR);
	stamp(&f, ".", META | DIR);
	stamp(&f, "moved", C | DIR | SUB);
	stamp(&f, "linked", C | LINKED);
	stamp(&f, "2:x.py", C);
	set_names(names[_i].names, names[_i].length);
	ck_assert_str_eq(ask_paths(), names[_i].paths);
}
END_TEST

START_TEST(test_one_tree_can_be_asked_about)
{
	stamp(&f, "a", C);
	stamp(&f, "2:b", C);
	stamp(&f, "2:.", META);
	question.tree = 1;
	ck_assert_str_eq(ask_paths(), "a ");
	question.tree = 2;
	ck_assert_str_eq(ask_paths(), "b . ");
	question.tree = SINCEFS_TREE_ALL;
	ck_assert_str_eq(ask_paths(), "a b . ");
}
END_TEST

START_TEST(test_many_stars_do_not_hold_the_lock)
{
	char name[250];

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (int i = 0; i < 4000; i++) {
		memcpy(name, "aaaa", 4);
		name[i % 4] = (char)('a' + i % 26);
		name[4 + i % 200] = (char)('a' + i / 200);
		stamp(&f, name, C);
	}
	set_names(NAMES("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*0"));
	ck_assert_str_eq(ask_paths(), ""); /* or never */
}
END_TEST

START_TEST(test_longest_path_fills_a_page_by_itself)
{
	char *text = long_path(LONGEST, 200);

	stamp(&f, "before", C);
	stamp(&f, text, C | NEW);
	stamp(&f, "after", C);
	ck_assert_str_eq(ask_paths(), "before ");
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	question.token = answer.token;
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text);
	ck_assert_uint_eq(record(0)->flags, C | NEW);
	ck_assert_uint_eq(answer.bytes, SINCEFS_PAGE_DATA_SIZE);
	ck_assert_uint_eq(answer.flags, SINCEFS_MORE);
	question.token = answer.token;
	ck_assert_str_eq(ask_paths(), "after ");
	free(text);
}
END_TEST

START_TEST(test_path_that_is_too_long_is_told_by_what_is_above)
{
	size_t length = LONGEST + 1 + (size_t)_i * 1000;
	char *text = long_path(length, 100);
	char *end = text + LONGEST + 1;

	stamp(&f, text, META | GONE);
	/* The nearest directory above that fits. */
	do
		*end-- = '\0';
	while (*end != '/');
	*end = '\0';
	if (strlen(text) > LONGEST)
		*strrchr(text, '/') = '\0';
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text);
	ck_assert_uint_eq(record(0)->flags, META | C | DIR | SUB);
	ck_assert_uint_eq(record(0)->clock, dirty_set_peek_clock(f.set));
	/* Its filters are those of the name that changed. */
	set_names("y*", 2);
	question.mask = TIMES;
	stamp(&f, "y", META);
	ck_assert_uint_eq(strlen(ask_paths()), 0);
	free(text);
}
END_TEST

START_TEST(test_one_component_too_long_for_any_page_is_told_as_the_root)
{
	char *text = long_path(20000, 30000);

	stamp(&f, text, C | NEW);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB);
	free(text);
}
END_TEST

/* BELOW */
static const char *const parts[] = {"a", "b", "c", NULL};

static void ask_below(size_t depth)
{
	question.flags = SINCEFS_BELOW;
	place.count = depth;
	place.parts = parts;
}

START_TEST(test_below_tells_what_is_below_relative_to_it)
{
	stamp(&f, "x", C);
	stamp(&f, "a", META | DIR);
	stamp(&f, "a/b/c", C | DIR | GONE);
	stamp(&f, "a/b/d/e", C | NEW);
	stamp(&f, "a/bb", C);
	stamp(&f, "2:a/b/f", C);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "c d/e ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | GONE);
	ck_assert_uint_eq(record(1)->flags, C | NEW);
	ask_below(1);
	ck_assert_str_eq(ask_paths(), ". b/c b/d/e bb ");
	ask_below(0);
	ck_assert_str_eq(ask_paths(), "x a a/b/c a/b/d/e a/bb ");
	place.tree = 2;
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "f ");
	question.tree = 1;
	ck_assert_str_eq(ask_paths(), "");
}
END_TEST

START_TEST(test_place_itself_is_a_dot_with_its_own_flags)
{
	stamp(&f, "a/b", C | GONE | DIR);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | GONE | DIR);
	set_names("b", 1);
	ck_assert_str_eq(ask_paths(), "");
	set_names(".", 1);
	ck_assert_str_eq(ask_paths(), ". ");
}
END_TEST

START_TEST(test_rename_above_the_place_is_a_change_of_all_of_it)
{
	stamp(&f, "a", C | GONE | DIR | SUB);
	ask_below(3); /* of which only the first part is known */
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB);
	ck_assert_uint_eq(record(0)->tree, 1);
	stamp(&f, "a/b/c/d", C);
	ck_assert_str_eq(ask_paths(), ". d ");
	/* No filter hides it. */
	set_names("none", 4);
	question.mask = META;
	ck_assert_str_eq(ask_paths(), ". ");
}
END_TEST

START_TEST(test_renames_elsewhere_and_changes_above_are_none_of_its_business)
{
	stamp(&f, "a", META | DIR);
	stamp(&f, "a/x", C | DIR | SUB);
	stamp(&f, "y", C | DIR | SUB);
	stamp(&f, "2:a", C | DIR | SUB);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), "");
	ck_assert_uint_eq(answer.token.clock, dirty_set_peek_clock(f.set));
}
END_TEST

START_TEST(test_file_with_other_links_may_have_one_below)
{
	stamp(&f, "x", C | LINKED | GONE);
	stamp(&f, "2:x", C | LINKED);
	ask_below(2);
	ck_assert_str_eq(ask_paths(), ". ");
	ck_assert_uint_eq(record(0)->flags, C | DIR | SUB | LINKED);
}
END_TEST

START_TEST(test_place_that_nobody_changed_is_known_by_nobody)
{
	stamp(&f, "x", C);
	ask_below(3);
	ck_assert_str_eq(ask_paths(), "");
	dirty_set_lock(f.set);
	ck_assert_uint_eq(name_tree_get_count(dirty_set_get_names(f.set)), 3);
	dirty_set_unlock(f.set);
}
END_TEST

START_TEST(test_path_too_long_for_a_page_may_fit_from_the_place)
{
	char *text = long_path(LONGEST + 10, 100);
	char first[101];
	const char *const below[] = {first};

	memcpy(first, text, 100);
	first[100] = '\0';
	stamp(&f, text, C | NEW);
	question.flags = SINCEFS_BELOW;
	place.count = 1;
	place.parts = below;
	ck_assert_int_eq(ask(), 0);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(path(0), text + 101);
	ck_assert_uint_eq(record(0)->flags, C | NEW);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page: filters");
	TCase *tc;

	tc = add_case(suite, "filters");
	tcase_add_loop_test(
		tc, test_mask_shows_what_was_wanted_and_what_it_must_not_hide,
		0, COUNT(masks));
	tcase_add_loop_test(tc, test_names_are_patterns_on_the_last_part, 0,
			    COUNT(names));
	tcase_add_test(tc, test_one_tree_can_be_asked_about);
	tcase_add_test(tc, test_many_stars_do_not_hold_the_lock);

	tc = add_case(suite, "long paths");
	tcase_add_test(tc, test_longest_path_fills_a_page_by_itself);
	tcase_add_loop_test(
		tc, test_path_that_is_too_long_is_told_by_what_is_above, 0, 3);
	tcase_add_test(
		tc,
		test_one_component_too_long_for_any_page_is_told_as_the_root);

	tc = add_case(suite, "below a directory");
	tcase_add_test(tc, test_below_tells_what_is_below_relative_to_it);
	tcase_add_test(tc, test_place_itself_is_a_dot_with_its_own_flags);
	tcase_add_test(tc,
		       test_rename_above_the_place_is_a_change_of_all_of_it);
	tcase_add_test(
		tc,
		test_renames_elsewhere_and_changes_above_are_none_of_its_business);
	tcase_add_test(tc, test_file_with_other_links_may_have_one_below);
	tcase_add_test(tc, test_place_that_nobody_changed_is_known_by_nobody);
	tcase_add_test(tc,
		       test_path_too_long_for_a_page_may_fit_from_the_place);

	return run_suite(suite);
}
