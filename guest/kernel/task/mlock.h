/* mlock.h: locked memory: mlock(2). */
#ifndef TASK_MLOCK_H
#define TASK_MLOCK_H

#include "kernel.h"

/* What is locked grows as far as RLIMIT_MEMLOCK says from now on. */
void mlock_init(void);
u64 mm_locked_pages(void);
/* Whether a new mapping of these flags may be had: mmap(2), MAP_LOCKED. */
long mlock_check_new(u64 size, u32 flags);

#endif
