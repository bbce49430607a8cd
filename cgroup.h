/* cgroup.h: what the control groups of this process allow it. */
#ifndef ZEROBOOT_CGROUP_H
#define ZEROBOOT_CGROUP_H

#include <stdint.h>

#define CGROUP_NONE UINT64_MAX /* no limit, or none that is known */

/* What is left, of itself and all groups around it. */
struct cgroup_room {
	uint64_t memory;    /* bytes; the page cache counts as free */
	uint64_t processes; /* threads, too */
	double cpus;        /* 0: no limit */
};

void cgroup_look(struct cgroup_room *room);

#endif
