/* open.c: from a path or a node to an open file. */
#include "fs/open.h"

#include <linux/memfd.h>
#include <linux/openat2.h>

#include "fs/descriptor.h"
#include "fs/dev.h"
#include "fs/entry.h"
#include "fs/image.h"
#include "fs/mount.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/regular.h"
#include "fs/surroundings.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"

#define KNOWN                                                                  \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |        \
	 O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_LARGEFILE |              \
	 O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH |           \
	 __O_TMPFILE | FASYNC | 0100000)
#define OF_PATH (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define OF_OPEN (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC)

/* ---- nodes ---- */

static const struct file_ops *served[16]; /* by type of node */

void node_serve(u32 type, const struct file_ops *ops)
{
	served[type >> 12] = ops;
}

static const struct file_ops *ops_of(const struct node *n, u32 flags)
{
	if (flags & O_PATH)
		return &path_ops;
	switch (node_type(n)) {
	case S_IFREG:
		if (!n->ops)
			return &regular_ops;
		return n->ops->ops(n) ?: &made_ops;
	case S_IFDIR:
		return &directory_ops;
	case S_IFCHR:
		return dev_ops(n->rdev);
	default:
		return served[node_type(n) >> 12];
	}
}

struct file *node_open(struct node *n, u32 flags, long *error)
{
	const struct file_ops *ops = ops_of(n, flags);
	struct file *f;

	*error = -ENXIO;
	if (!ops)
		return NULL;
	f = file_new(ops, n, flags);
	*error = -ENOMEM;
	if (!f)
		return NULL;
	node_ref(n);
	*error = ops->open ? ops->open(f) : 0;
	f->flags &= ~(u32)O_NOCTTY;
	if (*error == 0)
		return f;
	file_unref(f);
	return NULL;
}

/* ---- paths ---- */

/* The node of a file that is to be made. */
static struct node *new_regular(const struct node *dir, u32 mode)
{
	struct node *n =
		node_new(S_IFREG | (mode & 07777 & ~surroundings()->umask));

	if (n)
		node_own(n, dir);
	return n;
}

static long create(struct walk *w, u32 mode)
{
	struct node *n;
	long r;

	if (w->directory)
		return -EISDIR;
	r = dir_may_add(w->parent);
	if (r)
		return r;
	n = new_regular(w->parent, mode);
	if (!n)
		return -ENOSPC;
	r = dir_add(w->parent, w->name, w->name_size, n);
	if (r)
		node_drop(n);
	else
		w->node = n;
	return r;
}

static u32 wanted(u32 flags)
{
	static const u32 of_mode[] = { MAY_READ, MAY_WRITE,
				       MAY_READ | MAY_WRITE,
				       MAY_READ | MAY_WRITE };
	u32 want = of_mode[flags & O_ACCMODE];

	return flags & O_TRUNC ? want | MAY_WRITE : want;
}

/* Whether a file that is there may be opened so. */
static long may_open(const struct walk *w, u32 flags)
{
	const struct node *n = w->node;
	bool link = node_type(n) == S_IFLNK;

	if ((flags & O_DIRECTORY) && (link || !is_dir(n)))
		return -ENOTDIR;
	if (link)
		return flags & O_PATH ? 0 : -ELOOP;
	if (flags & O_PATH)
		return 0;
	if (is_dir(n) && (wanted(flags) & MAY_WRITE || flags & O_CREAT))
		return -EISDIR;
	if ((flags & O_NOATIME) && !ids_own(n->uid))
		return -EPERM;
	if ((wanted(flags) & MAY_WRITE) && n->writers < 0)
		return -ETXTBSY;
	return node_permission(n, wanted(flags));
}

/* O_TMPFILE: a file without a name in a directory. */
static long make_nameless(struct walk *w, u32 flags, u32 mode)
{
	struct node *dir = w->node;
	char name[24];
	long r;

	if (!is_dir(dir))
		return -ENOTDIR;
	if (dir->ops)
		return -EOPNOTSUPP;
	r = dir_may_add(dir);
	if (r)
		return r;
	w->node = new_regular(dir, mode);
	if (!w->node)
		return -ENOSPC;
	w->node->linkable = !(flags & O_EXCL);
	node_place(w->node, dir, NULL, 0);
	r = ksnprintf(name, sizeof(name), "#%lu", w->node->ino);
	node_name(w->node, name, (u32)r);
	return 0;
}

/* Finds or makes the node; *made: just now. */
static long reach(struct walk *w, u32 flags, u32 mode, bool *made)
{
	long r;

	if (flags & __O_TMPFILE) {
		*made = true;
		return w->node ? make_nameless(w, flags, mode) : -ENOENT;
	}
	if (!w->node) {
		if (!(flags & O_CREAT))
			return -ENOENT;
		*made = true;
		return create(w, mode);
	}
	if (w->directory && (flags & O_CREAT))
		return -EISDIR;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	r = may_open(w, flags);
	if (r || !(flags & O_TRUNC) || node_type(w->node) != S_IFREG)
		return r;
	if (w->node->ops)
		return 0;
	r = data_truncate(w->node, 0);
	if (r == 0)
		node_written(w->node);
	return r;
}

/* Remembers under which of its names a file was opened last. */
static void note_name(const struct walk *w)
{
	struct node *n = w->node;
	const char *name;

	if (!w->parent || w->dots || w->magic || n->ops ||
	    (n->parent == w->parent && !n->unlinked && n->name &&
	     n->name_size == w->name_size &&
	     !memcmp(n->name, w->name, w->name_size)))
		return;
	name = dir_name(w->parent, w->name, w->name_size);
	if (name)
		node_place(n, w->parent, name, w->name_size);
}

/* A file that is open, but of no node: behind /proc/self/fd/N. */
static struct file *open_again(struct walk *w, u32 flags, long *error)
{
	struct file *f = w->magic;

	*error = flags & O_DIRECTORY ? -ENOTDIR : -ENXIO;
	if ((flags & O_DIRECTORY) || !f->ops->reopen)
		return NULL;
	flags &= ~(u32)(OF_OPEN | O_NOCTTY | __O_TMPFILE);
	return f->ops->reopen(f, flags, error);
}

static long check_how(const struct open_how *how)
{
	if ((how->flags & __O_TMPFILE) &&
	    ((how->flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE ||
	     (how->flags & O_ACCMODE) == O_RDONLY))
		return -EINVAL;
	if ((how->flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	return 0;
}

static struct file *do_open(struct node *start, const char *path,
			    const struct open_how *how, long *error)
{
	u32 flags = (u32)how->flags;
	bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	bool made = false;
	struct file *f;
	struct walk w;

	*error = vfs_resolve(start, path, !(flags & O_NOFOLLOW) && !exclusive,
			     how->resolve, &w);
	if (*error == -ENOTDIR && w.directory && (flags & O_CREAT))
		*error = -EISDIR; /* the name itself says so */
	if (*error)
		return NULL;
	if (w.magic && !w.node)
		return open_again(&w, flags, error);
	*error = reach(&w, flags, (u32)how->mode, &made);
	if (*error)
		return NULL;
	note_name(&w);
	node_ref(w.node); /* the open may wait, or fail */
	f = node_open(w.node, flags & ~(u32)(OF_OPEN | __O_TMPFILE), error);
	if (f && node_type(w.node) == S_IFREG && file_writable(f))
		file_count_writer(f, w.node, 1);
	if (f && !(flags & O_PATH))
		notify(w.node, IN_OPEN);
	if (f && (flags & O_TRUNC) && !made)
		notify(w.node, IN_MODIFY);
	node_unref(w.node);
	return f;
}

struct file *file_open_kernel(const char *path, long *error)
{
	const struct open_how how = { .flags = O_RDONLY };

	return do_open(NULL, path, &how, error);
}

struct file *node_open_program(struct node *n, long *error)
{
	struct file *f;

	*error = -EACCES;
	if (node_type(n) != S_IFREG)
		return NULL;
	*error = node_permission(n, MAY_EXEC);
	if (*error == 0 && n->writers > 0)
		*error = -ETXTBSY;
	if (*error)
		return NULL;
	f = node_open(n, O_RDONLY, error);
	if (f)
		file_count_writer(f, n, -1);
	return f;
}

struct file *file_open_program(struct node *start, const char *path,
			       bool follow, long *error)
{
	struct walk w;

	*error = vfs_walk(start, path, follow, &w);
	if (*error)
		return NULL;
	*error = w.magic ? -EACCES : -ENOENT;
	if (!w.node)
		return NULL;
	if (node_type(w.node) == S_IFLNK) {
		*error = -ELOOP;
		return NULL;
	}
	if (w.directory) {
		*error = is_dir(w.node) ? -EACCES : -ENOTDIR;
		return NULL;
	}
	return node_open_program(w.node, error);
}

long file_make(const char *path, const void *data, size_t size, u32 mode)
{
	struct node *n = vfs_make(path, S_IFREG | mode);
	long r;

	if (!n)
		return -ENOSPC;
	r = data_write(n, data, size, 0);
	return r < 0 ? r : 0;
}

/* ---- the calls ---- */

static long open_at(s32 fd, u64 path, const struct open_how *how)
{
	bool beneath = how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
	struct node *start = NULL;
	struct file *f = NULL;
	struct path p;
	long r = check_how(how), number;

	if (r == 0)
		r = path_read(path, &p);
	if (r)
		return r;
	number = p.text[0] ? fd_reserve() : -ENOENT;
	if (number < 0) {
		path_end(&p);
		return number;
	}
	if (p.text[0] != '/' || beneath)
		r = path_start(fd, &start);
	if (r == 0)
		f = do_open(start, p.text, how, &r);
	path_end(&p);
	return fd_fill((s32)number, f, how->flags & O_CLOEXEC, r);
}

long sys_openat(u64 fd, u64 path, u64 flags, u64 mode)
{
	struct open_how how = { .flags = (u32)flags & KNOWN,
				.mode = (u32)mode & 07777 };

	if (how.flags & O_PATH)
		how.flags &= OF_PATH;
	return open_at((s32)fd, path, &how);
}

long sys_open(u64 path, u64 flags, u64 mode)
{
	return sys_openat(AT_CWD, path, flags, mode);
}

long sys_creat(u64 path, u64 mode)
{
	return sys_openat(AT_CWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* The structure may become longer; what we do not know must be zero. */
static long read_how(u64 address, u64 size, struct open_how *how)
{
	u8 more;

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(how, address, sizeof(*how)))
		return -EFAULT;
	for (u64 i = sizeof(*how); i < size; i++) {
		if (copy_from_user(&more, address + i, 1))
			return -EFAULT;
		if (more)
			return -E2BIG;
	}
	return 0;
}

long sys_openat2(u64 fd, u64 path, u64 address, u64 size)
{
	struct open_how how;
	bool makes;
	long r = read_how(address, size, &how);

	if (r)
		return r;
	makes = how.flags & (O_CREAT | __O_TMPFILE);
	if ((how.flags & ~(u64)KNOWN) || (how.resolve & ~0x3full) ||
	    (how.mode & ~07777ull) || (how.mode && !makes) ||
	    ((how.flags & O_PATH) && (how.flags & ~(u64)OF_PATH)) ||
	    ((how.resolve & RESOLVE_BENEATH) &&
	     (how.resolve & RESOLVE_IN_ROOT)))
		return -EINVAL;
	if ((how.resolve & RESOLVE_CACHED) && (makes || (how.flags & O_TRUNC)))
		return -EAGAIN;
	return open_at((s32)fd, path, &how);
}

#ifndef MFD_EXEC /* which older header sets lack */
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC 16u
#endif
#define MFD_EITHER (MFD_NOEXEC_SEAL | MFD_EXEC)
#define MFD_KNOWN ((u64)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EITHER))

long sys_memfd_create(u64 name, u64 flags)
{
	char text[264] = "memfd:";
	struct node *n;
	struct file *f;
	long r;

	if ((flags & ~MFD_KNOWN) || (flags & MFD_EITHER) == MFD_EITHER)
		return -EINVAL;
	r = copy_string_from_user(text + 6, name, 250);
	if (r < 0)
		return r == -ENAMETOOLONG ? -EINVAL : r;
	n = node_new(S_IFREG | (flags & MFD_NOEXEC_SEAL ? 0666 : 0777));
	if (!n)
		return -ENOMEM;
	if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL))
		n->seals = NODE_SEALABLE;
	if (flags & MFD_NOEXEC_SEAL)
		n->seals |= NODE_SEAL_EXEC;
	node_name(n, text, (u32)strlen(text));
	f = node_open(n, O_RDWR, &r);
	if (!f) {
		node_drop(n);
		return r;
	}
	return fd_install(f, flags & 1);
}
