/* SPDX-License-Identifier: MIT */
/*
 * Which question an intermediate page belongs to.
 *
 * The token of an intermediate page says how far an answer has come, not from
 * where it started. Paging needs no state: flags that hold for every question
 * are right. They are more exact if the question is known, so the last few
 * intermediate tokens are remembered here with theirs. It is never guessed: a
 * token that may have been given to two questions belongs to none.
 *
 * A value, not locked by itself; zeroed it is empty.
 */
#ifndef CORE_QUESTION_LOG_H
#define CORE_QUESTION_LOG_H

#include <stddef.h>
#include <stdint.h>

#define QUESTION_LOG_SIZE 64

typedef struct {
	uint64_t token;    /* odd; 0: not in use */
	uint64_t question; /* the even token asked about, or token: unknown */
} QuestionLogEntry;

typedef struct {
	QuestionLogEntry entries[QUESTION_LOG_SIZE];
} QuestionLog;

/* @token (odd) is handed out in answer to the question about @question. */
void question_log_note(QuestionLog *log, uint64_t token, uint64_t question);

/* The question that @token belongs to; @token itself when that is not known. An
   even token is its own question. */
uint64_t question_log_find(const QuestionLog *log, uint64_t token);

#endif /* CORE_QUESTION_LOG_H */
