/*
 * posix_timer.c: timer_create and relatives. A timer's signal is in a queue at
 * most once: a periodic timer goes on when it is taken, and what has passed
 * meanwhile is its overrun.
 */
#include "task/posix_timer.h"

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/time.h>

#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/clockid.h"
#include "task/deadline.h"
#include "task/process.h"
#include "task/signal.h"

#define OVERRUN_MAX 0x7fffffff /* timer_getoverrun(2), DELAYTIMER_MAX */

struct posix_timer {
	struct posix_timer *next;
	struct process *process;
	s32 id, clock;
	enum clock_kind kind;
	struct timer timer; /* unless it goes by CPU time */
	struct cputimer cpu;
	s32 notify, tid; /* SIGEV_*; tid 0: whichever thread takes it */
	struct sigqueue_entry entry;
	enum clock_base base; /* the same */
	s64 expires;          /* on it or the CPU clock */
	bool armed;           /* or its signal waits */
	u64 interval;
	s32 overrun; /* of the signal that was taken last */
};

static s64 now_of(const struct posix_timer *p)
{
	return (s64)(p->kind == CLOCK_CPU ? cputimer_now(&p->cpu) :
					    clock_now(p->base));
}

static void disarm(struct posix_timer *p)
{
	p->armed = false;
	timer_arm(&p->timer, FOREVER);
	cputimer_disarm(&p->cpu);
	sigqueue_remove_entry(&p->entry);
}

static void arm(struct posix_timer *p)
{
	u64 at = (u64)MAX(p->expires, 0);

	p->armed = true;
	if (p->notify == SIGEV_NONE)
		return;
	if (p->kind == CLOCK_CPU)
		cputimer_arm(&p->cpu, at);
	else
		timer_arm_by(&p->timer, p->base, at);
}

/* Moves expires behind now; how often it has expired since. */
static u64 advance(struct posix_timer *p)
{
	s64 now = now_of(p);
	u64 n;

	if (now < p->expires)
		return 0;
	n = (u64)(now - p->expires) / p->interval + 1;
	p->expires = (s64)MIN((u64)p->expires + n * p->interval, NS_MAX);
	return n;
}

static void taken(struct sigqueue_entry *e, struct sigqueue_info *info)
{
	struct posix_timer *p =
		(struct posix_timer *)((char *)e -
				       offsetof(struct posix_timer, entry));
	u64 passed = 1;

	if (p->interval) {
		passed = advance(p);
		arm(p);
	} else {
		p->armed = false;
	}
	p->overrun = (s32)MIN(passed - 1, (u64)OVERRUN_MAX);
	info->overrun = p->overrun;
}

static void expire(struct posix_timer *p)
{
	struct thread *t = p->tid ? thread_find(p->tid) : NULL;

	if (p->tid && !t) {
		p->armed = false; /* its thread has ended */
		return;
	}
	if (signal_send_entry(p->process, t, &p->entry))
		return;
	if (p->interval) { /* ignored: it goes on by itself */
		advance(p);
		arm(p);
	} else {
		p->armed = false;
	}
}

static void on_timer(struct timer *t)
{
	expire((struct posix_timer *)((char *)t -
				      offsetof(struct posix_timer, timer)));
}

static void on_cpu(struct cputimer *t)
{
	expire((struct posix_timer *)((char *)t -
				      offsetof(struct posix_timer, cpu)));
}

/* ---- calls ---- */

/* 0 or -EINVAL. */
static long check_event(const struct sigevent *e)
{
	const struct thread *t;

	switch (e->sigev_notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		t = thread_find(e->_sigev_un._tid);
		if (!t || t->process != current->process)
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return e->sigev_signo < 1 || e->sigev_signo > SIGNAL_COUNT ? -EINVAL :
								     0;
}

static struct posix_timer *new_timer(s32 clock, const struct sigevent *e)
{
	struct process *owner = current->process;
	struct posix_timer *p;

	if (owner->signals.queued >=
	    owner->limits.of[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	p = kmalloc(sizeof(*p));
	if (!p)
		return NULL;
	p->process = owner;
	p->id = owner->next_timer;
	p->clock = clock;
	p->kind = clockid_kind(clock, &p->cpu);
	p->cpu.fn = on_cpu;
	p->timer = (struct timer){ .deadline = FOREVER, .fn = on_timer };
	p->notify = e->sigev_notify;
	if (p->notify == (SIGEV_SIGNAL | SIGEV_THREAD_ID))
		p->tid = e->_sigev_un._tid;
	p->entry.taken = taken;
	p->entry.info =
		(struct sigqueue_info){ .signo = e->sigev_signo,
					.code = SI_TIMER,
					.timer = p->id,
					.value =
						(u64)e->sigev_value.sival_ptr };
	return p;
}

long sys_timer_create(u64 clock, u64 event, u64 id)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL,
			      .sigev_signo = SIGALRM };
	struct process *owner = current->process;
	struct posix_timer *p;

	if (event && copy_from_user(&e, event, sizeof(e)))
		return -EFAULT;
	if (clockid_kind((s32)clock, NULL) == CLOCK_UNKNOWN)
		return -EINVAL;
	if (clockid_coarse((s32)clock))
		return -EOPNOTSUPP;
	if (check_event(&e))
		return -EINVAL;
	if (!event)
		e.sigev_value.sival_int = owner->next_timer;
	p = new_timer((s32)clock, &e);
	if (!p)
		return -EAGAIN;
	if (copy_to_user(id, &p->id, sizeof(p->id))) {
		kfree(p);
		return -EFAULT;
	}
	owner->signals.queued++;
	owner->next_timer = (p->id + 1) & 0x7fffffff;
	p->next = owner->timers;
	owner->timers = p;
	return 0;
}

static struct posix_timer *timer_at(u64 id)
{
	struct posix_timer *p = current->process->timers;

	while (p && p->id != (s32)id)
		p = p->next;
	return p;
}

static u64 left(struct posix_timer *p)
{
	s64 now = now_of(p);

	if (!p->armed)
		return 0;
	if (p->interval && (p->entry.queue || p->notify == SIGEV_NONE)) {
		struct posix_timer seen = *p;

		advance(&seen);
		return (u64)(seen.expires - now);
	}
	if (p->expires > now)
		return (u64)(p->expires - now);
	return p->notify == SIGEV_NONE ? 0 : 1;
}

static void get(struct posix_timer *p, struct __kernel_itimerspec *its)
{
	its->it_interval = ns_timespec(p->interval);
	its->it_value = ns_timespec(left(p));
}

/* When ns is on the clock that the timer goes by. */
static s64 expires_at(const struct posix_timer *p, u64 ns, bool absolute)
{
	return absolute ? (s64)ns : (s64)MIN((u64)now_of(p) + ns, NS_MAX);
}

long sys_timer_settime(u64 id, u64 flags, u64 new_value, u64 old_value)
{
	struct __kernel_itimerspec its, old;
	struct posix_timer *p;
	u64 ns;

	if (!new_value)
		return -EINVAL;
	if (copy_from_user(&its, new_value, sizeof(its)))
		return -EFAULT;
	if (!timespec_ok(&its.it_interval) || !timespec_ok(&its.it_value))
		return -EINVAL;
	p = timer_at(id);
	if (!p)
		return -EINVAL;
	if (p->kind == CLOCK_CPU && cputimer_gone(&p->cpu))
		return -ESRCH;
	get(p, &old);
	disarm(p);
	p->overrun = 0;
	p->interval = timespec_ns(&its.it_interval);
	ns = timespec_ns(&its.it_value);
	if (ns) {
		/* relative times do not see the time of day being set */
		p->base = flags & TIMER_ABSTIME || p->kind == CLOCK_BOOT ?
				  clockid_base(p->kind) :
				  BY_MONO;
		p->expires = expires_at(p, ns, flags & TIMER_ABSTIME);
		arm(p);
	}
	return old_value ? copy_to_user(old_value, &old, sizeof(old)) : 0;
}

long sys_timer_gettime(u64 id, u64 address)
{
	struct posix_timer *p = timer_at(id);
	struct __kernel_itimerspec its;

	if (!p)
		return -EINVAL;
	get(p, &its);
	return copy_to_user(address, &its, sizeof(its));
}

long sys_timer_getoverrun(u64 id)
{
	const struct posix_timer *p = timer_at(id);

	return p ? p->overrun : -EINVAL;
}

/* The timer that link leads to. */
static void delete (struct posix_timer **link)
{
	struct posix_timer *p = *link;

	*link = p->next;
	disarm(p);
	p->process->signals.queued--;
	kfree(p);
}

long sys_timer_delete(u64 id)
{
	struct posix_timer **link = &current->process->timers;

	while (*link && (*link)->id != (s32)id)
		link = &(*link)->next;
	if (!*link)
		return -EINVAL;
	delete (link);
	return 0;
}

void posix_timers_delete(struct process *p)
{
	while (p->timers)
		delete (&p->timers);
}
