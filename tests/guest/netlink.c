/* netlink.c: what NETLINK_ROUTE and ioctl say of the loopback, and what they refuse. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

struct request {
	struct nlmsghdr h;
	union {
		struct rtgenmsg g;
		struct ifinfomsg i;
		char bytes[64];
	};
};

static int fd;
static char answer[65536];

static void drop_capability(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct data[2];

	if (RAW(capget, &header, data))
		return;
	data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective &=
		~CAP_TO_MASK(CAP_NET_ADMIN);
	SHOW(RAW(capset, &header, data));
}

static long ask(int type, int flags, int family, int index)
{
	struct request r = {
		.h = { sizeof(r.h) + sizeof(r.i), (unsigned short)type,
		       (unsigned short)(NLM_F_REQUEST | flags), 7, 0 },
		.i = { .ifi_family = (unsigned char)family, .ifi_index = index }
	};

	return send(fd, &r, r.h.nlmsg_len, 0);
}

/* What has come of interest: messages of the loopback, errors, the end. */
static int show_messages(long size)
{
	int more = 0;

	for (struct nlmsghdr *h = (struct nlmsghdr *)answer; NLMSG_OK(h, size);
	     h = NLMSG_NEXT(h, size)) {
		struct ifinfomsg *i = NLMSG_DATA(h);
		struct ifaddrmsg *a = NLMSG_DATA(h);
		struct nlmsgerr *e = NLMSG_DATA(h);

		more |= h->nlmsg_flags & NLM_F_MULTI &&
			h->nlmsg_type != NLMSG_DONE;
		if (h->nlmsg_seq != 7)
			puts("wrong sequence");
		if (h->nlmsg_type == NLMSG_DONE)
			puts("done");
		else if (h->nlmsg_type == NLMSG_ERROR)
			printf("error %d, of type %d\n", e->error,
			       e->msg.nlmsg_type);
		else if (h->nlmsg_type == RTM_NEWLINK && i->ifi_index == 1)
			printf("link: type %d, flags %x\n", i->ifi_type,
			       i->ifi_flags);
		else if (h->nlmsg_type == RTM_NEWADDR && a->ifa_index == 1)
			printf("address: family %d, prefix %d, scope %d, flags "
			       "%x\n",
			       a->ifa_family, a->ifa_prefixlen, a->ifa_scope,
			       a->ifa_flags);
	}
	return more;
}

static void receive(void)
{
	long size;

	do {
		size = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (size < 0) {
			SHOW(size);
			return;
		}
	} while (show_messages(size));
}

static void names(void)
{
	struct sockaddr_nl n = { .nl_family = AF_NETLINK },
			   wrong = { .nl_family = AF_INET },
			   other = { .nl_family = AF_NETLINK };
	socklen_t size = sizeof(n);
	int second;

	SHOW(bind(fd, (struct sockaddr *)&wrong, sizeof(wrong)));
	SHOW(bind(fd, (struct sockaddr *)&n, 8));
	SHOW(bind(fd, (struct sockaddr *)&n, sizeof(n)));
	SHOW(getsockname(fd, (struct sockaddr *)&n, &size));
	printf("size %d, family %d, own %d\n", size, n.nl_family,
	       n.nl_pid == (unsigned)getpid());
	SHOW((second = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE)) >= 0);
	SHOW(bind(second, (struct sockaddr *)&n, sizeof(n)));
	other.nl_pid = 12345;
	SHOW(bind(fd, (struct sockaddr *)&other, sizeof(other)));
	SHOW(bind(second, (struct sockaddr *)&other, sizeof(other)));
	SHOW(getpeername(second, (struct sockaddr *)&n, &size));
	printf("size %d, family %d, pid %d\n", size, n.nl_family, n.nl_pid);
	SHOW(listen(second, 1));
	SHOW(accept(second, NULL, NULL));
	SHOW(shutdown(second, SHUT_RD));
	close(second);
	SHOW(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
	SHOW(socket(AF_NETLINK, SOCK_RAW, 31));
	SHOW(socketpair(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, (int[2]){ 0 }));
}

static void requests(void)
{
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	struct sockaddr_nl from;
	socklen_t size = sizeof(from);
	char small[4];

	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	SHOW(recv(fd, answer, sizeof(answer), MSG_DONTWAIT));
	SHOW(ask(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 0));
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	receive();
	SHOW(ask(RTM_GETADDR, NLM_F_DUMP, AF_INET, 0));
	receive();
	SHOW(ask(RTM_GETLINK, 0, AF_UNSPEC, 1));
	SHOW(recvfrom(fd, small, sizeof(small), MSG_PEEK,
		      (struct sockaddr *)&from, &size));
	printf("size %d, family %d, pid %d\n", size, from.nl_family,
	       from.nl_pid);
	SHOW(recv(fd, small, sizeof(small), MSG_PEEK | MSG_TRUNC) > 300);
	receive();
	SHOW(ask(RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, 1));
	receive();
	receive();
	SHOW(ask(RTM_GETLINK, 0, AF_UNSPEC, 99999));
	receive();
	SHOW(ask(RTM_GETLINK, 0, AF_UNSPEC, 0));
	receive();
	SHOW(ask(RTM_NEWADDR, 0, AF_INET, 1));
	receive();
	SHOW(ask(RTM_DELLINK, NLM_F_ACK, AF_UNSPEC, 1));
	receive();
	SHOW(ask(NLMSG_NOOP, NLM_F_ACK, AF_UNSPEC, 1));
	receive();
	SHOW(send(fd, small, sizeof(small), 0));
	receive();
	from.nl_pid = 54321;
	SHOW(sendto(fd, small, sizeof(small), 0, (struct sockaddr *)&from,
		    sizeof(from)));
	SHOW(sendto(fd, small, sizeof(small), 0, (struct sockaddr *)&from, 4));
}

static void library(void)
{
	struct ifaddrs *all;
	char text[64];

	SHOW(getifaddrs(&all));
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") ||
		    i->ifa_addr->sa_family == AF_INET6)
			continue;
		printf("%s: family %d, flags %x", i->ifa_name,
		       i->ifa_addr->sa_family, i->ifa_flags);
		if (i->ifa_addr->sa_family == AF_INET)
			printf(", %s",
			       inet_ntop(AF_INET,
					 &((struct sockaddr_in *)i->ifa_addr)
						  ->sin_addr,
					 text, sizeof(text)));
		else
			printf(", type %d",
			       ((struct sockaddr_ll *)i->ifa_addr)->sll_hatype);
		puts("");
	}
	freeifaddrs(all);
	SHOW(if_nametoindex("lo"));
	SHOW(strcmp(if_indextoname(1, text), "lo"));
	SHOW(if_nametoindex("none"));
	for (struct if_nameindex *n = if_nameindex(); n && n->if_index; n++)
		if (n->if_index == 1)
			puts(n->if_name);
}

static void ioctls(void)
{
	struct ifreq r = { .ifr_name = "lo" }, list[16];
	struct ifconf c = { .ifc_len = sizeof(list), .ifc_req = list };
	int s = socket(AF_INET, SOCK_DGRAM, 0), n;

	SHOW(ioctl(s, SIOCGIFFLAGS, &r));
	SHOW(r.ifr_flags);
	SHOW(ioctl(s, SIOCGIFMTU, &r));
	SHOW(r.ifr_mtu);
	SHOW(ioctl(s, SIOCGIFHWADDR, &r));
	SHOW(r.ifr_hwaddr.sa_family);
	SHOW(ioctl(s, SIOCGIFADDR, &r));
	SHOW(ntohl(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr));
	SHOW(ioctl(s, SIOCGIFNETMASK, &r));
	SHOW(ntohl(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr));
	SHOW(ioctl(s, SIOCGIFCONF, &c));
	puts(list[0].ifr_name);
	c.ifc_len = 8;
	SHOW(ioctl(s, SIOCGIFCONF, &c));
	SHOW(c.ifc_len);
	strcpy(r.ifr_name, "none");
	SHOW(ioctl(s, SIOCGIFFLAGS, &r));
	SHOW(ioctl(s, SIOCGIFFLAGS, NULL));
	r.ifr_ifindex = 99999;
	SHOW(ioctl(s, SIOCGIFNAME, &r));
	SHOW(ioctl(s, 0x1234, NULL));
	strcpy(r.ifr_name, "lo");
	c.ifc_len = 1; /* ETHTOOL_GSET */
	r.ifr_data = (void *)&c;
	SHOW(ioctl(s, SIOCETHTOOL, &r));
	SHOW(ioctl(s, SIOCSIFFLAGS, &r));
	SHOW(ioctl(s, SIOCSIFADDR, &r));
	SHOW(ioctl(s, SIOCADDRT, &r));
	strcpy(r.ifr_name, "no");
	SHOW(ioctl(s, SIOCETHTOOL, &r));
	n = getpid();
	SHOW(ioctl(s, SIOCSPGRP, &n));
	n = 0;
	SHOW(ioctl(s, FIOGETOWN, &n));
	printf("the owner: %d\n", n == getpid());
	n = 1;
	SHOW(ioctl(socket(AF_UNIX, SOCK_STREAM, 0), TIOCOUTQ, &n));
	printf("%d queued\n", n);
}

int main(void)
{
	setbuf(stdout, NULL);
	drop_capability();
	SHOW((fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_ROUTE)) >= 0);
	names();
	requests();
	library();
	ioctls();
	return 0;
}
