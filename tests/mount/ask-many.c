/* SPDX-License-Identifier: MIT */
/*
 * ask-many DIR COUNT [sync]: connect, take a token, and ask COUNT times what
 * changed, with or without syncfs(2) first. Prints nothing; exit 0 when every
 * answer was an empty list. For counting the system calls that asking costs:
 * what comes before the first question and after the last is kept apart by a
 * getppid(2) each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sincefs/sincefs.h>

static void die(const char *what, int r)
{
	fprintf(stderr, "ask-many: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct sincefs_filter filter = {.flags = SINCEFS_FILTER_NO_SYNC};
	struct sincefs_token token;
	struct sincefs *conn;
	int r;

	if (argc < 3) {
		fprintf(stderr, "usage: ask-many DIR COUNT [sync]\n");
		return 2;
	}
	unsigned long count = strtoul(argv[2], NULL, 10);

	if (argc > 3)
		filter.flags = 0;
	r = sincefs_open(argv[1], &conn);
	if (r < 0)
		die("cannot connect", r);
	r = sincefs_now(conn, &token);
	if (r < 0)
		die("cannot take a token", r);
	(void)getppid();
	for (unsigned long i = 0; i < count; i++) {
		struct sincefs_answer *answer;

		r = sincefs_since(conn, &token, &filter, &answer);
		if (r < 0)
			die("cannot ask", r);
		if (sincefs_answer_is_fresh(answer) ||
		    sincefs_answer_count(answer)) {
			fprintf(stderr, "ask-many: something changed\n");
			return EXIT_FAILURE;
		}
		sincefs_answer_free(answer);
	}
	(void)getppid();
	sincefs_close(conn);
	return EXIT_SUCCESS;
}
