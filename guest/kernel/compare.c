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

	if (!t || !u)
		return -ESRCH;
	switch ((s32)type) {
	case KCMP_FILE:
		/* Of one process: there is no other. */
		if (!fd_file((s32)a) || !fd_file((s32)b))
			return -EBADF;
		return order(fd_file((s32)a), fd_file((s32)b));
	case KCMP_VM:
		return order(t->process->space, u->process->space);
	case KCMP_FILES:
		return order(t->process->descriptors, u->process->descriptors);
	case KCMP_FS:
	case KCMP_SIGHAND:
	case KCMP_IO:
	case KCMP_SYSVSEM:
		return order(t->process, u->process);
	default:
		return -EINVAL;
	}
}
