/* deadline.c: times as programs give them, and when a wait ends. */
#include "task/deadline.h"

#include "mm/user.h"
#include "task/clock.h"

bool timespec_ok(const struct __kernel_timespec *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && (u64)t->tv_nsec < NSEC;
}

static u64 saturate(u64 seconds, u64 ns)
{
	return seconds >= NS_MAX / NSEC ? NS_MAX : seconds * NSEC + ns;
}

u64 timespec_ns(const struct __kernel_timespec *t)
{
	return saturate((u64)t->tv_sec, (u64)t->tv_nsec);
}

struct __kernel_timespec ns_timespec(u64 ns)
{
	return (struct __kernel_timespec){ (s64)(ns / NSEC), (s64)(ns % NSEC) };
}

struct __kernel_old_timeval ns_timeval(u64 ns)
{
	return (struct __kernel_old_timeval){ (s64)(ns / NSEC),
					      (s64)(ns % NSEC / 1000) };
}

long timespec_read(u64 user, u64 *ns)
{
	struct __kernel_timespec t;

	if (copy_from_user(&t, user, sizeof(t)))
		return -EFAULT;
	if (!timespec_ok(&t))
		return -EINVAL;
	*ns = timespec_ns(&t);
	return 0;
}

u64 timeval_ns(u64 seconds, u64 us)
{
	return saturate(seconds + us / 1000000, us % 1000000 * 1000);
}

u64 deadline_after(u64 ns)
{
	return MIN(mono_now() + ns, NS_MAX);
}

u64 deadline_at(u64 ns, u64 now)
{
	return deadline_after(ns > now ? ns - now : 0);
}

static u64 deadline_of(u64 ns)
{
	return ns ? deadline_after(ns) : 0;
}

u64 deadline_ms(s32 ms)
{
	return ms < 0 ? FOREVER : deadline_of((u64)ms * 1000000);
}

long deadline_timespec(u64 user, u64 *deadline)
{
	u64 ns;
	long r;

	*deadline = FOREVER;
	if (!user)
		return 0;
	r = timespec_read(user, &ns);
	if (!r)
		*deadline = deadline_of(ns);
	return r;
}

long deadline_timeval(u64 user, u64 *deadline)
{
	struct __kernel_old_timeval tv;

	*deadline = FOREVER;
	if (!user)
		return 0;
	if (copy_from_user(&tv, user, sizeof(tv)))
		return -EFAULT;
	if (tv.tv_sec < 0 || tv.tv_usec < 0)
		return -EINVAL;
	*deadline = deadline_of(timeval_ns((u64)tv.tv_sec, (u64)tv.tv_usec));
	return 0;
}

u64 deadline_left(u64 deadline)
{
	u64 now;

	if (!deadline)
		return 0;
	now = mono_now();
	return deadline > now ? deadline - now : 0;
}

long deadline_left_timespec(u64 user, u64 deadline)
{
	struct __kernel_timespec t = ns_timespec(deadline_left(deadline));

	if (!user || deadline == FOREVER)
		return 0;
	return copy_to_user(user, &t, sizeof(t));
}

void deadline_left_timeval(u64 user, u64 deadline)
{
	struct __kernel_old_timeval tv = ns_timeval(deadline_left(deadline));

	if (user && deadline != FOREVER)
		copy_to_user(user, &tv, sizeof(tv));
}
