/* pipe.c: pipe, pipe2: data, ends, atomic writes, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void show(const char *what, long r)
{
	if (r < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, r);
	fflush(stdout);
}
#define SHOW(call) show(#call, (long)(call))

static int p[2];
static char big[200000], back[200000];
static volatile int pipe_signals;

static void on_pipe(int signo)
{
	(void)signo;
	pipe_signals++;
}

static void basics(void)
{
	struct stat st;
	char buf[16] = "";
	int n;

	SHOW(pipe(p));
	SHOW(write(p[1], "hello", 5));
	SHOW(write(p[1], "", 0));
	SHOW(ioctl(p[0], FIONREAD, &n));
	printf("queued %d\n", n);
	SHOW(read(p[0], buf, 2));
	SHOW(read(p[0], buf + 2, 14));
	puts(buf);
	SHOW(read(p[0], buf, 0));
	SHOW(read(p[1], buf, 1));
	SHOW(write(p[0], buf, 1));
	SHOW(lseek(p[0], 0, SEEK_SET));
	SHOW(fstat(p[0], &st));
	printf("fifo %d mode %o size %ld\n", S_ISFIFO(st.st_mode),
	       st.st_mode & 0777, (long)st.st_size);
	SHOW(close(p[1]));
	SHOW(read(p[0], buf, 1));
	SHOW(close(p[0]));
}

static void full(void)
{
	struct pollfd w;
	long total = 0, n;

	SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	SHOW(fcntl(p[0], F_GETFD));
	SHOW((fcntl(p[1], F_GETFL) & O_NONBLOCK) != 0);
	SHOW(read(p[0], big, 1));
	while ((n = write(p[1], big, 1000)) > 0)
		total += n;
	show("full", n);
	printf("small writes are whole: %d\n",
	       total % 1000 == 0 && total >= 60000);
	while (read(p[0], back, sizeof(back)) > 0)
		;
	SHOW(write(p[1], big, sizeof(big)));
	w = (struct pollfd){ p[1], POLLOUT, 0 };
	SHOW(poll(&w, 1, 0));
	SHOW(write(p[1], big, 1));
	SHOW(read(p[0], back, 4096));
	SHOW(poll(&w, 1, 0));
	SHOW(write(p[1], big, 4096));
	SHOW(write(p[1], big, 4096));
	SHOW(read(p[0], back, sizeof(back)));
	SHOW(read(p[0], back, sizeof(back)));
	close(p[0]);
	close(p[1]);
}

static void broken(void)
{
	struct pollfd w;

	signal(SIGPIPE, on_pipe);
	SHOW(pipe(p));
	close(p[0]);
	w = (struct pollfd){ p[1], POLLOUT, 0 };
	SHOW(poll(&w, 1, 0));
	printf("error %d\n", (w.revents & POLLERR) != 0);
	SHOW(write(p[1], "x", 1));
	printf("signals %d\n", pipe_signals);
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(p[1], "x", 1));
	close(p[1]);
	SHOW(pipe2(p, 0x40000001));
	errno = 0;
	SHOW(write(p[1], "x", 1));
}

static void *drain(void *arg)
{
	long total = 0, n;

	while ((n = read(p[0], back + total, 777)) > 0)
		total += n;
	*(long *)arg = total;
	return NULL;
}

static void *late_write(void *arg)
{
	(void)arg;
	usleep(20000);
	if (write(p[1], "late", 4) != 4)
		puts("short");
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	long total = 0;
	char buf[8] = "";

	SHOW(pipe(p));
	pthread_create(&t, NULL, late_write, NULL);
	SHOW(read(p[0], buf, sizeof(buf)));
	puts(buf);
	pthread_join(t, NULL);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	pthread_create(&t, NULL, drain, &total);
	SHOW(write(p[1], big, sizeof(big)));
	close(p[1]);
	pthread_join(t, NULL);
	printf("drained %ld same %d\n", total, !memcmp(big, back, sizeof(big)));
	close(p[0]);
}

static void *write_parts(void *arg)
{
	struct iovec v[2] = { { big, sizeof(big) }, { "end", 3 } };

	(void)arg;
	SHOW(writev(p[1], v, 2));
	return NULL;
}

/* The descriptor is closed while a part of a writev waits: all of it is
 * written all the same. */
static void closed_while_writing(void)
{
	struct pollfd full;
	pthread_t t;
	long total = 0, n;

	SHOW(pipe(p));
	pthread_create(&t, NULL, write_parts, NULL);
	full = (struct pollfd){ .fd = p[1], .events = POLLOUT };
	while (poll(&full, 1, 0) == 1)
		usleep(1000);
	close(p[1]);
	while ((n = read(p[0], back, sizeof(back))) > 0)
		total += n;
	pthread_join(t, NULL);
	printf("read %ld of %zu\n", total, sizeof(big) + 3);
	close(p[0]);
}

/* Every offset of the ring against every size: wraps at all places. */
static void wrap(void)
{
	unsigned in = 0, out = 0, bad = 0;

	SHOW(pipe2(p, O_NONBLOCK));
	for (int i = 1; i < 4000; i++) {
		long n, size = i * 37 % 5000 + 1;

		for (long k = 0; k < size; k++)
			big[k] = (char)(in + k);
		n = write(p[1], big, size);
		in += n > 0 ? n : 0;
		n = read(p[0], back, i * 53 % 4900 + 1);
		for (long k = 0; k < n; k++)
			bad += back[k] != (char)(out + k);
		out += n > 0 ? n : 0;
	}
	printf("bad bytes %u\n", bad);
	close(p[0]);
	close(p[1]);
}

/* An end that is opened again by its link in /proc. */
static void again(void)
{
	char link[40], buf[8] = "";
	int r, w, f;

	SHOW(pipe2(p, O_NONBLOCK));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p[0]);
	SHOW((w = open(link, O_WRONLY)) >= 0);
	SHOW((r = open(link, O_RDONLY | O_NONBLOCK)) >= 0);
	SHOW((f = open(link, O_RDWR)) >= 0);
	SHOW(fcntl(w, F_GETFL) & O_ACCMODE);
	close(p[1]);
	SHOW(read(r, buf, 8));
	SHOW(write(w, "abc", 3));
	SHOW(write(f, "d", 1));
	SHOW(read(r, buf, 8));
	puts(buf);
	close(w);
	SHOW(read(p[0], buf, 8));
	close(f);
	SHOW(read(p[0], buf, 8));
	SHOW(open(link, O_RDONLY | O_DIRECTORY));
	close(p[0]);
	close(r);
	SHOW((f = open("/dev/stdout", O_WRONLY | O_APPEND)) >= 0);
	SHOW(write(f, "again\n", 6));
	close(f);
}

int main(void)
{
	again();
	basics();
	full();
	broken();
	threads();
	closed_while_writing();
	wrap();
	return 0;
}
