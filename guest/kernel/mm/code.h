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
/* Private data of a file became executable, so that it may have been written to before:
 * from then on code may be something else than its file, wherever it moves or is
 * inherited to. */
void code_note_change(void);
bool code_may_differ(void);
/* Code of so many bytes is worth tables without data. */
u64 code_least(void);
/* Gives the running space such tables for what v shows of [start, end), where it has
 * none. What they do not hold comes as usual. */
void code_share(const struct vma *v, u64 start, u64 end);

#endif
