/*
 * timerfd.c: timers that are read.
 *
 * The kernel's timer is armed for one expiration only; those of an interval
 * that follow are counted when somebody looks, so a short interval that nobody
 * reads costs nothing. A timer whose deadline has passed counts as expired even
 * if the kernel has not yet called it: a busy program need not leave for that.
 */
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/time_types.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "task/deadline.h"
#include "io/poll.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/thread.h"

/* values of <linux/timerfd.h>, which older header sets lack */
#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2 /* accepted: nobody sets the clock */
#define TFD_CLOEXEC O_CLOEXEC
#define TFD_NONBLOCK O_NONBLOCK

struct timerfd {
	struct timer timer; /* first: timer_fired casts */
	struct file *file;
	s32 clock;
	enum clock_base base;
	u64 next;     /* on it, the next expiration, FOREVER when disarmed */
	u64 interval; /* 0: once */
	u64 ticks;    /* expirations not yet read */
	struct waitq readers;
};

/* Counts what has expired until now and moves `next` behind it. */
static void timerfd_advance(struct timerfd *t)
{
	u64 now = clock_now(t->base), passed;

	if (now < t->next)
		return;
	if (!t->interval) {
		t->ticks++;
		t->next = FOREVER;
		return;
	}
	passed = (now - t->next) / t->interval + 1;
	t->ticks += passed;
	t->next = MIN(t->next + passed * t->interval, NS_MAX);
}

static void timer_fired(struct timer *timer)
{
	struct timerfd *t = (struct timerfd *)timer;

	waitq_wake_all(&t->readers);
	file_ready_events(t->file, EPOLLIN);
}

static long timerfd_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct timerfd *t = f->node;

	(void)pos;
	if (n < sizeof(t->ticks))
		return -EINVAL;
	for (timerfd_advance(t); !t->ticks; timerfd_advance(t)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&t->readers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	if (user_put(buf, &t->ticks, sizeof(t->ticks)) != sizeof(t->ticks))
		return -EFAULT;
	t->ticks = 0;
	timer_arm_by(&t->timer, t->base, t->next);
	return sizeof(t->ticks);
}

static u32 timerfd_poll(struct file *f)
{
	struct timerfd *t = f->node;

	timerfd_advance(t);
	return t->ticks ? EPOLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->node;

	timer_arm(&t->timer, FOREVER);
	kfree(t);
}

static void timerfd_info(struct file *f, struct text *text)
{
	const struct timerfd *t = f->node;
	u64 now = clock_now(t->base), left = 0;

	if (t->next != FOREVER && t->next > now)
		left = t->next - now;
	text_add(text,
		 "clockid: %d\nticks: %lu\nsettime flags: 00\n"
		 "it_value: (%lu, %lu)\nit_interval: (%lu, %lu)\n",
		 t->clock, t->ticks, left / NSEC, left % NSEC,
		 t->interval / NSEC, t->interval % NSEC);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.kind = "[timerfd]",
	.info = timerfd_info,
};

static bool clock_known(s32 clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
	       clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME_ALARM ||
	       clock == CLOCK_BOOTTIME_ALARM;
}

long sys_timerfd_create(u64 clock, u64 flags)
{
	struct timerfd *t;

	if (!clock_known((s32)clock) ||
	    (u32)flags & ~(u32)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	t = kmalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->clock = (s32)clock;
	t->next = FOREVER;
	t->timer.deadline = FOREVER;
	t->timer.fn = timer_fired;
	t->file = file_new(&timerfd_ops, t, O_RDWR | (flags & TFD_NONBLOCK));
	if (!t->file) {
		kfree(t);
		return -ENOMEM;
	}
	return fd_install(t->file, flags & TFD_CLOEXEC);
}

/* ---- setting and getting ---- */

static long timerfd_find(u64 fd, struct timerfd **t)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if (f->ops != &timerfd_ops)
		return -EINVAL;
	*t = f->node;
	return 0;
}

/* Relative times do not see the time of day being set. */
static enum clock_base base_of(s32 clock, bool absolute)
{
	if (clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM)
		return BY_BOOT;
	return clock == CLOCK_MONOTONIC || !absolute ? BY_MONO : BY_WALL;
}

static void timerfd_value(struct timerfd *t, struct __kernel_itimerspec *its)
{
	u64 now;

	timerfd_advance(t);
	timer_arm_by(&t->timer, t->base, t->next);
	now = clock_now(t->base);
	its->it_interval = ns_timespec(t->interval);
	its->it_value = ns_timespec(t->next == FOREVER ? 0 :
				    t->next > now      ? t->next - now :
							 1);
}

static void timerfd_set(struct timerfd *t,
			const struct __kernel_itimerspec *its, bool absolute)
{
	u64 value = timespec_ns(&its->it_value);

	t->interval = timespec_ns(&its->it_interval);
	t->ticks = 0;
	t->base = base_of(t->clock, absolute);
	t->next = !value   ? FOREVER :
		  absolute ? value :
			     MIN(clock_now(t->base) + value, NS_MAX);
	timer_arm_by(&t->timer, t->base, t->next);
	/* those that wait now must see the new deadline */
	if (t->next != FOREVER && t->next <= clock_now(t->base))
		timer_fired(&t->timer);
}

long sys_timerfd_settime(u64 fd, u64 flags, u64 new_user, u64 old_user)
{
	struct __kernel_itimerspec its, old;
	struct timerfd *t;
	long r;

	r = copy_from_user(&its, new_user, sizeof(its));
	if (r)
		return r;
	if ((u32)flags & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
	    !timespec_ok(&its.it_value) || !timespec_ok(&its.it_interval))
		return -EINVAL;
	r = timerfd_find(fd, &t);
	if (r)
		return r;
	timerfd_value(t, &old);
	timerfd_set(t, &its, flags & TFD_TIMER_ABSTIME);
	return old_user ? copy_to_user(old_user, &old, sizeof(old)) : 0;
}

long sys_timerfd_gettime(u64 fd, u64 user)
{
	struct __kernel_itimerspec its;
	struct timerfd *t;
	long r = timerfd_find(fd, &t);

	if (r)
		return r;
	timerfd_value(t, &its);
	return copy_to_user(user, &its, sizeof(its));
}
