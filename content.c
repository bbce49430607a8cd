#include "content.h"

#include <errno.h>
#include <string.h>

#include "base64.h"

#define SLICE ((size_t)4096) /* bytes of base64 between two chances to pause */

struct reading_content {
	struct parts *to;
	enum part_kind kind;
	const char *name;
	size_t name_size;
	const char **problem;
	size_t *at;
	bool done;
};

#define BASE64                                                                 \
	"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}"      \
	"[AEIMQUYcgkosw048]=)?$"

static const struct field content_bytes_fields[] = {
	{ .name = "base64",
	  .type = FIELD_STRING,
	  .required = true,
	  .strings = BASE64,
	  .help = "RFC 4648, 4, with padding." },
	{ 0 },
};

const struct object content_bytes = {
	.name = "Bytes",
	.help = "Of any kind.",
	.closed = true,
	.fields = content_bytes_fields,
};

static const struct field content_file_fields[] = {
	{ .name = "base64",
	  .type = FIELD_STRING,
	  .required = true,
	  .strings = BASE64,
	  .help = "Its bytes." },
	{ .name = "size",
	  .type = FIELD_INTEGER,
	  .required = true,
	  .help = "How many they are." },
	{ 0 },
};

const struct object content_file = {
	.name = "File",
	.help = "A file that is not UTF-8.",
	.fields = content_file_fields,
};

/* The last group, which may be padded: how many bytes, or -1. */
static int decode_last(const uint8_t *from, uint8_t *to)
{
	uint8_t group[4], bytes[3];
	int padding = (from[3] == '=') + (from[3] == '=' && from[2] == '=');

	memcpy(group, from, 4);
	memset(group + 4 - padding, 'A', (size_t)padding);
	if (!base64_decode(group, 4, bytes))
		return -1;
	/* What the padding leaves out is zero, so that a text is one of one kind. */
	if ((padding == 1 && bytes[2]) || (padding == 2 && bytes[1]))
		return -1;
	memcpy(to, bytes, (size_t)(3 - padding));
	return 3 - padding;
}

/* The end of a text, with its padding: how many bytes, or -1. */
static int64_t decode_rest(const uint8_t *from, size_t size, uint8_t *to)
{
	int last;

	if (size == 0)
		return 0;
	if (size % 4 || !base64_decode(from, size - 4, to))
		return -1;
	last = decode_last(from + size - 4, to + (size - 4) / 4 * 3);
	return last < 0 ? -1 : (int64_t)(size - 4) / 4 * 3 + last;
}

/* In place: how many bytes, or -1. */
static int64_t decode_all(struct json *j, uint8_t *text, size_t size)
{
	uint8_t *from = text, *to = text;
	int64_t rest;

	for (; size > SLICE; size -= SLICE) {
		if (!base64_decode(from, SLICE, to))
			return -1;
		from += SLICE;
		to += SLICE / 4 * 3;
		if (j->pause)
			j->pause(j);
	}
	rest = decode_rest(from, size, to);
	return rest < 0 ? -1 : to - text + rest;
}

/* A string that is base64 as it stands there, without a copy of it: how many bytes;
 * or -1, and nothing is read: it has an escape, or is none. */
static int64_t decode_string(struct json *j, uint8_t *to)
{
	const uint8_t *text = (const uint8_t *)j->text, *end;
	size_t start = j->at++, done = 0, left;
	int64_t rest = -1;

	while (j->size - j->at >= SLICE &&
	       base64_decode(text + j->at, SLICE, to + done)) {
		j->at += SLICE;
		done += SLICE / 4 * 3;
		if (j->pause)
			j->pause(j);
	}
	/* What has stopped it is the end, or a padding before that. */
	left = j->size - j->at;
	end = memchr(text + j->at, '"', left < SLICE + 4 ? left : SLICE + 4);
	if (end)
		rest = decode_rest(text + j->at, (size_t)(end - text) - j->at,
				   to + done);
	if (rest < 0) {
		j->at = start;
		return -1;
	}
	j->at = (size_t)(end - text) + 1;
	return (int64_t)done + rest;
}

static int complain(struct json *j, struct reading_content *c, size_t at,
		    const char *what)
{
	*c->problem = what;
	*c->at = at;
	return err_set(j->e, -EINVAL, "%s", what);
}

static int read_string(struct json *j, struct reading_content *c, bool base64)
{
	size_t at = j->at, size = 0;
	char *to = parts_begin(c->to, c->kind, c->name, c->name_size,
			       j->size - j->at);
	int64_t decoded = -1;
	int r;

	if (!to)
		return err_set(j->e, -ENOMEM, "out of memory");
	if (base64)
		decoded = decode_string(j, (uint8_t *)to);
	if (decoded < 0) {
		r = json_string(j, to, j->size - at, &size);
		if (r)
			return r;
		decoded = base64 ? decode_all(j, (uint8_t *)to, size) :
				   (int64_t)size;
	}
	if (decoded < 0)
		return complain(j, c, at, "not base64");
	parts_end(c->to, (size_t)decoded);
	c->done = true;
	return 0;
}

static int member(struct json *j, const char *key, size_t size, void *context)
{
	struct reading_content *c = context;

	if (size != 6 || memcmp(key, "base64", 6))
		return complain(j, c, j->at, "an object with more than base64");
	if (json_peek(j) != JSON_STRING)
		return complain(j, c, j->at, "base64 that is no string");
	return read_string(j, c, true);
}

int content_read(struct json *j, struct parts *to, enum part_kind kind,
		 const char *name, size_t name_size, const char **problem,
		 size_t *at)
{
	struct reading_content c = { .to = to,
				     .kind = kind,
				     .name = name,
				     .name_size = name_size,
				     .problem = problem,
				     .at = at };
	enum json_kind what = json_peek(j);
	size_t start = j->at;
	int r;

	*problem = NULL;
	if (what == JSON_STRING)
		return read_string(j, &c, false);
	if (what != JSON_OBJECT) {
		r = json_skip(j);
		return r ? r :
			   complain(j, &c, start,
				    "neither a string nor {\"base64\": ...}");
	}
	r = json_object(j, member, &c);
	if (r || c.done)
		return r;
	return complain(j, &c, start, "an object without base64");
}

/* ---- writing ---- */

static void encode(const uint8_t *from, char *to)
{
	to[0] = base64_alphabet[from[0] >> 2];
	to[1] = base64_alphabet[(from[0] & 3) << 4 | from[1] >> 4];
	to[2] = base64_alphabet[(from[1] & 15) << 2 | from[2] >> 6];
	to[3] = base64_alphabet[from[2] & 63];
}

size_t content_encode(char *to, size_t room, const void *data, size_t size,
		      size_t *at)
{
	const uint8_t *from = data;
	size_t done = 0;

	for (; size - *at >= 3 && room - done >= 4; *at += 3, done += 4)
		encode(from + *at, to + done);
	if (*at < size && size - *at < 3 && room - done >= 4) {
		uint8_t last[3] = { from[*at] };
		bool two = size - *at == 2;

		if (two)
			last[1] = from[*at + 1];
		encode(last, to + done);
		to[done + 3] = '=';
		if (!two)
			to[done + 2] = '=';
		*at = size;
		done += 4;
	}
	return done;
}
