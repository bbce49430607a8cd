/*
 * random.c: long series of random operations on pipes, record locks and unix
 * sockets, every result printed: the same natively and in the guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned long state;
static char data[300000], got[300000];

static unsigned below(unsigned n)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(state >> 33) % n;
}

static unsigned sum(const char *p, long n)
{
	unsigned h = 1;

	for (long i = 0; i < n; i++)
		h = h * 31 + (unsigned char)p[i];
	return h;
}

static void result(const char *what, long r)
{
	if (r < 0)
		printf("%s %s\n", what, strerrorname_np(errno));
	else
		printf("%s %ld\n", what, r);
}

static void taken(const char *what, long r)
{
	result(what, r);
	if (r > 0)
		printf(" %x\n", sum(got, r));
}

/* ---- pipes ---- */

static unsigned size(void)
{
	switch (below(5)) {
	case 0:
		return below(10);
	case 1:
		return below(5000);
	case 2:
		return 4096 * below(5);
	case 3:
		return below(70000);
	}
	return 4095 + below(3);
}

static void look(int r, int w)
{
	struct pollfd p[2] = { { r, POLLIN, 0 }, { w, POLLOUT, 0 } };
	int n = -1;

	poll(p, 2, 0);
	ioctl(r, FIONREAD, &n);
	printf("queued %d events %x %x\n", n, p[0].revents, p[1].revents);
}

static void pipe_step(int p[3][2], int f)
{
	int a = (int)below(3), b = (int)below(3);
	unsigned n = size();
	loff_t at = below(120000);
	struct iovec v[3] = { { data + below(100), below(6000) },
			      { data + 4000 + below(100), below(100) },
			      { data, below(9000) } };

	switch (below(10)) {
	case 0:
	case 1:
		result("write", write(p[a][1], data + below(1000), n));
		break;
	case 2:
	case 3:
		taken("read", read(p[a][0], got, n));
		break;
	case 4:
		result("splice", splice(p[a][0], NULL, p[b][1], NULL, n,
					SPLICE_F_NONBLOCK));
		break;
	case 5:
		result("tee", tee(p[a][0], p[b][1], n, SPLICE_F_NONBLOCK));
		break;
	case 6:
		if (below(8) == 0)
			result("size", fcntl(p[a][1], F_SETPIPE_SZ, n * 4));
		look(p[a][0], p[a][1]);
		break;
	case 7:
		result("vmsplice", vmsplice(p[a][1], v, 3, SPLICE_F_NONBLOCK));
		break;
	case 8:
		result("writev", writev(p[a][1], v, 3));
		break;
	case 9:
		result("to file",
		       splice(p[a][0], NULL, f, &at, n, SPLICE_F_NONBLOCK));
		break;
	}
}

static void pipes(void)
{
	int p[3][2], f = open("/tmp/zeroboot-random", O_RDWR | O_CREAT, 0600);

	for (int i = 0; i < 3; i++)
		pipe2(p[i], O_NONBLOCK | (i == 2 ? O_DIRECT : 0));
	for (int i = 0; i < 8000; i++)
		pipe_step(p, f);
	for (int i = 0; i < 3; i++) {
		long r;

		while ((r = read(p[i][0], got, 7777)) > 0)
			taken("left", r);
		close(p[i][0]);
		close(p[i][1]);
	}
	close(f);
	unlink("/tmp/zeroboot-random");
}

/* ---- locks ---- */

static const char *const lock_path = "/tmp/zeroboot-random-lock";

static void lock_step(int f[4])
{
	static const int commands[] = { F_OFD_GETLK, F_OFD_SETLK, F_SETLK,
					F_GETLK,     F_OFD_SETLK, F_SETLK };
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK, F_RDLCK };
	static const int ways[] = { LOCK_UN, LOCK_EX, LOCK_SH };
	int a = (int)below(4), command = commands[below(6)];
	struct flock l = { .l_type = types[below(4)],
			   .l_start = below(60),
			   .l_len = below(7) ? below(30) : 0 };

	if (below(10) == 0)
		l.l_len = -(long)below(20);
	if (below(50) == 0) {
		close(f[a]);
		f[a] = open(lock_path, O_RDWR);
		return;
	}
	if (below(12) == 0) {
		result("flock", flock(f[a], ways[below(3)] | LOCK_NB));
		return;
	}
	result("lock", fcntl(f[a], command, &l));
	printf(" %d %d %ld %ld %d\n", l.l_type, l.l_whence, (long)l.l_start,
	       (long)l.l_len, l.l_pid == getpid() ? 1 : l.l_pid);
}

static void locks(void)
{
	int f[4];

	for (int i = 0; i < 4; i++)
		f[i] = open(lock_path, O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 8000; i++)
		lock_step(f);
	for (int i = 0; i < 4; i++)
		close(f[i]);
	unlink(lock_path);
}

/* ---- sockets ---- */

static void receive(int fd, int flags)
{
	struct iovec v[3] = { { got, below(500) },
			      { got + 500, below(30) },
			      { got + 530, below(2000) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 1 + below(3) };
	long r;

	memset(got, 0, 3000);
	r = recvmsg(fd, &m, flags | MSG_DONTWAIT);
	result("recvmsg", r);
	printf(" %x %x\n", r < 0 ? 0 : m.msg_flags, sum(got, 3000));
}

static int pending(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

static void socket_step(int s[2], int type)
{
	static const int flags[] = { 0, MSG_PEEK, MSG_TRUNC,
				     MSG_PEEK | MSG_TRUNC, MSG_WAITALL };
	int a = (int)below(2);
	unsigned n = below(below(4) ? 300 : 3000);
	struct iovec v[2] = { { data + below(900), below(700) },
			      { data + below(900), below(9) } };

	switch (below(9)) {
	case 0:
		result("write", write(s[a], data + below(500), n));
		break;
	case 1:
		result("send",
		       send(s[a], data, n, MSG_NOSIGNAL | MSG_DONTWAIT));
		break;
	case 2:
		result("writev", writev(s[a], v, 2));
		break;
	case 3:
		memset(got, 0, n);
		taken("read", read(s[a], got, n));
		break;
	case 4:
		v[0].iov_base = got;
		v[1].iov_base = got + v[0].iov_len;
		taken("readv", readv(s[a], v, 2));
		break;
	case 5:
	case 6:
		receive(s[a], flags[below(type == SOCK_STREAM ? 2 : 5)]);
		break;
	case 7:
		printf("pending %d\n", pending(s[a]));
		look(s[a], s[a]);
		break;
	case 8:
		if (below(200) == 0)
			result("shutdown", shutdown(s[a], (int)below(3)));
		break;
	}
}

static void sockets(int type)
{
	for (int round = 0; round < 12; round++) {
		int s[2], tail = (int)below(2);

		socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
		for (int i = 0; i < 500; i++) {
			socket_step(s, type);
			/* what each kernel counts for a message is its own */
			for (int k = 0; k < 2 && i % 16 == 15; k++)
				while (read(s[k], got, 3000) > 0)
					;
		}
		close(s[tail]);
		for (int i = 0; i < 8; i++) {
			receive(s[!tail], 0);
			look(s[!tail], s[!tail]);
			result("write", write(s[!tail], "x", 1));
		}
		close(s[!tail]);
	}
}

int main(int argc, char **argv)
{
	state = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 255);
	pipes();
	locks();
	sockets(SOCK_STREAM);
	sockets(SOCK_DGRAM);
	sockets(SOCK_SEQPACKET);
	return 0;
}
