/*
 * tables.h: where a template's page tables are, by walking them. What changes one
 * of them changes how addresses are translated.
 */
#ifndef ZEROBOOT_TABLES_H
#define ZEROBOOT_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot.h"

#define PAGE_BYTES 4096ull

static inline bool bit_is_set(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static inline void bit_clear(uint64_t *bits, uint64_t n)
{
	bits[n / 64] &= ~(1ull << (n % 64));
}

static inline void bit_set(uint64_t *bits, uint64_t n)
{
	bits[n / 64] |= 1ull << (n % 64);
}

/* The page that the vCPU starts from, as a number. */
uint64_t tables_root(const struct snapshot *s);

/*
 * Sets the bit of each page that is a page table, in bits, which are zero. A table
 * outside of memory or met again at another level makes the template unfit:
 * -EINVAL. Else 0.
 */
int tables_mark(const struct snapshot *s, uint64_t *bits);
/* Of those only what the VMM has made: all beneath the guest kernel's and the
 * image's top-level entries, which are equal in all address spaces. */
int tables_mark_fixed(const struct snapshot *s, uint64_t *bits);

/*
 * Makes of all of them, in memory that is to become a template, what a CPU leaves as it
 * is: it sets the accessed and dirty bits of entries that are present, and a run would
 * have written to a page table. bits: those that tables_mark has set of that memory.
 */
void tables_complete(const struct snapshot *s, uint8_t *memory,
		     const uint64_t *bits);

/* Whether both top-level entries are in the root's line, and which of its bytes
 * they are: 64 bytes that begin with them. */
#define TABLES_FIXED_LINE ((ZB_KERNEL_BASE >> 39 & 511) * sizeof(uint64_t) / 64)
#define TABLES_FIXED_SIZE (2 * sizeof(uint64_t))

#endif
