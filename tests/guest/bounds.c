/* bounds.c: what processes may not take: all numbers, all memory. Not for a Linux
 * without bounds of its own. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"

static struct gate gate;

/* Forks until it may not, and again when the children have gone. */
static void many(void)
{
	for (int turn = 0; turn < 2; turn++) {
		int count = 0;
		pid_t pid;

		while ((pid = fork()) > 0)
			count++;
		if (pid == 0) {
			pause();
			_exit(1);
		}
		printf("more than 500: %d, %s\n", count > 500,
		       strerrorname_np(errno));
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		signal(SIGTERM, SIG_DFL);
		while (wait(NULL) > 0)
			count--;
		printf("left: %d\n", count);
	}
}

/* For one who is not root there is a limit. */
static int limited(void)
{
	struct rlimit two = { 2, 2 };
	pid_t pid;

	setrlimit(RLIMIT_NPROC, &two);
	if (setresuid(1000, 1000, 1000))
		return 1;
	pid = fork();
	if (pid == 0) {
		gate_pass(&gate);
		_exit(3);
	}
	SHOW(pid > 0);
	SHOW(fork());
	gate_open(&gate);
	child_end("the second", pid);
	pid = fork();
	if (pid == 0)
		_exit(4);
	child_end("again one", pid);
	return 0;
}

static int eats(void)
{
	size_t size = 64 << 20;

	for (;;) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED && (size /= 2) < 4096)
			return 1;
		if (p != MAP_FAILED)
			memset(p, 1, size);
	}
}

/* The largest one ends, even if it sleeps while another one wants memory. */
static int sleeps_with(void)
{
	size_t size = 50 << 20;

	memset(mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	       1, size);
	gate_open(&gate);
	pause();
	return 1;
}

static void memory(void)
{
	size_t size = 40 << 20;
	pid_t pid;
	char *p;

	child_run("eats", eats);
	pid = child_start(sleeps_with);
	gate_pass(&gate);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, size);
	child_end("sleeps with 50 MiB", pid);
	printf("%d %d\n", p[0], p[size - 1]);
}

/* Forks until somebody ends it. */
static void bomb(void)
{
	puts("before");
	for (;;)
		fork();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setbuf(stdout, NULL);
	gate = gate_make();
	if (!strcmp(what, "many"))
		many();
	else if (!strcmp(what, "limited"))
		child_run("limited", limited);
	else if (!strcmp(what, "memory"))
		memory();
	else if (!strcmp(what, "eats"))
		eats();
	else if (!strcmp(what, "bomb"))
		bomb();
	return 0;
}
