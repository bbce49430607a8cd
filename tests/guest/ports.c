/* ports.c: who may have which port, and who is found behind one. */
#include "net.h"

static int socket_with(const char *text, int type, int option)
{
	int fd = socket(strchr(text, ':') ? AF_INET6 : AF_INET, type, 0);

	if (option)
		set(fd, SOL_SOCKET, option, 1);
	return fd;
}

/* Whether `second` can be bound where `first` is. */
static void both(const char *first, const char *second, int type, int option,
		 int only)
{
	int a = socket_with(first, type, option),
	    b = socket_with(second, type, option);
	long r;

	if (only && strchr(first, ':'))
		set(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (only && strchr(second, ':'))
		set(b, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind_to(a, first, 0);
	r = bind_to(b, second, port_of(a));
	printf("%s %s, %s, option %d%s: %s", first, second,
	       type == SOCK_STREAM ? "tcp" : "udp", option,
	       only ? ", only six" : "", r ? strerrorname_np(errno) : "both");
	if (!r && type == SOCK_STREAM) {
		r = listen(a, 1);
		printf(", listen %s", r ? strerrorname_np(errno) : "0");
		r = listen(b, 1);
		printf(", listen %s", r ? strerrorname_np(errno) : "0");
	}
	printf("\n");
	close(a);
	close(b);
}

static void conflicts(void)
{
	static const char *const pairs[][2] = { { "127.0.0.1", "127.0.0.1" },
						{ "127.0.0.1", "127.0.0.2" },
						{ "0.0.0.0", "127.0.0.1" },
						{ "127.0.0.1", "0.0.0.0" },
						{ "::", "0.0.0.0" },
						{ "0.0.0.0", "::" },
						{ "::", "127.0.0.1" },
						{ "::1", "127.0.0.1" },
						{ "::1", "::" },
						{ "::1", "0.0.0.0" },
						{ "::ffff:127.0.0.1", "127.0.0."
								      "1" },
						{ "::ffff:127.0.0.1", "::1" },
						{ "::ffff:0.0.0.0", "::" } };
	static const int options[] = { 0, SO_REUSEADDR, SO_REUSEPORT };

	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
		for (int o = 0; o < 3; o++)
			for (unsigned i = 0;
			     i < sizeof(pairs) / sizeof(pairs[0]); i++) {
				both(pairs[i][0], pairs[i][1], type, options[o],
				     0);
				if (options[o] == 0 &&
				    strcmp(pairs[i][0], "::") == 0)
					both(pairs[i][0], pairs[i][1], type, 0,
					     1);
			}
}

static void lone_options(void)
{
	int a = socket(AF_INET, SOCK_STREAM, 0),
	    b = socket(AF_INET, SOCK_STREAM, 0);

	bind_to(a, "127.0.0.1", 0);
	set(b, SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind_to(b, "127.0.0.1", port_of(a)));
	set(a, SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind_to(b, "127.0.0.1", port_of(a)));
	SHOW(bind_to(b, "127.0.0.1", 0));
	close(a);
	close(b);
}

/* A server that was the first to close, and one with a connection open. */
static void again(void)
{
	struct three t = three_new();
	int port = port_of(t.listener), fd = socket(AF_INET, SOCK_STREAM, 0);

	close(t.listener);
	SHOW(bind_to(fd, "127.0.0.1", port));
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind_to(fd, "127.0.0.1", port));
	close(fd);
	close(t.server);
	settle(t.client, POLLRDHUP);
	close(t.client);
	usleep(1000);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind_to(fd, "127.0.0.1", port));
	SHOW(bind_to(fd, "127.0.0.2", port));
	close(fd);
	fd = listener("127.0.0.1", 1);
	port = port_of(fd);
	t.client = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(t.client, "127.0.0.1", port);
	t.server = accept(fd, NULL, NULL);
	close(t.client);
	settle(t.server, POLLRDHUP);
	close(t.server);
	close(fd);
	usleep(1000);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind_to(fd, "127.0.0.1", port)); /* the client was first */
	close(fd);
	t = three_new();
	port = port_of(t.listener);
	set(t.server, SOL_SOCKET, SO_REUSEADDR, 1);
	close(t.listener);
	close(t.server);
	close(t.client);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind_to(fd, "127.0.0.1", port));
	SHOW(listen(fd, 1));
	close(fd);
	/* a reset leaves nothing behind */
	t = three_new();
	port = port_of(t.listener);
	setsockopt(t.server, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
		   sizeof(struct linger));
	close(t.listener);
	close(t.server);
	close(t.client);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind_to(fd, "127.0.0.1", port));
	close(fd);
}

static void same_tuple(void)
{
	int l = listener("127.0.0.1", 5), a, b, port;

	a = socket_with("127.0.0.1", SOCK_STREAM, SO_REUSEADDR);
	b = socket_with("127.0.0.1", SOCK_STREAM, SO_REUSEADDR);
	bind_to(a, "127.0.0.1", 0);
	port = port_of(a);
	SHOW(bind_to(b, "127.0.0.1", port));
	SHOW(connect_to(a, "127.0.0.1", port_of(l)));
	SHOW(connect_to(b, "127.0.0.1", port_of(l)));
	SHOW(connect_to(b, "127.0.0.2", port_of(l)));
	close(a);
	close(b);
	close(l);
}

static void privileged(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	SHOW(bind_to(fd, "127.0.0.1", 999));
	close(fd);
	if (seteuid(1000))
		return;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind_to(fd, "127.0.0.1", 999));
	SHOW(bind_to(fd, "127.0.0.1", 1024));
	close(fd);
	SHOW(seteuid(0));
}

static void range(void)
{
	int fds[200], low = 0, bad = 0;

	for (int i = 0; i < 200; i++) {
		fds[i] = socket(AF_INET, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0);
		bind_to(fds[i], "127.0.0.1", 0);
		low += port_of(fds[i]) < 32768 || port_of(fds[i]) > 60999;
		for (int j = i - 2; j >= 0; j -= 2)
			bad += port_of(fds[i]) == port_of(fds[j]);
	}
	for (int i = 0; i < 200; i++)
		close(fds[i]);
	printf("%d beyond the range, %d twice\n", low, bad);
}

/* Connections and datagrams to a port that several share. */
static void shared(int type)
{
	int fds[4], count[4] = { 0 }, port = 0, c;
	char byte;

	for (int i = 0; i < 4; i++) {
		fds[i] = socket_with("127.0.0.1", type, SO_REUSEPORT);
		bind_to(fds[i], "127.0.0.1", port);
		port = port_of(fds[i]);
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		if (type == SOCK_STREAM)
			listen(fds[i], 300);
	}
	for (int i = 0; i < 200; i++) {
		c = socket(AF_INET, type, 0);
		if (connect_to(c, "127.0.0.1", port) || send(c, "x", 1, 0) != 1)
			printf("not sent\n");
		close(c);
	}
	for (int i = 0; i < 4; i++) {
		if (type == SOCK_DGRAM)
			while (recv(fds[i], &byte, 1, 0) == 1)
				count[i]++;
		else
			while ((c = accept(fds[i], NULL, NULL)) >= 0) {
				count[i]++;
				close(c);
			}
		printf("a fair share: %d\n", count[i] > 20 && count[i] < 90);
	}
	printf("%d in all\n", count[0] + count[1] + count[2] + count[3]);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* The one that says more about itself gets it. */
static void nearest(void)
{
	int any = socket_with("0.0.0.0", SOCK_DGRAM, SO_REUSEADDR);
	int one = socket_with("127.0.0.1", SOCK_DGRAM, SO_REUSEADDR);
	int peer = socket_with("127.0.0.1", SOCK_DGRAM, SO_REUSEADDR),
	    s = socket(AF_INET, SOCK_DGRAM, 0);

	bind_to(any, "0.0.0.0", 0);
	SHOW(bind_to(one, "127.0.0.1", port_of(any)));
	SHOW(bind_to(peer, "127.0.0.1", port_of(any)));
	bind_to(s, "127.0.0.1", 0);
	SHOW(connect_to(peer, "127.0.0.1", port_of(s)));
	connect_to(s, "127.0.0.1", port_of(any));
	send(s, "to one's peer", 13, 0);
	disconnect(s);
	show_read("peer", peer, 20, MSG_DONTWAIT);
	close(peer);
	connect_to(s, "127.0.0.1", port_of(any));
	send(s, "to one", 6, 0);
	show_read("one", one, 20, MSG_DONTWAIT);
	show_read("any", any, 20, MSG_DONTWAIT);
	close(one);
	send(s, "to any", 6, 0);
	show_read("any", any, 20, MSG_DONTWAIT);
	close(any);
	close(s);
}

int main(void)
{
	conflicts();
	lone_options();
	again();
	same_tuple();
	privileged();
	range();
	shared(SOCK_STREAM);
	shared(SOCK_DGRAM);
	nearest();
	return 0;
}
