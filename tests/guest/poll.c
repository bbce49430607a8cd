/* poll.c: poll and ppoll: events, timeouts, bad descriptors, waking. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
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

static int p[2], s[2];
static struct pollfd *volatile bad_address = (void *)8;

static void wait_for(const char *what, int fd, short events, int ms)
{
	struct pollfd w = { fd, events, 0x7fff };
	int r = poll(&w, 1, ms);

	printf("%s: %d %x\n", what, r, w.revents);
}

static void *writer(void *arg)
{
	(void)arg;
	usleep(20000);
	if (write(p[1], "x", 1) != 1)
		puts("short");
	return NULL;
}

static void *closer(void *arg)
{
	(void)arg;
	usleep(20000);
	close(p[1]);
	return NULL;
}

int main(void)
{
	struct pollfd many[40];
	struct timespec ts = { 0, 5000000 };
	pthread_t t;
	char c;

	SHOW(pipe(p));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	wait_for("empty pipe", p[0], POLLIN, 0);
	wait_for("empty pipe, 10 ms", p[0], POLLIN, 10);
	wait_for("write end", p[1], POLLIN | POLLOUT | POLLWRNORM, -1);
	wait_for("socket", s[0], POLLIN | POLLOUT | POLLRDHUP, -1);
	wait_for("closed", 999, POLLIN, -1);
	wait_for("negative", -1, POLLIN, 0);
	SHOW(poll(NULL, 0, 5));
	SHOW(poll(bad_address, 1, 0));
	SHOW(ppoll(NULL, 0, &ts, NULL));
	ts.tv_nsec = 1000000000;
	SHOW(ppoll(NULL, 0, &ts, NULL));
	pthread_create(&t, NULL, writer, NULL);
	wait_for("woken", p[0], POLLIN | POLLRDNORM, -1);
	pthread_join(t, NULL);
	for (int i = 0; i < 40; i++)
		many[i] = (struct pollfd){ i % 2 ? p[0] : p[1],
					   POLLIN | POLLOUT, 0 };
	SHOW(poll(many, 40, -1));
	printf("%x %x\n", many[38].revents, many[39].revents);
	SHOW(read(p[0], &c, 1));
	pthread_create(&t, NULL, closer, NULL);
	wait_for("hung up", p[0], POLLIN, -1);
	pthread_join(t, NULL);
	SHOW(shutdown(s[1], SHUT_WR));
	wait_for("peer shut", s[0], POLLIN | POLLOUT | POLLRDHUP, -1);
	close(s[1]);
	wait_for("peer gone", s[0], POLLIN | POLLOUT | POLLRDHUP, -1);
	wait_for("new socket", socket(AF_UNIX, SOCK_STREAM, 0),
		 POLLIN | POLLOUT, 0);
	wait_for("new datagram socket", socket(AF_UNIX, SOCK_DGRAM, 0),
		 POLLIN | POLLOUT, 0);
	return 0;
}
