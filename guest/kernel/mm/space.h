/* space.h: an address space: the sorted table of its mappings. */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "kernel.h"

struct file;

struct vma {
	u64 start, end;
	u32 prot;  /* PROT_* */
	u32 flags; /* MAP_* of mmap */
	struct file *file; /* referenced; NULL: anonymous */
	u64 offset;        /* in the file, of start */
};

struct space {
	struct vma *table; /* by address */
	size_t count, room;
	size_t last; /* where the previous search ended */
	u64 brk_start, brk_end;
	bool lock_new; /* mlockall(MCL_FUTURE) */
};
/* The running thread's. */
extern struct space *space;

/* The mapping that holds addr, or NULL. Valid until the next change. */
const struct vma *vma_at(u64 addr);
/* First mapping that ends above addr, or NULL. */
struct vma *vma_next(u64 addr);
struct vma *vma_after(const struct vma *v);
/* Room for this many more, so that inserts cannot fail. */
bool vma_reserve(size_t more);
/* Into a free range; room was reserved. Takes its own file reference. */
void vma_insert(const struct vma *v);
/* Makes start and end boundaries of mappings; false: no memory. */
bool vma_cut(u64 start, u64 end);
void vma_remove(struct vma *v);
void vma_join(size_t i, int pairs);
/* Joins what became alike in and around a range. */
void vma_tidy(u64 start, u64 end);
size_t vma_count(void);
/* Start of the highest free range of this size in [bottom, top), or 0. */
u64 vma_gap(u64 size, u64 bottom, u64 top);

#endif
