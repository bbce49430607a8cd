#include "events.h"

#include "content.h"
#include "json.h"
#include "protocol.h"

/* Bytes at the end that may be the beginning of a character, by its first byte: what
 * follows that decides whether it is one (Unicode, 3.9, table 3-7). */
static size_t unfinished(const char *data, size_t size)
{
	for (size_t n = 1; n <= 3 && n <= size; n++) {
		unsigned char c = (unsigned char)data[size - n];
		size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

		if ((c & 0xc0) == 0x80)
			continue;
		return c >= 0xc2 && c <= 0xf4 && n < whole ? n : 0;
	}
	return 0;
}

static void put_escaped(struct text *t, const char *data, size_t size)
{
	size_t at = 0;

	while (at < size && text_reserve(t, JSON_ESCAPED_MAX + size - at))
		t->size += json_escape(t->data + t->size, t->room - t->size,
				       data, size, &at);
}

static void put_encoded(struct text *t, const char *data, size_t size)
{
	size_t at = 0;

	while (at < size && text_reserve(t, (size - at + 2) / 3 * 4))
		t->size += content_encode(t->data + t->size, t->room - t->size,
					  data, size, &at);
}

static void put_event(struct text *t, int stream, bool base64, const char *data,
		      size_t size)
{
	if (!size)
		return;
	text_put(t, stream == 1 ? "event: stdout\ndata: {\"" :
				  "event: stderr\ndata: {\"");
	text_put(t, base64 ? "base64\":\"" : "text\":\"");
	if (base64)
		put_encoded(t, data, size);
	else
		put_escaped(t, data, size);
	text_put(t, "\"}\n\n");
}

/* As text, without the beginning of a character at its end, behind what was held
 * back before. */
static void put_text(struct events *v, struct text *t, int stream,
		     const char *data, size_t size)
{
	static char joined[sizeof(v->held[0].bytes) + PROTOCOL_PIECE_MAX];
	char *held = v->held[stream - 1].bytes;
	size_t *held_size = &v->held[stream - 1].size, rest;

	if (*held_size) {
		memcpy(joined, held, *held_size);
		memcpy(joined + *held_size, data, size);
		data = joined;
		size += *held_size;
	}
	rest = unfinished(data, size);
	put_event(t, stream, false, data, size - rest);
	memcpy(held, data + size - rest, rest);
	*held_size = rest;
}

void events_put(struct events *v, struct text *t, const char *parts,
		const char *end)
{
	struct part_view p;

	while (part_take(&parts, end, FROM_WORKER, &p) == 1) {
		int stream = p.kind == PART_STDOUT ? 1 : 2;

		if (v->base64)
			put_event(t, stream, true, p.data, p.size);
		else
			put_text(v, t, stream, p.data, p.size);
		if (stream == 2)
			v->open_line = p.data[p.size - 1] != '\n';
	}
}

void events_put_held(struct events *v, struct text *t)
{
	for (int i = 0; i < 2; i++) {
		put_event(t, i + 1, false, v->held[i].bytes, v->held[i].size);
		v->held[i].size = 0;
	}
}

void events_put_error(struct text *t, const char *message)
{
	text_put(t, "event: error\ndata: {\"error\":");
	text_json_string(t, message, strlen(message));
	text_put(t, "}\n\n");
}
