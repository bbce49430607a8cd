/* splice.c: splice, tee, vmsplice, sendfile; pipes' sizes and packets. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static const char *const path = "/tmp/zeroboot-splice";
static char big[300000], back[300000];
static int p[2], q[2], f;

static long queued(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

static long text(int fd)
{
	char buf[64] = "";
	long n = read(fd, buf, sizeof(buf) - 1);

	printf("<%s> ", buf);
	return n;
}

static long events(int fd)
{
	struct pollfd w = { fd, POLLIN | POLLOUT, 0 };

	return poll(&w, 1, 0) < 0 ? -1 : w.revents;
}

static void files(void)
{
	loff_t at = 2;

	pipe(p);
	SHOW(write(f, "0123456789", 10));
	lseek(f, 0, SEEK_SET);
	SHOW(splice(f, NULL, p[1], NULL, 4, 0));
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(splice(f, &at, p[1], NULL, 3, 0));
	printf("at %ld\n", (long)at);
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(queued(p[0]));
	SHOW(text(p[0]));
	SHOW(splice(f, NULL, p[1], NULL, 100, SPLICE_F_MORE));
	SHOW(splice(f, NULL, p[1], NULL, 100, 0));
	at = 20;
	SHOW(splice(p[0], NULL, f, &at, 3, SPLICE_F_MOVE));
	printf("at %ld\n", (long)at);
	SHOW(splice(p[0], NULL, f, NULL, 100, 0));
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(lseek(f, 0, SEEK_END));
	SHOW(splice(p[0], NULL, f, NULL, 1, SPLICE_F_NONBLOCK));
	SHOW(sendfile(p[1], f, &(off_t){ 1 }, 5));
	SHOW(text(p[0]));
	SHOW(sendfile(f, p[0], NULL, 5));
}

static void errors(void)
{
	loff_t at = 0;
	int e = eventfd(0, 0), a = open(path, O_WRONLY | O_APPEND);
	int d = open("/tmp", O_RDONLY), w = open(path, O_WRONLY);

	SHOW(splice(f, NULL, p[1], NULL, 0, 0));
	SHOW(splice(f, NULL, p[1], NULL, 1, 0x10));
	SHOW(splice(99, NULL, p[1], NULL, 1, 0));
	SHOW(splice(f, NULL, 99, NULL, 1, 0));
	SHOW(splice(f, NULL, f, NULL, 1, 0));
	SHOW(splice(f, NULL, p[1], &at, 1, 0));
	SHOW(splice(p[0], &at, f, NULL, 1, 0));
	SHOW(splice(p[0], NULL, p[1], NULL, 1, 0));
	SHOW(splice(p[1], NULL, q[1], NULL, 1, 0));
	SHOW(splice(p[0], NULL, q[0], NULL, 1, 0));
	SHOW(splice(w, NULL, p[1], NULL, 1, 0));
	SHOW(splice(d, NULL, p[1], NULL, 1, 0));
	write(p[1], "x", 1);
	SHOW(splice(p[0], NULL, a, NULL, 1, 0));
	SHOW(queued(p[0]));
	SHOW(text(p[0]));
	at = -1;
	SHOW(splice(f, &at, p[1], NULL, 1, 0));
	SHOW(splice(f, (loff_t *)8, p[1], NULL, 1, 0));
	SHOW(splice(e, &at, p[1], NULL, 1, 0));
	SHOW(tee(f, p[1], 1, 0));
	SHOW(tee(p[0], p[1], 1, 0));
	SHOW(tee(p[0], q[1], 0, 0));
	SHOW(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK));
	SHOW(tee(99, q[1], 1, 0));
	SHOW(vmsplice(f, &(struct iovec){ big, 1 }, 1, 0));
	SHOW(vmsplice(p[1], (struct iovec *)8, 1, 0));
	SHOW(vmsplice(p[1], &(struct iovec){ (void *)8, 1 }, 1, 0));
	SHOW(vmsplice(p[1], NULL, 0, 0));
	SHOW(vmsplice(p[1], &(struct iovec){ big, 1 }, 1, 0x20));
	close(e);
	close(a);
	close(d);
	close(w);
}

static void *write_later(void *arg)
{
	usleep(20000);
	write((int)(long)arg, "late", 4);
	return NULL;
}

static void between_pipes(void)
{
	struct iovec v[2] = { { "abc", 3 }, { "defg", 4 } };
	char one[4] = "", two[8] = "";
	struct iovec out[2] = { { one, 3 }, { two, 7 } };
	pthread_t t;

	write(p[1], "hello", 5);
	write(p[1], " world", 6);
	SHOW(tee(p[0], q[1], 3, 0));
	SHOW(tee(p[0], q[1], 100, 0));
	SHOW(queued(p[0]));
	SHOW(text(q[0]));
	SHOW(splice(p[0], NULL, q[1], NULL, 7, 0));
	SHOW(queued(p[0]));
	SHOW(text(q[0]));
	SHOW(text(p[0]));
	pthread_create(&t, NULL, write_later, (void *)(long)p[1]);
	SHOW(splice(p[0], NULL, q[1], NULL, 7, 0));
	pthread_join(t, NULL);
	SHOW(text(q[0]));
	SHOW(vmsplice(p[1], v, 2, 0));
	SHOW(queued(p[0]));
	SHOW(vmsplice(p[0], out, 2, 0));
	printf("%s %s\n", one, two);
	SHOW(vmsplice(p[0], out, 2, SPLICE_F_NONBLOCK));
}

static void ends(void)
{
	signal(SIGPIPE, SIG_IGN);
	close(p[1]);
	SHOW(splice(p[0], NULL, q[1], NULL, 7, 0));
	SHOW(splice(p[0], NULL, f, NULL, 7, 0));
	SHOW(tee(p[0], q[1], 7, 0));
	close(q[0]);
	close(p[0]);
	pipe(p);
	write(p[1], "x", 1);
	SHOW(splice(p[0], NULL, q[1], NULL, 7, 0));
	SHOW(tee(p[0], q[1], 7, 0));
	lseek(f, 0, SEEK_SET);
	SHOW(splice(f, NULL, q[1], NULL, 7, 0));
	SHOW(sendfile(q[1], f, NULL, 7));
	close(q[1]);
	close(p[0]);
	close(p[1]);
}

static void sockets(void)
{
	int s[2];
	long n, total = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pipe(p);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 253);
	ftruncate(f, 0);
	pwrite(f, big, 150000, 0);
	lseek(f, 0, SEEK_SET);
	while (total < 150000) {
		long part;

		n = splice(f, NULL, p[1], NULL, 40000, 0);
		if (n <= 0)
			break;
		for (part = 0; part < n;) {
			long m = splice(p[0], NULL, s[0], NULL, n - part, 0);

			if (m <= 0)
				break;
			part += m;
		}
		for (part = 0; part < n;)
			part += read(s[1], back + total + part, n - part);
		total += n;
	}
	printf("through %ld same %d\n", total, !memcmp(big, back, 150000));
	write(s[0], "reply", 5);
	SHOW(splice(s[1], NULL, p[1], NULL, 100, 0));
	SHOW(text(p[0]));
	SHOW(splice(s[1], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	SHOW(splice(s[1], &(loff_t){ 0 }, p[1], NULL, 100, 0));
	SHOW(sendfile(s[0], f, &(off_t){ 10 }, 20));
	SHOW(read(s[1], back, 100));
	printf("same %d\n", !memcmp(back, big + 10, 20));
	close(s[0]);
	SHOW(splice(s[1], NULL, p[1], NULL, 100, 0));
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

static void sizes(void)
{
	long n;

	pipe2(p, O_NONBLOCK);
	SHOW(fcntl(p[0], F_GETPIPE_SZ));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 1));
	SHOW(fcntl(p[0], F_GETPIPE_SZ));
	SHOW(write(p[1], big, 10000));
	SHOW(write(p[1], big, 1));
	SHOW(events(p[1]));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 4097));
	SHOW(events(p[1]));
	SHOW(write(p[1], big, 1));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 1 << 20));
	for (n = 0; write(p[1], big, 3000) == 3000;)
		n++;
	printf("writes of 3000: %ld\n", n);
	SHOW(queued(p[0]));
	SHOW(write(p[1], big, 1000));
	SHOW(write(p[1], big, 1));
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 0xffffffff));
	SHOW(fcntl(f, F_GETPIPE_SZ));
	SHOW(fcntl(f, F_SETPIPE_SZ, 4096));
	close(p[0]);
	SHOW(events(p[1]));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	close(p[1]);
}

static void packets(void)
{
	pipe2(p, O_DIRECT | O_NONBLOCK);
	SHOW(fcntl(p[0], F_GETFL) == O_NONBLOCK);
	SHOW(fcntl(p[1], F_GETFL) == (O_WRONLY | O_DIRECT | O_NONBLOCK));
	SHOW(write(p[1], "one", 3));
	SHOW(write(p[1], "", 0));
	SHOW(write(p[1], "three", 5));
	SHOW(write(p[1], big, 5000));
	SHOW(queued(p[0]));
	SHOW(read(p[0], back, 100));
	SHOW(read(p[0], back, 2)); /* the rest of it is lost */
	SHOW(read(p[0], back, 10000));
	SHOW(read(p[0], back, 10000));
	SHOW(read(p[0], back, 10000));
	SHOW(fcntl(p[1], F_SETFL, 0));
	SHOW(write(p[1], "ab", 2));
	SHOW(fcntl(p[1], F_SETFL, O_DIRECT));
	SHOW(write(p[1], "cd", 2));
	SHOW(read(p[0], back, 100));
	SHOW(read(p[0], back, 100));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	f = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	pipe(q);
	files();
	errors();
	between_pipes();
	ends();
	sockets();
	sizes();
	packets();
	SHOW(unlink(path));
	return 0;
}
