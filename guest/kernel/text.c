/* text.c: text that grows as it is written. */
#include "text.h"

#include <stdarg.h>

#include "heap.h"

#define FIRST_ROOM 512

char *text_reserve(struct text *t, size_t size)
{
	size_t want = t->room ? t->room : FIRST_ROOM;
	char *bigger;

	while (want - t->size < size)
		want *= 2;
	if (want > t->room) {
		bigger = krealloc(t->at, want);
		if (!bigger) {
			t->failed = true;
			return NULL;
		}
		t->at = bigger;
		t->room = want;
	}
	return t->at + t->size;
}

void text_bytes(struct text *t, const void *bytes, size_t size)
{
	char *to = text_reserve(t, size);

	if (!to)
		return;
	memcpy(to, bytes, size);
	t->size += size;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list ap;
	size_t left = t->room - t->size;
	int n;

	va_start(ap, format);
	n = kvsnprintf(t->at + t->size, left, format, ap);
	va_end(ap);
	if ((size_t)n >= left) { /* with its NUL */
		if (!text_reserve(t, (size_t)n + 1))
			return;
		va_start(ap, format);
		kvsnprintf(t->at + t->size, t->room - t->size, format, ap);
		va_end(ap);
	}
	t->size += (size_t)n;
}

void text_free(struct text *t)
{
	kfree(t->at);
	*t = (struct text){ 0 };
}
