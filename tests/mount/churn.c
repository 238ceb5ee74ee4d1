/* SPDX-License-Identifier: MIT */
/*
 * churn ROUNDS DIR: create a file, write to it and unlink it, ROUNDS times, a
 * thousand names in turn. For tests that count what is left of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: churn ROUNDS DIR\n");
		return 2;
	}
	unsigned long rounds = strtoul(argv[1], NULL, 10);

	if (chdir(argv[2]) < 0)
		die(argv[2]);
	for (unsigned long i = 0; i < rounds; i++) {
		char name[32];

		snprintf(name, sizeof(name), "churn-%lu", i % 1000);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			      0644);

		if (fd < 0)
			die("open");
		if (write(fd, name, strlen(name)) < 0)
			die("write");
		if (close(fd) < 0)
			die("close");
		if (unlink(name) < 0)
			die("unlink");
	}
	return EXIT_SUCCESS;
}
