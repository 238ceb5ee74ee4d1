/* SPDX-License-Identifier: MIT */
/*
 * A stamp belongs to a name. What an operation tells is an inode or a directory
 * and a last part, so here names are climbed to the root in the inode table and
 * come down again in the dirty set's name tree, under the table's lock, with
 * the set's lock inside.
 *
 * (1) A file with several names is stamped at all that are known, with LINKED;
 *     and with all that happened to it while some were not.
 * (2) An ignored name is not stamped. A file with several names is ignored only
 *     when all its names are known and ignored.
 * (3) An object without a name (unlinked and still open) is stamped nowhere.
 *     One whose name could not be kept loses the history when it changes. One
 *     that has links left of which none is known may have changed anywhere: the
 *     root is stamped, with LINKED and SUBTREE.
 * (4) A name so deep that its parts do not fit is stamped at the ancestor that
 *     does, with SUBTREE.
 */
#include "fs/mark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/notifier.h"

#define NAMES_ON_STACK 256
/* Far beyond what fits in a record (4,015 parts of one byte); the rest is (4).
 */
#define NAMES_MAX 8192u

typedef struct {
	const char **parts; /* of the directory, with room for one more */
	size_t count;
	bool cut; /* (4): stands for something below */
	const char *on_stack[NAMES_ON_STACK];
} Path;

static void lose(Fs *fs)
{
	dirty_set_lock(fs->set);
	dirty_set_lose_locked(fs->set);
	dirty_set_unlock(fs->set);
}

/* A node without a path: was it not removed, but could its name not be kept? */
static bool is_lost_locked(Fs *fs, const Node *node)
{
	while (node->links != NULL)
		node = inode_table_at_locked(fs->table, node->links->parent);
	return node->flags & NODE_NAME_LOST;
}

/* False when the directory has no path, or there is no memory: when that loses
   the event, it is said. */
static bool path_init_locked(Fs *fs, Path *path, const Node *dir)
{
	size_t depth = inode_table_depth_locked(fs->table, dir);

	path->cut = false;
	path->parts = path->on_stack;
	path->count = depth;
	if (depth == INODE_NO_PATH) {
		if (is_lost_locked(fs, dir))
			lose(fs);
		return false;
	}
	if (depth + 1 > NAMES_ON_STACK) {
		path->parts = calloc(depth + 1, sizeof(*path->parts));
		if (path->parts == NULL) {
			lose(fs);
			return false;
		}
	}
	inode_table_path_locked(fs->table, dir, depth, path->parts);
	if (depth + 1 > NAMES_MAX) {
		path->count = NAMES_MAX - 1;
		path->cut = true;
	}
	return true;
}

static void path_clear(Path *path)
{
	if (path->parts != path->on_stack)
		free(path->parts);
}

static void path_add(Path *path, const char *name)
{
	if (!path->cut)
		path->parts[path->count++] = name;
}

static bool is_ignored(Fs *fs, const Path *path, bool is_dir)
{
	return !ignore_is_empty(fs->ignore) &&
	       ignore_match(fs->ignore, path->parts, path->count, is_dir);
}

/* The set's lock is held. */
static void stamp_path_locked(Fs *fs, const Path *path, uint16_t flags,
			      const Writer *by)
{
	NameTree *names = dirty_set_get_names(fs->set);
	NameNode *node = name_node_ref(fs->root_name);

	for (size_t i = 0; i < path->count && node != NULL; i++) {
		NameNode *child = name_tree_ref_child(
			names, node, path->parts[i], strlen(path->parts[i]));

		name_node_unref(names, node);
		node = child;
	}
	if (node == NULL) {
		dirty_set_lose_locked(fs->set);
		return;
	}
	if (path->cut)
		flags = SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE;
	dirty_set_stamp_locked(fs->set, node, flags, by);
	counters_stamp(&fs->counters);
	name_node_unref(names, node);
}

/* What the rules for names that are ignored say of a stamp. */
typedef enum {
	AS_IT_IS,  /* not if the name is ignored */
	AS_EITHER, /* not if it is ignored as a directory and as another file */
	ANYHOW,    /* (2): stamp it all the same */
} Ignoring;

/* Stamp @name in @dir, if it is not ignored; the table's lock is held. */
static void stamp_name_locked(Fs *fs, const Node *dir, const char *name,
			      uint16_t flags, Ignoring ignoring,
			      const Writer *by)
{
	bool is_dir = flags & SINCEFS_DIR;
	Path path;

	if (!path_init_locked(fs, &path, dir))
		return;
	path_add(&path, name);
	if (ignoring == ANYHOW || !is_ignored(fs, &path, is_dir) ||
	    (ignoring == AS_EITHER && !is_ignored(fs, &path, !is_dir))) {
		dirty_set_lock(fs->set);
		stamp_path_locked(fs, &path, flags, by);
		dirty_set_unlock(fs->set);
	}
	path_clear(&path);
}

/* (2): must ignored names be stamped too, as one that is not known is not? A
   directory's links are those of its subdirectories. */
static bool has_unknown_names_locked(const Node *node)
{
	return node->type != S_IFDIR && node->nlink > 1 &&
	       node->nlink > node_count_names_locked(node);
}

#define KINDS (SINCEFS_CONTENT | SINCEFS_META | SINCEFS_TIMES)

static void stamp_root(Fs *fs, uint16_t flags, const Writer *by)
{
	Path path = {.count = 0};

	dirty_set_lock(fs->set);
	stamp_path_locked(fs, &path, flags, by);
	dirty_set_unlock(fs->set);
}

static void stamp_node_locked(Fs *fs, Node *node, uint16_t flags,
			      const Writer *by)
{
	bool has_unknown = has_unknown_names_locked(node);
	Ignoring ignoring = has_unknown ? ANYHOW : AS_IT_IS;

	/* A name that was not known when this happened, and is by now, shares
	   it. */
	flags |= node->missed;
	if (has_unknown)
		node->missed |= flags & KINDS;
	if (node->flags & NODE_CONTROL)
		return;
	if (node->type == S_IFDIR)
		flags |= SINCEFS_DIR;
	else if (node->nlink > 1)
		flags |= SINCEFS_LINKED;
	if (node->index == INODE_ROOT_INDEX) {
		stamp_root(fs, flags, by);
		return;
	}
	if (node->flags & NODE_NAME_LOST)
		lose(fs);
	if (node->links == NULL && node->type != S_IFDIR && node->nlink > 0)
		stamp_root(fs,
			   flags | SINCEFS_CONTENT | SINCEFS_DIR |
				   SINCEFS_LINKED | SINCEFS_SUBTREE,
			   by); /* (3) */
	for (const Link *link = node->links; link != NULL; link = link->next)
		stamp_name_locked(
			fs, inode_table_at_locked(fs->table, link->parent),
			link->name, flags, ignoring, by);
}

static void stamp_node(Fs *fs, uint64_t id, uint16_t flags, const Writer *by)
{
	Node *node;

	inode_table_lock(fs->table);
	node = inode_table_get_locked(fs->table, id);
	if (node != NULL)
		stamp_node_locked(fs, node, flags, by);
	inode_table_unlock(fs->table);
	notifier_clock_moved(&fs->notifier);
}

bool mark_may_have_acted(int error)
{
	switch (-error) {
	case E2BIG:
	case EACCES:
	case EBADF:
	case EBUSY:
	case EEXIST:
	case EFBIG:
	case EINVAL:
	case EISDIR:
	case ELOOP:
	case EMFILE:
	case EMLINK:
	case ENAMETOOLONG:
	case ENFILE:
	case ENODATA:
	case ENOENT:
	case ENOTDIR:
	case ENOTEMPTY:
	case ENOTTY:
	case ENXIO:
	case EOPNOTSUPP:
	case EPERM:
	case ERANGE:
	case EROFS:
	case ESTALE:
	case ETXTBSY:
	case EXDEV:
		return false;
	default:
		return true;
	}
}

void mark_content(Fs *fs, uint64_t id, const Writer *by)
{
	stamp_node(fs, id, SINCEFS_CONTENT, by);
}

void mark_content_bypassed(Fs *fs, uint64_t id, const Writer *by)
{
	stamp_node(fs, id, SINCEFS_CONTENT | SINCEFS_SCANNED, by);
}

void mark_meta(Fs *fs, uint64_t id, const Writer *by)
{
	stamp_node(fs, id, SINCEFS_META, by);
}

void mark_times(Fs *fs, uint64_t id, const Writer *by)
{
	stamp_node(fs, id, SINCEFS_TIMES, by);
}

static uint16_t dir_flag(mode_t type)
{
	return S_ISDIR(type) ? SINCEFS_DIR : 0;
}

static void stamp_at(Fs *fs, uint64_t parent, const char *name, uint16_t flags,
		     const Writer *by)
{
	Node *dir;

	inode_table_lock(fs->table);
	dir = inode_table_get_locked(fs->table, parent);
	if (dir != NULL)
		stamp_name_locked(fs, dir, name, flags, AS_IT_IS, by);
	inode_table_unlock(fs->table);
	notifier_clock_moved(&fs->notifier);
	notifier_doubt_attributes(&fs->notifier, parent);
}

void mark_created(Fs *fs, uint64_t parent, const char *name, mode_t type,
		  const Writer *by)
{
	stamp_at(fs, parent, name,
		 SINCEFS_CONTENT | SINCEFS_NEW | dir_flag(type), by);
}

void mark_doubtful(Fs *fs, uint64_t parent, const char *name, mode_t type,
		   const Writer *by)
{
	uint16_t flags = SINCEFS_CONTENT | dir_flag(type);

	if (S_ISDIR(type))
		flags |= SINCEFS_SUBTREE;
	stamp_at(fs, parent, name, flags, by);
}

/* The known node that @object was; a reference, or NULL. */
static Node *ref_object_locked(Fs *fs, const MarkObject *object)
{
	Node *node = NULL;

	if (object->type != 0)
		node = inode_table_find_locked(fs->table, &object->key);
	if (node != NULL)
		node_ref_locked(node);
	return node;
}

/* @node is @object, which had this name. Its links are counted from what they
   were: who has seen it since may have entered what they are by now. */
static void lose_name_locked(Fs *fs, Node *node, const MarkObject *object,
			     Node *dir, const char *name)
{
	inode_table_remove_name_locked(fs->table, node, dir, name);
	if (S_ISDIR(object->type) || object->nlink <= 1)
		node->flags &= (uint16_t)~NODE_NAME_LOST;
	if (S_ISDIR(object->type))
		node->nlink = 0;
	else
		node->nlink = object->nlink > 0 ? object->nlink - 1 : 0;
}

void mark_removed(Fs *fs, uint64_t parent, const char *name,
		  const MarkObject *object, const Writer *by)
{
	Node *dir, *node;

	inode_table_lock(fs->table);
	inode_table_changed_locked(fs->table);
	dir = inode_table_get_locked(fs->table, parent);
	if (dir != NULL) {
		node = ref_object_locked(fs, object);
		if (node != NULL) {
			lose_name_locked(fs, node, object, dir, name);
			node_unref_locked(fs->table, node);
		}
		stamp_name_locked(fs, dir, name,
				  SINCEFS_CONTENT | SINCEFS_GONE |
					  dir_flag(object->type),
				  AS_IT_IS, by);
	}
	inode_table_unlock(fs->table);
	notifier_clock_moved(&fs->notifier);
	notifier_doubt_attributes(&fs->notifier, parent);
}

static uint16_t moved_flags(const MarkObject *object)
{
	return S_ISDIR(object->type)
		       ? SINCEFS_CONTENT | SINCEFS_DIR | SINCEFS_SUBTREE
		       : SINCEFS_CONTENT;
}

/*
 * Without memory, or when something that bypasses the mount has made the table
 * so wrong that the directory would lie below itself, a node goes without this
 * name until it is looked up again.
 */
static void gain_name_locked(Fs *fs, Node *node, Node *dir, const char *name)
{
	if (inode_table_add_name_locked(fs->table, node, dir, name) < 0) {
		node->flags |= NODE_NAME_LOST;
		lose(fs);
	}
}

void mark_renamed(Fs *fs, uint64_t parent, const char *name,
		  const MarkObject *moved, uint64_t new_parent,
		  const char *new_name, const MarkObject *victim,
		  unsigned flags, const Writer *by)
{
	bool exchange = flags & RENAME_EXCHANGE;
	uint64_t moved_id = 0, other_id = 0;
	/* What stays behind under the old name is of another kind. */
	Ignoring ignoring = S_ISDIR(moved->type) != S_ISDIR(victim->type)
				    ? AS_EITHER
				    : AS_IT_IS;
	Node *dir, *new_dir, *node, *other;

	inode_table_lock(fs->table);
	inode_table_changed_locked(fs->table);
	dir = inode_table_get_locked(fs->table, parent);
	new_dir = inode_table_get_locked(fs->table, new_parent);
	if (dir == NULL || new_dir == NULL) {
		inode_table_unlock(fs->table);
		return;
	}
	node = ref_object_locked(fs, moved);
	other = ref_object_locked(fs, victim);
	/* Both lose before either gains: directories that change places must
	   not look like a loop. */
	if (node != NULL)
		inode_table_remove_name_locked(fs->table, node, dir, name);
	if (other != NULL) {
		if (exchange)
			inode_table_remove_name_locked(fs->table, other,
						       new_dir, new_name);
		else
			lose_name_locked(fs, other, victim, new_dir, new_name);
	}
	if (node != NULL) {
		moved_id = node_get_id(node);
		gain_name_locked(fs, node, new_dir, new_name);
		node_unref_locked(fs->table, node);
	}
	if (other != NULL) {
		other_id = node_get_id(other);
		if (exchange)
			gain_name_locked(fs, other, dir, name);
		node_unref_locked(fs->table, other);
	}

	/* A name that was a directory and is none any more: all that was below
	   it is gone, which DIR and SUBTREE say as well. */
	if (exchange)
		stamp_name_locked(fs, dir, name,
				  moved_flags(moved) | moved_flags(victim),
				  ignoring, by);
	else if (flags & RENAME_WHITEOUT)
		stamp_name_locked(fs, dir, name, moved_flags(moved), ignoring,
				  by);
	else
		stamp_name_locked(fs, dir, name,
				  moved_flags(moved) | SINCEFS_GONE, AS_IT_IS,
				  by);
	stamp_name_locked(fs, new_dir, new_name,
			  moved_flags(moved) |
				  (exchange ? moved_flags(victim) : 0) |
				  (victim->type == 0 ? SINCEFS_NEW : 0),
			  exchange ? ignoring : AS_IT_IS, by);
	inode_table_unlock(fs->table);
	notifier_clock_moved(&fs->notifier);
	notifier_doubt_attributes(&fs->notifier, parent);
	if (new_parent != parent)
		notifier_doubt_attributes(&fs->notifier, new_parent);
	/* Their ctime. */
	if (moved_id != 0)
		notifier_doubt_attributes(&fs->notifier, moved_id);
	if (other_id != 0)
		notifier_doubt_attributes(&fs->notifier, other_id);
}

void mark_linked(Fs *fs, uint64_t id, uint64_t parent, const char *name,
		 const Writer *by)
{
	Node *dir, *node;

	inode_table_lock(fs->table);
	inode_table_changed_locked(fs->table);
	dir = inode_table_get_locked(fs->table, parent);
	node = inode_table_get_locked(fs->table, id);
	if (dir != NULL && node != NULL) {
		node->nlink++;
		gain_name_locked(fs, node, dir, name);
		stamp_name_locked(fs, dir, name, SINCEFS_CONTENT | SINCEFS_NEW,
				  AS_IT_IS, by);
	}
	inode_table_unlock(fs->table);
	notifier_clock_moved(&fs->notifier);
	notifier_doubt_attributes(&fs->notifier, parent);
}
