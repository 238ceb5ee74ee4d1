/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake-text.h"

#include <inttypes.h>
#include <string.h>

static char get_letter(FakeType type)
{
	switch (type) {
	case FAKE_DIR:
		return 'd';
	case FAKE_SYMLINK:
		return 'l';
	case FAKE_FIFO:
		return 'p';
	case FAKE_WHITEOUT:
		return 'w';
	case FAKE_FILE:
	case FAKE_HARDLINK:
		break;
	}
	return 'f';
}

/* Bytes outside of plain ASCII, and what would break a line, as \ooo. */
static void append_escaped(GString *text, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c > ' ' && c < 0x7f && c != '\\')
			g_string_append_c(text, (char)c);
		else
			g_string_append_printf(text, "\\%03o", c);
	}
}

void fake_text_append(GString *text, const FakeLine *line)
{
	/* The links of a directory are a matter of the file system. */
	uint64_t links = line->type == FAKE_DIR ? 1 : line->links;

	g_string_append_printf(text, "%c %04o %" PRIu64 " %zu",
			       get_letter(line->type), (unsigned)line->mode,
			       links, line->size);
	if (line->mtime_ns >= 0)
		g_string_append_printf(text, " %" PRId64, line->mtime_ns);
	if (line->type == FAKE_FILE) {
		g_autofree char *sum = g_compute_checksum_for_data(
			G_CHECKSUM_SHA1, line->bytes, line->size);

		g_string_append_printf(text, " %s", sum);
	}
	g_string_append_c(text, ' ');
	append_escaped(text, line->path, strlen(line->path));
	if (line->type == FAKE_SYMLINK) {
		g_string_append(text, " -> ");
		append_escaped(text, line->bytes, line->size);
	}
	if (line->value)
		g_string_append_printf(text, " %s=%s", FAKE_XATTR, line->value);
	g_string_append_c(text, '\n');
}
