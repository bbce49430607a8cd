/* group.c: process groups: signals to all of one, and what job control asks. */
#include "task/group.h"

#include "task/process.h"
#include "task/signal.h"

/* Whether t stands for its process in a walk of all threads. */
static bool first_of_process(const struct thread *t)
{
	const struct thread *other = threads;

	while (other->process != t->process)
		other = other->all_next;
	return other == t;
}

long group_signal(s32 group, const struct sigqueue_info *info)
{
	struct thread *next;
	long r = -ESRCH;

	for (struct thread *t = threads; t; t = next) {
		next = t->all_next;
		if (t->process->group != group || !first_of_process(t))
			continue;
		signal_send_process(t->process, info);
		r = 0;
	}
	return r;
}

s32 group_session(s32 group)
{
	for (const struct thread *t = threads; t; t = t->all_next)
		if (t->process->group == group)
			return t->process->session;
	return 0;
}

bool group_orphaned(s32 group)
{
	for (const struct thread *t = threads; t; t = t->all_next) {
		const struct process *p = t->process, *parent;

		if (p->group != group)
			continue;
		parent = process_find(p->parent);
		if (parent && parent->session == p->session &&
		    parent->group != group)
			return false;
	}
	return true;
}
