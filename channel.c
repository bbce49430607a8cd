#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "buffer.h"
#include "discard.h"

#define SHARED 65536
#define RECEIVE_MAX (64u << 10) /* bytes at a time: others want their turn, */
#define PIECES 16               /* of a state, in one call */
#define SEND_MAX (128u << 10)   /* to send as well */

/* Where messages are received that fit and come at once: all but large ones. */
static _Alignas(8) char shared[SHARED];

int channel_open(struct channel *c, int *other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*c = (struct channel){ .fd = pair[0],
			       .expected = ~0u,
			       .saved_most = SIZE_MAX };
	*other = pair[1];
	return 0;
}

static void forget_input(struct channel *c)
{
	discard(c->own, c->in_room);
	c->in = c->own = NULL;
	c->in_at = c->in_size = c->in_room = 0;
}

void channel_close(struct channel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	forget_input(c);
	*c = (struct channel){ .fd = -1 };
}

/* ---- out ---- */

bool channel_unsent(const struct channel *c)
{
	return c->head_size + c->parts_size + c->tail_size > 0;
}

static size_t total_size(const struct channel *c)
{
	return c->head_size + c->state_size + c->parts_size + c->tail_size;
}

/* What is left of a piece when skip bytes from its beginning are out, as far as
 * room goes. */
static struct iovec rest(const void *piece, size_t size, size_t *skip,
			 size_t *room)
{
	size_t out = *skip < size ? *skip : size;
	size_t left = size - out < *room ? size - out : *room;

	*skip -= out;
	*room -= left;
	if (!left)
		return (struct iovec){ NULL, 0 };
	return (struct iovec){ (char *)(uintptr_t)piece + out, left };
}

/* What goes out next, in at most PIECES pieces and room bytes; how many. */
static int gather(const struct channel *c, struct iovec *v, size_t room)
{
	size_t skip = c->sent;
	int n = 0;

	v[n] = rest(&c->head, c->head_size, &skip, &room);
	n += v[n].iov_len > 0;
	for (size_t i = 0; i < c->piece_count && n < PIECES; i++) {
		v[n] = rest(c->pieces[i].iov_base, c->pieces[i].iov_len, &skip,
			    &room);
		n += v[n].iov_len > 0;
	}
	if (n == PIECES)
		return n;
	v[n] = rest(c->parts, c->parts_size, &skip, &room);
	n += v[n].iov_len > 0;
	v[n] = rest(c->tail, c->tail_size, &skip, &room);
	return n + (v[n].iov_len > 0);
}

int channel_flush(struct channel *c)
{
	size_t total = total_size(c);
	size_t most = SEND_MAX;

	while (c->sent < total && most > 0) {
		struct iovec v[PIECES + 2];
		struct msghdr m = { .msg_iov = v,
				    .msg_iovlen = (size_t)gather(c, v, most) };
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			c->sent += (size_t)n;
			most -= (size_t)n;
		}
	}
	if (c->sent < total)
		return 0;
	c->head_size = c->parts_size = c->tail_size = c->sent = 0;
	c->piece_count = c->state_size = 0;
	c->pieces = NULL;
	c->parts = NULL;
	return 1;
}

int channel_run(struct channel *c, const struct run *run,
		const struct state *state, const char *parts, size_t size)
{
	size_t more = sizeof(*run) + size;

	c->head_size = sizeof(c->head) - sizeof(c->head.state);
	if (run_has_state(run->session)) {
		c->head_size = sizeof(c->head);
		more += sizeof(c->head.state);
		c->head.state = (struct part){ .kind = PART_STATE,
					       .size = state->size };
	}
	if (state && state->count) {
		more += state->size;
		c->pieces = state->pieces;
		c->piece_count = state->count;
		c->state_size = state->size;
	}
	c->head.m = (struct message){ MESSAGE_RUN, (uint32_t)more };
	c->head.run = *run;
	c->parts = parts;
	c->parts_size = size;
	return channel_flush(c);
}

int channel_send(struct channel *c, enum message_kind kind, const void *body,
		 size_t size)
{
	struct message m = { kind, (uint32_t)size };

	if (sizeof(m) + size > sizeof(c->tail) - c->tail_size)
		return -ENOBUFS;
	memcpy(c->tail + c->tail_size, &m, sizeof(m));
	if (size)
		memcpy(c->tail + c->tail_size + sizeof(m), body, size);
	c->tail_size += sizeof(m) + size;
	return channel_flush(c);
}

/* ---- in ---- */

/* A place of its own for a message that is want bytes long. */
static int keep_input(struct channel *c, size_t want)
{
	size_t size = c->in_size - c->in_at;
	char *own;

	if (c->own && c->in_room >= want)
		return 0;
	own = discard_alloc(want);
	if (!own)
		return -ENOMEM;
	buffer_keep(own, want);
	memcpy(own, c->in + c->in_at, size);
	forget_input(c);
	c->in = c->own = own;
	c->in_size = size;
	c->in_room = want;
	return 0;
}

/* Receives what there is, or the rest of the message that is want bytes long
 * and nothing behind it. */
static int receive(struct channel *c, size_t want)
{
	ssize_t n;
	int r = c->in ? keep_input(c, want) : 0;

	if (r)
		return r;
	if (!c->in) {
		c->in = shared;
		c->in_room = SHARED;
	}
	do
		n = recv(c->fd, c->in + c->in_size, c->in_room - c->in_size, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -EPIPE;
	if (n > 0)
		c->in_size += (size_t)n;
	c->dry = c->in_size < c->in_room;
	return 0;
}

static bool is_expected(const struct channel *c, const struct message *m)
{
	return (c->expected >> m->kind & 1) &&
	       (m->kind != MESSAGE_SAVED || m->size <= c->saved_most);
}

/* As message_look; what may not come now breaks the rules as soon as it says what
 * it is. */
static int look(const struct channel *c, struct message *m, size_t *want)
{
	size_t size = c->in_size - c->in_at;
	int r = message_look(c->in + c->in_at, size, FROM_WORKER, m, want);

	if (r < 0 || size < sizeof(*m))
		return r;
	return is_expected(c, m) ? r : -EPROTO;
}

int channel_receive(struct channel *c, struct message *m, const char **body)
{
	size_t want = 0, before;
	size_t most = RECEIVE_MAX;
	int r;

	for (;;) {
		if (c->in && c->in_at == c->in_size)
			forget_input(c); /* of the message before */
		if (c->in) {
			r = look(c, m, &want);
			*body = c->in + c->in_at + sizeof(*m);
			c->in_at += r > 0 ? want : 0;
			if (r)
				return r;
		}
		if (c->dry || most == 0)
			break;
		before = c->in_size - c->in_at;
		r = receive(c, want);
		if (r)
			return r;
		before = c->in_size - c->in_at - before;
		most -= before < most ? before : most;
	}
	c->dry = false;
	/* Others receive where this one has. */
	return c->in ? keep_input(c, want) : 0;
}

char *channel_take(struct channel *c, const struct message *m,
		   const char **body)
{
	char *taken;

	if (c->own) { /* it has nothing but this message */
		taken = c->own;
		c->own = NULL;
		forget_input(c);
		return taken;
	}
	taken = discard_alloc(m->size);
	if (!taken)
		return NULL;
	memcpy(taken, *body, m->size);
	*body = taken;
	return taken;
}
