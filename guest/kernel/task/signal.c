/*
 * signal.c: sending and delivering signals. Calls: kill.c (sending),
 * sigaction.c (actions and masks), sigwait.c. Frames: sigframe.c. Queues:
 * sigqueue.c.
 */
#include "task/signal.h"

#include "mm/user.h"
#include "task/stop.h"

static struct signal_listener *listeners;

static bool default_ignored(int signo)
{
	switch (signo) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return true;
	default:
		return false;
	}
}

/* The default action makes a dump of memory first: signal(7). */
static bool dumps(int signo)
{
	const sigset set = sigset_bit(SIGQUIT) | sigset_bit(SIGILL) |
			   sigset_bit(SIGTRAP) | sigset_bit(SIGABRT) |
			   sigset_bit(SIGBUS) | sigset_bit(SIGFPE) |
			   sigset_bit(SIGSEGV) | sigset_bit(SIGXCPU) |
			   sigset_bit(SIGXFSZ) | sigset_bit(SIGSYS);

	return (set & sigset_bit(signo)) != 0;
}

static bool defaults(const struct process *p, int signo)
{
	return p->signals.actions->of[signo].handler == (u64)SIG_DFL;
}

static bool ignored(const struct process *p, int signo)
{
	return p->signals.actions->of[signo].handler == (u64)SIG_IGN ||
	       (defaults(p, signo) && default_ignored(signo));
}

void signal_listen(struct signal_listener *l)
{
	l->next = listeners;
	listeners = l;
}

static void notify_listeners(void)
{
	for (struct signal_listener *l = listeners; l; l = l->next)
		l->notify();
}

bool signal_pending(struct thread *t)
{
	struct process *p = t->process;
	sigset set;

	if (t->ending)
		return true;
	while ((set = signal_visible(t) & ~t->blocked)) {
		int n = __builtin_ctzll(set) + 1;

		if (n == SIGKILL || !ignored(p, n))
			return true;
		sigqueue_drop(&t->pending, p, sigset_bit(n));
		sigqueue_drop(&p->signals.pending, p, sigset_bit(n));
	}
	return false;
}

/* ---- sending ---- */

static void drop_everywhere(struct process *p, sigset set)
{
	sigqueue_drop(&p->signals.pending, p, set);
	for (struct thread *t = p->threads; t; t = t->peer)
		sigqueue_drop(&t->pending, p, set);
}

/* A stop and a continuation undo each other. */
static void undo_stops(struct process *p, int signo)
{
	if (sigset_bit(signo) & STOP_SIGNALS)
		drop_everywhere(p, sigset_bit(SIGCONT));
	if (signo != SIGCONT)
		return;
	drop_everywhere(p, STOP_SIGNALS);
	stop_undo(p);
}

static bool takes(const struct thread *t, int signo)
{
	return !(t->blocked & sigset_bit(signo)) ||
	       t->waiting_for & sigset_bit(signo);
}

/* A thread of p that takes the signal, the first one if it does. */
static struct thread *find_taker(const struct process *p, int signo)
{
	struct thread *found = NULL;

	for (struct thread *t = p->threads; t; t = t->peer)
		if (takes(t, signo) && (!found || t == p->leader))
			found = t;
	return found;
}

/*
 * What need not wait until a thread of p runs: true. It is ignored; or it stops
 * or ends the process by default, and a thread (taker) does not block it. So
 * waits go on in a process that has been stopped.
 */
static bool act_at_once(struct process *p, const struct thread *taker,
			int signo)
{
	if (p->zombie || p->ending)
		return true;
	undo_stops(p, signo);
	if (signo == SIGKILL) {
		process_end(p, SIGKILL);
		return true;
	}
	if (!taker || taker->blocked & sigset_bit(signo))
		return false;
	if (ignored(p, signo))
		return true;
	if (!defaults(p, signo) || dumps(signo) || p->signals.stopped)
		return false;
	if (sigset_bit(signo) & STOP_SIGNALS)
		stop_process(p, signo);
	else
		process_end(p, (u32)signo);
	return true;
}

static void tell_taker(struct thread *taker)
{
	notify_listeners();
	if (taker)
		thread_interrupt(taker);
}

long signal_send_thread(struct thread *t, const struct sigqueue_info *info)
{
	int n = info->signo;
	long r;

	if (thread_ended(t) || act_at_once(t->process, t, n))
		return 0;
	r = sigqueue_add(&t->pending, t->process, info);
	if (!r)
		tell_taker(takes(t, n) ? t : NULL);
	return r;
}

long signal_send_process(struct process *p, const struct sigqueue_info *info)
{
	struct thread *taker = find_taker(p, info->signo);
	long r;

	if (act_at_once(p, taker, info->signo))
		return 0;
	r = sigqueue_add(&p->signals.pending, p, info);
	if (!r)
		tell_taker(taker);
	return r;
}

bool signal_send_entry(struct process *p, struct thread *t,
		       struct sigqueue_entry *e)
{
	struct sigqueue *q = t ? &t->pending : &p->signals.pending;
	struct thread *taker = t && takes(t, e->info.signo) ? t :
			       t                            ? NULL :
				   find_taker(p, e->info.signo);

	if (act_at_once(p, taker, e->info.signo))
		return false;
	sigqueue_add_entry(q, e);
	tell_taker(taker);
	return true;
}

long signal_broken_pipe(void)
{
	struct sigqueue_info info = { .signo = SIGPIPE,
				      .code = SI_USER,
				      .pid = current->process->pid };

	signal_send_thread(current, &info);
	return -EPIPE;
}

void signal_force(struct thread *t, const struct sigqueue_info *info)
{
	struct process *p = t->process;
	int n = info->signo;

	/* Returning would only fault again. */
	if (t->blocked & sigset_bit(n) ||
	    p->signals.actions->of[n].handler == (u64)SIG_IGN)
		process_killed(n);
	sigqueue_add(&t->pending, p, info);
}

void signal_fault(struct thread *t, const struct sigqueue_info *info,
		  u64 trap_number, u64 error_code, u64 cr2)
{
	t->trap_number = trap_number;
	t->error_code = error_code;
	t->cr2 = cr2;
	signal_force(t, info);
}

/* ---- taking ---- */

int signal_take(struct thread *t, sigset set, struct sigqueue_info *info)
{
	struct process *p = t->process;

	return sigqueue_take(&t->pending, p, set, info) ?:
		       sigqueue_take(&p->signals.pending, p, set, info);
}

sigset signal_visible(const struct thread *t)
{
	return t->pending.set | t->process->signals.pending.set;
}

/* ---- delivery ---- */

/* Answers of handlers that programs never see. */
static bool restarts(const struct regs *r)
{
	/* After a fault or tick rax is the program's, whatever it holds. */
	return r->orig_rax != NO_CALL &&
	       ((s64)r->rax == -ERESTARTSYS || (s64)r->rax == -ERESTARTNOINTR);
}

static void restart_call(struct regs *r, bool handler, bool restart)
{
	if (!restarts(r))
		return;
	if (handler && !restart && (s64)r->rax == -ERESTARTSYS) {
		r->rax = (u64)-EINTR;
		return;
	}
	r->rax = r->orig_rax;
	r->rip -= 2; /* the `syscall` instruction */
}

static void restore_mask(struct thread *t)
{
	t->restore_blocked = false;
	signal_set_mask(t->saved_blocked);
}

bool signal_work(struct thread *t, const struct regs *r)
{
	return t->restore_blocked || t->process->signals.stopped ||
	       restarts(r) || signal_pending(t); /* or it is to end */
}

bool signal_can_return(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

static void segv(struct thread *t)
{
	signal_force(t, &(struct sigqueue_info){ .signo = SIGSEGV,
						 .code = SI_KERNEL });
}

static void run_handler(struct regs *r, struct thread *t,
			const struct sigqueue_info *info)
{
	int n = info->signo;
	struct action *now = &t->process->signals.actions->of[n], a = *now;
	sigset mask = t->restore_blocked ? t->saved_blocked : t->blocked;

	if (!sigframe_push(r, t, &a, n, info, mask)) {
		if (n == SIGSEGV)
			process_killed(SIGSEGV);
		segv(t);
		return;
	}
	t->restore_blocked = false;
	signal_set_mask(t->blocked | a.mask |
			(a.flags & SA_NODEFER ? 0 : sigset_bit(n)));
	if (a.flags & SA_RESETHAND)
		now->handler = (u64)SIG_DFL;
	if (!signal_can_return(r->rip))
		segv(t);
}

void signal_deliver(struct regs *r)
{
	struct thread *t = current;
	struct process *p = t->process;
	struct sigqueue_info info;
	const struct action *a;
	bool first = true;
	int n;

	/* What is unblocked only for the wait ends the wait, or stays pending. */
	if (t->restore_blocked && (s64)r->rax != -EINTR)
		restore_mask(t);
	for (;;) {
		stop_wait();
		if (t->ending)
			process_leave(0);
		n = signal_take(t, ~t->blocked, &info);
		if (!n)
			break;
		if (n != SIGKILL && ignored(p, n))
			continue;
		if (defaults(p, n) && sigset_bit(n) & STOP_SIGNALS) {
			stop_process(p, n);
			continue;
		}
		a = &p->signals.actions->of[n];
		if (n == SIGKILL || a->handler == (u64)SIG_DFL)
			process_killed(n);
		if (first)
			restart_call(r, true, a->flags & SA_RESTART);
		first = false;
		run_handler(r, t, &info);
	}
	if (first)
		restart_call(r, false, false);
	if (t->restore_blocked)
		restore_mask(t);
}

/* ---- masks and actions ---- */

/* Signals for the process that waited for this thread go to another one. */
static void retarget(struct process *p, sigset set)
{
	for (set &= p->signals.pending.set; set; set &= set - 1) {
		struct thread *t = find_taker(p, __builtin_ctzll(set) + 1);

		if (t)
			thread_interrupt(t);
	}
}

void signal_forget(struct thread *t)
{
	struct process *p = t->process;
	sigset took = ~t->blocked;

	sigqueue_drop(&t->pending, p, ~0ull);
	t->blocked = ~0ull;
	t->waiting_for = 0;
	retarget(p, took);
}

void signal_set_mask(sigset mask)
{
	struct thread *t = current;
	sigset newly = mask & ~t->blocked;

	t->blocked = mask & ~SIGSET_UNBLOCKABLE;
	if (newly & t->process->signals.pending.set)
		retarget(t->process, newly);
}

long signal_read_mask(u64 address, u64 size, sigset *set)
{
	if (size != sizeof(*set))
		return -EINVAL;
	if (copy_from_user(set, address, sizeof(*set)))
		return -EFAULT;
	*set &= ~SIGSET_UNBLOCKABLE;
	return 0;
}

long signal_mask_for_wait(u64 user_mask, u64 size)
{
	sigset set;
	long r;

	if (!user_mask)
		return 0;
	r = signal_read_mask(user_mask, size, &set);
	if (r)
		return r;
	current->saved_blocked = current->blocked;
	current->restore_blocked = true;
	signal_set_mask(set);
	return 0;
}

void signal_set_action(struct process *p, int signo, const struct action *a)
{
	p->signals.actions->of[signo] = *a;
	if (ignored(p, signo))
		drop_everywhere(p, sigset_bit(signo));
}
