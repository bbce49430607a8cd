/* jobs.c: stopping and going on: of whole processes, of orphaned groups, and what
 * the parent learns. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child.h"

static struct gate gate, back;
static struct {
	volatile long turns[4];
	volatile int count, hangups, continued;
	volatile pid_t pid;
} * seen;

static void count(int signo)
{
	if (signo == SIGHUP)
		seen->hangups++;
	else if (signo == SIGCONT)
		seen->continued++;
	else
		seen->count++;
}

static void *turns(void *number)
{
	for (;;)
		seen->turns[(long)number]++;
	return NULL;
}

static int spins_in_threads(void)
{
	pthread_t t;

	for (long i = 1; i < 3; i++)
		pthread_create(&t, NULL, turns, (void *)i);
	turns(NULL);
	return 0;
}

static int moved(void)
{
	long before[3], now[3];

	for (int i = 0; i < 3; i++)
		before[i] = seen->turns[i];
	pause_ms(60);
	for (int i = 0; i < 3; i++)
		now[i] = seen->turns[i];
	return before[0] != now[0] || before[1] != now[1] ||
	       before[2] != now[2];
}

/* All threads stop, and all go on. */
static void with_threads(void)
{
	pid_t pid = child_start(spins_in_threads);
	int status;

	while (!seen->turns[0] || !seen->turns[1] || !seen->turns[2])
		sched_yield();
	SHOW(kill(pid, SIGSTOP));
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	child_show("spins", status);
	SHOW(child_state(pid) == 'T');
	SHOW(moved());
	SHOW(kill(pid, SIGCONT));
	SHOW(waitpid(pid, &status, WCONTINUED) == pid);
	while (!moved())
		;
	SHOW(kill(pid, SIGKILL));
	child_end("spins", pid);
}

static int sleeps_through(void)
{
	struct timespec t = { 0, 100000000 };

	gate_open(&back);
	SHOW(nanosleep(&t, &t));
	gate_pass(&gate);
	return 0;
}

/* A call that waits goes on waiting, with no EINTR. */
static void in_a_call(void)
{
	pid_t pid = child_start(sleeps_through);
	int status;

	gate_pass(&back);
	child_until(pid, 'S');
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	pause_ms(150);
	kill(pid, SIGCONT);
	child_until(pid, 'S');
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	gate_open(&gate);
	kill(pid, SIGCONT);
	child_end("sleeps", pid);
}

static int counts(void)
{
	signal(SIGUSR1, count);
	signal(SIGCONT, count);
	gate_open(&back);
	gate_pass(&gate);
	return seen->count * 10 + seen->continued;
}

/* Signals for who is stopped wait; a stop takes a pending SIGCONT back, and the
 * other way round. */
static void pending(void)
{
	pid_t pid;
	int status;

	seen->count = seen->continued = 0;
	pid = child_start(counts);
	gate_pass(&back);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGUSR1);
	pause_ms(20);
	SHOW(seen->count);
	kill(pid, SIGTSTP);
	kill(pid, SIGCONT);
	while (!seen->count)
		sched_yield();
	pause_ms(20);
	SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
	gate_open(&gate);
	child_end("once each", pid);
}

static int stops_blocked(void)
{
	sigset_t set;
	int status = 0;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	raise(SIGTSTP);
	sigpending(&set);
	status += sigismember(&set, SIGTSTP);
	raise(SIGCONT);
	sigpending(&set);
	status +=
		2 * sigismember(&set, SIGTSTP) + 4 * sigismember(&set, SIGCONT);
	raise(SIGTSTP);
	sigpending(&set);
	return status + 8 * sigismember(&set, SIGCONT);
}

static int stops_itself(void)
{
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	raise(SIGTTOU);
	signal(SIGTSTP, count);
	raise(SIGTSTP);
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	return 11;
}

static void by_itself(void)
{
	pid_t pid;
	int status;

	child_run("blocked", stops_blocked);
	pid = child_start(stops_itself);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	child_show("itself", status);
	kill(pid, SIGCONT);
	child_end("itself", pid);
}

static int waits_stopped(void)
{
	signal(SIGHUP, count);
	signal(SIGCONT, count);
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

/* Its child is in a group of its own, and stopped, when it ends. */
static int leaves_stopped(void)
{
	pid_t pid = child_start(waits_stopped);
	int status;

	gate_pass(&back);
	setpgid(pid, pid);
	seen->pid = pid;
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	return 0;
}

static int leaves_running(void)
{
	pid_t pid = child_start(waits_stopped);

	gate_pass(&back);
	setpgid(pid, pid);
	seen->pid = pid;
	return 0;
}

/* Who takes the orphan over is in another session: nobody is left to let it go on. */
static int orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	seen->hangups = seen->continued = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		_exit(leaves_stopped());
	}
	child_end("leaves a stopped group", pid);
	while (!seen->hangups || !seen->continued)
		sched_yield();
	printf("hung up %d, continued %d\n", seen->hangups, seen->continued);
	gate_open(&gate);
	child_end("the stopped one", seen->pid);
	seen->hangups = seen->continued = 0;
	pid = fork();
	if (pid == 0) {
		setsid();
		_exit(leaves_running());
	}
	child_end("leaves a running group", pid);
	pause_ms(20);
	printf("hung up %d, continued %d\n", seen->hangups, seen->continued);
	/* In an orphaned group these do nothing. */
	kill(seen->pid, SIGTSTP);
	kill(seen->pid, SIGTTIN);
	pause_ms(20);
	gate_open(&gate);
	child_end("the running one", seen->pid);
	return 0;
}

int main(void)
{
	setbuf(stdout, NULL);
	gate = gate_make(), back = gate_make();
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	setpgid(0, 0);
	with_threads();
	in_a_call();
	pending();
	by_itself();
	child_run("orphans", orphans);
	return 0;
}
