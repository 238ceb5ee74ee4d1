/* SPDX-License-Identifier: MIT */
/*
 * One line about one thing in a tree, so that a tree in memory and one on disk
 * can be compared as texts.
 */
#ifndef TESTS_FAKE_FAKE_TEXT_H
#define TESTS_FAKE_FAKE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "tests/fake/fake-entry.h"

typedef struct {
	const char *path;
	FakeType type; /* never FAKE_HARDLINK */
	mode_t mode;   /* permissions alone */
	uint64_t links;
	int64_t mtime_ns;  /* -1: left out */
	const void *bytes; /* of a file, or a symbolic link's target */
	size_t size;
	const char *value; /* of FAKE_XATTR, or NULL */
} FakeLine;

void fake_text_append(GString *text, const FakeLine *line);

#endif /* TESTS_FAKE_FAKE_TEXT_H */
