/* image.c: the image's directories, and the nodes of its files. */
#include "fs/image.h"

#include "fs/quota.h"
#include "fs/xattrs.h"
#include "heap.h"

/* By inode number, made when asked for. */
static struct node **nodes;

static const struct zb_image_header *header(void)
{
	return (const void *)ZB_IMAGE_BASE;
}

static const struct zb_image_inode *inode(u32 number)
{
	return (const struct zb_image_inode *)(ZB_IMAGE_BASE +
					       header()->inodes) +
	       number;
}

static const struct zb_image_dirent *dirent(u64 index)
{
	return (const struct zb_image_dirent *)(ZB_IMAGE_BASE +
						header()->dirents) +
	       index;
}

static const char *name_at(u64 offset)
{
	return (const char *)(ZB_IMAGE_BASE + header()->names + offset);
}

static int compare(const char *a, u32 a_size, const char *b, u32 b_size)
{
	int r = memcmp(a, b, MIN(a_size, b_size));

	return r ? r : (int)a_size - (int)b_size;
}

static const struct zb_image_dirent *find(const struct node *dir,
					  const char *name, u32 size)
{
	const struct zb_image_inode *i;
	u64 low, high;

	if (dir->image == NO_INODE)
		return NULL;
	i = inode(dir->image);
	low = i->data;
	high = low + i->size;
	while (low < high) {
		u64 middle = (low + high) / 2;
		const struct zb_image_dirent *e = dirent(middle);
		int r = compare(name, size, name_at(e->name), e->name_size);

		if (r == 0)
			return e;
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *image_name(const struct node *dir, const char *name, u32 size)
{
	const struct zb_image_dirent *e = find(dir, name, size);

	return e ? name_at(e->name) : NULL;
}

u32 image_count(const struct node *dir)
{
	return dir->image == NO_INODE ? 0 : (u32)inode(dir->image)->size;
}

const char *image_entry(const struct node *dir, u32 i, u32 *size, u64 *ino,
			u32 *mode)
{
	const struct zb_image_dirent *e = dirent(inode(dir->image)->data + i);

	*size = e->name_size;
	*ino = e->inode + 1ull;
	*mode = inode(e->inode)->mode;
	return name_at(e->name);
}

/* ---- attributes ---- */

static const struct zb_image_xattr *xattrs_of(u32 number)
{
	const struct zb_image_xattr *all =
		(const void *)(ZB_IMAGE_BASE + header()->xattrs);
	u64 low = 0, high = header()->xattr_count;

	while (low < high) {
		u64 middle = (low + high) / 2;

		if (all[middle].inode < number)
			low = middle + 1;
		else
			high = middle;
	}
	return all + low;
}

static struct xattr *xattr_copy(const struct zb_image_xattr *from)
{
	u32 name_size = from->name_size + 1u;
	struct xattr *x = kmalloc(sizeof(*x) + name_size + from->value_size);

	if (!x)
		return NULL;
	x->next = NULL;
	x->name_size = name_size;
	x->value_size = from->value_size;
	memcpy(x->data, name_at(from->name), from->name_size);
	x->data[from->name_size] = 0;
	memcpy(x->data + name_size, name_at(from->value), from->value_size);
	return x;
}

/* They become the node's own. False: no memory. */
static bool load_xattrs(struct node *n)
{
	const struct zb_image_xattr *all =
		(const void *)(ZB_IMAGE_BASE + header()->xattrs);
	const struct zb_image_xattr *end = all + header()->xattr_count;
	struct xattr **place = &n->xattrs;

	for (const struct zb_image_xattr *from = xattrs_of(n->image);
	     from < end && from->inode == n->image; from++) {
		struct xattr *x = xattr_copy(from);

		if (!x)
			return false;
		quota_overdraw(xattr_units(x));
		*place = x;
		place = &x->next;
	}
	return true;
}

static struct node *node_of(u32 number)
{
	const struct zb_image_inode *i = inode(number);
	struct node *n = nodes[number];
	u32 type = i->mode & S_IFMT;

	if (n)
		return n;
	n = kmalloc(sizeof(*n));
	if (!n)
		return NULL;
	n->image = number;
	n->mode = i->mode;
	n->uid = i->uid;
	n->gid = i->gid;
	n->nlink = i->nlink;
	n->ino = number + 1ull;
	n->size = type == S_IFDIR ? 4096 : i->size;
	n->image_size = type == S_IFREG ? i->size : 0;
	n->rdev = type == S_IFCHR || type == S_IFBLK ? i->data : 0;
	n->mtime = (struct stamp){ i->mtime_sec, i->mtime_nsec };
	n->atime = n->ctime = n->btime = n->mtime;
	if (header()->xattr_count && !load_xattrs(n)) {
		xattrs_free(n);
		kfree(n);
		return NULL;
	}
	nodes[number] = n;
	return n;
}

struct node *image_lookup(struct node *dir, const char *name, u32 size)
{
	const struct zb_image_dirent *e = find(dir, name, size);
	struct node *n = e ? node_of(e->inode) : NULL;

	if (n && !n->name)
		node_place(n, dir, name_at(e->name), e->name_size);
	return n;
}

const char *image_target(const struct node *n)
{
	return name_at(inode(n->image)->data);
}

const void *image_data(const struct node *n)
{
	return (const void *)(ZB_IMAGE_BASE + inode(n->image)->data);
}

void image_forget(const struct node *n)
{
	if (n->image != NO_INODE)
		nodes[n->image] = NULL;
}

struct node *image_root(void)
{
	if (!control->image_size)
		return NULL;
	nodes = kmalloc(header()->inode_count * sizeof(struct node *));
	return nodes ? node_of(0) : NULL;
}

const char *image_directory(void)
{
	const char *p, *end;

	if (!control->image_size)
		return NULL;
	p = name_at(header()->settings);
	end = p + header()->settings_size;
	while (p < end && *p != ZB_SETTING_DIRECTORY)
		p += strlen(p) + 1;
	return p < end ? p + 1 : NULL;
}
