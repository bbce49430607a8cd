/* epoll.c: epoll: level, edge, one-shot, nesting, leaving sets, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static int ep, p[2];

static int ctl(int set, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(set, op, fd, &e);
}

static void wait_for(const char *what, int set, int ms)
{
	struct epoll_event e[8];
	int n = epoll_wait(set, e, 8, ms);

	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		printf(" [%x %d]", e[i].events, (int)e[i].data.u64);
	putchar('\n');
}

static void put(const char *text)
{
	if (write(p[1], text, 1) != 1)
		puts("short");
}

static void take(void)
{
	char c;

	if (read(p[0], &c, 1) != 1)
		puts("short");
}

static void *counter(void *arg)
{
	uint64_t one = 1;

	usleep(20000);
	if (write(*(int *)arg, &one, sizeof(one)) != sizeof(one))
		puts("short");
	return NULL;
}

static void *writer(void *arg)
{
	(void)arg;
	usleep(20000);
	put("x");
	return NULL;
}

static void level(void)
{
	pthread_t t;

	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 7));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 7));
	wait_for("nothing", ep, 0);
	wait_for("nothing, 10 ms", ep, 10);
	put("a");
	wait_for("level", ep, -1);
	wait_for("level again", ep, -1);
	take();
	wait_for("drained", ep, 0);
	pthread_create(&t, NULL, writer, NULL);
	wait_for("woken", ep, -1);
	pthread_join(t, NULL);
	take();
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 8));
	put("b");
	wait_for("both", ep, -1);
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[1], 0, 0));
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[1], 0, 0));
	take();
}

static void edge(void)
{
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 9));
	put("a");
	wait_for("edge", ep, 0);
	wait_for("no new edge", ep, 0);
	put("b");
	wait_for("second edge", ep, 0);
	take();
	wait_for("reading is no edge", ep, 0);
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 9));
	wait_for("a change is", ep, 0);
	take();
}

static void one_shot(void)
{
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 10));
	put("a");
	wait_for("one shot", ep, 0);
	put("b");
	wait_for("silent", ep, 0);
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 11));
	wait_for("armed again", ep, 0);
	take();
	take();
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 12));
}

static void nesting(void)
{
	int outer = epoll_create1(0), chain[7];

	SHOW(ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 20));
	wait_for("outer, nothing", outer, 0);
	put("a");
	wait_for("outer", outer, 0);
	take();
	wait_for("outer, drained", outer, 0);
	SHOW(ctl(ep, EPOLL_CTL_ADD, outer, EPOLLIN, 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	close(outer);
	for (int i = 0; i < 7; i++)
		chain[i] = epoll_create1(0);
	for (int i = 0; i < 4; i++)
		SHOW(ctl(chain[i + 1], EPOLL_CTL_ADD, chain[i], EPOLLIN, 0));
	SHOW(ctl(chain[5], EPOLL_CTL_ADD, chain[4], EPOLLIN, 0));
	SHOW(ctl(chain[0], EPOLL_CTL_ADD, chain[4], EPOLLIN, 0));
	for (int i = 0; i < 7; i++)
		close(chain[i]);
}

static void closing(void)
{
	int e = eventfd(1, 0), copy = dup(e), s[2];

	SHOW(ctl(ep, EPOLL_CTL_ADD, e, EPOLLIN, 30));
	close(e);
	wait_for("the copy keeps it", ep, 0);
	close(copy);
	wait_for("gone", ep, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SHOW(ctl(ep, EPOLL_CTL_ADD, s[0],
		 EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, 31));
	wait_for("socket", ep, 0);
	wait_for("socket, no edge", ep, 0);
	shutdown(s[1], SHUT_WR);
	wait_for("peer shut", ep, 0);
	close(s[1]);
	wait_for("peer gone", ep, 0);
	close(s[0]);
	wait_for("nothing", ep, 0);
	close(p[1]);
	wait_for("hung up", ep, 0);
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], 0, 32));
	wait_for("unasked", ep, 0);
	close(p[0]);
	wait_for("nothing", ep, 0);
}

static void errors(void)
{
	struct epoll_event e[2];
	int file = open("/proc/self/exe", O_RDONLY);

	SHOW(file >= 0);
	SHOW(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, 999, EPOLLIN, 0));
	SHOW(ctl(999, EPOLL_CTL_ADD, p[0], EPOLLIN, 0));
	SHOW(ctl(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 0));
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN, 0));
	SHOW(ctl(ep, 77, p[1], EPOLLIN, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], NULL));
	SHOW(epoll_wait(ep, e, 0, 0));
	SHOW(epoll_wait(p[0], e, 1, 0));
	SHOW(epoll_wait(999, e, 1, 0));
	SHOW(epoll_create1(1));
	SHOW(syscall(SYS_epoll_create, 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE, 1));
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 1));
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[1], 0, 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLPRI | EPOLLEXCLUSIVE, 1));
	close(file);
}

/* No file may starve another: each wait of one event takes the next. */
static void fairness(void)
{
	int a = eventfd(1, 0), b = eventfd(1, 0), seen = 0;

	ctl(ep, EPOLL_CTL_ADD, a, EPOLLIN, 1);
	ctl(ep, EPOLL_CTL_ADD, b, EPOLLIN, 2);
	for (int i = 0; i < 4; i++) {
		struct epoll_event e;

		epoll_wait(ep, &e, 1, 0);
		seen |= (int)e.data.u64;
	}
	printf("seen %d\n", seen);
	close(a);
	close(b);
}

static long pwait2(struct epoll_event *e, int count, const void *timeout,
		   const sigset_t *mask, size_t size)
{
	return syscall(SYS_epoll_pwait2, ep, e, count, timeout, mask, size);
}

/* A timeout in nanoseconds, and a mask for its time. */
static void nanoseconds(void)
{
	struct timespec none = { 0, 0 }, some = { 0, 5000000 };
	struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 };
	int e1 = eventfd(0, 0);
	struct epoll_event e;
	sigset_t mask;
	pthread_t t;

	sigemptyset(&mask);
	ctl(ep, EPOLL_CTL_ADD, e1, EPOLLIN, 7);
	SHOW(pwait2(&e, 1, &none, NULL, 0));
	SHOW(pwait2(&e, 1, &some, NULL, 0));
	SHOW(pwait2(&e, 1, &some, &mask, 8));
	SHOW(pwait2(&e, 1, &some, &mask, 4));
	SHOW(pwait2(&e, 1, &bad, NULL, 0));
	SHOW(pwait2(&e, 1, &negative, NULL, 0));
	SHOW(pwait2(&e, 1, (void *)8, NULL, 0));
	SHOW(pwait2(&e, 1, &none, (void *)8, 8));
	SHOW(pwait2(&e, 0, &none, NULL, 0));
	pthread_create(&t, NULL, counter, &e1);
	SHOW(pwait2(&e, 1, NULL, NULL, 0));
	SHOW(e.data.u64);
	pthread_join(t, NULL);
	SHOW(pwait2((void *)8, 1, &none, NULL, 0));
	close(e1);
}

/* What nobody can wait for, and what only has a path. */
static void cannot(void)
{
	static const char *const names[] = { "/dev/null",
					     "/dev/zero",
					     "/dev/full",
					     "/dev/urandom",
					     "/dev/random",
					     "/proc/self/status",
					     "/proc/self/cmdline",
					     "/proc/mounts",
					     "/proc/self/mountinfo",
					     "/proc/self/mountstats",
					     "/proc/meminfo",
					     "/proc/sys/kernel/ostype",
					     "/proc/net/unix",
					     "/proc",
					     "/proc/self/fd",
					     "/sys",
					     "/" };
	struct epoll_event e = { .events = EPOLLIN };
	struct pollfd w = { .events = POLLIN | POLLOUT };
	struct timeval none = { 0 };
	int path = open("/", O_PATH);
	fd_set set;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = w.fd = open(names[i], O_RDONLY);

		printf("%s: %d, ", names[i], poll(&w, 1, 0));
		printf("%x, ", (unsigned)w.revents);
		SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
		close(fd);
	}
	w.fd = path;
	SHOW(poll(&w, 1, 0));
	SHOW(w.revents == POLLNVAL);
	FD_ZERO(&set);
	FD_SET(path, &set);
	SHOW(select(path + 1, &set, NULL, NULL, &none));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, path, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, path, &e));
	SHOW(epoll_ctl(path, EPOLL_CTL_ADD, ep, &e));
	SHOW(epoll_wait(path, &e, 1, 0));
	close(path);
}

int main(void)
{
	SHOW((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	SHOW(pipe(p));
	level();
	edge();
	one_shot();
	nesting();
	errors();
	fairness();
	nanoseconds();
	closing();
	cannot();
	return 0;
}
