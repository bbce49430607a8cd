#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discard.h"

struct segment {
	unsigned users;
	const char *data;
	size_t size;
	void *payload; /* it is in there */
	size_t payload_size;
};

static size_t total;

struct segment *segment_make(void *payload, size_t payload_size,
			     const char *data, size_t size)
{
	struct segment *s = malloc(sizeof(*s));

	if (!s) {
		discard(payload, payload_size);
		return NULL;
	}
	*s = (struct segment){ .users = 1,
			       .data = data,
			       .size = size,
			       .payload = payload,
			       .payload_size = payload_size };
	total += size;
	return s;
}

void segment_drop(struct segment *s)
{
	if (!s || --s->users)
		return;
	total -= s->size;
	discard(s->payload, s->payload_size);
	free(s);
}

size_t segment_size(const struct segment *s)
{
	return s->size;
}

size_t state_total(void)
{
	return total;
}

/* Room for so many. */
static int reserve(struct state *s, size_t count)
{
	struct iovec *pieces = malloc(count * sizeof(*pieces));
	struct segment **segments = malloc(count * sizeof(struct segment *));

	if (!pieces || !segments) {
		free(pieces);
		free(segments);
		return -ENOMEM;
	}
	if (s->count) {
		memcpy(pieces, s->pieces, s->count * sizeof(*pieces));
		memcpy(segments, s->segments,
		       s->count * sizeof(struct segment *));
	}
	free(s->pieces);
	free(s->segments);
	s->pieces = pieces;
	s->segments = segments;
	return 0;
}

static void append(struct state *s, struct segment *segment)
{
	s->pieces[s->count] = (struct iovec){ (void *)(uintptr_t)segment->data,
					      segment->size };
	s->segments[s->count++] = segment;
	s->size += segment->size;
}

int state_copy(struct state *to, const struct state *from)
{
	*to = (struct state){ 0 };
	if (!from->count)
		return 0;
	if (reserve(to, from->count))
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++) {
		from->segments[i]->users++;
		append(to, from->segments[i]);
	}
	return 0;
}

int state_add(struct state *s, struct segment *segment, bool whole)
{
	struct state alone = { 0 };

	if (reserve(whole ? &alone : s, whole ? 1 : s->count + 1)) {
		segment_drop(segment);
		return -ENOMEM;
	}
	if (!whole) {
		append(s, segment);
		return 0;
	}
	append(&alone, segment);
	state_drop(s);
	*s = alone;
	return 0;
}

void state_drop(struct state *s)
{
	for (size_t i = 0; i < s->count; i++)
		segment_drop(s->segments[i]);
	free(s->pieces);
	free(s->segments);
	*s = (struct state){ 0 };
}
