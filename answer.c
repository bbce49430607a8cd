#include "answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "http.h"

#define HEAD_ROOM 1536 /* before the body, for the head, written after it */

static const char starved[] = ANSWER_START "500 Internal Server Error\r\n"
					   "Server: zeroboot\r\n"
					   "Content-Type: application/json\r\n"
					   "Content-Length: 37\r\n"
					   "Connection: close\r\n\r\n"
					   "{\"error\":\"no memory for the "
					   "answer\"}\n";

static const char *date(void)
{
	static char text[40];
	static time_t last;
	time_t now = (time_t)(clock_wall() / 1000000000);
	struct tm tm;

	if (now != last) {
		gmtime_r(&now, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		last = now;
	}
	return text;
}

struct text *answer_begin(struct answer *a)
{
	a->text.size = 0;
	a->text.failed = false;
	if (text_reserve(&a->text, HEAD_ROOM))
		a->text.size = HEAD_ROOM;
	return &a->text;
}

/* Before the body, or its first slice. */
static void put_head(struct answer *a, const struct answer_head *h,
		     uint64_t length)
{
	static struct text head; /* kept between calls */

	head.size = 0;
	head.failed = false;
	text_put(&head, ANSWER_START);
	text_put_number(&head, h->status);
	text_put(&head, " ");
	text_put(&head, http_status_text(h->status));
	text_put(&head, "\r\nServer: zeroboot\r\nDate: ");
	text_put(&head, date());
	if (h->type) {
		text_put(&head, "\r\nContent-Type: ");
		text_put(&head, h->type);
		if (h->framing == ANSWER_LENGTH) {
			text_put(&head, "\r\nContent-Length: ");
			text_put_number(&head, (int64_t)length);
		} else if (h->framing == ANSWER_CHUNKS) {
			text_put(&head, "\r\nTransfer-Encoding: chunked");
		}
	}
	text_put(&head, "\r\nX-Request-Id: ");
	text_put(&head, h->id);
	text_put(&head, "\r\n");
	text_put(&head, h->cors);
	text_put(&head, h->extra);
	text_put(&head, h->close ? "Connection: close\r\n\r\n" : "\r\n");
	if (head.failed || head.size > HEAD_ROOM) {
		a->starved = true;
		return;
	}
	a->at = HEAD_ROOM - head.size;
	memcpy(a->text.data + a->at, head.data, head.size);
	if (h->head_only)
		a->text.size = HEAD_ROOM;
}

void answer_end(struct answer *a, const struct answer_head *h)
{
	a->starved = a->text.failed;
	if (!a->starved)
		put_head(a, h, a->text.size - HEAD_ROOM);
	if (!a->starved)
		return;
	a->at = 0;
	a->text.size = sizeof(starved) - 1 - (h->head_only ? 37 : 0);
}

static void drop_body(struct answer *a)
{
	struct producer *body = a->body;

	a->body = NULL;
	if (body)
		body->drop(body);
}

void answer_produce(struct answer *a, const struct answer_head *h,
		    struct producer *body)
{
	bool more;

	a->body = body;
	more = body->produce(body, answer_begin(a)) && !a->text.failed;
	if (!more) {
		drop_body(a);
		answer_end(a, h);
		return;
	}
	a->head = *h;
	a->measuring = true;
	a->length = 0;
}

/* The next slice, in the place of the one before. */
static enum answer_state produce(struct answer *a)
{
	bool more;

	a->text.size = a->at = 0;
	more = a->body->produce(a->body, &a->text);
	if (a->text.failed || a->text.size > a->length)
		return ANSWER_BROKEN;
	a->length -= a->text.size;
	if (more)
		return ANSWER_READY;
	drop_body(a);
	return a->length ? ANSWER_BROKEN : ANSWER_READY;
}

/* ---- a live one ---- */

#define CHUNK_HEAD 8 /* bytes: six digits and the end of the line */

void answer_live(struct answer *a, const struct answer_head *h)
{
	answer_begin(a);
	answer_end(a, h);
	a->head = *h;
	a->live = true;
}

struct text *answer_more(struct answer *a)
{
	struct text *t = &a->text;

	/* What was taken is in the way. */
	if (a->at) {
		memmove(t->data, t->data + a->at, t->size - a->at);
		t->size -= a->at;
		a->at = 0;
	}
	a->piece = t->size;
	if (a->head.framing == ANSWER_CHUNKS)
		text_put(t, "000000\r\n");
	return t;
}

void answer_piece(struct answer *a)
{
	struct text *t = &a->text;
	size_t size = t->size - a->piece;
	char number[CHUNK_HEAD + 1];

	if (a->head.framing != ANSWER_CHUNKS || t->failed)
		return;
	size -= CHUNK_HEAD;
	if (size == 0) { /* that would be the end */
		t->size = a->piece;
		return;
	}
	snprintf(number, sizeof(number), "%06zx\r\n", size & 0xffffff);
	memcpy(t->data + a->piece, number, CHUNK_HEAD);
	text_put(t, "\r\n");
}

void answer_live_end(struct answer *a, struct producer *body, const char *tail)
{
	a->body = body;
	a->tail = tail;
	if (body)
		return;
	a->live = false;
	if (a->head.framing == ANSWER_CHUNKS)
		text_put(&a->text, "0\r\n\r\n");
}

/* The next slice of the body that is its last part. */
static void produce_live(struct answer *a)
{
	struct text *t = answer_more(a);
	bool more = a->body->produce(a->body, t);

	if (!more)
		text_put(t, a->tail);
	answer_piece(a);
	if (!more) {
		drop_body(a);
		answer_live_end(a, NULL, NULL);
	}
}

static enum answer_state next_live(struct answer *a)
{
	if (a->at == a->text.size) {
		if (!a->body)
			return ANSWER_WAITS;
		produce_live(a);
	}
	return a->text.failed ? ANSWER_BROKEN : ANSWER_READY;
}

/* A slice of finding out how long the body is. */
static enum answer_state measure(struct answer *a)
{
	size_t first = a->text.size - HEAD_ROOM;

	if (a->body->measure(a->body, &a->length))
		return ANSWER_LATER;
	a->measuring = false;
	put_head(a, &a->head, a->length);
	if (a->starved || a->length < first)
		return ANSWER_BROKEN;
	a->length -= first;
	return ANSWER_READY;
}

enum answer_state answer_next(struct answer *a, const char **data, size_t *size)
{
	enum answer_state state = ANSWER_READY;

	if (a->live)
		state = next_live(a);
	else if (a->measuring)
		state = measure(a);
	else if (a->at == a->text.size)
		state = a->body ? produce(a) : ANSWER_DONE;
	*data = (a->starved ? starved : a->text.data) + a->at;
	*size = a->text.size - a->at;
	return state;
}

void answer_take(struct answer *a, size_t size)
{
	a->at += size;
}

void answer_drop(struct answer *a)
{
	struct text text = a->text;

	drop_body(a);
	text.size = 0;
	*a = (struct answer){ .text = text };
}
