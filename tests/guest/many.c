/* many.c: many processes, one after the other and at once, and how many a user may
 * have; time for all of them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

static struct gate gate, back;
static char self[4096];
static struct {
	volatile long turns[8];
} * seen;

static int ends(void)
{
	return 7;
}

static int waits(void)
{
	gate_pass(&gate);
	return 3;
}

static void one_after_the_other(void)
{
	int status, good = 0;

	for (int i = 0; i < 1000; i++) {
		pid_t pid = child_start(ends);

		good += waitpid(pid, &status, 0) == pid &&
			WEXITSTATUS(status) == 7;
	}
	SHOW(good);
}

static void programs(void)
{
	char *list[] = { "many", "ends", NULL };
	int status, good = 0;

	for (int i = 0; i < 200; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			execv(self, list);
			_exit(1);
		}
		good += waitpid(pid, &status, 0) == pid &&
			WEXITSTATUS(status) == 9;
	}
	SHOW(good);
}

static void at_once(void)
{
	int good = 0, status;
	pid_t pids[200];

	for (int i = 0; i < 200; i++)
		pids[i] = child_start(waits);
	for (int i = 0; i < 200; i++)
		gate_open(&gate);
	for (int i = 0; i < 200; i++)
		good += waitpid(pids[i], &status, 0) == pids[i] &&
			WEXITSTATUS(status) == 3;
	SHOW(good);
}

/* Each makes the next one and waits for it. */
static int chain(int depth)
{
	pid_t pid;
	int status;

	if (depth == 0)
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(chain(depth - 1));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) + 1;
}

static void *nothing(void *unused)
{
	return unused;
}

/* Threads count, too. */
static int limited(void)
{
	pthread_t t;
	int made = 0;

	setrlimit(RLIMIT_NPROC, &(struct rlimit){ 5, 5 });
	if (setgid(54323) || setuid(54323))
		return 1;
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			gate_pass(&gate);
			_exit(0);
		}
		made += pid > 0;
	}
	SHOW(made);
	SHOW(fork());
	SHOW(RAW(vfork));
	SHOW(pthread_create(&t, NULL, nothing, NULL));
	for (int i = 0; i < made; i++)
		gate_open(&gate);
	for (int i = 0; i < made; i++)
		wait(NULL);
	SHOW(pthread_create(&t, NULL, nothing, NULL));
	pthread_join(t, NULL);
	child_run("a place is free", ends);
	return 0;
}

static int root_is_not(void)
{
	setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 });
	child_run("of root", ends);
	return 0;
}

static int turns_of(int number)
{
	for (;;)
		seen->turns[number]++;
	return 0;
}

/* Those that never call the kernel leave time for the others, about the same for
 * each of them. */
static void fair(void)
{
	pid_t pids[4];
	long least = -1, most = 0;
	cpu_set_t one;

	/* Natively on one CPU as well. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			turns_of(i);
	}
	for (int i = 0; i < 20; i++)
		pause_ms(20);
	for (int i = 0; i < 4; i++)
		while (!seen->turns[i])
			sched_yield();
	for (int i = 0; i < 4; i++)
		kill(pids[i], SIGSTOP);
	for (int i = 0; i < 4; i++) {
		long n = seen->turns[i];

		least = least < 0 || n < least ? n : least;
		most = n > most ? n : most;
		kill(pids[i], SIGKILL);
		child_end("turns", pids[i]);
	}
	SHOW(least > most / 8);
}

/* A round trip to a process that has to be let on, while another one is busy. */
static int answers(void)
{
	for (int i = 0; i < 50; i++) {
		gate_pass(&gate);
		gate_open(&back);
	}
	return 0;
}

static void beside_a_busy_one(void)
{
	pid_t busy = fork(), other;

	if (busy == 0)
		turns_of(7);
	other = child_start(answers);
	for (int i = 0; i < 50; i++) {
		gate_open(&gate);
		gate_pass(&back);
	}
	child_end("answers", other);
	kill(busy, SIGKILL);
	child_end("busy", busy);
}

/* Memory of those that have ended is there again. */
static int large(void)
{
	char *p = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, 32 << 20);
	return p[100];
}

static void memory_comes_back(void)
{
	int status, good = 0;

	for (int i = 0; i < 20; i++) {
		waitpid(child_start(large), &status, 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 1;
	}
	SHOW(good);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 9;
	setbuf(stdout, NULL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	gate = gate_make(), back = gate_make();
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	one_after_the_other();
	programs();
	at_once();
	SHOW(chain(30));
	child_run("limited", limited);
	child_run("root is not", root_is_not);
	memory_comes_back();
	fair();
	beside_a_busy_one();
	return 0;
}
