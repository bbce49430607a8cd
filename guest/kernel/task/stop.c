/* stop.c: processes that are stopped, and go on. */
#include "task/stop.h"

#include <asm/siginfo.h>

#include "task/group.h"
#include "task/signal.h"

static struct waitq stopped; /* threads of stopped processes */

static void tell_parent(struct process *p, enum news news, int code, int signo)
{
	struct process *parent = p->parent;
	struct sigqueue_info info = { .signo = SIGCHLD,
				      .code = code,
				      .pid = p->pid,
				      .uid = p->leader->ids.uid,
				      .status = signo };
	const struct action *a;

	p->news = news;
	if (!parent)
		return;
	a = &parent->signals.actions->of[SIGCHLD];
	if (a->handler != (u64)SIG_IGN && !(a->flags & SA_NOCLDSTOP))
		signal_send_process(parent, &info);
	waitq_wake_all(&parent->waiting);
}

/* Orphaned: nobody would let it go on: POSIX, 2.4.3. */
void stop_process(struct process *p, int signo)
{
	if (p->signals.stopped ||
	    (signo != SIGSTOP && group_orphaned(p->group)))
		return;
	p->signals.stopped = true;
	p->stop_signal = signo;
	tell_parent(p, NEWS_STOPPED, CLD_STOPPED, signo);
}

void stop_end(struct process *p)
{
	if (!p->signals.stopped)
		return;
	p->signals.stopped = false;
	waitq_wake_all(&stopped);
}

void stop_undo(struct process *p)
{
	if (!p->signals.stopped)
		return;
	stop_end(p);
	tell_parent(p, NEWS_CONTINUED, CLD_CONTINUED, SIGCONT);
}

void stop_wait(void)
{
	while (current->process->signals.stopped && !current->ending)
		thread_sleep(&stopped);
}
