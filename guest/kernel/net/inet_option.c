/*
 * inet_option.c: options of IP, IPv6, TCP and UDP sockets: ip(7), ipv6(7),
 * tcp(7), udp(7). Most are a number that is kept: what they would change lies
 * between hosts.
 */
#include "net/inet.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/udp.h>

#include "mm/user.h"
#include "net/interface.h"
#include "task/ids.h"

#define ANY_MIN ((s32)0x80000000)
#define ANY_MAX 0x7fffffff
#define TTL 64       /* net.ipv4.ip_default_ttl */
#define MTU_V4 65535 /* the largest packet */
#define MSS_NONE 536 /* without a connection */
#define MSS 32768    /* half of the largest window */
#define MSS_MIN 88
#define MSS_MAX 32767
#define MAX_KEEP 32767
#define ADVERTISED 65483 /* LO_MTU without headers */

struct row {
	s32 level, name;
	s32 min, max;   /* of what is taken; max 1 and min 0: on or off */
	s32 initial;    /* also what -1 stands for, when min is -1 */
	bool is_switch; /* any number but 0 is 1 */
};

#define NUMBER(level_, name_, min_, max_, initial_)                            \
	{                                                                      \
		.level = level_, .name = name_, .min = min_, .max = max_,      \
		.initial = initial_                                            \
	}
#define SWITCH(level_, name_, initial_)                                        \
	{                                                                      \
		.level = level_, .name = name_, .min = ANY_MIN,                \
		.max = ANY_MAX, .initial = initial_, .is_switch = true         \
	}

static const struct row rows[VALUE_COUNT] = {
	[VALUE_IP_TOS] = NUMBER(IPPROTO_IP, IP_TOS, ANY_MIN, ANY_MAX, 0),
	[VALUE_IP_TTL] = NUMBER(IPPROTO_IP, IP_TTL, -1, 255, TTL),
	[VALUE_IP_RECVOPTS] = SWITCH(IPPROTO_IP, IP_RECVOPTS, 0),
	[VALUE_IP_RETOPTS] = SWITCH(IPPROTO_IP, IP_RETOPTS, 0),
	[VALUE_IP_PKTINFO] = SWITCH(IPPROTO_IP, IP_PKTINFO, 0),
	[VALUE_IP_MTU_DISCOVER] = NUMBER(IPPROTO_IP, IP_MTU_DISCOVER, 0, 5, 1),
	[VALUE_IP_RECVERR] = SWITCH(IPPROTO_IP, IP_RECVERR, 0),
	[VALUE_IP_RECVTTL] = SWITCH(IPPROTO_IP, IP_RECVTTL, 0),
	[VALUE_IP_RECVTOS] = SWITCH(IPPROTO_IP, IP_RECVTOS, 0),
	[VALUE_IP_FREEBIND] = SWITCH(IPPROTO_IP, IP_FREEBIND, 0),
	[VALUE_IP_RECVORIGDSTADDR] = SWITCH(IPPROTO_IP, IP_RECVORIGDSTADDR, 0),
	[VALUE_IP_MINTTL] = NUMBER(IPPROTO_IP, IP_MINTTL, 0, 255, 0),
	[VALUE_IP_BIND_ADDRESS_NO_PORT] =
		SWITCH(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0),
	[VALUE_IP_MULTICAST_TTL] =
		NUMBER(IPPROTO_IP, IP_MULTICAST_TTL, -1, 255, 1),
	[VALUE_IP_MULTICAST_LOOP] = SWITCH(IPPROTO_IP, IP_MULTICAST_LOOP, 1),
	[VALUE_IP_MULTICAST_ALL] =
		NUMBER(IPPROTO_IP, IP_MULTICAST_ALL, 0, 1, 1),
	[VALUE_IPV6_HOPS] =
		NUMBER(IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1, 255, TTL),
	[VALUE_IPV6_MULTICAST_IF] =
		NUMBER(IPPROTO_IPV6, IPV6_MULTICAST_IF, ANY_MIN, ANY_MAX, 0),
	[VALUE_IPV6_MULTICAST_HOPS] =
		NUMBER(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1, 255, 1),
	[VALUE_IPV6_MULTICAST_LOOP] =
		NUMBER(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, 1, 1),
	[VALUE_IPV6_MULTICAST_ALL] =
		NUMBER(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, 1, 1),
	[VALUE_IPV6_MTU_DISCOVER] =
		NUMBER(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0, 5, 1),
	[VALUE_IPV6_RECVERR] = SWITCH(IPPROTO_IPV6, IPV6_RECVERR, 0),
	[VALUE_IPV6_RECVPKTINFO] = SWITCH(IPPROTO_IPV6, IPV6_RECVPKTINFO, 0),
	[VALUE_IPV6_RECVHOPLIMIT] = SWITCH(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0),
	[VALUE_IPV6_RECVTCLASS] = SWITCH(IPPROTO_IPV6, IPV6_RECVTCLASS, 0),
	[VALUE_IPV6_TCLASS] = NUMBER(IPPROTO_IPV6, IPV6_TCLASS, -1, 255, 0),
	[VALUE_IPV6_DONTFRAG] = SWITCH(IPPROTO_IPV6, IPV6_DONTFRAG, 0),
	[VALUE_IPV6_AUTOFLOWLABEL] =
		SWITCH(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1),
	[VALUE_IPV6_FREEBIND] = SWITCH(IPPROTO_IPV6, IPV6_FREEBIND, 0),
	[VALUE_TCP_NODELAY] = SWITCH(IPPROTO_TCP, TCP_NODELAY, 0),
	[VALUE_TCP_MAXSEG] = NUMBER(IPPROTO_TCP, TCP_MAXSEG, 0, MSS_MAX, 0),
	[VALUE_TCP_CORK] = SWITCH(IPPROTO_TCP, TCP_CORK, 0),
	[VALUE_TCP_KEEPIDLE] =
		NUMBER(IPPROTO_TCP, TCP_KEEPIDLE, 1, MAX_KEEP, 7200),
	[VALUE_TCP_KEEPINTVL] =
		NUMBER(IPPROTO_TCP, TCP_KEEPINTVL, 1, MAX_KEEP, 75),
	[VALUE_TCP_KEEPCNT] = NUMBER(IPPROTO_TCP, TCP_KEEPCNT, 1, 127, 9),
	[VALUE_TCP_SYNCNT] = NUMBER(IPPROTO_TCP, TCP_SYNCNT, 1, 127, 6),
	[VALUE_TCP_LINGER2] =
		NUMBER(IPPROTO_TCP, TCP_LINGER2, ANY_MIN, ANY_MAX, 60),
	[VALUE_TCP_DEFER_ACCEPT] =
		NUMBER(IPPROTO_TCP, TCP_DEFER_ACCEPT, ANY_MIN, ANY_MAX, 0),
	[VALUE_TCP_WINDOW_CLAMP] =
		NUMBER(IPPROTO_TCP, TCP_WINDOW_CLAMP, ANY_MIN, ANY_MAX, 0),
	[VALUE_TCP_QUICKACK] = SWITCH(IPPROTO_TCP, TCP_QUICKACK, 1),
	[VALUE_TCP_THIN_LINEAR] =
		NUMBER(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 0),
	[VALUE_TCP_THIN_DUPACK] = NUMBER(IPPROTO_TCP, TCP_THIN_DUPACK, 0, 1, 0),
	[VALUE_TCP_USER_TIMEOUT] =
		NUMBER(IPPROTO_TCP, TCP_USER_TIMEOUT, 0, ANY_MAX, 0),
	[VALUE_TCP_FASTOPEN] = NUMBER(IPPROTO_TCP, TCP_FASTOPEN, 0, ANY_MAX, 0),
	[VALUE_TCP_NOTSENT_LOWAT] =
		NUMBER(IPPROTO_TCP, TCP_NOTSENT_LOWAT, ANY_MIN, ANY_MAX, 0),
	[VALUE_TCP_SAVE_SYN] = NUMBER(IPPROTO_TCP, TCP_SAVE_SYN, 0, 2, 0),
	[VALUE_TCP_FASTOPEN_CONNECT] =
		NUMBER(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1, 0),
	[VALUE_TCP_INQ] = NUMBER(IPPROTO_TCP, TCP_INQ, 0, 1, 0),
	[VALUE_UDP_CORK] = SWITCH(IPPROTO_UDP, UDP_CORK, 0),
};

s32 inet_value(const struct socket *s, enum inet_value value)
{
	return s->inet->set >> value & 1 ? s->inet->values[value] :
					   rows[value].initial;
}

bool inet_wants(const struct socket *s, enum inet_value value)
{
	return inet_value(s, value) != 0;
}

static void value_set(struct socket *s, u32 value, s32 n)
{
	s->inet->set |= 1ull << value;
	s->inet->values[value] = n;
}

void inet_inherit(struct socket *child, const struct socket *listener)
{
	struct inet *to = child->inet;
	const struct inet *from = listener->inet;

	child->options = listener->options;
	child->linger = listener->linger;
	child->priority = listener->priority;
	child->low = listener->low;
	child->send_timeout = listener->send_timeout;
	child->receive_timeout = listener->receive_timeout;
	child->send_buffer = listener->send_buffer;
	child->receive_buffer = listener->receive_buffer;
	child->send_fixed = listener->send_fixed;
	child->receive_fixed = listener->receive_fixed;
	memcpy(child->other, listener->other, sizeof(child->other));
	memcpy(to->values, from->values, sizeof(to->values));
	memcpy(to->congestion, from->congestion, sizeof(to->congestion));
	to->set = from->set;
	to->binding.v6only = from->binding.v6only;
	to->address_bound = from->address_bound;
}

/* Which row it is, or -ENOPROTOOPT. */
static long row_find(s32 level, s32 name)
{
	for (u32 i = 0; i < VALUE_COUNT; i++)
		if (rows[i].name == name && rows[i].level == level &&
		    i != VALUE_IP_MULTICAST_IF)
			return i;
	return -ENOPROTOOPT;
}

static long level_check(const struct socket *s, s32 level)
{
	if (level == s->protocol || level == IPPROTO_IP ||
	    (level == IPPROTO_IPV6 && s->domain == AF_INET6))
		return 0;
	return -ENOPROTOOPT;
}

/* ---- multicast ---- */

/* Of an IPv4 address or an index: whether the loopback is meant. */
static bool is_loopback(u32 address, s32 index)
{
	struct endpoint e = { .port = 0 };

	if (index)
		return index == LO_INDEX;
	endpoint_set_v4(&e, __builtin_bswap32(address));
	return !endpoint_is_any(&e) && endpoint_reach(&e) == REACH_LOCAL;
}

/* All three forms of the argument begin alike. */
static long group4_take(u64 user, s32 size, bool group_first,
			struct ip_mreqn *m)
{
	memset(m, 0, sizeof(*m));
	if (size >= (s32)sizeof(*m))
		return copy_from_user(m, user, sizeof(*m));
	if (size >= (s32)sizeof(struct ip_mreq))
		return copy_from_user(m, user, sizeof(struct ip_mreq));
	if (group_first || size < (s32)sizeof(m->imr_address))
		return -EINVAL;
	return copy_from_user(&m->imr_address, user, sizeof(m->imr_address));
}

static long multicast_if4(struct socket *s, u64 user, s32 size)
{
	struct ip_mreqn m;
	long r = group4_take(user, size, false, &m);

	if (r)
		return r;
	if (!m.imr_ifindex && !m.imr_address.s_addr) {
		value_set(s, VALUE_IP_MULTICAST_IF, 0);
		return 0;
	}
	if (!is_loopback(m.imr_address.s_addr, m.imr_ifindex))
		return -EADDRNOTAVAIL;
	value_set(s, VALUE_IP_MULTICAST_IF, 1);
	return 0;
}

static long group4(struct socket *s, u64 user, s32 size, bool join)
{
	struct endpoint group = { .port = 0 };
	struct ip_mreqn m;
	long r = group4_take(user, size, true, &m);

	if (r)
		return r;
	endpoint_set_v4(&group, __builtin_bswap32(m.imr_multiaddr.s_addr));
	if (endpoint_reach(&group) != REACH_GROUP)
		return join ? -EINVAL : -EADDRNOTAVAIL;
	if (!is_loopback(m.imr_address.s_addr, m.imr_ifindex))
		return -ENODEV;
	return join ? group_join(s, &group) : group_leave(s, &group);
}

static long group6(struct socket *s, u64 user, s32 size, bool join)
{
	struct endpoint group = { .port = 0 };
	struct ipv6_mreq m;

	if (size < (s32)sizeof(m))
		return -EINVAL;
	if (copy_from_user(&m, user, sizeof(m)))
		return -EFAULT;
	endpoint_set_v6(&group, m.ipv6mr_multiaddr.s6_addr);
	if (endpoint_is_v4(&group) || endpoint_reach(&group) != REACH_GROUP)
		return -EINVAL;
	if (m.ipv6mr_ifindex != LO_INDEX)
		return -ENODEV;
	return join ? group_join(s, &group) : group_leave(s, &group);
}

/* ---- set ---- */

static long v6only_set(struct socket *s, s32 value)
{
	if (s->inet->binding.link)
		return -EINVAL;
	s->inet->binding.v6only = value != 0;
	return 0;
}

/* Names of algorithms, of which there is one. */
static long congestion_set(struct socket *s, u64 user, s32 size)
{
	char name[sizeof(s->inet->congestion)] = { 0 };

	if (size < 1)
		return -EINVAL;
	if (copy_from_user(name, user, MIN((u64)size, sizeof(name) - 1)))
		return -EFAULT;
	if (strcmp(name, "cubic") && strcmp(name, "reno"))
		return -ENOENT;
	memcpy(s->inet->congestion, name, sizeof(name));
	return 0;
}

/* What is no number, or refused whatever its value; 1: neither. */
static long special_set(struct socket *s, s32 level, s32 name, u64 user,
			s32 size)
{
	bool datagram = s->udp != NULL;

	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return congestion_set(s, user, size);
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return -ENOENT;
	if (level == IPPROTO_TCP && name == TCP_REPAIR)
		return -EPERM;
	if (level == IPPROTO_IP && name == IP_TRANSPARENT)
		return -EPERM;
	if (level == IPPROTO_IP && name == IP_MULTICAST_IF)
		return datagram ? multicast_if4(s, user, size) : -EINVAL;
	if (level == IPPROTO_IP &&
	    (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		return datagram ? group4(s, user, size,
					 name == IP_ADD_MEMBERSHIP) :
				  -EPROTO;
	if (level == IPPROTO_IPV6 &&
	    (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		return datagram ? group6(s, user, size,
					 name == IPV6_ADD_MEMBERSHIP) :
				  -EPROTO;
	return 1;
}

/* Of IP an option may have one byte. */
static long number_take(s32 level, u64 user, s32 size, s32 *value)
{
	u8 byte;

	if (size >= (s32)sizeof(*value))
		return copy_from_user(value, user, sizeof(*value));
	if (level != IPPROTO_IP)
		return -EINVAL;
	*value = 0;
	if (!size)
		return 0;
	if (copy_from_user(&byte, user, sizeof(byte)))
		return -EFAULT;
	*value = byte;
	return 0;
}

/* How long it takes, in seconds, until as many retries have been made as are
 * needed for so many seconds. */
static s32 retries_last(s32 seconds)
{
	s32 sum = 0, next = 1;

	for (u32 n = 0; sum < seconds && n < 255; n++) {
		sum += next;
		next = MIN(next * 2, 120);
	}
	return sum;
}

/* Bounds that rows cannot say. */
static long number_check(const struct socket *s, u32 row, s32 *value)
{
	switch (row) {
	case VALUE_IPV6_TCLASS:
		*value &= s->tcp && *value > 0 ? 0xfc : -1;
		return 0;
	case VALUE_IPV6_MULTICAST_IF:
		if (s->tcp)
			return -ENOPROTOOPT;
		return *value && *value != LO_INDEX ? -ENODEV : 0;
	case VALUE_IP_TOS:
		*value &= s->tcp ? 0xfc : 0xff; /* TCP's own two bits */
		return 0;
	case VALUE_IP_TTL:
		return *value ? 0 : -EINVAL;
	case VALUE_IP_MULTICAST_TTL:
		return s->tcp ? -EINVAL : 0;
	case VALUE_TCP_MAXSEG:
		return *value && *value < MSS_MIN ? -EINVAL : 0;
	case VALUE_TCP_LINGER2:
		*value = *value < 0 ? -1 : MIN(*value ? *value : 60, 120);
		return 0;
	case VALUE_TCP_DEFER_ACCEPT:
		*value = retries_last(*value);
		return 0;
	case VALUE_TCP_FASTOPEN:
		*value = MIN(*value, SOMAXCONN);
		return s->tcp->state == STATE_CLOSE ||
				       s->tcp->state == STATE_LISTEN ?
			       0 :
			       -EINVAL;
	default:
		return 0;
	}
}

long inet_option_set(struct socket *s, s32 level, s32 name, u64 user, s32 size)
{
	s32 value;
	long row, r = level_check(s, level);

	if (!r)
		r = special_set(s, level, name, user, size);
	if (r <= 0)
		return r;
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		row = 0;
	else
		row = row_find(level, name);
	if (row < 0)
		return row;
	r = number_take(level, user, size, &value);
	if (r)
		return r;
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		return v6only_set(s, value);
	if (row == VALUE_IPV6_MULTICAST_HOPS && s->tcp)
		return -ENOPROTOOPT;
	if (value < rows[row].min || value > rows[row].max)
		return -EINVAL;
	if (rows[row].is_switch)
		value = value != 0;
	r = number_check(s, (u32)row, &value);
	if (r)
		return r;
	if (rows[row].min == -1 && value == -1)
		value = rows[row].initial;
	value_set(s, (u32)row, value);
	if (row == VALUE_UDP_CORK && !value)
		udp_uncork(s);
	return 0;
}

/* ---- get ---- */

static s32 max_segment(const struct socket *s)
{
	s32 wanted = inet_value(s, VALUE_TCP_MAXSEG);

	if (s->tcp->state == STATE_CLOSE || s->tcp->state == STATE_LISTEN)
		return wanted ? wanted : MSS_NONE;
	return wanted ? MIN(wanted, MSS) : MSS;
}

static u32 milliseconds_since(u64 then)
{
	return then ? (u32)((mono_now() - then) / 1000000) : 0;
}

static void info_fill(const struct socket *s, struct tcp_info *i)
{
	const struct tcp *t = s->tcp;

	i->tcpi_state = (u8)t->state;
	i->tcpi_options = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE;
	i->tcpi_snd_wscale = i->tcpi_rcv_wscale = 7;
	i->tcpi_rto = 201000;
	i->tcpi_ato = 40000;
	i->tcpi_snd_mss = (u32)max_segment(s);
	i->tcpi_rcv_mss = MSS_NONE;
	i->tcpi_unacked = s->listening ? s->pending_count : 0;
	i->tcpi_sacked = s->listening ? s->backlog : 0;
	i->tcpi_last_data_sent = milliseconds_since(t->last_sent);
	i->tcpi_last_data_recv = milliseconds_since(t->last_received);
	i->tcpi_pmtu = MTU_V4;
	i->tcpi_rcv_ssthresh = ADVERTISED;
	i->tcpi_snd_ssthresh = ANY_MAX;
	i->tcpi_snd_cwnd = 10;
	i->tcpi_advmss = ADVERTISED;
	i->tcpi_reordering = 3;
	i->tcpi_rcv_space = ADVERTISED;
	i->tcpi_pacing_rate = i->tcpi_max_pacing_rate = ~0ull;
	i->tcpi_bytes_acked = i->tcpi_bytes_sent = t->sent;
	i->tcpi_bytes_received = t->received;
	i->tcpi_segs_out = i->tcpi_data_segs_out = t->segments_sent;
	i->tcpi_segs_in = i->tcpi_data_segs_in = t->segments_received;
	i->tcpi_delivered = t->segments_sent;
	i->tcpi_snd_wnd = (u32)s->receive_buffer / 2;
}

static long congestion_get(const struct socket *s, char *name)
{
	const char *own = s->inet->congestion;

	memset(name, 0, sizeof(s->inet->congestion));
	ksnprintf(name, sizeof(s->inet->congestion), "%s",
		  own[0] ? own : "cubic");
	return sizeof(s->inet->congestion);
}

/* The size of a value that is no number; 0: it is one. */
static long special_get(struct socket *s, s32 level, s32 name, void *value)
{
	bool connected = inet_remote(s)->port;

	if (level == IPPROTO_TCP && name == TCP_INFO) {
		_Static_assert(sizeof(struct tcp_info) <= OPTION_MAX, "room");
		info_fill(s, value);
		return sizeof(struct tcp_info);
	}
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return congestion_get(s, value);
	if (level == IPPROTO_IP && name == IP_MULTICAST_IF) {
		u32 address = inet_wants(s, VALUE_IP_MULTICAST_IF) ?
				      __builtin_bswap32(LO_ADDRESS) :
				      0;

		memcpy(value, &address, sizeof(address));
		return sizeof(address);
	}
	if ((level == IPPROTO_IP && name == IP_MTU) ||
	    (level == IPPROTO_IPV6 && name == IPV6_MTU)) {
		*(s32 *)value = level == IPPROTO_IP ? MTU_V4 : LO_MTU;
		return connected ? (long)sizeof(s32) : -ENOTCONN;
	}
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
		*(s32 *)value = s->inet->binding.v6only;
		return sizeof(s32);
	}
	if (level == IPPROTO_TCP && name == TCP_MAXSEG) {
		*(s32 *)value = max_segment(s);
		return sizeof(s32);
	}
	return 0;
}

long inet_option_get(struct socket *s, s32 level, s32 name, u32 room,
		     void *value)
{
	s32 *number = value;
	long row, r = level_check(s, level);

	if (r)
		return s->domain == AF_INET ? -EOPNOTSUPP : r;
	r = special_get(s, level, name, value);
	if (r)
		return r;
	row = row_find(level, name);
	if (row < 0)
		return row;
	*number = inet_value(s, (enum inet_value)row);
	if (level == IPPROTO_IP && room && room < sizeof(*number) &&
	    *number >= 0 && *number <= 255) {
		*(u8 *)value = (u8)*number;
		return 1;
	}
	return sizeof(*number);
}
