/* clone.c: clone, clone3 and exit: new threads, and their ends. */
#include <linux/capability.h>
#include <linux/sched.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

#define THREAD                                                                 \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
#define KNOWN (0xffffffffull | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP)
#define SIGNAL_MASK 0xff /* CSIGNAL: in clone's flags, not in clone3's */
#define TID_LEVELS 32    /* Linux, MAX_PID_NS_LEVEL */

/* Flags that need or exclude each other. As a kernel without namespaces: they
 * are not known. */
static long check(u64 flags)
{
	if (flags & NAMESPACES)
		return -EINVAL;
	if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) ||
	    (flags & CLONE_SIGHAND && !(flags & CLONE_VM)))
		return -EINVAL;
	if (flags & CLONE_SIGHAND && flags & CLONE_CLEAR_SIGHAND)
		return -EINVAL;
	if (flags & CLONE_PIDFD && flags & (CLONE_DETACHED | CLONE_THREAD))
		return -EINVAL;
	return (flags & THREAD) == THREAD ? 0 : -EAGAIN; /* a process */
}

/* What a new thread has from its maker: credentials(7), sched(7), prctl(2). */
static void inherit(struct thread *t)
{
	t->process = current->process;
	t->blocked = current->blocked;
	ids_copy(&t->ids, &current->ids);
	t->priority = priority_inherited(&current->priority);
	t->personality = current->personality;
	t->memory_policy = current->memory_policy;
	t->memory_nodes = current->memory_nodes;
	t->timer_slack = t->default_timer_slack = current->timer_slack;
	memcpy(t->name, current->name, sizeof(t->name));
}

/* Linux does not hold root to this limit. */
static bool too_many(void)
{
	u64 count = 0;

	if (current->ids.uid == 0 || ids_capable(CAP_SYS_RESOURCE) ||
	    ids_capable(CAP_SYS_ADMIN))
		return false;
	for (const struct thread *t = threads; t; t = t->all_next)
		count += t->ids.uid == current->ids.uid;
	return count >= limit_of(RLIMIT_NPROC);
}

static long clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
	long r = check(flags);
	struct thread *t;

	if (r)
		return r;
	if (flags & CLONE_SETTLS && tls >= USER_TOP)
		return -EPERM;
	if (too_many())
		return -EAGAIN;
	t = thread_copy(stack, flags & CLONE_SETTLS ? tls : read_fs());
	if (!t)
		return -EAGAIN;
	inherit(t);
	t->process->thread_count++;
	/* As on Linux the thread is there even if nobody is told its number. */
	if (flags & CLONE_PARENT_SETTID)
		(void)copy_to_user(parent_tid, &t->tid, sizeof(t->tid));
	if (flags & CLONE_CHILD_SETTID)
		(void)copy_to_user(child_tid, &t->tid, sizeof(t->tid));
	if (flags & CLONE_CHILD_CLEARTID)
		t->clear_tid = child_tid;
	thread_run(t);
	return t->tid;
}

long sys_clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
	return clone((u32)flags, stack, parent_tid, child_tid, tls);
}

static long check_arguments(const struct clone_args *a)
{
	if (a->flags & ~KNOWN || a->flags & CLONE_DETACHED ||
	    a->flags & (SIGNAL_MASK & ~CLONE_NEWTIME))
		return -EINVAL;
	if (a->exit_signal > SIGNAL_COUNT ||
	    (a->exit_signal && a->flags & (CLONE_THREAD | CLONE_PARENT)))
		return -EINVAL;
	if ((a->stack == 0) != (a->stack_size == 0) ||
	    !user_range(a->stack, a->stack_size))
		return -EINVAL;
	if ((a->set_tid == 0) != (a->set_tid_size == 0) ||
	    a->set_tid_size > TID_LEVELS)
		return -EINVAL;
	return a->set_tid ? -EPERM : 0; /* numbers are not for choosing */
}

/* The structure may be of a later kernel, if what we do not know is 0. */
static long read_arguments(struct clone_args *a, u64 args, u64 size)
{
	u8 more;

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(a, args, MIN(size, sizeof(*a))))
		return -EFAULT;
	for (u64 at = sizeof(*a); at < size; at++) {
		if (copy_from_user(&more, args + at, 1))
			return -EFAULT;
		if (more)
			return -E2BIG;
	}
	return 0;
}

long sys_clone3(u64 args, u64 size)
{
	struct clone_args a = { 0 };
	long r = read_arguments(&a, args, size);

	if (!r)
		r = check_arguments(&a);
	return r ? r :
		   clone(a.flags, a.stack ? a.stack + a.stack_size : 0,
			 a.parent_tid, a.child_tid, a.tls);
}

long sys_exit(u64 status)
{
	if (current->process->thread_count == 1)
		process_exit((int)(status & 0xff));
	thread_end();
}

long sys_exit_group(u64 status)
{
	process_exit((int)(status & 0xff));
}
