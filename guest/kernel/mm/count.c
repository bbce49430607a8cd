/* count.c: how much of what a space has. */
#include "mm/count.h"

#include <linux/mman.h>

#include "mm/pool.h"
#include "mm/pte.h"

#define SMALL (1ul << 20) /* mappings of the pool that count as touched */
#define SAMPLE 64         /* pages that stand for all of one that is larger */

static void add_page(struct vma_pages *c, u64 pte)
{
	if (pte & PTE_OWNED)
		c->own++;
	else if ((pte & PTE_GPA) >= ZB_IMAGE_GPA)
		c->image++;
	else
		c->file++;
}

static void count_zone(const struct vma *v, struct vma_pages *c)
{
	u64 at = v->start;

	for (const u64 *pte; (pte = pte_look(&at, v->end));) {
		u64 end = MIN((at | (TABLE_SIZE - 1)) + 1, v->end);

		c->tables++;
		for (; at < end; at += PAGE_SIZE, pte++)
			if (*pte & (PTE_P | PTE_SAVED))
				add_page(c, *pte);
	}
}

void vma_pages(const struct vma *v, struct vma_pages *c)
{
	u64 size = v->end - v->start;

	memset(c, 0, sizeof(*c));
	if (!v->pool) {
		count_zone(v, c);
		return;
	}
	c->tables = size >> TABLE_SHIFT;
	c->own = size > SMALL ? pool_touched(v->start, v->end,
					     size / PAGE_SIZE / SAMPLE) :
				size / PAGE_SIZE;
}

void mm_count(struct mm_count *c)
{
	const u32 data = PROT_WRITE, code = PROT_EXEC;

	memset(c, 0, sizeof(*c));
	for (const struct vma *v = vma_next(0); v; v = vma_after(v)) {
		u64 pages = (v->end - v->start) / PAGE_SIZE;
		struct vma_pages there = { 0 };

		if (v->flags & MAP_GROWSDOWN)
			c->stack += pages;
		else if ((v->prot & data) && !(v->flags & MAP_SHARED))
			c->data += pages;
		else if ((v->prot & (data | code)) == code)
			c->execute += pages;
		if (v->flags & MAP_LOCKED)
			c->locked += pages;
		if (!v->pool)
			count_zone(v, &there);
		c->file += v->object ? there.file : 0;
		c->tables += v->pool ? pages * PAGE_SIZE >> TABLE_SHIFT :
				       there.tables;
	}
}
