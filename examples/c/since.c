/* SPDX-License-Identifier: MIT */
/* Print what changed in a mount since a token, and the next token. */
#include <stdio.h>
#include <string.h>

#include <sincefs/sincefs.h>

static const char *word_for(unsigned flags)
{
	if (flags & SINCEFS_GONE)
		return "gone";
	return flags & SINCEFS_NEW ? "new" : "changed";
}

int main(int argc, char **argv)
{
	struct sincefs_token token = {0, 0}; /* knows nothing */
	char text[SINCEFS_TOKEN_TEXT_SIZE];
	struct sincefs_answer *answer;
	struct sincefs *conn;
	int r;

	if (argc < 2 || argc > 3 ||
	    (argc == 3 && sincefs_token_parse(argv[2], &token) != 0)) {
		fprintf(stderr, "usage: since PATH [TOKEN]\n");
		return 2;
	}
	r = sincefs_open(argv[1], &conn);
	if (r == 0) {
		r = sincefs_since(conn, &token, NULL, &answer);
		sincefs_close(conn);
	}
	if (r < 0) {
		fprintf(stderr, "since: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}

	if (sincefs_answer_is_fresh(answer))
		puts("anything may have changed");
	for (size_t i = 0; i < sincefs_answer_count(answer); i++) {
		struct sincefs_change change;

		sincefs_answer_get(answer, i, &change);
		printf("%s %s\n", word_for(change.flags), change.path);
	}
	sincefs_answer_token(answer, &token);
	sincefs_token_format(&token, text, sizeof(text));
	puts(text);
	sincefs_answer_free(answer);
	return 0;
}
