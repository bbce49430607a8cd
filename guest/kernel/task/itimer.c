/* itimer.c: the interval timers of a process. */
#include "task/itimer.h"

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/deadline.h"
#include "task/process.h"
#include "task/signal.h"

static const s32 signals[] = { SIGALRM, SIGVTALRM, SIGPROF };

struct value { /* struct itimerval */
	struct __kernel_old_timeval interval, left;
};

static u32 which_of(const struct itimer *i)
{
	return (u32)(i - i->process->itimers);
}

static u64 now_of(const struct itimer *i)
{
	return which_of(i) == ITIMER_REAL ? mono_now() : cputimer_now(&i->cpu);
}

static void arm(struct itimer *i, u64 expires)
{
	i->expires = expires;
	if (which_of(i) == ITIMER_REAL)
		timer_arm(&i->timer, expires);
	else if (expires == FOREVER)
		cputimer_disarm(&i->cpu);
	else
		cputimer_arm(&i->cpu, expires);
}

static void expire(struct itimer *i)
{
	struct sigqueue_info info = { .signo = signals[which_of(i)],
				      .code = SI_KERNEL };
	u64 now = now_of(i), next = FOREVER;

	if (i->interval)
		next = MIN(i->expires + ((now - i->expires) / i->interval + 1) *
						i->interval,
			   NS_MAX);
	arm(i, next);
	signal_send_process(i->process, &info);
}

static void on_timer(struct timer *t)
{
	expire((struct itimer *)((char *)t - offsetof(struct itimer, timer)));
}

static void on_cpu(struct cputimer *t)
{
	expire((struct itimer *)((char *)t - offsetof(struct itimer, cpu)));
}

static struct itimer *itimer_of(struct process *p, u64 which)
{
	struct itimer *i = &p->itimers[which];

	if (!i->process) {
		i->process = p;
		i->expires = FOREVER;
		i->timer =
			(struct timer){ .deadline = FOREVER, .fn = on_timer };
		i->cpu = (struct cputimer){ .pid = p->pid,
					    .user = which == ITIMER_VIRTUAL,
					    .fn = on_cpu };
	}
	return i;
}

void itimers_stop(struct process *p)
{
	for (struct itimer *i = p->itimers; i < p->itimers + 3; i++)
		if (i->process)
			arm(i, FOREVER);
}

static u64 left(const struct itimer *i)
{
	u64 now;

	if (i->expires == FOREVER)
		return 0;
	now = now_of(i);
	/* one that runs has something left */
	return MAX(i->expires > now ? i->expires - now : 0, 1000ull);
}

static void get(const struct itimer *i, struct value *v)
{
	v->interval = ns_timeval(i->interval);
	v->left = ns_timeval(left(i));
}

static bool valid(const struct __kernel_old_timeval *t)
{
	return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

long sys_getitimer(u64 which, u64 address)
{
	struct value v;

	if ((u32)which > ITIMER_PROF)
		return -EINVAL;
	get(itimer_of(current->process, (u32)which), &v);
	return copy_to_user(address, &v, sizeof(v));
}

long sys_setitimer(u64 which, u64 new_value, u64 old_value)
{
	struct value v = { 0 }, old;
	struct itimer *i;
	u64 ns;

	if (new_value && copy_from_user(&v, new_value, sizeof(v)))
		return -EFAULT;
	if (!valid(&v.interval) || !valid(&v.left) || (u32)which > ITIMER_PROF)
		return -EINVAL;
	i = itimer_of(current->process, (u32)which);
	get(i, &old);
	ns = timeval_ns((u64)v.left.tv_sec, (u64)v.left.tv_usec);
	i->interval =
		timeval_ns((u64)v.interval.tv_sec, (u64)v.interval.tv_usec);
	arm(i, ns ? MIN(now_of(i) + ns, NS_MAX) : FOREVER);
	return old_value ? copy_to_user(old_value, &old, sizeof(old)) : 0;
}

long sys_alarm(u64 seconds)
{
	struct itimer *i = itimer_of(current->process, ITIMER_REAL);
	u64 ns = (u64)(u32)seconds * NSEC;
	struct value old;
	long r;

	get(i, &old);
	i->interval = 0;
	arm(i, ns ? deadline_after(ns) : FOREVER);
	r = old.left.tv_sec;
	if (old.left.tv_usec >= 500000 || (r == 0 && old.left.tv_usec))
		r++;
	return r;
}
