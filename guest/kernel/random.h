/* random.h: random bytes, of the host's making and beyond. */
#ifndef RANDOM_H
#define RANDOM_H

#include "kernel.h"

void random_fill(void *buf, size_t n);
/* The same by way of copy(), which gives back how many bytes it has copied: what
 * comes behind a short one is left out. Bytes. */
typedef size_t random_copy(void *to, const void *from, size_t n);
size_t random_give(void *to, size_t n, random_copy *copy);
void random_reseed(void); /* in every fork, from the control page */

#endif
