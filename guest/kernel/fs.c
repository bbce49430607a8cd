/* fs.c: system calls on paths. */
#include <asm/statfs.h>
#include <linux/time.h>

#include "syscalls.h"
#include "vfs.h"

#define AT_CWD ((u64)AT_FDCWD)
#define R_OK 4
#define W_OK 2
#define X_OK 1
#define RENAME_NOREPLACE 1
#define UTIME_NOW ((1l << 30) - 1) /* Linux, linux/stat.h of the kernel proper */
#define UTIME_OMIT ((1l << 30) - 2)

static struct node *working_directory;
static u32 umask_bits = 022;

static struct node *cwd(void)
{
	return working_directory ? working_directory : root_node;
}

/* ---- paths of the program ---- */

static long start_node(s32 fd, struct node **start)
{
	struct file *f;

	*start = cwd();
	if (fd == AT_FDCWD)
		return 0;
	f = fd_file(fd);
	if (!f)
		return -EBADF;
	*start = file_node(f);
	return *start && is_dir(*start) ? 0 : -ENOTDIR;
}

/* Copies a path from the program; freed with kfree. NULL and *error. */
static char *read_path(u64 path, long *error)
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

long vfs_walk_at(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w)
{
	struct node *start = NULL;
	struct file *f;
	char *text;
	long r;

	text = read_path(path, &r);
	if (!text)
		return r;
	if (text[0] == 0 && empty_ok) {
		kfree(text);
		memset(w, 0, sizeof(*w));
		w->node = cwd();
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
		r = start_node(fd, &start);
	if (r == 0)
		r = vfs_walk(start, text, follow, w);
	kfree(text);
	return r;
}

/* As vfs_walk_at, but the file must exist. */
static long walk_existing(s32 fd, u64 path, bool follow, bool empty_ok,
			  struct walk *w)
{
	long r = vfs_walk_at(fd, path, follow, empty_ok, w);

	if (r)
		return r;
	if (!w->node && w->magic)
		w->node = file_node(w->magic);
	return w->node || w->magic ? 0 : -ENOENT;
}

/* As vfs_walk_at, for a name to be made. */
static long walk_new(s32 fd, u64 path, struct walk *w)
{
	long r = vfs_walk_at(fd, path, false, false, w);

	if (r)
		return r;
	if (w->node || w->magic || !w->parent)
		return -EEXIST;
	return w->parent->nlink ? 0 : -ENOENT;
}

/* ---- open ---- */

/* What /proc/self/maps and fd show: made absolute, not cleaned. */
static char *absolute(const char *path, s32 fd)
{
	char *buf, *at;
	size_t size = strlen(path) + 1;
	struct node *start;

	if (path[0] == '/' || start_node(fd, &start))
		return kstrdup(path);
	buf = kmalloc(2ul * PATH_MAX);
	if (!buf)
		return NULL;
	at = node_path(start, buf, PATH_MAX);
	if (at) {
		size_t n = strlen(at);

		memmove(buf, at, n);
		if (n == 1)
			n = 0;
		buf[n] = '/';
		memcpy(buf + n + 1, path, size);
	}
	return buf;
}

/* Behind /proc/self/fd/N: the file itself, or a new opening of its node. */
static struct file *open_magic(struct file *f, u32 flags, long *error)
{
	struct node *n = file_node(f);

	if (n)
		return node_open(n, flags, f->path ? f->path : "", error);
	file_ref(f);
	*error = 0;
	return f;
}

static long create(struct walk *w, u32 mode)
{
	struct node *n;
	long r;

	if (w->directory)
		return -EISDIR;
	if (!w->parent || !w->parent->nlink)
		return -ENOENT;
	n = node_new(S_IFREG | (mode & 07777 & ~umask_bits));
	if (!n)
		return -ENOSPC;
	r = dir_add(w->parent, w->name, w->name_size, n);
	if (r)
		kfree(n);
	else
		w->node = n;
	return r;
}

static long check_open(const struct walk *w, u32 flags)
{
	const struct node *n = w->node;
	u32 type = n->mode & S_IFMT;

	if (type == S_IFLNK && !(flags & O_PATH))
		return -ELOOP;
	if ((flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type == S_IFDIR && !(flags & O_PATH) &&
	    ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)))
		return -EISDIR;
	return 0;
}

static struct file *do_open(s32 fd, const char *path, u32 flags, u32 mode,
			    long *error)
{
	struct node *start = NULL;
	struct file *f = NULL;
	struct walk w;
	char *name;
	bool created = false;

	*error = path[0] == '/' ? 0 : start_node(fd, &start);
	if (*error)
		return NULL;
	*error = vfs_walk(start, path,
			  !(flags & O_NOFOLLOW) &&
				  (flags & (O_CREAT | O_EXCL)) !=
					  (O_CREAT | O_EXCL),
			  &w);
	if (*error)
		return NULL;
	if (w.magic)
		return open_magic(w.magic, flags, error);
	if ((flags & __O_TMPFILE) && w.node) {
		if (!is_dir(w.node)) {
			*error = -ENOTDIR;
			return NULL;
		}
		w.node = node_new(S_IFREG | (mode & 07777 & ~umask_bits));
		flags &= ~(u32)(__O_TMPFILE | O_DIRECTORY);
		*error = w.node ? 0 : -ENOSPC;
	} else if (!w.node && (flags & O_CREAT)) {
		*error = create(&w, mode);
		created = true;
	} else if (!w.node) {
		*error = -ENOENT;
	} else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		*error = -EEXIST;
	}
	if (*error == 0 && !created)
		*error = check_open(&w, flags);
	if (*error == 0 && (flags & O_TRUNC) &&
	    (w.node->mode & S_IFMT) == S_IFREG && !created)
		*error = data_truncate(w.node, 0);
	if (*error)
		return NULL;
	name = absolute(path, fd);
	if (!name)
		*error = -ENOMEM;
	else
		f = node_open(w.node, flags & ~(u32)(O_CREAT | O_EXCL |
						    O_TRUNC | O_NOCTTY |
						    O_CLOEXEC),
			      name, error);
	kfree(name);
	return f;
}

struct file *file_open_kernel(const char *path, long *error)
{
	return do_open(AT_FDCWD, path, O_RDONLY, 0, error);
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

long sys_openat(u64 fd, u64 path, u64 flags, u64 mode)
{
	struct file *f;
	char *text;
	long r;

	text = read_path(path, &r);
	if (!text)
		return r;
	f = do_open((s32)fd, text, (u32)flags, (u32)mode, &r);
	kfree(text);
	return f ? fd_install(f, (flags & O_CLOEXEC) != 0) : r;
}

long sys_open(u64 path, u64 flags, u64 mode)
{
	return sys_openat(AT_CWD, path, flags, mode);
}

long sys_creat(u64 path, u64 mode)
{
	return sys_openat(AT_CWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long sys_openat2(u64 fd, u64 path, u64 how, u64 size)
{
	(void)fd, (void)path, (void)how, (void)size;
	return -ENOSYS;
}

/* ---- stat ---- */

static long stat_walked(const struct walk *w, struct stat *st)
{
	if (w->magic)
		return w->magic->ops->stat ?
			       w->magic->ops->stat(w->magic, st) :
			       -EBADF;
	node_stat(w->node, st);
	return 0;
}

long sys_newfstatat(u64 fd, u64 path, u64 address, u64 flags)
{
	struct walk w;
	struct stat st;
	long r;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH |
			   AT_NO_AUTOMOUNT))
		return -EINVAL;
	r = walk_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r == 0)
		r = stat_walked(&w, &st);
	return r ? r : copy_to_user(address, &st, sizeof(st));
}

long sys_stat(u64 path, u64 address)
{
	return sys_newfstatat(AT_CWD, path, address, 0);
}

long sys_lstat(u64 path, u64 address)
{
	return sys_newfstatat(AT_CWD, path, address, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(u64 fd, u64 address)
{
	struct file *f = fd_file((s32)fd);
	struct stat st;
	long r;

	if (!f)
		return -EBADF;
	memset(&st, 0, sizeof(st));
	r = f->ops->stat ? f->ops->stat(f, &st) : 0;
	return r ? r : copy_to_user(address, &st, sizeof(st));
}

long sys_statx(u64 fd, u64 path, u64 flags, u64 mask, u64 address)
{
	struct statx x;
	struct walk w;
	struct stat st;
	long r;

	(void)mask;
	r = walk_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r == 0)
		r = stat_walked(&w, &st);
	if (r)
		return r;
	memset(&x, 0, sizeof(x));
	x.stx_mask = STATX_BASIC_STATS;
	x.stx_blksize = (u32)st.st_blksize;
	x.stx_nlink = (u32)st.st_nlink;
	x.stx_uid = st.st_uid;
	x.stx_gid = st.st_gid;
	x.stx_mode = (u16)st.st_mode;
	x.stx_ino = st.st_ino;
	x.stx_size = (u64)st.st_size;
	x.stx_blocks = (u64)st.st_blocks;
	x.stx_atime.tv_sec = (s64)st.st_atime;
	x.stx_atime.tv_nsec = (u32)st.st_atime_nsec;
	x.stx_mtime.tv_sec = (s64)st.st_mtime;
	x.stx_mtime.tv_nsec = (u32)st.st_mtime_nsec;
	x.stx_ctime.tv_sec = (s64)st.st_ctime;
	x.stx_ctime.tv_nsec = (u32)st.st_ctime_nsec;
	x.stx_rdev_major = (u32)(st.st_rdev >> 8);
	x.stx_rdev_minor = (u32)(st.st_rdev & 0xff);
	x.stx_dev_minor = 1;
	return copy_to_user(address, &x, sizeof(x));
}

long sys_faccessat2(u64 fd, u64 path, u64 mode, u64 flags)
{
	struct walk w;
	long r;

	if (mode & ~7ull)
		return -EINVAL;
	r = walk_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r)
		return r;
	/* root may do all but execute what nobody may */
	if ((mode & X_OK) && w.node && !is_dir(w.node) &&
	    !(w.node->mode & 0111))
		return -EACCES;
	return 0;
}

long sys_faccessat(u64 fd, u64 path, u64 mode)
{
	return sys_faccessat2(fd, path, mode, 0);
}

long sys_access(u64 path, u64 mode)
{
	return sys_faccessat2(AT_CWD, path, mode, 0);
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
	n = node_new(S_IFDIR | ((u32)mode & 01777 & ~umask_bits));
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

	text = read_path(target, &r);
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
	long r = walk_existing((s32)old_fd, old_path,
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
	r = walk_existing((s32)fd, path, false, false, &w);
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
	r = walk_existing((s32)old_fd, old_path, false, false, &from);
	if (r == 0)
		r = vfs_walk_at((s32)new_fd, new_path, false, false, &to);
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
	long r = vfs_walk_at((s32)fd, path, false, true, &w);

	if (r)
		return r;
	if ((s32)size <= 0)
		return -EINVAL;
	if (w.magic && !w.node)
		r = (long)fd_describe(w.magic, text, sizeof(text));
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

/* ---- attributes ---- */

static long set_mode(struct node *n, u64 mode)
{
	if (!n)
		return -EBADF;
	n->mode = (n->mode & S_IFMT) | ((u32)mode & 07777);
	n->ctime = wall_now();
	return 0;
}

static struct node *fd_node(u64 fd)
{
	struct file *f = fd_file((s32)fd);

	return f ? file_node(f) : NULL;
}

long sys_fchmodat(u64 fd, u64 path, u64 mode)
{
	struct walk w;
	long r = walk_existing((s32)fd, path, true, false, &w);

	return r ? r : w.node ? set_mode(w.node, mode) : 0;
}

long sys_chmod(u64 path, u64 mode)
{
	return sys_fchmodat(AT_CWD, path, mode);
}

long sys_fchmod(u64 fd, u64 mode)
{
	return fd_file((s32)fd) && !fd_node(fd) ? 0 : set_mode(fd_node(fd), mode);
}

static long set_owner(struct node *n, u64 uid, u64 gid)
{
	if (!n)
		return -EBADF;
	if ((u32)uid != ~0u)
		n->uid = (u32)uid;
	if ((u32)gid != ~0u)
		n->gid = (u32)gid;
	n->ctime = wall_now();
	return 0;
}

long sys_fchownat(u64 fd, u64 path, u64 uid, u64 gid, u64 flags)
{
	struct walk w;
	long r = walk_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			       (flags & AT_EMPTY_PATH) != 0, &w);

	return r ? r : w.node ? set_owner(w.node, uid, gid) : 0;
}

long sys_chown(u64 path, u64 uid, u64 gid)
{
	return sys_fchownat(AT_CWD, path, uid, gid, 0);
}

long sys_lchown(u64 path, u64 uid, u64 gid)
{
	return sys_fchownat(AT_CWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(u64 fd, u64 uid, u64 gid)
{
	return set_owner(fd_node(fd), uid, gid);
}

long sys_utimensat(u64 fd, u64 path, u64 times, u64 flags)
{
	struct timespec t[2];
	struct walk w;
	u64 now = wall_now(), ns[2] = { now, now };
	long r;

	if (times && copy_from_user(t, times, sizeof(t)))
		return -EFAULT;
	if (path) {
		r = walk_existing((s32)fd, path,
				  !(flags & AT_SYMLINK_NOFOLLOW),
				  (flags & AT_EMPTY_PATH) != 0, &w);
		if (r)
			return r;
	} else {
		w.node = fd_node(fd);
		if (!w.node)
			return -EBADF;
	}
	if (!w.node)
		return 0;
	for (int i = 0; times && i < 2; i++) {
		if (t[i].tv_nsec == UTIME_OMIT)
			ns[i] = i ? w.node->mtime : w.node->atime;
		else if (t[i].tv_nsec != UTIME_NOW) {
			if (t[i].tv_nsec < 0 || t[i].tv_nsec >= (long)NSEC)
				return -EINVAL;
			ns[i] = (u64)t[i].tv_sec * NSEC + (u64)t[i].tv_nsec;
		}
	}
	w.node->atime = ns[0];
	w.node->mtime = ns[1];
	w.node->ctime = now;
	return 0;
}

/* times: two struct timeval, or NULL */
static long set_times(u64 fd, u64 path, u64 times)
{
	long tv[4];
	struct walk w;
	long r;

	if (times && copy_from_user(tv, times, sizeof(tv)))
		return -EFAULT;
	r = walk_existing((s32)fd, path, true, false, &w);
	if (r || !w.node)
		return r;
	w.node->ctime = w.node->atime = w.node->mtime = wall_now();
	if (times) {
		w.node->atime = (u64)tv[0] * NSEC + (u64)tv[1] * 1000;
		w.node->mtime = (u64)tv[2] * NSEC + (u64)tv[3] * 1000;
	}
	return 0;
}

long sys_futimesat(u64 fd, u64 path, u64 times)
{
	return set_times(fd, path, times);
}

long sys_utimes(u64 path, u64 times)
{
	return set_times(AT_CWD, path, times);
}

long sys_utime(u64 path, u64 times)
{
	long t[2];
	struct walk w;
	long r;

	if (times && copy_from_user(t, times, sizeof(t)))
		return -EFAULT;
	r = walk_existing(AT_FDCWD, path, true, false, &w);
	if (r || !w.node)
		return r;
	w.node->ctime = w.node->atime = w.node->mtime = wall_now();
	if (times) {
		w.node->atime = (u64)t[0] * NSEC;
		w.node->mtime = (u64)t[1] * NSEC;
	}
	return 0;
}

long sys_truncate(u64 path, u64 size)
{
	struct walk w;
	long r = walk_existing(AT_FDCWD, path, true, false, &w);

	if (r)
		return r;
	if ((s64)size < 0 || !w.node)
		return -EINVAL;
	if (is_dir(w.node))
		return -EISDIR;
	if ((w.node->mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	return data_truncate(w.node, size);
}

/* ---- working directory and the rest ---- */

static long change_directory(struct node *n)
{
	if (!n || !is_dir(n))
		return -ENOTDIR;
	node_ref(n);
	if (working_directory)
		node_unref(working_directory);
	working_directory = n;
	return 0;
}

long sys_chdir(u64 path)
{
	struct walk w;
	long r = walk_existing(AT_FDCWD, path, true, false, &w);

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
	char text[PATH_MAX], *at = node_path(cwd(), text, sizeof(text));
	size_t n;

	if (!at || (!cwd()->nlink))
		return -ENOENT;
	n = strlen(at) + 1;
	if (n > size)
		return -ERANGE;
	return copy_to_user(buf, at, n) ? -EFAULT : (long)n;
}

long sys_umask(u64 mask)
{
	u32 old = umask_bits;

	umask_bits = (u32)mask & 0777;
	return old;
}

static long fill_statfs(u64 address)
{
	struct statfs s;

	memset(&s, 0, sizeof(s));
	s.f_type = 0x01021994; /* TMPFS_MAGIC */
	s.f_bsize = s.f_frsize = PAGE_SIZE;
	s.f_blocks = (long)frames_total();
	s.f_bfree = s.f_bavail = (long)frames_available();
	s.f_files = s.f_ffree = 1 << 20;
	s.f_namelen = NAME_MAX;
	return copy_to_user(address, &s, sizeof(s));
}

long sys_statfs(u64 path, u64 address)
{
	struct walk w;
	long r = walk_existing(AT_FDCWD, path, true, false, &w);

	return r ? r : fill_statfs(address);
}

long sys_fstatfs(u64 fd, u64 address)
{
	return fd_file((s32)fd) ? fill_statfs(address) : -EBADF;
}

long sys_msync(u64 addr, u64 size, u64 flags)
{
	(void)size;
	return (addr & (PAGE_SIZE - 1)) || (flags & ~7ull) ? -EINVAL : 0;
}

long sys_memfd_create(u64 name, u64 flags)
{
	char text[256], path[272];
	struct node *n;
	struct file *f;
	long r = copy_string_from_user(text, name, 250);

	if (r < 0)
		return r == -ENAMETOOLONG ? -EINVAL : r;
	if (flags & ~3ull) /* MFD_CLOEXEC, MFD_ALLOW_SEALING */
		return -EINVAL;
	n = node_new(S_IFREG | 0777);
	if (!n)
		return -ENOMEM;
	n->seals = flags & 2 ? 0 : 1; /* F_SEAL_SEAL */
	ksnprintf(path, sizeof(path), "/memfd:%s (deleted)", text);
	f = node_open(n, O_RDWR, path, &r);
	if (!f) {
		kfree(n);
		return r;
	}
	return fd_install(f, flags & 1);
}

/* ---- getdents64 ---- */

struct dirent64 {
	u64 ino;
	s64 next;
	u16 size;
	u8 type;
	char name[];
} __attribute__((packed));

struct listing {
	u8 *buf;
	size_t size, used;
	u64 position;
	bool full;
};

static bool list_entry(void *context, const char *name, u32 size,
		       struct node *n, u64 next)
{
	struct listing *l = context;
	size_t need = (offsetof(struct dirent64, name) + size + 1 + 7) & ~7ul;
	struct dirent64 *d = (struct dirent64 *)(l->buf + l->used);

	if (need > l->size - l->used) {
		l->full = true;
		return false;
	}
	memset(d, 0, need);
	d->ino = n->ino;
	d->next = (s64)next;
	d->size = (u16)need;
	d->type = (u8)(n->mode >> 12);
	memcpy(d->name, name, size);
	l->used += need;
	l->position = next;
	return true;
}

static void list_fds(struct listing *l)
{
	static struct node link = { .mode = S_IFLNK | 0700, .ino = 1 };
	char name[12];

	for (s32 fd = (s32)l->position; (fd = fd_next(fd)) >= 0; fd++) {
		u32 n = (u32)ksnprintf(name, sizeof(name), "%d", fd);

		if (!list_entry(l, name, n, &link, (u64)fd + 1))
			return;
	}
}

long sys_getdents64(u64 fd, u64 buf, u64 size)
{
	struct file *f = fd_file((s32)fd);
	struct listing l = { .buf = (u8 *)buf, .size = (u32)size };
	struct node *n;
	u64 position;

	if (!f)
		return -EBADF;
	n = file_node(f);
	if (!n || !is_dir(n))
		return -ENOTDIR;
	if (!user_writable(buf, l.size))
		return -EFAULT;
	l.position = position = f->pos;
	if (n->fds)
		list_fds(&l);
	else
		dir_list(n, &position, list_entry, &l);
	f->pos = l.position;
	return l.full && l.used == 0 ? -EINVAL : (long)l.used;
}
