/* passing.c: pipes, sockets and other descriptors between processes: their ends,
 * descriptors that are sent, who the peer is, what is inherited. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

#define BIG (1 << 20)

static struct gate gate, back;
static int fds[2], sockets[2], shared_fd;

static int writes_slowly(void)
{
	close(fds[0]);
	for (int i = 0; i < 3; i++) {
		write(fds[1], "abc", 3);
		pause_ms(5);
	}
	return 0;
}

static int writes_much(void)
{
	char *data = malloc(BIG);

	close(fds[0]);
	memset(data, 'd', BIG);
	return write(fds[1], data, BIG) == BIG ? 0 : 1;
}

static int writes_to_nobody(void)
{
	close(fds[0]);
	gate_open(&back);
	gate_pass(&gate);
	write(fds[1], "x", 1);
	return 1;
}

static int writes_until_broken(void)
{
	char *data = calloc(1, BIG);

	signal(SIGPIPE, SIG_IGN);
	close(fds[0]);
	SHOW(write(fds[1], data, BIG) < BIG);
	SHOW(write(fds[1], data, 1));
	return 0;
}

static int reads_all(void)
{
	char data[1000];
	long total = 0, n;

	close(fds[1]);
	while ((n = read(fds[0], data, sizeof(data))) > 0)
		total += n;
	return total == 3000 ? 0 : 1;
}

static void pipes(void)
{
	char text[64], *data = malloc(BIG);
	long total = 0, n;
	pid_t pid, other;

	pipe(fds);
	pid = child_start(writes_slowly);
	close(fds[1]);
	while ((n = read(fds[0], text, sizeof(text))) > 0)
		total += n;
	SHOW(n);
	SHOW(total);
	child_end("writes slowly", pid);
	close(fds[0]);

	pipe(fds);
	pid = child_start(writes_much);
	close(fds[1]);
	for (total = 0; (n = read(fds[0], data, 5000)) > 0;)
		total += n;
	SHOW(total);
	child_end("writes much", pid);
	close(fds[0]);

	pipe(fds);
	pid = child_start(writes_to_nobody);
	gate_pass(&back);
	close(fds[0]), close(fds[1]);
	gate_open(&gate);
	child_end("writes to nobody", pid);

	pipe(fds);
	pid = child_start(writes_until_broken);
	close(fds[1]);
	SHOW(read(fds[0], data, 100));
	pause_ms(5);
	close(fds[0]);
	child_end("writes until it is broken", pid);

	/* The end comes when the last of the writers is gone. */
	pipe(fds);
	pid = child_start(reads_all);
	other = fork();
	if (other == 0) {
		write(fds[1], calloc(1, 2000), 2000);
		pause_ms(20);
		_exit(0);
	}
	write(fds[1], calloc(1, 1000), 1000);
	close(fds[0]), close(fds[1]);
	child_end("one writer", other);
	child_end("reads all", pid);
	free(data);
}

static void send_fd(int s, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'f';
	struct iovec part = { &byte, 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS,
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(s, &m, 0) != 1)
		perror("sendmsg");
}

/* The descriptor that came, or the sender's number. */
static int receive(int s, int type)
{
	char control[200], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int result = -1;

	if (recvmsg(s, &m, 0) != 1)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == type)
			memcpy(&result, CMSG_DATA(c), sizeof(result));
	return result;
}

static int sends_descriptors(void)
{
	int fd = open("sent", O_RDWR | O_CREAT, 0600), ends[2];
	char text[8] = "";

	write(fd, "0123456789", 10);
	lseek(fd, 4, SEEK_SET);
	send_fd(sockets[1], fd);
	pipe(ends);
	send_fd(sockets[1], ends[1]);
	close(ends[1]), close(fd);
	if (read(ends[0], text, sizeof(text)) != 8 || strcmp(text, "through"))
		return 1;
	return (int)read(ends[0], text, sizeof(text));
}

static int sends_credentials(void)
{
	return send(sockets[1], "c", 1, 0) != 1;
}

static int leaves_descriptor(void)
{
	pipe(fds);
	send_fd(sockets[1], fds[0]);
	write(fds[1], "left", 4);
	return 0;
}

static void sending(void)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	char text[8] = "";
	int fd, end, on = 1;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	pid = child_start(sends_descriptors);
	fd = receive(sockets[0], SCM_RIGHTS);
	SHOW(read(fd, text, 3));
	puts(text);
	end = receive(sockets[0], SCM_RIGHTS);
	SHOW(write(end, "through", 8));
	SHOW(close(end));
	child_end("sends descriptors", pid);
	close(fd);
	child_run("leaves a descriptor", leaves_descriptor);
	fd = receive(sockets[0], SCM_RIGHTS);
	SHOW(read(fd, text, sizeof(text)));
	SHOW(read(fd, text, sizeof(text)));
	close(fd);
	SHOW(getsockopt(sockets[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
	SHOW(peer.pid == getpid());
	SHOW(setsockopt(sockets[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	pid = child_start(sends_credentials);
	SHOW(receive(sockets[0], SCM_CREDENTIALS) == pid);
	child_end("sends credentials", pid);
	/* In flight, and its receiver goes. */
	send_fd(sockets[0], fds[0]);
	close(sockets[0]), close(sockets[1]);
}

/* What cannot be stored is left out; a descriptor whose number cannot, too. */
static void nowhere_to_store(void)
{
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	int before, on = 1;

	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	before = dup(0);
	close(before);
	m.msg_control =
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++) {
		m.msg_controllen = i == 2 ? 0 : 64;
		send_fd(sockets[1], 1);
		SHOW(recvmsg(sockets[0], &m, 0));
		SHOW(m.msg_flags == MSG_CTRUNC);
		SHOW(m.msg_controllen);
		SHOW(dup(0) == before);
		close(before);
		setsockopt(sockets[0], SOL_SOCKET, SO_PASSCRED, &on,
			   sizeof(on));
	}
	munmap(m.msg_control, 4096);
	close(sockets[0]), close(sockets[1]);
}

static int connects(void)
{
	struct sockaddr_un name = { AF_UNIX, "socket" };
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	SHOW(connect(s, (struct sockaddr *)&name, sizeof(name)));
	SHOW(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &size));
	SHOW(peer.pid == getppid());
	write(s, "hello", 5);
	gate_pass(&gate);
	return 0;
}

static void named(void)
{
	struct sockaddr_un name = { AF_UNIX, "socket" };
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c;
	char text[8];
	pid_t pid;

	bind(s, (struct sockaddr *)&name, sizeof(name));
	listen(s, 5);
	pid = child_start(connects);
	c = accept(s, NULL, NULL);
	SHOW(read(c, text, sizeof(text)));
	SHOW(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &peer, &size));
	SHOW(peer.pid == pid && peer.uid == getuid());
	kill(pid, SIGKILL);
	SHOW(read(c, text, sizeof(text)));
	SHOW(send(c, text, 1, MSG_NOSIGNAL));
	child_end("connects", pid);
	close(c), close(s);
}

static int adds_events(void)
{
	unsigned long long n = 5;
	struct itimerspec at = { { 0, 0 }, { 0, 1 } };

	SHOW(write(fds[0], &n, 8));
	SHOW(timerfd_settime(fds[1], 0, &at, NULL));
	return 0;
}

/* The same set of descriptors, whoever waits and whoever adds. */
static int uses_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 7 };
	int ends[2];

	pipe(ends);
	SHOW(epoll_ctl(shared_fd, EPOLL_CTL_ADD, ends[0], &e));
	write(ends[1], "e", 1);
	SHOW(epoll_wait(shared_fd, &e, 1, -1));
	SHOW(e.data.u32);
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

static void inherited(void)
{
	unsigned long long n;
	struct epoll_event e = { .events = EPOLLIN };
	pid_t pid;

	fds[0] = eventfd(0, 0), fds[1] = timerfd_create(CLOCK_MONOTONIC, 0);
	child_run("adds events", adds_events);
	SHOW(read(fds[0], &n, 8));
	SHOW(n);
	SHOW(read(fds[1], &n, 8));
	SHOW(n);
	close(fds[0]), close(fds[1]);
	shared_fd = epoll_create1(0);
	pid = child_start(uses_epoll);
	gate_pass(&back);
	SHOW(epoll_wait(shared_fd, &e, 1, -1));
	SHOW(e.data.u32);
	gate_open(&gate);
	child_end("uses epoll", pid);
	SHOW(epoll_wait(shared_fd, &e, 1, 0));
	close(shared_fd);
}

static int makes_files(void)
{
	struct inotify_event *e = malloc(400);

	close(open("watched/a", O_RDWR | O_CREAT, 0600));
	SHOW(read(shared_fd, e, 400) > 0);
	printf("%x %s\n", e->mask, e->name);
	SHOW(mkdir("watched/b", 0700));
	return 0;
}

static int reads_own_signals(void)
{
	struct signalfd_siginfo info;
	struct pollfd p = { shared_fd, POLLIN, 0 };

	SHOW(poll(&p, 1, 0));
	raise(SIGUSR1);
	SHOW(poll(&p, 1, 0));
	SHOW(read(shared_fd, &info, sizeof(info)));
	SHOW(info.ssi_pid == (unsigned)getpid());
	return 0;
}

static void watched(void)
{
	char events[400];
	sigset_t set;

	mkdir("watched", 0700);
	shared_fd = inotify_init1(IN_NONBLOCK);
	SHOW(inotify_add_watch(shared_fd, "watched", IN_CREATE));
	child_run("makes files", makes_files);
	SHOW(read(shared_fd, events, sizeof(events)) > 0);
	SHOW(read(shared_fd, events, sizeof(events)));
	close(shared_fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	shared_fd = signalfd(-1, &set, SFD_NONBLOCK);
	raise(SIGUSR1);
	child_run("reads its own signals", reads_own_signals);
	SHOW(read(shared_fd, events, sizeof(struct signalfd_siginfo)));
	close(shared_fd);
}

static int owns(void)
{
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

/* SIGIO to another process, descriptors of another process. */
static void others(void)
{
	int fd, copy;
	pid_t pid;
	char text[8];

	pipe(fds);
	shared_fd = open("theirs", O_RDWR | O_CREAT, 0600);
	pid = child_start(owns);
	gate_pass(&back);
	write(shared_fd, "theirs", 7);
	close(shared_fd);
	fd = (int)RAW(pidfd_open, pid, 0);
	SHOW((copy = (int)RAW(pidfd_getfd, fd, shared_fd, 0)) >= 0);
	SHOW(pread(copy, text, sizeof(text), 0));
	SHOW(lseek(copy, 0, SEEK_CUR));
	SHOW(RAW(pidfd_getfd, fd, 999, 0));
	SHOW(fcntl(fds[0], F_SETOWN, pid));
	SHOW(fcntl(fds[0], F_GETOWN) == pid);
	SHOW(fcntl(fds[0], F_SETFL, O_ASYNC));
	SHOW(write(fds[1], "x", 1));
	child_end("gets SIGIO", pid);
	SHOW(RAW(pidfd_getfd, fd, shared_fd, 0));
	close(fd), close(copy), close(fds[0]), close(fds[1]);
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	gate = gate_make(), back = gate_make();
	pipes();
	sending();
	nowhere_to_store();
	named();
	inherited();
	watched();
	others();
	return 0;
}
