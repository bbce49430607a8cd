/* time.c: sleeping. */
#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/clockid.h"
#include "task/deadline.h"
#include "task/process.h"
#include "task/thread.h"

static long sleep_until(u64 deadline, u64 remaining)
{
	struct waitq nobody = { NULL, NULL };
	struct __kernel_timespec left;
	long r;

	do
		r = thread_wait(&nobody, deadline);
	while (r == 0);
	if (r == -ETIMEDOUT)
		return 0;
	left = ns_timespec(deadline_left(deadline));
	if (remaining && copy_to_user(remaining, &left, sizeof(left)))
		return -EFAULT;
	return -EINTR;
}

long sys_nanosleep(u64 request, u64 remaining)
{
	u64 ns;
	long r = timespec_read(request, &ns);

	return r ? r : sleep_until(deadline_after(ns), remaining);
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
	if (!absolute)
		return sleep_until(deadline_after(ns), remaining);
	if (kind == CLOCK_WALL)
		ns = deadline_at(ns, wall_now());
	return sleep_until(ns, 0);
}
