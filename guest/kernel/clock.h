/* clock.h: time from rdtsc, and timers. */
#ifndef CLOCK_H
#define CLOCK_H

#include "kernel.h"

/* Takes the host's clocks from the control page: at boot and in every fork. */
void clock_start(void);
/* Deadline of the earliest timer, or FOREVER. */
u64 timer_next(void);
/* Calls what is due. */
void timers_run(void);

#endif
