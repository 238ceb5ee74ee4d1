/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <check.h>

#include "core/question-log.h"

START_TEST(test_even_token_is_its_own_question)
{
	QuestionLog log = {0};

	ck_assert_uint_eq(question_log_find(&log, 0), 0);
	ck_assert_uint_eq(question_log_find(&log, 8), 8);
}
END_TEST

START_TEST(test_page_token_leads_to_its_question)
{
	QuestionLog log = {0};

	question_log_note(&log, 11, 4);
	question_log_note(&log, 21, 6);
	ck_assert_uint_eq(question_log_find(&log, 11), 4);
	ck_assert_uint_eq(question_log_find(&log, 21), 6);
}
END_TEST

START_TEST(test_page_token_that_was_never_noted_is_unknown)
{
	QuestionLog log = {0};

	question_log_note(&log, 11, 4);
	ck_assert_uint_eq(question_log_find(&log, 13), 13);
}
END_TEST

START_TEST(test_page_token_of_two_questions_belongs_to_none)
{
	QuestionLog log = {0};

	question_log_note(&log, 11, 4);
	question_log_note(&log, 11, 4);
	ck_assert_uint_eq(question_log_find(&log, 11), 4);
	question_log_note(&log, 11, 6);
	ck_assert_uint_eq(question_log_find(&log, 11), 11);
	question_log_note(&log, 11, 4);
	ck_assert_uint_eq(question_log_find(&log, 11), 11);
}
END_TEST

START_TEST(test_lowest_token_makes_room)
{
	QuestionLog log = {0};

	for (uint64_t i = 0; i < QUESTION_LOG_SIZE + 2; i++)
		question_log_note(&log, 101 + 2 * i, 4);
	ck_assert_uint_eq(question_log_find(&log, 101), 101);
	ck_assert_uint_eq(question_log_find(&log, 103), 103);
	for (uint64_t i = 2; i < QUESTION_LOG_SIZE + 2; i++)
		ck_assert_uint_eq(question_log_find(&log, 101 + 2 * i), 4);
}
END_TEST

START_TEST(test_token_that_made_room_does_not_come_back_with_another_question)
{
	QuestionLog log = {0};

	for (uint64_t i = 0; i < QUESTION_LOG_SIZE + 1; i++)
		question_log_note(&log, 101 + 2 * i, 4);
	question_log_note(&log, 101, 6); /* was 4 once */
	ck_assert_uint_eq(question_log_find(&log, 101), 101);
	/* Never noted, but lower than all: it may be noted once, and is not. */
	question_log_note(&log, 55, 6);
	ck_assert_uint_eq(question_log_find(&log, 55), 55);
	ck_assert_uint_eq(question_log_find(&log, 103), 4);
}
END_TEST

/* Any sequence: what is found is the one question that was ever noted. */
START_TEST(test_no_token_is_ever_given_a_question_that_is_not_its_only_one)
{
	enum { TOKENS = 200, STEPS = 50000 };
	QuestionLog log = {0};
	uint64_t first[TOKENS] = {0};
	int is_ambiguous[TOKENS] = {0};
	int n_known = 0;

	srandom(5);
	for (int i = 0; i < STEPS; i++) {
		size_t token = (size_t)random() % TOKENS;
		/* Mostly one question, sometimes another. */
		uint64_t question = 2 + 2 * (random() % 500 == 0);
		uint64_t found;

		question_log_note(&log, 2 * token + 101, question);
		if (first[token] == 0)
			first[token] = question;
		else if (first[token] != question)
			is_ambiguous[token] = 1;

		token = (size_t)random() % TOKENS;
		found = question_log_find(&log, 2 * token + 101);
		if (found == 2 * token + 101)
			continue;
		n_known++;
		if (is_ambiguous[token] || found != first[token])
			ck_abort_msg("token %zu: %d", token, (int)found);
	}
	ck_assert_int_gt(n_known, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("question-log");
	TCase *known = tcase_create("known");
	TCase *doubt = tcase_create("in doubt");
	SRunner *runner;
	int failed;

	tcase_add_test(known, test_even_token_is_its_own_question);
	tcase_add_test(known, test_page_token_leads_to_its_question);
	tcase_add_test(known, test_lowest_token_makes_room);
	suite_add_tcase(suite, known);
	tcase_add_test(doubt, test_page_token_that_was_never_noted_is_unknown);
	tcase_add_test(doubt, test_page_token_of_two_questions_belongs_to_none);
	tcase_add_test(
		doubt,
		test_token_that_made_room_does_not_come_back_with_another_question);
	tcase_add_test(
		doubt,
		test_no_token_is_ever_given_a_question_that_is_not_its_only_one);
	suite_add_tcase(suite, doubt);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
