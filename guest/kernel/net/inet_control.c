/* inet_control.c: control messages of datagrams: ip(7), ipv6(7), cmsg(3). */
#include "net/inet.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include "mm/user.h"
#include "net/interface.h"
#include "task/deadline.h"

struct extended_error { /* struct sock_extended_err of the ABI */
	u32 error;
	u8 origin, type, code, pad;
	u32 info, data;
};
#define ORIGIN_ICMP 2
#define ORIGIN_ICMP6 3
#define ICMP_UNREACHABLE 3
#define ICMP_PORT 3
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_PORT 4

/* ---- sent ---- */

static long number_take(u64 data, u64 size, s32 *value)
{
	if (size != sizeof(*value))
		return -EINVAL;
	return copy_from_user(value, data, sizeof(*value));
}

/* An address that goes out must be the host's. */
static long local_take(struct transfer *t, const struct endpoint *e, s32 index)
{
	if (index && index != LO_INDEX)
		return -ENODEV;
	if (endpoint_reach(e) != REACH_LOCAL)
		return -EINVAL;
	t->info.local = *e;
	t->info.has_local = true;
	return 0;
}

static long take_v4(struct transfer *t, s32 type, u64 data, u64 size)
{
	struct endpoint e = { .port = 0 };
	struct in_pktinfo p;
	long r;

	switch (type) {
	case IP_PKTINFO:
		if (size != sizeof(p))
			return -EINVAL;
		if (copy_from_user(&p, data, sizeof(p)))
			return -EFAULT;
		endpoint_set_v4(&e, __builtin_bswap32(p.ipi_spec_dst.s_addr));
		return local_take(t, &e, p.ipi_ifindex);
	case IP_TTL:
		r = number_take(data, size, &t->info.ttl);
		t->info.has_ttl = true;
		if (!r && (t->info.ttl < 1 || t->info.ttl > 255))
			r = -EINVAL;
		return r;
	case IP_TOS:
		t->info.has_tos = true;
		if (size != 1)
			return number_take(data, size, &t->info.tos);
		return copy_from_user(&t->info.tos, data, 1);
	default:
		return -EINVAL;
	}
}

static long take_v6(struct transfer *t, s32 type, u64 data, u64 size)
{
	struct endpoint e = { .port = 0 };
	struct in6_pktinfo p;
	s32 *number = type == IPV6_TCLASS ? &t->info.tos : &t->info.ttl;
	long r;

	switch (type) {
	case IPV6_PKTINFO:
		if (size < sizeof(p))
			return -EINVAL;
		if (copy_from_user(&p, data, sizeof(p)))
			return -EFAULT;
		endpoint_set_v6(&e, p.ipi6_addr.s6_addr);
		return local_take(t, &e, p.ipi6_ifindex);
	case IPV6_HOPLIMIT:
	case IPV6_TCLASS:
		r = number_take(data, size, number);
		if (!r && (*number < -1 || *number > 255))
			r = -EINVAL;
		if (*number >= 0)
			*(type == IPV6_TCLASS ? &t->info.has_tos :
						&t->info.has_ttl) = true;
		return r;
	default:
		return -EINVAL;
	}
}

long inet_control_take(struct socket *s, struct transfer *t, s32 level,
		       s32 type, u64 data, u64 size)
{
	if (level == IPPROTO_IP)
		return take_v4(t, type, data, size);
	if (level == IPPROTO_IPV6 && s->domain == AF_INET6)
		return take_v6(t, type, data, size);
	return 0;
}

/* ---- received ---- */

static void put_time(const struct socket *s, struct control_room *room, u64 ns)
{
	struct __kernel_timespec spec = ns_timespec(ns);
	struct __kernel_old_timeval val = ns_timeval(ns);

	if (!ns)
		return;
	if (socket_option(s, SO_TIMESTAMPNS_OLD))
		control_put(room, SOL_SOCKET, SO_TIMESTAMPNS_OLD, &spec,
			    sizeof(spec));
	else if (socket_option(s, SO_TIMESTAMP_OLD))
		control_put(room, SOL_SOCKET, SO_TIMESTAMP_OLD, &val,
			    sizeof(val));
}

static void put_v4(const struct socket *s, const struct packet_info *i,
		   struct control_room *room)
{
	u32 address = i->local.words[3];
	struct in_pktinfo p = { .ipi_ifindex = LO_INDEX,
				.ipi_spec_dst = { address },
				.ipi_addr = { address } };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = __builtin_bswap16(i->local.port),
				  .sin_addr = { address } };
	u8 tos = (u8)i->tos;

	if (inet_wants(s, VALUE_IP_PKTINFO))
		control_put(room, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
	if (inet_wants(s, VALUE_IP_RECVTTL))
		control_put(room, IPPROTO_IP, IP_TTL, &i->ttl, sizeof(i->ttl));
	if (inet_wants(s, VALUE_IP_RECVTOS))
		control_put(room, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (inet_wants(s, VALUE_IP_RECVORIGDSTADDR))
		control_put(room, IPPROTO_IP, IP_ORIGDSTADDR, &to, sizeof(to));
}

static void put_v6(const struct socket *s, const struct packet_info *i,
		   struct control_room *room)
{
	struct in6_pktinfo p = { .ipi6_ifindex = LO_INDEX };

	memcpy(p.ipi6_addr.s6_addr, i->local.bytes, sizeof(i->local.bytes));
	if (inet_wants(s, VALUE_IPV6_RECVPKTINFO))
		control_put(room, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof(p));
	if (endpoint_is_v4(&i->local))
		return;
	if (inet_wants(s, VALUE_IPV6_RECVHOPLIMIT))
		control_put(room, IPPROTO_IPV6, IPV6_HOPLIMIT, &i->ttl,
			    sizeof(i->ttl));
	if (inet_wants(s, VALUE_IPV6_RECVTCLASS))
		control_put(room, IPPROTO_IPV6, IPV6_TCLASS, &i->tos,
			    sizeof(i->tos));
}

/* Why a datagram did not arrive, and which host said so. */
static void put_error(const struct socket *s, const struct packet_info *i,
		      struct control_room *room)
{
	bool v4 = endpoint_is_v4(&i->local);
	struct {
		struct extended_error error;
		u8 offender[sizeof(struct sockaddr_in6)];
	} e = {
		.error = {
			.error = (u32)i->error,
			.origin = v4 ? ORIGIN_ICMP : ORIGIN_ICMP6,
			.type = v4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE,
			.code = v4 ? ICMP_PORT : ICMPV6_PORT,
		},
	};
	struct endpoint by = { .port = 0 };
	struct address a;

	endpoint_set_loopback(&by, v4);
	endpoint_put(&by, v4 && s->domain == AF_INET ? AF_INET : AF_INET6, &a);
	memcpy(e.offender, a.bytes, MIN(sizeof(e.offender), (u64)a.size));
	if (s->domain == AF_INET)
		control_put(room, IPPROTO_IP, IP_RECVERR, &e,
			    sizeof(e.error) + sizeof(struct sockaddr_in));
	else
		control_put(room, IPPROTO_IPV6, IPV6_RECVERR, &e, sizeof(e));
}

void inet_control_store(struct socket *s, struct transfer *t,
			struct control_room *room)
{
	const struct packet_info *i = &t->info;

	if (!i->has_local)
		return;
	put_time(s, room, i->time);
	if (s->domain == AF_INET6)
		put_v6(s, i, room);
	if (endpoint_is_v4(&i->local))
		put_v4(s, i, room);
	if (i->error)
		put_error(s, i, room);
}
