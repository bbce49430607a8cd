/* Clocks go on, sleeps last as long as asked, timers fire. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int fired;

static void on_timer(int signo)
{
	(void)signo;
	fired++;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	struct timespec t = { 0, 50000000 }, bad = { 0, 1000000000 }, direct;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 10000000 }, { 0, 10000000 } },
			  off = { 0 };
	double start = now(CLOCK_MONOTONIC), last = start, x;
	struct timezone zone;
	time_t seconds, stored;
	struct timeval tv;
	int back = 0;
	timer_t timer;

	for (int i = 0; i < 100000; i++) {
		x = now(CLOCK_MONOTONIC);
		back += x < last;
		last = x;
	}
	printf("never back %d\n", back == 0);
	x = now(CLOCK_REALTIME);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &direct);
	last = (double)direct.tv_sec + (double)direct.tv_nsec / 1e9;
	printf("vdso and call agree %d\n",
	       last - x > -0.001 && now(CLOCK_REALTIME) - last > -0.001);
	syscall(SYS_gettimeofday, &tv, &zone);
	printf("gettimeofday agrees %d %d\n",
	       labs(tv.tv_sec - direct.tv_sec) <= 1, zone.tz_dsttime);
	seconds = syscall(SYS_time, &stored);
	printf("time agrees %d %d\n", labs(seconds - direct.tv_sec) <= 1,
	       stored == seconds);
	printf("bad %d %d\n", (int)syscall(SYS_gettimeofday, 8, NULL), errno);
	printf("bad %d %d\n", (int)syscall(SYS_time, 8), errno);
	start = now(CLOCK_MONOTONIC);
	printf("nanosleep %d", nanosleep(&t, NULL));
	printf(" lasted %d\n", now(CLOCK_MONOTONIC) - start >= 0.05);
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 30000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	printf("until %d\n",
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	printf("bad %d %d\n", nanosleep(&bad, NULL) < 0, errno == EINVAL);
	signal(SIGUSR1, on_timer);
	printf("timer %d", timer_create(CLOCK_MONOTONIC, &event, &timer));
	printf(" %d\n", timer_settime(timer, 0, &every, NULL));
	while (fired < 3)
		pause();
	printf("fired, off %d", timer_settime(timer, 0, &off, NULL));
	printf(" delete %d\n", timer_delete(timer));
	x = now(CLOCK_PROCESS_CPUTIME_ID);
	for (volatile int i = 0; i < 30000000; i++)
		;
	printf("cpu time grows %d\n", now(CLOCK_PROCESS_CPUTIME_ID) > x);
	printf("unknown clock %d\n",
	       clock_gettime(77, &t) < 0 && errno == EINVAL);
	return 0;
}
