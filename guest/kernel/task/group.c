/*
 * group.c: process groups: signals to all of one, and what job control asks; and
 * sessions: setpgid(2), setsid(2).
 */
#include "task/group.h"

#include <linux/signal.h>

#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

bool group_exists(s32 group)
{
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == group)
			return true;
	return false;
}

long group_signal(s32 group, const struct sigqueue_info *info)
{
	long r = -ESRCH;

	for (struct process *p = processes; p; p = p->all_next)
		if (p->group == group) {
			signal_send_process(p, info);
			r = 0;
		}
	return r;
}

s32 group_session(s32 group)
{
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == group)
			return p->session;
	return 0;
}

bool group_orphaned(s32 group)
{
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == group && !p->zombie && p->parent &&
		    p->parent->group != group &&
		    p->parent->session == p->session)
			return false;
	return true;
}

static bool has_stopped(s32 group)
{
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == group && p->signals.stopped)
			return true;
	return false;
}

static void wake_orphans(s32 group)
{
	struct sigqueue_info info = { .signo = SIGHUP, .code = SI_KERNEL };

	if (!group_orphaned(group) || !has_stopped(group))
		return;
	group_signal(group, &info);
	info.signo = SIGCONT;
	group_signal(group, &info);
}

void group_lost_parent(const struct process *p, const struct process *parent)
{
	/* else it did not lean on this one */
	if (parent && p->group != parent->group &&
	    p->session == parent->session)
		wake_orphans(p->group);
}

/* ---- asking ---- */

long sys_getpgrp(void)
{
	return current->process->group;
}

long sys_getpgid(u64 pid)
{
	const struct process *p = process_of((s32)pid);

	return p ? p->group : -ESRCH;
}

long sys_getsid(u64 pid)
{
	const struct process *p = process_of((s32)pid);

	return p ? p->session : -ESRCH;
}

/* ---- changing ---- */

long sys_setsid(void)
{
	struct process *p = current->process;

	if (p->group == p->pid || group_exists(p->pid))
		return -EPERM; /* leads a group already */
	p->group = p->session = p->pid;
	p->terminal = NULL;
	return p->session;
}

/* Whether the session has a process of the group. */
static bool in_session(s32 group, s32 session)
{
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == group && p->session == session)
			return true;
	return false;
}

/* setpgid(2), ERRORS: whether the running process may move p. */
static long may_move(const struct process *p, s32 id)
{
	const struct process *me = current->process;

	if (p && p->pid != id)
		return -EINVAL; /* a thread's number */
	if (!p || (p != me && p->parent != me))
		return -ESRCH;
	if (p != me && p->session != me->session)
		return -EPERM;
	if (p != me && p->executed)
		return -EACCES;
	return p->session == p->pid ? -EPERM : 0; /* leads its session */
}

long sys_setpgid(u64 pid, u64 group)
{
	s32 id = (s32)pid ? (s32)pid : current->process->pid;
	s32 to = (s32)group ? (s32)group : id;
	struct process *p = process_of(id);
	long r;

	if (to < 0)
		return -EINVAL;
	r = may_move(p, id);
	if (r)
		return r;
	if (to != p->pid && !in_session(to, current->process->session))
		return -EPERM;
	p->group = to;
	return 0;
}
