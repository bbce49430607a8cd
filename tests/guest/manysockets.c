/* manysockets.c: 18,000 sockets made and closed, in each order; ports; rights. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define COUNT 18000

static int fds[COUNT];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pairs(void)
{
	int bad = 0;

	for (int i = 0; i < COUNT; i += 2)
		bad += socketpair(AF_UNIX, SOCK_STREAM, 0, fds + i) != 0;
	for (int i = 0; i < COUNT; i += 2)
		bad += write(fds[i], "x", 1) != 1;
	for (int i = 0; i < COUNT; i++)
		bad += close(fds[i]) != 0;
	printf("pairs: bad %d\n", bad);
}

/* Named ones, closed in the order that a list would like least. */
static void named(int backwards)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int bad = 0;

	for (int i = 0; i < COUNT; i++) {
		int n = snprintf(a.sun_path + 1, 30, "zeroboot-many-%d", i);

		fds[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		bad += fds[i] < 0;
		bad += bind(fds[i], (void *)&a, (socklen_t)(3 + n)) != 0;
	}
	for (int i = 0; i < COUNT; i++) {
		int n = snprintf(a.sun_path + 1, 30, "zeroboot-many-%d", i);

		bad += connect(fds[(i + 1) % COUNT], (void *)&a,
			       (socklen_t)(3 + n)) != 0;
	}
	for (int i = 0; i < COUNT; i++)
		bad += close(fds[backwards ? COUNT - 1 - i : i]) != 0;
	printf("named: bad %d\n", bad);
}

static void ports(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int bad = 0;

	for (int i = 0; i < COUNT; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		bad += fds[i] < 0;
		bad += bind(fds[i], (void *)&a, sizeof(a)) != 0;
	}
	for (int i = 0; i < COUNT; i++)
		bad += close(fds[i]) != 0;
	printf("ports: bad %d\n", bad);
}

/* Clients in the lower half, what one listener has accepted in the upper one. */
static void connections(int servers_first)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), bad = 0;
	const int half = COUNT / 2;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bad += bind(listener, (void *)&a, size) != 0;
	bad += listen(listener, 10) != 0;
	bad += getsockname(listener, (void *)&a, &size) != 0;
	for (int i = 0; i < half; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		bad += connect(fds[i], (void *)&a, sizeof(a)) != 0;
		fds[half + i] = accept(listener, NULL, NULL);
		bad += fds[half + i] < 0;
		bad += write(fds[half + i], "x", 1) != 1;
	}
	for (int i = 0; i < half; i++) {
		char c;

		bad += read(fds[i], &c, 1) != 1;
	}
	for (int i = 0; i < COUNT; i++)
		bad += close(fds[servers_first ? COUNT - 1 - i : i]) != 0;
	close(listener);
	printf("connections: bad %d\n", bad);
}

/* Many in one set, removed first to last. */
static void watched(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int bad = 0, set = epoll_create1(0), p[2];

	for (int i = 0; i < COUNT; i++) {
		fds[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		bad += epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &e) != 0;
	}
	for (int i = 0; i < COUNT / 2; i++)
		bad += epoll_ctl(set, EPOLL_CTL_DEL, fds[i], NULL) != 0;
	for (int i = 0; i < COUNT; i++)
		bad += close(fds[i]) != 0;
	close(set);
	/* one file that many sets watch */
	bad += pipe(p) != 0;
	for (int i = 0; i < COUNT / 2; i++) {
		fds[i] = epoll_create1(0);
		bad += epoll_ctl(fds[i], EPOLL_CTL_ADD, p[0], &e) != 0;
	}
	for (int i = 0; i < COUNT / 2; i++)
		bad += close(fds[i]) != 0;
	close(p[0]);
	close(p[1]);
	printf("watched: bad %d\n", bad);
}

static long pass(int over, int fd)
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
	return sendmsg(over, &m, 0);
}

/* A chain in which each socket lies in the queue of the next one. */
static void chain(void)
{
	int before[2], s[2], bad = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, before);
	for (int i = 0; i < 5000; i++) {
		bad += socketpair(AF_UNIX, SOCK_STREAM, 0, s) != 0;
		bad += pass(s[0], before[1]) != 1;
		close(before[0]);
		close(before[1]);
		before[0] = s[0];
		before[1] = s[1];
	}
	close(before[0]);
	close(before[1]);
	printf("chain: bad %d\n", bad);
}

/* Sockets that lie in their own queues, with data: they do not stay. */
static void circles(void)
{
	static char data[60000];
	int bad = 0;

	for (int i = 0; i < 4500; i++) {
		int s[2];

		bad += socketpair(AF_UNIX, SOCK_STREAM, 0, s) != 0;
		bad += pass(s[0], s[1]) != 1;
		bad += pass(s[1], s[0]) != 1;
		bad += write(s[0], data, sizeof(data)) != sizeof(data);
		close(s[0]);
		close(s[1]);
	}
	printf("circles: bad %d\n", bad);
}

static void timed(const char *what, void (*step)(void))
{
	double start = now(), took;

	step();
	took = now() - start;
	if (took > 60)
		printf("%s: %.1f s\n", what, took);
	if (getenv("TIMES"))
		printf("%s %.3f\n", what, took);
}

static void named_forwards(void)
{
	named(0);
}

static void named_backwards(void)
{
	named(1);
}

static void clients_first(void)
{
	connections(0);
}

static void servers_first(void)
{
	connections(1);
}

int main(void)
{
	struct rlimit many;

	getrlimit(RLIMIT_NOFILE, &many);
	many.rlim_cur = COUNT + 100;
	SHOW(setrlimit(RLIMIT_NOFILE, &many));
	timed("pairs", pairs);
	timed("named", named_forwards);
	timed("named", named_backwards);
	timed("ports", ports);
	timed("connections", clients_first);
	timed("connections", servers_first);
	timed("watched", watched);
	timed("chain", chain);
	timed("circles", circles);
	return 0;
}
