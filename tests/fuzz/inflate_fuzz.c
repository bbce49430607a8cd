/*
 * inflate_fuzz.c: what gzip gives does not depend on how its bytes were split, and
 * is bounded by them.
 *
 * Input: deflated data; a header is put before it, so that blocks are reached at
 * once.
 */
#include "fuzz.h"

#include "inflate.h"

#define MOST 1100 /* bytes that one byte can become */

struct input {
	const uint8_t *data;
	size_t size, step;
};

static int fill(void *context, const uint8_t **data, size_t *size)
{
	struct input *in = context;
	size_t n = in->size < in->step ? in->size : in->step;

	*data = in->data;
	*size = n;
	in->data += n;
	in->size -= n;
	return 0;
}

/* All of it; what came until the end or the error is in *out. */
static int unpack(const uint8_t *data, size_t size, size_t step, uint8_t *out,
		  size_t room, size_t *made, const char **why)
{
	struct input in = { data, size, step };
	struct inflate *z = malloc(sizeof(*z));
	const uint8_t *part;
	size_t n;
	int r;

	assert(z);
	inflate_open(z, fill, &in);
	for (*made = 0;; *made += n) {
		r = inflate_more(z, &part, &n);
		if (r || n == 0)
			break;
		assert(n <= room - *made);
		memcpy(out + *made, part, n);
	}
	assert(r == 0 || z->why);
	*why = z->why;
	free(z);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t header[10] = { 0x1f, 0x8b, 8 };
	size_t total = sizeof(header) + size, room = total * MOST, n, m;
	uint8_t *in = malloc(total), *out = malloc(room), *other = malloc(room);
	const char *why, *other_why;
	int r;

	assert(in && out && other);
	memcpy(in, header, sizeof(header));
	if (size)
		memcpy(in + sizeof(header), data, size);
	r = unpack(in, total, total, out, room, &n, &why);
	/* Pieces of an error's block may have come, or not. */
	assert(unpack(in, total, 1, other, room, &m, &other_why) == r);
	assert(r || n == m);
	assert(!r || !strcmp(why, other_why));
	assert(!memcmp(out, other, n < m ? n : m));
	free(in);
	free(out);
	free(other);
	return 0;
}
