#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The largest request and what may come behind it. */
#define ROOM (PROTOCOL_CODE_MAX + 65536)

int inbox_open(struct inbox *in, int fd)
{
	*in = (struct inbox){ .fd = fd, .data = malloc(ROOM) };
	return in->data ? 0 : -ENOMEM;
}

/* Makes room for so many bytes from in->at on. */
static void make_room(struct inbox *in, size_t want)
{
	if (in->at && (in->at == in->size || want > ROOM - in->at)) {
		memmove(in->data, in->data + in->at, in->size - in->at);
		in->size -= in->at;
		in->at = 0;
	}
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
		make_room(in, want);
		n = recv(in->fd, in->data + in->size, ROOM - in->size,
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

bool inbox_pending(const struct inbox *in)
{
	return in->at < in->size;
}
