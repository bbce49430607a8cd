#include "unpack.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tar.h"

#define WHITEOUT ".wh."
#define WHITEOUT_SIZE 4
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh." /* at the root: a file system's own files */
#define LINK_TARGET "what it is a link to"
#define XATTR_NAME 255
#define XATTR_VALUE 65536

struct unpack {
	struct tree *tree;
	struct tar tar;
	const struct tar_entry *m;
	bool layer;
	struct progress *progress;
	struct err *e;
	struct tree_inode *content; /* that is being filled */
};

/* Where a member goes. */
struct place {
	struct tree_node *dir;
	const char *name; /* size 0: it is the root */
	size_t size;
};

/* ---- messages ---- */

static int bad(struct unpack *u, int code, const char *why)
{
	return err_set(u->e, code, "%s: %s: %s", u->tar.in->name, u->tar.last,
		       why);
}

static int no_memory(struct unpack *u)
{
	return bad(u, -ENOMEM, "too many files, or no memory");
}

static int bad_path(struct unpack *u, int code, const char *what)
{
	const char *why = code == -ENOENT  ? "is not there" :
			  code == -ENOTDIR ? "leads through a file" :
			  code == -ELOOP   ? "leads through too many links" :
			  code == -E2BIG   ? "is too deep" :
					     strerror(-code);

	if (code == -ENOMEM)
		return no_memory(u);
	return err_set(u->e, code, "%s: %s: %s %s", u->tar.in->name,
		       u->tar.last, what, why);
}

/* ---- paths ---- */

/* The last name of a path, and what leads to it. */
static void split(struct pax_text path, struct pax_text *dir,
		  struct pax_text *name)
{
	size_t end = path.size, start;

	for (;;) {
		while (end && path.data[end - 1] == '/')
			end--;
		start = end;
		while (start && path.data[start - 1] != '/')
			start--;
		if (end - start != 1 || path.data[start] != '.')
			break;
		end = start;
	}
	*name = (struct pax_text){ path.data + start, end - start };
	*dir = (struct pax_text){ path.data, start };
}

static int check_path(struct unpack *u, struct pax_text path)
{
	const char *p = path.data, *end = p + path.size;

	while (p < end) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t n = (size_t)((slash ? slash : end) - p);

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return bad(u, -EINVAL, "`..` in its path");
		if (n > TREE_NAME)
			return bad(u, -ENAMETOOLONG,
				   "a name longer than 255 bytes in its path");
		p += n + 1;
	}
	return 0;
}

static int find_place(struct unpack *u, struct pax_text path, bool make,
		      const char *what, struct place *place)
{
	struct pax_text dir, name;
	int r = check_path(u, path);

	if (r)
		return r;
	split(path, &dir, &name);
	place->name = name.data;
	place->size = name.size;
	u->tree->mtime_sec = u->m->mtime_sec;
	r = tree_walk(u->tree, dir.data, dir.size, make, &place->dir);
	return r ? bad_path(u, r, what) : 0;
}

static struct tree_node *find(const struct unpack *u, const struct place *place)
{
	return place->size ? tree_find(u->tree, place->dir, place->name,
				       place->size) :
			     u->tree->root;
}

/* ---- attributes ---- */

static bool begins(const char *name, size_t size, const char *with)
{
	size_t n = strlen(with);

	return size > n && !memcmp(name, with, n);
}

/* Others are this host's: labels of its policy, lists for its accounts. */
bool unpack_keeps_xattr(const char *name, size_t size)
{
	return size <= XATTR_NAME && !memchr(name, 0, size) &&
	       (begins(name, size, "user.") || begins(name, size, "trusted.") ||
		(size == 19 && !memcmp(name, "security.capability", size)));
}

static int set_xattrs(struct unpack *u, struct tree_inode *i)
{
	int r = 0;

	for (size_t k = 0; k < u->m->xattr_count && r == 0; k++) {
		const struct pax_xattr *x = &u->m->xattrs[k];
		char name[SHOWN_SIZE];

		if (x->value.size > XATTR_VALUE)
			return bad(u, -E2BIG, "an attribute over 64 KiB");
		if (unpack_keeps_xattr(x->name.data, x->name.size))
			r = tree_add_xattr(u->tree, i, x->name.data,
					   x->name.size, x->value.data,
					   x->value.size);
		else if (!begins(x->name.data, x->name.size, "security."))
			progress_warn(u->progress,
				      "%s: %s: the attribute %s is left out",
				      u->tar.in->name, u->tar.last,
				      shown(name, x->name.data, x->name.size));
	}
	tree_sort_xattrs(u->tree, i);
	return r ? no_memory(u) : 0;
}

static int set_attributes(struct unpack *u, struct tree_inode *i)
{
	const struct tar_entry *m = u->m;

	i->mode = m->mode;
	i->uid = m->uid;
	i->gid = m->gid;
	i->mtime_sec = m->mtime_sec;
	i->mtime_nsec = m->mtime_nsec;
	return set_xattrs(u, i);
}

/* ---- kinds of members ---- */

static int put(struct unpack *u, const struct place *place,
	       struct tree_inode *i)
{
	int r = tree_put(u->tree, place->dir, place->name, place->size, i,
			 NULL);

	return r ? bad_path(u, r, "its path") : 0;
}

/* One that is there stays, with what is in it. */
static int put_directory(struct unpack *u, const struct place *place)
{
	struct tree_node *n = find(u, place);
	struct tree_inode *i;
	int r;

	if (n && S_ISDIR(n->inode->mode)) {
		n->layer = u->tree->layer;
		tree_drop_xattrs(u->tree, n->inode);
		return set_attributes(u, n->inode);
	}
	i = tree_inode(u->tree, S_IFDIR);
	if (!i)
		return no_memory(u);
	r = set_attributes(u, i);
	if (r == 0)
		r = put(u, place, i);
	if (r)
		tree_drop_inode(u->tree, i);
	return r;
}

static int take_content(void *context, uint64_t offset, const void *data,
			size_t size)
{
	struct unpack *u = context;
	int r = store_write(u->tree->store, data, size,
			    u->content->data + offset);

	u->progress->bytes += size;
	progress_show(u->progress);
	return r ? bad(u, r, strerror(-r)) : 0;
}

static int fill(struct unpack *u, struct tree_inode *i)
{
	const struct tar_entry *m = u->m;

	switch (m->mode & S_IFMT) {
	case S_IFREG:
		if (store_begin(u->tree->store, m->size, &i->data))
			return bad(u, -EFBIG, "too large");
		i->size = m->size;
		u->content = i;
		return tar_content(&u->tar, take_content, u);
	case S_IFLNK:
		if (m->link.size == 0)
			return bad(u, -EINVAL, "a link to nothing");
		return tree_set_target(u->tree, i, m->link.data, m->link.size) ?
			       no_memory(u) :
			       0;
	case S_IFCHR:
	case S_IFBLK:
		i->rdev = unpack_device(m->major, m->minor);
		return 0;
	default:
		return 0;
	}
}

static int put_file(struct unpack *u, const struct place *place)
{
	struct tree_inode *i = tree_inode(u->tree, u->m->mode);
	int r;

	if (!i)
		return no_memory(u);
	r = set_attributes(u, i);
	if (r == 0)
		r = fill(u, i);
	if (r == 0)
		r = put(u, place, i);
	if (r)
		tree_drop_inode(u->tree, i);
	return r;
}

static int put_link(struct unpack *u, const struct place *place)
{
	struct tree_node *n = find(u, place), *to;
	struct place target;
	int r = find_place(u, u->m->link, false, LINK_TARGET, &target);

	if (r)
		return r;
	to = find(u, &target);
	if (!to)
		return bad_path(u, -ENOENT, LINK_TARGET);
	if (S_ISDIR(to->inode->mode))
		return bad(u, -EINVAL, "a hard link to a directory");
	if (n && n->inode == to->inode)
		return 0;
	return put(u, place, to->inode);
}

/* ---- layers ---- */

static bool is_opaque(struct pax_text name)
{
	return name.size == sizeof(OPAQUE) - 1 &&
	       !memcmp(name.data, OPAQUE, name.size);
}

static bool is_aufs(struct pax_text path)
{
	while (path.size &&
	       (path.data[0] == '/' || (path.data[0] == '.' && path.size > 1 &&
					path.data[1] == '/'))) {
		path.data++;
		path.size--;
	}
	return begins(path.data, path.size, AUFS) && !is_opaque(path);
}

/* A name that hides others, in a directory that may be gone already. */
static int hide(struct unpack *u, struct pax_text path, struct pax_text name)
{
	struct tree_node *dir, *n;
	int r = check_path(u, u->m->path);

	if (r)
		return r;
	if (name.size == WHITEOUT_SIZE ||
	    (name.size == WHITEOUT_SIZE + 1 && name.data[WHITEOUT_SIZE] == '.'))
		return bad(u, -EINVAL, "it hides nothing that has a name");
	if (tree_walk(u->tree, path.data, path.size, false, &dir))
		return 0;
	if (is_opaque(name)) {
		tree_hide_children(u->tree, dir);
		return 0;
	}
	n = tree_find(u->tree, dir, name.data + WHITEOUT_SIZE,
		      name.size - WHITEOUT_SIZE);
	if (n)
		tree_hide(u->tree, n);
	return 0;
}

/* ---- the whole ---- */

static int put_member(struct unpack *u)
{
	struct pax_text dir, name;
	struct place place;
	int r;

	if (u->layer && is_aufs(u->m->path))
		return 0;
	split(u->m->path, &dir, &name);
	if (u->layer && name.size >= WHITEOUT_SIZE &&
	    !memcmp(name.data, WHITEOUT, WHITEOUT_SIZE))
		return hide(u, dir, name);
	r = find_place(u, u->m->path, true, "its path", &place);
	if (r)
		return r;
	if (place.size == 0 && (u->m->hard || !S_ISDIR(u->m->mode)))
		return bad(u, -EINVAL, "a file without a name");
	if (u->m->hard)
		return put_link(u, &place);
	return S_ISDIR(u->m->mode) ? put_directory(u, &place) :
				     put_file(u, &place);
}

int unpack_tar(struct tree *t, struct stream *in, bool layer,
	       struct progress *progress, struct err *e)
{
	struct unpack u = {
		.tree = t, .layer = layer, .progress = progress, .e = e
	};
	int r;

	tar_open(&u.tar, in, progress, e);
	while ((r = tar_next(&u.tar, &u.m)) == 1) {
		r = put_member(&u);
		if (r)
			break;
		progress->files++;
		progress_show(progress);
	}
	tar_close(&u.tar);
	return r;
}

uint64_t unpack_device(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (uint64_t)major << 8 |
	       (uint64_t)(minor & ~0xffu) << 12;
}
