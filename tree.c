#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "random.h"

#define MAX_LINKS 40
#define FIRST_BUCKETS 1024

/* ---- memory ---- */

static void *take(struct tree *t, size_t size)
{
	void *p;

	if (size > TREE_MEMORY - t->memory)
		return NULL;
	p = calloc(1, size);
	if (p)
		t->memory += size;
	return p;
}

static void give(struct tree *t, void *p, size_t size)
{
	if (p)
		t->memory -= size;
	free(p);
}

/* ---- inodes ---- */

struct tree_inode *tree_inode(struct tree *t, uint32_t mode)
{
	struct tree_inode *i = take(t, sizeof(*i));

	if (i)
		i->mode = mode;
	return i;
}

int tree_set_target(struct tree *t, struct tree_inode *i, const char *target,
		    size_t size)
{
	i->target = take(t, size + 1);
	if (!i->target)
		return -ENOMEM;
	memcpy(i->target, target, size);
	i->size = size;
	return 0;
}

static size_t xattr_memory(const struct tree_xattr *x)
{
	return sizeof(*x) + x->name_size + x->value_size;
}

static int xattr_order(const struct tree_xattr *x, const char *name,
		       size_t size)
{
	size_t least = x->name_size < size ? x->name_size : size;
	int r = memcmp(x->data, name, least);

	return r ? r : (x->name_size > size) - (x->name_size < size);
}

int tree_add_xattr(struct tree *t, struct tree_inode *i, const char *name,
		   size_t name_size, const void *value, size_t value_size)
{
	struct tree_xattr *x = take(t, sizeof(*x) + name_size + value_size);

	if (!x)
		return -ENOMEM;
	x->name_size = (uint32_t)name_size;
	x->value_size = (uint32_t)value_size;
	memcpy(x->data, name, name_size);
	memcpy(x->data + name_size, value, value_size);
	x->next = i->xattrs;
	i->xattrs = x;
	return 0;
}

/* Two sorted lists as one; of the same name that of a comes first. */
static struct tree_xattr *merge(struct tree_xattr *a, struct tree_xattr *b)
{
	struct tree_xattr *first = NULL, **end = &first;

	while (a && b) {
		struct tree_xattr **from =
			xattr_order(a, b->data, b->name_size) <= 0 ? &a : &b;

		*end = *from;
		end = &(*end)->next;
		*from = (*from)->next;
	}
	*end = a ? a : b;
	return first;
}

void tree_sort_xattrs(struct tree *t, struct tree_inode *i)
{
	struct tree_xattr *sorted[32] = { NULL }; /* n: 2^n of them */
	struct tree_xattr *next, *all = NULL;
	size_t n;

	for (struct tree_xattr *x = i->xattrs; x; x = next) {
		next = x->next;
		x->next = NULL;
		for (n = 0; sorted[n]; n++) {
			x = merge(sorted[n], x);
			sorted[n] = NULL;
		}
		sorted[n] = x;
	}
	for (n = 0; n < sizeof(sorted) / sizeof(sorted[0]); n++)
		all = merge(sorted[n], all);
	i->xattrs = all;
	/* The last one added was the first of the list. */
	for (struct tree_xattr *x = all; x; x = x->next)
		while ((next = x->next) &&
		       !xattr_order(next, x->data, x->name_size)) {
			x->next = next->next;
			give(t, next, xattr_memory(next));
		}
}

void tree_drop_xattrs(struct tree *t, struct tree_inode *i)
{
	struct tree_xattr *next;

	for (struct tree_xattr *x = i->xattrs; x; x = next) {
		next = x->next;
		give(t, x, xattr_memory(x));
	}
	i->xattrs = NULL;
}

void tree_drop_inode(struct tree *t, struct tree_inode *i)
{
	if (!i || i->names)
		return;
	if (S_ISREG(i->mode) && t->store)
		store_drop(t->store, i->data, i->size);
	tree_drop_xattrs(t, i);
	give(t, i->target, (size_t)i->size + 1);
	give(t, i, sizeof(*i));
}

static void unname(struct tree *t, struct tree_inode *i)
{
	i->names--;
	tree_drop_inode(t, i);
}

/* ---- nodes ---- */

/* Seeded: nobody can choose names that all meet. */
static uint64_t hash_name(const struct tree *t, const struct tree_node *dir,
			  const char *name, size_t size)
{
	uint64_t hash = t->seed ^ (uint64_t)(uintptr_t)dir;

	for (size_t i = 0; i < size; i++) {
		hash = (hash ^ (uint8_t)name[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return hash;
}

struct tree_node *tree_find(const struct tree *t, const struct tree_node *dir,
			    const char *name, size_t size)
{
	uint64_t hash = hash_name(t, dir, name, size);
	struct tree_node *n = t->buckets[hash & (t->bucket_count - 1)];

	while (n && (n->hash != hash || n->parent != dir ||
		     n->name_size != size || memcmp(n->name, name, size)))
		n = n->hash_next;
	return n;
}

static int grow(struct tree *t)
{
	size_t count = t->bucket_count * 2;
	struct tree_node **bigger, *next;

	if (t->node_count < t->bucket_count)
		return 0;
	bigger = take(t, count * sizeof(struct tree_node *));
	if (!bigger)
		return -ENOMEM;
	for (size_t i = 0; i < t->bucket_count; i++)
		for (struct tree_node *n = t->buckets[i]; n; n = next) {
			next = n->hash_next;
			n->hash_next = bigger[n->hash & (count - 1)];
			bigger[n->hash & (count - 1)] = n;
		}
	give(t, t->buckets, t->bucket_count * sizeof(struct tree_node *));
	t->buckets = bigger;
	t->bucket_count = count;
	return 0;
}

static int add_node(struct tree *t, struct tree_node *dir, const char *name,
		    size_t size, struct tree_node **node)
{
	struct tree_node *n, **bucket;

	if (dir->depth >= TREE_DEPTH)
		return -E2BIG;
	n = grow(t) ? NULL : take(t, sizeof(*n) + size);
	if (!n)
		return -ENOMEM;
	memcpy(n->name, name, size);
	n->name_size = (uint16_t)size;
	n->parent = dir;
	n->depth = dir->depth + 1;
	n->hash = hash_name(t, dir, name, size);
	bucket = &t->buckets[n->hash & (t->bucket_count - 1)];
	n->hash_next = *bucket;
	*bucket = n;
	n->next = dir->children;
	if (n->next)
		n->next->previous = n;
	dir->children = n;
	dir->count++;
	t->node_count++;
	*node = n;
	return 0;
}

/* Of a node without children. */
static void drop_node(struct tree *t, struct tree_node *n)
{
	struct tree_node **link = &t->buckets[n->hash & (t->bucket_count - 1)];

	while (*link != n)
		link = &(*link)->hash_next;
	*link = n->hash_next;
	if (n->next)
		n->next->previous = n->previous;
	if (n->previous)
		n->previous->next = n->next;
	else
		n->parent->children = n->next;
	n->parent->count--;
	t->node_count--;
	if (n->inode)
		unname(t, n->inode);
	give(t, n, sizeof(*n) + n->name_size);
}

static void remove_children(struct tree *t, struct tree_node *node)
{
	struct tree_node *n = node, *parent;

	while (node->children) {
		while (n->children)
			n = n->children;
		parent = n->parent;
		drop_node(t, n);
		n = parent;
	}
}

void tree_remove(struct tree *t, struct tree_node *node)
{
	remove_children(t, node);
	drop_node(t, node);
}

/*
 * What is left beneath a node after it has been hidden is the layer's, and so is
 * whatever comes into it while the layer lasts: it need not be looked at again.
 */
/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
void tree_hide_children(struct tree *t, struct tree_node *node)
{
	struct tree_node *next;

	if (node->hidden == t->layer)
		return;
	node->hidden = t->layer;
	for (struct tree_node *n = node->children; n; n = next) {
		next = n->next;
		tree_hide(t, n);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
void tree_hide(struct tree *t, struct tree_node *node)
{
	tree_hide_children(t, node);
	if (!node->children && node->layer != t->layer && node != t->root)
		drop_node(t, node);
}

int tree_put(struct tree *t, struct tree_node *dir, const char *name,
	     size_t size, struct tree_inode *inode, struct tree_node **node)
{
	struct tree_node *n = tree_find(t, dir, name, size);
	struct tree_inode *old = n ? n->inode : NULL;
	int r = n ? 0 : add_node(t, dir, name, size, &n);

	if (r)
		return r;
	inode->names++; /* first: its other name may be beneath */
	if (old)
		remove_children(t, n);
	n->inode = inode;
	n->layer = t->layer;
	if (old)
		unname(t, old);
	if (node)
		*node = n;
	return 0;
}

/* ---- paths ---- */

static int make_directory(struct tree *t, struct tree_node *dir,
			  const char *name, size_t size,
			  struct tree_node **node)
{
	struct tree_inode *i = tree_inode(t, S_IFDIR | 0755);
	int r;

	if (!i)
		return -ENOMEM;
	i->mtime_sec = t->mtime_sec;
	r = tree_put(t, dir, name, size, i, node);
	if (r)
		tree_drop_inode(t, i);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): MAX_LINKS deep */
static int walk(struct tree *t, const char *path, size_t size, bool make,
		int *links, struct tree_node **at)
{
	const char *end = path + size;
	int r = 0;

	while (path < end && r == 0) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash ? slash : end) - path);
		struct tree_node *next;
		const char *name = path;

		path += n + (slash ? 1 : 0);
		if (n == 0 || (n == 1 && name[0] == '.'))
			continue;
		if (!S_ISDIR((*at)->inode->mode))
			return -ENOTDIR;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			*at = (*at)->parent;
			continue;
		}
		next = tree_find(t, *at, name, n);
		if (!next && !make)
			return -ENOENT;
		if (!next) {
			r = make_directory(t, *at, name, n, at);
		} else if (S_ISLNK(next->inode->mode)) {
			if (--*links < 0)
				return -ELOOP;
			if (next->inode->target[0] == '/')
				*at = t->root;
			/* What a link leads to is not made. */
			r = walk(t, next->inode->target, next->inode->size,
				 false, links, at);
		} else {
			*at = next;
		}
	}
	return r;
}

int tree_walk(struct tree *t, const char *path, size_t size, bool make,
	      struct tree_node **dir)
{
	int links = MAX_LINKS, r;

	*dir = t->root;
	r = walk(t, path, size, make, &links, dir);
	return r == 0 && !S_ISDIR((*dir)->inode->mode) ? -ENOTDIR : r;
}

const struct tree_inode *tree_file(struct tree *t, const char *path)
{
	struct tree_node *n = t->root;
	int links = MAX_LINKS;

	if (walk(t, path, strlen(path), false, &links, &n))
		return NULL;
	return S_ISREG(n->inode->mode) ? n->inode : NULL;
}

/* ---- the whole ---- */

int tree_open(struct tree *t, struct store *store)
{
	size_t size = FIRST_BUCKETS * sizeof(struct tree_node *);
	int r;

	memset(t, 0, sizeof(*t));
	t->store = store;
	r = random_fill(&t->seed, sizeof(t->seed));
	if (r)
		return r;
	t->buckets = take(t, size);
	if (!t->buckets)
		return -ENOMEM;
	t->bucket_count = FIRST_BUCKETS;
	t->root = take(t, sizeof(*t->root));
	if (!t->root)
		return -ENOMEM;
	t->root->parent = t->root;
	t->root->inode = tree_inode(t, S_IFDIR | 0755);
	if (!t->root->inode)
		return -ENOMEM;
	t->root->inode->names = 1;
	return 0;
}

void tree_close(struct tree *t)
{
	t->store = NULL; /* whatever becomes of it */
	if (t->root) {
		remove_children(t, t->root);
		if (t->root->inode)
			unname(t, t->root->inode);
		give(t, t->root, sizeof(*t->root));
	}
	give(t, t->buckets, t->bucket_count * sizeof(struct tree_node *));
	memset(t, 0, sizeof(*t));
}
