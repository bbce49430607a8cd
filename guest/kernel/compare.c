/* compare.c: kcmp(2): what two threads share. */
#include <linux/kcmp.h>

#include "fs/descriptor.h"
#include "syscalls.h"
#include "task/process.h"

static long order(const void *a, const void *b)
{
	return a == b ? 0 : a < b ? 1 : 2;
}

long sys_kcmp(u64 first, u64 second, u64 type, u64 a, u64 b)
{
	const struct thread *t = thread_find((s32)first);
	const struct thread *u = thread_find((s32)second);
	const struct file *f, *g;

	if (!t || !u)
		return -ESRCH;
	if (!process_may_look(t->process) || !process_may_look(u->process))
		return -EPERM;
	switch ((s32)type) {
	case KCMP_FILE:
		f = fd_file_of(t->process, (s32)a);
		g = fd_file_of(u->process, (s32)b);
		return f && g ? order(f, g) : -EBADF;
	case KCMP_VM:
		return order(t->process->space, u->process->space);
	case KCMP_FILES:
		return order(t->process->descriptors, u->process->descriptors);
	case KCMP_FS:
		return order(t->process->surroundings,
			     u->process->surroundings);
	case KCMP_SIGHAND:
		return order(t->process->signals.actions,
			     u->process->signals.actions);
	case KCMP_IO:
	case KCMP_SYSVSEM:
		return 0; /* none of them has any */
	default:
		return -EINVAL;
	}
}
