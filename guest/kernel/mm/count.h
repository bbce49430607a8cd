/* count.h: how much of what a space has. In pages. */
#ifndef MM_COUNT_H
#define MM_COUNT_H

#include "mm/space.h"

struct mm_count {
	u64 data; /* private and writable, without the stack */
	u64 stack, locked;
	u64 execute; /* not writable, executable */
	u64 file;    /* of files in memory, that are there */
	u64 tables;  /* page tables, of the lowest kind */
};

/* Of the pages of a mapping that are there. */
struct vma_pages {
	u64 own;    /* anonymous, or copies */
	u64 file;   /* of a file in memory */
	u64 image;  /* of the image: mapped, but nobody's memory */
	u64 tables; /* page tables that are needed for them */
};

void mm_count(struct mm_count *c);
void vma_pages(const struct vma *v, struct vma_pages *c);

#endif
