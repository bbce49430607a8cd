/*
 * removals.h: lists of files that are to be removed, none of which is forgotten before
 * it is.
 */
#ifndef ZEROBOOT_REMOVALS_H
#define ZEROBOOT_REMOVALS_H

#include <stdbool.h>
#include <stddef.h>

struct removal {
	struct removal *next;
	bool failed; /* once */
	char name[];
};

struct removals { /* zeroed: empty */
	struct removal *first, *last;
	size_t count;
};

/* Makes one, the last of the list, whose memory is the list's. False: no memory. */
bool removals_note(struct removals *to, const char *name);
void removals_append(struct removals *to, struct removal *m);
/* The first of a list that is not empty: the caller's from now on, to free. */
struct removal *removals_take(struct removals *from);
/* All of from come before those of to; from is empty then. */
void removals_put_before(struct removals *to, struct removals *from);
bool removals_have(const struct removals *l, const char *name);
/* Those of that name are not to be removed any more. */
void removals_forget(struct removals *from, const char *name);
/* Empties it. */
void removals_drop(struct removals *l);

#endif
