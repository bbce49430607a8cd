/* endpoint.c: addresses of IPv4 and IPv6, and which of them are this host's. */
#include "net/endpoint.h"

#include <linux/in.h>
#include <linux/in6.h>

#include "net/interface.h"
#include "net/socket.h"

#define V6_MIN 24 /* without sin6_scope_id, RFC 2133 */
#define V4_MAPPED __builtin_bswap32(0xffff)

bool endpoint_is_v4(const struct endpoint *e)
{
	return !e->halves[0] && e->words[2] == V4_MAPPED;
}

u32 endpoint_v4(const struct endpoint *e)
{
	return __builtin_bswap32(e->words[3]);
}

bool endpoint_is_any(const struct endpoint *e)
{
	return !e->halves[0] && !e->words[3] &&
	       (!e->words[2] || e->words[2] == V4_MAPPED);
}

bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_same_address(a, b);
}

void endpoint_set_v4(struct endpoint *e, u32 address)
{
	e->halves[0] = 0;
	e->words[2] = V4_MAPPED;
	e->words[3] = __builtin_bswap32(address);
}

void endpoint_set_v6(struct endpoint *e, const u8 *bytes)
{
	memcpy(e->bytes, bytes, sizeof(e->bytes));
}

void endpoint_set_any(struct endpoint *e, s32 domain)
{
	e->halves[0] = e->halves[1] = 0;
	if (domain == AF_INET)
		e->words[2] = V4_MAPPED;
}

void endpoint_set_loopback(struct endpoint *e, bool v4)
{
	if (v4) {
		endpoint_set_v4(e, LO_ADDRESS);
		return;
	}
	e->halves[0] = e->halves[1] = 0;
	e->bytes[15] = 1;
}

static enum reach reach_v4(u32 address)
{
	if (!address)
		return REACH_LOCAL;
	if (address >> (32 - LO_PREFIX) == LO_ADDRESS >> (32 - LO_PREFIX))
		return address << LO_PREFIX == ~0u << LO_PREFIX ?
			       REACH_BROADCAST :
			       REACH_LOCAL;
	return address >> 28 == 14 ? REACH_GROUP : REACH_NONE;
}

enum reach endpoint_reach(const struct endpoint *e)
{
	if (endpoint_is_v4(e))
		return reach_v4(endpoint_v4(e));
	if (!e->halves[0] && !e->words[2] &&
	    __builtin_bswap32(e->words[3]) <= 1)
		return REACH_LOCAL;
	if (e->bytes[0] == 0xff)
		return REACH_GROUP;
	if (e->bytes[0] == 0xfe && (e->bytes[1] & 0xc0) == 0x80)
		return REACH_SCOPED;
	return REACH_NONE;
}

/* ---- as programs have them ---- */

static void take_v4(struct endpoint *e, const struct sockaddr_in *in)
{
	endpoint_set_v4(e, __builtin_bswap32(in->sin_addr.s_addr));
	e->port = __builtin_bswap16(in->sin_port);
}

long endpoint_take(struct endpoint *e, s32 domain, const struct address *a)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a->bytes;
	u32 min = domain == AF_INET ? sizeof(struct sockaddr_in) : V6_MIN;

	if (a->size < min)
		return -EINVAL;
	if (a->family != domain)
		return -EAFNOSUPPORT;
	if (domain == AF_INET) {
		take_v4(e, (const struct sockaddr_in *)a->bytes);
		return 0;
	}
	endpoint_set_v6(e, in6->sin6_addr.s6_addr);
	e->port = __builtin_bswap16(in6->sin6_port);
	return 0;
}

void endpoint_put(const struct endpoint *e, s32 domain, struct address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a->bytes;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a->bytes;

	memset(a, 0, sizeof(*a));
	a->family = (u16)domain;
	in->sin_port = __builtin_bswap16(e->port); /* both have it there */
	if (domain == AF_INET) {
		a->size = sizeof(*in);
		in->sin_addr.s_addr = e->words[3];
		return;
	}
	a->size = sizeof(*in6);
	memcpy(in6->sin6_addr.s6_addr, e->bytes, sizeof(e->bytes));
}
