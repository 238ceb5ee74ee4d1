/* SPDX-License-Identifier: MIT */
#include <fnmatch.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <check.h>

#include "core/wildcard.h"

static bool match_bytes(const char *pattern, const char *text, size_t length,
			unsigned flags)
{
	size_t n = strlen(pattern);
	WildcardToken *tokens = calloc(n + 1, sizeof *tokens);
	size_t count = wildcard_compile(pattern, n, flags, tokens);
	bool is_match = wildcard_match(tokens, count, text, length);

	if (count > n)
		ck_abort_msg("%zu tokens for '%s'", count, pattern);
	free(tokens);
	return is_match;
}

static bool match(const char *pattern, const char *text)
{
	return match_bytes(pattern, text, strlen(text), WILDCARD_OPEN_BRACKET);
}

static const struct {
	const char *pattern;
	const char *text;
	bool is_match;
} table[] = {
	{"", "", true},
	{"", "a", false},
	{"a", "", false},
	{"a", "a", true},
	{"a", "ab", false},
	{"*", "", true},
	{"*", "anything", true},
	{"*", ".hidden", true},
	{"**", "x", true},
	{"*.py", "a.py", true},
	{"*.py", ".py", true},
	{"*.py", "a.pyc", false},
	{"*.py*", "a.pyc", true},
	{"a*b*c", "aXbXbXc", true},
	{"a*b*c", "aXbXbX", false},
	{"?", "a", true},
	{"?", "", false},
	{"?", "ab", false},
	{"??", "\xc3\xa9", true}, /* bytes, not characters */
	{"[abc]", "b", true},
	{"[abc]", "d", false},
	{"[a-c]x", "bx", true},
	{"[!a-c]", "b", false},
	{"[!a-c]", "d", true},
	{"[^a-c]", "d", true},
	{"[]a]", "]", true},
	{"[]a]", "a", true},
	{"[!]a]", "]", false},
	{"[!]a]", "b", true},
	{"[a-]", "-", true},
	{"[-a]", "-", true},
	{"[c-a]", "b", false},
	{"[a\\]b]", "]", true},
	{"[\\a-c]", "b", true},
	{"[[:digit:]]", "7", true},
	{"[[:digit:]]", "x", false},
	{"[![:digit:]]", "x", true},
	{"[x[:digit:]y]", "y", true},
	{"[[:upper:][:punct:]]", "!", true},
	{"[[:space:]]", "\n", true},
	{"[[=a=]]", "a", true},
	{"[[.-.]]", "-", true},
	{"[\x80-\xff]", "\xe9", true},
	{"\\*", "*", true},
	{"\\*", "a", false},
	{"\\a", "a", true},
	{"\\[a]", "[a]", true},
	{"a\\", "a", false},
	{"a\\", "a\\", false},
	{"[[:nonsense:]]", "n", false},
	{"*[[:nonsense:]]", "n", false},
	/* Without a ']' it is no set. */
	{"[", "[", true},
	{"[a", "[a", true},
	{"[a", "a", false},
	{"[!", "[!", true},
	{"[]", "[]", true},
	{"x[*", "x[abc", true},
};

START_TEST(test_pattern_means_what_fnmatch_says)
{
	ck_assert_msg(match(table[_i].pattern, table[_i].text) ==
			      table[_i].is_match,
		      "'%s' and '%s'", table[_i].pattern, table[_i].text);
	/* The table itself is held against the C library. */
	ck_assert_msg((fnmatch(table[_i].pattern, table[_i].text, 0) == 0) ==
			      table[_i].is_match,
		      "'%s' and '%s' here", table[_i].pattern, table[_i].text);
}
END_TEST

START_TEST(test_random_patterns_mean_what_fnmatch_says)
{
	static const char *const parts[] = {
		"a",      "b",      "c",     "-",           "*",
		"?",      "**",     "[ab]",  "[!a]",        "[^a-b]",
		"[]-a]",  "[a-c-]", "\\*",   "\\\\",        "\\a",
		"]",      "!",      "[--c]", "[[:alpha:]]", "[![:alpha:]b]",
		"[a\\]]", ".",
	};
	static const char letters[] = "abc-]!\\*?[.";
	int n_matches = 0;

	srandom(1);
	for (int i = 0; i < 300000; i++) {
		char pattern[128] = "";
		char text[12] = "";
		bool is_match;

		for (long n = random() % 6, end = 0; n > 0; n--)
			end += snprintf(pattern + end,
					sizeof pattern - (size_t)end, "%s",
					parts[(size_t)random() %
					      (sizeof parts / sizeof *parts)]);
		for (long n = random() % 6, j = 0; j < n; j++)
			text[j] = letters[(size_t)random() %
					  (sizeof letters - 1)];
		is_match = match(pattern, text);
		n_matches += is_match;
		if (is_match != (fnmatch(pattern, text, 0) == 0))
			ck_abort_msg("'%s' and '%s': %d here", pattern, text,
				     is_match);
	}
	ck_assert_int_gt(n_matches, 10000);
}
END_TEST

START_TEST(test_open_bracket_matches_nothing_if_so_wished)
{
	ck_assert(!match_bytes("[a", "[a", 2, 0));
	ck_assert(!match_bytes("*[", "[", 1, 0));
	ck_assert(match_bytes("[a]", "a", 1, 0));
}
END_TEST

START_TEST(test_bracket_is_as_long_as_up_to_its_end)
{
	ck_assert_uint_eq(wildcard_bracket_length("[a/b]c", 6), 5);
	ck_assert_uint_eq(wildcard_bracket_length("[]]", 3), 3);
	ck_assert_uint_eq(wildcard_bracket_length("[!]]", 4), 4);
	ck_assert_uint_eq(wildcard_bracket_length("[[:alpha:]]", 11), 11);
	ck_assert_uint_eq(wildcard_bracket_length("[[:oops:]]", 10), 10);
	ck_assert_uint_eq(wildcard_bracket_length("[\\]]", 4), 4);
	ck_assert_uint_eq(wildcard_bracket_length("[a", 2), 0);
	ck_assert_uint_eq(wildcard_bracket_length("[", 1), 0);
	ck_assert_uint_eq(wildcard_bracket_length("[a-", 3), 0);
	ck_assert_uint_eq(wildcard_bracket_length("[a\\", 3), 0);
}
END_TEST

START_TEST(test_text_and_pattern_need_no_end)
{
	WildcardToken tokens[3];
	size_t count = wildcard_compile("a?cXXX", 3, 0, tokens);

	ck_assert(wildcard_match(tokens, count, "abcYYY", 3));
	ck_assert(!wildcard_match(tokens, count, "abcYYY", 4));
}
END_TEST

/* What takes a matcher that tries everything longer than the universe. */
START_TEST(test_many_stars_cost_no_more_than_the_product_of_lengths)
{
	char pattern[64];
	char text[256];
	struct timespec start, end;

	for (size_t i = 0; i + 1 < sizeof pattern; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[61] = 'b';
	pattern[62] = '\0';
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	for (int i = 0; i < 100; i++)
		ck_assert(!match(pattern, text));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	ck_assert_int_lt(end.tv_sec - start.tv_sec, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wildcard");
	TCase *meaning = tcase_create("meaning");
	TCase *bounds = tcase_create("bounds");
	SRunner *runner;
	int failed;

	/* fnmatch(3) in the C locale is what it is compared with. */
	setlocale(LC_ALL, "C");
	tcase_add_loop_test(meaning, test_pattern_means_what_fnmatch_says, 0,
			    sizeof table / sizeof *table);
	tcase_add_test(meaning, test_random_patterns_mean_what_fnmatch_says);
	tcase_add_test(meaning, test_open_bracket_matches_nothing_if_so_wished);
	tcase_add_test(meaning, test_bracket_is_as_long_as_up_to_its_end);
	tcase_set_timeout(meaning, 60);
	suite_add_tcase(suite, meaning);
	tcase_add_test(bounds, test_text_and_pattern_need_no_end);
	tcase_add_test(
		bounds,
		test_many_stars_cost_no_more_than_the_product_of_lengths);
	tcase_set_timeout(bounds, 60);
	suite_add_tcase(suite, bounds);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
