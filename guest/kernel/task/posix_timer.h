/* posix_timer.h: a process's timers of timer_create(2). */
#ifndef TASK_POSIX_TIMER_H
#define TASK_POSIX_TIMER_H

struct process;

void posix_timers_delete(struct process *p);

#endif
