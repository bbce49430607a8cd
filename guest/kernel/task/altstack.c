/* altstack.c: the alternate stacks of threads: sigaltstack(2). */
#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

void altstack_reset(struct thread *t)
{
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = SS_DISABLE;
}

static bool inside(const struct thread *t, u64 sp)
{
	return sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

bool altstack_holds(const struct thread *t, u64 sp)
{
	return !(t->altstack_flags & SS_AUTODISARM) && inside(t, sp);
}

/* As sigaltstack shows it to a program whose stack pointer is sp. */
static void altstack_get(const struct thread *t, u64 sp, stack_t *s)
{
	memset(s, 0, sizeof(*s));
	s->ss_sp = (void *)t->altstack_sp;
	s->ss_size = t->altstack_size;
	s->ss_flags = (int)(t->altstack_flags & SS_AUTODISARM);
	if (!t->altstack_size)
		s->ss_flags |= SS_DISABLE;
	else if (altstack_holds(t, sp))
		s->ss_flags |= SS_ONSTACK;
}

long altstack_set(struct thread *t, u64 sp, const stack_t *s)
{
	u32 mode = (u32)s->ss_flags & ~SS_AUTODISARM;

	if (altstack_holds(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (t->altstack_sp == (u64)s->ss_sp && t->altstack_size == s->ss_size &&
	    t->altstack_flags == (u32)s->ss_flags)
		return 0; /* as it is, even if it were refused now */
	if (mode != SS_DISABLE && s->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack_sp = mode == SS_DISABLE ? 0 : (u64)s->ss_sp;
	t->altstack_size = mode == SS_DISABLE ? 0 : s->ss_size;
	t->altstack_flags = (u32)s->ss_flags;
	return 0;
}

long sys_sigaltstack(u64 new_stack, u64 old_stack)
{
	struct thread *t = current;
	u64 sp = t->regs->rsp;
	stack_t s, old;
	long r;

	if (new_stack && copy_from_user(&s, new_stack, sizeof(s)))
		return -EFAULT;
	altstack_get(t, sp, &old);
	if (new_stack) {
		r = altstack_set(t, sp, &s);
		if (r)
			return r;
	}
	return old_stack ? copy_to_user(old_stack, &old, sizeof(old)) : 0;
}
