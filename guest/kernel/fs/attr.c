/* attr.c: what stat shows of a file, and the calls that change it. */
#include <asm/statfs.h>
#include <linux/time.h>

#include "fs/descriptor.h"
#include "fs/path.h"
#include "fs/ramfs.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"

#define X_OK 1
#define UTIME_NOW ((1l << 30) - 1) /* Linux, linux/stat.h of the kernel proper */
#define UTIME_OMIT ((1l << 30) - 2)

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
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
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
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
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
	r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
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

/* ---- attributes ---- */

static long set_mode(struct node *n, u64 mode)
{
	if (!n)
		return -EBADF;
	n->mode = (n->mode & S_IFMT) | ((u32)mode & 07777);
	n->ctime = wall_now();
	return 0;
}

long sys_fchmodat(u64 fd, u64 path, u64 mode)
{
	struct walk w;
	long r = path_existing((s32)fd, path, true, false, &w);

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
	long r = path_existing((s32)fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
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
		r = path_existing((s32)fd, path,
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
	r = path_existing((s32)fd, path, true, false, &w);
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
	r = path_existing(AT_FDCWD, path, true, false, &w);
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
	long r = path_existing(AT_FDCWD, path, true, false, &w);

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
	long r = path_existing(AT_FDCWD, path, true, false, &w);

	return r ? r : fill_statfs(address);
}

long sys_fstatfs(u64 fd, u64 address)
{
	return fd_file((s32)fd) ? fill_statfs(address) : -EBADF;
}

