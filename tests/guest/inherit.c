/* inherit.c: what a child has of its parent's signals, timers and attributes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

static timer_t timer;
static char other_stack[16384];
static volatile int handled;

static void handle(int signo)
{
	handled = signo;
}

static long pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGUSR1) + 2 * sigismember(&set, SIGRTMIN);
}

static long blocked(void)
{
	sigset_t set;

	sigprocmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, SIGUSR1) + 2 * sigismember(&set, SIGRTMIN) +
	       4 * sigismember(&set, SIGUSR2);
}

static int signals_of_child(void)
{
	struct sigaction action;
	stack_t stack;

	SHOW(pending());
	SHOW(blocked());
	sigaction(SIGUSR2, NULL, &action);
	SHOW(action.sa_handler == handle &&
	     (action.sa_flags & (SA_ONSTACK | SA_RESTART | SA_SIGINFO)) ==
		     (SA_ONSTACK | SA_RESTART));
	sigaction(SIGHUP, NULL, &action);
	SHOW(action.sa_handler == SIG_IGN);
	sigaltstack(NULL, &stack);
	SHOW(stack.ss_sp == other_stack &&
	     stack.ss_size == sizeof(other_stack) && !stack.ss_flags);
	SHOW(raise(SIGUSR2));
	SHOW(handled == SIGUSR2);
	SHOW(signal(SIGUSR2, SIG_DFL) == handle);
	return 0;
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = handle,
				    .sa_flags = SA_ONSTACK | SA_RESTART };
	stack_t stack = { .ss_sp = other_stack,
			  .ss_size = sizeof(other_stack) };
	union sigval v = { 0 };
	sigset_t set;

	sigaction(SIGUSR2, &action, NULL);
	signal(SIGHUP, SIG_IGN);
	sigaltstack(&stack, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, v);
	SHOW(pending());
	child_run("signals", signals_of_child);
	SHOW(pending());
	SHOW(signal(SIGUSR2, handle) == handle);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGRTMIN, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int timers_of_child(void)
{
	struct itimerval interval;
	struct itimerspec spec;

	SHOW(getitimer(ITIMER_REAL, &interval));
	SHOW(interval.it_value.tv_sec + interval.it_interval.tv_sec);
	SHOW(getitimer(ITIMER_VIRTUAL, &interval));
	SHOW(interval.it_value.tv_sec + interval.it_interval.tv_sec);
	SHOW(alarm(0));
	SHOW(RAW(timer_gettime, *(int *)&timer, &spec));
	SHOW(RAW(timer_delete, *(int *)&timer));
	return 0;
}

static void timers(void)
{
	struct itimerval virtual = { { 50, 0 }, { 90, 0 } };
	struct itimerspec spec = { { 0, 0 }, { 1000, 0 } };
	struct sigevent event = { .sigev_notify = SIGEV_NONE };

	alarm(500);
	setitimer(ITIMER_VIRTUAL, &virtual, NULL);
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &event, &timer));
	SHOW(RAW(timer_settime, *(int *)&timer, 0, &spec, NULL));
	child_run("timers", timers_of_child);
	SHOW(RAW(timer_gettime, *(int *)&timer, &spec));
	SHOW(spec.it_value.tv_sec > 900);
	SHOW(alarm(0) > 400);
}

static long prctl_value(int option)
{
	int n = -1;

	return prctl(option, &n) ? -1 : n;
}

static long locked_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static int attributes_of_child(void)
{
	struct rlimit files, core;
	char path[200], name[16] = "";
	struct rusage usage;
	struct tms t;

	printf("umask %o\n", umask(0));
	getcwd(path, sizeof(path));
	SHOW(strcmp(strrchr(path, '/'), "/below"));
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_CORE, &core);
	printf("limits %ld %ld %ld\n", (long)files.rlim_cur,
	       (long)files.rlim_max, (long)core.rlim_cur);
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(getpgrp() == getpgid(getppid()));
	SHOW(getsid(0) == getsid(getppid()));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(prctl_value(PR_GET_PDEATHSIG));
	SHOW(prctl_value(PR_GET_CHILD_SUBREAPER));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(locked_kb());
	SHOW(getrusage(RUSAGE_SELF, &usage));
	SHOW(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec < 50000);
	SHOW(getrusage(RUSAGE_CHILDREN, &usage));
	SHOW(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec + usage.ru_nvcsw);
	SHOW(times(&t) > 0);
	SHOW(t.tms_cutime + t.tms_cstime);
	SHOW(chdir("/"));
	SHOW(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 50, 60 }));
	SHOW(prctl(PR_SET_NAME, "changed"));
	SHOW(setpriority(PRIO_PROCESS, 0, 9));
	return 0;
}

static void burn(long us)
{
	struct rusage usage;

	do
		getrusage(RUSAGE_SELF, &usage);
	while (usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
		       usage.ru_stime.tv_sec * 1000000 +
		       usage.ru_stime.tv_usec <
	       us);
}

static void attributes(void)
{
	struct rlimit files;
	char name[16], path[200];
	static char locked[16384];

	mkdir("below", 0700);
	SHOW(chdir("below"));
	umask(027);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 100, 200 });
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	setpriority(PRIO_PROCESS, 0, 5);
	prctl(PR_SET_NAME, "the parent");
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_KEEPCAPS, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_TIMERSLACK, 70000);
	SHOW(mlock(locked, sizeof(locked)));
	SHOW(locked_kb() > 0);
	burn(100000);
	child_run("attributes", attributes_of_child);
	printf("umask %o\n", umask(022));
	getcwd(path, sizeof(path));
	SHOW(strcmp(strrchr(path, '/'), "/below"));
	getrlimit(RLIMIT_NOFILE, &files);
	SHOW(files.rlim_cur);
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(prctl_value(PR_GET_PDEATHSIG));
	SHOW(prctl_value(PR_GET_CHILD_SUBREAPER));
}

static int limits_of_another(void)
{
	pause();
	return 0;
}

/* prlimit, setpriority and sched_* of a child, by its number. */
static void from_outside(void)
{
	pid_t pid = child_start(limits_of_another);
	struct rlimit limit = { 0, 0 };

	SHOW(prlimit(pid, RLIMIT_NOFILE, &(struct rlimit){ 30, 40 }, &limit));
	SHOW(limit.rlim_cur);
	SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &limit));
	SHOW(limit.rlim_cur);
	getrlimit(RLIMIT_NOFILE, &limit);
	SHOW(limit.rlim_cur);
	SHOW(setpriority(PRIO_PROCESS, pid, 11));
	SHOW(getpriority(PRIO_PROCESS, pid));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(getpgid(pid) == getpgrp());
	SHOW(getsid(pid) == getsid(0));
	kill(pid, SIGKILL);
	child_end("from outside", pid);
	SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &limit));
	SHOW(getpriority(PRIO_PROCESS, pid));
	SHOW(getpgid(pid));
	SHOW(getsid(pid));
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	signals();
	timers();
	attributes();
	from_outside();
	return 0;
}
