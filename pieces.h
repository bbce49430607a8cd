/*
 * pieces.h: a body of JSON that is mostly the bytes of others: a list of pieces,
 * text as it is, bytes that are escaped or encoded while they are sent.
 */
#ifndef ZEROBOOT_PIECES_H
#define ZEROBOOT_PIECES_H

#include "answer.h"

struct piece {
	enum {
		PIECE_PLAIN,
		PIECE_ESCAPED, /* into a string of JSON, without its quotes */
		PIECE_BASE64,
	} kind;
	const char *data; /* of a plain one NULL: it is in fixed, */
	size_t from;      /* from here on */
	size_t size;
};

struct pieces_place {
	size_t piece, at;
};

/* Zeroed: empty. */
struct pieces {
	struct producer producer; /* first; see pieces_open */
	struct text fixed;
	struct piece *list;
	size_t count, room;
	struct pieces_place next, measured;
	bool failed; /* there was no memory: what is there is not all */
	void (*drop)(struct pieces *p);
};

/* Text, of which a copy is kept. */
void pieces_put(struct pieces *p, const char *text);
void pieces_add(struct pieces *p, const void *data, size_t size);
/* Bytes, which stay where they are. */
void pieces_escaped(struct pieces *p, const void *data, size_t size);
void pieces_base64(struct pieces *p, const void *data, size_t size);
/* All is there: producer gives it. drop is called when it is not needed any more,
 * and calls pieces_free. */
void pieces_open(struct pieces *p, void (*drop)(struct pieces *p));
void pieces_free(struct pieces *p);

#endif
