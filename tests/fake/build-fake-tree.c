/* SPDX-License-Identifier: MIT */
/*
 * build-fake-tree project|site-packages DIR    build that table below DIR
 * build-fake-tree many FILES PER_DIR DIR       build a large tree of small
 * files build-fake-tree print project|site-packages  print the table as text
 * build-fake-tree show DIR                     print what is below DIR likewise
 *
 * For test scripts. Exit 0; 1 with a message; 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "tests/fake/fake-disk.h"
#include "tests/fake/fake-tree.h"
#include "tests/fake/tables.h"

static const FakeEntry *get_table(const char *name)
{
	if (!strcmp(name, "project"))
		return fake_project;
	if (!strcmp(name, "site-packages"))
		return fake_site_packages;
	return NULL;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "build-fake-tree: cannot open '%s': %s\n", path,
			strerror(errno));
		exit(EXIT_FAILURE);
	}
	return fd;
}

static int finish(int r, const char *path)
{
	if (r == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "build-fake-tree: cannot make '%s': %s\n", path,
		strerror(-r));
	return EXIT_FAILURE;
}

static int build(const FakeEntry *table, const char *dir)
{
	const char *failed = dir;
	FakeClock clock;

	fake_clock_init(&clock);
	int r = fake_disk_build(open_dir(dir), table, &clock, &failed);

	return finish(r, failed);
}

static int print(const FakeEntry *table)
{
	FakeClock clock;

	fake_clock_init(&clock);
	FakeTree *tree = fake_tree_new(NULL, NULL, &clock);
	int r = fake_tree_load(tree, table);

	if (r == 0) {
		g_autofree char *text = fake_tree_to_text(tree, true);

		fputs(text, stdout);
	}
	fake_tree_free(tree);
	return finish(r, "the tree in memory");
}

static int show(const char *dir)
{
	g_autofree char *text = fake_disk_to_text(open_dir(dir), true);

	if (!text)
		return finish(-errno, dir);
	fputs(text, stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	umask(022);
	if (argc == 3 && get_table(argv[1]))
		return build(get_table(argv[1]), argv[2]);
	if (argc == 3 && !strcmp(argv[1], "print") && get_table(argv[2]))
		return print(get_table(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "show"))
		return show(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "many")) {
		unsigned long files = strtoul(argv[2], NULL, 10);
		unsigned long per_dir = strtoul(argv[3], NULL, 10);

		if (files && per_dir)
			return finish(fake_disk_build_many(open_dir(argv[4]),
							   (unsigned)files,
							   (unsigned)per_dir),
				      argv[4]);
	}
	fprintf(stderr, "usage: build-fake-tree project|site-packages DIR\n"
			"       build-fake-tree many FILES PER_DIR DIR\n"
			"       build-fake-tree print project|site-packages\n"
			"       build-fake-tree show DIR\n");
	return 2;
}
