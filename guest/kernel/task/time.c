/* time.c: sleeping. */
#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/clockid.h"
#include "task/deadline.h"
#include "task/process.h"
#include "task/thread.h"

static long sleep_until(enum clock_base base, u64 at, u64 remaining)
{
	struct waitq nobody = { NULL, NULL };
	struct __kernel_timespec left;
	u64 now;
	long r;

	do
		r = thread_wait_by(&nobody, base, at);
	while (r == 0);
	if (r == -ETIMEDOUT)
		return 0;
	now = clock_now(base);
	left = ns_timespec(at > now ? at - now : 0);
	if (remaining && copy_to_user(remaining, &left, sizeof(left)))
		return -EFAULT;
	return -EINTR;
}

long sys_nanosleep(u64 request, u64 remaining)
{
	u64 ns;
	long r = timespec_read(request, &ns);

	return r ? r : sleep_until(BY_MONO, deadline_after(ns), remaining);
}

/* ---- by CPU time: only other threads can bring it forward ---- */

struct sleeper {
	struct cputimer timer; /* first: wake_sleeper casts */
	struct thread *thread;
};

static void wake_sleeper(struct cputimer *t)
{
	thread_wake(((struct sleeper *)t)->thread, 0);
}

static long sleep_cpu(struct sleeper *s, u64 until, u64 remaining)
{
	struct waitq nobody = { NULL, NULL };
	struct __kernel_timespec left;
	u64 now;
	long r = 0;

	s->thread = current;
	s->timer.fn = wake_sleeper;
	while ((now = cputimer_now(&s->timer)) < until && r != -EINTR) {
		cputimer_arm(&s->timer, until);
		r = thread_wait(&nobody, FOREVER);
		cputimer_disarm(&s->timer);
	}
	if (now >= until)
		return 0;
	left = ns_timespec(until - now);
	if (remaining && copy_to_user(remaining, &left, sizeof(left)))
		return -EFAULT;
	return -EINTR;
}

long sys_clock_nanosleep(u64 clock, u64 flags, u64 request, u64 remaining)
{
	bool absolute = flags & TIMER_ABSTIME;
	struct sleeper s;
	enum clock_kind kind = clockid_kind((s32)clock, &s.timer);
	enum clock_base base;
	u64 ns;
	long r;

	if (kind == CLOCK_UNKNOWN)
		return -EINVAL;
	if (clockid_coarse((s32)clock) || (s32)clock == CLOCK_THREAD_CPUTIME_ID)
		return -EOPNOTSUPP;
	r = timespec_read(request, &ns);
	if (r)
		return r;
	if (absolute)
		remaining = 0;
	if (kind == CLOCK_CPU) {
		if (s.timer.tid == current->tid)
			return -EINVAL;
		return sleep_cpu(&s,
				 absolute ? ns :
					    MIN(cputimer_now(&s.timer) + ns,
						NS_MAX),
				 remaining);
	}
	if (absolute)
		return sleep_until(clockid_base(kind), ns, 0);
	/* relative times do not see the time of day being set */
	base = kind == CLOCK_BOOT ? BY_BOOT : BY_MONO;
	return sleep_until(base, MIN(clock_now(base) + ns, NS_MAX), remaining);
}
