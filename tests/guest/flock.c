/* flock.c: flock between openings, waiting, signals, closing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static const char *const path = "/tmp/zeroboot-flock";
static int a, b;

static void exclusion(void)
{
	int c, p[2];

	SHOW(flock(a, LOCK_EX));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_UN));
	SHOW(flock(a, LOCK_SH | LOCK_NB));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_EX | LOCK_NB)); /* and a has lost its own */
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_UN));
	c = dup(a);
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(c, LOCK_EX | LOCK_NB));
	close(a);
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(c, LOCK_UN));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	a = open(path, O_RDONLY);
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	dup2(a, b);
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	close(c);
	SHOW(flock(99, LOCK_EX));
	SHOW(flock(a, 0));
	SHOW(flock(a, LOCK_SH | LOCK_EX));
	SHOW(flock(99, 3));
	c = open(path, O_PATH);
	SHOW(flock(c, LOCK_SH));
	close(c);
	c = open("/tmp", O_RDONLY);
	SHOW(flock(c, LOCK_EX | LOCK_NB));
	close(c);
	SHOW(pipe(p));
	SHOW(flock(p[0], LOCK_EX | LOCK_NB));
	SHOW(flock(p[1], LOCK_EX | LOCK_NB));
	close(p[0]);
	SHOW(flock(p[1], LOCK_EX | LOCK_NB));
	close(p[1]);
}

static void nothing(int signo)
{
	(void)signo;
}

static pthread_t main_thread;
static volatile int woken;

/* Until it has been woken: the first may come before it waits. */
static void *signal_main(void *arg)
{
	while (!woken) {
		usleep(30000);
		pthread_kill(main_thread, (int)(long)arg);
	}
	return NULL;
}

static void *unlock_later(void *arg)
{
	(void)arg;
	usleep(80000);
	flock(b, LOCK_UN);
	return NULL;
}

static void waiting(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t t, u;

	close(b);
	b = open(path, O_RDONLY);
	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	SHOW(flock(a, LOCK_UN));
	SHOW(flock(b, LOCK_EX));
	pthread_create(&t, NULL, signal_main, (void *)SIGUSR1);
	SHOW(flock(a, LOCK_EX));
	woken = 1;
	pthread_join(t, NULL);
	woken = 0;
	pthread_create(&t, NULL, signal_main, (void *)SIGUSR2);
	pthread_create(&u, NULL, unlock_later, NULL);
	SHOW(flock(a, LOCK_SH)); /* goes on after the handler */
	woken = 1;
	pthread_join(t, NULL);
	pthread_join(u, NULL);
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(b, LOCK_UN));
}

static int counter_of(int fd)
{
	char text[16] = "";

	pread(fd, text, sizeof(text) - 1, 0);
	return atoi(text);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		int fd = open(path, O_RDWR), n;
		char text[16];

		if (flock(fd, LOCK_EX))
			puts("no lock");
		n = counter_of(fd);
		usleep(200);
		snprintf(text, sizeof(text), "%d", n + 1);
		pwrite(fd, text, strlen(text) + 1, 0);
		close(fd);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[4];

	umask(0);
	unlink(path);
	a = open(path, O_RDWR | O_CREAT, 0666);
	b = open(path, O_RDONLY);
	exclusion();
	waiting();
	flock(a, LOCK_UN);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("counted %d\n", counter_of(a));
	SHOW(unlink(path));
	return 0;
}
