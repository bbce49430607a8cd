#include "discard.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"
#include "loop.h"

#define SLICE_NS 100000
#define LARGE (512u << 10) /* more than is given back at a time */
#define PAGE 4096u

/* In the memory itself, at its beginning. */
struct discarded {
	struct discarded *next;
	size_t size; /* that has not been given back */
};

static struct discarded *first;

/* Some of its end, without what is not a page of its own. */
static void shorten(struct discarded *d)
{
	uintptr_t end = ((uintptr_t)d + d->size) & ~(uintptr_t)(PAGE - 1);

	madvise((void *)(end - LARGE / 2), LARGE / 2, MADV_DONTNEED);
	d->size = end - LARGE / 2 - (uintptr_t)d;
}

static void discard_some(struct task *t)
{
	uint64_t stop = clock_mono() + SLICE_NS;

	while (first && clock_mono() < stop) {
		struct discarded *d = first;

		if (d->size >= LARGE) {
			shorten(d);
			continue;
		}
		first = d->next;
		free(d);
	}
	if (first)
		loop_add(t);
}

void discard(void *data, size_t size)
{
	static struct task task = { .run = discard_some };
	struct discarded *d = data;

	if (!data || size < LARGE) {
		free(data);
		return;
	}
	*d = (struct discarded){ .next = first, .size = size };
	first = d;
	loop_add(&task);
}

void discard_parts(struct parts *p)
{
	discard(p->data, p->room);
	*p = (struct parts){ 0 };
}
