/* fifo.c: pipes with a name. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static const char *const path = "/tmp/zeroboot-fifo";

static long events(int fd)
{
	struct pollfd w = { fd, POLLIN | POLLOUT, 0 };

	return poll(&w, 1, 0) < 0 ? -1 : w.revents;
}

static void nodes(void)
{
	struct stat st;
	int f, n = -1;

	SHOW(mkfifo(path, 0640));
	SHOW(mkfifo(path, 0640));
	SHOW(stat(path, &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	SHOW(open(path, O_WRONLY | O_NONBLOCK));
	SHOW((f = open(path, O_RDWR)) >= 0);
	SHOW(fstat(f, &st));
	printf("mode %o\n", st.st_mode);
	SHOW(lseek(f, 0, SEEK_SET));
	SHOW(pread(f, &st, 1, 0));
	SHOW(ftruncate(f, 0));
	SHOW(fsync(f));
	SHOW(events(f));
	SHOW(write(f, "hello", 5));
	SHOW(events(f));
	SHOW(ioctl(f, FIONREAD, &n) ? -1 : n);
	SHOW(fcntl(f, F_GETPIPE_SZ));
	SHOW(fcntl(f, F_SETPIPE_SZ, 4096));
	SHOW(read(f, &st, 3));
	close(f); /* what is left goes with it */
	SHOW((f = open(path, O_RDONLY | O_NONBLOCK)) >= 0);
	SHOW(events(f));
	SHOW(read(f, &st, 3));
	SHOW(fcntl(f, F_GETPIPE_SZ));
	close(f);
	SHOW(chmod(path, 0600));
	SHOW((f = open(path, O_PATH)) >= 0);
	SHOW(read(f, &st, 1));
	close(f);
	SHOW(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	SHOW(open(path, O_RDONLY | O_DIRECTORY));
	SHOW(truncate(path, 0));
}

static void *write_side(void *arg)
{
	int f;

	usleep(20000);
	f = open(path, O_WRONLY);
	if (write(f, "first", 5) != 5)
		puts("short");
	usleep(20000);
	close(f);
	return arg;
}

static void *read_side(void *arg)
{
	usleep(20000);
	*(int *)arg = open(path, O_RDONLY);
	return NULL;
}

static void nothing(int signo)
{
	(void)signo;
}

static pthread_t main_thread;

static volatile int over;

/* Again and again: the first may come before the wait. */
static void *signal_main(void *arg)
{
	while (!over) {
		usleep(20000);
		pthread_kill(main_thread, SIGUSR1);
	}
	return arg;
}

static void interrupted(int flags)
{
	pthread_t t;

	over = 0;
	pthread_create(&t, NULL, signal_main, NULL);
	SHOW(open(path, flags));
	over = 1;
	pthread_join(t, NULL);
}

static void waiting(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t t;
	char buf[8] = "";
	int f, r = -1;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&t, NULL, write_side, NULL);
	SHOW((f = open(path, O_RDONLY)) >= 0);
	SHOW(read(f, buf, 8));
	puts(buf);
	SHOW(read(f, buf, 8));
	SHOW(events(f));
	pthread_join(t, NULL);
	SHOW((r = open(path, O_WRONLY | O_NONBLOCK)) >= 0);
	SHOW(events(f)); /* a writer is there again */
	SHOW(events(r));
	close(f);
	SHOW(events(r));
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(r, "x", 1));
	close(r);
	pthread_create(&t, NULL, read_side, &r);
	SHOW((f = open(path, O_WRONLY)) >= 0);
	pthread_join(t, NULL);
	SHOW(write(f, "x", 1));
	SHOW(read(r, buf, 8));
	close(r);
	close(f);
	interrupted(O_RDONLY);
	interrupted(O_WRONLY);
	SHOW(open(path, O_WRONLY | O_NONBLOCK)); /* those left no end behind */
}

static void unlinked(void)
{
	char buf[8], link[64];
	int f = open(path, O_RDWR), g, h;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", f);
	SHOW((g = open(link, O_RDONLY | O_NONBLOCK)) >= 0);
	SHOW((h = open(path, O_WRONLY | O_APPEND | O_TRUNC)) >= 0);
	SHOW(unlink(path));
	SHOW(write(h, "abc", 3));
	SHOW(read(g, buf, 8));
	SHOW(read(g, buf, 8));
	SHOW(open(path, O_RDONLY | O_NONBLOCK));
	close(f);
	close(h);
	SHOW(read(g, buf, 8));
	SHOW(events(g));
	close(g);
}

int main(void)
{
	umask(0);
	unlink(path);
	nodes();
	waiting();
	unlinked();
	return 0;
}
