/* itimer.h: the three interval timers of a process: setitimer(2). */
#ifndef TASK_ITIMER_H
#define TASK_ITIMER_H

#include "task/clock.h"
#include "task/cputimer.h"

struct process;

struct itimer {
	struct timer timer;      /* ITIMER_REAL */
	struct cputimer cpu;     /* ITIMER_VIRTUAL, ITIMER_PROF */
	struct process *process; /* NULL: never used */
	u64 interval, expires;   /* expires: FOREVER not armed */
};

/* They stop; nothing of them remains armed. */
void itimers_stop(struct process *p);

#endif
