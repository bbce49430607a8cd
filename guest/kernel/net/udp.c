/*
 * udp.c: UDP over the loopback. A datagram is in its receiver's queue when the
 * send returns, or lost when that is full. Where nobody receives, the sender is
 * told as ICMP would: its next call fails with ECONNREFUSED.
 */
#include "net/inet.h"

#include <linux/in.h>
#include <linux/in6.h>

#include "heap.h"
#include "net/interface.h"

#define V4_MAX 65507 /* bytes of a datagram */
#define V6_MAX 65527
/* What one counts in a buffer, as Linux counts it. */
#define HEAD 256
#define SMALL 576
#define SMALL_MAX 192 /* bytes */
#define AROUND 448    /* beside the data of larger ones */

static u64 charge(u64 size)
{
	u64 room = 1024;

	if (size <= SMALL_MAX)
		return HEAD + SMALL;
	while (room < size + AROUND && room < 65536)
		room *= 2;
	return HEAD + MAX(room, size);
}

/* ---- queues ---- */

static void queue_add(struct datagram **head, struct datagram **tail,
		      struct datagram *d)
{
	if (*head)
		(*tail)->next = d;
	else
		*head = d;
	*tail = d;
}

static struct datagram *queue_take(struct datagram **head)
{
	struct datagram *d = *head;

	*head = d->next;
	d->next = NULL;
	return d;
}

static void datagram_free(struct datagram *d)
{
	inet_buffered -= d->charge;
	kfree(d);
}

static void datagram_drop(struct socket *s)
{
	struct datagram *d = queue_take(&s->udp->head);

	s->queued -= d->charge;
	datagram_free(d);
}

static void deliver(struct socket *to, struct datagram *d)
{
	if (to->queued + d->charge > to->receive_buffer || inet_crowded()) {
		to->udp->drops++;
		kfree(d);
		return;
	}
	if (socket_option(to, SO_TIMESTAMP_OLD) ||
	    socket_option(to, SO_TIMESTAMPNS_OLD))
		d->time = wall_now();
	inet_buffered += d->charge;
	to->queued += d->charge;
	queue_add(&to->udp->head, &to->udp->tail, d);
	waitq_wake_all(&to->readers);
	file_ready_events(to->file, READY_READ);
}

/* ---- errors ---- */

/* Keeps d for MSG_ERRQUEUE when s wants that. */
static void error_keep(struct socket *s, struct datagram *d, s32 error)
{
	if (s->queued + d->charge > s->receive_buffer || inet_crowded()) {
		kfree(d);
		return;
	}
	d->error = error;
	inet_buffered += d->charge;
	s->queued += d->charge;
	queue_add(&s->udp->errors, &s->udp->errors_tail, d);
}

static bool wants_errors(const struct socket *s, const struct datagram *d)
{
	return inet_wants(s, s->domain == AF_INET6 && !endpoint_is_v4(&d->to) ?
				     VALUE_IPV6_RECVERR :
				     VALUE_IP_RECVERR);
}

/* Nobody receives d, which s has sent. */
static void refused(struct socket *s, struct datagram *d)
{
	bool wants = wants_errors(s, d);

	if (!wants && !inet_remote(s)->port) {
		kfree(d);
		return;
	}
	s->error = ECONNREFUSED;
	if (wants)
		error_keep(s, d, ECONNREFUSED);
	else
		kfree(d);
	waitq_wake_all(&s->readers);
	file_ready(s->file);
}

/* ---- sending ---- */

static struct datagram *datagram_new(u64 size)
{
	struct datagram *d = kmalloc(sizeof(*d) + size);

	if (!d)
		return NULL;
	d->size = (u32)size;
	d->charge = charge(size);
	return d;
}

static struct datagram *datagram_copy(const struct datagram *d)
{
	struct datagram *copy = datagram_new(d->size);

	if (!copy)
		return NULL;
	memcpy(copy, d, sizeof(*d) + d->size);
	copy->next = NULL;
	return copy;
}

static void give_copy(struct socket *to, void *datagram)
{
	const struct datagram *d = datagram;
	struct datagram *copy;

	if (!group_takes(to, &d->to, &d->from))
		return;
	copy = datagram_copy(d);
	if (copy)
		deliver(to, copy);
}

static void route(struct socket *s, struct datagram *d)
{
	struct socket *to;

	interface_count(d->size);
	if (endpoint_reach(&d->to) != REACH_LOCAL) {
		port_each((u16)s->protocol, d->to.port, give_copy, d);
		kfree(d);
		return;
	}
	to = port_receiver((u16)s->protocol, &d->from, &d->to);
	if (to)
		deliver(to, d);
	else
		refused(s, d);
}

/* Whether s may send there at all. */
static long reachable(struct socket *s, const struct endpoint *to)
{
	switch (endpoint_reach(to)) {
	case REACH_LOCAL:
		return 0;
	case REACH_BROADCAST:
		return socket_option(s, SO_BROADCAST) ? 0 : -EACCES;
	case REACH_GROUP:
		return group_reachable(s, to) ? 0 : -ENETUNREACH;
	default:
		return -ENETUNREACH;
	}
}

/* Sockets of IPv6 take addresses of IPv4 as they are, too. */
static long take(struct socket *s, const struct address *given,
		 struct endpoint *to)
{
	struct address a = *given;

	if (s->domain == AF_INET6 && a.family == AF_INET) {
		long r = endpoint_take(to, AF_INET, &a);

		if (r)
			return r;
		endpoint_put(to, AF_INET6, &a);
	}
	return inet_target(s, &a, to);
}

static long target(struct socket *s, const struct transfer *t,
		   struct endpoint *to)
{
	struct address a = t->address;
	long r;

	if (!a.size) {
		*to = *inet_remote(s);
		return to->port ? 0 : -EDESTADDRREQ;
	}
	if (a.size < sizeof(a.family))
		return -EINVAL;
	if (s->domain == AF_INET && a.family == AF_UNSPEC)
		a.family = AF_INET;
	if (s->domain == AF_INET6 && a.family == AF_UNSPEC)
		return inet_remote(s)->port ? (*to = *inet_remote(s), 0) :
					      -EDESTADDRREQ;
	r = take(s, &a, to);
	if (!r && !to->port)
		r = -EINVAL;
	return r ? r : reachable(s, to);
}

static long send_allowed(struct socket *s, const struct transfer *t,
			 const struct endpoint *to)
{
	u64 size = t->io.left;

	if (s->udp->corked)
		size += s->udp->corked->size;
	if (size > (endpoint_is_v4(to) ? V4_MAX : V6_MAX))
		return -EMSGSIZE;
	if (s->error) {
		long r = -s->error;

		s->error = 0;
		return r;
	}
	return s->shut & SHUT_WRITE ? -EPIPE : 0;
}

static void describe(struct socket *s, const struct transfer *t,
		     struct datagram *d)
{
	bool v4 = endpoint_is_v4(&d->to);

	inet_source(s, &d->to, &d->from);
	if (t->info.has_local && !endpoint_is_any(&t->info.local)) {
		d->from = t->info.local;
		d->from.port = inet_local(s)->port;
	}
	d->ttl = t->info.ttl;
	if (!t->info.has_ttl)
		d->ttl = inet_value(s, v4 ? VALUE_IP_TTL : VALUE_IPV6_HOPS);
	d->tos = t->info.tos;
	if (!t->info.has_tos)
		d->tos = inet_value(s, v4 ? VALUE_IP_TOS : VALUE_IPV6_TCLASS);
	if (!t->info.has_ttl && endpoint_reach(&d->to) == REACH_GROUP)
		d->ttl = inet_value(s, v4 ? VALUE_IP_MULTICAST_TTL :
					    VALUE_IPV6_MULTICAST_HOPS);
}

/* The datagram that t makes, behind what was corked before. */
static long compose(struct socket *s, struct transfer *t,
		    const struct endpoint *to, struct datagram **made)
{
	struct datagram *before = s->udp->corked, *d;
	u64 old = before ? before->size : 0;
	long r;

	d = datagram_new(old + t->io.left);
	if (!d)
		return -ENOBUFS;
	d->to = before ? before->to : *to;
	describe(s, t, d);
	if (before)
		memcpy(d->data, before->data, old);
	r = io_copy_in(&t->io, d->data + old, t->io.left);
	if (r) {
		kfree(d);
		return r;
	}
	kfree(before);
	s->udp->corked = NULL;
	*made = d;
	return 0;
}

static long udp_send(struct socket *s, struct transfer *t)
{
	u64 size = t->io.left;
	struct endpoint to;
	struct datagram *d;
	long r;

	r = inet_autobind(s); /* however it ends: Linux, inet_send_prepare */
	if (!r && t->flags & MSG_OOB && s->domain == AF_INET)
		r = -EOPNOTSUPP;
	if (!r)
		r = target(s, t, &to);
	if (!r && t->flags & MSG_OOB && endpoint_is_v4(&to))
		r = -EOPNOTSUPP;
	if (!r)
		r = send_allowed(s, t, &to);
	if (!r)
		r = compose(s, t, &to, &d);
	if (r)
		return r;
	if (t->flags & MSG_MORE || inet_wants(s, VALUE_UDP_CORK))
		s->udp->corked = d;
	else
		route(s, d);
	return (long)size;
}

void udp_uncork(struct socket *s)
{
	struct datagram *d = s->udp->corked;

	s->udp->corked = NULL;
	if (d)
		route(s, d);
}

/* ---- receiving ---- */

static long datagram_wait(struct socket *s, struct transfer *t)
{
	for (;;) {
		long r = -s->error;

		s->error = 0;
		if (r)
			return r;
		if (s->udp->head)
			return 1;
		if (s->shut & SHUT_READ && t->deadline)
			return 0;
		if (!t->deadline)
			return -EAGAIN;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &s->readers, t->deadline);
		if (r)
			return r;
	}
}

static void tell(const struct socket *s, struct transfer *t,
		 const struct datagram *d)
{
	t->info = (struct packet_info){ .local = d->to,
					.has_local = true,
					.ttl = d->ttl,
					.tos = d->tos,
					.time = d->time };
	endpoint_put(&d->from, s->domain, &t->address);
}

static long hand_over(struct transfer *t, const struct datagram *d)
{
	u64 part = MIN(t->io.left, (u64)d->size);
	long r = io_copy_out(&t->io, d->data, part);

	if (r)
		return r;
	if (part < d->size)
		t->out_flags |= MSG_TRUNC;
	return (long)(t->flags & MSG_TRUNC ? d->size : part);
}

static long receive_error(struct socket *s, struct transfer *t)
{
	struct datagram *d = s->udp->errors;
	long r;

	if (!d)
		return -EAGAIN;
	r = hand_over(t, d);
	if (r < 0)
		return r;
	tell(s, t, d);
	endpoint_put(&d->to, s->domain, &t->address);
	t->info.local = d->from;
	t->info.error = d->error;
	t->out_flags |= MSG_ERRQUEUE;
	queue_take(&s->udp->errors);
	s->queued -= d->charge;
	datagram_free(d);
	s->error = s->udp->errors ? s->udp->errors->error : 0;
	return r;
}

static long udp_receive(struct socket *s, struct transfer *t)
{
	long r;

	if (t->flags & MSG_ERRQUEUE)
		return receive_error(s, t);
	r = datagram_wait(s, t);
	if (r <= 0)
		return r;
	r = hand_over(t, s->udp->head);
	if (r < 0)
		return r;
	tell(s, t, s->udp->head);
	if (!(t->flags & MSG_PEEK))
		datagram_drop(s);
	return r;
}

/* ---- names ---- */

static void disconnect(struct socket *s)
{
	inet_unname(s);
	if (!s->inet->port_bound) {
		port_drop(s);
		inet_local(s)->port = 0;
		inet_name(s);
	}
}

/* An interface would have to be named. */
static bool is_scoped(const struct endpoint *e)
{
	bool near = (e->bytes[1] & 0xf) <= 2;

	return endpoint_reach(e) == REACH_SCOPED ||
	       (endpoint_reach(e) == REACH_GROUP && !endpoint_is_v4(e) && near);
}

static long udp_connect(struct socket *s, const struct address *a, u64 deadline)
{
	struct endpoint to;
	long r;

	(void)deadline;
	if (a->size < sizeof(a->family))
		return -EINVAL;
	if (a->family == AF_UNSPEC) {
		disconnect(s);
		return 0;
	}
	r = inet_autobind(s); /* however it ends: Linux, inet_dgram_connect */
	if (!r)
		r = take(s, a, &to);
	if (!r && is_scoped(&to))
		r = -EINVAL;
	if (!r)
		r = reachable(s, &to);
	if (r)
		return r;
	*inet_remote(s) = to;
	inet_source(s, &to, inet_local(s));
	inet_name(s);
	return 0;
}

static long udp_listen(struct socket *s, s32 backlog)
{
	(void)s;
	(void)backlog;
	return -EOPNOTSUPP;
}

static long udp_accept(struct socket *s, u64 deadline, struct socket **accepted)
{
	(void)s;
	(void)deadline;
	(void)accepted;
	return -EOPNOTSUPP;
}

/* ---- state ---- */

static long udp_shut(struct socket *s, u32 how)
{
	s->shut |= how;
	waitq_wake_all(&s->readers);
	file_ready(s->file);
	return inet_remote(s)->port ? 0 : -ENOTCONN;
}

static long udp_pending_bytes(struct socket *s)
{
	return s->udp->head ? s->udp->head->size : 0;
}

static u32 udp_poll(struct socket *s)
{
	u32 events = READY_WRITE | EPOLLWRBAND;

	if (s->error || s->udp->errors)
		events |= EPOLLERR;
	if (s->shut == SHUT_BOTH)
		events |= EPOLLHUP;
	if (s->shut & SHUT_READ)
		events |= READY_READ | EPOLLRDHUP;
	if (s->udp->head)
		events |= READY_READ;
	return events;
}

static void udp_release(struct socket *s)
{
	port_drop(s);
	group_drop(s);
	while (s->udp->head)
		datagram_drop(s);
	while (s->udp->errors)
		datagram_free(queue_take(&s->udp->errors));
	kfree(s->udp->corked);
	s->udp->corked = NULL;
}

static void udp_free(struct socket *s)
{
	kfree(s->udp);
	kfree(s->inet);
}

const struct family udp_family = {
	.bind = inet_bind,
	.listen = udp_listen,
	.connect = udp_connect,
	.accept = udp_accept,
	.send = udp_send,
	.receive = udp_receive,
	.peer_name = inet_peer_name,
	.shut = udp_shut,
	.pending_bytes = udp_pending_bytes,
	.poll = udp_poll,
	.release = udp_release,
	.free = udp_free,
	.ioctl = inet_ioctl,
	.option_set = inet_option_set,
	.option_get = inet_option_get,
	.control_take = inet_control_take,
	.control_store = inet_control_store,
};
