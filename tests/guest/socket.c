/* socket.c: AF_UNIX sockets, and what the other families answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void show(const char *what, long r)
{
	if (r < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, r);
	fflush(stdout);
}
#define SHOW(call) show(#call, (long)(call))

static char buf[300000], big[300000];
static int s[2];

static socklen_t name_make(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(name));
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(fd, SOL_SOCKET, name, &value, &size);
	return value;
}

static void stream(void)
{
	int n;

	SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	SHOW(fcntl(s[0], F_GETFD));
	SHOW(write(s[0], "hello", 5));
	SHOW(send(s[0], " world", 6, 0));
	SHOW(ioctl(s[1], FIONREAD, &n));
	printf("queued %d\n", n);
	SHOW(recv(s[1], buf, 8, MSG_PEEK));
	SHOW(recv(s[1], buf, sizeof(buf), 0));
	printf("%.11s\n", buf);
	SHOW(recv(s[1], buf, 1, MSG_DONTWAIT));
	SHOW(send(s[0], "", 0, 0));
	SHOW(option(s[0], SO_TYPE));
	SHOW(option(s[0], SO_DOMAIN));
	SHOW(option(s[0], SO_PROTOCOL));
	SHOW(option(s[0], SO_ERROR));
	SHOW(option(s[0], SO_ACCEPTCONN));
	SHOW(listen(s[0], 1));
	SHOW(shutdown(s[0], SHUT_WR));
	SHOW(recv(s[1], buf, 1, 0));
	SHOW(send(s[0], "x", 1, MSG_NOSIGNAL));
	SHOW(send(s[1], "x", 1, 0));
	SHOW(recv(s[0], buf, 9, 0));
	SHOW(shutdown(s[0], 3));
	SHOW(send(s[1], "unread", 6, 0));
	close(s[0]);
	SHOW(recv(s[1], buf, 9, 0));
	SHOW(recv(s[1], buf, 9, 0));
	SHOW(send(s[1], "x", 1, MSG_NOSIGNAL));
	close(s[1]);
}

static void packets(int type)
{
	struct iovec v = { buf, 2 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	printf("type %d\n", type);
	SHOW(socketpair(AF_UNIX, type, 0, s));
	SHOW(send(s[0], "one", 3, 0));
	SHOW(send(s[0], "three", 5, 0));
	SHOW(send(s[0], "", 0, 0));
	SHOW(send(s[0], "truncated", 9, 0));
	SHOW(recv(s[1], buf, sizeof(buf), 0));
	SHOW(recv(s[1], buf, 2, MSG_PEEK | MSG_TRUNC));
	SHOW(recvmsg(s[1], &m, 0));
	printf("truncated %d\n", m.msg_flags & MSG_TRUNC);
	SHOW(recv(s[1], buf, sizeof(buf), 0));
	SHOW(recv(s[1], buf, 4, 0));
	SHOW(recv(s[1], buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(send(s[0], big, sizeof(big), 0));
	SHOW(send(s[0], big, 100000, 0));
	SHOW(recv(s[1], buf, sizeof(buf), 0));
	close(s[0]);
	SHOW(send(s[1], "x", 1, MSG_NOSIGNAL));
	SHOW(recv(s[1], buf, 1, MSG_DONTWAIT));
	close(s[1]);
}

static void *sender(void *arg)
{
	(void)arg;
	for (size_t done = 0; done < sizeof(big);) {
		ssize_t n = write(s[0], big + done, sizeof(big) - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 3 + i / 255);
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pthread_create(&t, NULL, sender, NULL);
	SHOW(recv(s[1], buf, sizeof(buf), MSG_WAITALL));
	pthread_join(t, NULL);
	printf("same %d\n", !memcmp(buf, big, sizeof(big)));
	close(s[0]);
	close(s[1]);
}

static void *client(void *arg)
{
	struct sockaddr_un a;
	socklen_t size = name_make(&a, arg);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	usleep(20000);
	if (connect(fd, (void *)&a, size) || write(fd, "hi", 2) != 2)
		puts("client failed");
	if (read(fd, buf, 3) != 3)
		puts("client read failed");
	close(fd);
	return NULL;
}

static void server(void)
{
	char name[] = "zeroboot-socket-test";
	struct sockaddr_un a, b = { 0 };
	socklen_t size = name_make(&a, name), room = sizeof(b);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c;
	pthread_t t;
	char got[4] = "";

	SHOW(connect(l, (void *)&a, size));
	SHOW(listen(l, 1));
	SHOW(accept(l, NULL, NULL));
	SHOW(bind(l, (void *)&a, size));
	SHOW(bind(l, (void *)&a, size));
	SHOW(getsockname(l, (void *)&b, &room));
	printf("name %d %s\n", (int)room, b.sun_path + 1);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(c, (void *)&a, size));
	SHOW(connect(c, (void *)&a, size));
	SHOW(send(c, "x", 1, MSG_NOSIGNAL));
	SHOW(recv(c, got, 1, 0));
	room = sizeof(b);
	SHOW(getpeername(c, (void *)&b, &room));
	close(c);
	SHOW(listen(l, 4));
	SHOW(option(l, SO_ACCEPTCONN));
	pthread_create(&t, NULL, client, name);
	room = sizeof(b);
	c = accept4(l, (void *)&b, &room, SOCK_CLOEXEC);
	printf("accepted %d, peer's name %d bytes\n", c >= 0, (int)room);
	SHOW(read(c, got, 4));
	SHOW(write(c, "bye", 3));
	pthread_join(t, NULL);
	SHOW(read(c, got, 4));
	room = sizeof(b);
	SHOW(getsockname(c, (void *)&b, &room));
	printf("name %d\n", (int)room);
	close(c);
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW(accept(l, NULL, NULL));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (void *)&a, size));
	SHOW(connect(c, (void *)&a, size));
	close(l);
	SHOW(recv(c, got, 1, 0));
	SHOW(recv(c, got, 1, 0));
	close(c);
}

/* Without a number for it a connection stays where it waits. */
static void accept_later(int l, int c, struct sockaddr *a, socklen_t size)
{
	int n, path = open("/", O_PATH);
	struct rlimit all, none;

	SHOW(bind(l, a, size));
	SHOW(listen(l, 4));
	SHOW(getsockname(l, a, &size));
	SHOW(connect(c, a, size));
	getrlimit(RLIMIT_NOFILE, &all);
	none = all;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	SHOW(accept(l, NULL, NULL));
	SHOW(accept4(l, NULL, NULL, 1));
	SHOW(accept4(999, NULL, NULL, 1));
	SHOW(accept4(path, NULL, NULL, 1));
	SHOW(accept(path, NULL, NULL));
	close(path);
	SHOW(accept(999, NULL, NULL));
	SHOW(accept(0, NULL, NULL));
	setrlimit(RLIMIT_NOFILE, &all);
	SHOW(send(c, "x", 1, MSG_NOSIGNAL));
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW((n = accept(l, NULL, NULL)) >= 0);
	SHOW(recv(n, buf, 1, 0));
	SHOW(accept(0, NULL, NULL));
	SHOW(accept(l, NULL, NULL));
	SHOW(dup(0) == n + 1); /* what fails leaves no number behind */
	close(n + 1);
	close(n);
	close(c);
	close(l);
}

static void no_number(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un;
	socklen_t size = name_make(&un, "zeroboot-socket-number");

	accept_later(socket(AF_UNIX, SOCK_STREAM, 0),
		     socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, size);
	accept_later(socket(AF_UNIX, SOCK_SEQPACKET, 0),
		     socket(AF_UNIX, SOCK_SEQPACKET, 0), (void *)&un, size);
	accept_later(socket(AF_INET, SOCK_STREAM, 0),
		     socket(AF_INET, SOCK_STREAM, 0), (void *)&in, sizeof(in));
}

static void datagrams(void)
{
	struct sockaddr_un a, b, from = { 0 };
	socklen_t na = name_make(&a, "zeroboot-a"), nb = name_make(&b, "zeroboo"
								       "t-b");
	socklen_t room = sizeof(from);
	int x = socket(AF_UNIX, SOCK_DGRAM, 0),
	    y = socket(AF_UNIX, SOCK_DGRAM, 0);

	SHOW(send(x, "x", 1, 0));
	SHOW(bind(x, (void *)&a, na));
	SHOW(sendto(x, "x", 1, 0, (void *)&b, nb));
	SHOW(bind(y, (void *)&b, nb));
	SHOW(sendto(x, "ping", 4, 0, (void *)&b, nb));
	SHOW(recvfrom(y, buf, 10, 0, (void *)&from, &room));
	printf("from %d %s\n", (int)room, from.sun_path + 1);
	SHOW(connect(x, (void *)&b, nb));
	SHOW(send(x, "more", 4, 0));
	SHOW(recv(y, buf, 10, 0));
	SHOW(listen(x, 1));
	close(y);
	SHOW(send(x, "gone", 4, MSG_NOSIGNAL));
	SHOW(send(x, "gone", 4, MSG_NOSIGNAL));
	close(x);
}

static long pass(int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec v = { "f", 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = &c,
			    .msg_controllen = sizeof(c) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(s[0], &m, 0);
}

static int taken = -1;

static long take(size_t room)
{
	char c, control[64];
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = room };
	long r = recvmsg(s[1], &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	printf("control %d, cut %d\n", (int)m.msg_controllen,
	       (m.msg_flags & MSG_CTRUNC) != 0);
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&taken, CMSG_DATA(h), sizeof(taken));
	return r;
}

static void rights(void)
{
	int p[2];

	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SHOW(pipe(p));
	SHOW(pass(p[0]));
	close(p[0]);
	SHOW(take(64));
	SHOW(taken >= 0);
	SHOW(fcntl(taken, F_GETFD));
	SHOW(write(p[1], "through", 7));
	SHOW(read(taken, buf, 10));
	SHOW(pass(999));
	SHOW(pass(p[1]));
	SHOW(take(0));
	SHOW(pass(p[1]));
	close(p[1]);
	close(s[1]); /* the file in flight goes with it */
	SHOW(read(taken, buf, 1));
	close(s[0]);
}

/* Sends until the buffer is full; room comes back when the peer reads. */
static void full(void)
{
	struct pollfd w;
	long total = 0, n;

	SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	while ((n = write(s[0], big, 10000)) > 0)
		total += n;
	show("full", n);
	w = (struct pollfd){ s[0], POLLOUT, 0 };
	SHOW(poll(&w, 1, 0));
	while ((n = read(s[1], buf, sizeof(buf))) > 0)
		total -= n;
	printf("lost %ld\n", total);
	SHOW(poll(&w, 1, 0));
	close(s[0]);
	close(s[1]);
}

static void errors(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t room = sizeof(in);
	struct timeval tv = { 0, 20000 };
	int fd, p[2];

	SHOW(socket(AF_UNIX, 7, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 9));
	SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	SHOW(socket(45, SOCK_STREAM, 0));
	SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
	SHOW(pipe(p));
	SHOW(recv(p[0], buf, 1, 0));
	SHOW(bind(999, NULL, 0));
	SHOW((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	SHOW(bind(fd, (void *)&in, sizeof(in)));
	SHOW(bind(fd, (void *)&in, sizeof(in)));
	SHOW(listen(fd, 5));
	SHOW(getsockname(fd, (void *)&in, &room));
	printf("port %d\n", in.sin_port != 0);
	SHOW(option(fd, SO_ACCEPTCONN));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
			sizeof(int)));
	SHOW(option(fd, SO_REUSEADDR));
	close(fd);
	SHOW((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	SHOW(recv(fd, buf, 1, 0));
	SHOW(send(fd, "x", 1, MSG_NOSIGNAL));
	SHOW(getpeername(fd, (void *)&in, &room));
	close(fd);
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	SHOW(recv(s[0], buf, 1, 0));
	SHOW(setsockopt(s[0], SOL_SOCKET, 9999, &tv, sizeof(int)));
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &(int){ 8192 },
			sizeof(int)));
	SHOW(option(s[0], SO_SNDBUF));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	stream();
	packets(SOCK_SEQPACKET);
	packets(SOCK_DGRAM);
	threads();
	server();
	no_number();
	datagrams();
	rights();
	full();
	errors();
	return 0;
}
