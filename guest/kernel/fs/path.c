/* path.c: paths of the program, its working directory and its root. */
#include "fs/path.h"

#include "fs/descriptor.h"
#include "fs/permission.h"
#include "fs/surroundings.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"

struct node *path_cwd(void)
{
	struct node *n = surroundings()->cwd;

	return n ? n : vfs_root();
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

long path_read(u64 address, struct path *p)
{
	long r = copy_string_from_user(p->brief, address, SHORT_PATH);

	p->text = p->brief;
	if (r != -ENAMETOOLONG)
		return r < 0 ? r : 0;
	p->text = kmalloc(PATH_MAX);
	if (!p->text)
		return -ENOMEM;
	r = copy_string_from_user(p->text, address, PATH_MAX);
	if (r >= 0)
		return 0;
	kfree(p->text);
	return r;
}

void path_end(struct path *p)
{
	if (p->text != p->brief)
		kfree(p->text);
}

/* An empty path: the descriptor's file itself. */
static long walk_empty(s32 fd, struct walk *w)
{
	struct file *f;

	w->parent = NULL;
	w->magic = NULL;
	w->directory = w->dots = false;
	w->name_size = 0;
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

static long walk(s32 fd, u64 address, bool follow, bool empty_ok, u64 resolve,
		 struct walk *w)
{
	struct node *start = NULL;
	struct path p;
	long r;

	if (!address && empty_ok)
		return walk_empty(fd, w);
	r = path_read(address, &p);
	if (r)
		return r;
	if (p.text[0] == 0 && empty_ok) {
		r = walk_empty(fd, w);
	} else {
		if (p.text[0] != '/' && p.text[0])
			r = path_start(fd, &start);
		if (r == 0)
			r = vfs_resolve(start, p.text, follow, resolve, w);
	}
	path_end(&p);
	return r;
}

long path_walk(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w)
{
	return walk(fd, path, follow, empty_ok, 0, w);
}

long path_name(s32 fd, u64 path, struct walk *w)
{
	return walk(fd, path, false, false, WALK_NAME, w);
}

long path_existing(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w)
{
	long r = path_walk(fd, path, follow, empty_ok, w);

	if (r)
		return r;
	return w->node || w->magic ? 0 : -ENOENT;
}

long path_node(s32 fd, u64 path, bool follow, bool empty_ok, struct node **n)
{
	struct walk w;
	long r = path_existing(fd, path, follow, empty_ok, &w);

	if (r)
		return r;
	*n = w.node;
	return w.node ? 0 : -EOPNOTSUPP;
}

long path_new(s32 fd, u64 path, struct walk *w)
{
	long r = path_name(fd, path, w);

	if (r)
		return r;
	if (w->node || w->magic || !w->parent)
		return -EEXIST;
	return dir_may_add(w->parent);
}

struct node *fd_node(u64 fd)
{
	struct file *f = fd_file((s32)fd);

	return f ? file_node(f) : NULL;
}

/* ---- working directory and root ---- */

static void replace(struct node **place, struct node *n)
{
	struct node *old = *place;

	node_ref(n);
	*place = n;
	if (old)
		node_unref(old);
}

static long may_enter(struct node *n)
{
	if (!n || !is_dir(n))
		return -ENOTDIR;
	return node_permission(n, MAY_EXEC);
}

long sys_chdir(u64 path)
{
	struct walk w;
	long r = path_existing(AT_FDCWD, path, true, false, &w);

	if (r == 0)
		r = may_enter(w.node);
	if (r == 0)
		replace(&surroundings()->cwd, w.node);
	return r;
}

void path_enter(const char *path)
{
	struct walk w;

	if (vfs_walk(NULL, path, true, &w) == 0 && may_enter(w.node) == 0)
		replace(&surroundings()->cwd, w.node);
}

long sys_fchdir(u64 fd)
{
	long r;

	if (!fd_file((s32)fd))
		return -EBADF;
	r = may_enter(fd_node(fd));
	if (r == 0)
		replace(&surroundings()->cwd, fd_node(fd));
	return r;
}

long sys_chroot(u64 path)
{
	struct walk w;
	long r = path_existing(AT_FDCWD, path, true, false, &w);

	if (r == 0)
		r = may_enter(w.node);
	if (r == 0 && !ids_capable(CAP_SYS_CHROOT))
		r = -EPERM;
	if (r)
		return r;
	/* A working directory that was not set is the root that was. */
	if (!surroundings()->cwd)
		replace(&surroundings()->cwd, vfs_root());
	replace(&surroundings()->root, w.node);
	return 0;
}

static bool is_below(const struct node *n, const struct node *top)
{
	while (n && n != top)
		n = n->parent;
	return n != NULL;
}

long sys_getcwd(u64 buf, u64 size)
{
	static const char outside[] = "(unreachable)";
	struct node *cwd = path_cwd();
	char text[PATH_MAX], *at = node_path(cwd, text, sizeof(text));
	size_t n;

	if (!cwd->nlink)
		return -ENOENT;
	if (!at ||
	    (at - text < (long)sizeof(outside) && !is_below(cwd, vfs_root())))
		return -ENAMETOOLONG;
	if (!is_below(cwd, vfs_root())) {
		at -= sizeof(outside) - 1;
		memcpy(at, outside, sizeof(outside) - 1);
	}
	n = strlen(at) + 1;
	if (n > size)
		return -ERANGE;
	return copy_to_user(buf, at, n) ? -EFAULT : (long)n;
}

long sys_umask(u64 mask)
{
	u32 old = surroundings()->umask;

	surroundings()->umask = (u32)mask & 0777;
	return old;
}
