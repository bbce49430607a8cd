/*
 * walk.c: from a path to a node. The path is read where it is; a link's target
 * is walked before what is left, which waits on a stack as long as links may
 * nest.
 */
#include "fs/walk.h"

#include <linux/openat2.h>

#include "fs/descriptor.h"
#include "fs/entry.h"
#include "fs/image.h"
#include "fs/permission.h"
#include "heap.h"
#include "text.h"

#define MAX_LINKS 40 /* path_resolution(7) */

struct piece {
	const char *at, *end;
};

struct walker {
	struct node *root; /* where "/" leads and ".." ends */
	struct node *at;
	struct piece rest[MAX_LINKS + 1];
	u32 depth, links;
	u64 resolve;           /* RESOLVE_* */
	bool slash;            /* slashes follow the component */
	char *made[MAX_LINKS]; /* targets of links of /proc */
	u32 made_count;
};

static bool is_name(const struct piece *c, const char *name)
{
	size_t n = strlen(name);

	return (size_t)(c->end - c->at) == n && !memcmp(c->at, name, n);
}

/* Skips slashes and texts that are used up. */
static void skip(struct walker *k)
{
	while (k->depth) {
		struct piece *p = &k->rest[k->depth - 1];

		while (p->at < p->end && *p->at == '/') {
			p->at++;
			k->slash = true;
		}
		if (p->at < p->end)
			return;
		k->depth--;
	}
}

/* Takes the next component; true when it is the last one. */
static bool next(struct walker *k, struct piece *c)
{
	struct piece *p = &k->rest[k->depth - 1];

	c->at = c->end = p->at;
	while (c->end < p->end && *c->end != '/')
		c->end++;
	p->at = c->end;
	k->slash = false;
	skip(k);
	return k->depth == 0;
}

static long push(struct walker *k, const char *text, size_t size)
{
	if (size && text[0] == '/') {
		if (k->resolve & RESOLVE_BENEATH)
			return -EXDEV;
		if ((k->resolve & RESOLVE_NO_XDEV) &&
		    node_mount(k->at) != node_mount(k->root))
			return -EXDEV;
		k->at = k->root;
	}
	k->rest[k->depth++] = (struct piece){ text, text + size };
	return 0;
}

static long follow_link(struct walker *k, struct node *link, bool slash)
{
	static const char slashes[] = "/";
	const char *text = link->target;
	size_t size = text ? strlen(text) : link->size;
	struct text made = { 0 };

	if (++k->links > MAX_LINKS || (k->resolve & RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	if (link->ops) {
		if (k->resolve & RESOLVE_NO_MAGICLINKS)
			return -ELOOP;
		(void)link->ops->show(link, &made); /* or it is empty */
		k->made[k->made_count++] = made.at;
		text = made.at;
		size = made.size;
		if (made.failed)
			return -ENOMEM;
	} else if (!text) {
		text = image_target(link);
	}
	if (size == 0)
		return -ENOENT;
	if (slash && k->depth == 0) /* what the link is must be a directory */
		k->rest[k->depth++] = (struct piece){ slashes, slashes + 1 };
	return push(k, text, size);
}

/* ".."; the root is its own parent. */
static long go_up(struct walker *k, struct node **up)
{
	*up = k->at;
	if (k->at == k->root)
		return k->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	if (k->at->parent)
		*up = k->at->parent;
	return 0;
}

/* A link of /proc/PID/fd, or exe: the open file itself. */
static long follow_magic(const struct walker *k, const struct node *link,
			 struct walk *w)
{
	long r = link->ops->permission ? link->ops->permission(link) : 0;

	if (r)
		return r;
	w->magic = link->ops->file(link);
	if (!w->magic)
		return -ENOENT;
	if (k->resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	if (k->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EXDEV;
	w->node = file_node(w->magic);
	return 0;
}

/* One component; w->node is what it is. */
static long step(struct walker *k, const struct piece *c, bool followed,
		 struct walk *w)
{
	size_t size = (size_t)(c->end - c->at);
	long r;

	if (!is_dir(k->at))
		return -ENOTDIR;
	r = node_permission(k->at, MAY_EXEC);
	if (r)
		return r;
	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	w->parent = k->at;
	w->dots = true;
	if (is_name(c, ".")) {
		w->node = k->at;
		return 0;
	}
	if (is_name(c, ".."))
		return go_up(k, &w->node);
	w->dots = false;
	w->node = dir_lookup(k->at, c->at, (u32)size);
	if (followed && w->node && w->node->ops && w->node->ops->magic(w->node))
		return follow_magic(k, w->node, w);
	return 0;
}

/* RESOLVE_NO_XDEV: from what is mounted here to something else. */
static long may_cross(const struct walker *k, const struct walk *w)
{
	if (!(k->resolve & RESOLVE_NO_XDEV))
		return 0;
	if (!w->node)
		return w->magic ? -EXDEV : 0;
	return node_mount(w->node) == node_mount(k->at) ? 0 : -EXDEV;
}

static long walk(struct walker *k, bool follow, struct walk *w)
{
	struct piece c = { 0 };
	bool last = k->depth == 0, followed;
	long r;

	while (!last) {
		last = next(k, &c);
		followed = !last || follow ||
			   (k->slash && !(k->resolve & WALK_NAME));
		w->magic = NULL;
		r = step(k, &c, followed, w);
		if (r == 0)
			r = may_cross(k, w);
		if (r)
			return r;
		if (!w->node && !w->magic) {
			if (!last)
				return -ENOENT;
			break;
		}
		if (!w->magic && node_type(w->node) == S_IFLNK && followed) {
			r = follow_link(k, w->node, k->slash);
			if (r)
				return r;
			k->slash = false;
			skip(k);
			last = k->depth == 0;
			if (last) { /* a link to "/" */
				w->parent = NULL;
				w->node = k->at;
			}
			continue;
		}
		if (last)
			break;
		if (!w->node)
			return -ENOTDIR;
		k->at = w->node;
	}
	w->directory = k->slash;
	if (w->parent && !w->magic) {
		w->name_size = (u32)(c.end - c.at);
		memcpy(w->name, c.at, w->name_size);
	}
	w->name[w->name_size] = 0;
	if (w->directory && !(k->resolve & WALK_NAME) &&
	    (w->node ? !is_dir(w->node) : w->magic != NULL))
		return -ENOTDIR;
	return 0;
}

long vfs_resolve(struct node *start, const char *path, bool follow, u64 resolve,
		 struct walk *w)
{
	struct walker k;
	size_t size = strnlen(path, PATH_MAX);
	long r;

	if (size == 0)
		return -ENOENT;
	if (size >= PATH_MAX)
		return -ENAMETOOLONG;
	k.root = vfs_root();
	k.at = start ? start : k.root;
	if (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		k.root = k.at;
	k.depth = k.links = k.made_count = 0;
	k.resolve = resolve;
	k.slash = false;
	w->parent = NULL;
	w->magic = NULL;
	w->dots = w->directory = false;
	w->name_size = 0;
	r = push(&k, path, size);
	skip(&k);
	w->node = k.at;
	if (r == 0)
		r = walk(&k, follow, w);
	while (k.made_count)
		kfree(k.made[--k.made_count]);
	return r;
}

long vfs_walk(struct node *start, const char *path, bool follow, struct walk *w)
{
	return vfs_resolve(start, path, follow, 0, w);
}
