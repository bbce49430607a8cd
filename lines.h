/*
 * lines.h: compares pages by cache lines, and fetches the next ones meanwhile. What a
 * VM must be put back from, and what is in a session's state, is found by comparing all
 * of many pages, mostly with what is the same.
 */
#ifndef ZEROBOOT_LINES_H
#define ZEROBOOT_LINES_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_BYTES 64ul
#define LINES 64u /* of a page */

/* The pages that will be compared next. */
struct lines_ahead {
	const uint8_t *now, *then;
};

/* A bit for each line of two pages that differs. then: NULL: zero. */
typedef uint64_t lines_compare_call(const uint8_t *now, const uint8_t *then,
				    const struct lines_ahead *next);
/* The one for this CPU. */
lines_compare_call *lines_compare(void);

bool lines_same(const void *a, const void *b);

#endif
