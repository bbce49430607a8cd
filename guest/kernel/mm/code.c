/*
 * code.c: tables of code that programs have in common. What is in one follows from
 * where it begins and ends and from the first frame, for files lie in the image in one
 * piece, which never changes: so a table is right for whoever maps the same there, and
 * is kept when nobody does.
 *
 * Programs that the template has are not among them: their call sites are changed, so
 * that their tables are their own.
 */
#include "mm/code.h"

#include <linux/mman.h>

#include "mm/pte.h"

#define KEPT 128 /* tables */
#define LEAST 8u /* pages that are worth one */
#define FIRST_LEAST (512ul << 10)
#define LATER_LEAST (64ul << 10)

static struct code {
	gpa_t frame;    /* of the first page */
	u16 first, end; /* entries */
	gpa_t table;
} kept[KEPT];
static u32 next; /* to be replaced */

u64 code_least(void)
{
	return space->pool_end ? FIRST_LEAST : LATER_LEAST;
}

static bool may_differ;

void code_note_change(void)
{
	may_differ = true;
}

bool code_may_differ(void)
{
	return may_differ;
}

gpa_t code_frame(const struct vma *v, u64 start, u64 end)
{
	u64 index = (v->offset + (start - v->start)) / PAGE_SIZE;
	u64 count = (end - start) / PAGE_SIZE;
	struct object *o = v->object;
	gpa_t frame = o->ops->page(o, index, false);

	if (frame < ZB_IMAGE_GPA)
		return 0;
	for (u64 i = 1; i < count; i++)
		if (o->ops->page(o, index + i, false) != frame + i * PAGE_SIZE)
			return 0;
	return frame;
}

static const struct code *find(const struct code *wanted)
{
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].table && kept[i].frame == wanted->frame &&
		    kept[i].first == wanted->first &&
		    kept[i].end == wanted->end)
			return &kept[i];
	return NULL;
}

static const struct code *make(struct code *c)
{
	u64 *entries;

	c->table = table_take();
	if (!c->table)
		return NULL;
	entries = gpa_to_ptr(c->table);
	for (u64 i = c->first; i < c->end; i++)
		entries[i] = pte_make(c->frame + (i - c->first) * PAGE_SIZE,
				      false, false);
	if (kept[next].table)
		table_leave(kept[next].table);
	kept[next] = *c;
	c = &kept[next];
	next = (next + 1) % KEPT;
	return c;
}

/* Whether the space shows the table already, elsewhere. */
static bool shows(gpa_t table)
{
	for (const struct vma *v = vma_next(0); v; v = vma_after(v))
		for (u64 at = v->start; v->object && at < v->end;
		     at = (at | (TABLE_SIZE - 1)) + 1)
			if (table_at(at) == table)
				return true;
	return false;
}

/* Within one table. A space has each of those in common once: to the host one that
 * is met twice is damage. */
static void share(const struct vma *v, u64 start, u64 end)
{
	u64 place = start & ~(TABLE_SIZE - 1);
	struct code wanted = { .first = (u16)((start - place) / PAGE_SIZE),
			       .end = (u16)((end - place) / PAGE_SIZE) };
	const struct code *c;

	if (end - start < LEAST * PAGE_SIZE || table_at(start))
		return;
	wanted.frame = code_frame(v, start, end);
	if (!wanted.frame)
		return;
	c = find(&wanted);
	if (!c)
		c = make(&wanted);
	if (c && !shows(c->table))
		table_show(start, c->table);
}

void code_share(const struct vma *v, u64 start, u64 end)
{
	u64 next_place;

	if (space->pool_end || v->flags & MAP_SHARED || v->prot & PROT_WRITE ||
	    !(v->prot & (PROT_READ | PROT_EXEC)))
		return;
	for (; start < end; start = next_place) {
		next_place = (start | (TABLE_SIZE - 1)) + 1;
		share(v, start, MIN(next_place, end));
	}
}
