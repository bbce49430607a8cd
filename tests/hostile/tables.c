/*
 * tables.c: attacks on page tables and descriptor tables. A page-table page
 * that was written, whatever is in it now, must cost the VM.
 */
#include "hostile.h"

#include <string.h>

#define NOWHERE 0xd0000000ul /* no slot is here */

/* What is done to an entry after it was used. */
enum after { LEAVE, RESTORE, RESTORE_AND_FLUSH, UNUSED };

void tlb_flush(void)
{
	((void (*)(void))TLB_FLUSH)();
}

/*
 * Copies of the tables that lead to va, from level down to 1, linked to each
 * other, in which va leads to target. The frame of the topmost.
 */
static gpa_t copy_tables(u64 *to, u64 va, int level, gpa_t target)
{
	gpa_t top = gpa_of(to);

	for (; level >= 1; level--, to += 512) {
		u64 i = va >> (12 + 9 * (level - 1)) & 511;
		u64 *from = (u64 *)entry_of(root(), va, level) - i;

		memcpy(to, from, PAGE);
		to[i] = (level > 1 ? gpa_of(to + 512) : target) | P | W | U |
			AD;
	}
	return top;
}

/* page_a leads to page_b by a change at one level. */
static void change(u64 level, u64 after)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, (int)level);
	u64 old = *entry;
	gpa_t to = level == 1 ? gpa_of(page_b) :
				copy_tables(scratch, (u64)page_a,
					    (int)level - 1, gpa_of(page_b));

	*entry = to | P | W | U | AD;
	if (after != UNUSED) {
		tlb_flush();
		(void)*(volatile u64 *)page_a;
	}
	if (after != LEAVE)
		*entry = old;
	if (after == RESTORE_AND_FLUSH)
		tlb_flush();
	end(0);
}

static void same_value(u64 level, u64 b)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, (int)level);

	(void)b;
	*entry = *entry;
	end(0);
}

/* Bits of an entry toggled, the page used, the bits put back. */
static void toggle(u64 level, u64 bits)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, (int)level);
	u64 old = *entry;

	*entry = old ^ bits;
	tlb_flush();
	if (!(bits & (P | U)))
		(void)*(volatile u64 *)page_a;
	*entry = old;
	tlb_flush();
	end(0);
}

/* The 4 KiB pages around page_a as a large one, and back. */
static void large(u64 a, u64 b)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, 2);
	u64 old = *entry;

	(void)a, (void)b;
	*entry = (gpa_of(page_a) & ~0x1ffffful) | P | W | U | AD | PS;
	tlb_flush();
	(void)*(volatile u64 *)page_a;
	*entry = old;
	tlb_flush();
	end(0);
}

/* A new mapping where there was none, used and taken away. */
static void add(u64 a, u64 b)
{
	u64 va = (u64)page_a + (1ul << 39);
	volatile u64 *entry = entry_of(root(), va, 4);

	(void)a, (void)b;
	*entry = copy_tables(scratch, (u64)page_a, 3, gpa_of(page_b)) | P | W |
		 U | AD;
	(void)*(volatile u64 *)va;
	*entry = 0;
	end(0);
}

/* ---- what is not memory, or not to be written ---- */

static void map_a(gpa_t gpa)
{
	*entry_of(root(), (u64)page_a, 1) = gpa | P | W | U | AD;
	tlb_flush();
}

static void access(u64 gpa, u64 how)
{
	map_a(gpa);
	if (how == 0)
		(void)*(volatile u64 *)page_a;
	else if (how == 1)
		*(volatile u64 *)page_a = 1;
	else if (how == 2)
		((void (*)(void))page_a)();
	else
		__asm__ volatile("mov %0, %%rsp\n push %%rax"
				 :
				 : "r"(page_a + 4));
	end(0);
}

/* Through its own mapping: the page is not writable, which is a fault of the
 * program's; it must not get any further. */
static void write_locked(u64 va, u64 b)
{
	(void)b;
	*(volatile u64 *)va = 0;
	hypercall(ZB_HC_PANIC);
}

/* The mapping of the IDT made to lead to the copy in ordinary memory. */
static void move_idt(u64 gpa, u64 b)
{
	(void)b;
	if (!gpa)
		gpa = gpa_of(
			scratch); /* zeroes: every exception is a triple fault */
	*entry_of(root(), (u64)IDT, 1) = gpa | P | W | U | AD;
	tlb_flush();
	__asm__ volatile("ud2");
	end(0);
}

/* ---- tables of its own ---- */

CPL0 static void load_cr3(u64 cr3, u64 b)
{
	(void)b;
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void own_tables(u64 put_back, u64 b)
{
	gpa_t own = copy_tables(scratch, (u64)page_a, 4, gpa_of(page_b));

	(void)b;
	at_cpl0(load_cr3, own, 0);
	if (*page_a != *page_b)
		end(3);
	if (put_back)
		at_cpl0(load_cr3, root(), 0);
	end(0);
}

/*
 * What a later run would do: makes a table of a frame that own_tables used. Only
 * what memory says may be mapped by it; exits with 139 then.
 */
static void reuse_frame(u64 a, u64 b)
{
	u64 va = (u64)page_a + (1ul << 30);
	u64 *table = scratch + 2 * 512; /* was the copy of level 2 */
	u64 other = va ^ 0x200000;

	(void)a, (void)b;
	*entry_of(root(), va, 3) = gpa_of(table) | P | W | U | AD;
	scratch[8 * 512] = gpa_of(page_a) | P | W | U | AD;
	table[other >> 21 & 511] = gpa_of(scratch + 8 * 512) | P | W | U | AD;
	(void)*(volatile u64 *)(other & ~0x1ffffful);
	say("ghost %lx\n", *(volatile u64 *)va);
	end(0);
}

#define LEVELS(text, outcome, fn, b)                                           \
	{ text " at level 1", outcome, fn, 1, b },                             \
		{ text " at level 2", outcome, fn, 2, b },                     \
		{ text " at level 3", outcome, fn, 3, b },                     \
	{                                                                      \
		text " at level 4", outcome, fn, 4, b                          \
	}

const struct attack table_attacks[] = {
	LEVELS("an entry changed", THROWN, change, LEAVE),
	LEVELS("an entry changed and put back", THROWN, change, RESTORE),
	LEVELS("an entry changed, put back and flushed", THROWN, change,
	       RESTORE_AND_FLUSH),
	LEVELS("an entry changed and not used", THROWN, change, UNUSED),
	LEVELS("an entry written as it was", THROWN, same_value, 0),
	LEVELS("accessed and dirty cleared", THROWN, toggle, AD),
	LEVELS("the write bit cleared", ANY, toggle, W),
	LEVELS("the user bit cleared", ANY, toggle, U),
	LEVELS("the present bit cleared", ANY, toggle, P),
	{ "the global bit set", THROWN, toggle, 1, G },
	{ "a large page made and split", THROWN, large, 0, 0 },
	{ "a mapping added and taken away", THROWN, add, 0, 0 },
	{ "a read of no memory", FAULTS, access, NOWHERE, 0 },
	{ "a write to no memory", FAULTS, access, NOWHERE, 1 },
	{ "a jump to no memory", FAULTS, access, NOWHERE, 2 },
	{ "a push to no memory", FAULTS, access, NOWHERE, 3 },
	{ "a read beyond all memory", ANY, access, ADDRESS & ~0xff0000000000ul,
	  0 },
	{ "a write to the image", FAULTS, access, ZB_IMAGE_GPA, 1 },
	{ "a write to the descriptor tables", FAULTS, access,
	  ZB_LOCKED_GPA + ZB_TABLES_GPA, 1 },
	{ "a write to the stubs of CPL0", FAULTS, access,
	  ZB_LOCKED_GPA + ZB_KERNEL_GPA, 1 },
	{ "a write to the GDT where it is mapped", KEPT, write_locked,
	  DESCRIPTORS, 0 },
	{ "a write to the TSS where it is mapped", KEPT, write_locked,
	  DESCRIPTORS + 0x1000, 0 },
	{ "a write to the IDT where it is mapped", KEPT, write_locked,
	  DESCRIPTORS + 0x2000, 0 },
	{ "a write to the stubs where they are mapped", KEPT, write_locked,
	  ZB_KERNEL_BASE + ZB_KERNEL_GPA + 0x200, 0 },
	{ "the IDT moved to a copy", ANY, move_idt, ZB_TABLES_GPA + 0x2000, 0 },
	{ "the IDT zeroed", FAULTS, move_idt, 0, 0 },
	{ "the IDT where no memory is", FAULTS, move_idt, NOWHERE, 0 },
	{ "tables of its own", THROWN, own_tables, 0, 0 },
	{ "tables of its own, used and put back", THROWN, own_tables, 1, 0 },
	{ "a frame that was a table before", ANY, reuse_frame, 0, 0 },
	{ 0 }
};
