/* interface.c: what ioctl says of the loopback interface: netdevice(7). */
#include "net/interface.h"

#include <linux/in.h>
#include <linux/sockios.h>

#include "mm/user.h"

#define NETMASK (~0u << (32 - LO_PREFIX))

#define HEADERS 66 /* bytes of a packet that are no data */

u64 interface_bytes, interface_packets;

void interface_count(u64 bytes)
{
	interface_bytes += bytes + HEADERS;
	interface_packets++;
}

struct interface_request { /* struct ifreq of the ABI */
	char name[16];
	union {
		struct {
			u16 family;
			u8 bytes[14];
		} hardware;
		struct sockaddr_in in;
		u16 flags;
		s32 value;
		u8 bytes[24];
	};
};

struct interface_list { /* struct ifconf */
	s32 size;
	u64 address;
};

static void address_fill(struct interface_request *r, u32 address)
{
	memset(&r->in, 0, sizeof(r->in));
	r->in.sin_family = AF_INET;
	r->in.sin_addr.s_addr = __builtin_bswap32(address);
}

/* The interfaces that have an IPv4 address, as many as there is room for. */
static long list(u64 arg)
{
	struct interface_request r = { .name = LO_NAME };
	struct interface_list l;

	if (copy_from_user(&l, arg, sizeof(l)))
		return -EFAULT;
	address_fill(&r, LO_ADDRESS);
	if (l.address && l.size < (s32)sizeof(r))
		l.size = 0;
	else if (l.address && copy_to_user(l.address, &r, sizeof(r)))
		return -EFAULT;
	else
		l.size = sizeof(r);
	return copy_to_user(arg, &l, sizeof(l));
}

static long link_answer(struct interface_request *r, u32 command)
{
	switch (command) {
	case SIOCGIFFLAGS:
		r->flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
		return 0;
	case SIOCGIFINDEX:
		r->value = LO_INDEX;
		return 0;
	case SIOCGIFMTU:
		r->value = LO_MTU;
		return 0;
	case SIOCGIFTXQLEN:
		r->value = LO_QUEUE;
		return 0;
	case SIOCGIFMETRIC:
		r->value = 0;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->hardware, 0, sizeof(r->hardware));
		r->hardware.family = ARPHRD_LOOPBACK;
		return 0;
	case SIOCGIFMAP:
		memset(r->bytes, 0, sizeof(r->bytes));
		return 0;
	default:
		return -ENOTTY;
	}
}

static long address_answer(struct interface_request *r, u32 command)
{
	switch (command) {
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		address_fill(r, LO_ADDRESS);
		return 0;
	case SIOCGIFBRDADDR:
		address_fill(r, 0);
		return 0;
	case SIOCGIFNETMASK:
		address_fill(r, NETMASK);
		return 0;
	default:
		return -ENOTTY;
	}
}

/* What takes CAP_NET_ADMIN, whatever the interface. */
static bool changes(const struct socket *s, u32 command)
{
	switch (command) {
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
	case SIOCSIFMETRIC:
	case SIOCSIFNAME:
	case SIOCSIFHWADDR:
	case SIOCSIFTXQLEN:
	case SIOCSIFSLAVE:
	case SIOCSIFMAP:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
		return true;
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCSIFADDR:
		return s->domain == AF_INET || s->domain == AF_INET6;
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
		return s->domain == AF_INET;
	default:
		return false;
	}
}

/* ethtool knows nothing of a loopback. */
static long ethtool(struct interface_request *r)
{
	r->name[sizeof(r->name) - 1] = 0;
	return strcmp(r->name, LO_NAME) ? -ENODEV : -EOPNOTSUPP;
}

long interface_ioctl(const struct socket *s, u64 command64, u64 arg)
{
	u32 command = (u32)command64;
	struct interface_request r;
	long result = -ENOTTY;

	if (command == SIOCGIFCONF)
		return list(arg);
	if (changes(s, command))
		return -EPERM;
	if (command != SIOCETHTOOL &&
	    (command < SIOCGIFNAME || command > SIOCGIFMAP))
		return -ENOTTY;
	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (command == SIOCETHTOOL)
		return ethtool(&r);
	if (command == SIOCGIFNAME) {
		if (r.value != LO_INDEX)
			return -ENODEV;
		memcpy(r.name, LO_NAME, sizeof(LO_NAME));
		return copy_to_user(arg, &r, sizeof(r));
	}
	r.name[sizeof(r.name) - 1] = 0;
	if (s->domain == AF_INET)
		result = address_answer(&r, command);
	if (result == -ENOTTY)
		result = link_answer(&r, command);
	if (result)
		return result;
	if (strcmp(r.name, LO_NAME))
		return -ENODEV;
	return copy_to_user(arg, &r, sizeof(r));
}
