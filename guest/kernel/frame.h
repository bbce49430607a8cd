/* frame.h: what only mm.c and main.c need of frame.c. */
#ifndef FRAME_H
#define FRAME_H

#include "kernel.h"

/* Everything from start up to memory_size is free; the bitmaps go first.
 * Returns the lowest free gpa. */
gpa_t frames_init(gpa_t start, u64 memory_size);
/* Takes just these frames, zeroed; false when one of them is in use. */
bool frames_claim(gpa_t gpa, u64 count);
/* Clears all free frames, so that a template has no old data in them and
 * handing them out costs nothing. */
void frames_scrub(void);

#endif
