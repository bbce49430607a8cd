#include "base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define XSTATE_BV 512u /* of XSAVE's area */

/* How many pages it has; 0: it is of no use. What is in page tables KVM remembers, and
 * what is in the large part goes after each run. */
static size_t count_pages(const struct delta *d)
{
	const struct zb_control *control;
	uint8_t page[PAGE_BYTES];
	uint64_t at = 0, last = 0;
	size_t count = 0;

	if (delta_has_tables(d))
		return 0;
	for (; delta_next(d, &at); last = at)
		count++;
	if (last * PAGE_BYTES > d->snapshot->large_gpa ||
	    count > d->limit / PAGE_BYTES)
		return 0;
	memcpy(page, d->snapshot->memory + ZB_CONTROL_GPA, sizeof(page));
	delta_write(d, ZB_CONTROL_GPA / PAGE_BYTES, page);
	control = (const void *)page;
	return control->large == ZB_LARGE_GIVEN ? 0 : count;
}

static void fill(struct base *b, const struct delta *d)
{
	const struct snapshot *s = d->snapshot;
	uint8_t *to = b->data;
	uint64_t at = 0;

	for (; delta_next(d, &at); to += PAGE_BYTES) {
		uint64_t page = at - 1;

		if (bit_is_set(s->used, page))
			memcpy(to, s->memory + page * PAGE_BYTES, PAGE_BYTES);
		else
			memset(to, 0, PAGE_BYTES);
		delta_write(d, page, to);
		b->pages[page] = to;
		bit_set(b->held, page);
	}
}

uint64_t base_state(const struct delta *d, struct vm_state *state)
{
	const struct vm_state *then = d->snapshot->state;
	char *to = (char *)&state->xsave + XSTATE_BV;
	uint64_t mono_ns = delta_state(d, state), features, all;

	memcpy(&features, to, sizeof(features));
	memcpy(&all, (const char *)&then->xsave + XSTATE_BV, sizeof(all));
	features |= all & ~then->xcrs.xcrs[0].value;
	memcpy(to, &features, sizeof(features));
	return mono_ns;
}

int base_open(struct base *b, const struct delta *d)
{
	size_t count = count_pages(d);

	memset(b, 0, sizeof(*b));
	if (!count)
		return -EOPNOTSUPP;
	b->pages = calloc(d->pages, sizeof(*b->pages));
	b->held = calloc((d->pages + 63) / 64, 8);
	b->data = aligned_alloc(PAGE_BYTES, count * PAGE_BYTES);
	if (!b->pages || !b->held || !b->data) {
		base_close(b);
		return -ENOMEM;
	}
	fill(b, d);
	b->mono_ns = base_state(d, &b->state);
	return 0;
}

void base_close(struct base *b)
{
	free((void *)b->pages);
	free(b->held);
	free(b->data);
	b->pages = NULL;
	b->held = NULL;
	b->data = NULL;
}
