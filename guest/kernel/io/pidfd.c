/*
 * pidfd.c: descriptors of processes. None becomes ready: a process that could
 * still ask ends the VM when it ends.
 */
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/proc.h"
#include "heap.h"
#include "syscalls.h"
#include "task/kill.h"
#include "task/process.h"

#define PIDFD_NONBLOCK O_NONBLOCK
#define PIDFD_MODE 0700 /* no file type */

struct pidfd {
	s32 pid;
};

static u32 pidfd_poll(struct file *f)
{
	(void)f;
	return 0;
}

static long pidfd_stat(struct file *f, struct stat *st)
{
	const struct pidfd *p = f->node;

	stat_object(st, PIDFD_MODE, (u64)p->pid);
	return 0;
}

static void pidfd_release(struct file *f)
{
	kfree(f->node);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.stat = pidfd_stat,
	.release = pidfd_release,
	.kind = "[pidfd]",
};

long sys_pidfd_open(u64 pid64, u64 flags)
{
	s32 pid = (s32)pid64;
	struct pidfd *p;
	struct file *f;

	if (((u32)flags & ~(u32)PIDFD_NONBLOCK) || pid <= 0)
		return -EINVAL;
	if (pid != INIT_PROCESS && !process_find(pid))
		return thread_find(pid) ? -ENOENT : -ESRCH;
	p = kmalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = pid;
	f = file_new(&pidfd_ops, p, O_RDWR | ((u32)flags & PIDFD_NONBLOCK));
	if (!f) {
		kfree(p);
		return -ENOMEM;
	}
	return fd_install(f, true);
}

/* Whose descriptor f is, or 0. */
static s32 pidfd_process(const struct file *f)
{
	const struct pidfd *p = f->node;

	return f->ops == &pidfd_ops ? p->pid : 0;
}

/* A directory /proc/PID stands for its process, too. */
static s32 target_process(const struct file *f)
{
	const struct node *n = f->flags & O_PATH ? NULL : file_node(f);

	return n ? proc_process_of(n) : pidfd_process(f);
}

long sys_pidfd_send_signal(u64 fd, u64 signo, u64 info, u64 flags)
{
	const struct file *f;
	u32 scope = (u32)flags;
	s32 pid;

	if ((scope & ~(u32)KILL_SCOPES) || (scope & (scope - 1)))
		return -EINVAL;
	f = fd_file((s32)fd);
	pid = f ? target_process(f) : 0;
	return pid ? kill_scope(pid, scope, signo, info) : -EBADF;
}

long sys_pidfd_getfd(u64 fd, u64 target, u64 flags)
{
	struct file *f = fd_file((s32)fd);
	s32 pid;

	if ((u32)flags)
		return -EINVAL;
	pid = f ? pidfd_process(f) : 0;
	if (!pid)
		return -EBADF;
	if (pid != current->process->pid)
		return -EPERM; /* the kernel's */
	f = fd_file((s32)target);
	if (!f)
		return -EBADF;
	file_ref(f);
	return fd_install(f, true);
}
