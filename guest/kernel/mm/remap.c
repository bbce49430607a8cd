/* remap.c: brk and mremap. */
#include <linux/mman.h>

#include "mm/map.h"
#include "mm/page.h"
#include "mm/pool.h"
#include "mm/pte.h"
#include "syscalls.h"

long sys_brk(u64 addr)
{
	u64 old = PAGE_UP(space->brk_end), want = PAGE_UP(addr);
	struct vma v = { .start = old,
			 .end = want,
			 .prot = PROT_READ | PROT_WRITE,
			 .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			 .pool = space->pool_end != 0 };

	if (addr < space->brk_start || addr >= space->brk_top)
		return (long)space->brk_end;
	if (want < old && mm_unmap(want, old) < 0)
		return (long)space->brk_end;
	if (want > old) {
		u64 pages = (want - old) / PAGE_SIZE;

		if (!mm_may_grow(pages, v.prot, v.flags) || !vma_reserve(1) ||
		    !mm_range_free(old, want - old) ||
		    (v.pool && !pool_claim(old, pages)))
			return (long)space->brk_end;
		vma_insert(&v);
		mm_populate_first(old, want - old);
	}
	space->brk_end = addr;
	return (long)space->brk_end;
}

/* ---- mremap ---- */

/* Makes the tables that move_entries() writes to. */
static bool make_tables(u64 from, u64 end, u64 to)
{
	u64 at = from;

	for (const u64 *source; (source = pte_next(&at, end)); at += PAGE_SIZE)
		if (*source && !pte_find(to + (at - from), true))
			return false;
	return true;
}

/* Moves page-table entries of the zone to another place. */
static void move_entries(u64 from, u64 end, u64 to)
{
	u64 at = from;

	for (u64 *source; (source = pte_next(&at, end)); at += PAGE_SIZE) {
		if (*source == 0)
			continue;
		*pte_find(to + (at - from), false) = *source;
		*source = 0;
	}
}

/* Copies what pages have, whatever their rights; those without a frame read as
 * zero in both places. */
static void copy_pages(u64 from, u64 end, u64 to)
{
	for (u64 a = from; a < end; a += PAGE_SIZE) {
		const void *page = page_memory(a);

		if (page && !page_is_zero(page))
			memcpy((void *)(to + (a - from)), page, PAGE_SIZE);
	}
}

/* Out of the pool: its pages stay where they are, so the data moves. */
static long move_from_pool(const struct vma *old, u64 addr, u64 size,
			   u64 new_size, u64 target, bool fixed)
{
	struct vma v = { .prot = PROT_READ | PROT_WRITE,
			 .flags = old->flags | (fixed ? MAP_FIXED : 0) };
	u32 prot = old->prot;
	long to = mm_map(target, new_size, &v);

	if (to < 0)
		return to;
	copy_pages(addr, addr + MIN(size, new_size), (u64)to);
	if (prot != v.prot)
		mm_protect((u64)to, (u64)to + new_size, prot);
	mm_unmap(addr, addr + size);
	return to;
}

/* Of the zone, whose entries move: all of them or, when memory is short, none. */
static long move_in_zone(const struct vma *old, u64 addr, u64 size,
			 u64 new_size, u64 target, bool fixed)
{
	/* Nothing comes in ahead of the entries that move there. */
	struct vma v = { .prot = PROT_NONE,
			 .flags = old->flags | (fixed ? MAP_FIXED : 0),
			 .object = old->object,
			 .offset = old->offset + (addr - old->start),
			 .may_write = old->may_write };
	u64 end = addr + MIN(size, new_size);
	u32 prot = old->prot;
	u8 at_fork = old->at_fork;
	long to;

	/* mm_map()'s three and two for each of the cuts after it. */
	if (!vma_reserve(7))
		return -ENOMEM;
	to = mm_map(target, new_size, &v);
	if (to < 0)
		return to;
	if (!make_tables(addr, end, (u64)to)) {
		mm_unmap((u64)to, (u64)to + new_size);
		return -ENOMEM;
	}
	move_entries(addr, end, (u64)to);
	vma_cut((u64)to, (u64)to + new_size);
	vma_set_prot(vma_next((u64)to), prot);
	vma_next((u64)to)->at_fork = at_fork;
	vma_tidy((u64)to, (u64)to + new_size);
	mm_unmap(addr, addr + size);
	tlb_flush();
	return to;
}

static long move_mapping(const struct vma *old, u64 addr, u64 size,
			 u64 new_size, u64 target, bool fixed)
{
	if (fixed && !mm_fixed_ok(target, new_size))
		return -ENOMEM;
	if (old->pool)
		return move_from_pool(old, addr, size, new_size, target, fixed);
	return move_in_zone(old, addr, size, new_size, target, fixed);
}

/* Several mappings, which keep their distances. */
static long move_all(u64 addr, u64 end, u64 target)
{
	const struct vma *v;

	for (u64 at = addr; (v = vma_next(at)) && v->start < end;) {
		u64 size;
		long r;

		at = MAX(at, v->start);
		size = MIN(v->end, end) - at;
		r = move_mapping(v, at, size, size, target + (at - addr), true);
		if (r < 0)
			return r;
		at += size;
	}
	return (long)target;
}

static bool grow_in_place(const struct vma *old, u64 end, u64 new_end)
{
	struct vma v = *old;

	/* vma_reserve may move what old points to; v is a copy. */
	if (!mm_range_free(end, new_end - end) || !vma_reserve(1))
		return false;
	if (v.pool) {
		if (v.prot != (PROT_READ | PROT_WRITE) ||
		    !pool_claim(end, (new_end - end) / PAGE_SIZE))
			return false;
	} else if (!mm_fixed_ok(end, new_end - end) || in_pool(end)) {
		return false;
	}
	v.offset += end - v.start;
	v.start = end;
	v.end = new_end;
	vma_insert(&v);
	return true;
}

static long check(u64 addr, u64 size, u64 new_size, u64 flags, u64 target)
{
	if ((addr & (PAGE_SIZE - 1)) || new_size == 0 || new_size > USER_TOP ||
	    size > USER_TOP || (flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED)))
		return -EINVAL;
	if (!(flags & MREMAP_FIXED))
		return 0;
	if (!(flags & MREMAP_MAYMOVE) || (target & (PAGE_SIZE - 1)) ||
	    target > USER_TOP - new_size ||
	    (target < addr + size && addr < target + new_size))
		return -EINVAL;
	return 0;
}

long sys_mremap(u64 addr, u64 size, u64 new_size, u64 flags, u64 target)
{
	const struct vma *v;
	long r;

	size = PAGE_UP(size);
	new_size = PAGE_UP(new_size);
	r = check(addr, size, new_size, flags, target);
	if (r)
		return r;
	v = vma_at(addr);
	if (!v)
		return -EFAULT;
	if (size == 0 && !(v->object && v->flags & MAP_SHARED))
		return -EINVAL; /* only what is shared can be mapped twice */
	if (new_size == size) {
		return flags & MREMAP_FIXED ?
			       move_all(addr, addr + size, target) :
			       (long)addr;
	}
	if (new_size < size && !(flags & MREMAP_FIXED)) {
		r = mm_unmap(addr + new_size, addr + size);
		return r ? r : (long)addr;
	}
	if (v->end < addr + MIN(size, new_size))
		return -EFAULT;
	if (new_size < size) { /* what is cut off may be any mappings */
		r = mm_unmap(addr + new_size, addr + size);
		if (r)
			return r;
		size = new_size;
		v = vma_at(addr);
	}
	if (new_size > size &&
	    !mm_may_grow((new_size - size) / PAGE_SIZE, v->prot, v->flags))
		return -ENOMEM;
	if (flags & MREMAP_FIXED)
		return move_mapping(v, addr, size, new_size, target, true);
	if (v->end == addr + size &&
	    grow_in_place(v, addr + size, addr + new_size))
		return (long)addr;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move_mapping(v, addr, size, new_size, 0, false);
}
