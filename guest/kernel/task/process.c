/* process.c: processes, their groups and sessions. */
#include "task/process.h"

#include <asm/signal.h>
#include <linux/wait.h>

#include "host.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"

void process_init(void)
{
	static struct process first = { .pid = FIRST_PROCESS,
					.parent = INIT_PROCESS,
					.group = FIRST_PROCESS,
					.session = FIRST_PROCESS,
					.umask = 022,
					.thread_count = 1,
					.dumpable = 1 };

	first.space = space;
	first.started = mono_now();
	limits_init(&first.limits);
	current->process = &first;
	ids_init(&current->ids);
	priority_init(&current->priority);
	current->timer_slack = current->default_timer_slack = TIMER_SLACK;
}

struct process *process_find(s32 pid)
{
	struct process *p = current->process;

	return pid == p->pid ? p : NULL;
}

struct process *process_of(s32 id)
{
	const struct thread *t = id ? thread_find(id) : current;

	return t ? t->process : NULL;
}

long process_set_command(const void *strings, size_t size)
{
	struct layout *l = &current->process->layout;
	size_t room = l->args_end - l->args;

	if (size == 0 || size > room)
		return -EINVAL;
	if (user_copy((void *)l->args, strings, size) < size)
		return -EFAULT;
	user_clear((void *)(l->args + size), room - size);
	l->args_end = l->args + size;
	return (long)size;
}

static void (*at_end)(void);

void process_at_end(void (*call)(void))
{
	at_end = call;
}

_Noreturn static void end(int status, u32 kind)
{
	if (at_end)
		at_end();
	control->frames_free = frames_available();
	host_exit(status, kind);
}

void process_exit(int status)
{
	end(status, ZB_STATUS_EXITED);
}

void process_killed(int signo)
{
	end(128 + signo, ZB_STATUS_SIGNALLED);
}

void process_out_of_memory(void)
{
	end(128 + SIGKILL, ZB_STATUS_OUT_OF_MEMORY);
}

/* ---- asking ---- */

long sys_getpid(void)
{
	return current->process->pid;
}

long sys_getppid(void)
{
	return current->process->parent;
}

long sys_getpgrp(void)
{
	return current->process->group;
}

long sys_getpgid(u64 pid)
{
	const struct process *p = process_of((s32)pid);

	if ((s32)pid == INIT_PROCESS)
		return INIT_PROCESS; /* leads its own */
	return p ? p->group : -ESRCH;
}

long sys_getsid(u64 pid)
{
	const struct process *p = process_of((s32)pid);

	if ((s32)pid == INIT_PROCESS)
		return INIT_PROCESS; /* leads its own */
	return p ? p->session : -ESRCH;
}

/* ---- groups and sessions ---- */

long sys_setsid(void)
{
	struct process *p = current->process;

	if (p->group == p->pid)
		return -EPERM; /* leads its group already */
	p->group = p->session = p->pid;
	p->terminal = NULL;
	return p->session;
}

long sys_setpgid(u64 pid, u64 group)
{
	s32 id = (s32)pid ? (s32)pid : current->process->pid;
	s32 to = (s32)group ? (s32)group : id;
	struct process *p = process_of(id);

	if (to < 0)
		return -EINVAL;
	if (!p)
		return -ESRCH;
	if (p->pid != id)
		return -EINVAL; /* a thread's number */
	if (p->session == p->pid)
		return -EPERM; /* leads its session */
	if (to != p->pid && to != p->group)
		return -EPERM;
	p->group = to;
	return 0;
}

/* ---- children: there are none ---- */

#define WAIT_FLAGS (__WNOTHREAD | __WALL | __WCLONE)

long sys_wait4(u64 pid, u64 status, u64 options, u64 usage)
{
	(void)status, (void)usage;
	if ((u32)options &
	    ~(u32)(WNOHANG | WUNTRACED | WCONTINUED | WAIT_FLAGS))
		return -EINVAL;
	return (s32)pid == INT32_MIN ? -ESRCH : -ECHILD;
}

long sys_waitid(u64 which, u64 id, u64 info, u64 options, u64 usage)
{
	(void)info, (void)usage;
	if ((u32)options & ~(u32)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED |
				  WCONTINUED | WAIT_FLAGS))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch ((s32)which) {
	case P_ALL:
		return -ECHILD;
	case P_PID:
		return (s32)id <= 0 ? -EINVAL : -ECHILD;
	case P_PGID:
		return (s32)id < 0 ? -EINVAL : -ECHILD;
	case P_PIDFD:
		return (s32)id < 0 ? -EINVAL : -EBADF; /* there are none */
	default:
		return -EINVAL;
	}
}

long sys_fork(void)
{
	return -EAGAIN;
}

long sys_vfork(void)
{
	return -EAGAIN;
}

long process_exec_begin(void)
{
	return current->process->thread_count > 1 ? -EAGAIN : 0;
}

void process_exec_done(void)
{
}
