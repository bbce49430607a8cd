/*
 * shared.h: memory without a file that processes share: anonymous MAP_SHARED,
 * where a space has no pool, which is at the latest from its first fork on.
 */
#ifndef MM_SHARED_H
#define MM_SHARED_H

#include "mm/object.h"

/* Room for this many pages, none of which is there yet; the caller has the first
 * reference. NULL: no memory. */
struct object *shared_new(u64 pages);
/* Gets ready for a page that it is to adopt. False: no memory. */
bool shared_reserve(struct object *o, u64 index);
/* Gives it a frame as a page it has not; reserved. */
void shared_adopt(struct object *o, u64 index, gpa_t gpa);
u64 shared_frames(void); /* that all of them have */

#endif
