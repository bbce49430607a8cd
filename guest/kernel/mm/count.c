/* count.c: how much of what a space has. */
#include "mm/count.h"

#include <linux/mman.h>

#include "mm/map.h"
#include "mm/pool.h"
#include "mm/pte.h"

#define TABLE_SHIFT 21 /* what a table of the lowest kind maps */
#define SMALL (1ul << 20) /* mappings of the pool that count as touched */

/* Entries that hold a frame; tables: how many tables have any. */
static u64 present(const struct vma *v, u64 *own, u64 *tables)
{
	u64 n = 0, last = ~0ul;

	for (u64 at = v->start, *pte; (pte = pte_next(&at, v->end));
	     at += PAGE_SIZE) {
		if (!(*pte & (PTE_P | PTE_SAVED)))
			continue;
		n++;
		*own += (*pte & PTE_OWNED) != 0;
		if (at >> TABLE_SHIFT != last)
			++*tables;
		last = at >> TABLE_SHIFT;
	}
	return n;
}

u64 vma_present(const struct vma *v, u64 *own)
{
	u64 tables = 0;

	*own = 0;
	if (!v->pool)
		return present(v, own, &tables);
	*own = v->end - v->start > SMALL ? pool_touched(v->start, v->end) :
					    (v->end - v->start) / PAGE_SIZE;
	return *own;
}

void mm_count(struct mm_count *c)
{
	const u32 data = PROT_WRITE, code = PROT_EXEC;

	memset(c, 0, sizeof(*c));
	for (const struct vma *v = vma_next(0); v; v = vma_after(v)) {
		u64 pages = (v->end - v->start) / PAGE_SIZE, own = 0, there;

		if (v->flags & MAP_GROWSDOWN)
			c->stack += pages;
		else if ((v->prot & data) && !(v->flags & MAP_SHARED))
			c->data += pages;
		else if ((v->prot & (data | code)) == code)
			c->execute += pages;
		if (v->flags & MAP_LOCKED)
			c->locked += pages;
		if (v->pool) {
			c->tables += (v->end - v->start) >> TABLE_SHIFT;
			continue;
		}
		there = present(v, &own, &c->tables);
		if (v->object)
			c->file += there - own;
	}
}

u64 mm_resident_all(void)
{
	struct mm_count c;

	mm_count(&c);
	return mm_resident_pages() + c.file;
}

u64 mm_peak_all(void)
{
	struct mm_count c;

	mm_count(&c);
	return mm_peak_pages() + c.file;
}
