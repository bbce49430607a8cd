/* clone.c: clone, clone3, fork and vfork: new threads and processes. */
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/signal.h>

#include "fs/descriptor.h"
#include "io/pidfd.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

/* What a thread shares with its process, here without a choice. */
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
	if (flags & CLONE_THREAD && (flags & THREAD) != THREAD)
		return -EINVAL; /* each thread with descriptors of its own */
	return 0;
}

struct request {
	u64 flags, stack, tls;
	u64 parent_tid, child_tid, pidfd; /* where to store them */
	s32 exit_signal;
};

/* What a new thread has from its maker: credentials(7), sched(7), prctl(2). */
static void inherit(struct thread *t)
{
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
	if (current->ids.uid == 0 || ids_capable(CAP_SYS_RESOURCE) ||
	    ids_capable(CAP_SYS_ADMIN))
		return false;
	return threads_of_user(current->ids.uid) >= limit_of(RLIMIT_NPROC);
}

/* Where the new thread's number goes; the child's own memory, if it has its own,
 * gets it when it runs. */
static void store_number(struct thread *t, const struct request *q)
{
	/* As on Linux it is there even if nobody is told its number. */
	if (q->flags & CLONE_PARENT_SETTID)
		(void)copy_to_user(q->parent_tid, &t->tid, sizeof(t->tid));
	if (q->flags & CLONE_CHILD_SETTID)
		t->set_tid = q->child_tid;
	if (q->flags & CLONE_CHILD_CLEARTID)
		t->clear_tid = q->child_tid;
}

/* The stack for signals is the maker's alone when memory is shared, unless that one
 * waits: sigaltstack(2). */
static void copy_altstack(struct thread *t, u64 flags)
{
	if ((flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) {
		altstack_reset(t);
		return;
	}
	t->altstack_sp = current->altstack_sp;
	t->altstack_size = current->altstack_size;
	t->altstack_flags = current->altstack_flags;
}

static struct thread *copy_thread(const struct request *q)
{
	struct thread *t = thread_copy(
		q->stack, q->flags & CLONE_SETTLS ? q->tls : read_fs());

	if (!t)
		return NULL;
	inherit(t);
	copy_altstack(t, q->flags);
	return t;
}

static long clone_thread(const struct request *q)
{
	struct thread *t = current->ending ? NULL : copy_thread(q);

	if (!t)
		return -EAGAIN;
	process_add_thread(current->process, t);
	store_number(t, q);
	thread_run(t);
	return t->tid;
}

/* ---- processes ---- */

static long copy_signals(struct process *p, u64 flags)
{
	long r = signal_copy_actions(p, flags & CLONE_SIGHAND);

	if (!r && flags & CLONE_CLEAR_SIGHAND)
		signal_reset_actions(p);
	return r;
}

static struct space *copy_space(u64 flags)
{
	/* The stack where it is, and what is kept for the thread. */
	const u64 hot[] = { current->regs->rsp, read_fs() };

	return flags & CLONE_VM ? space_ref(current->process->space) :
				  space_fork(hot, ARRAY_SIZE(hot));
}

/* A process that lacks threads and a number only; NULL: no memory. */
static struct process *make_process(const struct request *q)
{
	struct process *p = process_copy();

	if (!p)
		return NULL;
	if (copy_signals(p, q->flags))
		goto no_signals;
	if (process_parts_fork(p, q->flags))
		goto no_parts;
	p->space = copy_space(q->flags);
	if (p->space)
		return p;
	process_parts_end(p);
no_parts:
	signal_release_actions(p);
no_signals:
	process_unref(p);
	return NULL;
}

static void unmake_process(struct process *p)
{
	space_unref(p->space);
	process_parts_end(p);
	signal_release_actions(p);
	process_unref(p);
}

static void place(struct process *p, struct thread *t, const struct request *q)
{
	struct process *me = current->process;

	p->leader = t;
	t->kept = true;
	p->parent = me;
	p->maker = current->tid;
	p->exit_signal = q->exit_signal;
	if (q->flags & CLONE_PARENT) {
		p->parent = me->parent;
		p->maker = me->maker;
		p->exit_signal = me->exit_signal;
	}
	process_add(p);
	process_add_thread(p, t);
	cputimer_limit(p);
}

/* vfork(2): only the end of the caller ends this before the child has a space of
 * its own, or none. */
static void wait_for_child(struct process *p)
{
	while (p->borrowed && !current->ending)
		thread_sleep(&p->vforked);
	process_unref(p);
}

static long clone_process(const struct request *q)
{
	struct process *p;
	struct thread *t;
	s32 pid;
	long r;

	if (process_too_many())
		return -EAGAIN;
	p = make_process(q);
	if (!p)
		return -ENOMEM;
	t = copy_thread(q);
	if (!t) {
		unmake_process(p);
		return -EAGAIN;
	}
	pid = p->pid = t->tid;
	r = q->flags & CLONE_PIDFD ? pidfd_give(p, q->pidfd) : 0;
	if (r) {
		thread_discard(t);
		unmake_process(p);
		return r;
	}
	place(p, t, q);
	control->processes++;
	store_number(t, q);
	p->borrowed = q->flags & CLONE_VFORK;
	if (p->borrowed)
		p->refs++;
	thread_run(t);
	if (q->flags & CLONE_VFORK)
		wait_for_child(p);
	return pid;
}

static long clone(const struct request *q)
{
	long r = check(q->flags);

	if (r)
		return r;
	if (q->flags & CLONE_SETTLS && q->tls >= USER_TOP)
		return -EPERM;
	if (too_many())
		return -EAGAIN;
	current->ids.crowd = false; /* it may have one more */
	return q->flags & CLONE_THREAD ? clone_thread(q) : clone_process(q);
}

long sys_clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
	struct request q = { .flags = (u32)flags & ~(u32)SIGNAL_MASK,
			     .stack = stack,
			     .tls = tls,
			     .parent_tid = parent_tid,
			     .child_tid = child_tid,
			     .pidfd = parent_tid,
			     .exit_signal = (s32)(flags & SIGNAL_MASK) };

	if (flags & CLONE_PIDFD && flags & CLONE_PARENT_SETTID)
		return -EINVAL; /* both go to one place */
	return clone(&q);
}

long sys_fork(void)
{
	return clone(&(struct request){ .exit_signal = SIGCHLD });
}

long sys_vfork(void)
{
	return clone(&(struct request){ .flags = CLONE_VM | CLONE_VFORK,
					.exit_signal = SIGCHLD });
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
	struct request q;
	long r = read_arguments(&a, args, size);

	if (!r)
		r = check_arguments(&a);
	if (r)
		return r;
	q = (struct request){ .flags = a.flags,
			      .stack = a.stack ? a.stack + a.stack_size : 0,
			      .tls = a.tls,
			      .parent_tid = a.parent_tid,
			      .child_tid = a.child_tid,
			      .pidfd = a.pidfd,
			      .exit_signal = (s32)a.exit_signal };
	return clone(&q);
}
