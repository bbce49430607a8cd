/*
 * What is given back is free again: each thing is made and given back a thousand
 * times, and memory is as before. Says so in the guest only: other programs of a
 * Linux machine take and give all the time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define TIMES 1000

static char buffer[70000];

static unsigned long free_pages(void)
{
	struct sysinfo s;

	sysinfo(&s);
	return s.freeram / 4096;
}

static void image_file(void)
{
	int fd = open("/bin/leak", O_RDONLY);

	if (pread(fd, buffer, 4096, 0) < 0)
		perror("read");
	close(dup(fd));
	close(fd);
}

static void missing_files(void)
{
	struct stat st;

	close(open("/bin/none", O_RDONLY));
	stat("/none/none", &st);
	access("/bin/leak/none", F_OK);
}

static void memory_file(void)
{
	int fd = open("/tmp/leak", O_RDWR | O_CREAT, 0600);

	if (write(fd, buffer, sizeof(buffer)) < 0 || ftruncate(fd, 100))
		perror("write");
	setxattr("/tmp/leak", "user.name", "value", 5, 0);
	rename("/tmp/leak", "/tmp/leak2");
	link("/tmp/leak2", "/tmp/leak");
	unlink("/tmp/leak2");
	unlink("/tmp/leak");
	close(fd);
}

static void directory(void)
{
	DIR *d;

	mkdir("/tmp/leak", 0700);
	symlink("none", "/tmp/leak/link");
	mknod("/tmp/leak/fifo", S_IFIFO | 0600, 0);
	d = opendir("/tmp/leak");
	while (readdir(d))
		;
	closedir(d);
	unlink("/tmp/leak/link");
	unlink("/tmp/leak/fifo");
	rmdir("/tmp/leak");
}

static void proc_file(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);

	if (read(fd, buffer, sizeof(buffer)) < 0)
		perror("maps");
	close(fd);
	if (readlink("/proc/self/exe", buffer, sizeof(buffer)) < 0)
		perror("exe");
}

static void pipes(void)
{
	int p[2];

	if (pipe2(p, O_NONBLOCK) || write(p[1], buffer, sizeof(buffer)) < 0 ||
	    read(p[0], buffer, 5000) < 0)
		perror("pipe");
	close(p[0]);
	close(p[1]);
}

static void socket_pair(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { buffer, 100 };
	struct msghdr h = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		perror("socketpair");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &(int){ 1 }, sizeof(int));
	if (sendmsg(s[0], &h, 0) < 0 || write(s[0], buffer, 5000) < 0)
		perror("send");
	close(s[0]);
	close(s[1]);
}

static void listener(void)
{
	struct sockaddr_un a = { AF_UNIX, "/tmp/leak-socket" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0),
	    c = socket(AF_UNIX, SOCK_STREAM, 0), s;

	if (bind(l, (void *)&a, sizeof(a)) || listen(l, 5) ||
	    connect(c, (void *)&a, sizeof(a)))
		perror("connect");
	s = accept(l, NULL, NULL);
	close(c);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	connect(c, (void *)&a, sizeof(a)); /* nobody accepts this one */
	close(s);
	close(l);
	close(c);
	unlink(a.sun_path);
}

static void epolls(void)
{
	int ep = epoll_create1(0), e = eventfd(1, 0), t;
	struct epoll_event event = { .events = EPOLLIN };
	struct itimerspec soon = { .it_value.tv_sec = 100 };

	t = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(t, 0, &soon, NULL);
	epoll_ctl(ep, EPOLL_CTL_ADD, e, &event);
	epoll_ctl(ep, EPOLL_CTL_ADD, t, &event);
	epoll_wait(ep, &event, 1, 0);
	close(e);
	close(ep);
	close(t);
}

static void polls(void)
{
	struct pollfd many[100];
	struct timeval now = { 0, 0 };
	fd_set set;

	for (int i = 0; i < 100; i++)
		many[i] = (struct pollfd){ .fd = i % 3, .events = POLLIN };
	poll(many, 100, 0);
	FD_ZERO(&set);
	FD_SET(1, &set);
	select(2, NULL, &set, NULL, &now);
}

static void signals(void)
{
	sigset_t set, pending;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, 0);
	for (int i = 0; i < 20; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	while (sigpending(&pending) == 0 && sigismember(&pending, SIGRTMIN))
		sigwaitinfo(&set, NULL);
	close(fd);
}

static void timers(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_NONE };
	struct itimerspec soon = { .it_value.tv_sec = 100 };
	timer_t t;

	timer_create(CLOCK_MONOTONIC, &e, &t);
	timer_settime(t, 0, &soon, NULL);
	timer_delete(t);
}

static void locks(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open("/tmp/leak-lock", O_RDWR | O_CREAT, 0600);

	for (l.l_start = 0; l.l_start < 100; l.l_start += 10) {
		l.l_len = 5;
		fcntl(fd, F_SETLK, &l);
	}
	flock(fd, LOCK_EX);
	close(fd);
	unlink("/tmp/leak-lock");
}

static void watches(void)
{
	int fd = inotify_init1(IN_NONBLOCK), file;

	if (fd < 0)
		return;
	inotify_add_watch(fd, "/tmp", IN_ALL_EVENTS);
	file = open("/tmp/leak-watch", O_RDWR | O_CREAT, 0600);
	close(file);
	unlink("/tmp/leak-watch");
	close(fd);
}

static void mappings(void)
{
	int fd = memfd_create("leak", 0);
	char *p, *q, *r;

	if (ftruncate(fd, 65536))
		perror("ftruncate");
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	r = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p[0] = q[5000] = r[9000] = 1;
	mprotect(r, 4096, PROT_READ);
	mprotect(r, 4096, PROT_READ | PROT_WRITE);
	r = mremap(r, 65536, 131072, MREMAP_MAYMOVE);
	madvise(r, 8192, MADV_DONTNEED);
	close(fd);
	munmap(p, 65536);
	munmap(q, 65536);
	munmap(r, 131072);
	p = mmap(NULL, 1 << 20, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mmap(p, 65536, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	p[0] = 1;
	munmap(p, 1 << 20);
}

static void break_(void)
{
	char *p = sbrk(1 << 20);

	p[5000] = 1;
	sbrk(-(1 << 20));
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, nothing, NULL);
	pthread_join(t, NULL);
}

static void failures(void)
{
	mmap(NULL, 1ul << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	syscall(SYS_pipe2, 8, 0);
	syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8);
	syscall(SYS_signalfd4, -1, 8, 8, 0);
	timer_create(99, NULL, NULL);
	waitpid(-1, NULL, 0);
}

static void check(const char *what, void (*body)(void))
{
	unsigned long before;
	long lost;

	/* What is kept for the next time is there after a few. */
	for (int i = 0; i < 20; i++)
		body();
	before = free_pages();
	for (int i = 0; i < TIMES; i++)
		body();
	lost = (long)(before - free_pages());
	if (lost > 1)
		printf("%s: %ld pages lost\n", what, lost);
}
#define CHECK(body) check(#body, body)

int main(void)
{
	CHECK(image_file);
	CHECK(missing_files);
	CHECK(memory_file);
	CHECK(directory);
	CHECK(proc_file);
	CHECK(pipes);
	CHECK(socket_pair);
	CHECK(listener);
	CHECK(epolls);
	CHECK(polls);
	CHECK(signals);
	CHECK(timers);
	CHECK(locks);
	CHECK(watches);
	CHECK(mappings);
	CHECK(break_);
	CHECK(threads);
	CHECK(failures);
	printf("done\n");
	return 0;
}
