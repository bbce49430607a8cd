/* limits.h: resource limits of a process. */
#ifndef TASK_LIMITS_H
#define TASK_LIMITS_H

#include <linux/resource.h>

#include "kernel.h"

struct process;

#define OPEN_FILES_MAX 1048576u /* as fs.nr_open on Linux */

struct limits {
	struct rlimit64 of[RLIM_NLIMITS];
};

void limits_init(struct limits *l);
/* Tells p's space of those that are its own. */
void limits_apply(const struct process *p);
/* The soft limit RLIMIT_* of the running process. */
u64 limit_of(int which);

#endif
