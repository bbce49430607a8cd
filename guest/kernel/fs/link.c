/* link.c: the calls that make, move and remove names. */
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "fs/entry.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/surroundings.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"

/* ---- making ---- */

long path_add(struct walk *w, struct node *n)
{
	long r;

	if (!n)
		return -ENOSPC;
	node_own(n, w->parent);
	if (is_dir(n))
		n->nlink = 1; /* its "." */
	r = dir_add(w->parent, w->name, w->name_size, n);
	if (r) {
		n->nlink = 0;
		node_drop(n);
	}
	return r;
}

static u32 masked(u64 mode, u32 bits)
{
	return (u32)mode & bits & ~surroundings()->umask;
}

long sys_mkdirat(u64 fd, u64 path, u64 mode)
{
	struct walk w;
	long r = path_new((s32)fd, path, &w);

	return r ? r : path_add(&w, node_new(S_IFDIR | masked(mode, 01777)));
}

long sys_mkdir(u64 path, u64 mode)
{
	return sys_mkdirat(AT_CWD, path, mode);
}

/* struct stat's device number of the kernel's encoding: they are the same for
 * the first 2^8 minor numbers of 2^12 major ones, and used unchanged. */
long sys_mknodat(u64 fd, u64 path, u64 mode, u64 device)
{
	u32 type = (u32)mode & S_IFMT;
	struct walk w;
	struct node *n;
	long r;

	if (type == S_IFDIR)
		return -EPERM;
	if (type != 0 && type != S_IFREG && type != S_IFCHR &&
	    type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK)
		return -EINVAL;
	r = path_new((s32)fd, path, &w);
	if (r)
		return r;
	if (w.directory)
		return -ENOENT;
	if ((type == S_IFCHR || type == S_IFBLK) && !ids_capable(CAP_MKNOD))
		return -EPERM;
	n = node_new((type ? type : S_IFREG) | masked(mode, 07777));
	if (n && (type == S_IFCHR || type == S_IFBLK))
		n->rdev = (u32)device;
	return path_add(&w, n);
}

long sys_mknod(u64 path, u64 mode, u64 device)
{
	return sys_mknodat(AT_CWD, path, mode, device);
}

static long make_symlink(const char *target, s32 fd, u64 path)
{
	struct walk w;
	struct node *n;
	long r;

	if (!target[0])
		return -ENOENT;
	r = path_new(fd, path, &w);
	if (r)
		return r;
	if (w.directory)
		return -ENOENT;
	n = node_new(S_IFLNK | 0777);
	if (n) {
		n->target = kstrdup(target);
		n->size = strlen(target);
		if (!n->target) {
			node_drop(n);
			n = NULL;
		}
	}
	return path_add(&w, n);
}

long sys_symlinkat(u64 target, u64 fd, u64 path)
{
	struct path p;
	long r = path_read(target, &p);

	if (r)
		return r;
	r = make_symlink(p.text, (s32)fd, path);
	path_end(&p);
	return r;
}

long sys_symlink(u64 target, u64 path)
{
	return sys_symlinkat(target, AT_CWD, path);
}

/* Of two walks the second may look up so much in /proc that what the first came
 * to would be forgotten there. */
static void hold(const struct walk *w)
{
	if (w->node)
		node_ref(w->node);
	if (w->parent)
		node_ref(w->parent);
}

static void let_go(const struct walk *w)
{
	if (w->node)
		node_unref(w->node);
	if (w->parent)
		node_unref(w->parent);
}

static long link_to(struct node *n, s32 fd, u64 path)
{
	struct walk to;
	long r = path_new(fd, path, &to);

	if (r)
		return r;
	if (to.directory)
		return -ENOENT;
	if (!n || n->ops)
		return -EXDEV;
	if (is_dir(n))
		return -EPERM;
	/* Only what O_TMPFILE made may get a first name again. */
	if (!n->nlink && !n->linkable)
		return -ENOENT;
	r = dir_add(to.parent, to.name, to.name_size, n);
	if (r == 0)
		n->linkable = false;
	return r;
}

long sys_linkat(u64 old_fd, u64 old_path, u64 new_fd, u64 new_path, u64 flags)
{
	struct walk from;
	long r;

	if (flags & ~(u64)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = path_existing((s32)old_fd, old_path,
			  (flags & AT_SYMLINK_FOLLOW) != 0,
			  (flags & AT_EMPTY_PATH) != 0, &from);
	if (r)
		return r;
	hold(&from);
	r = link_to(from.node, (s32)new_fd, new_path);
	let_go(&from);
	return r;
}

long sys_link(u64 old_path, u64 new_path)
{
	return sys_linkat(AT_CWD, old_path, AT_CWD, new_path, 0);
}

/* ---- removing ---- */

static bool is_dot(const struct walk *w)
{
	return w->dots && w->name_size == 1;
}

static long remove_directory(struct walk *w)
{
	long r;

	if (!w->parent)
		return -EBUSY;
	if (w->dots)
		return is_dot(w) ? -EINVAL : -ENOTEMPTY;
	r = dir_may_remove(w->parent, w->node);
	if (r)
		return r;
	if (!is_dir(w->node))
		return -ENOTDIR;
	if (w->parent->ops)
		return -EPERM;
	if (w->node == vfs_root() || is_mount_root(w->node))
		return -EBUSY;
	if (!dir_empty(w->node))
		return -ENOTEMPTY;
	return dir_remove(w->parent, w->name, w->name_size);
}

long path_remove(struct walk *w)
{
	long r;

	if (!w->parent || w->dots)
		return -EISDIR;
	r = dir_may_remove(w->parent, w->node);
	if (r)
		return r;
	if (is_dir(w->node))
		return -EISDIR;
	if (w->directory)
		return -ENOTDIR;
	if (w->parent->ops)
		return -EPERM;
	return dir_remove(w->parent, w->name, w->name_size);
}

long sys_unlinkat(u64 fd, u64 path, u64 flags)
{
	struct walk w;
	long r;

	if (flags & ~(u64)AT_REMOVEDIR)
		return -EINVAL;
	r = path_name((s32)fd, path, &w);
	if (r)
		return r;
	if (!w.node)
		return -ENOENT;
	return flags & AT_REMOVEDIR ? remove_directory(&w) : path_remove(&w);
}

long sys_unlink(u64 path)
{
	return sys_unlinkat(AT_CWD, path, 0);
}

long sys_rmdir(u64 path)
{
	return sys_unlinkat(AT_CWD, path, AT_REMOVEDIR);
}

/* ---- moving ---- */

static bool is_inside(const struct node *dir, const struct node *outer)
{
	while (dir && dir != outer)
		dir = dir->parent;
	return dir != NULL;
}

/* Whether `moved` may take the place of the other one. */
static long may_replace(const struct walk *to, const struct node *moved)
{
	if (is_dir(to->node) != is_dir(moved))
		return is_dir(moved) ? -ENOTDIR : -EISDIR;
	if (is_dir(to->node) && !dir_empty(to->node))
		return -ENOTEMPTY;
	return 0;
}

static long may_move(const struct walk *from, const struct walk *to, u64 flags)
{
	const struct node *n = from->node;
	bool exchange = flags & RENAME_EXCHANGE;
	long r;

	if (!n)
		return -ENOENT;
	if (to->node && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (exchange && !to->node)
		return -ENOENT;
	if (!is_dir(n) && from->directory)
		return -ENOTDIR;
	if (!is_dir(exchange ? to->node : n) && to->directory)
		return -ENOTDIR;
	if (is_dir(n) && is_inside(to->parent, n))
		return -EINVAL;
	if (to->node && is_dir(to->node) && is_inside(from->parent, to->node))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (to->node == n)
		return 0;
	r = dir_may_remove(from->parent, n);
	if (r == 0)
		r = to->node ? dir_may_remove(to->parent, to->node) :
			       dir_may_add(to->parent);
	if (r == 0 && to->node && !exchange)
		r = may_replace(to, n);
	if (r == 0 && from->parent->ops)
		r = -EPERM;
	if (r == 0 &&
	    (is_mount_root(n) || (to->node && is_mount_root(to->node))))
		r = -EBUSY;
	return r;
}

/* The one that the name is in. */
static u32 mount_of(const struct walk *w)
{
	return w->parent ? node_mount(w->parent) : (u32)MOUNT_ROOT;
}

static long move(struct walk *from, struct walk *to, u64 flags)
{
	const struct place a = { from->parent, from->name, from->name_size };
	const struct place b = { to->parent, to->name, to->name_size };
	struct node *left = NULL;
	long r;

	if (mount_of(from) != mount_of(to))
		return -EXDEV;
	if (from->magic || to->magic || !from->parent || !to->parent ||
	    from->dots || to->dots)
		return flags & RENAME_NOREPLACE && to->dots ? -EEXIST : -EBUSY;
	r = may_move(from, to, flags);
	if (r || to->node == from->node)
		return r;
	if (flags & RENAME_WHITEOUT) {
		left = node_new(S_IFCHR);
		if (!left)
			return -ENOSPC;
	}
	r = dir_move(&a, &b, (flags & RENAME_EXCHANGE) != 0, left);
	if (r && left)
		node_drop(left);
	return r;
}

long sys_renameat2(u64 old_fd, u64 old_path, u64 new_fd, u64 new_path,
		   u64 flags)
{
	struct walk from, to;
	long r;

	if (flags &
	    ~(u64)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) &&
	    (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	r = path_name((s32)old_fd, old_path, &from);
	if (r)
		return r;
	hold(&from);
	r = path_name((s32)new_fd, new_path, &to);
	if (r == 0)
		r = move(&from, &to, flags);
	let_go(&from);
	return r;
}

long sys_renameat(u64 old_fd, u64 old_path, u64 new_fd, u64 new_path)
{
	return sys_renameat2(old_fd, old_path, new_fd, new_path, 0);
}

long sys_rename(u64 old_path, u64 new_path)
{
	return sys_renameat2(AT_CWD, old_path, AT_CWD, new_path, 0);
}

/* ---- reading links ---- */

long sys_readlinkat(u64 fd, u64 path, u64 buf, u64 size)
{
	char text[PATH_MAX];
	struct walk w;
	long r;

	if ((s32)size <= 0)
		return -EINVAL;
	r = path_walk((s32)fd, path, false, (s32)fd != AT_FDCWD, &w);
	if (r)
		return r;
	if (!w.node)
		return -ENOENT;
	r = node_readlink(w.node, text, sizeof(text));
	if (w.magic && r == -EINVAL) /* a descriptor of no link */
		return -ENOENT;
	if (r < 0)
		return r;
	r = MIN(r, (long)(s32)size);
	return copy_to_user(buf, text, (size_t)r) ? -EFAULT : r;
}

long sys_readlink(u64 path, u64 buf, u64 size)
{
	return sys_readlinkat(AT_CWD, path, buf, size);
}
