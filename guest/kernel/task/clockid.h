/* clockid.h: clocks by the numbers that programs use. */
#ifndef TASK_CLOCKID_H
#define TASK_CLOCKID_H

#include "task/cputimer.h"

enum clock_kind {
	CLOCK_UNKNOWN,
	CLOCK_WALL,
	CLOCK_MONO,
	CLOCK_BOOT,
	CLOCK_CPU
};

/* cpu gets whose time it is, for CLOCK_CPU; it may be NULL. */
enum clock_kind clockid_kind(s32 clock, struct cputimer *cpu);
/* Of one that goes without anybody's help: not CLOCK_CPU. */
enum clock_base clockid_base(enum clock_kind kind);
/* Programs may only read this one, not wait by it. */
bool clockid_coarse(s32 clock);
/* What the clock shows, ns. 0 or -EINVAL. */
long clockid_read(s32 clock, u64 *ns);

#endif
