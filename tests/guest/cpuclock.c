/* CPU time: clocks that do not go back, of threads that have ended, timers and
 * sleeps by them, RLIMIT_CPU. cpuclock CASE: those that end the program. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t fired, last_code;
static volatile int stop;

static void note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	fired++;
	last_code = info->si_code;
}

static double now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return -1;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void burn(double seconds)
{
	double end = now(CLOCK_THREAD_CPUTIME_ID) + seconds;

	while (now(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void *burner(void *arg)
{
	burn(*(double *)arg);
	return NULL;
}

static void *until_stop(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
}

static void ended_threads(void)
{
	double seconds = 0.1, before = now(CLOCK_PROCESS_CPUTIME_ID),
	       last = before, t;
	clockid_t clock;
	pthread_t thread;
	int back = 0;

	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, burner, &seconds);
		pthread_join(thread, NULL);
		t = now(CLOCK_PROCESS_CPUTIME_ID);
		back += t < last;
		last = t;
	}
	printf("what ended threads used stays: %d, went back %d\n",
	       last - before >= 0.29, back);
	printf("the main thread slept: %d\n",
	       now(CLOCK_THREAD_CPUTIME_ID) < last);
	pthread_create(&thread, NULL, until_stop, NULL);
	SHOW(pthread_getcpuclockid(thread, &clock));
	for (int i = 0; i < 200 && now(clock) <= 0.005; i++)
		usleep(10000);
	printf("another thread's clock goes on %d\n", now(clock) > 0.005);
	stop = 1;
	pthread_join(thread, NULL);
	/* The thread says that it has ended before Linux takes it off its lists. */
	for (int i = 0;
	     i < 1000 && clock_gettime(clock, &(struct timespec){ 0, 0 }) == 0;
	     i++)
		usleep(1000);
	SHOW(clock_gettime(clock, &(struct timespec){ 0, 0 }));
	SHOW(RAW(clock_getres, clock, NULL));
	for (int i = 0; i < 100000; i++) {
		t = now(CLOCK_PROCESS_CPUTIME_ID);
		back += t < last;
		last = t;
	}
	printf("never back %d\n", back);
}

static void ids(void)
{
	struct timespec t;
	clockid_t clock;

	SHOW(clock_getcpuclockid(0, &clock));
	printf("own %d\n", now(clock) > 0);
	SHOW(clock_getcpuclockid(getpid(), &clock));
	printf("by number %d\n", now(clock) > 0);
	SHOW(clock_getcpuclockid(1 << 22, &clock));
	SHOW(clock_gettime(~(1 << 22) << 3 | 2, &t));
	SHOW(clock_gettime(~getpid() << 3 | 6, &t));
	SHOW(clock_gettime(~getpid() << 3 | 0, &t));
	SHOW(clock_gettime(~getpid() << 3 | 1, &t));
	SHOW(clock_gettime(~getpid() << 3 | 3, &t));
	SHOW(clock_gettime(77, &t));
	SHOW(RAW(clock_gettime, CLOCK_MONOTONIC, 8));
	SHOW(clock_getres(CLOCK_PROCESS_CPUTIME_ID, &t));
	printf("%ld %ld\n", t.tv_sec, t.tv_nsec);
	SHOW(clock_getres(~getpid() << 3 | 2, &t));
	printf("%ld %ld\n", t.tv_sec, t.tv_nsec);
	SHOW(clock_getres(CLOCK_REALTIME, &t));
	printf("%ld %ld\n", t.tv_sec, t.tv_nsec);
	SHOW(clock_getres(77, &t));
	t = (struct timespec){ -1, 0 };
	SHOW(clock_settime(CLOCK_REALTIME, &t));
	t = (struct timespec){ 0, 1000000000 };
	SHOW(clock_settime(CLOCK_REALTIME, &t));
	SHOW(clock_settime(CLOCK_MONOTONIC, &t));
	SHOW(clock_settime(CLOCK_BOOTTIME, &t));
	SHOW(clock_settime(77, &t));
	SHOW(RAW(clock_settime, CLOCK_REALTIME, 8));
	SHOW(RAW(settimeofday, 8, NULL));
	SHOW(RAW(settimeofday, &(struct timeval){ 0, -1 }, NULL));
}

static void sleeps(void)
{
	struct timespec t = { 0, 20000000 }, left;
	clockid_t clock;
	pthread_t thread;
	double start;

	stop = 0;
	SHOW(RAW(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
	SHOW(RAW(clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &t, NULL));
	SHOW(RAW(clock_nanosleep, CLOCK_REALTIME_COARSE, 0, &t, NULL));
	SHOW(RAW(clock_nanosleep, 77, 0, &t, NULL));
	SHOW(RAW(clock_nanosleep, ~gettid() << 3 | 6, 0, &t, NULL));
	SHOW(RAW(clock_nanosleep, CLOCK_MONOTONIC, 0, 8, NULL));
	t.tv_nsec = -1;
	SHOW(RAW(clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL));
	t = (struct timespec){ -1, 0 };
	SHOW(RAW(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
	t = (struct timespec){ 1, 0 };
	SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
			     &(struct timespec){ 0, 1 }, NULL));
	SHOW(clock_nanosleep(CLOCK_TAI, 0, &(struct timespec){ 0, 1 }, NULL));
	SHOW(clock_nanosleep(CLOCK_BOOTTIME, 0, &(struct timespec){ 0, 1 },
			     NULL));
	SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME,
			     &(struct timespec){ 0, 1 }, NULL));
	pthread_create(&thread, NULL, until_stop, NULL);
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	t = (struct timespec){ 0, 50000000 };
	SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL));
	printf("slept while the other worked %d\n",
	       now(CLOCK_PROCESS_CPUTIME_ID) - start >= 0.05);
	SHOW(pthread_getcpuclockid(thread, &clock));
	SHOW(clock_nanosleep(clock, 0, &t, NULL));
	stop = 1;
	pthread_join(thread, NULL);
	/* to the end of time, until a signal comes */
	setitimer(ITIMER_REAL,
		  &(struct itimerval){ { 0, 20000 }, { 0, 20000 } }, NULL);
	t = (struct timespec){ 0x7fffffffffffffff, 999999999 };
	SHOW(nanosleep(&t, &left));
	printf("left %d\n", left.tv_sec > 9000000000);
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left));
	printf("left %d\n", left.tv_sec > 9000000000);
	left.tv_sec = 5;
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left));
	SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, &left));
	printf("not touched %ld\n", left.tv_sec);
	SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL));
	SHOW(RAW(nanosleep, &t, 8));
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
}

static void timers(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL,
			      .sigev_signo = SIGUSR1 };
	struct itimerspec v = { { 0, 0 }, { 0, 50000000 } }, left;
	timer_t t;
	clockid_t clock;
	double start, seconds = 0.01;
	pthread_t thread;

	fired = 0;
	SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &e, &t));
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	SHOW(timer_settime(t, 0, &v, NULL));
	usleep(100000);
	printf("asleep %d\n", fired);
	while (!fired)
		;
	printf("fired after CPU time %d, code %d\n",
	       now(CLOCK_PROCESS_CPUTIME_ID) - start >= 0.05,
	       last_code == SI_TIMER);
	SHOW(timer_gettime(t, &left));
	printf("left %ld %ld\n", left.it_value.tv_sec, left.it_value.tv_nsec);
	SHOW(timer_delete(t));
	SHOW(timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &t));
	v.it_interval.tv_nsec = 5000000;
	fired = 0;
	SHOW(timer_settime(t, 0, &v, NULL));
	while (fired < 5)
		;
	SHOW(timer_delete(t));
	/* of a thread that ends meanwhile */
	pthread_create(&thread, NULL, burner, &seconds);
	pthread_getcpuclockid(thread, &clock);
	SHOW(timer_create(clock, &e, &t));
	pthread_join(thread, NULL);
	SHOW(timer_settime(t, 0, &v, NULL));
	SHOW(timer_delete(t));
}

static void used(void)
{
	struct rusage self, thread;
	struct tms before, after;
	char buf[65536];
	int fd[2];

	times(&before);
	burn(0.1);
	times(&after);
	printf("times: %d, children %ld\n",
	       after.tms_utime + after.tms_stime - before.tms_utime -
			       before.tms_stime >=
		       8,
	       after.tms_cutime + after.tms_cstime);
	SHOW(RAW(times, 8));
	SHOW(times(NULL) > 0);
	if (pipe(fd))
		exit(1);
	for (int i = 0; i < 5000; i++)
		if (write(fd[1], buf, 65536) < 0 || read(fd[0], buf, 65536) < 0)
			exit(1);
	SHOW(getrusage(RUSAGE_SELF, &self));
	SHOW(getrusage(RUSAGE_THREAD, &thread));
	printf("in the kernel %d, in the program %d\n",
	       self.ru_stime.tv_usec + self.ru_stime.tv_sec > 0,
	       self.ru_utime.tv_usec + self.ru_utime.tv_sec > 0);
	printf("all is at least the thread's %d\n",
	       timercmp(&self.ru_utime, &thread.ru_utime, >=));
	SHOW(getrusage(RUSAGE_CHILDREN, &self));
	printf("children %ld\n", self.ru_utime.tv_sec + self.ru_utime.tv_usec);
	SHOW(RAW(getrusage, 7, &self));
	SHOW(RAW(getrusage, RUSAGE_SELF, 8));
}

static void limit(long soft, long hard)
{
	struct rlimit l = { (rlim_t)soft, (rlim_t)hard };

	SHOW(setrlimit(RLIMIT_CPU, &l));
}

int main(int argc, char **argv)
{
	struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	struct rlimit l;

	setvbuf(stdout, NULL, _IONBF, 0);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGALRM, &a, NULL);
	if (argc > 1 && !strcmp(argv[1], "soft")) {
		limit(1, -1);
		burn(20);
	}
	if (argc > 1 && !strcmp(argv[1], "hard")) {
		sigaction(SIGXCPU, &a, NULL);
		limit(1, 2);
		while (!fired)
			;
		printf("XCPU code %d\n", last_code == SI_KERNEL);
		SHOW(getrlimit(RLIMIT_CPU, &l));
		printf("moved to %d %d\n", (int)l.rlim_cur, (int)l.rlim_max);
		burn(20);
	}
	ids();
	ended_threads();
	sleeps();
	timers();
	used();
	return 0;
}
