/*
 * pool.h: the map of all frames in a space, from which brk and plain anonymous
 * mmap hand out pieces: a mapping's frames are taken at once, and their
 * page-table entries are there already, so that ordinary runs write none. A
 * frame's own entry leads to it from its place in the pool, writable, whoever
 * uses the frame.
 *
 * Under want of memory pages of anonymous mappings that are still all zero are
 * taken back. Such a page of the pool, and one that was mapped over, is displaced:
 * its entry is like one of the zone, and its frame is not handed out by the pool
 * until the mapping goes.
 *
 * Of the large part (frame.h) a space's pool has pages of 2 MiB: pte.h.
 */
#ifndef MM_POOL_H
#define MM_POOL_H

#include "mm/space.h"

/* Makes the tables of a new space's pool; false: no memory. */
bool pool_build(struct space *s);
static inline bool in_pool(u64 addr)
{
	return addr >= space->pool_start && addr < space->pool_end;
}
/* Address of count adjacent pages of zeroes, or 0: there is no such run. */
u64 pool_take(u64 count);
/* Takes just these pages, zeroed; false when one of them is in use. */
bool pool_claim(u64 addr, u64 count);
/* Gives up a mapping's pages, displaced ones too. True: a flush is needed. */
bool pool_give(u64 start, u64 end);
/* What of the range is in the pool is free, and is to be mapped over. */
void pool_displace(u64 start, u64 end);
/* The end of that: all was given up, the entries are the pool's again. */
void pool_restore(u64 start, u64 end);
/* The same when it is not given up yet. True: a flush is needed. */
bool pool_release(u64 start, u64 end);
/*
 * Frames that belong to an object, count from gpa on, are to be mapped where the pool
 * shows them already: so that no entry is written. The address; 0: the pool does not
 * show them, or not only here. pool_release() is the end of it.
 */
u64 pool_lend(gpa_t gpa, u64 count);
/* Makes ordinary mappings of all that the pool has handed out, for good: what
 * two spaces have must be theirs page by page. */
void pool_dissolve(void);
/* Pages of [start, end) that hold something but zeroes, as every one in step pages
 * lets guess. */
u64 pool_touched(u64 start, u64 end, u64 step);

#endif
