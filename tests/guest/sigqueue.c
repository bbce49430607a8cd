/* Signals that queue and those that do not, what comes with them, the limit on
 * how many, and who may be sent one. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char text[4096];
static volatile pid_t taker;

static void note(int signo, siginfo_t *info, void *context)
{
	size_t n = strlen(text);

	(void)context;
	snprintf(text + n, sizeof(text) - n, " [%d code %d value %d self %d]",
		 signo == info->si_signo ? signo - SIGRTMIN : -100,
		 info->si_code,
		 info->si_code == SI_QUEUE ? info->si_value.sival_int : 0,
		 info->si_pid == getpid());
	taker = gettid();
}

static void show(const char *what)
{
	printf("%s:%s\n", what, text);
	text[0] = 0;
}

static void result(const char *what, long r)
{
	int e = errno;

	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(e) : "");
}

static void queue(int signo, int value)
{
	union sigval v = { .sival_int = value };

	if (sigqueue(getpid(), signo, v))
		printf("sigqueue %d: %s\n", signo, strerrorname_np(errno));
}

static long queueinfo(pid_t pid, int signo, int code)
{
	siginfo_t info = { .si_code = code };

	info.si_value.sival_int = 77;
	info.si_pid = getpid();
	return syscall(SYS_rt_sigqueueinfo, pid, signo, &info);
}

static void limits(sigset_t *all)
{
	struct rlimit old, few;
	siginfo_t info;
	union sigval v = { 0 };
	struct timespec none = { 0, 0 };
	int n = 0;

	getrlimit(RLIMIT_SIGPENDING, &old);
	few = old;
	few.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &few);
	sigprocmask(SIG_BLOCK, all, NULL);
	result("sigqueue, limit 0", sigqueue(getpid(), SIGRTMIN, v));
	result("sigqueue of a standard signal", sigqueue(getpid(), SIGUSR1, v));
	result("kill is never refused", kill(getpid(), SIGRTMIN + 1));
	result("standard", kill(getpid(), SIGUSR2));
	while (sigtimedwait(all, &info, &none) > 0)
		printf("took %d code %d self %d\n", info.si_signo, info.si_code,
		       info.si_pid == getpid());
	setrlimit(RLIMIT_SIGPENDING, &old);
	while (n < 200 && sigqueue(getpid(), SIGRTMIN, v) == 0)
		n++;
	while (sigtimedwait(all, &info, &none) > 0)
		n--;
	printf("queued and taken: left %d\n", n);
	sigprocmask(SIG_UNBLOCK, all, NULL);
}

static void waiting(sigset_t *all)
{
	struct timespec none = { 0, 0 },
			huge = { 0x7fffffffffffffff, 999999999 },
			bad = { 0, 1000000000 }, negative = { -1, 0 };
	siginfo_t info;

	sigprocmask(SIG_BLOCK, all, NULL);
	result("nothing", sigtimedwait(all, &info, &none));
	result("bad ns", sigtimedwait(all, &info, &bad));
	result("negative", sigtimedwait(all, &info, &negative));
	result("bad set", syscall(SYS_rt_sigtimedwait, 8, &info, &none, 8));
	result("bad size", syscall(SYS_rt_sigtimedwait, all, &info, &none, 4));
	result("bad timeout", syscall(SYS_rt_sigtimedwait, all, &info, 8, 8));
	queue(SIGRTMIN + 2, 5);
	queue(SIGRTMIN + 1, 6);
	result("huge timeout, the lower one",
	       sigtimedwait(all, &info, &huge) - SIGRTMIN);
	printf("value %d code %d\n", info.si_value.sival_int, info.si_code);
	queue(SIGUSR2, 1);
	result("standard before real-time", sigwaitinfo(all, &info));
	result("the rest", sigwaitinfo(all, NULL) - SIGRTMIN);
	queue(SIGRTMIN, 1);
	result("bad info", syscall(SYS_rt_sigtimedwait, all, 8, &none, 8));
	result("was taken", sigtimedwait(all, &info, &none));
	sigprocmask(SIG_UNBLOCK, all, NULL);
}

static void *take(void *arg)
{
	siginfo_t info;

	*(int *)arg = sigwaitinfo((sigset_t *)(arg + 8), &info) == SIGUSR1 ?
			      info.si_value.sival_int :
			      -errno;
	return NULL;
}

/* A signal for the process goes to the thread that waits for it. */
static void to_thread(void)
{
	struct {
		long result;
		sigset_t set;
	} job;
	pthread_t t;
	siginfo_t info = { .si_code = SI_QUEUE };

	sigemptyset(&job.set);
	sigaddset(&job.set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &job.set, NULL);
	pthread_create(&t, NULL, take, &job);
	usleep(20000);
	queue(SIGUSR1, 42);
	pthread_join(t, NULL);
	printf("waiting thread took %d\n", (int)job.result);
	sigprocmask(SIG_UNBLOCK, &job.set, NULL);
	info.si_value.sival_int = 9;
	result("tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, getpid(),
					 gettid(), SIGUSR1, &info));
	show("to the thread");
	result("no thread", syscall(SYS_rt_tgsigqueueinfo, getpid(), 1 << 22,
				    SIGUSR1, &info));
	result("thread of 0",
	       syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, SIGUSR1, &info));
	result("bad signal",
	       syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), 65, &info));
	result("bad info",
	       syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, 8));
}

static void signalfd_fields(void)
{
	struct signalfd_siginfo got[4];
	sigset_t set;
	int fd, n;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	result("empty", read(fd, got, sizeof(got)));
	result("short", read(fd, got, 100));
	queue(SIGRTMIN + 3, 1);
	queue(SIGRTMIN + 3, 2);
	kill(getpid(), SIGUSR1);
	n = (int)(read(fd, got, sizeof(got)) / (long)sizeof(*got));
	for (int i = 0; i < n; i++)
		printf("signalfd: %d code %d int %d self %d uid %d\n",
		       (int)got[i].ssi_signo, got[i].ssi_code, got[i].ssi_int,
		       got[i].ssi_pid == (unsigned)getpid(),
		       (int)got[i].ssi_uid);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO },
			 old;
	sigset_t all;

	setvbuf(stdout, NULL, _IONBF, 0);
	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGUSR2);
	for (int i = 0; i < 4; i++)
		sigaddset(&all, SIGRTMIN + i);
	for (int s = 1; s < SIGRTMAX; s++)
		if (sigismember(&all, s))
			sigaction(s, &a, NULL);
	a.sa_mask = all;
	sigaction(SIGRTMIN + 1, &a, NULL);

	sigprocmask(SIG_BLOCK, &all, NULL);
	queue(SIGRTMIN + 1, 1);
	queue(SIGRTMIN + 1, 2);
	queue(SIGRTMIN + 1, 3);
	queue(SIGRTMIN, 4);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	show("real-time signals queue");
	sigprocmask(SIG_BLOCK, &all, NULL);
	queue(SIGUSR1, 1);
	queue(SIGUSR1, 2);
	kill(getpid(), SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	show("standard ones do not");
	sigprocmask(SIG_BLOCK, &all, NULL);
	queue(SIGRTMIN, 1);
	queue(SIGRTMIN + 2, 2);
	signal(SIGRTMIN, SIG_IGN);
	sigaction(SIGRTMIN, &a, NULL);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	show("what was ignored meanwhile is gone");

	result("0 asks", kill(getpid(), 0));
	result("own group", kill(0, 0));
	result("negative group", kill(-getpgrp(), 0));
	result("nobody", kill(1 << 22, 0));
	result("nobody, bad signal", kill(1 << 22, 65));
	result("bad signal", kill(getpid(), 65));
	result("negative signal", kill(getpid(), -1));
	result("no such group", kill(-(1 << 22), 0));
	result("tgkill of another", tgkill(getpid() + 1, gettid(), 0));
	result("tgkill 0", tgkill(0, gettid(), 0));
	result("tgkill tid -1", tgkill(getpid(), -1, 0));
	result("tgkill bad", tgkill(getpid(), gettid(), 65));
	result("tkill", syscall(SYS_tkill, gettid(), 0));
	result("tkill nobody", syscall(SYS_tkill, 1 << 22, 0));
	result("tkill 0", syscall(SYS_tkill, 0, 0));
	result("queueinfo asks", queueinfo(getpid(), 0, SI_QUEUE));
	result("queueinfo nobody", queueinfo(1 << 22, 0, SI_QUEUE));
	result("queueinfo bad", queueinfo(getpid(), 65, SI_QUEUE));
	result("queueinfo as kill, to itself",
	       queueinfo(getpid(), SIGUSR1, SI_USER));
	show("pretends");
	result("queueinfo as kill, to another",
	       queueinfo(1 << 22, SIGUSR1, SI_USER));
	result("queueinfo bad address",
	       syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8));

	a.sa_flags = (int)(SA_SIGINFO | SA_RESTART | 0x400);
	sigaction(SIGUSR2, &a, NULL);
	sigaction(SIGUSR2, NULL, &old);
	printf("unknown flag %x, mask %d\n", old.sa_flags & 0x400,
	       sigismember(&old.sa_mask, SIGKILL));
	result("action of 65", syscall(SYS_rt_sigaction, 65, NULL, &old, 8));
	result("action of KILL", sigaction(SIGKILL, &a, NULL));
	result("reads KILL's", sigaction(SIGKILL, NULL, &old));
	result("bad size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	result("bad action", syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8));
	result("bad how", sigprocmask(77, &all, NULL));
	result("bad old", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, 8, 8));
	result("bad pending", syscall(SYS_rt_sigpending, 8, 8));
	result("pending size", syscall(SYS_rt_sigpending, &all, 9));
	waiting(&all);
	limits(&all);
	text[0] = 0;
	to_thread();
	signalfd_fields();
	printf("CONT for who runs %d\n", raise(SIGCONT));
	return 0;
}
