/* frame.h: physical memory in frames of 4 KiB. */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "kernel.h"

/* count adjacent frames of zeroes, or 0 when memory is short. */
gpa_t frames_alloc(u64 count);
void frames_free(gpa_t gpa, u64 count);
u64 frames_available(void);
u64 frames_total(void);
/* Everything from start up to memory_size is free; the bitmaps go first.
 * Returns the lowest free gpa. */
gpa_t frames_init(gpa_t start, u64 memory_size);
/* Takes just these frames, zeroed; false when one of them is in use. */
bool frames_claim(gpa_t gpa, u64 count);
/* Clears all free frames, so that a template has no old data in them and
 * handing them out costs nothing. */
void frames_scrub(void);

#endif
