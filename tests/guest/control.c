/* control.c: fcntl and ioctl of every kind of file, owners, O_ASYNC, seals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

static const char *const path = "/tmp/zeroboot-control";

static void flags_of(const char *what, int fd)
{
	printf("%s %o", what, fcntl(fd, F_GETFL));
	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_ASYNC | O_CREAT);
	printf(" %o", fcntl(fd, F_GETFL));
	errno = 0;
	if (fcntl(fd, F_SETFL, O_DIRECT))
		printf(" %s", strerrorname_np(errno));
	printf(" %o\n", fcntl(fd, F_GETFL));
	fcntl(fd, F_SETFL, 0);
}

static void kinds(void)
{
	int p[2], s[2], f = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int w = open(path, O_WRONLY | O_APPEND), n = open("/dev/null", O_RDWR);
	int d = open("/tmp", O_RDONLY | O_DIRECTORY), o = open(path, O_PATH);
	int e = eventfd(0, 0), k = epoll_create1(0), m = memfd_create("m", 0);
	int fds[] = { f, w, n, d, e, m, 0, 0, 0 };
	long size;

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fds[6] = p[0];
	fds[7] = p[1];
	fds[8] = s[0];
	flags_of("file", f);
	flags_of("append", w);
	flags_of("null", n);
	flags_of("directory", d);
	flags_of("pipe", p[0]);
	flags_of("pipe", p[1]);
	flags_of("socket", s[0]);
	flags_of("eventfd", e);
	flags_of("epoll", k);
	SHOW(fcntl(o, F_GETFL));
	SHOW(fcntl(o, F_SETFL, 0));
	SHOW(fcntl(o, F_GETFD));
	SHOW(fcntl(o, F_GETOWN));
	SHOW(ioctl(o, FIONBIO, &(int){ 1 }));
	for (int i = 0; i < 9; i++) {
		int v = -7;

		printf("kind %d\n", i);
		SHOW(ioctl(fds[i], FIONREAD, &v) ? -1 : v);
		SHOW(ioctl(fds[i], TCGETS, &(struct termios){ 0 }));
		SHOW(ioctl(fds[i], FIOASYNC, &(int){ 1 }));
		SHOW((fcntl(fds[i], F_GETFL) & O_ASYNC) != 0);
		SHOW(ioctl(fds[i], FIOASYNC, &(int){ 0 }));
		SHOW(ioctl(fds[i], FIONBIO, &(int){ 1 }));
		SHOW((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
		SHOW(ioctl(fds[i], 0x1234, 0));
		SHOW(fcntl(fds[i], F_GETLEASE));
		SHOW(isatty(fds[i]));
	}
	pwrite(f, "0123456789", 10, 0);
	lseek(f, 3, SEEK_SET);
	SHOW(ioctl(f, FIONREAD, &p[0]) ? -1 : p[0]);
	lseek(f, 13, SEEK_SET);
	SHOW(ioctl(f, FIONREAD, &p[0]) ? -1 : p[0]);
	SHOW(ioctl(f, FIONREAD, (void *)8));
	SHOW(ioctl(f, FIOCLEX));
	SHOW(fcntl(f, F_GETFD));
	SHOW(ioctl(f, FIONCLEX));
	SHOW(fcntl(f, F_GETFD));
	SHOW(ioctl(99, FIONREAD, &size));
	SHOW(fcntl(f, 999, 0));
}

static void duplicates(void)
{
	struct rlimit old, few = { 20, 20 };
	int f = open("/dev/null", O_RDONLY);

	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	SHOW(fcntl(f, F_DUPFD, 20));
	SHOW(fcntl(f, F_DUPFD, -1));
	SHOW(fcntl(f, F_DUPFD, 19));
	SHOW(fcntl(f, F_DUPFD, 19));
	SHOW(fcntl(19, F_GETFD));
	close(19);
	SHOW(fcntl(f, F_DUPFD_CLOEXEC, 19));
	SHOW(fcntl(19, F_GETFD));
	SHOW(fcntl(19, F_SETFD, 0xfe));
	SHOW(fcntl(19, F_GETFD));
	setrlimit(RLIMIT_NOFILE, &old);
}

static volatile int signals, last;

static int band, code, by;

static void on_io(int signo, siginfo_t *info, void *context)
{
	(void)context;
	signals++;
	last = signo;
	code = info->si_code;
	band = (int)info->si_band;
	by = info->si_fd;
}

/* As it comes from the kernel: to the C library some groups are errors. */
static long owner_raw(int fd)
{
	long r = RAW(fcntl, fd, F_GETOWN);

	return r == -1 ? -errno : r;
}

/* -512 is a process group like others, though a kernel may mean by that that a call
 * is to start again. */
static void owner_group(void)
{
	int p[2], status = 0;
	pid_t child;

	pipe(p);
	fflush(stdout);
	do {
		child = fork();
		if (child == 0) {
			alarm(10);
			setpgid(0, 0);
			fcntl(p[0], F_SETOWN, -getpid());
			_exit(owner_raw(p[0]) == -getpid());
		}
		waitpid(child, &status, 0);
	} while (child < 513 && status == 1 << 8);
	printf("owner, a group: status %x\n", status);
	close(p[0]);
	close(p[1]);
}

static void owners(void)
{
	struct sigaction action = { .sa_sigaction = on_io,
				    .sa_flags = SA_SIGINFO };
	struct f_owner_ex x = { F_OWNER_TID, 0 };
	int p[2], s[2];

	pipe(p);
	SHOW(fcntl(p[0], F_GETOWN));
	SHOW(fcntl(p[0], F_GETSIG));
	SHOW(fcntl(p[0], F_SETOWN, getpid()));
	SHOW(fcntl(p[0], F_GETOWN) == getpid());
	SHOW(fcntl(p[0], F_GETOWN_EX, &x));
	printf("type %d own %d\n", x.type, x.pid == getpid());
	SHOW(fcntl(p[0], F_SETOWN, 0x7ffffff));
	x.type = 7;
	SHOW(fcntl(p[0], F_SETOWN_EX, &x));
	x.type = F_OWNER_TID;
	x.pid = gettid();
	SHOW(fcntl(p[0], F_SETOWN_EX, &x));
	SHOW(fcntl(p[0], F_GETOWN) == gettid());
	x.pid = 0x7ffffff;
	SHOW(fcntl(p[0], F_SETOWN_EX, &x));
	SHOW(fcntl(p[0], F_SETSIG, 65));
	SHOW(fcntl(p[0], F_SETSIG, SIGUSR1));
	SHOW(fcntl(p[0], F_GETSIG));
	SHOW(fcntl(p[0], F_SETSIG, 0));
	sigaction(SIGIO, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	write(p[1], "x", 1);
	printf("signals %d\n", signals);
	SHOW(fcntl(p[0], F_SETFL, O_ASYNC));
	write(p[1], "x", 1);
	printf("signals %d last %d\n", signals, last);
	fcntl(p[0], F_SETSIG, SIGUSR1);
	write(p[1], "x", 1);
	printf("signals %d last %d\n", signals, last);
	printf("code %d band %x by %d\n", code, band, by == p[0]);
	SHOW(fcntl(p[0], F_SETOWN, 0));
	write(p[1], "x", 1);
	printf("signals %d\n", signals);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fcntl(s[0], F_SETOWN, getpid());
	fcntl(s[0], F_SETFL, O_ASYNC);
	write(s[1], "x", 1);
	printf("signals %d last %d code %d\n", signals, last, code);
	fcntl(s[1], F_SETOWN, getpid());
	fcntl(s[1], F_SETSIG, SIGUSR1);
	fcntl(s[1], F_SETFL, O_ASYNC);
	read(s[0], &band, 1);
	printf("signals %d last %d\n", signals, last);
}

static void leases(void)
{
	int p[2];

	pipe(p);
	SHOW(fcntl(p[0], F_SETLEASE, F_RDLCK));
	SHOW(fcntl(p[0], F_GETLEASE));
	SHOW(fcntl(p[0], F_NOTIFY, 0));
	SHOW(fcntl(p[0], F_NOTIFY, DN_MULTISHOT));
	SHOW(fcntl(p[0], F_NOTIFY, DN_ACCESS));
	SHOW(fcntl(open("/", O_RDONLY), F_NOTIFY, 0));
}

int main(void)
{
	umask(022);
	kinds();
	duplicates();
	owners();
	owner_group();
	leases();
	SHOW(unlink(path));
	return 0;
}
