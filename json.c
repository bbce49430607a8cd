#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 32
#define MAX_KEY 1024 /* bytes of a key */
#define MAX_KEYS 256 /* in one object */

/* ---- UTF-8 ---- */

/*
 * Length of the sequence at p, or minus the length of the longest beginning of
 * one (at least 1): Unicode 15, table 3-7.
 */
static int utf8_length(const uint8_t *p, size_t size)
{
	uint8_t low = 0x80, high = 0xbf;
	int length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return -1;
	length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < length; i++) {
		if ((size_t)i >= size || p[i] < low || p[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

static size_t utf8_encode(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* ---- reading ---- */

static int bad(struct json *j, const char *what)
{
	return err_set(j->e, -EINVAL, "malformed JSON at byte %zu: %s", j->at,
		       what);
}

/* It may well be JSON, but no such is taken here. */
static int refuse(struct json *j, const char *what)
{
	return err_set(j->e, -EINVAL, "refused JSON at byte %zu: %s", j->at,
		       what);
}

void json_begin(struct json *j, const char *text, size_t size, struct err *e)
{
	*j = (struct json){ .text = text, .size = size, .e = e };
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		j->at = 3;
}

static void skip_space(struct json *j)
{
	while (j->at < j->size && strchr(" \t\r\n", j->text[j->at]) &&
	       j->text[j->at])
		j->at++;
}

static int peek_byte(struct json *j)
{
	skip_space(j);
	return j->at < j->size ? (uint8_t)j->text[j->at] : -1;
}

enum json_kind json_peek(struct json *j)
{
	int c = peek_byte(j);

	if (c == '"')
		return JSON_STRING;
	if (c == '-' || (c >= '0' && c <= '9'))
		return JSON_NUMBER;
	return c == '{' ? JSON_OBJECT : c == '[' ? JSON_ARRAY : JSON_OTHER;
}

static int hex4(struct json *j, uint32_t *value)
{
	*value = 0;
	if (j->size - j->at < 4)
		return bad(j, "incomplete \\u escape");
	for (int i = 0; i < 4; i++) {
		char c = j->text[j->at];
		int digit = c >= '0' && c <= '9' ? c - '0' :
			    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			    c >= 'A' && c <= 'F' ? c - 'A' + 10 :
						   -1;

		if (digit < 0)
			return bad(j, "bad \\u escape");
		*value = *value << 4 | (uint32_t)digit;
		j->at++;
	}
	return 0;
}

/* Behind the backslash. */
static int escape(struct json *j, char *to, size_t *length)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	uint32_t c, low;
	const char *which;
	int r;

	if (j->at == j->size)
		return bad(j, "unterminated string");
	if (j->text[j->at] != 'u') {
		which = memchr(from, j->text[j->at], sizeof(from) - 1);
		if (!which)
			return bad(j, "unknown escape");
		j->at++;
		to[0] = into[which - from];
		*length = 1;
		return 0;
	}
	j->at++;
	r = hex4(j, &c);
	if (r)
		return r;
	if (c >= 0xdc00 && c < 0xe000)
		return bad(j, "lone low surrogate");
	if (c >= 0xd800 && c < 0xdc00) {
		if (j->size - j->at < 6 || j->text[j->at] != '\\' ||
		    j->text[j->at + 1] != 'u')
			return bad(j, "lone high surrogate");
		j->at += 2;
		r = hex4(j, &low);
		if (r)
			return r;
		if (low < 0xdc00 || low > 0xdfff)
			return bad(j, "lone high surrogate");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*length = utf8_encode(to, c);
	return 0;
}

int json_string(struct json *j, char *to, size_t size, size_t *length)
{
	*length = 0;
	if (peek_byte(j) != '"')
		return bad(j, "expected a string");
	j->at++;
	while (j->at < j->size && j->text[j->at] != '"') {
		const uint8_t *p = (const uint8_t *)j->text + j->at;
		char part[4];
		size_t n = 0;
		int r;

		if (*p < 0x20)
			return bad(j, "control character in a string");
		if (*p == '\\') {
			j->at++;
			r = escape(j, part, &n);
			if (r)
				return r;
		} else {
			r = utf8_length(p, j->size - j->at);
			if (r < 0)
				return bad(j, "not UTF-8");
			n = (size_t)r;
			memcpy(part, p, n);
			j->at += n;
		}
		if (to) {
			if (n > size - *length)
				return refuse(j, "string too long");
			memcpy(to + *length, part, n);
		}
		*length += n;
	}
	if (j->at == j->size)
		return bad(j, "unterminated string");
	j->at++;
	return 0;
}

static size_t digits(struct json *j)
{
	size_t start = j->at;

	while (j->at < j->size && j->text[j->at] >= '0' &&
	       j->text[j->at] <= '9')
		j->at++;
	return j->at - start;
}

/* RFC 8259, 6; *integer: without fraction and exponent. */
static int number(struct json *j, bool *integer)
{
	size_t start;

	*integer = true;
	if (j->text[j->at] == '-')
		j->at++;
	start = j->at;
	if (digits(j) == 0 || (j->text[start] == '0' && j->at - start > 1))
		return bad(j, "bad number");
	if (j->at < j->size && j->text[j->at] == '.') {
		*integer = false;
		j->at++;
		if (digits(j) == 0)
			return bad(j, "bad number");
	}
	if (j->at < j->size && (j->text[j->at] | 0x20) == 'e') {
		*integer = false;
		j->at++;
		if (j->at < j->size &&
		    (j->text[j->at] == '+' || j->text[j->at] == '-'))
			j->at++;
		if (digits(j) == 0)
			return bad(j, "bad number");
	}
	return 0;
}

int json_integer(struct json *j, int64_t *value)
{
	char copy[24] = "";
	size_t start, size;
	bool integer;
	int r;

	if (json_peek(j) != JSON_NUMBER)
		return bad(j, "expected a number");
	start = j->at;
	r = number(j, &integer);
	if (r)
		return r;
	if (!integer)
		return -ERANGE;
	/* What does not fit is over the limit as well when it is cut. */
	size = j->at - start < sizeof(copy) ? j->at - start : sizeof(copy) - 1;
	memcpy(copy, j->text + start, size);
	*value = strtoll(copy, NULL, 10);
	return 0;
}

static int skip_member(struct json *j, const char *key, size_t size,
		       void *context)
{
	(void)key, (void)size, (void)context;
	return json_skip(j);
}

static int skip_element(struct json *j, void *context)
{
	(void)context;
	return json_skip(j);
}

static int literal(struct json *j)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if (j->size - j->at >= n &&
		    !memcmp(j->text + j->at, words[i], n)) {
			j->at += n;
			return 0;
		}
	}
	return bad(j, j->at == j->size ? "unexpected end" : "unexpected byte");
}

int json_skip(struct json *j)
{
	size_t length;
	bool integer;

	switch (json_peek(j)) {
	case JSON_STRING:
		return json_string(j, NULL, 0, &length);
	case JSON_NUMBER:
		return number(j, &integer);
	case JSON_OBJECT:
		return json_object(j, skip_member, NULL);
	case JSON_ARRAY:
		return json_array(j, skip_element, NULL);
	default:
		return literal(j);
	}
}

static int enter(struct json *j, int open, const char *what)
{
	if (peek_byte(j) != open)
		return bad(j, what);
	if (++j->depth > MAX_DEPTH)
		return refuse(j, "nested too deeply");
	j->at++;
	return 0;
}

/* After an element: 1 for a comma, 0 for the end. */
static int next(struct json *j, int close)
{
	int c = peek_byte(j);

	if (c == ',') {
		j->at++;
		return 1;
	}
	if (c != close)
		return bad(j,
			   c < 0 ? "unexpected end" : "expected , or the end");
	j->at++;
	j->depth--;
	return 0;
}

int json_array(struct json *j, int (*element)(struct json *j, void *context),
	       void *context)
{
	int r = enter(j, '[', "expected an array");

	if (r)
		return r;
	if (peek_byte(j) == ']')
		return next(j, ']');
	do {
		r = element(j, context);
		if (r)
			return r;
		r = next(j, ']');
	} while (r == 1);
	return r;
}

/* Hashes of the keys of one object, to find a second one. */
static int check_key(struct json *j, uint64_t *seen, size_t *count,
		     const char *key, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)key[i]) * 0x100000001b3ull;
	for (size_t i = 0; i < *count; i++)
		if (seen[i] == hash)
			return refuse(j, "duplicate key");
	if (*count == MAX_KEYS)
		return refuse(j, "too many keys");
	seen[(*count)++] = hash;
	return 0;
}

int json_object(struct json *j,
		int (*member)(struct json *j, const char *key, size_t size,
			      void *context),
		void *context)
{
	uint64_t seen[MAX_KEYS];
	char key[MAX_KEY];
	size_t count = 0, size;
	int r = enter(j, '{', "expected an object");

	if (r)
		return r;
	if (peek_byte(j) == '}')
		return next(j, '}');
	do {
		r = json_string(j, key, sizeof(key), &size);
		if (r == 0)
			r = check_key(j, seen, &count, key, size);
		if (r)
			return r;
		if (peek_byte(j) != ':')
			return bad(j, "expected :");
		j->at++;
		r = member(j, key, size, context);
		if (r)
			return r;
		r = next(j, '}');
	} while (r == 1);
	return r;
}

int json_end(struct json *j)
{
	return peek_byte(j) < 0 ? 0 : bad(j, "something behind the value");
}

/* ---- writing ---- */

static void add_escaped(struct text *t, uint8_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
	const char *which = c ? memchr(from, c, sizeof(from) - 1) : NULL;

	if (which)
		text_format(t, "\\%c", into[which - from]);
	else
		text_format(t, "\\u%04x", c);
}

void text_json_string(struct text *t, const void *data, size_t size)
{
	const uint8_t *p = data;
	size_t plain = 0, at = 0;

	text_add(t, "\"", 1);
	while (at < size) {
		int n = utf8_length(p + at, size - at);

		if (n > 0 && p[at] >= 0x20 && p[at] != '"' && p[at] != '\\' &&
		    p[at] != 0x7f) {
			at += (size_t)n;
			continue;
		}
		text_add(t, p + plain, at - plain);
		if (n < 0)
			text_add(t, "\xef\xbf\xbd", 3);
		else
			add_escaped(t, p[at]);
		at += (size_t)(n < 0 ? -n : n);
		plain = at;
	}
	text_add(t, p + plain, at - plain);
	text_add(t, "\"", 1);
}
