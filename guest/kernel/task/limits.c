/* limits.c: resource limits. */
#include "task/limits.h"

#include <linux/resource.h>
#include <linux/sysinfo.h>

#include "mm/frame.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
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
	[RLIMIT_SIGPENDING] = { 64, 64 },
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

long sys_prlimit64(u64 pid, u64 which, u64 new_limit, u64 old_limit)
{
	struct rlimit64 value, old;

	if ((s32)pid != 0 && (s32)pid != current->process->pid)
		return -ESRCH;
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_limit && copy_from_user(&value, new_limit, sizeof(value)))
		return -EFAULT;
	old = current->process->limits.of[which];
	if (new_limit) {
		if (value.rlim_cur > value.rlim_max)
			return -EINVAL;
		current->process->limits.of[which] = value;
	}
	return old_limit ? copy_to_user(old_limit, &old, sizeof(old)) : 0;
}

long sys_getrlimit(u64 which, u64 address)
{
	if (!address)
		return -EFAULT;
	return sys_prlimit64(0, which, 0, address);
}

long sys_setrlimit(u64 which, u64 address)
{
	if (!address)
		return -EFAULT;
	return sys_prlimit64(0, which, address, 0);
}

long sys_sysinfo(u64 address)
{
	struct sysinfo s;

	memset(&s, 0, sizeof(s));
	s.uptime = (long)(mono_now() / NSEC);
	s.totalram = frames_total() * PAGE_SIZE;
	s.freeram = frames_available() * PAGE_SIZE;
	s.procs = 1;
	s.mem_unit = 1;
	return copy_to_user(address, &s, sizeof(s));
}
