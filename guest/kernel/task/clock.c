/* clock.c: time from rdtsc, and timers. */
#include "task/clock.h"

#include "vdso.h"

static struct vdso_data own; /* until the vDSO's page is there */
struct vdso_data *clock_data = &own;

static struct timer *timers; /* by deadline */

static u64 read_tsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* ns = ticks * mult / 2^64 * 2^shift, without losing a bit over hours. */
static u64 elapsed(void)
{
	return vdso_ticks_to_ns(clock_data, read_tsc() - clock_data->tsc_base);
}

void clock_start(void)
{
	struct vdso_data *d = clock_data;

	d->tsc_base = read_tsc();
	d->mult = (u64)(((unsigned __int128)1000000 << VDSO_SHIFT) /
			control->tsc_khz);
	d->mono_ns = MAX(control->mono_ns, d->mono_ns);
	d->wall_ns = control->wall_ns;
}

u64 cpu_now(void)
{
	static u64 last;
	u64 now = mono_now() - control->stolen_ns;

	/* What was stolen is known afterwards: the clock waits for it. */
	if (now > last)
		last = now;
	return last;
}

u64 mono_now(void)
{
	return clock_data->mono_ns + elapsed();
}

u64 wall_now(void)
{
	return clock_data->wall_ns + elapsed();
}

/* ---- timers ---- */

void timer_arm(struct timer *t, u64 deadline)
{
	struct timer **link = &timers;

	if (t->deadline != FOREVER) {
		while (*link && *link != t)
			link = &(*link)->next;
		if (*link)
			*link = t->next;
	}
	t->deadline = deadline;
	if (deadline == FOREVER)
		return;
	for (link = &timers; *link && (*link)->deadline <= deadline;)
		link = &(*link)->next;
	t->next = *link;
	*link = t;
}

u64 timer_next(void)
{
	return timers ? timers->deadline : FOREVER;
}

void timers_run(void)
{
	u64 now;

	if (!timers)
		return;
	now = mono_now();
	while (timers && timers->deadline <= now) {
		struct timer *t = timers;

		timers = t->next;
		t->deadline = FOREVER;
		t->fn(t);
	}
}
