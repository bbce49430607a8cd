/* tcpedge.c: waits, edges, full queues and urgent data of TCP. */
#include "net.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>

static int unblocked(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static void connecting(void)
{
	int l = listener("127.0.0.1", 5), fd = unblocked(), closed;

	SHOW(connect_to(fd, "127.0.0.1", port_of(l)));
	settle(fd, POLLOUT);
	show_state("connected", fd);
	SHOW(number(fd, SOL_SOCKET, SO_ERROR));
	SHOW(connect_to(fd, "127.0.0.1", port_of(l)));
	SHOW(connect_to(fd, "127.0.0.1", port_of(l)));
	close(fd);
	closed = port_of(l);
	close(l);
	fd = unblocked();
	SHOW(connect_to(fd, "127.0.0.1", closed));
	settle(fd, POLLOUT);
	show_state("refused", fd);
	SHOW(connect_to(fd, "127.0.0.1", closed));
	show_state("told", fd);
	SHOW(connect_to(fd, "127.0.0.1", closed));
	settle(fd, POLLOUT);
	SHOW(number(fd, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
	show_state("asked", fd);
	SHOW(connect_to(fd, "127.0.0.1", closed));
	SHOW(connect_to(fd, "192.0.2.1", 9));
	close(fd);
}

static void backlog(void)
{
	int l = listener("127.0.0.1", 1), fds[4], s;
	struct timeval t = { 0, 30000 };

	for (int i = 0; i < 4; i++) {
		fds[i] = unblocked();
		SHOW(connect_to(fds[i], "127.0.0.1", port_of(l)));
		usleep(1000);
		show_state("one more", fds[i]);
	}
	SHOW(send(fds[3], "x", 1, 0));
	SHOW(recv(fds[3], &s, 1, 0));
	show_name("waits", fds[3]);
	SHOW(connect_to(fds[3], "127.0.0.1", port_of(l)));
	SHOW(shutdown(fds[3], SHUT_WR));
	show_state("shut", fds[3]);
	close(fds[3]);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	SHOW(connect_to(s, "127.0.0.1", port_of(l)));
	SHOW(connect_to(s, "127.0.0.1", port_of(l)));
	close(s);
	SHOW((s = accept(l, NULL, NULL)) >= 0);
	close(s);
	SHOW((s = accept(l, NULL, NULL)) >= 0);
	close(s);
	settle(fds[2], POLLOUT);
	show_state("there is room", fds[2]);
	SHOW((s = accept(l, NULL, NULL)) >= 0);
	close(s);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW(accept(l, NULL, NULL));
	fcntl(l, F_SETFL, 0);
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	SHOW(accept(l, NULL, NULL));
	close(l);
}

static void reset_before_accept(void)
{
	int l = listener("127.0.0.1", 5), c = socket(AF_INET, SOCK_STREAM, 0),
	    s;
	union name n;
	socklen_t size = sizeof(n);
	char byte;

	connect_to(c, "127.0.0.1", port_of(l));
	setsockopt(c, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
		   sizeof(struct linger));
	close(c);
	show_poll("listener", l);
	s = accept(l, &n.any, &size);
	printf("from %s\n", text_of(&n));
	show_state("reset", s);
	SHOW(recv(s, &byte, 1, 0));
	SHOW(recv(s, &byte, 1, 0));
	close(s);
	c = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(c, "127.0.0.1", port_of(l));
	SHOW(send(c, "early", 5, 0));
	close(c);
	s = accept(l, NULL, NULL);
	settle(s, POLLRDHUP);
	show_state("closed", s);
	show_read("what was sent", s, 9, 0);
	show_read("end", s, 9, 0);
	close(s);
	close(l);
}

static void show_events(const char *what, int ep)
{
	struct epoll_event e[4];
	int n = epoll_wait(ep, e, 4, 0);

	printf("%s:", what);
	for (int i = 0; i < n; i++)
		printf(" %#x", e[i].events);
	printf("\n");
}

static void edges(void)
{
	struct three t = three_new();
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					   EPOLLPRI | EPOLLET };
	char text[9];

	epoll_ctl(ep, EPOLL_CTL_ADD, t.server, &e);
	show_events("added", ep);
	show_events("again", ep);
	send(t.client, "ab", 2, 0);
	show_events("data", ep);
	show_events("again", ep);
	send(t.client, "cd", 2, 0);
	show_events("more data", ep);
	recv(t.server, text, 1, 0);
	show_events("read some", ep);
	send(t.client, "u", 1, MSG_OOB);
	show_events("urgent", ep);
	shutdown(t.client, SHUT_WR);
	show_events("end", ep);
	show_events("again", ep);
	shutdown(t.server, SHUT_WR);
	show_events("both ends", ep);
	e.events |= EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, t.server, &e);
	show_events("once", ep);
	show_events("again", ep);
	three_close(&t);
	t = three_new();
	e.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_ADD, t.listener, &e);
	show_events("nobody", ep);
	t.client = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(t.client, "127.0.0.1", port_of(t.listener));
	show_events("somebody", ep);
	show_events("level", ep);
	close(accept(t.listener, NULL, NULL));
	show_events("taken", ep);
	close(ep);
	three_close(&t);
}

static long fill(int fd)
{
	static char block[65536];
	long total = 0, n;

	while ((n = send(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		total += n;
	return total;
}

static long drain(int fd)
{
	static char block[65536];
	long total = 0, n;
	struct pollfd p = { fd, POLLIN, 0 };

	while (poll(&p, 1, 300) == 1 &&
	       (n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		total += n;
	return total;
}

static void full(void)
{
	struct three t = three_new();
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	struct timeval wait = { 0, 20000 };
	long n;

	n = fill(t.client);
	printf("much fits: %d\n", n > 100000 && n < 32 << 20);
	show_poll("full", t.client);
	SHOW(send(t.client, "x", 1, MSG_DONTWAIT));
	setsockopt(t.client, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	SHOW(send(t.client, "x", 1, 0));
	epoll_ctl(ep, EPOLL_CTL_ADD, t.client, &e);
	show_events("full", ep);
	printf("all came: %d\n", drain(t.server) == n);
	show_poll("room", t.client);
	show_events("room", ep);
	show_events("again", ep);
	close(ep);
	n = fill(t.client);
	SHOW(shutdown(t.client, SHUT_WR));
	printf("all came: %d\n", drain(t.server) == n);
	show_read("end", t.server, 9, 0);
	three_close(&t);
	t = three_new();
	SHOW(set(t.client, SOL_SOCKET, SO_SNDBUF, 8192));
	SHOW(set(t.server, SOL_SOCKET, SO_RCVBUF, 8192));
	SHOW(number(t.client, SOL_SOCKET, SO_SNDBUF));
	SHOW(number(t.server, SOL_SOCKET, SO_RCVBUF));
	n = fill(t.client);
	printf("less fits: %d\n", n > 1000 && n < 1000000);
	printf("all came: %d\n", drain(t.server) == n);
	three_close(&t);
}

static void urgent(void)
{
	struct three t = three_new();
	int n;
	char c;

	SHOW(recv(t.server, &c, 1, MSG_OOB));
	send(t.client, "abc", 3, 0);
	SHOW(send(t.client, "deX", 3, MSG_OOB));
	show_poll("urgent", t.server);
	SHOW(ioctl(t.server, FIONREAD, &n));
	printf("%d bytes\n", n);
	show_read("up to it", t.server, 20, 0);
	SHOW(ioctl(t.server, SIOCATMARK, &n));
	printf("at the mark: %d\n", n);
	show_read("peek", t.server, 1, MSG_OOB | MSG_PEEK);
	show_read("it", t.server, 1, MSG_OOB);
	show_read("it again", t.server, 1, MSG_OOB);
	show_poll("taken", t.server);
	send(t.client, "rest", 4, 0);
	show_read("rest", t.server, 20, 0);
	SHOW(ioctl(t.server, SIOCATMARK, &n));
	printf("at the mark: %d\n", n);
	show_read("gone", t.server, 1, MSG_OOB);
	send(t.client, "1A", 2, MSG_OOB);
	send(t.client, "2B", 2, MSG_OOB);
	show_read("the last one", t.server, 1, MSG_OOB);
	show_read("the rest", t.server, 20, 0);
	show_read("the rest", t.server, 20, MSG_DONTWAIT);
	set(t.server, SOL_SOCKET, SO_OOBINLINE, 1);
	send(t.client, "xyZ", 3, MSG_OOB);
	send(t.client, "w", 1, 0);
	show_read("refused", t.server, 1, MSG_OOB);
	show_read("in line, up to it", t.server, 20, 0);
	SHOW(ioctl(t.server, SIOCATMARK, &n));
	printf("at the mark: %d\n", n);
	show_read("and on", t.server, 20, 0);
	three_close(&t);
}

static volatile int came;

static void note(int signo)
{
	came = signo;
}

static void signalled(void)
{
	struct three t = three_new();

	signal(SIGURG, note);
	SHOW(fcntl(t.server, F_SETOWN, getpid()));
	send(t.client, "!", 1, MSG_OOB);
	for (int i = 0; i < 1000 && !came; i++)
		usleep(1000);
	printf("SIGURG: %d\n", came == SIGURG);
	three_close(&t);
}

static void *slow_writer(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 4; i++) {
		usleep(20000);
		send(fd, "part", 4, 0);
	}
	return NULL;
}

static void amounts(void)
{
	struct three t = three_new();
	pthread_t thread;
	struct timeval wait = { 0, 30000 };

	pthread_create(&thread, NULL, slow_writer, &t.client);
	show_read("all of it", t.server, 16, MSG_WAITALL);
	pthread_join(thread, NULL);
	setsockopt(t.server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	show_read("nothing comes", t.server, 9, 0);
	send(t.client, "some", 4, 0);
	show_read("not all", t.server, 9, MSG_WAITALL);
	wait.tv_usec = 0;
	setsockopt(t.server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	SHOW(set(t.server, SOL_SOCKET, SO_RCVLOWAT, 8));
	send(t.client, "1234567", 7, 0);
	show_poll("too little", t.server);
	show_read("at once", t.server, 3, MSG_DONTWAIT);
	send(t.client, "abcd", 4, 0);
	show_poll("enough", t.server);
	show_read("enough", t.server, 20, 0);
	shutdown(t.client, SHUT_WR);
	show_read("end", t.server, 20, MSG_WAITALL);
	three_close(&t);
}

static void *closer(void *arg)
{
	usleep(30000);
	shutdown(*(int *)arg, SHUT_RDWR);
	return NULL;
}

static void woken(void)
{
	struct three t = three_new();
	pthread_t thread;
	char c;

	pthread_create(&thread, NULL, closer, &t.server);
	SHOW(recv(t.server, &c, 1, 0));
	pthread_join(thread, NULL);
	three_close(&t);
	t = three_new();
	fill(t.client);
	pthread_create(&thread, NULL, closer, &t.client);
	signal(SIGPIPE, SIG_IGN);
	SHOW(send(t.client, &c, 1, 0));
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, closer, &t.listener);
	SHOW(accept(t.listener, NULL, NULL));
	pthread_join(thread, NULL);
	three_close(&t);
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = note }, NULL);
	t = three_new();
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } },
		  NULL);
	SHOW(recv(t.server, &c, 1, 0));
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } },
		  NULL);
	SHOW(accept(t.listener, NULL, NULL));
	three_close(&t);
}

static void files(void)
{
	struct three t = three_new();
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600), p[2];
	off_t at = 2;

	if (write(fd, "0123456789", 10) != 10 || pipe(p))
		return;
	SHOW(sendfile(t.client, fd, &at, 5));
	show_read("sent file", t.server, 20, 0);
	if (write(p[1], "piped", 5) != 5)
		return;
	SHOW(splice(p[0], NULL, t.client, NULL, 5, 0));
	SHOW(splice(t.server, NULL, p[1], NULL, 20, 0));
	char text[9];
	SHOW(read(p[0], text, 9));
	printf("%.5s\n", text);
	close(p[0]);
	close(p[1]);
	close(fd);
	three_close(&t);
}

int main(void)
{
	connecting();
	backlog();
	reset_before_accept();
	edges();
	full();
	urgent();
	signalled();
	amounts();
	woken();
	files();
	return 0;
}
