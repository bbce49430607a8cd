#include "outbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define LEAST 64 /* bytes of credit that are worth a message */

/* A message that is being put together. */
struct piece {
	char *data;
	size_t size, most;
	struct part *part; /* the last one, which may grow; NULL: none yet */
	int stream;        /* of it */
};

void outbox_open(struct outbox *o, int fd, struct vm *vm, const struct run *run)
{
	rings_open(&o->rings, vm);
	o->fd = fd;
	o->id = run->id;
	o->credit = run->stream;
	o->at = o->size = 0;
}

bool outbox_unsent(const struct outbox *o)
{
	return o->at < o->size;
}

/* 1: all is out; 0: the channel takes no more; -errno. */
static int flush(struct outbox *o, int flags)
{
	while (outbox_unsent(o)) {
		struct iovec v = { o->data + o->at, o->size - o->at };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
		ssize_t n = sendmsg(o->fd, &m, flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		o->at += n > 0 ? (size_t)n : 0;
	}
	return 1;
}

static void pad(struct piece *p)
{
	size_t padded = PADDED(p->size);

	memset(p->data + p->size, 0, padded - p->size);
	p->size = padded;
}

/* As much of it as finds room: how much. */
static size_t add(struct piece *p, int stream, const void *data, size_t size)
{
	size_t room;

	if (!p->part || p->stream != stream) {
		pad(p);
		if (p->most - p->size <= sizeof(struct part))
			return 0;
		p->part = (struct part *)(void *)(p->data + p->size);
		*p->part = (struct part){ .kind = stream == 1 ? PART_STDOUT :
								PART_STDERR };
		p->size += sizeof(struct part);
		p->stream = stream;
	}
	room = p->most - p->size;
	if (size > room)
		size = room;
	memcpy(p->data + p->size, data, size);
	p->size += size;
	p->part->size += size;
	return size;
}

/* A message of at most so many bytes. 1; 0: there is nothing to say; -EPROTO. */
static int fill(struct outbox *o, size_t most)
{
	struct message m = { .kind = MESSAGE_OUTPUT };
	struct about about = { o->id };
	struct piece p = { .data = o->data + sizeof(m),
			   .size = sizeof(about),
			   .most = most & ~(size_t)7 };
	const void *data;
	int stream, r;
	size_t size;

	while ((r = rings_look(&o->rings, &stream, &data, &size)) > 0) {
		size = add(&p, stream, data, size);
		if (!size)
			break;
		rings_take(&o->rings, stream, size);
	}
	if (r < 0 || !p.part)
		return r;
	pad(&p);
	m.size = (uint32_t)p.size;
	memcpy(o->data, &m, sizeof(m));
	memcpy(o->data + sizeof(m), &about, sizeof(about));
	o->at = 0;
	o->size = sizeof(m) + p.size;
	return 1;
}

int outbox_move(struct outbox *o)
{
	bool some = false;
	size_t most;
	int r;

	while ((r = flush(o, MSG_DONTWAIT)) > 0 && o->credit >= LEAST) {
		most = o->credit < PROTOCOL_PIECE_MAX ? (size_t)o->credit :
							PROTOCOL_PIECE_MAX;
		r = fill(o, most);
		if (r <= 0)
			break;
		o->credit -= o->size - sizeof(struct message);
		some = true;
	}
	return r < 0 ? r : some;
}

int outbox_finish(struct outbox *o, bool all)
{
	int r;

	while ((r = flush(o, 0)) > 0 && all) {
		r = fill(o, PROTOCOL_PIECE_MAX);
		if (r <= 0)
			break;
	}
	return r < 0 ? r : 0;
}
