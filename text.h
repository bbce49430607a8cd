/* text.h: bytes that grow at their end. */
#ifndef ZEROBOOT_TEXT_H
#define ZEROBOOT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text { /* failed is set when memory ran out; nothing is added then */
	char *data;
	size_t size, room;
	bool failed;
};

/* Room for so many bytes more. */
bool text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *data, size_t size);
/* One line, of at most 1,023 bytes. */
void text_format(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
