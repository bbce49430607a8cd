#include "lines.h"

#include <stddef.h>

/* Line by line the CPU is told to get the pages that come next: its own guesses end at
 * a page's end. */
static inline __attribute__((always_inline)) uint64_t
differing(const uint8_t *now, const uint8_t *then,
	  const struct lines_ahead *next)
{
	typedef uint64_t half
		__attribute__((vector_size(32), may_alias, aligned(8)));
	const half *a = (const half *)now, *b = (const half *)then;
	const half zero = { 0 };
	uint64_t mask = 0;

	for (size_t i = 0; i < LINES; i++) {
		half d = (a[2 * i] ^ (b ? b[2 * i] : zero)) |
			 (a[2 * i + 1] ^ (b ? b[2 * i + 1] : zero));

		__builtin_prefetch(next->now + i * LINE_BYTES);
		__builtin_prefetch(next->then + i * LINE_BYTES);
		mask |= (uint64_t)((d[0] | d[1] | d[2] | d[3]) != 0) << i;
	}
	return mask;
}

static uint64_t compare(const uint8_t *now, const uint8_t *then,
			const struct lines_ahead *next)
{
	return then ? differing(now, then, next) : differing(now, NULL, next);
}

__attribute__((target("avx2"))) static uint64_t
compare_avx2(const uint8_t *now, const uint8_t *then,
	     const struct lines_ahead *next)
{
	return then ? differing(now, then, next) : differing(now, NULL, next);
}

lines_compare_call *lines_compare(void)
{
	return __builtin_cpu_supports("avx2") ? compare_avx2 : compare;
}

/* In words: musl's memcmp goes byte by byte. */
bool lines_same(const void *a, const void *b)
{
	typedef uint64_t word __attribute__((may_alias));
	const word *x = a, *y = b;
	uint64_t found = 0;

	for (size_t i = 0; i < LINE_BYTES / sizeof(word); i++)
		found |= x[i] ^ y[i];
	return !found;
}
