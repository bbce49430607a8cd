/* futex.h: what the end of a thread does to futexes. */
#ifndef TASK_FUTEX_H
#define TASK_FUTEX_H

#include "task/thread.h"

/* Wakes one that waits for this word, which is not for private use. */
void futex_wake_address(u64 address);
void futex_release_robust(struct thread *t);

#endif
