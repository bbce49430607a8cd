/* deadline.c: when a wait ends, from what the program says. */
#include "io/deadline.h"

#include <linux/time.h>

#include "mm/user.h"
#include "task/clock.h"

#define MAX_NS (1ull << 62)

u64 deadline_after(u64 ns)
{
	return ns >= MAX_NS ? FOREVER : mono_now() + ns;
}

u64 deadline_ms(s32 ms)
{
	if (ms < 0)
		return FOREVER;
	return ms ? deadline_after((u64)ms * 1000000) : 0;
}

static u64 deadline_of(s64 seconds, u64 ns)
{
	if (!seconds && !ns)
		return 0; /* does not wait */
	if ((u64)seconds >= MAX_NS / NSEC)
		return FOREVER;
	return deadline_after((u64)seconds * NSEC + ns);
}

long deadline_timespec(u64 user, u64 *deadline)
{
	struct __kernel_timespec ts;
	long r;

	*deadline = FOREVER;
	if (!user)
		return 0;
	r = copy_from_user(&ts, user, sizeof(ts));
	if (r)
		return r;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || (u64)ts.tv_nsec >= NSEC)
		return -EINVAL;
	*deadline = deadline_of(ts.tv_sec, (u64)ts.tv_nsec);
	return 0;
}

/* select's struct timeval, whose microseconds may exceed a second. */
long deadline_timeval(u64 user, u64 *deadline)
{
	struct __kernel_old_timeval tv;
	u64 us;
	long r;

	*deadline = FOREVER;
	if (!user)
		return 0;
	r = copy_from_user(&tv, user, sizeof(tv));
	if (r)
		return r;
	us = (u64)tv.tv_usec;
	if (tv.tv_sec < 0 || tv.tv_usec < 0)
		return -EINVAL;
	*deadline = deadline_of(tv.tv_sec + (s64)(us / 1000000),
				us % 1000000 * 1000);
	return 0;
}

static u64 time_left(u64 deadline)
{
	u64 now;

	if (!deadline)
		return 0;
	now = mono_now();
	return deadline > now ? deadline - now : 0;
}

void deadline_left_timespec(u64 user, u64 deadline)
{
	u64 left = time_left(deadline);
	struct __kernel_timespec ts = {(s64)(left / NSEC), (s64)(left % NSEC)};

	if (user && deadline != FOREVER)
		copy_to_user(user, &ts, sizeof(ts));
}

void deadline_left_timeval(u64 user, u64 deadline)
{
	u64 left = time_left(deadline);
	struct __kernel_old_timeval tv = {(s64)(left / NSEC),
					  (s64)(left % NSEC / 1000)};

	if (user && deadline != FOREVER)
		copy_to_user(user, &tv, sizeof(tv));
}
