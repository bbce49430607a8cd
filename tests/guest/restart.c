/* What a handler does to each call that waits, with SA_RESTART and without: it
 * goes on, or ends with EINTR. The handler makes ready what is waited for, so
 * that who goes on ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipes[2], full[2], pair[2], listener, client = -1, ep, event, timer;
static volatile int handled;
static volatile uint32_t word;
static sem_t semaphore;
static struct sockaddr_un name = { AF_UNIX, "\0restart" };

/* Only the second time, so that a call that goes on waits once more. */
static void make_ready(int signo)
{
	struct itimerspec now = { { 0, 0 }, { 0, 1 } };
	static char drain[1 << 20];
	uint64_t one = 1;
	int e = errno;

	(void)signo;
	if (++handled != 2)
		return;
	if (write(pipes[1], "x", 1) < 0 ||
	    read(full[0], drain, sizeof(drain)) < 0 ||
	    write(pair[1], "x", 1) < 0 || write(event, &one, 8) < 0)
		_exit(9);
	if (client < 0) {
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(client, (struct sockaddr *)&name, sizeof(name));
	}
	timerfd_settime(timer, 0, &now, NULL);
	word = 1;
	syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	sem_post(&semaphore);
	errno = e;
}

static long do_read(void)
{
	char c;

	return read(pipes[0], &c, 1);
}

static long do_write(void)
{
	static char big[4096];

	return write(full[1], big, sizeof(big));
}

static long do_poll(void)
{
	struct pollfd p = { pipes[0], POLLIN, 0 };

	return poll(&p, 1, 1000);
}

static long do_poll_forever(void)
{
	struct pollfd p = { pipes[0], POLLIN, 0 };

	return poll(&p, 1, -1);
}

static long do_ppoll(void)
{
	struct pollfd p = { pipes[0], POLLIN, 0 };

	return ppoll(&p, 1, NULL, NULL);
}

static long do_select(void)
{
	fd_set s;

	FD_ZERO(&s);
	FD_SET(pipes[0], &s);
	return select(pipes[0] + 1, &s, NULL, NULL, NULL);
}

static long do_epoll(void)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, -1);
}

static long do_recv(void)
{
	char c;

	return recv(pair[0], &c, 1, 0);
}

static long do_recv_timeout(void)
{
	struct timeval t = { 1, 0 }, none = { 0, 0 };
	char c;
	long r;

	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	r = recv(pair[0], &c, 1, 0);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	return r;
}

static long do_accept(void)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return fd;
	close(fd);
	close(client);
	client = -1;
	return 0;
}

static long do_event(void)
{
	uint64_t v;

	return read(event, &v, 8);
}

static long do_timer(void)
{
	uint64_t v;

	return read(timer, &v, 8);
}

static long do_nanosleep(void)
{
	struct timespec t = { 1, 0 };

	return nanosleep(&t, NULL);
}

static long do_clock_nanosleep(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec++;
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t,
		       NULL);
}

static long do_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long do_futex_timeout(void)
{
	struct timespec t = { 1, 0 };

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0);
}

static long do_sem_wait(void)
{
	return sem_wait(&semaphore);
}

static long do_sigtimedwait(void)
{
	struct timespec t = { 1, 0 };
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	return sigtimedwait(&s, NULL, &t);
}

static long do_sigsuspend(void)
{
	sigset_t s;

	sigemptyset(&s);
	return sigsuspend(&s);
}

static long do_pause(void)
{
	return pause();
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
#define X(name)                                                                \
	{                                                                      \
#name, do_##name                                               \
	}
	X(read),         X(write),           X(poll),       X(poll_forever),
	X(ppoll),        X(select),          X(epoll),      X(recv),
	X(recv_timeout), X(accept),          X(event),      X(timer),
	X(nanosleep),    X(clock_nanosleep), X(futex),      X(futex_timeout),
	X(sem_wait),     X(sigtimedwait),    X(sigsuspend), X(pause),
};

static void empty_all(void)
{
	struct itimerspec off = { 0 };
	char c[4096];
	uint64_t v;

	for (int i = 0; i < 2; i++) {
		int fd = i ? pair[0] : pipes[0];

		fcntl(fd, F_SETFL, O_NONBLOCK);
		while (read(fd, c, sizeof(c)) > 0)
			;
		fcntl(fd, F_SETFL, 0);
	}
	fcntl(event, F_SETFL, O_NONBLOCK);
	if (read(event, &v, 8) < 0)
		v = 0;
	fcntl(event, F_SETFL, 0);
	timerfd_settime(timer, 0, &off, NULL);
	fcntl(full[1], F_SETFL, O_NONBLOCK);
	while (write(full[1], c, sizeof(c)) > 0)
		;
	fcntl(full[1], F_SETFL, 0);
	if (client >= 0) {
		close(accept(listener, NULL, NULL));
		close(client);
		client = -1;
	}
	while (sem_trywait(&semaphore) == 0)
		;
	word = 0;
	handled = 0;
}

int main(void)
{
	struct itimerval every = { { 0, 30000 }, { 0, 30000 } },
			 off = { { 0, 0 }, { 0, 0 } };
	struct epoll_event e = { .events = EPOLLIN };

	ep = epoll_create1(0);
	event = eventfd(0, 0);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	sem_init(&semaphore, 0, 0);
	if (pipe(pipes) || pipe(full) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    bind(listener, (struct sockaddr *)&name, sizeof(name)) ||
	    listen(listener, 1) || epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &e))
		return 1;
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction a = { .sa_handler = make_ready,
				       .sa_flags = restart ? SA_RESTART : 0 };

		sigaction(SIGALRM, &a, NULL);
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
			long r;
			int error;

			empty_all();
			errno = 0;
			setitimer(ITIMER_REAL, &every, NULL);
			r = calls[i].call();
			error = errno;
			setitimer(ITIMER_REAL, &off, NULL);
			printf("%s, %s: %ld %s, handled %d\n", calls[i].name,
			       restart ? "SA_RESTART" : "none", r,
			       r < 0 ? strerrorname_np(error) : "",
			       handled > 1 ? 2 : handled);
			fflush(stdout);
		}
	}
	return 0;
}
