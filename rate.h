/*
 * rate.h: a bound on what somebody else causes, in time: for lines of the log that
 * clients and guests can bring about. Some at once, others one after the other.
 */
#ifndef ZEROBOOT_RATE_H
#define ZEROBOOT_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	unsigned burst;
	uint64_t step_ns; /* until there may be another one */
	uint64_t paid_ns; /* what has been let through is worth until then */
	unsigned missed;  /* since rate_missed */
};

/* now: CLOCK_MONOTONIC. Whether one more may be; if not, it counts as missed. */
bool rate_take(struct rate *r, uint64_t now);
/* How many were missed, when it can be said: that costs one. 0: none, not yet. */
unsigned rate_missed(struct rate *r, uint64_t now);

#endif
