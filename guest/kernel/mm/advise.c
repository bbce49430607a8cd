/* advise.c: what programs tell and ask about their memory. */
#include <linux/mman.h>

#include "mm/count.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/page.h"
#include "mm/pool.h"
#include "mm/pte.h"
#include "mm/resident.h"
#include "mm/user.h"
#include "syscalls.h"

#define RELEASE 64 /* pages from which DONTNEED gives frames back */

/* Clears a page that keeps its frame. */
static void clear_page(u64 addr, u64 *pte)
{
	void *page = (*pte & (PTE_P | PTE_W)) == (PTE_P | PTE_W) ?
			     (void *)addr :
			     page_memory(addr);

	if (page)
		page_clear(page);
	if (*pte & PTE_TOUCHED)
		*pte &= ~PTE_TOUCHED;
}

/* What of the range lies in pages of 2 MiB from its start on; where that ends. */
static u64 clear_large(u64 start, u64 end)
{
	for (; start < end && large_memory(start); start += PAGE_SIZE)
		page_clear((void *)start);
	return start;
}

static void clear_pages(const struct vma *v, u64 start, u64 end)
{
	bool flush = false;

	start = clear_large(start, end);
	for (u64 *pte; (pte = pte_next(&start, end));
	     start = clear_large(start + PAGE_SIZE, end))
		if (v->pool)
			clear_page(start, pte);
		else if (!(*pte & PTE_OWNED))
			continue;
		else if (frame_shared(*pte & PTE_GPA))
			flush |= page_drop(pte);
		else
			clear_page(start, pte);
	if (flush)
		tlb_flush();
}

static void discard(const struct vma *v, u64 start, u64 end)
{
	if (v->flags & MAP_SHARED)
		return;
	if (!v->pool && (v->object || (end - start) / PAGE_SIZE >= RELEASE)) {
		if (page_release_zone(start, end))
			tlb_flush();
		return;
	}
	clear_pages(v, start, end);
}

static bool page_is_there(u64 addr, bool write)
{
	const u64 *pte = pte_find(addr, false);
	u64 want = write ? PTE_P | PTE_W : PTE_P;

	return pte && (*pte & want) == want;
}

/* As a touch of each page would; those that are there cost nothing. */
static long populate(u64 start, u64 end, bool write)
{
	for (u64 a = start; a < end; a += PAGE_SIZE) {
		long r = page_is_there(a, write) ? 0 : mm_fault(a, write);

		if (r == -EACCES)
			return -EINVAL;
		if (r)
			return r == -ENXIO ? -EFAULT : -ENOMEM;
	}
	return 0;
}

/* MADV_REMOVE: what is mapped goes, for all who share it. */
static long remove(const struct vma *v, u64 start, u64 end)
{
	bool shared = v->flags & MAP_SHARED;

	if ((v->flags & MAP_LOCKED) || !(v->object || shared))
		return -EINVAL;
	if (!shared || !(!v->object || v->may_write))
		return -EACCES;
	if (v->object)
		return v->object->ops->punch(
			v->object, v->offset + (start - v->start), end - start);
	if (!v->pool && page_release_zone(start, end))
		tlb_flush();
	if (v->pool)
		clear_pages(v, start, end);
	return 0;
}

static long give_up(const struct vma *v, u64 start, u64 end, u32 advice)
{
	if (advice == MADV_REMOVE)
		return remove(v, start, end);
	if (advice == MADV_FREE && (v->object || v->flags & MAP_SHARED))
		return -EINVAL;
	if (v->flags & MAP_LOCKED)
		return -EINVAL;
	discard(v, start, end);
	return 0;
}

/* What a child is to get of it; wiped is only what is private memory. */
static long set_at_fork(u64 start, u64 end, u8 what, bool on)
{
	if (end > start && !vma_cut(start, end))
		return -ENOMEM;
	for (struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v)) {
		if (on && what == FORK_WIPE &&
		    (v->object || v->flags & MAP_SHARED))
			return -EINVAL;
		v->at_fork = on ? v->at_fork | what : v->at_fork & ~what;
	}
	vma_tidy(start, end);
	return mm_check_mapped(start, end);
}

long sys_madvise(u64 addr, u64 size, u64 advice)
{
	u64 end = addr + PAGE_UP(size);
	long r;

	if ((addr & (PAGE_SIZE - 1)) || end < addr || (size && !PAGE_UP(size)))
		return -EINVAL;
	switch ((int)advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		return mm_check_mapped(addr, end);
	case MADV_DONTFORK:
	case MADV_DOFORK:
		return set_at_fork(addr, end, FORK_OMIT,
				   advice == MADV_DONTFORK);
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return set_at_fork(addr, end, FORK_WIPE,
				   advice == MADV_WIPEONFORK);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return populate(addr, end, advice == MADV_POPULATE_WRITE);
	case MADV_FREE:
	case MADV_DONTNEED:
	case MADV_REMOVE:
		break;
	default:
		return -EINVAL;
	}
	mm_note_peak(end - addr);
	for (const struct vma *v = vma_next(addr); v && v->start < end;
	     v = vma_after(v)) {
		r = give_up(v, MAX(addr, v->start), MIN(end, v->end),
			    (u32)advice);
		if (r)
			return r;
	}
	return mm_check_mapped(addr, end);
}

long sys_mincore(u64 addr, u64 size, u64 vector)
{
	u64 end = addr + PAGE_UP(size);

	if ((addr & (PAGE_SIZE - 1)))
		return -EINVAL;
	if (end < addr || mm_check_mapped(addr, end))
		return -ENOMEM;
	for (u64 a = addr; a < end; a += PAGE_SIZE, vector++) {
		u8 there = page_memory(a) != NULL;

		if (copy_to_user(vector, &there, 1))
			return -EFAULT;
	}
	return 0;
}

static bool any_locked(u64 start, u64 end)
{
	for (const struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v))
		if (v->flags & MAP_LOCKED)
			return true;
	return false;
}

/* Files live in memory: there is nothing to write back. */
long sys_msync(u64 addr, u64 size, u64 flags)
{
	u64 end = addr + PAGE_UP(size);

	if ((addr & (PAGE_SIZE - 1)) || (flags & ~7ull) ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	if ((flags & MS_INVALIDATE) && any_locked(addr, end))
		return -EBUSY;
	return mm_check_mapped(addr, end);
}

/* ---- what /proc shows ---- */

u64 mm_mapped_pages(void)
{
	return space->pages;
}

/* The object's name, or what Linux calls such memory. */
size_t vma_name(const struct vma *v, char *buf, size_t size)
{
	const char *text = "";

	if (v->object)
		return v->object->ops->name(v->object, buf, size);
	if (v->start == space->brk_start)
		text = "[heap]";
	else if (v->start < space->stack_top && v->end >= space->stack_top)
		text = "[stack]";
	return (size_t)ksnprintf(buf, size, "%s", text);
}
