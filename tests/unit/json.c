#include "unit.h"

#include <stdlib.h>

#include "json.h"

/* ---- a reader that writes down what it reads ---- */

static int put_value(struct json *j, struct text *t);

static int put_member(struct json *j, const char *key, size_t size,
		      void *context)
{
	text_add(context, "k", 1);
	text_json_string(context, key, size);
	return put_value(j, context);
}

static int put_element(struct json *j, void *context)
{
	return put_value(j, context);
}

static int put_value(struct json *j, struct text *t)
{
	char to[20000];
	size_t length;
	int64_t value = 0;
	int r;

	switch (json_peek(j)) {
	case JSON_STRING:
		r = json_string(j, to, sizeof(to), &length);
		text_add(t, "s", 1);
		text_json_string(t, to, length);
		return r;
	case JSON_NUMBER:
		r = json_integer(j, &value);
		text_format(t, "n%lld", (long long)value);
		return r == -ERANGE ? 0 : r;
	case JSON_OBJECT:
		text_add(t, "{", 1);
		return json_object(j, put_member, t);
	case JSON_ARRAY:
		text_add(t, "[", 1);
		return json_array(j, put_element, t);
	default:
		text_add(t, "o", 1);
		return json_skip(j);
	}
}

static size_t pauses, most_ahead, last;

static void note(struct json *j)
{
	pauses++;
	if (j->at - last > most_ahead)
		most_ahead = j->at - last;
	last = j->at;
}

/* At every byte that can be one. */
static void note_each(struct json *j)
{
	note(j);
	j->pause_at = j->at;
}

/* Reads a text, from memory that ends with it, into t: result and message too. */
static void read_text(const char *text, size_t size,
		      void (*pause)(struct json *j), struct text *t)
{
	char *copy = malloc(size ? size : 1);
	struct err e = { "" };
	struct json j;
	int r;

	memcpy(copy, text, size);
	json_begin(&j, copy, size, &e);
	j.pause = pause;
	pauses = most_ahead = last = 0;
	r = put_value(&j, t);
	if (r == 0)
		r = json_end(&j);
	if (j.at - last > most_ahead)
		most_ahead = j.at - last;
	text_format(t, " %d at %zu: %s", r, r ? 0 : j.at, r ? e.text : "");
	free(copy);
}

static void compare(const char *text, size_t size)
{
	struct text whole = { 0 }, often = { 0 }, each = { 0 };

	read_text(text, size, NULL, &whole);
	EQUAL(pauses, 0);
	read_text(text, size, note, &often);
	SAME(often.data, often.size, whole.data, whole.size);
	/* Nobody else would wait for long: it is said of json.c that it pauses
	 * every 4 KiB. */
	CHECK(most_ahead <= 2 * 4096 + 64);
	read_text(text, size, note_each, &each);
	SAME(each.data, each.size, whole.data, whole.size);
	free(whole.data);
	free(often.data);
	free(each.data);
}

static const char *const texts[] = {
	"{\"code\":\"print(1)\\n\\u00e9\\ud83d\\ude00\",\"timeout_seconds\":5}",
	" [ 1 , -2.5e+3, true, null, \"\", {}, [], [[]], {\"a\":{\"b\":1}} ] ",
	"\xef\xbb\xbf{\"a\": \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	"{\"a\":1,\"a\":2}",
	"[1,2",
	"\"abc",
	"\"\\ud800\"",
	"[1,]",
	"{\"a\" 1}",
	"nul",
	"1 2",
	"\"a\nb\"",
	"\"\xff\"",
	"01",
	"",
	"[9223372036854775807, -9223372036854775808, 99999999999999999999]",
};

static void pauses_change_nothing(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t size = 0; size <= strlen(texts[i]); size++)
			compare(texts[i], size);
}

/* Everything that can be long. */
static void long_texts_pause(void)
{
	static char text[300000];
	static const char *const fills[] = { " ",        "x", "\\n", "\\u00e9",
					     "\xc3\xa9", "7", "\t\n" };

	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		size_t n = strlen(fills[i]), size = 15000 / n * n;
		char open = strchr(" \t7", fills[i][0]) ? '[' : '"';
		char close = open == '[' ? ']' : '"';

		text[0] = open;
		for (size_t k = 0; k < size; k += n)
			memcpy(text + 1 + k, fills[i], n);
		text[1 + size] = close;
		compare(text, size + 2);
		CHECK(pauses > size / 4096);
		/* And what is cut off in the middle. */
		compare(text, size - 1);
	}
	memset(text, '[', sizeof(text));
	compare(text, sizeof(text));
	for (size_t k = 0; k < sizeof(text); k += 2)
		memcpy(text + k, "1,", 2);
	text[0] = '[';
	text[1] = ' ';
	text[sizeof(text) - 1] = ']';
	compare(text, sizeof(text));
	CHECK(pauses > sizeof(text) / 2);
}

/* ---- a parse that is ended in a pause ---- */

static size_t left;

static void end_later(struct json *j)
{
	j->pause_at = j->at;
	if (left-- == 0)
		j->size = j->at;
}

static void an_end_in_a_pause(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t n = 0; n < 200; n++) {
			struct text t = { 0 };

			left = n;
			read_text(texts[i], strlen(texts[i]), end_later, &t);
			free(t.data);
		}
}

/* ---- writing ---- */

/* In parts of any size it is the same, and as long as was said. */
static void escaped_in_parts(void)
{
	static const char kinds[] = "a\n\0\"\\\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f"
				    "\x98\x80\xff\xc3\xed\xa0\x80";

	for (int round = 0; round < 400; round++) {
		char data[200], part[64];
		size_t size = unit_random(sizeof(data)), at = 0, counted = 0;
		size_t room = JSON_ESCAPED_MAX +
			      unit_random(sizeof(part) - JSON_ESCAPED_MAX);
		struct text whole = { 0 }, parts = { 0 };

		for (size_t i = 0; i < size; i++)
			data[i] = kinds[unit_random(sizeof(kinds) - 1)];
		text_json_string(&whole, data, size);
		text_add(&parts, "\"", 1);
		while (at < size) {
			size_t n = json_escape(part, room, data, size, &at);

			if (!CHECK(n > 0 && n <= room))
				break;
			text_add(&parts, part, n);
		}
		text_add(&parts, "\"", 1);
		SAME(parts.data, parts.size, whole.data, whole.size);
		for (at = 0; at < size;)
			counted += json_escaped_size(data, size, &at,
						     1 + unit_random(9));
		EQUAL(counted, whole.size - 2);
		free(whole.data);
		free(parts.data);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a text that pauses, cut anywhere, is read as one that does "
		  "not",
		  pauses_change_nothing },
		{ "whatever is long pauses", long_texts_pause },
		{ "a text may be ended in any pause", an_end_in_a_pause },
		{ "strings are escaped in parts as at once, and as long as "
		  "said",
		  escaped_in_parts },
	};

	return UNIT_RUN("json", tests);
}
