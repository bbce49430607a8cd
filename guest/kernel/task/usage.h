/* usage.h: what threads and processes have used: getrusage(2). */
#ifndef TASK_USAGE_H
#define TASK_USAGE_H

#include "kernel.h"

struct process;
struct rusage; /* <linux/resource.h> */
struct thread;

struct usage {
	u64 cpu;                /* ns */
	u64 system;             /* of them, in the kernel */
	u64 faults;             /* that needed no disk: all */
	u64 waits, preemptions; /* times that the CPU was given up */
	u64 reads, writes;      /* system calls */
	u64 read_bytes, written_bytes;
};

/* The running thread enters or leaves the kernel, for the program. */
void usage_enter(void);
void usage_leave(void);
/* A run starts: what the time before it was used for is not its own. */
void usage_start_run(void);
/* The same of an exec of a session, whose program goes on. */
void usage_start_exec(void);
/* What the run, or exec, has used so far: CPU time, and pages at most. */
u64 usage_cpu_of_run(void);
u64 usage_peak_of_run(void);

/* CPU time of a thread so far, ns. */
u64 thread_cpu(const struct thread *t);
void usage_of_thread(const struct thread *t, struct usage *u);
/* Threads that have ended, too; the first without the pages that have come
 * without a fault, which take time to count. */
void usage_of_threads(const struct process *p, struct usage *u);
void usage_of_process(const struct process *p, struct usage *u);
/* Of all processes, also those that were reaped. */
void usage_of_all(struct usage *u);
/* t ends: what it used stays with its process. */
void usage_keep(const struct thread *t);
/* Of a process that has ended, with the children it waited for; its parent has
 * waited for it. */
void usage_with_children(const struct process *p, struct usage *u);
/* p is reaped. */
void usage_reap(const struct process *p);
void usage_keep_child(struct process *parent, const struct process *child);
/* As getrusage(2) tells it; peak: pages. */
void usage_describe(const struct usage *u, u64 peak, struct rusage *r);

#endif
