/* lockrange.c: record locks: of the process, and of open file descriptions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static const char *const path = "/tmp/zeroboot-lockrange";
static int a, b;

static long set(int fd, int command, int type, long start, long size)
{
	struct flock l = { .l_type = (short)type,
			   .l_start = start,
			   .l_len = size };

	return fcntl(fd, command, &l);
}
#define OFD(fd, type, start, size) set(fd, F_OFD_SETLK, type, start, size)
#define OWN(fd, type, start, size) set(fd, F_SETLK, type, start, size)

static void ask(int fd, int command, int type, long start, long size)
{
	struct flock l = { .l_type = (short)type,
			   .l_whence = SEEK_SET,
			   .l_start = start,
			   .l_len = size };

	if (fcntl(fd, command, &l))
		printf("ask: error %d\n", errno);
	else if (l.l_type == F_UNLCK)
		printf("free from %ld: %ld\n", start, size);
	else
		printf("held: type %d whence %d start %ld size %ld own %d\n",
		       l.l_type, l.l_whence, (long)l.l_start, (long)l.l_len,
		       l.l_pid == getpid() ? 1 : l.l_pid);
}

/* What b sees of a's locks. */
static void map(void)
{
	static const char letters[] = "rw";

	for (long i = 0; i < 60; i++) {
		struct flock l = { .l_type = F_WRLCK,
				   .l_start = i,
				   .l_len = 1 };

		fcntl(b, F_OFD_GETLK, &l);
		putchar(l.l_type == F_UNLCK ? '.' : letters[l.l_type]);
	}
	putchar('\n');
	for (long at = 0; at < 1000;) {
		struct flock l = { .l_type = F_WRLCK, .l_start = at };

		fcntl(b, F_OFD_GETLK, &l);
		if (l.l_type == F_UNLCK)
			break;
		printf(" %d %ld+%ld", l.l_type, (long)l.l_start, (long)l.l_len);
		if (!l.l_len)
			break;
		at = l.l_start + l.l_len;
	}
	putchar('\n');
}

/* Split and merge, for either kind. */
static void ranges(int command)
{
	SHOW(set(a, command, F_WRLCK, 10, 20));
	SHOW(set(a, command, F_RDLCK, 15, 5));
	map();
	SHOW(set(a, command, F_UNLCK, 17, 1));
	map();
	SHOW(set(a, command, F_WRLCK, 30, 5));
	SHOW(set(a, command, F_WRLCK, 40, 0));
	map();
	SHOW(set(a, command, F_WRLCK, 20, -10));
	map();
	SHOW(set(a, command, F_RDLCK, 0, 12));
	map();
	SHOW(set(a, command, F_UNLCK, 50, 5));
	map();
	SHOW(set(a, command, F_RDLCK, 5, 50));
	map();
	SHOW(set(a, command, F_UNLCK, 0, 0));
	map();
}

static void exclusion(void)
{
	SHOW(OFD(a, F_WRLCK, 0, 10));
	SHOW(OFD(b, F_RDLCK, 9, 1));
	SHOW(OFD(b, F_RDLCK, 10, 1));
	ask(b, F_OFD_GETLK, F_RDLCK, 0, 0);
	ask(a, F_OFD_GETLK, F_WRLCK, 0, 0);
	ask(a, F_GETLK, F_RDLCK, 0, 5);
	ask(a, F_GETLK, F_RDLCK, 10, 5);
	SHOW(OWN(a, F_RDLCK, 5, 1));
	SHOW(OFD(a, F_UNLCK, 0, 0));
	SHOW(OWN(a, F_WRLCK, 5, 1));
	SHOW(OWN(b, F_WRLCK, 5, 1)); /* one process: its own */
	ask(b, F_OFD_GETLK, F_RDLCK, 0, 0);
	ask(b, F_GETLK, F_RDLCK, 0, 0);
	/* any close of the process lets go */
	close(open(path, O_RDONLY));
	ask(b, F_OFD_GETLK, F_WRLCK, 0, 0);
	SHOW(OFD(a, F_WRLCK, 0, 0));
	close(open(path, O_RDONLY));
	ask(b, F_OFD_GETLK, F_RDLCK, 0, 0);
	close(dup(a));
	ask(b, F_OFD_GETLK, F_RDLCK, 0, 0);
	SHOW(OFD(a, F_UNLCK, 0, 0));
}

static void errors(void)
{
	struct flock l = { .l_type = F_WRLCK };
	int r = open(path, O_RDONLY), w = open(path, O_WRONLY);
	int o = open(path, O_PATH), p[2];

	SHOW(OWN(r, F_WRLCK, 0, 1));
	SHOW(OWN(w, F_RDLCK, 0, 1));
	SHOW(OWN(r, F_RDLCK, 0, 1));
	SHOW(OWN(o, F_RDLCK, 0, 1));
	SHOW(OWN(99, F_RDLCK, 0, 1));
	SHOW(OWN(a, 7, 0, 1));
	SHOW(OWN(a, F_RDLCK, -1, 1));
	SHOW(OWN(a, F_RDLCK, 5, -6));
	SHOW(OWN(a, F_RDLCK, 5, -5));
	SHOW(OWN(a, F_RDLCK, 0x7fffffffffffffff, 1));
	SHOW(OWN(a, F_RDLCK, 0x7fffffffffffffff, 2));
	SHOW(OWN(a, F_RDLCK, 1, 0x7fffffffffffffff));
	l.l_whence = 3;
	SHOW(fcntl(a, F_SETLK, &l));
	l.l_whence = SEEK_CUR;
	l.l_start = 0x7fffffffffffffff;
	lseek(a, 10, SEEK_SET);
	SHOW(fcntl(a, F_SETLK, &l));
	l.l_start = -2;
	l.l_len = 1;
	SHOW(fcntl(a, F_OFD_SETLK, &l));
	ask(b, F_OFD_GETLK, F_RDLCK, 0, 0);
	l.l_pid = 1;
	SHOW(fcntl(a, F_OFD_SETLK, &l));
	SHOW(fcntl(a, F_OFD_GETLK, &l));
	SHOW(fcntl(a, F_SETLK, (struct flock *)8));
	ask(a, F_GETLK, F_UNLCK, 0, 0);
	SHOW(pipe(p));
	SHOW(OWN(p[0], F_RDLCK, 0, 1));
	SHOW(OWN(p[0], F_WRLCK, 0, 1));
	SHOW(OFD(a, F_UNLCK, 0, 0));
	close(p[0]);
	close(p[1]);
	close(r);
	close(w);
	close(o);
}

static pthread_t main_thread;

static void nothing(int signo)
{
	(void)signo;
}

static volatile int woken;

/* Until it has been woken: the first may come before it waits. */
static void *signal_main(void *arg)
{
	while (!woken) {
		usleep(30000);
		pthread_kill(main_thread, SIGUSR1);
	}
	return arg;
}

static void *unlock_later(void *arg)
{
	(void)arg;
	usleep(30000);
	OFD(b, F_UNLCK, 40, 10);
	usleep(30000);
	OFD(b, F_UNLCK, 0, 0);
	return NULL;
}

static void waiting(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t t;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	SHOW(OFD(b, F_WRLCK, 0, 50));
	pthread_create(&t, NULL, signal_main, NULL);
	SHOW(set(a, F_OFD_SETLKW, F_WRLCK, 20, 1));
	woken = 1;
	pthread_join(t, NULL);
	woken = 0;
	pthread_create(&t, NULL, signal_main, NULL);
	SHOW(set(a, F_SETLKW, F_WRLCK, 20, 1));
	woken = 1;
	pthread_join(t, NULL);
	pthread_create(&t, NULL, unlock_later, NULL);
	SHOW(set(a, F_OFD_SETLKW, F_WRLCK, 20, 1));
	pthread_join(t, NULL);
	SHOW(OFD(a, F_UNLCK, 0, 0));
}

int main(void)
{
	unlink(path);
	a = open(path, O_RDWR | O_CREAT, 0600);
	b = open(path, O_RDWR);
	ranges(F_OFD_SETLK);
	ranges(F_SETLK);
	exclusion();
	errors();
	waiting();
	SHOW(unlink(path));
	return 0;
}
