/*
 * eventfd.c: a counter to wait on.
 */
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "io/poll.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/thread.h"

/* values of <linux/eventfd.h>, which older header sets lack */
#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK

#define COUNT_MAX (~0ull - 1)

struct eventfd {
	u64 count;
	bool semaphore;
	u32 id;
	struct waitq readers, writers;
};

static long eventfd_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct eventfd *e = f->node;
	u64 value;

	(void)pos;
	if (n < sizeof(value))
		return -EINVAL;
	while (!e->count) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&e->readers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	value = e->semaphore ? 1 : e->count;
	e->count -= value;
	n = user_put(buf, &value, sizeof(value));
	waitq_wake_all(&e->writers);
	file_ready_events(f, READY_WRITE);
	return n == sizeof(value) ? (long)n : -EFAULT;
}

static long eventfd_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct eventfd *e = f->node;
	u64 value;

	(void)pos;
	if (n < sizeof(value))
		return -EINVAL;
	if (user_copy(&value, buf, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value > COUNT_MAX)
		return -EINVAL;
	while (value > COUNT_MAX - e->count) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&e->writers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	e->count += value;
	waitq_wake_all(&e->readers);
	file_ready_events(f, READY_READ);
	return sizeof(value);
}

static u32 eventfd_poll(struct file *f)
{
	struct eventfd *e = f->node;

	return (e->count ? EPOLLIN : 0) | (e->count < COUNT_MAX ? EPOLLOUT : 0);
}

static void eventfd_info(struct file *f, struct text *t)
{
	const struct eventfd *e = f->node;

	text_add(t,
		 "eventfd-count: %16lx\neventfd-id: %u\n"
		 "eventfd-semaphore: %d\n",
		 e->count, e->id, e->semaphore);
}

static void eventfd_release(struct file *f)
{
	kfree(f->node);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.kind = "[eventfd]",
	.info = eventfd_info,
};

static long eventfd_create(u32 count, u32 flags)
{
	static u32 made;
	struct eventfd *e;
	struct file *f;

	if (flags & ~(u32)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kmalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->count = count;
	e->id = made++;
	e->semaphore = flags & EFD_SEMAPHORE;
	f = file_new(&eventfd_ops, e, O_RDWR | (flags & EFD_NONBLOCK));
	if (!f) {
		kfree(e);
		return -ENOMEM;
	}
	return fd_install(f, flags & EFD_CLOEXEC);
}

long sys_eventfd(u64 count)
{
	return eventfd_create((u32)count, 0);
}

long sys_eventfd2(u64 count, u64 flags)
{
	return eventfd_create((u32)count, (u32)flags);
}
