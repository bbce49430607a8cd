#include "crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, its bits in reverse */

static void fill(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^
				   (table[i] & 1 ? POLYNOMIAL : 0);
	}
}

/* A byte at a time, where the CPU has no instruction for it. */
static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t size)
{
	static uint32_t table[256];

	if (table[1] == 0)
		fill(table);
	while (size--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
	uint64_t c = crc, word;

	for (; size >= 8; p += 8, size -= 8) {
		memcpy(&word, p, 8);
		c = __builtin_ia32_crc32di(c, word);
	}
	crc = (uint32_t)c;
	while (size--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	crc = ~crc;
	crc = __builtin_cpu_supports("sse4.2") ?
		      by_instruction(crc, data, size) :
		      by_table(crc, data, size);
	return ~crc;
}
