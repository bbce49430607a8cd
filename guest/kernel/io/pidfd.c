/*
 * pidfd.c: descriptors of processes: pidfd_open(2). One becomes readable when its
 * process has ended.
 */
#include "io/pidfd.h"

#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/proc.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/kill.h"
#include "task/process.h"

#define PIDFD_NONBLOCK O_NONBLOCK
#define PIDFD_MODE 0700        /* no file type */
#define PIDFD_MAGIC 0x50494446 /* which older header sets lack */

struct pidfd {
	struct pidfd *next, **link; /* list of all */
	struct file *file;
	struct process *process; /* referenced */
};

static struct pidfd *all;

static bool reaped(const struct process *p)
{
	return !p->leader;
}

static u32 pidfd_poll(struct file *f)
{
	const struct process *p = ((struct pidfd *)f->node)->process;

	if (reaped(p))
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	return p->zombie ? EPOLLIN | EPOLLRDNORM : 0;
}

static long pidfd_stat(struct file *f, struct stat *st)
{
	const struct pidfd *p = f->node;

	stat_object(st, PIDFD_MODE, (u64)p->process->pid);
	return 0;
}

static void pidfd_release(struct file *f)
{
	struct pidfd *p = f->node;

	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	process_unref(p->process);
	kfree(p);
}

static void pidfd_info(struct file *f, struct text *t)
{
	const struct process *p = ((struct pidfd *)f->node)->process;
	s32 pid = reaped(p) ? -1 : p->pid;

	text_add(t, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.stat = pidfd_stat,
	.release = pidfd_release,
	.magic = PIDFD_MAGIC,
	.kind = "[pidfd]",
	.info = pidfd_info,
};

static void on_ended(struct process *ended)
{
	for (struct pidfd *p = all; p; p = p->next)
		if (p->process == ended)
			file_ready(p->file);
}

static void listen(void)
{
	static struct process_part part = { .ended = on_ended };
	static bool listening;

	if (!listening)
		process_add_part(&part);
	listening = true;
}

/* A descriptor's number or -errno. */
static long install(struct process *process, u32 flags)
{
	struct pidfd *p = kmalloc(sizeof(*p));
	struct file *f;

	if (!p)
		return -ENOMEM;
	f = file_new(&pidfd_ops, p, O_RDWR | flags);
	if (!f) {
		kfree(p);
		return -ENOMEM;
	}
	listen();
	p->file = f;
	p->process = process;
	process->refs++;
	p->next = all;
	p->link = &all;
	if (all)
		all->link = &p->next;
	all = p;
	return fd_install(f, true);
}

long pidfd_give(struct process *p, u64 address)
{
	s32 fd = (s32)install(p, 0);

	if (fd < 0)
		return fd;
	if (!copy_to_user(address, &fd, sizeof(fd)))
		return 0;
	sys_close((u64)fd);
	return -EFAULT;
}

struct process *pidfd_process(const struct file *f)
{
	return f->ops == &pidfd_ops ? ((struct pidfd *)f->node)->process : NULL;
}

long sys_pidfd_open(u64 pid64, u64 flags)
{
	s32 pid = (s32)pid64;
	struct process *p;

	if (((u32)flags & ~(u32)PIDFD_NONBLOCK) || pid <= 0)
		return -EINVAL;
	p = process_find(pid);
	if (!p)
		return thread_find(pid) ? -ENOENT : -ESRCH;
	return install(p, (u32)flags & PIDFD_NONBLOCK);
}

/* The number of the process that f stands for; a directory /proc/PID does for
 * its own, too. -EBADF: for none; -ESRCH: it was reaped. */
static s32 target_process(const struct file *f)
{
	const struct node *n = f->flags & O_PATH ? NULL : file_node(f);
	const struct process *p;

	if (n)
		return proc_process_of(n) ?: -EBADF;
	if (f->ops != &pidfd_ops)
		return -EBADF;
	p = pidfd_process(f);
	return reaped(p) ? -ESRCH : p->pid;
}

long sys_pidfd_send_signal(u64 fd, u64 signo, u64 info, u64 flags)
{
	const struct file *f = fd_file((s32)fd);
	u32 scope = (u32)flags;
	s32 pid;

	if ((scope & ~(u32)KILL_SCOPES) || (scope & (scope - 1)))
		return -EINVAL;
	pid = f ? target_process(f) : -EBADF;
	return pid < 0 ? pid : kill_scope(pid, scope, signo, info);
}

long sys_pidfd_getfd(u64 fd, u64 target, u64 flags)
{
	struct file *f = fd_file((s32)fd);
	const struct process *p;

	if ((u32)flags)
		return -EINVAL;
	if (!f || f->ops != &pidfd_ops)
		return -EBADF;
	p = pidfd_process(f);
	if (p == kernel_process)
		return -EPERM;
	if (!p->descriptors)
		return -ESRCH;
	if (!process_may_look(p))
		return -EPERM;
	f = fd_file_of(p, (s32)target);
	if (!f)
		return -EBADF;
	file_ref(f);
	return fd_install(f, true);
}
