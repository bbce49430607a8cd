#include "content.h"

#include <errno.h>
#include <string.h>

#define SLICE 4096u /* bytes of base64 between two chances to pause */
#define BAD 64

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

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

static const uint8_t *table(void)
{
	static uint8_t values[256];

	if (values[0] == BAD)
		return values;
	memset(values, BAD, sizeof(values));
	for (uint8_t i = 0; i < 64; i++)
		values[(uint8_t)alphabet[i]] = i;
	return values;
}

/* Whole groups of four, without padding. False: something else is in there. */
static bool decode(const uint8_t *from, size_t size, uint8_t *to)
{
	const uint8_t *values = table();
	uint8_t bad = 0;

	for (size_t i = 0; i < size; i += 4, to += 3) {
		uint8_t a = values[from[i]], b = values[from[i + 1]],
			c = values[from[i + 2]], d = values[from[i + 3]];

		bad |= a | b | c | d;
		to[0] = (uint8_t)(a << 2 | b >> 4);
		to[1] = (uint8_t)(b << 4 | c >> 2);
		to[2] = (uint8_t)(c << 6 | d);
	}
	return !(bad & BAD);
}

/* The last group, which may be padded: how many bytes, or -1. */
static int decode_last(const uint8_t *from, uint8_t *to)
{
	uint8_t group[4], bytes[3];
	int padding = (from[3] == '=') + (from[3] == '=' && from[2] == '=');

	memcpy(group, from, 4);
	memset(group + 4 - padding, 'A', (size_t)padding);
	if (!decode(group, 4, bytes))
		return -1;
	/* What the padding leaves out is zero, so that a text is one of one kind. */
	if ((padding == 1 && bytes[2]) || (padding == 2 && bytes[1]))
		return -1;
	memcpy(to, bytes, (size_t)(3 - padding));
	return 3 - padding;
}

int64_t content_decode(struct json *j, char *text, size_t size)
{
	uint8_t *from = (uint8_t *)text, *to = from;
	int last;

	if (size % 4)
		return -1;
	if (!size)
		return 0;
	for (size -= 4; size;) {
		size_t part = size < SLICE ? size : SLICE;

		if (!decode(from, part, to))
			return -1;
		from += part;
		to += part / 4 * 3;
		size -= part;
		if (j->pause)
			j->pause(j);
	}
	last = decode_last(from, to);
	return last < 0 ? -1 : to - (uint8_t *)text + last;
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
	int64_t decoded;
	int r;

	if (!to)
		return err_set(j->e, -ENOMEM, "out of memory");
	r = json_string(j, to, j->size - at, &size);
	if (r)
		return r;
	if (base64) {
		decoded = content_decode(j, to, size);
		if (decoded < 0)
			return complain(j, c, at, "not base64");
		size = (size_t)decoded;
	}
	parts_end(c->to, size);
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
	to[0] = alphabet[from[0] >> 2];
	to[1] = alphabet[(from[0] & 3) << 4 | from[1] >> 4];
	to[2] = alphabet[(from[1] & 15) << 2 | from[2] >> 6];
	to[3] = alphabet[from[2] & 63];
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
