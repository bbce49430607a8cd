/* lock.h: locked memory: mlock(2). */
#ifndef MM_LOCK_H
#define MM_LOCK_H

#include "kernel.h"

u64 mm_locked_pages(void);

#endif
