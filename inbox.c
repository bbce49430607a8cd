#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM (256u << 10) /* without a request that needs more */
#define KEPT (8u << 20)   /* as long as they follow each other */
#define BEHIND 4096       /* bytes that may come behind one */

int inbox_open(struct inbox *in, int fd)
{
	*in = (struct inbox){ .fd = fd, .data = malloc(ROOM), .room = ROOM };
	return in->data ? 0 : -ENOMEM;
}

/* What is there moves to the beginning of so many bytes: malloc, as realloc would
 * ask for a call that workers may not make. */
static int move(struct inbox *in, size_t room)
{
	char *data = malloc(room);

	if (!data)
		return -ENOMEM;
	memcpy(data, in->data + in->at, in->size - in->at);
	free(in->data);
	in->data = data;
	in->size -= in->at;
	in->at = 0;
	in->room = room;
	return 0;
}

/* Makes room for so many bytes from in->at on. What a large request has needed is
 * given back after it. */
static int make_room(struct inbox *in, size_t want)
{
	/* Those that follow may be a little longer. */
	if (want > in->room)
		return move(in, want + (want < KEPT ? want / 2 : 0) + BEHIND);
	if (in->room > KEPT && in->size - in->at + want <= ROOM)
		return move(in, ROOM);
	if (in->at && (in->at == in->size || want > in->room - in->at)) {
		memmove(in->data, in->data + in->at, in->size - in->at);
		in->size -= in->at;
		in->at = 0;
	}
	return 0;
}

int inbox_look(struct inbox *in, enum inbox_effort effort, struct message *m,
	       const char **body)
{
	for (;;) {
		size_t want;
		ssize_t n;
		int r = message_look(in->data + in->at, in->size - in->at,
				     FROM_FRONT_END, m, &want);

		*body = in->data + in->at + sizeof(*m);
		if (r || effort == INBOX_PEEK)
			return r;
		r = make_room(in, want);
		if (r)
			return r;
		n = recv(in->fd, in->data + in->size, in->room - in->size,
			 effort == INBOX_WAIT ? 0 : MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n == 0)
			return -EPIPE;
		if (n > 0)
			in->size += (size_t)n;
	}
}

void inbox_drop(struct inbox *in, const struct message *m)
{
	in->at += sizeof(*m) + m->size;
	if (in->at == in->size)
		in->at = in->size = 0;
}

int inbox_trim(struct inbox *in)
{
	return in->room > ROOM && !inbox_pending(in) ? move(in, ROOM) : 0;
}

bool inbox_pending(const struct inbox *in)
{
	return in->at < in->size;
}
