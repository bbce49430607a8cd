/* pte.c: walks the page tables, which the VMM began and this kernel extends. */
#include "mm/pte.h"

#include "mm/frame.h"

u64 *pte_find(u64 gva, bool make)
{
	u64 *table = gpa_to_ptr(control->cr3);

	for (int shift = 39; shift > 12; shift -= 9) {
		u64 *entry = &table[gva >> shift & 511];

		if (!(*entry & PTE_P)) {
			gpa_t gpa = make ? frames_alloc(1) : 0;

			if (!gpa)
				return NULL;
			*entry = pte_make(gpa, true, false);
		}
		table = gpa_to_ptr(*entry & PTE_GPA);
	}
	return &table[gva >> 12 & 511];
}
