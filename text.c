#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

bool text_grow(struct text *t, size_t more)
{
	size_t want = t->room ? t->room : 1024;
	char *bigger;

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

/* Digits of value before end, at least so many; where they begin. */
static char *digits(char *end, uint64_t value, int least)
{
	for (; value || least > 0; value /= 10, least--)
		*--end = (char)('0' + value % 10);
	return end;
}

void text_put_number(struct text *t, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char buf[24], *end = buf + sizeof(buf), *at = digits(end, size, 1);

	if (value < 0)
		*--at = '-';
	text_add(t, at, (size_t)(end - at));
}

void text_put_ms(struct text *t, uint64_t ns)
{
	char buf[24], *end = buf + sizeof(buf), *at;
	uint64_t us = ns / 1000 + (ns % 1000 >= 500);

	at = digits(end, us % 1000, 3);
	*--at = '.';
	at = digits(at, us / 1000, 1);
	text_add(t, at, (size_t)(end - at));
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
