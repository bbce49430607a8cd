#include "pieces.h"

#include <stdlib.h>

#include "content.h"
#include "json.h"

#define MEASURE_BYTES 65536u /* of output, at a time */

static bool make_room(struct pieces *p)
{
	size_t room = p->room ? p->room * 2 : 16;
	struct piece *bigger;

	if (p->list && p->count < p->room)
		return true;
	bigger = realloc(p->list, room * sizeof(*bigger));
	if (!bigger)
		return false;
	p->list = bigger;
	p->room = room;
	return true;
}

static void append(struct pieces *p, struct piece piece)
{
	if (make_room(p))
		p->list[p->count++] = piece;
	else
		p->failed = true;
}

void pieces_add(struct pieces *p, const void *data, size_t size)
{
	struct piece *last = p->list && p->count ? &p->list[p->count - 1] :
						   NULL;
	size_t from = p->fixed.size;

	text_add(&p->fixed, data, size);
	if (p->fixed.failed)
		p->failed = true;
	else if (last && last->kind == PIECE_PLAIN)
		last->size += size;
	else
		append(p, (struct piece){ PIECE_PLAIN, NULL, from, size });
}

void pieces_put(struct pieces *p, const char *text)
{
	pieces_add(p, text, strlen(text));
}

void pieces_escaped(struct pieces *p, const void *data, size_t size)
{
	append(p, (struct piece){ PIECE_ESCAPED, data, 0, size });
}

void pieces_base64(struct pieces *p, const void *data, size_t size)
{
	append(p, (struct piece){ PIECE_BASE64, data, 0, size });
}

/* ---- going through them ---- */

static size_t write_some(const struct pieces *p, const struct piece *piece,
			 char *to, size_t room, size_t *at)
{
	size_t left = piece->size - *at;

	if (piece->kind == PIECE_ESCAPED)
		return json_escape(to, room, piece->data, piece->size, at);
	if (piece->kind == PIECE_BASE64)
		return content_encode(to, room, piece->data, piece->size, at);
	if (left > room)
		left = room;
	memcpy(to, p->fixed.data + piece->from + *at, left);
	*at += left;
	return left;
}

/* False: t is full. */
static bool add_piece(const struct pieces *p, const struct piece *piece,
		      size_t *at, struct text *t)
{
	while (*at < piece->size) {
		size_t room = t->size < ANSWER_SLICE ? ANSWER_SLICE - t->size :
						       0;
		size_t wanted = piece->size - *at + JSON_ESCAPED_MAX;

		if (room < JSON_ESCAPED_MAX ||
		    !text_reserve(t, wanted < room ? wanted : room))
			return false;
		if (t->room - t->size < room)
			room = t->room - t->size;
		t->size += write_some(p, piece, t->data + t->size, room, at);
	}
	return true;
}

static bool produce(struct producer *producer, struct text *t)
{
	struct pieces *p = (struct pieces *)producer;

	while (p->next.piece < p->count) {
		if (!add_piece(p, &p->list[p->next.piece], &p->next.at, t))
			return true;
		p->next = (struct pieces_place){ p->next.piece + 1, 0 };
	}
	return false;
}

static bool measure(struct producer *producer, uint64_t *length)
{
	struct pieces *p = (struct pieces *)producer;
	size_t left = MEASURE_BYTES;

	while (left > 0 && p->measured.piece < p->count) {
		const struct piece *piece = &p->list[p->measured.piece];
		size_t *at = &p->measured.at, before = *at;

		if (piece->kind == PIECE_ESCAPED) {
			*length += json_escaped_size(piece->data, piece->size,
						     at, left);
			left -= *at - before < left ? *at - before : left;
			if (*at < piece->size)
				continue;
		} else {
			*length += piece->kind == PIECE_BASE64 ?
					   (piece->size + 2) / 3 * 4 :
					   piece->size;
			left--;
		}
		p->measured = (struct pieces_place){ p->measured.piece + 1, 0 };
	}
	return p->measured.piece < p->count;
}

static void drop(struct producer *producer)
{
	struct pieces *p = (struct pieces *)producer;

	p->drop(p);
}

void pieces_open(struct pieces *p, void (*dropped)(struct pieces *p))
{
	p->producer = (struct producer){ .produce = produce,
					 .measure = measure,
					 .drop = drop };
	p->drop = dropped;
}

void pieces_free(struct pieces *p)
{
	free(p->fixed.data);
	free(p->list);
	*p = (struct pieces){ .count = 0 };
}
