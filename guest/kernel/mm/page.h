/*
 * page.h: the pages of mappings, for the rest of mm; mm_fault, mm_populate and
 * mm_settle are in map.h.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "mm/space.h"

/* Gives up what a mapping holds, which is then to be removed. True when a flush
 * of the TLB is needed. */
bool page_release(const struct vma *v);
/* The same for a part of the zone, whose mapping stays. */
bool page_release_zone(u64 start, u64 end);
/* Gives up one page that is not the pool's own. True: a flush is needed. */
bool page_drop(u64 *pte);
/* The memory that page addr has now, whatever its rights; NULL: none yet. */
void *page_memory(u64 addr);
/* A frame's memory for reading; of the image, too. */
const void *frame_memory(gpa_t gpa);
bool page_is_zero(const void *page);
/* What is zero is left alone: it may never have been touched. */
void page_clear(void *page);
/* Whether the page with this entry may be written in place, if v allows it. */
bool page_may_write(u64 pte, const struct vma *v);

#endif
