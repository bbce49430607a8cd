/*
 * discard.h: memory is given back in slices, in turns of the event loop: the kernel
 * takes some 50 ns for each page.
 */
#ifndef ZEROBOOT_DISCARD_H
#define ZEROBOOT_DISCARD_H

#include <stddef.h>

#include "parts.h"

/* Memory of malloc's, of that size or larger, or NULL; small memory at once. */
void discard(void *data, size_t size);
/* Empties it. */
void discard_parts(struct parts *p);

#endif
