/* pte.c: walks the page tables, which the VMM began and this kernel extends. */
#include "mm/pte.h"

#include "mm/frame.h"

#define TOP_SHIFT 39

static u64 table_count;

u64 pte_tables(void)
{
	return table_count;
}

u64 *pte_find(u64 gva, bool make)
{
	u64 *table = gpa_to_ptr(control->cr3);

	for (int shift = TOP_SHIFT; shift > 12; shift -= 9) {
		u64 *entry = &table[gva >> shift & 511];

		if (!(*entry & PTE_P)) {
			gpa_t gpa = make ? frames_alloc(1) : 0;

			if (!gpa)
				return NULL;
			table_count++;
			*entry = pte_make(gpa, true, false);
		}
		table = gpa_to_ptr(*entry & PTE_GPA);
	}
	return &table[gva >> 12 & 511];
}

u64 *pte_next(u64 *at, u64 end)
{
	while (*at < end) {
		const u64 *table = gpa_to_ptr(control->cr3);
		int shift = TOP_SHIFT;

		for (; shift > 12; shift -= 9) {
			u64 entry = table[*at >> shift & 511];

			if (!(entry & PTE_P))
				break;
			table = gpa_to_ptr(entry & PTE_GPA);
		}
		if (shift == 12)
			return (u64 *)&table[*at >> 12 & 511];
		*at = (*at | ((1ul << shift) - 1)) + 1;
	}
	return NULL;
}
