/* clock.c: time from rdtsc, and timers. */
#include "task/clock.h"

#include "vdso.h"

static struct vdso_data own; /* until the vDSO's page is there */
struct vdso_data *clock_data = &own;

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

void clock_stop(void)
{
	struct vdso_data *d = clock_data;
	u64 ns = elapsed();

	d->tsc_base = read_tsc();
	d->mono_ns += ns;
	d->wall_ns += ns;
	control->mono_ns = d->mono_ns;
}

u64 clock_now(enum clock_base base)
{
	return base == BY_WALL ? wall_now() :
	       base == BY_BOOT ? boot_now() :
				 mono_now();
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

u64 boot_now(void)
{
	return mono_now() + clock_data->stood_ns;
}

u64 wall_now(void)
{
	return clock_data->wall_ns + elapsed();
}

/*
 * ---- timers ----
 *
 * Those that are armed are a pairing heap: the root is the earliest, children
 * are later than their parent, and a timer is armed or disarmed without a walk
 * over the others. prev is the parent of a first child, and the sibling before
 * of others.
 */

static struct timer *root;
static u32 away; /* of them, not by the monotonic clock */

static bool earlier(const struct timer *a, const struct timer *b)
{
	return a->deadline != b->deadline ? a->deadline < b->deadline :
					    a->order < b->order;
}

/* The heap of two heaps; either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *top = a;

	if (!a || !b)
		return a ? a : b;
	if (earlier(b, a)) {
		top = b;
		b = a;
	}
	b->prev = top;
	b->sibling = top->child;
	if (b->sibling)
		b->sibling->prev = b;
	top->child = b;
	return top;
}

/* Takes the first of a list of siblings, which becomes a heap of its own. */
static struct timer *take(struct timer **list)
{
	struct timer *t = *list;

	if (!t)
		return NULL;
	*list = t->sibling;
	t->sibling = t->prev = NULL;
	return t;
}

/* The heap of all that are below t: in pairs, and then one after the other. */
static struct timer *take_children(struct timer *t)
{
	struct timer *list = t->child, *pairs = NULL, *all = NULL, *pair;

	t->child = NULL;
	while ((pair = take(&list))) {
		pair = meld(pair, take(&list));
		pair->sibling = pairs;
		pairs = pair;
	}
	while ((pair = take(&pairs)))
		all = meld(all, pair);
	return all;
}

static void disarm(struct timer *t)
{
	struct timer *below = take_children(t);

	t->deadline = FOREVER;
	away -= t->base != BY_MONO;
	if (t == root) {
		root = below;
		return;
	}
	*(t->prev->child == t ? &t->prev->child : &t->prev->sibling) =
		t->sibling;
	if (t->sibling)
		t->sibling->prev = t->prev;
	t->sibling = t->prev = NULL;
	root = meld(root, below);
}

/* When the monotonic clock will show what is `at` on its own. */
static u64 mono_at(enum clock_base base, u64 at)
{
	u64 then = base == BY_WALL ? clock_data->wall_ns :
				     clock_data->mono_ns + clock_data->stood_ns;

	if (base == BY_MONO)
		return at;
	if (at <= then)
		return 0;
	return MIN(at - then + clock_data->mono_ns, FOREVER - 1);
}

void timer_arm_by(struct timer *t, enum clock_base base, u64 at)
{
	static u64 last;

	if (t->deadline != FOREVER)
		disarm(t);
	if (at == FOREVER)
		return;
	t->base = base;
	t->at = at;
	t->deadline = mono_at(base, at);
	t->order = ++last;
	away += base != BY_MONO;
	root = meld(root, t);
}

void timer_arm(struct timer *t, u64 deadline)
{
	timer_arm_by(t, BY_MONO, deadline);
}

/* The clocks have moved against each other. */
static void timers_move(void)
{
	struct timer *all = NULL, *t;

	if (!away)
		return;
	while ((t = root)) {
		root = take_children(t);
		t->sibling = all;
		all = t;
	}
	while ((t = take(&all))) {
		t->deadline = mono_at(t->base, t->at);
		root = meld(root, t);
	}
}

void clock_resume(void)
{
	u64 before = clock_data->wall_ns;

	clock_start();
	if (clock_data->wall_ns > before)
		clock_data->stood_ns += clock_data->wall_ns - before;
	timers_move();
}

u64 timer_next(void)
{
	return root ? root->deadline : FOREVER;
}

void timers_run(void)
{
	u64 now;

	if (!root)
		return;
	now = mono_now();
	while (root && root->deadline <= now) {
		struct timer *t = root;

		disarm(t);
		t->fn(t);
	}
}
