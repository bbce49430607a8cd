/*
 * sched.c: policies, niceness and CPUs that threads ask for. There is one CPU;
 * who has it when is turn.c's to say, which goes by niceness.
 */
#include "task/sched.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define CPUS 1ull /* bit 0: the one that there is */
#define REALTIME_MAX 99
#define RR_INTERVAL (NSEC / 10) /* sched_rr_get_interval(2) */

void priority_init(struct priority *p)
{
	*p = (struct priority){ .policy = SCHED_NORMAL };
}

static bool realtime(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

struct priority priority_inherited(const struct priority *p)
{
	struct priority n = *p;

	if (!p->reset_on_fork)
		return n;
	if (realtime(p->policy))
		n.policy = SCHED_NORMAL;
	n.realtime = 0;
	n.nice = MAX(n.nice, 0);
	n.reset_on_fork = false;
	return n;
}

/* ---- permission ---- */

static struct thread *target(u64 tid)
{
	return (s32)tid ? thread_find((s32)tid) : current;
}

static bool owns(const struct thread *t)
{
	return current->ids.euid == t->ids.uid ||
	       current->ids.euid == t->ids.euid || ids_capable(CAP_SYS_NICE);
}

static bool may_be_nicer_than(const struct thread *t, s32 nice)
{
	return nice >= t->priority.nice ||
	       (u64)(20 - nice) <= limit_of(RLIMIT_NICE) ||
	       ids_capable(CAP_SYS_NICE);
}

/* sched(7), Privileges and resource limits */
static bool may_set(const struct thread *t, const struct priority *p)
{
	u64 limit = limit_of(RLIMIT_RTPRIO);

	if (ids_capable(CAP_SYS_NICE))
		return true;
	if (!owns(t) || (t->priority.reset_on_fork && !p->reset_on_fork))
		return false;
	if (realtime(p->policy))
		return (p->policy == t->priority.policy || limit) &&
		       (p->realtime <= t->priority.realtime ||
			p->realtime <= limit);
	if (t->priority.policy == SCHED_IDLE && p->policy != SCHED_IDLE &&
	    (u64)(20 - t->priority.nice) > limit_of(RLIMIT_NICE))
		return false;
	return may_be_nicer_than(t, p->nice);
}

static bool policy_known(u32 policy)
{
	return policy <= SCHED_BATCH || policy == SCHED_IDLE;
}

static long apply(struct thread *t, const struct priority *p)
{
	if (!policy_known(p->policy) || p->realtime > REALTIME_MAX ||
	    realtime(p->policy) != (p->realtime != 0))
		return -EINVAL;
	if (!may_set(t, p))
		return -EPERM;
	t->priority = *p;
	return 0;
}

/* ---- policies ---- */

static long read_realtime(u64 tid, u64 address, struct thread **t, u32 *value)
{
	if (!address || (s32)tid < 0)
		return -EINVAL;
	if (copy_from_user(value, address, sizeof(*value)))
		return -EFAULT;
	*t = target(tid);
	return *t ? 0 : -ESRCH;
}

long sys_sched_setscheduler(u64 tid, u64 policy, u64 address)
{
	struct priority p;
	struct thread *t;
	u32 value = 0;
	long r;

	if ((s32)policy < 0)
		return -EINVAL;
	r = read_realtime(tid, address, &t, &value);
	if (r)
		return r;
	p = t->priority;
	p.reset_on_fork = (policy & SCHED_RESET_ON_FORK) != 0;
	p.policy = (u32)policy & ~(u32)SCHED_RESET_ON_FORK;
	p.realtime = value;
	return apply(t, &p);
}

long sys_sched_setparam(u64 tid, u64 address)
{
	struct priority p;
	struct thread *t;
	u32 value = 0;
	long r = read_realtime(tid, address, &t, &value);

	if (r)
		return r;
	p = t->priority;
	p.realtime = value;
	return apply(t, &p);
}

long sys_sched_getscheduler(u64 tid)
{
	const struct thread *t = target(tid);

	if ((s32)tid < 0)
		return -EINVAL;
	if (!t)
		return -ESRCH;
	return t->priority.policy |
	       (t->priority.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

long sys_sched_getparam(u64 tid, u64 address)
{
	const struct thread *t = target(tid);

	if (!address || (s32)tid < 0)
		return -EINVAL;
	if (!t)
		return -ESRCH;
	return copy_to_user(address, &t->priority.realtime, sizeof(u32));
}

static long read_attributes(u64 address, struct sched_attr *a)
{
	const u32 ours = sizeof(*a);
	u32 size;

	memset(a, 0, sizeof(*a));
	if (copy_from_user(&size, address, sizeof(size)))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return copy_to_user(address, &ours, sizeof(ours)) ? -EFAULT :
								    -E2BIG;
	return copy_from_user(a, address, MIN(size, ours));
}

/* More bandwidth than is free, always: nothing is reserved here. */
static long apply_deadline(const struct sched_attr *a)
{
	if (!a->sched_runtime || a->sched_deadline < a->sched_runtime ||
	    (a->sched_period && a->sched_period < a->sched_deadline))
		return -EINVAL;
	return ids_capable(CAP_SYS_NICE) ? -EBUSY : -EPERM;
}

long sys_sched_setattr(u64 tid, u64 address, u64 flags)
{
	const u64 clamps = SCHED_FLAG_UTIL_CLAMP;
	struct sched_attr a;
	struct priority p;
	struct thread *t;
	long r;

	if (!address || (s32)tid < 0 || flags)
		return -EINVAL;
	r = read_attributes(address, &a);
	if (r)
		return r;
	if ((s32)a.sched_policy < 0 || (a.sched_flags & ~(u64)SCHED_FLAG_ALL))
		return -EINVAL;
	t = target(tid);
	if (!t)
		return -ESRCH;
	if (a.sched_flags & clamps)
		return -EOPNOTSUPP;
	p = t->priority;
	if (!(a.sched_flags & SCHED_FLAG_KEEP_POLICY)) {
		if (a.sched_policy == SCHED_DEADLINE)
			return apply_deadline(&a);
		p.policy = a.sched_policy;
		p.reset_on_fork = (a.sched_flags & SCHED_FLAG_RESET_ON_FORK) !=
				  0;
	}
	if (!(a.sched_flags & SCHED_FLAG_KEEP_PARAMS)) {
		p.realtime = a.sched_priority;
		if (!realtime(p.policy))
			p.nice = MAX(-20, MIN(a.sched_nice, 19));
	}
	return apply(t, &p);
}

long sys_sched_getattr(u64 tid, u64 address, u64 size, u64 flags)
{
	const struct thread *t = target(tid);
	struct sched_attr a = { .size = (u32)MIN((u32)size, sizeof(a)) };

	if (!address || (s32)tid < 0 || flags ||
	    (u32)size < SCHED_ATTR_SIZE_VER0 || (u32)size > PAGE_SIZE)
		return -EINVAL;
	if (!t)
		return -ESRCH;
	a.sched_policy = t->priority.policy;
	a.sched_priority = t->priority.realtime;
	if (t->priority.reset_on_fork)
		a.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	if (!realtime(a.sched_policy))
		a.sched_nice = t->priority.nice;
	return copy_to_user(address, &a, a.size);
}

long sys_sched_get_priority_max(u64 policy)
{
	if (!policy_known((u32)policy) && (u32)policy != SCHED_DEADLINE)
		return -EINVAL;
	return realtime((u32)policy) ? REALTIME_MAX : 0;
}

long sys_sched_get_priority_min(u64 policy)
{
	if (!policy_known((u32)policy) && (u32)policy != SCHED_DEADLINE)
		return -EINVAL;
	return realtime((u32)policy) ? 1 : 0;
}

long sys_sched_rr_get_interval(u64 tid, u64 address)
{
	const struct thread *t = target(tid);
	struct timespec interval = { 0, 0 };

	if ((s32)tid < 0)
		return -EINVAL;
	if (!t)
		return -ESRCH;
	if (t->priority.policy == SCHED_RR)
		interval.tv_nsec = RR_INTERVAL;
	return copy_to_user(address, &interval, sizeof(interval));
}

/* ---- niceness ---- */

/* Whom getpriority, setpriority, ioprio_get and ioprio_set mean: of kind 0 a
 * thread, 1 a group, 2 a user. */
struct targets {
	u32 kind;
	s32 who;
};

static bool matches(const struct targets *s, const struct thread *t)
{
	if (s->kind == 1)
		return t->process->group ==
		       (s->who ? s->who : current->process->group);
	return t->ids.uid == (s->who ? (u32)s->who : current->ids.uid);
}

static struct thread *next_target(const struct targets *s, struct thread *t)
{
	if (s->kind == 0)
		return t ? NULL : target((u64)s->who);
	for (t = t ? t->all_next : threads; t; t = t->all_next)
		if (matches(s, t))
			return t;
	return NULL;
}

static long set_nice(struct thread *t, s32 nice)
{
	if (current->ids.euid != t->ids.uid &&
	    current->ids.euid != t->ids.euid && !ids_capable(CAP_SYS_NICE))
		return -EPERM;
	if (!may_be_nicer_than(t, nice))
		return -EACCES;
	t->priority.nice = nice;
	return 0;
}

long sys_setpriority(u64 which, u64 who, u64 wanted)
{
	struct targets s = { (u32)which, (s32)who };
	s32 nice = MAX(-20, MIN((s32)wanted, 19));
	struct thread *t = NULL;
	long r = -ESRCH, one;

	if (s.kind > 2)
		return -EINVAL;
	while ((t = next_target(&s, t))) {
		one = set_nice(t, nice);
		if (one || r == -ESRCH)
			r = one;
	}
	return r;
}

/* The raw call answers 20 - nice, so that no answer is negative. */
long sys_getpriority(u64 which, u64 who)
{
	struct targets s = { (u32)which, (s32)who };
	struct thread *t = NULL;
	long r = -ESRCH;

	if (s.kind > 2)
		return -EINVAL;
	while ((t = next_target(&s, t)))
		r = MAX(r, 20l - t->priority.nice);
	return r;
}

/* ---- input and output ---- */

#define IO_CLASS(value) ((value) >> 13)
#define IO_VALUE(class, level) ((class) << 13 | (level))
#define IO_VALID 0xffffu
enum { IO_NONE, IO_REALTIME, IO_BEST_EFFORT, IO_IDLE };

static long check_io(u32 value)
{
	switch (IO_CLASS(value)) {
	case IO_NONE:
		return value ? -EINVAL : 0;
	case IO_REALTIME:
		return ids_capable(CAP_SYS_NICE) ? 0 : -EPERM;
	case IO_BEST_EFFORT:
	case IO_IDLE:
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_ioprio_set(u64 which, u64 who, u64 value)
{
	struct targets s = { (u32)which - 1, (s32)who };
	struct thread *t = NULL;
	long r = check_io((u32)value);

	if (r)
		return r;
	if (s.kind > 2)
		return -EINVAL;
	r = -ESRCH;
	while ((t = next_target(&s, t))) {
		if (current->ids.euid != t->ids.uid &&
		    current->ids.uid != t->ids.uid &&
		    !ids_capable(CAP_SYS_NICE))
			return -EPERM;
		t->priority.io = (u32)value & IO_VALID;
		r = 0;
	}
	return r;
}

/* What holds where none was set: by niceness, ioprio_set(2). */
static u32 io_of(const struct thread *t)
{
	u32 class = IO_BEST_EFFORT;

	if (t->priority.io)
		return t->priority.io;
	if (realtime(t->priority.policy))
		class = IO_REALTIME;
	else if (t->priority.policy == SCHED_IDLE)
		class = IO_IDLE;
	return IO_VALUE(class, (u32)(t->priority.nice + 20) / 5);
}

long sys_ioprio_get(u64 which, u64 who)
{
	struct targets s = { (u32)which - 1, (s32)who };
	struct thread *t = NULL;
	long best = -ESRCH;

	if (s.kind > 2)
		return -EINVAL;
	while ((t = next_target(&s, t))) {
		long one = s.kind ? (long)io_of(t) : (long)t->priority.io;

		best = best < 0 ? one : MIN(best, one);
	}
	return best;
}

/* ---- CPUs ---- */

long sys_sched_setaffinity(u64 tid, u64 size, u64 address)
{
	const struct thread *t;
	u64 mask = 0;

	if (copy_from_user(&mask, address, MIN((u32)size, sizeof(mask))))
		return -EFAULT;
	t = target(tid);
	if (!t)
		return -ESRCH;
	if (!owns(t))
		return -EPERM;
	return mask & CPUS ? 0 : -EINVAL;
}

long sys_sched_getaffinity(u64 tid, u64 size, u64 address)
{
	u64 mask = CPUS;

	if ((u32)size < sizeof(mask) || (size & 7))
		return -EINVAL;
	if (!target(tid))
		return -ESRCH;
	return copy_to_user(address, &mask, sizeof(mask)) ? -EFAULT :
							    (long)sizeof(mask);
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
