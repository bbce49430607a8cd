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
	bool left, zero, alternate, upper, is_long;
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

/* Digits from *at on, which moves behind them. */
static int take_digits(const char **at)
{
	int n = 0;

	for (; **at >= '0' && **at <= '9'; ++*at)
		n = n * 10 + **at - '0';
	return n;
}

/* What stands between % and the conversion at *at. A pointer to va_list: a function
 * that takes one leaves it undefined for its caller. */
static struct spec take_spec(const char **at, va_list *ap)
{
	struct spec s = { .precision = -1 };

	for (;; ++*at) {
		if (**at == '-')
			s.left = true;
		else if (**at == '0')
			s.zero = true;
		else if (**at == '#')
			s.alternate = true;
		else
			break;
	}
	if (**at == '*') {
		s.width = va_arg(*ap, int);
		++*at;
	} else {
		s.width = take_digits(at);
	}
	if (**at == '.') {
		if (*++*at == '*') {
			s.precision = va_arg(*ap, int);
			++*at;
		} else {
			s.precision = take_digits(at);
		}
	}
	for (; **at == 'l' || **at == 'z'; ++*at)
		s.is_long = true;
	return s;
}

static void put_text(struct output *o, const char *text, const struct spec *s)
{
	size_t most = s->precision < 0 ? 0x7fffffff : (size_t)s->precision;

	if (!text)
		text = "(null)";
	put_field(o, text, (int)strnlen(text, most), s, ' ');
}

static void convert(struct output *o, char how, struct spec *s, va_list *ap)
{
	s64 v;
	char c;

	switch (how) {
	case 'c':
		c = (char)va_arg(*ap, int);
		put_field(o, &c, 1, s, ' ');
		break;
	case 's':
		put_text(o, va_arg(*ap, const char *), s);
		break;
	case 'd':
		v = s->is_long ? va_arg(*ap, s64) : va_arg(*ap, int);
		put_number(o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, s);
		break;
	case 'p':
		s->alternate = true;
		put_number(o, va_arg(*ap, u64), 16, false, s);
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		s->upper = how == 'X';
		put_number(o,
			   s->is_long ? va_arg(*ap, u64) :
					va_arg(*ap, unsigned),
			   how == 'u' ? 10 :
			   how == 'o' ? 8 :
					16,
			   false, s);
		break;
	default:
		put(o, how);
	}
}

int kvsnprintf(char *buf, size_t size, const char *format, va_list ap)
{
	struct output o = { buf, size, 0 };
	va_list left;

	va_copy(left, ap);
	for (; *format; format++) {
		struct spec s;

		if (*format != '%') {
			put(&o, *format);
			continue;
		}
		format++;
		s = take_spec(&format, &left);
		if (!*format)
			break;
		convert(&o, *format, &s, &left);
	}
	va_end(left);
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
