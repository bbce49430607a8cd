/*
 * settime.c: setting clocks. It takes CAP_SYS_TIME, which nobody has here: the
 * time is the host's. Asking for the state of the clock takes nothing.
 */
#include <linux/time.h>
#include <linux/timex.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"

/* Bits of modes that the header has in sums only. */
#define ADJ_ADJTIME 0x8000
#define ADJ_OFFSET_READONLY 0x2000

/* What Linux answers where nothing keeps the clock to the world's. */
#define ERROR_UNKNOWN 16000000 /* us */
#define TIME_CONSTANT 2
#define PRECISION 1        /* us */
#define TOLERANCE 32768000 /* parts in a million, 16 bits behind the point */
#define TICK 10000         /* us */

/* By a number of a process or thread. */
static bool is_cpu_clock(s32 clock)
{
	return clock < 0;
}

long sys_clock_settime(u64 clock, u64 address)
{
	struct timespec t;

	if ((s32)clock != CLOCK_REALTIME && !is_cpu_clock((s32)clock))
		return -EINVAL;
	if (copy_from_user(&t, address, sizeof(t)))
		return -EFAULT;
	if (!is_cpu_clock((s32)clock) &&
	    (t.tv_sec < 0 || (u64)t.tv_nsec >= NSEC))
		return -EINVAL;
	return -EPERM;
}

long sys_settimeofday(u64 tv, u64 tz)
{
	long time[2]; /* seconds, microseconds */
	int zone[2];

	if (tv && copy_from_user(time, tv, sizeof(time)))
		return -EFAULT;
	if (tv && (u64)time[1] >= 1000000)
		return -EINVAL;
	if (tz && copy_from_user(zone, tz, sizeof(zone)))
		return -EFAULT;
	if (tv && time[0] < 0)
		return -EINVAL;
	return -EPERM;
}

/* 0 when the modes only ask. */
static long only_asks(u32 modes)
{
	if (!(modes & ADJ_ADJTIME))
		return modes ? -EPERM : 0;
	if ((modes & ADJ_OFFSET_SINGLESHOT) != ADJ_OFFSET_SINGLESHOT)
		return -EINVAL;
	return modes & ADJ_OFFSET_READONLY ? 0 : -EPERM;
}

static long adjust(u64 address)
{
	struct timex t;
	u64 now = wall_now();
	u32 modes;
	long r;

	if (copy_from_user(&t, address, sizeof(t)))
		return -EFAULT;
	modes = t.modes;
	r = only_asks(modes);
	if (r)
		return r;
	memset(&t, 0, sizeof(t));
	t.modes = modes;
	t.maxerror = t.esterror = ERROR_UNKNOWN;
	t.status = STA_UNSYNC;
	t.constant = TIME_CONSTANT;
	t.precision = PRECISION;
	t.tolerance = TOLERANCE;
	t.tick = TICK;
	t.time.tv_sec = (long)(now / NSEC);
	t.time.tv_usec = (long)(now % NSEC / 1000);
	return copy_to_user(address, &t, sizeof(t)) ? -EFAULT : TIME_ERROR;
}

long sys_adjtimex(u64 address)
{
	return adjust(address);
}

long sys_clock_adjtime(u64 clock, u64 address)
{
	if (is_cpu_clock((s32)clock) || (s32)clock > CLOCK_TAI)
		return -EINVAL;
	return (s32)clock == CLOCK_REALTIME ? adjust(address) : -EOPNOTSUPP;
}
