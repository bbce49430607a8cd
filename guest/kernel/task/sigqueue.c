/*
 * sigqueue.c: pending signals. Standard signals are pending once, real-time
 * signals as often as they were sent, in that order.
 */
#include "task/sigqueue.h"

#include <linux/signal.h>

#include "heap.h"
#include "task/process.h"

#define SYNCHRONOUS                                                            \
	(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) | \
	 1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1))

static bool realtime(int signo)
{
	return signo >= SIGRTMIN;
}

static void append(struct sigqueue *q, struct sigqueue_entry *e)
{
	e->next = NULL;
	e->queue = q;
	if (q->last)
		q->last->next = e;
	else
		q->first = e;
	q->last = e;
	q->set |= sigset_bit(e->info.signo);
}

/* previous: the entry before e, or NULL */
static void unlink(struct sigqueue *q, struct sigqueue_entry *previous,
		   struct sigqueue_entry *e)
{
	if (previous)
		previous->next = e->next;
	else
		q->first = e->next;
	if (q->last == e)
		q->last = previous;
	e->queue = NULL;
}

static bool has_entry(const struct sigqueue *q, int signo)
{
	for (const struct sigqueue_entry *e = q->first; e; e = e->next)
		if (e->info.signo == signo)
			return true;
	return false;
}

/* The kernel's own standard signals are queued beyond the limit, as on Linux;
 * what stays without an entry is pending without what comes with it. */
static bool may_queue(const struct process *p, const struct sigqueue_info *info)
{
	if (!realtime(info->signo) && info->code >= 0)
		return true;
	return p->signals.queued < p->limits.of[RLIMIT_SIGPENDING].rlim_cur;
}

long sigqueue_add(struct sigqueue *q, struct process *p,
		  const struct sigqueue_info *info)
{
	int n = info->signo;
	struct sigqueue_entry *e = NULL;

	if (!realtime(n) && q->set & sigset_bit(n))
		return 0;
	if (may_queue(p, info))
		e = kmalloc(sizeof(*e));
	if (!e) {
		if (realtime(n) && info->code != SI_USER)
			return -EAGAIN;
		q->set |= sigset_bit(n);
		return 0;
	}
	e->info = *info;
	append(q, e);
	p->signals.queued++;
	return 0;
}

void sigqueue_add_entry(struct sigqueue *q, struct sigqueue_entry *e)
{
	append(q, e);
}

void sigqueue_remove_entry(struct sigqueue_entry *e)
{
	struct sigqueue *q = e->queue;
	struct sigqueue_entry *previous = NULL;

	if (!q)
		return;
	if (q->first != e)
		for (previous = q->first; previous->next != e;)
			previous = previous->next;
	unlink(q, previous, e);
	if (!has_entry(q, e->info.signo))
		q->set &= ~sigset_bit(e->info.signo);
}

static void release(struct process *p, struct sigqueue_entry *e)
{
	if (e->taken)
		return;
	p->signals.queued--;
	kfree(e);
}

static int first_of(sigset set)
{
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

int sigqueue_take(struct sigqueue *q, struct process *p, sigset set,
		  struct sigqueue_info *info)
{
	int n = first_of(q->set & set);
	struct sigqueue_entry *e = q->first, *previous = NULL;

	if (!n)
		return 0;
	for (; e && e->info.signo != n; e = e->next)
		previous = e;
	if (!e) {
		*info = (struct sigqueue_info){ .signo = n, .code = SI_USER };
		q->set &= ~sigset_bit(n);
		return n;
	}
	*info = e->info;
	unlink(q, previous, e);
	if (!has_entry(q, n))
		q->set &= ~sigset_bit(n);
	if (e->taken)
		e->taken(e, info);
	release(p, e);
	return n;
}

void sigqueue_drop(struct sigqueue *q, struct process *p, sigset set)
{
	struct sigqueue_entry *e = q->first, *previous = NULL, *next;

	if (!(q->set & set))
		return;
	for (; e; e = next) {
		next = e->next;
		if (!(sigset_bit(e->info.signo) & set)) {
			previous = e;
			continue;
		}
		unlink(q, previous, e);
		release(p, e);
	}
	q->set &= ~set;
}
