/* SPDX-License-Identifier: MIT */
/*
 * The protocol's numbers. They are written here a second time, as plain
 * literals, since what has been released must not move: a client that was
 * compiled against one version of the header talks to a daemon that was
 * compiled against another.
 */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sincefs/protocol.h>

typedef struct {
	const char *name;
	size_t offset, size; /* as compiled */
	size_t want_offset, want_size;
} Field;

#define FIELD(structure, field, want_offset, want_size)                        \
	{                                                                      \
#structure "." #field, offsetof(struct structure, field),      \
			sizeof(((struct structure *)NULL)->field),             \
			want_offset, want_size                                 \
	}

static const Field fields[] = {
	FIELD(sincefs_token, instance, 0, 8),
	FIELD(sincefs_token, clock, 8, 8),

	FIELD(sincefs_info, signature, 0, 4),
	FIELD(sincefs_info, version, 4, 4),
	FIELD(sincefs_info, features, 8, 8),
	FIELD(sincefs_info, now, 16, 16),
	FIELD(sincefs_info, floor, 32, 8),
	FIELD(sincefs_info, entries, 40, 8),
	FIELD(sincefs_info, capacity, 48, 8),
	FIELD(sincefs_info, tree, 56, 4),
	FIELD(sincefs_info, tree_count, 60, 4),
	FIELD(sincefs_info, pid, 64, 4),
	FIELD(sincefs_info, zero32, 68, 4),
	FIELD(sincefs_info, zero, 72, 48),

	FIELD(sincefs_tree, id, 0, 4),
	FIELD(sincefs_tree, flags, 4, 4),
	FIELD(sincefs_tree, scans, 8, 8),
	FIELD(sincefs_tree, scan_age_ns, 16, 8),
	FIELD(sincefs_tree, scan_period_ns, 24, 8),
	FIELD(sincefs_tree, scan_cost_ns, 32, 8),
	FIELD(sincefs_tree, files, 40, 8),
	FIELD(sincefs_tree, scan_error, 48, 4),
	FIELD(sincefs_tree, zero32, 52, 4),
	FIELD(sincefs_tree, root, 56, 4096),

	FIELD(sincefs_record, clock, 0, 8),
	FIELD(sincefs_record, tree, 8, 4),
	FIELD(sincefs_record, pid, 12, 4),
	FIELD(sincefs_record, uid, 16, 4),
	FIELD(sincefs_record, flags, 20, 2),
	FIELD(sincefs_record, length, 22, 2),

	FIELD(sincefs_page, signature, 0, 4),
	FIELD(sincefs_page, flags, 4, 4),
	FIELD(sincefs_page, token, 8, 16),
	FIELD(sincefs_page, tree, 24, 4),
	FIELD(sincefs_page, mask, 28, 4),
	FIELD(sincefs_page, count, 32, 4),
	FIELD(sincefs_page, bytes, 36, 4),
	FIELD(sincefs_page, reason, 40, 4),
	FIELD(sincefs_page, zero32, 44, 4),
	FIELD(sincefs_page, zero, 48, 16),
	FIELD(sincefs_page, names, 64, 64),
	FIELD(sincefs_page, data, 128, 8056),

	FIELD(sincefs_scan, tree, 0, 4),
	FIELD(sincefs_scan, zero32, 4, 4),
	FIELD(sincefs_scan, scans, 8, 8),

	FIELD(sincefs_clock_page_name, path, 0, 4096),

	FIELD(sincefs_stats, requests, 0, 128),
	FIELD(sincefs_stats, uptime_ns, 128, 8),
	FIELD(sincefs_stats, stamps, 136, 8),
	FIELD(sincefs_stats, inodes, 144, 8),
	FIELD(sincefs_stats, descriptors, 152, 8),
	FIELD(sincefs_stats, hidden, 160, 8),
	FIELD(sincefs_stats, zero, 168, 88),
	FIELD(sincefs_stats, hidden_in, 256, 4096),
};

START_TEST(test_field_is_where_it_was_released)
{
	const Field *field = &fields[_i];

	ck_assert_msg(field->offset == field->want_offset,
		      "%s moved from %zu to %zu", field->name,
		      field->want_offset, field->offset);
	ck_assert_msg(field->size == field->want_size,
		      "%s changed its size from %zu to %zu", field->name,
		      field->want_size, field->size);
}
END_TEST

typedef struct {
	const char *name;
	uint64_t value, want;
} Number;

#define NUMBER(name, want)                                                     \
	{                                                                      \
#name, name, want                                              \
	}
#define SIZE(structure, want)                                                  \
	{                                                                      \
		"sizeof " #structure, sizeof(struct structure), want           \
	}

static const Number numbers[] = {
	SIZE(sincefs_token, 16),
	SIZE(sincefs_info, 120),
	SIZE(sincefs_tree, 4152),
	SIZE(sincefs_record, 24),
	SIZE(sincefs_page, 8184),
	SIZE(sincefs_scan, 16),
	SIZE(sincefs_clock_page_name, 4096),
	SIZE(sincefs_stats, 4352),

	NUMBER(SINCEFS_SIGNATURE, 0x73696e63),
	NUMBER(SINCEFS_PROTOCOL_VERSION, 1),
	NUMBER(SINCEFS_FEATURE_SYNC_EXACT, 1),
	NUMBER(SINCEFS_FEATURE_CLOCK_PAGE, 2),
	NUMBER(SINCEFS_FEATURE_STATS, 4),
	NUMBER(SINCEFS_TREE_ALL, 0),
	NUMBER(SINCEFS_TREE_MOUNTED, 1),
	NUMBER(SINCEFS_ROOT_SIZE, 4096),

	NUMBER(SINCEFS_CONTENT, 1),
	NUMBER(SINCEFS_META, 2),
	NUMBER(SINCEFS_TIMES, 4),
	NUMBER(SINCEFS_NEW, 8),
	NUMBER(SINCEFS_GONE, 16),
	NUMBER(SINCEFS_DIR, 32),
	NUMBER(SINCEFS_SUBTREE, 64),
	NUMBER(SINCEFS_SCANNED, 128),
	NUMBER(SINCEFS_LINKED, 256),
	NUMBER(SINCEFS_MIXED, 512),

	NUMBER(SINCEFS_FRESH, 1),
	NUMBER(SINCEFS_MORE, 2),
	NUMBER(SINCEFS_BELOW, 65536),

	NUMBER(SINCEFS_REASON_NO_TOKEN, 1),
	NUMBER(SINCEFS_REASON_RESTART, 2),
	NUMBER(SINCEFS_REASON_FORGOT, 3),
	NUMBER(SINCEFS_REASON_LOST, 4),
	NUMBER(SINCEFS_REASON_FUTURE, 5),

	NUMBER(SINCEFS_PAGE_SIZE, 8184),
	NUMBER(SINCEFS_PAGE_HEADER_SIZE, 128),
	NUMBER(SINCEFS_PAGE_DATA_SIZE, 8056),
	NUMBER(SINCEFS_NAMES_SIZE, 64),

	NUMBER(SINCEFS_REQUEST_LOOKUP, 0),
	NUMBER(SINCEFS_REQUEST_ATTRIBUTES, 1),
	NUMBER(SINCEFS_REQUEST_CHANGE, 2),
	NUMBER(SINCEFS_REQUEST_NAME, 3),
	NUMBER(SINCEFS_REQUEST_READ, 4),
	NUMBER(SINCEFS_REQUEST_WRITE, 5),
	NUMBER(SINCEFS_REQUEST_DIRECTORY, 6),
	NUMBER(SINCEFS_REQUEST_SYNC, 7),
	NUMBER(SINCEFS_REQUEST_XATTR, 8),
	NUMBER(SINCEFS_REQUEST_IOCTL, 9),
	NUMBER(SINCEFS_REQUEST_POLL, 10),
	NUMBER(SINCEFS_REQUEST_FORGET, 11),
	NUMBER(SINCEFS_REQUEST_OTHER, 12),
	NUMBER(SINCEFS_REQUEST_KINDS, 16),

	NUMBER(SINCEFS_IOC_TYPE, 0xd5),
#if _IOC_NONE == 0
	/* On alpha, mips, powerpc and sparc the kernel has other bits for the
	   direction. */
	NUMBER(SINCEFS_IOC_INFO, 0x8078d500),
	NUMBER(SINCEFS_IOC_TREE, 0xd038d501),
	NUMBER(SINCEFS_IOC_SINCE, 0xdff8d502),
	NUMBER(SINCEFS_IOC_SCAN, 0xc010d503),
	NUMBER(SINCEFS_IOC_CLOCK, 0x9000d504),
	NUMBER(SINCEFS_IOC_STATS, 0x9100d508),
#endif
};

START_TEST(test_number_is_as_released)
{
	const Number *number = &numbers[_i];

	ck_assert_msg(number->value == number->want,
		      "%s is %#llx and was %#llx", number->name,
		      (unsigned long long)number->value,
		      (unsigned long long)number->want);
}
END_TEST

START_TEST(test_structure_is_whole_words_without_padding)
{
	const struct {
		const char *prefix;
		size_t size;
	} structures[] = {
		{"sincefs_token.", sizeof(struct sincefs_token)},
		{"sincefs_info.", sizeof(struct sincefs_info)},
		{"sincefs_tree.", sizeof(struct sincefs_tree)},
		{"sincefs_record.", sizeof(struct sincefs_record)},
		{"sincefs_page.", sizeof(struct sincefs_page)},
		{"sincefs_scan.", sizeof(struct sincefs_scan)},
		{"sincefs_clock_page_name.",
		 sizeof(struct sincefs_clock_page_name)},
		{"sincefs_stats.", sizeof(struct sincefs_stats)},
	};

	for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]);
	     i++) {
		const char *prefix = structures[i].prefix;
		size_t end = 0;

		ck_assert_uint_eq(structures[i].size % 8, 0);
		for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]);
		     k++) {
			if (strncmp(fields[k].name, prefix, strlen(prefix)) !=
			    0)
				continue;
			ck_assert_msg(fields[k].offset == end, "hole before %s",
				      fields[k].name);
			end = fields[k].offset + fields[k].size;
		}
		ck_assert_msg(end == structures[i].size, "hole after %s",
			      prefix);
	}
}
END_TEST

START_TEST(test_request_fits_into_what_fuse_and_linux_transport)
{
	/* 14 bits hold the size of an ioctl on most ports and 13 on some. */
	const size_t limit = (1 << 13) - 1;

	ck_assert_uint_le(sizeof(struct sincefs_info), limit);
	ck_assert_uint_le(sizeof(struct sincefs_tree), limit);
	ck_assert_uint_le(sizeof(struct sincefs_page), limit);
	ck_assert_uint_le(sizeof(struct sincefs_scan), limit);
	ck_assert_uint_le(sizeof(struct sincefs_clock_page_name), limit);
	ck_assert_uint_le(sizeof(struct sincefs_stats), limit);
	ck_assert_uint_eq(_IOC_SIZE(SINCEFS_IOC_SINCE),
			  sizeof(struct sincefs_page));
}
END_TEST

static Suite *protocol_suite(void)
{
	Suite *suite = suite_create("protocol");
	TCase *released = tcase_create("released");
	TCase *shape = tcase_create("shape");

	tcase_add_loop_test(released, test_field_is_where_it_was_released, 0,
			    sizeof(fields) / sizeof(fields[0]));
	tcase_add_loop_test(released, test_number_is_as_released, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	suite_add_tcase(suite, released);

	tcase_add_test(shape, test_structure_is_whole_words_without_padding);
	tcase_add_test(shape,
		       test_request_fits_into_what_fuse_and_linux_transport);
	suite_add_tcase(suite, shape);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(protocol_suite());

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
