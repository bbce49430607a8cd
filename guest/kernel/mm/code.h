/*
 * code.h: tables of code that programs of one file have in common, whoever started
 * them: what one has read there costs the next one no fault of KVM's.
 */
#ifndef MM_CODE_H
#define MM_CODE_H

#include "mm/space.h"

/* The first frame of [start, end) of v, which shows a file, when all of it lies in the
 * image in one piece: then that and the size tell what is there, for good. Else 0. */
gpa_t code_frame(const struct vma *v, u64 start, u64 end);
/* How often what may be code became open to writes: what was found in it before may be
 * wrong now. */
u64 code_writes(void);
void code_note_write(void);
/* Code of so many bytes is worth tables without data. */
u64 code_least(void);
/* Gives the running space such tables for what v shows of [start, end), where it has
 * none. What they do not hold comes as usual. */
void code_share(const struct vma *v, u64 start, u64 end);

#endif
