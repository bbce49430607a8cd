/* memory.h: how much memory a VM has. */
#ifndef ZEROBOOT_MEMORY_H
#define ZEROBOOT_MEMORY_H

#define MEMORY_MB 256 /* where neither a person nor an image says it */
#define MEMORY_MB_LOW 32
#define MEMORY_MB_HIGH 3072

/* What an image says: a number, in a file. */
#define MEMORY_FILE "/usr/lib/zeroboot/memory"

#endif
