/*
 * route.c: NETLINK_ROUTE, rtnetlink(7): the loopback interface, its addresses and
 * routes. Nothing of it can be changed: that takes CAP_NET_ADMIN.
 */
#include <linux/if_link.h>
#include <linux/in6.h>
#include <linux/rtnetlink.h>

#include "net/interface.h"
#include "net/netlink.h"

#define KIND(type) (((type)-RTM_BASE) & 3) /* new, delete, get, set */
#define KIND_GET 2
#define OPERSTATE_UNKNOWN 0
#define FOREVER_S ~0u

static const struct in6_addr lo6 = { .in6_u.u6_addr8 = { [15] = 1 } };

static void attribute_u32(struct packet *p, u16 type, u32 value)
{
	packet_attribute(p, type, &value, sizeof(value));
}

static void attribute_u8(struct packet *p, u16 type, u8 value)
{
	packet_attribute(p, type, &value, sizeof(value));
}

static void attribute_string(struct packet *p, u16 type, const char *value)
{
	packet_attribute(p, type, value, (u32)strlen(value) + 1);
}

/* ---- links ---- */

static void add_link(struct packet *p, u16 flags)
{
	static const struct rtnl_link_stats64 counts;
	static const struct rtnl_link_stats counts32;
	static const u8 hardware[6];
	struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC,
		.ifi_type = ARPHRD_LOOPBACK,
		.ifi_index = LO_INDEX,
		.ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP,
	};

	packet_message(p, RTM_NEWLINK, flags);
	packet_add(p, &i, sizeof(i));
	attribute_string(p, IFLA_IFNAME, LO_NAME);
	attribute_u32(p, IFLA_TXQLEN, LO_QUEUE);
	attribute_u8(p, IFLA_OPERSTATE, OPERSTATE_UNKNOWN);
	attribute_u8(p, IFLA_LINKMODE, 0);
	attribute_u32(p, IFLA_MTU, LO_MTU);
	attribute_u32(p, IFLA_GROUP, 0);
	attribute_u32(p, IFLA_PROMISCUITY, 0);
	attribute_u32(p, IFLA_NUM_TX_QUEUES, 1);
	attribute_u32(p, IFLA_NUM_RX_QUEUES, 1);
	attribute_u8(p, IFLA_CARRIER, 1);
	attribute_string(p, IFLA_QDISC, "noqueue");
	packet_attribute(p, IFLA_ADDRESS, hardware, sizeof(hardware));
	packet_attribute(p, IFLA_BROADCAST, hardware, sizeof(hardware));
	packet_attribute(p, IFLA_STATS64, &counts, sizeof(counts));
	packet_attribute(p, IFLA_STATS, &counts32, sizeof(counts32));
}

static long get_link(struct packet *p, const struct nlmsghdr *request)
{
	const struct ifinfomsg *i = NLMSG_DATA(request);

	if (request->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) || !i->ifi_index)
		return -EINVAL;
	if (i->ifi_index != LO_INDEX)
		return -ENODEV;
	add_link(p, 0);
	return 0;
}

/* ---- addresses ---- */

static void add_address(struct packet *p, u8 family)
{
	struct ifaddrmsg i = {
		.ifa_family = family,
		.ifa_prefixlen = family == AF_INET ? LO_PREFIX : 128,
		.ifa_flags = IFA_F_PERMANENT,
		.ifa_scope = RT_SCOPE_HOST,
		.ifa_index = LO_INDEX,
	};
	struct ifa_cacheinfo times = { .ifa_prefered = FOREVER_S,
				       .ifa_valid = FOREVER_S };
	u32 v4 = __builtin_bswap32(LO_ADDRESS);

	packet_message(p, RTM_NEWADDR, NLM_F_MULTI);
	packet_add(p, &i, sizeof(i));
	if (family == AF_INET) {
		packet_attribute(p, IFA_ADDRESS, &v4, sizeof(v4));
		packet_attribute(p, IFA_LOCAL, &v4, sizeof(v4));
		attribute_string(p, IFA_LABEL, LO_NAME);
	} else {
		packet_attribute(p, IFA_ADDRESS, &lo6, sizeof(lo6));
	}
	attribute_u32(p, IFA_FLAGS, IFA_F_PERMANENT);
	packet_attribute(p, IFA_CACHEINFO, &times, sizeof(times));
}

/* ---- routes ---- */

static void add_route(struct packet *p, struct rtmsg *r, const void *to,
		      const void *from)
{
	u32 size = r->rtm_family == AF_INET ? 4 : sizeof(lo6);

	r->rtm_protocol = RTPROT_KERNEL;
	packet_message(p, RTM_NEWROUTE, NLM_F_MULTI);
	packet_add(p, r, sizeof(*r));
	attribute_u32(p, RTA_TABLE, r->rtm_table);
	packet_attribute(p, RTA_DST, to, size);
	if (from)
		packet_attribute(p, RTA_PREFSRC, from, size);
	attribute_u32(p, RTA_OIF, LO_INDEX);
}

static void add_route4(struct packet *p, u32 to, u8 size, u8 type, u8 scope)
{
	struct rtmsg r = { .rtm_family = AF_INET,
			   .rtm_dst_len = size,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_scope = scope,
			   .rtm_type = type };
	u32 from = __builtin_bswap32(LO_ADDRESS);

	to = __builtin_bswap32(to);
	add_route(p, &r, &to, &from);
}

static void add_routes4(struct packet *p)
{
	const u32 net = LO_ADDRESS & (~0u << (32 - LO_PREFIX));

	add_route4(p, net, LO_PREFIX, RTN_LOCAL, RT_SCOPE_HOST);
	add_route4(p, LO_ADDRESS, 32, RTN_LOCAL, RT_SCOPE_HOST);
	add_route4(p, net | ~0u >> LO_PREFIX, 32, RTN_BROADCAST, RT_SCOPE_LINK);
}

static void add_routes6(struct packet *p)
{
	struct rtmsg r = { .rtm_family = AF_INET6,
			   .rtm_dst_len = 128,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_type = RTN_UNICAST };

	add_route(p, &r, &lo6, NULL);
	r.rtm_table = RT_TABLE_LOCAL;
	r.rtm_type = RTN_LOCAL;
	add_route(p, &r, &lo6, NULL);
}

/* ---- requests ---- */

static bool wanted(u8 asked, u8 family)
{
	return asked == AF_UNSPEC || asked == family;
}

static long dump_all(struct packet *p, u16 type, u8 family)
{
	switch (type) {
	case RTM_GETLINK:
		add_link(p, NLM_F_MULTI);
		return 0;
	case RTM_GETADDR:
		if (wanted(family, AF_INET))
			add_address(p, AF_INET);
		if (wanted(family, AF_INET6))
			add_address(p, AF_INET6);
		return 0;
	case RTM_GETROUTE:
		if (wanted(family, AF_INET))
			add_routes4(p);
		if (wanted(family, AF_INET6))
			add_routes6(p);
		return 0;
	case RTM_GETNEIGH:
		return 0; /* the loopback has none */
	default:
		return -EOPNOTSUPP;
	}
}

long route_answer(struct packet *p, const struct nlmsghdr *request, bool dump)
{
	const struct rtgenmsg *g = NLMSG_DATA(request);
	u16 type = request->nlmsg_type;

	if (type > RTM_MAX)
		return -EOPNOTSUPP;
	if (KIND(type) != KIND_GET)
		return -EPERM;
	if (dump)
		return dump_all(p, type, g->rtgen_family);
	return type == RTM_GETLINK ? get_link(p, request) : -EOPNOTSUPP;
}
