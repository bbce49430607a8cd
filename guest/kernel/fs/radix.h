/*
 * radix.h: a table from rising numbers to pointers, for what may have holes:
 * the pages of a file, the entries of a directory. It takes memory for what is
 * in it only.
 */
#ifndef FS_RADIX_H
#define FS_RADIX_H

#include "kernel.h"

struct radix {
	void *root; /* the value of number 0 when height is 0, else a table */
	u32 height;
};

void *radix_get(const struct radix *r, u64 number);
/* value is not NULL. False: no memory, nothing changed. */
bool radix_set(struct radix *r, u64 number, void *value);
/* Takes a value out and returns it; NULL: there is none. */
void *radix_remove(struct radix *r, u64 number);
/* The first value at or above *number, which becomes its number; NULL: none. */
void *radix_next(const struct radix *r, u64 *number);

#endif
