/* SPDX-License-Identifier: MIT */
/* mount/output.c: the three formats, whatever bytes a name has. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <json-glib/json-glib.h>

#include "mount/output.h"
#include "mount/report.h"

static const struct sincefs_token token = {0x123, 45};
#define TOKEN_TEXT "sincefs:1:0000000000000123:45"

static struct sincefs_change make_change(const char *path, uint16_t flags)
{
	return (struct sincefs_change){
		.clock = 7,
		.tree = 1,
		.pid = 12,
		.uid = 1000,
		.flags = flags,
		.length = (uint16_t)strlen(path),
		.path = path,
	};
}

static void ck_text(OutputFormat format, const char *path, uint16_t flags,
		    const char *root, const char *wanted, size_t length)
{
	struct sincefs_change change = make_change(path, flags);
	g_autoptr(GString) text = g_string_new(NULL);

	output_append_change(text, format, &change, root);
	ck_assert_uint_eq(text->len, length);
	ck_assert_mem_eq(text->str, wanted, length);
}

#define CK_TEXT(format, path, flags, root, wanted)                             \
	ck_text(format, path, flags, root, wanted, sizeof(wanted) - 1)

START_TEST(test_letter_is_gone_then_new_then_content_then_rest)
{
	ck_assert_int_eq(output_letter(SINCEFS_GONE | SINCEFS_NEW |
				       SINCEFS_CONTENT),
			 'D');
	ck_assert_int_eq(output_letter(SINCEFS_NEW | SINCEFS_CONTENT), 'A');
	ck_assert_int_eq(output_letter(SINCEFS_CONTENT | SINCEFS_META), 'M');
	ck_assert_int_eq(output_letter(SINCEFS_META), 'm');
	ck_assert_int_eq(output_letter(SINCEFS_TIMES | SINCEFS_DIR), 'm');
}
END_TEST

static void ck_quoted(const char *path, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	output_append_quoted(text, path, strlen(path));
	ck_assert_str_eq(text->str, wanted);
}

START_TEST(test_plain_name_is_not_quoted)
{
	ck_quoted("a b/c'd$e,f", "a b/c'd$e,f");
	ck_quoted("", "");
}
END_TEST

START_TEST(test_name_is_quoted_as_git_does)
{
	ck_quoted("a\nb", "\"a\\nb\"");
	ck_quoted("\a\b\t\n\v\f\r", "\"\\a\\b\\t\\n\\v\\f\\r\"");
	ck_quoted("a\"b\\c", "\"a\\\"b\\\\c\"");
	ck_quoted("\001\033\177", "\"\\001\\033\\177\"");
	ck_quoted("\303\244\377", "\"\\303\\244\\377\"");
}
END_TEST

START_TEST(test_text_is_letter_two_spaces_path)
{
	CK_TEXT(OUTPUT_TEXT, "a.py", SINCEFS_CONTENT, NULL, "M  a.py\n");
	CK_TEXT(OUTPUT_TEXT, "a\nb", SINCEFS_GONE, NULL, "D  \"a\\nb\"\n");
}
END_TEST

START_TEST(test_text_has_a_slash_after_directories)
{
	CK_TEXT(OUTPUT_TEXT, "new", SINCEFS_NEW | SINCEFS_DIR, NULL,
		"A  new/\n");
	CK_TEXT(OUTPUT_TEXT, "n\tw", SINCEFS_META | SINCEFS_DIR, NULL,
		"m  \"n\\tw/\"\n");
	CK_TEXT(OUTPUT_TEXT, ".", SINCEFS_META | SINCEFS_DIR, NULL, "m  ./\n");
}
END_TEST

START_TEST(test_other_trees_are_absolute)
{
	CK_TEXT(OUTPUT_TEXT, "a.py", SINCEFS_CONTENT, "/usr/lib",
		"M  /usr/lib/a.py\n");
	CK_TEXT(OUTPUT_TEXT, ".", SINCEFS_META | SINCEFS_DIR, "/usr/lib",
		"m  /usr/lib/\n");
	CK_TEXT(OUTPUT_TEXT, "a.py", SINCEFS_CONTENT, "/", "M  /a.py\n");
	CK_TEXT(OUTPUT_NUL, "a.py", SINCEFS_CONTENT, "/usr/lib",
		"/usr/lib/a.py\0");
}
END_TEST

START_TEST(test_nul_has_a_slash_only_with_subtree)
{
	CK_TEXT(OUTPUT_NUL, "d", SINCEFS_NEW | SINCEFS_DIR, NULL, "d\0");
	CK_TEXT(OUTPUT_NUL, "d", SINCEFS_DIR | SINCEFS_SUBTREE, NULL, "d/\0");
	CK_TEXT(OUTPUT_NUL, "a\n\377b", SINCEFS_CONTENT, NULL, "a\n\377b\0");
}
END_TEST

START_TEST(test_changed_subtree_of_the_root_means_all)
{
	struct sincefs_change change =
		make_change(".", SINCEFS_DIR | SINCEFS_SUBTREE);

	ck_assert(output_change_means_all(&change));
	change.flags = SINCEFS_DIR | SINCEFS_META;
	ck_assert(!output_change_means_all(&change));
	change = make_change("d", SINCEFS_DIR | SINCEFS_SUBTREE);
	ck_assert(!output_change_means_all(&change));
	change = make_change(".", SINCEFS_DIR | SINCEFS_SUBTREE);
	change.tree = 2;
	ck_assert(!output_change_means_all(&change));
}
END_TEST

static void ck_frame(OutputFormat format, bool fresh, uint32_t reason,
		     bool stream, const char *wanted, size_t length)
{
	g_autoptr(GString) text = g_string_new(NULL);

	output_append_head(text, format, &token, fresh);
	output_append_tail(text, format, &token, fresh, reason, stream);
	ck_assert_uint_eq(text->len, length);
	ck_assert_mem_eq(text->str, wanted, length);
}

#define CK_FRAME(format, fresh, reason, stream, wanted)                        \
	ck_frame(format, fresh, reason, stream, wanted, sizeof(wanted) - 1)

START_TEST(test_text_of_fresh_is_fresh_alone)
{
	CK_FRAME(OUTPUT_TEXT, true, SINCEFS_REASON_FORGOT, false, "FRESH\n");
	CK_FRAME(OUTPUT_TEXT, true, SINCEFS_REASON_FORGOT, true, "FRESH\n");
	CK_FRAME(OUTPUT_TEXT, false, 0, false, "");
}
END_TEST

START_TEST(test_nul_begins_with_the_token)
{
	CK_FRAME(OUTPUT_NUL, false, 0, false, TOKEN_TEXT "\0");
	CK_FRAME(OUTPUT_NUL, true, SINCEFS_REASON_LOST, false,
		 TOKEN_TEXT "\0/\0");
}
END_TEST

START_TEST(test_nul_stream_ends_an_answer_with_an_empty_string)
{
	CK_FRAME(OUTPUT_NUL, false, 0, true, TOKEN_TEXT "\0\0");
	CK_FRAME(OUTPUT_NUL, true, SINCEFS_REASON_LOST, true,
		 TOKEN_TEXT "\0/\0\0");
}
END_TEST

START_TEST(test_json_ends_with_the_token)
{
	CK_FRAME(OUTPUT_JSON, false, 0, false,
		 "{\"token\":\"" TOKEN_TEXT
		 "\",\"fresh\":false,\"reason\":null}\n");
	CK_FRAME(OUTPUT_JSON, true, SINCEFS_REASON_NO_TOKEN, true,
		 "{\"token\":\"" TOKEN_TEXT
		 "\",\"fresh\":true,\"reason\":\"no-token\"}\n");
}
END_TEST

START_TEST(test_every_reason_has_a_name)
{
	ck_assert_ptr_null(output_reason_name(0));
	ck_assert_str_eq(output_reason_name(SINCEFS_REASON_NO_TOKEN),
			 "no-token");
	ck_assert_str_eq(output_reason_name(SINCEFS_REASON_RESTART), "restart");
	ck_assert_str_eq(output_reason_name(SINCEFS_REASON_FORGOT), "forgot");
	ck_assert_str_eq(output_reason_name(SINCEFS_REASON_LOST), "lost");
	ck_assert_str_eq(output_reason_name(SINCEFS_REASON_FUTURE), "future");
	ck_assert_str_eq(output_reason_name(99), "unknown");
}
END_TEST

START_TEST(test_json_has_all_of_a_change)
{
	CK_TEXT(OUTPUT_JSON, "a.py", SINCEFS_CONTENT | SINCEFS_NEW, NULL,
		"{\"path\":\"a.py\",\"tree\":1,\"flags\":[\"content\","
		"\"new\"],\"clock\":7,\"pid\":12,\"uid\":1000}\n");
}
END_TEST

START_TEST(test_json_names_every_flag)
{
	struct sincefs_change change = make_change("a", 0x3ff);
	g_autoptr(GString) text = g_string_new(NULL);

	output_append_change(text, OUTPUT_JSON, &change, NULL);
	ck_assert_ptr_nonnull(strstr(text->str,
				     "[\"content\",\"meta\",\"times\",\"new\","
				     "\"gone\",\"dir\",\"subtree\",\"scanned\","
				     "\"linked\",\"mixed\"]"));
}
END_TEST

START_TEST(test_json_of_unknown_user_is_null)
{
	struct sincefs_change change = make_change("a", SINCEFS_CONTENT);
	g_autoptr(GString) text = g_string_new(NULL);

	change.uid = UINT32_MAX;
	output_append_change(text, OUTPUT_JSON, &change, NULL);
	ck_assert_ptr_nonnull(strstr(text->str, "\"uid\":null}"));
}
END_TEST

/* Every byte a name can have, alone and before and after a letter. */
START_TEST(test_json_is_valid_and_exact_for_every_byte)
{
	char path[] = {'a', (char)(_i + 1), 'b', '\0'};
	struct sincefs_change change = make_change(path, SINCEFS_CONTENT);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonObject *object;

	output_append_change(text, OUTPUT_JSON, &change, NULL);
	ck_assert(g_utf8_validate(text->str, (gssize)text->len, NULL));
	ck_assert_ptr_eq(strchr(text->str, '\n'), text->str + text->len - 1);
	/* The parser is more tolerant than RFC 8259 is. */
	for (gsize i = 0; i + 1 < text->len; i++)
		ck_assert_int_ge((unsigned char)text->str[i], 0x20);
	ck_assert(json_parser_load_from_data(parser, text->str,
					     (gssize)text->len, NULL));
	object = json_node_get_object(json_parser_get_root(parser));
	if (_i + 1 < 0x80) {
		ck_assert(!json_object_has_member(object, "path_base64"));
		ck_assert_str_eq(json_object_get_string_member(object, "path"),
				 path);
	} else {
		gsize length;
		g_autofree guchar *bytes = g_base64_decode(
			json_object_get_string_member(object, "path_base64"),
			&length);

		ck_assert_uint_eq(length, 3);
		ck_assert_mem_eq(bytes, path, 3);
	}
}
END_TEST

START_TEST(test_writing_to_a_full_device_is_an_error)
{
	g_autoptr(GString) text = g_string_new("a\n");
	FILE *full = fopen("/dev/full", "w");

	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(output_write(full, text), -ENOSPC);
	fclose(full);
}
END_TEST

START_TEST(test_writing_empties_the_text)
{
	g_autoptr(GString) text = g_string_new("a\n");
	char written[16] = "";
	FILE *memory = fmemopen(written, sizeof(written), "w");

	ck_assert_ptr_nonnull(memory);
	ck_assert_int_eq(output_write(memory, text), 0);
	ck_assert_int_eq(output_write(memory, text), 0);
	fclose(memory);
	ck_assert_str_eq(written, "a\n");
}
END_TEST

static void ck_shown(const char *path, const char *wanted)
{
	g_autofree char *shown = dup_shown_path(path);

	ck_assert_str_eq(shown, wanted);
}

START_TEST(test_path_in_a_message_is_one_readable_line)
{
	ck_shown("/a b", "'/a b'");
	ck_shown("/a\303\244", "'/a\303\244'");
	ck_shown("/a\nb", "\"/a\\nb\"");
	ck_shown("/a\033[31m", "\"/a\\033[31m\"");
	ck_shown("/a\377", "\"/a\\377\"");
}
END_TEST

START_TEST(test_reason_begins_in_lower_case)
{
	ck_assert_str_eq(reason_text(EACCES), "permission denied");
	ck_assert_str_eq(reason_text(EIO), "input/output error");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("output");
	TCase *text = tcase_create("text");
	TCase *nul = tcase_create("nul");
	TCase *json = tcase_create("json");
	TCase *writing = tcase_create("writing");
	SRunner *runner;
	int failed;

	tcase_add_test(text,
		       test_letter_is_gone_then_new_then_content_then_rest);
	tcase_add_test(text, test_plain_name_is_not_quoted);
	tcase_add_test(text, test_name_is_quoted_as_git_does);
	tcase_add_test(text, test_text_is_letter_two_spaces_path);
	tcase_add_test(text, test_text_has_a_slash_after_directories);
	tcase_add_test(text, test_other_trees_are_absolute);
	tcase_add_test(text, test_text_of_fresh_is_fresh_alone);
	suite_add_tcase(suite, text);

	tcase_add_test(nul, test_nul_has_a_slash_only_with_subtree);
	tcase_add_test(nul, test_changed_subtree_of_the_root_means_all);
	tcase_add_test(nul, test_nul_begins_with_the_token);
	tcase_add_test(nul,
		       test_nul_stream_ends_an_answer_with_an_empty_string);
	suite_add_tcase(suite, nul);

	tcase_add_test(json, test_json_ends_with_the_token);
	tcase_add_test(json, test_every_reason_has_a_name);
	tcase_add_test(json, test_json_has_all_of_a_change);
	tcase_add_test(json, test_json_names_every_flag);
	tcase_add_test(json, test_json_of_unknown_user_is_null);
	tcase_add_loop_test(json, test_json_is_valid_and_exact_for_every_byte,
			    0, 255);
	suite_add_tcase(suite, json);

	tcase_add_test(writing, test_writing_to_a_full_device_is_an_error);
	tcase_add_test(writing, test_writing_empties_the_text);
	tcase_add_test(writing, test_path_in_a_message_is_one_readable_line);
	tcase_add_test(writing, test_reason_begins_in_lower_case);
	suite_add_tcase(suite, writing);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
