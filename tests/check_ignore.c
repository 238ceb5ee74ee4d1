/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <check.h>

#include "core/ignore.h"

#define MAX_PARTS 64

/* Is @path, of a directory if it ends with '/', ignored? */
static bool is_ignored(const Ignore *ignore, const char *path)
{
	char *copy = strdup(path);
	const char *parts[MAX_PARTS];
	size_t length = strlen(path);
	bool is_dir = length > 0 && path[length - 1] == '/';
	size_t count = 0;
	char *save;
	bool result;

	for (char *part = strtok_r(copy, "/", &save); part != NULL;
	     part = strtok_r(NULL, "/", &save))
		parts[count++] = part;
	result = ignore_match(ignore, parts, count, is_dir);
	free(copy);
	return result;
}

/* Patterns divided by blanks, and names with '+' (ignored) or '-' before. */
static const struct {
	const char *patterns;
	const char *names;
} table[] = {
	/* At any depth, and all below. */
	{"name", "+name +name/ +a/name +a/b/name/c -names -aname -a"},
	{"*.pyc", "+x.pyc +a/b/x.pyc +.pyc -x.py -x.pyc.txt +d.pyc/x"},
	{"*", "+a +a/b"},
	{"**", "+a +a/b"},
	{"a?c", "+abc -ac -abbc +x/a.c/y"},
	{"[ab]*", "+a +bee -c +c/b"},
	{"[!ab]", "+c -a -b"},
	{"[^ab]", "+c -a -b"},
	/* Anchored. */
	{"/name", "+name +name/x -a/name"},
	{"a/b", "+a/b +a/b/c -x/a/b -a -b"},
	{"/a/b", "+a/b -x/a/b"},
	{"a/*", "+a/b +a/b/c -a -x/a/b"},
	{"a/*.c", "+a/x.c -a/b/x.c -x.c"},
	{"*/b", "+a/b -b -a/a/b"},
	{"a?b", "-a/b"},
	{"a*b/c", "+aXb/c -a/b/c"},
	{"a\\/b", "+a/b -x/a/b"},
	{"a[x/]b/c", "+axb/c -a/b/c"},
	/* Directories alone. */
	{"build/", "+build/ +a/build/ -build +build/x -a/build"},
	{"/build/", "+build/ -build -a/build/ +build/a/b"},
	{"a/b/", "+a/b/ -a/b +a/b/c"},
	{"*/", "+a/ -a +a/b"},
	/* Any number of parts. */
	{"**/a", "+a +x/a +x/y/a -b +a/b"},
	{"**/a/b", "+a/b +x/a/b +x/y/a/b -b -a/x/b"},
	{"a/**", "-a -a/ +a/b +a/b/c -x/a/b"},
	{"a/**/b", "+a/b +a/x/b +a/x/y/b -a -b -x/a/b -a/x/c"},
	{"/**/a", "+a +x/a"},
	{"/**", "+a +a/b"},
	{"**/", "+a/ -a +a/b"},
	{"a/**/", "-a/ -a/b +a/b/ +a/b/c"},
	{"a/**/b/**/c", "+a/b/c +a/x/b/y/z/c +a/b/b/c -a/c/b -a/b"},
	{"**/*.o", "+x.o +a/x.o +a/b/x.o"},
	{"a/***/b", "+a/b +a/x/y/b"},
	{"**/a/**", "-a +a/b +x/a/b -x/a/"},
	/* Two stars inside of a part are one. */
	{"a/b**", "+a/b +a/bc -a/c +a/b/x"},
	{"a/**b", "+a/b +a/xb -a/x/b"},
	/* Taken back. */
	{"*.c !x.c", "+a.c -x.c -d/x.c"},
	{"!x.c *.c", "+x.c"},
	{"*.c !x.c x.c", "+x.c"},
	{"* !a !b/", "-a +c -b/ +b +b/c -b/a"},
	{"build/ !build/keep", "+build/keep"},
	{"build/* !build/keep", "-build/ -build/keep +build/x"},
	{"!a", "-a -b"},
	/* Quoted. */
	{"\\!a", "+!a -a"},
	{"\\*", "+* -a"},
	{"a\\?", "+a? -ab"},
	{"\\a", "+a"},
	{"[\\]]", "+] -a"},
	/* Not a "**" before a '/': at least one directory. */
	{"**\\/a", "-a +x/a -a/x"},
	{"/**\\/a", "-a +x/a"},
	{"/**\\/[\\]]", "-] +x/]"},
	{"a/**\\/b", "-a/b +a/x/b"},
	{"**\\/*", "-a +a/b"},
	{"a\\/**/b", "+a/b +a/x/b"},
	{"[[:digit:]]", "+1 -a"},
	/* They match nothing. */
	{"a\\", "-a -a\\"},
	{"[a", "-a -[a"},
	{"a[/b", "-a/b -a[/b"},
	{"a//b", "-a/b"},
	{"//a", "-a"},
	{"[[:nonsense:]]", "-n"},
	/* Not comments, not a line of a file. */
	{"#a", "+#a"},
	{".git", "+.git/ +.git/x +sub/.git -.gitignore"},
	{"__pycache__/", "+a/__pycache__/ +a/__pycache__/x.pyc"},
};

static Ignore *parse(const char *patterns)
{
	char **list = g_strsplit(patterns, " ", -1);
	GError *error = NULL;
	Ignore *ignore = ignore_new((const char *const *)list, &error);

	g_strfreev(list);
	if (ignore == NULL)
		ck_abort_msg("%s: %s", patterns, error->message);
	return ignore;
}

START_TEST(test_pattern_means_what_gitignore_says)
{
	Ignore *ignore = parse(table[_i].patterns);
	char **names = g_strsplit(table[_i].names, " ", -1);

	ck_assert(!ignore_is_empty(ignore));
	for (char **name = names; *name != NULL; name++)
		ck_assert_msg(is_ignored(ignore, *name + 1) == (**name == '+'),
			      "%s: %s", table[_i].patterns, *name);
	g_strfreev(names);
	ignore_free(ignore);
}
END_TEST

START_TEST(test_root_is_never_ignored)
{
	Ignore *ignore = parse("* ** /** */");

	ck_assert(!ignore_match(ignore, NULL, 0, true));
	ignore_free(ignore);
}
END_TEST

START_TEST(test_without_patterns_nothing_is_ignored)
{
	const char *const none[] = {NULL};
	Ignore *ignore = ignore_new(NULL, NULL);

	ck_assert(ignore_is_empty(NULL));
	ck_assert(!is_ignored(NULL, "a/b"));
	ck_assert(ignore_is_empty(ignore));
	ck_assert(!is_ignored(ignore, "a/b"));
	ignore_free(ignore);
	ignore = ignore_new(none, NULL);
	ck_assert(ignore_is_empty(ignore));
	ignore_free(ignore);
	ignore_free(NULL);
}
END_TEST

static const char *const meaningless[] = {"", "!", "/", "!/", "//"};

START_TEST(test_pattern_that_names_nothing_is_refused)
{
	const char *const patterns[] = {"good", meaningless[_i], NULL};
	GError *error = NULL;

	ck_assert_ptr_null(ignore_new(patterns, &error));
	ck_assert(g_error_matches(error, G_OPTION_ERROR,
				  G_OPTION_ERROR_BAD_VALUE));
	ck_assert_ptr_nonnull(strstr(error->message, meaningless[_i]));
	g_error_free(error);
}
END_TEST

/* Patterns that a matcher which tries everything never finishes. */
static const char *const slow[] = {
	"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
	"**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b",
	"a*/**/a*/**/*a*a*a*a*/**/a*a*a*a*a*a/**/*a*a*a*a*b",
};

START_TEST(test_matching_is_never_slow)
{
	Ignore *ignore = parse(slow[_i]);
	char deep[2 * 60];
	char path[60 + 200];
	struct timespec start, end;

	for (size_t i = 0; i < sizeof deep; i++)
		deep[i] = i % 2 ? '/' : 'a';
	deep[sizeof deep - 1] = '\0';
	memset(path, 'a', sizeof path);
	memcpy(path, deep, 60);
	path[sizeof path - 1] = '\0';
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	for (int i = 0; i < 20; i++) {
		ck_assert(!is_ignored(ignore, deep));
		ck_assert(!is_ignored(ignore, path));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	ck_assert_int_lt(end.tv_sec - start.tv_sec, 5);
	ignore_free(ignore);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void)
{
	Suite *suite = suite_create("ignore");
	TCase *meaning = tcase_create("meaning");
	TCase *edges = tcase_create("edges");
	TCase *time = tcase_create("time");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(meaning, test_pattern_means_what_gitignore_says, 0,
			    COUNT(table));
	suite_add_tcase(suite, meaning);
	tcase_add_test(edges, test_root_is_never_ignored);
	tcase_add_test(edges, test_without_patterns_nothing_is_ignored);
	tcase_add_loop_test(edges, test_pattern_that_names_nothing_is_refused,
			    0, COUNT(meaningless));
	suite_add_tcase(suite, edges);
	tcase_add_loop_test(time, test_matching_is_never_slow, 0, COUNT(slow));
	tcase_set_timeout(time, 60);
	suite_add_tcase(suite, time);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
