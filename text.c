#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_reserve(struct text *t, size_t more)
{
	size_t want = t->room ? t->room : 1024;
	char *bigger;

	if (t->failed)
		return false;
	if (more <= t->room - t->size)
		return true;
	/* Beyond that no doubling ends. */
	if (more > SIZE_MAX / 2 - t->size) {
		t->failed = true;
		return false;
	}
	while (want - t->size < more)
		want *= 2;
	bigger = realloc(t->data, want);
	if (!bigger) {
		t->failed = true;
		return false;
	}
	t->data = bigger;
	t->room = want;
	return true;
}

void text_add(struct text *t, const void *data, size_t size)
{
	if (!size || !text_reserve(t, size))
		return;
	memcpy(t->data + t->size, data, size);
	t->size += size;
}

void text_format(struct text *t, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n > 0)
		text_add(t, line,
			 (size_t)n < sizeof(line) ? (size_t)n :
						    sizeof(line) - 1);
}
