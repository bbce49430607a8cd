/*
 * page.h: the pages of mappings, for mm.c; mm_fault, mm_populate and mm_settle
 * are in mm.h.
 */
#ifndef PAGE_H
#define PAGE_H

#include "mm/map.h"
#include "mm/space.h"

/* Gives up what a mapping holds, which is then to be removed. True when a flush
 * of the TLB is needed. */
bool page_release(const struct vma *v);
/* The same for a part of the zone, whose mapping stays. */
bool page_release_zone(u64 start, u64 end);
/* Whether a mapping is in the direct map. */
static inline bool vma_is_direct(const struct vma *v)
{
	return in_direct_map(v->start);
}

#endif
