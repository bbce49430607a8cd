/*
 * discard.h: memory is given back in slices, in turns of the event loop: the kernel
 * takes some 50 ns for each page, and more when it is wanted again. So what is large
 * waits for a second whether it is.
 */
#ifndef ZEROBOOT_DISCARD_H
#define ZEROBOOT_DISCARD_H

#include <stddef.h>

#include "parts.h"

/* Memory of malloc's, of that size or larger, or NULL; small memory at once, but for some
 * that discard_alloc has again. */
void discard(void *data, size_t size);
/* Memory of malloc's for so many bytes. NULL: no memory. */
void *discard_alloc(size_t size);
/* Memory with least to most bytes that waits there, and how many it has; or NULL. */
void *discard_take(size_t least, size_t most, size_t *size);
/* Nobody has wanted what waits for so long. */
void discard_tick(void);
/* Empties it. */
void discard_parts(struct parts *p);

#endif
