/* random.h: random bytes, of the host's making and beyond. */
#ifndef RANDOM_H
#define RANDOM_H

#include "kernel.h"

void random_fill(void *buf, size_t n);
void random_reseed(void); /* in every fork, from the control page */

#endif
