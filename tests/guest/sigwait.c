/* Waits with a mask of their own: sigsuspend, ppoll, pselect, epoll_pwait. A
 * signal that is blocked outside and not inside ends the wait, its handler runs
 * with the wait's mask, and the old mask is back behind it. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static sigset_t inside;
static int fds[2], ep;

static void note(int signo)
{
	seen = seen * 100 + signo;
	sigprocmask(SIG_SETMASK, NULL, &inside);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int blocked(int signo)
{
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	return sigismember(&set, signo);
}

static void send_in(int ms)
{
	struct itimerval t = { { 0, 0 }, { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* Every wait in its form with a mask; ms < 0: no end. */
static int wait_with(const char *how, const sigset_t *mask, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 },
			*timeout = ms < 0 ? NULL : &t;
	struct pollfd p = { fds[0], POLLIN, 0 };
	struct epoll_event e;
	fd_set set;

	if (!strcmp(how, "sigsuspend"))
		return sigsuspend(mask);
	if (!strcmp(how, "ppoll"))
		return ppoll(&p, 1, timeout, mask);
	if (!strcmp(how, "epoll_pwait"))
		return epoll_pwait(ep, &e, 1, ms, mask);
	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	return pselect(fds[0] + 1, &set, NULL, NULL, timeout, mask);
}

static void report(const char *how, const char *what, int r)
{
	int e = errno;

	printf("%s %s: %d", how, what, r);
	if (r < 0)
		printf(" %s", strerrorname_np(e));
	printf(" seen %d, blocked %d\n", seen, blocked(SIGALRM));
	seen = 0;
}

static void check(const char *how)
{
	sigset_t none, all;
	double start;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	if (strcmp(how, "sigsuspend")) {
		start = now();
		r = wait_with(how, &all, 50);
		report(how, "time is over", r);
		printf("waited %d\n", now() - start >= 0.05);
		if (write(fds[1], "x", 1) != 1)
			return;
		report(how, "ready", wait_with(how, &all, -1));
		kill(getpid(), SIGALRM);
		report(how, "ready and pending", wait_with(how, &none, -1));
		if (read(fds[0], &r, 1) != 1)
			return;
		report(how, "pending", wait_with(how, &none, -1));
		kill(getpid(), SIGALRM);
		report(how, "pending, no time", wait_with(how, &none, 0));
		kill(getpid(), SIGALRM);
		report(how, "pending, still blocked", wait_with(how, &all, 20));
	} else {
		kill(getpid(), SIGALRM);
	}
	report(how, "pending before", wait_with(how, &none, -1));
	send_in(30);
	report(how, "comes during the wait", wait_with(how, &none, -1));
	sigaddset(&none, SIGUSR1);
	kill(getpid(), SIGUSR1);
	send_in(30);
	report(how, "another stays blocked", wait_with(how, &none, -1));
	printf("in the handler: USR1 %d, ALRM %d\n",
	       sigismember(&inside, SIGUSR1), sigismember(&inside, SIGALRM));
	sigemptyset(&none);
	report(how, "the other", wait_with(how, &none, -1));
	/* What is ignored ends no wait, but epoll's on Linux. */
	if (!strcmp(how, "epoll_pwait"))
		return;
	kill(getpid(), SIGURG);
	kill(getpid(), SIGWINCH);
	send_in(30);
	report(how, "ignored ones", wait_with(how, &none, -1));
}

static void *sleeper(void *arg)
{
	struct pollfd p = { fds[0], POLLIN, 0 };
	int r = poll(&p, 1, 2000);

	*(int *)arg = r < 0 ? -errno : r;
	return NULL;
}

int main(void)
{
	struct sigaction a = { .sa_handler = note };
	struct epoll_event e = { .events = EPOLLIN };
	sigset_t set, old;
	pthread_t t[2];
	int results[2];

	sigaction(SIGALRM, &a, NULL);
	sigaction(SIGUSR1, &a, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGURG);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	ep = epoll_create1(0);
	if (pipe(fds) || epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e))
		return 1;
	check("sigsuspend");
	check("ppoll");
	check("pselect");
	check("epoll_pwait");
	printf("bad mask %d", ppoll(NULL, 0, NULL, (sigset_t *)8));
	printf(" %s\n", strerrorname_np(errno));

	/* One signal for the process ends the wait of one thread. */
	sigprocmask(SIG_SETMASK, &old, NULL);
	pthread_create(&t[0], NULL, sleeper, &results[0]);
	pthread_create(&t[1], NULL, sleeper, &results[1]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	usleep(300000); /* both wait by then */
	kill(getpid(), SIGUSR1);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("two threads: %d, seen %d\n", results[0] + results[1] == -EINTR,
	       seen);
	return 0;
}
