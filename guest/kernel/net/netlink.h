/* netlink.h: netlink(7) messages: route.c makes them, netlink.c carries them. */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include <linux/netlink.h>

#include "net/socket.h"

#define PACKET_ROOM 4096

/* What one receive gets: messages one after the other. */
struct packet {
	struct message *m;
	u32 port, sequence;  /* of the request */
	struct nlmsghdr *at; /* the message that is being made */
};

/* Begins a message; what it ends with belongs to it until the next begins. */
void packet_message(struct packet *p, u16 type, u16 flags);
void packet_add(struct packet *p, const void *data, u32 size);
void packet_attribute(struct packet *p, u16 type, const void *data, u32 size);

/* Adds the answer to a request of NETLINK_ROUTE (route.c): 0 or -errno. A dump
 * asks for all. */
long route_answer(struct packet *p, const struct nlmsghdr *request, bool dump);

#endif
