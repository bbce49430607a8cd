/* turn.c: shares of one CPU: equal ones, less for who is nice, and soon for who has
 * slept. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"

#define BUSY 4

static volatile double *used; /* of each child, seconds of CPU time */

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pid_t burn(int index, int nice)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setpriority(PRIO_PROCESS, 0, nice);
	for (;;)
		used[index] = now(CLOCK_PROCESS_CPUTIME_ID);
}

static void end(pid_t *pids, int count)
{
	for (int i = 0; i < count; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static void shares(void)
{
	static const int nice[BUSY] = { 0, 0, 0, 10 };
	double least = 1e9, most = 0;
	pid_t pids[BUSY];

	for (int i = 0; i < BUSY; i++)
		pids[i] = burn(i, nice[i]);
	while (used[0] < 0.5)
		usleep(10000);
	end(pids, BUSY);
	for (int i = 0; i < BUSY - 1; i++) {
		least = used[i] < least ? used[i] : least;
		most = used[i] > most ? used[i] : most;
	}
	printf("equal ones: %d\n", most < 1.5 * least);
	printf("a nice one: %d\n", used[BUSY - 1] < least / 3);
}

/* Who sleeps most of the time is not kept waiting by those that never do. */
static void sleeper(void)
{
	pid_t pids[2] = { burn(0, 0), burn(1, 0) };
	double start = now(CLOCK_THREAD_CPUTIME_ID), had;
	int late = 0;

	for (int i = 0; i < 50; i++) {
		double wanted = now(CLOCK_MONOTONIC) + 0.005;

		usleep(5000);
		late += now(CLOCK_MONOTONIC) > wanted + 0.1;
	}
	had = now(CLOCK_THREAD_CPUTIME_ID) - start;
	end(pids, 2);
	printf("late: %d, busy: %d\n", late > 10, had > 0.1);
}

/* A byte goes to and fro beside a busy process. */
static void talk(void)
{
	int there[2], back[2];
	pid_t busy, pid;
	char c = 0;

	pipe(there);
	pipe(back);
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			write(back[1], &c, 1);
		_exit(0);
	}
	busy = burn(0, 0);
	for (int i = 0; i < 200; i++) {
		write(there[1], "x", 1);
		read(back[0], &c, 1);
	}
	printf("came back: %c\n", c);
	end(&busy, 1);
	close(there[1]);
	child_end("the one that answers", pid);
}

int main(void)
{
	cpu_set_t one;

	setbuf(stdout, NULL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	SHOW(sched_setaffinity(0, sizeof(one), &one));
	used = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shares();
	sleeper();
	talk();
	return 0;
}
