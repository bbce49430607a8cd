/* id.h: identifiers of requests and runs: UUIDs of version 7 (RFC 9562, 5.7). */
#ifndef ZEROBOOT_ID_H
#define ZEROBOOT_ID_H

#include <stdint.h>

#define ID_SIZE 37 /* 36 characters and a NUL */

void id_make(char to[ID_SIZE]);
/* A number that nobody can guess. */
uint64_t id_number(void);

#endif
