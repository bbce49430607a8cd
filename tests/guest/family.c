/* family.c: ends of processes with threads, orphans, subreapers, zombies, signals
 * at a parent's death, daemons. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

static struct gate gate, back;
static struct {
	volatile pid_t pid;
	volatile int handled, code;
} * seen;

static void *sleeps(void *unused)
{
	pause();
	return unused;
}

static void *spins(void *unused)
{
	for (volatile long i = 0;; i++)
		;
	return unused;
}

static void *ends_all(void *code)
{
	exit((int)(long)code);
}

static void *ends_later(void *code)
{
	pause_ms(20);
	_exit((int)(long)code);
}

static int with_threads(void *(*run)(void *))
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, i % 2 ? sleeps : spins, NULL);
	pthread_create(&t, NULL, run, (void *)7L);
	pthread_join(t, NULL);
	return 1;
}

static int exit_in_thread(void)
{
	return with_threads(ends_all);
}

static int exits_beside_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, i % 2 ? sleeps : spins, NULL);
	_exit(8);
}

/* The first thread goes before the others: a zombie that cannot be waited for. */
static int first_thread_ends(void)
{
	pthread_t t;

	pthread_create(&t, NULL, ends_later, (void *)9L);
	seen->pid = getpid();
	syscall(SYS_exit, 4);
	return 1;
}

static int all_threads_end(void)
{
	pthread_t t;

	pthread_create(&t, NULL, spins, NULL);
	pthread_cancel(t);
	syscall(SYS_exit, 5);
	return 1;
}

static int killed_with_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, i % 2 ? sleeps : spins, NULL);
	raise(SIGTERM);
	return 1;
}

static void ends(void)
{
	pid_t pid;

	child_run("exit in a thread", exit_in_thread);
	child_run("_exit beside threads", exits_beside_threads);
	pid = child_start(first_thread_ends);
	child_until(pid, 'Z');
	SHOW(kill(pid, 0));
	child_end("the first thread ends first", pid);
	pid = child_start(all_threads_end);
	child_until(pid, 'Z');
	kill(pid, SIGKILL);
	child_end("killed after its first thread", pid);
	child_run("killed with threads", killed_with_threads);
}

static int zombie(void)
{
	return 3;
}

static void zombies(void)
{
	pid_t pid = child_start(zombie);
	char path[40];

	child_until(pid, 'Z');
	SHOW(kill(pid, 0));
	SHOW(kill(pid, SIGKILL));
	SHOW(getpgid(pid) == getpgrp());
	SHOW(getsid(pid) == getsid(0));
	SHOW(setpgid(pid, pid));
	SHOW(getpgid(pid) == pid);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	SHOW(readlink(path, path + 30, 1));
	SHOW(RAW(pidfd_open, pid, 0) >= 0);
	child_end("a zombie", pid);
	SHOW(kill(pid, 0));
	SHOW(RAW(pidfd_open, pid, 0));
	SHOW(setpgid(pid, pid));
}

static int waits_for_new_parent(void)
{
	pid_t old = getppid();

	seen->pid = getpid();
	gate_open(&gate);
	while (getppid() == old)
		sched_yield();
	gate_pass(&gate);
	printf("the new parent is the old one's: %d\n",
	       getppid() == seen->handled);
	return 6;
}

static int leaves_orphan(void)
{
	child_start(waits_for_new_parent);
	gate_pass(&gate);
	return 0;
}

static int is_subreaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	seen->handled = getpid();
	child_run("leaves an orphan", leaves_orphan);
	gate_open(&gate);
	child_end("the orphan", seen->pid);
	SHOW(waitpid(-1, NULL, 0));
	return 0;
}

/* An orphan that is a zombie already is passed on as one. */
static int leaves_zombie(void)
{
	seen->pid = child_start(zombie);
	child_until(seen->pid, 'Z');
	return 0;
}

static int inherits_zombie(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child_run("leaves a zombie", leaves_zombie);
	child_end("the zombie", seen->pid);
	return 0;
}

static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen->handled = signo;
	seen->code = info->si_code;
}

static int waits_for_death(void)
{
	struct sigaction action = { .sa_sigaction = note,
				    .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	seen->pid = getpid();
	gate_open(&gate);
	while (!seen->handled)
		pause_ms(1);
	gate_open(&back);
	return 0;
}

static void show_death(void)
{
	gate_pass(&back);
	printf("death of the parent: SIG%s, code %d\n",
	       sigabbrev_np(seen->handled), seen->code);
}

static int dies_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seen->pid = getpid();
	gate_open(&gate);
	pause();
	return 0;
}

static int parent_of_waiting(void)
{
	child_start(waits_for_death);
	gate_pass(&gate);
	return 0;
}

static int parent_of_dying(void)
{
	child_start(dies_with_parent);
	gate_pass(&gate);
	return 0;
}

/* The one that counts is the thread which made the child. */
static void *thread_with_child(void *unused)
{
	child_start(waits_for_death);
	gate_pass(&gate);
	return unused;
}

static void deaths(void)
{
	pthread_t t;

	SHOW(prctl(PR_SET_PDEATHSIG, 65));
	SHOW(prctl(PR_SET_PDEATHSIG, -1));
	seen->handled = 0;
	child_run("a parent", parent_of_waiting);
	show_death();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	waitpid(-1, NULL, WNOHANG);
	child_run("another parent", parent_of_dying);
	child_end("dies with its parent", seen->pid);
	seen->handled = 0;
	pthread_create(&t, NULL, thread_with_child, NULL);
	pthread_join(t, NULL);
	show_death();
	child_end("whose parent thread ended", seen->pid);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static int is_daemon(void)
{
	int null = open("/dev/null", O_RDWR);

	umask(0);
	SHOW(setsid() == getpid());
	SHOW(chdir("/"));
	dup2(null, 0);
	SHOW(getpgrp() == getpid());
	SHOW(getsid(0) == getpgrp());
	SHOW(open("/dev/tty", O_RDWR));
	gate_open(&back);
	gate_pass(&gate);
	puts("the daemon ends");
	gate_open(&back);
	return 0;
}

static int leads_session(void)
{
	SHOW(setsid() == getpid());
	SHOW(setsid());
	if (fork() == 0) {
		SHOW(getsid(0) == getppid());
		_exit(is_daemon());
	}
	gate_pass(&back);
	gate_open(&back);
	return 0;
}

static void daemons(void)
{
	child_run("leads a session", leads_session);
	gate_pass(&back);
	SHOW(waitpid(-1, NULL, 0));
	gate_open(&gate);
	gate_pass(&back);
}

int main(void)
{
	setbuf(stdout, NULL);
	gate = gate_make(), back = gate_make();
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ends();
	zombies();
	child_run("a subreaper", is_subreaper);
	child_run("another subreaper", inherits_zombie);
	deaths();
	daemons();
	/* Those of nobody's go with the program. */
	child_start(killed_with_threads);
	return 0;
}
