/* SPDX-License-Identifier: MIT */
/* mount/command.c, and the options of mount/cover.c: what is understood. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "mount/command.h"
#include "mount/cover.h"

static const CommandSyntax syntax = {
	.name = "sincefs test",
	.operands = "A [B]",
	.summary = "Tests.",
	.min_operands = 1,
	.max_operands = 2,
};

typedef struct {
	bool parsed;
	int status;
	char **operands; /* owned */
	gboolean flag;
	char *value; /* owned */
} Parsed;

static void parse(Parsed *parsed, const char *first, ...)
{
	const GOptionEntry entries[] = {
		{"flag", '0', 0, G_OPTION_ARG_NONE, &parsed->flag, "f", NULL},
		{"value", 0, 0, G_OPTION_ARG_FILENAME, &parsed->value, "v",
		 "V"},
		{NULL},
	};
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	va_list args;

	memset(parsed, 0, sizeof(*parsed));
	parsed->status = -1;
	g_ptr_array_add(argv, (char *)"test");
	va_start(args, first);
	for (const char *word = first; word; word = va_arg(args, const char *))
		g_ptr_array_add(argv, (char *)word);
	va_end(args);
	g_ptr_array_add(argv, NULL);
	parsed->parsed = command_parse(&syntax, entries, (int)argv->len - 1,
				       (char **)argv->pdata, &parsed->operands,
				       &parsed->status);
}

static void clear(Parsed *parsed)
{
	g_strfreev(parsed->operands);
	g_free(parsed->value);
}

START_TEST(test_options_stand_before_and_after_operands)
{
	Parsed parsed;

	parse(&parsed, "-0", "x", "--value=v\377w", "y", NULL);
	ck_assert(parsed.parsed);
	ck_assert(parsed.flag);
	ck_assert_str_eq(parsed.value, "v\377w");
	ck_assert_uint_eq(g_strv_length(parsed.operands), 2);
	ck_assert_str_eq(parsed.operands[0], "x");
	ck_assert_str_eq(parsed.operands[1], "y");
	clear(&parsed);
}
END_TEST

START_TEST(test_operand_may_look_like_an_option_after_two_dashes)
{
	Parsed parsed;

	parse(&parsed, "--", "--flag", NULL);
	ck_assert(parsed.parsed);
	ck_assert(!parsed.flag);
	ck_assert_str_eq(parsed.operands[0], "--flag");
	clear(&parsed);
}
END_TEST

START_TEST(test_wrong_number_of_operands_is_a_usage_error)
{
	Parsed parsed;

	parse(&parsed, NULL);
	ck_assert(!parsed.parsed);
	ck_assert_int_eq(parsed.status, STATUS_USAGE);
	clear(&parsed);
	parse(&parsed, "a", "b", "c", NULL);
	ck_assert(!parsed.parsed);
	ck_assert_int_eq(parsed.status, STATUS_USAGE);
	clear(&parsed);
}
END_TEST

START_TEST(test_unknown_option_is_a_usage_error)
{
	Parsed parsed;

	parse(&parsed, "a", "--nonesuch", NULL);
	ck_assert(!parsed.parsed);
	ck_assert_int_eq(parsed.status, STATUS_USAGE);
	clear(&parsed);
}
END_TEST

START_TEST(test_help_needs_no_operands)
{
	Parsed parsed;

	parse(&parsed, "--help", NULL);
	ck_assert(!parsed.parsed);
	ck_assert_int_eq(parsed.status, 0);
	clear(&parsed);
}
END_TEST

static const char *check_query(QueryOptions *options, gboolean nul,
			       gboolean json, const char *const *names)
{
	memset(options, 0, sizeof(*options));
	options->nul = nul;
	options->json = json;
	options->names = g_strdupv((char **)names);
	return query_options_check(options);
}

START_TEST(test_format_is_text_nul_or_json)
{
	QueryOptions options;

	ck_assert_ptr_null(check_query(&options, FALSE, FALSE, NULL));
	ck_assert_int_eq(options.format, OUTPUT_TEXT);
	ck_assert_ptr_null(options.filter.names);
	ck_assert_ptr_null(check_query(&options, TRUE, FALSE, NULL));
	ck_assert_int_eq(options.format, OUTPUT_NUL);
	ck_assert_ptr_null(check_query(&options, FALSE, TRUE, NULL));
	ck_assert_int_eq(options.format, OUTPUT_JSON);
	ck_assert_ptr_nonnull(check_query(&options, TRUE, TRUE, NULL));
}
END_TEST

START_TEST(test_patterns_are_joined_by_nul)
{
	static const char *const names[] = {"*.py", "a", NULL};
	QueryOptions options;

	ck_assert_ptr_null(check_query(&options, FALSE, FALSE, names));
	ck_assert_uint_eq(options.filter.names_bytes, 6);
	ck_assert_mem_eq(options.filter.names, "*.py\0a\0", 7);
	query_options_clear(&options);
}
END_TEST

START_TEST(test_patterns_may_have_63_bytes)
{
	g_autofree char *fits = g_strnfill(63, 'x');
	g_autofree char *longer = g_strnfill(64, 'x');
	const char *one[] = {fits, NULL};
	const char *too_long[] = {longer, NULL};
	const char *too_many[] = {fits, "y", NULL};
	const char *empty[] = {"y", "", NULL};
	QueryOptions options;

	ck_assert_ptr_null(check_query(&options, FALSE, FALSE, one));
	ck_assert_uint_eq(options.filter.names_bytes, 63);
	query_options_clear(&options);
	ck_assert_ptr_nonnull(check_query(&options, FALSE, FALSE, too_long));
	query_options_clear(&options);
	ck_assert_ptr_nonnull(check_query(&options, FALSE, FALSE, too_many));
	query_options_clear(&options);
	ck_assert_ptr_nonnull(check_query(&options, FALSE, FALSE, empty));
	query_options_clear(&options);
}
END_TEST

START_TEST(test_empty_token_knows_nothing)
{
	struct sincefs_token token = {7, 7};

	ck_assert(command_parse_token("", &token));
	ck_assert_uint_eq(token.instance, 0);
	ck_assert_uint_eq(token.clock, 0);
	ck_assert(command_parse_token("sincefs:1:00000000000000ff:3", &token));
	ck_assert_uint_eq(token.instance, 255);
	ck_assert(!command_parse_token("yesterday", &token));
	ck_assert(!command_parse_token("sincefs:2:00000000000000ff:3", &token));
}
END_TEST

/* What fs_new() is given for -o; caller frees. */
static char *check_mount_options(const char *const *lists, bool *other_out,
				 GError **error)
{
	CoverOptions options;
	char *text = NULL;

	cover_options_init(&options);
	options.mount_options = g_strdupv((char **)lists);
	if (cover_options_check(&options, error))
		text = g_strdup(options.options ? options.options : "");
	*other_out = options.allow_other;
	cover_options_clear(&options);
	return text;
}

START_TEST(test_mount_options_are_joined)
{
	static const char *const lists[] = {"ro,,defaults,noatime", "dev",
					    NULL};
	bool other;
	g_autofree char *text = check_mount_options(lists, &other, NULL);

	ck_assert_str_eq(text, "ro,noatime,dev");
	ck_assert(!other);
}
END_TEST

START_TEST(test_allow_other_is_known_in_both_forms)
{
	static const char *const lists[] = {"allow_other", NULL};
	bool other;
	g_autofree char *text = check_mount_options(lists, &other, NULL);

	ck_assert_str_eq(text, "");
	ck_assert(other);
}
END_TEST

START_TEST(test_options_that_would_break_the_engine_are_refused)
{
	static const char *const wrong[] = {
		"subtype=x",   "fsname=x",     "max_read=4096", "auto_unmount",
		"allow_root",  "auto_cache",   "fd=3",          "rootmode=1",
		"ro,user_id=", "default_perm", " ro",           "ro noatime",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		const char *lists[] = {wrong[i], NULL};
		g_autoptr(GError) error = NULL;
		bool other;

		ck_assert_ptr_null(check_mount_options(lists, &other, &error));
		ck_assert(g_error_matches(error, G_OPTION_ERROR,
					  G_OPTION_ERROR_BAD_VALUE));
	}
}
END_TEST

static bool is_capacity(gint64 capacity)
{
	CoverOptions options;
	bool is;

	cover_options_init(&options);
	options.capacity = capacity;
	is = cover_options_check(&options, NULL);
	cover_options_clear(&options);
	return is;
}

START_TEST(test_capacity_is_at_least_one)
{
	ck_assert(is_capacity(1));
	ck_assert(is_capacity(G_MAXINT32));
	ck_assert(!is_capacity(0));
	ck_assert(!is_capacity(-1));
	ck_assert(!is_capacity((gint64)G_MAXINT32 + 1));
	ck_assert(!is_capacity(G_MININT64));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command");
	TCase *parsing = tcase_create("parsing");
	TCase *query = tcase_create("query");
	TCase *cover = tcase_create("cover");
	SRunner *runner;
	int failed;

	tcase_add_test(parsing, test_options_stand_before_and_after_operands);
	tcase_add_test(parsing,
		       test_operand_may_look_like_an_option_after_two_dashes);
	tcase_add_test(parsing, test_wrong_number_of_operands_is_a_usage_error);
	tcase_add_test(parsing, test_unknown_option_is_a_usage_error);
	tcase_add_test(parsing, test_help_needs_no_operands);
	suite_add_tcase(suite, parsing);

	tcase_add_test(query, test_format_is_text_nul_or_json);
	tcase_add_test(query, test_patterns_are_joined_by_nul);
	tcase_add_test(query, test_patterns_may_have_63_bytes);
	tcase_add_test(query, test_empty_token_knows_nothing);
	suite_add_tcase(suite, query);

	tcase_add_test(cover, test_mount_options_are_joined);
	tcase_add_test(cover, test_allow_other_is_known_in_both_forms);
	tcase_add_test(cover,
		       test_options_that_would_break_the_engine_are_refused);
	tcase_add_test(cover, test_capacity_is_at_least_one);
	suite_add_tcase(suite, cover);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
