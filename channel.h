/*
 * channel.h: the front end's end of the channel to a worker (protocol.h), which
 * never waits. What comes in is hostile.
 */
#ifndef ZEROBOOT_CHANNEL_H
#define ZEROBOOT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "protocol.h"
#include "state.h"

struct channel {
	int fd; /* -1: closed */
	/* What goes out: a request's head, its parts, then what is short. */
	struct {
		struct message m;
		struct run run;
		struct part state;
	} head;
	size_t head_size;
	const struct iovec *pieces; /* of a session's state */
	size_t piece_count, state_size;
	const char *parts;
	size_t parts_size;
	char tail[128];
	size_t tail_size;
	size_t sent; /* bytes of all four */
	/* What has come and was not taken: bytes at to size. */
	char *in;
	size_t in_at, in_size, in_room;
	char *own; /* in, when it is this channel's alone; NULL: all share it */
	bool dry;  /* there was no more */
	/* What may come now, which is looked at before there is room for it. */
	uint32_t expected; /* a bit for each kind */
	size_t saved_most; /* bytes of a SAVED */
};

/* A new pair, on which all may come; *other is the worker's end, the caller's to close. 0 or -errno. */
int channel_open(struct channel *c, int *other);
void channel_close(struct channel *c);

/*
 * Sends a RUN; state (of a session, or NULL) and parts, as protocol.h has them, stay
 * the caller's and where they are until channel_unsent is false. What a first exec
 * has for a state are parts. Nothing may be unsent before. 1: all is out; 0: it is
 * not, call channel_flush when the channel is writable; -errno.
 */
int channel_run(struct channel *c, const struct run *run,
		const struct state *state, const char *parts, size_t size);
/* Sends a short message, behind what is unsent. As above, or -ENOBUFS. */
int channel_send(struct channel *c, enum message_kind kind, const void *body,
		 size_t size);
int channel_flush(struct channel *c);
bool channel_unsent(const struct channel *c);

/*
 * Takes the next message: 1: *m is of a kind and size that a worker may send now,
 * body is valid until the next call for any channel; 0: none yet; -EPIPE: the
 * worker is gone; -EPROTO; -errno. To be called until it is not 1;
 * 0 does not say that nothing more has come.
 */
int channel_receive(struct channel *c, struct message *m, const char **body);
/* The message that was just received becomes the caller's: what is to be freed,
 * with *body in it; NULL: no memory. */
char *channel_take(struct channel *c, const struct message *m,
		   const char **body);

#endif
