#include "id.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "random.h"

/* Random bytes by the page: a system call for each answer would be dear. */
static int random_bytes(uint8_t *to, size_t size)
{
	static uint8_t pool[4096];
	static size_t left;

	if (left < size) {
		if (random_fill(pool, sizeof(pool)))
			return -EIO;
		left = sizeof(pool);
	}
	left -= size;
	memcpy(to, pool + left, size);
	explicit_bzero(pool + left, size);
	return 0;
}

uint64_t id_number(void)
{
	static uint64_t count; /* others, even without entropy */
	uint64_t n = 0;

	random_bytes((uint8_t *)&n, sizeof(n));
	return n ^ ++count;
}

void id_make(char to[ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t ms = clock_wall() / 1000000;
	uint8_t u[16] = { 0 };

	random_bytes(u, sizeof(u));
	for (int i = 0; i < 6; i++)
		u[i] = (uint8_t)(ms >> (40 - 8 * i));
	u[6] = (u[6] & 0x0f) | 0x70;
	u[8] = (u[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = digits[u[i] >> 4];
		*to++ = digits[u[i] & 15];
	}
	*to = 0;
}
