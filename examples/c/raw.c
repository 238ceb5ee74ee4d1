/* SPDX-License-Identifier: MIT */
/* Print what changes in a mount, as it happens: with bare requests. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <sincefs/protocol.h>

static void print_page(const struct sincefs_page *page)
{
	const unsigned char *at = page->data;

	if (page->flags & SINCEFS_FRESH)
		puts("anything may have changed");
	for (uint32_t i = 0; i < page->count; i++) {
		struct sincefs_record record;

		memcpy(&record, at, sizeof(record));
		printf("%#05x %s\n", (unsigned)record.flags,
		       (const char *)at + sizeof(record));
		at += (sizeof(record) + record.length + 1 + 7) / 8 * 8;
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct sincefs_page page;
	struct sincefs_info info;
	struct pollfd control = {.events = POLLIN};
	char path[4096];

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "%s/%s", argv[1], SINCEFS_CONTROL_NAME);
	control.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (control.fd < 0 || ioctl(control.fd, SINCEFS_IOC_INFO, &info) != 0) {
		perror(path);
		return 1;
	}
	if (info.signature != SINCEFS_SIGNATURE ||
	    info.version != SINCEFS_PROTOCOL_VERSION)
		return 1;

	/* Keep the token first, print after. */
	for (struct sincefs_token token = info.now;; token = page.token) {
		if (!(page.flags & SINCEFS_MORE))
			poll(&control, 1, -1);
		memset(&page, 0, sizeof(page));
		page.signature = SINCEFS_SIGNATURE;
		page.token = token;
		if (ioctl(control.fd, SINCEFS_IOC_SINCE, &page) != 0) {
			perror(path);
			return 1;
		}
		print_page(&page);
	}
}
