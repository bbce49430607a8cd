/*
 * page.c: the pages of mappings: how they come in, by a fault or ahead of it, and
 * how they are given up.
 */
#include "mm/page.h"

#include <linux/mman.h>

#include "fs/file.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/pte.h"
#include "mm/space.h"

#define AROUND 16               /* pages brought in by one fault */
#define BLOCK 64                /* pages that are completed before the snapshot */

/* Gives up one page of the zone. True when a flush is needed. */
static bool page_drop(u64 *pte)
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

	for (u64 a = start; a < end;) {
		u64 *pte = pte_find(a, false);

		if (!pte) {
			a = pte_next_table(a);
			continue;
		}
		flush |= page_drop(pte);
		a += PAGE_SIZE;
	}
	return flush;
}

/* Puts entries of the direct map back as they were laid out. */
static bool direct_restore(u64 start, u64 end)
{
	bool changed = false;

	for (u64 a = start; a < end; a += PAGE_SIZE) {
		u64 *pte = pte_find(a, false);
		u64 entry = pte_make(a - ZB_DIRECT_BASE, true, false);

		if (pte && *pte != entry) {
			*pte = entry;
			changed = true;
		}
	}
	return changed;
}

bool page_release(const struct vma *v)
{
	bool flush = false;

	if (!vma_is_direct(v))
		return page_release_zone(v->start, v->end);
	if (!(v->prot & PROT_WRITE))
		flush = direct_restore(v->start, v->end);
	frames_free(v->start - ZB_DIRECT_BASE, (v->end - v->start) / PAGE_SIZE);
	return flush;
}

/* ---- coming in ---- */

/* A frame of the file for reading or sharing; 0 behind its end. */
static gpa_t file_page(const struct vma *v, u64 addr, bool write)
{
	if (!v->file->ops->page)
		return 0;
	return v->file->ops->page(
		v->file, (v->offset + (addr - v->start)) / PAGE_SIZE, write);
}

static long fill_anonymous(u64 *pte, const struct vma *v)
{
	gpa_t gpa = frames_alloc(1);

	if (!gpa)
		return -ENOMEM;
	*pte = pte_make(gpa, v->prot & PROT_WRITE, true);
	return 0;
}

static long fill_from_file(u64 *pte, const struct vma *v, u64 addr, bool write)
{
	bool shared = v->flags & MAP_SHARED;
	gpa_t from = file_page(v, addr, shared && (v->prot & PROT_WRITE)), copy;

	if (!from)
		return -ENXIO;
	if (shared || !write) {
		*pte = pte_make(from, shared && (v->prot & PROT_WRITE), false);
		return 0;
	}
	copy = frames_alloc(1);
	if (!copy)
		return -ENOMEM;
	memcpy(gpa_to_ptr(copy),
	       from >= ZB_IMAGE_GPA ?
		       (void *)(ZB_IMAGE_BASE + (from - ZB_IMAGE_GPA)) :
		       gpa_to_ptr(from),
	       PAGE_SIZE);
	*pte = pte_make(copy, true, true);
	return 0;
}

static long fill(u64 *pte, const struct vma *v, u64 addr, bool write)
{
	if (v->file)
		return fill_from_file(pte, v, addr, write);
	return fill_anonymous(pte, v);
}

/* A write to a present, read-only page of a writable mapping. */
static long make_writable(u64 *pte, const struct vma *v, u64 addr)
{
	u64 old = *pte;
	long r;

	if (old & PTE_OWNED) {
		*pte = old | PTE_W;
		tlb_flush();
		return 0;
	}
	r = fill(pte, v, addr, true);
	if (r == 0)
		tlb_flush();
	return r;
}

static void fill_around(const struct vma *v, u64 addr)
{
	u64 start = addr & ~(AROUND * PAGE_SIZE - 1);
	u64 end = start + AROUND * PAGE_SIZE;

	if (!v->file && frames_available() < frames_total() / 16)
		return;
	for (u64 a = MAX(start, v->start); a < MIN(end, v->end);
	     a += PAGE_SIZE) {
		u64 *pte = pte_find(a, true);

		if (!pte || (*pte == 0 && fill(pte, v, a, false) < 0))
			return;
	}
}

long mm_fault(u64 addr, bool write)
{
	const struct vma *v = vma_at(addr);
	u64 page = PAGE_DOWN(addr), *pte;
	long r;

	if (!v)
		return -EFAULT;
	if (!(v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) ||
	    (write && !(v->prot & PROT_WRITE)))
		return -EACCES;
	if (vma_is_direct(v)) {
		/* The entry allows it: an old translation is in the way. */
		tlb_flush();
		return 0;
	}
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
	if (r == 0)
		fill_around(v, page);
	return r;
}

void mm_populate(u64 addr, u64 size)
{
	for (u64 a = addr; a < addr + size; a += PAGE_SIZE) {
		const struct vma *v = vma_at(a);
		u64 *pte;

		if (!v || vma_is_direct(v))
			continue;
		pte = pte_find(a, true);
		if (!pte)
			return;
		if (*pte == 0 && fill(pte, v, a, (v->prot & PROT_WRITE) &&
							 !(v->flags & MAP_SHARED)) < 0)
			return;
	}
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
		if (!vma_is_direct(v) && !v->file && !(v->flags & MAP_SHARED) &&
		    (v->prot & PROT_WRITE) &&
		    frames_available() > frames_total() / 2)
			settle(v);
}
