/* buffer.h: large buffers that the children of this process do not get, so that
 * starting one costs nothing for them. */
#ifndef ZEROBOOT_BUFFER_H
#define ZEROBOOT_BUFFER_H

#include <stddef.h>

/*
 * A child does not get it, so that a clone does not go through its pages, which
 * takes 0.1 ms for each MiB. Memory of malloc's, to be freed as any; small buffers
 * stay as they are.
 */
void buffer_keep(void *data, size_t size);
/* As before, for realloc: the kernel moves one mapping, and would not move two. */
void buffer_join(void *data, size_t size);

#endif
