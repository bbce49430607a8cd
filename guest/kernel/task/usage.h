/* usage.h: what threads and processes have used: getrusage(2). */
#ifndef TASK_USAGE_H
#define TASK_USAGE_H

#include "kernel.h"

struct process;
struct thread;

struct usage {
	u64 cpu;                       /* ns */
	u64 faults;                    /* that needed no disk: all */
	u64 waits, preemptions;        /* times that the CPU was given up */
	u64 reads, writes;             /* system calls */
	u64 read_bytes, written_bytes;
};

/* CPU time of a thread so far, ns. */
u64 thread_cpu(const struct thread *t);
void usage_of_thread(const struct thread *t, struct usage *u);
/* Threads that have ended, too. */
void usage_of_process(const struct process *p, struct usage *u);
/* What the process has used until now is not the run's, which begins. */
void usage_start_run(void);
/* t ends: what it used stays with its process. */
void usage_keep(const struct thread *t);

#endif
