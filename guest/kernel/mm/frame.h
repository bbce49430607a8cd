/* frame.h: physical memory in frames of 4 KiB. */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "kernel.h"

/* count adjacent frames of zeroes, or 0 when memory is short. */
gpa_t frames_alloc(u64 count);
/* One for a page table: not of the large part while there are others, where it
 * would keep 2 MiB from being one page. */
gpa_t frame_alloc_table(void);
void frames_free(gpa_t gpa, u64 count);
u64 frames_available(void);
u64 frames_total(void);
/* Everything from start up to memory_size is free; the bitmaps go first. */
void frames_init(gpa_t start, u64 memory_size);

/* For the pool, which clears them itself: the highest run of count frames none
 * of which is displaced, or 0. */
gpa_t frames_take_run(u64 count);
/* The lowest frame that was free at boot. */
gpa_t frames_first(void);
/* Takes just these; false when one of them is in use or displaced. */
bool frames_claim(gpa_t gpa, u64 count);
/* Whether a frame that was taken is known to be all zero; told once. */
bool frame_take_zero(gpa_t gpa);
/* Frees a frame that is known to be all zero. */
void frames_free_zero(gpa_t gpa);
/* The frame's place in the pool leads to another one, or none. */
void frame_displace(gpa_t gpa, bool displaced);
bool frame_displaced(gpa_t gpa);
/* Called when frames_alloc finds none: takes some back that are not needed, and
 * says how many. It must not allocate. */
void frames_on_shortage(u64 (*take_back)(void));

/* One more mapping has the frame: frames_free() is due once more. */
void frame_share(gpa_t gpa);
bool frame_shared(gpa_t gpa);

/* Puts so many more frames by, or fewer: frames_alloc() of as many finds them when
 * they are given back before. False: there are none. */
bool frames_promise(s64 count);

/* The longest run of free frames, none of which is displaced; 0: there is none.
 */
gpa_t frames_longest_run(u64 *count);
/* At most so many bytes are in use from now on, 0: all of memory; what is more is as
 * if it were not there. False: that would leave less than spare bytes. */
bool frames_limit(u64 bytes, u64 spare);
u64 frames_in_use(void); /* the kernel's own included */

/* Where the large part begins, which ends with memory; 0: there is none. */
gpa_t frames_large(void);
/* Where brk is to begin, so that it can grow into the large part. */
gpa_t frames_heap(void);

/* Clears all free frames, so that a template has no old data in them and
 * handing them out costs nothing. */
void frames_scrub(void);

#endif
