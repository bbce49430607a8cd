/* text.h: text that grows as it is written. */
#ifndef TEXT_H
#define TEXT_H

#include "kernel.h"

struct text {     /* {0}: empty */
	char *at; /* not terminated */
	size_t size, room;
	bool failed; /* memory was short: the rest is missing */
};

/* As ksnprintf. */
void text_add(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_bytes(struct text *t, const void *bytes, size_t size);
/* Room for so many bytes more, at t->at + t->size; NULL: no memory. */
char *text_reserve(struct text *t, size_t size);
void text_free(struct text *t);

#endif
