/* times.c: the calls that set the times of files. */
#include <linux/fcntl.h>
#include <linux/time.h>

#include "fs/descriptor.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "mm/user.h"
#include "syscalls.h"

#define UTIME_NOW                                                              \
	((1l << 30) - 1) /* Linux, linux/stat.h of the kernel proper */
#define UTIME_OMIT ((1l << 30) - 2)

static bool is_time(const struct timespec *t)
{
	return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT ||
	       (t->tv_nsec >= 0 && t->tv_nsec < (long)NSEC);
}

/* Sets atime and mtime; t NULL: to now, which who may write may do, too. */
static long set(struct node *n, const struct timespec *t)
{
	struct stamp now = stamp_now(), *to[] = { &n->atime, &n->mtime };
	bool plain = !t ||
		     (t[0].tv_nsec == UTIME_NOW && t[1].tv_nsec == UTIME_NOW);
	long r;

	if (t && (!is_time(&t[0]) || !is_time(&t[1])))
		return -EINVAL;
	r = node_may_touch(n, plain);
	if (r)
		return r;
	for (int i = 0; i < 2; i++) {
		if (!t || t[i].tv_nsec == UTIME_NOW)
			*to[i] = now;
		else if (t[i].tv_nsec != UTIME_OMIT)
			*to[i] = (struct stamp){ t[i].tv_sec,
						 (u32)t[i].tv_nsec };
	}
	n->ctime = now;
	if (t && t[1].tv_nsec == UTIME_OMIT)
		notify(n, IN_ACCESS);
	else
		notify(n,
		       t && t[0].tv_nsec == UTIME_OMIT ? IN_MODIFY : IN_ATTRIB);
	return 0;
}

static long set_at(s32 fd, u64 path, const struct timespec *t, u64 flags)
{
	struct walk w;
	struct file *f;
	long r;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (path || fd == AT_FDCWD) {
		r = path_existing(fd, path, !(flags & AT_SYMLINK_NOFOLLOW),
				  path && (flags & AT_EMPTY_PATH), &w);
		if (r)
			return r;
		return w.node ? set(w.node, t) : 0;
	}
	if (flags)
		return -EINVAL;
	f = fd_file(fd);
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	return file_node(f) ? set(file_node(f), t) : 0;
}

long sys_utimensat(u64 fd, u64 path, u64 times, u64 flags)
{
	struct timespec t[2];

	if (!times)
		return set_at((s32)fd, path, NULL, flags);
	if (copy_from_user(t, times, sizeof(t)))
		return -EFAULT;
	if (t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT)
		return 0;
	return set_at((s32)fd, path, t, flags);
}

/* times: two struct timeval, or NULL. */
long sys_futimesat(u64 fd, u64 path, u64 times)
{
	struct timespec t[2];
	long tv[4];

	if (!times)
		return set_at((s32)fd, path, NULL, 0);
	if (copy_from_user(tv, times, sizeof(tv)))
		return -EFAULT;
	for (size_t i = 0; i < 2; i++) {
		if (tv[2 * i + 1] < 0 || tv[2 * i + 1] >= 1000000)
			return -EINVAL;
		t[i].tv_sec = tv[2 * i];
		t[i].tv_nsec = tv[2 * i + 1] * 1000;
	}
	return set_at((s32)fd, path, t, 0);
}

long sys_utimes(u64 path, u64 times)
{
	return sys_futimesat(AT_CWD, path, times);
}

long sys_utime(u64 path, u64 times)
{
	struct timespec t[2] = { 0 };
	long seconds[2];

	if (!times)
		return set_at(AT_FDCWD, path, NULL, 0);
	if (copy_from_user(seconds, times, sizeof(seconds)))
		return -EFAULT;
	t[0].tv_sec = seconds[0];
	t[1].tv_sec = seconds[1];
	return set_at(AT_FDCWD, path, t, 0);
}
