#include "tables.h"

#include <errno.h>

#define PTE_P 0x001ull
#define PTE_AD 0x060ull
#define PTE_PS 0x080ull
#define PTE_ADDRESS 0x000ffffffffff000ull

#define INDEX(gva) ((unsigned)((gva) >> 39 & 511))

_Static_assert(INDEX(ZB_KERNEL_BASE) % 8 == 0 &&
		       INDEX(ZB_IMAGE_BASE) == INDEX(ZB_KERNEL_BASE) + 1,
	       "the VMM's top-level entries are the first of their line");

uint64_t tables_root(const struct snapshot *s)
{
	return (s->state->sregs.cr3 & PTE_ADDRESS) / PAGE_BYTES;
}

/* NOLINTNEXTLINE(misc-no-recursion): four levels */
static int mark(const struct snapshot *s, uint64_t *bits, gpa_t table,
		int level)
{
	const uint64_t *entries = (const uint64_t *)(s->memory + table);
	int r = 0;

	bit_set(bits, table / PAGE_BYTES);
	for (int i = 0; level > 1 && i < 512 && r == 0; i++) {
		gpa_t next = entries[i] & PTE_ADDRESS;

		if (!(entries[i] & PTE_P) || (level < 4 && entries[i] & PTE_PS))
			continue;
		if (next >= s->memory_size ||
		    bit_is_set(bits, next / PAGE_BYTES))
			return -EINVAL;
		r = mark(s, bits, next, level - 1);
	}
	return r;
}

int tables_mark(const struct snapshot *s, uint64_t *bits)
{
	uint64_t root = tables_root(s);

	return root < s->memory_size / PAGE_BYTES ?
		       mark(s, bits, root * PAGE_BYTES, 4) :
		       -EINVAL;
}

void tables_complete(const struct snapshot *s, uint8_t *memory,
		     const uint64_t *bits)
{
	for (uint64_t page = 0; page < s->memory_size / PAGE_BYTES; page++) {
		uint64_t *entries = (void *)(memory + page * PAGE_BYTES);

		for (int i = 0; bit_is_set(bits, page) && i < 512; i++)
			if ((entries[i] & PTE_P) && (~entries[i] & PTE_AD))
				entries[i] |= PTE_AD;
	}
}

int tables_mark_fixed(const struct snapshot *s, uint64_t *bits)
{
	uint64_t root = tables_root(s);
	const uint64_t *entries;
	int r = 0;

	if (root >= s->memory_size / PAGE_BYTES)
		return -EINVAL;
	entries = (const uint64_t *)(s->memory + root * PAGE_BYTES);
	for (unsigned i = 0; i < TABLES_FIXED_SIZE / 8 && r == 0; i++) {
		uint64_t entry = entries[INDEX(ZB_KERNEL_BASE) + i];
		gpa_t next = entry & PTE_ADDRESS;

		if (!(entry & PTE_P))
			continue;
		if (next >= s->memory_size ||
		    bit_is_set(bits, next / PAGE_BYTES))
			return -EINVAL;
		r = mark(s, bits, next, 3);
	}
	return r;
}
