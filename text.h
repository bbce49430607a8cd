/* text.h: bytes that grow at their end. */
#ifndef ZEROBOOT_TEXT_H
#define ZEROBOOT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text { /* failed is set when memory ran out; nothing is added then */
	char *data;
	size_t size, room;
	bool failed;
};

/* Room for so many bytes more. */
bool text_grow(struct text *t, size_t more);
static inline bool text_reserve(struct text *t, size_t more)
{
	return !t->failed && (more <= t->room - t->size || text_grow(t, more));
}
static inline void text_add(struct text *t, const void *data, size_t size)
{
	if (!size || !text_reserve(t, size))
		return;
	memcpy(t->data + t->size, data, size);
	t->size += size;
}
static inline void text_put(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}
/* printf takes thousands of instructions for what a request's line needs. */
void text_put_number(struct text *t, int64_t value);
void text_put_ms(struct text *t, uint64_t ns); /* as %.3f of milliseconds */
/* One line, of at most 1,023 bytes. */
void text_format(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
