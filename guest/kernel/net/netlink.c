/*
 * netlink.c: AF_NETLINK sockets to the kernel, NETLINK_ROUTE: netlink(7). What a
 * request asks for is made when it is sent, and waits in the socket's queue.
 */
#include "net/netlink.h"

#include <linux/rtnetlink.h>

#include "heap.h"
#include "task/process.h"

#define OVERHEAD 32 /* of a send buffer, for a message's header */
#define PORTS_AUTO                                                             \
	((u32)-4096) /* downwards: when the process's number is taken */

static struct socket *bound; /* all that have a port */

static struct sockaddr_nl *name_of(struct socket *s)
{
	return (struct sockaddr_nl *)s->name.bytes;
}

/* ---- messages ---- */

void packet_add(struct packet *p, const void *data, u32 size)
{
	struct message *m = p->m;
	u64 padded = NLMSG_ALIGN(size);

	if (m->size + padded > PACKET_ROOM)
		panic("netlink: an answer is longer than its packet");
	memcpy(m->data + m->size, data, size);
	memset(m->data + m->size + size, 0, padded - size);
	m->size += padded;
	if (p->at)
		p->at->nlmsg_len = (u32)(m->data + m->size - (u8 *)p->at);
}

void packet_message(struct packet *p, u16 type, u16 flags)
{
	struct nlmsghdr h = { .nlmsg_len = sizeof(h),
			      .nlmsg_type = type,
			      .nlmsg_flags = flags,
			      .nlmsg_seq = p->sequence,
			      .nlmsg_pid = p->port };
	u64 at = p->m->size;

	p->at = NULL;
	packet_add(p, &h, sizeof(h));
	p->at = (struct nlmsghdr *)(p->m->data + at);
}

void packet_attribute(struct packet *p, u16 type, const void *data, u32 size)
{
	struct rtattr a = { .rta_len = (u16)RTA_LENGTH(size),
			    .rta_type = type };

	packet_add(p, &a, sizeof(a));
	packet_add(p, data, size);
}

static bool packet_begin(struct packet *p, struct socket *s,
			 const struct nlmsghdr *request)
{
	*p = (struct packet){ .port = name_of(s)->nl_pid,
			      .sequence = request->nlmsg_seq,
			      .m = kmalloc(sizeof(*p->m) + PACKET_ROOM) };
	if (p->m)
		memset(p->m, 0, sizeof(*p->m));
	return p->m;
}

/* An empty packet is none; what finds no room is lost, and the reader told. */
static void packet_deliver(struct packet *p, struct socket *s)
{
	struct message *m = p->m;

	if (!m->size || s->queued + PACKET_ROOM > s->receive_buffer) {
		if (m->size)
			s->error = ENOBUFS;
		kfree(m);
		return;
	}
	if (s->tail)
		s->tail->next = m;
	else
		s->head = m;
	s->tail = m;
	s->queued += PACKET_ROOM;
	waitq_wake_one(&s->readers);
	file_ready_events(s->file, READY_READ);
}

static void queue_drop(struct socket *s)
{
	struct message *m = s->head;

	s->head = m->next;
	if (!s->head)
		s->tail = NULL;
	s->queued -= PACKET_ROOM;
	kfree(m);
}

/* ---- names ---- */

static long netlink_create(struct socket *s)
{
	if (s->type != SOCK_RAW && s->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	return s->protocol == NETLINK_ROUTE ? 0 : -EPROTONOSUPPORT;
}

static bool port_taken(u32 port)
{
	for (struct socket *o = bound; o; o = o->port_next)
		if (name_of(o)->nl_pid == port)
			return true;
	return false;
}

static long port_take(struct socket *s, u32 port)
{
	if (port_taken(port))
		return -EADDRINUSE;
	s->name.size = sizeof(struct sockaddr_nl);
	name_of(s)->nl_family = AF_NETLINK;
	name_of(s)->nl_pid = port;
	s->port_next = bound;
	s->port_link = &bound;
	if (bound)
		bound->port_link = &s->port_next;
	bound = s;
	return 0;
}

static long port_auto(struct socket *s)
{
	u32 port = (u32)current->process->pid;

	if (s->port_link)
		return 0;
	for (u32 next = PORTS_AUTO; port_taken(port); next--)
		port = next;
	return port_take(s, port);
}

static long address_check(const struct address *a)
{
	return a->size < sizeof(struct sockaddr_nl) || a->family != AF_NETLINK ?
		       -EINVAL :
		       0;
}

static long netlink_bind(struct socket *s, const struct address *a)
{
	const struct sockaddr_nl *n = (const struct sockaddr_nl *)a->bytes;
	long r = address_check(a);

	if (!r && s->port_link)
		r = n->nl_pid == name_of(s)->nl_pid ? 0 : -EINVAL;
	else if (!r)
		r = n->nl_pid ? port_take(s, n->nl_pid) : port_auto(s);
	if (!r)
		name_of(s)->nl_groups = n->nl_groups; /* nothing changes */
	return r;
}

/* Only the kernel can be talked to. */
static long to_kernel(const struct address *a)
{
	const struct sockaddr_nl *n = (const struct sockaddr_nl *)a->bytes;
	long r = address_check(a);

	if (r)
		return r;
	return n->nl_groups || n->nl_pid ? -EPERM : 0;
}

static long netlink_connect(struct socket *s, const struct address *a,
			    u64 deadline)
{
	long r;

	(void)deadline;
	if (a->size >= sizeof(a->family) && a->family == AF_UNSPEC)
		return 0;
	r = to_kernel(a);
	return r ? r : port_auto(s);
}

static long netlink_peer_name(struct socket *s, struct address *a)
{
	(void)s;
	memset(a, 0, sizeof(*a));
	a->size = sizeof(struct sockaddr_nl);
	a->family = AF_NETLINK;
	return 0;
}

/* ---- requests ---- */

static void acknowledge(struct socket *s, const struct nlmsghdr *request,
			long error)
{
	struct nlmsgerr e = { .error = (s32)error, .msg = *request };
	struct packet p;

	if (!packet_begin(&p, s, request))
		return;
	packet_message(&p, NLMSG_ERROR, error ? 0 : NLM_F_CAPPED);
	packet_add(&p, &e, sizeof(e));
	if (error) /* with all that was asked */
		packet_add(&p, request + 1,
			   MIN(request->nlmsg_len - (u32)sizeof(*request),
			       PACKET_ROOM / 2u));
	packet_deliver(&p, s);
}

static void finish_dump(struct socket *s, const struct nlmsghdr *request)
{
	const s32 error = 0;
	struct packet p;

	if (!packet_begin(&p, s, request))
		return;
	packet_message(&p, NLMSG_DONE, NLM_F_MULTI);
	packet_add(&p, &error, sizeof(error));
	packet_deliver(&p, s);
}

static long answer(struct socket *s, const struct nlmsghdr *request)
{
	bool dump = request->nlmsg_flags & NLM_F_DUMP;
	struct packet p;
	long r;

	if (request->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtgenmsg)))
		return 0;
	if (!packet_begin(&p, s, request))
		return -ENOBUFS;
	r = route_answer(&p, request, dump);
	packet_deliver(&p, s);
	if (!r && dump)
		finish_dump(s, request);
	return r;
}

static void handle(struct socket *s, const struct nlmsghdr *request)
{
	bool asks = (request->nlmsg_flags & NLM_F_REQUEST) &&
		    request->nlmsg_type >= NLMSG_MIN_TYPE;
	bool dump = request->nlmsg_flags & NLM_F_DUMP;
	long r = asks ? answer(s, request) : 0;

	if (r || ((request->nlmsg_flags & NLM_F_ACK) && !(asks && dump)))
		acknowledge(s, request, r);
}

static long netlink_send(struct socket *s, struct transfer *t)
{
	u64 size = t->io.left, at = 0;
	u8 *data;
	long r = t->address.size ? to_kernel(&t->address) : 0;

	if (t->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!r)
		r = port_auto(s);
	if (r)
		return r;
	if (size + OVERHEAD > s->send_buffer)
		return -EMSGSIZE;
	data = kmalloc(size);
	if (!data)
		return -ENOBUFS;
	r = io_copy_in(&t->io, data, size);
	while (!r && size - at >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(data + at);

		if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > size - at)
			break;
		handle(s, h);
		at = MIN(size, at + NLMSG_ALIGN((u64)h->nlmsg_len));
	}
	kfree(data);
	return r ? r : (long)size;
}

static long netlink_receive(struct socket *s, struct transfer *t)
{
	struct message *m;
	u64 part;
	long r;

	if (t->flags & MSG_OOB)
		return -EOPNOTSUPP;
	while (!s->head || s->error) {
		r = -s->error;
		s->error = 0;
		if (!r && !t->deadline)
			r = -EAGAIN;
		t->io.trusted = t->io.kernel;
		if (!r)
			r = socket_wait(s, &s->readers, t->deadline);
		if (r)
			return r;
	}
	m = s->head;
	part = MIN(t->io.left, m->size);
	r = io_copy_out(&t->io, m->data, part);
	if (r)
		return r;
	netlink_peer_name(s, &t->address);
	if (part < m->size)
		t->out_flags |= MSG_TRUNC;
	r = (long)(t->flags & MSG_TRUNC ? m->size : part);
	if (!(t->flags & MSG_PEEK))
		queue_drop(s);
	return r;
}

/* ---- the rest ---- */

static long netlink_listen(struct socket *s, s32 backlog)
{
	(void)s;
	(void)backlog;
	return -EOPNOTSUPP;
}

static long netlink_accept(struct socket *s, u64 deadline,
			   struct socket **accepted)
{
	(void)s;
	(void)deadline;
	(void)accepted;
	return -EOPNOTSUPP;
}

static long netlink_shut(struct socket *s, u32 how)
{
	(void)s;
	(void)how;
	return -EOPNOTSUPP;
}

static long netlink_pending_bytes(struct socket *s)
{
	(void)s;
	return -ENOTTY;
}

static u32 netlink_poll(struct socket *s)
{
	return (s->head ? READY_READ : 0) | (s->error ? EPOLLERR : 0) |
	       READY_WRITE;
}

static void netlink_release(struct socket *s)
{
	while (s->head)
		queue_drop(s);
	if (!s->port_link)
		return;
	*s->port_link = s->port_next;
	if (s->port_next)
		s->port_next->port_link = s->port_link;
}

const struct family netlink_family = {
	.create = netlink_create,
	.bind = netlink_bind,
	.listen = netlink_listen,
	.connect = netlink_connect,
	.accept = netlink_accept,
	.send = netlink_send,
	.receive = netlink_receive,
	.peer_name = netlink_peer_name,
	.shut = netlink_shut,
	.pending_bytes = netlink_pending_bytes,
	.poll = netlink_poll,
	.release = netlink_release,
};
