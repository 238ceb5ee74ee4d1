/* SPDX-License-Identifier: MIT */
/* The common requests of fake-kernel.h, laid out as the kernel does. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/fake/fake-kernel.h"

static struct iovec text_part(const char *text)
{
	return (struct iovec){(void *)text, strlen(text) + 1};
}

/* An answer that begins with an entry: its look-up is counted. */
static int wait_entry(FakeKernel *kernel, FakeRequest request,
		      uint64_t *node_out)
{
	struct fuse_entry_out entry;
	FakeReply reply;

	fake_wait(kernel, request, &reply);
	if (reply.error == 0) {
		ck_assert_uint_ge(reply.size, sizeof(entry));
		memcpy(&entry, reply.data, sizeof(entry));
		/* No node: it is known that there is none. */
		if (entry.nodeid == 0)
			reply.error = -ENOENT;
		else
			fake_count_lookup(kernel, entry.nodeid);
		if (entry.nodeid != 0 && node_out != NULL)
			*node_out = entry.nodeid;
	}
	g_free(reply.data);
	return reply.error;
}

int fake_lookup(FakeKernel *kernel, uint64_t parent, const char *name,
		uint64_t *node_out)
{
	struct iovec part = text_part(name);

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_LOOKUP, parent, &part, 1),
			  node_out);
}

uint64_t fake_find(FakeKernel *kernel, const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	uint64_t node = FUSE_ROOT_ID;

	for (char **part = parts; *part != NULL; part++)
		ck_assert_int_eq(fake_lookup(kernel, node, *part, &node), 0);
	return node;
}

int fake_getattr(FakeKernel *kernel, uint64_t node,
		 struct fuse_attr *attributes_out)
{
	struct fuse_getattr_in in = {.getattr_flags = 0};
	struct iovec part = {&in, sizeof(in)};
	FakeReply reply;

	fake_wait(kernel, fake_send(kernel, FUSE_GETATTR, node, &part, 1),
		  &reply);
	if (reply.error == 0) {
		struct fuse_attr_out out;

		ck_assert_uint_eq(reply.size, sizeof(out));
		memcpy(&out, reply.data, sizeof(out));
		*attributes_out = out.attr;
	}
	g_free(reply.data);
	return reply.error;
}

int fake_setattr(FakeKernel *kernel, uint64_t node,
		 const struct fuse_setattr_in *what)
{
	struct iovec part = {(void *)what, sizeof(*what)};

	return fake_wait_error(kernel,
			       fake_send(kernel, FUSE_SETATTR, node, &part, 1));
}

int fake_create(FakeKernel *kernel, uint64_t parent, const char *name,
		mode_t mode, uint32_t flags, uint64_t *node_out)
{
	struct fuse_create_in in = {
		.flags = flags,
		.mode = mode,
		.umask = 022,
	};
	struct iovec parts[] = {{&in, sizeof(in)}, text_part(name)};

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_CREATE, parent, parts, 2),
			  node_out);
}

int fake_release(FakeKernel *kernel, uint64_t node)
{
	struct fuse_release_in in = {.flags = 0};
	struct iovec part = {&in, sizeof(in)};

	return fake_wait_error(kernel,
			       fake_send(kernel, FUSE_RELEASE, node, &part, 1));
}

int fake_mknod(FakeKernel *kernel, uint64_t parent, const char *name,
	       mode_t mode, uint64_t *node_out)
{
	struct fuse_mknod_in in = {.mode = mode, .umask = 022};
	struct iovec parts[] = {{&in, sizeof(in)}, text_part(name)};

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_MKNOD, parent, parts, 2),
			  node_out);
}

int fake_mkdir(FakeKernel *kernel, uint64_t parent, const char *name,
	       uint64_t *node_out)
{
	struct fuse_mkdir_in in = {.mode = 0755, .umask = 022};
	struct iovec parts[] = {{&in, sizeof(in)}, text_part(name)};

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_MKDIR, parent, parts, 2),
			  node_out);
}

int fake_symlink(FakeKernel *kernel, uint64_t parent, const char *name,
		 const char *target, uint64_t *node_out)
{
	struct iovec parts[] = {text_part(name), text_part(target)};

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_SYMLINK, parent, parts, 2),
			  node_out);
}

int fake_link(FakeKernel *kernel, uint64_t node, uint64_t parent,
	      const char *name)
{
	struct fuse_link_in in = {.oldnodeid = node};
	struct iovec parts[] = {{&in, sizeof(in)}, text_part(name)};

	return wait_entry(kernel,
			  fake_send(kernel, FUSE_LINK, parent, parts, 2), NULL);
}

int fake_unlink(FakeKernel *kernel, uint64_t parent, const char *name)
{
	struct iovec part = text_part(name);

	return fake_wait_error(kernel, fake_send(kernel, FUSE_UNLINK, parent,
						 &part, 1));
}

int fake_rmdir(FakeKernel *kernel, uint64_t parent, const char *name)
{
	struct iovec part = text_part(name);

	return fake_wait_error(kernel,
			       fake_send(kernel, FUSE_RMDIR, parent, &part, 1));
}

int fake_rename(FakeKernel *kernel, uint64_t parent, const char *name,
		uint64_t new_parent, const char *new_name, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = new_parent, .flags = flags};
	struct iovec parts[] = {
		{&in, sizeof(in)},
		text_part(name),
		text_part(new_name),
	};

	return fake_wait_error(kernel, fake_send(kernel, FUSE_RENAME2, parent,
						 parts, 3));
}

FakeRequest fake_send_write(FakeKernel *kernel, uint64_t node, uint64_t offset,
			    const char *text, uint32_t how, uint32_t flags)
{
	struct fuse_write_in in = {
		.offset = offset,
		.size = (uint32_t)strlen(text),
		.write_flags = how,
		.flags = flags,
	};
	struct iovec parts[] = {{&in, sizeof(in)}, {(void *)text, in.size}};

	return fake_send(kernel, FUSE_WRITE, node, parts, 2);
}

int fake_write(FakeKernel *kernel, uint64_t node, uint64_t offset,
	       const char *text, uint32_t how, uint32_t flags)
{
	FakeReply reply;

	fake_wait(kernel,
		  fake_send_write(kernel, node, offset, text, how, flags),
		  &reply);
	if (reply.error == 0) {
		struct fuse_write_out out;

		ck_assert_uint_eq(reply.size, sizeof(out));
		memcpy(&out, reply.data, sizeof(out));
		ck_assert_uint_eq(out.size, strlen(text));
	}
	g_free(reply.data);
	return reply.error;
}

FakeRequest fake_send_read(FakeKernel *kernel, uint64_t node, uint64_t offset,
			   uint32_t size)
{
	struct fuse_read_in in = {.offset = offset, .size = size};
	struct iovec part = {&in, sizeof(in)};

	return fake_send(kernel, FUSE_READ, node, &part, 1);
}

int fake_read(FakeKernel *kernel, uint64_t node, uint64_t offset, uint32_t size,
	      char **text_out)
{
	FakeReply reply;

	fake_wait(kernel, fake_send_read(kernel, node, offset, size), &reply);
	if (reply.error == 0)
		*text_out =
			g_strndup(reply.size > 0 ? reply.data : "", reply.size);
	g_free(reply.data);
	return reply.error;
}

/* The names of one answer are added to @names. Returns where to go on. */
static uint64_t read_names(FakeKernel *kernel, const FakeReply *reply,
			   bool plus, GString *names)
{
	const char *data = reply->data;
	uint64_t next = 0;

	for (size_t at = 0; at < reply->size;) {
		const char *entry = data + at;
		struct fuse_entry_out look_up;
		struct fuse_dirent dirent;

		if (plus) {
			memcpy(&look_up, entry, sizeof(look_up));
			if (look_up.nodeid != 0)
				fake_count_lookup(kernel, look_up.nodeid);
			entry += offsetof(struct fuse_direntplus, dirent);
		}
		memcpy(&dirent, entry, FUSE_NAME_OFFSET);
		g_string_append_len(names, entry + FUSE_NAME_OFFSET,
				    dirent.namelen);
		g_string_append_c(names, ' ');
		next = dirent.off;
		at = (size_t)(entry - data) +
		     FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + dirent.namelen);
	}
	return next;
}

int fake_list(FakeKernel *kernel, uint64_t dir, bool plus, char **names_out)
{
	struct fuse_read_in in = {.size = 4096};
	struct iovec part = {&in, sizeof(in)};
	GString *names = g_string_new(NULL);
	FakeReply reply;

	for (;;) {
		fake_wait(kernel,
			  fake_send(kernel,
				    plus ? FUSE_READDIRPLUS : FUSE_READDIR, dir,
				    &part, 1),
			  &reply);
		if (reply.error != 0 || reply.size == 0)
			break;
		in.offset = read_names(kernel, &reply, plus, names);
		g_free(reply.data);
	}
	g_free(reply.data);
	*names_out = g_string_free(names, reply.error != 0);
	return reply.error;
}

FakeRequest fake_send_ioctl(FakeKernel *kernel, uint64_t node, uint32_t cmd,
			    const void *data, uint32_t in_size,
			    uint32_t out_size)
{
	struct fuse_ioctl_in in = {
		.cmd = cmd,
		.in_size = in_size,
		.out_size = out_size,
	};
	struct iovec parts[] = {{&in, sizeof(in)}, {(void *)data, in_size}};

	return fake_send(kernel, FUSE_IOCTL, node, parts, 2);
}

FakeRequest fake_send_poll(FakeKernel *kernel, uint64_t node, uint64_t handle)
{
	struct fuse_poll_in in = {
		.kh = handle,
		.flags = handle != 0 ? FUSE_POLL_SCHEDULE_NOTIFY : 0,
	};
	struct iovec part = {&in, sizeof(in)};

	return fake_send(kernel, FUSE_POLL, node, &part, 1);
}

unsigned fake_poll(FakeKernel *kernel, uint64_t node, uint64_t handle)
{
	struct fuse_poll_out out;
	FakeReply reply;

	fake_wait(kernel, fake_send_poll(kernel, node, handle), &reply);
	ck_assert_int_eq(reply.error, 0);
	ck_assert_uint_eq(reply.size, sizeof(out));
	memcpy(&out, reply.data, sizeof(out));
	g_free(reply.data);
	return out.revents;
}

FakeRequest fake_send_since(FakeKernel *kernel, uint64_t node,
			    const struct sincefs_token *token)
{
	struct sincefs_page question = {
		.signature = SINCEFS_SIGNATURE,
		.token = *token,
	};

	return fake_send_ioctl(kernel, node, SINCEFS_IOC_SINCE, &question,
			       sizeof(question), sizeof(question));
}

struct sincefs_token fake_token(FakeKernel *kernel)
{
	struct sincefs_info info;
	FakeReply reply;

	fake_wait(kernel,
		  fake_send_ioctl(kernel, FUSE_ROOT_ID, SINCEFS_IOC_INFO, NULL,
				  0, sizeof(info)),
		  &reply);
	ck_assert_int_eq(reply.error, 0);
	ck_assert_uint_eq(reply.size,
			  sizeof(struct fuse_ioctl_out) + sizeof(info));
	memcpy(&info, (char *)reply.data + sizeof(struct fuse_ioctl_out),
	       sizeof(info));
	g_free(reply.data);
	return info.now;
}

static void add_record(GString *text, const struct sincefs_record *record,
		       const char *path)
{
	static const struct {
		uint16_t flag;
		char letter;
	} letters[] = {
		{SINCEFS_CONTENT, 'C'}, {SINCEFS_META, 'M'},
		{SINCEFS_TIMES, 'T'},   {SINCEFS_NEW, 'N'},
		{SINCEFS_GONE, 'G'},    {SINCEFS_DIR, 'D'},
		{SINCEFS_SUBTREE, 'S'}, {SINCEFS_SCANNED, 'c'},
		{SINCEFS_LINKED, 'L'},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(letters); i++)
		if (record->flags & letters[i].flag)
			g_string_append_c(text, letters[i].letter);
	g_string_append_printf(text, ":%s ", path);
}

/* Adds what one page says; true when there is more. */
static bool read_page(const FakeReply *reply, GString *text,
		      struct sincefs_token *token_out)
{
	struct sincefs_page page;
	size_t size = reply->size - sizeof(struct fuse_ioctl_out);

	ck_assert_int_eq(reply->error, 0);
	ck_assert_uint_ge(size, SINCEFS_PAGE_HEADER_SIZE);
	ck_assert_uint_le(size, sizeof(page));
	memcpy(&page, (char *)reply->data + sizeof(struct fuse_ioctl_out),
	       size);
	*token_out = page.token;
	if (page.flags & SINCEFS_FRESH) {
		g_string_assign(text, "FRESH");
		return false;
	}
	for (uint32_t at = 0; at < page.bytes;) {
		struct sincefs_record record;

		memcpy(&record, page.data + at, sizeof(record));
		at += (uint32_t)sizeof(record);
		add_record(text, &record, (const char *)page.data + at);
		at += (record.length + 8u) & ~7u;
	}
	return page.flags & SINCEFS_MORE;
}

char *fake_answer_to_text(const FakeReply *reply,
			  struct sincefs_token *token_out)
{
	GString *text = g_string_new(NULL);

	ck_assert(!read_page(reply, text, token_out));
	return g_string_free(text, FALSE);
}

char *fake_since(FakeKernel *kernel, struct sincefs_token *token)
{
	GString *text = g_string_new(NULL);
	FakeReply reply;
	bool more;

	do {
		fake_wait(kernel, fake_send_since(kernel, FUSE_ROOT_ID, token),
			  &reply);
		more = read_page(&reply, text, token);
		g_free(reply.data);
	} while (more);
	return g_string_free(text, FALSE);
}
