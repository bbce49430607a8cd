/* heap.h: the kernel's own objects. */
#ifndef HEAP_H
#define HEAP_H

#include "kernel.h"

void *kmalloc(size_t size);           /* zeroed; NULL when memory is short */
void *krealloc(void *p, size_t size); /* new bytes are zero; p kept on NULL */
void kfree(void *p);
u64 heap_frames(void); /* that it has */
char *kstrdup(const char *s);

#endif
