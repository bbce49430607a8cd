/* time.c: sleeping, reading clocks, interval timers. */
#include <asm/posix_types.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/time.h>
#include <linux/times.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/process.h"
#include "task/signal.h"
#include "task/usage.h"

#define HZ 100 /* as AT_CLKTCK */

static struct timespec to_timespec(u64 ns)
{
	return (struct timespec){ .tv_sec = (long)(ns / NSEC),
				  .tv_nsec = (long)(ns % NSEC) };
}

static bool timespec_ok(const struct timespec *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < (long)NSEC;
}

static u64 from_timespec(const struct timespec *t)
{
	if ((u64)t->tv_sec > FOREVER / NSEC / 4)
		return FOREVER / 4;
	return (u64)t->tv_sec * NSEC + (u64)t->tv_nsec;
}

static u64 process_cpu(void)
{
	struct usage u;

	usage_of_process(current->process, &u);
	return u.cpu;
}

static long clock_read(s32 clock, u64 *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = wall_now();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = mono_now();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = process_cpu();
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = thread_cpu(current);
		return 0;
	}
	if (clock < 0) { /* of a process or thread, by its number: ours */
		struct thread *t = thread_find((s32)~(clock >> 3));

		if (!(clock & 4)) {
			*ns = process_cpu();
			return 0;
		}
		if (!t)
			return -EINVAL;
		*ns = thread_cpu(t);
		return 0;
	}
	return -EINVAL;
}

long sys_clock_gettime(u64 clock, u64 address)
{
	struct timespec t;
	u64 ns;
	long r = clock_read((s32)clock, &ns);

	if (r)
		return r;
	t = to_timespec(ns);
	return copy_to_user(address, &t, sizeof(t));
}

long sys_clock_getres(u64 clock, u64 address)
{
	struct timespec t = { 0, 1 };
	u64 ns;
	long r = clock_read((s32)clock, &ns);

	if (r || !address)
		return r;
	if ((s32)clock == CLOCK_REALTIME_COARSE ||
	    (s32)clock == CLOCK_MONOTONIC_COARSE)
		t.tv_nsec = 4000000; /* what Linux with HZ=250 says */
	return copy_to_user(address, &t, sizeof(t));
}

long sys_gettimeofday(u64 tv, u64 tz)
{
	u64 ns = wall_now();
	long t[2] = { (long)(ns / NSEC), (long)(ns % NSEC / 1000) };
	int zone[2] = { 0, 0 };

	if (tv && copy_to_user(tv, t, sizeof(t)))
		return -EFAULT;
	return tz ? copy_to_user(tz, zone, sizeof(zone)) : 0;
}

long sys_time(u64 address)
{
	long t = (long)(wall_now() / NSEC);

	if (address && copy_to_user(address, &t, sizeof(t)))
		return -EFAULT;
	return t;
}

long sys_times(u64 address)
{
	struct tms t = { .tms_utime = (long)(process_cpu() * HZ / NSEC) };

	if (address && copy_to_user(address, &t, sizeof(t)))
		return -EFAULT;
	return (long)(mono_now() * HZ / NSEC);
}

/* ---- sleeping ---- */

static long sleep_until(u64 deadline, u64 remaining)
{
	struct waitq nobody = { NULL, NULL };
	struct timespec left;
	u64 now;
	long r;

	do
		r = thread_wait(&nobody, deadline);
	while (r == 0);
	if (r == -ETIMEDOUT)
		return 0;
	now = mono_now();
	if (remaining) {
		left = to_timespec(deadline > now ? deadline - now : 0);
		if (copy_to_user(remaining, &left, sizeof(left)))
			return -EFAULT;
	}
	return -EINTR;
}

long sys_nanosleep(u64 request, u64 remaining)
{
	struct timespec t;

	if (copy_from_user(&t, request, sizeof(t)))
		return -EFAULT;
	if (!timespec_ok(&t))
		return -EINVAL;
	return sleep_until(mono_now() + from_timespec(&t), remaining);
}

long sys_clock_nanosleep(u64 clock, u64 flags, u64 request, u64 remaining)
{
	struct timespec t;
	u64 now, ns;
	long r = clock_read((s32)clock, &now);

	if (r || (s32)clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (copy_from_user(&t, request, sizeof(t)))
		return -EFAULT;
	if (!timespec_ok(&t))
		return -EINVAL;
	ns = from_timespec(&t);
	if (flags & TIMER_ABSTIME)
		return sleep_until(mono_now() + (ns > now ? ns - now : 0), 0);
	return sleep_until(mono_now() + ns, remaining);
}

/* ---- interval timers: REAL, and VIRTUAL and PROF by the same clock ---- */

struct interval {
	struct timer timer; /* first: timers get it back */
	u64 period;
	s32 signo;
};

static void on_interval(struct timer *timer)
{
	struct interval *i = (struct interval *)timer;
	struct sigqueue_info info = { .signo = i->signo, .code = SI_KERNEL };

	if (i->period)
		timer_arm(timer, mono_now() + i->period);
	signal_send_process(current->process, &info);
}

static struct interval intervals[3] = {
	{ { FOREVER, on_interval, NULL }, 0, SIGALRM },
	{ { FOREVER, on_interval, NULL }, 0, SIGVTALRM },
	{ { FOREVER, on_interval, NULL }, 0, SIGPROF },
};

static void interval_read(const struct interval *i, long out[4])
{
	u64 now = mono_now(), left = 0;

	if (i->timer.deadline != FOREVER)
		left = i->timer.deadline > now ? i->timer.deadline - now : 1000;
	out[0] = (long)(i->period / NSEC);
	out[1] = (long)(i->period % NSEC / 1000);
	out[2] = (long)(left / NSEC);
	out[3] = (long)(left % NSEC / 1000);
}

long sys_getitimer(u64 which, u64 address)
{
	long value[4];

	if (which > 2)
		return -EINVAL;
	interval_read(&intervals[which], value);
	return copy_to_user(address, value, sizeof(value));
}

long sys_setitimer(u64 which, u64 new_value, u64 old_value)
{
	long value[4] = { 0 }, old[4];
	struct interval *i;
	u64 first;

	if (which > 2)
		return -EINVAL;
	i = &intervals[which];
	if (new_value && copy_from_user(value, new_value, sizeof(value)))
		return -EFAULT;
	if (value[0] < 0 || value[1] < 0 || value[1] >= 1000000 ||
	    value[2] < 0 || value[3] < 0 || value[3] >= 1000000)
		return -EINVAL;
	interval_read(i, old);
	if (old_value && copy_to_user(old_value, old, sizeof(old)))
		return -EFAULT;
	i->period = (u64)value[0] * NSEC + (u64)value[1] * 1000;
	first = (u64)value[2] * NSEC + (u64)value[3] * 1000;
	timer_arm(&i->timer, first ? mono_now() + first : FOREVER);
	return 0;
}

long sys_alarm(u64 seconds)
{
	struct interval *i = &intervals[0];
	long old[4];

	interval_read(i, old);
	i->period = 0;
	seconds = (u32)seconds;
	timer_arm(&i->timer, seconds ? mono_now() + seconds * NSEC : FOREVER);
	return old[2] + (old[3] >= 500000 || (old[2] == 0 && old[3]) ? 1 : 0);
}

/* ---- POSIX timers ---- */

#define MAX_TIMERS 32

struct posix_timer {
	struct timer timer; /* first */
	bool used;
	s32 clock, signo, tid; /* signo 0: none */
	u64 period, value;
	u32 overrun;
};

static struct posix_timer posix_timers[MAX_TIMERS];

static void on_posix_timer(struct timer *timer)
{
	struct posix_timer *p = (struct posix_timer *)timer;
	struct sigqueue_info info = { .signo = p->signo,
				      .code = SI_TIMER,
				      .timer = (s32)(p - posix_timers),
				      .value = p->value };
	struct thread *t;

	if (p->period)
		timer_arm(timer, mono_now() + p->period);
	if (!p->signo)
		return;
	t = p->tid ? thread_find(p->tid) : NULL;
	if (t)
		signal_send_thread(t, &info);
	else
		signal_send_process(current->process, &info);
}

long sys_timer_create(u64 clock, u64 event, u64 id)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL,
			      .sigev_signo = SIGALRM };
	u64 now;
	s32 n = 0;

	if (clock_read((s32)clock, &now))
		return -EINVAL;
	if (event && copy_from_user(&e, event, sizeof(e)))
		return -EFAULT;
	if (e.sigev_notify != SIGEV_NONE &&
	    (e.sigev_signo < 1 || e.sigev_signo > SIGNAL_COUNT))
		return -EINVAL;
	while (n < MAX_TIMERS && posix_timers[n].used)
		n++;
	if (n == MAX_TIMERS)
		return -EAGAIN;
	if (copy_to_user(id, &n, sizeof(n)))
		return -EFAULT;
	posix_timers[n] = (struct posix_timer){
		.timer = { FOREVER, on_posix_timer, NULL },
		.used = true,
		.clock = (s32)clock,
		.signo = e.sigev_notify == SIGEV_NONE ? 0 : e.sigev_signo,
		.tid = e.sigev_notify == SIGEV_THREAD_ID ?
			       e._sigev_un._tid :
			       0,
		.value = event ? (u64)e.sigev_value.sival_ptr : (u64)n,
	};
	return 0;
}

static struct posix_timer *timer_at(u64 id)
{
	return id < MAX_TIMERS && posix_timers[id].used ? &posix_timers[id] :
							  NULL;
}

static void posix_timer_read(const struct posix_timer *p,
			     struct timespec out[2])
{
	u64 now = mono_now(), left = 0;

	if (p->timer.deadline != FOREVER)
		left = p->timer.deadline > now ? p->timer.deadline - now : 1;
	out[0] = to_timespec(p->period);
	out[1] = to_timespec(left);
}

long sys_timer_settime(u64 id, u64 flags, u64 new_value, u64 old_value)
{
	struct posix_timer *p = timer_at(id);
	struct timespec value[2], old[2];
	u64 first, now;
	long r;

	if (!p)
		return -EINVAL;
	if (copy_from_user(value, new_value, sizeof(value)))
		return -EFAULT;
	if (!timespec_ok(&value[0]) || !timespec_ok(&value[1]))
		return -EINVAL;
	posix_timer_read(p, old);
	if (old_value && copy_to_user(old_value, old, sizeof(old)))
		return -EFAULT;
	first = from_timespec(&value[1]);
	if (first && (flags & TIMER_ABSTIME)) {
		r = clock_read(p->clock, &now);
		if (r)
			return r; /* of a thread that has ended */
		first = first > now ? first - now : 1;
	}
	p->period = from_timespec(&value[0]);
	timer_arm(&p->timer, first ? mono_now() + first : FOREVER);
	return 0;
}

long sys_timer_gettime(u64 id, u64 address)
{
	struct posix_timer *p = timer_at(id);
	struct timespec value[2];

	if (!p)
		return -EINVAL;
	posix_timer_read(p, value);
	return copy_to_user(address, value, sizeof(value));
}

long sys_timer_getoverrun(u64 id)
{
	return timer_at(id) ? 0 : -EINVAL;
}

long sys_timer_delete(u64 id)
{
	struct posix_timer *p = timer_at(id);

	if (!p)
		return -EINVAL;
	timer_arm(&p->timer, FOREVER);
	p->used = false;
	return 0;
}
