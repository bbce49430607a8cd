/*
 * delta_pages.h: which pages of memory a state (delta.h) may have. Three kinds are not
 * as others: page tables of the template; *fixed* ones, which are never in it, of which
 * CPL0 takes code or descriptors, or which the guest kernel's and the image's addresses
 * go by; and those *apart*, which are no part of the state: of requests, output and
 * random bytes. Of the root's entries those of the kernel and the image stay, too.
 */
#ifndef ZEROBOOT_DELTA_PAGES_H
#define ZEROBOOT_DELTA_PAGES_H

#include <stdbool.h>

#include "delta.h"

/* Finds them in d->snapshot; the maps of d are there, and zero. 0 or -EINVAL: it is no
 * good template. */
int delta_pages_mark(struct delta *d);
/* Whether what the program has written is a part of the state: of one in the middle of
 * a run. */
void delta_pages_keep_output(struct delta *d, bool keep);
/* Whether a root of page tables, now, goes to the same memory of kernel and image as the
 * template's. */
bool delta_pages_keeps_entries(const struct delta *d, const uint8_t *now);
/* Whether the record's page and lines may be in d. The page is one of d's. */
bool delta_pages_may_hold(const struct delta *d, const struct delta_record *r);

#endif
