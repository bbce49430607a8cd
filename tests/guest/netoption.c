/* netoption.c: options of TCP, UDP, IP and IPv6 sockets: defaults, bounds, what reads back. */
#include "net.h"

#include <netinet/udp.h>
#include <sys/ioctl.h>

struct option {
	int level, name;
	const char *text;
};
#define OPTION(level, name)                                                    \
	{                                                                      \
		level, name, #name                                             \
	}

static const struct option options[] = {
	OPTION(SOL_SOCKET, SO_TYPE),
	OPTION(SOL_SOCKET, SO_DOMAIN),
	OPTION(SOL_SOCKET, SO_PROTOCOL),
	OPTION(SOL_SOCKET, SO_ACCEPTCONN),
	OPTION(SOL_SOCKET, SO_KEEPALIVE),
	OPTION(SOL_SOCKET, SO_REUSEADDR),
	OPTION(SOL_SOCKET, SO_REUSEPORT),
	OPTION(SOL_SOCKET, SO_BROADCAST),
	OPTION(SOL_SOCKET, SO_OOBINLINE),
	OPTION(SOL_SOCKET, SO_DONTROUTE),
	OPTION(SOL_SOCKET, SO_RCVLOWAT),
	OPTION(SOL_SOCKET, SO_SNDLOWAT),
	OPTION(SOL_SOCKET, SO_ERROR),
	OPTION(SOL_SOCKET, SO_PRIORITY),
	OPTION(SOL_SOCKET, SO_TIMESTAMP),
	OPTION(IPPROTO_TCP, TCP_NODELAY),
	OPTION(IPPROTO_TCP, TCP_MAXSEG),
	OPTION(IPPROTO_TCP, TCP_CORK),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT),
	OPTION(IPPROTO_TCP, TCP_SYNCNT),
	OPTION(IPPROTO_TCP, TCP_LINGER2),
	OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
	OPTION(IPPROTO_TCP, TCP_QUICKACK),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	OPTION(IPPROTO_TCP, TCP_SAVE_SYN),
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	OPTION(IPPROTO_TCP, TCP_INQ),
	OPTION(IPPROTO_TCP, 9999),
	OPTION(IPPROTO_IP, IP_TOS),
	OPTION(IPPROTO_IP, IP_TTL),
	OPTION(IPPROTO_IP, IP_PKTINFO),
	OPTION(IPPROTO_IP, IP_RECVTTL),
	OPTION(IPPROTO_IP, IP_RECVTOS),
	OPTION(IPPROTO_IP, IP_RECVERR),
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
	OPTION(IPPROTO_IP, IP_MTU),
	OPTION(IPPROTO_IP, IP_FREEBIND),
	OPTION(IPPROTO_IP, IP_MINTTL),
	OPTION(IPPROTO_IP, IP_MULTICAST_TTL),
	OPTION(IPPROTO_IP, IP_MULTICAST_LOOP),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	OPTION(IPPROTO_IP, 9999),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF),
	OPTION(IPPROTO_IPV6, IPV6_TCLASS),
	OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS),
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	OPTION(IPPROTO_IPV6, IPV6_DONTFRAG),
	OPTION(IPPROTO_UDP, UDP_CORK),
	OPTION(12345, 1),
};
#define COUNT (sizeof(options) / sizeof(options[0]))

static const struct {
	int family, type;
	const char *text;
} kinds[] = { { AF_INET, SOCK_STREAM, "tcp" },
	      { AF_INET6, SOCK_STREAM, "tcp6" },
	      { AF_INET, SOCK_DGRAM, "udp" },
	      { AF_INET6, SOCK_DGRAM, "udp6" } };

static void show_number(const struct option *o, int fd)
{
	int n = number(fd, o->level, o->name);

	if (n < -1)
		printf(" %s", strerrorname_np(-n));
	else
		printf(" %d", n);
}

static void show_set(const struct option *o, int fd, int value)
{
	if (set(fd, o->level, o->name, value))
		printf(" %d:%s", value, strerrorname_np(errno));
	else
		show_number(o, fd);
}

/* Of each option the default, and what becomes of a few values. */
static void all(int kind)
{
	static const int values[] = { 1, 0, 5, 90, 200, 300, 70000, -1, -2 };

	for (unsigned i = 0; i < COUNT; i++) {
		const struct option *o = &options[i];
		int fd = socket(kinds[kind].family, kinds[kind].type, 0);

		printf("%s %s:", kinds[kind].text, o->text);
		show_number(o, fd);
		printf(";");
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]);
		     v++)
			show_set(o, fd, values[v]);
		printf("\n");
		close(fd);
	}
}

static void shapes(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), n = 0;
	unsigned char byte = 3;
	char text[32] = { 0 };
	socklen_t size = 1;

	SHOW(setsockopt(fd, IPPROTO_IP, IP_TTL, &byte, 1));
	SHOW(getsockopt(fd, IPPROTO_IP, IP_TTL, &byte, &size));
	printf("%u bytes, %d\n", size, byte);
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &byte, 1));
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, NULL, 4));
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, (socklen_t)-1));
	size = 2;
	SHOW(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, &size));
	printf("%u bytes\n", size);
	size = (socklen_t)-1;
	SHOW(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &n, &size));
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	size = sizeof(text);
	SHOW(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &size));
	printf("%s, %u bytes\n", text, size);
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7));
	close(fd);
}

static void inherited(void)
{
	struct three t;
	int l = socket(AF_INET, SOCK_STREAM, 0);

	set(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(l, IPPROTO_TCP, TCP_NODELAY, 1);
	set(l, IPPROTO_TCP, TCP_KEEPIDLE, 33);
	set(l, SOL_SOCKET, SO_RCVLOWAT, 5);
	set(l, SOL_SOCKET, SO_SNDBUF, 10000);
	set(l, SOL_SOCKET, SO_REUSEADDR, 1);
	set(l, IPPROTO_IP, IP_TTL, 9);
	bind_to(l, "127.0.0.1", 0);
	listen(l, 1);
	t.client = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(t.client, "127.0.0.1", port_of(l));
	t.server = accept4(l, NULL, NULL, 0);
	SHOW(number(t.server, SOL_SOCKET, SO_KEEPALIVE));
	SHOW(number(t.server, IPPROTO_TCP, TCP_NODELAY));
	SHOW(number(t.server, IPPROTO_TCP, TCP_KEEPIDLE));
	SHOW(number(t.server, SOL_SOCKET, SO_RCVLOWAT));
	SHOW(number(t.server, SOL_SOCKET, SO_SNDBUF));
	SHOW(number(t.server, SOL_SOCKET, SO_REUSEADDR));
	SHOW(number(t.server, IPPROTO_IP, IP_TTL));
	SHOW(number(t.server, SOL_SOCKET, SO_ACCEPTCONN));
	SHOW(number(t.server, SOL_SOCKET, SO_RCVBUF));
	SHOW(number(t.server, IPPROTO_IP, IP_MTU));
	SHOW(number(t.server, IPPROTO_TCP, TCP_MAXSEG) > 10000);
	SHOW(set(t.server, IPPROTO_TCP, TCP_FASTOPEN, 1));
	t.listener = l;
	three_close(&t);
}

static void information(void)
{
	struct three t = three_new();
	struct {
		struct tcp_info old; /* the C library's ends early */
		unsigned long pacing[2], acked, received, more[20];
	} i = { 0 };
	socklen_t size = sizeof(i);
	int c = socket(AF_INET, SOCK_STREAM, 0), n;

	send(t.client, "12345", 5, 0);
	usleep(60000);
	SHOW(getsockopt(t.server, IPPROTO_TCP, TCP_INFO, &i, &size));
	printf("received %lu, %u retransmits, options %#x\n", i.received,
	       i.old.tcpi_total_retrans, i.old.tcpi_options & 7);
	size = sizeof(i);
	SHOW(getsockopt(t.client, IPPROTO_TCP, TCP_INFO, &i, &size));
	printf("acked %d, %u unacked\n", i.acked >= 5, i.old.tcpi_unacked);
	size = sizeof(i);
	connect_to(c, "127.0.0.1", port_of(t.listener));
	SHOW(getsockopt(t.listener, IPPROTO_TCP, TCP_INFO, &i, &size));
	printf("%u of %u wait\n", i.old.tcpi_unacked, i.old.tcpi_sacked);
	size = 4;
	SHOW(getsockopt(t.listener, IPPROTO_TCP, TCP_INFO, &i, &size));
	printf("%u bytes, state %u\n", size, i.old.tcpi_state);
	SHOW(ioctl(t.client, TIOCOUTQ, &n));
	printf("%d\n", n);
	SHOW(ioctl(t.listener, TIOCOUTQ, &n));
	SHOW(ioctl(t.listener, FIONREAD, &n));
	close(c);
	three_close(&t);
}

/* Options that change what calls do. */
static void effects(void)
{
	struct three t = three_new();
	int fd = socket(AF_INET, SOCK_STREAM, 0), n = 0;
	char text[8], room[64];
	struct iovec v = { text, 3 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };

	SHOW(set(t.server, IPPROTO_TCP, TCP_INQ, 1));
	send(t.client, "1234567", 7, 0);
	SHOW(recvmsg(t.server, &m, 0));
	if (m.msg_controllen)
		memcpy(&n, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(n));
	printf("%zu bytes say that %d are left\n", m.msg_controllen, n);
	SHOW(bind_to(fd, "192.0.2.1", 0));
	SHOW(set(fd, IPPROTO_IP, IP_FREEBIND, 1));
	SHOW(bind_to(fd, "192.0.2.1", 0));
	show_name("not ours", fd);
	SHOW(connect_to(fd, "127.0.0.1", port_of(t.listener)));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	SHOW(bind_to(fd, "127.0.0.3", 0));
	show_name("no port", fd);
	SHOW(connect_to(fd, "127.0.0.1", port_of(t.listener)));
	show_name("connected", fd);
	close(fd);
	three_close(&t);
}

static void protocols(void)
{
	SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	SHOW(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6));
	SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	SHOW(socket(AF_INET, SOCK_RDM, 0));
	SHOW(socket(AF_INET, SOCK_SEQPACKET, 0));
	SHOW(socket(AF_INET, 77, 0));
	SHOW(socket(77, SOCK_STREAM, 0));
}

int main(void)
{
	for (int kind = 0; kind < 4; kind++)
		all(kind);
	shapes();
	inherited();
	information();
	effects();
	protocols();
	return 0;
}
