/*
 * page.c: the pages of mappings: how they come in, by a fault or ahead of it, and
 * how they are given up.
 */
#include "mm/page.h"

#include <linux/mman.h>

#include "mm/frame.h"
#include "mm/map.h"
#include "mm/pool.h"
#include "mm/pte.h"

#define AROUND 16 /* pages brought in by one fault */
#define BLOCK 64  /* pages that are completed before the snapshot */

const void *frame_memory(gpa_t gpa)
{
	if (gpa >= ZB_IMAGE_GPA)
		return (const void *)(ZB_IMAGE_BASE + (gpa - ZB_IMAGE_GPA));
	return gpa_to_ptr(gpa);
}

void *page_memory(u64 addr)
{
	void *large = large_memory(addr);
	u64 at = addr;
	const u64 *pte;

	if (large)
		return large;
	pte = pte_look(&at, addr + 1);
	if (!pte || !(*pte & (PTE_P | PTE_SAVED)))
		return NULL;
	return (void *)(uintptr_t)frame_memory(*pte & PTE_GPA);
}

bool page_is_zero(const void *page)
{
	const u64 *words = page;
	u64 any = words[0];

	for (size_t i = 0; i < PAGE_SIZE / 8 && !any; i += 8)
		any = words[i] | words[i + 1] | words[i + 2] | words[i + 3] |
		      words[i + 4] | words[i + 5] | words[i + 6] | words[i + 7];
	return !any;
}

void page_clear(void *page)
{
	if (!page_is_zero(page))
		memset(page, 0, PAGE_SIZE);
}

/* ---- giving up ---- */

bool page_drop(u64 *pte)
{
	u64 old = *pte;

	if (old == 0)
		return false;
	*pte = 0;
	if (old & PTE_OWNED)
		frames_free(old & PTE_GPA, 1);
	return (old & PTE_P) != 0;
}

bool page_release_zone(u64 start, u64 end)
{
	bool flush = false;

	for (u64 *pte; (pte = pte_next(&start, end)); start += PAGE_SIZE)
		flush |= page_drop(pte);
	return flush;
}

bool page_release(const struct vma *v)
{
	u64 from, to; /* what is in the pool */
	bool flush;

	if (v->pool)
		return pool_give(v->start, v->end);
	from = MIN(MAX(v->start, space->pool_start), v->end);
	to = MAX(MIN(v->end, space->pool_end), from);
	flush = page_release_zone(v->start, from);
	flush |= pool_release(from, to);
	return flush | page_release_zone(to, v->end);
}

/* ---- coming in ---- */

/* The object's frame for reading or sharing; 0 behind its end. */
static gpa_t object_page(const struct vma *v, u64 addr, bool write)
{
	return v->object->ops->page(
		v->object, (v->offset + (addr - v->start)) / PAGE_SIZE, write);
}

/* Whether the page is to come in before it is touched: a hole is not. */
static bool is_due(const struct vma *v, u64 addr)
{
	struct object *o = v->object;

	return !o ||
	       o->ops->has(o, (v->offset + (addr - v->start)) / PAGE_SIZE);
}

static long fill_anonymous(u64 *pte, const struct vma *v)
{
	gpa_t gpa = frames_alloc(1);

	if (!gpa)
		return -ENOMEM;
	*pte = pte_make(gpa, v->prot & PROT_WRITE, true);
	return 0;
}

static long fill_from_object(u64 *pte, const struct vma *v, u64 addr,
			     bool write)
{
	bool shared = v->flags & MAP_SHARED;
	gpa_t from = object_page(v, addr, shared && (v->prot & PROT_WRITE)),
	      copy;

	if (!from)
		return -ENXIO;
	if (shared || !write) {
		*pte = pte_make(from, shared && (v->prot & PROT_WRITE), false);
		return 0;
	}
	copy = frames_alloc(1);
	if (!copy)
		return -ENOMEM;
	memcpy(gpa_to_ptr(copy), frame_memory(from), PAGE_SIZE);
	*pte = pte_make(copy, true, true);
	return 0;
}

static long fill(u64 *pte, const struct vma *v, u64 addr, bool write)
{
	if (v->object)
		return fill_from_object(pte, v, addr, write);
	return fill_anonymous(pte, v);
}

bool page_may_write(u64 pte, const struct vma *v)
{
	if (v->pool)
		return true;
	if (v->flags & MAP_SHARED)
		return (pte & PTE_GPA) < ZB_IMAGE_GPA;
	return (pte & PTE_OWNED) && !frame_shared(pte & PTE_GPA);
}

/* What the process has to itself again around a page, after a fork. */
static void write_around(const struct vma *v, u64 addr)
{
	u64 start = addr & ~(AROUND * PAGE_SIZE - 1);
	u64 end = MIN(start + AROUND * PAGE_SIZE, v->end);

	start = MAX(start, v->start);
	for (u64 *pte; (pte = pte_next(&start, end)); start += PAGE_SIZE)
		if ((*pte & (PTE_P | PTE_W)) == PTE_P &&
		    page_may_write(*pte, v))
			*pte |= PTE_W;
}

/* A copy of a frame that another space has, too. */
static long copy_shared(u64 *pte)
{
	gpa_t copy = frames_alloc(1), from;

	if (!copy)
		return -ENOMEM;
	if (*pte) { /* else it was zero, and taken back for the copy */
		from = *pte & PTE_GPA;
		memcpy(gpa_to_ptr(copy), gpa_to_ptr(from), PAGE_SIZE);
		frames_free(from, 1);
	}
	*pte = pte_make(copy, true, true) | PTE_TOUCHED;
	return 0;
}

/* A write to a present, read-only page of a writable mapping. */
static long make_writable(u64 *pte, const struct vma *v, u64 addr)
{
	long r = 0;

	if (page_may_write(*pte, v)) {
		*pte |= PTE_W;
		write_around(v, addr);
	} else if (*pte & PTE_OWNED) {
		r = copy_shared(pte);
	} else {
		r = fill(pte, v, addr, true);
	}
	/* With shadow paging KVM looks at the entry when the write is tried again:
	 * until then nobody can see another page than this one's content. */
	if (r == 0 && control->flags & ZB_FLAG_NESTED)
		tlb_flush();
	return r;
}

static bool is_short(void)
{
	return frames_available() < frames_total() / 16;
}

static void fill_around(const struct vma *v, u64 addr)
{
	u64 start = addr & ~(AROUND * PAGE_SIZE - 1);
	u64 end = start + AROUND * PAGE_SIZE;

	if (!v->object && is_short())
		return;
	for (u64 a = MAX(start, v->start); a < MIN(end, v->end);
	     a += PAGE_SIZE) {
		u64 *pte = pte_find(a, true);

		if (!pte)
			return;
		if (*pte == 0 && is_due(v, a) && fill(pte, v, a, false) < 0)
			return;
	}
}

long mm_fault(u64 addr, bool write)
{
	const struct vma *v = vma_reach(addr);
	u64 page = PAGE_DOWN(addr), *pte;
	long r;

	if (!v)
		return -EFAULT;
	if (!(v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) ||
	    (write && !(v->prot & PROT_WRITE)))
		return -EACCES;
	pte = pte_find(page, true);
	if (!pte)
		return -ENOMEM;
	if (*pte & PTE_P) {
		if (write && !(*pte & PTE_W))
			return make_writable(pte, v, page);
		tlb_flush();
		return 0;
	}
	r = fill(pte, v, page, write);
	if (r == 0 && write && (*pte & PTE_OWNED))
		*pte |= PTE_TOUCHED;
	if (r == 0 && !v->pool)
		fill_around(v, page);
	return r;
}

static bool is_there(u64 addr)
{
	u64 at = addr;
	const u64 *pte = pte_look(&at, addr + PAGE_SIZE);

	return pte && *pte;
}

void mm_populate(u64 addr, u64 size)
{
	for (u64 a = addr; a < addr + size; a += PAGE_SIZE) {
		const struct vma *v = vma_at(a);
		u64 *pte;

		if (!v || v->pool || is_there(a))
			continue;
		pte = pte_find(a, true);
		if (!pte)
			return;
		if (is_due(v, a) && fill(pte, v, a,
					 (v->prot & PROT_WRITE) &&
						 !(v->flags & MAP_SHARED)) < 0)
			return;
	}
}

void mm_populate_first(u64 addr, u64 size)
{
	if (!is_short())
		mm_populate(addr, MIN(size, MM_AT_ONCE));
}

/* Whether a page of the block at start has a frame. */
static bool block_used(u64 start, u64 end)
{
	for (u64 a = start; a < end; a += PAGE_SIZE) {
		u64 *pte = pte_find(a, false);

		if (pte && (*pte & PTE_P))
			return true;
	}
	return false;
}

/* A block is completed when it is used, or the one before it of a reservation
 * is, which is used upwards. From the top down, or one would bring the next. */
static void settle(const struct vma *v)
{
	const u64 size = BLOCK * PAGE_SIZE;
	bool upwards = v->flags & MAP_NORESERVE;

	for (u64 end = v->end, a; end > v->start; end = a) {
		a = MAX(v->start, (end - 1) / size * size);
		if (block_used(a, end) ||
		    (upwards && a > v->start &&
		     block_used(MAX(v->start, a - size), a)))
			mm_populate(a, end - a);
	}
}

void mm_settle(void)
{
	for (struct vma *v = vma_next(0); v; v = vma_after(v))
		if (!v->pool && !v->object && !(v->flags & MAP_SHARED) &&
		    (v->prot & PROT_WRITE) &&
		    frames_available() > frames_total() / 2)
			settle(v);
}

/* ---- objects ---- */

/* Whether the entry shows, or has copied, the object's page. */
static bool shows(u64 entry, bool copies)
{
	return entry && (copies || !(entry & PTE_OWNED));
}

static bool zap(const struct vma *v, u64 first, u64 last, bool copies)
{
	u64 skip = v->offset / PAGE_SIZE;
	u64 pages = (v->end - v->start) / PAGE_SIZE;
	bool flush = false;

	first = MAX(first, skip) - skip;
	last = last > skip ? MIN(last - skip, pages) : 0;
	first = v->start + first * PAGE_SIZE;
	last = v->start + last * PAGE_SIZE;
	for (u64 *pte; (pte = pte_next(&first, last)); first += PAGE_SIZE)
		if (shows(*pte, copies))
			flush |= page_drop(pte);
	return flush;
}

void object_zap(const void *data, u64 first, u64 last, bool copies)
{
	struct space *before = space;
	bool flush = false;

	for (struct space *s = spaces; s; s = s->next) {
		space_look_at(s);
		for (const struct vma *v = vma_next(0); v; v = vma_after(v))
			if (v->object && v->object->data == data)
				flush |= zap(v, first, last, copies);
	}
	space_look_at(before);
	if (flush)
		tlb_flush();
}

static bool has_shared_writable(const void *data)
{
	for (const struct vma *v = vma_next(0); v; v = vma_after(v))
		if (v->object && v->object->data == data &&
		    (v->flags & MAP_SHARED) && v->may_write)
			return true;
	return false;
}

bool object_shared_writable(const void *data)
{
	struct space *before = space;
	bool found = false;

	for (struct space *s = spaces; s && !found; s = s->next) {
		space_look_at(s);
		found = has_shared_writable(data);
	}
	space_look_at(before);
	return found;
}
