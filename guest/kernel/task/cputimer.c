/*
 * cputimer.c: timers that go by CPU time. CPU time is not faster than the
 * clock, so one timer of the clock is set for the first of them that may be
 * due; who is not yet waits for the next.
 */
#include "task/cputimer.h"

#include <linux/signal.h>

#include "task/clock.h"
#include "task/process.h"
#include "task/signal.h"
#include "task/usage.h"

static struct cputimer *timers;

static void on_watch(struct timer *t);
static struct timer watch = { .deadline = FOREVER, .fn = on_watch };

bool cputimer_gone(const struct cputimer *t)
{
	const struct thread *thread = t->tid ? thread_find(t->tid) : NULL;

	if (t->tid)
		return !thread || thread_ended(thread);
	return !process_find(t->pid);
}

u64 cputimer_now(const struct cputimer *t)
{
	const struct thread *thread = t->tid ? thread_find(t->tid) : NULL;
	const struct process *p = t->tid ? NULL : process_find(t->pid);
	struct usage u = { 0 };

	if (thread)
		usage_of_thread(thread, &u);
	else if (p)
		usage_of_threads(p, &u);
	return t->user ? u.cpu - u.system : u.cpu;
}

void cputimers_resume(void)
{
	u64 first = FOREVER;

	for (const struct cputimer *t = timers; t; t = t->next) {
		u64 now = cputimer_now(t);

		first = MIN(first, t->expires > now ? t->expires - now : 0);
	}
	if (first != FOREVER)
		timer_arm(&watch, mono_now() + first);
}

void cputimers_pause(void)
{
	timer_arm(&watch, FOREVER);
}

static void rewatch(void)
{
	cputimers_pause();
	cputimers_resume();
}

/* The first that is due, out of the list; NULL: none. */
static struct cputimer *take_due(void)
{
	for (struct cputimer *t = timers; t; t = t->next)
		if (cputimer_now(t) >= t->expires) {
			cputimer_disarm(t);
			return t;
		}
	return NULL;
}

static void on_watch(struct timer *timer)
{
	struct cputimer *t;

	(void)timer;
	while ((t = take_due()))
		t->fn(t);
	rewatch();
}

void cputimer_disarm(struct cputimer *t)
{
	struct cputimer **link = &timers;

	if (!t->armed)
		return;
	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	t->armed = false;
	if (!timers)
		cputimers_pause();
}

void cputimer_arm(struct cputimer *t, u64 expires)
{
	cputimer_disarm(t);
	if (cputimer_gone(t))
		return;
	t->expires = expires;
	t->armed = true;
	t->next = timers;
	timers = t;
	rewatch();
}

void cputimers_forget(const struct thread *thread)
{
	struct cputimer *t, *next;

	for (t = timers; t; t = next) {
		next = t->next;
		if (t->tid == thread->tid)
			cputimer_disarm(t);
	}
}

/* ---- RLIMIT_CPU ---- */

static u64 seconds_ns(u64 seconds)
{
	return seconds >= FOREVER / NSEC ? FOREVER : seconds * NSEC;
}

/* SIGXCPU at the soft limit and each second behind it, as Linux by moving the
 * limit, SIGKILL at the hard one. */
static void on_limit(struct cputimer *t)
{
	struct process *p =
		(struct process *)((char *)t -
				   offsetof(struct process, cpu_limit));
	struct rlimit64 *limit = &p->limits.of[RLIMIT_CPU];
	u64 now = cputimer_now(t);
	struct sigqueue_info info = { .signo = SIGXCPU, .code = SI_KERNEL };

	if (now >= seconds_ns(limit->rlim_max)) {
		info.signo = SIGKILL;
		signal_send_process(p, &info);
		return;
	}
	if (now >= seconds_ns(limit->rlim_cur)) {
		limit->rlim_cur++;
		signal_send_process(p, &info);
	}
	cputimer_limit(p);
}

void cputimer_limit(struct process *p)
{
	const struct rlimit64 *limit = &p->limits.of[RLIMIT_CPU];
	u64 first =
		MIN(seconds_ns(limit->rlim_cur), seconds_ns(limit->rlim_max));

	p->cpu_limit.pid = p->pid;
	p->cpu_limit.fn = on_limit;
	if (first == FOREVER)
		cputimer_disarm(&p->cpu_limit);
	else
		cputimer_arm(&p->cpu_limit, first);
}
