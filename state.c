#include "state.h"

#include <errno.h>
#include <stdlib.h>

#include "discard.h"

#define SHARES 256u

struct segment {
	unsigned users;
	const char *data;
	size_t size;
	void *payload; /* it is in there */
	size_t payload_size;
	size_t counted;      /* bytes of that, in total */
	struct segment *of;  /* whose payload it is in; NULL: its own */
	struct share *share; /* NULL: nobody's */
};

struct segments {
	unsigned users;
	size_t size; /* of this, in bytes; */
	size_t room; /* in segments */
	struct segment **all;
	struct iovec pieces[];
};

static size_t total, share_total;
static struct share *shares[SHARES];

/* ---- owners ---- */

static struct share **bucket(uint64_t owner)
{
	return &shares[(owner ^ owner >> 8 ^ owner >> 32) % SHARES];
}

struct share *share_find(uint64_t owner)
{
	struct share *s = *bucket(owner);

	while (s && s->owner != owner)
		s = s->chained;
	return s;
}

struct share *share_of(uint64_t owner)
{
	struct share *s = share_find(owner);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->owner = owner;
		s->chained = *bucket(owner);
		*bucket(owner) = s;
		share_total++;
	}
	s->users++;
	return s;
}

void share_drop(struct share *s)
{
	struct share **at;

	if (!s || --s->users)
		return;
	for (at = bucket(s->owner); *at != s;)
		at = &(*at)->chained;
	*at = s->chained;
	share_total--;
	free(s);
}

size_t share_count(void)
{
	return share_total;
}

size_t share_part(uint64_t owner, size_t most)
{
	return most / (share_count() + (share_find(owner) ? 1 : 2));
}

bool share_allows(uint64_t owner, size_t own, size_t everybody, size_t more,
		  size_t most)
{
	size_t part = share_part(owner, most), left;

	if (!more)
		return true;
	if (everybody > most || more > most - everybody)
		return false;
	left = most - everybody;
	return !owner || own + more <= (left > part ? left : part);
}

/* ---- segments ---- */

static struct segment *make(void *payload, size_t payload_size,
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
	return s;
}

struct segment *segment_make(void *payload, size_t payload_size,
			     const char *data, size_t size)
{
	struct segment *s = make(payload, payload_size, data, size);

	if (s) {
		s->counted = payload_size;
		total += payload_size;
	}
	return s;
}

struct segment *segment_of_request(void *payload, size_t payload_size,
				   const char *data, size_t size)
{
	return make(payload, payload_size, data, size);
}

struct segment *segment_part(struct segment *of, const char *data, size_t size)
{
	struct segment *s = make(NULL, 0, data, size);

	if (s) {
		s->of = of;
		of->users++;
	}
	return s;
}

void share_charge(struct share *s, size_t size)
{
	total += size;
	s->bytes += size;
}

void share_discharge(struct share *s, size_t size)
{
	total -= size;
	s->bytes -= size;
}

void segment_charge(struct segment *s, struct share *share)
{
	s->share = share;
	share->users++;
	share->bytes += s->payload_size;
}

/* Nobody has it. */
static void give_back(struct segment *s)
{
	total -= s->counted;
	if (s->share)
		s->share->bytes -= s->payload_size;
	share_drop(s->share);
	discard(s->payload, s->payload_size);
	free(s);
}

void segment_drop(struct segment *s)
{
	struct segment *of;

	if (!s || --s->users)
		return;
	of = s->of; /* which is no part of another one */
	give_back(s);
	if (of && --of->users == 0)
		give_back(of);
}

size_t segment_held(const struct segment *s)
{
	return s->payload_size;
}

size_t state_total(void)
{
	return total;
}

/* ---- lists of them ---- */

/* Room for so many, and for some that come, if there are any yet. NULL: no memory. */
static struct segments *make_list(size_t count)
{
	struct segments *list;
	size_t room = 1, size;

	while (room < count)
		room *= 2;
	size = sizeof(*list) +
	       room * (sizeof(struct iovec) + sizeof(struct segment *));
	list = malloc(size);
	if (!list)
		return NULL;
	list->users = 1;
	list->room = room;
	list->size = size;
	list->all = (struct segment **)(void *)(list->pieces + room);
	total += size;
	return list;
}

static void append(struct state *s, struct segment *segment)
{
	s->list->pieces[s->count] =
		(struct iovec){ (void *)(uintptr_t)segment->data,
				segment->size };
	s->list->all[s->count++] = segment;
	s->size += segment->size;
}

struct state state_copy(const struct state *from)
{
	if (from->list)
		from->list->users++;
	return *from;
}

bool state_is_shared(const struct state *s)
{
	return s->list && s->list->users > 1;
}

int state_add(struct state *s, struct segment *segment, bool whole)
{
	size_t kept = whole || !s->list ? 0 : s->count;
	struct state next = { .list = NULL };

	if (kept && !state_is_shared(s) && kept < s->list->room) {
		append(s, segment);
		return 0;
	}
	next.list = make_list(kept + 1);
	if (!next.list) {
		segment_drop(segment);
		return -ENOMEM;
	}
	next.pieces = next.list->pieces;
	for (size_t i = 0; i < kept; i++) {
		s->list->all[i]->users++;
		append(&next, s->list->all[i]);
	}
	append(&next, segment);
	state_drop(s);
	*s = next;
	return 0;
}

void state_drop(struct state *s)
{
	if (s->list && --s->list->users == 0) {
		for (size_t i = 0; i < s->count; i++)
			segment_drop(s->list->all[i]);
		total -= s->list->size;
		free(s->list);
	}
	*s = (struct state){ 0 };
}
