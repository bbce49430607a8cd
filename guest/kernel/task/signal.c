/*
 * signal.c: signals of the one process: dispositions, masks, pending ones, and
 * the calls that use them. Frames: sigframe.c.
 */
#include "task/signal.h"

#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/process.h"

static struct signal_listener *listeners;
static struct waitq sleepers; /* pause, sigsuspend, sigtimedwait */

static const sigset unblockable = 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1);

static sigset bit(int signo)
{
	return 1ull << (signo - 1);
}

static bool default_ignored(int signo)
{
	switch (signo) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
	/* There is nobody to continue a stopped process. */
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return true;
	default:
		return false;
	}
}

static bool ignored(int signo)
{
	u64 handler = current->process->signals.actions[signo].handler;

	return handler == (u64)SIG_IGN ||
	       (handler == (u64)SIG_DFL && default_ignored(signo));
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
	struct signals *shared = &t->process->signals;
	sigset set;

	while ((set = (t->pending | shared->pending) & ~t->blocked)) {
		int n = __builtin_ctzll(set) + 1;

		if (n == SIGKILL || !ignored(n))
			return true;
		t->pending &= ~bit(n);
		shared->pending &= ~bit(n);
	}
	return false;
}

bool signal_work(struct thread *t)
{
	return t->restore_blocked || signal_pending(t);
}

void signal_send_thread(struct thread *t, const struct sigqueue_info *info)
{
	int n = info->signo;

	if (n < 1 || n > SIGNAL_COUNT)
		return;
	if (ignored(n) && !(t->blocked & bit(n)))
		return;
	if (!(t->pending & bit(n)))
		t->info[n - 1] = *info;
	t->pending |= bit(n);
	notify_listeners();
	if (!(t->blocked & bit(n)) || t->waiting_for & bit(n))
		thread_interrupt(t);
}

void signal_send_process(const struct sigqueue_info *info)
{
	int n = info->signo;
	struct thread *target = NULL;

	if (n < 1 || n > SIGNAL_COUNT)
		return;
	for (struct thread *t = threads; t; t = t->all_next) {
		if ((t->blocked & bit(n)) && !(t->waiting_for & bit(n)))
			continue;
		if (!target || t->tid == current->process->pid)
			target = t;
	}
	if (ignored(n) && target && !(target->blocked & bit(n)))
		return;
	if (!(current->process->signals.pending & bit(n)))
		current->process->signals.info[n - 1] = *info;
	current->process->signals.pending |= bit(n);
	notify_listeners();
	if (target)
		thread_interrupt(target);
}

void signal_fault(struct thread *t, const struct sigqueue_info *info,
		  u64 trap_number, u64 error_code, u64 cr2)
{
	int n = info->signo;

	t->trap_number = trap_number;
	t->error_code = error_code;
	t->cr2 = cr2;
	/* Returning would only fault again. */
	if ((t->blocked & bit(n)) || current->process->signals.actions[n].handler == (u64)SIG_IGN)
		process_exit(128 + n);
	t->info[n - 1] = *info;
	t->pending |= bit(n);
}

/* Takes the first pending signal in set from t or the process; 0: none. */
int signal_take(struct thread *t, sigset set, struct sigqueue_info *info)
{
	sigset own = t->pending & set, shared = current->process->signals.pending & set;
	/* Faults come before everything else, as on Linux. */
	sigset sync = own & (bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) |
			     bit(SIGTRAP) | bit(SIGFPE) | bit(SIGSYS));
	int n;

	if (sync)
		own = sync;
	if (own && (sync || !shared || (own & -own) <= (shared & -shared))) {
		n = __builtin_ctzll(own) + 1;
		*info = t->info[n - 1];
		t->pending &= ~bit(n);
		return n;
	}
	if (!shared)
		return 0;
	n = __builtin_ctzll(shared) + 1;
	*info = current->process->signals.info[n - 1];
	current->process->signals.pending &= ~bit(n);
	return n;
}

sigset signal_visible(const struct thread *t)
{
	return t->pending | current->process->signals.pending;
}

/* ---- delivery ---- */

static void restart_call(struct regs *r, bool handler, bool restart)
{
	/* After a fault or tick rax is the program's, whatever it holds. */
	if (r->orig_rax == ~0ull || (s64)r->rax != -ERESTARTSYS)
		return;
	if (handler && !restart) {
		r->rax = (u64)-EINTR;
		return;
	}
	r->rax = r->orig_rax;
	r->rip -= 2; /* the `syscall` instruction */
}

static void restore_mask(struct thread *t)
{
	t->blocked = t->saved_blocked;
	t->restore_blocked = false;
}

void signal_deliver(struct regs *r)
{
	struct thread *t = current;
	struct sigqueue_info info;
	bool first = true;
	int n;

	/* What unblocked only for the wait ends the wait, or stays pending. */
	if (t->restore_blocked && (s64)r->rax != -EINTR)
		restore_mask(t);
	while ((n = signal_take(t, ~t->blocked, &info))) {
		struct action a = current->process->signals.actions[n];
		sigset mask = t->restore_blocked ? t->saved_blocked :
						   t->blocked;

		if (n != SIGKILL && ignored(n))
			continue;
		if (n == SIGKILL || a.handler == (u64)SIG_DFL)
			process_exit(128 + n);
		if (first)
			restart_call(r, true, (a.flags & SA_RESTART) != 0);
		first = false;
		t->restore_blocked = false;
		if (!sigframe_push(r, t, &a, n, &info, mask))
			process_exit(128 + SIGSEGV);
		t->blocked |= a.mask & ~unblockable;
		if (!(a.flags & SA_NODEFER))
			t->blocked |= bit(n);
		if (a.flags & SA_RESETHAND)
			current->process->signals.actions[n].handler = (u64)SIG_DFL;
	}
	if (first)
		restart_call(r, false, false);
	if (t->restore_blocked)
		restore_mask(t);
}

/* ---- masks and actions ---- */

static long read_set(u64 address, u64 size, sigset *set)
{
	if (size != sizeof(*set))
		return -EINVAL;
	if (copy_from_user(set, address, sizeof(*set)))
		return -EFAULT;
	*set &= ~unblockable;
	return 0;
}

long signal_mask_for_wait(u64 user_mask, u64 size)
{
	sigset set;
	long r;

	if (!user_mask)
		return 0;
	r = read_set(user_mask, size, &set);
	if (r)
		return r;
	current->saved_blocked = current->blocked;
	current->restore_blocked = true;
	current->blocked = set;
	return 0;
}

long sys_rt_sigaction(u64 signo, u64 new_action, u64 old_action, u64 size)
{
	struct action a, old;
	int n = (s32)signo;

	if (size != sizeof(sigset) || n < 1 || n > SIGNAL_COUNT ||
	    (new_action && (bit(n) & unblockable)))
		return -EINVAL;
	if (new_action && copy_from_user(&a, new_action, sizeof(a)))
		return -EFAULT;
	old = current->process->signals.actions[n];
	if (old_action && copy_to_user(old_action, &old, sizeof(old)))
		return -EFAULT;
	if (!new_action)
		return 0;
	a.mask &= ~unblockable;
	current->process->signals.actions[n] = a;
	if (ignored(n)) {
		current->process->signals.pending &= ~bit(n);
		for (struct thread *t = threads; t; t = t->all_next)
			t->pending &= ~bit(n);
	}
	return 0;
}

long sys_rt_sigprocmask(u64 how, u64 new_set, u64 old_set, u64 size)
{
	sigset set, old = current->blocked;
	long r;

	if (size != sizeof(sigset))
		return -EINVAL;
	if (new_set) {
		r = read_set(new_set, size, &set);
		if (r)
			return r;
		switch ((s32)how) {
		case SIG_BLOCK:
			current->blocked |= set;
			break;
		case SIG_UNBLOCK:
			current->blocked &= ~set;
			break;
		case SIG_SETMASK:
			current->blocked = set;
			break;
		default:
			return -EINVAL;
		}
	}
	return old_set ? copy_to_user(old_set, &old, sizeof(old)) : 0;
}

long sys_rt_sigpending(u64 address, u64 size)
{
	sigset set = signal_visible(current) & current->blocked;

	if (size > sizeof(set))
		return -EINVAL;
	return copy_to_user(address, &set, size);
}

long sys_sigaltstack(u64 new_stack, u64 old_stack)
{
	struct thread *t = current;
	stack_t s, old = { .ss_sp = (void *)t->altstack_sp,
			   .ss_flags = (int)t->altstack_flags,
			   .ss_size = t->altstack_size };
	bool on = t->altstack_size &&
		  t->regs->rsp - t->altstack_sp <= t->altstack_size;

	if (!t->altstack_size)
		old.ss_flags |= SS_DISABLE;
	else if (on)
		old.ss_flags |= SS_ONSTACK;
	if (new_stack && copy_from_user(&s, new_stack, sizeof(s)))
		return -EFAULT;
	if (old_stack && copy_to_user(old_stack, &old, sizeof(old)))
		return -EFAULT;
	if (!new_stack)
		return 0;
	if (on)
		return -EPERM;
	if (s.ss_flags & ~(int)(SS_DISABLE | SS_ONSTACK | SS_AUTODISARM))
		return -EINVAL;
	if (s.ss_flags & SS_DISABLE) {
		t->altstack_size = t->altstack_sp = 0;
		t->altstack_flags = 0;
		return 0;
	}
	if (s.ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack_sp = (u64)s.ss_sp;
	t->altstack_size = s.ss_size;
	t->altstack_flags = (u32)s.ss_flags & SS_AUTODISARM;
	return 0;
}

/* ---- waiting ---- */

long sys_pause(void)
{
	while (!signal_pending(current))
		thread_wait(&sleepers, FOREVER);
	return -EINTR;
}

long sys_rt_sigsuspend(u64 mask, u64 size)
{
	long r = signal_mask_for_wait(mask, size);

	if (r)
		return r;
	return sys_pause();
}

static void fill_siginfo(siginfo_t *out, const struct sigqueue_info *info)
{
	memset(out, 0, sizeof(*out));
	out->si_signo = info->signo;
	out->si_errno = info->errno_;
	out->si_code = info->code;
	signal_fill_fields(out, info);
}

long sys_rt_sigtimedwait(u64 set_address, u64 info_address, u64 timeout,
			 u64 size)
{
	u64 deadline = FOREVER;
	struct sigqueue_info info;
	struct timespec t;
	siginfo_t out;
	sigset set;
	long r;
	int n;

	r = read_set(set_address, size, &set);
	if (r)
		return r;
	if (timeout) {
		if (copy_from_user(&t, timeout, sizeof(t)))
			return -EFAULT;
		if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= (long)NSEC)
			return -EINVAL;
		deadline = mono_now() + (u64)t.tv_sec * NSEC + (u64)t.tv_nsec;
	}
	while (!(n = signal_take(current, set, &info))) {
		current->waiting_for = set;
		r = thread_wait(&sleepers, deadline);
		current->waiting_for = 0;
		if (signal_visible(current) & set)
			continue;
		if (r == -ETIMEDOUT)
			return -EAGAIN;
		if (r == -EINTR)
			return -EINTR;
	}
	fill_siginfo(&out, &info);
	if (info_address && copy_to_user(info_address, &out, sizeof(out)))
		return -EFAULT;
	return n;
}

/* ---- sending ---- */

static struct sigqueue_info sent(s64 signo, int code)
{
	return (struct sigqueue_info){ .signo = (s32)signo,
				       .code = code,
				       .pid = current->process->pid };
}

long sys_kill(u64 pid, u64 signo)
{
	struct sigqueue_info info = sent((s32)signo, SI_USER);
	s32 p = (s32)pid;

	if ((s32)signo < 0 || (s32)signo > SIGNAL_COUNT)
		return -EINVAL;
	if (p != current->process->pid && p != 0 && p != -1 && p != -current->process->pid)
		return -ESRCH;
	signal_send_process(&info);
	return 0;
}

long sys_tgkill(u64 pid, u64 tid, u64 signo)
{
	struct sigqueue_info info = sent((s32)signo, SI_TKILL);
	struct thread *t = thread_find((s32)tid);

	if ((s32)signo < 0 || (s32)signo > SIGNAL_COUNT || (s32)pid <= 0 ||
	    (s32)tid <= 0)
		return -EINVAL;
	if (!t || (s32)pid != current->process->pid)
		return -ESRCH;
	signal_send_thread(t, &info);
	return 0;
}

long sys_tkill(u64 tid, u64 signo)
{
	return sys_tgkill(current->process->pid, tid, signo);
}

long sys_rt_sigqueueinfo(u64 pid, u64 signo, u64 address)
{
	struct sigqueue_info info = sent((s32)signo, SI_QUEUE);
	siginfo_t in;

	if (copy_from_user(&in, address, sizeof(in)))
		return -EFAULT;
	if ((s32)pid != current->process->pid)
		return -ESRCH;
	if ((s32)signo < 0 || (s32)signo > SIGNAL_COUNT)
		return -EINVAL;
	info.code = in.si_code;
	info.value = (u64)in.si_ptr;
	signal_send_process(&info);
	return 0;
}
