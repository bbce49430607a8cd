/* tty.c: the line discipline of terminals: editing, echoes, modes, settings. */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "terminal.h"

#define IN (ICRNL | IXON)
#define OUT (OPOST | ONLCR)
#define LOCALS                                                                 \
	(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static void defaults(void)
{
	struct termios t;
	struct winsize w;

	SHOW(isatty(slave));
	SHOW(isatty(master));
	SHOW(tcgetattr(slave, &t));
	printf("%o %o %o %o line %d\n", t.c_iflag, t.c_oflag, t.c_cflag,
	       t.c_lflag, t.c_line);
	for (int i = 0; i < 19; i++)
		printf("%o ", t.c_cc[i]);
	printf("\n%d %d\n", cfgetispeed(&t) == B38400,
	       cfgetospeed(&t) == B38400);
	SHOW(ioctl(slave, TIOCGWINSZ, &w));
	printf("%d %d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
}

static void editing(void)
{
	puts("- editing");
	flags(IN, OUT, LOCALS);
	type("hello\r", 7);
	got(100);
	type("ab\177c\n", 8);
	got(100);
	type("one two  three_3\027\027x\n", 55);
	got(100);
	type("abc\025d\n", 15);
	got(100);
	type("\001\002\033\177\177x\n", 21);
	got(100);
	type("a\tb\177\177c\n", 16);
	got(100);
	type("\t\t\177\001\t\177x\n", 22);
	got(100);
	type("\177\025\027\n", 2); /* nothing to erase */
	got(100);
	type("a\026\003\026\177b\n", 12);
	got(100);
	type("ab\022c\n", 11);
	got(100);
	type("line\033\n", 8);
	got(2); /* parts of a line */
	got(2);
	got(100);
	type("two\nlines\n", 12);
	got(100);
	got(100);
}

static void ends(void)
{
	puts("- ends of lines and files");
	flags(IN, OUT, LOCALS);
	type("\004", 0);
	got(100);
	type("abc\004", 3);
	got(100);
	type("abc\004", 3);
	got(3); /* takes the end with it */
	type("abc\004def\n", 8);
	got(2);
	got(2);
	got(100);
	type("x\n\004", 3);
	got(2);
	got(100);
	control(VEOL, ';');
	control(VEOL2, ',');
	type("a;b,c\n", 7);
	got(100);
	got(100);
	got(100);
	flags(IN, OUT, LOCALS & ~IEXTEN);
	type("b,c\026\n", 7);
	got(100);
	control(VEOL, 0);
	control(VEOF, 0);
	type("\004d\n", 5);
	got(100);
	control(VEOF, 4);
	SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
	type("part", 4);
	got(100);
	type("\n", 2);
	got(100);
	got(100);
	got(0);
	SHOW(fcntl(slave, F_SETFL, 0));
}

static void echoes(void)
{
	puts("- echoes");
	flags(IN, OUT, ICANON);
	type("silent\n", 0);
	got(100);
	flags(IN, OUT, ICANON | ECHONL);
	type("quiet\n", 2);
	got(100);
	flags(IN, OUT, ICANON | ECHO);
	type("ab\177\001\025c\n", 8); /* as it is */
	got(100);
	flags(IN, OUT, ICANON | ECHO | ECHOK);
	type("ab\025c\n", 8);
	got(100);
	flags(IN, OUT, ICANON | ECHO | ECHOE | ECHOK | ECHOPRT | ECHOCTL);
	type("abc\177\177d\177e\n", 14);
	got(100);
	flags(IN, OUT, ICANON | ECHO | ECHOE | ECHOPRT | IEXTEN);
	type("ab cd\027x\177\177\177\177\177\n", 18);
	got(100);
	flags(IN, 0, ICANON | ECHO | ECHOCTL);
	type("a\tb\003\n", 6);
	got(100);
	flags(IN | IUTF8, OUT, LOCALS);
	type("\303\244\342\202\254x\177\177\177z\n", 18);
	got(100);
	flags(IN, OUT, LOCALS);
	type("\303\244\177z\n", 8);
	got(100);
	type("\377\n", 3);
	got(100);
}

static void input_flags(void)
{
	puts("- input flags");
	flags(0, 0, ICANON);
	type("a\rb\n", 0);
	got(100);
	flags(INLCR, 0, ICANON);
	control(VEOL, '\r');
	type("a\nb\r", 0);
	got(100);
	got(100);
	control(VEOL, 0);
	flags(IGNCR | ICRNL, 0, ICANON);
	type("a\rb\n", 0);
	got(100);
	flags(ISTRIP, 0, ICANON);
	type("\341\342\212", 0);
	got(100);
	flags(IUCLC, 0, ICANON | IEXTEN);
	type("MiXed1\n", 0);
	got(100);
	flags(IUCLC, 0, ICANON);
	type("MiXed\n", 0);
	got(100);
	flags(PARMRK, 0, ICANON);
	type("a\377b\n", 0);
	got(100);
	flags(INLCR | ICRNL, 0, 0);
	control(VMIN, 1);
	type("a\rb\nc", 0);
	got(100);
	flags(0, 0, ECHO | ECHOCTL);
	type("\003a\n\r", 7);
	got(100);
}

static void output(const char *s, long n)
{
	print("write", s, (long)strlen(s));
	SHOW(write(slave, s, strlen(s)));
	shown("master", n);
}

static void output_flags(void)
{
	puts("- output flags");
	flags(IN, OUT, ICANON);
	output("a\nb\rc\td\n", 10);
	flags(IN, 0, ICANON);
	output("a\nb\rc\td\n", 8);
	flags(IN, OPOST, ICANON);
	output("a\nb\r\n", 5);
	flags(IN, OPOST | OCRNL, ICANON);
	output("a\rb\n", 4);
	flags(IN, OPOST | ONOCR, ICANON);
	output("\r\ra\r\rb\n\r", 6);
	flags(IN, OPOST | ONLRET | ONOCR, ICANON);
	output("abc\n\rd\r\n", 7);
	flags(IN, OPOST | XTABS, ICANON);
	output("\r\ta\tabcdefg\th\b\b\tx\n", 31);
	output("\001\002\t\303\244\t|\n", 19);
	flags(IN | IUTF8, OPOST | XTABS, ICANON);
	output("\r\303\244\t|\n", 12);
	flags(IN, OPOST | OLCUC, ICANON);
	output("MiXed1\n", 7);
	flags(IN, OUT, ICANON);
	SHOW(write(slave, "", 0));
}

static long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *type_later(void *arg)
{
	for (const char *s = arg; *s; s++) {
		usleep(30000);
		if (write(master, s, 1) != 1)
			puts("short");
	}
	return NULL;
}

static void minimum(int min, int time, const char *s, size_t n)
{
	pthread_t t;
	long start;

	printf("min %d time %d typed \"%s\" of %zu\n", min, time, s, n);
	control(VMIN, min);
	control(VTIME, time);
	pthread_create(&t, NULL, type_later, (void *)s);
	start = milliseconds();
	got(n);
	if (time)
		printf("waited %d\n", milliseconds() - start >= 90);
	pthread_join(t, NULL);
}

static void raw(void)
{
	puts("- raw");
	flags(0, 0, 0);
	control(VMIN, 1);
	control(VTIME, 0);
	type("\003\004\r\n\177\000abc", 0);
	got(3);
	got(100);
	minimum(3, 0, "abc", 10);
	minimum(5, 0, "abcde", 5);
	minimum(10, 0, "abc", 3); /* what is asked for is enough */
	minimum(10, 3, "ab", 10); /* time runs from byte to byte */
	minimum(0, 30, "a", 10);
	minimum(0, 1, "", 10);
	minimum(0, 0, "", 10);
	control(VMIN, 4);
	type("abc", 0);
	SHOW(events(slave) & POLLIN);
	type("d", 0);
	SHOW(events(slave) & POLLIN);
	got(100);
	control(VTIME, 1);
	type("a", 0);
	SHOW(events(slave) & POLLIN);
	got(100);
	SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
	got(10);
	control(VMIN, 0);
	control(VTIME, 0);
	got(10);
	control(VMIN, 2);
	type("a", 0);
	got(10);
	got(10);
	SHOW(fcntl(slave, F_SETFL, 0));
	control(VMIN, 1);
}

static void modes(void)
{
	int n = -1;

	puts("- from mode to mode");
	flags(IN, OUT, ICANON);
	type("abc", 0);
	SHOW(events(slave) & POLLIN);
	flags(IN, OUT, 0);
	SHOW(events(slave) & POLLIN);
	got(2);
	flags(IN, OUT, ICANON);
	SHOW(events(slave) & POLLIN);
	got(100);
	type("x\ny", 0);
	SHOW(ioctl(slave, FIONREAD, &n));
	printf("%d\n", n);
	flags(IN, OUT, 0);
	SHOW(ioctl(slave, FIONREAD, &n));
	printf("%d\n", n);
	got(100);
	flags(IN, OUT, ICANON);
	type("a\004b\n\004", 0);
	SHOW(ioctl(slave, FIONREAD, &n));
	printf("%d\n", n);
	SHOW(tcflush(slave, TCIFLUSH));
	SHOW(ioctl(slave, FIONREAD, &n));
	printf("%d\n", n);
	type("old\n", 0);
	{
		struct termios t;

		SHOW(tcgetattr(slave, &t));
		SHOW(tcsetattr(slave, TCSAFLUSH, &t));
	}
	SHOW(ioctl(slave, FIONREAD, &n));
	printf("%d\n", n);
	flags(IN, OUT, ICANON | ECHO | EXTPROC);
	type("ab\177\n", 0);
	got(100);
	flags(IN, OUT, ICANON);
}

/* A line may have 4,095 bytes and its end. */
static void limits(void)
{
	static char big[6000], buf[8000];
	long r, sum = 0;

	puts("- limits");
	flags(IN, OUT, ICANON);
	memset(big, 'x', sizeof(big));
	big[4094] = 'y';
	big[sizeof(big) - 1] = '\n';
	SHOW(write(master, big, sizeof(big)));
	wait_for(slave, POLLIN);
	SHOW(r = read(slave, buf, sizeof(buf)));
	printf("%c %c %o\n", buf[0], buf[4094], buf[4095]);
	flags(0, 0, 0);
	SHOW(fcntl(master, F_SETFL, O_NONBLOCK));
	while ((r = write(master, big, sizeof(big))) > 0)
		sum += r;
	printf("%s %d\n", strerrorname_np(errno), sum >= 8192 && sum < 100000);
	while (sum > 0 && (r = read(slave, buf, sizeof(buf))) > 0)
		sum -= r;
	printf("left %ld\n", sum);
	SHOW(wait_for(master, POLLOUT));
	SHOW(fcntl(master, F_SETFL, 0));
	SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
	while ((r = write(slave, big, sizeof(big))) > 0)
		sum += r;
	printf("%s %d\n", strerrorname_np(errno), sum >= 8192 && sum < 100000);
	while (sum > 0 && (r = read(master, buf, sizeof(buf))) > 0)
		sum -= r;
	printf("left %ld\n", sum);
	SHOW(wait_for(slave, POLLOUT) & POLLOUT);
	SHOW(fcntl(slave, F_SETFL, 0));
}

static void *write_side(void *arg)
{
	return (void *)write(slave, arg, 50000);
}

static void *write_tabs(void *arg)
{
	return (void *)write(slave, arg, 6250);
}

static void *type_side(void *arg)
{
	return (void *)write(master, arg, 50000);
}

static long drain(int fd, char c)
{
	static char buf[3000];
	long sum = 0, r;

	while (sum < 50000 && (r = read(fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < r; i++)
			if (buf[i] != c)
				return -2;
		sum += r;
	}
	return sum;
}

/* Writers that have to wait for the other side. */
static void waiting(void)
{
	static char out[50000], in[50000];
	pthread_t t;
	void *r;

	puts("- waiting");
	flags(0, 0, 0);
	memset(out, 'o', sizeof(out));
	memset(in, 'i', sizeof(in));
	pthread_create(&t, NULL, write_side, out);
	SHOW(drain(master, 'o'));
	pthread_join(t, &r);
	printf("written %ld\n", (long)r);
	pthread_create(&t, NULL, type_side, in);
	SHOW(drain(slave, 'i'));
	pthread_join(t, &r);
	printf("typed %ld\n", (long)r);
	flags(0, OPOST | XTABS, 0); /* a character may need more room */
	memset(out, '\t', 6250);
	SHOW(write(slave, "\r", 1));
	shown("master", 1);
	pthread_create(&t, NULL, write_tabs, out);
	SHOW(drain(master, ' '));
	pthread_join(t, &r);
	printf("written %ld\n", (long)r);
}

static void flow(void)
{
	puts("- flow");
	flags(IN, OUT, ICANON | ECHO);
	SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
	type("\023", 0);
	SHOW(events(slave) & POLLOUT);
	SHOW(write(slave, "x", 1));
	type("ab", 0); /* its echo waits */
	SHOW(events(master) & POLLIN);
	type("\021", 2);
	SHOW(write(slave, "x", 1));
	shown("master", 1);
	type("ab\023cd", 0); /* echoes wait for the end of what is typed */
	SHOW(events(master) & POLLIN);
	type("\021", 4);
	type("\023", 0);
	SHOW(write(slave, "x", 1));
	type("c", 0); /* IXANY is not set */
	SHOW(events(master) & POLLIN);
	flags(IN | IXANY, OUT, ICANON | ECHO);
	type("d", 2);
	type("\023", 0);
	flags(ICRNL, OUT, ICANON); /* without IXON it goes on */
	SHOW(write(slave, "y", 1));
	shown("master", 1);
	got(100);
	SHOW(tcflow(slave, TCOOFF));
	SHOW(tcflow(slave, TCOOFF));
	SHOW(write(slave, "x", 1));
	flags(IN, OUT, ICANON);
	type("\021", 0); /* does not undo it */
	SHOW(write(slave, "x", 1));
	SHOW(tcflow(slave, TCOON));
	SHOW(write(slave, "z", 1));
	shown("master", 1);
	SHOW(tcflow(slave, TCIOFF));
	shown("master", 1);
	SHOW(tcflow(slave, TCION));
	shown("master", 1);
	SHOW(tcflow(slave, 9));
	SHOW(tcflush(slave, 9));
	SHOW(tcsendbreak(slave, 0));
	SHOW(tcsendbreak(master, 0));
	SHOW(tcdrain(slave));
	SHOW(fcntl(slave, F_SETFL, 0));
	SHOW(tcflush(slave, TCIOFLUSH));
}

int main(void)
{
	pair();
	defaults();
	editing();
	ends();
	echoes();
	input_flags();
	output_flags();
	raw();
	modes();
	limits();
	waiting();
	flow();
	unpair();
	puts("done");
	return 0;
}
