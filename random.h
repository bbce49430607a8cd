/* random.h: the kernel's random bytes. */
#ifndef ZEROBOOT_RANDOM_H
#define ZEROBOOT_RANDOM_H

#include <stddef.h>

/* As many as are asked for, also when signals come meanwhile. 0 or -errno. */
int random_fill(void *to, size_t size);

#endif
