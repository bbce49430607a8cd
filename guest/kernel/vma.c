/* vma.c: the sorted table of mappings. */
#include "vma.h"

static struct vma *table;
static size_t count, room;
static size_t last; /* where the previous search ended */

static size_t search(u64 addr)
{
	size_t low = 0, high = count;

	if (last < count && table[last].end > addr &&
	    (last == 0 || table[last - 1].end <= addr))
		return last;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (table[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	last = low;
	return low;
}

struct vma *vma_next(u64 addr)
{
	size_t i = search(addr);

	return i < count ? &table[i] : NULL;
}

struct vma *vma_after(const struct vma *v)
{
	size_t i = (size_t)(v - table) + 1;

	return i < count ? &table[i] : NULL;
}

static bool joins(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot &&
	       a->flags == b->flags && a->file == b->file &&
	       (!a->file || a->offset + (a->end - a->start) == b->offset);
}

bool vma_reserve(size_t more)
{
	size_t want = room ? room : 64;
	struct vma *bigger;

	if (count + more <= room)
		return true;
	while (want < count + more)
		want *= 2;
	bigger = krealloc(table, want * sizeof(*table));
	if (!bigger)
		return false;
	table = bigger;
	room = want;
	return true;
}

static void insert_at(size_t i, const struct vma *v)
{
	memmove(&table[i + 1], &table[i], (count - i) * sizeof(*table));
	table[i] = *v;
	count++;
}

static void remove_at(size_t i)
{
	count--;
	memmove(&table[i], &table[i + 1], (count - i) * sizeof(*table));
}

void vma_insert(const struct vma *v)
{
	size_t i = search(v->start);

	insert_at(i, v);
	if (v->file)
		file_ref(v->file);
	vma_join(i ? i - 1 : 0, 2);
}

/* Joins neighbours, from the one at index i on, pairs of them. */
void vma_join(size_t i, int pairs)
{
	while (pairs-- > 0 && i + 1 < count) {
		if (!joins(&table[i], &table[i + 1])) {
			i++;
			continue;
		}
		table[i].end = table[i + 1].end;
		if (table[i].file)
			file_unref(table[i + 1].file);
		remove_at(i + 1);
	}
}

static void split(u64 addr)
{
	size_t i = search(addr);
	struct vma right;

	if (i == count || table[i].start >= addr)
		return;
	right = table[i];
	right.offset += addr - right.start;
	right.start = addr;
	table[i].end = addr;
	insert_at(i + 1, &right);
	if (right.file)
		file_ref(right.file);
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
	struct file *file = v->file;

	remove_at((size_t)(v - table));
	if (file)
		file_unref(file);
}

void vma_tidy(u64 start, u64 end)
{
	size_t i = search(start), n = 1;

	if (i > 0) {
		i--;
		n++;
	}
	for (size_t k = i; k < count && table[k].start < end; k++)
		n++;
	vma_join(i, (int)n);
}

size_t vma_count(void)
{
	return count;
}

u64 vma_gap(u64 size, u64 bottom, u64 top)
{
	u64 high = top;

	for (size_t i = count; i-- > 0;) {
		if (table[i].start >= top)
			continue;
		if (table[i].end < high && high - table[i].end >= size &&
		    high - size >= bottom)
			break;
		high = MIN(high, table[i].start);
		if (high < bottom + size)
			return 0;
	}
	return high >= bottom + size ? high - size : 0;
}
