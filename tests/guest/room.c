/* room.c: room in sockets and pipes, and who is told when there is some: those
 * who poll, select and epoll, and those whose call waits. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#define SMALL 4096
#define LARGE 200000
#define LATE_MS 20000

static char buf[300000];

static long poll_for(int fd, short events, int ms)
{
	struct pollfd p = { fd, events, 0 };

	return poll(&p, 1, ms) < 0 ? -1 : p.revents & events;
}

static long select_for(int fd, short events, int ms)
{
	struct timeval late = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, events & POLLIN ? &set : NULL,
		      events & POLLOUT ? &set : NULL, NULL, &late);
}

static long epoll_for(int fd, short events, int ms)
{
	struct epoll_event e = { .events = (uint32_t)events };
	int ep = epoll_create1(0);
	long r;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	r = epoll_wait(ep, &e, 1, ms);
	close(ep);
	return r;
}

/* A call that waits, in a thread of its own. */
struct call {
	long (*wait)(int fd, short events, int ms);
	int fd;
	short events;
	volatile int returned;
	long result;
	pthread_t thread;
};

static void *waiter(void *arg)
{
	struct call *c = arg;

	c->result = c->wait(c->fd, c->events, LATE_MS);
	c->returned = 1;
	return NULL;
}

static void call_start(struct call *c)
{
	c->returned = 0;
	pthread_create(&c->thread, NULL, waiter, c);
	usleep(100000);
	if (c->returned)
		printf("has not waited\n");
}

/* Whether it returned, long before its own time was over. */
static void call_end(const char *what, struct call *c)
{
	for (int ms = 0; ms < LATE_MS / 4 && !c->returned; ms += 10)
		usleep(10000);
	printf("%s: %s\n", what, c->returned ? "told" : "not told");
	fflush(stdout);
	if (!c->returned)
		_exit(1); /* nobody will wake it */
	pthread_join(c->thread, NULL);
}

static const struct {
	const char *name;
	long (*wait)(int fd, short events, int ms);
} ways[] = { { "poll", poll_for },
	     { "select", select_for },
	     { "epoll", epoll_for } };

static void set(int fd, int name, int value)
{
	setsockopt(fd, SOL_SOCKET, name, &value, sizeof(value));
}

/* Until there is no room for more. */
static void fill(int fd)
{
	while (send(fd, buf, 1000, MSG_DONTWAIT) > 0)
		;
}

/* The same where what is sent may still be on its way. */
static void fill_tcp(int fd)
{
	for (int failed = 0; failed < 3; failed++) {
		while (send(fd, buf, 1000, MSG_DONTWAIT) > 0)
			failed = 0;
		usleep(50000);
	}
}

static void drain(int fd)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static long send_waiting(int fd, short events, int ms)
{
	(void)events, (void)ms;
	return send(fd, buf, 1000, 0);
}

/* ---- the sender's buffer is what counts ---- */

static void senders_buffer(int type)
{
	struct call c = { .events = POLLOUT };
	int s[2];

	socketpair(AF_UNIX, type, 0, s);
	set(s[0], SO_SNDBUF, SMALL);
	c.fd = s[0];
	for (size_t i = 0; i < 3; i++) {
		fill(s[0]);
		SHOW(poll_for(s[0], POLLOUT, 0));
		SHOW(poll_for(s[1], POLLOUT, 0) != 0);
		c.wait = ways[i].wait;
		call_start(&c);
		drain(s[1]);
		call_end(ways[i].name, &c);
	}
	fill(s[0]);
	c.wait = send_waiting;
	call_start(&c);
	drain(s[1]);
	call_end("send", &c);
	close(s[0]);
	close(s[1]);
}

/* What the receiver may send is of no account. */
static void receivers_buffer(int type)
{
	int s[2];

	socketpair(AF_UNIX, type, 0, s);
	set(s[1], SO_SNDBUF, SMALL);
	SHOW(send(s[0], buf, 10000, 0));
	SHOW(poll_for(s[0], POLLOUT, 0) != 0);
	SHOW(select_for(s[0], POLLOUT, 0));
	SHOW(epoll_for(s[0], POLLOUT, 0));
	close(s[0]);
	close(s[1]);
}

static void edges(int type)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int s[2], ep = epoll_create1(0);

	socketpair(AF_UNIX, type, 0, s);
	set(s[0], SO_SNDBUF, SMALL);
	fill(s[0]);
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	drain(s[1]);
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(epoll_wait(ep, &e, 1, 0));
	set(s[0], SO_SNDBUF, LARGE);
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(epoll_wait(ep, &e, 1, 0));
	close(s[0]);
	close(s[1]);
	close(ep);
}

/* Two senders with one receiver, each by its own measure. */
static void two_senders(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX,
				 .sun_path = "\0zeroboot-room" };
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 14;
	struct call c = { .wait = poll_for, .events = POLLOUT };
	int to = socket(AF_UNIX, SOCK_DGRAM, 0), s[2];

	bind(to, (void *)&a, size);
	for (int i = 0; i < 2; i++) {
		s[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		SHOW(connect(s[i], (void *)&a, size));
	}
	set(s[0], SO_SNDBUF, SMALL);
	fill(s[0]);
	SHOW(poll_for(s[0], POLLOUT, 0));
	SHOW(poll_for(s[1], POLLOUT, 0) != 0);
	c.fd = s[0];
	call_start(&c);
	drain(to);
	call_end("the one with less", &c);
	close(s[0]);
	close(s[1]);
	close(to);
}

/* ---- buffers that become larger ---- */

static void larger(int type)
{
	struct call c = { .events = POLLOUT };
	int s[2];

	for (size_t i = 0; i < 4; i++) {
		socketpair(AF_UNIX, type, 0, s);
		set(s[0], SO_SNDBUF, SMALL);
		fill(s[0]);
		c.fd = s[0];
		c.wait = i < 3 ? ways[i].wait : send_waiting;
		call_start(&c);
		set(s[0], SO_SNDBUF, LARGE);
		call_end(i < 3 ? ways[i].name : "send", &c);
		close(s[0]);
		close(s[1]);
	}
}

static struct sockaddr_un target;
static socklen_t target_size;

static long send_to_target(int fd, short events, int ms)
{
	(void)events, (void)ms;
	return sendto(fd, buf, 1000, 0, (void *)&target, target_size);
}

/* A sender that is connected to nobody. */
static void larger_unconnected(void)
{
	int to = socket(AF_UNIX, SOCK_DGRAM, 0),
	    s = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct call c = { .wait = send_to_target, .fd = s };

	target.sun_family = AF_UNIX;
	strcpy(target.sun_path + 1, "zeroboot-room");
	target_size = offsetof(struct sockaddr_un, sun_path) + 14;
	bind(to, (void *)&target, target_size);
	set(s, SO_SNDBUF, SMALL);
	while (sendto(s, buf, 1000, MSG_DONTWAIT, (void *)&target,
		      target_size) > 0)
		;
	call_start(&c);
	set(s, SO_SNDBUF, LARGE);
	call_end("sendto", &c);
	close(s);
	close(to);
}

/* ---- TCP ---- */

static void tcp_pair(int *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	bind(l, (void *)&a, size);
	listen(l, 1);
	getsockname(l, (void *)&a, &size);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	set(s[0], SO_SNDBUF, SMALL);
	connect(s[0], (void *)&a, size);
	s[1] = accept(l, NULL, NULL);
	close(l);
}

static void tcp(void)
{
	struct call c = { 0 };
	int s[2];

	for (size_t i = 0; i < 3; i++) {
		tcp_pair(s);
		set(s[1], SO_RCVLOWAT, 1000);
		send(s[0], buf, 10, 0);
		usleep(20000);
		c = (struct call){ ways[i].wait, s[1], POLLIN };
		call_start(&c);
		set(s[1], SO_RCVLOWAT, 1);
		call_end(ways[i].name, &c);
		close(s[0]);
		close(s[1]);
	}
	for (size_t i = 0; i < 4; i++) {
		tcp_pair(s);
		fill_tcp(s[0]);
		c = (struct call){ i < 3 ? ways[i].wait : send_waiting, s[0],
				   POLLOUT };
		call_start(&c);
		set(s[0], SO_SNDBUF, LARGE);
		call_end(i < 3 ? ways[i].name : "send", &c);
		close(s[0]);
		close(s[1]);
	}
}

/* ---- pipes ---- */

static long write_waiting(int fd, short events, int ms)
{
	(void)events, (void)ms;
	return write(fd, buf, 1000);
}

static void pipes(void)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	struct call c = { .events = POLLOUT };
	int p[2], ep = epoll_create1(0);

	pipe(p);
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
	SHOW(write(p[1], buf, 4096));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	for (int i = 0, size = 8192; i < 4; i++, size *= 2) {
		SHOW(poll_for(p[1], POLLOUT, 0));
		c.fd = p[1];
		c.wait = i < 3 ? ways[i].wait : write_waiting;
		call_start(&c);
		SHOW(fcntl(p[1], F_SETPIPE_SZ, size));
		call_end(i < 3 ? ways[i].name : "write", &c);
		SHOW(epoll_wait(ep, &e, 1, 0));
		if (i < 3)
			SHOW(write(p[1], buf, (size_t)size / 2));
	}
	close(p[0]);
	close(p[1]);
	close(ep);
}

int main(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

	setbuf(stdout, NULL);
	for (size_t i = 0; i < 3; i++) {
		printf("-- type %d\n", types[i]);
		senders_buffer(types[i]);
		receivers_buffer(types[i]);
		edges(types[i]);
		larger(types[i]);
	}
	printf("-- one receiver\n");
	two_senders();
	larger_unconnected();
	printf("-- tcp\n");
	tcp();
	printf("-- pipes\n");
	pipes();
	return 0;
}
