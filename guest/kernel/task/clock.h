/* clock.h: time from rdtsc, and timers. */
#ifndef TASK_CLOCK_H
#define TASK_CLOCK_H

#include "kernel.h"

u64 mono_now(void); /* CLOCK_MONOTONIC, ns */
/* ns; stands still while the vCPU waits for a CPU of the host, as far as the VMM
 * has told. */
u64 cpu_now(void);
u64 wall_now(void); /* CLOCK_REALTIME, ns */
u64 boot_now(void); /* CLOCK_BOOTTIME, ns */
/* A clock that a time is on: only by the first of them does time stand still between
 * the execs of a session. */
enum clock_base { BY_MONO, BY_WALL, BY_BOOT };
u64 clock_now(enum clock_base base);
/* Takes the host's clocks from the control page: at boot and in every fork. */
void clock_start(void);
/* Between the execs of a session the monotonic clock stands, where control says;
 * the others go on. */
void clock_stop(void);
void clock_resume(void);

/*
 * A timer calls fn from the kernel's way out or from the tick, never inside a
 * system call; fn must not wait. Owned by the caller; deadline is mono ns.
 */
struct timer {
	u64 deadline; /* FOREVER: not armed */
	enum clock_base base;
	u64 at; /* the same on that clock */
	void (*fn)(struct timer *t);
	/* Its place among those that are armed. */
	u64 order;
	struct timer *child, *sibling, *prev;
};
void timer_arm(struct timer *t, u64 deadline); /* re-arms; FOREVER disarms */
/* The same for a time on any clock. */
void timer_arm_by(struct timer *t, enum clock_base base, u64 at);
/* Deadline of the earliest timer, or FOREVER. */
u64 timer_next(void);
/* Calls what is due. */
void timers_run(void);

#endif
