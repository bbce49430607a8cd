/* terminal.c: controlling terminals: which session has one, and who may use it:
 * POSIX, 11.1. */
#include "task/terminal.h"

#include "task/group.h"
#include "task/process.h"
#include "task/signal.h"

void terminal_acquire(struct terminal *t)
{
	struct process *p = current->process;

	t->session = p->session;
	t->group = p->group;
	p->terminal = t;
}

void terminal_clear(struct terminal *t)
{
	for (struct process *p = processes; t->session && p; p = p->all_next)
		if (p->terminal == t)
			p->terminal = NULL;
	t->session = 0;
	t->group = 0;
}

static void send(struct process *p, int signo)
{
	signal_send_process(p, &(struct sigqueue_info){ .signo = signo,
							.code = SI_KERNEL });
}

void terminal_hangup(struct terminal *t)
{
	struct process *leader = t->session ? process_find(t->session) : NULL;

	terminal_clear(t);
	if (!leader)
		return;
	send(leader, SIGHUP);
	send(leader, SIGCONT);
}

void terminal_signal(const struct terminal *t, int signo)
{
	if (t->group)
		group_signal(t->group,
			     &(struct sigqueue_info){ .signo = signo,
						      .code = SI_KERNEL });
}

void terminal_leave(struct process *p)
{
	struct terminal *t = p->terminal;
	struct sigqueue_info info = { .signo = SIGHUP,
				      .code = SI_USER,
				      .pid = p->pid };
	s32 group;

	if (!t)
		return;
	p->terminal = NULL;
	if (p->pid != p->session)
		return;
	group = t->group;
	terminal_clear(t);
	if (!group)
		return;
	group_signal(group, &info);
	info.signo = SIGCONT;
	group_signal(group, &info);
}

void terminal_exit(struct process *p)
{
	struct terminal *t = p->terminal;

	if (!t || p->pid != p->session)
		return;
	terminal_signal(t, SIGHUP);
	terminal_clear(t);
}

long terminal_check(const struct terminal *t, int signo)
{
	const struct process *p = current->process;
	const struct action *a = &p->signals.actions->of[signo];

	if (p->terminal != t || !t->group || t->group == p->group)
		return 0;
	if (a->handler == (u64)SIG_IGN ||
	    (current->blocked & sigset_bit(signo)))
		return signo == SIGTTIN ? -EIO : 0;
	if (group_orphaned(p->group))
		return -EIO;
	group_signal(p->group, &(struct sigqueue_info){ .signo = signo,
							.code = SI_KERNEL });
	return -ERESTARTSYS;
}
