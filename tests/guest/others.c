/* others.c: what one process sees of another and does to it: signals to one that
 * is stopped, signals of its files, its descriptors, limits and policies. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "child.h"

static struct gate gate;
static volatile int hits;

static void count(int signo)
{
	(void)signo;
	hits++;
}

static int pauses(void)
{
	pause();
	return 1;
}

/* Only SIGKILL ends a stopped process; the others wait until it goes on. */
static void stopped(void)
{
	pid_t pid = child_start(pauses);
	int status;

	kill(pid, SIGSTOP);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	kill(pid, SIGTERM);
	usleep(10000);
	SHOW(waitpid(pid, &status, WNOHANG));
	kill(pid, SIGCONT);
	child_end("ended when it went on", pid);
	pid = child_start(pauses);
	kill(pid, SIGSTOP);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	kill(pid, SIGKILL);
	child_end("ended while stopped", pid);
}

static int waits_for_io(void)
{
	signal(SIGIO, count);
	gate_open(&gate);
	while (!hits)
		usleep(1000);
	return hits;
}

static void owner(void)
{
	int ends[2];
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	pid = child_start(waits_for_io);
	gate_pass(&gate);
	SHOW(fcntl(ends[0], F_SETOWN, pid));
	SHOW(fcntl(ends[0], F_GETOWN) == pid);
	SHOW(fcntl(ends[0], F_SETFL, O_ASYNC));
	write(ends[1], "x", 1);
	child_end("a signal of the file", pid);
	SHOW(fcntl(ends[0], F_GETOWN));
	SHOW(fcntl(ends[0], F_SETOWN, pid));
}

static void descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY), copy, pidfd;
	pid_t pid = child_start(pauses), me = getpid();
	siginfo_t info;

	pidfd = RAW(pidfd_open, pid, 0);
	SHOW(RAW(kcmp, me, pid, 0, fd, fd));
	SHOW(RAW(kcmp, me, pid, 0, fd, 99));
	SHOW(RAW(kcmp, me, pid, 2, 0, 0) != 0);
	SHOW((copy = RAW(pidfd_getfd, pidfd, fd, 0)) >= 0);
	SHOW(RAW(kcmp, me, pid, 0, copy, fd));
	SHOW(fcntl(copy, F_GETFD));
	SHOW(RAW(pidfd_getfd, pidfd, 99, 0));
	kill(pid, SIGKILL);
	SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	SHOW(RAW(pidfd_getfd, pidfd, fd, 0));
	/* What there is to tell of nothing is stored, too. */
	SHOW(waitid(P_PID, pid, &info, WSTOPPED | WNOHANG));
	SHOW(info.si_pid);
	child_end("its descriptors", pid);
	SHOW(RAW(pidfd_getfd, pidfd, fd, 0));
	SHOW(RAW(pidfd_send_signal, pidfd, 0, 0, 0));
	SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
	SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
}

static void settings(void)
{
	struct rlimit limit = { 50, 60 }, got;
	struct sched_param none = { 0 };
	pid_t pid = child_start(pauses);

	SHOW(setpriority(PRIO_PROCESS, pid, 12));
	SHOW(getpriority(PRIO_PROCESS, pid));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(prlimit(pid, RLIMIT_NOFILE, &limit, NULL));
	SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &got));
	printf("%lu %lu\n", got.rlim_cur, got.rlim_max);
	SHOW(sched_setscheduler(pid, SCHED_BATCH, &none));
	SHOW(sched_getscheduler(pid));
	SHOW(sched_getscheduler(0));
	kill(pid, SIGKILL);
	child_end("its settings", pid);
	SHOW(getpriority(PRIO_PROCESS, pid));
	SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &got));
}

int main(void)
{
	setbuf(stdout, NULL);
	gate = gate_make();
	stopped();
	owner();
	descriptors();
	settings();
	return 0;
}
