/* vfs.c: nodes and their paths. */
#include "fs/vfs.h"

#include <linux/magic.h>

#include "fs/entry.h"
#include "fs/image.h"
#include "fs/notify.h"
#include "fs/quota.h"
#include "fs/ramfs.h"
#include "fs/surroundings.h"
#include "fs/xattrs.h"
#include "heap.h"
#include "task/clock.h"
#include "text.h"

struct node *root_node;

static u64 next_ino = 1ull << 32; /* above all of the image's */

struct stamp stamp_now(void)
{
	u64 now = wall_now();

	return (struct stamp){ (s64)(now / NSEC), (u32)(now % NSEC) };
}

void node_changed(struct node *n)
{
	n->ctime = stamp_now();
}

struct node *node_new(u32 mode)
{
	struct node *n;

	if (!quota_take(1))
		return NULL;
	n = kmalloc(sizeof(*n));
	if (!n) {
		quota_give(1);
		return NULL;
	}
	n->image = NO_INODE;
	n->mode = mode;
	n->ino = next_ino++;
	n->atime = n->mtime = n->ctime = n->btime = stamp_now();
	return n;
}

void node_ref(struct node *n)
{
	n->refs++;
}

static void node_free(struct node *n)
{
	notify_gone(n);
	if (is_dir(n))
		dir_free(n);
	else
		data_free(n);
	xattrs_free(n);
	if (n->orphan)
		entry_free(n->orphan);
	if (n->image == NO_INODE)
		quota_give(1);
	image_forget(n);
	kfree(n->target);
	kfree(n);
}

void node_drop(struct node *n)
{
	while (n && !n->refs && !n->nlink) {
		struct node *parent = n->parent;

		node_free(n);
		if (parent)
			parent->refs--;
		n = parent;
	}
}

void node_unref(struct node *n)
{
	n->refs--;
	node_drop(n);
}

void node_place(struct node *n, struct node *parent, const char *name, u32 size)
{
	struct node *old = n->parent;

	if (n->orphan) {
		entry_free(n->orphan);
		n->orphan = NULL;
	}
	n->name = name;
	n->name_size = size;
	n->unlinked = false;
	if (old == parent)
		return;
	if (parent)
		node_ref(parent);
	n->parent = parent;
	if (old)
		node_unref(old);
}

static char *prepend(char *at, const char *start, const char *text, size_t size)
{
	if (!at || (size_t)(at - start) < size)
		return NULL;
	memcpy(at - size, text, size);
	return at - size;
}

struct node *vfs_root(void)
{
	return surroundings()->root ? surroundings()->root : root_node;
}

char *node_path(const struct node *n, char *buf, size_t size)
{
	static const char gone[] = " (deleted)";
	const struct node *top = vfs_root();
	char *at = buf + size - 1;

	*at = 0;
	if (n == top || n == root_node)
		return prepend(at, buf, "/", 1);
	if (n->unlinked)
		at = prepend(at, buf, gone, sizeof(gone) - 1);
	while (n != top && n != root_node) {
		if (n->name) {
			at = prepend(at, buf, n->name, n->name_size);
			at = prepend(at, buf, "/", 1);
		}
		if (!at || !n->parent)
			break;
		n = n->parent;
	}
	return at;
}

static long show_link(const struct node *n, char *buf, size_t size)
{
	struct text t = { 0 };
	long r;

	r = n->ops->show(n, &t);
	if (!r)
		r = t.failed ? -ENOMEM : (long)MIN(t.size, size);
	if (r == 0 || r == -ESRCH) /* what it would lead to is gone */
		r = -ENOENT;
	if (r > 0)
		memcpy(buf, t.at, (size_t)r);
	text_free(&t);
	return r;
}

long node_readlink(struct node *n, char *buf, size_t size)
{
	size_t length;

	if (node_type(n) != S_IFLNK)
		return -EINVAL;
	if (n->ops)
		return show_link(n, buf, size);
	length = MIN(n->target ? strlen(n->target) : n->size, size);
	memcpy(buf, n->target ? n->target : image_target(n), length);
	return (long)length;
}

static u64 node_blocks(const struct node *n)
{
	if (is_dir(n))
		return 8;
	if (node_type(n) != S_IFREG || n->ops)
		return 0;
	return data_blocks(n);
}

/* ---- what is mounted ---- */

static const struct node *roots[MOUNTS];

void mount_serve(enum mount m, const struct node *root)
{
	roots[m] = root;
}

/* Only directories of MOUNT_ROOT lead to others, and have no operations. */
u32 node_mount(const struct node *n)
{
	while (n->parent && n->parent->ops)
		n = n->parent;
	for (u32 m = MOUNT_ROOT + 1; m < MOUNTS && n->ops; m++)
		if (roots[m] == n)
			return m;
	return MOUNT_ROOT;
}

u32 file_mount(const struct file *f)
{
	const struct node *n = file_node(f);

	return n ? node_mount(n) : MOUNT_NONE;
}

bool is_mount_root(const struct node *n)
{
	return n == root_node ||
	       (n->ops && (!n->parent || !n->parent->ops) && is_dir(n));
}

u32 mount_magic(u32 mount)
{
	static const u32 magic[MOUNTS] = {
		[MOUNT_ROOT] = TMPFS_MAGIC,
		[MOUNT_PROC] = PROC_SUPER_MAGIC,
		[MOUNT_SYS] = SYSFS_MAGIC,
		[MOUNT_PTS] = DEVPTS_SUPER_MAGIC,
	};

	return magic[mount];
}

void node_stat(const struct node *n, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = node_mount(n);
	st->st_ino = n->ino;
	st->st_mode = n->mode;
	st->st_nlink = n->nlink;
	st->st_uid = n->uid;
	st->st_gid = n->gid;
	st->st_rdev = n->rdev;
	st->st_size = (long)(is_dir(n) ? 4096 : n->size);
	if (n->ops && node_type(n) != S_IFLNK)
		st->st_size = 0;
	st->st_blksize = 4096;
	st->st_blocks = (long)node_blocks(n);
	st->st_atime = (u64)n->atime.sec;
	st->st_atime_nsec = n->atime.nsec;
	st->st_mtime = (u64)n->mtime.sec;
	st->st_mtime_nsec = n->mtime.nsec;
	st->st_ctime = (u64)n->ctime.sec;
	st->st_ctime_nsec = n->ctime.nsec;
}

/* ---- files of nodes ---- */

struct node *file_node(const struct file *f)
{
	return f->ops->of_node ? f->node : NULL;
}

long node_file_stat(struct file *f, struct stat *st)
{
	node_stat(f->node, st);
	return 0;
}

size_t node_file_describe(struct file *f, char *buf, size_t size)
{
	char text[PATH_MAX], *at = node_path(f->node, text, sizeof(text));
	size_t n = at ? MIN(strlen(at), size) : 0;

	memcpy(buf, at, n);
	return n;
}

void node_file_release(struct file *f)
{
	struct node *n = f->node;

	if (!(f->flags & O_PATH))
		notify(n, file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	n->writers -= f->writer;
	node_unref(n);
}

void file_count_writer(struct file *f, struct node *n, s32 writer)
{
	n->writers += writer - f->writer;
	f->writer = writer;
}
