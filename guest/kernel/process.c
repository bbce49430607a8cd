/* process.c: the process, its identity and limits: one, root, alone. */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "syscalls.h"

#define MEMBARRIER_ALL 0x1ff /* every command: there is one CPU */

/* Calls that answer a constant. */
#define CONSTANT_0(name, value)                                                \
	long sys_##name(void)                                                  \
	{                                                                      \
		return value;                                                  \
	}
#define CONSTANT_1(name, value)                                                \
	long sys_##name(u64 a)                                                 \
	{                                                                      \
		(void)a;                                                       \
		return value;                                                  \
	}
#define CONSTANT_2(name, value)                                                \
	long sys_##name(u64 a, u64 b)                                          \
	{                                                                      \
		(void)a, (void)b;                                              \
		return value;                                                  \
	}
#define CONSTANT_3(name, value)                                                \
	long sys_##name(u64 a, u64 b, u64 c)                                   \
	{                                                                      \
		(void)a, (void)b, (void)c;                                     \
		return value;                                                  \
	}
#define CONSTANT_4(name, value)                                                \
	long sys_##name(u64 a, u64 b, u64 c, u64 d)                            \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d;                            \
		return value;                                                  \
	}

CONSTANT_0(getpid, PROCESS_ID)
CONSTANT_0(getppid, 1)
CONSTANT_0(getpgrp, PROCESS_ID)
CONSTANT_0(getuid, 0)
CONSTANT_0(geteuid, 0)
CONSTANT_0(getgid, 0)
CONSTANT_0(getegid, 0)
CONSTANT_0(setsid, -EPERM) /* it leads its group already */
CONSTANT_0(fork, -EAGAIN)
CONSTANT_0(vfork, -EAGAIN)
CONSTANT_0(munlockall, 0)
CONSTANT_1(setuid, 0)
CONSTANT_1(setgid, 0)
CONSTANT_1(mlockall, 0)
CONSTANT_1(sched_getscheduler, 0)
CONSTANT_2(setpgid, 0)
CONSTANT_2(setreuid, 0)
CONSTANT_2(setregid, 0)
CONSTANT_2(setgroups, 0)
CONSTANT_2(getgroups, 0)
CONSTANT_2(mlock, 0)
CONSTANT_2(munlock, 0)
CONSTANT_2(sched_setparam, 0)
CONSTANT_2(getpriority, 20) /* the raw call says 20 - nice */
CONSTANT_2(io_uring_setup, -ENOSYS)
CONSTANT_3(setresuid, 0)
CONSTANT_3(setresgid, 0)
CONSTANT_3(setpriority, 0)
CONSTANT_3(sched_setscheduler, 0)
CONSTANT_3(sched_setaffinity, 0)
CONSTANT_3(execve, -EACCES)
CONSTANT_4(wait4, -ECHILD)
CONSTANT_4(rseq, -ENOSYS)

long sys_waitid(u64 a, u64 b, u64 c, u64 d, u64 e)
{
	(void)a, (void)b, (void)c, (void)d, (void)e;
	return -ECHILD;
}

long sys_getpgid(u64 pid)
{
	return pid == 0 || pid == PROCESS_ID ? PROCESS_ID : -ESRCH;
}

long sys_getsid(u64 pid)
{
	return sys_getpgid(pid);
}

static long three_zeroes(u64 a, u64 b, u64 c)
{
	u32 zero = 0;

	if (copy_to_user(a, &zero, 4) || copy_to_user(b, &zero, 4) ||
	    copy_to_user(c, &zero, 4))
		return -EFAULT;
	return 0;
}

long sys_getresuid(u64 a, u64 b, u64 c)
{
	return three_zeroes(a, b, c);
}

long sys_getresgid(u64 a, u64 b, u64 c)
{
	return three_zeroes(a, b, c);
}

long sys_uname(u64 address)
{
	static const struct new_utsname name = {
		.sysname = "Linux",
		.nodename = "zeroboot",
		.release = "6.1.0-zeroboot",
		.version = "#1 SMP",
		.machine = "x86_64",
		.domainname = "(none)",
	};

	return copy_to_user(address, &name, sizeof(name));
}

/* ---- limits ---- */

#define UNLIMITED ~0ull

static struct rlimit64 limits[RLIM_NLIMITS] = {
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

long sys_prlimit64(u64 pid, u64 which, u64 new_limit, u64 old_limit)
{
	struct rlimit64 value, old;

	if ((s32)pid != 0 && (s32)pid != PROCESS_ID)
		return -ESRCH;
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_limit && copy_from_user(&value, new_limit, sizeof(value)))
		return -EFAULT;
	old = limits[which];
	if (new_limit) {
		if (value.rlim_cur > value.rlim_max)
			return -EINVAL;
		limits[which] = value;
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

long sys_prctl(u64 option, u64 a, u64 b, u64 c, u64 d)
{
	char name[16];
	u32 signo = 0;

	(void)b, (void)c, (void)d;
	switch ((s32)option) {
	case PR_SET_NAME:
		memset(name, 0, sizeof(name));
		if (copy_string_from_user(name, a, sizeof(name)) == -EFAULT)
			return -EFAULT;
		name[15] = 0;
		memcpy(current->name, name, sizeof(name));
		return 0;
	case PR_GET_NAME:
		return copy_to_user(a, current->name, sizeof(current->name));
	case PR_GET_PDEATHSIG:
		return copy_to_user(a, &signo, sizeof(signo));
	case PR_SET_PDEATHSIG: /* the parent is nobody */
	case PR_SET_VMA:       /* names of mappings: for debuggers */
	case PR_SET_DUMPABLE:  /* there are no dumps */
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_TIMERSLACK:
		return 0;
	case PR_GET_DUMPABLE:
		return 1;
	case PR_GET_SECCOMP:
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_capget(u64 header, u64 data)
{
	struct __user_cap_data_struct caps[2];
	u32 version = _LINUX_CAPABILITY_VERSION_3;

	memset(caps, 0, sizeof(caps));
	if (copy_to_user(header, &version, sizeof(version)))
		return -EFAULT;
	return data ? copy_to_user(data, caps, sizeof(caps)) : 0;
}

/* ---- the one CPU ---- */

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

u64 process_fd_limit(void)
{
	return limits[RLIMIT_NOFILE].rlim_cur;
}
