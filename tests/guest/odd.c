/* odd.c: what processes do seldom: threads beside vfork, ends in the middle of
 * execve, memory that two processes have, what stays registered with epoll. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "child.h"

#define STACK (256 << 10)

static char self[4096], *stack;
static struct gate gate, back;
static volatile int value, stop;

static pid_t start(int (*run)(void *), int flags, void *arg)
{
	return clone(run, stack + STACK, flags, arg);
}

static void *counts(void *unused)
{
	while (!stop)
		value++;
	return unused;
}

/* Only the thread that called waits for the child. */
static void threads_beside_vfork(void)
{
	pthread_t t;
	pid_t pid;

	pthread_create(&t, NULL, counts, NULL);
	pid = vfork();
	if (pid == 0) {
		int before = value;

		while (value == before)
			sched_yield();
		_exit(3);
	}
	child_end("another thread went on", pid);
	stop = 1;
	pthread_join(t, NULL);
}

static int maps(void *where)
{
	*(char **)where = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	**(char **)where = 7;
	return 0;
}

static int exits_all(void *unused)
{
	(void)unused;
	syscall(SYS_exit_group, 5);
	return 0;
}

static int faults(void *unused)
{
	(void)unused;
	*(volatile int *)8 = 1;
	return 0;
}

static int becomes_another(void *unused)
{
	(void)unused;
	execl(self, "odd", "end", "6", NULL);
	return 1;
}

static int forks(void *unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0) {
		value = 1000;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return value == 1000;
}

/* CLONE_VM without CLONE_VFORK: two processes with one memory. */
static void one_memory(void)
{
	char *where = NULL;

	child_end("maps", start(maps, CLONE_VM | SIGCHLD, &where));
	SHOW(*where);
	SHOW(munmap(where, 4096));
	child_end("exits", start(exits_all, CLONE_VM | SIGCHLD, NULL));
	child_end("faults", start(faults, CLONE_VM | SIGCHLD, NULL));
	child_end("becomes another",
		  start(becomes_another, CLONE_VM | SIGCHLD, NULL));
	value = 1;
	child_end("forks", start(forks, CLONE_VM | SIGCHLD, NULL));
	SHOW(value);
}

static void *becomes_in_thread(void *unused)
{
	while (child_state(getpid()) != 'Z')
		sched_yield();
	becomes_another(unused);
	return NULL;
}

static int leader_has_gone(void)
{
	pthread_t t;

	pthread_create(&t, NULL, becomes_in_thread, NULL);
	syscall(SYS_exit, 9);
	return 1;
}

static void *becomes_at_once(void *unused)
{
	becomes_another(unused);
	return NULL;
}

/* Several threads become another program: one of them does. */
static int all_at_once(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, becomes_at_once, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return 1;
}

static int again_and_again(void)
{
	execl(self, "odd", "again", "100", NULL);
	return 1;
}

static void programs(void)
{
	int killed = 0, status;

	child_run("its first thread has gone", leader_has_gone);
	child_run("all at once", all_at_once);
	child_run("again and again", again_and_again);
	for (int i = 0; i < 20; i++) {
		pid_t pid = child_start(again_and_again);

		pause_ms(i % 4);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		killed += WIFSIGNALED(status) || WEXITSTATUS(status) == 6;
	}
	SHOW(killed);
}

static int holds_pipe(void)
{
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

/* A descriptor that is closed here is open in the child, and reported still. */
static void epoll_and_children(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 5 };
	int ep = epoll_create1(0), fds[2];
	pid_t pid;

	pipe(fds);
	epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e);
	pid = child_start(holds_pipe);
	gate_pass(&back);
	write(fds[1], "x", 1);
	close(fds[0]);
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], &e));
	gate_open(&gate);
	child_end("holds the pipe", pid);
	SHOW(epoll_wait(ep, &e, 1, 0));
	close(ep), close(fds[1]);
}

static int forever(void)
{
	for (;;)
		;
	return 0;
}

static int limited(void)
{
	setrlimit(RLIMIT_CPU, &(struct rlimit){ 1, 1 });
	return forever();
}

static int by_timer(void)
{
	struct itimerval t = { { 0, 0 }, { 0, 50000 } };

	setitimer(ITIMER_PROF, &t, NULL);
	return forever();
}

static int by_alarm(void)
{
	struct itimerval t = { { 0, 0 }, { 0, 20000 } };

	setitimer(ITIMER_REAL, &t, NULL);
	return forever();
}

static void ends_by_time(void)
{
	child_run("limit", limited);
	child_run("timer of CPU time", by_timer);
	child_run("alarm", by_alarm);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "again") && atoi(argv[2]) > 0) {
		char number[12];

		snprintf(number, sizeof(number), "%d", atoi(argv[2]) - 1);
		execl("/proc/self/exe", "odd", "again", number, NULL);
	}
	if (argc == 3)
		return 6;
	setbuf(stdout, NULL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	gate = gate_make(), back = gate_make();
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	threads_beside_vfork();
	one_memory();
	programs();
	epoll_and_children();
	ends_by_time();
	return 0;
}
