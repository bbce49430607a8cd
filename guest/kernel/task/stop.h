/* stop.h: processes that are stopped, and go on: job control. */
#ifndef TASK_STOP_H
#define TASK_STOP_H

#include <asm/signal.h>

#include "task/process.h"

#define STOP_SIGNALS                                                           \
	(1ull << (SIGSTOP - 1) | 1ull << (SIGTSTP - 1) |                       \
	 1ull << (SIGTTIN - 1) | 1ull << (SIGTTOU - 1))

/* A signal whose default action it is stops p, unless its group is orphaned;
 * none of its threads returns to the program until it goes on. */
void stop_process(struct process *p, int signo);
/* p goes on, by SIGCONT; or to its end, which nobody is told. */
void stop_undo(struct process *p);
void stop_end(struct process *p);
/* The running thread waits until its process is not stopped, or it ends. */
void stop_wait(void);

#endif
