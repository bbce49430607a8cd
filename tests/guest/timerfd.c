/* timerfd.c: timerfd: clocks, intervals, disarming, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
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
		{ interval_ms / 1000, interval_ms % 1000 * 1000000 },
		{ value_ms / 1000, value_ms % 1000 * 1000000 }
	};

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
	p = (struct pollfd){ fd, POLLIN, 0 };
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

#define MANY 500

/* Times that stand in another order than the timers, some of them twice, and a
 * third of them set anew or not at all: they come in the order of their times. */
static void many(void)
{
	struct epoll_event events[MANY];
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };
	long at[MANY];
	int fds[MANY];
	cpu_set_t here;
	int set = epoll_create1(0), count, turned = 0;

	/* Timers of one CPU are called in order. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	clock_gettime(CLOCK_MONOTONIC, &its.it_value);
	its.it_value.tv_sec += 1;
	for (int i = 0; i < MANY; i++) {
		fds[i] = timerfd_create(CLOCK_MONOTONIC, 0);
		epoll_ctl(set, EPOLL_CTL_ADD, fds[i],
			  &(struct epoll_event){ EPOLLIN,
						 { .u32 = (unsigned)i } });
		at[i] = its.it_value.tv_nsec = i * 7919L % MANY / 2 * 100000;
		timerfd_settime(fds[i], TFD_TIMER_ABSTIME, &its, NULL);
	}
	for (int i = 0; i < MANY; i += 3) {
		at[i] = its.it_value.tv_nsec =
			i % 2 ? 0 : i * 104729L % MANY * 150000;
		its.it_value.tv_sec -= i % 2 ? its.it_value.tv_sec : 0;
		timerfd_settime(fds[i], TFD_TIMER_ABSTIME, &its, NULL);
		clock_gettime(CLOCK_MONOTONIC, &its.it_value);
		its.it_value.tv_sec += 1;
	}
	for (count = 0; count < MANY - MANY / 6;) {
		int n = epoll_wait(set, events + count, MANY - count, 3000);

		if (n <= 0)
			break;
		for (int i = count; i < count + n; i++) {
			read(fds[events[i].data.u32], &(uint64_t){ 0 }, 8);
			turned += i && at[events[i].data.u32] <
					       at[events[i - 1].data.u32];
		}
		count += n;
	}
	printf("many: %d came, %d out of order\n", count, turned);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(set);
}

int main(void)
{
	struct itimerspec bad = { { 0, 0 }, { 0, 1000000000 } };
	int p[2];

	one_clock(CLOCK_MONOTONIC);
	one_clock(CLOCK_REALTIME);
	interval();
	many();
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	SHOW((fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	bad.it_value.tv_nsec = -1;
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	SHOW(set(8, 1, 0));
	SHOW(read(fd, &bad, 7));
	SHOW(timerfd_settime(-1, 0, &(struct itimerspec){ 0 }, NULL));
	SHOW(pipe(p));
	SHOW(timerfd_gettime(p[0], &bad));
	return 0;
}
