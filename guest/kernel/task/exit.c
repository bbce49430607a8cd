/*
 * exit.c: the ends of threads and processes. A thread that is to end does so on
 * its own way out of the kernel, in its own space; the last one of a process
 * makes it a zombie.
 */
#include <linux/signal.h>
#include <linux/wait.h>

#include "heap.h"
#include "host.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/resident.h"
#include "mm/space.h"
#include "syscalls.h"
#include "task/futex.h"
#include "task/group.h"
#include "task/posix_timer.h"
#include "task/process.h"
#include "task/signal.h"
#include "task/stop.h"
#include "task/terminal.h"

#define TICKS 100 /* a second, as AT_CLKTCK */
#define AT_END_MAX 2

/* ---- the run ---- */

static void (*at_end[AT_END_MAX])(u32 kind);

void process_at_end(void (*call)(u32 kind))
{
	for (size_t i = 0; i < AT_END_MAX; i++)
		if (!at_end[i]) {
			at_end[i] = call;
			return;
		}
	panic("no room for what is called at the end");
}

void process_account(u32 kind)
{
	u64 peak = kind == ZB_STATUS_OUT_OF_MEMORY ?
			   frames_total() - frames_available() :
			   usage_peak_of_run();

	control->cpu_ns = usage_cpu_of_run();
	control->memory_peak = peak * PAGE_SIZE;
}

_Noreturn static void end_run(int status, u32 kind)
{
	for (size_t i = 0; i < AT_END_MAX && at_end[i]; i++)
		at_end[i](kind);
	process_account(kind);
	host_exit(status, kind);
}

_Noreturn static void end_first(u32 status)
{
	int signo = (int)(status & 0x7f);

	if (signo)
		end_run(128 + signo, ZB_STATUS_SIGNALLED);
	end_run((int)(status >> 8), ZB_STATUS_EXITED);
}

/* ---- the parent is told ---- */

static u64 ticks(u64 ns)
{
	return ns * TICKS / NSEC;
}

static struct sigqueue_info report(const struct process *p)
{
	u32 signo = p->status & 0x7f;

	return (struct sigqueue_info){
		.signo = p->exit_signal,
		.code = signo ? CLD_KILLED : CLD_EXITED,
		.pid = p->pid,
		.uid = p->leader->ids.uid,
		.status = (s32)(signo ? signo : p->status >> 8),
		.user_time = (s64)ticks(p->ended.cpu - p->ended.system),
		.system_time = (s64)ticks(p->ended.system)
	};
}

/* A zombie's parent, if it has one, is told. Who does not want to wait for its
 * children has them reaped: sigaction(2), SA_NOCLDWAIT. */
static void tell_parent(struct process *p)
{
	const struct action *a;
	struct process *parent = p->parent;
	struct sigqueue_info info;
	bool ignores, reaps = !parent;

	if (parent) {
		info = report(p);
		a = &parent->signals.actions->of[SIGCHLD];
		ignores = a->handler == (u64)SIG_IGN;
		reaps = p->exit_signal == SIGCHLD &&
			(ignores || a->flags & SA_NOCLDWAIT);
		if (p->exit_signal && !(reaps && ignores))
			signal_send_process(parent, &info);
		waitq_wake_all(&parent->waiting);
	}
	process_parts_ended(p);
	if (reaps)
		process_reap(p);
}

/* ---- children without a parent ---- */

static struct process *next_parent(const struct process *p)
{
	struct process *a = p->parent;

	while (a && (!a->subreaper || a->ending))
		a = a->parent;
	return a;
}

static void tell_of_death(struct process *child, const struct thread *maker)
{
	struct sigqueue_info info = { .code = SI_USER,
				      .pid = maker->process->pid,
				      .uid = maker->ids.uid };

	for (struct thread *t = child->threads; t; t = t->peer) {
		info.signo = t->parent_death_signal;
		if (info.signo && !thread_ended(t))
			signal_send_process(child, &info);
	}
}

/* The running thread ends: children that it made are another's now. */
static void leave_children(struct process *p)
{
	const struct thread *heir = p->threads;

	while (heir && (heir == current || thread_ended(heir)))
		heir = heir->peer;
	for (struct process *c = p->children; c; c = c->sibling) {
		if (c->maker != current->tid)
			continue;
		if (heir)
			c->maker = heir->tid;
		tell_of_death(c, current);
	}
}

static void give_children_away(struct process *p)
{
	struct process *to = next_parent(p), *c;

	while ((c = p->children)) {
		process_adopt(c, to);
		c->maker = process_parent(c);
		c->exit_signal = SIGCHLD;
		group_lost_parent(c, p);
		if (c->zombie)
			tell_parent(c);
	}
}

/* ---- leaving ---- */

void process_release_vfork(struct process *p)
{
	p->borrowed = false;
	waitq_wake_all(&p->vforked);
}

static void leave_space(struct process *p)
{
	struct space *old = p->space;

	p->peak = mm_peak_pages();
	p->space = NULL;
	if (old != first_process->space)
		space_switch(first_process->space);
	space_unref(old);
	process_release_vfork(p);
}

static void drop_timers(struct process *p)
{
	posix_timers_delete(p);
	itimers_stop(p);
	cputimer_disarm(&p->cpu_limit);
}

/* The last thread of p, the running one, leaves. */
static void become_zombie(struct process *p)
{
	p->ending = true;
	drop_timers(p);
	process_parts_end(p);
	terminal_exit(p);
	leave_space(p);
	p->zombie = true;
	give_children_away(p);
	group_lost_parent(p, p->parent);
	sigqueue_drop(&p->signals.pending, p, ~0ull);
	tell_parent(p);
}

void process_leave(int status)
{
	struct thread *t = current;
	struct process *p = t->process;
	bool last = p->thread_count == 1;

	if (!p->ending && t == p->leader)
		p->status = STATUS_EXITED(status);
	if (p == first_process && (last || p->ending))
		end_first(p->status);
	futex_release(t);
	leave_children(p);
	signal_forget(t);
	cputimers_forget(t);
	usage_keep(t);
	process_remove_thread(p, t);
	if (p->thread_count == 1)
		waitq_wake_all(&p->sole);
	if (last)
		become_zombie(p);
	thread_end();
}

void process_end(struct process *p, u32 status)
{
	if (p->ending || p->zombie)
		return;
	p->ending = true;
	p->status = status;
	for (struct thread *t = p->threads; t; t = t->peer) {
		t->ending = true;
		thread_interrupt(t);
	}
	stop_end(p);
}

void process_end_others(void)
{
	struct process *p;

	while ((p = processes) != first_process || p->all_next) {
		p = p == first_process ? p->all_next : p;
		process_end(p, SIGKILL);
		if (p->zombie)
			process_reap(p);
		else
			thread_yield();
	}
}

_Noreturn static void end_running(u32 status)
{
	process_end(current->process, status);
	process_leave(0);
}

void process_exit(int status)
{
	end_running(STATUS_EXITED(status));
}

void process_killed(int signo)
{
	end_running((u32)signo);
}

void process_end_run_out_of_memory(void)
{
	end_run(128 + SIGKILL, ZB_STATUS_OUT_OF_MEMORY);
}

/* ---- system calls ---- */

long sys_exit(u64 status)
{
	process_leave((int)(status & 0xff));
}

long sys_exit_group(u64 status)
{
	process_exit((int)(status & 0xff));
}
