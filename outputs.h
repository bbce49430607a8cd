/*
 * outputs.h: the files that a run returns, as parts of its RESULT: gathered from
 * the pages that the guest's list names.
 */
#ifndef ZEROBOOT_OUTPUTS_H
#define ZEROBOOT_OUTPUTS_H

#include "machine.h"

struct outputs {
	char *data; /* parts, the caller's to free; NULL: none */
	size_t size;
	uint32_t missed; /* files that are left out and not named */
};

/* After VM_EXIT, or that of an exec. A directory's entries, or at most ZB_OUTPUTS_MAX files and limit bytes of them, whatever the
 * list says. 0 or -ENOMEM: none is returned. */
int outputs_gather(const struct machine *m, uint64_t limit, struct outputs *o);

#endif
