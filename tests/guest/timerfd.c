/* timerfd.c: timerfd: clocks, intervals, disarming, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void show(const char *what, long r)
{
	if (r < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, r);
	fflush(stdout);
}
#define SHOW(call) show(#call, (long)(call))

static int fd;

static long get(void)
{
	uint64_t v = 0;
	long r = read(fd, &v, sizeof(v));

	return r < 0 ? r : (long)v;
}

static long set(int flags, long value_ms, long interval_ms)
{
	struct itimerspec its = {
		{interval_ms / 1000, interval_ms % 1000 * 1000000},
		{value_ms / 1000, value_ms % 1000 * 1000000}};

	return timerfd_settime(fd, flags, &its, NULL);
}

static long now_ms(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void one_clock(int clock)
{
	long before = now_ms(CLOCK_MONOTONIC);

	printf("clock %d\n", clock);
	SHOW((fd = timerfd_create(clock, 0)) >= 0);
	SHOW(set(0, 20, 0));
	SHOW(get());
	SHOW(now_ms(CLOCK_MONOTONIC) - before >= 19);
	before = now_ms(CLOCK_MONOTONIC);
	SHOW(set(TFD_TIMER_ABSTIME, now_ms(clock) + 20, 0));
	SHOW(get());
	SHOW(now_ms(CLOCK_MONOTONIC) - before >= 18);
	SHOW(set(TFD_TIMER_ABSTIME, 1, 0));
	SHOW(get());
	close(fd);
}

static void interval(void)
{
	struct itimerspec its;
	struct pollfd p;
	long total = 0;

	SHOW((fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) >= 0);
	SHOW(get());
	SHOW(timerfd_gettime(fd, &its));
	SHOW(its.it_value.tv_sec + its.it_value.tv_nsec);
	SHOW(set(0, 100000, 10));
	p = (struct pollfd){fd, POLLIN, 0};
	SHOW(poll(&p, 1, 0));
	SHOW(get());
	SHOW(set(0, 5, 10));
	while (total < 5) {
		if (poll(&p, 1, -1) != 1)
			SHOW(errno);
		total += get();
	}
	printf("enough %d\n", total >= 5);
	usleep(50000);
	SHOW(get() >= 4);
	SHOW(timerfd_gettime(fd, &its));
	SHOW(its.it_interval.tv_nsec);
	SHOW(its.it_value.tv_sec == 0 && its.it_value.tv_nsec > 0);
	usleep(20000);
	SHOW(set(0, 0, 0));
	SHOW(get());
	SHOW(set(0, 100000, 0));
	SHOW(timerfd_gettime(fd, &its));
	SHOW(its.it_value.tv_sec > 0 && its.it_value.tv_sec <= 100);
	SHOW(poll(&p, 1, 10));
	close(fd);
}

int main(void)
{
	struct itimerspec bad = {{0, 0}, {0, 1000000000}};
	int p[2];

	one_clock(CLOCK_MONOTONIC);
	one_clock(CLOCK_REALTIME);
	interval();
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	SHOW((fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	bad.it_value.tv_nsec = -1;
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	SHOW(set(8, 1, 0));
	SHOW(read(fd, &bad, 7));
	SHOW(timerfd_settime(-1, 0, &(struct itimerspec){0}, NULL));
	SHOW(pipe(p));
	SHOW(timerfd_gettime(p[0], &bad));
	return 0;
}
