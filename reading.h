/*
 * reading.h: bodies of requests become jobs: small ones at once, large ones in
 * slices of the event loop, one after the other.
 */
#ifndef ZEROBOOT_READING_H
#define ZEROBOOT_READING_H

#include "err.h"
#include "request.h"

#define READING_AT_ONCE 16384 /* bytes of a body that is not read in slices */

/* All zero: nothing is read. */
struct reading {
	/* set by the caller; body stays as it is until done or cancelled */
	struct request request;
	const char *body;
	size_t size;
	/* What it is: as request_parse; NULL: that. */
	int (*parse)(struct reading *r);
	void (*done)(struct reading *r);
	void *context;
	/* valid in done: as request_parse */
	int result;
	struct err e;

	bool queued, cancelled;
	struct reading *next;
};

/* 0 or -ENOMEM. */
int reading_open(void);
void reading_close(void);
/* Reads, and calls done: at once or in a later turn. */
void reading_begin(struct reading *r);
/* Nobody wants it any more: done is not called. No effect on one that is done. */
void reading_cancel(struct reading *r);

#endif
