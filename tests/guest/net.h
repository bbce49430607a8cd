/* net.h: what the programs about TCP and UDP share. No port is ever printed. */
#ifndef NET_H
#define NET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

union name {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

__attribute__((unused)) static socklen_t name_size(const union name *n)
{
	return n->any.sa_family == AF_INET ? sizeof(n->four) : sizeof(n->six);
}

/* Of 127.0.0.1, ::1 and so on. */
__attribute__((unused)) static union name name_of(const char *text, int port)
{
	union name n = { .any.sa_family = strchr(text, ':') ? AF_INET6 :
							      AF_INET };

	if (n.any.sa_family == AF_INET)
		inet_pton(AF_INET, text, &n.four.sin_addr);
	else
		inet_pton(AF_INET6, text, &n.six.sin6_addr);
	n.four.sin_port = htons((unsigned short)port);
	return n;
}

__attribute__((unused)) static int port_of(int fd)
{
	union name n;
	socklen_t size = sizeof(n);

	return getsockname(fd, &n.any, &size) ? -1 : ntohs(n.four.sin_port);
}

__attribute__((unused)) static long bind_to(int fd, const char *text, int port)
{
	union name n = name_of(text, port);

	return bind(fd, &n.any, name_size(&n));
}

__attribute__((unused)) static long connect_to(int fd, const char *text,
					       int port)
{
	union name n = name_of(text, port);

	return connect(fd, &n.any, name_size(&n));
}

__attribute__((unused)) static long disconnect(int fd)
{
	struct sockaddr a = { .sa_family = AF_UNSPEC };

	return connect(fd, &a, sizeof(a));
}

__attribute__((unused)) static const char *text_of(const union name *n)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(n->any.sa_family,
			 n->any.sa_family == AF_INET ?
				 (void *)&n->four.sin_addr :
				 (void *)&n->six.sin6_addr,
			 text, sizeof(text));
}

__attribute__((unused)) static void show_name(const char *what, int fd)
{
	union name n;
	socklen_t size = sizeof(n);

	if (getsockname(fd, &n.any, &size)) {
		printf("%s: %s\n", what, strerrorname_np(errno));
		return;
	}
	printf("%s: %s %s, ", what, text_of(&n),
	       n.four.sin_port ? "with a port" : "no port");
	size = sizeof(n);
	if (getpeername(fd, &n.any, &size))
		printf("peer %s\n", strerrorname_np(errno));
	else
		printf("peer %s\n", text_of(&n));
}

__attribute__((unused)) static int number(int fd, int level, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	if (getsockopt(fd, level, option, &value, &size))
		return -errno;
	return value;
}

__attribute__((unused)) static long set(int fd, int level, int option,
					int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

__attribute__((unused)) static void show_poll(const char *what, int fd)
{
	static const struct {
		int bit;
		const char *name;
	} bits[] = { { POLLIN, "IN" },         { POLLPRI, "PRI" },
		     { POLLOUT, "OUT" },       { POLLERR, "ERR" },
		     { POLLHUP, "HUP" },       { POLLRDNORM, "RDNORM" },
		     { POLLRDBAND, "RDBAND" }, { POLLWRNORM, "WRNORM" },
		     { POLLWRBAND, "WRBAND" }, { POLLRDHUP, "RDHUP" } };
	struct pollfd p = { fd, 0x3fff, 0 };

	poll(&p, 1, 0);
	printf("%s:", what);
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (p.revents & bits[i].bit)
			printf(" %s", bits[i].name);
	printf("\n");
}

/* The state, without telling apart what only an acknowledgement changes. */
__attribute__((unused)) static void show_state(const char *what, int fd)
{
	static const char *const names[] = {
		"?",          "established", "syn sent",  "syn received",
		"fin wait",   "fin wait",    "time wait", "closed",
		"close wait", "last ack",    "listen",    "closing"
	};
	struct tcp_info i = { 0 };
	socklen_t size = sizeof(i);
	char text[64];

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &size))
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %s\n", what, names[i.tcpi_state]);
	snprintf(text, sizeof(text), "%s: poll", what);
	show_poll(text, fd);
}

/* Waits until fd has something to say; nothing is asked of it after that. */
__attribute__((unused)) static void settle(int fd, int events)
{
	struct pollfd p = { fd, (short)events, 0 };

	poll(&p, 1, 10000);
}

struct three {
	int listener, client, server;
};

__attribute__((unused)) static int listener(const char *text, int backlog)
{
	int fd = socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (bind_to(fd, text, 0) || listen(fd, backlog))
		printf("no listener at %s: %s\n", text, strerrorname_np(errno));
	return fd;
}

__attribute__((unused)) static struct three three_new(void)
{
	struct three t = { .listener = listener("127.0.0.1", 5) };

	t.client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect_to(t.client, "127.0.0.1", port_of(t.listener)))
		printf("not connected: %s\n", strerrorname_np(errno));
	t.server = accept(t.listener, NULL, NULL);
	return t;
}

__attribute__((unused)) static void three_close(const struct three *t)
{
	close(t->client);
	close(t->server);
	close(t->listener);
}

/* What a read says: the text, or its error. */
__attribute__((unused)) static void show_read(const char *what, int fd,
					      size_t size, int flags)
{
	char text[256];
	ssize_t n = recv(fd, text, size, flags);

	if (n < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %zd \"%.*s\"\n", what, n,
		       (int)((size_t)n < size ? (size_t)n : size), text);
}

#endif
