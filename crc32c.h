/* crc32c.h: CRC-32C (RFC 3720, B.4), by the CPU's instruction where it has one. */
#ifndef ZEROBOOT_CRC32C_H
#define ZEROBOOT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of size bytes behind those that crc is of; 0 for the first. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
