/* sha256.h: FIPS 180-4, for the names of a container image's blobs. */
#ifndef ZEROBOOT_SHA256_H
#define ZEROBOOT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 64

struct sha256 {
	uint32_t state[8];
	uint64_t size;
	uint8_t block[64];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t size);
/* In lower case, with a NUL. */
void sha256_end(struct sha256 *s, char hex[SHA256_HEX + 1]);

#endif
