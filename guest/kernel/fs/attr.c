/* attr.c: what stat shows of a file, its mode, owners and size. */
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/time.h>

#include "fs/descriptor.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/quota.h"
#include "fs/regular.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"

/* What Linux would tell of each file, and of one of a tmpfs. */
#define ATTRIBUTES                                                             \
	(STATX_ATTR_AUTOMOUNT | STATX_ATTR_MOUNT_ROOT | STATX_ATTR_DAX)
#define ATTRIBUTES_TMPFS                                                       \
	(STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)
#define ST_VALID 0x20 /* Linux keeps these two outside uapi */
#define ST_RELATIME 0x1000
#define AT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)

/* ---- stat ---- */

static long stat_walked(const struct walk *w, struct stat *st)
{
	if (w->magic)
		return file_stat(w->magic, st);
	node_stat(w->node, st);
	return 0;
}

static long stat_at(s32 fd, u64 path, u64 flags, struct walk *w,
		    struct stat *st)
{
	long r = path_existing(fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			       (flags & AT_EMPTY_PATH) != 0, w);

	return r ? r : stat_walked(w, st);
}

long sys_newfstatat(u64 fd, u64 path, u64 address, u64 flags)
{
	struct walk w;
	struct stat st;
	long r;

	if (flags & ~(u64)AT_FLAGS)
		return -EINVAL;
	r = stat_at((s32)fd, path, flags, &w, &st);
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
	long r = f ? file_stat(f, &st) : -EBADF;

	return r ? r : copy_to_user(address, &st, sizeof(st));
}

/* Of a node not all is told unasked, as its times of change are of use only to who
 * compares them, and that of its birth is no part of stat. */
static u32 statx_known(const struct node *n, u32 asked)
{
	u32 times = STATX_MTIME | STATX_CTIME;
	u32 known = STATX_BASIC_STATS | STATX_MNT_ID;

	if (!n || node_mount(n) != MOUNT_ROOT)
		return known;
	return (asked & times ? known : known & ~times) | (asked & STATX_BTIME);
}

static void statx_fill(struct statx *x, const struct stat *st,
		       const struct node *n, u32 asked)
{
	memset(x, 0, sizeof(*x));
	x->stx_mask = statx_known(n, asked);
	x->stx_blksize = (u32)st->st_blksize;
	x->stx_nlink = (u32)st->st_nlink;
	x->stx_uid = st->st_uid;
	x->stx_gid = st->st_gid;
	x->stx_mode = (u16)st->st_mode;
	x->stx_ino = st->st_ino;
	x->stx_size = (u64)st->st_size;
	x->stx_blocks = (u64)st->st_blocks;
	x->stx_atime.tv_sec = (s64)st->st_atime;
	x->stx_atime.tv_nsec = (u32)st->st_atime_nsec;
	x->stx_mtime.tv_sec = (s64)st->st_mtime;
	x->stx_mtime.tv_nsec = (u32)st->st_mtime_nsec;
	x->stx_ctime.tv_sec = (s64)st->st_ctime;
	x->stx_ctime.tv_nsec = (u32)st->st_ctime_nsec;
	x->stx_rdev_major = (u32)(st->st_rdev >> 8 & 0xfff);
	x->stx_rdev_minor =
		(u32)((st->st_rdev & 0xff) | (st->st_rdev >> 12 & 0xfff00));
	x->stx_dev_minor = (u32)st->st_dev;
	x->stx_mnt_id = st->st_dev;
	x->stx_attributes_mask = ATTRIBUTES;
	if (!n)
		return;
	if (node_mount(n) == MOUNT_ROOT)
		x->stx_attributes_mask |= ATTRIBUTES_TMPFS;
	if (x->stx_mask & STATX_BTIME) {
		x->stx_btime.tv_sec = n->btime.sec;
		x->stx_btime.tv_nsec = n->btime.nsec;
	}
	if (is_mount_root(n))
		x->stx_attributes = STATX_ATTR_MOUNT_ROOT;
}

long sys_statx(u64 fd, u64 path, u64 flags, u64 mask, u64 address)
{
	struct statx x;
	struct walk w;
	struct stat st;
	long r;

	if ((mask & STATX__RESERVED) ||
	    (flags & ~(u64)(AT_FLAGS | AT_STATX_SYNC_TYPE)) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	r = stat_at((s32)fd, path, flags, &w, &st);
	if (r)
		return r;
	statx_fill(&x, &st, w.node, (u32)mask);
	return copy_to_user(address, &x, sizeof(x));
}

long sys_faccessat2(u64 fd, u64 path, u64 mode, u64 flags)
{
	struct ids saved = current->ids;
	struct walk w;
	long r;

	if ((mode & ~7ull) ||
	    (flags & ~(u64)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (!(flags & AT_EACCESS))
		ids_become_real(&current->ids);
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r == 0 && w.node)
		r = node_permission(w.node, (u32)mode);
	current->ids = saved;
	return r;
}

long sys_faccessat(u64 fd, u64 path, u64 mode)
{
	return sys_faccessat2(fd, path, mode, 0);
}

long sys_access(u64 path, u64 mode)
{
	return sys_faccessat2(AT_CWD, path, mode, 0);
}

/* ---- mode and owners ---- */

/* The node of a descriptor that is open for more than its path; NULL: it has
 * none. */
static long changeable(u64 fd, struct node **n)
{
	const struct file *f = fd_file((s32)fd);

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	*n = file_node(f);
	return 0;
}

long sys_fchmodat2(u64 fd, u64 path, u64 mode, u64 flags)
{
	struct walk w;
	long r;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r)
		return r;
	if (w.node && node_type(w.node) == S_IFLNK)
		return -EOPNOTSUPP;
	return w.node ? node_chmod(w.node, (u32)mode) : 0;
}

long sys_fchmodat(u64 fd, u64 path, u64 mode)
{
	return sys_fchmodat2(fd, path, mode, 0);
}

long sys_chmod(u64 path, u64 mode)
{
	return sys_fchmodat2(AT_CWD, path, mode, 0);
}

long sys_fchmod(u64 fd, u64 mode)
{
	struct node *n;
	long r = changeable(fd, &n);

	return r || !n ? r : node_chmod(n, (u32)mode);
}

long sys_fchownat(u64 fd, u64 path, u64 uid, u64 gid, u64 flags)
{
	struct walk w;
	long r;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
			  (flags & AT_EMPTY_PATH) != 0, &w);
	if (r || !w.node)
		return r;
	return node_chown(w.node, (u32)uid, (u32)gid);
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
	struct node *n;
	long r = changeable(fd, &n);

	return r || !n ? r : node_chown(n, (u32)uid, (u32)gid);
}

/* ---- size, and what the file system has room for ---- */

static long may_grow(const struct node *n, u64 size)
{
	size_t more = 1;

	return size > n->size ? file_size_limit(size - 1, &more) : 0;
}

long sys_truncate(u64 path, u64 size)
{
	struct walk w;
	long r;

	if ((s64)size < 0)
		return -EINVAL;
	r = path_existing(AT_FDCWD, path, true, false, &w);
	if (r)
		return r;
	if (!w.node)
		return -EINVAL;
	if (is_dir(w.node))
		return -EISDIR;
	if (node_type(w.node) != S_IFREG)
		return -EINVAL;
	r = node_permission(w.node, MAY_WRITE);
	if (w.node->ops)
		return r;
	if (r == 0 && w.node->writers < 0)
		r = -ETXTBSY;
	if (r == 0)
		r = may_grow(w.node, size);
	if (r == 0)
		r = data_truncate(w.node, size);
	if (r == 0) {
		node_written(w.node);
		notify(w.node, IN_MODIFY);
	}
	return r;
}

long sys_ftruncate(u64 fd, u64 size)
{
	struct file *f = fd_file((s32)fd);
	long r;

	if ((s64)size < 0)
		return -EINVAL;
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if (!file_writable(f) || !f->ops->truncate)
		return -EINVAL;
	r = file_node(f) ? may_grow(file_node(f), size) : 0;
	return r ? r : f->ops->truncate(f, size);
}

/* What is not kept in memory by this file system takes no room in it. */
static long fill_statfs(u64 address, u32 magic, bool mounted)
{
	const u64 units = PAGE_SIZE / UNIT;
	struct statfs s;

	memset(&s, 0, sizeof(s));
	s.f_type = magic;
	s.f_bsize = s.f_frsize = PAGE_SIZE;
	s.f_namelen = NAME_MAX;
	s.f_flags = mounted ? ST_VALID | ST_RELATIME : ST_VALID;
	if (magic == TMPFS_MAGIC) {
		s.f_blocks = (long)(quota_limit() / units);
		s.f_bfree = s.f_bavail = (long)(quota_left() / units);
		s.f_files = (long)quota_limit() / 2; /* a name and a node */
		s.f_ffree = (long)quota_left() / 2;
	}
	return copy_to_user(address, &s, sizeof(s));
}

/* The file system an open file is of. */
static u32 file_magic(struct file *f)
{
	struct stat st;

	if (file_node(f))
		return mount_magic(file_mount(f));
	if (f->ops->magic)
		return f->ops->magic;
	file_stat(f, &st);
	if (S_ISFIFO(st.st_mode))
		return PIPEFS_MAGIC;
	return S_ISSOCK(st.st_mode) ? SOCKFS_MAGIC : ANON_INODE_FS_MAGIC;
}

long sys_statfs(u64 path, u64 address)
{
	struct walk w;
	long r = path_existing(AT_FDCWD, path, true, false, &w);

	if (r)
		return r;
	if (!w.node)
		return fill_statfs(address, file_magic(w.magic), false);
	return fill_statfs(address, mount_magic(node_mount(w.node)), true);
}

long sys_fstatfs(u64 fd, u64 address)
{
	struct file *f = fd_file((s32)fd);

	return f ? fill_statfs(address, file_magic(f), file_node(f)) : -EBADF;
}
