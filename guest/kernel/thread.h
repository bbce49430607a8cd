/* thread.h: the scheduler's side of threads, for main.c, futex.c, fault.c. */
#ifndef THREAD_H
#define THREAD_H

#include "kernel.h"

extern u32 xsave_size;  /* bytes of the vector state in the standard format */
extern u64 xsave_mask;  /* XCR0 */

void threads_init(void); /* makes the main thread, which is running */
/* Starts the main thread's program; does not come back. */
_Noreturn void thread_enter(u64 rip, u64 rsp);
/* Removes t from the queue it waits in and makes it runnable. */
void thread_wake(struct thread *t, long result);
/* Tells the VMM whether ticks are wanted; on every way out. */
void thread_update_tick(void);

/* futex.c */
void futex_wake_address(u64 address, u32 count);
void futex_release_robust(struct thread *t);

/* On the way out to the program, whatever the way in. */
void exit_work(struct regs *r);

#endif
