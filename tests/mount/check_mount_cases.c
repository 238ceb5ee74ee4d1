/* SPDX-License-Identifier: MIT */
/*
 * check_mount_cases MOUNT BELOW: the stories of tests/fake/cases.c, told to a
 * real mount. check_fake_cases.c tells the same to a tree in memory.
 *
 * MOUNT is a mounted directory, BELOW a path to what lies under it. Each story
 * is told in a directory of its own, with its files made below the mount (so
 * that the daemon has never heard of them) and made through it; with a token
 * taken at every step, and with each token alone. Answers are asked for at
 * once, with BELOW and without.
 *
 * Exit 0 when all hold, else 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include <sincefs/sincefs.h>

#include "tests/fake/cases.h"
#include "tests/fake/fake-disk.h"
#include "tests/fake/fake-tree.h"

#define ALL_TOKENS UINT_MAX

typedef struct {
	int mount_fd;
	int below_fd;
	struct sincefs *conn; /* in the root of the mount */
	unsigned count;       /* of directories made */
	unsigned failed;
} Run;

/* One way to tell a story. */
typedef struct {
	bool through; /* set up through the mount, not below it */
	unsigned only;
} Way;

static G_GNUC_NORETURN void die(const char *what, int r)
{
	fprintf(stderr, "check_mount_cases: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

static int open_dir(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(path, -errno);
	return fd;
}

/*
 * The records of @answer that lie in the directory called @dir, or all of them
 * for NULL; *@others_out counts those elsewhere.
 */
static GArray *get_records(struct sincefs_answer *answer, const char *dir,
			   size_t *others_out)
{
	GArray *records = g_array_new(FALSE, FALSE, sizeof(FakeRecord));
	size_t length = dir ? strlen(dir) : 0;

	*others_out = 0;
	for (size_t i = 0; i < sincefs_answer_count(answer); i++) {
		struct sincefs_change change;

		if (sincefs_answer_get(answer, i, &change) < 0)
			die("cannot get a record", -ERANGE);
		FakeRecord record = {change.path, change.flags};

		if (dir) {
			if (strncmp(change.path, dir, length) != 0 ||
			    change.path[length] != '/') {
				(*others_out)++;
				continue;
			}
			record.path = change.path + length + 1;
		}
		g_array_append_val(records, record);
	}
	return records;
}

static char *check_answer(const FakeCase *fake_case, unsigned token,
			  struct sincefs_answer *answer, const char *dir)
{
	size_t others;

	if (sincefs_answer_is_fresh(answer))
		return g_strdup_printf("token %u: FRESH, reason %u", token,
				       sincefs_answer_reason(answer));
	GArray *records = get_records(answer, dir, &others);
	char *wrong = fake_case_check(fake_case, token,
				      (const FakeRecord *)(void *)records->data,
				      records->len);

	g_array_unref(records);
	if (!wrong && others)
		wrong = g_strdup_printf("token %u: %zu records elsewhere",
					token, others);
	return wrong;
}

/* Ask in the root, and with BELOW in the story's directory; without syncfs,
   since every step has returned. */
static char *ask(Run *run, const FakeCase *fake_case, unsigned token,
		 const struct sincefs_token *since, struct sincefs *below,
		 const char *dir)
{
	struct sincefs_filter filter = {.flags = SINCEFS_FILTER_NO_SYNC};
	struct sincefs_answer *answer = NULL;
	int r = sincefs_since(run->conn, since, &filter, &answer);
	char *wrong;

	if (r < 0)
		die("cannot ask", r);
	wrong = check_answer(fake_case, token, answer, dir);
	sincefs_answer_free(answer);
	if (wrong)
		return wrong;

	filter.flags |= SINCEFS_FILTER_BELOW;
	r = sincefs_since(below, since, &filter, &answer);
	if (r < 0)
		die("cannot ask with BELOW", r);
	wrong = check_answer(fake_case, token, answer, NULL);
	sincefs_answer_free(answer);
	if (wrong) {
		char *longer = g_strdup_printf("with BELOW: %s", wrong);

		g_free(wrong);
		wrong = longer;
	}
	return wrong;
}

/* Carry out the steps in @dir_fd, taking the tokens. */
static char *do_steps(Run *run, const FakeCase *fake_case, unsigned only,
		      int dir_fd, struct sincefs_token *tokens)
{
	unsigned n = fake_case_count_steps(fake_case);
	char *wrong = NULL;
	int held_fd = -1;

	for (unsigned i = 0; !wrong && i <= n; i++) {
		if (only == ALL_TOKENS || only == i) {
			int r = sincefs_now(run->conn, &tokens[i]);

			if (r < 0)
				die("cannot take a token", r);
		}
		if (i == n)
			break;
		const FakeStep *step = &fake_case->steps[i];
		int r = fake_disk_do(dir_fd, step, &held_fd);

		if (r != -step->error)
			wrong = g_strdup_printf("step %u (%s): %s", i,
						fake_op_get_name(step->op),
						strerror(-r));
	}
	if (held_fd >= 0)
		close(held_fd);
	return wrong;
}

/* Is the tree now what the same steps make of a tree in memory? */
static char *check_tree(const FakeCase *fake_case, int dir_fd)
{
	FakeClock clock;

	fake_clock_init(&clock);
	FakeTree *tree = fake_tree_new(NULL, NULL, &clock);

	if (fake_tree_load(tree, fake_case->setup) < 0)
		die("cannot load the setup", -EINVAL);
	for (const FakeStep *step = fake_case->steps; step->op; step++)
		fake_tree_do(tree, step);
	g_autofree char *expected = fake_tree_to_text(tree, false);
	g_autofree char *found = fake_disk_to_text(dir_fd, false);

	fake_tree_free(tree);
	if (!found)
		return g_strdup_printf("cannot read the tree: %s",
				       strerror(errno));
	if (!strcmp(expected, found))
		return NULL;
	return g_strdup_printf("the tree is\n%sinstead of\n%s", found,
			       expected);
}

static char *tell(Run *run, const FakeCase *fake_case, const Way *way)
{
	struct sincefs_token tokens[FAKE_CASE_STEPS + 1];
	unsigned n = fake_case_count_steps(fake_case);
	struct sincefs *below;
	FakeClock clock;
	char dir[32];

	snprintf(dir, sizeof(dir), "story-%u", run->count++);
	int setup_fd = way->through ? run->mount_fd : run->below_fd;

	if (mkdirat(setup_fd, dir, 0755) < 0)
		die("cannot make a directory", -errno);
	int in_setup_fd = open_dir(setup_fd, dir);

	fake_clock_init(&clock);
	int r = fake_disk_build(in_setup_fd, fake_case->setup, &clock, NULL);

	if (r < 0)
		die("cannot set the story up", r);
	close(in_setup_fd);

	int dir_fd = open_dir(run->mount_fd, dir);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", dir_fd);

	r = sincefs_open(path, &below);
	if (r < 0)
		die("cannot connect", r);
	char *wrong = do_steps(run, fake_case, way->only, dir_fd, tokens);

	for (unsigned i = 0; !wrong && i <= n; i++)
		if (way->only == ALL_TOKENS || way->only == i)
			wrong = ask(run, fake_case, i, &tokens[i], below, dir);
	if (!wrong)
		wrong = check_tree(fake_case, dir_fd);
	if (!wrong) {
		int under_fd = open_dir(run->below_fd, dir);

		wrong = check_tree(fake_case, under_fd);
		close(under_fd);
	}
	sincefs_close(below);
	close(dir_fd);
	return wrong;
}

static bool is_whiteout_refused(const FakeCase *fake_case, int fd)
{
	const FakeStep *step = fake_case->steps;

	while (step->op && step->op != FAKE_OP_WHITEOUT)
		step++;
	if (!step->op)
		return false;
	static const FakeEntry one[] = {
		{.path = "whiteout-probe", .type = FAKE_FILE}, FAKE_END};
	FakeStep probe = {FAKE_OP_WHITEOUT, "whiteout-probe",
			  "whiteout-probe2"};
	int held_fd = -1;
	FakeClock clock;

	fake_clock_init(&clock);
	if (fake_disk_build(fd, one, &clock, NULL) < 0)
		die("cannot probe", -errno);
	int r = fake_disk_do(fd, &probe, &held_fd);

	unlinkat(fd, "whiteout-probe", 0);
	unlinkat(fd, "whiteout-probe2", 0);
	return r < 0;
}

int main(int argc, char **argv)
{
	Run run = {.count = 0};
	unsigned told = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: check_mount_cases MOUNT BELOW\n");
		return 2;
	}
	umask(022);
	run.mount_fd = open_dir(AT_FDCWD, argv[1]);
	run.below_fd = open_dir(AT_FDCWD, argv[2]);
	int r = sincefs_open(argv[1], &run.conn);

	if (r < 0)
		die("cannot connect", r);
	for (const FakeCase *story = fake_cases; story->name; story++) {
		unsigned n = fake_case_count_steps(story);

		if (is_whiteout_refused(story, run.below_fd)) {
			printf("# left out, no whiteouts below: %s\n",
			       story->name);
			continue;
		}
		for (unsigned i = 0; i < 2 * (n + 2); i++) {
			Way way = {.through = i % 2, .only = i / 2};

			if (way.only == n + 1)
				way.only = ALL_TOKENS;
			g_autofree char *wrong = tell(&run, story, &way);

			told++;
			if (!wrong)
				continue;
			run.failed++;
			printf("# %s (made %s, %s): %s\n", story->name,
			       way.through ? "through the mount" : "below it",
			       way.only == ALL_TOKENS ? "all tokens"
						      : "one token",
			       wrong);
		}
	}
	printf("# %u stories told, %u wrongly answered\n", told, run.failed);
	sincefs_close(run.conn);
	return run.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
