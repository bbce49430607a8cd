/* prctl.c: what a thread or process says about itself: prctl(2). */
#include <linux/prctl.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"
#include "task/process.h"

static long set_name(u64 address)
{
	char name[sizeof(current->name)];

	memset(name, 0, sizeof(name));
	/* A longer one is cut. */
	if (copy_string_from_user(name, address, sizeof(name)) == -EFAULT)
		return -EFAULT;
	name[sizeof(name) - 1] = 0;
	memcpy(current->name, name, sizeof(name));
	return 0;
}

static long put_int(u64 address, s32 value)
{
	return copy_to_user(address, &value, sizeof(value));
}

static long set_timer_slack(u64 slack)
{
	current->timer_slack = (s64)slack > 0 ? slack :
						current->default_timer_slack;
	return 0;
}

/* Options that only a caller without further arguments may use. */
static long exact_prctl(s32 option, u64 a, u64 rest)
{
	struct process *p = current->process;

	switch (option) {
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || rest)
			return -EINVAL;
		current->ids.no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a || rest ? -EINVAL : current->ids.no_new_privs;
	case PR_SET_THP_DISABLE:
		if (rest)
			return -EINVAL;
		p->no_huge_pages = a != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return a || rest ? -EINVAL : p->no_huge_pages;
	default:
		return -EINVAL;
	}
}

long sys_prctl(u64 option, u64 a, u64 b, u64 c, u64 d)
{
	struct process *p = current->process;

	switch ((s32)option) {
	case PR_SET_NAME:
		return set_name(a);
	case PR_GET_NAME:
		return copy_to_user(a, current->name, sizeof(current->name));
	case PR_SET_PDEATHSIG:
		if (a > SIGNAL_COUNT)
			return -EINVAL;
		current->parent_death_signal = (s32)a;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_int(a, current->parent_death_signal);
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		p->dumpable = (u32)a;
		return 0;
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_CHILD_SUBREAPER:
		p->subreaper = a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_int(a, p->subreaper);
	case PR_SET_TIMERSLACK:
		return set_timer_slack(a);
	case PR_GET_TIMERSLACK:
		return (long)MIN(current->timer_slack, (u64)INT64_MAX);
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return a == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC:
		return put_int(a, PR_TSC_ENABLE);
	case PR_GET_TID_ADDRESS:
		return copy_to_user(a, &current->clear_tid, sizeof(u64));
	case PR_GET_SECCOMP:
		return 0;
	case PR_SET_MM: /* CAP_SYS_RESOURCE, which nobody has */
		return -EPERM;
	case PR_SET_NO_NEW_PRIVS:
	case PR_GET_NO_NEW_PRIVS:
	case PR_SET_THP_DISABLE:
	case PR_GET_THP_DISABLE:
		return exact_prctl((s32)option, a, b | c | d);
	default:
		return capability_prctl((s32)option, a, b, c, d);
	}
}
