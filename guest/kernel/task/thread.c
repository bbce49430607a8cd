/*
 * thread.c: threads, their waits, and the switch from one to another on the one
 * vCPU. turn.c says whose turn it is; `current` is not among those that wait for
 * theirs.
 */
#include "task/thread.h"

#include <asm/prctl.h>

#include "heap.h"
#include "hypercall.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/cputimer.h"
#include "task/kill.h"
#include "task/numbers.h"
#include "task/process.h"
#include "task/signal.h"
#include "task/stop.h"
#include "task/turn.h"

#define STACK_FRAMES 4
#define STACK_SIZE (STACK_FRAMES * PAGE_SIZE)
#define RFLAGS_USER 0x202 /* IF and the bit that is always set */
#define THREADS_MAX 4096
#define FRAMES_EACH 16
#define HOST_MAX 2

enum { RUNNABLE, WAITING, DEAD };

struct thread *current;
struct thread *threads;
u32 xsave_size;
u64 xsave_mask;

extern u64 kernel_stack_top;
extern void thread_start(void);
extern void thread_switch_stack(u64 *save, u64 load);

static struct thread *dead; /* its stack is free once another one runs */
static u32 started;
static u32 count; /* of struct thread */
static u64 stacks;
static void (*on_host[HOST_MAX])(void);

static void queue_push(struct waitq *q, struct thread *t)
{
	t->next = NULL;
	if (q->tail)
		q->tail->next = t;
	else
		q->head = t;
	q->tail = t;
}

static void queue_remove(struct waitq *q, struct thread *t)
{
	struct thread *previous = NULL;

	for (struct thread *i = q->head; i; previous = i, i = i->next) {
		if (i != t)
			continue;
		if (previous)
			previous->next = t->next;
		else
			q->head = t->next;
		if (q->tail == t)
			q->tail = previous;
		return;
	}
}

void thread_name(struct thread *t, const char *path)
{
	const char *name = path;

	for (const char *slash = path; (slash = strchr(slash, '/'));)
		name = ++slash;
	memset(t->name, 0, sizeof(t->name));
	memcpy(t->name, name, strnlen(name, sizeof(t->name) - 1));
}

u32 threads_started(void)
{
	return started;
}

u64 thread_frames(void)
{
	return stacks * STACK_FRAMES;
}

bool thread_waits(const struct thread *t)
{
	return t->state == WAITING;
}

void thread_set_waiting(struct thread *t)
{
	t->state = WAITING;
}

bool thread_ended(const struct thread *t)
{
	return t->state == DEAD;
}

/* ---- making and ending ---- */

static void on_wake_timer(struct timer *timer)
{
	struct thread *t = (struct thread *)((char *)timer -
					     offsetof(struct thread, wake));

	thread_wake(t, -ETIMEDOUT);
}

u64 threads_of_user(u32 uid)
{
	u64 n = 0;

	for (const struct thread *t = threads; t; t = t->all_next)
		n += t->ids.uid == uid;
	return n;
}

/* So that what threads and processes need in the kernel leaves most of memory
 * to programs. */
static bool too_many(void)
{
	return count >= MIN((u64)THREADS_MAX, frames_total() / FRAMES_EACH);
}

static struct thread *thread_new(void)
{
	struct thread *t = too_many() ? NULL : kmalloc(sizeof(*t));
	gpa_t stack;

	if (!t)
		return NULL;
	t->xsave = kmalloc(xsave_size);
	stack = frames_alloc(STACK_FRAMES);
	if (!t->xsave || !stack) {
		kfree(t->xsave);
		if (stack)
			frames_free(stack, STACK_FRAMES);
		kfree(t);
		return NULL;
	}
	t->stack = gpa_to_ptr(stack);
	stacks++;
	count++;
	started++;
	t->tid = number_new();
	number_add_thread(t);
	t->started = boot_now();
	t->wake = (struct timer){ .deadline = FOREVER, .fn = on_wake_timer };
	t->all_next = threads;
	t->all_link = &threads;
	if (threads)
		threads->all_link = &t->all_next;
	threads = t;
	return t;
}

static u64 stack_top(const struct thread *t)
{
	/* 8 short: struct regs then leaves the stack aligned for C. */
	return (u64)t->stack + STACK_SIZE - 8;
}

static void free_stack(struct thread *t)
{
	frames_free(ptr_to_gpa(t->stack), STACK_FRAMES);
	stacks--;
	kfree(t->xsave);
	t->stack = t->xsave = NULL;
	t->regs = NULL; /* they were on it */
}

/* No longer among threads; a stack that it still has is the caller's. */
static void forget(struct thread *t)
{
	*t->all_link = t->all_next;
	if (t->all_next)
		t->all_next->all_link = t->all_link;
	number_remove_thread(t);
	ids_release(&t->ids);
	count--;
}

void thread_release(struct thread *t)
{
	t->kept = false;
	if (t->stack)
		return; /* it is the one to be buried */
	forget(t);
	kfree(t);
}

void thread_discard(struct thread *t)
{
	free_stack(t);
	forget(t);
	kfree(t);
}

static void bury(void)
{
	struct thread *t = dead;
	struct process *p;

	if (!t)
		return;
	dead = NULL;
	p = t->process;
	free_stack(t);
	if (!t->kept) {
		forget(t);
		kfree(t);
	}
	process_unref(p);
}

void thread_take_number(struct thread *t, struct thread *from)
{
	s32 tid = from->tid;

	number_remove_thread(from);
	number_remove_thread(t);
	from->tid = t->tid;
	t->tid = tid;
	number_add_thread(t);
	number_add_thread(from);
}

static void cpuid(u32 leaf, u32 subleaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ volatile("cpuid"
			 : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d)
			 : "a"(leaf), "c"(subleaf));
}

void threads_init(void)
{
	u32 a, b, c, d, low, high;

	cpuid(0xd, 0, &a, &b, &c, &d);
	xsave_size = b; /* for what XCR0 enables: SDM 1, 13.2 */
	/* On kvm-pvm the CPU's XCR0 is the host's and may have more in it than
	 * the VM was given and the size counts. */
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	xsave_mask = ((u64)d << 32 | a) & ((u64)high << 32 | low);
	numbers_init();
	current = thread_new();
	if (!current)
		panic("no memory for the first thread");
	kernel_stack_top = stack_top(current);
}

static void regs_start(struct regs *r, u64 rip, u64 rsp)
{
	memset(r, 0, sizeof(*r));
	r->orig_rax = NO_CALL;
	r->rip = rip;
	r->rsp = rsp;
	r->cs = ZB_SEL_UCODE;
	r->ss = ZB_SEL_UDATA;
	r->rflags = RFLAGS_USER;
}

void thread_restart(u64 rip, u64 rsp)
{
	struct thread *t = current;
	u32 mxcsr = 0x1f80; /* SDM 1, 10.2.3: what it is after a reset */

	regs_start(t->regs, rip, rsp);
	write_fs(0);
	/* No state in use: all of it is what it is after a reset. */
	memset(t->xsave, 0, xsave_size);
	memcpy((u8 *)t->xsave + 24, &mxcsr, sizeof(mxcsr));
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(t->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
}

void thread_enter(u64 rip, u64 rsp)
{
	struct regs *r = (struct regs *)(stack_top(current) - sizeof(*r));

	regs_start(r, rip, rsp);
	current->regs = r;
	__asm__ volatile("mov %0, %%rsp\n\tjmp return_full"
			 :
			 : "r"(r)
			 : "memory");
	__builtin_unreachable();
}

/* ---- switching ---- */

static void switch_to(struct thread *next)
{
	struct thread *previous = current;
	u64 now;

	if (next == previous)
		return;
	now = cpu_now();
	usage_leave();
	previous->fs_base = read_fs();
	previous->usage.cpu += now - previous->on_cpu_since;
	turn_charge(previous, now);
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(previous->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	current = next;
	if (next->process->space != space)
		space_switch(next->process->space);
	next->on_cpu_since = next->charged = now;
	usage_enter();
	kernel_stack_top = stack_top(next);
	write_fs(next->fs_base);
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(next->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	thread_switch_stack(&previous->kernel_sp, next->kernel_sp);
	bury();
}

void thread_on_host(void (*look)(void))
{
	u32 i = 0;

	while (i < HOST_MAX && on_host[i])
		i++;
	if (i == HOST_MAX)
		panic("too many ask after the host");
	on_host[i] = look;
}

/* What the host may have done for the run meanwhile. */
static void hear_host(void)
{
	kill_by_host();
	for (u32 i = 0; i < HOST_MAX && on_host[i]; i++)
		on_host[i]();
}

/* Sleeps on the host until the next timer, when no thread can run. */
static void idle(void)
{
	u64 start = cpu_now(), slept;

	usage_leave();
	cputimers_pause();
	control->idle_until = timer_next();
	hypercall(ZB_HC_IDLE);
	slept = cpu_now() - start;
	current->on_cpu_since += slept;
	current->charged += slept;
	usage_enter();
	cputimers_resume();
	hear_host();
	timers_run();
}

/* Gives the CPU to the next runnable thread; current is in some queue. */
static void schedule(void)
{
	struct thread *next;

	while (!(next = turn_take())) {
		timers_run();
		if (!turn_any())
			hear_host();
		if (!turn_any())
			idle();
	}
	switch_to(next);
}

void thread_wake(struct thread *t, long result)
{
	if (t->state != WAITING)
		return;
	if (t->queue)
		queue_remove(t->queue, t);
	t->queue = NULL;
	timer_arm(&t->wake, FOREVER);
	t->wait_result = result;
	t->state = RUNNABLE;
	turn_woken(t);
	turn_add(t);
}

void thread_sleep(struct waitq *q)
{
	struct thread *t = current;

	t->state = WAITING;
	t->queue = q;
	queue_push(q, t);
	schedule();
}

long thread_wait_by(struct waitq *q, enum clock_base base, u64 at)
{
	struct thread *t = current;
	long r;

	if (signal_pending(t))
		return -EINTR;
	if (at != FOREVER && at <= clock_now(base))
		return -ETIMEDOUT;
	t->usage.waits++;
	if (at != FOREVER)
		timer_arm_by(&t->wake, base, at);
	thread_sleep(q);
	r = t->wait_result;
	stop_wait(); /* a stopped process takes nothing of what has come */
	/* Another thread may have taken the signal meanwhile. */
	return r == -EINTR && !signal_pending(t) ? 0 : r;
}

long thread_wait(struct waitq *q, u64 deadline)
{
	return thread_wait_by(q, BY_MONO, deadline);
}

void waitq_wake_one(struct waitq *q)
{
	if (q->head)
		thread_wake(q->head, 0);
}

void waitq_wake_all(struct waitq *q)
{
	while (q->head)
		thread_wake(q->head, 0);
}

void thread_interrupt(struct thread *t)
{
	thread_wake(t, -EINTR);
}

bool thread_alone(void)
{
	return !turn_any();
}

static void give_way(void)
{
	current->usage.preemptions++;
	turn_add(current);
	schedule();
}

void thread_yield(void)
{
	if (!turn_any())
		return;
	turn_charge(current, cpu_now());
	turn_pass(current);
	give_way();
}

void thread_update_tick(void)
{
	u32 wanted = turn_any() || timer_next() != FOREVER;

	if (wanted != control->want_tick)
		control->want_tick = wanted;
}

/* ---- ways in and out ---- */

/* `syscall` and faults leave no other way to see that this came in time. */
static bool timer_due(void)
{
	u64 next = timer_next();

	return next != FOREVER && next <= mono_now();
}

void exit_work(struct regs *r)
{
	bool ticked = control->preempt;

	if (ticked) {
		control->preempt = 0;
		hear_host();
	}
	if (timer_due())
		timers_run();
	if (turn_over(ticked))
		give_way();
	if (signal_work(current, r))
		signal_deliver(r);
	thread_update_tick();
}

/* From entry.S. */
void tick_handle(struct regs *r);
void tick_handle(struct regs *r)
{
	usage_enter();
	current->regs = r;
	hear_host();
	timers_run();
	if (turn_over(true))
		give_way();
	exit_work(r);
	usage_leave();
}

void thread_first_run(struct regs *r);
void thread_first_run(struct regs *r)
{
	bury();
	if (current->set_tid) /* a copy's own memory is reached only now */
		(void)copy_to_user(current->set_tid, &current->tid,
				   sizeof(current->tid));
	exit_work(r);
	usage_leave();
}

void thread_end(void)
{
	current->state = DEAD;
	/* The previous one was buried when this thread came to run. */
	dead = current;
	schedule();
	__builtin_unreachable();
}

/* ---- a thread that goes on where the running one is ---- */

struct thread *thread_copy(u64 stack, u64 fs_base)
{
	struct thread *t = thread_new();
	struct regs *r;
	u64 *frame;

	if (!t)
		return NULL;
	r = (struct regs *)(stack_top(t) - sizeof(*r));
	*r = *current->regs;
	r->rax = 0;
	r->orig_rax = NO_CALL;
	if (stack)
		r->rsp = stack;
	t->regs = r;
	t->fs_base = fs_base;
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(t->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	frame = (u64 *)r - 7; /* six registers, then where to return to */
	memset(frame, 0, 6 * sizeof(*frame));
	frame[6] = (u64)thread_start;
	t->kernel_sp = (u64)frame;
	return t;
}

void thread_run(struct thread *t)
{
	turn_start(t);
	turn_add(t);
}

/* ---- system calls ---- */

long sys_gettid(void)
{
	return current->tid;
}

long sys_set_tid_address(u64 address)
{
	current->clear_tid = address;
	return current->tid;
}

long sys_sched_yield(void)
{
	thread_yield();
	return 0;
}

long sys_arch_prctl(u64 code, u64 address)
{
	u64 base;

	switch (code) {
	case ARCH_SET_FS:
		if (address >= USER_TOP)
			return -EPERM;
		write_fs(address);
		return 0;
	case ARCH_GET_FS:
		base = read_fs();
		return copy_to_user(address, &base, sizeof(base));
	default:
		return -EINVAL;
	}
}
