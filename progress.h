/*
 * progress.h: what a person sees of an image being built: how far it is, on a
 * terminal only, and what could not be kept.
 */
#ifndef ZEROBOOT_PROGRESS_H
#define ZEROBOOT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHOWN_SIZE 96 /* two of them and what is wrong fit into struct err */

/* A hostile name for one line of text: control characters become ?, of a long one
 * its end is shown. Returns to. */
const char *shown(char to[SHOWN_SIZE], const char *name, size_t size);

struct progress {
	bool terminal, drawn;
	uint64_t next_ns;
	uint64_t files, bytes; /* so far */
	unsigned warnings;
};

void progress_begin(struct progress *p);
/* Now and then draws. */
void progress_show(struct progress *p);
/* A line on stderr; after many of them only their number. */
void progress_warn(struct progress *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Before any other line, and at the end. */
void progress_end(struct progress *p);

#endif
