/* base64.h: base64 as RFC 4648, 4, has it. */
#ifndef BASE64_H
#define BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char base64_alphabet[65];

/*
 * Decodes size characters, whole groups of four without padding, into size / 4 * 3
 * bytes at to, which may be from itself. False: something else is among them, and
 * what is at to has no meaning.
 */
bool base64_decode(const uint8_t *from, size_t size, uint8_t *to);

#endif
