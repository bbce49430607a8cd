/*
 * fuzz.h: what the libFuzzer targets share. A broken promise ends the process
 * (assert), so that the fuzzer keeps the input that showed it.
 */
#ifndef ZEROBOOT_FUZZ_H
#define ZEROBOOT_FUZZ_H

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where its bytes end, for AddressSanitizer to see; NULL for
 * none. Freed by the caller. */
static inline void *exact(const void *data, size_t size)
{
	void *copy = size ? malloc(size) : NULL;

	if (size) {
		assert(copy);
		memcpy(copy, data, size);
	}
	return copy;
}

#endif
