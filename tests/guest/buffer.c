/* buffer.c: buffers that are not the program's, and some that go while a call waits:
 * EFAULT, whatever lies there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096
#define ELSEWHERE ((void *)0x400002000000) /* which mmap never gives */

static char *map(size_t size, int prot)
{
	return mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ---- what waits ---- */

struct waiter {
	int fd;
	enum { READ, READV, WRITE } call;
	char *page;
	long result;
	volatile pid_t tid;
};

static void *wait_in_call(void *arg)
{
	struct waiter *w = arg;
	struct iovec v = { w->page, PAGE };

	w->tid = gettid();
	if (w->call == READ)
		w->result = read(w->fd, w->page, PAGE);
	else if (w->call == READV)
		w->result = readv(w->fd, &v, 1);
	else
		w->result = write(w->fd, w->page, PAGE);
	w->result = w->result < 0 ? -errno : w->result;
	return NULL;
}

static char state_of(pid_t tid)
{
	char path[64], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	close(fd);
	return strrchr(text, ')')[2];
}

static void start(pthread_t *t, struct waiter *w)
{
	w->page = map(PAGE, PROT_READ | PROT_WRITE);
	memset(w->page, 'x', PAGE);
	w->tid = 0;
	pthread_create(t, NULL, wait_in_call, w);
	do
		usleep(1000);
	while (!w->tid || state_of(w->tid) == 'R');
	munmap(w->page, PAGE);
}

static void end(const char *what, pthread_t t, const struct waiter *w)
{
	pthread_join(t, NULL);
	printf("%s: %s\n", what,
	       w->result < 0 ? strerrorname_np((int)-w->result) : "done");
}

static void on_pipes(void)
{
	struct waiter w = { .call = READ };
	char some[PAGE] = "";
	pthread_t t;
	int p[2];

	pipe(p);
	w.fd = p[0];
	start(&t, &w);
	write(p[1], "abc", 3);
	end("read of a pipe", t, &w);
	pipe(p);
	w.fd = p[0], w.call = READV;
	start(&t, &w);
	write(p[1], "abc", 3);
	end("readv of a pipe", t, &w);
	pipe(p);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	while (write(p[1], some, sizeof(some)) > 0)
		;
	fcntl(p[1], F_SETFL, 0);
	w.fd = p[1], w.call = WRITE;
	start(&t, &w);
	while (read(p[0], some, sizeof(some)) == sizeof(some) &&
	       state_of(w.tid) == 'S')
		;
	end("write to a pipe", t, &w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	w.fd = p[0], w.call = READ;
	start(&t, &w);
	write(p[1], "abc", 3);
	end("read of a socket", t, &w);
}

static void on_counters(void)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
	struct waiter w = { .call = READ };
	uint64_t one = 1;
	sigset_t set;
	pthread_t t;
	char *path;

	w.fd = eventfd(0, 0);
	start(&t, &w);
	write(w.fd, &one, sizeof(one));
	end("eventfd", t, &w);
	w.fd = timerfd_create(CLOCK_MONOTONIC, 0);
	start(&t, &w);
	timerfd_settime(w.fd, 0, &soon, NULL);
	end("timerfd", t, &w);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	w.fd = signalfd(-1, &set, 0);
	start(&t, &w);
	kill(getpid(), SIGUSR1);
	end("signalfd", t, &w);
	path = mkdtemp((char[]){ "/tmp/buffer.XXXXXX" });
	w.fd = inotify_init();
	inotify_add_watch(w.fd, path, IN_DELETE_SELF);
	start(&t, &w);
	rmdir(path);
	end("inotify", t, &w);
}

static void on_terminals(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct waiter w = { .call = READ };
	struct termios s;
	pthread_t t;

	grantpt(master), unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	tcgetattr(slave, &s);
	cfmakeraw(&s);
	tcsetattr(slave, TCSANOW, &s);
	w.fd = slave;
	start(&t, &w);
	write(master, "abc", 3);
	end("slave", t, &w);
	w.fd = master;
	start(&t, &w);
	write(slave, "abc", 3);
	end("master", t, &w);
}

/* ---- what is not there ---- */

static void not_there(const char *what, void *address)
{
	struct iovec v = { address, 16 }, two[2] = { { (char[4]){ 0 }, 4 }, v };
	char text[32] = "";
	int p[2];

	printf("-- %s\n", what);
	pipe(p);
	write(p[1], "0123456789abcdef", 16);
	SHOW(readv(p[0], &v, 1));
	SHOW(readv(p[0], two, 2));
	SHOW(read(p[0], address, 16));
	SHOW(read(p[0], text, sizeof(text)));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	SHOW(writev(p[1], &v, 1));
	SHOW(write(p[1], address, 16));
	SHOW(read(p[0], text, sizeof(text)));
	close(p[0]), close(p[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	write(p[1], "0123456789abcdef", 16);
	SHOW(readv(p[0], &v, 1));
	SHOW(writev(p[1], &v, 1));
	close(p[0]), close(p[1]);
}

static void read_only(void)
{
	char *page = map(PAGE, PROT_READ);
	struct iovec v = { page, 16 };
	int p[2];

	printf("-- read-only\n");
	pipe(p);
	write(p[1], "abc", 3);
	SHOW(readv(p[0], &v, 1));
	SHOW(read(p[0], page, 16));
	SHOW(writev(p[1], &v, 1));
	close(p[0]), close(p[1]);
	munmap(page, PAGE);
}

/* A page behind the end of its file, which has none. */
static void behind_the_end(void)
{
	int fd = memfd_create("empty", 0), random = open("/dev/urandom", 0);
	char *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *half = map(2 * PAGE, PROT_READ | PROT_WRITE);

	printf("-- behind the end\n");
	SHOW(read(random, page, PAGE));
	SHOW(read(random, page, 16));
	SHOW(getrandom(page, PAGE, 0));
	SHOW(getrandom(page, 16, 0));
	SHOW(getrandom(ELSEWHERE, 16, 0));
	SHOW(getrandom(page, 0, 0));
	SHOW(read(open("/dev/zero", 0), page, PAGE));
	munmap(half + PAGE, PAGE);
	SHOW(read(random, half, 2 * PAGE));
	SHOW(getrandom(half, 2 * PAGE, 0));
	SHOW(getrandom(half + PAGE - 100, PAGE, 0) <= 100);
	SHOW(RAW(getrandom, half, -1l, 0)); /* cut, and then it is short */
	SHOW(RAW(getrandom, half, 1ul << 46, 0));
	SHOW(RAW(getrandom, half, 16, GRND_RANDOM | GRND_INSECURE));
	SHOW(RAW(getrandom, half, 16, 8));
	SHOW(RAW(getrandom, half, 16, 1ul << 32));
	SHOW(RAW(getrandom, -1l, 0, 0));
	SHOW(close(random));
	munmap(page, PAGE), munmap(half, PAGE);
	close(fd);
}

int main(void)
{
	char *gone = map(PAGE, PROT_READ | PROT_WRITE);

	*gone = 1;
	munmap(gone, PAGE);
	not_there("unmapped", gone);
	not_there("elsewhere", ELSEWHERE);
	read_only();
	behind_the_end();
	printf("-- waits\n");
	fflush(stdout);
	on_pipes();
	on_counters();
	on_terminals();
	return 0;
}
