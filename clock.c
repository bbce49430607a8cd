#include "clock.h"

#include <time.h>

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
	return now(CLOCK_REALTIME);
}

uint64_t clock_thread(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}
