/* space.c: an address space: the sorted table of its mappings. */
#include "mm/space.h"

#include <linux/mman.h>

#include "heap.h"

struct space *space;
struct space *spaces;

static bool (*may_lock)(u64 bytes);

void space_on_lock(bool (*may)(u64 bytes))
{
	may_lock = may;
}

struct space *space_look_at(struct space *s)
{
	struct space *old = space;

	space = s;
	tables_look_at(&s->tables);
	return old;
}

static size_t search(u64 addr)
{
	size_t low = 0, high = space->count;

	if (space->last < space->count &&
	    space->table[space->last].end > addr &&
	    (space->last == 0 || space->table[space->last - 1].end <= addr))
		return space->last;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (space->table[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	space->last = low;
	return low;
}

const struct vma *vma_at(u64 addr)
{
	struct vma *v = vma_next(addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_next(u64 addr)
{
	size_t i = search(addr);

	return i < space->count ? &space->table[i] : NULL;
}

struct vma *vma_after(const struct vma *v)
{
	size_t i = (size_t)(v - space->table) + 1;

	return i < space->count ? &space->table[i] : NULL;
}

static bool joins(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot &&
	       a->flags == b->flags && a->pool == b->pool &&
	       a->at_fork == b->at_fork && a->apart == b->apart &&
	       a->object == b->object &&
	       (!a->object || a->offset + (a->end - a->start) == b->offset);
}

bool vma_reserve(size_t more)
{
	size_t want = space->room ? space->room : 64;
	struct vma *bigger;

	if (space->count + more <= space->room)
		return true;
	while (want < space->count + more)
		want *= 2;
	bigger = krealloc(space->table, want * sizeof(*space->table));
	if (!bigger)
		return false;
	space->table = bigger;
	space->room = want;
	return true;
}

static void insert_at(size_t i, const struct vma *v)
{
	memmove(&space->table[i + 1], &space->table[i],
		(space->count - i) * sizeof(*space->table));
	space->table[i] = *v;
	space->count++;
}

static void remove_at(size_t i)
{
	space->count--;
	memmove(&space->table[i], &space->table[i + 1],
		(space->count - i) * sizeof(*space->table));
}

static void object_unref(struct object *o)
{
	o->ops->unref(o);
}

bool vma_is_data(u32 prot, u32 flags)
{
	return (prot & PROT_WRITE) && !(flags & (MAP_SHARED | MAP_GROWSDOWN));
}

static void count_pages(const struct vma *v, bool more)
{
	u64 pages = (v->end - v->start) / PAGE_SIZE;
	u64 data = vma_is_data(v->prot, v->flags) ? pages : 0;

	space->pages += more ? pages : -pages;
	space->pages_peak = MAX(space->pages_peak, space->pages);
	space->data_pages += more ? data : -data;
}

void vma_set_prot(struct vma *v, u32 prot)
{
	count_pages(v, false);
	v->prot = prot;
	count_pages(v, true);
}

/* Whether v may begin at start: Linux, expand_downwards. */
static bool may_begin(const struct vma *v, u64 start)
{
	const struct vma *below = v > space->table ? v - 1 : NULL;

	if (!(v->flags & MAP_GROWSDOWN) || v->pool || start < LOWEST_ADDRESS ||
	    (start < space->pool_end && v->start > space->pool_start) ||
	    (start < KERNEL_END && v->start >= KERNEL_END))
		return false;
	if (below && below->prot && !(below->flags & MAP_GROWSDOWN) &&
	    start - below->end < GROWTH_GUARD)
		return false;
	return v->end - start <= space->stack_max &&
	       space->pages + (v->start - start) / PAGE_SIZE <=
		       space->pages_max &&
	       (!(v->flags & MAP_LOCKED) || may_lock(v->start - start));
}

const struct vma *vma_reach(u64 addr)
{
	struct vma *v = vma_next(addr);

	if (!v || v->start <= addr)
		return v;
	if (!may_begin(v, PAGE_DOWN(addr)))
		return NULL;
	count_pages(v, false);
	v->start = PAGE_DOWN(addr);
	count_pages(v, true);
	return v;
}

/* Joins neighbours, from the one at index i on, pairs of them. */
static void join(size_t i, int pairs)
{
	while (pairs-- > 0 && i + 1 < space->count) {
		if (!joins(&space->table[i], &space->table[i + 1])) {
			i++;
			continue;
		}
		space->table[i].end = space->table[i + 1].end;
		if (space->table[i].object)
			object_unref(space->table[i + 1].object);
		remove_at(i + 1);
	}
}

void vma_insert(const struct vma *v)
{
	size_t i = search(v->start);

	insert_at(i, v);
	if (space->lock_new)
		space->table[i].flags |= MAP_LOCKED;
	if (v->object)
		v->object->ops->ref(v->object);
	count_pages(v, true);
	join(i ? i - 1 : 0, 2);
}

static void split(u64 addr)
{
	size_t i = search(addr);
	struct vma right;

	if (i == space->count || space->table[i].start >= addr)
		return;
	right = space->table[i];
	right.offset += addr - right.start;
	right.start = addr;
	space->table[i].end = addr;
	insert_at(i + 1, &right);
	if (right.object)
		right.object->ops->ref(right.object);
}

bool vma_cut(u64 start, u64 end)
{
	if (!vma_reserve(2))
		return false;
	split(start);
	split(end);
	return true;
}

void vma_remove(struct vma *v)
{
	struct object *object = v->object;

	count_pages(v, false);
	remove_at((size_t)(v - space->table));
	if (object)
		object_unref(object);
}

void vma_tidy(u64 start, u64 end)
{
	size_t i = search(start), n = 1;

	if (i > 0) {
		i--;
		n++;
	}
	for (size_t k = i; k < space->count && space->table[k].start < end; k++)
		n++;
	join(i, (int)n);
}

size_t vma_count(void)
{
	return space->count;
}

/* Where what is free below it ends. */
static u64 floor_of(const struct vma *v)
{
	if (v->apart)
		return v->start & ~(TABLE_SIZE - 1);
	if (!(v->flags & MAP_GROWSDOWN))
		return v->start;
	if (v->end == space->stack_top)
		return MIN(v->start, space->stack_floor);
	return v->start - MIN(v->start, GROWTH_GUARD);
}

u64 vma_gap(u64 size, u64 bottom, u64 top)
{
	u64 high = top;

	for (size_t i = space->count; i-- > 0;) {
		if (space->table[i].start >= top)
			continue;
		if (space->table[i].end < high &&
		    high - space->table[i].end >= size && high - size >= bottom)
			break;
		high = MIN(high, floor_of(&space->table[i]));
		if (high < bottom + size)
			return 0;
	}
	return high >= bottom + size ? high - size : 0;
}
