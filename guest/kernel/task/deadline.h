/*
 * deadline.h: times as programs give them, and when a wait ends.
 *
 * Times are ns in a u64 that saturates at NS_MAX, as Linux's do: what is later
 * counts as that. A deadline is a time of mono_now(); FOREVER: never, 0: at
 * once.
 */
#ifndef TASK_DEADLINE_H
#define TASK_DEADLINE_H

#include <linux/time_types.h>

#include "kernel.h"

#define NS_MAX (~0ull >> 1)

bool timespec_ok(const struct __kernel_timespec *t);
u64 timespec_ns(const struct __kernel_timespec *t); /* of one that is ok */
struct __kernel_timespec ns_timespec(u64 ns);
struct __kernel_old_timeval ns_timeval(u64 ns);
/* From the program: 0, -EFAULT, -EINVAL. */
long timespec_read(u64 user, u64 *ns);
/* seconds and us are not negative */
u64 timeval_ns(u64 seconds, u64 us);

u64 deadline_after(u64 ns);
/* When a clock will show `ns` that shows `now`. */
u64 deadline_at(u64 ns, u64 now);
/* Milliseconds as poll and epoll_wait take them: negative is forever. */
u64 deadline_ms(s32 ms);
/* From a struct timespec of the program; user == 0 is forever. 0, -EINVAL,
 * -EFAULT. */
long deadline_timespec(u64 user, u64 *deadline);
/* The same from select's struct timeval, whose microseconds may exceed a
 * second. */
long deadline_timeval(u64 user, u64 *deadline);
/* What is left until the deadline. */
u64 deadline_left(u64 deadline);
/* Stores the time that is left; a wait without end keeps its timeout as it was.
 * 0 or -EFAULT, which most ignore, as Linux does: the timeout may be in read-only
 * memory. */
long deadline_left_timespec(u64 user, u64 deadline);
void deadline_left_timeval(u64 user, u64 deadline);

#endif
