/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake-entry.h"

#include <string.h>

const char *fake_op_get_name(FakeOp op)
{
	static const char *const names[] = {
		[FAKE_OP_NONE] = "none",
		[FAKE_OP_CREATE] = "create",
		[FAKE_OP_MKDIR] = "mkdir",
		[FAKE_OP_MKFIFO] = "mkfifo",
		[FAKE_OP_SYMLINK] = "symlink",
		[FAKE_OP_LINK] = "link",
		[FAKE_OP_UNLINK] = "unlink",
		[FAKE_OP_RMDIR] = "rmdir",
		[FAKE_OP_RENAME] = "rename",
		[FAKE_OP_RENAME_NOREPLACE] = "rename without replacing",
		[FAKE_OP_EXCHANGE] = "exchange",
		[FAKE_OP_WHITEOUT] = "rename leaving a whiteout",
		[FAKE_OP_WRITE] = "write",
		[FAKE_OP_APPEND] = "append",
		[FAKE_OP_TRUNCATE] = "truncate",
		[FAKE_OP_OPEN_TRUNC] = "open with O_TRUNC",
		[FAKE_OP_ALLOCATE] = "fallocate",
		[FAKE_OP_PUNCH] = "punch a hole",
		[FAKE_OP_COPY_RANGE] = "copy_file_range",
		[FAKE_OP_CHMOD] = "chmod",
		[FAKE_OP_CHOWN] = "chown",
		[FAKE_OP_UTIMENS] = "utimens",
		[FAKE_OP_SETXATTR] = "setxattr",
		[FAKE_OP_REMOVEXATTR] = "removexattr",
		[FAKE_OP_READ] = "read",
		[FAKE_OP_STAT] = "stat",
		[FAKE_OP_LIST] = "list",
		[FAKE_OP_HOLD] = "hold open",
		[FAKE_OP_HELD_WRITE] = "write to the held file",
		[FAKE_OP_HELD_READ] = "read the held file",
		[FAKE_OP_HELD_CHMOD] = "fchmod the held file",
		[FAKE_OP_HELD_MAP] = "store into the mapped held file",
		[FAKE_OP_RELEASE] = "close the held file",
	};

	return names[op];
}

mode_t fake_entry_get_mode(const FakeEntry *entry)
{
	if (entry->mode)
		return entry->mode;
	return entry->type == FAKE_DIR ? 0755 : 0644;
}

size_t fake_entry_get_size(const FakeEntry *entry)
{
	if (entry->size || !entry->content)
		return entry->size;
	return strlen(entry->content);
}
