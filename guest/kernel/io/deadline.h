/*
 * deadline.h: mono ns at which a wait ends; FOREVER: never, 0: at once.
 */
#ifndef IO_DEADLINE_H
#define IO_DEADLINE_H

#include "kernel.h"

/* mono ns, saturating */
u64 deadline_after(u64 ns);
/* Milliseconds as poll and epoll_wait take them: negative is forever. */
u64 deadline_ms(s32 ms);
/* From a struct timespec of the program; user == 0 is forever. 0, -EINVAL,
 * -EFAULT. */
long deadline_timespec(u64 user, u64 *deadline);
/* The same from select's struct timeval, whose microseconds may exceed a
 * second. */
long deadline_timeval(u64 user, u64 *deadline);
/* Stores the time that is left; a wait without end keeps its timeout as it was.
 * A failure is ignored, as by Linux: the timeout may be in read-only memory. */
void deadline_left_timespec(u64 user, u64 deadline);
void deadline_left_timeval(u64 user, u64 deadline);

#endif
