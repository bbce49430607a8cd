/* udp.c: datagrams over the loopback. */
#include "net.h"

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static int udp(const char *text)
{
	int fd = socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

	if (bind_to(fd, text, 0))
		printf("not bound to %s\n", text);
	return fd;
}

static long send_to(int fd, const char *text, const char *address, int port)
{
	union name n = name_of(address, port);

	return sendto(fd, text, strlen(text), 0, &n.any, name_size(&n));
}

static int closed_port(void)
{
	int fd = udp("127.0.0.1"), port = port_of(fd);

	close(fd);
	return port;
}

static void show_from(int fd)
{
	char text[64];
	union name n;
	socklen_t size = sizeof(n);
	ssize_t r = recvfrom(fd, text, sizeof(text), 0, &n.any, &size);

	if (r < 0)
		printf("received: %s\n", strerrorname_np(errno));
	else
		printf("received %.*s from %s, %u bytes\n", (int)r, text,
		       text_of(&n), size);
}

static void basics(void)
{
	int r = udp("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0), n;
	char text[64];

	show_name("new", s);
	show_poll("new", s);
	SHOW(send(s, "x", 1, 0));
	SHOW(send_to(s, "hello", "127.0.0.1", port_of(r)));
	show_name("bound by sending", s);
	show_poll("readable", r);
	SHOW(ioctl(r, FIONREAD, &n));
	printf("%d bytes\n", n);
	SHOW(recv(r, text, 3, MSG_PEEK));
	SHOW(recv(r, text, 3, MSG_TRUNC | MSG_PEEK));
	show_from(r);
	SHOW(send_to(s, "", "127.0.0.1", port_of(r)));
	show_poll("an empty one", r);
	SHOW(recv(r, text, 3, 0));
	SHOW(recv(r, text, 3, MSG_DONTWAIT));
	SHOW(send_to(s, "to any", "0.0.0.0", port_of(r)));
	show_from(r);
	SHOW(send_to(s, "no port", "127.0.0.1", 0));
	SHOW(listen(s, 1));
	SHOW(accept(s, NULL, NULL));
	SHOW(recv(s, text, 1, MSG_OOB | MSG_DONTWAIT));
	SHOW(send(s, text, 1, MSG_OOB));
	SHOW(bind_to(s, "127.0.0.1", 0));
	SHOW(ioctl(s, TIOCOUTQ, &n));
	close(r);
	close(s);
}

static void sizes(void)
{
	static char big[65536];
	int r = udp("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0);
	int r6 = udp("::1"), s6 = socket(AF_INET6, SOCK_DGRAM, 0), n = 0;
	union name to = name_of("127.0.0.1", port_of(r)),
		   to6 = name_of("::1", port_of(r6));

	SHOW(sendto(s, big, 65508, 0, &to.any, sizeof(to.four)));
	SHOW(sendto(s, big, 65507, 0, &to.any, sizeof(to.four)));
	SHOW(recv(r, big, sizeof(big), 0));
	SHOW(sendto(s6, big, 65528, 0, &to6.any, sizeof(to6.six)));
	SHOW(sendto(s6, big, 65527, 0, &to6.any, sizeof(to6.six)));
	SHOW(recv(r6, big, sizeof(big), 0));
	SHOW(sendto(s, big, 9, 0, &to.any, 3));
	SHOW(sendto(s6, big, 9, 0, &to.any, sizeof(to.four)));
	SHOW(sendto(s, big, 9, 0, &to6.any, sizeof(to6.six)));
	/* what finds no room is lost */
	for (int i = 0; i < 1000; i++)
		n += sendto(s, big, 1000, 0, &to.any, sizeof(to.four)) == 1000;
	printf("%d sent\n", n);
	for (n = 0; recv(r, big, 1, MSG_DONTWAIT) == 1; n++)
		;
	printf("some of them, not all: %d\n", n > 50 && n < 250);
	close(r);
	close(s);
	close(r6);
	close(s6);
}

static void connected(void)
{
	int r = udp("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0),
	    other = udp("127.0.0.1");
	char text[64];

	SHOW(connect_to(s, "127.0.0.1", port_of(r)));
	show_name("connected", s);
	SHOW(send(s, "one", 3, 0));
	show_from(r);
	SHOW(send_to(s, "elsewhere", "127.0.0.1", port_of(other)));
	show_from(other);
	SHOW(send_to(other, "not a peer", "127.0.0.1", port_of(s)));
	SHOW(recv(s, text, sizeof(text), MSG_DONTWAIT));
	SHOW(send_to(r, "peer", "127.0.0.1", port_of(s)));
	show_from(s);
	SHOW(connect_to(s, "127.0.0.1", port_of(other)));
	SHOW(disconnect(s));
	show_name("disconnected", s);
	SHOW(connect_to(s, "127.0.0.1", closed_port()));
	SHOW(send(s, "x", 1, 0));
	settle(s, 0);
	show_poll("refused", s);
	SHOW(send(s, "y", 1, 0));
	show_poll("told", s);
	SHOW(send(s, "z", 1, 0));
	settle(s, 0);
	SHOW(number(s, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
	SHOW(send(s, "z", 1, 0));
	settle(s, 0);
	SHOW(recv(s, text, 1, 0));
	SHOW(recv(s, text, 1, MSG_DONTWAIT));
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	SHOW(send_to(s, "nobody", "127.0.0.1", closed_port()));
	SHOW(send_to(s, "nobody", "127.0.0.1", closed_port()));
	close(s);
	close(r);
	close(other);
}

static void shut(void)
{
	int r = udp("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0);
	char c;

	SHOW(shutdown(s, SHUT_RDWR));
	show_poll("shut", s);
	SHOW(recv(s, &c, 1, 0));
	SHOW(recv(s, &c, 1, MSG_DONTWAIT));
	SHOW(send_to(s, "x", "127.0.0.1", port_of(r)));
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	connect_to(s, "127.0.0.1", port_of(r));
	SHOW(shutdown(s, SHUT_WR));
	SHOW(send(s, "x", 1, 0));
	SHOW(shutdown(s, SHUT_RD));
	show_poll("shut", s);
	SHOW(recv(s, &c, 1, 0));
	close(s);
	close(r);
}

static void nowhere(void)
{
	static const char *const four[] = { "192.0.2.1", "127.255.255.255",
					    "255.255.255.255", "224.0.0.1",
					    "240.0.0.1" };
	static const char *const six[] = { "2001:db8::1", "fe80::1", "ff02::1",
					   "::2", "::ffff:10.0.0.1" };
	int s = socket(AF_INET, SOCK_DGRAM, 0),
	    s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	for (int i = 0; i < 5; i++) {
		printf("%s ", four[i]);
		SHOW(send_to(s, "x", four[i], 9));
		SHOW(connect_to(s, four[i], 9));
	}
	for (int i = 0; i < 5; i++) {
		printf("%s ", six[i]);
		SHOW(send_to(s6, "x", six[i], 9));
		SHOW(connect_to(s6, six[i], 9));
	}
	SHOW(set(s, SOL_SOCKET, SO_BROADCAST, 1));
	SHOW(send_to(s, "x", "127.255.255.255", closed_port()));
	SHOW(send_to(s, "x", "255.255.255.255", 9));
	close(s);
	close(s6);
}

static void dual(void)
{
	int r = udp("::"), s = socket(AF_INET, SOCK_DGRAM, 0);

	SHOW(send_to(s, "four", "127.0.0.1", port_of(r)));
	show_from(r);
	SHOW(send_to(r, "back", "::ffff:127.0.0.1", port_of(s)));
	show_from(s);
	SHOW(send_to(r, "itself", "::1", port_of(r)));
	show_from(r);
	close(r);
	r = socket(AF_INET6, SOCK_DGRAM, 0);
	set(r, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	SHOW(bind_to(r, "::", 0));
	SHOW(connect_to(s, "127.0.0.1", port_of(r)));
	SHOW(send(s, "x", 1, 0));
	settle(s, 0);
	SHOW(send(s, "x", 1, 0));
	SHOW(send_to(r, "x", "::ffff:127.0.0.1", 9));
	close(r);
	close(s);
}

/* One message with all control messages, by name. */
static void show_control(int fd, int flags)
{
	char text[64], control[512];
	union name n = { 0 };
	struct iovec v = { text, sizeof(text) };
	struct msghdr m = { .msg_name = &n,
			    .msg_namelen = sizeof(n),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t r = recvmsg(fd, &m, flags);

	if (r < 0) {
		printf("no message: %s\n", strerrorname_np(errno));
		return;
	}
	printf("message %.*s, flags %#x, %s\n", (int)r, text, m.msg_flags,
	       text_of(&n));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		void *data = CMSG_DATA(c);

		printf("  level %d type %d, %zu bytes:", c->cmsg_level,
		       c->cmsg_type, (size_t)(c->cmsg_len - CMSG_LEN(0)));
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *p = data;

			printf(" %d %s", p->ipi_ifindex,
			       inet_ntoa(p->ipi_addr));
			printf(" %s", inet_ntoa(p->ipi_spec_dst));
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *p = data;

			printf(" %d %s", p->ipi6_ifindex,
			       inet_ntop(AF_INET6, &p->ipi6_addr, text, 64));
		} else if (c->cmsg_type == IP_RECVERR ||
			   c->cmsg_type == IPV6_RECVERR) {
			struct sock_extended_err *e = data;

			printf(" %s origin %d type %d code %d",
			       strerrorname_np((int)e->ee_errno), e->ee_origin,
			       e->ee_type, e->ee_code);
			printf(" by %s", text_of((void *)SO_EE_OFFENDER(e)));
		} else if (c->cmsg_level != SOL_SOCKET &&
			   c->cmsg_len == CMSG_LEN(4)) {
			printf(" %d", *(int *)data);
		} else if (c->cmsg_len == CMSG_LEN(1)) {
			printf(" %d", *(char *)data);
		}
		printf("\n");
	}
}

static void control(void)
{
	int r = udp("0.0.0.0"), s = socket(AF_INET, SOCK_DGRAM, 0),
	    r6 = udp("::");
	int s6 = socket(AF_INET6, SOCK_DGRAM, 0);
	char room[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(4)] = { 0 };
	union name to = name_of("127.0.0.1", port_of(r));
	struct iovec v = { "from", 4 };
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = sizeof(to.four),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct in_pktinfo p = { 0, { htonl(0x7f000005) }, { 0 } };

	SHOW(set(r, IPPROTO_IP, IP_PKTINFO, 1));
	SHOW(set(r, IPPROTO_IP, IP_RECVTTL, 1));
	SHOW(set(r, IPPROTO_IP, IP_RECVTOS, 1));
	send_to(s, "info", "127.0.0.9", port_of(r));
	show_control(r, MSG_PEEK);
	show_control(r, 0);
	SHOW(set(s, IPPROTO_IP, IP_TTL, 7));
	SHOW(set(s, IPPROTO_IP, IP_TOS, 0x10));
	send_to(s, "own", "127.0.0.1", port_of(r));
	show_control(r, 0);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(p));
	memcpy(CMSG_DATA(c), &p, sizeof(p));
	c = CMSG_NXTHDR(&m, c);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_TTL;
	c->cmsg_len = CMSG_LEN(4);
	*(int *)CMSG_DATA(c) = 9;
	SHOW(sendmsg(s, &m, 0));
	show_control(r, 0);
	*(int *)CMSG_DATA(c) = 300;
	SHOW(sendmsg(s, &m, 0));
	SHOW(set(r, SOL_SOCKET, SO_TIMESTAMP, 1));
	send_to(s, "when", "127.0.0.1", port_of(r));
	show_control(r, 0);
	SHOW(set(r6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	SHOW(set(r6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	SHOW(set(r6, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	send_to(s6, "six", "::1", port_of(r6));
	show_control(r6, 0);
	send_to(s, "four", "127.0.0.1", port_of(r6));
	show_control(r6, 0);
	close(r);
	close(s);
	close(r6);
	close(s6);
}

static void errors(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0),
	    s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	SHOW(set(s, IPPROTO_IP, IP_RECVERR, 1));
	show_control(s, MSG_ERRQUEUE);
	SHOW(send_to(s, "lost", "127.0.0.1", closed_port()));
	settle(s, 0);
	show_poll("an error", s);
	show_control(s, MSG_ERRQUEUE);
	show_poll("taken", s);
	SHOW(send_to(s, "next", "127.0.0.1", closed_port()));
	SHOW(set(s6, IPPROTO_IPV6, IPV6_RECVERR, 1));
	SHOW(send_to(s6, "lost", "::1", closed_port()));
	settle(s6, 0);
	show_control(s6, MSG_ERRQUEUE);
	close(s);
	close(s6);
}

static void corked(void)
{
	int r = udp("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0);
	char text[64];

	connect_to(s, "127.0.0.1", port_of(r));
	SHOW(send(s, "one ", 4, MSG_MORE));
	SHOW(recv(r, text, 64, MSG_DONTWAIT));
	SHOW(send(s, "two", 3, 0));
	show_from(r);
	SHOW(set(s, IPPROTO_UDP, UDP_CORK, 1));
	SHOW(send(s, "a", 1, 0));
	SHOW(send(s, "b", 1, 0));
	SHOW(recv(r, text, 64, MSG_DONTWAIT));
	SHOW(set(s, IPPROTO_UDP, UDP_CORK, 0));
	show_from(r);
	close(r);
	close(s);
}

static void groups(void)
{
	int r = udp("0.0.0.0"), s = socket(AF_INET, SOCK_DGRAM, 0),
	    r2 = socket(AF_INET, SOCK_DGRAM, 0);
	struct ip_mreq m = { { htonl(0xe0000123) },
			     { htonl(INADDR_LOOPBACK) } };
	struct in_addr lo = { htonl(INADDR_LOOPBACK) }, none = { 0 };
	char text[8];

	SHOW(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SHOW(send_to(s, "group", "224.0.1.35", port_of(r)));
	SHOW(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)));
	SHOW(number(s, IPPROTO_IP, IP_MULTICAST_TTL));
	SHOW(number(s, IPPROTO_IP, IP_MULTICAST_LOOP));
	SHOW(send_to(s, "group", "224.0.1.35", port_of(r)));
	show_from(r);
	SHOW(send_to(s, "other", "224.0.1.36", port_of(r)));
	SHOW(recv(r, text, 8, MSG_DONTWAIT));
	SHOW(setsockopt(r, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(r, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	m.imr_interface.s_addr = 0;
	SHOW(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	m.imr_multiaddr.s_addr = htonl(INADDR_LOOPBACK);
	SHOW(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &none, sizeof(none)));
	none.s_addr = htonl(0xc0000201);
	SHOW(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &none, sizeof(none)));
	SHOW(set(s, SOL_SOCKET, SO_BROADCAST, 1));
	SHOW(set(r2, SOL_SOCKET, SO_REUSEADDR, 1));
	SHOW(send_to(s, "all", "127.255.255.255", port_of(r)));
	show_from(r);
	close(r);
	close(r2);
	close(s);
}

/* What fails has bound its socket, which can then be bound no more. */
static void bound_by_failing(void)
{
	struct sockaddr mail = { .sa_family = AF_UNIX };
	int s[7];

	for (int i = 0; i < 7; i++)
		s[i] = socket(i & 1 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	SHOW(connect_to(s[0], "192.0.2.1", 9));
	SHOW(connect_to(s[1], "2001:db8::1", 9));
	SHOW(send_to(s[2], "x", "192.0.2.1", 9));
	SHOW(send(s[3], "x", 1, 0));
	SHOW(connect(s[4], &mail, sizeof(mail)));
	SHOW(send(s[5], "x", 1, MSG_OOB));
	SHOW(connect(s[6], &mail, 1));
	for (int i = 0; i < 7; i++) {
		SHOW(port_of(s[i]) > 0);
		SHOW(bind_to(s[i], i & 1 ? "::1" : "127.0.0.1", 0));
		close(s[i]);
	}
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect_to(s[0], "192.0.2.1", 9));
	SHOW(port_of(s[0]));
	SHOW(bind_to(s[0], "127.0.0.1", 0));
	close(s[0]);
}

int main(void)
{
	basics();
	bound_by_failing();
	sizes();
	connected();
	shut();
	nowhere();
	dual();
	control();
	errors();
	corked();
	groups();
	return 0;
}
