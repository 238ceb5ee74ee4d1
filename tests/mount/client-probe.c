/* SPDX-License-Identifier: MIT */
/*
 * libsincefs by hand, for tests: opens one connection, and does what the lines
 * of standard input say. Each is answered by a line that begins with the
 * function's result.
 *
 *   now              0 TOKEN
 *   changed TOKEN    RESULT
 *   wait TOKEN MS    RESULT MILLISECONDS
 *   poll MS          RESULT, of poll(2) on the connection's descriptor
 *   scan TREE MS     RESULT
 *   tree ID          0 FLAGS SCANS ROOT
 *   since TOKEN FLAGS MASK [NAMES]   NAMES are separated by commas
 *                    0 FRESH REASON COUNT TOKEN, and COUNT lines
 *                    CLOCK TREE PID UID FLAGS PATH, the path in hexadecimal
 *   reopen COUNT     RESULT, after opening and closing that often
 *
 * A result is 0, positive, or -errno.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sincefs/sincefs.h>

static const char *opened;
static struct sincefs *conn;

static void ignore_signal(int number)
{
	(void)number;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char *next_word(char **line)
{
	char *word = strsep(line, " ");

	if (word == NULL || *word == '\0') {
		fprintf(stderr, "client-probe: a word is missing\n");
		exit(2);
	}
	return word;
}

static struct sincefs_token next_token(char **line)
{
	struct sincefs_token token;
	char *word = next_word(line);

	if (sincefs_token_parse(word, &token) != 0) {
		fprintf(stderr, "client-probe: no token: '%s'\n", word);
		exit(2);
	}
	return token;
}

static int next_number(char **line)
{
	return (int)strtol(next_word(line), NULL, 0);
}

static void print_token(const struct sincefs_token *token)
{
	char text[SINCEFS_TOKEN_TEXT_SIZE];

	sincefs_token_format(token, text, sizeof(text));
	printf(" %s\n", text);
}

static void do_now(void)
{
	struct sincefs_token token;
	int result = sincefs_now(conn, &token);

	printf("%d", result);
	if (result == 0)
		print_token(&token);
	else
		putchar('\n');
}

static void do_wait(char **line)
{
	struct sincefs_token token = next_token(line);
	int timeout_ms = next_number(line);
	long long start = now_ms();
	int result = sincefs_wait(conn, &token, timeout_ms);

	printf("%d %lld\n", result, now_ms() - start);
}

static void do_poll(char **line)
{
	struct pollfd pollfd = {.fd = sincefs_fd(conn), .events = POLLIN};
	int result = poll(&pollfd, 1, next_number(line));

	printf("%d\n", result < 0 ? -errno : pollfd.revents);
}

static void do_scan(char **line)
{
	uint32_t tree = (uint32_t)next_number(line);

	printf("%d\n", sincefs_scan(conn, tree, next_number(line)));
}

static void do_tree(char **line)
{
	struct sincefs_tree tree;
	int result = sincefs_get_tree(conn, (uint32_t)next_number(line), &tree);

	if (result == 0)
		printf("0 %" PRIu32 " %" PRIu64 " %s\n", tree.flags, tree.scans,
		       tree.root);
	else
		printf("%d\n", result);
}

static void print_answer(const struct sincefs_answer *answer)
{
	size_t count = sincefs_answer_count(answer);
	struct sincefs_token token;

	sincefs_answer_token(answer, &token);
	printf("0 %d %" PRIu32 " %zu", sincefs_answer_is_fresh(answer),
	       sincefs_answer_reason(answer), count);
	print_token(&token);
	for (size_t i = 0; i < count; i++) {
		struct sincefs_change change;

		sincefs_answer_get(answer, i, &change);
		printf("%" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %u ",
		       change.clock, change.tree, change.pid, change.uid,
		       change.flags);
		for (unsigned k = 0; k < change.length; k++)
			printf("%02x", (unsigned char)change.path[k]);
		putchar('\n');
	}
}

static void do_since(char **line)
{
	struct sincefs_token token = next_token(line);
	struct sincefs_filter filter = {.flags = 0};
	struct sincefs_answer *answer;
	int result;

	filter.flags = (uint32_t)next_number(line);
	filter.mask = (uint32_t)next_number(line);
	if (*line != NULL) {
		filter.names = *line;
		filter.names_bytes = strlen(*line);
		for (char *p = *line; (p = strchr(p, ',')) != NULL; p++)
			*p = '\0';
	}
	result = sincefs_since(conn, &token, &filter, &answer);
	if (result < 0) {
		printf("%d\n", result);
		return;
	}
	print_answer(answer);
	sincefs_answer_free(answer);
}

static void do_reopen(char **line)
{
	int result = 0;

	for (int count = next_number(line); count > 0 && result == 0; count--) {
		struct sincefs *other;

		result = sincefs_open(opened, &other);
		if (result == 0)
			sincefs_close(other);
	}
	printf("%d\n", result);
}

static void obey(char *line)
{
	char *word = next_word(&line);

	if (strcmp(word, "now") == 0) {
		do_now();
	} else if (strcmp(word, "changed") == 0) {
		struct sincefs_token token = next_token(&line);

		printf("%d\n", sincefs_changed(conn, &token));
	} else if (strcmp(word, "wait") == 0) {
		do_wait(&line);
	} else if (strcmp(word, "poll") == 0) {
		do_poll(&line);
	} else if (strcmp(word, "scan") == 0) {
		do_scan(&line);
	} else if (strcmp(word, "tree") == 0) {
		do_tree(&line);
	} else if (strcmp(word, "since") == 0) {
		do_since(&line);
	} else if (strcmp(word, "reopen") == 0) {
		do_reopen(&line);
	} else {
		fprintf(stderr, "client-probe: unknown: '%s'\n", word);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	/* Without SA_RESTART: a signal ends what waits. */
	const struct sigaction action = {.sa_handler = ignore_signal};
	char line[4096];
	int result;

	if (argc != 2) {
		fprintf(stderr, "usage: client-probe PATH\n");
		return 2;
	}
	opened = argv[1];
	sigaction(SIGUSR1, &action, NULL);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	result = sincefs_open(opened, &conn);
	printf("%d\n", result);
	fflush(stdout);
	if (result < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
		fflush(stdout);
	}
	sincefs_close(conn);
	return 0;
}
