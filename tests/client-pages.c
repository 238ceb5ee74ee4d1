/* SPDX-License-Identifier: MIT */
#include "tests/client-pages.h"

#include <check.h>
#include <string.h>

struct sincefs_token at(uint64_t clock)
{
	return (struct sincefs_token){.instance = CLIENT_INSTANCE,
				      .clock = clock};
}

struct sincefs_page make_page(uint64_t clock)
{
	struct sincefs_page page;

	memset(&page, 0, sizeof(page));
	memset(page.data, 0xee, sizeof(page.data));
	page.signature = SINCEFS_SIGNATURE;
	page.token = at(clock);
	return page;
}

struct sincefs_page make_fresh_page(uint64_t clock, uint32_t reason)
{
	struct sincefs_page page = make_page(clock);

	page.flags = SINCEFS_FRESH;
	page.reason = reason;
	return page;
}

void put_record(struct sincefs_page *page, const struct sincefs_record *record,
		const char *path)
{
	size_t start = page->bytes;
	size_t end = start + sizeof(*record) + record->length + 1;

	end = (end + 7) / 8 * 8;
	ck_assert_uint_le(end, sizeof(page->data));
	memset(page->data + start, 0, end - start);
	memcpy(page->data + start, record, sizeof(*record));
	memcpy(page->data + start + sizeof(*record), path, record->length);
	page->bytes = (uint32_t)end;
	page->count++;
}

void add_record(struct sincefs_page *page, uint64_t clock, const char *path,
		uint16_t flags)
{
	struct sincefs_record record = {
		.clock = clock,
		.tree = 1,
		.pid = 42,
		.uid = 1000,
		.flags = flags,
		.length = (uint16_t)strlen(path),
	};

	put_record(page, &record, path);
}
