/*
 * pte.c: walks the page tables. Each space has its part of the top table, which
 * the CPU sees once it is copied to the only real one, the VMM's (cr3).
 *
 * With shadow paging KVM watches a frame that was a table for as long as it
 * remembers it as one, and the first writes to it are dear: so tables that nobody
 * needs are put aside as they are, and used again as late as possible.
 */
#include "mm/pte.h"

#include "mm/frame.h"

#define OLD_MAX 512 /* tables that wait; beyond that they are used again */
#define OLD_ROOM 1024

static struct tables *seen, *loaded;
static bool switched;
static u64 table_count;
/* Their frames' numbers, the oldest first; to be cleared. They are not linked to
 * each other: that would be a write to each. */
static u32 old_tables[OLD_ROOM], oldest, old_count;

u64 pte_tables(void)
{
	return table_count;
}

static u64 *take_oldest(void)
{
	u64 *table;

	if (old_count == 0)
		return NULL;
	table = gpa_to_ptr(old_tables[oldest] * PAGE_SIZE);
	oldest = (oldest + 1) % OLD_ROOM;
	old_count--;
	return table;
}

static u64 *table_new(void)
{
	u64 *table = old_count >= OLD_MAX ? take_oldest() : NULL;
	struct tables *before = seen;
	gpa_t gpa = table ? 0 : frame_alloc_table();

	seen = before; /* memory that was taken back is of all spaces */
	if (gpa) {
		table_count++;
		return gpa_to_ptr(gpa);
	}
	if (!table)
		table = take_oldest();
	if (table)
		memset(table, 0, PAGE_SIZE);
	return table;
}

/* Whatever it holds. */
static void table_put_aside(u64 *table)
{
	gpa_t gpa = ptr_to_gpa(table);

	if (old_count == OLD_ROOM) {
		table_count--;
		frames_free(gpa, 1);
		return;
	}
	old_tables[(oldest + old_count++) % OLD_ROOM] = (u32)(gpa / PAGE_SIZE);
}

u64 tables_give_back(void)
{
	u64 count = old_count;

	for (u64 *table; (table = take_oldest());) {
		table_count--;
		frames_free(ptr_to_gpa(table), 1);
	}
	return count;
}

/* ---- pages of 2 MiB ---- */

static gpa_t spare_tables; /* one for each of them, in their order */
static gpa_t large_start;
static u64 large_shown, large_size; /* where, in the space that has them */

/* The same memory, page by page. */
static void split(u64 *entry)
{
	gpa_t gpa = *entry & PTE_GPA;
	gpa_t table =
		spare_tables + (gpa - large_start) / LARGE_PAGE * PAGE_SIZE;
	u64 *pages = gpa_to_ptr(table);

	for (u64 i = 0; i < PAGE_SIZE / sizeof(*pages); i++)
		pages[i] = pte_make(gpa + i * PAGE_SIZE, true, false);
	*entry = pte_make(table, true, false);
}

/* An entry of a table that is not of the lowest kind; NULL: no memory. */
static u64 *next_table(u64 *entry, bool make)
{
	u64 *table;

	if (*entry & PTE_PS)
		split(entry);
	if (*entry & PTE_P)
		return gpa_to_ptr(*entry & PTE_GPA);
	table = make ? table_new() : NULL;
	if (table)
		*entry = pte_make(ptr_to_gpa(table), true, false);
	return table;
}

static u64 *cpu_top(void)
{
	return gpa_to_ptr(control->cr3);
}

/* What is not a space's: the entries of the kernel and of the image are the VMM's. */
static bool is_fixed(u64 i)
{
	return i >= TOP_ENTRIES || (i >= ZB_KERNEL_BASE >> TOP_SHIFT &&
				    i <= ZB_IMAGE_BASE >> TOP_SHIFT);
}

/* The table beneath the top one. */
static u64 *first_table(u64 gva, bool make)
{
	u64 i = gva >> TOP_SHIFT & 511, *table;

	if (is_fixed(i))
		return NULL;
	if (seen->top[i] & PTE_P)
		return gpa_to_ptr(seen->top[i] & PTE_GPA);
	table = next_table(&seen->top[i], make);
	if (!table)
		return NULL;
	seen->used[i / 64] |= 1ull << (i % 64);
	if (seen == loaded)
		cpu_top()[i] = seen->top[i];
	return table;
}

/* The entry that would lead to the table of a page; NULL: there is none. */
static u64 *table_entry(u64 gva, bool make)
{
	u64 *table = first_table(gva, make);

	if (table)
		table = next_table(&table[gva >> 30 & 511], make);
	return table ? &table[gva >> TABLE_SHIFT & 511] : NULL;
}

/* ---- tables in common ---- */

static bool in_common(u64 entry)
{
	return (entry & (PTE_P | PTE_PS)) == PTE_P &&
	       frame_shared(entry & PTE_GPA);
}

/* A space less has it. */
static void leave(u64 entry)
{
	frames_free(entry & PTE_GPA, 1);
	frames_promise(-1);
}

/* The entry leads to a copy from now on, whose pages have one more owner. */
static void part(u64 *entry)
{
	const u64 *old = gpa_to_ptr(*entry & PTE_GPA);
	u64 *new;

	leave(*entry);
	new = table_new();
	if (!new)
		panic("a promised frame is not there");
	memcpy(new, old, PAGE_SIZE);
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*new); i++)
		if (new[i] & PTE_OWNED)
			frame_share(new[i] & PTE_GPA);
	*entry = pte_make(ptr_to_gpa(new), true, false);
	if (control->flags & ZB_FLAG_NESTED)
		tlb_flush();
}

u64 *pte_find(u64 gva, bool make)
{
	u64 *entry = table_entry(gva, make), *table;

	if (!entry)
		return NULL;
	if (in_common(*entry))
		part(entry);
	table = next_table(entry, make);
	return table ? &table[gva >> 12 & 511] : NULL;
}

static bool show(u64 *entry, gpa_t table)
{
	if (!entry || !frames_promise(1))
		return false;
	frame_share(table);
	*entry = pte_make(table, true, false);
	return true;
}

bool table_share(struct tables *to, u64 gva)
{
	struct tables *from = seen;
	const u64 *entry = table_entry(gva, false);
	u64 *other;

	seen = to;
	other = table_entry(gva, true);
	seen = from;
	return (other && *other) || show(other, *entry & PTE_GPA);
}

bool table_shared(u64 gva)
{
	const u64 *entry = table_entry(gva, false);

	return entry && in_common(*entry);
}

gpa_t table_take(void)
{
	u64 *table = table_new();

	return table ? ptr_to_gpa(table) : 0;
}

void table_leave(gpa_t table)
{
	if (frame_shared(table))
		leave(table);
	else
		table_put_aside(gpa_to_ptr(table));
}

gpa_t table_at(u64 gva)
{
	const u64 *entry = table_entry(gva, false);

	return entry ? *entry & PTE_GPA : 0;
}

void table_show(u64 gva, gpa_t table)
{
	show(table_entry(gva, true), table);
}

u64 *pte_next(u64 *at, u64 end)
{
	const u64 *pte = pte_look(at, end);

	if (pte && frame_shared(PAGE_DOWN(ptr_to_gpa(pte))))
		return pte_find(*at, false);
	return (u64 *)pte;
}

const u64 *pte_look(u64 *at, u64 end)
{
	while (*at < end) {
		const u64 *table = seen->top;
		int shift = TOP_SHIFT;

		for (; shift > 12; shift -= 9) {
			u64 entry = table[*at >> shift & 511];

			if (!(entry & PTE_P))
				break;
			if (entry & PTE_PS)
				split((u64 *)&table[*at >> shift & 511]);
			entry = table[*at >> shift & 511];
			table = gpa_to_ptr(entry & PTE_GPA);
		}
		if (shift == 12)
			return &table[*at >> 12 & 511];
		*at = (*at | ((1ul << shift) - 1)) + 1;
	}
	return NULL;
}

void *large_memory(u64 gva)
{
	const u64 *entry =
		gva - large_shown < large_size ? table_entry(gva, false) : NULL;

	if (!entry || !(*entry & PTE_PS))
		return NULL;
	return gpa_to_ptr((*entry & PTE_GPA) +
			  PAGE_DOWN(gva & (LARGE_PAGE - 1)));
}

bool large_build(u64 gva, gpa_t gpa, u64 size)
{
	u64 count = size / LARGE_PAGE;

	spare_tables = frames_alloc(count);
	if (!spare_tables)
		return false;
	table_count += count;
	large_start = gpa;
	large_shown = gva;
	large_size = size;
	for (u64 i = 0; i < count; i++) {
		u64 *entry = table_entry(gva + i * LARGE_PAGE, true);

		if (!entry)
			return false;
		*entry = pte_make(gpa + i * LARGE_PAGE, true, false) | PTE_PS;
	}
	return true;
}

/* ---- those of a space ---- */

long tables_make(struct tables *t)
{
	memset(t, 0, sizeof(*t));
	t->top = table_new();
	return t->top ? 0 : -ENOMEM;
}

/* level: 1 for tables whose entries lead to pages. */
/* NOLINTNEXTLINE(misc-no-recursion): four levels */
static void free_below(u64 *table, int level)
{
	for (size_t i = 0; level > 1 && i < PAGE_SIZE / 8; i++) {
		if (!table[i] || table[i] & PTE_PS)
			continue;
		if (level == 2 && in_common(table[i]))
			leave(table[i]);
		else
			free_below(gpa_to_ptr(table[i] & PTE_GPA), level - 1);
	}
	table_put_aside(table);
}

void tables_free(struct tables *t)
{
	if (t->top)
		free_below(t->top, 4);
	memset(t, 0, sizeof(*t));
}

#define GIGABYTE (1ul << 30)

/* In place, where there is no memory for another table. */
static void keep_in_place(u64 *table, u64 start, bool (*wanted)(u64, u64))
{
	for (u64 i = 0; i < 512; i++) {
		u64 at = start + i * TABLE_SIZE;

		if (!table[i] || wanted(at, at + TABLE_SIZE))
			continue;
		if (!(table[i] & PTE_PS))
			table_put_aside(gpa_to_ptr(table[i] & PTE_GPA));
		table[i] = 0;
	}
}

/* A new table is filled before anything leads to it: with shadow paging each
 * write to one in use would be dear. */
static void keep_in_new(u64 *entry, u64 *new, u64 start,
			bool (*wanted)(u64, u64))
{
	u64 *old = gpa_to_ptr(*entry & PTE_GPA);

	memcpy(new, old, PAGE_SIZE);
	keep_in_place(new, start, wanted);
	*entry = pte_make(ptr_to_gpa(new), true, false);
	table_put_aside(old);
}

void tables_keep(u64 start, u64 end, bool (*wanted)(u64 start, u64 end))
{
	for (; start < end; start += GIGABYTE) {
		u64 *third = first_table(start, false), *entry, *new;

		entry = third ? &third[start >> 30 & 511] : NULL;
		if (!entry || !(*entry & PTE_P))
			continue;
		new = table_new();
		if (new)
			keep_in_new(entry, new, start, wanted);
		else
			keep_in_place(gpa_to_ptr(*entry & PTE_GPA), start,
				      wanted);
	}
}

void tables_look_at(struct tables *t)
{
	seen = t;
}

bool tables_loaded(const struct tables *t)
{
	return t == loaded;
}

static u64 entry_at(const struct tables *t, size_t i)
{
	return t->top ? t->top[i] : 0;
}

bool tables_switched(void)
{
	return switched;
}

void tables_load(struct tables *t)
{
	u64 *top = cpu_top();

	if (loaded)
		switched = true;

	for (size_t w = 0; w < ARRAY_SIZE(t->used); w++) {
		u64 bits = t->used[w] | (loaded ? loaded->used[w] : 0);

		for (; bits; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);

			if (top[i] != entry_at(t, i))
				top[i] = entry_at(t, i);
		}
	}
	loaded = t;
	if (control->flags & ZB_FLAG_NESTED)
		tlb_flush();
}
