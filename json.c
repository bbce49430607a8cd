#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 32

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

bool json_is_utf8(const void *data, size_t size)
{
	const uint8_t *p = data;
	int n;

	for (size_t at = 0; at < size; at += (size_t)n) {
		n = utf8_length(p + at, size - at);
		if (n < 0)
			return false;
	}
	return true;
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

/* ---- bytes of strings ---- */

/* How a byte is written: as it is, by its number, as a part of a sequence, or by
 * this letter behind a backslash. */
enum { PLAIN, CODE, WIDE };

static const uint8_t forms[256] = {
	[0 ... 7] = CODE, ['\b'] = 'b',  ['\t'] = 't',  ['\n'] = 'n',
	[0x0b] = CODE,    ['\f'] = 'f',  ['\r'] = 'r',  [0x0e ... 0x1f] = CODE,
	['"'] = '"',      ['\\'] = '\\', [0x7f] = CODE, [0x80 ... 0xff] = WIDE,
};

#define EACH(byte) (0x0101010101010101ull * (byte))
/* The high bit of each byte that is zero, and perhaps of others above one. */
#define ZEROES(word) (((word)-EACH(1)) & ~(word))

/* How many bytes at p are plain. */
static size_t plain_run(const uint8_t *p, size_t size)
{
	size_t at = 0;

	while (size - at >= 8) {
		uint64_t w;

		memcpy(&w, p + at, 8);
		if (((w - EACH(0x20)) | w | ZEROES(w ^ EACH('"')) |
		     ZEROES(w ^ EACH('\\')) | ZEROES(w ^ EACH(0x7f))) &
		    EACH(0x80))
			break;
		at += 8;
	}
	while (at < size && forms[p[at]] == PLAIN)
		at++;
	return at;
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

/* Parts of the text between two chances to pause. */
#define PAUSE_BYTES 4096

static void may_pause(struct json *j)
{
	if (!j->pause || j->at < j->pause_at)
		return;
	j->pause_at = j->at + PAUSE_BYTES;
	j->pause(j);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(struct json *j)
{
	may_pause(j);
	while (j->at < j->size && is_space(j->text[j->at])) {
		j->at++;
		may_pause(j);
	}
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

/* A piece of a string: bytes that stand for themselves, or one escape, whose
 * meaning goes into own. */
static int string_part(struct json *j, const char **part, size_t *size,
		       char own[4])
{
	const uint8_t *p = (const uint8_t *)j->text + j->at;
	size_t left = j->size - j->at;
	int n;

	if (*p == '\\') {
		j->at++;
		*part = own;
		return escape(j, own, size);
	}
	if (*p < 0x20)
		return bad(j, "control character in a string");
	*part = (const char *)p;
	*size = plain_run(p, left < PAUSE_BYTES ? left : PAUSE_BYTES);
	if (*size == 0) {
		n = utf8_length(p, left);
		if (n < 0)
			return bad(j, "not UTF-8");
		*size = (size_t)n;
	}
	j->at += *size;
	return 0;
}

int json_string(struct json *j, char *to, size_t size, size_t *length)
{
	*length = 0;
	if (peek_byte(j) != '"')
		return bad(j, "expected a string");
	j->at++;
	for (;;) {
		char own[4];
		const char *part = own;
		size_t n = 0;
		int r;

		may_pause(j);
		if (j->at == j->size)
			return bad(j, "unterminated string");
		if (j->text[j->at] == '"')
			break;
		r = string_part(j, &part, &n, own);
		if (r)
			return r;
		if (to) {
			if (n > size - *length)
				return refuse(j, "string too long");
			memcpy(to + *length, part, n);
		}
		*length += n;
	}
	j->at++;
	return 0;
}

static size_t digits(struct json *j)
{
	size_t start = j->at;

	while (j->at < j->size && j->text[j->at] >= '0' &&
	       j->text[j->at] <= '9') {
		j->at++;
		may_pause(j);
	}
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

/* The keys of one object, to find a second one. */
struct keys {
	size_t count;
	uint64_t filter[16]; /* a bit of each hash: most are new at a glance */
	uint64_t hashes[JSON_KEYS_MAX];
};

static int check_key(struct json *j, struct keys *seen, const char *key,
		     size_t size)
{
	uint64_t hash = 0xcbf29ce484222325ull, bit, *word;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)key[i]) * 0x100000001b3ull;
	word = &seen->filter[hash >> 60];
	bit = 1ull << (hash >> 54 & 63);
	for (size_t i = 0; *word & bit && i < seen->count; i++)
		if (seen->hashes[i] == hash)
			return refuse(j, "duplicate key");
	if (seen->count == JSON_KEYS_MAX)
		return refuse(j, "too many keys");
	*word |= bit;
	seen->hashes[seen->count++] = hash;
	return 0;
}

int json_object(struct json *j,
		int (*member)(struct json *j, const char *key, size_t size,
			      void *context),
		void *context)
{
	struct keys seen;
	char key[JSON_KEY_MAX];
	size_t size;
	int r = enter(j, '{', "expected an object");

	if (r)
		return r;
	if (peek_byte(j) == '}')
		return next(j, '}');
	seen.count = 0;
	memset(seen.filter, 0, sizeof(seen.filter));
	do {
		r = json_string(j, key, sizeof(key), &size);
		if (r == 0)
			r = check_key(j, &seen, key, size);
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

size_t json_escape(char *to, size_t room, const void *data, size_t size,
		   size_t *at)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t from = *at, n = 0;

	while (from < size && room - n >= JSON_ESCAPED_MAX) {
		uint8_t c = p[from], form = forms[c];
		int length;

		if (form == PLAIN) {
			size_t most = size - from < room - n ? size - from :
							       room - n;
			size_t run = plain_run(p + from, most);

			memcpy(to + n, p + from, run);
			n += run;
			from += run;
		} else if (form == WIDE) {
			length = utf8_length(p + from, size - from);
			if (length > 0) {
				memcpy(to + n, p + from, (size_t)length);
				n += (size_t)length;
				from += (size_t)length;
			} else {
				memcpy(to + n, "\xef\xbf\xbd", 3);
				n += 3;
				from += (size_t)-length;
			}
		} else if (form == CODE) {
			memcpy(to + n, "\\u00", 4);
			to[n + 4] = digits[c >> 4];
			to[n + 5] = digits[c & 15];
			n += 6;
			from++;
		} else {
			to[n++] = '\\';
			to[n++] = (char)form;
			from++;
		}
	}
	*at = from;
	return n;
}

size_t json_escaped_size(const void *data, size_t size, size_t *at, size_t most)
{
	const uint8_t *p = data;
	size_t from = *at, n = 0;
	size_t end = size - from < most ? size : from + most;

	while (from < end) {
		uint8_t form = forms[p[from]];
		int length;

		if (form == PLAIN) {
			size_t run = plain_run(p + from, end - from);

			n += run;
			from += run;
		} else if (form == WIDE) {
			length = utf8_length(p + from, size - from);
			n += length > 0 ? (size_t)length : 3;
			from += (size_t)(length > 0 ? length : -length);
		} else {
			n += form == CODE ? 6 : 2;
			from++;
		}
	}
	*at = from;
	return n;
}

void text_json_string(struct text *t, const void *data, size_t size)
{
	char part[512];
	size_t at = 0;

	text_add(t, "\"", 1);
	while (at < size) {
		size_t n = json_escape(part, sizeof(part), data, size, &at);

		text_add(t, part, n);
	}
	text_add(t, "\"", 1);
}
