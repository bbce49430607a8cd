/* string.c: memory and text; the compiler calls the first four itself. */
#include <stdarg.h>

#include "kernel.h"

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
	void *to = d;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(n) : : "memory");
	return d;
}

void *memset(void *d, int c, size_t n)
{
	void *to = d;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return d;
}

void *memmove(void *d, const void *s, size_t n)
{
	char *to = d;
	const char *from = s;

	if ((u64)d - (u64)s >= n)
		return memcpy(d, s, n);
	for (; n >= 8; n -= 8)
		__builtin_memcpy(to + n - 8,
				 &(u64){ *(const u64 *)(from + n - 8) }, 8);
	while (n--)
		to[n] = from[n];
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (size_t i = 0; i < n; i++)
		if (p[i] != q[i])
			return p[i] - q[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return (u8)a[i] - (u8)b[i];
		if (!a[i])
			return 0;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~0ul);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

/* ---- ksnprintf ---- */

struct output {
	char *buf;
	size_t size, length;
};

static void put(struct output *o, char c)
{
	if (o->length + 1 < o->size)
		o->buf[o->length] = c;
	o->length++;
}

struct spec {
	int width, precision;
	bool left, zero, alternate, upper;
};

static void put_field(struct output *o, const char *text, int length,
		      const struct spec *s, char pad)
{
	for (int i = length; !s->left && i < s->width; i++)
		put(o, pad);
	for (int i = 0; i < length; i++)
		put(o, text[i]);
	for (int i = length; s->left && i < s->width; i++)
		put(o, ' ');
}

static void put_number(struct output *o, u64 value, unsigned base,
		       bool negative, const struct spec *s)
{
	char digits[72];
	int at = (int)sizeof(digits);

	do {
		digits[--at] = (s->upper ? "0123456789ABCDEF" :
					   "0123456789abcdef")[value % base];
		value /= base;
	} while (value);
	while ((int)sizeof(digits) - at < s->precision && at > 4)
		digits[--at] = '0';
	if (s->alternate && base == 16) {
		digits[--at] = 'x';
		digits[--at] = '0';
	}
	if (negative && s->zero && !s->left) {
		struct spec rest = *s;

		put(o, '-');
		rest.width--;
		put_field(o, digits + at, (int)sizeof(digits) - at, &rest, '0');
		return;
	}
	if (negative)
		digits[--at] = '-';
	put_field(o, digits + at, (int)sizeof(digits) - at, s,
		  s->zero && !s->left ? '0' : ' ');
}

int kvsnprintf(char *buf, size_t size, const char *format, __builtin_va_list ap)
{
	struct output o = { buf, size, 0 };

	for (; *format; format++) {
		struct spec s = { .precision = -1 };
		bool is_long = false;
		const char *text;
		char c;

		if (*format != '%') {
			put(&o, *format);
			continue;
		}
		for (format++;; format++) {
			if (*format == '-')
				s.left = true;
			else if (*format == '0')
				s.zero = true;
			else if (*format == '#')
				s.alternate = true;
			else
				break;
		}
		if (*format == '*') {
			s.width = va_arg(ap, int);
			format++;
		}
		for (; *format >= '0' && *format <= '9'; format++)
			s.width = s.width * 10 + *format - '0';
		if (*format == '.') {
			s.precision = 0;
			if (*++format == '*') {
				s.precision = va_arg(ap, int);
				format++;
			}
			for (; *format >= '0' && *format <= '9'; format++)
				s.precision = s.precision * 10 + *format - '0';
		}
		for (; *format == 'l' || *format == 'z'; format++)
			is_long = true;
		switch (*format) {
		case 'c':
			c = (char)va_arg(ap, int);
			put_field(&o, &c, 1, &s, ' ');
			break;
		case 's':
			text = va_arg(ap, const char *);
			if (!text)
				text = "(null)";
			put_field(&o, text,
				  (int)strnlen(text,
					       s.precision < 0 ?
						       0x7fffffff :
						       (size_t)s.precision),
				  &s, ' ');
			break;
		case 'd': {
			s64 v = is_long ? va_arg(ap, s64) : va_arg(ap, int);

			put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, &s);
			break;
		}
		case 'p':
			s.alternate = true;
			put_number(&o, va_arg(ap, u64), 16, false, &s);
			break;
		case 'u':
		case 'x':
		case 'X':
		case 'o': {
			u64 v = is_long ? va_arg(ap, u64) :
					  va_arg(ap, unsigned);

			s.upper = *format == 'X';
			put_number(&o, v,
				   *format == 'u' ? 10 :
				   *format == 'o' ? 8 :
						    16,
				   false, &s);
			break;
		}
		case 0:
			format--;
			break;
		default:
			put(&o, *format);
		}
	}
	if (size)
		buf[MIN(o.length, size - 1)] = 0;
	return (int)o.length;
}

int ksnprintf(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = kvsnprintf(buf, size, format, ap);
	va_end(ap);
	return n;
}
