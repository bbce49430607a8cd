/* map.c: making and removing mappings. */
#include "mm/map.h"

#include <linux/mman.h>

#include "mm/code.h"
#include "mm/frame.h"
#include "mm/page.h"
#include "mm/pool.h"
#include "mm/pte.h"
#include "mm/resident.h"
#include "mm/shared.h"
#include "syscalls.h"

#define MAX_VMAS 65530         /* as Linux, vm.max_map_count */
#define EAGER_COPY (4ul << 20) /* private writable file data copied at once */
#define EAGER_MAP (64ul << 20) /* image pages mapped at once: 8 bytes a page */
#define POOL_COPY (1ul << 20)  /* file data that the pool shows, at most */
#define NEAR (1ul << 31)       /* bytes that a jump reaches */
#define FAR (64ul << 30)       /* larger ones go beyond the home entry */
#define RIGHTS (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PLACES (MAP_FIXED | MAP_FIXED_NOREPLACE)

bool mm_range_free(u64 start, u64 size)
{
	const struct vma *v = vma_next(start);

	return !v || v->start >= start + size;
}

long mm_check_mapped(u64 start, u64 end)
{
	for (u64 a = start; a < end;) {
		const struct vma *v = vma_at(a);

		if (!v)
			return -ENOMEM;
		a = v->end;
	}
	return 0;
}

long mm_unmap(u64 start, u64 end)
{
	struct vma *v;
	bool flush = false;

	v = vma_next(start);
	if (!v || v->start >= end)
		return 0;
	if (!vma_cut(start, end))
		return -ENOMEM;
	mm_note_peak(end - start);
	while ((v = vma_next(start)) && v->start < end) {
		flush |= page_release(v);
		vma_remove(v);
	}
	if (flush)
		tlb_flush();
	return 0;
}

/* ---- where ---- */

/* A wish for an address that a program may have its reasons for: one of 32 bits,
 * or one within a jump of something. Others are only meant to be random. */
static bool is_wish(u64 addr, u64 size)
{
	const struct vma *v;

	if (addr == 0)
		return false;
	if (addr < 2 * NEAR)
		return true;
	v = vma_next(addr - NEAR);
	return v && v->start < addr + size + NEAR;
}

/* Whether what grows down has its gap above what ends there. */
static bool leaves_guard(u64 end)
{
	const struct vma *v = vma_next(end);

	return !v || !(v->flags & MAP_GROWSDOWN) ||
	       v->start - end >= GROWTH_GUARD;
}

static bool hint_ok(u64 addr, u64 size)
{
	if (addr < LOWEST_ADDRESS || !mm_range_free(addr, size) ||
	    !leaves_guard(addr + size))
		return false;
	if (addr < 2 * NEAR && size < 2 * NEAR)
		return true;
	return addr >= space->home &&
	       addr + size <= space->home + HOME_ZONE_TOP &&
	       (addr + size <= space->pool || addr >= space->pool_end);
}

static u64 choose_address(u64 hint, u64 size, u32 flags)
{
	u64 at = PAGE_DOWN(hint), top = space->home + HOME_ZONE_TOP;

	if (flags & MAP_32BIT)
		return vma_gap(size, NEAR / 2, NEAR);
	if (hint_ok(at, size))
		return at;
	at = size < FAR ? vma_gap(size, space->home + HOME_ZONE, top) : 0;
	return at ? at : vma_gap(size, HOME_SIZE, ZB_KERNEL_BASE);
}

u64 mm_place_program(u64 code, u64 data)
{
	u64 tables = (code + TABLE_SIZE - 1) & ~(TABLE_SIZE - 1);
	u64 size = tables + data + TABLE_SIZE;
	u64 start = vma_gap(size, space->home + HOME_ZONE,
			    space->home + HOME_ZONE_TOP);

	if (!start)
		return 0;
	return ((start + size - data) & ~(TABLE_SIZE - 1)) - code;
}

bool mm_fixed_ok(u64 addr, u64 size)
{
	if (addr < LOWEST_ADDRESS || size > USER_TOP || addr > USER_TOP - size)
		return false;
	return addr + size <= ZB_KERNEL_BASE || addr >= KERNEL_END;
}

/* ---- how much ---- */

bool mm_may_grow(u64 pages, u32 prot, u32 flags)
{
	if (space->pages + pages > space->pages_max)
		return false;
	return !vma_is_data(prot, flags) ||
	       space->data_pages + pages <= space->data_max;
}

static u64 pages_within(u64 start, u64 end)
{
	u64 pages = 0;

	for (const struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v))
		pages += (MIN(end, v->end) - MAX(start, v->start)) / PAGE_SIZE;
	return pages;
}

/* As Linux' heuristic overcommit: more than there is memory at all. */
static bool too_much(u64 size, const struct vma *v)
{
	return !v->object && (v->prot & PROT_WRITE) &&
	       !(v->flags & MAP_NORESERVE) && size / PAGE_SIZE > frames_total();
}

/* ---- mmap ---- */

/* What runs need is mapped when it is cheap: their faults would cost 22 us
 * each and change page tables. */
static void populate_file(u64 addr, u64 size, const struct vma *v)
{
	if (!(v->prot & RIGHTS))
		return;
	if (!(v->flags & MAP_SHARED) && (v->prot & PROT_WRITE)) {
		if (size <= EAGER_COPY)
			mm_populate(addr, size);
		return;
	}
	if (size <= EAGER_MAP)
		mm_populate(addr, size);
}

static bool anywhere(u64 addr, u64 size, u32 flags)
{
	return !is_wish(addr, size) &&
	       !(flags & (PLACES | MAP_32BIT | MAP_STACK | MAP_GROWSDOWN));
}

/* Plain memory for reading and writing. */
static bool is_plain(const struct vma *v)
{
	return !v->object && (v->prot & PROT_WRITE) &&
	       !(v->flags & MAP_NORESERVE);
}

/* Private data of a file, but no program: its parts lie beside each other. */
static bool is_small_copy(const struct vma *v, u64 size)
{
	return v->object && !(v->flags & (MAP_SHARED | MAP_DENYWRITE)) &&
	       (v->prot & PROT_READ) && !(v->prot & PROT_EXEC) &&
	       size <= POOL_COPY;
}

/* False when the object ends before its last page: accesses there must fault. */
static bool copy_object(u64 to, u64 size, const struct vma *v)
{
	u64 done = v->object->ops->read(v->object, (void *)to, size, v->offset);

	return PAGE_UP(done) >= size;
}

/* In the pool; 0: not possible, or not there. */
static u64 map_in_pool(u64 size, struct vma *v)
{
	bool copy = is_small_copy(v, size);

	if (!copy && !is_plain(v))
		return 0;
	v->start = pool_take(size / PAGE_SIZE);
	if (!v->start)
		return 0;
	v->end = v->start + size;
	if (copy && !copy_object(v->start, size, v)) {
		pool_give(v->start, v->end);
		return 0;
	}
	if (copy)
		v->object = NULL;
	v->pool = true;
	vma_insert(v);
	return v->start;
}

/* Shared data of a file, to read and write: where the pool shows it it can be written
 * to. */
static bool is_small_shared(const struct vma *v, u64 size)
{
	return v->object && v->object->ops->gather && (v->flags & MAP_SHARED) &&
	       (v->prot & RIGHTS) == (PROT_READ | PROT_WRITE) &&
	       size <= POOL_COPY;
}

/* Shared data of a file has its pages where the pool shows them one after the other: they
 * are moved if they are not. An ordinary mapping, but for the entries, which are there.
 * 0: not possible. */
static u64 map_lent(u64 size, struct vma *v)
{
	u64 index = v->offset / PAGE_SIZE, count = size / PAGE_SIZE, at;
	struct object *o = v->object;
	gpa_t run;

	if (!is_small_shared(v, size) || !space->pool_end)
		return 0;
	run = o->ops->gather(o, index, count, 0);
	if (run == GATHER_MOVES) {
		at = pool_take(count);
		run = at ? o->ops->gather(o, index, count, at - space->pool) :
			   0;
	}
	v->start = run ? pool_lend(run, count) : 0;
	if (!v->start)
		return 0;
	v->end = v->start + size;
	vma_insert(v);
	return v->start;
}

/* Clears a page of the pool, which keeps it. */
static bool renew_page(u64 addr)
{
	void *page = large_memory(addr);
	u64 *pte;

	if (page) {
		page_clear((void *)addr);
		return false;
	}
	pte = pte_find(addr, false);
	page = page_memory(addr);
	if (frame_displaced(addr - space->pool))
		return page_drop(pte);
	if ((*pte & (PTE_P | PTE_W)) == (PTE_P | PTE_W))
		page = (void *)addr;
	page_clear(page);
	return false;
}

/* MAP_FIXED over memory of the pool: its frames stay, as what backs the new
 * anonymous mapping. */
static long renew_in_pool(u64 addr, u64 end, const struct vma *kind)
{
	bool flush = false;

	if (!vma_cut(addr, end))
		return -ENOMEM;
	for (u64 a = addr; a < end; a += PAGE_SIZE)
		flush |= renew_page(a);
	if (flush)
		tlb_flush();
	for (struct vma *v = vma_next(addr); v && v->start < end;
	     v = vma_after(v))
		v->flags = kind->flags;
	return mm_protect(addr, end, kind->prot);
}

static bool all_pool(u64 start, u64 end)
{
	for (u64 a = start; a < end;) {
		const struct vma *v = vma_at(a);

		if (!v || !v->pool)
			return false;
		a = v->end;
	}
	return true;
}

/* Whether the range shows already what v is to show there, page by page: a loader maps a
 * library as a whole and then its parts over it. Pages of its own are none of that. */
static bool shows_already(u64 addr, u64 end, const struct vma *v)
{
	const struct vma *old = vma_at(addr);
	const u32 code = PROT_READ | PROT_EXEC;

	if (!old || old->end < end || !v->object || old->object != v->object ||
	    old->offset + (addr - old->start) != v->offset ||
	    (old->flags ^ v->flags) & ~(u32)MAP_LOCKED || old->at_fork ||
	    v->flags & MAP_SHARED || !(old->prot & code) || !(v->prot & code) ||
	    (old->prot | v->prot) & PROT_WRITE)
		return false;
	for (const u64 *pte; (pte = pte_look(&addr, end)); addr += PAGE_SIZE)
		if (*pte & (PTE_OWNED | PTE_SAVED))
			return false;
	return true;
}

static long map_fixed(u64 addr, u64 size, struct vma *v, bool replace)
{
	u64 end = addr + size;
	long r;

	if (!mm_fixed_ok(addr, size))
		return addr < LOWEST_ADDRESS ? -EPERM : -ENOMEM;
	if (!replace && !mm_range_free(addr, size))
		return -EEXIST;
	if (!v->object && !(v->flags & MAP_SHARED) && all_pool(addr, end)) {
		r = renew_in_pool(addr, end, v);
		return r ? r : (long)addr;
	}
	if (shows_already(addr, end, v)) {
		r = mm_protect(addr, end, v->prot);
		return r ? r : (long)addr;
	}
	r = mm_unmap(addr, end);
	if (r)
		return r;
	pool_displace(addr, end);
	v->start = addr;
	v->end = end;
	vma_insert(v);
	return (long)addr;
}

static long place(u64 addr, u64 size, struct vma *v, u32 flags)
{
	if (flags & PLACES)
		return map_fixed(addr, size, v, flags & MAP_FIXED);
	v->start = choose_address(addr, size, flags);
	if (v->start == 0)
		return -ENOMEM;
	v->end = v->start + size;
	vma_insert(v);
	return (long)v->start;
}

/* Memory that a child will have in common with this process: where there is no
 * pool it is so from the start, else from the first fork on. */
static bool is_shared_memory(const struct vma *v)
{
	return !v->object && (v->flags & MAP_SHARED) && !space->pool_end;
}

long mm_map(u64 addr, u64 size, const struct vma *kind)
{
	return mm_map_ready(addr, size, size, kind);
}

long mm_map_ready(u64 addr, u64 size, u64 ready, const struct vma *kind)
{
	struct vma v = *kind;
	u32 flags = kind->flags;
	u64 replaced = flags & MAP_FIXED ? pages_within(addr, addr + size) : 0;
	struct object *own;
	long r;

	v.flags &= ~(u32)PLACES;
	v.pool = false;
	v.at_fork = 0;
	v.apart = ready < size && ready >= code_least();
	if (vma_count() >= MAX_VMAS || !vma_reserve(3) || too_much(size, &v) ||
	    !mm_may_grow(size / PAGE_SIZE - replaced, v.prot, flags))
		return -ENOMEM;
	if (anywhere(addr, size, flags) &&
	    (map_in_pool(size, &v) || map_lent(size, &v)))
		return (long)v.start;
	own = is_shared_memory(&v) ? shared_new(size / PAGE_SIZE) : NULL;
	if (is_shared_memory(&v) && !own)
		return -ENOMEM;
	if (own) {
		v.object = own;
		v.may_write = true;
	}
	r = place(addr, size, &v, flags);
	if (own)
		own->ops->unref(own); /* the mapping has its own reference */
	if (r < 0 || in_pool((u64)r))
		return r;
	if (own)
		v.object = NULL;
	if (v.object && ready < size)
		code_share(&v, (u64)r, (u64)r + ready);
	if (v.object)
		populate_file((u64)r, ready, &v);
	else if (flags & MAP_POPULATE)
		mm_populate((u64)r, size);
	else if (is_plain(&v) && size <= MM_AT_ONCE)
		mm_populate_first((u64)r, size);
	return r;
}

long sys_munmap(u64 addr, u64 size)
{
	if ((addr & (PAGE_SIZE - 1)) || size == 0 || size > USER_TOP ||
	    addr > USER_TOP - size)
		return -EINVAL;
	return mm_unmap(addr, addr + PAGE_UP(size));
}

/* ---- the space ---- */

void mm_init(void)
{
	struct space *first;

	frames_init(control->frames_start, control->memory_size);
	first = space_new();
	if (!first)
		panic("no memory for the first space");
	space_switch(first);
}

long mm_open(u64 home)
{
	space->home = home;
	space->pool = home + HOME_POOL;
	space->pool_start = space->pool + frames_first();
	space->pool_end = space->pool + control->memory_size;
	space->brk_start = space->brk_end = space->pool + frames_heap();
	space->brk_top = space->pool_end;
	return pool_build(space) ? 0 : -ENOMEM;
}
