/* sched.c: what programs ask and tell about scheduling: there is one CPU. */
#include "mm/user.h"
#include "syscalls.h"
#include "task/thread.h"

#define MEMBARRIER_ALL 0x1ff /* every command: there is one CPU */

long sys_sched_getaffinity(u64 pid, u64 size, u64 address)
{
	u64 mask = 1;

	if (pid && !thread_find((s32)pid))
		return -ESRCH;
	if (size < sizeof(mask) || (size & 7))
		return -EINVAL;
	return copy_to_user(address, &mask, sizeof(mask)) ? -EFAULT :
							    (long)sizeof(mask);
}

long sys_sched_getparam(u64 pid, u64 address)
{
	u32 zero = 0;

	if (pid && !thread_find((s32)pid))
		return -ESRCH;
	return copy_to_user(address, &zero, sizeof(zero));
}

static bool realtime(u64 policy)
{
	return policy == 1 || policy == 2; /* SCHED_FIFO, SCHED_RR */
}

long sys_sched_get_priority_max(u64 policy)
{
	return policy > 6 ? -EINVAL : realtime(policy) ? 99 : 0;
}

long sys_sched_get_priority_min(u64 policy)
{
	return policy > 6 ? -EINVAL : realtime(policy) ? 1 : 0;
}

long sys_getcpu(u64 cpu, u64 node, u64 unused)
{
	u32 zero = 0;

	(void)unused;
	if ((cpu && copy_to_user(cpu, &zero, 4)) ||
	    (node && copy_to_user(node, &zero, 4)))
		return -EFAULT;
	return 0;
}

long sys_membarrier(u64 command, u64 flags, u64 cpu)
{
	(void)cpu;
	if (flags & ~1ull)
		return -EINVAL;
	if (command == 0)
		return MEMBARRIER_ALL;
	return command & ~(u64)MEMBARRIER_ALL ? -EINVAL : 0;
}
