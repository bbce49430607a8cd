#include "discard.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "buffer.h"
#include "clock.h"
#include "loop.h"

#define SLICE_NS 100000
#define LARGE (512u << 10) /* more than is given back at a time */
#define PAGE 4096u

/* What may be of use again: so many, of so much, for so long. */
#define SPARES 2
#define SPARE_LEAST (1u << 20)
#define SPARE_MOST (8u << 20)
#define SPARE_NS 1000000000ull

/* In the memory itself, at its beginning. */
struct discarded {
	struct discarded *next;
	size_t size; /* that has not been given back */
};

static struct discarded *first;

static struct spare {
	void *data;
	size_t size;
	uint64_t since;
} spares[SPARES];

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

static void give_back(void *data, size_t size)
{
	static struct task task = { .run = discard_some };
	struct discarded *d = data;

	*d = (struct discarded){ .next = first, .size = size };
	first = d;
	loop_add(&task);
}

static bool spare(void *data, size_t size)
{
	if (size < SPARE_LEAST || size > SPARE_MOST)
		return false;
	for (struct spare *s = spares; s < spares + SPARES; s++) {
		if (s->data)
			continue;
		*s = (struct spare){ data, size, clock_mono() };
		buffer_keep(data, size);
		return true;
	}
	return false;
}

void discard(void *data, size_t size)
{
	if (!data || size < LARGE)
		free(data);
	else if (!spare(data, size))
		give_back(data, size);
}

void *discard_take(size_t least, size_t most, size_t *size)
{
	struct spare *best = NULL;
	void *data;

	for (struct spare *s = spares; s < spares + SPARES; s++)
		if (s->data && s->size >= least && s->size <= most &&
		    (!best || s->size > best->size))
			best = s;
	if (!best)
		return NULL;
	data = best->data;
	*size = best->size;
	best->data = NULL;
	buffer_join(data, *size);
	return data;
}

void discard_tick(void)
{
	for (struct spare *s = spares; s < spares + SPARES; s++) {
		if (!s->data || clock_mono() - s->since < SPARE_NS)
			continue;
		give_back(s->data, s->size);
		s->data = NULL;
	}
}

void discard_parts(struct parts *p)
{
	discard(p->data, p->room);
	*p = (struct parts){ 0 };
}
