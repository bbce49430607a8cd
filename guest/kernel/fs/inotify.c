/* inotify.c: the calls of inotify, and its open file. */
#include <asm/ioctls.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"

#define IN_KNOWN                                                               \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED |             \
	 IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE |       \
	 IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)
#define KEPT (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)
#define ROOM (sizeof(struct inotify_event) + NAME_MAX + 1)

/* ---- the file ---- */

/* As many events as fit. */
static long take_events(struct inotify *i, void *buf, size_t n)
{
	union {
		struct inotify_event event;
		u8 bytes[ROOM];
	} room;
	size_t done = 0, size;

	while ((size = event_size(i)) && size <= n - done) {
		event_take(i, &room);
		if (user_put((u8 *)buf + done, &room, size) != size)
			return -EFAULT;
		done += size;
	}
	return done ? (long)done : -EINVAL;
}

static long inotify_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct inotify *i = f->node;

	(void)pos;
	while (!i->first) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&i->readers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	return take_events(i, buf, n);
}

static u32 inotify_poll(struct file *f)
{
	const struct inotify *i = f->node;

	return i->first ? EPOLLIN | EPOLLRDNORM : 0;
}

static long inotify_ioctl(struct file *f, u64 command, u64 argument)
{
	const struct inotify *i = f->node;
	s32 bytes = (s32)i->bytes;

	if ((u32)command != FIONREAD)
		return -ENOTTY;
	return copy_to_user(argument, &bytes, sizeof(bytes));
}

static void inotify_release(struct file *f)
{
	struct inotify *i = f->node;

	i->file = NULL;
	while (i->watches)
		watch_remove(i->watches);
	events_free(i);
	kfree(i);
}

static void inotify_info(struct file *f, struct text *t)
{
	const struct inotify *i = f->node;

	for (const struct watch *w = i->watches; w; w = w->of_inotify)
		text_add(t,
			 "inotify wd:%x ino:%lx sdev:1 mask:%x "
			 "ignored_mask:0\n",
			 (u32)w->wd, w->node->ino, w->mask);
}

static const struct file_ops inotify_ops = {
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.kind = "inotify",
	.info = inotify_info,
};

/* ---- the calls ---- */

long sys_inotify_init1(u64 flags)
{
	struct inotify *i;

	if (flags & ~(u64)(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	i = kmalloc(sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->file = file_new(&inotify_ops, i, (u32)flags & O_NONBLOCK);
	if (!i->file) {
		kfree(i);
		return -ENOMEM;
	}
	return fd_install(i->file, (flags & IN_CLOEXEC) != 0);
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

static long inotify_get(u64 fd, struct inotify **i)
{
	struct file *f = fd_file((s32)fd);

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if (f->ops != &inotify_ops)
		return -EINVAL;
	*i = f->node;
	return 0;
}

static long watch_set(struct inotify *i, struct node *n, u32 mask)
{
	struct watch *w = watch_find(i, n);

	if (w && (mask & IN_MASK_CREATE))
		return -EEXIST;
	if (!w)
		w = watch_add(i, n, mask & KEPT);
	else if (mask & IN_MASK_ADD)
		w->mask |= mask & KEPT;
	else
		w->mask = mask & KEPT;
	return w ? w->wd : -ENOSPC;
}

long sys_inotify_add_watch(u64 fd, u64 path, u64 mask64)
{
	u32 mask = (u32)mask64;
	struct inotify *i;
	struct node *n;
	long r;

	if (!(mask & IN_KNOWN) || (mask & ~(u32)IN_KNOWN))
		return -EINVAL;
	if (!fd_file((s32)fd))
		return -EBADF;
	if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
		return -EINVAL;
	r = inotify_get(fd, &i);
	if (r)
		return r;
	r = path_node(AT_FDCWD, path, !(mask & IN_DONT_FOLLOW), false, &n);
	if (r)
		return r;
	if ((mask & IN_ONLYDIR) && !is_dir(n))
		return -ENOTDIR;
	r = node_permission(n, MAY_READ);
	return r ? r : watch_set(i, n, mask);
}

long sys_inotify_rm_watch(u64 fd, u64 wd)
{
	struct inotify *i;
	struct watch *w;
	long r = inotify_get(fd, &i);

	if (r)
		return r;
	w = watch_number(i, (s32)wd);
	if (!w)
		return -EINVAL;
	watch_remove(w);
	return 0;
}
