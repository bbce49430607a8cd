/*
 * pte.h: page-table entries. Written at CPL3 through the kernel's map. Making a
 * page present needs no flush; taking one away or rights from it does.
 */
#ifndef MM_PTE_H
#define MM_PTE_H

#include "kernel.h"

/* Intel SDM 3A, 4.5, table 4-20; 9 to 11 are ignored by the CPU. */
#define PTE_P 0x001ull
#define PTE_W 0x002ull
#define PTE_U 0x004ull
#define PTE_AD 0x060ull    /* set beforehand: see vmm_boot.c */
#define PTE_PS 0x080ull    /* leads to 2 MiB, not to a table; see below */
#define PTE_OWNED 0x200ull /* the frame belongs to the mapping alone */
#define PTE_SAVED 0x400ull /* not present for PROT_NONE, but holds a frame */
#define PTE_TOUCHED                                                            \
	0x800ull /* came by a write, which may have been of zeroes */
#define PTE_GPA 0x000ffffffffff000ull

/* What a space has of the top table: entries of user addresses, 512 GiB each. */
#define TOP_SHIFT 39
#define TOP_ENTRIES 256
/* What a table of the lowest kind maps. */
#define TABLE_SHIFT 21
#define TABLE_SIZE LARGE_PAGE

struct tables {
	u64 *top; /* one frame */
	u64 used[TOP_ENTRIES / 64];
};

/* 0 or -ENOMEM. */
long tables_make(struct tables *t);
/* Frees all tables; what their entries lead to has gone. Not those of the CPU. */
void tables_free(struct tables *t);
/* Frees the frames of those that wait to be tables again; how many. */
u64 tables_give_back(void);
/* Lets the functions below work on these. */
void tables_look_at(struct tables *t);
/* Takes out those tables for [start, end), ends of 1 GiB, that lead to 2 MiB of
 * which wanted says no. A flush is due. */
void tables_keep(u64 start, u64 end, bool (*wanted)(u64 start, u64 end));
/* Lets the CPU use them. With shadow paging KVM sees the write to the top table;
 * with nested paging it takes a flush. */
void tables_load(struct tables *t);
bool tables_loaded(const struct tables *t);
/* The CPU has had others than the first ones. */
bool tables_switched(void);

/*
 * In the pool the large part of memory has entries of 2 MiB, made at boot. One
 * becomes a table when anybody looks for the entry of a page of it: pte_find() and
 * pte_next(). The frames of these tables are put by, so that cannot fail.
 */
/* Makes them for [gva, gva + size) that shows [gpa, ..); false: no memory. */
bool large_build(u64 gva, gpa_t gpa, u64 size);
/* Where the page has none of its own: the page that it shows; else NULL. */
void *large_memory(u64 gva);

/* The entry of a page; NULL when its table is not there (and, with make, no
 * memory is left for it). The table is then this space's alone. */
u64 *pte_find(u64 gva, bool make);
/* The first entry for *at or above it, below end, whose table is there; *at is
 * then its page. NULL: there is none. For ordinary pages, not the kernel's. */
u64 *pte_next(u64 *at, u64 end);
/* The same for who only reads: other spaces may have the table, too. */
const u64 *pte_look(u64 *at, u64 end);
/*
 * A table that spaces have in common, and with it KVM's shadow: what a child reads
 * there costs no fault for each page. The first that looks for an entry to change
 * gets its own, which cannot fail: a frame is promised for it.
 */
/* Gives the table for gva, which is there, to another space, too, that has this one
 * or none there; false: no memory. */
bool table_share(struct tables *to, u64 gva);
/* Whether what the table's entries own is others' as well. */
bool table_shared(u64 gva);
/* One of nobody's, empty; 0: no memory. table_leave() gives it up again, which may be
 * others' as well by then. */
gpa_t table_take(void);
void table_leave(gpa_t table);
/* The one for gva, or 0. */
gpa_t table_at(u64 gva);
/* Lets this space have such a table, too, for gva, for which it has none. */
void table_show(u64 gva, gpa_t table);
/* Present with these rights. */
static inline u64 pte_make(gpa_t gpa, bool write, bool owned)
{
	return gpa | PTE_P | PTE_U | PTE_AD | (write ? PTE_W : 0) |
	       (owned ? PTE_OWNED : 0);
}
u64 pte_tables(void); /* frames that tables have */
void tlb_flush(void); /* entry.S */

#endif
