/*
 * cputimer.h: timers that go by CPU time, of a process or a thread, and the
 * limit RLIMIT_CPU.
 */
#ifndef TASK_CPUTIMER_H
#define TASK_CPUTIMER_H

#include "kernel.h"

struct process;
struct thread;

struct cputimer {
	struct cputimer *next;
	s32 pid;
	s32 tid;   /* of a thread; 0: all of the process */
	bool user; /* without the time in the kernel */
	bool armed;
	u64 expires;                    /* on its clock */
	void (*fn)(struct cputimer *t); /* as a timer's: disarmed before */
};

/* The thread or process that it goes by is no more. */
bool cputimer_gone(const struct cputimer *t);
/* What its clock shows. */
u64 cputimer_now(const struct cputimer *t);
void cputimer_arm(struct cputimer *t, u64 expires); /* re-arms */
void cputimer_disarm(struct cputimer *t);

/* Around a wait of all threads: these timers do not go on. */
void cputimers_pause(void);
void cputimers_resume(void);
/* The thread ends. */
void cputimers_forget(const struct thread *t);

/* p's RLIMIT_CPU has changed. */
void cputimer_limit(struct process *p);

#endif
