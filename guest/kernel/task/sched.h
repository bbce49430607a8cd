/* sched.h: what a thread has been told about its scheduling: sched(7). */
#ifndef TASK_SCHED_H
#define TASK_SCHED_H

#include "kernel.h"

#define TIMER_SLACK 50000 /* ns; prctl(2), PR_SET_TIMERSLACK */

struct priority {
	u32 policy;   /* SCHED_* */
	s32 nice;     /* -20 .. 19 */
	u32 realtime; /* 1 .. 99 with FIFO and RR, else 0 */
	u32 io;       /* ioprio_set(2) */
	bool reset_on_fork;
};

void priority_init(struct priority *p);
/* That of a new thread, from its maker's. */
struct priority priority_inherited(const struct priority *p);

#endif
