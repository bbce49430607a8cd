/* wait.c: waiting for children: which, for what, and what is told of them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

static struct gate gate;
static volatile int handled, code, told_status;
static volatile pid_t from;

static int waits(void)
{
	gate_pass(&gate);
	return 9;
}

static int pauses(void)
{
	pause();
	return 1;
}

static int ends(void)
{
	return 18;
}

static void show_info(const char *what, siginfo_t *info, pid_t pid)
{
	static const char *const codes[] = { "0",        "EXITED",  "KILLED",
					     "DUMPED",   "TRAPPED", "STOPPED",
					     "CONTINUED" };

	if (!info->si_pid) {
		printf("%s: nobody, signal %d\n", what, info->si_signo);
		return;
	}
	printf("%s: SIG%s, %s, status %d, the child %d, user %d\n", what,
	       sigabbrev_np(info->si_signo), codes[info->si_code],
	       info->si_status, info->si_pid == pid, info->si_uid);
}

static void which(void)
{
	pid_t pid = child_start(waits), other = child_start(pauses);
	int status = 77;

	SHOW(waitpid(pid, &status, WNOHANG));
	SHOW(status);
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW(waitpid(-getpgrp(), &status, WNOHANG));
	SHOW(waitpid(-(1 << 22), &status, WNOHANG));
	SHOW(waitpid(getpid(), &status, 0));
	SHOW(waitpid(1, &status, 0));
	SHOW(waitpid(pid, &status, 0x100));
	SHOW(RAW(wait4, pid, &status, 64, NULL));
	SHOW(RAW(wait4, 0x80000000, &status, 0, NULL));
	gate_open(&gate);
	SHOW(waitpid(-1, &status, 0) == pid);
	child_show("the one that ended", status);
	SHOW(waitpid(pid, &status, 0));
	SHOW(setpgid(other, other));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW(waitpid(-other, &status, WNOHANG));
	kill(other, SIGTERM);
	SHOW(waitpid(-other, &status, 0) == other);
	child_show("in its group", status);
	SHOW(waitpid(-1, &status, 0));
	SHOW(RAW(wait4, child_start(ends), 8, 0, NULL));
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(wait(NULL));
}

static void ids(void)
{
	pid_t pid = child_start(waits);
	siginfo_t info;
	struct rusage usage;

	memset(&info, 0x55, sizeof(info));
	SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	show_info("none yet", &info, pid);
	SHOW(waitid(P_PID, pid, &info, 0));
	SHOW(waitid(P_PID, pid, &info, WNOHANG));
	SHOW(waitid(P_PID, 0, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_PID, getpid(), &info, WEXITED));
	SHOW(waitid(77, pid, &info, WEXITED));
	SHOW(waitid(P_PGID, 0, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_PGID, -1, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_PGID, 1 << 22, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_PIDFD, -1, &info, WEXITED));
	SHOW(waitid(P_PID, pid, &info, WEXITED | 0x100));
	gate_open(&gate);
	SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	show_info("stays", &info, pid);
	SHOW(waitid(P_PGID, getpgrp(), &info, WEXITED | WNOWAIT));
	SHOW(kill(pid, SIGKILL));
	SHOW(kill(pid, 0));
	SHOW(RAW(waitid, P_ALL, 0, &info, WEXITED, &usage));
	show_info("goes", &info, pid);
	SHOW(usage.ru_utime.tv_sec);
	SHOW(kill(pid, 0));
	SHOW(waitid(P_PID, pid, &info, WEXITED));
	child_start(ends);
	SHOW(waitid(P_ALL, 0, NULL, WEXITED));
	child_start(ends);
	SHOW(RAW(waitid, P_ALL, 0, 8, WEXITED, NULL));
}

static void stopping(void)
{
	pid_t pid = child_start(pauses);
	siginfo_t info;
	int status;

	SHOW(kill(pid, SIGSTOP));
	SHOW(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
	show_info("stopped", &info, pid);
	SHOW(waitpid(pid, &status, WNOHANG));
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	child_show("untraced", status);
	SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
	SHOW(kill(pid, SIGTERM));
	SHOW(waitpid(pid, &status, WNOHANG));
	SHOW(kill(pid, SIGCONT));
	child_end("terminated when it goes on", pid);

	pid = child_start(pauses);
	setpgid(pid, pid);
	kill(pid, SIGTSTP);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	child_show("untraced", status);
	SHOW(kill(pid, SIGCONT));
	SHOW(waitid(P_PID, pid, &info, WCONTINUED | WNOWAIT));
	show_info("continued", &info, pid);
	SHOW(waitpid(pid, &status, WCONTINUED) == pid);
	child_show("continued", status);
	SHOW(waitpid(pid, &status, WCONTINUED | WNOHANG));
	SHOW(kill(pid, SIGTTIN));
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	child_show("untraced", status);
	SHOW(kill(pid, SIGKILL));
	SHOW(waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WCONTINUED));
	show_info("killed while it was stopped", &info, pid);
}

static int dies(void)
{
	abort();
}

static int faults(void)
{
	*(volatile int *)8 = 1;
	return 0;
}

static int closes_by_signal(void)
{
	raise(SIGXCPU);
	return 0;
}

static int exits_256(void)
{
	_exit(256 + 3);
}

static void how_it_ended(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	child_run("abort", dies);
	child_run("fault", faults);
	child_run("xcpu", closes_by_signal);
	child_run("exit 259", exits_256);
}

static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	handled += signo == SIGCHLD;
	code = info->si_code;
	from = info->si_pid;
	told_status = info->si_status;
}

static void show_told(const char *what, pid_t pid)
{
	while (!handled)
		sched_yield();
	printf("%s: %d times, code %d, status %d, the child %d\n", what,
	       handled, code, told_status, from == pid);
	handled = 0;
}

static void told(int flags)
{
	struct sigaction action = { .sa_sigaction = note,
				    .sa_flags = SA_SIGINFO | SA_RESTART |
						flags };
	pid_t pid;

	sigaction(SIGCHLD, &action, NULL);
	pid = child_start(waits);
	if (!flags) {
		kill(pid, SIGSTOP);
		show_told("stops", pid);
		kill(pid, SIGCONT);
		show_told("continues", pid);
	}
	gate_open(&gate);
	show_told("ends", pid);
	child_end("waited for", pid);
	pid = child_start(pauses);
	kill(pid, SIGKILL);
	show_told("is killed", pid);
	child_end("waited for", pid);
	signal(SIGCHLD, SIG_DFL);
}

/* Children that nobody wants to wait for. */
static void unwanted(void)
{
	int status;

	signal(SIGCHLD, SIG_IGN);
	child_start(ends);
	child_start(ends);
	SHOW(waitpid(-1, &status, 0));
	SHOW(waitpid(-1, &status, WNOHANG));
	signal(SIGCHLD, SIG_DFL);
	child_end("wanted", child_start(ends));
	pid_t zombie = child_start(ends);
	child_until(zombie, 'Z');
	signal(SIGCHLD, SIG_IGN);
	SHOW(waitpid(zombie, &status, 0) == zombie);
	signal(SIGCHLD, SIG_DFL);
}

static int burns(void)
{
	struct rusage usage;

	do
		getrusage(RUSAGE_SELF, &usage);
	while (usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
		       usage.ru_stime.tv_sec * 1000000 +
		       usage.ru_stime.tv_usec <
	       200000);
	return 0;
}

static long used(struct rusage *usage)
{
	return usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec +
	       usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
}

static int burns_in_child(void)
{
	child_run("a grandchild", burns);
	return 0;
}

static void usage_of_children(void)
{
	struct rusage own, children;
	struct tms t;
	int status;
	pid_t pid = child_start(burns);

	getrusage(RUSAGE_CHILDREN, &children);
	long before = used(&children);

	SHOW(wait4(pid, &status, 0, &own) == pid);
	SHOW(used(&own) >= 200000);
	SHOW(own.ru_maxrss > 100);
	getrusage(RUSAGE_CHILDREN, &children);
	SHOW(used(&children) - before >= 200000);
	child_run("burns in a child", burns_in_child);
	getrusage(RUSAGE_CHILDREN, &children);
	SHOW(used(&children) - before >= 390000);
	SHOW(children.ru_maxrss >= own.ru_maxrss);
	times(&t);
	SHOW(t.tms_cutime + t.tms_cstime >= 38);
	SHOW(getrusage(RUSAGE_SELF, &own));
	SHOW(used(&own) < 190000);
}

static void alarm_handler(int signo)
{
	(void)signo;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = alarm_handler };
	struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, none = { 0 };
	pid_t pid = child_start(waits);
	siginfo_t info;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	SHOW(waitpid(pid, NULL, 0));
	SHOW(waitid(P_PID, pid, &info, WEXITED));
	setitimer(ITIMER_REAL, &none, NULL);
	gate_open(&gate);
	child_end("interrupted", pid);
}

static int descriptor;
static volatile int used_much;
static pid_t first;

/* Uses its share of the CPU, so that others come first, and waits. */
static void *waits_for_descriptor(void *arg)
{
	clock_t end = clock() + CLOCKS_PER_SEC / 4;
	siginfo_t info = { 0 };

	while (clock() < end)
		;
	used_much = 1;
	SHOW(waitid(P_PIDFD, (id_t)descriptor, &info, WEXITED));
	SHOW(info.si_pid);
	return arg;
}

/* A descriptor stands for one child, though it is closed and another child comes
 * where that one was. */
static void another_child(void)
{
	struct sigaction unwanted = { .sa_handler = SIG_DFL,
				      .sa_flags = SA_NOCLDWAIT },
			 wanted = { .sa_handler = SIG_DFL };
	pthread_t t;
	pid_t more[3];

	sigaction(SIGCHLD, &unwanted, NULL);
	first = child_start(pauses);
	descriptor = (int)syscall(SYS_pidfd_open, first, 0);
	pthread_create(&t, NULL, waits_for_descriptor, NULL);
	while (!used_much)
		usleep(10000);
	usleep(50000);
	close(descriptor);
	kill(first, SIGKILL);
	while (kill(first, 0) == 0)
		usleep(100);
	sigaction(SIGCHLD, &wanted, NULL);
	for (int i = 0; i < 3; i++)
		more[i] = child_start(ends);
	pthread_join(t, NULL);
	for (int i = 0; i < 3; i++)
		child_end("another", more[i]);
}

int main(void)
{
	setbuf(stdout, NULL);
	gate = gate_make();
	which();
	ids();
	stopping();
	how_it_ended();
	told(0);
	told(SA_NOCLDSTOP);
	unwanted();
	interrupted();
	another_child();
	usage_of_children();
	return 0;
}
