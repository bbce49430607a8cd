/* path.c: paths of the program, and the calls that make and remove names. */
#include "fs/path.h"

#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define RENAME_NOREPLACE 1

struct node *path_cwd(void)
{
	struct node *n = current->process->cwd;

	return n ? n : root_node;
}

/* ---- paths of the program ---- */

long path_start(s32 fd, struct node **start)
{
	struct file *f;

	*start = path_cwd();
	if (fd == AT_FDCWD)
		return 0;
	f = fd_file(fd);
	if (!f)
		return -EBADF;
	*start = file_node(f);
	return *start && is_dir(*start) ? 0 : -ENOTDIR;
}

/* Copies a path from the program; freed with kfree. NULL and *error. */
char *path_read(u64 path, long *error)
{
	char *text = kmalloc(PATH_MAX);
	long r;

	*error = -ENOMEM;
	if (!text)
		return NULL;
	r = copy_string_from_user(text, path, PATH_MAX);
	if (r >= 0) {
		*error = 0;
		return text;
	}
	*error = r;
	kfree(text);
	return NULL;
}

long path_walk(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w)
{
	struct node *start = NULL;
	struct file *f;
	char *text;
	long r;

	text = path_read(path, &r);
	if (!text)
		return r;
	if (text[0] == 0 && empty_ok) {
		kfree(text);
		memset(w, 0, sizeof(*w));
		w->node = path_cwd();
		if (fd == AT_FDCWD)
			return 0;
		f = fd_file(fd);
		if (!f)
			return -EBADF;
		w->node = file_node(f);
		w->magic = f;
		return 0;
	}
	if (text[0] != '/')
		r = path_start(fd, &start);
	if (r == 0)
		r = vfs_walk(start, text, follow, w);
	kfree(text);
	return r;
}

/* As vfs_walk_at, but the file must exist. */
long path_existing(s32 fd, u64 path, bool follow, bool empty_ok,
			  struct walk *w)
{
	long r = path_walk(fd, path, follow, empty_ok, w);

	if (r)
		return r;
	if (!w->node && w->magic)
		w->node = file_node(w->magic);
	return w->node || w->magic ? 0 : -ENOENT;
}

/* As vfs_walk_at, for a name to be made. */
static long walk_new(s32 fd, u64 path, struct walk *w)
{
	long r = path_walk(fd, path, false, false, w);

	if (r)
		return r;
	if (w->node || w->magic || !w->parent)
		return -EEXIST;
	return w->parent->nlink ? 0 : -ENOENT;
}

struct node *fd_node(u64 fd)
{
	struct file *f = fd_file((s32)fd);

	return f ? file_node(f) : NULL;
}

/* ---- making and removing names ---- */

static long add_new(struct walk *w, struct node *n)
{
	long r;

	if (!n)
		return -ENOSPC;
	r = dir_add(w->parent, w->name, w->name_size, n);
	if (r) {
		kfree(n->target);
		kfree(n);
	}
	return r;
}

long sys_mkdirat(u64 fd, u64 path, u64 mode)
{
	struct walk w;
	struct node *n;
	long r = walk_new((s32)fd, path, &w);

	if (r)
		return r;
	n = node_new(S_IFDIR | ((u32)mode & 01777 & ~current->process->umask));
	if (n)
		n->nlink = 1; /* its "." */
	return add_new(&w, n);
}

long sys_mkdir(u64 path, u64 mode)
{
	return sys_mkdirat(AT_CWD, path, mode);
}

long sys_symlinkat(u64 target, u64 fd, u64 path)
{
	struct walk w;
	struct node *n;
	char *text;
	long r;

	text = path_read(target, &r);
	if (!text)
		return r;
	r = text[0] ? walk_new((s32)fd, path, &w) : -ENOENT;
	if (r == 0) {
		n = node_new(S_IFLNK | 0777);
		if (n) {
			n->target = kstrdup(text);
			n->size = strlen(text);
		}
		r = add_new(&w, n);
	}
	kfree(text);
	return r;
}

long sys_symlink(u64 target, u64 path)
{
	return sys_symlinkat(target, AT_CWD, path);
}

long sys_linkat(u64 old_fd, u64 old_path, u64 new_fd, u64 new_path, u64 flags)
{
	struct walk from, to;
	long r = path_existing((s32)old_fd, old_path,
			       (flags & AT_SYMLINK_FOLLOW) != 0,
			       (flags & AT_EMPTY_PATH) != 0, &from);

	if (r)
		return r;
	if (!from.node)
		return -EXDEV;
	if (is_dir(from.node))
		return -EPERM;
	r = walk_new((s32)new_fd, new_path, &to);
	return r ? r : dir_add(to.parent, to.name, to.name_size, from.node);
}

long sys_link(u64 old_path, u64 new_path)
{
	return sys_linkat(AT_CWD, old_path, AT_CWD, new_path, 0);
}

static long remove_directory(struct walk *w)
{
	if (w->name_size == 1 && w->name[0] == '.')
		return -EINVAL;
	if (!is_dir(w->node))
		return -ENOTDIR;
	if (!w->parent)
		return -EBUSY;
	if (!dir_empty(w->node))
		return -ENOTEMPTY;
	return dir_remove(w->parent, w->name, w->name_size);
}

long sys_unlinkat(u64 fd, u64 path, u64 flags)
{
	struct walk w;
	long r;

	if (flags & ~(u64)AT_REMOVEDIR)
		return -EINVAL;
	r = path_existing((s32)fd, path, false, false, &w);
	if (r)
		return r;
	if (!w.node || w.magic)
		return -EPERM;
	if (flags & AT_REMOVEDIR)
		return remove_directory(&w);
	if (is_dir(w.node))
		return -EISDIR;
	return dir_remove(w.parent, w.name, w.name_size);
}

long sys_unlink(u64 path)
{
	return sys_unlinkat(AT_CWD, path, 0);
}

long sys_rmdir(u64 path)
{
	return sys_unlinkat(AT_CWD, path, AT_REMOVEDIR);
}

static bool is_inside(const struct node *dir, const struct node *outer)
{
	for (;; dir = dir->parent) {
		if (dir == outer)
			return true;
		if (!dir->parent || dir == root_node)
			return false;
	}
}

static long replace_target(struct walk *to, const struct node *moved)
{
	if (is_dir(to->node)) {
		if (!is_dir(moved))
			return -EISDIR;
		if (!dir_empty(to->node))
			return -ENOTEMPTY;
	} else if (is_dir(moved)) {
		return -ENOTDIR;
	}
	return dir_remove(to->parent, to->name, to->name_size);
}

long sys_renameat2(u64 old_fd, u64 old_path, u64 new_fd, u64 new_path,
		   u64 flags)
{
	struct walk from, to;
	struct node *n;
	long r;

	if (flags & ~(u64)RENAME_NOREPLACE)
		return -EINVAL;
	r = path_existing((s32)old_fd, old_path, false, false, &from);
	if (r == 0)
		r = path_walk((s32)new_fd, new_path, false, false, &to);
	if (r)
		return r;
	n = from.node;
	if (from.magic || to.magic || !from.parent || !to.parent ||
	    to.node == root_node)
		return -EBUSY;
	if (to.node && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (to.node == n)
		return 0;
	if (!is_dir(n) && to.directory)
		return -ENOTDIR;
	if (is_dir(n) && is_inside(to.parent, n))
		return -EINVAL;
	if (to.node)
		r = replace_target(&to, n);
	if (r)
		return r;
	node_ref(n);
	r = dir_add(to.parent, to.name, to.name_size, n);
	if (r == 0) {
		dir_remove(from.parent, from.name, from.name_size);
		if (is_dir(n)) {
			n->nlink++; /* dir_remove took "." away */
			n->parent = to.parent;
		}
	}
	node_unref(n);
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

long sys_readlinkat(u64 fd, u64 path, u64 buf, u64 size)
{
	char text[PATH_MAX];
	struct walk w;
	long r = path_walk((s32)fd, path, false, true, &w);

	if (r)
		return r;
	if ((s32)size <= 0)
		return -EINVAL;
	if (w.magic && !w.node)
		r = (long)file_describe(w.magic, text, sizeof(text));
	else if (!w.node)
		return -ENOENT;
	else
		r = node_readlink(w.node, text, sizeof(text));
	if (r < 0)
		return r;
	r = MIN(r, (long)(s32)size);
	return copy_to_user(buf, text, (size_t)r) ? -EFAULT : r;
}

long sys_readlink(u64 path, u64 buf, u64 size)
{
	return sys_readlinkat(AT_CWD, path, buf, size);
}

/* ---- working directory and the rest ---- */

static long change_directory(struct node *n)
{
	if (!n || !is_dir(n))
		return -ENOTDIR;
	node_ref(n);
	if (current->process->cwd)
		node_unref(current->process->cwd);
	current->process->cwd = n;
	return 0;
}

long sys_chdir(u64 path)
{
	struct walk w;
	long r = path_existing(AT_FDCWD, path, true, false, &w);

	return r ? r : change_directory(w.node);
}

long sys_fchdir(u64 fd)
{
	if (!fd_file((s32)fd))
		return -EBADF;
	return change_directory(fd_node(fd));
}

long sys_getcwd(u64 buf, u64 size)
{
	char text[PATH_MAX], *at = node_path(path_cwd(), text, sizeof(text));
	size_t n;

	if (!at || (!path_cwd()->nlink))
		return -ENOENT;
	n = strlen(at) + 1;
	if (n > size)
		return -ERANGE;
	return copy_to_user(buf, at, n) ? -EFAULT : (long)n;
}

long sys_umask(u64 mask)
{
	u32 old = current->process->umask;

	current->process->umask = (u32)mask & 0777;
	return old;
}

