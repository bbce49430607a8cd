#include "lines.h"

#include <stddef.h>

typedef uint64_t half __attribute__((vector_size(32), may_alias, aligned(8)));

#define GROUP 4u /* lines */

/* Adds to found what differs in a line. */
static inline __attribute__((always_inline)) void
add_line(half *found, const half *a, const half *b)
{
	*found |= b ? (a[0] ^ b[0]) | (a[1] ^ b[1]) : a[0] | a[1];
}

static inline __attribute__((always_inline)) bool any(const half *found)
{
	half f = *found;

	return f[0] | f[1] | f[2] | f[3];
}

static inline __attribute__((always_inline)) void fetch_group(const uint8_t *at)
{
	__builtin_prefetch(at);
	__builtin_prefetch(at + LINE_BYTES);
	__builtin_prefetch(at + 2 * LINE_BYTES);
	__builtin_prefetch(at + 3 * LINE_BYTES);
}

static inline __attribute__((always_inline)) bool group_differs(const half *a,
								const half *b)
{
	half found = { 0 };

	add_line(&found, a, b);
	add_line(&found, a + 2, b ? b + 2 : NULL);
	add_line(&found, a + 4, b ? b + 4 : NULL);
	add_line(&found, a + 6, b ? b + 6 : NULL);
	return any(&found);
}

/* A bit for each line of a group. */
static inline __attribute__((always_inline)) uint64_t
which_differ(const half *a, const half *b)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < GROUP; i++) {
		half found = { 0 };

		add_line(&found, a + 2 * i, b ? b + 2 * i : NULL);
		mask |= (uint64_t)any(&found) << i;
	}
	return mask;
}

/* Most lines are equal, and to ask whether one is takes longer than to compare it: four
 * are asked about at once. Line by line the CPU is told to get the pages that come next:
 * its own guesses end at a page's end. */
static inline __attribute__((always_inline)) uint64_t
differing(const uint8_t *now, const uint8_t *then,
	  const struct lines_ahead *next)
{
	const uint8_t *next_now = next->now, *next_then = next->then;
	uint64_t mask = 0;

	for (size_t i = 0; i < LINES; i += GROUP) {
		const size_t at = i * LINE_BYTES;
		const half *a = (const half *)(now + at);
		const half *b = then ? (const half *)(then + at) : NULL;

		fetch_group(next_now + at);
		fetch_group(next_then + at);
		if (group_differs(a, b))
			mask |= which_differ(a, b) << i;
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
