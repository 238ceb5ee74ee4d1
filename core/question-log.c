/* SPDX-License-Identifier: MIT */
/*
 * A small table without order; the lowest token makes room for a new one.
 *
 *  1. What is in the table is certain: the token was given to that question and
 *     to no other.
 *  2. A token that was thrown out is never taken in again, since it would look
 *     as if it had been given once. As the lowest goes first, it is lower than
 *     all that are in the table from then on, and such are not taken in.
 */
#include "core/question-log.h"

static QuestionLogEntry *find(QuestionLog *log, uint64_t token)
{
	for (size_t i = 0; i < QUESTION_LOG_SIZE; i++)
		if (log->entries[i].token == token)
			return &log->entries[i];
	return NULL;
}

void question_log_note(QuestionLog *log, uint64_t token, uint64_t question)
{
	QuestionLogEntry *entry = find(log, token);

	if (entry != NULL) {
		if (entry->question != question)
			entry->question = token; /* (1) */
		return;
	}
	/* An unused one has token 0 and is the lowest of all. */
	entry = &log->entries[0];
	for (size_t i = 1; i < QUESTION_LOG_SIZE; i++)
		if (log->entries[i].token < entry->token)
			entry = &log->entries[i];
	if (token < entry->token)
		return; /* (2) */
	*entry = (QuestionLogEntry){token, question};
}

uint64_t question_log_find(const QuestionLog *log, uint64_t token)
{
	if ((token & 1) == 0)
		return token;
	for (size_t i = 0; i < QUESTION_LOG_SIZE; i++)
		if (log->entries[i].token == token)
			return log->entries[i].question;
	return token;
}
