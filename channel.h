/*
 * channel.h: the front end's end of the channel to a worker (worker.h): one
 * request out, one reply in, without ever waiting. What comes in is hostile.
 */
#ifndef ZEROBOOT_CHANNEL_H
#define ZEROBOOT_CHANNEL_H

#include <stddef.h>

#include "worker.h"

struct channel {
	int fd; /* -1: closed */
	struct worker_request request;
	size_t sent; /* bytes of it and of the code */
	struct worker_reply reply;
	char *payload; /* what the reply announces, and a NUL; NULL: nothing */
	size_t received; /* bytes of both */
};

/* A new pair; *other is the worker's end, the caller's to close. 0 or -errno. */
int channel_open(struct channel *c, int *other);
void channel_close(struct channel *c);

/*
 * Sends what is left of request and code; sent is 0 for a new one. 1: all is
 * out; 0: the channel is full, call again when it is writable; -errno.
 */
int channel_send(struct channel *c, const char *code);

/*
 * Receives a reply, its sizes checked, nothing else. 1: it is complete, valid
 * until channel_next; 0: not yet, call again when it is readable; -EPIPE: the
 * worker is gone; -errno.
 */
int channel_receive(struct channel *c);
/* The payload becomes the caller's, who frees it. */
char *channel_take(struct channel *c);
void channel_next(struct channel *c);

#endif
