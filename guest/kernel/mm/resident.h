/*
 * resident.h: how many pages a space has in use, now and at most. The pool has given
 * all frames of its big mappings at once: of these only what is not all zero counts,
 * which a sample of them tells.
 */
#ifndef MM_RESIDENT_H
#define MM_RESIDENT_H

#include "kernel.h"

u64 mm_resident_pages(void);
u64 mm_peak_pages(void);
/* A new peak is measured beside it. */
void mm_start_peak(void);
u64 mm_peak_since(void);
void mm_forget_peak(void); /* it counts from here on */
/* Memory of this size is about to go. */
void mm_note_peak(u64 size);
/* Before the snapshot: looks at big mappings well, so that a look at each run's end
 * can be short. */
void mm_learn_resident(void);

#endif
