/* count.h: how much of what a space has. In pages. */
#ifndef MM_COUNT_H
#define MM_COUNT_H

#include "mm/space.h"

struct mm_count {
	u64 data;    /* private and writable, without the stack */
	u64 stack, locked;
	u64 execute; /* not writable, executable */
	u64 file;    /* that are there of objects */
	u64 tables;  /* page tables, of the lowest kind */
};

void mm_count(struct mm_count *c);
/* Pages that are there, now and at most so far; of objects too. */
u64 mm_resident_all(void);
u64 mm_peak_all(void);
/* Pages of a mapping that are there, and those that are its own (copies). */
u64 vma_present(const struct vma *v, u64 *own);

#endif
