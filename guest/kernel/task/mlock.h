/* mlock.h: locked memory: mlock(2). */
#ifndef TASK_MLOCK_H
#define TASK_MLOCK_H

#include "kernel.h"

u64 mm_locked_pages(void);

#endif
