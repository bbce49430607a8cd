/* clock.h: the host's clocks, in ns. */
#ifndef ZEROBOOT_CLOCK_H
#define ZEROBOOT_CLOCK_H

#include <stdint.h>

uint64_t clock_mono(void);
uint64_t clock_wall(void);
/* CPU time of this thread. */
uint64_t clock_thread(void);

#endif
