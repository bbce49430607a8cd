/* pty.c: pairs of terminals: masters and slaves, names, locks, packets, ends. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "terminal.h"

static int number_of(int fd)
{
	int n = -1;

	return ioctl(fd, TIOCGPTN, &n) ? -1 : n;
}

static long listed(int number)
{
	DIR *d = opendir("/dev/pts");
	struct dirent *e;
	long found = 0;
	char name[16];

	snprintf(name, sizeof(name), "%d", number);
	while ((e = readdir(d)))
		found += !strcmp(e->d_name, name);
	closedir(d);
	return found;
}

static void names(void)
{
	char path[64], link[64], name[64], own[64];
	struct stat st, other;
	int n, f;

	puts("- names");
	pair();
	n = number_of(master);
	snprintf(own, sizeof(own), "/dev/pts/%d", n);
	SHOW(n >= 0);
	SHOW(number_of(slave));
	SHOW(listed(n));
	SHOW(ttyname_r(slave, name, sizeof(name)));
	SHOW(strcmp(name, own));
	SHOW(ptsname_r(master, name, sizeof(name)));
	SHOW(strcmp(name, own));
	SHOW(ptsname_r(slave, name, sizeof(name)));
	SHOW(ttyname_r(master, name, sizeof(name)));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slave);
	memset(link, 0, sizeof(link));
	SHOW(readlink(path, link, sizeof(link)) == (long)strlen(own));
	SHOW(strcmp(link, own));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", master);
	memset(link, 0, sizeof(link));
	SHOW(readlink(path, link, sizeof(link)));
	puts(link);
	SHOW(fstat(slave, &st));
	SHOW(stat(own, &other));
	printf("%o %d %d %d\n", st.st_mode & S_IFMT, major(st.st_rdev) == 136,
	       (int)minor(st.st_rdev) == n, st.st_ino == other.st_ino);
	SHOW(fstat(master, &st));
	printf("%o %d %d\n", st.st_mode & S_IFMT, major(st.st_rdev),
	       minor(st.st_rdev));
	SHOW(chmod(own, 0600));
	SHOW(fchown(slave, 1, 1));
	SHOW(fstat(slave, &st));
	printf("%o %d %d\n", st.st_mode & 0777, st.st_uid, st.st_gid);
	SHOW(unlink(own));
	SHOW(mkdir("/dev/pts/x", 0700) == -1);
	SHOW(open("/dev/pts/4999", O_RDWR));
	SHOW(open("/dev/pts/01", O_RDWR));
	SHOW(lseek(slave, 0, SEEK_SET));
	SHOW(lseek(master, 0, SEEK_CUR));
	SHOW(ftruncate(slave, 0));
	SHOW(fsync(slave));
	SHOW(posix_fadvise(slave, 0, 0, 0));
	SHOW(fallocate(slave, 0, 0, 10));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slave);
	SHOW((f = open(path, O_RDWR | O_NOCTTY)) >= 0);
	SHOW(write(f, "again", 5));
	shown("master", 5);
	close(f);
	SHOW(fcntl(slave, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	unpair();
	SHOW(open(own, O_RDWR));
	SHOW(stat(own, &st));
}

static void locks(void)
{
	char path[64];
	int n, f, on;

	puts("- locks");
	SHOW((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	n = number_of(master);
	snprintf(path, sizeof(path), "/dev/pts/%d", n);
	SHOW(ioctl(master, TIOCGPTLCK, &on));
	printf("%d\n", on);
	SHOW(open(path, O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	SHOW(grantpt(master));
	SHOW(unlockpt(master));
	SHOW(ioctl(master, TIOCGPTLCK, &on));
	printf("%d\n", on);
	SHOW((slave = ioctl(master, TIOCGPTPEER,
			    O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0);
	SHOW(fcntl(slave, F_GETFD));
	SHOW(ioctl(slave, TIOCGPTPEER, O_RDWR));
	SHOW(ioctl(slave, TIOCGPTLCK, &on));
	SHOW(ioctl(slave, TIOCSPTLCK, &on));
	SHOW(ioctl(slave, TIOCPKT, &on));
	on = 1;
	SHOW(ioctl(master, TIOCSPTLCK, &on));
	SHOW(open(path, O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCSPTLCK, NULL));
	SHOW(unlockpt(master));
	SHOW((f = open(path, O_WRONLY | O_NOCTTY)) >= 0);
	SHOW(read(f, path, 1));
	close(f);
	SHOW(ioctl(slave, TIOCGEXCL, &on));
	printf("%d\n", on);
	SHOW(ioctl(slave, TIOCEXCL));
	SHOW(ioctl(slave, TIOCGEXCL, &on));
	printf("%d\n", on);
	SHOW(ioctl(slave, TIOCNXCL));
	unpair();
}

/* Calls that most terminals know, and some that none of these does. */
static void controls(void)
{
	struct winsize w = { 24, 80, 1, 2 };
	unsigned char old[64], more[64];
	struct termios t;
	int n = 5, dev;

	puts("- controls");
	pair();
	SHOW(ioctl(master, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof(w));
	SHOW(ioctl(slave, TIOCGWINSZ, &w));
	printf("%d %d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
	w.ws_col = 132;
	SHOW(ioctl(slave, TIOCSWINSZ, &w));
	SHOW(ioctl(master, TIOCGWINSZ, &w));
	printf("%d\n", w.ws_col);
	SHOW(ioctl(slave, TIOCGWINSZ, NULL));
	SHOW(ioctl(slave, TIOCSWINSZ, 8));
	SHOW(ioctl(slave, TIOCGETD, &n));
	printf("%d\n", n);
	SHOW(ioctl(slave, TIOCSETD, &n));
	SHOW(ioctl(slave, TIOCGDEV, &dev));
	printf("%d\n",
	       (int)major(dev) == 136 && (int)minor(dev) == number_of(master));
	SHOW(ioctl(slave, TIOCOUTQ, &n));
	SHOW(ioctl(slave, TIOCMGET, &n));
	SHOW(ioctl(slave, TIOCGSERIAL, &n));
	SHOW(ioctl(slave, TIOCGSOFTCAR, &n));
	printf("%d\n", n);
	n = 1;
	SHOW(ioctl(slave, TIOCSSOFTCAR, &n));
	SHOW(tcgetattr(master, &t)); /* those of the slave */
	printf("%d\n", (t.c_cflag & CLOCAL) != 0);
	SHOW(ioctl(slave, 0x5499, &n));
	SHOW(ioctl(master, 0x5499, &n));
	SHOW(ioctl(slave, TCGETS, 8));
	SHOW(ioctl(slave, TCSETS, 8));
	memset(old, 0xee, sizeof(old));
	SHOW(ioctl(slave, TCGETA, old));
	for (int i = 0; i < 18; i++)
		printf("%x ", old[i]);
	puts("");
	old[6] = 0; /* c_lflag */
	SHOW(ioctl(slave, TCSETAF, old));
	SHOW(tcgetattr(slave, &t));
	printf("%o\n", t.c_lflag);
	memset(more, 0, sizeof(more));
	SHOW(ioctl(slave, 0x802c542a, more)); /* TCGETS2 */
	memcpy(&n, more + 36, 4);
	printf("%d\n", n);
	n = 12345;
	memcpy(more + 40, &n, 4);
	more[8] = 0xbf; /* c_cflag: BOTHER */
	more[9] = 0x10;
	SHOW(ioctl(slave, 0x402c542b, more)); /* TCSETS2 */
	memset(more, 0, sizeof(more));
	SHOW(ioctl(slave, 0x802c542a, more));
	memcpy(&n, more + 40, 4);
	printf("%d\n", n);
	SHOW(tcgetattr(slave, &t));
	cfsetspeed(&t, B115200);
	t.c_cflag = (t.c_cflag & ~CSIZE) | CS5 | PARENB;
	t.c_line = 3;
	SHOW(tcsetattr(slave, TCSADRAIN, &t));
	SHOW(tcgetattr(slave, &t));
	printf("%o %d\n", t.c_cflag, t.c_line);
	SHOW(ioctl(slave, 0x802c542a, more));
	memcpy(&n, more + 36, 4);
	printf("%d\n", n);
	unpair();
}

static void packet(const char *what)
{
	char buf[64];
	long r;

	printf("%s: events %lx ", what, events(master) & ~POLLOUT);
	r = read(master, buf, sizeof(buf));
	if (r < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		print("packet", buf, r);
}

static void packets(void)
{
	int on = 1;

	puts("- packets");
	pair();
	SHOW(ioctl(master, TIOCGPKT, &on));
	printf("%d\n", on);
	on = 1;
	SHOW(ioctl(master, TIOCPKT, &on));
	SHOW(fcntl(master, F_SETFL, O_NONBLOCK));
	packet("none");
	SHOW(write(slave, "out", 3));
	wait_for(master, POLLIN);
	packet("data");
	SHOW(tcflow(slave, TCOOFF));
	packet("stop");
	SHOW(tcflow(slave, TCION));
	SHOW(tcflow(slave, TCOON));
	packet("start");
	SHOW(tcflush(slave, TCIFLUSH));
	packet("flush input");
	SHOW(tcflush(slave, TCOFLUSH));
	packet("flush output");
	SHOW(tcflush(slave, TCIOFLUSH));
	packet("flush both");
	flags(0, 0, 0);
	packet("no flow control");
	flags(IXON, 0, 0);
	packet("flow control");
	flags(IXON, 0, EXTPROC);
	packet("external");
	flags(IXON, 0, 0);
	packet("not external");
	SHOW(write(slave, "xyz", 3));
	wait_for(master, POLLIN);
	SHOW(read(master, &on, 1)); /* only what it is */
	SHOW(read(master, &on, 2));
	packet("rest");
	on = 0;
	SHOW(ioctl(master, TIOCPKT, &on));
	SHOW(tcflush(slave, TCIFLUSH));
	packet("none");
	SHOW(read(master, &on, 0));
	unpair();
}

static void *close_later(void *arg)
{
	usleep(50000);
	close(*(int *)arg);
	return NULL;
}

/* The descriptor is closed while somebody reads the other side. */
static void close_in(int *fd, int reader)
{
	pthread_t t;
	char c;

	pthread_create(&t, NULL, close_later, fd);
	SHOW(read(reader, &c, 1));
	pthread_join(t, NULL);
}

static void hangup(void)
{
	struct winsize w;
	char buf[64];
	int n, f;

	puts("- the master is closed");
	pair();
	n = number_of(master);
	flags(0, 0, 0);
	type("lost", 0);
	SHOW(events(slave));
	close(master);
	SHOW(events(slave));
	SHOW(read(slave, buf, sizeof(buf)));
	SHOW(write(slave, "x", 1));
	SHOW(ioctl(slave, TIOCGWINSZ, &w));
	SHOW(ioctl(slave, TIOCSPGRP, &n));
	SHOW(ioctl(slave, FIONREAD, &n) == -1);
	SHOW(isatty(slave));
	SHOW(errno == EIO);
	SHOW(listed(n));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", slave);
	SHOW(open(buf, O_RDWR | O_NOCTTY));
	close(slave);
	pair();
	close_in(&master, slave);
	close(slave);
	puts("- all slaves are closed");
	pair();
	SHOW(write(slave, "left", 4));
	close(slave);
	wait_for(master, POLLIN);
	SHOW(events(master));
	SHOW(read(master, buf, 2));
	SHOW(read(master, buf, sizeof(buf)));
	SHOW(read(master, buf, sizeof(buf)));
	SHOW(events(master));
	SHOW(write(master, "typed\n", 6));
	while (!(events(master) & POLLIN)) /* POLLHUP would end a wait */
		usleep(1000);
	shown("echo", 7);
	SHOW(read(master, buf, sizeof(buf)));
	snprintf(buf, sizeof(buf), "/dev/pts/%d", number_of(master));
	SHOW((slave = open(buf, O_RDWR | O_NOCTTY)) >= 0);
	got(100);
	SHOW(events(master));
	SHOW((f = dup(slave)) >= 0);
	close(slave);
	SHOW(events(master));
	close_in(&f, master);
	close(master);
	puts("- before a slave is opened");
	SHOW((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	SHOW(events(master));
	SHOW(write(master, "early\n", 6));
	shown("echo", 7);
	SHOW(unlockpt(master));
	SHOW((slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)) >= 0);
	got(100);
	unpair();
}

static void readiness(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET }, out;
	int ep = epoll_create1(0);
	struct iovec v[2] = { { "ab", 2 }, { "cd", 2 } };
	char a[2], b[8];
	struct iovec in[2] = { { a, 2 }, { b, 8 } };

	puts("- readiness");
	pair();
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, slave, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, master, &e));
	SHOW(epoll_wait(ep, &out, 1, 0));
	flags(ICRNL, OPOST | ONLCR, ICANON);
	SHOW(write(master, "one", 3));
	events(slave);
	SHOW(epoll_wait(ep, &out, 1, 0));
	SHOW(write(master, "\n", 1));
	SHOW(epoll_wait(ep, &out, 1, PATIENCE));
	printf("%x\n", out.events);
	SHOW(epoll_wait(ep, &out, 1, 0));
	SHOW(readv(slave, in, 2));
	SHOW(writev(slave, v, 2));
	SHOW(epoll_wait(ep, &out, 1, PATIENCE));
	shown("master", 4);
	SHOW(pread(slave, a, 1, 0) == -1);
	close(slave);
	SHOW(epoll_wait(ep, &out, 1, PATIENCE));
	printf("%x\n", out.events);
	close(ep);
	close(master);
}

static void on_signal(int signo)
{
	(void)signo;
}

static void *interrupt(void *arg)
{
	usleep(50000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void interrupted(void)
{
	struct sigaction a = { .sa_handler = on_signal };
	pthread_t t, self = pthread_self();
	static char big[100000];
	char c;

	puts("- interrupted");
	pair();
	flags(0, 0, 0);
	sigaction(SIGUSR1, &a, NULL);
	pthread_create(&t, NULL, interrupt, &self);
	SHOW(read(slave, &c, 1));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, interrupt, &self);
	SHOW(read(master, &c, 1));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, interrupt, &self);
	SHOW(write(slave, big, sizeof(big)) > 8000);
	pthread_join(t, NULL);
	unpair();
}

static void many(void)
{
	int masters[100], slaves[100], last;

	puts("- many");
	for (int i = 0; i < 100; i++) {
		pair();
		masters[i] = master;
		slaves[i] = slave;
	}
	last = number_of(masters[99]);
	SHOW(last - number_of(masters[0]) == 99);
	close(masters[50]);
	SHOW((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	SHOW(number_of(master) == last + 1); /* a slave is open */
	close(master);
	close(slaves[50]);
	SHOW((master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	SHOW(number_of(master) == last - 49);
	close(master);
	for (int i = 0; i < 100; i++) {
		if (i == 50)
			continue;
		close(slaves[i]);
		close(masters[i]);
	}
}

int main(void)
{
	names();
	locks();
	controls();
	packets();
	hangup();
	readiness();
	interrupted();
	many();
	puts("done");
	return 0;
}
