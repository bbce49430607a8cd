/*
 * delta.h: what a VM has become since it was its template: the state of a session.
 *
 * A delta is bytes, the same in memory, on the channel and in a file: segments, one
 * behind the other, each with the registers of its time and what has changed of pages
 * since the segment before it: lines of 64 bytes, and a mask of which they are. What
 * was said last of a line counts; of which nothing was said, it is the template's. A
 * segment that is marked as whole stands for all before it. So a state is kept by
 * keeping a segment, and a fork shares them.
 *
 * What a delta may hold is what a program can do at CPL3: general registers, flags,
 * FS.base, GS.base, vectors, memory. Everything else comes from the template. A page
 * of which CPL0 takes code or descriptors, the guest kernel's and the image's
 * top-level entries, and the tables beneath them are never in it: whoever could
 * write one could get to CPL0, which recycling relies on not to happen. The areas
 * of requests and output, and the random bytes, are not a part of the state. They
 * are put back to the template's when a state is saved; but for random bytes, which the
 * VM's next exec takes, and output in the middle of a run.
 *
 * The bytes are hostile when they come from elsewhere.
 */
#ifndef ZEROBOOT_DELTA_H
#define ZEROBOOT_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delta_segment.h"
#include "err.h"
#include "lines.h"
#include "snapshot.h"

#define DELTA_SPARE (64u << 10)
#define DELTA_SEGMENTS 256 /* that there come to be */

struct delta {
	const struct snapshot *snapshot;
	lines_compare_call *compare; /* for this CPU */
	uint64_t pages;              /* of memory */
	/* a bit for each: the template's page tables; those pages that are never
	 * in it; those that are no part of the state */
	uint64_t *tables, *fixed, *apart;
	uint64_t *changed; /* those that were told of since delta_begin, and had */
	char template[DELTA_TEMPLATE]; /* which it is */
	uint8_t *data;                 /* the segments */
	size_t size, room;
	size_t last;    /* where the last segment is, */
	size_t count;   /* how many there are */
	size_t begun;   /* and one that is not ended */
	uint8_t *spare; /* the next data; of spare_room bytes */
	size_t spare_room;
	size_t live, limit; /* bytes of records that count; at most */
	uint32_t *record;   /* for each page: where its last record is, in units
			     * of 8 bytes; 0: there is none */
	uint64_t *known; /* and if there is: the lines that its records have, */
	uint64_t *differ; /* those of them that are not the template's, and */
	uint8_t *depth;   /* in how many records they are to be looked for */
	/* Pages as they were told of last, so that what has changed since is found by
	 * one look: for each page which, of those from 1 on; 0: none. */
	uint16_t *copy;
	uint8_t *copies; /* NULL: there are none */
	unsigned copied;
};

/* An empty one: the template's own state. limit: bytes that it may have. snapshot
 * outlives it. 0 or -errno. delta_close undoes it, also when zeroed. */
int delta_open(struct delta *d, const struct snapshot *s, size_t limit,
	       struct err *e);
void delta_close(struct delta *d);
/* It will be saved more than once: it takes some MiB to be quick. */
void delta_hurry(struct delta *d);
void delta_clear(struct delta *d);

/* What the head of a segment says by itself, of size bytes that start with it: 0,
 * -EINVAL or -ESTALE as below. */
int delta_look(const struct delta_segment *s, uint64_t size, struct err *e);

/*
 * Appends segments that come from elsewhere, after looking at every byte of them
 * that means something. 0; -EINVAL: it is none, or holds what it may not; -ESTALE:
 * it is one of another template or another version; -ENOSPC: it is too large. Then
 * d is empty.
 */
int delta_add(struct delta *d, const void *bytes, size_t size, struct err *e);

/*
 * A state is saved: begun with the registers, told each page that may differ from
 * the template, in ascending order, and ended. What was told before and has not
 * changed since is not written again. 0; -EPERM: no program can have done that, or
 * none may; -ENOSPC: it grows too large; -ENOMEM. After an error of delta_put,
 * delta_put_all or delta_end delta_undo makes it as it was before. With registers that it
 * may have (delta_registers.h), and pages of which delta_foresee is sure, there is no -EPERM.
 */
int delta_begin(struct delta *d, const struct vm_state *state, uint64_t mono_ns,
		struct err *e);
int delta_put(struct delta *d, uint64_t page, const void *now, struct err *e);
/* Tells it of those pages with a bit set that are a part of the state. */
int delta_put_all(struct delta *d, const uint64_t *pages, const uint8_t *memory,
		  struct err *e);
int delta_end(struct delta *d, struct err *e);
void delta_undo(struct delta *d);
/* Bytes of the segment that all this makes, for the same pages and memory, at most;
 * UINT64_MAX: it can also be refused. */
uint64_t delta_foresee(const struct delta *d, const uint64_t *pages,
		       const uint8_t *memory);

/* Makes one segment of all that counts of one that is not empty. 0 or -ENOMEM: it
 * is as it was. */
int delta_compact(struct delta *d, struct err *e);
/* Bytes that it has at most: with what counts no more, and what is about to be
 * added, three times its limit, and DELTA_SPARE. */
size_t delta_most(const struct delta *d);

/* The last segment of one that is not empty: the only one, and whole, when half of
 * the bytes before had come to count no more, or there were too many. */
const struct delta_segment *delta_last(const struct delta *d);

/* The pages that are told of, from *page on, which becomes the one behind it. False:
 * there is none. */
bool delta_next(const struct delta *d, uint64_t *page);
/* Writes those lines of a page that may differ; the others are as the template's
 * there. */
void delta_write(const struct delta *d, uint64_t page, void *to);
/* Page tables of the template are among them. */
bool delta_has_tables(const struct delta *d);
/* The vCPU's state; returns the guest's monotonic clock. */
uint64_t delta_state(const struct delta *d, struct vm_state *state);

#endif
