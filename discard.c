#include "discard.h"

#include <malloc.h>
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

/* The same of small memory, whose pages malloc would give back and take each time. */
#define SMALL 32
#define SMALL_LEAST (8u << 10)
#define SMALL_MOST (256u << 10)
#define SMALL_ALL (2u << 20) /* bytes of all */

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
} spares[SPARES], small[SMALL];
static size_t small_size;

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

static void *take_small(struct spare *s)
{
	void *data = s->data;

	small_size -= s->size;
	*s = (struct spare){ .data = NULL };
	return data;
}

/* The place of the one that has waited there the longest. */
static struct spare *oldest_small(void)
{
	struct spare *oldest = small;

	for (struct spare *s = small; s < small + SMALL; s++)
		if (s->data && (!oldest->data || s->since < oldest->since))
			oldest = s;
	return oldest;
}

static void spare_small(void *data, size_t size)
{
	struct spare *s = small;

	while (small_size + size > SMALL_ALL)
		free(take_small(oldest_small()));
	while (s < small + SMALL && s->data)
		s++;
	if (s == small + SMALL) {
		s = oldest_small();
		free(take_small(s));
	}
	*s = (struct spare){ data, size, clock_mono() };
	small_size += size;
}

void discard(void *data, size_t size)
{
	size_t usable = data && size < LARGE ? malloc_usable_size(data) : 0;

	if (!data)
		return;
	if (usable >= SMALL_LEAST && usable < SMALL_MOST)
		spare_small(data, usable);
	else if (size < LARGE)
		free(data);
	else if (!spare(data, size))
		give_back(data, size);
}

/* So that memory is of use again for what is a little larger. */
static size_t round_up(size_t size)
{
	return (size + 2 * sizeof(size_t) + PAGE - 1) / PAGE * PAGE -
	       2 * sizeof(size_t);
}

void *discard_alloc(size_t size)
{
	struct spare *best = NULL;

	if (size < SMALL_LEAST || size >= SMALL_MOST)
		return malloc(size ? size : 1);
	size = round_up(size);
	for (struct spare *s = small; s < small + SMALL; s++)
		if (s->data && s->size >= size &&
		    s->size < size + PAGE + PAGE &&
		    (!best || s->size < best->size))
			best = s;
	return best ? take_small(best) : malloc(size);
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
	for (struct spare *s = small; s < small + SMALL; s++)
		if (s->data && clock_mono() - s->since >= SPARE_NS)
			free(take_small(s));
}

void discard_parts(struct parts *p)
{
	discard(p->data, p->room);
	*p = (struct parts){ 0 };
}
