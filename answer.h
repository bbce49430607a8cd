/*
 * answer.h: an HTTP answer, made while it is sent. A short one is there at once;
 * of a long one there is never more than a slice, beside what its producer makes
 * it of. Knows nothing of sockets.
 */
#ifndef ZEROBOOT_ANSWER_H
#define ZEROBOOT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define ANSWER_SLICE 65536 /* bytes of an answer that are there at a time */
#define ANSWER_START "HTTP/1.1 " /* of every answer */

/* Makes a body in parts, each in some 100 us. */
struct producer {
	/* Adds the next part to t, which may become ANSWER_SLICE bytes long.
	 * True: there is more. */
	bool (*produce)(struct producer *p, struct text *t);
	/* Adds to *size how long the next part comes out, from the beginning and
	 * whatever has been produced. True: there is more. */
	bool (*measure)(struct producer *p, uint64_t *size);
	void (*drop)(struct producer *p);
};

/* How the end of a body is known. */
enum answer_framing { ANSWER_LENGTH, ANSWER_CHUNKS, ANSWER_CLOSE };

struct answer_head { /* what is pointed to stays until the answer is out */
	int status;
	const char *type;         /* NULL of an answer that has no body */
	const char *cors, *extra; /* header lines */
	const char *id;
	bool close, head_only;
	enum answer_framing framing; /* of a live one it is not its length */
};

struct answer {
	struct text text;      /* head and body, or a slice of them */
	size_t at;             /* bytes of it that have been taken */
	struct producer *body; /* that has more to give */
	bool measuring;        /* it is not known yet how long body is */
	bool live;             /* more will come, nobody knows when */
	bool starved;          /* there was no memory */
	struct answer_head head;
	uint64_t length;  /* of body, and then what is left of it */
	size_t piece;     /* where the one that is being added begins in text */
	const char *tail; /* behind the body of a live one */
};

enum answer_state {
	ANSWER_READY,  /* bytes are there */
	ANSWER_LATER,  /* ask again: that was a slice of work */
	ANSWER_WAITS,  /* there will be more */
	ANSWER_DONE,   /* all has been taken */
	ANSWER_BROKEN, /* it cannot go on */
};

/* A body that is written at once: into this, then answer_end. */
struct text *answer_begin(struct answer *a);
void answer_end(struct answer *a, const struct answer_head *h);
/* A body that a producer makes, which is dropped when it is not needed. */
void answer_produce(struct answer *a, const struct answer_head *h,
		    struct producer *body);

/*
 * A live one: its head, and then what answer_more was given, piece by piece; between
 * answer_more and answer_piece the next piece is added to what the former returns.
 */
void answer_live(struct answer *a, const struct answer_head *h);
struct text *answer_more(struct answer *a);
void answer_piece(struct answer *a);
/* Its end; body, unless NULL, makes the last pieces, and tail comes behind them: a
 * constant. */
void answer_live_end(struct answer *a, struct producer *body, const char *tail);
/* Bytes of it that nobody has taken. */
static inline size_t answer_waiting(const struct answer *a)
{
	return a->text.size - a->at;
}

enum answer_state answer_next(struct answer *a, const char **data,
			      size_t *size);
void answer_take(struct answer *a, size_t size);
/* Gives up what is left. The text's buffer stays, for the next answer. */
void answer_drop(struct answer *a);

#endif
