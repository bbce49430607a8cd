/*
 * inet.c: AF_INET and AF_INET6: sockets exist, names can be bound and listened
 * on, and nothing goes through them. This host has the addresses of its loopback
 * and no others: those cannot be bound or reached, and where nobody listens a
 * connection is refused.
 */
#include <linux/in.h>
#include <linux/in6.h>

#include "net/socket.h"
#include "random.h"
#include "task/thread.h"

#define PORT_FIRST 32768 /* net.ipv4.ip_local_port_range */
#define PORT_LAST 60999
#define TCP_SEND_BUFFER 16384     /* net.ipv4.tcp_wmem */
#define TCP_RECEIVE_BUFFER 131072 /* net.ipv4.tcp_rmem */

#define BUCKETS 1024

static struct socket *ports[BUCKETS]; /* all that are bound, by port */

static bool is_stream(const struct socket *s)
{
	return s->type == SOCK_STREAM;
}

static long inet_create(struct socket *s)
{
	s32 protocol = is_stream(s) ? IPPROTO_TCP : IPPROTO_UDP;

	if (s->type == SOCK_RAW)
		return -EPERM;
	if (!is_stream(s) && s->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (!is_stream(s) && s->protocol == IPPROTO_UDPLITE)
		protocol = IPPROTO_UDPLITE;
	if (s->protocol && s->protocol != protocol)
		return -EPROTONOSUPPORT;
	s->protocol = protocol;
	if (is_stream(s)) {
		s->send_buffer = TCP_SEND_BUFFER;
		s->receive_buffer = TCP_RECEIVE_BUFFER;
	}
	return 0;
}

/* ---- addresses ---- */

/* The two address structures agree up to the port. */
static u16 address_port(const struct address *a)
{
	return __builtin_bswap16(
		((const struct sockaddr_in *)a->bytes)->sin_port);
}

static void address_set_port(struct address *a, u16 port)
{
	((struct sockaddr_in *)a->bytes)->sin_port = __builtin_bswap16(port);
}

static u32 address_size(const struct socket *s)
{
	return s->domain == AF_INET ? sizeof(struct sockaddr_in) :
				      sizeof(struct sockaddr_in6);
}

static void address_any(const struct socket *s, struct address *a)
{
	memset(a, 0, sizeof(*a));
	a->size = address_size(s);
	a->family = (u16)s->domain;
}

static long address_check(const struct socket *s, const struct address *a)
{
	u32 min = s->domain == AF_INET ? sizeof(struct sockaddr_in) : 24;

	if (a->size < min)
		return -EINVAL;
	return a->family == s->domain ? 0 : -EAFNOSUPPORT;
}

/* The IPv4 address in an address, mapped ones of IPv6 included. */
static bool address_v4(const struct address *a, u32 *v4)
{
	static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };
	const u8 *v6 =
		((const struct sockaddr_in6 *)a->bytes)->sin6_addr.s6_addr;

	if (a->family == AF_INET6 && memcmp(v6, mapped, sizeof(mapped)))
		return false;
	memcpy(v4, a->family == AF_INET6 ? v6 + sizeof(mapped) : a->bytes + 4,
	       sizeof(*v4));
	*v4 = __builtin_bswap32(*v4);
	return true;
}

/* An address of this host, which "any" stands for too. */
static bool address_is_local(const struct address *a)
{
	static const u8 zero[15];
	const u8 *v6 =
		((const struct sockaddr_in6 *)a->bytes)->sin6_addr.s6_addr;
	u32 v4;

	if (address_v4(a, &v4))
		return v4 == 0 || v4 >> 24 == 127;
	return !memcmp(v6, zero, sizeof(zero)) && v6[15] <= 1;
}

static bool address_is_bindable(const struct address *a)
{
	const u8 *v6 =
		((const struct sockaddr_in6 *)a->bytes)->sin6_addr.s6_addr;
	u32 v4;

	if (address_is_local(a))
		return true;
	if (address_v4(a, &v4)) /* groups, and everybody */
		return a->family == AF_INET && (v4 >> 28 == 14 || v4 == ~0u);
	return v6[0] == 0xff;
}

/* ---- ports ---- */

static bool port_taken(const struct socket *s, u16 port)
{
	for (struct socket *o = ports[port % BUCKETS]; o; o = o->port_next) {
		bool shared = socket_option(s, SO_REUSEPORT) &&
			      socket_option(o, SO_REUSEPORT);

		if (socket_option(s, SO_REUSEADDR) &&
		    socket_option(o, SO_REUSEADDR) && !o->listening)
			shared = true;
		if (o->port == port && o->protocol == s->protocol && !shared)
			return true;
	}
	return false;
}

static bool port_listening(u16 port)
{
	for (struct socket *o = ports[port % BUCKETS]; o; o = o->port_next)
		if (o->port == port && o->listening)
			return true;
	return false;
}

static u16 port_choose(const struct socket *s)
{
	u32 count = PORT_LAST - PORT_FIRST + 1, start;

	random_fill(&start, sizeof(start));
	for (u32 i = 0; i < count; i++) {
		u16 port = (u16)(PORT_FIRST + (start + i) % count);

		if (!port_taken(s, port))
			return port;
	}
	return 0;
}

static long port_take(struct socket *s, u16 port)
{
	struct socket **bucket;

	if (!port)
		port = port_choose(s);
	if (!port || port_taken(s, port))
		return -EADDRINUSE;
	s->port = port;
	bucket = &ports[port % BUCKETS];
	s->port_next = *bucket;
	s->port_link = bucket;
	if (s->port_next)
		s->port_next->port_link = &s->port_next;
	*bucket = s;
	address_set_port(&s->name, port);
	return 0;
}

static long port_auto(struct socket *s)
{
	if (s->port)
		return 0;
	address_any(s, &s->name);
	return port_take(s, 0);
}

static long inet_bind(struct socket *s, const struct address *a)
{
	struct address old = s->name;
	long r = address_check(s, a);

	if (r)
		return r;
	if (!address_is_bindable(a))
		return -EADDRNOTAVAIL;
	if (s->port)
		return -EINVAL;
	s->name = *a;
	s->name.size = address_size(s);
	r = port_take(s, address_port(a));
	if (r)
		s->name = old;
	return r;
}

static long inet_listen(struct socket *s, s32 backlog)
{
	long r;

	(void)backlog; /* nobody connects */
	if (!is_stream(s))
		return -EOPNOTSUPP;
	r = port_auto(s);
	if (!r)
		s->listening = true;
	return r;
}

static long inet_accept(struct socket *s, u64 deadline,
			struct socket **accepted)
{
	long r;

	(void)accepted;
	if (!is_stream(s))
		return -EOPNOTSUPP;
	for (;;) {
		if (!s->listening)
			return -EINVAL;
		if (!deadline)
			return -EAGAIN;
		r = socket_wait(s, &s->readers, deadline);
		if (r)
			return r;
	}
}

/* ---- nothing is reachable ---- */

static long inet_connect(struct socket *s, const struct address *a,
			 u64 deadline)
{
	long r;

	(void)deadline;
	if (a->size >= 2 && a->family == AF_UNSPEC)
		return 0; /* already not connected */
	r = address_check(s, a);
	if (r)
		return r;
	if (s->listening)
		return -EISCONN;
	if (is_stream(s) && address_is_local(a) &&
	    !port_listening(address_port(a)))
		return -ECONNREFUSED;
	return -ENETUNREACH;
}

static long inet_send(struct socket *s, struct transfer *t)
{
	long r;

	if (is_stream(s))
		return socket_broken(t->flags);
	if (!t->address.size)
		return -EDESTADDRREQ;
	r = address_check(s, &t->address);
	if (r)
		return r;
	if (!address_port(&t->address))
		return -EINVAL;
	r = port_auto(s);
	return r ? r : -ENETUNREACH;
}

static long inet_receive(struct socket *s, struct transfer *t)
{
	long r;

	if (is_stream(s))
		return -ENOTCONN;
	for (;;) {
		if (s->shut & SHUT_READ)
			return 0;
		if (!t->deadline)
			return -EAGAIN;
		r = socket_wait(s, &s->readers, t->deadline);
		if (r)
			return r;
	}
}

static long inet_peer_name(struct socket *s, struct address *a)
{
	(void)s;
	(void)a;
	return -ENOTCONN;
}

/* Ends a listening; nothing else is ever connected. */
static long inet_shut(struct socket *s, u32 how)
{
	if (!s->listening || !(how & SHUT_READ))
		return -ENOTCONN;
	s->listening = false;
	waitq_wake_all(&s->readers);
	file_ready(s->file);
	return 0;
}

static long inet_pending_bytes(struct socket *s)
{
	return s->listening ? -EINVAL : 0;
}

static u32 inet_poll(struct socket *s)
{
	if (s->listening)
		return 0;
	return READY_WRITE | (is_stream(s) ? EPOLLHUP : 0);
}

static void inet_release(struct socket *s)
{
	if (!s->port)
		return;
	*s->port_link = s->port_next;
	if (s->port_next)
		s->port_next->port_link = s->port_link;
}

const struct family inet_family = {
	.create = inet_create,
	.bind = inet_bind,
	.listen = inet_listen,
	.connect = inet_connect,
	.accept = inet_accept,
	.send = inet_send,
	.receive = inet_receive,
	.peer_name = inet_peer_name,
	.shut = inet_shut,
	.pending_bytes = inet_pending_bytes,
	.poll = inet_poll,
	.release = inet_release,
};
