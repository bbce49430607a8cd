/* Text that comes in pieces is the text that comes at once. */
#include "unit.h"

#include <stdlib.h>

#include "events.h"
#include "json.h"
#include "protocol.h"

static void put_part(struct text *t, enum part_kind kind, const char *data,
		     size_t size)
{
	static const char zero[8];
	struct part head = { .kind = kind, .size = size };

	text_add(t, &head, sizeof(head));
	text_add(t, data, size);
	text_add(t, zero, PADDED(size) - size);
}

/* The events' text, one behind the other, as a JSON string. */
static void join(struct text *to, const struct text *events)
{
	static const char begin[] = "data: {\"text\":\"", end[] = "\"}\n\n";
	const char *at = events->data, *last = at + events->size;

	text_put(to, "\"");
	while ((at = memmem(at, (size_t)(last - at), begin,
			    sizeof(begin) - 1))) {
		const char *stop;

		at += sizeof(begin) - 1;
		stop = memmem(at, (size_t)(last - at), end, sizeof(end) - 1);
		if (!CHECK(stop && stop > at))
			return;
		text_add(to, at, (size_t)(stop - at));
		at = stop;
	}
	text_put(to, "\"");
}

/* In pieces that end at a and at b. */
static void check(const char *data, size_t size, size_t a, size_t b)
{
	struct text parts = { 0 }, events = { 0 }, got = { 0 }, want = { 0 };
	struct events v = { 0 };
	size_t ends[] = { a, b, size }, at = 0;

	for (int i = 0; i < 3; i++) {
		if (ends[i] > at)
			put_part(&parts, PART_STDOUT, data + at, ends[i] - at);
		at = ends[i];
	}
	events_put(&v, &events, parts.data, parts.data + parts.size);
	events_put_held(&v, &events);
	text_put(&events, "");
	join(&got, &events);
	text_json_string(&want, data, size);
	if (!CHECK(got.size == want.size &&
		   !memcmp(got.data, want.data, want.size)))
		printf("# cut at %zu and %zu: %.*s\n", a, b, (int)got.size,
		       got.data);
	free(parts.data);
	free(events.data);
	free(got.data);
	free(want.data);
}

static void every_cut(void)
{
	static const char *const texts[] = {
		"plain\n",
		"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z",
		"\"\\\n\x01\xe2\x80\xa8",
		"\xff\xfe\x80\xbf\xc0\x80\xc1\xbf",
		"\xe0\x80\x80\xe0\xa0\xed\xa0\x80\xed\x9f\xbf",
		"\xf0\x80\x80\x80\xf4\x90\x80\x80\xf5\x80\xf4\x8f\xbf",
		"\xe2\x82\xe2\x82\xac\xf0\x9f\x98\xf0\x9f\x98\x80\xc3",
		"\xf0\x9f",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t size = strlen(texts[i]);

		for (size_t a = 0; a <= size; a++)
			for (size_t b = a; b <= size; b++)
				check(texts[i], size, a, b);
	}
}

static void streams_keep_their_own(void)
{
	static const char want[] = "event: stderr\ndata: {\"text\":\"x\"}\n\n"
				   "event: stdout\ndata: {\"text\":\"\xc3\xa9"
				   "\"}\n\n";
	struct text parts = { 0 }, events = { 0 };
	struct events v = { 0 };

	put_part(&parts, PART_STDOUT, "\xc3", 1);
	put_part(&parts, PART_STDERR, "x", 1);
	put_part(&parts, PART_STDOUT, "\xa9", 1);
	events_put(&v, &events, parts.data, parts.data + parts.size);
	CHECK(events.size == sizeof(want) - 1 &&
	      !memcmp(events.data, want, events.size));
	CHECK(v.open_line);
	free(parts.data);
	free(events.data);
}

static void bytes_are_bytes(void)
{
	static const char want[] = "event: stdout\ndata: {\"base64\":\"ww==\"}"
				   "\n\n";
	struct text parts = { 0 }, events = { 0 };
	struct events v = { .base64 = true };

	put_part(&parts, PART_STDOUT, "\xc3", 1);
	events_put(&v, &events, parts.data, parts.data + parts.size);
	events_put_held(&v, &events);
	CHECK(events.size == sizeof(want) - 1 &&
	      !memcmp(events.data, want, events.size));
	free(parts.data);
	free(events.data);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "text is the same wherever it is cut", every_cut },
		{ "a character of one stream waits while the other goes on",
		  streams_keep_their_own },
		{ "bytes are sent as they come", bytes_are_bytes },
	};

	return UNIT_RUN("events", tests);
}
