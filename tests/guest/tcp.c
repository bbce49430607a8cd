/* tcp.c: connections over the loopback: how they are made, and all ways they end. */
#include "net.h"

#include <signal.h>
#include <sys/uio.h>

static int signals;

static void count(int signo)
{
	(void)signo;
	signals++;
}

static void show_signals(const char *what)
{
	printf("%s: %d SIGPIPE\n", what, signals);
	signals = 0;
}

static void fresh(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	show_state("new", fd);
	show_name("new", fd);
	SHOW(send(fd, "x", 1, 0));
	show_signals("send");
	SHOW(recv(fd, &c, 1, 0));
	SHOW(accept(fd, NULL, NULL));
	SHOW(shutdown(fd, SHUT_WR));
	SHOW(listen(fd, 1));
	show_state("listening", fd);
	show_name("listening", fd);
	SHOW(recv(fd, &c, 1, 0));
	SHOW(send(fd, &c, 1, MSG_NOSIGNAL));
	SHOW(connect_to(fd, "127.0.0.1", 1));
	SHOW(number(fd, SOL_SOCKET, SO_ACCEPTCONN));
	SHOW(shutdown(fd, SHUT_WR));
	show_state("still", fd);
	SHOW(shutdown(fd, SHUT_RD));
	show_state("shut", fd);
	SHOW(number(fd, SOL_SOCKET, SO_ACCEPTCONN));
	SHOW(listen(fd, 1));
	show_state("again", fd);
	close(fd);
}

static void names(void)
{
	struct three t = three_new();
	union name n;
	socklen_t size = sizeof(n);
	int fd, again;

	show_name("client", t.client);
	show_name("server", t.server);
	show_name("listener", t.listener);
	printf("ports agree: %d\n", port_of(t.server) == port_of(t.listener));
	SHOW(connect_to(t.client, "127.0.0.1", port_of(t.listener)));
	SHOW(listen(t.client, 1));
	SHOW(bind_to(t.client, "127.0.0.1", 0));
	SHOW(listen(t.listener, 7));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind_to(fd, "127.0.0.7", 0));
	SHOW(connect_to(fd, "127.0.0.1", port_of(t.listener)));
	again = accept4(t.listener, &n.any, &size,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
	printf("accepted from %s, %u bytes, same port %d\n", text_of(&n), size,
	       ntohs(n.four.sin_port) == port_of(fd));
	SHOW(fcntl(again, F_GETFL) & O_NONBLOCK);
	SHOW(fcntl(again, F_GETFD));
	close(again);
	close(fd);
	three_close(&t);
}

static void any_address(void)
{
	int l = listener("0.0.0.0", 5), c = socket(AF_INET, SOCK_STREAM, 0), s;

	SHOW(connect_to(c, "127.9.8.7", port_of(l)));
	s = accept(l, NULL, NULL);
	show_name("client", c);
	show_name("server", s);
	close(c);
	close(s);
	c = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect_to(c, "0.0.0.0", port_of(l)));
	show_name("to any", c);
	close(c);
	close(l);
}

static void data(void)
{
	struct three t = three_new();
	struct iovec v[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
	char text[64];

	SHOW(write(t.client, "hello", 5));
	SHOW(send(t.client, "", 0, 0));
	show_state("server", t.server);
	show_read("peek", t.server, 3, MSG_PEEK);
	show_read("read", t.server, 3, 0);
	show_read("read", t.server, 30, 0);
	show_read("nothing", t.server, 30, MSG_DONTWAIT);
	SHOW(writev(t.server, v, 3));
	SHOW(readv(t.client, (struct iovec[]){ { text, 1 }, { text + 1, 10 } },
		   2));
	printf("%.5s\n", text);
	SHOW(read(t.client, text, 0));
	SHOW(sendto(t.client, "to", 2, 0, (void *)text, 16));
	show_read("sent to", t.server, 30, 0);
	send(t.client, "abcdef", 6, 0);
	SHOW(recv(t.server, NULL, 3, MSG_TRUNC));
	show_read("rest", t.server, 9, 0);
	SHOW(send(t.client, (void *)1, 4, 0));
	send(t.client, "abc", 3, 0);
	SHOW(recv(t.server, (void *)1, 3, 0));
	show_read("kept", t.server, 9, 0);
	three_close(&t);
}

static void halves(void)
{
	struct three t = three_new();
	char c;

	SHOW(shutdown(t.client, SHUT_WR));
	settle(t.server, POLLRDHUP);
	show_state("client", t.client);
	show_state("server", t.server);
	SHOW(send(t.client, "x", 1, 0));
	show_signals("send");
	SHOW(recv(t.server, &c, 1, 0));
	SHOW(send(t.server, "later", 5, 0));
	show_read("client", t.client, 9, 0);
	SHOW(shutdown(t.server, SHUT_WR));
	settle(t.client, POLLRDHUP);
	show_state("client", t.client);
	show_state("server", t.server);
	show_name("client", t.client);
	SHOW(recv(t.client, &c, 1, 0));
	SHOW(recv(t.server, &c, 1, 0));
	SHOW(shutdown(t.client, SHUT_RDWR));
	SHOW(connect_to(t.client, "127.0.0.1", port_of(t.listener)));
	three_close(&t);
	t = three_new();
	SHOW(shutdown(t.client, SHUT_RD));
	show_state("client", t.client);
	show_state("server", t.server);
	SHOW(recv(t.client, &c, 1, 0));
	SHOW(send(t.server, "late", 4, 0));
	show_read("though shut", t.client, 9, 0);
	show_read("though shut", t.client, 9, 0);
	three_close(&t);
	t = three_new();
	SHOW(shutdown(t.client, SHUT_RDWR));
	settle(t.server, POLLRDHUP);
	show_state("client", t.client);
	show_state("server", t.server);
	SHOW(send(t.server, "zz", 2, 0));
	settle(t.server, POLLERR);
	show_state("client", t.client);
	show_state("server", t.server);
	SHOW(recv(t.client, &c, 1, 0));
	SHOW(recv(t.server, &c, 1, 0));
	SHOW(number(t.client, SOL_SOCKET, SO_ERROR));
	SHOW(number(t.server, SOL_SOCKET, SO_ERROR) == EPIPE);
	three_close(&t);
}

static void closing(void)
{
	struct three t = three_new();
	char c;

	close(t.client);
	settle(t.server, POLLRDHUP);
	show_state("closed", t.server);
	SHOW(send(t.server, "x", 1, 0));
	settle(t.server, POLLERR);
	show_state("after a send", t.server);
	SHOW(send(t.server, "x", 1, 0));
	show_signals("send");
	SHOW(recv(t.server, &c, 1, 0));
	show_name("reset", t.server);
	three_close(&t);

	t = three_new();
	send(t.server, "unread", 6, 0);
	send(t.client, "data", 4, 0);
	settle(t.client, POLLIN);
	close(t.client);
	settle(t.server, POLLERR);
	show_state("closed with data unread", t.server);
	SHOW(recv(t.server, &c, 1, MSG_PEEK));
	SHOW(send(t.server, "x", 1, 0));
	show_signals("send");
	SHOW(send(t.server, "x", 1, 0));
	show_signals("send");
	show_read("what came before", t.server, 9, 0);
	show_read("then", t.server, 9, 0);
	three_close(&t);

	t = three_new();
	SHOW(setsockopt(t.client, SOL_SOCKET, SO_LINGER,
			&(struct linger){ 1, 0 }, sizeof(struct linger)));
	close(t.client);
	settle(t.server, POLLERR);
	show_state("lingered for nothing", t.server);
	SHOW(recv(t.server, &c, 1, 0));
	SHOW(recv(t.server, &c, 1, 0));
	SHOW(send(t.server, "x", 1, MSG_NOSIGNAL));
	show_signals("send");
	three_close(&t);
}

static void refusal(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), l = listener("127.0.0.1", 1),
	    port = port_of(l);
	char c;

	close(l);
	SHOW(connect_to(fd, "127.0.0.1", port));
	show_state("refused", fd);
	show_name("refused", fd);
	SHOW(recv(fd, &c, 1, 0));
	SHOW(number(fd, SOL_SOCKET, SO_ERROR));
	l = listener("127.0.0.1", 1);
	SHOW(connect_to(fd, "127.0.0.1", port_of(l)));
	show_state("second try", fd);
	close(l);
	settle(fd, POLLERR);
	show_state("listener gone", fd);
	SHOW(number(fd, SOL_SOCKET, SO_ERROR) == ECONNRESET);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect_to(fd, "192.0.2.1", 1));
	SHOW(connect_to(fd, "127.255.255.255", 1));
	SHOW(connect_to(fd, "224.0.0.1", 1));
	SHOW(connect_to(fd, "255.255.255.255", 1));
	SHOW(connect_to(fd, "::1", 1));
	SHOW(connect(fd, (void *)&c, 1));
	show_name("nowhere", fd);
	close(fd);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect_to(fd, "2001:db8::1", 1));
	SHOW(connect_to(fd, "fe80::1", 1));
	SHOW(connect_to(fd, "ff02::1", 1));
	SHOW(connect_to(fd, "::ffff:192.0.2.1", 1));
	SHOW(connect_to(fd, "127.0.0.1", 1));
	close(fd);
}

static void dual(void)
{
	int l = listener("::", 5), c = socket(AF_INET, SOCK_STREAM, 0), s;
	union name n;
	socklen_t size = sizeof(n);

	SHOW(connect_to(c, "127.0.0.1", port_of(l)));
	s = accept(l, &n.any, &size);
	printf("%s, %u bytes\n", text_of(&n), size);
	show_name("server", s);
	show_name("client", c);
	SHOW(write(c, "four", 4));
	show_read("read", s, 9, 0);
	close(c);
	close(s);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect_to(c, "::ffff:127.0.0.1", port_of(l)));
	show_name("mapped", c);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect_to(c, "::", port_of(l)));
	show_name("six", c);
	close(c);
	SHOW(set(l, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(set(l, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	SHOW(number(l, IPPROTO_IPV6, IPV6_V6ONLY));
	bind_to(l, "::", 0);
	listen(l, 1);
	c = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect_to(c, "127.0.0.1", port_of(l)));
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect_to(c, "::1", port_of(l)));
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	set(c, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	SHOW(connect_to(c, "::ffff:127.0.0.1", port_of(l)));
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(bind_to(c, "::1", 0));
	SHOW(number(c, IPPROTO_IPV6, IPV6_V6ONLY));
	SHOW(connect_to(c, "::ffff:127.0.0.1", port_of(l)));
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(bind_to(c, "::ffff:127.0.0.1", 0));
	SHOW(connect_to(c, "::1", port_of(l)));
	close(c);
	close(l);
}

static void itself(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	SHOW(bind_to(fd, "127.0.0.1", 0));
	SHOW(connect_to(fd, "127.0.0.1", port_of(fd)));
	show_state("itself", fd);
	SHOW(write(fd, "me", 2));
	show_read("read", fd, 9, 0);
	SHOW(shutdown(fd, SHUT_WR));
	settle(fd, POLLRDHUP);
	show_state("shut", fd);
	show_read("end", fd, 9, 0);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	bind_to(fd, "127.0.0.1", 0);
	connect_to(fd, "127.0.0.1", port_of(fd));
	write(fd, "me", 2);
	SHOW(close(fd));
}

static void undone(void)
{
	struct three t = three_new();
	int fd;

	SHOW(disconnect(t.client));
	show_state("client", t.client);
	show_name("client", t.client);
	settle(t.server, POLLERR);
	show_state("server", t.server);
	SHOW(number(t.client, SOL_SOCKET, SO_ERROR) == ECONNRESET);
	SHOW(connect_to(t.client, "127.0.0.1", port_of(t.listener)));
	show_state("client", t.client);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(disconnect(fd));
	bind_to(fd, "127.0.0.1", 0);
	listen(fd, 1);
	SHOW(disconnect(fd));
	show_state("no listener", fd);
	show_name("no listener", fd);
	SHOW(connect_to(fd, "127.0.0.1", port_of(t.listener)));
	close(fd);
	three_close(&t);
}

int main(void)
{
	signal(SIGPIPE, count);
	fresh();
	names();
	any_address();
	data();
	halves();
	closing();
	refusal();
	dual();
	itself();
	undone();
	return 0;
}
