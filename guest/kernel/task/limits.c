/* limits.c: resource limits. */
#include "task/limits.h"

#include <linux/resource.h>

#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/cputimer.h"
#include "task/process.h"

#define UNLIMITED ~0ull

static const struct rlimit64 initial[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { UNLIMITED, UNLIMITED },
	[RLIMIT_FSIZE] = { UNLIMITED, UNLIMITED },
	[RLIMIT_DATA] = { UNLIMITED, UNLIMITED },
	[RLIMIT_STACK] = { 8 << 20, UNLIMITED },
	[RLIMIT_CORE] = { 0, UNLIMITED },
	[RLIMIT_RSS] = { UNLIMITED, UNLIMITED },
	[RLIMIT_NPROC] = { 1024, 1024 },
	[RLIMIT_NOFILE] = { 1024, 1048576 },
	[RLIMIT_MEMLOCK] = { 8 << 20, 8 << 20 },
	[RLIMIT_AS] = { UNLIMITED, UNLIMITED },
	[RLIMIT_LOCKS] = { UNLIMITED, UNLIMITED },
	[RLIMIT_SIGPENDING] = { 1024, 1024 },
	[RLIMIT_MSGQUEUE] = { 819200, 819200 },
	[RLIMIT_NICE] = { 0, 0 },
	[RLIMIT_RTPRIO] = { 0, 0 },
	[RLIMIT_RTTIME] = { UNLIMITED, UNLIMITED },
};

void limits_init(struct limits *l)
{
	memcpy(l->of, initial, sizeof(l->of));
}

u64 limit_of(int which)
{
	return current->process->limits.of[which].rlim_cur;
}

void limits_apply(const struct process *p)
{
	const struct rlimit64 *of = p->limits.of;

	p->space->pages_max = of[RLIMIT_AS].rlim_cur / PAGE_SIZE;
	p->space->data_max = of[RLIMIT_DATA].rlim_cur / PAGE_SIZE;
	p->space->stack_max = of[RLIMIT_STACK].rlim_cur;
}

/* getrlimit(2), EPERM */
static long check_limit(u32 which, const struct rlimit64 *old,
			const struct rlimit64 *value)
{
	if (value->rlim_cur > value->rlim_max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && value->rlim_max > OPEN_FILES_MAX)
		return -EPERM;
	if (value->rlim_max > old->rlim_max && !ids_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	return 0;
}

/* A limit has changed. A zombie and the kernel have neither space nor timers; a
 * space that is borrowed has the limits of its owner. */
static void set(struct process *p, u32 which)
{
	if (!p->space)
		return;
	if (!p->borrowed)
		limits_apply(p);
	if (which == RLIMIT_CPU)
		cputimer_limit(p);
}

long sys_prlimit64(u64 pid, u64 which, u64 new_limit, u64 old_limit)
{
	const struct thread *t = (s32)pid ? thread_find((s32)pid) : current;
	struct rlimit64 value, old, *limit;
	long r;

	if ((u32)which >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_limit && copy_from_user(&value, new_limit, sizeof(value)))
		return -EFAULT;
	if (!t)
		return -ESRCH;
	if (t != current && !ids_same_user(&t->ids) &&
	    !ids_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	limit = &t->process->limits.of[(u32)which];
	old = *limit;
	if (new_limit) {
		r = check_limit((u32)which, &old, &value);
		if (r)
			return r;
		*limit = value;
		set(t->process, (u32)which);
	}
	return old_limit ? copy_to_user(old_limit, &old, sizeof(old)) : 0;
}

long sys_getrlimit(u64 which, u64 address)
{
	if ((u32)which < RLIM_NLIMITS && !address)
		return -EFAULT;
	return sys_prlimit64(0, which, 0, address);
}

long sys_setrlimit(u64 which, u64 address)
{
	if (!address)
		return -EFAULT;
	return sys_prlimit64(0, which, address, 0);
}
