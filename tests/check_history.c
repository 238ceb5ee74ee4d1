/* SPDX-License-Identifier: MIT */
/*
 * The numbers are those of the essay in core/history.c.
 *
 * A case is one line: what happened to a name, in letters, with a '|' wherever
 * a token was handed out, and behind it what the name's flags are as seen from
 * each of these tokens ('-': nothing after it).
 *
 *   C create (NEW)        W write             M chmod       T touch
 *   U unlink (GONE)       D mkdir (NEW, DIR)  R rmdir (GONE, DIR)
 *   X create and unlink in one
 *   S a directory above is renamed
 *   L write, other links  N found by a scan
 *
 * Each line is played with a clock for every change, and with one clock for all
 * changes between two tokens, as coalescing does: the answers are the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/history.h"

#define MAX_TOKENS 12
#define FIRST_CLOCK 2

typedef struct {
	const char *changes;
	const char *flags[MAX_TOKENS];
} Line;

static const struct {
	char letter;
	uint16_t flags;
} letters[] = {
	{'C', SINCEFS_CONTENT | SINCEFS_NEW},
	{'W', SINCEFS_CONTENT},
	{'M', SINCEFS_META},
	{'T', SINCEFS_TIMES},
	{'U', SINCEFS_CONTENT | SINCEFS_GONE},
	{'D', SINCEFS_CONTENT | SINCEFS_NEW | SINCEFS_DIR},
	{'R', SINCEFS_CONTENT | SINCEFS_GONE | SINCEFS_DIR},
	{'X', SINCEFS_CONTENT | SINCEFS_NEW | SINCEFS_GONE},
	{'L', SINCEFS_CONTENT | SINCEFS_LINKED},
	{'N', SINCEFS_CONTENT | SINCEFS_SCANNED},
};

static uint16_t flags_of(char letter)
{
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (letters[i].letter == letter)
			return letters[i].flags;
	ck_abort_msg("no such letter: %c", letter);
}

/* In the order of the bits, one letter each. */
static const char *spell(uint16_t flags, char text[12])
{
	static const char names[] = "cmtngdsxlp";
	char *end = text;

	for (int i = 0; names[i] != '\0'; i++)
		if (flags & 1u << i)
			*end++ = names[i];
	*end = '\0';
	return text;
}

/* A name and its tokens, as a line is played. */
typedef struct {
	History history;
	uint64_t clock;
	uint64_t last; /* the clock of the last change, 0: none */
	uint64_t silent;
	uint64_t tokens[MAX_TOKENS];
	size_t n_tokens;
	bool is_coalescing;
} Play;

static void change(Play *play, uint16_t flags)
{
	uint64_t told = play->n_tokens > 0 ? play->tokens[play->n_tokens - 1]
					   : FIRST_CLOCK;
	HistoryChange next = {
		.clock = play->last,
		.previous = play->last,
		.silent = play->silent,
		.flags = flags,
		.by = {1, 100},
	};
	HistoryBrief brief;
	uint16_t bits;

	if (!play->is_coalescing || play->last <= told)
		next.clock = play->clock += 2;
	if (play->last == 0)
		history_begin(&play->history, &next);
	else
		history_add(&play->history, &next);
	play->last = next.clock;

	/* Whatever can be packed comes back the same. */
	if (history_pack(&play->history, next.clock, &brief, &bits)) {
		History again;

		history_unpack(&again, next.clock, &brief, bits);
		ck_assert_uint_eq(again.known_from, play->history.known_from);
		ck_assert_uint_eq(again.by.pid, play->history.by.pid);
		if (memcmp(again.last, play->history.last, sizeof again.last) !=
			    0 ||
		    again.other != play->history.other ||
		    again.known_from != play->history.known_from ||
		    again.there_from != play->history.there_from ||
		    again.there_to != play->history.there_to ||
		    again.since != play->history.since ||
		    again.by.pid != play->history.by.pid ||
		    again.by.uid != play->history.by.uid ||
		    again.is_gone != play->history.is_gone ||
		    again.is_dir != play->history.is_dir)
			ck_abort_msg("it was not packed as it was");
		if (history_packed_subtree(next.clock, bits) !=
		    play->history.last[HISTORY_SUBTREE])
			ck_abort_msg("SUBTREE was not packed as it was");
		play->history = again;
	}
}

static void play_line(const char *changes, bool is_coalescing, Play *play)
{
	*play = (Play){
		.clock = FIRST_CLOCK,
		.silent = FIRST_CLOCK,
		.is_coalescing = is_coalescing,
	};
	for (const char *c = changes; *c != '\0'; c++) {
		if (*c == '|') {
			if (play->n_tokens == MAX_TOKENS)
				ck_abort_msg("too many tokens");
			play->tokens[play->n_tokens++] = play->clock;
		} else if (*c == 'S') {
			play->silent = play->clock += 2;
		} else {
			change(play, flags_of(*c));
		}
	}
}

static void check_line(const Line *line)
{
	for (int is_coalescing = 0; is_coalescing <= 1; is_coalescing++) {
		Play play;

		play_line(line->changes, is_coalescing, &play);
		for (size_t i = 0; i < play.n_tokens; i++) {
			char text[12] = "-";

			if (play.last > play.tokens[i])
				spell(history_get_flags(&play.history,
							play.tokens[i]),
				      text);
			ck_assert_msg(strcmp(text, line->flags[i]) == 0,
				      "%s, token %zu%s: %s, not %s",
				      line->changes, i,
				      is_coalescing ? ", coalesced" : "", text,
				      line->flags[i]);
		}
	}
}

/* (1) */
static const Line kinds[] = {
	{"|W|", {"c", "-"}},
	{"|M|", {"m", "-"}},
	{"|T|", {"t", "-"}},
	{"|L|", {"cl", "-"}},
	{"|N|", {"cx", "-"}},
	{"|WMT|", {"cmt", "-"}},
	{"|W|M|T|", {"cmt", "mt", "t", "-"}},
	{"|W|M|W|", {"cm", "cm", "c", "-"}},
	{"|N|W|L|M|", {"cmxl", "cml", "cml", "m", "-"}},
	{"|D|", {"cnd", "-"}},
	/* It was a directory at a change after the token, or is not any more.
	 */
	{"|D|R|", {"cngd", "cgd", "-"}},
	{"|D|R|C|", {"cnd", "cd", "cn", "-"}},
	{"|D|R|C|W|", {"cnd", "cd", "cn", "c", "-"}},
};

START_TEST(test_kind_is_told_iff_it_happened_after_the_token)
{
	check_line(&kinds[_i]);
}
END_TEST

/* (2), (3): what is known of a name's existence. */
static const Line existence[] = {
	/* It did not exist. */
	{"|C|", {"cn", "-"}},
	{"|CW|", {"cn", "-"}},
	{"|C|W|", {"cn", "c", "-"}},
	{"|X|", {"cng", "-"}},
	{"|CU|", {"cng", "-"}},
	{"|C|U|", {"cng", "cg", "-"}},
	{"|C|U|C|", {"cn", "c", "cn", "-"}},
	{"|C|UC|", {"cn", "c", "-"}},
	{"|CUC|", {"cn", "-"}},
	{"|CUCU|", {"cng", "-"}},
	{"|CU|C|", {"cn", "cn", "-"}},
	{"|X|C|", {"cn", "cn", "-"}},
	{"|X|X|", {"cng", "cng", "-"}},
	{"|X|C|U|", {"cng", "cng", "cg", "-"}},
	/* It existed. */
	{"|W|U|", {"cg", "cg", "-"}},
	{"|U|", {"cg", "-"}},
	{"|U|C|", {"c", "cn", "-"}},
	{"|UC|", {"c", "-"}},
	{"|UC|U|", {"cg", "cg", "-"}},
	{"|UCU|", {"cg", "-"}},
	{"|UCU|C|", {"c", "cn", "-"}},
	{"|U|C|W|", {"c", "cn", "c", "-"}},
	{"|U|X|", {"cg", "cng", "-"}},
	/* An editor that saves by unlink and create, again and again. */
	{"|UC|UC|UC|", {"c", "c", "c", "-"}},
	/* It came, went and came: in the middle it is in doubt once it went
	   again, since one interval covers both times. */
	{"|C|U|C|U|", {"cng", "cg", "cg", "cg", "-"}},
	{"|C|U|C|U|C|", {"cn", "c", "c", "c", "cn", "-"}},
	{"|U|C|U|", {"cg", "cg", "cg", "-"}},
	/* Within one clock only what was before counts. */
	{"|C|UCUC|", {"cn", "c", "-"}},
};

START_TEST(test_new_is_told_iff_the_name_was_absent_at_the_token)
{
	check_line(&existence[_i]);
}
END_TEST

/* (5): renames above that brought or took the name. */
static const Line silent[] = {
	/* Was there with the directory that went, and came by itself. */
	{"|S|C|", {"c", "cn", "-"}},
	{"|SC|", {"c", "-"}},
	{"|C|S|C|", {"cn", "c", "cn", "-"}},
	{"|C|SC|", {"cn", "c", "-"}},
	{"|C|W|S|C|", {"cn", "c", "c", "cn", "-"}},
	{"|W|S|C|", {"c", "c", "cn", "-"}},
	/* Gone, then perhaps back with one directory and away with another. */
	{"|U|S|S|C|", {"c", "c", "c", "cn", "-"}},
	{"|C|U|S|C|", {"cn", "c", "c", "cn", "-"}},
	/* Back with a directory, and then changed or removed. */
	{"|U|S|W|", {"c", "c", "c", "-"}},
	{"|U|S|M|", {"cm", "m", "m", "-"}},
	{"|U|S|U|", {"cg", "cg", "cg", "-"}},
	{"|C|U|S|W|", {"cn", "c", "c", "c", "-"}},
	{"|C|U|S|U|", {"cng", "cg", "cg", "cg", "-"}},
	/* Created while it was thought to be there, and removed at once. */
	{"|W|S|X|", {"cg", "cg", "cng", "-"}},
	/* The same without any rename: somebody bypassed us. When, is not
	   known, so no token in between is sure. */
	{"|W|C|", {"c", "c", "-"}},
	{"|C|C|", {"cn", "c", "-"}},
	{"|C|W|C|", {"cn", "c", "c", "-"}},
	{"|U|W|", {"c", "c", "-"}},
	{"|U|U|", {"cg", "cg", "-"}},
};

START_TEST(test_rename_above_leaves_new_clear_where_it_is_not_certain)
{
	check_line(&silent[_i]);
}
END_TEST

/* (4): before the first stamp of a new name the floor was raised, or a
   directory above it was renamed. */
START_TEST(test_nothing_is_claimed_of_tokens_before_the_name_was_known)
{
	HistoryChange first = {
		.clock = 30,
		.silent = 20,
		.flags = SINCEFS_CONTENT | SINCEFS_NEW,
		.by = {1, 100},
	};
	HistoryChange second = {
		.clock = 40,
		.previous = 30,
		.silent = 20,
		.flags = SINCEFS_CONTENT | SINCEFS_GONE,
		.by = {1, 100},
	};
	History history;

	history_begin(&history, &first);
	ck_assert_uint_eq(history_get_flags(&history, 18), SINCEFS_CONTENT);
	ck_assert_uint_eq(history_get_flags(&history, 20),
			  SINCEFS_CONTENT | SINCEFS_NEW);
	ck_assert_uint_eq(history_get_flags(&history, 28),
			  SINCEFS_CONTENT | SINCEFS_NEW);
	history_add(&history, &second);
	ck_assert_uint_eq(history_get_flags(&history, 18),
			  SINCEFS_CONTENT | SINCEFS_GONE);
	ck_assert_uint_eq(history_get_flags(&history, 28),
			  SINCEFS_CONTENT | SINCEFS_GONE | SINCEFS_NEW);
	ck_assert_uint_eq(history_get_flags(&history, 30),
			  SINCEFS_CONTENT | SINCEFS_GONE);
}
END_TEST

/* (6): who wrote, in digits, with tokens; and whether that is MIXED. */
static const struct {
	const char *writers;
	const char *is_mixed; /* for each token, y or n */
} mixed[] = {
	{"|1|", "nn"},   {"|11|", "nn"},    {"|1|1|", "nnn"},
	{"|12|", "yn"},  {"|1|2|", "ynn"},  {"|1|2|2|", "ynnn"},
	{"|121|", "yn"}, {"|1|21|", "yyn"}, {"|1|2|1|", "yynn"},
	{"|123|", "yn"}, {"|1|22|", "ynn"}, {"|1|2|2|1|", "yyynn"},
	{"|0|", "nn"},   {"|00|", "yn"},    {"|0|0|", "ynn"},
	{"|10|", "yn"},  {"|01|", "yn"},    {"|0|1|1|", "ynnn"},
};

START_TEST(test_mixed_iff_another_process_wrote_after_the_token)
{
	for (int is_coalescing = 0; is_coalescing <= 1; is_coalescing++) {
		uint64_t tokens[MAX_TOKENS] = {0};
		uint64_t told = 0;
		uint64_t clock = FIRST_CLOCK;
		uint64_t last = 0;
		size_t n = 0;
		History history;

		for (const char *c = mixed[_i].writers; *c != '\0'; c++) {
			HistoryChange next = {
				.clock = last,
				.previous = last,
				.flags = SINCEFS_CONTENT,
				.by = {(uint32_t)(*c - '0'), 100},
			};

			if (*c == '|') {
				told = tokens[n++] = clock;
				continue;
			}
			if (!is_coalescing || last <= told)
				next.clock = clock += 2;
			if (last == 0)
				history_begin(&history, &next);
			else
				history_add(&history, &next);
			last = next.clock;
		}
		for (size_t i = 0; i < n; i++) {
			bool is_mixed = history_get_flags(&history, tokens[i]) &
					SINCEFS_MIXED;

			ck_assert_msg(is_mixed ==
					      (mixed[_i].is_mixed[i] == 'y'),
				      "%s, token %zu%s", mixed[_i].writers, i,
				      is_coalescing ? ", coalesced" : "");
		}
	}
}
END_TEST

/* (7): an odd token between the last two tokens of a line. */
static const struct {
	const char *changes;
	const char *flags;
} unknown[] = {
	{"|C|", "cn"},    {"|W|", "c"},       {"|M|", "m"},
	{"|W|M|", "cm"},  {"|W|T|M|", "cmt"}, {"|D|R|C|", "cd"},
	{"|C|W|", "c"},   {"|U|C|", "c"},     {"|X|C|", "cn"},
	{"|C|U|C|", "c"}, {"|X|X|", "cng"},   {"|U|", "cg"},
	{"|S|C|", "c"},   {"|N|M|", "cmx"},   {"|L|M|", "cml"},
};

START_TEST(test_unknown_question_gets_what_is_right_for_all)
{
	Play play;
	char text[12];
	uint64_t token;

	play_line(unknown[_i].changes, false, &play);
	token = play.tokens[play.n_tokens - 2] | 1;
	spell(history_get_flags(&play.history, token), text);
	ck_assert_str_eq(text, unknown[_i].flags);
}
END_TEST

/* All lines of some letters: what is claimed for an odd token must hold for
   every token up to it. */
START_TEST(test_unknown_question_claims_no_new_that_one_token_denies)
{
	static const char alphabet[] = "CWUXS";
	enum { LENGTH = 6, ALL = 5 * 5 * 5 * 5 * 5 * 5 };

	for (int n = 0; n < ALL; n++) {
		char line[2 * LENGTH + 2] = "|";
		int rest = n;
		Play play;

		for (int i = 0; i < LENGTH; i++, rest /= 5) {
			line[2 * i + 1] = alphabet[rest % 5];
			line[2 * i + 2] = '|';
		}
		play_line(line, false, &play);
		if (play.last == 0)
			continue;
		for (size_t i = 0; i < play.n_tokens; i++) {
			uint16_t odd = history_get_flags(&play.history,
							 play.tokens[i] | 1);

			for (size_t j = 0; j <= i; j++) {
				uint16_t even = history_get_flags(
					&play.history, play.tokens[j]);

				/* No assertion: they cost a system call each.
				 */
				if ((odd & SINCEFS_NEW) >
					    (even & SINCEFS_NEW) ||
				    (even & ~odd & ~SINCEFS_NEW) != 0)
					ck_abort_msg("%s %zu %zu", line, i, j);
			}
		}
	}
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void)
{
	Suite *suite = suite_create("history");
	TCase *flags = tcase_create("kinds and writers");
	TCase *being = tcase_create("existence");
	TCase *odd = tcase_create("unknown questions");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(flags,
			    test_kind_is_told_iff_it_happened_after_the_token,
			    0, COUNT(kinds));
	tcase_add_loop_test(
		flags, test_mixed_iff_another_process_wrote_after_the_token, 0,
		COUNT(mixed));
	suite_add_tcase(suite, flags);
	tcase_add_loop_test(
		being, test_new_is_told_iff_the_name_was_absent_at_the_token, 0,
		COUNT(existence));
	tcase_add_loop_test(
		being,
		test_rename_above_leaves_new_clear_where_it_is_not_certain, 0,
		COUNT(silent));
	tcase_add_test(
		being,
		test_nothing_is_claimed_of_tokens_before_the_name_was_known);
	suite_add_tcase(suite, being);
	tcase_add_loop_test(odd,
			    test_unknown_question_gets_what_is_right_for_all, 0,
			    COUNT(unknown));
	tcase_add_test(
		odd, test_unknown_question_claims_no_new_that_one_token_denies);
	suite_add_tcase(suite, odd);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
