/* pool.c: the pool of a space, and taking back what nobody has written to. */
#include "mm/pool.h"

#include <linux/mman.h>

#include "mm/frame.h"
#include "mm/page.h"
#include "mm/pte.h"

#define BATCH 256 /* pages that are taken back at a time */

static u64 cursor; /* where taking back goes on */

static gpa_t gpa_of(u64 addr)
{
	return addr - space->pool;
}

static u64 own_entry(gpa_t gpa)
{
	return pte_make(gpa, true, false);
}

/* Through the pool, where the program will touch them: the first access by
 * another mapping costs a fault of the host's. */
static void clear(gpa_t gpa, u64 count)
{
	for (u64 i = 0; i < count; i++, gpa += PAGE_SIZE)
		if (!frame_take_zero(gpa))
			memset((void *)(space->pool + gpa), 0, PAGE_SIZE);
}

u64 pool_take(u64 count)
{
	gpa_t gpa = space->pool_end ? frames_take_run(count) : 0;

	if (!gpa)
		return 0;
	clear(gpa, count);
	return space->pool + gpa;
}

bool pool_claim(u64 addr, u64 count)
{
	if (!in_pool(addr) || count > (space->pool_end - addr) / PAGE_SIZE ||
	    !frames_claim(gpa_of(addr), count))
		return false;
	clear(gpa_of(addr), count);
	return true;
}

/* One displaced page: what it holds is given up. One that was lent has the pool's own
 * entry. */
static bool give_displaced(u64 addr, u64 *pte)
{
	bool flush = false;

	frame_displace(gpa_of(addr), false);
	if (*pte == own_entry(gpa_of(addr)))
		return false;
	flush = page_drop(pte);
	*pte = own_entry(gpa_of(addr));
	return flush;
}

static bool give_page(u64 addr)
{
	u64 *pte = pte_find(addr, false), own = own_entry(gpa_of(addr));
	bool flush = false;

	if (frame_displaced(gpa_of(addr)))
		return give_displaced(addr, pte);
	if (*pte != own) {
		*pte = own;
		flush = true;
	}
	frames_free(gpa_of(addr), 1);
	return flush;
}

bool pool_give(u64 start, u64 end)
{
	bool flush = false;
	u64 next;

	for (u64 a = start; a < end; a = next) {
		next = a + PAGE_SIZE;
		if (!large_memory(a)) {
			flush |= give_page(a);
			continue;
		}
		next = MIN((a | (LARGE_PAGE - 1)) + 1, end);
		frames_free(gpa_of(a), (next - a) / PAGE_SIZE);
	}
	return flush;
}

void pool_displace(u64 start, u64 end)
{
	start = MAX(start, space->pool_start);
	end = MIN(end, space->pool_end);
	for (u64 a = start; a < end; a += PAGE_SIZE) {
		*pte_find(a, false) = 0;
		frame_displace(gpa_of(a), true);
	}
	if (start < end)
		tlb_flush();
}

void pool_restore(u64 start, u64 end)
{
	start = MAX(start, space->pool_start);
	end = MIN(end, space->pool_end);
	for (u64 a = start; a < end; a += PAGE_SIZE) {
		*pte_find(a, false) = own_entry(gpa_of(a));
		frame_displace(gpa_of(a), false);
	}
}

bool pool_release(u64 start, u64 end)
{
	bool flush = false;

	for (u64 a = start; a < end; a += PAGE_SIZE)
		if (large_memory(a))
			frame_displace(gpa_of(a), false);
		else
			flush |= give_displaced(a, pte_find(a, false));
	return flush;
}

u64 pool_lend(gpa_t gpa, u64 count)
{
	u64 start = space->pool + gpa;

	if (!in_pool(start) || count > (space->pool_end - start) / PAGE_SIZE)
		return 0;
	for (u64 i = 0; i < count; i++)
		frame_displace(gpa + i * PAGE_SIZE, true);
	return start;
}

/* ---- taking back ---- */

/* What a page holds: where the program has touched it, if it can be read
 * there. */
static const void *content(u64 addr, const u64 *pte)
{
	return *pte & PTE_P && tables_loaded(&space->tables) ?
		       (const void *)addr :
		       gpa_to_ptr(*pte & PTE_GPA);
}

/* A page of anonymous memory that is still all zero, whatever its rights. What was
 * taken back once and then written stays: a program that fills memory with zeroes
 * is to meet its end as any other. */
static bool take_back(const struct vma *v, u64 addr, u64 *pte)
{
	bool own = v->pool && !frame_displaced(gpa_of(addr));
	gpa_t gpa = *pte & PTE_GPA;

	if (!own && (*pte & (PTE_OWNED | PTE_TOUCHED)) != PTE_OWNED)
		return false;
	if (!page_is_zero(content(addr, pte)))
		return false;
	*pte = 0;
	if (own)
		frame_displace(gpa, true);
	if (frame_shared(gpa))
		frames_free(gpa, 1); /* other spaces' turn will come */
	else
		frames_free_zero(gpa);
	return true;
}

/* Pages of [start, end), until there are enough. */
static u64 take_back_from(u64 start, u64 end, u64 taken)
{
	for (const struct vma *v = vma_next(start);
	     v && v->start < end && taken < BATCH; v = vma_after(v)) {
		u64 at = MAX(start, v->start), last = MIN(end, v->end);

		if (v->object || (v->flags & MAP_SHARED))
			continue;
		for (u64 *pte; taken < BATCH && (pte = pte_next(&at, last));
		     at += PAGE_SIZE)
			taken += take_back(v, at, pte);
		cursor = at;
	}
	return taken;
}

/* Some pages, of all spaces in turn; how many. */
static u64 take_some_back(void)
{
	struct space *before = space;
	u64 start = cursor, taken = tables_give_back();

	if (taken)
		return taken;
	taken = take_back_from(start, USER_TOP, 0);
	if (taken < BATCH)
		taken = take_back_from(0, start, taken);
	for (struct space *s = spaces; s && taken < BATCH; s = s->next) {
		if (s == before)
			continue;
		space_look_at(s);
		taken = take_back_from(0, USER_TOP, taken);
	}
	space_look_at(before);
	if (taken)
		tlb_flush();
	return taken;
}

/* A few words: of what is touched some are not zero. */
static bool looks_touched(const void *page)
{
	const u64 *words = page;
	u64 any = 0;

	for (size_t i = 0; i < PAGE_SIZE / 8 && !any; i += 64)
		any = words[i] | words[i + 32];
	return any;
}

static bool is_touched(u64 addr)
{
	const void *page = large_memory(addr);
	const u64 *pte;

	if (page)
		return looks_touched(tables_loaded(&space->tables) ?
					     (const void *)addr :
					     page);
	pte = pte_find(addr, false);
	if (frame_displaced(gpa_of(addr)))
		return *pte & PTE_P;
	return looks_touched(content(addr, pte));
}

u64 pool_touched(u64 start, u64 end, u64 step)
{
	u64 looked = 0, touched = 0;

	for (u64 a = start; a < end; a += step * PAGE_SIZE, looked++)
		touched += is_touched(a);
	return looked ? touched * ((end - start) / PAGE_SIZE) / looked : 0;
}

/* ---- the end of a pool ---- */

/* Pages that stay with their mapping, and have no more rights than it has. What was lent
 * is not displaced any more than others then, and belongs to its object. */
static void settle_pages(const struct vma *v, u64 start, u64 end)
{
	u64 rights = v->prot & PROT_WRITE ? ~0ul : ~PTE_W;

	for (u64 a = start; a < end; a += PAGE_SIZE) {
		u64 *pte = pte_find(a, false);

		if (!frame_displaced(gpa_of(a))) {
			*pte = (*pte & rights) | PTE_OWNED;
			continue;
		}
		frame_displace(gpa_of(a), false);
		if (*pte & ~rights)
			*pte &= rights;
	}
}

/* Of pages that no mapping has. */
static void clear_entries(u64 start, u64 end)
{
	for (u64 *pte; (pte = pte_next(&start, end)); start += PAGE_SIZE)
		if (*pte)
			*pte = 0;
}

static bool in_use(u64 start, u64 end)
{
	const struct vma *v = vma_next(start);

	return v && v->start < end;
}

void pool_dissolve(void)
{
	u64 at = space->pool, end = space->pool_end;

	if (!end)
		return;
	tables_keep(space->pool, end, in_use);
	for (struct vma *v = vma_next(at); v && v->start < end;
	     v = vma_after(v)) {
		clear_entries(at, v->start);
		at = MIN(v->end, end);
		settle_pages(v, MAX(v->start, space->pool_start), at);
		v->pool = false;
	}
	if (at < end)
		clear_entries(at, end);
	space->pool = space->pool_start = space->pool_end = 0;
	space->brk_top = space->home + HOME_PIE;
	tlb_flush();
}

bool pool_build(struct space *s)
{
	gpa_t large = frames_large();
	u64 end = large ? large : control->memory_size;

	for (gpa_t gpa = s->pool_start - s->pool; gpa < end; gpa += PAGE_SIZE) {
		u64 *pte = pte_find(s->pool + gpa, true);

		if (!pte)
			return false;
		*pte = own_entry(gpa);
	}
	frames_on_shortage(take_some_back);
	return !large || large_build(s->pool + large, large,
				     control->memory_size - large);
}
