/*
 * events.h: what a program writes, as server-sent events (HTML, 9.2) while it runs:
 * text is split where a character ends.
 */
#ifndef ZEROBOOT_EVENTS_H
#define ZEROBOOT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

#define EVENTS_TYPE "text/event-stream"
#define EVENTS_RESULT "event: result\ndata: "

struct events { /* all zero at first */
	bool base64;
	bool open_line; /* stderr has no newline at its end */
	struct {
		char bytes[4];
		size_t size;
	} held[2]; /* of stdout, of stderr: the beginning of a character */
};

/* Adds the events of parts, as an OUTPUT of protocol.h has them. */
void events_put(struct events *v, struct text *t, const char *parts,
		const char *end);
/* What was held back: no more will come. */
void events_put_held(struct events *v, struct text *t);
/* Instead of a result. */
void events_put_error(struct text *t, const char *message);

#endif
