/* Reads and writes of several buffers, at an offset, and from file to file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

#define IOV(p, n)                                                              \
	{                                                                      \
		.iov_base = (p), .iov_len = (n)                                \
	}

static char a[8], b[8], c[8];
/* Known to the compiler, it would warn. */
static struct iovec *volatile nowhere = (void *)8;
static volatile int minus = -1;
static volatile size_t all = SIZE_MAX;

static int file_with(const char *text)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET))
		perror("file");
	return fd;
}

static void content(int fd)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	for (ssize_t i = 0; i < n; i++)
		putchar(text[i] ? text[i] : '.');
	printf(" (%zd)\n", n);
}

static void buffers(void)
{
	struct iovec v[3] = { IOV(a, 2), IOV(b, 0), IOV(c, 3) };
	struct iovec bad[2] = { IOV(a, 2), IOV((void *)8, 2) };
	struct iovec huge[2] = { IOV(a, SSIZE_MAX), IOV(b, SSIZE_MAX) };
	struct iovec many[1025];
	int fd = file_with("0123456789");

	printf("-- buffers\n");
	SHOW(readv(fd, v, 3));
	printf("%.2s %.3s\n", a, c);
	SHOW(readv(fd, v, 0));
	SHOW(readv(fd, v, minus));
	SHOW(readv(fd, nowhere, 1));
	SHOW(readv(fd, bad, 2));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(readv(fd, bad + 1, 1));
	SHOW(readv(fd, huge, 1));
	SHOW(lseek(fd, 0, SEEK_SET));
	huge[0].iov_len = SIZE_MAX;
	SHOW(readv(fd, huge, 2));
	for (int i = 0; i < 1025; i++)
		many[i] = (struct iovec)IOV(a, 1);
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(readv(fd, many, 1024));
	SHOW(readv(fd, many, 1025));
	SHOW(writev(fd, many, 1025));
	SHOW(writev(fd, v, 3));
	SHOW(writev(fd, bad, 2));
	SHOW(writev(fd, bad + 1, 1));
	SHOW(readv(99, v, 3));
	SHOW(writev(99, v, 3));
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	SHOW(writev(fd, v, 3));
	SHOW(readv(fd, v, 3));
	close(fd);
}

static void offsets(void)
{
	struct iovec v[2] = { IOV(a, 3), IOV(b, 2) };
	int fd = file_with("0123456789"), p[2];

	printf("-- offsets\n");
	SHOW(preadv(fd, v, 2, 4));
	printf("%.3s %.2s\n", a, b);
	SHOW(preadv(fd, v, 2, 9));
	SHOW(preadv(fd, v, 2, 10));
	SHOW(preadv(fd, v, 2, -1));
	SHOW(pwritev(fd, v, 2, 12));
	SHOW(pwritev(fd, v, 2, -1));
	SHOW(lseek(fd, 0, SEEK_CUR));
	content(fd);
	SHOW(preadv2(fd, v, 2, -1, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(preadv2(fd, v, 2, 1, 0));
	SHOW(preadv2(fd, v, 2, 1, 0x1000));
	SHOW(pwritev2(fd, v, 1, -1, 0));
	SHOW(pwritev2(fd, v, 1, 0, RWF_APPEND));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(pwritev2(fd, v, 1, 0, RWF_DSYNC));
	SHOW(pwritev2(fd, v, 1, 0, 0x1000));
	content(fd);
	SHOW(pipe(p));
	SHOW(preadv(p[0], v, 2, 0));
	SHOW(pwritev(p[1], v, 2, 0));
	SHOW(pwritev2(p[1], v, 2, -1, 0));
	SHOW(preadv2(p[0], v, 2, -1, 0));
	SHOW(preadv2(p[0], v, 2, -1, RWF_NOWAIT));
	close(p[0]);
	close(p[1]);
	close(fd);
}

/* A buffer that ends with its mapping. */
static void edges(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *end = page + 4096;
	struct iovec v[2] = { IOV(a, 2), IOV(end - 3, 6) };
	int fd = file_with("0123456789"), p[2];

	printf("-- edges\n");
	mprotect(end, 4096, PROT_NONE);
	SHOW(read(fd, end - 4, 8));
	printf("%.4s\n", end - 4);
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(read(fd, end, 8));
	SHOW(read(fd, end - 4, 1ul << 30));
	SHOW(pread(fd, end - 4, 8, 1));
	SHOW(preadv(fd, v, 2, 0));
	printf("%.3s\n", end - 3);
	SHOW(pwrite(fd, end - 4, 8, 20));
	SHOW(pwritev(fd, v, 2, 30));
	SHOW(pwrite(fd, end, 8, 20));
	SHOW(read(fd, a, all));
	SHOW(read(fd, a, 0));
	SHOW(read(fd, end, 0));
	SHOW(read(fd, (char *)-1, 0));
	mprotect(page, 4096, PROT_READ);
	SHOW(pread(fd, page, 8, 0));
	SHOW(pwrite(fd, page, 8, 0));
	content(fd);
	SHOW(pipe(p));
	SHOW(write(p[1], "xyz", 3));
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	SHOW(read(p[0], end - 3, 1 << 20));
	close(p[0]);
	close(p[1]);
	close(fd);
	munmap(page, 8192);
}

static void *late_writer(void *arg)
{
	struct iovec v[2] = { IOV("ab", 2), IOV("cd", 2) };

	usleep(20000);
	if (writev(*(int *)arg, v, 2) != 4)
		perror("late");
	return NULL;
}

static void waits(void)
{
	struct iovec v[2] = { IOV(a, 3), IOV(b, 3) };
	pthread_t t;
	int p[2];

	printf("-- waits\n");
	SHOW(pipe(p));
	pthread_create(&t, NULL, late_writer, &p[1]);
	SHOW(readv(p[0], v, 2));
	printf("%.3s %.1s\n", a, b);
	pthread_join(t, NULL);
	close(p[1]);
	SHOW(readv(p[0], v, 2));
	close(p[0]);
}

static void *early_reader(void *arg)
{
	struct iovec v = IOV(a, 3);

	if (preadv2(*(int *)arg, &v, 1, -1, 0) != 3)
		perror("early");
	return NULL;
}

/* What another thread sets of the open file's flags meanwhile stays. */
static void flags_in_a_wait(void)
{
	pthread_t t;
	int p[2];

	SHOW(pipe(p));
	pthread_create(&t, NULL, early_reader, &p[0]);
	usleep(50000);
	SHOW(fcntl(p[0], F_SETFL, O_NONBLOCK));
	SHOW(write(p[1], "abc", 3));
	pthread_join(t, NULL);
	SHOW(fcntl(p[0], F_GETFL) == O_NONBLOCK);
	close(p[0]), close(p[1]);
}

static void transfers(void)
{
	int in = file_with("0123456789"), out = file_with("abc"), p[2], s[2];
	off_t at = 2;

	printf("-- sendfile\n");
	SHOW(sendfile(out, in, NULL, 4));
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(sendfile(out, in, &at, 3));
	SHOW(at);
	SHOW(lseek(in, 0, SEEK_CUR));
	content(out);
	at = 100;
	SHOW(sendfile(out, in, &at, 3));
	at = -1;
	SHOW(sendfile(out, in, &at, 3));
	SHOW(sendfile(out, in, (off_t *)8, 3));
	SHOW(sendfile(out, in, NULL, 0));
	SHOW(pipe(p));
	SHOW(sendfile(p[1], in, NULL, 100));
	SHOW(read(p[0], a, 8));
	at = 0;
	SHOW(sendfile(out, p[0], &at, 3));
	SHOW(sendfile(99, in, NULL, 3));
	SHOW(sendfile(out, 99, NULL, 3));
	SHOW(sendfile(p[0], in, NULL, 3));
	SHOW(sendfile(in, p[1], NULL, 3));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	at = 7;
	SHOW(sendfile(s[0], in, &at, 100));
	SHOW(read(s[1], a, 8));
	SHOW(fcntl(out, F_SETFL, O_APPEND));
	SHOW(sendfile(out, in, NULL, 1));
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(in);
	close(out);
}

static void copies(void)
{
	int in = file_with("0123456789"), out = file_with("abc"), p[2];
	off64_t from = 2, to = 5;

	printf("-- copy_file_range\n");
	SHOW(copy_file_range(in, &from, out, &to, 4, 0));
	SHOW(from);
	SHOW(to);
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(lseek(out, 0, SEEK_CUR));
	content(out);
	SHOW(copy_file_range(in, NULL, out, NULL, 3, 0));
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(lseek(out, 0, SEEK_CUR));
	SHOW(copy_file_range(in, NULL, out, NULL, 100, 0));
	SHOW(copy_file_range(in, NULL, out, NULL, 100, 0));
	content(out);
	from = 0, to = 2;
	SHOW(copy_file_range(in, &from, in, &to, 4, 0));
	from = 0, to = 20;
	SHOW(copy_file_range(in, &from, in, &to, 4, 0));
	content(in);
	SHOW(copy_file_range(in, NULL, out, NULL, 3, 1));
	from = -1;
	SHOW(copy_file_range(in, &from, out, NULL, 3, 0));
	SHOW(pipe(p));
	SHOW(copy_file_range(in, NULL, p[1], NULL, 3, 0));
	SHOW(copy_file_range(p[0], NULL, out, NULL, 3, 0));
	SHOW(copy_file_range(99, NULL, out, NULL, 3, 0));
	SHOW(copy_file_range(in, NULL, 99, NULL, 3, 0));
	SHOW(fcntl(out, F_SETFL, O_APPEND));
	SHOW(copy_file_range(in, NULL, out, NULL, 3, 0));
	close(p[0]);
	close(p[1]);
	close(in);
	close(out);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	buffers();
	offsets();
	edges();
	waits();
	flags_in_a_wait();
	transfers();
	copies();
	return 0;
}
