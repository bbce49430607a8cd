/*
 * terminal.h: what the programs about terminals share: a pair, and what was
 * typed and shown, with its controls as \ooo.
 *
 * Linux passes on what a master writes a moment later: so a program says how
 * many bytes it expects, and waits for them.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

#define PATIENCE 20000 /* ms */

static int master, slave;

static void print(const char *what, const char *s, long n)
{
	printf("%s (%ld) \"", what, n);
	for (long i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 32 || c > 126 || c == '\\')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	printf("\"\n");
	fflush(stdout);
}

__attribute__((unused)) static long events(int fd)
{
	struct pollfd w = { fd, POLLIN | POLLOUT | POLLPRI, 0 };

	return poll(&w, 1, 0) < 0 ? -1 : w.revents;
}

__attribute__((unused)) static long wait_for(int fd, short what)
{
	struct pollfd w = { fd, what, 0 };

	return poll(&w, 1, PATIENCE) < 0 ? -1 : w.revents;
}

/* Opens a pair of its own; no controlling terminal. */
__attribute__((unused)) static void pair(void)
{
	char name[64];

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0 || unlockpt(master) || ptsname_r(master, name, 64)) {
		perror("/dev/ptmx");
		exit(1);
	}
	slave = open(name, O_RDWR | O_NOCTTY);
	if (slave < 0) {
		perror(name);
		exit(1);
	}
}

__attribute__((unused)) static void unpair(void)
{
	close(slave);
	close(master);
}

/* What the master gets: n bytes, or what comes in time. */
__attribute__((unused)) static void shown(const char *what, long n)
{
	static char buf[65536];
	long got = 0, r = 0;

	while (got < n && (wait_for(master, POLLIN) & POLLIN)) {
		r = read(master, buf + got, sizeof(buf) - (size_t)got);
		if (r <= 0)
			break;
		got += r;
	}
	print(what, buf, got);
	if (r < 0)
		printf("%s\n", strerrorname_np(errno));
}

/* The master writes, and n bytes are echoed. */
__attribute__((unused)) static void type(const char *s, long n)
{
	long size = (long)strlen(s);

	print("typed", s, size);
	if (write(master, s, (size_t)size) != size)
		puts("not all");
	if (n)
		shown("echo", n);
	events(slave); /* Linux: what has been written is there now */
}

/* One read of the slave. */
__attribute__((unused)) static void got(size_t n)
{
	static char buf[65536];
	long r = read(slave, buf, n);

	if (r < 0)
		printf("read: %s\n", strerrorname_np(errno));
	else
		print("read", buf, r);
}

__attribute__((unused)) static void flags(tcflag_t input, tcflag_t output,
					  tcflag_t local)
{
	struct termios t;

	if (tcgetattr(slave, &t))
		perror("tcgetattr");
	t.c_iflag = input;
	t.c_oflag = output;
	t.c_lflag = local;
	if (tcsetattr(slave, TCSANOW, &t))
		perror("tcsetattr");
}

__attribute__((unused)) static void control(int which, int c)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_cc[which] = (cc_t)c;
	tcsetattr(slave, TCSANOW, &t);
}

#endif
