/* process.c: the process, its identity and limits: one, root, alone. */
#include "task/process.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "host.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "mm/space.h"
#include "syscalls.h"
#include "task/limits.h"

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

CONSTANT_0(getppid, 1)
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

void process_init(void)
{
	static struct process first = { .pid = FIRST_PROCESS,
					.parent = 1,
					.group = FIRST_PROCESS,
					.session = FIRST_PROCESS,
					.umask = 022,
					.thread_count = 1 };

	first.space = space;
	limits_init(&first.limits);
	current->process = &first;
}

struct process *process_find(s32 pid)
{
	struct process *p = current->process;

	return pid == p->pid ? p : NULL;
}

void process_exit(int status)
{
	control->frames_free = frames_available();
	host_exit(status);
}

long sys_getpid(void)
{
	return current->process->pid;
}

long sys_getpgrp(void)
{
	return current->process->group;
}

long sys_getpgid(u64 pid)
{
	const struct process *p =
		pid ? process_find((s32)pid) : current->process;

	return p ? p->group : -ESRCH;
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
