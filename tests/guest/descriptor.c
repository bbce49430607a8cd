/* Descriptors: duplicates, ranges, flags, limits, and the calls that make one
 * in their first form. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int flags_of(int fd)
{
	return fcntl(fd, F_GETFD);
}

static void duplicates(void)
{
	int p[2], fd;
	char c = 'x';

	printf("-- duplicates\n");
	SHOW(RAW(pipe, p));
	SHOW(p[0] == 3 && p[1] == 4);
	SHOW(dup(p[1]));
	SHOW(close(3));
	SHOW(dup(4));
	SHOW(dup2(3, 10));
	SHOW(dup2(10, 10));
	SHOW(dup2(99, 99));
	SHOW(dup2(99, 10));
	SHOW(dup2(3, -1));
	SHOW(dup2(3, 1 << 30));
	SHOW(dup3(3, 11, O_CLOEXEC));
	SHOW(flags_of(11));
	SHOW(dup3(11, 12, 0));
	SHOW(flags_of(12));
	SHOW(dup3(11, 11, 0));
	SHOW(dup3(11, 12, O_NONBLOCK));
	SHOW(dup3(99, 12, 0));
	SHOW(dup(99));
	SHOW(dup(-1));
	/* what duplicates share, and what not */
	SHOW(fcntl(12, F_SETFL, O_NONBLOCK));
	SHOW(fcntl(11, F_GETFL) & O_NONBLOCK);
	SHOW(fcntl(12, F_SETFD, FD_CLOEXEC));
	SHOW(flags_of(10));
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	SHOW(write(fd, "abcdef", 6));
	SHOW(dup2(fd, 20));
	SHOW(lseek(20, 2, SEEK_SET));
	SHOW(read(fd, &c, 1));
	printf("%c\n", c);
	SHOW(close(fd));
	SHOW(read(20, &c, 1));
	SHOW(read(fd, &c, 1));
	SHOW(close(fd));
}

static void controls(void)
{
	printf("-- fcntl\n");
	SHOW(fcntl(20, F_DUPFD, 30));
	SHOW(fcntl(20, F_DUPFD, 30));
	SHOW(flags_of(31));
	SHOW(fcntl(20, F_DUPFD_CLOEXEC, 30));
	SHOW(flags_of(32));
	SHOW(fcntl(20, F_DUPFD, -1));
	SHOW(fcntl(20, F_DUPFD, 1 << 30));
	SHOW(fcntl(99, F_DUPFD, 0));
	SHOW(fcntl(99, F_GETFD));
	SHOW(fcntl(20, F_SETFD, 0xffff));
	SHOW(flags_of(20));
	SHOW(fcntl(20, F_SETFD, 0));
	SHOW(fcntl(20, F_GETFL) & O_ACCMODE);
	SHOW(fcntl(20, F_SETFL, O_APPEND | O_WRONLY | O_CREAT));
	SHOW(fcntl(20, F_GETFL) & (O_APPEND | O_ACCMODE | O_CREAT));
	SHOW(fcntl(20, 9999));
	SHOW(fcntl(99, 9999));
}

static void ranges(void)
{
	printf("-- close_range\n");
	SHOW(close_range(31, 30, 0));
	SHOW(close_range(30, 31, 0x100));
	SHOW(close_range(30, 31, CLOSE_RANGE_CLOEXEC));
	SHOW(flags_of(30));
	SHOW(close_range(30, 31, 0));
	SHOW(flags_of(30));
	SHOW(flags_of(31));
	SHOW(flags_of(32));
	SHOW(close_range(30, ~0u, CLOSE_RANGE_UNSHARE));
	SHOW(flags_of(32));
	SHOW(close_range(3, ~0u, 0));
	SHOW(close_range(3, ~0u, 0));
	SHOW(flags_of(10));
}

static void limits(void)
{
	struct rlimit l;
	int last = -1, fd, count = 0;

	printf("-- limits\n");
	SHOW(getrlimit(RLIMIT_NOFILE, &l));
	l.rlim_cur = 40;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	while ((fd = dup(1)) >= 0) {
		last = fd;
		count++;
	}
	printf("%d descriptors, the last %d, then %s\n", count, last,
	       strerrorname_np(errno));
	SHOW(dup2(1, 40));
	SHOW(dup2(1, 39));
	SHOW(fcntl(1, F_DUPFD, 40));
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(RAW(pipe, (int[2]){ 0 }));
	SHOW(close(38));
	SHOW(pipe((int[2]){ 0 }));
	SHOW(dup(1));
	l.rlim_cur = 10;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	/* what is open above a lowered limit stays */
	SHOW(flags_of(39));
	SHOW(close(39));
	SHOW(close(5));
	SHOW(dup(1));
	SHOW(close_range(3, ~0u, 0));
	l.rlim_cur = 1024;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	SHOW(poll((struct pollfd[1]){ { .fd = 39, .events = POLLIN } }, 1, 0));
}

/* The calls that the C library no longer makes. */
static void first_forms(void)
{
	uint64_t n = 0;
	sigset_t set;
	struct signalfd_siginfo {
		uint32_t signo, rest[31];
	} info;

	printf("-- first forms\n");
	SHOW(RAW(eventfd, 7));
	SHOW(flags_of(3));
	SHOW(read(3, &n, 8));
	SHOW(n);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SHOW(RAW(signalfd, -1, &set, 8));
	SHOW(flags_of(4));
	raise(SIGUSR1);
	SHOW(read(4, &info, sizeof(info)));
	SHOW(info.signo == SIGUSR1);
	SHOW(RAW(signalfd, -1, &set, 4));
	SHOW(RAW(signalfd, 3, &set, 8));
	SHOW(RAW(epoll_create, 0));
	SHOW(RAW(epoll_create, 1));
	SHOW(RAW(creat, "/tmp/first-form", 0600));
	SHOW(RAW(open, "/tmp/first-form", O_RDONLY));
	SHOW(RAW(pipe, (int *)8));
	SHOW(unlink("/tmp/first-form"));
	SHOW(close_range(3, 7, 0));
}

static void allow(rlim_t numbers)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = numbers;
	setrlimit(RLIMIT_NOFILE, &l);
}

/* What a call says that finds no number, and what it says before that. */
static void refused(void)
{
	int p[2] = { -1, -1 };

	SHOW(open("/tmp/full", O_WRONLY | O_TRUNC));
	SHOW(open("/tmp/full-new", O_WRONLY | O_CREAT, 0600));
	SHOW(open("/tmp/full", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SHOW(open("/tmp/none/x", O_RDONLY));
	SHOW(open("/tmp/full", O_CREAT | O_DIRECTORY));
	SHOW(open("", O_RDONLY));
	SHOW(RAW(open, 8, O_RDONLY));
	SHOW(openat(99, "x", O_RDONLY));
	SHOW(RAW(pipe2, p, 0));
	SHOW(RAW(pipe2, p, 1));
	SHOW(RAW(pipe2, 8, 0));
	SHOW(RAW(socketpair, AF_UNIX, SOCK_STREAM, 0, p));
	SHOW(RAW(socketpair, AF_UNIX, SOCK_STREAM, 0, 8));
	SHOW(RAW(socketpair, AF_INET, SOCK_STREAM, 0, p));
	SHOW(RAW(socketpair, AF_UNIX, SOCK_STREAM | 0x100, 0, p));
	SHOW(RAW(socketpair, 99, SOCK_STREAM, 0, p));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(socket(99, SOCK_STREAM, 0));
	SHOW(eventfd(0, 0));
	SHOW(eventfd(0, 2));
	SHOW(epoll_create1(0));
	SHOW(epoll_create1(1));
	SHOW(inotify_init1(0));
	SHOW(inotify_init1(1));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 0));
	SHOW(timerfd_create(99, 0));
	SHOW(memfd_create("name", 0));
	SHOW(RAW(memfd_create, 8, 0));
	SHOW(RAW(memfd_create, 8, 0x8000));
	SHOW(RAW(pidfd_open, getpid(), 0));
	SHOW(RAW(pidfd_open, 0x7fffffff, 0));
	SHOW(RAW(clone, CLONE_PIDFD | SIGCHLD, 0, p, 0, 0));
	SHOW(waitpid(-1, NULL, WNOHANG));
	SHOW(dup(0));
	SHOW(dup(99));
	SHOW(dup2(0, 3));
	SHOW(fcntl(0, F_DUPFD, 0));
	printf("stored %d %d\n", p[0], p[1]);
}

/* Who gets no number leaves all as it is. */
static void full(void)
{
	struct stat st = { 0 };
	int fd, p[2];

	printf("-- full\n");
	fd = open("/tmp/full", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	SHOW(write(fd, "hello", 5));
	close(fd);
	allow(3);
	refused();
	allow(4); /* room for one of two */
	SHOW(RAW(pipe2, p, 0));
	SHOW(RAW(socketpair, AF_UNIX, SOCK_STREAM, 0, p));
	SHOW(dup(0));
	allow(1024);
	SHOW(close(3));
	SHOW(stat("/tmp/full", &st));
	SHOW(st.st_size);
	SHOW(access("/tmp/full-new", F_OK));
	/* what fails leaves no number behind */
	SHOW(open("/tmp/none/x", O_RDONLY));
	SHOW(RAW(pipe2, 8, 0));
	SHOW(RAW(socketpair, AF_UNIX, SOCK_STREAM, 0, 8));
	SHOW(RAW(socketpair, AF_INET, SOCK_STREAM, 0, p));
	printf("stored %d %d\n", p[0], p[1]);
	SHOW(dup(0));
	SHOW(close(3));
	SHOW(unlink("/tmp/full"));
}

static void peer_of_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), zero = 0;

	SHOW(master);
	SHOW(ioctl(master, TIOCSPTLCK, &zero));
	allow(4);
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	allow(1024);
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	SHOW(close_range(3, 4, 0));
}

static const char *const waiting = "/tmp/zeroboot-reserved";
static int opened;

static void nothing(int signo)
{
	(void)signo;
}

static void *open_waiting(void *arg)
{
	opened = open(waiting, O_WRONLY);
	return opened < 0 && errno == EINTR ? arg : NULL;
}

/* While it waits, an open has its number already. */
static void reserved(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t t;
	void *interrupted;
	int status = -1;
	char c = 0;

	printf("-- reserved\n");
	sigaction(SIGUSR2, &action, NULL);
	SHOW(mkfifo(waiting, 0600));
	pthread_create(&t, NULL, open_waiting, &opened);
	usleep(200000);
	SHOW(fcntl(3, F_GETFD));
	SHOW(dup(0));
	SHOW(dup2(0, 3));
	SHOW(dup3(0, 3, O_CLOEXEC));
	SHOW(close(3));
	SHOW(dup2(0, 3));
	SHOW(close_range(3, 3, 0));
	SHOW(fcntl(0, F_DUPFD, 3));
	if (fork() == 0)
		_exit(dup(0) == 3 && dup2(0, 3) == 3); /* not the child's */
	SHOW(wait(&status) > 0);
	SHOW(WEXITSTATUS(status));
	SHOW(open(waiting, O_RDONLY));
	pthread_join(t, NULL);
	SHOW(opened);
	SHOW(write(3, "x", 1));
	SHOW(read(6, &c, 1));
	SHOW(close_range(3, 6, 0));
	pthread_create(&t, NULL, open_waiting, &opened);
	usleep(200000);
	SHOW(dup(0));
	pthread_kill(t, SIGUSR2);
	pthread_join(t, &interrupted);
	SHOW(interrupted != NULL);
	SHOW(dup(0));
	SHOW(dup2(0, 3));
	SHOW(close_range(3, 6, 0));
	SHOW(unlink(waiting));
}

int main(void)
{
	close_range(3, ~0u, 0);
	duplicates();
	controls();
	ranges();
	limits();
	first_forms();
	full();
	peer_of_terminal();
	reserved();
	return 0;
}
