/* SPDX-License-Identifier: MIT */
/*
 * Trees that look like what people have, as tables: a project somebody works
 * on, and the packages that are installed beside it. Small enough to read, with
 * everything in them that has ever been a trap: name space packages, compiled
 * files, links of both kinds, names that are not text.
 */
#ifndef TESTS_FAKE_TABLES_H
#define TESTS_FAKE_TABLES_H

#include "tests/fake/fake-entry.h"

/* Both end with a path of NULL. */
extern const FakeEntry fake_project[];
extern const FakeEntry fake_site_packages[];

/* 255 bytes, the longest a name can be; and one of 255 bytes in UTF-8. */
extern const char fake_long_name[];
extern const char fake_long_text_name[];

#endif /* TESTS_FAKE_TABLES_H */
