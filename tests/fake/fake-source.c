/* SPDX-License-Identifier: MIT */
/*
 * A directory keeps its entries in the order in which they were made; a listing
 * is of what is there when it begins. Nodes are counted: by their names and by
 * who has them open.
 */
#include "tests/fake/fake-source.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#define START_NS INT64_C(1000000000000000000)
#define DEV 1
#define OTHER_DEV 2

typedef struct {
	char *name;
	FakeNode *node; /* a reference */
} Child;

typedef struct {
	FakeNode *node; /* a reference; NULL: closed */
	char *path;
	GPtrArray *listing; /* of names, once it was begun */
	guint next;
} Handle;

typedef struct {
	FakeCall call;
	char *path;
	int error;
} Failure;

/* ---- nodes ---- */

static FakeNode *new_node(FakeSource *source, mode_t mode)
{
	FakeNode *node = g_new0(FakeNode, 1);

	node->stat = (DirStat){
		.ino = source->next_ino++,
		.dev = DEV,
		.mode = (uint16_t)mode,
	};
	node->children = g_ptr_array_new();
	node->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	node->references = 1;
	return node;
}

static void unref(FakeNode *node)
{
	if (node == NULL || --node->references > 0)
		return;
	for (guint i = 0; i < node->children->len; i++) {
		Child *child = node->children->pdata[i];

		child->node->stat.nlink--;
		unref(child->node);
		g_free(child->name);
		g_free(child);
	}
	g_ptr_array_free(node->children, TRUE);
	g_hash_table_unref(node->by_name);
	unref(node->mounted);
	g_free(node->target);
	g_free(node);
}

void fake_node_free(FakeNode *node)
{
	unref(node);
}

static FakeNode *see(FakeNode *node)
{
	return node != NULL && node->mounted != NULL ? node->mounted : node;
}

static FakeNode *get_child(FakeNode *dir, const char *name)
{
	Child *child = g_hash_table_lookup(dir->by_name, name);

	return child == NULL ? NULL : child->node;
}

static int64_t get_file_time(const FakeSource *source)
{
	return source->now_ns - source->now_ns % source->step_ns;
}

static void touch(FakeSource *source, FakeNode *node, bool content)
{
	if (source->keep_times)
		return;
	node->stat.ctime_ns = get_file_time(source);
	if (content)
		node->stat.mtime_ns = node->stat.ctime_ns;
}

static void add_child(FakeSource *source, FakeNode *dir, const char *name,
		      FakeNode *node)
{
	Child *child = g_new0(Child, 1);

	child->name = g_strdup(name);
	child->node = node;
	node->stat.nlink++;
	g_ptr_array_add(dir->children, child);
	g_hash_table_insert(dir->by_name, child->name, child);
	touch(source, dir, true);
}

/* The reference goes to the caller. */
static FakeNode *take_child(FakeSource *source, FakeNode *dir, const char *name)
{
	Child *child = g_hash_table_lookup(dir->by_name, name);
	FakeNode *node;

	ck_assert_msg(child != NULL, "no '%s'", name);
	node = child->node;
	node->stat.nlink--;
	g_hash_table_remove(dir->by_name, name);
	g_ptr_array_remove(dir->children, child);
	g_free(child->name);
	g_free(child);
	touch(source, dir, true);
	return node;
}

/* ---- paths ---- */

static FakeNode *find(FakeSource *source, const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	FakeNode *node = source->root;

	for (char **part = parts; *part != NULL && node != NULL; part++)
		if (**part != '\0')
			node = get_child(see(node), *part);
	return node;
}

FakeNode *fake_source_find(FakeSource *source, const char *path)
{
	return see(find(source, path));
}

static FakeNode *get(FakeSource *source, const char *path)
{
	FakeNode *node = fake_source_find(source, path);

	ck_assert_msg(node != NULL, "no '%s'", path);
	return node;
}

/* Where @path lies, and in *@name_out its last part, which is a part of it. */
static FakeNode *get_parent(FakeSource *source, const char *path,
			    const char **name_out)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *above =
		g_strndup(path, slash == NULL ? 0 : (gsize)(slash - path));

	*name_out = slash == NULL ? path : slash + 1;
	return get(source, above);
}

/* ---- what a scan calls ---- */

static void enter_call(FakeSource *source, FakeCall call, const char *path)
{
	source->calls[call]++;
	source->now_ns += source->tick_ns;
	if (source->hook != NULL)
		source->hook(source, call, path, source->hook_data);
}

static int get_failure(const FakeSource *source, FakeCall call,
		       const char *path)
{
	for (guint i = 0; i < source->failures->len; i++) {
		const Failure *failure =
			&g_array_index(source->failures, Failure, i);

		if (failure->call == call && strcmp(failure->path, path) == 0)
			return failure->error;
	}
	return 0;
}

static Handle *get_handle(FakeSource *source, DirHandle handle)
{
	Handle *found;

	ck_assert_int_ge(handle, 0);
	ck_assert_uint_lt((guint)handle, source->handles->len);
	found = &g_array_index(source->handles, Handle, (guint)handle);
	ck_assert_msg(found->node != NULL, "handle %d is closed", handle);
	return found;
}

static char *get_path(FakeSource *source, DirHandle dir, const char *name)
{
	const char *above = get_handle(source, dir)->path;

	if (*above == '\0' || *name == '\0')
		return g_strconcat(above, name, NULL);
	return g_strconcat(above, "/", name, NULL);
}

static DirHandle open_node(FakeSource *source, FakeNode *node, const char *path)
{
	Handle handle = {.node = node, .path = g_strdup(path)};
	guint i = 0;

	node->references++;
	if (++source->open > source->most_open)
		source->most_open = source->open;
	while (i < source->handles->len &&
	       g_array_index(source->handles, Handle, i).node != NULL)
		i++;
	if (i == source->handles->len)
		g_array_append_val(source->handles, handle);
	else
		g_array_index(source->handles, Handle, i) = handle;
	return (DirHandle)i;
}

static int source_open_root(DirSource *base, DirHandle *dir_out,
			    DirStat *stat_out)
{
	FakeSource *source = (FakeSource *)base;
	int r;

	enter_call(source, FAKE_CALL_OPEN_ROOT, "");
	r = get_failure(source, FAKE_CALL_OPEN_ROOT, "");
	if (r == 0 && source->root == NULL)
		r = -ENOENT;
	if (r < 0)
		return r;
	*stat_out = source->root->stat;
	*dir_out = S_ISDIR(source->root->stat.mode)
			   ? open_node(source, source->root, "")
			   : DIR_HANDLE_NONE;
	return 0;
}

static int source_open(DirSource *base, DirHandle parent, const char *name,
		       DirHandle *dir_out)
{
	FakeSource *source = (FakeSource *)base;
	g_autofree char *path = get_path(source, parent, name);
	FakeNode *node;
	int r;

	enter_call(source, FAKE_CALL_OPEN, path);
	r = get_failure(source, FAKE_CALL_OPEN, path);
	if (r < 0)
		return r;
	node = get_child(get_handle(source, parent)->node, name);
	if (node == NULL)
		return -ENOENT;
	if (node->mounted != NULL)
		return -EXDEV;
	if (S_ISLNK(node->stat.mode))
		return -ELOOP;
	if (!S_ISDIR(node->stat.mode))
		return -ENOTDIR;
	*dir_out = open_node(source, node, path);
	return 0;
}

static bool put_entry(char *buffer, size_t size, size_t *filled,
		      const char *name)
{
	size_t need = offsetof(struct dirent64, d_name) + strlen(name) + 1;
	struct dirent64 entry = {.d_ino = 1, .d_type = DT_UNKNOWN};

	need = (need + 7) & ~(size_t)7;
	if (*filled + need > size)
		return false;
	entry.d_reclen = (unsigned short)need;
	memcpy(buffer + *filled, &entry, offsetof(struct dirent64, d_name));
	memcpy(buffer + *filled + offsetof(struct dirent64, d_name), name,
	       strlen(name) + 1);
	*filled += need;
	return true;
}

static void begin_listing(FakeSource *source, Handle *handle)
{
	GPtrArray *listing = g_ptr_array_new_with_free_func(g_free);
	GPtrArray *children = handle->node->children;

	g_ptr_array_add(listing, g_strdup("."));
	g_ptr_array_add(listing, g_strdup(".."));
	for (guint n = 0; n < (source->has_twins ? 2 : 1); n++)
		for (guint i = 0; i < children->len; i++) {
			guint at =
				source->is_reversed ? children->len - 1 - i : i;
			Child *child = children->pdata[at];

			g_ptr_array_add(listing, g_strdup(child->name));
		}
	handle->listing = listing;
}

static int source_list(DirSource *base, DirHandle dir, void *buffer,
		       size_t size, size_t *filled_out)
{
	FakeSource *source = (FakeSource *)base;
	g_autofree char *path = g_strdup(get_handle(source, dir)->path);
	Handle *handle;
	size_t filled = 0;
	int r;

	enter_call(source, FAKE_CALL_LIST, path);
	r = get_failure(source, FAKE_CALL_LIST, path);
	if (r < 0)
		return r;
	handle = get_handle(source, dir);
	if (handle->listing == NULL)
		begin_listing(source, handle);
	for (unsigned n = 0; handle->next < handle->listing->len &&
			     (source->batch == 0 || n < source->batch);
	     n++)
		if (put_entry(buffer, size, &filled,
			      handle->listing->pdata[handle->next]))
			handle->next++;
		else
			break;
	*filled_out = filled;
	return 0;
}

static int source_stat(DirSource *base, DirHandle dir, const char *name,
		       DirStat *stat_out)
{
	FakeSource *source = (FakeSource *)base;
	g_autofree char *path = get_path(source, dir, name);
	FakeNode *node;
	int r;

	enter_call(source, FAKE_CALL_STAT, path);
	r = get_failure(source, FAKE_CALL_STAT, path);
	if (r < 0)
		return r;
	node = get_handle(source, dir)->node;
	if (*name != '\0')
		node = see(get_child(node, name));
	if (node == NULL)
		return -ENOENT;
	*stat_out = node->stat;
	return 0;
}

static bool source_leads_to_dir(DirSource *base, DirHandle dir,
				const char *name)
{
	FakeSource *source = (FakeSource *)base;
	g_autofree char *path = get_path(source, dir, name);
	FakeNode *node;

	enter_call(source, FAKE_CALL_LEADS_TO_DIR, path);
	node = get_child(get_handle(source, dir)->node, name);
	if (node == NULL || node->target == NULL)
		return false;
	/* Targets are from the root on. */
	node = fake_source_find(source, node->target);
	return node != NULL && S_ISDIR(node->stat.mode);
}

static void source_close(DirSource *base, DirHandle dir)
{
	FakeSource *source = (FakeSource *)base;
	Handle *handle = get_handle(source, dir);

	if (handle->listing != NULL)
		g_ptr_array_free(handle->listing, TRUE);
	g_free(handle->path);
	unref(handle->node);
	*handle = (Handle){.node = NULL};
	source->open--;
}

static void clear_failure(gpointer data)
{
	g_free(((Failure *)data)->path);
}

static void source_free(DirSource *base)
{
	FakeSource *source = (FakeSource *)base;

	ck_assert_uint_eq(source->open, 0); /* nothing was left open */
	unref(source->root);
	g_array_free(source->handles, TRUE);
	g_array_free(source->failures, TRUE);
	g_free(source);
}

static const DirSourceOps source_ops = {
	.open_root = source_open_root,
	.open = source_open,
	.list = source_list,
	.stat = source_stat,
	.leads_to_dir = source_leads_to_dir,
	.close = source_close,
	.free = source_free,
};

FakeSource *fake_source_new(void)
{
	FakeSource *source = g_new0(FakeSource, 1);

	source->base.ops = &source_ops;
	source->now_ns = START_NS;
	source->step_ns = 1;
	source->next_ino = 100;
	source->handles = g_array_new(FALSE, TRUE, sizeof(Handle));
	source->failures = g_array_new(FALSE, TRUE, sizeof(Failure));
	g_array_set_clear_func(source->failures, clear_failure);
	source->root = fake_source_new_root(source, S_IFDIR | 0755);
	return source;
}

int64_t fake_source_now(FakeSource *source)
{
	return source->now_ns;
}

void fake_source_wait_until(FakeSource *source, int64_t until_ns)
{
	enter_call(source, FAKE_CALL_WAIT, "");
	if (source->now_ns < until_ns)
		source->now_ns = until_ns;
}

/* ---- what a test does ---- */

void fake_source_load(FakeSource *source, const FakeEntry *entries)
{
	for (; entries->path != NULL; entries++) {
		mode_t mode = fake_entry_get_mode(entries);

		switch (entries->type) {
		case FAKE_DIR:
			fake_source_make(source, entries->path, S_IFDIR | mode);
			break;
		case FAKE_SYMLINK:
			fake_source_symlink(source, entries->path,
					    entries->content);
			break;
		case FAKE_HARDLINK:
			fake_source_link(source, entries->content,
					 entries->path);
			break;
		case FAKE_FIFO:
			fake_source_make(source, entries->path, S_IFIFO | mode);
			break;
		case FAKE_WHITEOUT:
			fake_source_make(source, entries->path, S_IFCHR);
			break;
		case FAKE_FILE:
			fake_source_make(source, entries->path, S_IFREG | mode)
				->stat.size = fake_entry_get_size(entries);
			break;
		}
	}
}

FakeNode *fake_source_make(FakeSource *source, const char *path, mode_t mode)
{
	const char *name;
	FakeNode *dir = get_parent(source, path, &name);
	FakeNode *node = new_node(source, mode);

	ck_assert_msg(get_child(dir, name) == NULL, "'%s' is there", path);
	touch(source, node, true);
	add_child(source, dir, name, node);
	return node;
}

FakeNode *fake_source_symlink(FakeSource *source, const char *path,
			      const char *target)
{
	FakeNode *node = fake_source_make(source, path, S_IFLNK | 0777);

	node->target = g_strdup(target);
	node->stat.size = strlen(target);
	return node;
}

void fake_source_link(FakeSource *source, const char *path, const char *other)
{
	FakeNode *node = get(source, path), *dir;
	const char *name;

	dir = get_parent(source, other, &name);
	node->references++;
	add_child(source, dir, name, node);
	touch(source, node, false);
}

void fake_source_remove(FakeSource *source, const char *path)
{
	const char *name;
	FakeNode *dir = get_parent(source, path, &name);
	FakeNode *node = take_child(source, dir, name);

	touch(source, node, false);
	unref(node);
}

void fake_source_rename(FakeSource *source, const char *path, const char *other)
{
	const char *name, *other_name;
	FakeNode *dir = get_parent(source, path, &name);
	FakeNode *other_dir = get_parent(source, other, &other_name);
	FakeNode *node = take_child(source, dir, name);

	if (get_child(other_dir, other_name) != NULL)
		unref(take_child(source, other_dir, other_name));
	add_child(source, other_dir, other_name, node);
	touch(source, node, false);
}

void fake_source_exchange(FakeSource *source, const char *path,
			  const char *other)
{
	const char *name, *other_name;
	FakeNode *dir = get_parent(source, path, &name);
	FakeNode *other_dir = get_parent(source, other, &other_name);
	Child *first = g_hash_table_lookup(dir->by_name, name);
	Child *second = g_hash_table_lookup(other_dir->by_name, other_name);
	FakeNode *node = first->node;

	first->node = second->node;
	second->node = node;
	touch(source, first->node, false);
	touch(source, second->node, false);
	touch(source, dir, true);
	touch(source, other_dir, true);
}

void fake_source_write(FakeSource *source, const char *path, uint64_t size)
{
	FakeNode *node = get(source, path);

	node->stat.size = size;
	node->version++;
	touch(source, node, true);
}

void fake_source_chmod(FakeSource *source, const char *path, mode_t mode)
{
	FakeNode *node = get(source, path);

	node->stat.mode = (uint16_t)((node->stat.mode & S_IFMT) | mode);
	node->version++;
	touch(source, node, false);
}

void fake_source_set_attribute(FakeSource *source, const char *path)
{
	FakeNode *node = get(source, path);

	node->version++;
	touch(source, node, false);
}

void fake_source_set_mtime(FakeSource *source, const char *path,
			   int64_t mtime_ns)
{
	FakeNode *node = get(source, path);

	node->version++;
	touch(source, node, false);
	node->stat.mtime_ns = mtime_ns;
}

void fake_source_mount(FakeSource *source, const char *path)
{
	FakeNode *node = get(source, path);

	node->mounted = new_node(source, S_IFDIR | 0755);
	node->mounted->stat.dev = OTHER_DEV;
}

void fake_source_unmount(FakeSource *source, const char *path)
{
	FakeNode *node = find(source, path);

	unref(node->mounted);
	node->mounted = NULL;
}

FakeNode *fake_source_take_root(FakeSource *source)
{
	FakeNode *root = source->root;

	source->root = NULL;
	return root;
}

void fake_source_put_root(FakeSource *source, FakeNode *root)
{
	unref(source->root);
	source->root = root;
}

FakeNode *fake_source_new_root(FakeSource *source, mode_t mode)
{
	FakeNode *node = new_node(source, mode);

	node->stat.nlink = 1;
	touch(source, node, true);
	return node;
}

void fake_source_fail(FakeSource *source, FakeCall call, const char *path,
		      int error)
{
	Failure failure = {.call = call, .error = error};

	for (guint i = 0; i < source->failures->len; i++) {
		Failure *old = &g_array_index(source->failures, Failure, i);

		if (old->call == call && strcmp(old->path, path) == 0) {
			old->error = error;
			return;
		}
	}
	failure.path = g_strdup(path);
	g_array_append_val(source->failures, failure);
}
