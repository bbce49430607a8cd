/*
 * http_fuzz.c: what http.c makes of a stream does not depend on how its bytes
 * were split, stays within the stream, and keeps what http.h promises.
 *
 * Input: the stream. A byte 0xff stands for a run: it is followed by a length
 * (in units of 64 bytes) and the byte to repeat, so that limits come within
 * reach of small inputs.
 */
#include "fuzz.h"

#include "http.h"

#define STREAM_MAX 20000
#define STEPS 8 /* prefixes tried of a long stream */

/* ---- the input ---- */

static size_t expand(const uint8_t *data, size_t size, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < size && n < STREAM_MAX; i++) {
		size_t run = 1;
		uint8_t c = data[i];

		if (c == 0xff && i + 2 < size) {
			run = data[i + 1] * 64u;
			c = data[i + 2];
			i += 2;
		}
		while (run-- && n < STREAM_MAX)
			to[n++] = (char)c;
	}
	return n;
}

/* The lengths to cut at: all of a short stream, some of a long one, and
 * always those of its end. */
static size_t next_cut(size_t at, size_t size)
{
	if (size <= 128 || size - at <= STEPS)
		return at + 1;
	return at + 1 + (at * 2654435761u >> 7) % (2 * size / STEPS);
}

/* ---- heads ---- */

static void check_span(struct http_span s, const char *data, size_t head)
{
	if (!s.data)
		return;
	assert(s.size == 0 || s.data[0]);
	for (size_t i = 0; i < s.size; i++) {
		uint8_t c = (uint8_t)s.data[i];

		assert(c >= ' ' || c == '\t');
		assert(c != 0x7f);
	}
	if (s.size == 1 && s.data[0] == '/')
		return; /* may be http.c's own */
	assert(s.data >= data && s.data + s.size <= data + head);
}

static void check_request(const struct http_request *r, const char *data,
			  size_t size)
{
	assert(r->head_size >= 4 && r->head_size <= size);
	assert(r->head_size <= HTTP_HEAD_MAX);
	assert(!memcmp(data + r->head_size - 4, "\r\n\r\n", 4));
	assert(r->method.size > 0 && r->path.size > 0);
	assert(r->path.data[0] == '/' || http_is(r->path, "*"));
	assert(!memchr(r->path.data, '?', r->path.size));
	assert(!memchr(r->path.data, ' ', r->path.size));
	assert(!(r->chunked && r->has_length));
	assert(!(r->chunked && r->old));
	assert(r->host.data || r->old);
	assert(r->has_length || r->body_size == 0);
	assert(r->body_size <= http_body_max());
	assert(r->status == 0);
	check_span(r->method, data, r->head_size);
	check_span(r->path, data, r->head_size);
	check_span(r->authorization, data, r->head_size);
	check_span(r->content_type, data, r->head_size);
	check_span(r->request_id, data, r->head_size);
	check_span(r->origin, data, r->head_size);
}

static void same_span(struct http_span a, const char *a_base,
		      struct http_span b, const char *b_base)
{
	assert(!a.data == !b.data && a.size == b.size);
	if (a.data == b.data) /* none, or http.c's own */
		return;
	assert(a.data - a_base == b.data - b_base);
}

/* What a prefix was decided to be, the whole stream is too. The prefix is put
 * at the end of room, for AddressSanitizer to see. */
static void check_prefix(const char *data, size_t size, size_t cut, int whole,
			 const struct http_request *r, char *room)
{
	char *part = room + size - cut;
	struct http_request p;
	int n;

	memcpy(part, data, cut);
	n = http_parse(part, cut, &p);
	if (n)
		assert(n == whole);
	if (n == 1) {
		assert(p.head_size == r->head_size);
		assert(p.body_size == r->body_size);
		assert(p.old == r->old && p.close == r->close);
		assert(!p.host.data == !r->host.data);
		assert(p.has_length == r->has_length);
		assert(p.chunked == r->chunked);
		assert(p.expect_continue == r->expect_continue);
		same_span(p.method, part, r->method, data);
		same_span(p.path, part, r->path, data);
		same_span(p.authorization, part, r->authorization, data);
		same_span(p.content_type, part, r->content_type, data);
		same_span(p.request_id, part, r->request_id, data);
		same_span(p.origin, part, r->origin, data);
		assert(p.encoded == r->encoded);
	}
	if (n < 0) {
		assert(p.status == r->status);
		assert(!strcmp(p.reason, r->reason));
	}
}

static int check_head(const char *data, size_t size, struct http_request *r)
{
	int n = http_parse(data, size, r);
	char *room = malloc(size + 1);

	assert(room);
	if (n == 1)
		check_request(r, data, size);
	else if (n < 0)
		assert(r->reason && (r->status == 400 || r->status == 413 ||
				     r->status == 431 || r->status == 505));
	else
		assert(n == 0 && size < HTTP_HEAD_MAX);
	for (size_t cut = 0; cut < size; cut = next_cut(cut, size))
		check_prefix(data, size, cut, n, r, room + 1);
	free(room);
	return n;
}

/* ---- chunked bodies ---- */

static void check_chunks(const char *data, size_t size)
{
	struct http_chunks whole = { 0 }, pieces = { 0 };
	char *at_once = exact(data, size), *bit_by_bit = malloc(size + 1);
	size_t fed = 0;
	int n, m = 0;

	assert(bit_by_bit);
	n = http_dechunk(at_once, size, &whole);
	assert(n >= -2 && n <= 1);
	assert(whole.used <= size && whole.body <= whole.used);
	assert(whole.body <= http_body_max());
	while (m == 0 && fed < size) {
		size_t cut = next_cut(fed, size);

		if (cut > size)
			cut = size;
		memcpy(bit_by_bit + fed, data + fed, cut - fed);
		fed = cut;
		m = http_dechunk(bit_by_bit, fed, &pieces);
		assert(pieces.used <= fed);
	}
	assert(m == n);
	assert(pieces.body == whole.body);
	assert(n != 1 || pieces.used == whole.used);
	assert(!whole.body || !memcmp(at_once, bit_by_bit, whole.body));
	free(at_once);
	free(bit_by_bit);
}

/* Encoded in chunks whose sizes the data chooses, a body comes out as it was. */
static void check_round_trip(const uint8_t *body, size_t size)
{
	char *wire = malloc(size * 8 + 64);
	struct http_chunks c = { 0 };
	size_t n = 0, at = 0;

	assert(wire);
	while (at < size) {
		size_t part = 1 + body[at] % 50;

		if (part > size - at)
			part = size - at;
		n += (size_t)sprintf(wire + n, "%zx\r\n", part);
		memcpy(wire + n, body + at, part);
		n += part;
		at += part;
		memcpy(wire + n, "\r\n", 2);
		n += 2;
	}
	memcpy(wire + n, "0\r\n\r\n", 5);
	n += 5;
	assert(http_dechunk(wire, n, &c) == 1);
	assert(c.used == n && c.body == size);
	assert(!size || !memcmp(wire, body, size));
	free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char stream[STREAM_MAX];
	size_t n = expand(data, size, stream);
	char *copy = exact(stream, n);
	struct http_request r;

	if (check_head(copy, n, &r) == 1)
		check_chunks(copy + r.head_size, n - r.head_size);
	check_chunks(copy, n);
	check_round_trip(data, size);
	free(copy);
	return 0;
}
