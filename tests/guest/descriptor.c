/* Descriptors: duplicates, ranges, flags, limits, and the calls that make one
 * in their first form. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

int main(void)
{
	close_range(3, ~0u, 0);
	duplicates();
	controls();
	ranges();
	limits();
	first_forms();
	return 0;
}
