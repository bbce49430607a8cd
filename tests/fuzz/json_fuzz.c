/*
 * json_fuzz.c: what json.c reads, written and read again, is the same; what it
 * takes is JSON in valid UTF-8; what it writes is a string that reads back.
 */
#include "fuzz.h"

#include <errno.h>

#include "json.h"

/* ---- UTF-8, another way than json.c: decode, then judge the value ---- */

static size_t sequence(const uint8_t *p, size_t size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80     ? 1 :
		   p[0] >> 5 == 6  ? 2 :
		   p[0] >> 4 == 14 ? 3 :
		   p[0] >> 3 == 30 ? 4 :
				     0;
	uint32_t c;

	if (n == 0 || n > size)
		return 0;
	if (n == 1)
		return 1;
	c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

/* Whether some sequence begins with these bytes. */
static bool begins(const uint8_t *p, size_t size)
{
	static const uint8_t more[] = { 0x80, 0x90, 0xa0, 0xbf };
	uint8_t s[4];

	memcpy(s, p, size);
	for (int i = 0; i < 64; i++) {
		for (size_t k = size; k < 4; k++)
			s[k] = more[i >> 2 * (k - size) & 3];
		if (sequence(s, 4) > size)
			return true;
	}
	return false;
}

/* Unicode's maximal parts, each replaced by U+FFFD. */
static size_t replace(const uint8_t *p, size_t size, char *to)
{
	size_t n = 0;

	for (size_t at = 0; at < size;) {
		size_t length = sequence(p + at, size - at);

		if (length) {
			memcpy(to + n, p + at, length);
			n += length;
			at += length;
			continue;
		}
		memcpy(to + n, "\xef\xbf\xbd", 3);
		n += 3;
		for (length = 1; length < 3 && at + length < size &&
				 begins(p + at, length + 1);)
			length++;
		at += length;
	}
	return n;
}

/* ---- writing what was read ---- */

static int put_value(struct json *j, struct text *t);

static int put_string(struct json *j, struct text *t)
{
	size_t room = j->size - j->at, length;
	char *to = malloc(room + 1);
	int r;

	assert(to);
	r = json_string(j, to, room, &length);
	if (r == 0) {
		for (size_t at = 0; at < length;) {
			size_t n = sequence((uint8_t *)to + at, length - at);

			assert(n);
			at += n;
		}
		text_json_string(t, to, length);
	}
	free(to);
	return r;
}

struct list {
	struct text *t;
	bool more;
};

static void comma(struct list *l)
{
	if (l->more)
		text_add(l->t, ",", 1);
	l->more = true;
}

static int put_member(struct json *j, const char *key, size_t size,
		      void *context)
{
	struct list *l = context;

	comma(l);
	text_json_string(l->t, key, size);
	text_add(l->t, ":", 1);
	return put_value(j, l->t);
}

static int put_element(struct json *j, void *context)
{
	struct list *l = context;

	comma(l);
	return put_value(j, l->t);
}

/* An integer is what its digits say, or a limit. */
static void check_integer(const struct json *before, const char *digits,
			  size_t size)
{
	char text[32], copy[32] = "";
	struct json j = *before;
	bool integer = true;
	int64_t value = 0;
	int r = json_integer(&j, &value);

	for (size_t i = 0; i < size; i++)
		if (strchr(".eE", digits[i]))
			integer = false;
	assert(r == (integer ? 0 : -ERANGE));
	if (r)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)value);
	memcpy(copy, digits, size < sizeof(copy) ? size : sizeof(copy) - 1);
	if (!strcmp(text, copy) || !strcmp(copy, "-0"))
		return;
	assert(value == (digits[0] == '-' ? INT64_MIN : INT64_MAX));
	assert(size > strlen(text) ||
	       (size == strlen(text) && memcmp(digits, text, size) > 0));
}

static int put_plain(struct json *j, struct text *t)
{
	enum json_kind kind = json_peek(j);
	struct json before = *j;
	int r = json_skip(j);

	if (r)
		return r;
	if (kind == JSON_NUMBER)
		check_integer(&before, j->text + before.at, j->at - before.at);
	text_add(t, j->text + before.at, j->at - before.at);
	return 0;
}

static int put_value(struct json *j, struct text *t)
{
	struct list l = { .t = t };
	int r;

	switch (json_peek(j)) {
	case JSON_STRING:
		return put_string(j, t);
	case JSON_OBJECT:
		text_add(t, "{", 1);
		r = json_object(j, put_member, &l);
		text_add(t, "}", 1);
		return r;
	case JSON_ARRAY:
		text_add(t, "[", 1);
		r = json_array(j, put_element, &l);
		text_add(t, "]", 1);
		return r;
	default:
		return put_plain(j, t);
	}
}

static int rewrite(const char *data, size_t size, struct text *t)
{
	char *copy = exact(data, size);
	struct err e = { "" };
	struct json j = { .text = copy, .size = size, .e = &e };
	int r = put_value(&j, t);

	if (r == 0)
		r = json_end(&j);
	assert(j.at <= size);
	assert(r == 0 || (r == -EINVAL && strstr(e.text, " at byte ")));
	assert(r != 0 || (j.at == size && j.depth == 0));
	assert(!t->failed);
	free(copy);
	return r;
}

/* A text that pauses, and may end there, is read as it would be without. */
static size_t pauses, pauses_left;

static void count_pause(struct json *j)
{
	pauses++;
	j->pause_at = j->at + 1;
	if (pauses_left-- == 0)
		j->size = j->at;
}

static void check_pauses(const char *data, size_t size, int expected)
{
	for (size_t left = 0; left < 4; left++) {
		struct err e = { "" };
		struct json j = { .text = data,
				  .size = size,
				  .e = &e,
				  .pause = count_pause };
		int r;

		pauses_left = left * left * size / 9 + (left == 3 ? 9999 : 0);
		r = json_skip(&j);
		if (r == 0)
			r = json_end(&j);
		assert(left < 3 || r == expected);
		assert(j.at <= j.size && j.size <= size);
	}
}

static void check_document(const char *data, size_t size)
{
	struct json j = { .text = data, .size = size };
	struct text once = { 0 }, twice = { 0 };
	int skipped = json_skip(&j), r;

	if (skipped == 0)
		skipped = json_end(&j);
	check_pauses(data, size, skipped);
	r = rewrite(data, size, &once);
	assert(r == skipped);
	if (r == 0) {
		assert(rewrite(once.data, once.size, &twice) == 0);
		assert(once.size == twice.size);
		assert(!memcmp(once.data, twice.data, once.size));
	}
	free(once.data);
	free(twice.data);
}

/* Written in parts it is the same, and as long as was said. */
static void check_parts(const uint8_t *data, size_t size, const struct text *t)
{
	char *whole = exact(t->data + 1, t->size - 2);

	for (size_t room = 6; room < 20; room += 1 + size / 64) {
		size_t at = 0, counted = 0, n = 0, sum = 0;
		char *part = malloc(room);

		while (at < size) {
			n = json_escape(part, room, data, size, &at);
			assert(n > 0 && n <= room);
			assert(sum + n <= t->size - 2);
			assert(!memcmp(whole + sum, part, n));
			sum += n;
		}
		assert(sum == t->size - 2);
		for (at = 0; at < size;)
			counted += json_escaped_size(data, size, &at, room);
		assert(counted == sum && at == size);
		free(part);
	}
	free(whole);
}

static void check_output(const uint8_t *data, size_t size)
{
	struct text t = { 0 };
	struct json j;
	char *expected = malloc(size * 3 + 1), *got;
	size_t n = replace(data, size, expected), length;

	text_json_string(&t, data, size);
	assert(!t.failed);
	for (size_t i = 0; i < t.size; i++)
		assert((uint8_t)t.data[i] >= 0x20);
	j = (struct json){ .text = t.data, .size = t.size };
	got = malloc(t.size);
	assert(json_string(&j, got, t.size, &length) == 0);
	assert(json_end(&j) == 0);
	assert(length == n && !memcmp(got, expected, n));
	check_parts(data, size, &t);
	free(t.data);
	free(expected);
	free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_document((const char *)data, size);
	check_output(data, size);
	return 0;
}
