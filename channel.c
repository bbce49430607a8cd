#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <fcntl.h>

#include "recycle_result.h"

#define RECEIVE_MAX (128u << 10) /* bytes at a time: others want their turn */

int channel_open(struct channel *c, int *other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*c = (struct channel){ .fd = pair[0] };
	*other = pair[1];
	return 0;
}

void channel_close(struct channel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	channel_next(c);
}

int channel_send(struct channel *c, const char *code)
{
	const size_t head = sizeof(c->request);
	size_t total = head + c->request.code_size;

	while (c->sent < total) {
		struct iovec v[2] = {
			{ (char *)&c->request + c->sent, head - c->sent },
			{ (void *)(uintptr_t)code, total - head }
		};
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		ssize_t n;

		if (c->sent >= head) {
			v[0].iov_base = (char *)v[1].iov_base + c->sent - head;
			v[0].iov_len = total - c->sent;
			m.msg_iovlen = 1;
		}
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			c->sent += (size_t)n;
	}
	return 1;
}

static size_t payload_size(const struct worker_reply *r)
{
	return (size_t)r->stdout_size + r->stderr_size + r->message_size;
}

static int check(const struct worker_reply *r)
{
	return r->stdout_size > WORKER_OUTPUT_MAX ||
			       r->stderr_size > WORKER_OUTPUT_MAX ||
			       r->message_size > WORKER_MESSAGE_MAX ||
			       r->discarded >= RECYCLE_RESULTS ?
		       -EPROTO :
		       0;
}

int channel_receive(struct channel *c)
{
	const size_t head = sizeof(c->reply);
	size_t most = RECEIVE_MAX;

	for (;;) {
		size_t total = head;
		char *to = (char *)&c->reply + c->received;
		ssize_t n;

		if (c->received >= head) {
			total += payload_size(&c->reply);
			to = c->payload + (c->received - head);
		}
		if (c->received >= head && c->received == total)
			return 1;
		if (most == 0)
			return 0;
		total -= c->received;
		n = recv(c->fd, to, total < most ? total : most, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -EPIPE;
		c->received += (size_t)n;
		most -= (size_t)n;
		if (c->received != head)
			continue;
		if (check(&c->reply))
			return -EPROTO;
		if (payload_size(&c->reply) == 0)
			return 1;
		c->payload = malloc(payload_size(&c->reply) + 1);
		if (!c->payload)
			return -ENOMEM;
		c->payload[payload_size(&c->reply)] = 0;
	}
}

char *channel_take(struct channel *c)
{
	char *payload = c->payload;

	c->payload = NULL;
	return payload;
}

void channel_next(struct channel *c)
{
	free(c->payload);
	c->payload = NULL;
	c->received = 0;
}
