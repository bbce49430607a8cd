/* vfs.c: nodes, directories, and the path walk. */
#include "fs/vfs.h"

#include "fs/descriptor.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "task/clock.h"

#define MAX_LINKS 40 /* path_resolution(7) */
#define BUCKETS 1024
#define OWN_ENTRIES (1ull << 32) /* positions of a directory's own list */

struct node *root_node;

static struct node *by_inode[BUCKETS];
static u64 next_ino = 1ull << 32; /* above all of the image's */
static u64 next_cookie;

/* ---- the image ---- */

static const struct zb_image_header *image(void)
{
	return (const void *)ZB_IMAGE_BASE;
}

static const struct zb_image_inode *image_inode(u32 number)
{
	return (const struct zb_image_inode *)(ZB_IMAGE_BASE +
					       image()->inodes) +
	       number;
}

static const struct zb_image_dirent *image_entry(u64 index)
{
	return (const struct zb_image_dirent *)(ZB_IMAGE_BASE +
						image()->dirents) +
	       index;
}

static const char *image_name(u64 offset)
{
	return (const char *)(ZB_IMAGE_BASE + image()->names + offset);
}

static int compare(const char *a, u32 a_size, const char *b, u32 b_size)
{
	int r = memcmp(a, b, MIN(a_size, b_size));

	return r ? r : (int)a_size - (int)b_size;
}

/* The inode number of name in a directory of the image, or NO_INODE. */
static u32 image_lookup(const struct node *dir, const char *name, u32 size)
{
	const struct zb_image_inode *i;
	u64 low, high;

	if (dir->image == NO_INODE)
		return NO_INODE;
	i = image_inode(dir->image);
	low = i->data;
	high = low + i->size;
	while (low < high) {
		u64 middle = (low + high) / 2;
		const struct zb_image_dirent *e = image_entry(middle);
		int r = compare(name, size, image_name(e->name), e->name_size);

		if (r == 0)
			return e->inode;
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NO_INODE;
}

/* ---- nodes ---- */

struct node *node_new(u32 mode)
{
	struct node *n = kmalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->image = NO_INODE;
	n->mode = mode;
	n->ino = next_ino++;
	n->mtime = n->ctime = wall_now();
	n->in_memory = true;
	return n;
}

/* The node of an image file, made when first asked for. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the directory */
static struct node *image_node(u32 number)
{
	const struct zb_image_inode *i = image_inode(number);
	struct node **bucket = &by_inode[number % BUCKETS], *n;

	for (n = *bucket; n; n = n->hash_next)
		if (n->image == number)
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
	n->size = (i->mode & S_IFMT) == S_IFDIR ? 4096 : i->size;
	n->rdev = (i->mode & S_IFMT) == S_IFCHR ? i->data : 0;
	n->mtime = n->ctime = (u64)i->mtime_sec * NSEC + i->mtime_nsec;
	n->refs = 1; /* stays */
	n->hash_next = *bucket;
	*bucket = n;
	if (is_dir(n))
		n->parent = number ? image_node(i->parent) : n;
	return n;
}

void node_ref(struct node *n)
{
	n->refs++;
}

static void node_free_unused(struct node *n)
{
	if (n->refs || n->nlink)
		return;
	data_free(n);
	while (n->first) {
		struct dentry *d = n->first;

		n->first = d->next;
		kfree(d);
	}
	kfree(n->target);
	kfree(n);
}

void node_unref(struct node *n)
{
	n->refs--;
	node_free_unused(n);
}

/* ---- directories ---- */

static struct dentry *own_entry(const struct node *dir, const char *name,
				u32 size)
{
	for (struct dentry *d = dir->first; d; d = d->next)
		if (d->name_size == size && !memcmp(d->name, name, size))
			return d;
	return NULL;
}

struct node *dir_lookup(struct node *dir, const char *name, u32 size)
{
	struct dentry *d = own_entry(dir, name, size);
	u32 number;

	if (d)
		return d->node;
	number = image_lookup(dir, name, size);
	return number == NO_INODE ? NULL : image_node(number);
}

static struct dentry *entry_append(struct node *dir, const char *name, u32 size)
{
	struct dentry *d = kmalloc(sizeof(*d) + size + 1);

	if (!d)
		return NULL;
	d->name_size = size;
	memcpy(d->name, name, size);
	d->cookie = next_cookie++;
	if (dir->last)
		dir->last->next = d;
	else
		dir->first = d;
	dir->last = d;
	return d;
}

static void entry_unlink(struct node *dir, struct dentry *entry)
{
	struct dentry *previous = NULL;

	for (struct dentry *d = dir->first; d != entry; d = d->next)
		previous = d;
	if (previous)
		previous->next = entry->next;
	else
		dir->first = entry->next;
	if (dir->last == entry)
		dir->last = previous;
	kfree(entry);
}

long dir_add(struct node *dir, const char *name, u32 size, struct node *n)
{
	struct dentry *d = own_entry(dir, name, size);

	if (!d)
		d = entry_append(dir, name, size);
	if (!d)
		return -ENOSPC;
	d->node = n;
	n->nlink++;
	if (is_dir(n)) {
		n->parent = dir;
		dir->nlink++;
	}
	dir->mtime = dir->ctime = n->ctime = wall_now();
	return 0;
}

long dir_remove(struct node *dir, const char *name, u32 size)
{
	struct dentry *d = own_entry(dir, name, size);
	struct node *n = dir_lookup(dir, name, size);

	if (!n)
		return -ENOENT;
	if (image_lookup(dir, name, size) != NO_INODE) {
		if (!d)
			d = entry_append(dir, name, size);
		if (!d)
			return -ENOSPC;
		d->node = NULL;
	} else {
		entry_unlink(dir, d);
	}
	if (is_dir(n)) {
		dir->nlink--;
		n->nlink--; /* its own "." */
	}
	if (n->nlink)
		n->nlink--;
	n->ctime = dir->mtime = dir->ctime = wall_now();
	node_free_unused(n);
	return 0;
}

void dir_list(struct node *dir, u64 *position,
	      bool (*emit)(void *context, const char *name, u32 size,
			   struct node *n, u64 next),
	      void *context)
{
	u64 count = dir->image == NO_INODE ? 0 : image_inode(dir->image)->size;

	if (*position == 0) {
		if (!emit(context, ".", 1, dir, 1))
			return;
		*position = 1;
	}
	if (*position == 1) {
		if (!emit(context, "..", 2, dir->parent ? dir->parent : dir, 2))
			return;
		*position = 2;
	}
	while (*position < OWN_ENTRIES && *position - 2 < count) {
		const struct zb_image_dirent *e = image_entry(
			image_inode(dir->image)->data + *position - 2);
		const char *name = image_name(e->name);

		if (!own_entry(dir, name, e->name_size)) {
			struct node *n = image_node(e->inode);

			if (n && !emit(context, name, e->name_size, n,
				       *position + 1))
				return;
		}
		++*position;
	}
	if (*position < OWN_ENTRIES)
		*position = OWN_ENTRIES;
	for (struct dentry *d = dir->first; d; d = d->next) {
		if (!d->node || d->cookie < *position - OWN_ENTRIES)
			continue;
		if (!emit(context, d->name, d->name_size, d->node,
			  OWN_ENTRIES + d->cookie + 1))
			return;
		*position = OWN_ENTRIES + d->cookie + 1;
	}
}

static bool stop_at_entry(void *context, const char *name, u32 size,
			  struct node *n, u64 next)
{
	(void)name, (void)size, (void)n, (void)next;
	*(bool *)context = false;
	return false;
}

bool dir_empty(struct node *dir)
{
	bool empty = true;
	u64 position = 2;

	dir_list(dir, &position, stop_at_entry, &empty);
	return empty;
}

struct name_search {
	const struct node *node;
	char name[NAME_MAX + 1];
	u32 size;
};

static bool match_node(void *context, const char *name, u32 size,
		       struct node *n, u64 next)
{
	struct name_search *s = context;

	(void)next;
	if (n != s->node)
		return true;
	memcpy(s->name, name, size);
	s->size = size;
	return false;
}

char *node_path(const struct node *dir, char *buf, size_t size)
{
	char *at = buf + size - 1;

	*at = 0;
	while (dir != root_node) {
		struct name_search s = { .node = dir };
		u64 position = 2;

		if (!dir->parent)
			return NULL;
		dir_list(dir->parent, &position, match_node, &s);
		if (s.size == 0 || (size_t)(at - buf) < s.size + 1)
			return NULL;
		at -= s.size;
		memcpy(at, s.name, s.size);
		*--at = '/';
		dir = dir->parent;
	}
	if (!*at)
		*--at = '/';
	return at;
}

/* ---- links and walking ---- */

long node_readlink(struct node *n, char *buf, size_t size)
{
	size_t length;

	if ((n->mode & S_IFMT) != S_IFLNK)
		return -EINVAL;
	if (n->generate)
		return (long)MIN(n->generate(buf, size), size);
	if (n->target) {
		length = MIN(strlen(n->target), size);
		memcpy(buf, n->target, length);
		return (long)length;
	}
	length = MIN(n->size, size);
	memcpy(buf, image_name(image_inode(n->image)->data), length);
	return (long)length;
}

static long parse_number(const char *name, u32 size)
{
	long value = 0;

	if (size == 0 || size > 7)
		return -1;
	for (u32 i = 0; i < size; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		value = value * 10 + name[i] - '0';
	}
	return value;
}

struct walker {
	struct node *at;
	char *text; /* what is left, PATH_MAX bytes */
	int links;
};

/* Replaces what is left by the link's target and the rest. */
static long follow_link(struct walker *k, struct node *link, const char *rest)
{
	char *joined = kmalloc(2ul * PATH_MAX);
	size_t rest_size = strlen(rest);
	long n;

	if (!joined)
		return -ENOMEM;
	n = ++k->links > MAX_LINKS ? -ELOOP :
				     node_readlink(link, joined, PATH_MAX);
	if (n == 0)
		n = -ENOENT;
	if (n > 0 && (size_t)n + rest_size >= PATH_MAX)
		n = -ENAMETOOLONG;
	if (n > 0) {
		memcpy(joined + n, rest, rest_size + 1);
		memcpy(k->text, joined, (size_t)n + rest_size + 1);
		if (k->text[0] == '/')
			k->at = root_node;
	}
	kfree(joined);
	return n < 0 ? n : 0;
}

static long walk_text(struct walker *k, bool follow, struct walk *w)
{
	char *p;
	long r;

restart:
	p = k->text;
	while (*p == '/')
		p++;
	memset(w, 0, sizeof(*w));
	w->node = k->at;
	while (*p) {
		char *end = p;
		u32 size;
		bool last;

		while (*end && *end != '/')
			end++;
		size = (u32)(end - p);
		if (size > NAME_MAX)
			return -ENAMETOOLONG;
		if (!is_dir(k->at))
			return -ENOTDIR;
		w->directory = *end == '/';
		memcpy(w->name, p, size);
		w->name[size] = 0;
		w->name_size = size;
		w->parent = k->at;
		for (p = end; *p == '/';)
			p++;
		last = *p == 0;
		if (size == 1 && w->name[0] == '.')
			w->node = k->at;
		else if (size == 2 && !memcmp(w->name, "..", 2))
			w->node = k->at->parent ? k->at->parent : k->at;
		else if (k->at->fds) {
			w->magic = fd_file((s32)parse_number(w->name, size));
			if (!w->magic)
				return -ENOENT;
			w->node = NULL;
			return last ? 0 : -ENOTDIR;
		} else {
			w->node = dir_lookup(k->at, w->name, size);
		}
		if (!w->node)
			return last ? 0 : -ENOENT;
		if ((w->node->mode & S_IFMT) == S_IFLNK &&
		    (!last || follow || w->directory)) {
			r = follow_link(k, w->node,
					w->directory && last ? "/" :
					last		     ? "" :
							       p - 1);
			if (r)
				return r;
			goto restart;
		}
		if (last)
			break;
		k->at = w->node;
	}
	if (w->directory && !is_dir(w->node))
		return -ENOTDIR;
	return 0;
}

long vfs_walk(struct node *start, const char *path, bool follow,
	      struct walk *w)
{
	struct walker k = { .at = start ? start : root_node };
	size_t size = strlen(path);
	long r;

	if (size == 0)
		return -ENOENT;
	if (size >= PATH_MAX)
		return -ENAMETOOLONG;
	k.text = kmalloc(PATH_MAX);
	if (!k.text)
		return -ENOMEM;
	memcpy(k.text, path, size + 1);
	if (path[0] == '/')
		k.at = root_node;
	r = walk_text(&k, follow, w);
	kfree(k.text);
	return r;
}

struct node *vfs_make(const char *path, u32 mode)
{
	struct walk w;
	struct node *n;

	if (vfs_walk(NULL, path, false, &w) || !w.parent)
		return NULL;
	if (w.node)
		return w.node;
	n = node_new(mode);
	if (!n || dir_add(w.parent, w.name, w.name_size, n))
		return NULL;
	if (is_dir(n))
		n->nlink++;
	return n;
}

void node_stat(const struct node *n, struct stat *st)
{
	u64 atime = n->atime ? n->atime : n->mtime;

	memset(st, 0, sizeof(*st));
	st->st_dev = 1;
	st->st_ino = n->ino;
	st->st_mode = n->mode;
	st->st_nlink = n->nlink;
	st->st_uid = n->uid;
	st->st_gid = n->gid;
	st->st_rdev = n->rdev;
	st->st_size = (long)(is_dir(n) ? 4096 : n->size);
	st->st_blksize = 4096;
	st->st_blocks = (long)(PAGE_UP(st->st_size) / 512);
	st->st_atime = (u64)(atime / NSEC);
	st->st_atime_nsec = atime % NSEC;
	st->st_mtime = (u64)(n->mtime / NSEC);
	st->st_mtime_nsec = n->mtime % NSEC;
	st->st_ctime = (u64)(n->ctime / NSEC);
	st->st_ctime_nsec = n->ctime % NSEC;
}

void vfs_init(void)
{
	static const char *const directories[] = {
		"/dev", "/proc", "/sys", "/tmp", "/run", "/run/zeroboot",
		"/root", "/app", "/var", "/var/tmp",
	};

	root_node = control->image_size ? image_node(0) :
					  node_new(S_IFDIR | 0755);
	if (!root_node)
		panic("no memory for the root directory");
	root_node->parent = root_node;
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		vfs_make(directories[i], S_IFDIR | 0755);
}
