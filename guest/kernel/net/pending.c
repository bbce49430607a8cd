/* pending.c: connections that wait at a listening socket to be accepted. */
#include "net/socket.h"

void pending_add(struct socket *listener, struct socket *s)
{
	if (listener->pending_last)
		listener->pending_last->pending_next = s;
	else
		listener->pending = s;
	listener->pending_last = s;
	listener->pending_count++;
	waitq_wake_one(&listener->readers);
	file_ready_events(listener->file, READY_READ);
}

struct socket *pending_take(struct socket *listener)
{
	struct socket *s = listener->pending;

	if (!s)
		return NULL;
	listener->pending = s->pending_next;
	if (!listener->pending)
		listener->pending_last = NULL;
	s->pending_next = NULL;
	listener->pending_count--;
	waitq_wake_all(&listener->senders);
	return s;
}

long pending_wait(struct socket *listener, u64 deadline, struct socket **s)
{
	for (;;) {
		long r;

		if (!listener->listening || listener->shut & SHUT_READ)
			return -EINVAL;
		*s = pending_take(listener);
		if (*s)
			return 0;
		if (!deadline)
			return -EAGAIN;
		r = socket_wait(listener, &listener->readers, deadline);
		if (r)
			return r;
	}
}
