/* thread.h: threads, their waits, and the scheduler. */
#ifndef TASK_THREAD_H
#define TASK_THREAD_H

#include "task/clock.h"
#include "task/ids.h"
#include "task/sched.h"
#include "task/sigset.h"
#include "task/usage.h"

/* After a fault, a tick, or what has set all registers. No number is it. */
#define NO_CALL (~0ull)

struct regs { /* what entry.S saves, in this order */
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi,
		rdi;
	u64 orig_rax; /* system call number, 32 bits, or NO_CALL */
	u64 rip, cs, rflags, rsp, ss;
};

struct waitq {
	struct thread *head, *tail;
};

/* Which futex a word is: futex.c. */
struct futex_key {
	const void *of; /* the mapped data, or the space */
	u64 at;         /* offset in it */
	bool private;
};

struct thread {
	struct thread *next;      /* run queue or wait queue */
	struct thread *all_next;  /* list of all threads */
	struct thread **all_link; /* what leads to this one in it */
	struct thread *peer;      /* the next one of the process */
	struct thread *hash_next; /* numbers.c */
	struct process *process;  /* referenced */
	u64 kernel_sp;            /* saved by thread_switch */
	struct regs *regs;        /* user registers, on the kernel stack */
	void *stack;              /* kernel stack */
	void *xsave;              /* vector registers while not running */
	u64 fs_base;
	s32 tid;
	u32 state;
	bool ending; /* leaves on its next way out; its waits answer -EINTR */
	bool kept;   /* its process frees it, not the next thread to run */
	struct waitq *queue; /* where it waits, or NULL */
	struct timer wake;   /* deadline of the wait */
	long wait_result;
	u64 clear_tid; /* user address, 0 none */
	u64 set_tid;   /* the same, for when it first runs */
	u64 robust_list;
	char name[16];
	struct ids ids;
	struct priority priority;
	s32 parent_death_signal;
	u32 personality;
	u32 memory_policy, memory_nodes;      /* set_mempolicy(2) */
	u64 started;                          /* boot ns */
	u64 timer_slack, default_timer_slack; /* ns */
	/* signal.c */
	sigset blocked;
	struct sigqueue pending;
	sigset saved_blocked; /* restored after a handler ran (sigsuspend,
	                           * ppoll...), valid with restore_blocked */
	bool restore_blocked;
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;
	sigset waiting_for; /* sigtimedwait: wake for these, blocked or not */
	u64 trap_number, error_code, cr2; /* of the last fault */
	struct usage usage;               /* cpu: until on_cpu_since */
	u64 on_cpu_since;                 /* cpu_now() */
	u64 had, charged; /* turn.c: of the CPU, weighted; until when */
	u64 entered;      /* the kernel, the same */
	/* futex.c */
	struct futex_key futex; /* what it waits for; .of NULL: nothing */
	u32 futex_bits;
	u64 futex_lock; /* it waits to own the lock in this word, 0: no */
};
extern struct thread *current;
/* All of them, and first threads that have ended before their process was
 * reaped. */
extern struct thread *threads;
struct thread *thread_find(s32 tid);
bool thread_waits(const struct thread *t);
bool thread_ended(const struct thread *t);
void thread_set_waiting(struct thread *t); /* for one that never runs */
/* How many have this real user. */
u64 threads_of_user(u32 uid);
u32 threads_started(void); /* so far */
u64 thread_frames(void);   /* of their stacks */
/* Named for the program at path, as execve does. */
void thread_name(struct thread *t, const char *path);

/*
 * Waits until woken, the deadline (mono ns) passes, or a signal that is not
 * blocked is pending. 0, -ETIMEDOUT, -EINTR. The caller checks its condition
 * again in a loop.
 */
long thread_wait(struct waitq *q, u64 deadline);
/* The same until a time on any clock. */
long thread_wait_by(struct waitq *q, enum clock_base base, u64 at);
/* Waits until woken, whatever is pending; also woken without a reason. */
void thread_sleep(struct waitq *q);
void waitq_wake_all(struct waitq *q);
void waitq_wake_one(struct waitq *q);
/* Wakes t from its wait with -EINTR (a signal came). */
void thread_interrupt(struct thread *t);
void thread_yield(void);
/* Who is asked whenever the host may have done something for the run: at a tick
 * and after a sleep. */
void thread_on_host(void (*look)(void));
/* No other thread can run now. */
bool thread_alone(void);

static inline u64 read_fs(void)
{
	u64 base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

static inline void write_fs(u64 base)
{
	__asm__ volatile("wrfsbase %0" : : "r"(base));
}

extern u32 xsave_size; /* bytes of the vector state in the standard format */
extern u64 xsave_mask; /* XCR0 */

void threads_init(void); /* makes the main thread, which is running */
/* Starts the main thread's program; does not come back. */
_Noreturn void thread_enter(u64 rip, u64 rsp);
/* The running thread goes back to a new program at rip, with nothing in its
 * registers but the stack. */
void thread_restart(u64 rip, u64 rsp);
/*
 * A thread that goes on as the running one does after its system call, with 0
 * and, unless 0, this stack. NULL: no memory. The caller fills in the rest.
 */
struct thread *thread_copy(u64 stack, u64 fs_base);
void thread_run(struct thread *t); /* from now on it may run */
/* One that was copied and never ran. */
void thread_discard(struct thread *t);
/* The running thread is no more; exit.c has taken leave of its process. */
_Noreturn void thread_end(void);
/* Takes over another's number; that one is no more. */
void thread_take_number(struct thread *t, struct thread *from);
/* Frees one that has ended and was kept. */
void thread_release(struct thread *t);
/* Removes t from the queue it waits in and makes it runnable. */
void thread_wake(struct thread *t, long result);
/* Tells the VMM whether ticks are wanted; on every way out. */
void thread_update_tick(void);
/* On the way out to the program, whatever the way in. */
void exit_work(struct regs *r);

#endif
