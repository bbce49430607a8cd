/* protect.c: rights of mappings. */
#include <linux/mman.h>

#include "mm/code.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/page.h"
#include "mm/pte.h"
#include "syscalls.h"

#define RIGHTS ((u64)(PROT_READ | PROT_WRITE | PROT_EXEC))

/* Others may have the table, too, until something there changes. */
static bool protect_page(u64 at, u64 old, const struct vma *v, u32 prot)
{
	u64 entry;

	if (!(old & (PTE_P | PTE_SAVED)))
		return false;
	if (prot == PROT_NONE) {
		entry = (old & ~PTE_P) | PTE_SAVED;
	} else {
		entry = (old & ~(PTE_SAVED | PTE_W)) | PTE_P;
		if ((prot & PROT_WRITE) && page_may_write(old, v))
			entry |= PTE_W;
	}
	if (entry == old)
		return false;
	*pte_find(at, false) = entry;
	return true;
}

/* To say who may write to a page, the table must be this space's alone: what others
 * have by the same table does not count as shared. */
static const u64 *next(u64 *at, u64 end, u32 prot)
{
	return prot & PROT_WRITE ? pte_next(at, end) : pte_look(at, end);
}

static bool protect(const struct vma *v, u32 prot)
{
	bool flush = false;
	u64 at = v->start;

	for (const u64 *pte; (pte = next(&at, v->end, prot)); at += PAGE_SIZE)
		flush |= protect_page(at, *pte, v, prot);
	return flush;
}

/* Whether a right may be given that a mapping has not: of shared files, and of
 * RLIMIT_DATA. */
static long check(u64 start, u64 end, u32 prot)
{
	u64 more = 0;

	for (const struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v)) {
		if (v->object && (v->flags & MAP_SHARED) &&
		    (prot & PROT_WRITE) && !v->may_write)
			return -EACCES;
		if (vma_is_data(prot, v->flags) &&
		    !vma_is_data(v->prot, v->flags))
			more += (MIN(end, v->end) - MAX(start, v->start)) /
				PAGE_SIZE;
	}
	return space->data_pages + more <= space->data_max ? 0 : -ENOMEM;
}

long mm_protect(u64 start, u64 end, u32 prot)
{
	bool flush = false;
	long r = check(start, end, prot);

	if (r)
		return r;
	if (!vma_cut(start, end))
		return -ENOMEM;
	for (struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v)) {
		if (v->prot == prot)
			continue;
		flush |= protect(v, prot);
		vma_set_prot(v, prot);
	}
	vma_tidy(start, end);
	if (flush)
		tlb_flush();
	return 0;
}

/* PROT_GROWSDOWN: from the start of a mapping that grows so. 0 or -EINVAL. */
static long extend_down(u64 *addr)
{
	const struct vma *v = vma_at(*addr);

	if (!v || !(v->flags & MAP_GROWSDOWN))
		return -EINVAL;
	*addr = v->start;
	return 0;
}

/* What a file is mapped as at first is what it has; what is made executable may have been
 * written to. */
static void note_code(u64 start, u64 end)
{
	for (const struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v))
		if (v->object && !(v->flags & MAP_SHARED))
			code_note_change();
}

long sys_mprotect(u64 addr, u64 size, u64 prot)
{
	u64 end = addr + PAGE_UP(size), there = addr;
	const struct vma *v;
	long r = 0;

	if ((addr & (PAGE_SIZE - 1)) || prot & ~(RIGHTS | PROT_GROWSDOWN) ||
	    (size && !PAGE_UP(size)))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (end <= addr || end > USER_TOP)
		return -ENOMEM;
	if (prot & PROT_GROWSDOWN)
		r = extend_down(&addr);
	if (r)
		return r;
	if (prot & PROT_EXEC)
		note_code(addr, end);
	/* What is before a gap gets its rights, and the call fails. */
	while (there < end && (v = vma_at(there)))
		there = MIN(v->end, end);
	if (there > addr)
		r = mm_protect(addr, there, (u32)prot & RIGHTS);
	return r ? r : there < end ? -ENOMEM : 0;
}
