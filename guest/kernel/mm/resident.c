/* resident.c: pages in use. */
#include "mm/resident.h"

#include "mm/count.h"
#include "mm/frame.h"
#include "mm/pool.h"
#include "mm/space.h"

#define SMALL (1ul << 20) /* mappings of the pool that count as touched */
/* Looks at a big mapping: at one that was there before the snapshot, now and then;
 * before the snapshot; and at one that has come after it. */
#define FEW 2
#define MANY 256
#define SOME 32
#define KNOWN_MAX 16

/* Of a mapping before the snapshot. */
static struct known {
	u64 start, end;
	u64 touched, few; /* pages, as many and as few looks have it */
} known[KNOWN_MAX];
static size_t known_count;
/* All of that space's, while it has as many mappings and pages as it had then. */
static struct {
	const struct space *space;
	size_t count;
	u64 pages, untouched;
	bool settled; /* little is left that could be touched */
} then;

static bool is_big(const struct vma *v)
{
	return v->pool && v->end - v->start > SMALL;
}

static u64 size_of(const struct vma *v)
{
	return (v->end - v->start) / PAGE_SIZE;
}

static u64 touched_by(const struct vma *v, u64 looks)
{
	return pool_touched(v->start, v->end, size_of(v) / looks);
}

/* So little that it counts as touched, as a small mapping does. */
static bool is_full(const struct known *k)
{
	return (k->end - k->start) - k->touched * PAGE_SIZE <= SMALL;
}

static const struct known *known_of(const struct vma *v)
{
	for (size_t i = 0; i < known_count && space == then.space; i++)
		if (known[i].start == v->start && known[i].end == v->end)
			return &known[i];
	return NULL;
}

/* What few looks show more than they did is new. */
static u64 touched_pages(const struct vma *v)
{
	const struct known *k = known_of(v);
	u64 now;

	if (!k)
		return touched_by(v, SOME);
	if (is_full(k))
		return k->touched;
	now = k->touched + MAX(touched_by(v, FEW), k->few) - k->few;
	return MIN(now, size_of(v));
}

void mm_learn_resident(void)
{
	then.settled = true;
	then.space = space;
	then.count = vma_count();
	then.pages = space->pages;
	then.untouched = known_count = 0;
	for (const struct vma *v = vma_next(space->pool_start);
	     v && v->start < space->pool_end; v = vma_after(v)) {
		struct known k = { .start = v->start, .end = v->end };

		if (!is_big(v))
			continue;
		k.touched = touched_by(v, MANY);
		k.few = touched_by(v, FEW);
		then.settled &= is_full(&k) && known_count < KNOWN_MAX;
		then.untouched += size_of(v) - k.touched;
		if (known_count < KNOWN_MAX)
			known[known_count++] = k;
	}
}

/* Of what the pool has handed out to big mappings, as much as nobody has
 * touched. */
static u64 untouched_pages(void)
{
	u64 pages = 0;

	if (then.settled && space == then.space && space->pages == then.pages &&
	    vma_count() == then.count)
		return then.untouched;
	for (const struct vma *v = vma_next(space->pool_start);
	     v && v->start < space->pool_end; v = vma_after(v))
		if (is_big(v))
			pages += size_of(v) - touched_pages(v);
	return pages;
}

/* One by one, where more than one process has memory. */
static u64 count_resident(void)
{
	struct vma_pages c;
	u64 pages = 0;

	for (const struct vma *v = vma_next(0); v; v = vma_after(v)) {
		vma_pages(v, &c);
		pages += c.own + c.file + c.image;
	}
	return pages;
}

u64 mm_resident_pages(void)
{
	u64 used = frames_total() - frames_available();

	if (spaces->next || !space->pool_end)
		return count_resident();
	return used - MIN(used, untouched_pages());
}

void mm_note_peak(u64 size)
{
	if (size > SMALL)
		mm_peak_pages();
}

void mm_forget_peak(void)
{
	space->peak = space->peak_before = 0;
}

u64 mm_peak_since(void)
{
	space->peak = MAX(space->peak, mm_resident_pages());
	return space->peak;
}

u64 mm_peak_pages(void)
{
	return MAX(mm_peak_since(), space->peak_before);
}

void mm_start_peak(void)
{
	space->peak_before = MAX(space->peak_before, space->peak);
	space->peak = 0;
}
