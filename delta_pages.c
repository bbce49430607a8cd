#include "delta_pages.h"

#include <errno.h>
#include <string.h>

#include "tables.h"

static void mark_range(uint64_t *bits, gpa_t from, gpa_t to)
{
	for (gpa_t at = from; at < to; at += PAGE_BYTES)
		bit_set(bits, at / PAGE_BYTES);
}

/* What CPL0 uses: see is_locked() of vmm_boot.c. */
static int mark_locked(struct delta *d)
{
	struct zb_kernel_header header;
	gpa_t end;

	memcpy(&header, d->snapshot->memory + ZB_KERNEL_GPA, sizeof(header));
	end = header.cpl0_end - ZB_KERNEL_BASE;
	if (end < ZB_KERNEL_GPA || end > ZB_REQUEST_GPA)
		return -EINVAL;
	mark_range(d->fixed, ZB_TABLES_GPA, ZB_TABLES_GPA + ZB_TABLES_SIZE);
	mark_range(d->fixed, ZB_KERNEL_GPA, end);
	return 0;
}

int delta_pages_mark(struct delta *d)
{
	int r = tables_mark(d->snapshot, d->tables);

	if (r == 0)
		r = tables_mark_fixed(d->snapshot, d->fixed);
	if (r == 0)
		r = mark_locked(d);
	/* 0: a null gpa is never valid, and no record is at a page 0. */
	bit_set(d->fixed, 0);
	mark_range(d->apart, ZB_RANDOM_GPA, ZB_RANDOM_GPA + ZB_RANDOM_SIZE);
	mark_range(d->apart, ZB_REQUEST_GPA, ZB_FRAMES_GPA);
	return r;
}

void delta_pages_keep_output(struct delta *d, bool keep)
{
	gpa_t end = ZB_STDERR_GPA + ZB_OUTPUT_SIZE;

	for (gpa_t at = ZB_STDOUT_GPA; at < end; at += PAGE_BYTES)
		if (keep)
			bit_clear(d->apart, at / PAGE_BYTES);
		else
			bit_set(d->apart, at / PAGE_BYTES);
}

static const uint8_t *line_of(const struct delta_record *r, unsigned line)
{
	uint64_t before = r->mask & ((1ull << line) - 1);

	return (const uint8_t *)(r + 1) +
	       (size_t)__builtin_popcountll(before) * DELTA_LINE;
}

/* A root's line with the entries of kernel and image. */
static bool is_fixed_line(const struct delta *d, const uint8_t *line)
{
	const uint8_t *root =
		d->snapshot->memory + tables_root(d->snapshot) * PAGE_BYTES;

	return !memcmp(line, root + TABLES_FIXED_LINE * DELTA_LINE,
		       TABLES_FIXED_SIZE);
}

bool delta_pages_keeps_entries(const struct delta *d, const uint8_t *now)
{
	return is_fixed_line(d, now + TABLES_FIXED_LINE * DELTA_LINE);
}

static bool keeps_entries(const struct delta *d, const struct delta_record *r)
{
	unsigned line = TABLES_FIXED_LINE;

	return !(r->mask >> line & 1) || is_fixed_line(d, line_of(r, line));
}

bool delta_pages_may_hold(const struct delta *d, const struct delta_record *r)
{
	if (bit_is_set(d->fixed, r->page) || bit_is_set(d->apart, r->page))
		return false;
	return r->page != tables_root(d->snapshot) || keeps_entries(d, r);
}
