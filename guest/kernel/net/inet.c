/*
 * inet.c: AF_INET and AF_INET6: what TCP and UDP sockets have in common. This
 * host has the addresses of its loopback and no others: those cannot be bound or
 * reached.
 */
#include "net/inet.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <asm/ioctls.h>
#include <linux/sockios.h>

#include "heap.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "net/interface.h"
#include "task/ids.h"

#define TCP_SEND_BUFFER 16384     /* net.ipv4.tcp_wmem */
#define TCP_RECEIVE_BUFFER 131072 /* net.ipv4.tcp_rmem */
#define PRIVILEGED 1024           /* net.ipv4.ip_unprivileged_port_start */
#define SHARE 8 /* of memory, that may be in queues: net.ipv4.tcp_mem */

u64 inet_buffered;

bool inet_crowded(void)
{
	return inet_buffered > frames_total() * PAGE_SIZE / SHARE;
}

/* ---- making ---- */

long inet_alloc(struct socket *s)
{
	s->inet = kmalloc(sizeof(*s->inet));
	if (!s->inet)
		return -ENOMEM;
	s->inet->binding.socket = s;
	s->inet->binding.protocol = (u16)s->protocol;
	endpoint_set_any(inet_local(s), s->domain);
	endpoint_set_any(inet_remote(s), s->domain);
	if (s->type != SOCK_STREAM) {
		s->udp = kmalloc(sizeof(*s->udp));
		return s->udp ? 0 : -ENOMEM;
	}
	s->tcp = kmalloc(sizeof(*s->tcp));
	if (!s->tcp)
		return -ENOMEM;
	s->tcp->state = STATE_CLOSE;
	s->send_buffer = TCP_SEND_BUFFER;
	s->receive_buffer = TCP_RECEIVE_BUFFER;
	return 0;
}

/* The protocol that the socket will have, or -errno. */
static long protocol_of(const struct socket *s)
{
	bool ping = s->protocol == IPPROTO_ICMP && s->domain == AF_INET;

	if (s->protocol == IPPROTO_ICMPV6 && s->domain == AF_INET6)
		ping = true;
	if (s->type == SOCK_STREAM)
		return s->protocol && s->protocol != IPPROTO_TCP ?
			       -EPROTONOSUPPORT :
			       IPPROTO_TCP;
	if (s->type == SOCK_DGRAM && ping)
		return -EACCES; /* net.ipv4.ping_group_range is empty */
	if (s->type == SOCK_DGRAM && s->protocol == IPPROTO_UDPLITE)
		return IPPROTO_UDPLITE;
	if (s->type == SOCK_DGRAM)
		return s->protocol && s->protocol != IPPROTO_UDP ?
			       -EPROTONOSUPPORT :
			       IPPROTO_UDP;
	if (s->type != SOCK_RAW)
		return -ESOCKTNOSUPPORT;
	return s->protocol ? -EPERM : -EPROTONOSUPPORT;
}

static long inet_create(struct socket *s)
{
	long r = protocol_of(s);

	if (r < 0)
		return r;
	s->protocol = (s32)r;
	s->family = s->type == SOCK_STREAM ? &tcp_family : &udp_family;
	return inet_alloc(s);
}

/* ---- names ---- */

void inet_name(struct socket *s)
{
	endpoint_put(inet_local(s), s->domain, &s->name);
}

/* bind() takes any address of IPv4 that says "any" without its family. */
static void family_unspecified(const struct socket *s, struct address *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a->bytes;

	if (s->domain == AF_INET && a->size >= sizeof(*in) &&
	    a->family == AF_UNSPEC && !in->sin_addr.s_addr)
		a->family = AF_INET;
}

/* 255.255.255.255 */
static bool is_everybody(const struct endpoint *e)
{
	return endpoint_is_v4(e) && endpoint_v4(e) == ~0u;
}

static long bindable(const struct socket *s, const struct endpoint *e)
{
	bool mapped = s->domain == AF_INET6 && endpoint_is_v4(e);

	if (mapped && s->inet->binding.v6only)
		return -EINVAL;
	if (inet_wants(s, VALUE_IP_FREEBIND) ||
	    (s->domain == AF_INET6 && inet_wants(s, VALUE_IPV6_FREEBIND)))
		return 0;
	switch (endpoint_reach(e)) {
	case REACH_LOCAL:
	case REACH_BROADCAST:
		return 0;
	case REACH_GROUP:
		if (s->domain == AF_INET6 && !mapped)
			return -EINVAL; /* its interface is not named */
		return mapped ? -EADDRNOTAVAIL : 0;
	case REACH_SCOPED:
		return -EINVAL;
	default:
		return !mapped && is_everybody(e) ? 0 : -EADDRNOTAVAIL;
	}
}

long inet_bind(struct socket *s, const struct address *a)
{
	struct address given = *a;
	struct endpoint e;
	u16 port = inet_local(s)->port;
	bool closed = s->tcp ? s->tcp->state == STATE_CLOSE :
			       !inet_remote(s)->port;
	long r;

	family_unspecified(s, &given);
	r = endpoint_take(&e, s->domain, &given);
	if (!r)
		r = bindable(s, &e);
	if (!r && e.port && e.port < PRIVILEGED &&
	    !ids_capable(CAP_NET_BIND_SERVICE))
		r = -EACCES;
	if (!r && (!closed || s->inet->binding.link))
		r = -EINVAL;
	if (r)
		return r;
	*inet_local(s) = e;
	if (e.port || !inet_wants(s, VALUE_IP_BIND_ADDRESS_NO_PORT))
		r = port_bind(s, e.port);
	if (r) {
		endpoint_set_any(inet_local(s), s->domain);
		inet_local(s)->port = port;
		inet_name(s);
		return r;
	}
	s->inet->address_bound |= !endpoint_is_any(&e); /* for ever */
	if (!endpoint_is_v4(&e) && !endpoint_is_any(&e))
		s->inet->binding.v6only = true;
	s->inet->port_bound |= e.port != 0;
	inet_name(s);
	return 0;
}

long inet_autobind(struct socket *s)
{
	long r;

	if (s->inet->binding.link)
		return 0;
	r = port_bind(s, 0);
	if (r)
		return -EAGAIN;
	inet_name(s);
	return 0;
}

void inet_unname(struct socket *s)
{
	endpoint_set_any(inet_remote(s), s->domain);
	inet_remote(s)->port = 0;
	if (!s->inet->address_bound)
		endpoint_set_any(inet_local(s), s->domain);
	inet_name(s);
}

long inet_peer_name(struct socket *s, struct address *a)
{
	if (!inet_remote(s)->port)
		return -ENOTCONN;
	endpoint_put(inet_remote(s), s->domain, a);
	return 0;
}

/* ---- where things go ---- */

/* s has an address of IPv4 for its own, though it is of IPv6. */
static bool is_mapped(struct socket *s)
{
	return s->domain == AF_INET6 && endpoint_is_v4(inet_local(s));
}

long inet_target(struct socket *s, const struct address *a, struct endpoint *to)
{
	const struct endpoint *local = inet_local(s);
	long r = endpoint_take(to, s->domain, a);

	if (r)
		return r;
	if (endpoint_reach(local) == REACH_NONE && !is_everybody(local))
		return -ENETUNREACH; /* IP_FREEBIND */
	if (s->domain == AF_INET6 && endpoint_is_any(to) &&
	    !endpoint_is_v4(to) && is_mapped(s))
		endpoint_set_v4(to, 0);
	if (endpoint_is_v4(to) && s->domain == AF_INET6 &&
	    (s->inet->binding.v6only ||
	     (!endpoint_is_any(local) && !is_mapped(s))))
		return -ENETUNREACH;
	if (!endpoint_is_v4(to) && is_mapped(s))
		return -EAFNOSUPPORT;
	if (!endpoint_is_any(to))
		return 0;
	if (endpoint_is_v4(to) && !endpoint_is_any(local))
		endpoint_set_v4(to, endpoint_v4(local));
	else
		endpoint_set_loopback(to, endpoint_is_v4(to));
	return 0;
}

void inet_source(struct socket *s, const struct endpoint *to,
		 struct endpoint *from)
{
	*from = *inet_local(s);
	if (endpoint_is_any(from) || endpoint_reach(from) != REACH_LOCAL)
		endpoint_set_loopback(from, endpoint_is_v4(to));
}

/* ---- ioctl ---- */

long inet_ioctl(struct socket *s, u32 command, u64 arg)
{
	s32 value = 0;

	switch (command) {
	case SIOCOUTQ:
		if (s->listening)
			return -EINVAL;
		break; /* nothing is on its way */
	case SIOCOUTQNSD:
		if (!s->tcp)
			return -ENOTTY;
		break;
	case SIOCATMARK:
		if (!s->tcp)
			return -ENOTTY;
		value = tcp_at_mark(s);
		break;
	default:
		return interface_ioctl(s, command, arg);
	}
	return copy_to_user(arg, &value, sizeof(value));
}

const struct family inet_family = { .create = inet_create };
