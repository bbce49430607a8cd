/*
 * endpoint.h: an address and a port, of IPv4 or IPv6. An IPv4 address is kept as
 * IPv6 maps it (::ffff:a.b.c.d), so that sockets of both families meet.
 */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include "kernel.h"

struct address; /* socket.h */

struct endpoint {
	union {
		u8 bytes[16];
		u32 words[4]; /* in network order */
		u64 halves[2];
	};
	u16 port;
};

enum reach {
	REACH_LOCAL,     /* an address of the loopback, or "any" */
	REACH_BROADCAST, /* all on the loopback's network */
	REACH_GROUP,     /* multicast */
	REACH_SCOPED,    /* needs an interface, and none is named */
	REACH_NONE,
};

/* From an address of the program's, for a socket of this domain: 0, -EINVAL,
 * -EAFNOSUPPORT. */
long endpoint_take(struct endpoint *e, s32 domain, const struct address *a);
void endpoint_put(const struct endpoint *e, s32 domain, struct address *a);

bool endpoint_is_v4(const struct endpoint *e);
u32 endpoint_v4(const struct endpoint *e); /* its IPv4 address, as a number */
bool endpoint_is_any(const struct endpoint *e);
bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);
enum reach endpoint_reach(const struct endpoint *e);

/* These keep the port. */
void endpoint_set_v4(struct endpoint *e, u32 address);
void endpoint_set_v6(struct endpoint *e, const u8 *bytes);
void endpoint_set_any(struct endpoint *e, s32 domain);
void endpoint_set_loopback(struct endpoint *e, bool v4);

#endif
