/*
 * turn.c: whose turn it is on the CPU: of the threads that can run, the one that
 * has had least of it. The time is weighted by niceness. Who has slept does not
 * make up for all of it, but comes before those that have not.
 */
#include "task/turn.h"

#include <linux/sched.h>

#include "task/thread.h"

#define WEIGHT 1024u             /* of niceness 0; a step is a factor of 5/4 */
#define WEIGHT_IDLE 3u           /* SCHED_IDLE: sched(7) */
#define CREDIT (3 * NSEC / 1000) /* at most, for having slept */
#define PATIENCE (NSEC / 1000)   /* of who has been woken */

static struct thread *first; /* by what they have had */
static u64 reached;          /* the most that one had when its turn came */
static bool woken;

bool turn_any(void)
{
	return first != NULL;
}

void turn_add(struct thread *t)
{
	struct thread **link = &first;

	while (*link && (*link)->had <= t->had)
		link = &(*link)->next;
	t->next = *link;
	*link = t;
}

struct thread *turn_take(void)
{
	struct thread *t = first;

	if (!t)
		return NULL;
	first = t->next;
	t->next = NULL;
	reached = MAX(reached, t->had);
	return t;
}

static u32 weight(const struct priority *p)
{
	u32 w = WEIGHT;

	if (p->policy == SCHED_IDLE)
		return WEIGHT_IDLE;
	for (s32 n = p->nice; n > 0; n--)
		w = w * 4 / 5;
	for (s32 n = p->nice; n < 0; n++)
		w = w * 5 / 4;
	return w;
}

void turn_charge(struct thread *t, u64 now)
{
	u64 ns = now - t->charged;

	t->charged = now;
	if (t->priority.nice || t->priority.policy == SCHED_IDLE)
		ns = ns * WEIGHT / weight(&t->priority);
	t->had += ns;
}

void turn_woken(struct thread *t)
{
	if (reached > CREDIT)
		t->had = MAX(t->had, reached - CREDIT);
	woken = true;
}

void turn_pass(struct thread *t)
{
	if (first)
		t->had = MAX(t->had, first->had);
}

void turn_start(struct thread *t)
{
	turn_charge(current, cpu_now());
	t->had = current->had;
}

bool turn_over(bool ticked)
{
	if (!first || (!ticked && !woken))
		return false;
	woken = false;
	turn_charge(current, cpu_now());
	return first->had + (ticked ? 0 : PATIENCE) < current->had;
}
