/* fail.h: when allocations fail; see fail.c. */
#ifndef ZEROBOOT_FAIL_H
#define ZEROBOOT_FAIL_H

#include <stdint.h>

struct fail_plan {
	int64_t countdown; /* allocations until one fails; 0: none does */
	int64_t failed;    /* how many have */
	int32_t lasting;   /* all that follow fail too */
	int32_t children; /* 0: in the process that was started, 1: in others */
};
extern struct fail_plan *fail_plan;

#endif
