/* SPDX-License-Identifier: MIT */
/*
 * An inode knows its names, a name its directory and its inode. A directory
 * owns the names in it. An inode lives while it has a name or is held open, as
 * in a real file system; the root has neither and is the tree's.
 *
 * What each operation stamps is written where it is carried out, after the
 * change: the same order that promise 1 demands of the mount.
 */
#include "tests/fake/fake-tree.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "tests/fake/fake-text.h"

typedef struct FakeInode FakeInode;

typedef struct {
	FakeInode *dir;   /* borrowed */
	char *name;       /* owned */
	FakeInode *inode; /* borrowed; the name counts in its names */
} FakeName;

struct FakeInode {
	FakeType type;
	mode_t mode;
	int64_t mtime_ns;
	GByteArray *bytes;    /* owned; of a file or a symbolic link */
	char *value;          /* owned; of the extended attribute, or NULL */
	GHashTable *children; /* owned; a directory's names, by name */
	GPtrArray *names;     /* borrowed FakeNames that stand for it */
	bool is_held;
};

struct FakeTree {
	DirtySet *set;    /* borrowed */
	NameNode *node;   /* borrowed; the root's name */
	FakeClock *clock; /* borrowed */
	FakeInode *root;  /* owned */
	FakeInode *held;  /* owned by is_held */
};

/* ---- life ---- */

static void free_inode(FakeInode *inode)
{
	if (inode->children)
		g_hash_table_unref(inode->children);
	g_byte_array_unref(inode->bytes);
	g_ptr_array_unref(inode->names);
	g_free(inode->value);
	g_free(inode);
}

static void drop_inode(FakeInode *inode)
{
	if (!inode->names->len && !inode->is_held)
		free_inode(inode);
}

static void free_name(gpointer data)
{
	FakeName *name = data;

	g_ptr_array_remove_fast(name->inode->names, name);
	drop_inode(name->inode);
	g_free(name->name);
	g_free(name);
}

static FakeInode *new_inode(struct timespec now, FakeType type, mode_t mode)
{
	FakeInode *inode = g_new0(FakeInode, 1);

	inode->type = type;
	inode->mode = mode;
	inode->mtime_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	inode->bytes = g_byte_array_new();
	inode->names = g_ptr_array_new();
	if (type == FAKE_DIR)
		inode->children = g_hash_table_new_full(g_str_hash, g_str_equal,
							NULL, free_name);
	return inode;
}

FakeTree *fake_tree_new(DirtySet *set, NameNode *root, FakeClock *clock)
{
	FakeTree *tree = g_new0(FakeTree, 1);

	tree->set = set;
	tree->node = root;
	tree->clock = clock;
	tree->root = new_inode(fake_clock_get(clock), FAKE_DIR, 0755);
	return tree;
}

static void release(FakeTree *tree)
{
	if (!tree->held)
		return;
	tree->held->is_held = false;
	drop_inode(tree->held);
	tree->held = NULL;
}

void fake_tree_free(FakeTree *tree)
{
	if (!tree)
		return;
	release(tree);
	free_inode(tree->root);
	g_free(tree);
}

/* ---- names ---- */

static void add_name(FakeInode *dir, const char *text, FakeInode *inode)
{
	FakeName *name = g_new0(FakeName, 1);

	name->dir = dir;
	name->name = g_strdup(text);
	name->inode = inode;
	g_ptr_array_add(inode->names, name);
	g_hash_table_replace(dir->children, name->name, name);
}

static FakeInode *find_child(const FakeInode *dir, const char *text)
{
	const FakeName *name = g_hash_table_lookup(dir->children, text);

	return name ? name->inode : NULL;
}

/*
 * Walk to the directory that @path lies in. *@last_out is the last part, within
 * @path; *@inode_out what it stands for, or NULL.
 */
static int find(FakeTree *tree, const char *path, FakeInode **dir_out,
		const char **last_out, FakeInode **inode_out)
{
	FakeInode *dir = tree->root;

	for (;;) {
		const char *slash = strchr(path, '/');

		if (!slash)
			break;
		g_autofree char *part = g_strndup(path, (size_t)(slash - path));

		dir = find_child(dir, part);
		if (!dir)
			return -ENOENT;
		if (dir->type != FAKE_DIR)
			return -ENOTDIR;
		path = slash + 1;
	}
	*dir_out = dir;
	*last_out = path;
	*inode_out = find_child(dir, path);
	return 0;
}

static int find_inode(FakeTree *tree, const char *path, FakeInode **inode_out)
{
	FakeInode *dir, *inode;
	const char *last;
	int r = find(tree, path, &dir, &last, &inode);

	if (r < 0)
		return r;
	if (!inode)
		return -ENOENT;
	*inode_out = inode;
	return 0;
}

static bool is_below(const FakeInode *inode, const FakeInode *ancestor)
{
	while (inode != ancestor) {
		if (!inode->names->len)
			return false;
		inode = ((FakeName *)inode->names->pdata[0])->dir;
	}
	return true;
}

/* ---- stamps ---- */

static NameNode *ref_dir_node(FakeTree *tree, const FakeInode *dir)
{
	NameTree *names = dirty_set_get_names(tree->set);

	if (dir == tree->root)
		return name_node_ref(tree->node);

	const FakeName *name = dir->names->pdata[0];
	NameNode *parent = ref_dir_node(tree, name->dir);
	NameNode *node = name_tree_ref_child(names, parent, name->name,
					     strlen(name->name));

	name_node_unref(names, parent);
	return node;
}

static void stamp_name(FakeTree *tree, const FakeInode *dir, const char *text,
		       uint16_t flags)
{
	static const Writer writer = {.pid = 1, .uid = 0};

	if (!tree->set)
		return;
	dirty_set_lock(tree->set);
	NameTree *names = dirty_set_get_names(tree->set);
	NameNode *parent = ref_dir_node(tree, dir);
	NameNode *node = name_tree_ref_child(names, parent, text, strlen(text));

	dirty_set_stamp_locked(tree->set, node, flags, &writer);
	name_node_unref(names, node);
	name_node_unref(names, parent);
	dirty_set_unlock(tree->set);
}

/* A change to a file itself is a change under every name it has. */
static void stamp_inode(FakeTree *tree, const FakeInode *inode, uint16_t flags)
{
	if (inode->type == FAKE_DIR)
		flags |= SINCEFS_DIR;
	if (inode->names->len > 1)
		flags |= SINCEFS_LINKED;
	for (guint i = 0; i < inode->names->len; i++) {
		const FakeName *name = inode->names->pdata[i];

		stamp_name(tree, name->dir, name->name, flags);
	}
}

/* ---- operations on names ---- */

static int make(FakeTree *tree, const FakeStep *step, FakeType type,
		mode_t mode)
{
	FakeInode *dir, *inode;
	const char *last;
	int r = find(tree, step->path, &dir, &last, &inode);

	if (r < 0)
		return r;
	if (inode)
		return -EEXIST;
	inode = new_inode(fake_clock_tick(tree->clock), type, mode);
	if (type == FAKE_SYMLINK)
		g_byte_array_append(inode->bytes, (const guint8 *)step->other,
				    (guint)strlen(step->other));
	add_name(dir, last, inode);
	stamp_name(tree, dir, last,
		   SINCEFS_CONTENT | SINCEFS_NEW |
			   (type == FAKE_DIR ? SINCEFS_DIR : 0));
	return 0;
}

static int make_link(FakeTree *tree, const FakeStep *step)
{
	FakeInode *inode, *dir, *old;
	const char *last;
	int r = find_inode(tree, step->path, &inode);

	if (r < 0)
		return r;
	r = find(tree, step->other, &dir, &last, &old);
	if (r < 0)
		return r;
	if (old)
		return -EEXIST;
	if (inode->type == FAKE_DIR)
		return -EPERM;
	add_name(dir, last, inode);
	stamp_name(tree, dir, last, SINCEFS_CONTENT | SINCEFS_NEW);
	return 0;
}

static int unmake(FakeTree *tree, const FakeStep *step, bool is_rmdir)
{
	FakeInode *dir, *inode;
	const char *last;
	int r = find(tree, step->path, &dir, &last, &inode);

	if (r < 0)
		return r;
	if (!inode)
		return -ENOENT;
	if (is_rmdir && inode->type != FAKE_DIR)
		return -ENOTDIR;
	if (!is_rmdir && inode->type == FAKE_DIR)
		return -EISDIR;
	if (is_rmdir && g_hash_table_size(inode->children))
		return -ENOTEMPTY;
	g_hash_table_remove(dir->children, last);
	stamp_name(tree, dir, last,
		   SINCEFS_CONTENT | SINCEFS_GONE |
			   (is_rmdir ? SINCEFS_DIR : 0));
	return 0;
}

static uint16_t dir_flags(const FakeInode *inode)
{
	return inode && inode->type == FAKE_DIR ? SINCEFS_DIR | SINCEFS_SUBTREE
						: 0;
}

static int exchange(FakeTree *tree, const FakeStep *step)
{
	FakeInode *from_dir, *from, *to_dir, *to;
	const char *from_last, *to_last;
	int r = find(tree, step->path, &from_dir, &from_last, &from);

	if (r == 0)
		r = find(tree, step->other, &to_dir, &to_last, &to);
	if (r < 0)
		return r;
	if (!from || !to)
		return -ENOENT;
	if (from == to)
		return 0;
	if ((from->type == FAKE_DIR && is_below(to_dir, from)) ||
	    (to->type == FAKE_DIR && is_below(from_dir, to)))
		return -EINVAL;

	/* Both are held while their names go and come. */
	bool from_held = from->is_held, to_held = to->is_held;
	uint16_t kinds = SINCEFS_CONTENT | dir_flags(from) | dir_flags(to);

	from->is_held = to->is_held = true;
	g_hash_table_remove(from_dir->children, from_last);
	g_hash_table_remove(to_dir->children, to_last);
	add_name(from_dir, from_last, to);
	add_name(to_dir, to_last, from);
	from->is_held = from_held;
	to->is_held = to_held;
	stamp_name(tree, from_dir, from_last, kinds);
	stamp_name(tree, to_dir, to_last, kinds);
	return 0;
}

static int check_replace(const FakeInode *from, const FakeInode *to)
{
	if (to->type == FAKE_DIR && from->type != FAKE_DIR)
		return -EISDIR;
	if (to->type != FAKE_DIR && from->type == FAKE_DIR)
		return -ENOTDIR;
	if (to->type == FAKE_DIR && g_hash_table_size(to->children))
		return -ENOTEMPTY;
	return 0;
}

static int move(FakeTree *tree, const FakeStep *step)
{
	FakeInode *from_dir, *from, *to_dir, *to;
	const char *from_last, *to_last;
	int r = find(tree, step->path, &from_dir, &from_last, &from);

	if (r == 0)
		r = find(tree, step->other, &to_dir, &to_last, &to);
	if (r < 0)
		return r;
	if (!from)
		return -ENOENT;
	if (to && step->op == FAKE_OP_RENAME_NOREPLACE)
		return -EEXIST;
	if (from == to) /* two names of one file: rename(2) does nothing */
		return 0;
	if (from->type == FAKE_DIR && is_below(to_dir, from))
		return -EINVAL;
	if (to) {
		r = check_replace(from, to);
		if (r < 0)
			return r;
	}

	bool was_held = from->is_held;
	bool is_whiteout = step->op == FAKE_OP_WHITEOUT;
	uint16_t kinds = SINCEFS_CONTENT | dir_flags(from);
	uint16_t is_new = to ? 0 : SINCEFS_NEW;
	uint16_t was_dir = to && to->type == FAKE_DIR ? SINCEFS_DIR : 0;

	from->is_held = true;
	g_hash_table_remove(from_dir->children, from_last);
	add_name(to_dir, to_last, from);
	if (is_whiteout)
		add_name(from_dir, from_last,
			 new_inode(fake_clock_tick(tree->clock), FAKE_WHITEOUT,
				   0));
	from->is_held = was_held;
	stamp_name(tree, from_dir, from_last,
		   is_whiteout ? kinds : kinds | SINCEFS_GONE);
	stamp_name(tree, to_dir, to_last, kinds | is_new | was_dir);
	return 0;
}

/* ---- operations on files ---- */

static void put_bytes(FakeInode *inode, size_t at, const char *bytes,
		      size_t size)
{
	if (at + size > inode->bytes->len) {
		guint old = inode->bytes->len;

		g_byte_array_set_size(inode->bytes, (guint)(at + size));
		memset(inode->bytes->data + old, 0, at + size - old);
	}
	memcpy(inode->bytes->data + at, bytes, size);
}

static void set_size(FakeInode *inode, size_t size)
{
	guint old = inode->bytes->len;

	g_byte_array_set_size(inode->bytes, (guint)size);
	if (size > old)
		memset(inode->bytes->data + old, 0, size - old);
}

static int copy_range(FakeTree *tree, const FakeStep *step)
{
	FakeInode *from, *to;
	int r = find_inode(tree, step->path, &from);

	if (r == 0)
		r = find_inode(tree, step->other, &to);
	if (r < 0)
		return r;
	put_bytes(to, 0, (const char *)from->bytes->data, from->bytes->len);
	stamp_inode(tree, to, SINCEFS_CONTENT);
	return 0;
}

static int set_value(FakeInode *inode, const char *value)
{
	if (!value && !inode->value)
		return -ENODATA;
	g_free(inode->value);
	inode->value = g_strdup(value);
	return 0;
}

/* What a step does to a file that is found; the stamp, or 0, or -errno. */
static int change(FakeTree *tree, FakeInode *inode, FakeOp op)
{
	int r;

	switch (op) {
	case FAKE_OP_WRITE:
	case FAKE_OP_HELD_WRITE:
	case FAKE_OP_HELD_MAP:
		put_bytes(inode, 0, FAKE_WRITE_TEXT, strlen(FAKE_WRITE_TEXT));
		return SINCEFS_CONTENT;
	case FAKE_OP_APPEND:
		put_bytes(inode, inode->bytes->len, FAKE_APPEND_TEXT,
			  strlen(FAKE_APPEND_TEXT));
		return SINCEFS_CONTENT;
	case FAKE_OP_TRUNCATE:
		set_size(inode, 1);
		return SINCEFS_CONTENT;
	case FAKE_OP_OPEN_TRUNC:
		set_size(inode, 0);
		return SINCEFS_CONTENT;
	case FAKE_OP_ALLOCATE:
		if (inode->bytes->len < FAKE_ALLOCATE_LENGTH)
			set_size(inode, FAKE_ALLOCATE_LENGTH);
		return SINCEFS_CONTENT;
	case FAKE_OP_PUNCH:
		if (inode->bytes->len)
			inode->bytes->data[0] = 0;
		return SINCEFS_CONTENT;
	case FAKE_OP_CHMOD:
	case FAKE_OP_HELD_CHMOD:
		inode->mode = FAKE_CHMOD_MODE;
		return SINCEFS_META;
	case FAKE_OP_CHOWN:
		return SINCEFS_META;
	case FAKE_OP_UTIMENS:
		fake_clock_tick(tree->clock);
		return SINCEFS_TIMES;
	case FAKE_OP_SETXATTR:
		r = set_value(inode, FAKE_XATTR_VALUE);
		return r < 0 ? r : SINCEFS_META;
	case FAKE_OP_REMOVEXATTR:
		r = set_value(inode, NULL);
		return r < 0 ? r : SINCEFS_META;
	default:
		return 0; /* looking */
	}
}

static int change_and_stamp(FakeTree *tree, FakeInode *inode, FakeOp op)
{
	int r = change(tree, inode, op);

	if (r <= 0)
		return r;
	stamp_inode(tree, inode, (uint16_t)r);
	return 0;
}

static int hold(FakeTree *tree, const char *path)
{
	FakeInode *inode;
	int r = find_inode(tree, path, &inode);

	if (r < 0)
		return r;
	release(tree);
	inode->is_held = true;
	tree->held = inode;
	return 0;
}

int fake_tree_do(FakeTree *tree, const FakeStep *step)
{
	FakeInode *inode;
	int r;

	switch (step->op) {
	case FAKE_OP_CREATE:
		return make(tree, step, FAKE_FILE, 0644);
	case FAKE_OP_MKDIR:
		return make(tree, step, FAKE_DIR, 0755);
	case FAKE_OP_MKFIFO:
		return make(tree, step, FAKE_FIFO, 0644);
	case FAKE_OP_SYMLINK:
		return make(tree, step, FAKE_SYMLINK, 0777);
	case FAKE_OP_LINK:
		return make_link(tree, step);
	case FAKE_OP_UNLINK:
		return unmake(tree, step, false);
	case FAKE_OP_RMDIR:
		return unmake(tree, step, true);
	case FAKE_OP_RENAME:
	case FAKE_OP_RENAME_NOREPLACE:
	case FAKE_OP_WHITEOUT:
		return move(tree, step);
	case FAKE_OP_EXCHANGE:
		return exchange(tree, step);
	case FAKE_OP_COPY_RANGE:
		return copy_range(tree, step);
	case FAKE_OP_HOLD:
		return hold(tree, step->path);
	case FAKE_OP_RELEASE:
		release(tree);
		return 0;
	case FAKE_OP_HELD_WRITE:
	case FAKE_OP_HELD_READ:
	case FAKE_OP_HELD_CHMOD:
	case FAKE_OP_HELD_MAP:
		return change_and_stamp(tree, tree->held, step->op);
	default:
		r = find_inode(tree, step->path, &inode);
		if (r < 0)
			return r;
		return change_and_stamp(tree, inode, step->op);
	}
}

/* ---- tables and texts ---- */

int fake_tree_load(FakeTree *tree, const FakeEntry *entries)
{
	for (const FakeEntry *entry = entries; entry->path; entry++) {
		FakeInode *dir, *inode;
		const char *last;
		int r = find(tree, entry->path, &dir, &last, &inode);

		if (r < 0)
			return r;
		if (inode)
			return -EEXIST;
		if (entry->type == FAKE_HARDLINK) {
			r = find_inode(tree, entry->content, &inode);
			if (r < 0)
				return r;
			fake_clock_tick(tree->clock);
			add_name(dir, last, inode);
			continue;
		}
		inode = new_inode(fake_clock_tick(tree->clock), entry->type,
				  entry->type == FAKE_SYMLINK
					  ? 0777
					  : fake_entry_get_mode(entry));
		g_byte_array_append(inode->bytes,
				    (const guint8 *)entry->content,
				    (guint)fake_entry_get_size(entry));
		if (entry->xattr)
			inode->value = g_strdup(entry->value);
		add_name(dir, last, inode);
	}
	return 0;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_dir(const FakeInode *dir, const char *path, bool times,
		       GPtrArray *paths, GHashTable *lines)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, dir->children);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const FakeName *name = value;
		const FakeInode *inode = name->inode;
		char *below = g_strconcat(path, name->name, NULL);
		g_autoptr(GString) text = g_string_new(NULL);

		fake_text_append(
			text, &(FakeLine){
				      .path = below,
				      .type = inode->type,
				      .mode = inode->mode,
				      .links = inode->names->len,
				      .mtime_ns = times ? inode->mtime_ns : -1,
				      .bytes = inode->bytes->data,
				      .size = inode->bytes->len,
				      .value = inode->value,
			      });
		g_ptr_array_add(paths, below);
		g_hash_table_insert(lines, below, g_strdup(text->str));
		if (inode->children) {
			g_autofree char *deeper = g_strconcat(below, "/", NULL);

			append_dir(inode, deeper, times, paths, lines);
		}
	}
}

char *fake_tree_to_text(FakeTree *tree, bool times)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GHashTable) lines =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	GString *text = g_string_new(NULL);

	append_dir(tree->root, "", times, paths, lines);
	g_ptr_array_sort(paths, compare_names);
	for (guint i = 0; i < paths->len; i++)
		g_string_append(text,
				g_hash_table_lookup(lines, paths->pdata[i]));
	return g_string_free(text, FALSE);
}
