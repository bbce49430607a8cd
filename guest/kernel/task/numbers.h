/*
 * numbers.h: the numbers of threads and processes. There is one space of them: a
 * process has that of its first thread, and groups and sessions those of the
 * processes that made them.
 */
#ifndef TASK_NUMBERS_H
#define TASK_NUMBERS_H

#include "kernel.h"

struct process;
struct thread;

#define NUMBER_MAX 4194304 /* /proc/sys/kernel/pid_max */

void numbers_init(void);
/* One that nothing has. */
s32 number_new(void);
/* The one that was handed out last. */
s32 number_last(void);
void number_add_thread(struct thread *t);
void number_remove_thread(struct thread *t);
void number_add_process(struct process *p);
void number_remove_process(struct process *p);

#endif
