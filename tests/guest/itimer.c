/* setitimer, alarm and POSIX timers: what they answer, overruns, ends of the
 * range, and what their signals carry. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define HUGE 0x7fffffffffffffffl

static volatile sig_atomic_t fired;
static volatile int last_code, last_value, last_overrun, last_tid;

static void note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	fired++;
	last_code = info->si_code;
	last_value = info->si_value.sival_int;
	last_overrun = info->si_overrun;
	last_tid = gettid();
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t))
		;
}

static void interval_timers(void)
{
	struct itimerval v = { { 0, 0 }, { 5, 0 } }, old, off = { 0 };
	struct itimerval huge = { { HUGE, 999999 }, { HUGE, 999999 } };
	struct itimerval wrap = { { 18446744074 / 1, 0 }, { 18446744074, 0 } };
	struct itimerval fast = { { 0, 1000 }, { 0, 1000 } };

	SHOW(setitimer(ITIMER_REAL, &v, NULL));
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("left %d interval %ld\n",
	       old.it_value.tv_sec == 4 || old.it_value.tv_sec == 5,
	       old.it_interval.tv_sec);
	SHOW(alarm(7));
	SHOW(alarm(0xffffffff));
	SHOW(alarm(0) > 4000000000u);
	SHOW(alarm(0));
	SHOW(setitimer(ITIMER_REAL, &huge, &old));
	printf("old %ld\n", old.it_value.tv_sec);
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("huge: left %d interval %ld %ld\n",
	       old.it_value.tv_sec > 9000000000, old.it_interval.tv_sec,
	       old.it_interval.tv_usec);
	SHOW(setitimer(ITIMER_REAL, &wrap, NULL));
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("2^64 ns: left %d interval %ld, fired %d\n",
	       old.it_value.tv_sec > 9000000000, old.it_interval.tv_sec, fired);
	SHOW(setitimer(ITIMER_REAL, &off, &old));
	SHOW(setitimer(3, &v, NULL));
	SHOW(setitimer(-1, &v, NULL));
	SHOW(getitimer(3, &old));
	v.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &v, NULL));
	v.it_value.tv_usec = -1;
	SHOW(setitimer(ITIMER_REAL, &v, NULL));
	v.it_value = (struct timeval){ 0, 0 };
	v.it_interval.tv_sec = -1;
	SHOW(setitimer(ITIMER_REAL, &v, NULL));
	SHOW(RAW(setitimer, ITIMER_REAL, 8, NULL));
	SHOW(RAW(getitimer, ITIMER_REAL, 8));
	SHOW(setitimer(ITIMER_REAL, &fast, NULL));
	while (fired < 10)
		pause();
	SHOW(setitimer(ITIMER_REAL, &off, NULL));
	printf("code %d\n", last_code == SI_KERNEL);
	/* Those by CPU time do not go on in a sleep. */
	fired = 0;
	SHOW(setitimer(ITIMER_PROF, &fast, NULL));
	sleep_ms(100);
	printf("asleep, few %d\n", fired < 20);
	while (fired < 25)
		;
	SHOW(setitimer(ITIMER_PROF, &off, &old));
	printf("interval %ld\n", old.it_interval.tv_usec);
	fired = 0;
	SHOW(setitimer(ITIMER_VIRTUAL, &fast, NULL));
	while (fired < 5)
		;
	SHOW(setitimer(ITIMER_VIRTUAL, &off, NULL));
	fired = 0;
}

static timer_t make(clockid_t clock, int signo, int value)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL,
			      .sigev_signo = signo };
	timer_t t = NULL;

	e.sigev_value.sival_int = value;
	if (timer_create(clock, &e, &t))
		printf("timer_create: %s\n", strerrorname_np(errno));
	return t;
}

static struct itimerspec spec(long first_ms, long interval_ms)
{
	return (struct itimerspec){
		{ interval_ms / 1000, interval_ms % 1000 * 1000000 },
		{ first_ms / 1000, first_ms % 1000 * 1000000 }
	};
}

static void overruns(void)
{
	struct itimerspec every = spec(10, 10), off = { 0 }, left,
			  past = spec(1, 0);
	sigset_t set;
	siginfo_t info;
	timer_t t = make(CLOCK_MONOTONIC, SIGRTMIN, 11);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SHOW(timer_settime(t, 0, &every, NULL));
	sleep_ms(105);
	SHOW(sigwaitinfo(&set, &info) == SIGRTMIN);
	printf("timer's: code %d value %d, overrun %d, the same %d\n",
	       info.si_code == SI_TIMER, info.si_value.sival_int,
	       info.si_overrun >= 9, timer_getoverrun(t) == info.si_overrun);
	SHOW(sigwaitinfo(&set, &info) == SIGRTMIN);
	printf("next: overrun few %d\n", info.si_overrun < 5);
	sleep_ms(30);
	SHOW(timer_gettime(t, &left));
	printf("left %d\n", left.it_value.tv_sec == 0 &&
				    left.it_value.tv_nsec > 0 &&
				    left.it_value.tv_nsec <= 10000000);
	SHOW(timer_settime(t, 0, &off, &left));
	SHOW(timer_getoverrun(t));
	SHOW(timer_gettime(t, &left));
	printf("off: %ld %ld\n", left.it_value.tv_sec, left.it_value.tv_nsec);
	/* Long ago, with an interval: all that has passed counts. */
	past.it_interval.tv_sec = 1000000;
	SHOW(timer_settime(t, TIMER_ABSTIME, &past, NULL));
	SHOW(sigwaitinfo(&set, &info) == SIGRTMIN);
	SHOW(timer_settime(t, 0, &off, NULL));
	SHOW(timer_delete(t));
	SHOW(timer_delete(t));
	t = make(CLOCK_REALTIME, SIGRTMIN, 12);
	past = (struct itimerspec){ { 0, 1000 }, { 1, 0 } };
	SHOW(timer_settime(t, TIMER_ABSTIME, &past, NULL));
	SHOW(sigwaitinfo(&set, &info) == SIGRTMIN);
	printf("since 1970: %d\n", info.si_overrun > 1000000);
	SHOW(timer_delete(t));
	/* A signal of a timer that is gone. */
	t = make(CLOCK_MONOTONIC, SIGRTMIN, 13);
	past = spec(1, 0);
	SHOW(timer_settime(t, 0, &past, NULL));
	sleep_ms(20);
	SHOW(timer_delete(t));
	SHOW(sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	SHOW(fired);
}

static void refusals(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0 };
	struct itimerspec v = spec(1, 0), bad = { { 0, 1000000000 }, { 0, 0 } },
			  huge = { { HUGE, 999999999 }, { HUGE, 999999999 } },
			  left;
	timer_t t;
	int id;

	SHOW(RAW(timer_create, 77, NULL, &id));
	SHOW(RAW(timer_create, CLOCK_MONOTONIC_RAW, NULL, &id));
	SHOW(RAW(timer_create, CLOCK_REALTIME_COARSE, NULL, &id));
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &e, &id));
	e.sigev_signo = 65;
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &e, &id));
	e.sigev_signo = SIGUSR1;
	e.sigev_notify = 77;
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &e, &id));
	e.sigev_notify = SIGEV_THREAD_ID;
	e._sigev_un._tid = 1 << 22;
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &e, &id));
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, 8, &id));
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, NULL, 8));
	t = make(CLOCK_BOOTTIME, SIGUSR1, 0);
	SHOW(timer_settime(t, 0, &bad, NULL));
	bad = (struct itimerspec){ { 0, 0 }, { -1, 0 } };
	SHOW(timer_settime(t, 0, &bad, NULL));
	SHOW(timer_settime(t, 0, NULL, NULL));
	SHOW(RAW(timer_settime, 1 << 20, 0, &v, NULL));
	SHOW(RAW(timer_settime, (long)t, 0, 8, NULL));
	SHOW(RAW(timer_gettime, 1 << 20, &v));
	SHOW(RAW(timer_getoverrun, 1 << 20));
	SHOW(timer_settime(t, 0, &huge, NULL));
	SHOW(timer_gettime(t, &left));
	printf("huge: left %d interval %ld\n",
	       left.it_value.tv_sec > 9000000000, left.it_interval.tv_sec);
	SHOW(timer_settime(t, TIMER_ABSTIME, &huge, NULL));
	SHOW(timer_delete(t));
	e.sigev_notify = SIGEV_NONE;
	SHOW(timer_create(CLOCK_MONOTONIC, &e, &t));
	v = spec(10, 0);
	SHOW(timer_settime(t, 0, &v, NULL));
	sleep_ms(20);
	SHOW(timer_gettime(t, &left));
	printf("none, once: %ld %ld\n", left.it_value.tv_sec,
	       left.it_value.tv_nsec);
	v = spec(10, 10);
	SHOW(timer_settime(t, 0, &v, NULL));
	sleep_ms(25);
	SHOW(timer_gettime(t, &left));
	printf("none, again and again: %d\n",
	       left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10000000);
	SHOW(timer_delete(t));
}

static void *to_thread(void *arg)
{
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID,
			      .sigev_signo = SIGUSR1 };
	struct itimerspec v = spec(5, 0);
	timer_t t;

	(void)arg;
	e._sigev_un._tid = gettid();
	SHOW(timer_create(CLOCK_MONOTONIC, &e, &t));
	fired = 0;
	SHOW(timer_settime(t, 0, &v, NULL));
	while (!fired)
		sleep_ms(1);
	printf("by the thread itself %d\n", last_tid == gettid());
	SHOW(timer_delete(t));
	return NULL;
}

static void ignored_and_many(void)
{
	struct itimerspec v = spec(1, 1);
	struct rlimit old, few;
	sigset_t set;
	timer_t t = make(CLOCK_MONOTONIC, SIGURG, 0), all[10];
	int n = 0;

	SHOW(timer_settime(t, 0, &v, NULL));
	sleep_ms(20);
	SHOW(timer_gettime(t, &v));
	printf("ignored, goes on %d\n", v.it_value.tv_nsec > 0);
	SHOW(timer_delete(t));
	getrlimit(RLIMIT_SIGPENDING, &old);
	few = old;
	few.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &few);
	while (n < 10 && timer_create(CLOCK_MONOTONIC, NULL, &all[n]) == 0)
		n++;
	printf("timers up to the limit %d %s\n", n, strerrorname_np(errno));
	while (n)
		timer_delete(all[--n]);
	setrlimit(RLIMIT_SIGPENDING, &old);
	sigemptyset(&set);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	pthread_t t;

	sigaction(SIGALRM, &a, NULL);
	sigaction(SIGPROF, &a, NULL);
	sigaction(SIGVTALRM, &a, NULL);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGRTMIN, &a, NULL);
	interval_timers();
	overruns();
	refusals();
	pthread_create(&t, NULL, to_thread, NULL);
	pthread_join(t, NULL);
	ignored_and_many();
	return 0;
}
