/* sigaction.c: actions: whose they are; and the calls that set them and masks. */
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

/* What Linux knows; a program finds out by what comes back. */
#define KNOWN_FLAGS                                                            \
	((u64)(u32)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK |    \
		    SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_RESTORER))

/* ---- whose they are ---- */

long signal_copy_actions(struct process *p, bool share)
{
	struct actions *from = current->process->signals.actions, *a = from;

	if (!share) {
		a = kmalloc(sizeof(*a));
		if (!a)
			return -ENOMEM;
		memcpy(a->of, from->of, sizeof(a->of));
	}
	a->refs++;
	p->signals.actions = a;
	return 0;
}

void signal_release_actions(struct process *p)
{
	if (--p->signals.actions->refs == 0)
		kfree(p->signals.actions);
	p->signals.actions = NULL;
}

long signal_own_actions(struct process *p)
{
	struct actions *shared = p->signals.actions;

	if (shared->refs == 1)
		return 0;
	if (signal_copy_actions(p, false))
		return -ENOMEM;
	shared->refs--;
	return 0;
}

void signal_reset_actions(struct process *p)
{
	struct action *of = p->signals.actions->of;

	for (int n = 1; n <= SIGNAL_COUNT; n++)
		of[n] = (struct action){ .handler =
						 of[n].handler == (u64)SIG_IGN ?
							 (u64)SIG_IGN :
							 (u64)SIG_DFL };
}

/* ---- calls ---- */

long sys_rt_sigaction(u64 signo, u64 new_action, u64 old_action, u64 size)
{
	struct action a, old;
	int n = (s32)signo;

	if (size != sizeof(sigset))
		return -EINVAL;
	if (new_action && copy_from_user(&a, new_action, sizeof(a)))
		return -EFAULT;
	if (n < 1 || n > SIGNAL_COUNT ||
	    (new_action && sigset_bit(n) & SIGSET_UNBLOCKABLE))
		return -EINVAL;
	old = current->process->signals.actions->of[n];
	if (new_action) {
		a.mask &= ~SIGSET_UNBLOCKABLE;
		a.flags &= KNOWN_FLAGS;
		signal_set_action(current->process, n, &a);
	}
	return old_action ? copy_to_user(old_action, &old, sizeof(old)) : 0;
}

long sys_rt_sigprocmask(u64 how, u64 new_set, u64 old_set, u64 size)
{
	sigset set, old = current->blocked;
	long r;

	if (size != sizeof(sigset))
		return -EINVAL;
	if (new_set) {
		r = signal_read_mask(new_set, size, &set);
		if (r)
			return r;
		switch ((s32)how) {
		case SIG_BLOCK:
			signal_set_mask(old | set);
			break;
		case SIG_UNBLOCK:
			signal_set_mask(old & ~set);
			break;
		case SIG_SETMASK:
			signal_set_mask(set);
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
