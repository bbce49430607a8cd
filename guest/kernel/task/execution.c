/* execution.c: what becomes of a process that executes another program. */
#include <linux/signal.h>

#include "task/futex.h"
#include "task/posix_timer.h"
#include "task/process.h"
#include "task/signal.h"

/* execve(2): the thread goes on as the first one, whose number is the
 * process's. */
static void become_leader(struct process *p)
{
	struct thread *old = p->leader;

	if (old == current)
		return;
	thread_take_number(current, old);
	current->kept = true;
	current->started = old->started;
	p->leader = current;
	for (struct process *c = p->children; c; c = c->sibling)
		c->maker = current->tid;
	thread_release(old);
}

long process_exec_begin(void)
{
	struct process *p = current->process;

	if (p->ending || p->execing)
		return -EAGAIN;
	p->execing = true;
	for (struct thread *t = p->threads; t; t = t->peer) {
		if (t == current)
			continue;
		t->ending = true;
		thread_interrupt(t);
	}
	while (p->thread_count > 1 && !current->ending)
		thread_sleep(&p->sole);
	p->execing = false;
	if (current->ending)
		return -EAGAIN;
	if (signal_own_actions(p))
		return -ENOMEM;
	become_leader(p);
	futex_release(current);
	current->robust_list = current->clear_tid = 0;
	return 0;
}

void process_exec_done(void)
{
	struct process *p = current->process;
	struct thread *t = current;

	process_parts_exec(p);
	signal_reset_actions(p);
	posix_timers_delete(p);
	t->altstack_sp = t->altstack_size = 0; /* as Linux: its flags stay */
	p->exit_signal = SIGCHLD;
	p->executed = true;
	p->dumpable = 1;
	p->barriers = 0;
	process_release_vfork(p);
}
